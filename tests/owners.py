"""Files as the owners of the data sets distribute them, with short recordings of a swaying figure."""

from __future__ import annotations

import io
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from cdflib.cdfwrite import CDF

from skelgraph import as_skeleton
from skelgraph.datasets.mpi_inf_3dhp import POSEAUG_FRAMES
from skelgraph.datasets.preparation.mpi_inf_3dhp import TEST_FRAMES, TRAIN_FRAMES
from skelgraph.viz.drawing import rest_positions

SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
OWN_NAMES = {"Photo": "TakingPhoto", "WalkDog": "WalkingDog"}
ACTIONS = (
    *("Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases"),
    *("Sitting", "SittingDown", "Smoking", "Waiting", "WalkDog", "WalkTogether", "Walking"),
)
TAKES = {"S1": ("", " 1"), "S5": (" 1", " 2"), "S6": ("", " 1"), "S7": (" 1", " 2"), "S8": ("", " 1")}


def figure(layout: str, frames: int, seed: int) -> np.ndarray:
    """World positions ``(frames, J, 3)``, millimetres, z up, around a place that differs with the seed."""
    rng = np.random.default_rng(seed)
    rest = rest_positions(as_skeleton(layout))
    body = np.stack([rest[:, 0], np.zeros(len(rest)), rest[:, 1]], -1)
    time = np.arange(frames)[:, None, None] / 50
    pace, phase = rng.uniform(2, 6, (2, len(rest), 3))
    return 1000 * (body + 0.02 * np.sin(pace * time + phase) + rng.uniform(-0.3, 0.3, 3) * (1, 1, 0.1))


def recordings(frames: int = 3, subjects: tuple[str, ...] = SUBJECTS) -> dict[str, dict[str, np.ndarray]]:
    """Recordings by subject and name, as the authors name them: no two are of the same length for their subject."""
    return {
        subject: {
            OWN_NAMES.get(action, action) + take: figure("h36m32", frames + i + 2 * j, 100 * s + 10 * i + j)
            for i, action in enumerate(ACTIONS)
            for j, take in enumerate(TAKES.get(subject, ("", " 1")))
        }
        for s, subject in enumerate(subjects)
    }


def cdf(positions: np.ndarray, compression: int = 0) -> bytes:
    """A file of D3_Positions: one record of (T, 96) single-precision numbers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.cdf"
        file = CDF(path, cdf_spec={"Compressed": compression})
        flat = positions.reshape(1, len(positions), -1).astype(np.float32)
        spec = {"Variable": "Pose", "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": flat.shape[1:]}
        file.write_var(spec, var_data=flat)
        file.close()
        return path.read_bytes()


def mat_of_cdf(positions: np.ndarray) -> bytes:
    """The same as MATLAB's cdfread and save write it: a cell with one array."""
    cell = np.empty((1, 1), object)
    cell[0, 0] = positions.reshape(len(positions), -1).astype(np.float32)
    return mat({"data": cell})


def mat(variables: Mapping[str, object], compress: bool = True) -> bytes:
    """A MAT-file of version 5."""
    stream = io.BytesIO()
    scipy.io.savemat(stream, dict(variables), do_compression=compress)
    return stream.getvalue()


def h5(positions: np.ndarray) -> bytes:
    """A file of h36m.zip: (96, T), double precision."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["3D_positions"] = positions.reshape(len(positions), -1).T
    return stream.getvalue()


LAYOUTS = {
    "cdf": ("{}/MyPoseFeatures/D3_Positions/{}.cdf", cdf),
    "mat": ("{}/MyPoseFeatures/D3_Positions/{}.cdf.mat", mat_of_cdf),
    "h5": ("h36m/{}/MyPoses/3D_positions/{}.h5", h5),
}


def human36m(motion: Mapping[str, Mapping[str, np.ndarray]], kind: str) -> dict[str, bytes]:
    """The files of the recordings by their paths; h36m.zip has VideoPose3D's names already."""
    pattern, write = LAYOUTS[kind]
    names = {own: name for name, own in OWN_NAMES.items()} if kind == "h5" else {}
    files = {}
    for subject, actions in motion.items():
        for action, positions in actions.items():
            base, space, take = action.partition(" ")
            files[pattern.format(subject, names.get(base, base) + space + take)] = write(positions)
    return files


def training_sequence(
    frames: int, seed: int = 0, cameras: int = 14
) -> tuple[dict[str, object], np.ndarray, np.ndarray]:
    """The variables of an annot.mat of MPI-INF-3DHP, and its keypoints (14, T, 28, 2) and positions (14, T, 28, 3)."""
    rng = np.random.default_rng(seed)
    body = figure("mpi_inf_3dhp28", frames, seed)
    seen = np.stack([body[..., 0], -body[..., 2], body[..., 1]], -1)  # x right, y down, z forward
    positions = np.stack([seen + np.array([20.0 * i, 0, 3500 + 10 * i]) for i in range(cameras)])
    keypoints = 1500 * positions[..., :2] / positions[..., 2:] + 1024 + rng.normal(size=(cameras, frames, 28, 2))
    variables: dict[str, object] = {"frames": np.arange(frames)[:, None], "cameras": np.arange(cameras)}
    for name, array in (("annot2", keypoints), ("univ_annot3", positions), ("annot3", 1.1 * positions)):
        cell = np.empty((cameras, 1), object)
        for i, view in enumerate(array):
            cell[i, 0] = view.reshape(frames, -1)
        variables[name] = cell
    return variables, keypoints, positions


def tested_sequence(frames: int, seed: int, size: tuple[int, int]) -> tuple[bytes, dict[str, np.ndarray]]:
    """An annot_data.mat (version 7.3) of MPI-INF-3DHP and its arrays: every third frame is not valid, and in every
    fifth a hand is out of the image, below or above it by turns."""
    body = figure("mpi_inf_3dhp17", frames, seed)
    positions = np.stack([body[..., 0], -body[..., 2], body[..., 1] + 4000], -1)
    keypoints = 800 * positions[..., :2] / positions[..., 2:] + np.array(size) / 2
    valid = np.arange(frames) % 3 != 1
    keypoints[::5, 4] = (10.0, size[1])
    keypoints[::10, 4] = (10.0, -0.5)
    arrays = {"annot2": keypoints, "univ_annot3": positions, "annot3": 1.1 * positions}
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array[:, None], compression="gzip")
        file["valid_frame"] = valid.astype(float)[:, None]
        file["activity_annotation"] = np.ones((frames, 1))
    return stream.getvalue(), {**arrays, "valid": valid}


TESTS = {f"TS{i}": 30 + i for i in range(1, 7)}
"""Frames of the test sequences of :func:`mpi_inf_3dhp`."""


def mpi_inf_3dhp() -> dict[str, bytes]:
    """The annotations of all sequences of MPI-INF-3DHP by their paths."""
    files = {}
    for key in TRAIN_FRAMES:
        subject, sequence = key.split()
        variables, _, _ = training_sequence(3 + int(subject[1]), 10 * int(subject[1]) + int(sequence[3]))
        files[f"{subject}/{sequence}/annot.mat"] = mat(variables)
    for key, frames in TESTS.items():
        size = (1920, 1080) if key in ("TS5", "TS6") else (2048, 2048)
        files[f"{key}/annot_data.mat"], _ = tested_sequence(frames, int(key[2]), size)
    return files


def count_as_published(patch: pytest.MonkeyPatch) -> None:
    """Let the checks count the frames of :func:`recordings` and of :func:`mpi_inf_3dhp` as the published ones."""
    training = (actions for subject, actions in recordings().items() if subject not in ("S9", "S11"))
    frames = sum(len(positions) for actions in training for positions in actions.values())
    patch.setattr(sys.modules["skelgraph.datasets.preparation.check_human36m"], "TRAIN_SAMPLES", 4 * frames)
    for key in TRAIN_FRAMES:
        patch.setitem(TRAIN_FRAMES, key, 3 + int(key[1]))
    for key, frames in TESTS.items():
        patch.setitem(TEST_FRAMES, key, frames)
        patch.setitem(POSEAUG_FRAMES, key, sum(f % 3 != 1 and f % 5 != 0 for f in range(frames)))


SPIN_OF_OFFICIAL = {14: 14, 11: 3, 12: 4, 13: 5, 8: 2, 9: 1, 10: 0, 15: 16, 1: 12, 16: 17, 0: 18}
SPIN_OF_OFFICIAL |= {5: 9, 6: 10, 7: 11, 2: 8, 3: 7, 4: 6}
"""Where SPIN's preparation puts the joints of the test annotations."""


def spin(path: Path, tests: Mapping[str, Mapping[str, np.ndarray]]) -> Path:
    """SPIN's mpi_inf_3dhp_valid.npz of these test sequences: the frames that it keeps."""
    names, parts, bodies = [], [], []
    for sequence, arrays in tests.items():
        size = (1920, 1080) if sequence in ("TS5", "TS6") else (2048, 2048)
        for frame in np.flatnonzero(arrays["valid"]):
            pixels, body = arrays["annot2"][frame], arrays["univ_annot3"][frame] / 1000
            if not ((pixels >= 0) & (pixels < size)).all():
                continue
            part, pose = np.zeros((24, 3)), np.zeros((24, 4))
            for official, slot in SPIN_OF_OFFICIAL.items():
                part[slot] = (*pixels[official], 1)
                pose[slot] = (*(body[official] - body[14]), 1)
            names.append(f"mpi_inf_3dhp_test_set/{sequence}/imageSequence/img_{frame + 1:06d}.jpg")
            parts.append(part)
            bodies.append(pose)
    zeros = np.zeros((len(names), 2))
    np.savez(path, imgname=np.array(names), center=zeros, scale=zeros[:, 0], part=np.stack(parts), S=np.stack(bodies))
    return path


def folder(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write files to a folder."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def tgz(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    """Write files to a tar archive."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files to a zip archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
