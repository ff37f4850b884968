"""Whether files of MPI-INF-3DHP are those of one of the three variants on which results are published."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

from skelgraph.datasets.mpi_inf_3dhp import POSEAUG_FRAMES, image_size
from skelgraph.datasets.plausibility import MANY_ODD_BONES, MAX_SIDE_RATIO
from skelgraph.datasets.preparation.findings import (
    PREPARE,
    Finding,
    check_reading,
    counted,
    counted_each,
    extent,
    is_array,
    judged,
    read,
)
from skelgraph.datasets.preparation.mpi_inf_3dhp import (
    CAMERAS,
    FAST,
    FILES,
    TEST_FRAMES,
    TRAIN_FRAMES,
)
from skelgraph.datasets.preparation.recordings import listed
from skelgraph.errors import DataError
from skelgraph.files import as_path, read_npz
from skelgraph.text import plain
from skelgraph.topology import Skeleton, as_skeleton

_AGAIN = PREPARE.format("mpi_inf_3dhp")
_SIZES = {"mm": (500, 3000), "m": (0.5, 3)}
POSEAUG_NAMES = ("test_3dhp.npz", "3DHP_test.npz")
"""The poseaug variant's file, as PoseAug and MLP-Graph call it."""


def check_mpi_inf_3dhp(folder: str | PathLike[str]) -> list[Finding]:
    """Check the files of all variants of MPI-INF-3DHP that are in a folder: sequences, cameras, joints, units and
    numbers of frames.

    Raises:
        DataError: There is none of them.
    """
    root = as_path(folder, DataError)
    findings: list[Finding] = []
    checks = {
        FILES["official"][0]: ("data", _check_train),
        FILES["official"][1]: ("data", _check_test),
        FILES["graphmlp"][0]: ("positions_3d", _check_graphmlp_3d),
        FILES["graphmlp"][1]: ("positions_2d", _check_graphmlp_2d),
        **dict.fromkeys(POSEAUG_NAMES, ("pose3d", _check_poseaug)),
    }
    there = [name for name in checks if (root / name).exists()]
    layouts = {"official": "mpi_inf_3dhp17", "graphmlp": "h36m17", "poseaug": "h36m16"}
    if not there:
        raise DataError(
            f"{plain(str(root), 500)}: holds none of {', '.join(checks)}; {PREPARE.format('mpi_inf_3dhp')}."
        )
    for name in there:
        member, check = checks[name]
        members = read(name, _AGAIN, findings, read_npz, root / name, [member])
        if members is not None:
            findings += check(name, members)
    for variant in ("official", "graphmlp"):
        missing = [name for name in FILES[variant] if name not in there]
        if len(missing) == 1:
            findings.append(Finding(missing[0], "file", "wrong", "is not beside the other one", _again(variant)))
    for variant, layout in layouts.items():
        names = POSEAUG_NAMES if variant == "poseaug" else FILES[variant]
        if (read_by := [name for name in names if name in there]) and (variant == "poseaug" or len(read_by) == 2):
            splits = ("test",) if variant == "poseaug" else ("train", "test")
            options = {"data_3d": root, "variant": variant, "skeleton": layout, "downsample": 16}
            findings += check_reading("mpi_inf_3dhp", splits, **options)
    return findings


def _again(variant: str) -> str:
    return f"{_AGAIN} --variant {variant}"


def _check_train(where: str, members: dict[str, Any]) -> list[Finding]:
    data, advice = members["data"], _again("official")
    if not isinstance(data, dict):
        return [Finding(where, "layout", "wrong", "data is no dictionary of sequences", advice)]
    missing = [key for key in TRAIN_FRAMES if key not in data]
    found = f"without {listed(missing)}" if missing else f"{len(data)}"
    findings = [judged(where, "sequences", not missing, found, advice)]
    odd, rates, poses, frames = [], [], [], {}
    for key in (key for key in TRAIN_FRAMES if key in data):
        entry = data[key]
        views = entry[0] if isinstance(entry, list | tuple) and len(entry) == 2 else None
        if not isinstance(views, dict) or {str(camera) for camera in views} != set(map(str, CAMERAS)):
            odd.append(f"{key}: not [{{camera: arrays}}, fps] of cameras {', '.join(map(str, CAMERAS))}")
            continue
        if not isinstance(entry[1], int | float | np.number) or entry[1] != (50 if key in FAST else 25):
            rates.append(key)
        whole = [_views_fit(view, 17) for view in views.values()]
        if not all(whole):
            odd.append(f"{key}: data_2d (T, 17, 2) and data_3d (T, 17, 3) of a camera are not so")
            continue
        lengths = {len(view["data_3d"]) for view in views.values()}
        frames[key] = (min(lengths), TRAIN_FRAMES[key])
        poses += [_some(view["data_3d"]) for view in views.values()]
    findings.append(judged(where, "arrays", not odd, "; ".join(odd[:3]) or "as expected", advice))
    findings.append(counted_each(where, "frames", frames, advice))
    findings.append(judged(where, "frame rates", not rates, listed(rates) or "25 and 50 as published", advice))
    return findings + _check_poses(where, poses, "mpi_inf_3dhp17", "mm", advice)


def _views_fit(view: Any, joints: int) -> bool:
    """Whether an entry holds keypoints and as many positions."""
    if not isinstance(view, dict):
        return False
    data_2d, data_3d = view.get("data_2d"), view.get("data_3d")
    if not (is_array(data_2d, None, joints, 2) or is_array(data_2d, None, joints, 3)):
        return False
    return is_array(data_3d, None, joints, 3) and len(data_2d) == len(data_3d) > 0


def _check_test(where: str, members: dict[str, Any]) -> list[Finding]:
    data, advice = members["data"], _again("official")
    if not isinstance(data, dict):
        return [Finding(where, "layout", "wrong", "data is no dictionary of sequences", advice)]
    missing = [key for key in TEST_FRAMES if key not in data]
    found = f"without {listed(missing)}" if missing else f"{len(data)}"
    findings = [judged(where, "sequences", not missing, found, advice)]
    odd, poses, frames, kept = [], [], {}, {}
    for key in (key for key in TEST_FRAMES if key in data):
        entry = data[key]
        valid = np.asarray(entry.get("valid")) if isinstance(entry, dict) else np.empty(0)
        if not _views_fit(entry, 17) or valid.reshape(-1).shape != (len(entry["data_3d"]),) or valid.dtype == object:
            odd.append(f"{key}: data_2d (T, 17, 2), data_3d (T, 17, 3) and valid (T,) are not so")
            continue
        valid = valid.reshape(-1) > 0
        frames[key] = (len(valid), TEST_FRAMES[key])
        pixels = entry["data_2d"][valid, :, :2]
        inside = ((pixels >= 0) & (pixels < image_size(key))).all((1, 2)).sum()
        kept[key] = (int(inside), POSEAUG_FRAMES[key])
        poses.append(_some(entry["data_3d"][valid]))
    findings.append(judged(where, "arrays", not odd, "; ".join(odd[:3]) or "as expected", advice))
    findings.append(counted_each(where, "frames", frames, advice))
    findings.append(counted_each(where, "valid, all joints in the image", kept, advice))
    return findings + _check_poses(where, poses, "mpi_inf_3dhp17", "mm", advice)


def _check_graphmlp_3d(where: str, members: dict[str, Any]) -> list[Finding]:
    return _check_graphmlp(where, members["positions_3d"], 3)


def _check_graphmlp_2d(where: str, members: dict[str, Any]) -> list[Finding]:
    return _check_graphmlp(where, members["positions_2d"], 2)


def _check_graphmlp(where: str, motion: Any, numbers: int) -> list[Finding]:
    advice = _again("graphmlp")
    keys = [key if " " in key else f"{key} Seq1" for key in (*TRAIN_FRAMES, *TEST_FRAMES)]
    if not isinstance(motion, dict) or not all(isinstance(sequences, dict) for sequences in motion.values()):
        return [Finding(where, "layout", "wrong", "is not {subject: {sequence: [array for each camera]}}", advice)]
    entries = {key: motion.get(key.partition(" ")[0], {}).get(key.partition(" ")[2]) for key in keys}
    missing = [key for key, views in entries.items() if views is None]
    odd, poses = [], []
    frames = dict.fromkeys(("S", "TS"), 0)
    for key, views in entries.items():
        if views is None:
            continue
        if not isinstance(views, list | tuple | np.ndarray) or not len(views):
            odd.append(key)
            continue
        if not all(is_array(view, None, 17, numbers) or is_array(view, None, 17, 3) for view in views):
            odd.append(key)
            continue
        frames["TS" if key.startswith("TS") else "S"] += sum(map(len, views))
        poses += [_some(view) for view in views if numbers == 3]
    found = f"without {listed(missing)}" if missing else f"{len(keys)}"
    findings = [judged(where, "sequences", not missing, found, advice)]
    found = f"not [(T, 17, {numbers}) for each camera]: {listed(odd)}" if odd else "as expected"
    findings.append(judged(where, "arrays", not odd, found, advice))
    findings.append(Finding(where, "frames", "told", f"{frames['S']:,} to train on, {frames['TS']:,} to test on"))
    return findings + (_check_poses(where, poses, "h36m17", "m", advice) if numbers == 3 else [])


def _check_poseaug(where: str, members: dict[str, Any]) -> list[Finding]:
    pose3d, pose2d, advice = members["pose3d"], members.get("pose2d"), _again("poseaug")
    if not is_array(pose3d, None, 16, 3) or not is_array(pose2d, len(pose3d), 16, 2):
        found = "pose3d and pose2d are not (N, 16, 3) and (N, 16, 2) of finite numbers"
        return [Finding(where, "arrays", "wrong", found, advice)]
    findings = [Finding(where, "arrays", "right", "pose3d (N, 16, 3) and pose2d (N, 16, 2)")]
    findings.append(counted(where, "frames", len(pose3d), sum(POSEAUG_FRAMES.values()), advice))
    away = float(np.abs(pose3d[:, 0]).max()) if len(pose3d) else 0.0
    findings.append(judged(where, "root", away < 1e-3, f"{away:.2g} m from the origin", f"expected 0: {advice}"))
    span = float(np.abs(pose2d).max()) if len(pose2d) else 0.0
    findings.append(judged(where, "keypoints", span <= 1, f"up to {span:.3g}", f"expected -1 to 1: {advice}"))
    return findings + _check_poses(where, [pose3d], "h36m16", "m", advice)


def _some(poses: np.ndarray) -> np.ndarray:
    """A few dozen poses of a sequence."""
    return poses[:: max(1, len(poses) // 50)]


def _check_poses(where: str, poses: list[np.ndarray], layout: str, unit: str, advice: str) -> list[Finding]:
    """Unit and joint order, by the size of the body and by its left and right bones, which are of the same length."""
    if not sum(map(len, poses)):
        return []
    size, (smallest, largest) = extent(poses), _SIZES[unit]
    odd, pairs = _unlike(np.concatenate(poses), as_skeleton(layout))
    found = f"unlike on both sides: {listed(odd)}" if odd else "both sides alike"
    return [
        judged(
            where,
            "unit",
            smallest <= size <= largest,
            f"the skeleton is {size:.4g} {unit} large",
            f"expected {smallest} to {largest} {unit}: {advice}",
        ),
        judged(where, "joint order", len(odd) <= MANY_ODD_BONES * pairs, found, f"expected {layout}: {advice}"),
    ]


def _unlike(poses: np.ndarray, skeleton: Skeleton) -> tuple[list[str], int]:
    """The bones that are typically half as long again on one side as on the other, and the number of pairs."""
    odd = []
    for pair in skeleton.symmetric_pairs:
        bones = [poses[:, joint] - poses[:, skeleton.parents[joint]] for joint in pair]
        shorter, longer = sorted(float(np.median(np.linalg.norm(bone, axis=-1))) for bone in bones)
        if longer > MAX_SIDE_RATIO * shorter:
            odd.append(skeleton.joint_names[pair[0]])
    return odd, len(skeleton.symmetric_pairs)
