"""Forward passes with wide products in bfloat16 against float32, both compiled, and what they cost in millimetres.

    python benchmarks/bf16.py [--models sem_gcn hgcn] [--official modulated_gcn h36m16 FILE] [--data FOLDER]
                              [--docs docs/benchmarks/bf16.md]

Both sides, ``skelgraph.optimize(model)`` and ``skelgraph.optimize(model, precision="bf16")``, take turns in one process
at each of ``--batch-sizes``; a cell is the median of repeats. The cost is measured of trained weights: those that come
with the package, and with ``--official`` those of the authors' code, on generated motion, on the real person in four
views, and with ``--data`` on open motion, a folder as ``open_study.py`` takes it.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from models import build, keypoints
from open_judging import SKELETON, judged_on_clip, lifted_views, motion_sets
from reporting import parser, save, table
from timing import interleaved
from torch import Tensor

from skelgraph import Lifter, list_models, optimize
from skelgraph.datasets import PoseDataset, load_dataset
from skelgraph.models import PoseLifter, load_network

EVERY = 20
"""Frames of the data sets that are judged: one of so many."""


@torch.no_grad()
def speed(name: str, batches: list[int], seconds: float) -> Iterator[dict[str, Any]]:
    """The times of a model with random weights, and by how much its answers differ."""
    model = build(name).eval()
    single, half = optimize(model), optimize(model, precision="bf16")
    for batch in batches:
        x = keypoints(model, batch)
        expected = single(x)
        difference = float((half(x) - expected).norm() / expected.norm())
        if not 0 < difference < 0.05:
            raise SystemExit(f"{name}: bfloat16 differs by {difference:.1e}")
        times = interleaved({"float32": lambda x=x: single(x), "bf16": lambda x=x: half(x)}, seconds)
        yield {"model": name, "batch": batch, "difference": difference, **times}


@torch.no_grad()
def cost(title: str, network: PoseLifter, middles: bool, data: Path | None) -> Iterator[dict[str, Any]]:
    """Errors in float32 and with bfloat16, and how far the joints of the two answers are apart, millimetres.

    Args:
        title: Whose weights these are.
        network: The network, of one frame.
        middles: Whether it was trained with ``--middles``.
        data: Folder of open motion.
    """
    half = optimize(network, compile=False, precision="bf16")
    generated = load_dataset("synthetic", "test", skeleton=SKELETON, middles=middles, downsample=EVERY)
    sets = {"generated": generated} | (motion_sets(data, middles=middles, downsample=EVERY) if data else {})
    for name, poses in sets.items():
        yield {"weights": title, "data": name, "frames": len(poses), **answers(network, half, poses)}
    clip = [judged_on_clip(lifted_views(Lifter(one))) for one in (network, half)]
    errors = {side: found["mpjpe_mm"] for side, found in zip(("float32", "bf16"), clip, strict=True)}
    yield {"weights": title, "data": "real person", "frames": clip[0]["frames"], **errors}


def answers(network: PoseLifter, half: PoseLifter, poses: PoseDataset) -> dict[str, float]:
    batch = poses.windows(network.num_frames)[:].in_form(network.input_form)
    root = network.skeleton.root

    def relative(pose: Tensor) -> Tensor:
        return 1000 * (pose - pose[:, root : root + 1])

    windows = batch.network_input(network.in_channels).split(256)
    first, second = (relative(torch.cat([run(x) for x in windows])) for run in (network, half))
    truth = relative(batch.poses_3d)
    return {
        "float32": float((first - truth).norm(dim=-1).mean()),
        "bf16": float((second - truth).norm(dim=-1).mean()),
        "apart": float((second - first).norm(dim=-1).mean()),
    }


ABOUT = """\
`skelgraph.optimize(model, precision="bf16")` gives matrix products of 16 and more terms and channels their operands in
bfloat16; they are summed in float32. Products with coordinates, the first wide products behind them, normalisation,
softmax, residual sums, biases, input and output stay in float32. The first wide products do because they cost most:
with them in bfloat16 too, the error of the published weights of Modulated GCN changes by 0.3 to 0.8 mm and their joints
move by 3.2 to 3.6 mm, nearly all of it by the rounding of learned adjacencies, which is the same for all poses."""
SPEED = """\
Milliseconds of a forward pass, compiled, median of repeats that take turns in one process; in brackets how many times
faster than float32. *difference* is that of the answers, relative, with random weights. Single poses of some graph
networks are slower: a call of the bfloat16 products takes longer to begin than a product of 16 joints to compute."""
COST = """\
Networks of one frame, folded as they are for compilation. Mean error over frames and joints (of the real person, twelve
limb joints in four views), millimetres, with trained weights; *apart* is how far a joint is from where it is in
float32, on average."""


def paragraphs(results: dict[str, Any]) -> list[str]:
    """The tables and what explains them."""
    rows = results["rows"]
    batches = sorted({row["batch"] for row in rows})
    cells = {(row["model"], row["batch"]): row for row in rows}
    names = dict.fromkeys(row["model"] for row in rows)
    lines, ratios = [], {batch: [] for batch in batches}
    for name in names:
        line = [name]
        for batch in batches:
            row = cells[name, batch]
            ratios[batch].append(row["float32"] / row["bf16"])
            line.append(f"{row['float32']:.2f} -> {row['bf16']:.2f} ({ratios[batch][-1]:.2f}x)")
        lines.append([*line, f"{100 * max(cells[name, batch]['difference'] for batch in batches):.2g} %"])
    means = [f"{statistics.geometric_mean(values):.2f}x" for values in ratios.values()]
    header = ["model", *(f"B = {batch}" for batch in batches), "difference"]
    costs = [
        [
            row["weights"],
            row["data"],
            str(row["frames"]),
            f"{row['float32']:.2f}",
            f"{row['bf16']:.2f}",
            f"{row['bf16'] - row['float32']:+.2f}",
            f"{row['apart']:.2f}" if "apart" in row else "",
        ]
        for row in results["costs"]
    ]
    return [
        ABOUT,
        "## Time",
        SPEED,
        table(header, [*lines, ["geometric mean", *means, ""]]),
        "## Cost",
        COST,
        table(["weights", "data", "frames", "float32", "bf16", "cost", "apart"], costs),
    ]


def main() -> None:
    options = parser(__doc__, seconds=4)
    options.add_argument("--models", nargs="+", default=list_models(), metavar="NAME")
    options.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 64, 256, 1024])
    options.add_argument("--official", nargs=3, action="append", default=[], metavar=("MODEL", "SKELETON", "FILE"))
    options.add_argument("--data", type=Path, help="folder of open motion")
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    results: dict[str, Any] = {"rows": [], "costs": []}
    networks = [("open", load_network("open"), True)]
    for model, skeleton, file in arguments.official:
        networks.append((f"{model}, of its authors", load_network(file, model, skeleton), False))
    for title, network, middles in networks:
        results["costs"] += cost(title, network.eval(), middles, arguments.data)
    for name in arguments.models:
        for row in speed(name, sorted(arguments.batch_sizes), arguments.seconds):
            results["rows"].append(row)
            print({key: round(v, 3) if isinstance(v, float) else v for key, v in row.items()}, file=sys.stderr)
    save("bf16", "bfloat16 on a CPU", paragraphs(results), results, arguments)


if __name__ == "__main__":
    main()
