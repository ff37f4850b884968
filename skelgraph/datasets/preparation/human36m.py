"""Human3.6M: from the files of its authors to ``data_3d_h36m.npz`` and ``data_2d_h36m_gt.npz``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from os import PathLike

import numpy as np
import torch

from skelgraph.datasets.cameras import H36M_CAMERAS, Camera, read_cameras
from skelgraph.datasets.h36m_keypoints import H36M_KEYPOINTS
from skelgraph.datasets.human36m import H36M_SUBJECTS
from skelgraph.datasets.preparation.parts import Parts, results, save
from skelgraph.datasets.preparation.recordings import Prepared, Progress, Sources, convert, listed, metres, silent
from skelgraph.errors import DataError, unknown_name
from skelgraph.files import ForeignFiles, StoredFile, read_mat
from skelgraph.geometry import project, world_to_camera
from skelgraph.text import plain, shown
from skelgraph.topology import as_skeleton

ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Photo",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Waiting",
    "WalkDog",
    "WalkTogether",
    "Walking",
)
"""The actions, as VideoPose3D names them."""
TAKES = 2
"""So often each subject does each action."""
LEFT_OUT = ("S11", "Directions")
"""A recording that is corrupt, which no published result uses."""
DATA_3D, DATA_2D = "data_3d_h36m.npz", H36M_KEYPOINTS["gt"]

_SUBJECTS = (*H36M_SUBJECTS["train"], *H36M_SUBJECTS["test"])
_JOINTS = 32
_PATTERNS = ("S*/MyPoseFeatures/D3_Positions/*", "S*/MyPoses/3D_positions/*")
_ARCHIVES = ("Poses_D3_Positions_S*.tgz", "Poses_D3_Positions_S*.tar.gz", "h36m.zip")
_FILE = re.compile(
    r"(?:.*/)?(?P<subject>S\d{1,2})/(?:MyPoseFeatures/D3_Positions|MyPoses/3D_positions)"
    r"/(?P<action>[A-Za-z]+)(?P<take> \d)?(?P<kind>\.cdf|\.cdf\.mat|\.mat|\.h5)"
)
_RENAMED = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}


def prepare_human36m(
    sources: Sources,
    out: str | PathLike[str],
    *,
    subjects: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Prepared:
    """Make the files of the field from Human3.6M's own, as `VideoPose3D
    <https://github.com/facebookresearch/VideoPose3D/blob/main/DATASETS.md>`_ does: world positions of 32 joints in
    metres, and the 17 joints in use as the four published cameras see them, in pixels, with lens distortion.

    A run that was stopped goes on where it was when it is started again: finished recordings are kept in the hidden
    folder ``.human36m.partial`` of ``out`` until the files are written.

    Args:
        sources: Folders and archives that hold the positions: ``Poses_D3_Positions_S*.tgz`` as they are or unpacked
            (CDF), the same converted to ``.cdf.mat`` by MATLAB, or ``h36m.zip`` (HDF5) of Martinez et al.
        out: Folder of the two files.
        subjects: Some subjects only; the published results need all seven.
        overwrite: Replace the files that are there.
        progress: Told of each recording.

    Raises:
        SkelgraphError: The files are there already, or there is no such subject.
        DataError: A source cannot be read or is damaged, a recording is missing, or its positions are no millimetres
            of 32 joints.
        OSError: The disk is full.

    Code and paper: the first take of "Directions" of S11 is left out as in every published result; the keypoints are
    projected in double precision, VideoPose3D's in single.
    """
    chosen = _SUBJECTS if subjects is None else tuple(dict.fromkeys(subjects))
    for subject in chosen:
        if subject not in _SUBJECTS:
            raise unknown_name("subject of Human3.6M", subject, _SUBJECTS)
    folder = results(out, (DATA_3D, DATA_2D), overwrite=overwrite)
    cameras = read_cameras(H36M_CAMERAS, chosen)
    parts = Parts(folder, "human36m")
    with ForeignFiles() as foreign:

        def make(key: str, file: StoredFile) -> dict[str, np.ndarray]:
            positions = _positions(file, foreign)
            return {"positions_3d": positions, "positions_2d": filmed(positions, cameras[key.partition(" ")[0]])}

        convert(
            sources,
            _PATTERNS,
            _ARCHIVES,
            lambda name: _key(name, chosen),
            make,
            parts,
            len(chosen) * len(ACTIONS) * TAKES - (LEFT_OUT[0] in chosen),
            progress,
        )
    takes = _check_complete(parts, chosen)
    prepared = Prepared([folder / DATA_3D, folder / DATA_2D])
    for path, name in zip(prepared.files, ("positions_3d", "positions_2d"), strict=True):
        progress(path.name, 0, 0)
        motion: dict[str, dict[str, np.ndarray | list[np.ndarray]]] = {}
        for subject in chosen:
            motion[subject] = {}
            for action in takes[subject]:
                array = parts.array(f"{subject} {action}", name)
                motion[subject][action] = array if name == "positions_3d" else list(array)
        if name == "positions_3d":
            prepared.frames = {subject: sum(map(len, actions.values())) for subject, actions in motion.items()}
            save(path, positions_3d=motion)
        else:
            skeleton = as_skeleton("h36m17")
            symmetry = [list(skeleton.left), list(skeleton.right)]
            save(path, positions_2d=motion, metadata={"num_joints": 17, "keypoints_symmetry": symmetry})
    parts.remove()
    return prepared


def _key(name: str, subjects: Sequence[str]) -> str | None:
    """``"S1 Directions 1"`` of the file of a recording."""
    match = _FILE.fullmatch(name)
    if match is None:
        return None
    action = _RENAMED.get(match["action"], match["action"])
    recording = (match["subject"], action + (match["take"] or ""))
    if match["subject"] not in subjects or action not in ACTIONS or recording == LEFT_OUT:
        return None
    return " ".join(recording)


def _positions(file: StoredFile, foreign: ForeignFiles) -> np.ndarray:
    """World positions ``(T, 32, 3)``, metres."""
    content = file.read()
    kind = file.name.rpartition(".")[2]
    if kind == "cdf":
        (array,) = foreign.read("CDF", content, ["Pose"], file.label)
        array = array[0] if array.ndim == 3 and len(array) == 1 else array
    elif kind == "mat":
        array = read_mat(content, ["data"], file.label)["data"]
        array = array.flat[0] if array.dtype == object and array.size == 1 else array
    else:  # a number of a joint after the other, each with all its frames
        (array,) = foreign.read("HDF5", content, ["3D_positions"], file.label)
        if array.ndim == 2 and len(array) == 3 * _JOINTS:
            array = array.T
    if array.ndim != 2 or array.dtype == object or array.shape[1] != 3 * _JOINTS:
        raise DataError(f"{file.label}: found {shown(array)}, expected frames of {_JOINTS} joints, (T, {3 * _JOINTS}).")
    return metres(array.astype(np.float64).reshape(len(array), _JOINTS, 3), file.label).astype(np.float32)


def filmed(positions: np.ndarray, cameras: Sequence[Camera]) -> np.ndarray:
    """What the cameras see of the 17 joints in use, pixels ``(cameras, T, 17, 2)``.

    Args:
        positions: World positions of these or all 32 joints ``(T, J, 3)``, metres.
        cameras: The cameras.
    """
    raw, used = as_skeleton("h36m32"), as_skeleton("h36m17")
    if positions.shape[1] == raw.num_joints:
        positions = positions[:, [raw.index(name) for name in used.joint_names]]
    world = torch.from_numpy(positions).double()
    views = []
    for camera in cameras:
        orientation, centre = (torch.tensor(v, dtype=torch.float64) for v in (camera.orientation, camera.translation))
        intrinsics = torch.tensor(camera.intrinsics, dtype=torch.float64)
        views.append(project(world_to_camera(world, orientation, centre), intrinsics, camera.distortion))
    return torch.stack(views).float().numpy()


def _check_complete(parts: Parts, subjects: Sequence[str]) -> dict[str, list[str]]:
    """The takes of each subject, in order.

    Raises:
        DataError: There are fewer or more than two of an action.
    """
    takes = {}
    for subject in subjects:
        names = [f"{action}{take}" for action in ACTIONS for take in ("", *(f" {i}" for i in range(10)))]
        found = [name for name in names if f"{subject} {name}" in parts]
        counts = Counter(name.partition(" ")[0] for name in found)
        counts[LEFT_OUT[1]] += subject == LEFT_OUT[0]
        if not found:
            raise DataError(
                f"subject {subject}: no recording was found, expected {len(ACTIONS) * TAKES} files such as "
                f"{subject}/MyPoseFeatures/D3_Positions/Directions.cdf in a folder or archive (--source), or other "
                "subjects (--subjects)."
            )
        wrong = [f"{action} ({counts[action]})" for action in ACTIONS if counts[action] != TAKES]
        if wrong:
            raise DataError(
                f"subject {subject}: found {listed(wrong)} recordings of these actions, expected {TAKES} of each: "
                f"complete the files of {plain(subject)}; what was read is kept."
            )
        takes[subject] = found
    return takes
