"""The files of a data set in a folder, by the names under which the field passes them on."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from skelgraph.datasets.h36m_keypoints import H36M_KEYPOINTS
from skelgraph.errors import DataError
from skelgraph.files import as_path
from skelgraph.text import plain
from skelgraph.training.config import TrainConfig

MADE_BY = {
    "human36m": "`skelgraph data prepare --dataset human36m` makes the positions and their projections from what the "
    "owners of Human3.6M distribute; VideoPose3D's DATASETS.md tells where the keypoints of detectors are",
    "mpi_inf_3dhp": "`skelgraph data prepare --dataset mpi_inf_3dhp` makes them from what the owners of MPI-INF-3DHP "
    "distribute",
    "human36m_hgn": "these are the folder of the annotations that HGN's readme links to and that of the model files of "
    "SMPL, from https://smpl.is.tue.mpg.de",
}
"""How missing files of a data set are come by."""

USUAL_3DHP: dict[str, dict[str, tuple[str, ...]]] = {
    "graphmlp": {"data_3d": ("data_3d_3dhp.npz",), "data_2d": ("data_2d_3dhp.npz",)},
    "poseaug": {"data_3d": ("test_3dhp.npz", "3DHP_test.npz", "mpi_inf_3dhp_valid.npz")},
    "official": {"data_3d": (".",)},  # a file for each split
}


def usual_files(config: TrainConfig, folder: str | PathLike[str] | None) -> dict[str, str]:
    """The settings that name the files which a data set needs and the settings leave open.

    Args:
        config: The settings.
        folder: Where the files are.

    Raises:
        DataError: If files are missing, or needed and there is no folder.
    """
    data = config.data
    names = {name: files for name, files in _names(config).items() if getattr(data, name) is None}
    if not names:
        return {}
    wanted = [" or ".join(files) for files in names.values()]
    if folder is None:
        raise DataError(f"dataset {data.dataset!r} is made of {', '.join(wanted)}: name their folder (data-root).")
    folder = as_path(folder, DataError)
    found = {name: _first(folder, files) for name, files in names.items()}
    needed = [" or ".join(files) for name, files in names.items() if found[name] is None and _is_needed(name, config)]
    if needed:
        raise DataError(f"{plain(str(folder), 500)} has no {', no '.join(needed)}; {MADE_BY[data.dataset]}.")
    return {name: str(path) for name, path in found.items() if path is not None}


def _names(config: TrainConfig) -> Mapping[str, tuple[str, ...]]:
    """The usual names of the files, by the setting that takes them."""
    data = config.data
    if data.dataset == "human36m":
        return {"data_3d": ("data_3d_h36m.npz",), "data_2d": (H36M_KEYPOINTS[data.keypoints],)}
    if data.dataset == "mpi_inf_3dhp":
        return USUAL_3DHP.get(data.variant or "", {})
    if data.dataset == "human36m_hgn":
        body = {"smpl": ("smpl",)} if config.network.options.get("graph") == "smpl" else {}
        return {"data_3d": ("annotations",), **body}
    return {}


def _is_needed(name: str, config: TrainConfig) -> bool:
    """Whether the data set cannot do without a file: true keypoints are projected where there is none."""
    return (config.data.dataset, name, config.data.keypoints) != ("human36m", "data_2d", "gt")


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)
