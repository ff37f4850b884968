"""BVH out of positions: a rest pose, the lengths of the bones and the rotations that lead from one to the other.

The bones have their mean lengths, and in the rest pose the directions of the first frame. A joint with one bone turns
it by the least rotation on top of its parent's; one with several turns them by the best rotation in the sense of least
squares (W. Kabsch, "A solution for the best rotation to relate two sets of vectors", 1976). Bones that do not move
rigidly with each other, such as those from the hip to both legs and the spine, each get a joint of their own in
between, without length: ``hip_to_spine``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import roma
import torch

from skelgraph.datasets.motion_files.motion import Motion
from skelgraph.errors import DataError
from skelgraph.text import plain

_RIGID = 1e-4  # how far off the ends of bones that turn together may be, of their length
_POSITION, _ROTATION = "Xposition Yposition Zposition", "Zrotation Xrotation Yrotation"


def bvh_content(motion: Motion, label: str) -> bytes:
    """The content of a BVH file of the motion, in the unit and the axes of the motion.

    Args:
        motion: Motion with bones, of one root, all of whose joints are known in all frames.
        label: Name of the file, for messages.

    Raises:
        DataError: The motion has no bones, several roots, no frame rate, or a gap.
    """
    if motion.parents is None or motion.parents.count(-1) != 1:
        raise DataError(f"{label}: BVH needs bones with one root, and parents of the motion are {motion.parents}.")
    if motion.frame_rate is None:
        raise DataError(f"{label}: the motion does not say its frame rate, which BVH needs.")
    if not motion.visible.all():
        frame, joint = np.argwhere(~motion.visible)[0]
        raise DataError(
            f"{label}: {plain(motion.joint_names[joint])} is not known in frame {frame}, and BVH has no gaps: fill "
            "them first, or write another format."
        )
    hierarchy, angles = _hierarchy(motion.positions, motion.joint_names, motion.parents)
    frames = np.concatenate([motion.positions[:, motion.parents.index(-1)], *angles], axis=1)
    rows = (" ".join(f"{value:.6f}" for value in row) for row in frames)
    head = ["MOTION", f"Frames: {len(frames)}", f"Frame Time: {1 / motion.frame_rate:.10g}"]
    return "\n".join(["HIERARCHY", *hierarchy, *head, *rows, ""]).encode()


def _hierarchy(
    positions: np.ndarray, joint_names: Sequence[str], parents: Sequence[int]
) -> tuple[list[str], list[np.ndarray]]:
    """The lines of the hierarchy, depth first, and the angles of its joints in that order, each ``(T, 3)``."""
    names = [re.sub(r"\s+", "_", name) for name in joint_names]
    children = [[child for child, above in enumerate(parents) if above == joint] for joint in range(len(parents))]
    lines: list[str] = []
    angles: list[np.ndarray] = []
    world = np.broadcast_to(np.eye(3), (len(positions), 3, 3))
    # What is still to be written, the last first: a closing brace, or a joint with its name, its place in the rest
    # pose, the joints that hang on it and the orientation of what it hangs on.
    todo: list[tuple[int, tuple[str, np.ndarray, list[int], np.ndarray] | None]] = []
    root = parents.index(-1)
    todo.append((0, (names[root], np.zeros(3), children[root], world)))
    while todo:
        depth, joint = todo.pop()
        tab = "\t" * depth
        if joint is None:
            lines.append(f"{tab}}}")
            continue
        name, offset, ends, above = joint
        channels = f"3 {_ROTATION}" if depth else f"6 {_POSITION} {_ROTATION}"
        lines += [f"{tab}{'JOINT' if depth else 'ROOT'} {name}", f"{tab}{{", f"{tab}\t{_offset(offset)}"]
        lines.append(f"{tab}\tCHANNELS {channels}")
        if not ends:
            lines += [f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\t{_offset(np.zeros(3))}", f"{tab}\t}}"]
        bones = {end: _bone(positions[:, end] - positions[:, parents[end]]) for end in ends}
        orientation = _orientation(list(bones.values()), above)
        angles.append(_euler(above, orientation))
        todo.append((depth, None))
        for end, (rest, moving) in reversed(bones.items()):
            off = np.linalg.norm(orientation @ rest - moving, axis=-1).max()
            if off > _RIGID * np.linalg.norm(rest):
                todo.append((depth + 1, (f"{name}_to_{names[end]}", np.zeros(3), [end], orientation)))
            else:
                todo.append((depth + 1, (names[end], rest, children[end], orientation)))
    return lines, angles


def _offset(offset: np.ndarray) -> str:
    return "OFFSET " + " ".join(f"{value:.6f}" for value in offset)


def _bone(moving: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A bone in the rest pose ``(3,)`` and in all frames ``(T, 3)``, with its mean length."""
    lengths = np.linalg.norm(moving, axis=-1, keepdims=True)
    moving = moving / np.where(lengths > 0, lengths, 1) * lengths.mean()
    return moving[np.argmax(lengths[:, 0] > 0)], moving  # of the first frame in which it has a direction


def _orientation(bones: list[tuple[np.ndarray, np.ndarray]], above: np.ndarray) -> np.ndarray:
    """The orientation of a joint ``(T, 3, 3)``, so that it turns its bones from the rest pose to where they are."""
    if len(bones) == 1:
        ((rest, moving),) = bones
        return _least_rotation(above @ rest, moving) @ above
    size = sum((float(rest @ rest) for rest, _ in bones), 1e-12)
    # The small part of what is above decides what the bones leave open: the turn around bones in one line.
    product = sum((moving[:, :, None] * rest for rest, moving in bones), 1e-6 * size * above)
    return roma.special_procrustes(torch.from_numpy(product)).numpy()


def _least_rotation(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The rotation by the smallest angle that turns one direction into another, ``(T, 3)`` each; none for no length."""
    lengths = np.linalg.norm(before, axis=-1, keepdims=True) * np.linalg.norm(after, axis=-1, keepdims=True)
    cosine = np.where(lengths > 0, (before * after).sum(-1, keepdims=True) / np.where(lengths > 0, lengths, 1), 1)
    axis = np.cross(before, after)
    # Opposite directions: half a turn around any axis across them.
    across = np.cross(before, np.eye(3)[np.abs(before).argmin(-1)])
    axis = np.where(np.linalg.norm(axis, axis=-1, keepdims=True) > 1e-9 * lengths, axis, across)
    axis = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-300)
    turn = axis * np.arccos(np.clip(cosine, -1, 1))
    return roma.rotvec_to_rotmat(torch.from_numpy(turn)).numpy()


def _euler(above: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """The angles in degrees of a joint in that above it, in the order of its channels."""
    local = np.swapaxes(above, -1, -2) @ orientation
    return roma.rotmat_to_euler("ZXY", torch.from_numpy(local), degrees=True).numpy()
