"""Time of every model against its published formulation: single poses, a batch, and a training step.

    python benchmarks/models.py [--models sem_gcn hgcn] [--threads 1] [--no-compile] [--published-repos DIR]
        [--docs docs/benchmarks/models.md]

Three cells for each model at its published width: forward at the first and at the last of ``--batch-sizes`` (1 and
256), and one training step (forward, MPJPE, backward, Adam) at the last. Sides: ours eager, ours compiled
(``skelgraph.optimize`` for inference, ``torch.compile`` for training), the formulation of ``published.py`` with the
same weights, the authors' own code where ``--published-repos`` has it (``authors.py``), and the matrix products of ours
alone. All sides of a cell take turns in one process and must agree before
they are timed; a cell is the median of repeats. Peak memory is that of a training step in a process of its own: growth
of the peak resident memory while it runs for the first time.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import published
import torch
from authors import Authors, NoSideError, authors_code
from products import bare_products
from reporting import parser, save, table
from timing import interleaved, peak_megabytes
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from skelgraph import create_model, list_models, optimize
from skelgraph.metrics.functional import mpjpe
from skelgraph.models import PoseLifter, model_info
from skelgraph.models.bfloat16 import has_bfloat16
from skelgraph.training.step_graph import compiled_training
from skelgraph.viz.ratios import ratio_bars

COLUMNS = ("published", "authors", "eager", "compiled", "compiled bf16", "products")
Theirs = tuple[Authors, PoseLifter] | None
"""The authors' network as a side, and ours with its weights."""


def build(name: str) -> PoseLifter:
    torch.manual_seed(0)
    return create_model(name, model_info(name).published_skeleton)


def keypoints(model: PoseLifter, batch: int) -> Tensor:
    frames = (model.num_frames,) if model.num_frames > 1 else ()
    return torch.randn(batch, *frames, model.skeleton.num_joints, model.in_channels)


def training_step(
    model: nn.Module, run: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, fused: bool = True
) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)

    def step() -> None:
        optimizer.zero_grad()
        mpjpe(run(x), y).backward()
        optimizer.step()

    return step


def in_bfloat16(run: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The same under mixed precision, as `--precision bf16` has it."""

    def lift(x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return run(x).float()

    return lift


def agree(actual: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    error = float((actual - expected).abs().max() / expected.abs().max().clamp(min=1))
    if not error <= tolerance:
        raise SystemExit(f"{what} differs by {error:.1e}")


def authors_side(theirs: Theirs, x: Tensor, y: Tensor | None = None) -> dict[str, Callable[[], object]]:
    """The authors' network, ready for a cell; none if it is not there or its code fails in this cell."""
    if theirs is None:
        return {}
    side, twin = theirs
    try:
        found = side.prepare(x, y)
        side()
    except NoSideError as error:
        print(f"no authors' side with {len(x)}: {error}", file=sys.stderr)
        return {}
    with torch.no_grad():
        agree(found, twin(x), 1e-4, "the authors' code")
    return {"authors": side}


@torch.no_grad()
def forward_cells(
    name: str, batches: list[int], seconds: float, compiled: bool, theirs: Theirs = None
) -> list[dict[str, Any]]:
    model = build(name).eval()
    plain = published.from_ours(model)
    fast = optimize(model) if compiled else None
    rows = []
    for batch in batches:
        x = keypoints(model, batch)
        agree(plain(x), model(x), 1e-4, f"{name}: the published formulation")
        sides: dict[str, Callable[[], object]] = {"published": lambda x=x: plain(x), **authors_side(theirs, x)}
        sides["eager"] = lambda x=x: model(x)
        if fast is not None:
            agree(fast(x), model(x), 1e-5, f"{name}: the optimized model")
            sides["compiled"] = lambda x=x: fast(x)
        sides["products"] = bare_products(sides["eager"])
        rows.append({"model": name, "cell": "forward", "batch": batch, **interleaved(sides, seconds)})
    return rows


def training_cell(name: str, batch: int, seconds: float, compiled: bool, theirs: Theirs = None) -> dict[str, Any]:
    model = build(name)
    x, y = keypoints(model, batch), torch.randn(batch, model.skeleton.num_joints, 3)
    plain = published.from_ours(model)
    sides = {
        "published": training_step(plain, plain, x, y, fused=False),
        **authors_side(theirs, x, y),
        "eager": training_step(model, model, x, y),
    }
    if compiled:
        twin = build(name)
        sides["compiled"] = training_step(twin, compiled_training(twin, "cpu", fullgraph=True), x, y)
        if has_bfloat16(torch.device("cpu")):
            mixed = build(name)
            sides["compiled bf16"] = training_step(mixed, in_bfloat16(compiled_training(mixed, "cpu")), x, y)
    sides["products"] = bare_products(sides["eager"])
    row = {"model": name, "cell": "training step", "batch": batch, **interleaved(sides, seconds)}
    torch._dynamo.reset()
    return row


def size(name: str) -> dict[str, Any]:
    """Parameters, and multiply-adds of one pose."""
    model = build(name).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(keypoints(model, 1))
    parameters = sum(p.numel() for p in model.parameters())
    return {"parameters": parameters, "multiply_adds": counter.get_total_flops() // 2}


def peak_memory(name: str, side: str, batch: int, threads: int) -> float:
    """MB by which a training step raises the peak resident memory of a process of its own."""
    command = [sys.executable, __file__, "--measure-memory", name, side, str(batch), "--threads", str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def measure_memory(name: str, side: str, batch: int) -> float:
    model: nn.Module = build(name)
    x, y = keypoints(model, batch), torch.randn(batch, model.skeleton.num_joints, 3)  # type: ignore[arg-type]
    model = published.from_ours(model) if side == "published" else model  # type: ignore[arg-type]
    step = training_step(model, model, x, y, fused=side == "ours")
    before = peak_megabytes()
    step()
    return peak_megabytes() - before


def ratios(row: dict[str, Any]) -> dict[str, float]:
    """How many times faster than the published formulation each side is."""
    return {side: row["published"] / row[side] for side in COLUMNS[1:] if side in row}


def panels(rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """The ratios of every model and their geometric mean, by cell."""
    cells: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        cells.setdefault(f"{row['cell']}, B = {row['batch']}", {})[row["model"]] = ratios(row)
    for models in cells.values():
        sides = dict.fromkeys(side for of in models.values() for side in of)
        values = {side: [of[side] for of in models.values() if side in of] for side in sides}
        models["geometric mean"] = {side: statistics.geometric_mean(of) for side, of in values.items()}
    return cells


ABOUT = """\
Milliseconds, median of repeats, all sides of a cell taking turns; in brackets how many times faster than
the published formulation, which is written out plainly in `benchmarks/published.py` and has the same weights and
outputs. *compiled* is `skelgraph.optimize(model)` for a forward pass and `torch.compile(model)` for a training step
(forward, MPJPE, backward, Adam) as `skelgraph train --compile` has it, *compiled bf16* the same under mixed precision.
Adam is torch's default for the published formulation and `fused=True`, as `skelgraph train` has it, for ours.
*products* are the matrix products of ours alone, one after the other: about what that much arithmetic costs; compiled
code, which keeps in the caches what lies between them, can be a little below.
Memory: by how much an eager training step raises the peak resident memory of a process of its own, published
formulation and ours; multiply-adds are those of one pose or window."""
AUTHORS = """\
*authors* is the network out of the authors' own repository, in a process of its own. It keeps the weights that it
starts with: ours with the same weights gives the same poses. `--published-repos DIR` names the folder of the clones."""
CELLS = {"forward": "forward", "training step": "training"}


def paragraphs(results: dict[str, Any]) -> list[str]:
    """What explains the table, and the table."""
    rows, sizes, authors = results["rows"], results["sizes"], results["authors"]
    text = [ABOUT, AUTHORS]
    if authors:
        without = [f"{name} ({reason})" for name, reason in authors.items() if reason is not None]
        text[1] += f" No side: {'; '.join(without)}." if without else ""
    else:
        text[1] += " Here it was not given."
    columns = [column for column in COLUMNS if any(column in row for row in rows)]
    lines = []
    for row in sorted(rows, key=lambda row: (list(sizes).index(row["model"]), row["cell"], row["batch"])):
        size, ratio = sizes[row["model"]], ratios(row)
        line = [row["model"], f"{CELLS[row['cell']]}, {row['batch']}", f"{row['published']:.2f}"]
        line += [f"{row[side]:.2f} ({ratio[side]:.2f}x)" if side in row else "-" for side in columns[1:]]
        memory = [f"{size[key]:.0f}" for key in ("memory_published", "memory_ours") if key in size]
        last = [f"{size['multiply_adds'] / 1e6:.1f} M", *memory] if row["cell"] == "training step" else []
        lines.append([*line, *last, *[""] * (3 - len(last))])
    for cell, models in panels(rows).items():
        means = models["geometric mean"]
        values = [f"{means[side]:.2f}x" if side in means else "-" for side in columns[1:]]
        lines.append(
            ["geometric mean", CELLS[cell.partition(",")[0]] + "," + cell.split("=")[1], "", *values, *[""] * 3]
        )
    header = ["model", "cell, batch", *columns, "multiply-adds", "MB, published", "MB, ours"]
    return [*text, table(header, lines)]


def main() -> None:
    options = parser(__doc__, seconds=3)
    options.add_argument("--models", nargs="+", default=list_models(), choices=list_models(), metavar="NAME")
    options.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 256])
    options.add_argument("--published-repos", type=Path, metavar="DIR", help="with clones of the authors' repositories")
    options.add_argument("--no-compile", action="store_true", help="time eager code only")
    options.add_argument("--no-memory", action="store_true", help="do not measure memory")
    options.add_argument("--measure-memory", nargs=3, metavar=("NAME", "SIDE", "BATCH"), help=argparse.SUPPRESS)
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.measure_memory:
        name, side, batch = arguments.measure_memory
        print(measure_memory(name, side, int(batch)))
        return

    results: dict[str, Any] = {"rows": [], "sizes": {}, "authors": {}}
    largest, compiled = max(arguments.batch_sizes), not arguments.no_compile
    for name in arguments.models:
        with contextlib.ExitStack() as stack:
            theirs: Theirs = None
            if arguments.published_repos is not None:
                code = authors_code(arguments.published_repos.resolve(), name, build(name), arguments.threads)
                try:
                    theirs, reason = stack.enter_context(code), None
                except NoSideError as error:
                    reason = str(error)
                results["authors"][name] = reason
            rows = forward_cells(name, sorted(arguments.batch_sizes), arguments.seconds, compiled, theirs)
            rows.append(training_cell(name, largest, arguments.seconds, compiled, theirs))
        results["rows"] += rows
        results["sizes"][name] = size(name)
        if not arguments.no_memory:
            for key, side in (("memory_published", "published"), ("memory_ours", "ours")):
                results["sizes"][name][key] = peak_memory(name, side, largest, arguments.threads)
        for row in rows:
            times = "  ".join(f"{column} {row[column]:.2f} ms" for column in COLUMNS if column in row)
            print(f"{name:14} {row['cell']:13} B={row['batch']:<4} {times}", file=sys.stderr, flush=True)
    picture = ratio_bars(panels(results["rows"]), "times faster than the published formulation", marked="products")
    alt = "How many times faster than the published formulation each model is, by cell"
    save("models", "Models", paragraphs(results), results, arguments, (alt, picture))


if __name__ == "__main__":
    main()
