"""The mixer blocks of GraphMLP and MLP-Graph, and their parts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from skelgraph.models import GraphMLP, MLPGraph
from skelgraph.nn import DropPath, FeedForward, GraphMLPBlock, MLPGraphBlock
from skelgraph.topology import Skeleton

CHAIN = Skeleton([-1, 0, 1])


@pytest.mark.parametrize(("file", "token_norm"), [("graph_mlp_mlp_gcn_f1", False), ("graph_mlp_mlp_gcn_fN", True)])
def test_graph_mlp_blocks_match_official_code(file, token_norm, golden):
    reference = golden(file)
    blocks = nn.ModuleList(GraphMLPBlock(32, "h36m17", 24, 48, token_norm=token_norm) for _ in range(3))
    stack = nn.ModuleDict({"blocks": blocks, "norm": nn.LayerNorm(32, eps=1e-6)}).double().eval()
    stack.load_state_dict(GraphMLP.official.translate(reference.state_dict()))
    x = h = reference["in/x"].requires_grad_()
    for block in blocks:
        h = block(h)
    y = stack["norm"](h)
    (y * reference["in/g"]).sum().backward()
    reference.assert_close(y, "out/y")
    reference.assert_close(x.grad, "grad/x")


@pytest.mark.parametrize(("neighbours", "rule"), [(False, ""), (True, "_neighbour")])
def test_mlp_graph_block_matches_official_code(neighbours, rule, golden):
    reference = golden("mlp_graph_mixer_block")
    block = MLPGraphBlock(24, "h36m16", 40, neighbours=neighbours).double().eval()
    official = {f"gconv_layers.mixer_blocks.0.{key}": value for key, value in reference.state_dict().items()}
    ours = MLPGraph.official.translate(official)
    block.load_state_dict({key.removeprefix("blocks.0."): value for key, value in ours.items()})
    x, x0 = (reference[key].requires_grad_() for key in ("in/x", "in/x0"))
    y = block(x, x0)
    (y * reference["in/g"]).sum().backward()
    for actual, key in ((y, "out/y"), (x.grad, "grad/x"), (x0.grad, "grad/x0")):
        reference.assert_close(actual, key + rule)


@pytest.mark.parametrize("norm", [False, True])
def test_feed_forward_equals_equation(norm):
    torch.manual_seed(0)
    mlp = FeedForward(3, 5, norm=norm).double()
    x = torch.randn(2, 3, dtype=torch.float64)

    def standardise(v):
        return (v - v.mean()) / (v.var(correction=0) + 1e-5).sqrt() if norm else v

    for row, y in zip(x, mlp(x), strict=True):
        h = standardise(mlp.linear1.weight @ row + mlp.linear1.bias)
        h = h * 0.5 * (1 + torch.erf(h / 2**0.5))
        torch.testing.assert_close(y, standardise(mlp.linear2.weight @ h + mlp.linear2.bias))


def test_drop_path_drops_whole_poses_and_keeps_the_mean():
    torch.manual_seed(0)
    drop = DropPath(0.25)
    x = torch.rand(4000, 3, 2) + 1
    ratio = drop(x) / x
    ratio = ratio.round(decimals=4)
    assert (ratio == ratio[:, :1, :1]).all(), "one draw for a pose"
    assert set(ratio[:, 0, 0].tolist()) == {0.0, ratio.max().item()}
    torch.testing.assert_close(ratio.max(), torch.tensor(4 / 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(ratio.mean(), torch.tensor(1.0), atol=0.05, rtol=0)
    assert drop(x.view(40, 100, 3, 2)).shape == (40, 100, 3, 2)
    assert drop.eval()(x) is x
    assert "0.25" in repr(drop)
    for p in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"p is .*; expected a number of at least 0 and below 1"):
            DropPath(p)


def test_one_draw_covers_both_branches():
    """A pose that is dropped skips perceptron and graph layer together."""
    torch.manual_seed(0)
    block = GraphMLPBlock(4, CHAIN, 5, 6, dropout=0.0, drop_path=0.9)
    x = torch.randn(200, 3, 4)
    dropped_twice = (block(x) == x).all(dim=-1).all(dim=-1).float().mean()
    assert 0.7 < dropped_twice < 0.9, "0.9 squared: two independent draws"


def test_blocks_take_leading_dimensions_and_empty_batches():
    x = torch.randn(2, 5, 3, 4)
    for block in (GraphMLPBlock(4, CHAIN, 5, 6).eval(), MLPGraphBlock(4, CHAIN, 6).eval()):
        inputs = (x, x) if isinstance(block, MLPGraphBlock) else (x,)
        y = block(*inputs)
        torch.testing.assert_close(block(*(v[1, 2] for v in inputs)), y[1, 2])
        assert block(*(v[:0] for v in inputs)).shape == (0, 5, 3, 4)
