"""Empty environments of the interpreters at hand, and what is installed and measured in them."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from .archives import ROOT

OFFLINE = Path(__file__).with_name("offline.py").read_text(encoding="utf-8")
"""The program that runs another one offline."""
LIFT = Path(__file__).with_name("lift.py")
"""The program that lifts the person who comes with the package."""
MINORS = [f"3.{minor}" for minor in range(8, 20)]
_VERSION = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
_IMPORT = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start, time.process_time())"


def interpreters(allowed: SpecifierSet) -> dict[str, Path]:
    """The interpreters of this machine that a package allows, one of each minor version: that of this process, else
    pyenv's, else the one on the path."""
    found = {}
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in (minor for minor in MINORS if f"{minor}.99" in allowed):
        on_path = shutil.which(f"python{minor}")
        candidates = [*sorted(versions.glob(f"{minor}.*/bin/python")), *([Path(on_path)] if on_path else [])]
        if platform.python_version().startswith(f"{minor}."):
            candidates.insert(0, Path(sys.base_prefix) / "bin" / "python3")
        for candidate in candidates:
            version = subprocess.run([candidate, "-c", _VERSION], capture_output=True, text=True).stdout.strip()
            if version.startswith(f"{minor}.") and version in allowed:
                found[minor] = candidate
                break
    return found


class Environment:
    """An empty environment in a folder.

    Args:
        interpreter: What it is made with.
        folder: Where it is made.
    """

    def __init__(self, interpreter: Path, folder: Path) -> None:
        self.folder = folder
        subprocess.run([interpreter, "-m", "venv", folder], check=True)
        self.python = folder / "bin" / "python"
        self.packages = Path(self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())

    def run(self, *arguments: str | Path, cwd: Path | None = None) -> str:
        """What the interpreter prints, away from the checkout and its settings."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        process = subprocess.run(
            [self.python, *arguments], cwd=cwd or self.folder, env=clean, capture_output=True, text=True
        )
        if process.returncode:
            raise SystemExit(f"{self.python} {' '.join(map(str, arguments))}:\n{process.stdout}{process.stderr}")
        return process.stdout

    def cuda_packages(self) -> list[str]:
        """The packages of CUDA that the pinned torch would bring: gigabytes, where there is no build for CPUs."""
        report = self.folder / "torch.json"
        self._pip("install", "--dry-run", "--no-deps", "--report", report, "torch")
        (torch,) = json.loads(report.read_text(encoding="utf-8"))["install"]
        needed = map(Requirement, torch["metadata"].get("requires_dist", []))
        python = {"python_version": self.run("-c", _VERSION).strip().rpartition(".")[0]}
        return [
            requirement.name
            for requirement in needed
            if requirement.name.startswith(("nvidia-", "cuda-"))
            and (requirement.marker is None or requirement.marker.evaluate(python))
        ]

    def install(self, archive: str | Path) -> None:
        """Install the core of the package, or more by ``ARCHIVE[extra]``, of the versions that the project is tested
        with."""
        self._pip("install", archive)

    def _pip(self, *arguments: str | Path) -> None:
        self.run("-m", "pip", "--disable-pip-version-check", *arguments, "-q", "-c", ROOT / "constraints.txt")

    def offline(self, program: Path, refused: Sequence[Path], cwd: Path) -> str:
        """What a program prints with neither network nor the files below the refused folders."""
        return self.run("-I", "-c", OFFLINE, program, self.packages, *refused, cwd=cwd)

    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())

    def import_seconds(self, statement: str, times: int = 5) -> tuple[float, float]:
        """How long an import takes, and the processor time of an interpreter that does nothing else, which tells more
        on a busy machine: medians of some processes, after one that fills the caches."""
        program = _IMPORT.format(statement)
        measured = [map(float, self.run("-I", "-c", program).split()) for _ in range(times + 1)][1:]
        elapsed, processor = map(statistics.median, zip(*measured, strict=True))
        return elapsed, processor
