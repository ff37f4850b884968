"""Time and peak memory of ``SemGraphConv``, ``ModulatedGraphConv`` and ``HyperedgeConv`` on meshes of 100 to 100 000
nodes, matrices against edges.

    python benchmarks/scaling.py [--channels 64] [--threads 1] [--docs docs/benchmarks/scaling.md]

The meshes are tori of quads with self loops, nine edges per node; the hyperedges are one per node, the node and its
eight neighbours. Every cell is one process of its own, which builds the layer and takes forward and backward passes of
one mesh; its time is the median of repeats, its memory the rise of the resident peak over what it had before the layer
was built. ``ModulatedGraphConv`` learns on pairs where it has matrices and on edges where it has none: two models.
Matrices are left out where one alone would take more than ``--dense-gigabytes``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from reporting import parser, save, table
from timing import peak_megabytes
from torch import Tensor, nn

from skelgraph.nn import HyperedgeConv, ModulatedGraphConv, SemGraphConv
from skelgraph.topology import Graph, JointHypergraph
from skelgraph.viz.ratios import ratio_bars

DEFAULT_SIZES = [100, 400, 1024, 4096, 10_000, 40_000, 100_000]


def torus(num_nodes: int) -> Tensor:
    """Edges ``(2, 9 N)`` of a closed mesh of quads: every node, its eight neighbours, and itself."""
    width = next(w for w in range(int(num_nodes**0.5), 0, -1) if num_nodes % w == 0)
    node = torch.arange(num_nodes)
    row, column = node // width, node % width
    steps = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2))
    senders = [(row + down) % (num_nodes // width) * width + (column + right) % width for down, right in steps.tolist()]
    return torch.stack([torch.cat(senders), node.repeat(len(steps))])


def build(layer: str, edges: Tensor, num_nodes: int, channels: int, dense: bool) -> nn.Module:
    if layer == "SemGraphConv":
        return SemGraphConv(channels, channels, Graph(num_nodes, edges), dense=dense)
    if layer == "ModulatedGraphConv":
        learn_on = "pairs" if dense else "edges"
        return ModulatedGraphConv(channels, channels, Graph(num_nodes, edges), learn_on=learn_on, dense=dense)
    hypergraph = JointHypergraph(edges, num_nodes, num_nodes)
    return HyperedgeConv(channels, channels, hypergraph, dense=dense)


def milliseconds(run: Callable[[], object], seconds: float) -> float:
    run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def measure(layer: str, num_nodes: int, channels: int, dense: bool, seconds: float) -> dict[str, float]:
    """One cell, in this process."""
    edges = torus(num_nodes)
    x = torch.randn(num_nodes, channels)
    warm = build(layer, torus(16), 16, channels, dense)  # what libraries load on first use is not counted
    warm(torch.randn(16, channels)).sum().backward()
    before = peak_megabytes()
    start = time.perf_counter()
    module = build(layer, edges, num_nodes, channels, dense)
    built = 1e3 * (time.perf_counter() - start)

    def forward() -> None:
        with torch.no_grad():
            module(x)

    def both() -> None:
        leaf = x.clone().requires_grad_()
        y = module(leaf)
        y.backward(y.detach())
        module.zero_grad()

    both()
    return {
        "megabytes": peak_megabytes() - before,
        "build_ms": built,
        "forward_ms": milliseconds(forward, seconds),
        "forward_backward_ms": milliseconds(both, seconds),
    }


def cell(layer: str, num_nodes: int, dense: bool, arguments: argparse.Namespace) -> dict[str, float] | None:
    """One cell, in a process of its own; ``None`` if matrices would not fit."""
    if dense and 4 * num_nodes**2 > arguments.dense_gigabytes * 2**30:
        return None
    command = [sys.executable, __file__, "--cell", layer, str(num_nodes), "dense" if dense else "sparse"]
    command += ["--channels", str(arguments.channels), "--threads", str(arguments.threads)]
    command += ["--seconds", str(arguments.seconds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    options = parser(__doc__, seconds=1)
    options.add_argument("--layers", nargs="+", default=["SemGraphConv", "ModulatedGraphConv", "HyperedgeConv"])
    options.add_argument("--nodes", type=int, nargs="+", default=DEFAULT_SIZES)
    options.add_argument("--channels", type=int, default=64)
    options.add_argument("--dense-gigabytes", type=float, default=0.1, help="the largest single matrix")
    options.add_argument("--cell", nargs=3, metavar=("LAYER", "NODES", "PATH"), help=argparse.SUPPRESS)
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    if arguments.cell:
        layer, nodes, path = arguments.cell
        print(json.dumps(measure(layer, int(nodes), arguments.channels, path == "dense", arguments.seconds)))
        return

    rows, lines = [], []
    for layer in arguments.layers:
        for num_nodes in arguments.nodes:
            dense, sparse = (cell(layer, num_nodes, path, arguments) for path in (True, False))
            assert sparse is not None
            rows.append({"layer": layer, "nodes": num_nodes, "dense": dense, "sparse": sparse})
            ms, mb = sparse["forward_backward_ms"], f"{sparse['megabytes']:.0f}"
            if dense is None:
                lines.append([layer, f"{num_nodes:,}", "-", f"{ms:.2f}", "-", mb])
            else:
                dense_ms, dense_mb = dense["forward_backward_ms"], f"{dense['megabytes']:.0f}"
                ratio = f"{ms:.2f} ({dense_ms / ms:.2f}x)"
                lines.append([layer, f"{num_nodes:,}", f"{dense_ms:.2f}", ratio, dense_mb, mb])
    about = (
        f"One mesh, {arguments.channels} channels, forward and backward: milliseconds, median of repeats, each cell in "
        "a process of its own; in brackets how many times faster edges are than matrices. Memory is the rise of the "
        f"resident peak. Matrices of more than {arguments.dense_gigabytes:g} GB are left out. By default a layer "
        "chooses edges where its matrices would have more than 2^17 entries."
    )
    header = ["layer", "nodes", "matrices (ms)", "edges (ms)", "matrices (MB)", "edges (MB)"]
    results = {"channels": arguments.channels, "rows": rows}
    panels: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        if row["dense"] is not None:
            ratio = row["dense"]["forward_backward_ms"] / row["sparse"]["forward_backward_ms"]
            panels.setdefault(row["layer"], {})[f"{row['nodes']:,} nodes"] = {"edges": ratio}
    alt = "How many times faster edges are than matrices, by the size of a mesh"
    picture = (alt, ratio_bars(panels, "times faster than matrices"))
    save("scaling", "Large graphs", [about, table(header, lines)], results, arguments, picture)


if __name__ == "__main__":
    main()
