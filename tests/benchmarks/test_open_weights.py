"""Weights are judged outside the studio, and what they tell of their errors is compared with these."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch

from skelgraph import Lifter, create_model
from skelgraph.datasets import four_views
from skelgraph.lifting import judge
from skelgraph.models import load_network
from skelgraph.models.pretrained import save_weights
from skelgraph.nn import ExpectedError
from tests import tiny_mocap

ROOT = Path(__file__).parents[2]
LENGTHS = {
    "cmu": {"train": {"walk 1": 9}, "test": {"walk 2": 30, "bend 1": 9}, "S02": {"jump": 40}},
    "deepmimic": {"deepmimic": {"spin": 20}},
}


@pytest.fixture(scope="module", name="data")
def _data(tmp_path_factory) -> Path:
    return tiny_mocap.open_data(tmp_path_factory.mktemp("open"), LENGTHS)


@pytest.fixture(scope="module", name="weights")
def _weights(tmp_path_factory) -> list[Path]:
    """Two networks of rays with heads, as after training with two seeds."""
    folder = tmp_path_factory.mktemp("weights")
    paths = []
    for seed in range(2):
        torch.manual_seed(seed)
        network = create_model("martinez", "h36m16", input_form="rays", hidden_channels=32, dropout=0.2)
        head = ExpectedError("h36m16", in_channels=3, hidden_channels=8)
        paths.append(folder / f"seed{seed}.safetensors")
        save_weights(network.eval(), paths[-1], expected_error=head)
    return paths


def test_judged_weights(load, data, weights, tmp_path, monkeypatch):
    docs = tmp_path / "docs"
    given = ["--data", data, "--weights", *weights, "--docs", docs, "--name", "tiny"]
    monkeypatch.setattr("sys.argv", ["benchmarks/open_weights.py", *map(str, given)])
    load("open_weights").main()
    monkeypatch.setattr("sys.argv", ["open_weights.py", *map(str, [*given[:4], "--docs", docs, "--name", "one"])])
    load("open_weights").main()

    results = json.loads((docs / "benchmarks" / "open_weights.json").read_text())
    assert str(tmp_path) not in json.dumps(results["command"])
    assert [*results["weights"]] == ["tiny", "one"], "other names stay"
    tiny, one = results["weights"].values()
    assert (docs / "images" / "tiny_calibration.png").stat().st_size > 10_000
    assert len(tiny["seeds"]) == 2
    assert one["deviation"] is None
    assert one["seeds"][0] == tiny["seeds"][0], "the same numbers, those with dropout too"

    page = (docs / "benchmarks" / "open_weights.md").read_text()
    views = [of_view(weights_of_seed, "cam02") for weights_of_seed in weights]
    mean, deviation = statistics.mean(views), statistics.stdev(views)
    assert tiny["clip"]["views"]["cam02"]["mpjpe_mm"] == pytest.approx(mean, abs=1e-3)
    assert tiny["deviation"]["clip"]["views"]["cam02"]["mpjpe_mm"] == pytest.approx(deviation, abs=1e-3)
    row = next(line for line in page.splitlines() if line.startswith("| given |"))
    assert row.split(" | ")[2].startswith(f"{mean:.1f} ± {deviation:.1f} / ")
    phases = tiny["seeds"][0]["clip"]["phases"]
    weighted = (20 * phases["walking"]["mpjpe_mm"] + 50 * phases["side bend"]["mpjpe_mm"]) / 100
    weighted += 30 * phases["coming back"]["mpjpe_mm"] / 100
    assert weighted == pytest.approx(tiny["seeds"][0]["clip"]["mpjpe_mm"], abs=1e-3)
    ways = ["head", "flips and turns", "dropout", "one number"]
    assert all([*numbers] == ways for numbers in tiny["calibration"]["sets"].values())
    assert [*tiny["calibration"]["sets"]] == ["test", "deepmimic", "clip"]


def of_view(weights: Path, name: str) -> float:
    """The error of a view, asked of the lifter itself."""
    view = four_views()[name]
    fx, fy, cx, cy = view.intrinsics
    (person,) = Lifter(weights)(view.detections, focal=(fx, fy), principal_point=(cx, cy)).people
    return judge(person.poses, "h36m16", view.truth, "blazepose33").mpjpe


def test_samples_are_the_errors_that_are_judged(load, data, weights):
    """Errors of joints, of which the mean over poses of the set or the clip is what is reported."""
    calibration, judging = load("open_calibration"), load("open_judging")
    network = load_network(weights[0])
    ways = {"size": lambda x: x[:, 0, :, 2].exp()}  # of the box, which the third number of a ray tells
    sets = judging.motion_sets(data, middles=True)
    with torch.inference_mode():
        test = calibration.motion_samples(network, ways, sets["test"])
        clip = calibration.clip_samples(network, ways, weights[0])
    errors = judging.judged_on_motion(network, sets)
    # a sixteenth of the joints is the root, which is right
    assert 1e3 * test.errors.mean() * 15 / 16 == pytest.approx(errors["test"]["mpjpe_frames_mm"], rel=1e-5)
    views = judging.judged_on_clip(judging.lifted_views(Lifter(weights[0])))
    assert clip.errors.shape == clip.deviations["size"].shape == (400, 12)
    for number, name in enumerate(views["views"]):
        expected = views["views"][name]["mpjpe_mm"]
        assert 1e3 * clip.errors[100 * number : 100 * (number + 1)].mean() == pytest.approx(expected, rel=1e-5)


def test_dropout_is_off_again(load, weights):
    calibration = load("open_calibration")
    network = load_network(weights[0])
    x = torch.randn(5, 1, 16, 3)
    before = network(x)
    told = calibration.ways_of(network, None)["dropout"](x)
    assert torch.equal(network(x), before)
    assert told.shape == (5, 16)
    assert (told[:, 1:] > 0).all()
    assert (told[:, 0] == 0).all(), "the root is where it is"


def test_right_and_wrong_deviations(load):
    compared = load("open_calibration").compared
    rng = np.random.default_rng(0)
    deviations = rng.uniform(0.02, 0.2, (2000, 15))
    errors = np.linalg.norm(rng.normal(size=(2000, 15, 3)) * deviations[..., None] / 3**0.5, axis=-1)
    right, narrow = compared(errors, deviations), compared(errors, deviations / 2)
    # of chi-square with three degrees of freedom, below 3 and 12
    assert right["within_1"] == pytest.approx(0.6084, abs=0.01)
    assert right["within_2"] == pytest.approx(0.9926, abs=0.003)
    assert narrow["within_2"] == right["within_1"]
    shares = load("open_calibration").WITHIN
    assert [shares[1], shares[2]] == pytest.approx([0.60838, 0.99262], abs=1e-4)
    assert narrow["correlation"] == pytest.approx(right["correlation"])
    assert 0.5 < right["correlation"] < 0.9
    for point in right["deciles"]:
        assert point["error_mm"] == pytest.approx(point["deviation_mm"], rel=0.05)
    assert [point["deviation_mm"] for point in right["deciles"]] == sorted(p["deviation_mm"] for p in right["deciles"])
    # the likelihood is that of three normal numbers
    normal = torch.distributions.Normal(0, torch.tensor(deviations / 3**0.5))
    along = torch.tensor(errors / 3**0.5)  # any direction will do
    assert right["nll"] == pytest.approx(float(-3 * normal.log_prob(along).mean()))
    constant = compared(errors, np.full_like(errors, np.sqrt(np.mean(errors**2))))
    assert constant["correlation"] is None
    assert right["nll"] < constant["nll"] < narrow["nll"]


@pytest.mark.skipif(not (ROOT / "docs/benchmarks/open_weights.json").exists(), reason="no weights have been judged")
def test_published_page_of_weights_is_that_of_its_results(load):
    results = json.loads((ROOT / "docs/benchmarks/open_weights.json").read_text())
    assert (ROOT / "docs/benchmarks/open_weights.md").read_text() == load("open_weights").page(results)
