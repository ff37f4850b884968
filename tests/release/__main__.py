"""``python -m tests.release`` (``make release-check``): build wheel and source distribution, install each into an empty
environment of every interpreter at hand, and run there what the README promises, offline and away from the checkout."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # cells.py, which the tests of the pages use too

from cells import CELL

from . import archives, versions
from .archives import ROOT
from .environments import LIFT, Environment, interpreters

REFUSED = (ROOT, ROOT.parent / "shared")
IMPORTS = ("import skelgraph", "from skelgraph import Lifter")
EXAMPLE = ("lift", "--example", "--format", "npz,html,gif")
"""What whoever installs to lift videos does first; it ends the check if that needs more than the extra."""
BREAK = "\f"  # between what two cells print


def main() -> int:
    """Check everything; the exit code is 1 if something is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.release", description=__doc__)
    parser.add_argument("--python", action="append", metavar="3.X", help="only this interpreter; repeatable")
    parser.add_argument("--cuda", action="store_true", help="also where only a CUDA build of torch is to be had (5 GB)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skelgraph-release-") as name:
        folder = Path(name)
        wheel, sdist = archives.build("wheel", folder), archives.build("sdist", folder)
        rebuilt = archives.build("wheel", folder / "rebuilt", archives.unpack(sdist, folder / "source"))
        print(f"{wheel.name}: {_megabytes(wheel.stat().st_size)}; {sdist.name}: {_megabytes(sdist.stat().st_size)}")
        found = versions.faults(ROOT, wheel.name.split("-")[1])
        if found := found + archives.faults(wheel, sdist, rebuilt, archives.tracked()):
            print(*found, sep="\n")
            return 1
        found = check_interpreters(options, [wheel, sdist], folder)
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


def check_interpreters(options: argparse.Namespace, built: list[Path], folder: Path) -> list[str]:
    """What is wrong with the archives as they are installed by the interpreters of this machine."""
    checked, found = 0, []
    for minor, interpreter in interpreters(archives.requires_python(built[0])).items():
        if options.python and minor not in options.python:
            continue
        for archive in built:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                environment = Environment(interpreter, Path(place) / "environment")
                if not options.cuda and (cuda := environment.cuda_packages()):
                    print(f"Python {minor}: left out, as its torch brings {len(cuda)} packages of CUDA (--cuda)")
                    break
                environment.install(archive)
                found += [f"Python {minor}, {archive.name}: {fault}" for fault in faults(environment, Path(place))]
                checked += 1
                print(f"Python {minor}, {archive.name}: environment {_megabytes(environment.size())}", flush=True)
                for text in IMPORTS:
                    elapsed, processor = environment.import_seconds(text)
                    print(f"  {text}: {elapsed:.2f} s, {processor:.2f} s of processor time", flush=True)
                environment.install(f"{archive}[lift]")
                environment.run("-m", "skelgraph", *EXAMPLE, "--out", "example", cwd=Path(place))
                print(f"  with the extra lift: {_megabytes(environment.size())}", flush=True)
    return found if checked else ["nothing was installed"]


def faults(environment: Environment, folder: Path) -> list[str]:
    """What is wrong in an environment: the cells of the README that print something, as the others need files of the
    reader, and the person who comes with the package."""
    found = CELL.finditer((ROOT / "README.md").read_text(encoding="utf-8"))
    cells = [cell for cell in found if "print(" in cell["code"]]
    assert cells
    program = folder / "readme.py"
    program.write_text(f"print({BREAK!r})\n".join(cell["code"] for cell in cells), encoding="utf-8")
    printed = environment.offline(program, REFUSED, folder).split(f"{BREAK}\n")
    environment.offline(LIFT, REFUSED, folder)  # which ends the check if the person is not lifted as expected
    return [
        f"the README says {cell['output']!r}, printed was {text!r}"
        for cell, text in zip(cells, printed, strict=True)
        if not text or cell["output"] not in (None, text)
    ]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
