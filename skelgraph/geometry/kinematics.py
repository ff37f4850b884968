"""Forward kinematics: where the joints of a tree of segments are."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def forward_kinematics(
    parents: Sequence[int], rotations: Sequence[Tensor], offsets: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Compose the rotations of joints along the tree: ``R_j = R_parent L_j``, ``p_j = p_parent + R_parent o_j``.

    Args:
        parents: Parent of each joint, which comes before it; -1 for a root.
        rotations: Rotation ``L_j`` of each joint's segment in that of its parent, ``(..., 3, 3)``.
        offsets: Place ``o_j`` of each joint in its parent's segment (of a root: in the world), ``(..., 3)``.

    Returns:
        Orientation ``(..., 3, 3)`` of every segment and position ``(..., 3)`` of every joint.
    """
    orientations: list[Tensor] = []
    positions: list[Tensor] = []
    for parent, rotation, offset in zip(parents, rotations, offsets, strict=True):
        if parent == -1:
            orientations.append(rotation)
            positions.append(offset)
        else:
            orientations.append(orientations[parent] @ rotation)
            positions.append(positions[parent] + (orientations[parent] @ offset[..., None]).squeeze(-1))
    return orientations, positions
