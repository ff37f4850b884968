"""What every graph layer must do, whatever its equation."""

from __future__ import annotations

import doctest
import functools
import importlib

import pytest
import torch

from skelgraph import nn as sgnn
from skelgraph.nn.conv.weight_sharing_conv import SHARING
from skelgraph.testing import LAYER_CLAUSES, check_layer
from skelgraph.topology import Skeleton, as_skeleton

CONVS = {
    **{f"WeightSharingConv[{s}]": functools.partial(sgnn.WeightSharingConv, sharing=s) for s in SHARING},
    "WeightSharingConv[dc_preagg, experts]": functools.partial(
        sgnn.WeightSharingConv, sharing="dc_preagg", num_experts=6, routing_dropout=0.0
    ),
    "WeightSharingConv[nosharing, experts]": functools.partial(
        sgnn.WeightSharingConv, sharing="nosharing", num_experts=6, routing_dropout=0.0
    ),
    "ConditionalGraphConv": sgnn.ConditionalGraphConv,
    "ChebyshevGraphConv": sgnn.ChebyshevGraphConv,
    "HighOrderGraphConv": sgnn.HighOrderGraphConv,
    "HighOrderGraphConv[sum, exact, 5 hops]": functools.partial(
        sgnn.HighOrderGraphConv, reduce="sum", hops="exact", num_hops=5
    ),
    "ImplicitFairingConv": functools.partial(sgnn.ImplicitFairingConv, beta=sgnn.fairing_beta(2)),
    "ModulatedGraphConv": sgnn.ModulatedGraphConv,
    "ModulatedGraphConv[xavier]": functools.partial(sgnn.ModulatedGraphConv, modulation_init="xavier", symmetric=False),
    "PartitionedGraphConv": sgnn.PartitionedGraphConv,
    "RegularSplittingConv": sgnn.RegularSplittingConv,
    "RegularSplittingConv[sum]": functools.partial(sgnn.RegularSplittingConv, reduce="sum", num_hops=2),
    "SemGraphConv": sgnn.SemGraphConv,
    "SemCHGraphConv": sgnn.SemCHGraphConv,
    "WeightedJacobiConv": sgnn.WeightedJacobiConv,
    "WeightedJacobiConv[neighbours]": functools.partial(sgnn.WeightedJacobiConv, neighbours=True),
    **{
        f"{cls.__name__}[lists]": functools.partial(cls, dense=False)
        for cls in (
            sgnn.ChebyshevGraphConv, sgnn.HighOrderGraphConv, sgnn.ImplicitFairingConv, sgnn.PartitionedGraphConv,
            sgnn.SemCHGraphConv, sgnn.SemGraphConv, sgnn.WeightSharingConv,
        )
    },
    **{
        f"{cls.__name__}[edges, {form}]": functools.partial(cls, learn_on="edges", dense=form == "matrices", **options)
        for form in ("matrices", "lists")
        for cls, options in (
            (sgnn.ConditionalGraphConv, {}),
            (sgnn.ModulatedGraphConv, {}),
            (sgnn.RegularSplittingConv, {}),
            (sgnn.WeightSharingConv, {"sharing": "nosharing"}),
            (sgnn.WeightedJacobiConv, {}),
        )
    },
}  # fmt: skip
"""Every graph layer, as a function of ``(in_channels, out_channels, skeleton, bias=True)``."""
NUMBERED = {"WeightSharingConv[convst]", *(name for name in CONVS if "[edges" in name)}
"""Layers that tell neighbours apart by their numbers, as released, or whose parameters belong to edges by number."""
HAND = Skeleton([-1, 0, 1, 0, 3, 0, 5], name="hand7")


@pytest.fixture(params=list(CONVS), name="name")
def _name(request):
    return request.param


@pytest.fixture(name="make")
def _make(name):
    return CONVS[name]


@pytest.mark.parametrize("layout", ["h36m17", "h36m16", "coco17", HAND], ids=str)
def test_any_skeleton_and_leading_dimensions(make, layout):
    conv = make(4, 8, layout)
    joints = as_skeleton(layout).num_joints
    for lead in [(), (1,), (3,), (2, 5)]:
        assert conv(torch.randn(*lead, joints, 4)).shape == (*lead, joints, 8)


@pytest.mark.parametrize("clause", LAYER_CLAUSES)
def test_contract_of_layers(name, make, clause):
    check_layer(make, HAND, follows_numbering=name in NUMBERED, clauses=[clause])


def test_no_bias_adds_nothing(make):
    conv = make(4, 8, HAND, bias=False)
    torch.testing.assert_close(conv(torch.zeros(2, 7, 4)), torch.zeros(2, 7, 8))


def test_repr_and_bad_input(make):
    conv = make(4, 8, HAND)
    assert repr(conv).startswith(f"{type(conv).__name__}(\n  4, 8, hand7") or repr(conv).startswith(
        f"{type(conv).__name__}(4, 8, hand7"
    )
    for shape in [(3, 6, 4), (3, 7, 5), (8, 4)]:
        with pytest.raises(ValueError, match=r"needs input of shape \(\.\.\., 7, 4\)"):
            conv(torch.randn(*shape))
    with pytest.raises(ValueError, match="in_channels is 0; expected an integer from 1"):
        make(0, 8, HAND)


def test_every_layer_is_in_the_table():
    exported = {value for name in sgnn.conv.__all__ if isinstance(value := getattr(sgnn.conv, name), type)}
    exported -= {sgnn.SkeletonConv}
    tested = {type(make(4, 8, HAND)) for make in CONVS.values()}
    missing = ", ".join(sorted(layer.__name__ for layer in exported - tested))
    assert not missing, f"enter {missing} of skelgraph.nn.conv.__all__ in CONVS of this file, so that they are tested"
    assert tested <= exported, "a layer in CONVS is not in skelgraph.nn.conv.__all__"


def test_docstring_examples():
    modules = {importlib.import_module(type(make(4, 8, HAND)).__module__) for make in CONVS.values()}
    results = [doctest.testmod(module, extraglobs={"torch": torch}) for module in modules]
    assert sum(r.attempted for r in results) >= len(modules)
    assert not any(r.failed for r in results)
