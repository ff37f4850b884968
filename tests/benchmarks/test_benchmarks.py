"""The benchmarks run, and their sides compute the same."""

from __future__ import annotations

import copy
import json
import re
import sys
import types

import pytest
import torch
from matplotlib.figure import Figure

from skelgraph import create_model

PICTURED = {"hypergraph", "layers", "models", "scaling"}
HYPERGRAPH = ["--channels", "4", "--batch-sizes", "1", "--incidences", "800"]


@pytest.fixture(name="run")
def _run(monkeypatch, tmp_path, load):
    """Run a benchmark with the least of repeats: its numbers and its page, which shows the picture of the numbers."""

    def run(name, *arguments):
        page = tmp_path / "docs" / "page.md"
        out = tmp_path / "runs" / "out"
        options = [*arguments, "--seconds", "0", "--out", str(out), "--docs", str(page)]
        monkeypatch.setattr("sys.argv", [f"benchmarks/{name}.py", *options])
        load(name).main()
        assert (out / f"{name}.md").read_text() == page.read_text()
        assert (out / f"{name}.json").read_text() == page.with_suffix(".json").read_text()
        for picture in re.findall(r"!\[[^\]]+\]\((.*?)\)", page.read_text()):
            content = (page.parent / picture).read_bytes()
            assert content == (out / picture).read_bytes()
            assert len(content) < 100_000
        assert page.read_text().count("![") == (name in PICTURED)
        return json.loads(page.with_suffix(".json").read_text()), page.read_text()

    return run


def test_picture_is_drawn_once(load, monkeypatch, tmp_path):
    """The layout of a figure moves with every drawing, so that two drawings are two pictures."""
    reporting, drawings = load("reporting"), iter([b"first", b"second"])
    monkeypatch.setattr(reporting, "png", lambda figure, dpi: next(drawings))
    page = tmp_path / "docs" / "benchmarks" / "page.md"
    options = reporting.parser("", 1.0).parse_args(["--out", str(tmp_path / "runs" / "out"), "--docs", str(page)])
    reporting.save("name", "Title", [], {}, options, ("what it shows", Figure()))
    pictures = [path.read_bytes() for path in sorted(tmp_path.rglob("*.png"))]
    assert pictures == [b"first", b"first"]


def test_hypergraph(run, load, require):
    require("dhg")
    numbers, page = run("hypergraph", *HYPERGRAPH, "--batch-sizes", "1", "2")
    layers = load("hypergraph").LAYERS
    cases = [(row["case"], row["layer"]) for row in numbers["rows"]]
    expected = [(case, layer) for case in ("1 pose", "2 poses", "800 incidences") for layer in layers]
    assert cases == [cell for cell in expected for _ in range(2)]
    rows = [row for row in numbers["rows"] if row["layer"] == "HyperedgeConv"]
    assert all(set(row["ms"]) == {"ours", "pyg", "dhg"} for row in rows)
    assert "| 2 poses | forward + backward |" in page
    assert "`python benchmarks/hypergraph.py --channels 4" in page


def test_hypergraph_without_the_others_says_so(run, load, monkeypatch):
    for name in ("HAS_DHG", "HAS_TOPOMODELX"):
        monkeypatch.setattr(load("hypergraph"), name, False)
    numbers, page = run("hypergraph", *HYPERGRAPH, "--layers", "HyperedgeConv")
    assert all(set(row["ms"]) == {"ours", "pyg"} for row in numbers["rows"])
    assert "dhg is not installed" in page
    assert "topomodelx is not installed" in page


def test_bf16(run, load, monkeypatch):
    benchmark = load("bf16")
    compiled = benchmark.optimize
    monkeypatch.setattr(benchmark, "optimize", lambda model, **how: compiled(model, **how | {"compile": False}))
    monkeypatch.setattr(benchmark, "EVERY", 500)
    small = create_model("martinez", "h36m16", hidden_channels=32)  # in the place of weights
    monkeypatch.setattr(benchmark, "load_network", lambda *file: copy.deepcopy(small))
    numbers, page = run("bf16", "--models", "martinez", "--batch-sizes", "1", "3")
    assert [(row["model"], row["batch"]) for row in numbers["rows"]] == [("martinez", 1), ("martinez", 3)]
    assert [row["data"] for row in numbers["costs"]] == ["generated", "real person"]
    assert all(0 < abs(row["bf16"] - row["float32"]) < 0.01 * row["float32"] for row in numbers["costs"])
    assert numbers["costs"][0]["apart"] > abs(numbers["costs"][0]["bf16"] - numbers["costs"][0]["float32"])
    assert "| geometric mean |" in page
    assert "| open | real person | 400 |" in page


def test_layers(run):
    numbers, page = run("layers", "--channels", "4", "--batch-sizes", "2")
    assert [row["batch"] for row in numbers["rows"]] == [2, 2]
    assert "| 2 | forward |" in page


def test_scaling(run, load, monkeypatch):
    """Each cell is a process of its own; here the first one is, the others are measured in this process."""
    scaling, started = load("scaling"), []
    start = scaling.subprocess.run

    def once(command, **options):
        if command[0] != sys.executable:  # what the page names of the machine
            return start(command, **options)
        started.append(command)
        if len(started) == 1:
            return start(command, **options)
        layer, nodes, path, *_ = command[3:]
        printed = json.dumps(scaling.measure(layer, int(nodes), 2, path == "dense", 0.0))
        return types.SimpleNamespace(stdout=printed)

    monkeypatch.setattr(scaling.subprocess, "run", once)
    layers = ("--layers", "ModulatedGraphConv", "HyperedgeConv")
    numbers, page = run("scaling", *layers, "--channels", "2", "--nodes", "16", "30", "--dense-gigabytes", "2e-6")
    assert [row["dense"] is None for row in numbers["rows"]] == [False, True] * 2
    assert "| HyperedgeConv | 30 | - |" in page
    assert len(started) == 6


def test_sides_that_differ_are_not_timed(load):
    benchmark = load("hypergraph")
    hypergraph = benchmark.random_hypergraph(800)
    sides = benchmark.means(benchmark.batch_of(hypergraph, torch.randn(1, hypergraph.num_nodes, 4)))
    benchmark.check(sides)
    sides["pyg"].layer.bias.data += 1
    with pytest.raises(AssertionError, match="pyg"):
        benchmark.check(sides)


def test_pipeline(run):
    options = [
        "--models",
        "rs_net",
        "sem_gcn",
        "--frames",
        "300",
        "--batch-size",
        "8",
        "--rounds",
        "1",
        "--threads",
        "1",
    ]
    numbers, page = run("pipeline", *options)
    assert [(row["model"], row["batch"]) for row in numbers["rows"]] == [("sem_gcn", 8), ("rs_net", 8)]
    rates = [row["samples_per_second"] for row in numbers["rows"]]
    assert all(len(sides) == 5 and min(sides.values()) > 0 for sides in rates)
    assert "| sem_gcn | 8 |" in page


def test_pipeline_samples_that_differ_are_not_timed(load):
    benchmark = load("pipeline")
    data = benchmark.generated("h36m17", 450)
    assert len(data) == 450
    samples = benchmark.Samples(data, 1)
    for frames in (1, 5):
        windows, cut = data.windows(frames, flip=True)[:], benchmark.Samples(data, frames)
        x, y = (torch.stack(part) for part in zip(*(cut[i] for i in range(len(cut))), strict=True))
        assert torch.equal(x, windows.keypoints_2d)
        assert torch.equal(y, windows.poses_3d)
    samples.places[-1] = (0, 0)
    with pytest.raises(AssertionError):
        benchmark.check("nehs_net", data, samples)
