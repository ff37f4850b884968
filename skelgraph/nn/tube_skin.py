"""The body surface of a pose, for mesh supervision without a body model."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skelgraph.fixed import FixedBuffers
from skelgraph.nn.features import check_features
from skelgraph.options import CheckedOptions, Count, Positive
from skelgraph.text import plain
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton
from skelgraph.topology.tube_mesh import SIDES, bone_layers, tube_faces


class TubeSkin(CheckedOptions, FixedBuffers):
    r"""Put the vertices of :func:`~skelgraph.topology.tube_faces` around the bones of a pose.

    The rings of a bone lie in planes perpendicular to it, at equal distances, with a radius in proportion to its
    length. How they are turned about the bone follows from the pose: side 0 of the spine lies to the front, and every
    other bone takes the turn of the bone before it, carried over by the smallest rotation of that bone's direction into
    its own. Hence the surface is a function of the joints alone: it moves, turns, grows and is mirrored with them.

    Args:
        skeleton: Skeleton or layout name. If it has no symmetric pairs, the viewing axis takes the place of the
            direction from right to left.
        rings: Rings along a bone.
        thickness: Radius of a tube over the length of its bone.

    Shapes:
        - input: joints ``(..., J, 3)`` in any unit
        - output: vertices ``(..., 3 * rings * bones, 3)`` in that unit
        - ``faces`` ``(F, 3)``

    Raises:
        SkelgraphError: If the skeleton is unknown or has no bones, or there are too few rings.

    Example:
        >>> TubeSkin("h36m17")(torch.randn(4, 17, 3)).shape
        torch.Size([4, 192, 3])
    """

    faces: Tensor
    circle: Tensor
    along: Tensor

    def __init__(self, skeleton: SkeletonLike, rings: Count = 4, thickness: Positive = 0.2) -> None:
        super().__init__()
        self.skeleton: Skeleton = as_skeleton(skeleton)
        self.rings = rings
        self.thickness = thickness
        self.register_buffer("faces", tube_faces(self.skeleton, rings), persistent=False)
        angle = torch.arange(SIDES, dtype=torch.float64, device="cpu") * (2 * math.pi / SIDES)
        circle = thickness * torch.stack([angle.cos(), angle.sin()], dim=-1)
        self.register_exact("circle", circle)
        self.register_exact("along", (torch.arange(rings, dtype=torch.float64, device="cpu") + 0.5) / rings)
        self._before = _bones_before(self.skeleton)

    def forward(self, joints: Tensor) -> Tensor:
        """Map joints ``(..., J, 3)`` to vertices ``(..., V, 3)``."""
        check_features(self, joints, 3, self.skeleton.num_joints, "joints")
        parents, children = zip(*self.skeleton.edges, strict=True)
        start = joints[..., parents, :]
        bone = joints[..., children, :] - start
        axes = self._ring_axes(joints, bone)
        centre = start.unsqueeze(-2) + self.exact("along")[:, None] * bone.unsqueeze(-2)  # (..., bones, rings, 3)
        offset = self.exact("circle") @ axes  # (..., bones, sides, 3)
        return (centre.unsqueeze(-2) + offset.unsqueeze(-3)).flatten(-4, -2)

    def _ring_axes(self, joints: Tensor, bone: Tensor) -> Tensor:
        """Two vectors perpendicular to every bone and to each other, as long as the bone, ``(..., bones, 2, 3)``."""
        direction = _unit(bone)
        if self.skeleton.symmetric_pairs:
            side = (joints[..., self.skeleton.left, :] - joints[..., self.skeleton.right, :]).sum(dim=-2)
        else:
            side = torch.zeros_like(joints[..., 0, :])
            side[..., 2] = 1
        first: list[Tensor] = [side] * len(self.skeleton.edges)
        for bone_id, before in self._before:
            new = direction[..., bone_id, :]
            if before == bone_id:  # where a tree begins
                normal = torch.linalg.cross(side, new)  # to the front, if it points up
            else:
                old = direction[..., before, :]
                turn = (new * first[before]).sum(dim=-1, keepdim=True)
                # opposite directions have no smallest rotation: there, the one that leaves the first axis alone
                cosine = (1 + (old * new).sum(dim=-1, keepdim=True)).clamp(min=1e-6)
                normal = first[before] - turn / cosine * (old + new)
            first[bone_id] = _unit(normal)
        u = torch.stack(first, dim=-2)
        length = bone.norm(dim=-1, keepdim=True)
        return torch.stack([length * u, torch.linalg.cross(bone, u)], dim=-2)

    def extra_repr(self) -> str:
        """The arguments."""
        name = plain(self.skeleton.name) if self.skeleton.name else f"{self.skeleton.num_joints} joints"
        return f"{name}, rings={self.rings}, thickness={self.thickness}"


def _unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1; a vector of length 0 stays, with gradient 0."""
    length = vectors.norm(dim=-1, keepdim=True)
    return torch.where(length > 1e-9, vectors / length.clamp(min=1e-9), 0)


def _bones_before(skeleton: Skeleton) -> list[tuple[int, int]]:
    """Every bone with the one that its rings are aligned to, from the roots outward: its parent bone; for the bones at
    a root, the one of them with the most joints below it, which is listed with itself."""
    size = [1] * skeleton.num_joints
    layers = bone_layers(skeleton)
    for bone in (bone for layer in reversed(layers) for bone in layer):
        parent, child = skeleton.edges[bone]
        size[parent] += size[child]
    bone_to = {child: bone for bone, (_, child) in enumerate(skeleton.edges)}
    trunk = {
        root: max((b for b, (p, _) in enumerate(skeleton.edges) if p == root), key=lambda b: size[skeleton.edges[b][1]])
        for root in skeleton.roots
        if root in dict(skeleton.edges)
    }
    pairs = [
        (bone, bone_to.get(parent, trunk.get(parent, bone)))
        for layer in layers
        for bone in layer
        for parent in [skeleton.edges[bone][0]]
    ]
    return sorted(pairs, key=lambda pair: pair[0] != pair[1])  # the trunks first: sorting keeps the rest in order
