"""Time of hyperedge layers against those of PyG, DHG and TopoModelX that compute the same.

    python benchmarks/hypergraph.py [--channels 64] [--threads 1] [--docs docs/benchmarks/hypergraph.md]

Poses share the hypergraph of a skeleton; the others take a batch of them as one disjoint union. What has to be built
before the first call stands apart: the constructor of our layer, the index of the union for PyG (by arithmetic, not by
a loader), the ``dhg.Hypergraph`` of the union from ready lists, the sparse matrix for TopoModelX. The last rows are
large random hypergraphs.

Before a cell is timed, outputs and gradients of all sides are checked to agree. Each cell is the median of repeats, the
sides taking turns in one process. A ratio above 1 means that ours is faster. Without DHG (the extra ``hypergraph``) or
TopoModelX their columns are empty. TopoModelX is taken from a folder of its own, so that nothing else changes:

    pip install --no-deps --no-build-isolation --target others topomodelx toponetx torch-scatter
    PYTHONPATH=others python benchmarks/hypergraph.py
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

from skelgraph.nn import AllSetConv, HNHNConv, HyperedgeAttentionConv, HyperedgeConv, UniConv
from skelgraph.topology import JointHypergraph, from_pyg, to_pyg
from skelgraph.viz.ratios import ratio_bars

HAS_DHG = importlib.util.find_spec("dhg") is not None
HAS_TOPOMODELX = importlib.util.find_spec("topomodelx") is not None
HAS_SCATTER = importlib.util.find_spec("torch_scatter") is not None  # AllSet of TopoModelX needs it
OTHERS = {"pyg": "PyG", "dhg": "DHG", "topomodelx": "TopoModelX"}


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


class Batch(NamedTuple):
    """One hypergraph for a batch of poses, in the forms that the libraries take, each with its milliseconds."""

    hypergraph: JointHypergraph
    poses: Tensor
    flat: Tensor
    index: Tensor
    num_hyperedges: int
    dhg: Any
    matrix: Tensor
    built: dict[str, float]


def batch_of(hypergraph: JointHypergraph, poses: Tensor) -> Batch:
    """The disjoint union of the poses."""
    built = {}
    union, built["pyg"] = build(lambda: to_pyg(hypergraph, len(poses)))
    flat, index, count = poses.flatten(0, 1), union.edge_index, union.num_hyperedges

    def sparse() -> Tensor:
        return torch.sparse_coo_tensor(index, torch.ones(index.size(1)), (len(flat), count)).coalesce()

    matrix, built["topomodelx"] = build(sparse)
    graph = None
    if HAS_DHG:
        import dhg

        lists = from_pyg(union).hyperedges

        def make() -> dhg.Hypergraph:
            graph = dhg.Hypergraph(len(flat), list(lists))
            _ = graph.H_T, graph.H, graph.D_e_neg_1, graph.D_v_neg_1  # made on first use, kept from then on
            return graph

        graph, built["dhg"] = build(make, repeats=2)
    return Batch(hypergraph, poses, flat, index, count, graph, matrix, built)


def means(batch: Batch) -> dict[str, Side]:
    """The operator of HGNN+, which all but TopoModelX have."""
    channels = batch.poses.size(-1)
    ours, built = build(lambda: HyperedgeConv(channels, channels, batch.hypergraph))
    nn.init.normal_(ours.bias)
    pyg = HypergraphConv(channels, channels)
    pyg.load_state_dict(ours.state_dict())
    arguments = (batch.flat, batch.index, None, None, batch.num_hyperedges)
    sides = {"ours": Side(ours, (batch.poses,), built), "pyg": Side(pyg, arguments, batch.built["pyg"])}
    if HAS_DHG:
        # its bias comes before the two means, which keep it: every node is in a hyperedge
        state = {"theta.weight": ours.lin.weight, "theta.bias": ours.bias}
        sides["dhg"] = dhg_side(batch, "HGNNPConv", state)
    return sides


def sums(batch: Batch) -> dict[str, Side]:
    """Sums both ways, as UniGCN in TopoModelX."""
    channels = batch.poses.size(-1)
    ours, built = build(lambda: HyperedgeConv(channels, channels, batch.hypergraph, v2e="sum", e2v="sum", bias=None))
    sides = {"ours": Side(ours, (batch.poses,), built)}
    if HAS_TOPOMODELX:
        from topomodelx.nn.hypergraph.unigcn_layer import UniGCNLayer

        state = {"conv_level2_1_to_0.weight": ours.lin.weight.t()}
        sides["topomodelx"] = topomodelx_side(batch, UniGCNLayer(channels, channels), state)
    return sides


def sage(batch: Batch) -> dict[str, Side]:
    """UniSAGE with sums."""
    channels = batch.poses.size(-1)
    ours, built = build(lambda: UniConv(channels, channels, batch.hypergraph, kind="sage", v2e="sum"))
    sides = {"ours": Side(ours, (batch.poses,), built)}
    if HAS_TOPOMODELX:
        from topomodelx.nn.hypergraph.unisage_layer import UniSAGELayer

        state = {"linear.weight": ours.lin.weight, "linear.bias": ours.lin.bias}
        sides["topomodelx"] = topomodelx_side(batch, UniSAGELayer(channels, channels, v_aggr="sum"), state)
    return sides


def neurons(batch: Batch) -> dict[str, Side]:
    """HNHN, with the exponents 0 of DHG."""
    channels = batch.poses.size(-1)
    ours, built = build(lambda: HNHNConv(channels, channels, batch.hypergraph))
    sides = {"ours": Side(ours, (batch.poses,), built)}
    if HAS_DHG:
        names = ("theta_v2e", "lin1"), ("theta_e2v", "lin2")
        state = {
            f"{theirs}.{key}": value
            for theirs, name in names
            for key, value in getattr(ours, name).state_dict().items()
        }
        sides["dhg"] = dhg_side(batch, "HNHNConv", state)
    return sides


def neurons_with_exponents(batch: Batch) -> dict[str, Side]:
    """HNHN of TopoModelX, which has a ReLU at its end in place of that on the hyperedges: with biases so large
    that neither ReLU does anything the numbers are the same."""
    channels = batch.poses.size(-1)
    ours, built = build(lambda: HNHNConv(channels, channels, batch.hypergraph, alpha=-1.5, beta=-0.5))
    for lin in (ours.lin1, ours.lin2):
        nn.init.uniform_(lin.weight, -0.02, 0.02)
        nn.init.constant_(lin.bias, 2)
    sides = {"ours": Side(ours, (batch.poses,), built)}
    if HAS_TOPOMODELX:
        from topomodelx.nn.hypergraph.hnhn_layer import HNHNLayer

        layer = HNHNLayer(channels, channels, use_normalized_incidence=False)
        # the layer would normalise them itself, by dense matrices of all nodes and in a loop over these
        layer.incidence_1, layer.incidence_1_transpose = normalised(batch.matrix, -1.5, -0.5)
        state = {
            "conv_0_to_1.weight": ours.lin1.weight.t(), "bias_0_to_1": ours.lin1.bias[None],
            "conv_1_to_0.weight": ours.lin2.weight.t(), "bias_1_to_0": ours.lin2.bias[None],
        }  # fmt: skip
        layer.load_state_dict(state)
        sides["topomodelx"] = Side(First(layer), (batch.flat,), batch.built["topomodelx"])
    return sides


def attention(batch: Batch) -> dict[str, Side]:
    """Attention with two heads, the features of the hyperedges given."""
    channels, heads = batch.poses.size(-1), 2
    ours, built = build(lambda: HyperedgeAttentionConv(channels, channels, batch.hypergraph, heads=heads, norm="pyg"))
    attr = torch.randn(len(batch.poses), batch.hypergraph.num_hyperedges, channels)
    pyg = HypergraphConv(channels, channels // heads, use_attention=True, heads=heads)
    pyg.load_state_dict(ours.state_dict())
    arguments = (batch.flat, batch.index, None, attr.flatten(0, 1), batch.num_hyperedges)
    return {
        "ours": Side(ours, (batch.poses, None, None, attr), built),
        "pyg": Side(pyg, arguments, batch.built["pyg"]),
    }


def unigat(batch: Batch) -> dict[str, Side]:
    """UniGAT with the limits that DHG sets to its scores."""
    channels = batch.poses.size(-1)
    ours, built = build(lambda: UniConv(channels, channels, batch.hypergraph, kind="gat", clamp=(0.001, 5.0)))
    sides = {"ours": Side(ours, (batch.poses,), built)}
    if HAS_DHG:
        state = {
            "theta.weight": ours.lin.weight, "theta.bias": ours.lin.bias,
            "atten_e.weight": ours.att_hyperedge, "atten_dst.weight": ours.att_node,
        }  # fmt: skip
        sides["dhg"] = dhg_side(batch, "UniGATConv", state)
    return sides


def allset(batch: Batch) -> dict[str, Side]:
    """The transformer of AllSet with four heads, and the ReLU that TopoModelX has behind it."""
    channels, heads = batch.poses.size(-1), 4
    ours, built = build(
        lambda: AllSetConv(channels, channels, batch.hypergraph, heads=heads, variant="released", bias=False)
    )
    sides = {"ours": Side(nn.Sequential(ours, nn.ReLU()), (batch.poses,), built)}
    if HAS_TOPOMODELX and HAS_SCATTER:
        from topomodelx.nn.hypergraph.allset_transformer_layer import AllSetTransformerLayer

        state = {}
        for theirs, part in (("vertex2edge", ours.to_hyperedges), ("edge2vertex", ours.to_nodes)):
            key, value = (part.get_submodule(name).weight.unflatten(0, (heads, -1)).mT for name in ("key", "value"))
            weights = {"K_weight": key, "V_weight": value, "Q_weight": part.seed.unsqueeze(1)}
            state |= {f"{theirs}.multihead_att.{name}": weight for name, weight in weights.items()}
            for name, module in (("mlp.0", part.ff), ("ln0", part.norm0), ("ln1", part.norm1)):
                state |= {f"{theirs}.{name}.{key}": value for key, value in module.state_dict().items()}
        sides["topomodelx"] = topomodelx_side(batch, AllSetTransformerLayer(channels, channels, heads=heads), state)
    return sides


LAYERS = {
    "HyperedgeConv": means,
    "HyperedgeConv, sums": sums,
    "UniConv, sage": sage,
    "UniConv, gat": unigat,
    "HNHNConv": neurons,
    "HNHNConv, exponents": neurons_with_exponents,
    "HyperedgeAttentionConv": attention,
    "AllSetConv": allset,
}
"""Our layers, and what makes the sides of each."""


class First(nn.Module):
    """The features of the nodes, of a layer that returns those of the hyperedges, too."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.layer(*inputs)[0]


def dhg_side(batch: Batch, name: str, state: dict[str, Tensor]) -> Side:
    """A layer of DHG with our parameters."""
    import dhg

    channels = batch.poses.size(-1)
    layer = getattr(dhg.nn, name)(channels, channels, is_last=True)
    layer.load_state_dict(state)
    return Side(layer.eval(), (batch.flat, batch.dhg), batch.built["dhg"])  # without its dropout


def topomodelx_side(batch: Batch, layer: nn.Module, state: dict[str, Tensor]) -> Side:
    """A layer of TopoModelX with our parameters."""
    layer.load_state_dict(state)
    return Side(First(layer), (batch.flat, batch.matrix), batch.built["topomodelx"])


def normalised(matrix: Tensor, alpha: float, beta: float) -> tuple[Tensor, Tensor]:
    """The matrices of HNHN: the means over the hyperedges of every node, weighted with their sizes to the power of
    ``alpha``, and over the nodes of every hyperedge, weighted with their degrees to the power of ``beta``."""
    results = []
    for rows, power in ((matrix, alpha), (matrix.t().coalesce(), beta)):
        receiver, sender = rows.indices()
        weight = torch.sparse.sum(rows, 0).to_dense().pow(power)[sender]
        total = weight.new_zeros(rows.size(0)).index_add(0, receiver, weight)
        results.append(torch.sparse_coo_tensor(rows.indices(), weight / total[receiver], rows.shape).coalesce())
    return results[0], results[1]


def check(sides: dict[str, Side]) -> None:
    """Outputs and gradients of the input are the same to rounding, which grows with the largest of them."""
    results = {}
    for name, (layer, (x, *inputs), _) in sides.items():
        x = x.clone().requires_grad_()
        y = layer(x, *inputs).flatten(0, -2)
        (grad,) = torch.autograd.grad(y, x, torch.arange(y.numel()).cos().view_as(y))
        results[name] = (y, grad.flatten(0, -2))
    largest = [value.abs().max() for value in results["ours"]]
    for name, result in results.items():
        for value, expected, size in zip(result, results["ours"], largest, strict=True):
            torch.testing.assert_close(
                value / size, expected / size, rtol=0, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
            )


def cells(name: str, batch: Batch, layers: list[str], seconds: float) -> list[dict[str, Any]]:
    """The two rows, forward and forward with backward, of every layer on one hypergraph and batch."""
    rows = []
    for layer in layers:
        sides = LAYERS[layer](batch)
        check(sides)
        for backward in (False, True):
            runs = {side: step(module, *inputs, backward=backward) for side, (module, inputs, _) in sides.items()}
            rows.append(
                {
                    "layer": layer,
                    "case": name,
                    "pass": "forward + backward" if backward else "forward",
                    "ms": interleaved(runs, seconds),
                    "construction_ms": {side: built for side, (_, _, built) in sides.items()},
                }
            )
    return rows


def line(row: dict[str, Any]) -> list[str]:
    """A row as text."""
    ms = row["ms"]
    times = [f"{ms[side]:.3f} ({ms[side] / ms['ours']:.2f}x)" if side in ms else "-" for side in OTHERS]
    return [row["case"], row["pass"], f"{ms['ours']:.3f}", *times]


def construction(row: dict[str, Any]) -> list[str]:
    """How long the structures of a row took, as text."""
    built = row["construction_ms"]
    return [
        f"{row['layer']}, {row['case']}",
        *(f"{built[side]:.1f}" if side in built else "-" for side in ("ours", *OTHERS)),
    ]


def main() -> None:
    options = parser(__doc__, seconds=4)
    options.add_argument("--channels", type=int, default=64)
    options.add_argument("--batch-sizes", type=int, nargs="*", default=[1, 64, 1024])
    options.add_argument("--layers", nargs="+", choices=LAYERS, default=list(LAYERS), metavar="NAME")
    options.add_argument(
        "--incidences", type=int, nargs="*", default=[20_000, 200_000], help="of the large random hypergraphs"
    )
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    body = JointHypergraph.from_skeleton("h36m17")
    cases = {f"{batch} pose{'s' if batch > 1 else ''}": (body, batch) for batch in arguments.batch_sizes}
    for count in arguments.incidences:
        large = random_hypergraph(count)
        cases[f"{large.hyperedge_index.size(1):,} incidences"] = (large, 1)
    rows = []
    for case, (hypergraph, size) in cases.items():
        batch = batch_of(hypergraph, torch.randn(size, hypergraph.num_nodes, arguments.channels))
        rows += cells(case, batch, arguments.layers, arguments.seconds)

    about = (
        f"Layers with {arguments.channels} channels beside those of PyG, DHG and TopoModelX that give the same "
        "numbers, on batches of poses of `h36m17` and on large random hypergraphs: milliseconds, median of repeats, "
        "all sides of a cell taking turns in one process; in brackets how many times faster ours is."
    )
    text = [about]
    header = ["case", "pass", "ours", *OTHERS.values()]
    for layer in arguments.layers:
        text += [f"## {layer}", table(header, [line(row) for row in rows if row["layer"] == layer])]
    text += [
        "## What is built before the first call",
        "Milliseconds: our layer, the disjoint union of the batch for PyG, its `dhg.Hypergraph` for DHG, its sparse "
        "matrix for TopoModelX.",
        table(
            ["layer and case", "ours", *OTHERS.values()],
            [construction(row) for row in rows if row["pass"] == "forward"],
        ),
    ]
    if not HAS_DHG:
        text.append("dhg is not installed: `pip install 'skelgraph[hypergraph]'`.")
    if not HAS_TOPOMODELX:
        text.append("topomodelx is not installed: the script says how to have it beside the other packages.")
    panels: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        ours = row["ms"]["ours"]
        ratios = {OTHERS[side]: ms / ours for side, ms in row["ms"].items() if side != "ours"}
        panels.setdefault(row["pass"], {})[f"{row['layer']}, {row['case']}"] = ratios
    picture = ("How many times faster our layers are, by layer and case", ratio_bars(panels, "times faster than"))
    results = {"channels": arguments.channels, "rows": rows}
    save("hypergraph", "Hyperedge layers", text, results, arguments, picture)


if __name__ == "__main__":
    main()
