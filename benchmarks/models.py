"""Time of every model against its published formulation: single poses, a batch, and a training step.

    python benchmarks/models.py [--models sem_gcn hgcn] [--threads 1] [--no-compile] [--docs docs/benchmarks/models.md]

Three cells for each model at its published width: forward at the first and at the last of ``--batch-sizes`` (1 and
256), and one training step (forward, MPJPE, backward, Adam) at the last. Sides: ours eager, ours compiled
(``skelgraph.optimize`` for inference, ``torch.compile`` for training), the formulation of ``published.py`` with the
same weights, and the matrix products of ours alone. All sides of a cell take turns in one process and must agree before
they are timed; a cell is the median of repeats. Peak memory is that of a training step in a process of its own: growth
of the peak resident memory while it runs for the first time.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import published
import torch
import torch._functorch.config
from products import bare_products
from reporting import parser, save, table
from timing import interleaved, peak_megabytes
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from skelgraph import create_model, list_models, optimize
from skelgraph.metrics.functional import mpjpe
from skelgraph.models import PoseLifter, model_info

COLUMNS = ("published", "eager", "compiled", "products")


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


def agree(actual: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    error = float((actual - expected).abs().max() / expected.abs().max().clamp(min=1))
    if not error <= tolerance:
        raise SystemExit(f"{what} differs by {error:.1e}")


@torch.no_grad()
def forward_cells(name: str, batches: list[int], seconds: float, compiled: bool) -> list[dict[str, Any]]:
    model = build(name).eval()
    plain = published.from_ours(model)
    fast = optimize(model) if compiled else None
    rows = []
    for batch in batches:
        x = keypoints(model, batch)
        agree(plain(x), model(x), 1e-4, f"{name}: the published formulation")
        sides: dict[str, Callable[[], object]] = {"published": lambda x=x: plain(x), "eager": lambda x=x: model(x)}
        if fast is not None:
            agree(fast(x), model(x), 1e-5, f"{name}: the optimized model")
            sides["compiled"] = lambda x=x: fast(x)
        sides["products"] = bare_products(sides["eager"])
        rows.append({"model": name, "cell": "forward", "batch": batch, **interleaved(sides, seconds)})
    return rows


def training_cell(name: str, batch: int, seconds: float, compiled: bool) -> dict[str, Any]:
    model = build(name)
    x, y = keypoints(model, batch), torch.randn(batch, model.skeleton.num_joints, 3)
    plain = published.from_ours(model)
    sides = {
        "published": training_step(plain, plain, x, y, fused=False),
        "eager": training_step(model, model, x, y),
    }
    if compiled:
        twin = build(name)
        for kind in ("used_far_apart", "long_fusible_chains", "materialized_backward"):
            # faster than storing masks of ReLU; "aggressive_recomputation" would draw dropout anew in the backward pass
            setattr(torch._functorch.config, f"ban_recompute_{kind}", False)
        # on a CPU torch's own random numbers are faster
        run = torch.compile(twin, fullgraph=True, options={"fallback_random": True})
        sides["compiled"] = training_step(twin, run, x, y)
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


def speed_table(rows: list[dict[str, Any]]) -> str:
    """Milliseconds, and how many times faster than the published formulation."""
    columns = [column for column in COLUMNS if column in rows[0]]
    ratios: dict[str, list[float]] = {column: [] for column in columns[1:]}
    lines = []
    for row in rows:
        line = [row["model"], f"{row['published']:.2f}"]
        for column in columns[1:]:
            ratio = row["published"] / row[column]
            ratios[column].append(ratio)
            line.append(f"{row[column]:.2f} ({ratio:.2f}x)")
        lines.append(line)
    means = [f"{statistics.geometric_mean(values):.2f}x" for values in ratios.values()]
    return table(["model", *columns], [*lines, ["geometric mean", "", *means]])


ABOUT = """\
Milliseconds, median of repeats, all sides of a cell taking turns in one process; in brackets how many times faster than
the published formulation, which is written out plainly in `benchmarks/published.py` and has the same weights and
outputs. *compiled* is `skelgraph.optimize(model)` for a forward pass and `torch.compile(model)` for a training step
(forward, MPJPE, backward, Adam), with torch's own random numbers (`fallback_random`) and the three options
`ban_recompute_*` of `torch._functorch.config` off that keep cheap activations from being computed anew. Adam is torch's
default for the published formulation and `fused=True`, as `skelgraph train` has it, for ours. *products* are the matrix
products of ours alone, which nothing that does the same arithmetic can undercut."""
SIZES = """\
Multiply-adds of one pose or window. Memory: by how much an eager training step at the largest batch raises the peak
resident memory of a process of its own."""


def paragraphs(results: dict[str, Any]) -> list[str]:
    """The tables and what explains them."""
    rows, sizes = results["rows"], results["sizes"]
    text = [ABOUT]
    for cell, batch in dict.fromkeys((row["cell"], row["batch"]) for row in rows):
        selected = [row for row in rows if (row["cell"], row["batch"]) == (cell, batch)]
        text += [f"## {cell.capitalize()}, B = {batch}", speed_table(selected)]
    lines = [
        [
            name,
            f"{entry['parameters']:,}",
            f"{entry['multiply_adds'] / 1e6:.1f} M",
            *(f"{entry[key]:.0f}" for key in ("memory_published", "memory_ours") if key in entry),
        ]
        for name, entry in sizes.items()
    ]
    header = ["model", "parameters", "multiply-adds", "memory, published (MB)", "memory, ours (MB)"][: len(lines[0])]
    return [*text, "## Size", SIZES, table(header, lines)]


def main() -> None:
    options = parser(__doc__, seconds=10)
    options.add_argument("--models", nargs="+", default=list_models(), metavar="NAME")
    options.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 256])
    options.add_argument("--no-compile", action="store_true", help="time eager code only")
    options.add_argument("--no-memory", action="store_true", help="do not measure memory")
    options.add_argument("--measure-memory", nargs=3, metavar=("NAME", "SIDE", "BATCH"), help=argparse.SUPPRESS)
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.measure_memory:
        name, side, batch = arguments.measure_memory
        print(measure_memory(name, side, int(batch)))
        return

    results: dict[str, Any] = {"rows": [], "sizes": {}}
    largest, compiled = max(arguments.batch_sizes), not arguments.no_compile
    for name in arguments.models:
        rows = forward_cells(name, sorted(arguments.batch_sizes), arguments.seconds, compiled)
        rows.append(training_cell(name, largest, arguments.seconds, compiled))
        results["rows"] += rows
        results["sizes"][name] = size(name)
        if not arguments.no_memory:
            for key, side in (("memory_published", "published"), ("memory_ours", "ours")):
                results["sizes"][name][key] = peak_memory(name, side, largest, arguments.threads)
        for row in rows:
            times = "  ".join(f"{column} {row[column]:.2f} ms" for column in COLUMNS if column in row)
            print(f"{name:14} {row['cell']:13} B={row['batch']:<4} {times}", file=sys.stderr, flush=True)
    save("models", "Models", paragraphs(results), results, arguments)


if __name__ == "__main__":
    main()
