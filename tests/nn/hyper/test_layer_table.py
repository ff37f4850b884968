"""Every row of the table "theirs = ours": with the layer itself where it is installed, else with its formula."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import torch_geometric.nn

from skelgraph import nn as sgnn
from skelgraph.topology import JointHypergraph, to_dhg

PAGE = Path(__file__).parents[3] / "docs" / "hyperedge_layers.md"
ROWS = dict(re.findall(r"^\| ([A-Z]\S+ `.*?`.*?) \| (`.*?`.*?) \|$", PAGE.read_text(), re.MULTILINE))

C, D = 4, 6
LISTS = [[0, 1, 2], [2, 3], [4], [0, 5, 1, 3], [1, 2], [3, 4, 5], [0, 4], [6, 1]]
HYPERGRAPH = JointHypergraph.from_lists(7, LISTS)
H = HYPERGRAPH.incidence.double()
SIZE, DEGREE = H.sum(dim=0), H.sum(dim=1)


def pyg(theirs, ours, x):
    """PyG's layer with our state dict."""
    layer = eval(theirs, {"c": C, "d": D}, vars(torch_geometric.nn)).double()
    layer.load_state_dict(ours.state_dict())
    extra = {}
    if isinstance(ours, sgnn.HyperedgeAttentionConv):
        extra = {"hyperedge_attr": H.t() @ x / SIZE[:, None]}
    return layer(x, HYPERGRAPH.hyperedge_index, num_edges=len(LISTS), **extra)


def dhg(theirs, ours, x):
    """DHG's layer, in its single precision, with our parameters; the last of them were added by a newer release."""
    layers = pytest.importorskip("dhg").nn
    layer = eval(theirs, {"c": C, "d": D}, vars(layers)).eval()
    names = {
        "lin.weight": "theta.weight",
        "lin.bias": "theta.bias",
        "bias": "theta.bias",
        "lin1.weight": "theta_v2e.weight",
        "lin1.bias": "theta_v2e.bias",
        "lin2.weight": "theta_e2v.weight",
        "lin2.bias": "theta_e2v.bias",
        "att_hyperedge": "atten_e.weight",
        "att_node": "atten_dst.weight",
    }
    state = {names[name]: value.float() for name, value in ours.state_dict().items()}
    missing = layer.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    assert set(missing.missing_keys) <= {"eps"}
    return layer(x.float(), to_dhg(HYPERGRAPH)).double()


def gathered(rows, reduce):
    """Rows of every hyperedge, of ``(J, C)``."""
    return torch.stack([reduce(rows[members]) for members in LISTS])


def returned(rows, reduce):
    """Rows of every joint, of ``(M, C)``."""
    return torch.stack([reduce(rows[[m for m, members in enumerate(LISTS) if i in members]]) for i in range(7)])


def total(rows):
    return rows.sum(dim=0)


def mean(rows):
    return rows.sum(dim=0) / len(rows)


def unigcn(x, first):
    """The propagation of UniGCN: degrees of the nodes and their means in the hyperedges, to the power of -1/2."""
    edge_degree = gathered(DEGREE[:, None], mean)
    return returned(gathered(x, first) * edge_degree**-0.5, total) * DEGREE[:, None] ** -0.5


def unigcnii(x, conv, first):
    z = 0.9 * unigcn(x, first) + 0.1 * x
    return 0.6 * z + 0.4 * z @ conv.lin.weight.t()


def unigat(x, conv):
    t = (x @ conv.lin.weight.t()).view(7, 2, D // 2)
    y = gathered(t, mean)
    score = torch.nn.functional.leaky_relu((y * conv.att_hyperedge).sum(dim=-1), 0.2)
    return returned(
        torch.cat([y, score[..., None]], dim=-1), lambda rows: (rows[..., -1:].softmax(dim=0) * rows[..., :-1]).sum(0)
    ).flatten(1)


def transformer(part, slope):
    """One direction of AllSet's transformer: multi-head attention with a learned query, and a residual perceptron."""

    def reduce(rows):
        heads = part.seed.size(0)
        key, value = (layer(rows).unflatten(-1, (heads, -1)) for layer in (part.key, part.value))
        share = torch.nn.functional.leaky_relu((key * part.seed).sum(dim=-1, keepdim=True), slope).softmax(dim=0)
        z = part.norm0(((share * value).sum(dim=0) + part.seed).flatten())
        return part.norm1(z + part.ff(z).relu())

    return reduce


def allset(x, conv, slope):
    sent = gathered(x, transformer(conv.to_hyperedges, slope)).relu()
    return returned(sent, transformer(conv.to_nodes, slope))


def deepsets(x, conv):
    def perceptron(part, rows):  # of the released code: normalise, map, activate, normalise, map
        norm, first, (_, second_norm, _), second, _ = part
        return second(second_norm(first(norm(rows)).relu()))

    def direction(part):
        return lambda rows: perceptron(part.outer, mean(perceptron(part.inner, rows).relu())).relu()

    return returned(gathered(x, direction(conv.to_hyperedges)).relu(), direction(conv.to_nodes))


FORMULAS = {
    "TopoModelX `UniGCNLayer(c, d)`": lambda x, conv: returned(gathered(x, total), total) @ conv.lin.weight.t(),
    "TopoModelX `UniGCNLayer(c, d, aggr_norm=True)`": lambda x, conv: (
        returned(gathered(x, mean), mean) @ conv.lin.weight.t()
    ),
    "TopoModelX `UniSAGELayer(c, d)`": lambda x, conv: conv.lin(x) + returned(gathered(conv.lin(x), total), mean),
    "TopoModelX `UniGINLayer(Linear(c, d, bias=False), c)`": lambda x, conv: (
        (x + returned(gathered(x, total), total)) @ conv.lin.weight.t()
    ),
    "TopoModelX `UniGCNIILayer(c, c, alpha, beta)`": lambda x, conv: unigcnii(x, conv, total),
    "TopoModelX `AllSetTransformerLayer(c, d, heads=2)`": lambda x, conv: allset(x, conv, 1.0).relu(),
    "UniGNN `UniGCNConv(args, c, d // 2, heads=2)`": lambda x, conv: unigcn(x @ conv.lin.weight.t(), mean),
    "UniGNN `UniSAGEConv(args, c, d // 2, heads=2)`": lambda x, conv: (
        x @ conv.lin.weight.t() + returned(gathered(x @ conv.lin.weight.t(), mean), total)
    ),
    "UniGNN `UniGINConv(args, c, d // 2, heads=2)`": lambda x, conv: (
        (1 + conv.eps) * (x @ conv.lin.weight.t()) + returned(gathered(x @ conv.lin.weight.t(), mean), total)
    ),
    "UniGNN `UniGATConv(args, c, d // 2, heads=2)`": unigat,
    "UniGNN `UniGCNIIConv(args, c, c)`": lambda x, conv: unigcnii(x, conv, mean),
    "AllSet `HalfNLHconv(..., attention=True)` twice": lambda x, conv: allset(x, conv, 0.2),
    "AllSet `HalfNLHconv(..., attention=False)` twice": deepsets,
}


def test_the_table_has_rows_and_every_formula_has_one():
    assert {row.split()[0] for row in ROWS} == {"PyG", "DHG", "TopoModelX", "UniGNN", "AllSet"}
    assert set(FORMULAS) == {row for row in ROWS if row.split()[0] not in ("PyG", "DHG")}


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("row", list(ROWS))
def test_row(row, dense):
    code, then = re.fullmatch(r"`(.*)`(, then ReLU)?", ROWS[row]).groups()
    torch.manual_seed(0)
    arguments = {"c": C, "d": D, "hypergraph": HYPERGRAPH}
    conv = eval(f"{code[:-1]}, dense={dense})", arguments, vars(sgnn)).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    x = torch.randn(7, C, dtype=torch.float64)
    ours = conv(x).relu() if then else conv(x)
    library, theirs = row.split(maxsplit=1)
    if library == "PyG":
        torch.testing.assert_close(ours, pyg(theirs.strip("`"), conv, x))
    elif library == "DHG":
        torch.testing.assert_close(ours, dhg(theirs.strip("`"), conv, x), atol=1e-4, rtol=1e-4)
    else:
        torch.testing.assert_close(ours, FORMULAS[row](x, conv))
    assert ours.std() > 0.01
