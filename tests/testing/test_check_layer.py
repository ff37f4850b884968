"""The public test of layers: it passes what keeps the contract and names the clause that something else breaks."""

from __future__ import annotations

import doctest
import functools
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import on_cpu
from skelgraph.nn import (
    HyperedgeConv,
    ImplicitFairingConv,
    SemGraphConv,
    SkeletonConv,
    UniConv,
    UniGCNIIConv,
    graph_matrix,
)
from skelgraph.nn import accepts_flat_batch as flat
from skelgraph.ops import graph_conv
from skelgraph.testing import LAYER_CLAUSES, check_layer, layers
from skelgraph.topology import Graph, JointHypergraph, Skeleton


class Mean(SkeletonConv):
    """The mean over a joint and its neighbours; the least that keeps the contract."""

    def __init__(self, in_channels: int, out_channels: int, skeleton, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.register_buffer("adjacency", self.fixed(), persistent=False)
        self.weight = nn.Parameter(torch.empty(1, in_channels, out_channels))
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels)) if bias else None)
        self.reset_parameters()

    @on_cpu
    def fixed(self) -> Tensor:
        return graph_matrix(self.skeleton)[None]

    @flat
    def forward(self, x: Tensor) -> Tensor:
        return graph_conv(x, self.weight, self.adjacency, bias=self.bias)


class LastPose(Mean):
    def forward(self, x):
        return super().forward(x)[-1:].expand(*x.shape[:-1], -1) if x.dim() > 2 else super().forward(x)


class NoFlat(Mean):
    def forward(self, x):
        return self.adjacency[0] @ x @ self.weight[0] + self.bias


class NotEmpty(Mean):
    def forward(self, x):
        return super().forward(x) - 0 * x.max()


class ByNumber(Mean):
    @flat
    def forward(self, x):
        return super().forward(x * torch.arange(x.size(-2)).unsqueeze(-1))


class Single(Mean):
    @flat
    def forward(self, x):
        return super().forward(x.to(self.weight.dtype)).float()


class NoGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * x

    @staticmethod
    def backward(ctx, grad):
        return grad


class WrongGradient(Mean):
    @flat
    def forward(self, x):
        return super().forward(NoGradient.apply(x))


class Once(torch.autograd.Function):
    """A right gradient that cannot be derived again."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return (2 * grad * x).detach()


class OneDerivative(Mean):
    @flat
    def forward(self, x):
        return super().forward(Once.apply(x))


class Reads(Mean):
    """Branches on the values of its input, which no compiled graph can."""

    @flat
    def forward(self, x):
        return super().forward(x if x.is_meta or not x.numel() or float(x.sum()) < 1e9 else x - 1)


class FixedBatch(Mean):
    def forward(self, x):
        return super().forward(x) if x.dim() != 3 or len(x) != 6 else super().forward(x) + 1


class Shares(Mean):
    def __deepcopy__(self, memo):
        return self


class HoldsFixed(Mean):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_buffer("adjacency", self.fixed())


class OnCpu(Mean):
    @flat
    def forward(self, x):
        return super().forward(x) * torch.ones(x.size(-2), 1, device="cpu", dtype=x.dtype)


class NoReset(Mean):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.scale = nn.Parameter(torch.ones(1))

    @flat
    def forward(self, x):
        return super().forward(x * self.scale)


class Wider(Mean):
    """Starts with another deviation than it is reset to."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        nn.init.normal_(self.weight, std=7)


class AlwaysBias(Mean):
    def __init__(self, in_channels, out_channels, skeleton):
        super().__init__(in_channels, out_channels, skeleton)


class Random(Mean):
    @flat
    def forward(self, x):
        return super().forward(x + torch.rand(1, dtype=x.dtype, device=x.device))


class InPlace(Mean):
    def forward(self, x):
        return super().forward(x if x.requires_grad or torch.compiler.is_compiling() else x.mul_(2))


class Broadcasts(Mean):
    """Takes any input that has the joints of the last pose, and no channels at all."""

    def forward(self, x):
        return super().forward(x[..., :4]) if x.size(-1) > 4 else super().forward(x)


BROKEN = {
    "leading_dimensions": LastPose,
    "flat_batch": NoFlat,
    "empty_batch": NotEmpty,
    "renumbering": ByNumber,
    "precision": Single,
    "gradients": WrongGradient,
    "second_derivatives": OneDerivative,
    "compilation": Reads,
    "export": FixedBatch,
    "copies": Shares,
    "state_dict": HoldsFixed,
    "devices": OnCpu,
    "initialisation": NoReset,
    "bias": AlwaysBias,
    "determinism": Random,
    "wrong_input": Broadcasts,
}
"""For each clause a layer that breaks it."""


def test_every_clause_has_a_layer_that_breaks_it():
    assert set(BROKEN) == set(LAYER_CLAUSES)


@pytest.mark.parametrize("clause", LAYER_CLAUSES)
def test_a_broken_clause_is_named(clause):
    with pytest.raises(AssertionError, match=rf"{BROKEN[clause].__name__} breaks 1 of 1 clauses .*:\n  {clause} \("):
        check_layer(BROKEN[clause], clauses=[clause])


@pytest.mark.parametrize(("layer", "clause"), [(Wider, "initialisation"), (InPlace, "determinism")])
def test_other_ways_to_break_a_clause(layer, clause):
    with pytest.raises(AssertionError, match=rf"\n  {clause} \("):
        check_layer(layer, clauses=[clause])


def test_all_broken_clauses_are_listed():
    with pytest.raises(AssertionError) as error:
        check_layer(AlwaysBias, clauses=["bias", "gradients"])
    assert "1 of 2 clauses" in str(error.value)
    assert "takes no bias=False" in str(error.value)
    with pytest.raises(SkelgraphError, match="unknown clause 'gradient'; did you mean gradients"):
        check_layer(Mean, clauses=["gradient"])


@pytest.mark.parametrize("topology", ["hand21", "h36m16", Skeleton([1, 2, -1, -1])], ids=str)
def test_the_least_layer_on_any_skeleton(topology):
    check_layer(Mean, topology)


def test_graphs_hypergraphs_and_further_inputs():
    check_layer(SemGraphConv, Graph(6, torch.tensor([[0, 1, 2, 3, 4, 5, 0], [1, 2, 3, 4, 5, 0, 3]])))
    hypergraph = JointHypergraph.from_khop("hand21", 1)
    check_layer(HyperedgeConv, hypergraph)
    check_layer(lambda channels, _, topology: UniGCNIIConv(channels, topology), hypergraph, channels=(4, 4))
    check_layer(ImplicitFairingConv, inputs={"x0": ("joints", 4)})


@pytest.mark.parametrize("make", [HyperedgeConv, functools.partial(UniConv, kind="gat", heads=2)])
def test_layers_of_hyperedges_have_a_hypergraph_by_default(make):
    check_layer(make)


def test_joint_axes_and_numbers():
    class PerJoint(Mean):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.scale = nn.Parameter(torch.ones(self.skeleton.num_joints, 1))

        def reset_parameters(self):
            super().reset_parameters()
            if hasattr(self, "scale"):
                nn.init.ones_(self.scale)

        @flat
        def forward(self, x):
            return super().forward(x * self.scale)

    only = functools.partial(check_layer, clauses=["renumbering"])
    only(PerJoint)
    only(PerJoint, joint_axes={"scale": (0,)})
    with pytest.raises(AssertionError, match="joint_axes"):
        only(PerJoint, joint_axes={})
    only(ByNumber, follows_numbering=True)


def test_docstring_example():
    results = doctest.testmod(layers)
    assert results.attempted
    assert not results.failed


def test_needs_no_test_framework():
    code = "import sys, skelgraph.testing; assert not {'pytest', 'hypothesis', 'lightning'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
