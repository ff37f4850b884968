"""Time of one ``HyperedgeConv`` against PyG's ``HypergraphConv`` and DHG's ``HGNNPConv``, the same operator.

    python benchmarks/hypergraph.py [--channels 64] [--threads 1] [--docs docs/benchmarks/hypergraph.md]

Poses share the hypergraph of a skeleton; PyG and DHG take a batch of them as one disjoint union. What has to be built
before the first call stands apart: the constructor of our layer, the index of the union for PyG (by arithmetic, not by
a loader), the ``dhg.Hypergraph`` of the union from ready lists. The last rows are one large random hypergraph.

Before a cell is timed, outputs and gradients of all sides are checked to agree. Each cell is the median of repeats, the
sides taking turns in one process. A ratio above 1 means that ours is faster. Without DHG (the extra ``hypergraph``) its
columns are empty.
"""

from __future__ import annotations

import importlib.util
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from reporting import parser, save, table
from timing import interleaved, step
from torch import Tensor, nn
from torch_geometric.nn import HypergraphConv

from skelgraph.nn import HyperedgeConv
from skelgraph.topology import JointHypergraph, from_pyg, to_pyg
from skelgraph.viz.ratios import ratio_bars

NAMES = {"pyg": "PyG", "dhg": "DHG"}
HAS_DHG = importlib.util.find_spec("dhg") is not None


class Side(NamedTuple):
    """A layer, what it is called with, and the milliseconds that its structure took to build."""

    layer: nn.Module
    inputs: tuple[object, ...]
    built: float


def random_hypergraph(incidences: int, size: int = 20) -> JointHypergraph:
    """As many nodes as hyperedges, each of ``size`` nodes."""
    count, draw = max(incidences // size, size), random.Random(0)
    return JointHypergraph.from_lists(count, [draw.sample(range(count), size) for _ in range(count)])


def build(make: Callable[[], object], repeats: int = 5) -> tuple[object, float]:
    """What ``make`` returns and the fewest milliseconds that it took."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = make()
        times.append(1e3 * (time.perf_counter() - start))
    return result, min(times)


def sides_of(hypergraph: JointHypergraph, poses: Tensor) -> dict[str, Side]:
    """Ours, PyG and DHG on ``poses (B, J, C)``, with the same parameters."""
    batch, _, channels = poses.shape
    flat = poses.flatten(0, 1)
    ours, built = build(lambda: HyperedgeConv(channels, channels, hypergraph))
    nn.init.normal_(ours.bias)
    union, union_built = build(lambda: to_pyg(hypergraph, batch))
    pyg = HypergraphConv(channels, channels)
    pyg.load_state_dict(ours.state_dict())
    sides = {
        "ours": Side(ours, (poses,), built),
        "pyg": Side(pyg, (flat, union.edge_index, None, None, union.num_hyperedges), union_built),
    }
    if HAS_DHG:
        import dhg

        lists = from_pyg(union).hyperedges

        def make() -> dhg.Hypergraph:
            graph = dhg.Hypergraph(len(flat), list(lists))
            _ = graph.H_T, graph.H, graph.D_e_neg_1, graph.D_v_neg_1  # made on first use, kept from then on
            return graph

        graph, graph_built = build(make, repeats=2)
        layer = dhg.nn.HGNNPConv(channels, channels, is_last=True)
        # its bias comes before the two means, which keep it: every node is in a hyperedge
        layer.theta.load_state_dict({"weight": ours.lin.weight, "bias": ours.bias})
        sides["dhg"] = Side(layer, (flat, graph), graph_built)
    return sides


def check(sides: dict[str, Side]) -> None:
    """Outputs and gradients of the input are the same to rounding."""
    results = {}
    for name, (layer, (x, *inputs), _) in sides.items():
        x = x.clone().requires_grad_()
        y = layer(x, *inputs).flatten(0, -2)
        (grad,) = torch.autograd.grad(y, x, torch.cos(y.detach()))
        results[name] = (y, grad.flatten(0, -2))
    for name, result in results.items():
        torch.testing.assert_close(result, results["ours"], rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def cells(name: str, hypergraph: JointHypergraph, poses: Tensor, seconds: float) -> list[dict[str, Any]]:
    """The two rows, forward and forward with backward, of one hypergraph and batch."""
    sides = sides_of(hypergraph, poses)
    check(sides)
    rows = []
    for backward in (False, True):
        runs = {side: step(layer, *inputs, backward=backward) for side, (layer, inputs, _) in sides.items()}
        ms = interleaved(runs, seconds)
        rows.append(
            {
                "case": name,
                "pass": "forward + backward" if backward else "forward",
                "ms": ms,
                "construction_ms": {side: built for side, (_, _, built) in sides.items()},
            }
        )
    return rows


def line(row: dict[str, Any]) -> list[str]:
    """A row as text."""
    ms, built = row["ms"], row["construction_ms"]
    times = [f"{ms[side]:.3f} ({ms[side] / ms['ours']:.2f}x)" if side in ms else "-" for side in ("pyg", "dhg")]
    construction = [f"{built[side]:.1f}" if side in built else "-" for side in ("ours", "pyg", "dhg")]
    return [row["case"], row["pass"], f"{ms['ours']:.3f}", *times, *construction]


def main() -> None:
    options = parser(__doc__, seconds=6)
    options.add_argument("--channels", type=int, default=64)
    options.add_argument("--batch-sizes", type=int, nargs="*", default=[1, 64, 1024])
    options.add_argument("--incidences", type=int, default=200_000, help="of the large random hypergraph")
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    body = JointHypergraph.from_skeleton("h36m17")
    large = random_hypergraph(arguments.incidences)
    rows = []
    for batch in arguments.batch_sizes:
        poses = torch.randn(batch, body.num_nodes, arguments.channels)
        rows += cells(f"{batch} pose{'s' if batch > 1 else ''}", body, poses, arguments.seconds)
    nodes = torch.randn(1, large.num_nodes, arguments.channels)
    rows += cells(f"{large.hyperedge_index.size(1):,} incidences", large, nodes, arguments.seconds)

    about = (
        f"`HyperedgeConv` with {arguments.channels} channels beside the same operator of PyG, `HypergraphConv`, and of "
        "DHG, `HGNNPConv`, on batches of poses of `h36m17` and on one large random hypergraph: milliseconds, median "
        "of repeats, all sides of a cell taking turns in one process; in brackets how many times faster ours is. "
        "*build* is what has to be made before the first call: our layer, the disjoint union of the batch for PyG, "
        "its `dhg.Hypergraph` for DHG."
    )
    header = ["case", "pass", "ours", "PyG", "DHG", "build, ours", "build, PyG", "build, DHG"]
    text = [about, table(header, map(line, rows))]
    if not HAS_DHG:
        text.append("dhg is not installed: `pip install 'skelgraph[hypergraph]'`.")
    panels: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        ours = row["ms"]["ours"]
        ratios = {NAMES[side]: ms / ours for side, ms in row["ms"].items() if side != "ours"}
        panels.setdefault(row["pass"], {})[row["case"]] = ratios
    picture = ("How many times faster HyperedgeConv is, by case", ratio_bars(panels, "times faster than"))
    results = {"channels": arguments.channels, "rows": rows}
    save("hypergraph", "Hyperedge layers", text, results, arguments, picture)


if __name__ == "__main__":
    main()
