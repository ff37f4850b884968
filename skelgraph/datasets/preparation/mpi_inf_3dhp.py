"""MPI-INF-3DHP: from the annotations of its authors to the files of each of the three variants in use."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from skelgraph.datasets.mpi_inf_3dhp import OFFICIAL_JOINTS, POSEAUG_FRAMES, SUBJECTS, image_size
from skelgraph.datasets.preparation.parts import Parts, results, save
from skelgraph.datasets.preparation.recordings import Prepared, Progress, Sources, convert, listed, metres, silent
from skelgraph.datasets.preparation.spin import read_spin
from skelgraph.errors import DataError, SkelgraphError, unknown_name
from skelgraph.files import ForeignFiles, StoredFile, read_mat
from skelgraph.options import OneOf, checked
from skelgraph.text import shown
from skelgraph.topology import as_skeleton

TRAIN_FRAMES = {
    **{"S1 Seq1": 6416, "S1 Seq2": 12430, "S2 Seq1": 6502, "S2 Seq2": 6081, "S3 Seq1": 12488, "S3 Seq2": 12283},
    **{"S4 Seq1": 6171, "S4 Seq2": 6675, "S5 Seq1": 12820, "S5 Seq2": 12312, "S6 Seq1": 6188, "S6 Seq2": 6145},
    **{"S7 Seq1": 6239, "S7 Seq2": 6320, "S8 Seq1": 6468, "S8 Seq2": 6054},
}
"""Frames of the videos of each training sequence; the annotations of some go on after the end of the videos."""
TEST_FRAMES = {"TS1": 6151, "TS2": 6080, "TS3": 5838, "TS4": 6007, "TS5": 320, "TS6": 492}
"""Frames of each test sequence."""
FAST = frozenset({"S1 Seq2", "S3 Seq1", "S3 Seq2", "S5 Seq1", "S5 Seq2"})
"""Training sequences of 50 frames a second; the others have 25."""
CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
"""Those of the 14 cameras that the field trains on."""
FILES = {
    "official": ("data_train_3dhp.npz", "data_test_3dhp.npz"),
    "graphmlp": ("data_3d_3dhp.npz", "data_2d_3dhp.npz"),
    "poseaug": ("test_3dhp.npz",),
}
"""What is written for each variant."""

_PATTERNS = ("S*/Seq*/annot.mat", "TS*/annot_data.mat")
_ARCHIVES = ("mpi_inf_3dhp*.zip", "mpi_inf_3dhp*.tgz", "mpi_inf_3dhp*.tar.gz")
_TRAIN = re.compile(r"(?:.*/)?(S[1-8])/(Seq[12])/annot\.mat")
_TEST = re.compile(r"(?:.*/)?(TS[1-6])/annot_data\.mat")
_SUBJECTS = (*SUBJECTS["train"], *SUBJECTS["test"])


@checked
def prepare_mpi_inf_3dhp(
    sources: Sources,
    out: str | PathLike[str],
    *,
    variant: Annotated[str, OneOf(FILES)] = "official",
    annotation: Literal["univ_annot3", "annot3"] = "univ_annot3",
    subjects: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Prepared:
    """Make the files of a variant from MPI-INF-3DHP's own annotations.

    * ``"official"``: ``data_train_3dhp.npz`` and ``data_test_3dhp.npz`` as `P-STMO
      <https://github.com/paTRICK-swk/P-STMO>`_ makes them: millimetres, 17 joints in the order of the test set, 8
      cameras, all frames of the test set and which of them are valid;
    * ``"graphmlp"``: ``data_3d_3dhp.npz`` and ``data_2d_3dhp.npz``, which GraphMLP and NEHSNet read: metres, camera
      axes, 17 joints in the order of Human3.6M, of the test set the valid frames;
    * ``"poseaug"``: ``test_3dhp.npz``, which PoseAug and MLP-Graph read: of the test set the valid frames with all
      joints in the image, 16 joints, root-relative metres, normalised keypoints. SPIN's ``mpi_inf_3dhp_valid.npz`` is
      another source of it.

    A run that was stopped goes on where it was when it is started again: finished sequences are kept in a hidden folder
    of ``out`` until the files are written.

    Args:
        sources: Folders and archives that hold ``S1/Seq1/annot.mat`` to ``S8/Seq2/annot.mat`` and
            ``TS1/annot_data.mat`` to ``TS6/annot_data.mat``; or SPIN's file.
        out: Folder of the files.
        variant: What the files are to be; results of different variants do not compare.
        annotation: The 3D annotation: of the skeleton scaled to a universal height, on which the published results
            are measured, or as it was recorded.
        subjects: Some subjects only; by default all 14, for ``"poseaug"`` the 6 of the test set.
        overwrite: Replace the files that are there.
        progress: Told of each sequence.

    Raises:
        SkelgraphError: The files are there already, or there is no such subject or variant.
        DataError: A source cannot be read or is damaged, a sequence is missing, or its arrays are not as published.
        OSError: The disk is full.

    Code and paper: how GraphMLP's files were made is not published: their annotation, cameras and test frames are those
    of the other variants, and the order of the joints is that of Human3.6M's names.
    """
    test_only = variant == "poseaug"
    known = tuple(TEST_FRAMES) if test_only else _SUBJECTS
    chosen = known if subjects is None else tuple(dict.fromkeys(subjects))
    for subject in chosen:
        if subject not in known:
            raise unknown_name(f"subject of the variant {variant}", subject, known)
    keys = [key for key in (*TRAIN_FRAMES, *TEST_FRAMES) if key.partition(" ")[0] in chosen]
    folder = results(out, FILES[variant], overwrite=overwrite)
    prepared = Prepared([folder / name for name in FILES[variant]])
    if (spin := _spin(sources)) is not None:
        if not test_only:
            raise SkelgraphError(f"{spin} holds the test set of the variant poseaug: ask for that (--variant poseaug)")
        _write_poseaug(prepared, read_spin(spin, chosen), chosen)
        return prepared
    parts = Parts(folder, f"mpi_inf_3dhp-{annotation}")
    with ForeignFiles() as foreign:

        def make(key: str, file: StoredFile) -> dict[str, np.ndarray]:
            return _train(key, file, annotation) if key in TRAIN_FRAMES else _test(file, annotation, foreign)

        convert(sources, _PATTERNS, _ARCHIVES, _key_in(keys), make, parts, len(keys), progress)
    if missing := [key for key in keys if key not in parts]:
        example = f"{missing[0].replace(' ', '/')}/{'annot' if missing[0] in TRAIN_FRAMES else 'annot_data'}.mat"
        raise DataError(
            f"no annotations of {listed(missing)} were found, expected files such as {example} in a folder or archive "
            "(--source), or other subjects (--subjects); what was read is kept."
        )
    for key in keys:
        frames, expected = parts.array(key, "frames").item(), {**TRAIN_FRAMES, **TEST_FRAMES}[key]
        if frames < expected or (key in TEST_FRAMES and frames != expected):
            prepared.notes.append(f"{key} has {frames} frames, published are {expected}")
    for path in prepared.files:
        progress(path.name, 0, 0)
    {"official": _write_official, "graphmlp": _write_graphmlp, "poseaug": _write_annotated_poseaug}[variant](
        prepared, parts, keys
    )
    parts.remove()
    return prepared


def _spin(sources: Sources) -> Path | None:
    given = [sources] if isinstance(sources, str | PathLike) else list(sources)
    return Path(given[0]) if len(given) == 1 and str(given[0]).endswith(".npz") else None


def _key_in(keys: Sequence[str]) -> Callable[[str], str | None]:
    def key_of(name: str) -> str | None:
        match = _TRAIN.fullmatch(name) or _TEST.fullmatch(name)
        key = " ".join(match.groups()) if match else None
        return key if key in keys else None

    return key_of


def _train(key: str, file: StoredFile, annotation: str) -> dict[str, np.ndarray]:
    """A training sequence: ``data_2d`` (cameras, T, 17, 2) and ``data_3d`` (cameras, T, 17, 3), millimetres."""
    found = read_mat(file.read(), ["annot2", annotation, "cameras"], file.label)
    raw, used = as_skeleton("mpi_inf_3dhp28"), as_skeleton("mpi_inf_3dhp17")
    joints = [raw.index(name) for name in used.joint_names]
    if found["cameras"].dtype == object or found["cameras"].reshape(-1).tolist() != list(range(14)):
        raise DataError(f"{file.label}: cameras is {shown(found['cameras'])}, expected the 14 numbers 0 to 13.")
    arrays = {}
    for name, numbers in (("annot2", 2), (annotation, 3)):
        views, width = found[name].reshape(-1), raw.num_joints * numbers
        if found[name].dtype != object or len(views) != 14 or any(v.ndim != 2 or v.shape[1] != width for v in views):
            raise DataError(f"{file.label}: {name} is not a cell of 14 arrays (T, {width}), one for each camera.")
        if len({len(view) for view in views}) > 1:
            raise DataError(f"{file.label}: {name} has another number of frames for each camera.")
        chosen = [views[i][: TRAIN_FRAMES[key]].reshape(-1, raw.num_joints, numbers)[:, joints] for i in CAMERAS]
        arrays[name] = np.stack(chosen).astype(np.float32)
    return _sequence(file.label, arrays["annot2"], arrays[annotation], len(found["annot2"].reshape(-1)[0]))


def _test(file: StoredFile, annotation: str, foreign: ForeignFiles) -> dict[str, np.ndarray]:
    """A test sequence: ``data_2d`` (1, T, 17, 2), ``data_3d`` (1, T, 17, 3), millimetres, and ``valid`` (T,)."""
    names = ["annot2", annotation, "valid_frame"]
    data_2d, data_3d, valid = foreign.read("HDF5", file.read(), names, file.label)
    count = valid.size
    for name, array, numbers in ((names[0], data_2d, 2), (names[1], data_3d, 3)):
        if array.shape != (count, 1, 17, numbers):
            raise DataError(f"{file.label}: {name} has shape {array.shape}, expected {(count, 1, 17, numbers)}.")
    if not np.isin(valid, (0, 1)).all():
        raise DataError(f"{file.label}: valid_frame holds something else than 0 and 1.")
    filmed, posed = (array[:, 0][None].astype(np.float32) for array in (data_2d, data_3d))
    return {**_sequence(file.label, filmed, posed, count), "valid": valid.reshape(-1).astype(bool)}


def _sequence(label: str, data_2d: np.ndarray, data_3d: np.ndarray, frames: int) -> dict[str, np.ndarray]:
    if data_2d.shape[:3] != data_3d.shape[:3]:
        raise DataError(f"{label}: has {data_2d.shape[1]} frames of keypoints and {data_3d.shape[1]} of positions.")
    metres(data_3d.reshape(-1, *data_3d.shape[2:]), label)
    if not np.isfinite(data_2d).all():
        raise DataError(f"{label}: has keypoints that are no finite numbers.")
    return {"data_2d": data_2d, "data_3d": data_3d, "frames": np.array(frames)}


def _write_official(prepared: Prepared, parts: Parts, keys: Sequence[str]) -> None:
    train: dict[str, Any] = {}
    test: dict[str, Any] = {}
    for key in keys:
        data_2d, data_3d = parts.array(key, "data_2d"), parts.array(key, "data_3d")
        _count(prepared, key, data_3d.shape[1])
        if key in TRAIN_FRAMES:
            views = {str(camera): {"data_2d": data_2d[i], "data_3d": data_3d[i]} for i, camera in enumerate(CAMERAS)}
            train[key] = [views, 50 if key in FAST else 25]
        else:
            test[key] = {"data_2d": data_2d[0], "data_3d": data_3d[0], "valid": parts.array(key, "valid")}
    for path, data in zip(list(prepared.files), (train, test), strict=True):
        if data:
            save(path, data=data)
        else:
            prepared.files.remove(path)


def _write_graphmlp(prepared: Prepared, parts: Parts, keys: Sequence[str]) -> None:
    for path, name, joint_unit in zip(prepared.files, ("data_3d", "data_2d"), (1000, 1), strict=True):
        motion: dict[str, dict[str, list[np.ndarray]]] = {}
        for key in keys:
            subject, _, sequence = key.partition(" ")
            views = parts.array(key, name)[:, :, OFFICIAL_JOINTS["h36m17"]] / np.float32(joint_unit)
            if key in TEST_FRAMES:
                views = views[:, parts.array(key, "valid")]
            motion.setdefault(subject, {})[sequence or "Seq1"] = list(views)
            if name == "data_3d":
                _count(prepared, key, views.shape[1])
        if name == "data_3d":
            save(path, positions_3d=motion)
        else:
            skeleton = as_skeleton("h36m17")
            symmetry = [list(skeleton.left), list(skeleton.right)]
            save(path, positions_2d=motion, metadata={"num_joints": 17, "keypoints_symmetry": symmetry})


def _write_annotated_poseaug(prepared: Prepared, parts: Parts, keys: Sequence[str]) -> None:
    frames = {}
    for key in keys:
        valid = parts.array(key, "valid")
        frames[key] = (parts.array(key, "data_2d")[0][valid], parts.array(key, "data_3d")[0][valid] / 1000)
    _write_poseaug(prepared, frames, keys)


def _write_poseaug(prepared: Prepared, frames: dict[str, tuple[np.ndarray, np.ndarray]], keys: Sequence[str]) -> None:
    """Write the poseaug variant of the valid frames of each sequence: 17 joints in the order of the test set, pixels
    and metres."""
    keypoints, poses, sequences = [], [], []
    for key in keys:
        pixels, positions = frames[key]
        width, height = image_size(key)
        inside = ((pixels >= 0) & (pixels < (width, height))).all((1, 2))
        pixels, positions = (
            pixels[inside][:, OFFICIAL_JOINTS["h36m16"]],
            positions[inside][:, OFFICIAL_JOINTS["h36m16"]],
        )
        keypoints.append(pixels / width * 2 - (1, height / width))
        poses.append(positions - positions[:, :1])
        sequences += [key] * len(positions)
        _count(prepared, key, len(positions))
        if len(positions) != POSEAUG_FRAMES[key]:
            prepared.notes.append(
                f"{key} has {len(positions)} valid frames with all joints in the image, published are "
                f"{POSEAUG_FRAMES[key]}"
            )
    save(
        prepared.files[0],
        pose3d=np.concatenate(poses).astype(np.float32),
        pose2d=np.concatenate(keypoints).astype(np.float32),
        sequence=np.array(sequences),
    )


def _count(prepared: Prepared, key: str, frames: int) -> None:
    subject = key.partition(" ")[0]
    prepared.frames[subject] = prepared.frames.get(subject, 0) + frames
