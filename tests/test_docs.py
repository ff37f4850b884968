"""The code of the documentation runs and prints what the pages say.

A cell is run if its fence says ```` ```python run ````, all cells of a page as one module; what a cell prints is
compared with a ```` ```text ```` block right below it. Plain fences hold output that depends on the machine. What a
page registers is taken back after it.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import pytest
from cells import CELL

from skelgraph.__main__ import main
from skelgraph.datasets import DATASETS
from skelgraph.detection import DETECTORS
from skelgraph.models import registry
from skelgraph.topology import layouts
from skelgraph.training import LOSSES, SCHEDULES

mpl.use("agg")

ROOT = Path(__file__).parents[1]
MADE = ("docs/reference", "docs/_build")  # by `make docs`
ALL_PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(page for page in sorted(ROOT.glob("docs/**/*.md")) if not page.relative_to(ROOT).as_posix().startswith(MADE)),
]
PAGES = [page for page in ALL_PAGES if CELL.search(page.read_text())]


def test_the_pages_that_teach_have_cells():
    assert {"README", "tutorial_hypergraph", "extending"} <= {page.stem for page in PAGES}


REGISTRIES: tuple[dict[str, Any], ...] = (layouts._REGISTRY, registry._MODELS, DATASETS, DETECTORS, LOSSES, SCHEDULES)


@pytest.fixture
def _registries() -> Iterator[None]:
    before = [dict(entries) for entries in REGISTRIES]
    yield
    for entries, old in zip(REGISTRIES, before, strict=True):
        entries.clear()
        entries.update(old)


@pytest.mark.usefixtures("_registries")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_cells(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # for the files that a page writes
    module = ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where pickle looks for the classes of a page
    text, namespace = page.read_text(), vars(module)
    for cell in CELL.finditer(text):
        line = text.count("\n", 0, cell.start("code"))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * line + cell["code"], f"{module.__name__}.md", "exec"), namespace)
        if cell["output"] is not None:
            assert printed.getvalue() == cell["output"], f"{page.name}, line {line}"


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.stem)
def test_links_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target and not (page.parent / target).resolve().relative_to(ROOT).as_posix().startswith(MADE):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def commands() -> dict[str, set[str]]:
    """The options of every subcommand that the pages and the Makefile show."""
    shown: dict[str, set[str]] = {}
    for page in (ROOT / "Makefile", *ALL_PAGES):
        for name, line in re.findall(r"skelgraph ([a-z][a-z-]+)(?=[ `\n])([^`\n]*)", page.read_text()):
            shown.setdefault(name, set()).update(re.findall(r"(?<=\s)--[a-z][a-z0-9-]*", line.partition(" #")[0]))
    return shown


@pytest.mark.parametrize("name", ["train", "evaluate", "models", "skeletons", "convert-official"])
def test_commands_have_the_options_that_are_shown(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert name in commands()
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert not {option for option in commands()[name] if not re.search(rf"{option}\b", text)}
