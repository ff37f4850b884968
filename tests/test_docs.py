"""Every block of the documentation runs and prints what the pages say.

All blocks of a page run in one folder, in their order, for a reader who follows it; what they need beforehand is in
`page_files.py`. Python (```` ```python run ````) is one module; what a cell prints is compared with a ```` ```text ````
block right below it. Plain fences hold output that depends on the machine. Every command line is parsed as it stands
and run in reduced form. Blocks that begin with `# name.ext` are files. What a page registers is taken back after it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning.pytorch as pl
import matplotlib as mpl
import page_files
import pytest
from cells import BLOCK
from keypoint_writers import first_frames
from reduced_commands import reduced
from torch.distributed.run import get_args_parser

from skelgraph import cli, training
from skelgraph.__main__ import SWITCHES, main
from skelgraph.datasets import DATASETS, four_views
from skelgraph.datasets.joint_maps import read_joint_map
from skelgraph.detection import DETECTORS
from skelgraph.errors import SkelgraphError
from skelgraph.models import registry
from skelgraph.models.measured import read_measured
from skelgraph.topology import layouts
from skelgraph.training import LOSSES, SCHEDULES
from skelgraph.training.report import write_json

mpl.use("agg")

ROOT = Path(__file__).parents[1]
MADE = ("docs/reference", "docs/_build")  # by `make docs`
ALL_PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(page for page in sorted(ROOT.glob("docs/**/*.md")) if not page.relative_to(ROOT).as_posix().startswith(MADE)),
]
RUN = ("python run", "bash", "yaml", "json")
SHOWN = ("", "text")
"""What fences may say: output, drawings and the tree of files are only shown."""
PAGES = [page for page in ALL_PAGES if any(block["fence"] in RUN for block in BLOCK.finditer(page.read_text()))]
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
EXTRAS = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text().split("[project.optional-")[1], re.M))
OF_RTMLIB = {"rtmlib", "onnxruntime", "opencv-python-headless", "tqdm"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


REGISTRIES: tuple[dict[str, Any], ...] = (layouts._REGISTRY, registry._MODELS, DATASETS, DETECTORS, LOSSES, SCHEDULES)


@pytest.fixture
def _registries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tables and modules as they were; it ends before ``monkeypatch`` leaves the folder of the page."""
    before = [dict(entries) for entries in REGISTRIES]
    modules = {*sys.modules}
    yield
    for entries, old in zip(REGISTRIES, before, strict=True):
        entries.clear()
        entries.update(old)
    for name in {*sys.modules} - modules:
        if getattr(sys.modules[name], "__file__", None) == str(Path.cwd() / f"{name}.py"):
            del sys.modules[name]


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without pictures, and three frames of each view of the example for the commands."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # else every run would try how many are best
    results = "skelgraph.training.run.write_report"
    monkeypatch.setattr(results, lambda out, metrics, *_: write_json(out / "metrics.json", metrics))
    views = {
        name: replace(view, detections=first_frames(view.detections, 3), truth=view.truth[:3])
        for name, view in four_views().items()
    }
    monkeypatch.setattr("skelgraph.lifting.example.four_views", lambda: views)


@contextlib.contextmanager
def short_runs() -> Iterator[None]:
    """Where a page trains in Python."""
    train, trainer = training.train, pl.Trainer
    less = {"max_epochs": 1, "downsample": 10, "test_downsample": 10, "actions": ("Walking",), "device": "cpu"}
    few = {"max_epochs": 1, "limit_train_batches": 2, "enable_progress_bar": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train", lambda config: train(config.replace(**less, progress=False)))
        patch.setattr(pl, "Trainer", lambda **options: trainer(**{**options, **few}))
        yield


class Follower:
    """Somebody who follows a page in the current folder."""

    def __init__(self, page: Path, missing: dict[str, str]) -> None:
        self.page, self.missing = page, missing
        self.module = ModuleType(f"page_{page.stem}")
        self.left_out: list[str] = []

    def follow(self) -> None:
        """Run all blocks."""
        text = self.page.read_text()
        for block in BLOCK.finditer(text):
            self.line = text.count("\n", 0, block.start("text"))
            self.output = block["output"]
            assert block["output"] is None or block["fence"] == "python run", "which nothing compares"
            if block["fence"] in RUN:
                file = re.match(r"# (\w+\.\w+)\n", block["text"])
                if file:
                    Path(file[1]).write_text(block["text"])
                    assert Path(file[1]).stem in text[block.end() :], "which a command or a cell below uses"
                else:
                    getattr(self, block["fence"].partition(" ")[0])(block["text"])

    def lacks(self, text: str) -> bool:
        """Whether a block or a line needs what could not be put there."""
        needed = [name for name in self.missing if name in text or (name == "walk.mp4" and "blazepose" in text)]
        self.left_out += [self.missing[name] for name in needed]
        return bool(needed)

    def python(self, code: str) -> None:
        """Run a cell and compare what it prints."""
        if self.lacks(code):
            return
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), short_runs():
            exec(compile("\n" * self.line + code, f"{self.module.__name__}.md", "exec"), vars(self.module))
        if self.output is not None:
            assert printed.getvalue() == self.output, f"{self.page.name}, line {self.line}"

    def json(self, text: str) -> None:
        """Read a map of joints, which is the one thing that pages show as JSON."""
        Path("block.json").write_text(text)
        assert read_joint_map("block.json")

    def bash(self, text: str) -> None:
        """Run the lines."""
        for line in text.replace("\\\n", " ").splitlines():
            if not self.lacks(line):
                self.shell(words_of(line))

    def shell(self, words: list[str]) -> None:
        """Run commands that are joined by ``&&``, ``|`` and ``>``."""
        printed, joint = "", "&&"
        while words:
            end = next((i for i, word in enumerate(words) if word in ("&&", "|", ">")), len(words))
            command, following = words[:end], words[end : end + 1]
            if joint == ">":
                Path(*command).write_text(printed)
            elif joint == "|":
                assert command[0] == "jq"
                assert filtered(json.loads(printed), *command[1:])
            else:
                printed = self.command(command)
            words, joint = words[end + 1 :], "".join(following)

    def command(self, words: list[str]) -> str:
        """Run one command: what it prints."""
        program, *rest = (os.path.expanduser(word) for word in words)
        if program == "skelgraph":
            return self.skelgraph(rest)
        if program == "torchrun":  # workers that are killed: tests/training/test_elastic.py
            options = get_args_parser().parse_args(rest)
            assert (options.module, options.training_script, options.nproc_per_node) == (True, "skelgraph", "2")
            return self.skelgraph(options.training_script_args)
        if program == "make":
            assert set(rest) <= TARGETS
        elif program == "pip":
            assert installable(rest), rest
        else:
            assert program == "echo", f"{self.page.name}, line {self.line}: what is {program}?"
        return ""

    def skelgraph(self, words: list[str]) -> str:
        """Parse a line as it stands, and run it in reduced form."""
        cli._parse([word for word in words if word not in SWITCHES])
        printed, complaints = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
            code = main(reduced(words))
        assert code == 0, f"{self.page.name}, below line {self.line}: {shlex.join(words)}: {complaints.getvalue()}"
        return printed.getvalue()


def words_of(line: str) -> list[str]:
    """The words of a line of the shell, without its comment; ``&&``, ``|`` and ``>`` are words."""
    words = shlex.shlex(line, posix=True, punctuation_chars="&|>")
    words.whitespace_split = True
    return list(words)


def filtered(document: Any, expression: str) -> list[Any]:
    """What ``jq`` prints of a document by a path such as ``.a[].b``, if there is nothing else in it."""
    found = [document]
    for key, every in re.findall(r"\.(\w+)|(\[\])", expression):
        found = [one for part in found for one in (part if every else [part[key]])]
    return found


def installable(words: list[str]) -> bool:
    """Whether ``pip`` is asked for this package with extras that it has, or for rtmlib with what that needs."""
    assert words.pop(0) == "install"
    if "-c" in words:
        assert (ROOT / words.pop(words.index("-c") + 1)).exists()
    for word in (word for word in words if not word.startswith("-")):
        own = re.fullmatch(r"(?:\.|skelgraph)(?:\[([\w,]+)\])?", word)
        if not (set((own[1] or "").split(",")) - {""} <= EXTRAS if own else word in OF_RTMLIB):
            return False
    return True


@pytest.mark.usefixtures("_registries", "_small", "hub")
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    (tmp_path / "page").mkdir()
    monkeypatch.chdir(tmp_path / "page")
    monkeypatch.setenv("HOME", str(tmp_path / "page"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    follower = Follower(page, page_files.put(name_of(page), request))
    monkeypatch.setitem(sys.modules, follower.module.__name__, follower.module)  # where pickle looks for its classes
    follower.follow()
    if follower.left_out:
        pytest.skip(f"but for some lines: {follower.left_out[0]}")


WRONG = {
    "an option": "```bash\nskelgraph models --nothing\n```\n",
    "a value": "```bash\nskelgraph models nothing\n```\n",
    "a file": "```bash\nskelgraph pack \\\n  --weights nothing.ckpt --out x.safetensors\n```\n",
    "a key": "```bash\nskelgraph --json models sem_gcn | jq '.options[].nothing'\n```\n",
    "a target": "```bash\nmake nothing\n```\n",
    "an extra": '```bash\npip install ".[train,nothing]"\n```\n',
    "a program": "```bash\nskelgraph skeletons && nothing\n```\n",
    "in a list": "- so:\n\n  ```bash\n  skelgraph nothing\n  ```\n",
    "code": "```python run\nnothing\n```\n",
    "output": "```python run\nprint(1)\n```\n\n```text\n2\n```\n",
    "output of a command": "```bash\nmake test\n```\n\n```text\n2\n```\n",
    "a map": '```json\n{"hip": {"LASI": 0.25}}\n```\n',
    "a file that nothing uses": "```python run\n# mine.py\nx = 1\n```\n",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_found(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text("Right:\n\n```python run\nprint(1)\n```\n\n```text\n1\n```\n\n")
    Follower(page, {}).follow()
    page.write_text(page.read_text() + WRONG[wrong])
    with pytest.raises((AssertionError, NameError, KeyError, SkelgraphError)):
        Follower(page, {}).follow()


def test_the_pages_that_teach_have_cells() -> None:
    assert {"README", "tutorial_hypergraph", "extending"} <= {page.stem for page in PAGES}


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_no_code_is_left_out(page: Path) -> None:
    for block in BLOCK.finditer(page.read_text()):
        fence = block["fence"]
        assert fence in RUN + SHOWN or fence.startswith("{"), f"{page.name}: a fence says {fence!r}"
        if fence in SHOWN:
            shown = re.findall(r"^(?:skelgraph|make|pip|python|import|from) .*", block["text"], re.MULTILINE)
            assert shown == [], f"{page.name}: a block of output holds commands"


@pytest.mark.parametrize("page", page_files.FILES)
def test_what_is_put_there_is_on_the_page(page: str) -> None:
    text = (ROOT / page).read_text()
    for name in page_files.FILES[page]:
        assert name in text, name


def test_what_was_measured_can_be_typed() -> None:
    """The commands on the pages of the networks, which `make docs` writes."""
    for row in read_measured():
        cli._parse(shlex.split(row.command)[1:])


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
