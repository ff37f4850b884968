"""The study of open data runs, goes on where it was ended, and its page says what its results say."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

import pytest
import torch

from tests import tiny_mocap

ROOT = Path(__file__).parents[2]
LENGTHS = {
    "cmu": {"train": {"walk 1": 90, "wave 1": 60}, "test": {"walk 2": 9, "bend 1": 40}, "S02": {"jump": 8}},
    "deepmimic": {"deepmimic": {"spin": 6}},
}
ROWS = ("sem_gcn", "martinez", "+ roll 12")


@pytest.fixture(scope="module", name="data")
def _data(tmp_path_factory) -> Path:
    """A second or two of motion, in files with the names of the open data."""
    return tiny_mocap.open_data(tmp_path_factory.mktemp("open"), LENGTHS)


@pytest.fixture(name="study")
def _study(monkeypatch, load, data, tmp_path):
    """Run the study on them; the names of the runs that were trained."""
    study, runs = load("open_study"), load("open_runs")
    monkeypatch.setattr(runs, "WARM_UP", 1)
    monkeypatch.setattr(runs, "TIMED", 2)
    monkeypatch.setattr("skelgraph.training.run.write_report", lambda *_: None)  # takes longer than such a run,
    monkeypatch.delitem(runs.FULL_DATA, "generated_share")  # as does the generation of motion
    train = study.trained

    def run(*options, ends_in: int | None = None) -> list[str]:
        keys: list[str] = []

        def trained(config, steps):
            keys.append(str(Path(config.out).relative_to(tmp_path / "out")))
            if len(keys) - 1 == ends_in:
                Path(config.out).mkdir(parents=True)
                raise KeyboardInterrupt
            return train(config, steps)

        monkeypatch.setattr(study, "trained", trained)
        given = ["--data", data, "--out", tmp_path / "out", "--seeds", 0, "--batch-size", 32, "--seconds", 0]
        given += ["--transforms-budget", 0.3, *options]
        monkeypatch.setattr("sys.argv", ["benchmarks/open_study.py", *map(str, given)])
        study.main()
        return keys

    return run


def test_study_goes_on_where_it_was_ended(study, load, tmp_path, capsys):
    page = tmp_path / "open_results.md"
    known = tmp_path / "known.json"
    timing = {"sem_gcn": {"seconds": {"32": 0.01, "bf16": 0.02}, "precision": "32", "steps": 13}}
    timing["transforms"] = {"seconds": {"32": 0.01, "bf16": 0.02}, "precision": "32", "steps": 11}
    known.write_text(json.dumps({"timing": timing}))
    rows = ("--only", *ROWS, "--budget", 0.2, "--docs", page, "--steps-of", known)
    with pytest.raises(KeyboardInterrupt):
        study(*rows, ends_in=1)
    begun = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [*begun["runs"]] == ["networks/martinez/seed_0"]
    assert not page.exists()

    study(*rows, "--list")
    listed = capsys.readouterr().out.split("\n")
    assert [line[:4] for line in listed] == ["done", "open", "open", ""]

    assert study(*rows) == ["networks/sem_gcn/seed_0", "transforms/+_roll_12/seed_0"]
    results = json.loads(page.with_suffix(".json").read_text())
    assert results["timing"] == begun["timing"]
    assert results["timing"].items() >= timing.items()
    assert results["runs"].items() >= begun["runs"].items()
    assert study(*rows) == []  # nothing is left to do
    check_page(page.read_text(), results)
    measured = results["timing"]["martinez"]
    assert measured["precision"] == min(measured["seconds"], key=measured["seconds"].get)
    assert measured["steps"] == max(10, round(0.2 / min(measured["seconds"].values())))
    for run in results["runs"].values():
        timing = results["timing"]["transforms" if run["part"] == "transforms" else run["name"]]
        assert run["steps"] == timing["steps"]
        weights = torch.load(tmp_path / "out" / run_folder(run) / "checkpoints/last.ckpt", weights_only=False)
        assert weights["global_step"] == run["steps"]
        # the schedule spans these steps: the next rate would be the last one, which is all but nothing
        assert weights["lr_schedulers"][0]["total_steps"] == run["steps"]

    with pytest.raises(SystemExit, match="name another --out"):
        study(*rows, "--lr", 1e-3)
    with pytest.raises(SystemExit, match="--only martini: expected any_gcn"):
        study("--only", "martini", "--budget", 0.2)


def run_folder(run) -> str:
    return f"{run['part']}/{run['name']}/seed_{run['seed']}".replace(" ", "_")


def check_page(page: str, results) -> None:
    """Compare the tables with the numbers they are of, read on their own."""
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    runs = [*results["runs"].values()]
    for part, name in {(run["part"], run["name"]) for run in runs}:
        of = [run for run in runs if (run["part"], run["name"]) == (part, name)]
        row = next(row for row in cells if row[0] == name and len(row) > 3)
        for column, (group, measure) in {-5: ("test", "mpjpe_mm"), -3: ("deepmimic", "mpjpe_frames_mm")}.items():
            for number, prefix in zip(row[column].split(" / "), ("", "p_"), strict=True):
                mean = statistics.mean(run["sets"][group][prefix + measure] for run in of)
                assert float(re.match(r"[\d.]+", number)[0]) == pytest.approx(mean, abs=0.051)
        clip = statistics.mean(run["clip"]["mpjpe_mm"] for run in of)
        assert float(re.match(r"[\d.]+", row[-1])[0]) == pytest.approx(clip, abs=0.051)
    networks = [row[0] for row in cells if row[0] in {run["name"] for run in runs if run["part"] == "networks"}]
    ranked = {run["name"]: mean_of_sets(run) for run in runs}
    assert networks == sorted(networks, key=ranked.__getitem__)


def mean_of_sets(run) -> float:
    sets = run["sets"]
    return sets["test"]["mpjpe_mm"] + sets["S02"]["mpjpe_frames_mm"] + sets["deepmimic"]["mpjpe_frames_mm"]


def test_page_of_two_seeds(load):
    """The mean ± the sample's standard deviation, differences to the row that a transform is added to or taken from."""
    errors = {name: dict.fromkeys(load("open_judging").MEASURES, 50.0) for name in ("test", "S02", "deepmimic")}

    def run(name: str, seed: int, error: float) -> dict[str, object]:
        sets = errors | {"S02": errors["S02"] | {"mpjpe_frames_mm": error}}
        about = {"part": "transforms", "name": name, "seed": seed, "network": "sem_gcn", "steps": 7, "sets": sets}
        return about | {"clip": {"mpjpe_mm": error, "p_mpjpe_mm": 60.0}, "commit": None, "dirty": False}

    values = {"new cameras": (70, 72), "+ roll 12": (60, 64), "chosen": (41, 41), "chosen - bend 15": (47, 48)}
    runs = {
        f"{name} {seed}": run(name, seed, error) for name, pair in values.items() for seed, error in enumerate(pair)
    }
    machine = {"command": "c", "versions": {"torch": "2"}, "processor": "p", "threads": 1}
    page = load("open_page").page(
        {"settings": {"transforms_budget": 30}, "machine": machine, "timing": {}, "runs": runs}
    )
    rows = {row[2:].split(" | ")[0]: row.strip("| ").split(" | ") for row in page.splitlines() if row.startswith("| ")}
    assert rows["new cameras"][2] == "71.0 ± 1.4 / 50.0 ± 0.0"
    assert rows["+ roll 12"][2] == "62.0 ± 2.8 (-9.0) / 50.0 ± 0.0"
    assert rows["chosen - bend 15"][2] == "47.5 ± 0.7 (+6.5) / 50.0 ± 0.0"
    assert rows["chosen"][4] == "47.0 ± 0.0"
    assert rows["+ roll 12"][4] == "54.0 ± 0.9 (-3.0)"


@pytest.mark.skipif(not (ROOT / "docs/open_results.json").exists(), reason="the study has not been run")
def test_published_page_is_that_of_its_results(load):
    results = json.loads((ROOT / "docs/open_results.json").read_text())
    assert (ROOT / "docs/open_results.md").read_text() == load("open_page").page(results)
