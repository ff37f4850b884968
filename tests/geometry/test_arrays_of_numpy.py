"""NumPy's arrays in place of tensors: refused by name, by every function of poses and cameras."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch

from skelgraph import geometry
from skelgraph.errors import SkelgraphError

GIVEN: dict[str, dict[str, Any]] = {
    "back_project": {"keypoints_2d": (5, 2), "depth": (5,), "intrinsics": (4,)},
    "back_project_relative": {"keypoints_2d": (5, 2), "relative_depth": (5,), "root_depth": (), "intrinsics": (4,)},
    "beside_a_body": {"sizes": (4,)},
    "box_view": {"keypoints_2d": (5, 2), "intrinsics": (4,)},
    "camera_to_world": {"points": (5, 3), "orientation": (4,), "translation": (3,)},
    "denormalize_screen": {"points": (5, 2), "width": 1000, "height": 1002},
    "estimate_root": {"pose": (5, 3), "keypoints_2d": (5, 2), "intrinsics": (4,)},
    "from_rays": {"rays": (5, 3), "rotation": (3, 3), "intrinsics": (4,)},
    "look_at": {"centre": (3,), "target": (3,)},
    "mirror": {"points": (5, 3), "mirror_index": [0, 2, 1, 4, 3]},
    "mirror_intrinsics": {"intrinsics": (9,), "distortion": "opencv"},
    "normalize_intrinsics": {"intrinsics": (9,), "width": 1000, "height": 1002},
    "normalize_screen": {"points_px": (5, 2), "width": 1000, "height": 1002},
    "pose_sizes": {"poses": (5, 3)},
    "procrustes": {"source": (5, 3), "target": (5, 3)},
    "project": {"points_camera": (5, 3), "intrinsics": (9,), "distortion": "opencv"},
    "project_linear": {"points_camera": (5, 3), "intrinsics": (4,)},
    "rotation_to_axis": {"ray": (2,)},
    "segment_distance": {"first": (2, 3), "second": (2, 3)},
    "sine_about": {"first": (3,), "second": (3,), "axis": (3,)},
    "to_rays": {"keypoints_2d": (5, 2), "rotation": (3, 3), "size": (), "intrinsics": (4,)},
    "turn": {"points": (5, 3), "rotation": (3, 3)},
    "turned_answers": {"rays": (1, 1, 5, 3)},
    "window_rays": {"keypoints_2d": (1, 5, 2), "intrinsics": (4,)},
    "world_to_camera": {"points": (5, 3), "orientation": (4,), "translation": (3,)},
}
"""Shapes of the tensors of each function, and its other arguments."""
WITHOUT = {"flip_average": "its first argument is a function", "forward_kinematics": "it takes lists of tensors"}


def test_every_function_is_here() -> None:
    assert {name for name in geometry.__all__ if inspect.isfunction(getattr(geometry, name))} == {*GIVEN, *WITHOUT}


def arguments(name: str, array: str | None = None) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    given = {}
    for key, value in GIVEN[name].items():
        numbers = rng.uniform(1, 2, size=value) if isinstance(value, tuple) else value
        given[key] = torch.as_tensor(numbers) if isinstance(value, tuple) and key != array else numbers
    return given


@pytest.mark.parametrize(
    ("name", "array"), [(n, key) for n, g in GIVEN.items() for key, v in g.items() if type(v) is tuple]
)
def test_an_array_is_refused_by_name(name: str, array: str) -> None:
    function = getattr(geometry, name)
    more = {"model": lambda rays: rays[:, 0], "angles": (0.1,)} if name == "turned_answers" else {}
    more = {key: value for key, value in more.items() if key in inspect.signature(function).parameters}
    function(**arguments(name), **more)
    with pytest.raises(
        SkelgraphError, match=rf"{array} is (nd)?array.*; expected a tensor, such as torch\.as_tensor\({array},"
    ):
        function(**arguments(name, array), **more)
