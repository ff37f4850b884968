"""What the benchmarks have in common: their options, and how they tell what they measured."""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch_geometric.typing import WITH_TORCH_SCATTER

from skelgraph.files import write_file
from skelgraph.training.environment import environment
from skelgraph.viz.figures import png


def parser(description: str | None, seconds: float) -> argparse.ArgumentParser:
    """The options of every benchmark; the description is the first paragraph of a docstring."""
    options = argparse.ArgumentParser(description=" ".join((description or "").split("\n\n")[0].split()))
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--seconds", type=float, default=seconds, help="time for each measurement")
    options.add_argument("--out", type=Path, default=Path("runs/benchmarks"), help="folder for the numbers and tables")
    options.add_argument("--docs", type=Path, help="also write the page to this file")
    return options


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, numbers to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def save(
    name: str,
    title: str,
    paragraphs: list[str],
    results: dict[str, Any],
    options: argparse.Namespace,
    picture: tuple[str, Figure] | None = None,
) -> None:
    """Print the page and write it, and the numbers with what they were measured on, to ``--out`` and beside ``--docs``.

    Args:
        name: Of the files.
        title: Of the page.
        paragraphs: What it says.
        results: The numbers.
        options: Those of :func:`parser`.
        picture: What it shows, and the figure, which gets its place in ``images`` beside the folder of the page.
    """
    measured = machine() | results
    made = (
        f"Made by `{measured['command']}`: torch {measured['torch']}, {measured['processor']}, {measured['threads']} "
        f"thread{'s' if measured['threads'] != 1 else ''}; commit {measured['commit']}, {measured['date']}."
    )
    image = f"images/benchmark_{name}.png"
    shown = [] if picture is None else [f"![{picture[0]}](../{image})"]
    page = "\n\n".join([f"# {title}", made, *shown, *paragraphs]) + "\n"
    print(page)
    # drawn once: another layout of the same figure need not be the same to the pixel
    drawn = None if picture is None else png(picture[1], dpi=100)
    for path in (options.out / f"{name}.md", options.docs):
        if path is not None:
            write_file(path, page.encode())
            write_file(path.with_suffix(".json"), (json.dumps(measured, indent=1) + "\n").encode())
            if drawn is not None:
                write_file(path.parent.parent / image, drawn)


def machine() -> dict[str, Any]:
    """What numbers were measured on, and with which command; of files elsewhere on the machine it has the names."""
    script = Path(sys.argv[0])
    git = environment()["git"] or {"commit": "unknown", "dirty": False}
    given = [Path(argument).name if Path(argument).is_absolute() else argument for argument in sys.argv[1:]]
    return {
        "command": " ".join([f"python {script.parent.name}/{script.name}", *map(shlex.quote, given)]),
        "torch": torch.__version__,
        "torch_scatter": WITH_TORCH_SCATTER,
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "commit": git["commit"][:12] + " (changed)" * git["dirty"],
        "date": datetime.date.today().isoformat(),
    }


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
