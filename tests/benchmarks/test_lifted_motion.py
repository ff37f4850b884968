"""What is read off lifted motion, and that the published table is what the program measures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from skelgraph import as_skeleton

DOCS = Path(__file__).parents[2] / "docs" / "benchmarks"


def walker(bend: float, seconds: float = 1.0, rate: float = 50.0) -> np.ndarray:
    """Somebody on the way to the right and away, with knees bent by some degrees; the left thigh grows by a tenth."""
    layout = as_skeleton("coco17")
    time = np.linspace(0, seconds, round(seconds * rate) + 1)
    poses = np.zeros((len(time), layout.num_joints, 3))
    angle = np.radians(bend)
    shank = 0.4 * np.array([0, np.cos(angle), np.sin(angle)])
    for side, across in (("left", 0.1), ("right", -0.1)):
        hip, knee, ankle = (layout.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
        poses[:, hip] = [across, 0, 0]
        thigh = 0.45 * (1 + 0.1 * (side == "left") * time / seconds)
        poses[:, knee] = poses[:, hip] + thigh[:, None] * [0, 1, 0]
        poses[:, ankle] = poses[:, knee] + shank
    return poses + time[:, None, None] * [0.6, 0, 0.8]


@pytest.mark.parametrize("bend", [0.0, 35.0, 120.0])
def test_what_is_read_off_motion_that_is_known(load, bend: float) -> None:
    found = load("lifted_motion").measured(walker(bend), as_skeleton("coco17"), 50.0)
    np.testing.assert_allclose(found["hip_path"], [0.6, 0, 0.8], atol=1e-12)
    assert found["hip_speed"] == pytest.approx(1.0)
    assert found["hip_speed_95"] == pytest.approx(1.0)
    assert found["spread"]["thigh"] == pytest.approx((100 * 0.1 / 1.05 + 0) / 2)
    assert found["spread"]["shank"] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(found["knees"], bend, atol=1e-5)


def test_the_page_says_what_the_program_measures(load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks/lifted_motion.py", "--out", str(tmp_path)])
    load("lifted_motion").main()
    measured = json.loads((tmp_path / "lifted_motion.json").read_text())["keypoints"]["given"]
    published = json.loads((DOCS / "lifted_motion.json").read_text())["keypoints"]["given"]
    for way, numbers in published.items():
        assert measured[way]["mean"] == pytest.approx(numbers["mean"], rel=0.02, abs=0.02), way
    rows = [line for line in (DOCS / "lifted_motion.md").read_text().splitlines() if line.startswith("| both |")]
    assert rows[0] in (tmp_path / "lifted_motion.md").read_text()
