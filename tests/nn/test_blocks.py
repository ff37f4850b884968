"""Normalisation and blocks."""

from __future__ import annotations

import torch

from skelgraph.nn import GraphConvBlock, JointBatchNorm, ResidualGraphBlock, SemGraphConv
from skelgraph.topology import Skeleton

CHAIN = Skeleton([-1, 0, 1, 2])


def test_batch_norm_equals_formula_with_gradients_on_permuted_input():
    """The two-dimensional kernel returns wrong gradients for permuted strides on some CPU builds; this one must not."""
    torch.manual_seed(0)
    norm = JointBatchNorm(5).double()
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    leaf = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    cotangent = torch.randn(3, 4, 5, dtype=torch.float64)

    def formula(x):
        mean = x.mean(dim=(0, 1))
        var = x.var(dim=(0, 1), unbiased=False)
        return (x - mean) / (var + norm.eps).sqrt() * norm.weight + norm.bias

    results = []
    for function in (norm, formula):
        y = function(leaf.transpose(1, 2))
        results.append((y, *torch.autograd.grad((y * cotangent).sum(), (leaf, norm.weight, norm.bias))))
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected)
    assert torch.autograd.gradcheck(norm, (leaf.transpose(1, 2),))


def test_batch_norm_shares_the_state_dict_of_torch():
    norm = JointBatchNorm(5)
    torch.nn.BatchNorm1d(5).load_state_dict(norm.state_dict())


def test_blocks_are_what_their_equations_say():
    torch.manual_seed(0)
    block = GraphConvBlock(SemGraphConv(3, 5, CHAIN), dropout=0.5).eval()
    x = torch.randn(2, 4, 3)
    torch.testing.assert_close(block(x), torch.relu(block.norm(block.conv(x))))
    residual = ResidualGraphBlock(SemGraphConv, 3, CHAIN).eval()
    torch.testing.assert_close(residual(x), x + residual.block2(residual.block1(x)))
    assert not torch.equal(block.train()(x), block(x)), "dropout is active in training"
