"""Time of one ``SemGraphConv`` against the published formulation written out plainly and against PyG's ``GCNConv``.

    python benchmarks/layers.py [--channels 128] [--threads 1] [--docs docs/benchmarks/layers.md]

Each cell is the median of repeats; the three sides are interleaved in one process, so that whatever else the machine
does hits all of them alike. A ratio above 1 means that ours is faster.
"""

from __future__ import annotations

import torch
from reporting import parser, save, table
from timing import interleaved, step
from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from skelgraph import as_skeleton
from skelgraph.nn import SemGraphConv
from skelgraph.viz.ratios import ratio_bars


class PublishedSemGraphConv(nn.Module):
    """The equation step by step: mask and logits filled anew, one product per weight and per part of the adjacency."""

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.register_buffer("pattern", adjacency > 0)
        self.weight = nn.Parameter(torch.empty(2, in_channels, out_channels))
        nn.init.xavier_uniform_(self.weight, gain=1.414)
        self.edges = nn.Parameter(torch.ones(1, int(self.pattern.sum())))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        own, others = torch.matmul(x, self.weight[0]), torch.matmul(x, self.weight[1])
        logits = torch.full(self.pattern.shape, -9e15, dtype=x.dtype, device=x.device)
        logits[self.pattern] = self.edges
        attention = torch.softmax(logits, dim=1)
        eye = torch.eye(attention.size(0), dtype=x.dtype, device=x.device)
        mixed = torch.matmul(attention * eye, own) + torch.matmul(attention * (1 - eye), others)
        return mixed + self.bias.view(1, 1, -1)


def cell(batch: int, channels: int, backward: bool, seconds: float) -> dict[str, float]:
    """Times of the three sides at one batch size."""
    layout = as_skeleton("h36m16")
    data = layout.to_data(torch.randn(batch, layout.num_joints, channels))
    poses = data.x.view(batch, layout.num_joints, channels)
    ours = SemGraphConv(channels, channels, layout)
    published = PublishedSemGraphConv(channels, channels, layout.adjacency("row", self_loops=True))
    gcn = GCNConv(channels, channels)

    sides = {
        "ours": step(ours, poses, backward=backward),
        "published": step(published, poses, backward=backward),
        "pyg_gcn": step(gcn, data.x, data.edge_index, backward=backward),
    }
    return interleaved(sides, seconds)


def main() -> None:
    options = parser(__doc__, seconds=6)
    options.add_argument("--channels", type=int, default=128)
    options.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 64, 1024])
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    rows = []
    for batch in arguments.batch_sizes:
        for backward in (False, True):
            ms = cell(batch, arguments.channels, backward, arguments.seconds)
            rows.append({"batch": batch, "pass": "forward + backward" if backward else "forward", **ms})
    lines = [
        [
            str(row["batch"]),
            row["pass"],
            f"{row['ours']:.3f}",
            *(f"{row[side]:.3f} ({row[side] / row['ours']:.2f}x)" for side in ("published", "pyg_gcn")),
        ]
        for row in rows
    ]
    about = (
        f"`SemGraphConv` with {arguments.channels} channels on `h36m16`: milliseconds, median of repeats, all sides of "
        "a cell taking turns in one process; in brackets how many times faster ours is. `GCNConv` has one weight in "
        "place of two and no softmax: it does half of the products."
    )
    tables = table(["poses", "pass", "ours", "published", "GCNConv of PyG"], lines)
    panels: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        ratios = {name: row[side] / row["ours"] for name, side in (("published", "published"), ("GCNConv", "pyg_gcn"))}
        panels.setdefault(row["pass"], {})[f"{row['batch']} poses"] = ratios
    picture = ("How many times faster SemGraphConv is, by batch", ratio_bars(panels, "times faster than"))
    results = {"channels": arguments.channels, "rows": rows}
    save("layers", "Graph layers", [about, tables], results, arguments, picture)


if __name__ == "__main__":
    main()
