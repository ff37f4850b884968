"""The files about the project agree with it and with each other, and the check of a release finds what is wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.specifiers import SpecifierSet

import skelgraph

from . import archives, environments, versions
from .archives import ROOT

FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PARTS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def test_versions_agree() -> None:
    assert versions.faults(ROOT, skelgraph.__version__) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("CHANGELOG.md", "## [0.1.0]", "## [0.2.0]", "CHANGELOG.md: the newest release is 0.2.0, the package is 0.1.0"),
        ("CITATION.cff", "version: 0.1.0", "version: 0.1", "CITATION.cff: version is 0.1, the package is 0.1.0"),
        (
            "CHANGELOG.md",
            "[0.1.0] - unreleased",
            "[0.1.0] - 2027-01-31",
            "CITATION.cff: date-released is None, CHANGELOG.md says 2027-01-31",
        ),
    ],
)
def test_versions_that_differ_are_found(file: str, old: str, new: str, fault: str, tmp_path: Path) -> None:
    version, date = versions.newest_release(ROOT)
    for name in ("CHANGELOG.md", "CITATION.cff"):
        text = (ROOT / name).read_text().replace(version, "0.1.0").replace(f"- {date}", "- unreleased")
        (tmp_path / name).write_text(re.sub("^date-released:.*\n", "", text, flags=re.MULTILINE))
    assert versions.faults(tmp_path, "0.1.0") == []
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    assert versions.faults(tmp_path, "0.1.0") == [fault]


def test_the_citation_has_what_its_schema_requires() -> None:
    cited = versions.citation(ROOT)
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert (cited["cff-version"], cited["type"], cited["license"]) == ("1.2.0", "software", "Apache-2.0")
    known = {"abstract", "date-released", "keywords", "version", "url", "repository-code", "doi", "references"}
    assert cited.keys() <= known | {"cff-version", "message", "title", "authors", "type", "license"}
    assert all(isinstance(cited[key], str) for key in ("cff-version", "message", "title", "abstract", "version"))
    assert all(author.keys() == {"name"} and author["name"] for author in cited["authors"])
    assert len(set(cited["keywords"])) == len(cited["keywords"]) > 0


def test_the_notice_names_every_data_file_of_the_package() -> None:
    patterns = set(re.findall(r"skelgraph/[\w./*]*\w", (ROOT / "NOTICE").read_text()))
    named = {pattern: {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)} for pattern in patterns}
    assert [pattern for pattern, files in named.items() if not files] == []
    shipped = {name for name in archives.tracked() if name.startswith("skelgraph/") and not name.endswith(".py")}
    assert sorted(shipped - set().union(*named.values())) == []


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_issue_forms(form: Path) -> None:
    """What GitHub asks of a form: else it shows none, and says nothing."""
    content = yaml.safe_load(form.read_text())
    if form.stem == "config":
        assert content.keys() <= {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= content.keys() <= {"name", "description", "body", "labels", "title"}
    assert {part["type"] for part in content["body"]} <= PARTS
    asked = [part for part in content["body"] if part["type"] != "markdown"]
    assert all(part["attributes"]["label"] for part in asked)
    names = [part["id"] for part in asked]
    assert len(names) == len(set(names)) > 0
    assert any(part.get("validations", {}).get("required") for part in asked)


def test_there_are_forms_for_a_bug_a_feature_and_numbers() -> None:
    assert {form.stem for form in FORMS} == {"bug", "config", "feature", "numbers"}


@pytest.fixture(scope="module", name="built")
def _built(require: Callable[[str], ModuleType], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Wheel, source distribution and the wheel built of that, of a small project with the settings of this one."""
    require("hatchling")
    tree, folder = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("built")
    package = ("skelgraph/__init__.py", "skelgraph/version.py", "skelgraph/weights/weights.json", "skelgraph/py.typed")
    for name in (*package, "pyproject.toml", "README.md", "LICENSE", "NOTICE", "docs/models/open.md", "tests/cells.py"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    wheel, sdist = archives.build("wheel", folder, tree), archives.build("sdist", folder, tree)
    source = archives.unpack(sdist, tmp_path_factory.mktemp("source"))
    return wheel, sdist, archives.build("wheel", tmp_path_factory.mktemp("rebuilt"), source)


def test_archives_that_are_right_have_no_faults(built: tuple[Path, Path, Path]) -> None:
    wheel, sdist, rebuilt = built
    known = set(archives.contents(sdist)) - {"PKG-INFO"}
    assert {"skelgraph/weights/weights.json", "tests/cells.py"} <= known
    assert archives.faults(wheel, sdist, rebuilt, known) == []
    assert archives.requires_python(wheel) == SpecifierSet(">=3.10,<3.14")


def test_strays_and_what_is_missing_are_found(built: tuple[Path, Path, Path], tmp_path: Path) -> None:
    wheel, sdist, rebuilt = built
    known = set(archives.contents(sdist)) - {"PKG-INFO"}
    assert archives.faults(wheel, sdist, rebuilt, known - {"tests/cells.py"}) == [
        f"{sdist.name}: tests/cells.py is no file of the project"
    ]
    assert archives.faults(wheel, sdist, rebuilt, known | {"skelgraph/new.py"}) == [
        f"{wheel.name}: skelgraph/new.py is missing"
    ]
    less = tmp_path / wheel.name
    with zipfile.ZipFile(rebuilt) as old, zipfile.ZipFile(less, "w") as new:
        for name in old.namelist():
            if name != "skelgraph/weights/weights.json":
                new.writestr(name, old.read(name) + b"#" * (name == "skelgraph/version.py"))
    assert archives.faults(wheel, sdist, less, known) == [
        f"{sdist.name}: the wheel that is built of it differs in {name}"
        for name in ("skelgraph/version.py", "skelgraph/weights/weights.json")
    ]


def test_the_source_distribution_has_all_that_its_settings_name() -> None:
    """Of the tree that git knows, as an untracked file would be packed silently."""
    settings = re.search(r"^include = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert settings
    for pattern in re.findall(r'"/([^"]+)"', settings[1]):
        assert list(ROOT.glob(pattern)), pattern
    pages = {path.name for path in ROOT.glob("*.md")}
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} == pages


def test_interpreters() -> None:
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = environments.interpreters(SpecifierSet(">=3.10,<3.14"))
    assert this in found
    assert set(found) <= {"3.10", "3.11", "3.12", "3.13"}
    for minor, interpreter in found.items():
        printed = subprocess.run([interpreter, "--version"], capture_output=True, text=True, check=True).stdout
        assert printed.startswith(f"Python {minor}.")
    assert environments.interpreters(SpecifierSet("<3")) == {}
