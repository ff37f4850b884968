"""The errors to expect, from the weights to people, frames, files and the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from moving_people import CENTRE, FOCAL, INTRINSICS, RATE, SIZE, moving, seen

import skelgraph
from skelgraph import Lifter
from skelgraph.datasets import Detections, write_keypoints
from skelgraph.datasets.motion_files import read_motion_file
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.geometry import mirror, window_rays
from skelgraph.lifting import OneEuro
from skelgraph.lifting.pipeline import lift_file
from skelgraph.lifting.settings import LiftSettings
from skelgraph.models.pretrained import save_weights
from skelgraph.nn import ExpectedError
from skelgraph.topology import as_skeleton

LAYOUT = as_skeleton("h36m17")
CAMERA: dict[str, Any] = {
    "image_size": SIZE, "focal": FOCAL, "principal_point": CENTRE, "skeleton": "h36m17", "frame_rate": RATE,
}  # fmt: skip


def head(in_channels: int = 3, scale: float = 1.7) -> ExpectedError:
    """A head that tells joints and frames apart."""
    torch.manual_seed(1)
    made = ExpectedError(LAYOUT, in_channels, 16)
    torch.nn.init.normal_(made.last.weight)
    made.scale.fill_(scale)
    return made.eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("told") / "model.safetensors"
    torch.manual_seed(0)
    save_weights(network(), path, expected_error=head(), frame_rate=25.0)
    return path


def network() -> Any:
    torch.manual_seed(0)
    return skelgraph.create_model("video_pose", LAYOUT, input_form="rays", hidden_channels=8, filter_widths=[3, 3])


def test_they_are_the_mean_of_what_is_told_of_both_sides(weights: Path) -> None:
    pixels = seen(*moving(1, 12))
    person, told = Lifter(weights, network_rate=RATE)(pixels, **CAMERA).people[0], head()
    windows = torch.from_numpy(pixels[np.clip(np.arange(12)[:, None] + np.arange(-4, 5), 0, 11)])
    x = window_rays(windows[..., :2], torch.tensor(INTRINSICS, dtype=torch.float64))[0].float()
    net, index = network().eval(), list(LAYOUT.mirror_index)
    with torch.no_grad():
        one, other = told(x[:, 4], net(x)), told(mirror(x[:, 4], index), net(mirror(x, index)))
    assert person.deviations is not None
    assert person.deviations.dtype == np.float64
    np.testing.assert_allclose(person.deviations, (one + other[:, index]).numpy() / 2, rtol=1e-4)
    assert (person.deviations[:, LAYOUT.root] == 0).all()
    others = np.delete(person.deviations, LAYOUT.root, 1)
    assert others.std(0).min() > 1e-5, "frames are told apart"
    assert others.std(1).min() > 1e-3, "and joints"
    alone = Lifter(weights, network_rate=RATE, flip=False)(pixels, **CAMERA).people[0].deviations
    np.testing.assert_allclose(alone, one.numpy(), rtol=1e-4)


def test_poses_are_those_of_the_network_alone(weights: Path) -> None:
    pixels = seen(*moving(2, 20))
    lifter = Lifter(weights)
    assert lifter.network_rate == 25.0
    with_head, without = (lift(pixels, **CAMERA).people[0] for lift in (lifter, Lifter(network(), network_rate=25.0)))
    assert np.array_equal(with_head.poses, without.poses)
    assert np.array_equal(with_head.root, without.root)
    assert without.deviations is None
    given = Lifter(network(), network_rate=25.0, expected_error=head())(pixels, **CAMERA).people[0]
    assert np.array_equal(given.deviations, with_head.deviations)
    assert Lifter(weights, network_rate=50.0).network_rate == 50.0
    assert Lifter(network()).network_rate is None
    other = Lifter(network().double(), network_rate=25.0, expected_error=head())(pixels, **CAMERA).people[0]
    np.testing.assert_allclose(other.deviations, with_head.deviations, rtol=1e-4)
    with pytest.raises(SkelgraphError, match=r"expected_error is for 17 joints of 2 channels .* expected 17 of 3"):
        Lifter(network(), expected_error=head(2))


def test_they_grow_with_the_person_and_smoothing_leaves_them(weights: Path) -> None:
    pixels = seen(*moving(3, 15))
    plain = Lifter(weights)(pixels, **CAMERA).people[0]
    smooth = Lifter(weights, smoothing=OneEuro())(pixels, **CAMERA).people[0]
    assert np.array_equal(plain.deviations, smooth.deviations)
    assert not np.array_equal(plain.poses, smooth.poses)
    for known in ({"heights": 1.9}, {"bone_lengths": {"left_knee": 0.5, "right_knee": 0.4}}):
        tall = Lifter(weights)(pixels, **CAMERA, **known).people[0]
        scale = tall.poses[0, 5, 0] / plain.poses[0, 5, 0]
        assert abs(scale - 1) > 0.05
        np.testing.assert_allclose(tall.deviations, scale * plain.deviations)


def test_a_stream_tells_them_too(weights: Path) -> None:
    pixels = seen(*moving(4, 30))
    for lift in (Lifter(weights), Lifter(network(), network_rate=25.0)):
        person, frames = lift(pixels, **CAMERA).people[0], list(lift.stream(pixels, **CAMERA))
        assert [frame.frame for frame in frames] == list(range(30))
        if person.deviations is None:
            assert all(frame.deviations is None for frame in frames)
        else:
            np.testing.assert_allclose(np.stack([f.deviations for f in frames]), person.deviations, rtol=1e-5)


def test_files_of_results_hold_them(weights: Path, tmp_path: Path) -> None:
    points = seen(*moving(5, 30))
    write_keypoints(tmp_path / "seen.npz", Detections(points, np.arange(30), LAYOUT, 30, np.zeros(30, int), SIZE, RATE))
    settings = LiftSettings.of(str(weights), format=("npz", "json", "trc", "html"), focal=1500.0)
    lift_file(tmp_path / "seen.npz", tmp_path / "out", settings)
    expected = Lifter(weights)(points, **CAMERA | {"focal": 1500.0, "principal_point": None}).people[0].deviations
    assert expected is not None
    for form in ("npz", "json"):
        motion = read_motion_file(tmp_path / "out" / f"person0.{form}")
        np.testing.assert_allclose(motion.deviations, expected, rtol=1e-6)
        np.testing.assert_allclose(motion.in_world(None, None, "").deviations, expected, rtol=1e-6)
        half = motion.at_rate(RATE / 2, "").deviations
        assert half is not None
        np.testing.assert_allclose(half, motion.deviations[::2], rtol=1e-6)
    assert read_motion_file(tmp_path / "out" / "person0.trc").deviations is None
    with np.load(tmp_path / "out" / "person0.npz") as members:
        np.testing.assert_allclose(members["deviations"], expected, rtol=1e-6)
    page = (tmp_path / "out" / "viewer.html").read_text()
    (person,) = json.loads(re.findall(r'id="scene" type="application/json">(.*?)</script>', page)[0])["people"]
    assert person["deviations"]
    text = json.loads((tmp_path / "out" / "person0.json").read_text())
    for wrong in ([[0.1]], "x", [[-1.0] * 17] * 30, [["a"] * 17] * 30, [[[0.1]] * 17] * 30):
        (tmp_path / "bad.json").write_text(json.dumps(text | {"deviations": wrong}))
        with pytest.raises(DataError, match=r"bad\.json: deviations are"):
            read_motion_file(tmp_path / "bad.json")
    (tmp_path / "metres.json").write_text(json.dumps(text | {"unit": 0.01}))
    tall = read_motion_file(tmp_path / "metres.json").in_world(None, None, "")
    np.testing.assert_allclose(tall.deviations, 0.01 * expected, rtol=1e-6)


def test_motion_of_a_person_has_them(weights: Path) -> None:
    lifted = Lifter(weights)(seen(*moving(6, 5)), **CAMERA)
    motion = lifted.motion(lifted.people[0], (0, 1, 0))
    assert motion.deviations is lifted.people[0].deviations
