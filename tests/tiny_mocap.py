"""Motion files of a second or two that tests train on: a swaying figure in front of two cameras."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from skelgraph.geometry import project, world_to_camera
from skelgraph.topology import as_skeleton
from skelgraph.viz.drawing import rest_positions

if TYPE_CHECKING:
    from skelgraph.training import TrainConfig

CAMERAS = [
    {
        "id": f"cam{i}",
        "res_w": 1000,
        "res_h": 1000,
        "focal_length": [1145.0, 1143.0],
        "center": [510.0, 505.0],
        "distortion": "opencv",
        "radial_distortion": [-0.2, 0.24, 0.0],
        "tangential_distortion": [-0.001, -0.001],
        # Both look along +y, with z up; the second is further away.
        "orientation": [0.5**0.5, -(0.5**0.5), 0.0, 0.0],
        "translation": [0.3 * i, -5.0 - i, 1.0],
    }
    for i in range(2)
]
LENGTHS = {"train": {"walk 1": 61, "walk 2": 40, "wave 1": 53}, "test": {"walk 3": 37, "wave 2": 23, "bend 1": 8}}


@dataclass
class Run:
    """A finished run on these files."""

    config: TrainConfig
    metrics: dict[str, Any]
    out: Path
    last: Path


def motion(length: int, seed: int) -> np.ndarray:
    """Positions ``(length, 17, 3)`` in world metres, z up: a standing figure, each joint swaying at its own pace."""
    rng = np.random.default_rng(seed)
    rest = rest_positions(as_skeleton("h36m17"))
    figure = np.stack([rest[:, 0], np.zeros(17), rest[:, 1]], -1)
    time = np.arange(length)[:, None, None] / 50
    pace, phase = rng.uniform(2, 6, (2, 17, 3))
    return (figure + 0.15 * np.sin(pace * time + phase)).astype(np.float32)


def arrays(lengths: dict[str, dict[str, int]] = LENGTHS) -> tuple[dict[str, Any], dict[str, Any]]:
    """``positions_3d`` and ``positions_2d`` of the files."""
    positions = {
        subject: {action: motion(length, i) for i, (action, length) in enumerate(actions.items())}
        for subject, actions in lengths.items()
    }
    keypoints = {
        subject: {action: [_film(world, camera) for camera in CAMERAS] for action, world in actions.items()}
        for subject, actions in positions.items()
    }
    return positions, keypoints


def write(folder: Path, positions: Any = None, keypoints: Any = None, visible: Any = None) -> dict[str, str]:
    """Write the three files, with other arrays where given; the keys are the arguments of ``load_dataset``."""
    own_positions, own_keypoints = arrays()
    folder.mkdir(parents=True, exist_ok=True)
    files = {"data_3d": "data_3d.npz", "data_2d": "data_2d.npz", "cameras": "cameras.json"}
    paths = {key: str(folder / name) for key, name in files.items()}
    members = {"positions_3d": positions or own_positions} | ({"visible_3d": visible} if visible else {})
    np.savez_compressed(paths["data_3d"], **{name: np.array(value, dtype=object) for name, value in members.items()})
    np.savez_compressed(paths["data_2d"], positions_2d=np.array(keypoints or own_keypoints, dtype=object))
    Path(paths["cameras"]).write_text(json.dumps({"cameras": CAMERAS}))
    return paths


def _film(world: np.ndarray, camera: dict[str, Any]) -> np.ndarray:
    intrinsics = [
        *camera["focal_length"],
        *camera["center"],
        *camera["radial_distortion"],
        *camera["tangential_distortion"],
    ]
    seen = world_to_camera(
        torch.tensor(world).double(),
        torch.tensor(camera["orientation"], dtype=torch.float64),
        torch.tensor(camera["translation"], dtype=torch.float64),
    )
    return project(seen, torch.tensor(intrinsics, dtype=torch.float64), camera["distortion"]).float().numpy()
