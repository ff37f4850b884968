"""The base class of graph layers, as a layer of one's own uses it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.parameter import is_lazy

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


class Whatever(SkeletonConv):
    """A layer with whatever it is handed."""

    def __init__(self, skeleton, **attributes) -> None:
        super().__init__(3, 50, skeleton)
        for name, value in attributes.items():
            setattr(self, name, value)
        self.reset_parameters()


def nan(*shape):
    return nn.Parameter(torch.full(shape, torch.nan))


def test_a_module_in_place_of_a_weight():
    conv = Whatever("h36m17", weight=nn.Linear(3, 50), bias=nan(50))
    with torch.no_grad():
        conv.weight.weight.fill_(torch.nan)
        conv.bias.fill_(torch.nan)
    conv.reset_parameters()
    assert conv.weight.weight.isfinite().all()
    assert 0.8 * 50**-0.5 < conv.bias.abs().max() <= 50**-0.5


def test_neither_weight_nor_bias():
    conv = Whatever("h36m17", dropout=nn.Dropout(0.5), parts=nn.ModuleList([nn.ReLU(), nn.Linear(2, 3)]), bias=False)
    conv.parts[1].weight.data.fill_(torch.nan)
    conv.reset_parameters()
    assert conv.parts[1].weight.isfinite().all()


def test_lazy_parameters_are_left_for_later():
    conv = Whatever(
        "h36m17", weight=nn.UninitializedParameter(), bias=nn.UninitializedParameter(), lin=nn.LazyLinear(4)
    )
    assert is_lazy(conv.weight)
    assert is_lazy(conv.lin.weight)
    assert conv.lin(torch.randn(2, 17, 3)).isfinite().all()


def test_a_weight_that_no_rule_is_for():
    message = (
        r"weight of Whatever has shape \(3,\); expected two dimensions or more, or a reset_parameters\(\) of its own"
    )
    with pytest.raises(SkelgraphError, match=message):
        Whatever("h36m17", weight=nan(3))


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
