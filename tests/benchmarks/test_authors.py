"""The authors' own code as a side: a repository of the test's own, built and run in a process of its own."""

from __future__ import annotations

import re

import pytest
import torch

LINEAR_MODEL = """
import os, sys, torch
assert not any("skelgraph" in name for name in sys.modules)
from src.parts import block

class Stage(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.w1, self.w2 = torch.nn.Linear(width, width), torch.nn.Linear(width, width)
        self.batch_norm1, self.batch_norm2 = torch.nn.BatchNorm1d(width), torch.nn.BatchNorm1d(width)

    def forward(self, x):
        return x + block(self.w2, self.batch_norm2, block(self.w1, self.batch_norm1, x))

class LinearModel(torch.nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.w1, self.batch_norm1 = torch.nn.Linear(32, width), torch.nn.BatchNorm1d(width)
        self.linear_stages = torch.nn.ModuleList(Stage(width) for _ in range(2))
        self.w2 = torch.nn.Linear(width, 48)

    def forward(self, x):
        assert x.shape[1:] == (32,)
        FORWARD
        x = block(self.w1, self.batch_norm1, x)
        for stage in self.linear_stages:
            x = stage(x)
        return self.w2(x)
"""
PARTS = """
import torch

class Python2:
    pass
Python2.nonlocal = torch.nn.functional.relu

def block(linear, norm, x):
    return Python2.nonlocal(norm(linear(x)))
"""


@pytest.fixture(name="repository")
def _repository(tmp_path):
    def write(forward="pass", width=1024, parts=PARTS):
        folder = tmp_path / "repos" / "3d_pose_baseline_pytorch" / "src"
        folder.mkdir(parents=True, exist_ok=True)
        model = LINEAR_MODEL.replace("WIDTH", str(width)).replace("FORWARD", forward)
        (folder / "model.py").write_text(model)
        (folder / "parts.py").write_text(parts)
        return tmp_path / "repos"

    return write


@pytest.mark.slow
def test_a_side_of_the_page(repository, load, tmp_path, monkeypatch, capsys):
    """Which takes no single pose; of another model there is no repository."""
    folder, page = repository("assert len(x) > 1, 'no single poses'"), tmp_path / "docs" / "page.md"
    options = ["--models", "martinez", "sem_gcn", "--batch-sizes", "1", "4", "--no-compile", "--no-memory"]
    files = ["--published-repos", str(folder), "--out", str(tmp_path / "runs" / "out"), "--docs", str(page)]
    monkeypatch.setattr("sys.argv", ["benchmarks/models.py", "--seconds", "0", *options, *files])
    models = load("models")
    models.main()
    said = capsys.readouterr().err
    assert "no authors' side with 1: AssertionError: no single poses" in said
    text = page.read_text()
    assert "No side: sem_gcn (there is no folder SemGCN)." in text
    cells = dict(re.findall(r"^\| martinez \| (.*?) \| \S+ \| (.*?) \|", text, re.MULTILINE))
    assert cells.keys() == {"forward, 1", "forward, 4", "training, 4"}
    assert cells["forward, 1"] == "-"
    assert all(re.fullmatch(r"[\d.]+ \([\d.]+x\)", cells[cell]) for cell in ("forward, 4", "training, 4"))
    assert "](../images/benchmark_models.png)" in text
    assert (tmp_path / "images" / "benchmark_models.png").stat().st_size < 100_000
    assert str(tmp_path) not in text + page.with_suffix(".json").read_text()


def test_code_that_differs_is_not_timed(repository, load):
    """The answer must be the same, and the network as wide as the published one."""
    authors, models = load("authors"), load("models")
    ours, x = models.build("martinez"), torch.randn(4, 16, 2)
    with authors.authors_code(repository("x = x * 1.001"), "martinez", ours, 1) as theirs:
        with pytest.raises(SystemExit, match="the authors' code differs by"):
            models.authors_side(theirs, x)
        assert min(theirs[0].turn()) > 0  # the process goes on
    with (
        pytest.raises(authors.NoSideError, match=r"it has 2,592 parameters, not 4,291,632"),
        authors.authors_code(repository(width=16), "martinez", ours, 1),
    ):
        pass


def test_models_without_a_network_of_the_authors_are_named(load, tmp_path):
    authors = load("authors")
    with (
        pytest.raises(authors.NoSideError, match="has no network that runs"),
        authors.authors_code(tmp_path, "nehs_net", load("models").build("martinez"), 1),
    ):
        pass


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ("import no_such_module_1", "No module named 'no_such_module_1'"),
        ("import os\nos._exit(0)", "ended its process"),
    ],
)
def test_code_that_fails_is_no_side(repository, load, parts, reason):
    authors, models = load("authors"), load("models")
    with (
        pytest.raises(authors.NoSideError, match=reason),
        authors.authors_code(repository(parts=parts), "martinez", models.build("martinez"), 1),
    ):
        pass
