"""Whether the files of Human3.6M are those on which results are published."""

from __future__ import annotations

from collections import Counter
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelgraph.datasets.cameras import H36M_CAMERAS, read_cameras
from skelgraph.datasets.h36m_keypoints import H36M_KEYPOINTS, TWO_ORDERS, Keypoints
from skelgraph.datasets.human36m import H36M_SUBJECTS
from skelgraph.datasets.mocap import JointPicker
from skelgraph.datasets.plausibility import USUAL_SIZE
from skelgraph.datasets.preparation.findings import (
    PREPARE,
    Finding,
    check_reading,
    counted,
    extent,
    is_array,
    judged,
    read,
)
from skelgraph.datasets.preparation.human36m import ACTIONS, LEFT_OUT, TAKES, filmed
from skelgraph.datasets.preparation.recordings import listed
from skelgraph.files import as_path, read_npz
from skelgraph.options import check_option
from skelgraph.text import plain
from skelgraph.topology import as_skeleton

TRAIN_SAMPLES = 1_559_752
"""Frames of the training subjects, by all four cameras."""
SAME = 0.5
"""Pixels by which ground-truth keypoints may differ from the projected positions."""

_AGAIN = PREPARE.format("human36m")
_SUBJECTS = (*H36M_SUBJECTS["train"], *H36M_SUBJECTS["test"])


def check_human36m(
    data_3d: str | PathLike[str],
    data_2d: str | PathLike[str] | None = None,
    keypoints: str | None = None,
) -> list[Finding]:
    """Check the files of Human3.6M: subjects, recordings, joints, units and numbers of frames, and whether keypoints
    fit to the positions.

    Args:
        data_3d: The positions.
        data_2d: One file of keypoints; by default all those of the usual names beside the positions.
        keypoints: Whose keypoints, if only those are to be checked (``data_2d`` is theirs).
    """
    path = as_path(data_3d)
    if keypoints is not None:
        keypoints = check_option("keypoints", keypoints, Keypoints)
    findings: list[Finding] = []
    members = read(path.name, _AGAIN, findings, read_npz, path, ["positions_3d"], ())
    if members is None:
        return findings
    motion = members["positions_3d"]
    findings += _check_positions(path.name, motion)
    if any(finding.verdict == "wrong" and finding.what in ("layout", "joints") for finding in findings):
        return findings
    if data_2d is not None:
        files = {keypoints or "gt": Path(data_2d)}
    else:
        names = H36M_KEYPOINTS if keypoints is None else {keypoints: H36M_KEYPOINTS[keypoints]}
        files = {whose: path.with_name(name) for whose, name in names.items()}
        if keypoints is None:
            files = {whose: file for whose, file in files.items() if file.exists()}
    if not files:
        findings.append(Finding(path.name, "keypoints", "told", "no file of keypoints beside it: gt are projected"))
    sound: list[dict[str, Any]] = []
    for whose, file in files.items():
        found: list[Finding] = []
        layout = None
        members = read(file.name, "", found, read_npz, file, ["positions_2d"], ["metadata"])
        if members is not None:
            layout = _check_keypoints(file.name, members, motion, whose, found)
        findings += found
        if layout is not None and all(finding.verdict != "wrong" for finding in found):
            sound.append({"data_2d": file, "keypoints": whose, "skeleton": layout})
    del motion, members  # the readers need the memory
    for options in sound:
        findings += check_reading("human36m", data_3d=path, downsample=16, **options)
    return findings


def _check_positions(where: str, motion: Any) -> list[Finding]:
    if not isinstance(motion, dict) or not all(isinstance(actions, dict) for actions in motion.values()):
        return [Finding(where, "layout", "wrong", "positions_3d is not {subject: {action: array}}", _AGAIN)]
    missing = [subject for subject in _SUBJECTS if subject not in motion]
    findings = [
        judged(where, "subjects", not missing, ", ".join(map(plain, motion)), f"add {listed(missing)}: {_AGAIN}")
    ]
    findings += _check_takes(where, motion)
    arrays = {(subject, action): array for subject, actions in motion.items() for action, array in actions.items()}
    shapes = Counter(array.shape[1] if getattr(array, "ndim", 0) == 3 else 0 for array in arrays.values())
    odd = [" ".join(map(str, key)) for key, array in arrays.items() if not is_array(array, None, None, 3)]
    right = not odd and len(shapes) == 1 and set(shapes) <= {32, 17}
    found = f"{' and '.join(map(str, sorted(shapes)))} joints"
    if odd:
        found = f"no finite positions (T, 32, 3): {listed(odd)}"
    findings.append(judged(where, "joints", right, found, f"expected 32 in all recordings (or 17): {_AGAIN}"))
    if not right:
        return findings
    size = extent(arrays.values())
    findings.append(
        judged(
            where,
            "unit",
            0.5 <= size <= 3,
            f"the skeleton is {size:.3g} m large",
            f"expected metres{', these look like millimetres' if size > USUAL_SIZE[1] else ''}: {_AGAIN}",
        )
    )
    samples = {
        split: 4 * sum(len(array) for (subject, _), array in arrays.items() if subject in subjects)
        for split, subjects in H36M_SUBJECTS.items()
    }
    findings.append(counted(where, "frames, train", samples["train"], TRAIN_SAMPLES, f"parts are missing: {_AGAIN}"))
    findings.append(Finding(where, "frames, test", "told", f"{samples['test']:,}"))
    return findings


def _check_takes(where: str, motion: dict[str, dict[Any, Any]]) -> list[Finding]:
    odd = []
    for subject in (subject for subject in _SUBJECTS if subject in motion):
        counts = Counter(str(action).partition(" ")[0] for action in motion[subject])
        counts[LEFT_OUT[1]] += LEFT_OUT[0] == subject and LEFT_OUT[1] not in motion[subject]
        odd += [f"{subject} {action} ({counts[action]})" for action in ACTIONS if counts[action] != TAKES]
        odd += [f"{subject} {action} is unknown" for action in counts if action not in ACTIONS]
    found = listed(odd) if odd else f"{TAKES} of each of {len(ACTIONS)} actions"
    findings = [judged(where, "recordings", not odd, found, f"expected {TAKES} of each action: {_AGAIN}")]
    subject, action = LEFT_OUT
    if subject in motion:
        there = action in motion[subject]
        advice = f"{action} (first take) of {subject} is corrupt, and no published result uses it: leave it out"
        findings.append(judged(where, "corrupt take", not there, "is there" if there else "is left out", advice))
    return findings


def _check_keypoints(
    where: str, members: dict[str, Any], motion: dict[str, Any], whose: str, findings: list[Finding]
) -> str | None:
    """Check a file of keypoints; the layout of its joints, if it has one."""
    filmed_motion = members["positions_2d"]
    if not isinstance(filmed_motion, dict) or not all(isinstance(a, dict) for a in filmed_motion.values()):
        findings.append(Finding(where, "layout", "wrong", "positions_2d is not {subject: {action: [array, ...]}}"))
        return None
    missing, views, short, odd, joints = [], [], [], [], Counter[int]()
    worst = 0.0
    for subject in (subject for subject in _SUBJECTS if subject in motion):
        rig = read_cameras(H36M_CAMERAS, [subject])[subject]
        for action, positions in motion[subject].items():
            name = f"{subject} {action}"
            tracks = filmed_motion.get(subject, {}).get(action)
            if tracks is None:
                missing.append(name)
                continue
            if not isinstance(tracks, list | tuple | np.ndarray) or len(tracks) != len(rig):
                views.append(name)
                continue
            if not all(is_array(track, None, None, 2) or is_array(track, None, None, 3) for track in tracks):
                odd.append(name)
                continue
            joints.update(track.shape[1] for track in tracks)
            if min(map(len, tracks)) < len(positions):
                short.append(name)
            elif whose == "gt" and {track.shape[1] for track in tracks} <= {16, 17}:
                worst = max(worst, _difference(tracks, positions, rig))
    findings += [
        judged(
            where, "recordings", not missing, f"without {listed(missing)}" if missing else "all", "get the file anew"
        ),
        judged(where, "cameras", not views, f"not 4: {listed(views)}" if views else "4 each", "get the file anew"),
        judged(
            where,
            "frames",
            not short,
            f"fewer than positions: {listed(short)}" if short else "as many as positions, or more",
            "positions and keypoints are of different preparations: get both anew",
        ),
    ]
    found = f"{' and '.join(map(str, sorted(joints)))} joints" if not odd else f"no finite keypoints: {listed(odd)}"
    right = not odd and len(joints) == 1 and set(joints) <= {16, 17}
    findings.append(judged(where, "joints", right, found, "expected 16 or 17 joints in all recordings"))
    if not right:
        return None
    layout = "h36m16" if 16 in joints else "h36m17"
    findings += _check_metadata(where, members.get("metadata"), layout, whose)
    if whose == "gt" and not short and not views:
        advice = f"the positions, seen by the published cameras with lens distortion, are elsewhere: {_AGAIN}"
        findings.append(judged(where, "projection", worst <= SAME, f"{worst:.2g} px from the positions", advice))
    return layout


def _difference(tracks: Any, positions: np.ndarray, rig: Any) -> float:
    """How far, at most, keypoints are from the projected positions, pixels; of a frame in a hundred."""
    rows = slice(None, None, 100)
    views = filmed(positions[rows], rig)
    if tracks[0].shape[1] == 16:
        views = np.delete(views, as_skeleton("h36m17").index("neck_nose"), axis=2)
    return max(
        float(np.abs(track[: len(positions)][rows, :, :2] - view).max())
        for track, view in zip(tracks, views, strict=True)
    )


def _check_metadata(where: str, metadata: Any, layout: str, whose: str) -> list[Finding]:
    """What the file says of the order of its joints, as the reader understands it."""
    findings: list[Finding] = []
    picker = JointPicker(layout)
    picked = read(where, "", findings, picker.of_keypoints, metadata, where, needs_order=whose in TWO_ORDERS)
    if picked is None:
        return [finding._replace(what="joint order") for finding in findings]
    if metadata is None:
        return [Finding(where, "joint order", "told", f"the file does not say; read as {layout}")]
    order = layout if picked is picker else f"that of the detector, brought into that of {layout} when it is read"
    return [Finding(where, "joint order", "right", order)]
