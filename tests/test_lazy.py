"""Packages whose names are imported when they are used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import skelgraph
from skelgraph import datasets, training

PACKAGE = Path(skelgraph.__file__).parent


@pytest.mark.parametrize("package", [skelgraph, datasets, training])
def test_every_name_is_there_and_listed(package):
    assert set(package.__all__) <= set(dir(package))
    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        package.nope  # noqa: B018


def test_importing_the_package_is_enough():
    """In a process of its own: nothing has imported the parts, and PyTorch comes with the first that needs it."""
    parts = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    code = (
        "import sys, skelgraph\n"
        "assert 'torch' not in sys.modules\n"
        f"for name in {parts}: getattr(skelgraph, name)\n"
        "assert 'nn' in dir(skelgraph) and 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
