"""What a run depends on beside its settings: command, versions, git state, machine."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from skelgraph.version import __version__


def environment() -> dict[str, Any]:
    """What ``config.json`` holds beside the settings; the commands that went on with a run are ``resumed`` there."""
    return {
        "command": shlex.join(sys.argv),
        "versions": versions(),
        "git": _git(),
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers, as far as they are installed."""
    packages = ("torch-geometric", "torchmetrics", "lightning", "numpy")
    installed = {name: next(iter(metadata.distributions(name=name)), None) for name in packages}
    return {
        "skelgraph": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # with its build, +cpu or +cu130, which the metadata of PyPI's leave out
        **{name: package.version for name, package in installed.items() if package is not None},
    }


def _git() -> dict[str, Any] | None:
    """Commit of the checkout that this package is run from, if it is."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        return subprocess.check_output(["git", "-C", str(root), *arguments], stderr=subprocess.DEVNULL, text=True)

    try:
        return {"commit": git("rev-parse", "HEAD").strip(), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None
