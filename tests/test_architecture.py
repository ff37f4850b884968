"""The tree of docs/architecture.md holds every module of the package, and no other; no chain of imports is a ring."""

from __future__ import annotations

import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

import skelgraph

PACKAGE = Path(skelgraph.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
ENTRY = re.compile(r"(?P<indent> {2,4})(?P<names>\w+(?:\.py|/)(?:, \w+(?:\.py|/))*),?(?: |$)")


def entries() -> list[str]:
    """The paths in the tree, relative to the package: lines that begin with names, at most two levels deep."""
    (tree,) = re.findall(r"^```\nskelgraph/\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    paths, folder = [], ""
    for match in filter(None, map(ENTRY.match, tree.splitlines())):
        inside = len(match["indent"]) == 4
        names = match["names"].split(", ")
        paths += [f"{folder}{name}" if inside else name for name in names]
        if not inside:
            folder = names[-1]
    return paths


def test_every_entry_exists_and_stands_once() -> None:
    assert [path for path, times in Counter(entries()).items() if times > 1] == []
    assert [path for path in entries() if not (PACKAGE / path).exists()] == []


def test_every_module_has_its_entry() -> None:
    """A folder is either listed file by file or, as ``nn/conv/``, as a whole."""
    listed = set(entries())
    whole = {
        path for path in listed if path.endswith("/") and not any(p != path and p.startswith(path) for p in listed)
    }
    modules = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    assert sorted(module for module in modules - listed if not any(module.startswith(path) for path in whole)) == []


def test_no_chain_of_imports_is_a_ring() -> None:
    """Module by module, ``__init__`` included, which import-linter leaves out of its search for rings."""
    graph = grimp.build_graph("skelgraph", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    for module in imports:
        if module.startswith("skelgraph.topology."):  # the methods `plot`; the contract says that nothing else draws
            imports[module] = {name for name in imports[module] if not name.startswith("skelgraph.viz.")}
    TopologicalSorter(imports).prepare()  # raises CycleError, which holds the ring


def test_the_names_of_test_files_differ():
    """Folders without ``__init__.py`` share one name space, and pytest collects only the first of two of a name."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
