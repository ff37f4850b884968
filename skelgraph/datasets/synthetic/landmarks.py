"""The joints of any skeleton on the rig: placed by their names, or, if a name is unknown, by a bone to the parent."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import roma
import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from skelgraph.datasets.synthetic.kinematics import INDEX, JOINTS, STATURE, Attachment, BodySize, place
from skelgraph.topology import Skeleton
from skelgraph.topology.matching import spoken

BRANCH_LIMIT = 40.0  # degrees that a joint without a known name turns at most

# Joint names are compared in lower case, without blanks and punctuation, and with "*" in front for left or right.
_PLACES: dict[str, Attachment] = {
    "pelvis": Attachment("pelvis"),
    "*hipjoint": Attachment("pelvis", (0, 0.05, 0)),
    "*hip": Attachment("*_hip"),
    "*knee": Attachment("*_knee"),
    "*ankle": Attachment("*_ankle"),
    "*heel": Attachment("*_ankle", (-0.05, 0, -0.065)),
    "*instep": Attachment("*_ankle", (0.07, 0, -0.05)),
    "*toe": Attachment("*_ankle", (0.12, 0, -0.06)),
    "*bigtoe": Attachment("*_ankle", (0.17, -0.015, -0.065)),
    "*smalltoe": Attachment("*_ankle", (0.13, 0.045, -0.065)),
    "*toetip": Attachment("*_ankle", (0.19, 0, -0.065)),
    "thorax": Attachment("neck"),
    "neck": Attachment("neck", (0.005, 0, 0.05)),
    "upperneck": Attachment("neck", (0.02, 0, 0.11)),
    "necknose": Attachment("neck", (0.05, 0, 0.115)),
    "nose": Attachment("neck", (0.12, 0, 0.155)),
    "jaw": Attachment("neck", (0.08, 0, 0.09)),
    "head": Attachment("neck", (0.02, 0, 0.235)),
    "headtop": Attachment("neck", (0.01, 0, 0.3)),
    "*eye": Attachment("neck", (0.095, 0.033, 0.19)),
    "*eyeinner": Attachment("neck", (0.1, 0.02, 0.19)),
    "*eyeouter": Attachment("neck", (0.09, 0.046, 0.19)),
    "*ear": Attachment("neck", (0.015, 0.075, 0.175)),
    "*mouth": Attachment("neck", (0.1, 0.025, 0.115)),
    "*clavicle": Attachment("*_clavicle", (0, 0.05, 0)),
    "*shoulder": Attachment("*_shoulder"),
    "*elbow": Attachment("*_elbow"),
    "*wrist": Attachment("*_wrist"),
    "*palm": Attachment("*_wrist", (0, 0, -0.08)),
    "*knuckle": Attachment("*_wrist", (0, 0, -0.095)),
    "*index": Attachment("*_wrist", (0.03, 0, -0.09)),
    "*indexfinger": Attachment("*_wrist", (0.03, 0, -0.13)),
    "*pinky": Attachment("*_wrist", (-0.035, 0, -0.08)),
    "*thumb": Attachment("*_wrist", (0.045, 0, -0.055)),
    "*thumbtip": Attachment("*_wrist", (0.06, 0, -0.1)),
    "*fingertip": Attachment("*_wrist", (0, 0, -0.175)),
}

_NAMES = {
    "hip": "pelvis",
    "hips": "pelvis",
    "midhip": "pelvis",
    "root": "pelvis",
    "*upleg": "*hip",
    "*upperleg": "*hip",
    "*thigh": "*hip",
    "*leg": "*knee",
    "*lowleg": "*knee",
    "*lowerleg": "*knee",
    "*shin": "*knee",
    "*calf": "*knee",
    "*toebase": "*toe",
    "*footindex": "*bigtoe",
    "*toeend": "*toetip",
    "spineshoulder": "thorax",
    "neckbase": "thorax",
    "neck1": "upperneck",
    "chin": "jaw",
    "topofhead": "headtop",
    "headend": "headtop",
    "*collar": "*clavicle",
    "*arm": "*shoulder",
    "*uparm": "*shoulder",
    "*upperarm": "*shoulder",
    "*forearm": "*elbow",
    "*lowarm": "*elbow",
    "*lowerarm": "*elbow",
    "*fingerbase": "*knuckle",
    "*handindex1": "*indexfinger",
    "*handtip": "*fingertip",
    "*handend": "*fingertip",
}

# Some names mean different things beside different joints: (name, its meaning beside any of these, these, else).
_AMBIGUOUS = (
    ("*foot", "*instep", ("*ankle",), "*ankle"),
    ("*hand", "*palm", ("*wrist",), "*wrist"),
    ("*shoulder", "*clavicle", ("*arm", "*uparm", "*upperarm"), "*shoulder"),
    ("neck", "neck", ("thorax", "spineshoulder", "neckbase"), "thorax"),
    ("spinebase", "spine", ("pelvis", "hip", "hips", "midhip", "root"), "pelvis"),
)
_SPINE = re.compile(r"(lower|upper|mid)?(spine|back|torso|chest|trunk)(base|low|lower|mid|upper|high|\d)*")


def attach(skeleton: Skeleton) -> list[Attachment | None]:
    """Return for each joint of a skeleton its place on the rig, ``None`` if its name is unknown.

    Joints of the spine are spread from the pelvis to the base of the neck in the order of their bones.
    """
    names = [spoken(name) for name in skeleton.joint_names]
    known = {name for name, _ in names}
    meaning = dict(_NAMES)
    for name, if_any, others, otherwise in _AMBIGUOUS:
        meaning[name] = if_any if known & set(others) else otherwise

    result: list[Attachment | None] = [None] * skeleton.num_joints
    spine, taken = [], set()
    for joint, (name, side) in enumerate(names):
        name = meaning.get(name, name)
        if name in _PLACES and (name, side) not in taken:
            result[joint] = _PLACES[name].on(side)
            taken.add((name, side))
        elif _SPINE.fullmatch(name):
            spine.append(joint)

    pelvis = next((joint for joint, found in enumerate(result) if found == _PLACES["pelvis"]), skeleton.root)
    hops = skeleton.hop_distance()[pelvis].tolist()
    spine.sort(key=lambda joint: hops[joint])
    for joint, height in zip(spine, _spine_heights(len(spine)), strict=True):
        result[joint] = _on_spine(height)
    return result


def _spine_heights(count: int) -> list[float]:
    """Spread joints over the spine, 0 at the pelvis and 1 at the neck, one of them in the middle where it bends."""
    below = (count - 1) // 2
    above = count - 1 - below
    lower = [0.5 * (i + 1) / (below + 1) for i in range(below)]
    return [*lower, 0.5, *(0.5 + 0.5 * (i + 1) / (above + 1) for i in range(above))] if count else []


def _on_spine(height: float) -> Attachment:
    """Return the point at a height between 0 (pelvis) and 1 (neck)."""
    joint, end = ("lumbar", "thoracic") if height < 0.5 else ("thoracic", "neck")
    x, y, z = JOINTS[INDEX[end]].offset
    share = 2 * height % 1
    return Attachment(joint, (share * x, share * y, share * z))


def locate(
    skeleton: Skeleton,
    sizes: Sequence[BodySize],
    rotations: Tensor,
    positions: Tensor,
    turns: Tensor,
    bone_lengths: Tensor | None = None,
) -> Tensor:
    """Return the joints of a skeleton on the moving rig, metres.

    A joint with a known name is at its place on the rig. A joint without one is attached to its parent by a straight
    bone that turns about the parent; a root without one is in the pelvis.

    Args:
        skeleton: The skeleton.
        sizes: The person of each of C clips.
        rotations: Orientation of the rig's segments.
        positions: Position of the rig's joints, metres, the floor at z = 0.
        turns: Smooth noise of about 1 for the joints without a known name, in their order.
        bone_lengths: Length of the bone from each joint to its parent for a person of average height, metres; the
            directions of the bones stay.

    Shapes:
        ``(C, T, R, 3, 3)``, ``(C, T, R, 3)``, ``(C, T, U, 3)``, ``(J,)`` in; ``(C, T, J, 3)`` out.
    """
    found = attach(skeleton)
    known = [joint for joint, a in enumerate(found) if a is not None]
    unknown = [joint for joint, a in enumerate(found) if a is None]
    placed = place([a for a in found if a is not None], sizes, rotations, positions)
    angles = math.radians(BRANCH_LIMIT) * turns / (1 + turns.square().sum(-1, keepdim=True)).sqrt()
    swings = roma.rotvec_to_rotmat(angles)
    branches = _branches(skeleton, found).to(positions)
    scale = torch.tensor([size.stature / STATURE for size in sizes], dtype=positions.dtype)[:, None, None]

    points = dict(zip(known, placed.unbind(2), strict=True))
    frames = {joint: rotations[:, :, INDEX[a.joint]] for joint, a in enumerate(found) if a is not None}
    for joint, parent in _top_down(skeleton):
        if joint in points:
            continue
        if parent == -1:
            points[joint], frames[joint] = positions[:, :, INDEX["pelvis"]], rotations[:, :, INDEX["pelvis"]]
        else:
            frames[joint] = frames[parent] @ swings[:, :, unknown.index(joint)]
            points[joint] = points[parent] + scale * (frames[joint] @ branches[joint])
    result = torch.stack([points[joint] for joint in range(skeleton.num_joints)], 2)
    if unknown:
        result = _move_up(result, 0.02 * softplus(-result[..., 2].amin(-1) / 0.02))
    if bone_lengths is None:
        return result

    stretched = list(result.unbind(2))
    for joint, parent in _top_down(skeleton):
        if skeleton.parents[joint] != -1:
            direction = normalize(result[:, :, joint] - result[:, :, parent], dim=-1)
            stretched[joint] = stretched[parent] + scale * bone_lengths[joint] * direction
    fitted = torch.stack(stretched, 2)
    return _move_up(fitted, result[..., 2].amin(-1) - fitted[..., 2].amin(-1))


def _move_up(points: Tensor, height: Tensor) -> Tensor:
    """Move points ``(C, T, J, 3)`` up by heights ``(C, T)``."""
    return points + height[:, :, None, None] * torch.tensor([0.0, 0.0, 1.0], dtype=points.dtype)


def _top_down(skeleton: Skeleton) -> Iterator[tuple[int, int]]:
    """Give each joint with its parent, parents first; further roots count as children of the first."""
    order = [skeleton.root]
    for joint in order:
        order += [child for child, parent in enumerate(skeleton.parents) if parent == joint]
        if joint == skeleton.root:
            order += skeleton.roots[1:]
    for joint in order:
        parent = skeleton.parents[joint]
        yield joint, skeleton.root if parent == -1 and joint != skeleton.root else parent


def _branches(skeleton: Skeleton, found: Sequence[Attachment | None]) -> Tensor:
    """Return the bone to every joint without a known name, in the frame of the joint, metres, ``(J, 3)``.

    Directions are spread over the sphere, mirrored on the other side of the body; chains go on outwards.
    """
    steps = torch.arange(skeleton.num_joints, dtype=torch.float64)
    height = 1 - (2 * steps + 1) / skeleton.num_joints
    golden = math.pi * (3 - math.sqrt(5)) * steps
    around = (1 - height.square()).sqrt()
    spread = torch.stack([around * golden.cos(), around * golden.sin(), height], -1)
    if skeleton.symmetric_pairs:
        spread = spread + spread[list(skeleton.mirror_index)] * torch.tensor([1.0, -1.0, 1.0])
    spread = normalize(spread, dim=-1)
    for joint, parent in _top_down(skeleton):
        if parent != -1 and found[parent] is None and skeleton.parents[parent] != -1:
            spread[joint] = normalize(spread[joint] + 1.5 * spread[parent], dim=0)
    depth = int(skeleton.hop_distance().max()) if not any(found) else 0
    return spread * (1.0 / max(depth, 3) if depth else 0.06)
