"""What every graph layer must do, whatever its equation."""

from __future__ import annotations

import copy
import doctest
import functools
import importlib
import math

import pytest
import torch

from skelgraph import nn as sgnn
from skelgraph.nn.conv.weight_sharing_conv import SHARING
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
}
"""Every graph layer, as a function of ``(in_channels, out_channels, skeleton, bias=True)``."""
JOINT_AXES: dict[str, dict[str, tuple[int, ...]]] = {
    **{f"WeightSharingConv[{s}]": {"weight": (1,)} for s in ("preagg", "dc_preagg", "postagg", "dc_postagg")},
    "WeightSharingConv[nosharing]": {"weight": (0, 1)},
    "WeightSharingConv[dc_preagg, experts]": {"weight": (1,), "conditional.experts": (1, 2)},
    "WeightSharingConv[nosharing, experts]": {"weight": (0, 1), "conditional.experts": (1, 2)},
    "ConditionalGraphConv": {"modulation": (0,), "conditional.experts": (1, 2)},
    **{
        c: {"modulation": (0,), "affinity.offset": (0, 1)} for c in ("ModulatedGraphConv", "ModulatedGraphConv[xavier]")
    },
    **{
        c: {"modulation": (0,), "affinity.offset": (0, 1)}
        for c in ("WeightedJacobiConv", "WeightedJacobiConv[neighbours]")
    },
    **{
        c: {"modulation": (1,), "affinity.offset": (1, 2)}
        for c in ("RegularSplittingConv", "RegularSplittingConv[sum]")
    },
}
"""Per layer, the axes of its parameters that run over the joints (``"logits"`` of edges need none)."""
NUMBERED = {"WeightSharingConv[convst]"}
"""Layers that tell neighbours apart by their numbers, as released."""
HAND = Skeleton([-1, 0, 1, 0, 3, 0, 5], name="hand7")


@pytest.fixture(params=list(CONVS), name="name")
def _name(request):
    return request.param


@pytest.fixture(name="make")
def _make(name):
    return CONVS[name]


def randomised(conv, seed=0):
    """The layer with random parameters, so that nothing hides behind an initialisation of ones and zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
    return conv


@pytest.mark.parametrize("layout", ["h36m17", "h36m16", "coco17", HAND], ids=str)
def test_any_skeleton_and_leading_dimensions(make, layout):
    conv = make(4, 8, layout)
    joints = as_skeleton(layout).num_joints
    for lead in [(), (1,), (3,), (2, 5)]:
        assert conv(torch.randn(*lead, joints, 4)).shape == (*lead, joints, 8)


def test_flattened_batch_equals_batch(make):
    conv = make(4, 8, HAND)
    x = torch.randn(3, 7, 4)
    torch.testing.assert_close(conv(x.flatten(0, 1)), conv(x).flatten(0, 1))
    torch.testing.assert_close(conv(x[0]), conv(x)[0])


def test_runs_on_a_pyg_batch(make):
    conv = make(4, 8, HAND)
    x = torch.randn(3, 7, 4)
    batch = HAND.to_data(x)
    torch.testing.assert_close(conv(batch.x), conv(x).flatten(0, 1))


def test_gradcheck(make):
    conv = randomised(make(2, 4, HAND).double())
    x = torch.randn(2, 7, 2, dtype=torch.float64, requires_grad=True)
    parameters = dict(conv.named_parameters())

    def function(x, *values):
        return torch.func.functional_call(conv, dict(zip(parameters, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(function, (x, *parameters.values()))


def test_float64_float32_and_bf16_agree(make):
    conv = randomised(make(4, 8, HAND).double())
    x = torch.randn(3, 7, 4, dtype=torch.float64)
    expected = conv(x)
    single = copy.deepcopy(conv).float()
    torch.testing.assert_close(single(x.float()), expected.float(), atol=1e-5, rtol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        low = single(x.float())
    torch.testing.assert_close(low.double(), expected, atol=0.2, rtol=0.1)


def test_fullgraph_compile_and_export(make):
    conv = make(4, 8, HAND)
    x = torch.randn(3, 7, 4)
    torch.testing.assert_close(torch.compile(conv, fullgraph=True, backend="aot_eager")(x), conv(x))
    torch._dynamo.reset()
    exported = torch.export.export(conv, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    torch.testing.assert_close(exported.module()(torch.cat([x, x])), conv(torch.cat([x, x])))


def test_state_dict_round_trip_and_deepcopy(make):
    conv, other = make(4, 8, HAND), make(4, 8, HAND)
    x = torch.randn(3, 7, 4)
    other.load_state_dict(conv.state_dict())
    torch.testing.assert_close(other(x), conv(x), atol=0, rtol=0)
    torch.testing.assert_close(copy.deepcopy(conv)(x), conv(x), atol=0, rtol=0)
    assert set(conv.state_dict()) == {name for name, _ in conv.named_parameters()}, (
        "fixed tensors stay out of checkpoints"
    )


def test_reset_parameters_reinitialises(make):
    conv = randomised(make(4, 8, HAND))
    before = {k: v.clone() for k, v in conv.state_dict().items()}
    torch.manual_seed(3)
    conv.reset_parameters()
    after = conv.state_dict()
    torch.manual_seed(3)
    fresh = make(4, 8, HAND).state_dict()
    assert all(not torch.equal(before[k], after[k]) for k in before)
    assert all(math.isclose(fresh[k].std().nan_to_num(), after[k].std().nan_to_num(), rel_tol=0.6) for k in after)


def test_moves_to_another_device(make):
    conv = make(4, 8, HAND).to("meta")
    assert all(t.device.type == "meta" for t in [*conv.parameters(), *conv.buffers()])
    assert conv(torch.randn(3, 7, 4, device="meta")).shape == (3, 7, 8)


def test_without_bias(make):
    conv = make(4, 8, HAND, bias=False)
    assert "bias" not in dict(conv.named_parameters())
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


def test_relabelling_joints_relabels_the_output(name, make):
    """Permuting the joints and, with them, everything that belongs to a joint or an edge permutes the output."""
    if name in NUMBERED:
        pytest.skip("follows the numbering of the joints")
    order = torch.tensor([3, 0, 4, 6, 1, 5, 2])  # new joint i is old joint order[i]
    place = {int(old): new for new, old in enumerate(order)}
    renamed = Skeleton([place.get(HAND.parents[int(old)], -1) for old in order])
    conv, other = randomised(make(4, 8, HAND).double()), make(4, 8, renamed).double()
    state = {
        key: relabel(value, conv, other, key, order, JOINT_AXES.get(name, {}).get(key, ()))
        for key, value in conv.state_dict().items()
    }
    other.load_state_dict(state)
    x = torch.randn(3, 7, 4, dtype=torch.float64)
    torch.testing.assert_close(other(x[:, order]), conv(x)[:, order])


def relabel(value, conv, other, key, order, axes):
    """Carry one parameter of ``conv`` over to the renamed skeleton."""
    for axis in axes:
        value = value.index_select(axis, order)
    if not key.endswith("logits"):
        return value
    module = key.rpartition(".")[0]
    old, new = conv.get_submodule(module), other.get_submodule(module)
    dense = value.new_zeros(value.size(0), old.blank.numel()).index_copy(1, old.index, value)
    moved = dense.view(-1, *old.shape)[..., order, :][..., order].flatten(1)
    return moved[:, new.index]


def test_docstring_examples():
    modules = {importlib.import_module(type(make(4, 8, HAND)).__module__) for make in CONVS.values()}
    results = [doctest.testmod(module, extraglobs={"torch": torch}) for module in modules]
    assert sum(r.attempted for r in results) >= len(modules)
    assert not any(r.failed for r in results)
