"""The base class of graph layers, as a layer of one's own uses it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skelgraph.errors import SkelgraphError
from skelgraph.nn import ImplicitFairingConv, ModulatedAdjacency, SemGraphConv, SkeletonConv, accepts_flat_batch
from skelgraph.topology import Graph


class Linear(SkeletonConv):
    """A layer whose map is another module's, with parts that cannot be reset and parts inside a container."""

    def __init__(self, in_channels: int, out_channels: int, skeleton: str) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.maps = nn.Sequential(nn.Dropout(0.1), nn.Linear(in_channels, out_channels), nn.ReLU())
        self.affinity = ModulatedAdjacency(torch.eye(self.skeleton.num_joints, device="cpu"))
        self.reset_parameters()

    @accepts_flat_batch
    def forward(self, x):
        return self.affinity() @ self.maps(x)


class Flat(SkeletonConv):
    """A layer with one matrix for all joints."""

    def __init__(self, in_channels: int, out_channels: int, skeleton: str, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.weight = nn.Parameter(torch.empty(in_channels, out_channels))
        if bias:
            self.bias = nn.Parameter(torch.empty(out_channels))
        self.reset_parameters()

    @accepts_flat_batch
    def forward(self, x):
        return x @ self.weight


def test_parts_reset_themselves_where_they_can():
    conv = Linear(3, 4, "h36m17")
    for parameter in conv.parameters():
        nn.init.constant_(parameter, torch.nan)
    conv.reset_parameters()
    assert all(parameter.isfinite().all() for parameter in conv.parameters())
    assert conv(torch.randn(2 * 17, 3)).shape == (34, 4)


@pytest.mark.parametrize("bias", [True, False])
def test_a_matrix_as_weight(bias):
    conv = Flat(50, 200, "h36m17", bias)
    bound = 1.414 * (6 / (50 + 200)) ** 0.5
    assert 0.9 * bound < conv.weight.abs().max() <= bound
    if bias:
        assert 0.9 * 200**-0.5 < conv.bias.abs().max() <= 200**-0.5


def test_python_says_what_is_missing():
    for conv in (SemGraphConv(8, 16, "h36m17"), SemGraphConv(8, 16, "h36m17", dense=False), Flat(2, 3, "h36m17")):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
            conv()
        with pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
            conv(y=torch.randn(17, conv.in_channels))
        with pytest.raises(SkelgraphError, match=r"needs a tensor, got ndarray \(17, 8\) of float64"):
            conv(np.zeros((17, 8)))
        with pytest.raises(SkelgraphError, match="needs a tensor, got None"):
            conv(None)


@pytest.mark.parametrize("shape", [(17,), (), (16, 17), (2, 16, 17), (17, 17, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(SkelgraphError, match=r"needs input of shape \(\.\.\., 17, 17\)"):
        SemGraphConv(17, 16, "h36m17")(torch.randn(shape))


def test_two_inputs_have_one_shape():
    conv = ImplicitFairingConv(2, 4, "h36m17")
    with pytest.raises(SkelgraphError, match="needs inputs of one shape"):
        conv(torch.randn(1, 17, 2), torch.randn(2, 17, 2))


def test_a_graph_without_nodes():
    conv = SemGraphConv(2, 4, Graph(0, torch.zeros(2, 0, dtype=torch.long)))
    with pytest.raises(SkelgraphError, match="needs input of shape"):
        conv(torch.randn(0, 2))
