"""The layer on features of joints, bones and hyperedges."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import NodeEdgeHyperedgeConv
from skelgraph.topology import JointHypergraph, Skeleton

BODY = Skeleton([-1, 0, 1, 0, 3], symmetric_pairs=[(1, 3), (2, 4)])
LISTS = [[0, 1, 3], [1, 2], [0, 1, 2, 3, 4], [2, 4]]  # no bone is inside the last one
TOPOLOGY = JointHypergraph.from_lists(5, LISTS, skeleton=BODY)
J, K, M, C = 5, 4, 4, 6

OPTIONS = [
    {},
    {"use_bones": False},
    {"use_hyperedges": False},
    {"use_bones": False, "use_hyperedges": False},
    {"exchange": False},
    {"update": "pool"},
    {"update": "pool", "exchange": False},
    {"fusion": "mean"},
    {"fusion": "concat"},
    {"fusion": "gate", "use_bones": False},
    {"mask": "hard"},
    {"mask": "none"},
    {"dynamic_hyperedges": 3, "temperature": 0.5},
    {"dynamic_hyperedges": 3, "mask": "hard", "ffn_ratio": 1.5},
]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=OPTIONS, ids=str, name="options")
def _options(request):
    return request.param


def layer(options, dropout=0.0):
    """A layer with every parameter drawn at random: zero gates and biases would hide a lot."""
    conv = NodeEdgeHyperedgeConv(C, TOPOLOGY, heads=2, dropout=dropout, **options).double()
    for parameter in conv.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return conv


def features(options, *batch):
    x, e, y = (torch.randn(*batch, tokens, C, dtype=torch.float64) for tokens in (J, K, M))
    return x, e if options.get("use_bones", True) else None, y if options.get("use_hyperedges", True) else None


STREAMS = ("x", "bone_attr", "hyperedge_attr")


def equation(conv, x, e, y, options):
    """One pose, by the definition."""

    def norm(module, v):
        centred = v - v.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * module.weight + module.bias

    def gelu(v):
        return 0.5 * v * (1 + torch.erf(v / math.sqrt(2)))

    def attend(attention, x, z, distance, mask, extra):
        z = z if extra is None else torch.cat((z, extra))
        q = attention.query(x)
        k, v = attention.key_value(z).chunk(2, dim=-1)
        rows = []
        for i, r in itertools.product(range(J), range(2)):
            head = slice(3 * r, 3 * r + 3)
            seen = [t for t in range(len(z)) if t >= len(distance[0]) or mask != "hard" or distance[i][t] == 0]
            beta = [
                0.0 if mask == "none" or t >= len(distance[0]) else attention.table[r, distance[i][t]] for t in seen
            ]
            scores = torch.stack([q[i, head] @ k[t, head] / math.sqrt(3) + b for t, b in zip(seen, beta, strict=True)])
            weights = scores.exp() / scores.exp().sum()
            rows.append(sum(w * v[t, head] for w, t in zip(weights, seen, strict=True)))
        return attention.out(torch.cat(rows).view(J, C))

    def update(stream, state, own, other):
        messages = [own] if other is None else [own, other]
        if options.get("update") == "pool":
            return state + sum(messages)
        total = stream.map.bias
        for message, weight in zip(messages, stream.map.weight.split(C, dim=1), strict=True):
            total = total + message @ weight.T
        return state + gelu(total)

    hop = BODY.hop_distance().tolist()
    zero = torch.zeros(C, dtype=torch.float64)
    mask = options.get("mask", "soft")
    exchange = options.get("exchange", True) and e is not None and y is not None
    inside = [[parent in members and child in members for members in LISTS] for parent, child in BODY.edges]

    def mean(values):
        return torch.stack(values).mean(0) if values else zero

    node = norm(conv.node_norm, x)
    messages = [attend(conv.node_attention, node, node, hop, "soft" if mask == "hard" else mask, None)]
    edge = None if e is None else norm(conv.bone.norm, e)
    hyper = None if y is None else norm(conv.hyperedge.norm, y)
    if e is not None:
        own = torch.stack([node[child] - node[parent] for parent, child in BODY.edges])
        other = None
        if exchange:
            other = torch.stack([mean([hyper[m] for m in range(M) if inside[k][m]]) for k in range(K)])
        e = update(conv.bone, e, own, other)
        near = [[min(hop[i][parent], hop[i][child]) for parent, child in BODY.edges] for i in range(J)]
        messages.append(attend(conv.bone.attention, node, norm(conv.bone.token_norm, e), near, mask, None))
    if y is not None:
        own = torch.stack([mean([node[j] for j in members]) for members in LISTS])
        other = None
        if exchange:
            other = torch.stack([mean([edge[k] for k in range(K) if inside[k][m]]) for m in range(M)])
        y = update(conv.hyperedge, y, own, other)
        near = [[min(hop[i][j] for j in members) for members in LISTS] for i in range(J)]
        extra = None
        if options.get("dynamic_hyperedges"):
            share = (node @ conv.assign.weight.T / options.get("temperature", 1.0)).exp()
            share = share / share.sum(-1, keepdim=True)
            extra = torch.stack([(s[:, None] * node).sum(0) / s.sum() for s in share.T])
        tokens = norm(conv.hyperedge.token_norm, y)
        messages.append(attend(conv.hyperedge.attention, node, tokens, near, mask, extra))

    gates = None
    fusion = options.get("fusion", "gate")
    if len(messages) == 1:
        message = messages[0]
    elif fusion == "concat":
        message = conv.fuse(torch.cat(messages, dim=-1))
    else:
        weights = torch.full((J, len(messages)), 1 / len(messages), dtype=torch.float64)
        if fusion == "gate":
            scores = conv.gate(torch.cat(messages, dim=-1)).exp()
            gates = weights = scores / scores.sum(-1, keepdim=True)
        message = conv.fuse(sum(weights[:, s, None] * message for s, message in enumerate(messages)))
    x = x + message
    x = x + conv.ffn.linear2(gelu(conv.ffn.linear1(norm(conv.ffn_norm, x))))
    return x, e, y, gates


def assert_all_close(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


def test_equation(options):
    conv = layer(options)
    inputs = features(options, 3)
    outputs = conv(*inputs, return_gates=True)
    for b in range(3):
        pose = [None if value is None else value[b] for value in inputs]
        expected = equation(conv, *pose, options)
        assert_all_close([None if value is None else value[b] for value in outputs], expected)
    assert_all_close(conv(*inputs), outputs[:3])


def test_gradients(options):
    """Of inputs, and of parameters: all take part, those of an idle normalisation with gradient zero."""
    conv = layer(options)
    inputs = {name: value for name, value in zip(STREAMS, features(options, 1), strict=True) if value is not None}

    def run(*values):
        return tuple(value for value in conv(**dict(zip(inputs, values, strict=True))) if value is not None)

    leaves = [value.requires_grad_() for value in inputs.values()]
    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)
    run(*leaves)[0].square().sum().backward()
    exchange = conv.bone is not None and conv.hyperedge is not None and options.get("exchange", True)
    for name, parameter in conv.named_parameters():
        assert parameter.grad is not None, name
        idle = name.startswith(("bone.norm", "hyperedge.norm")) and not exchange
        if idle:
            assert not parameter.grad.any(), name
        elif not name.endswith("key_value.bias"):
            assert parameter.grad.any(), name


def test_leading_dimensions_and_flattened_form(options):
    conv = layer(options)
    inputs = features(options, 2, 3)
    outputs = conv(*inputs, return_gates=True)
    poses = [None if value is None else value.flatten(0, 1) for value in inputs]
    rows = [None if value is None else value.flatten(0, 2) for value in inputs]
    assert_all_close([o if o is None else o.flatten(0, 1) for o in outputs], conv(*poses, return_gates=True))
    assert_all_close([o if o is None else o.flatten(0, 2) for o in outputs], conv(*rows, return_gates=True))
    assert conv(*(None if value is None else value[:0] for value in poses))[0].shape == (0, J, C)


def test_runs_anywhere(options):
    conv = layer(options).float()
    double = features(options, 2)
    inputs = [None if value is None else value.float() for value in double]
    outputs = conv(*inputs)
    reference = copy.deepcopy(conv).double()(*double)
    for low, exact in zip(outputs, reference, strict=True):
        if exact is not None:
            torch.testing.assert_close(low.double(), exact, atol=1e-4, rtol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        low = conv(*inputs)[0]
    torch.testing.assert_close(low.double(), reference[0], atol=0.1 * reference[0].abs().max().item(), rtol=0.2)
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")(*inputs)
    torch.testing.assert_close(compiled[0], outputs[0])
    torch._dynamo.reset()
    conv.to("meta")
    assert conv(*(None if value is None else value.to("meta") for value in inputs))[0].shape == (2, J, C)


def test_permuted_hyperedges_permute_their_features_only():
    order = [2, 0, 3, 1]
    conv = layer({})
    other = NodeEdgeHyperedgeConv(
        C, JointHypergraph.from_lists(5, [LISTS[m] for m in order], skeleton=BODY), heads=2
    ).double()
    other.load_state_dict(conv.state_dict())
    x, e, y = features({}, 2)
    expected = conv(x, e, y)
    assert_all_close(other(x, e, y[:, order]), (expected[0], expected[1], expected[2][:, order]))


def test_gates_start_equal():
    conv = NodeEdgeHyperedgeConv(12, "h36m17", heads=2)
    *_, gates = conv(torch.randn(2, 17, 12), torch.randn(2, 16, 12), torch.randn(2, 15, 12), return_gates=True)
    assert gates.shape == (2, 17, 3)
    assert (gates == 1 / torch.tensor(3.0)).all()


def test_a_change_far_away_reaches_a_joint_only_through_its_own_tokens_with_a_hard_mask():
    conv = layer({"mask": "hard"})
    with torch.no_grad():  # joints do not see each other
        conv.node_attention.out.weight.zero_()
    x, e, y = features({})
    for stream, incident in ((1, BODY.edges), (2, LISTS)):
        changed = [x, e.clone(), y.clone()]
        changed[stream][0] += torch.randn(C)
        if stream == 2:  # bones inside a hyperedge carry its features on
            reached = set(incident[0]) | {j for bone in BODY.edges if set(bone) <= set(incident[0]) for j in bone}
        else:
            reached = {
                j for members in (incident[0], *(m for m in LISTS if set(incident[0]) <= set(m))) for j in members
            }
        same = (conv(*changed)[0] == conv(x, e, y)[0]).all(dim=-1).tolist()
        assert {j for j, equal in enumerate(same) if not equal} == reached


def test_dropout_acts_in_training_only():
    conv = layer({}, dropout=0.5)
    inputs = features({})
    assert not torch.equal(conv(*inputs)[0], conv(*inputs)[0])
    conv.eval()
    assert torch.equal(conv(*inputs)[0], conv(*inputs)[0])


def test_means_are_exact_in_float64():
    conv = layer({}).double()
    means = conv.hyperedge.from_joints(torch.eye(5, dtype=torch.float64))
    assert means[0, 0].item() == 1 / 3


def test_single_joint_and_separate_trees():
    dot = JointHypergraph.from_lists(1, [[0]], skeleton=Skeleton([-1]))
    x, e, y = NodeEdgeHyperedgeConv(4, dot, heads=2)(torch.randn(2, 1, 4), torch.randn(2, 0, 4), torch.randn(2, 1, 4))
    assert (x.shape, e.shape, y.shape) == ((2, 1, 4), (2, 0, 4), (2, 1, 4))
    forest = JointHypergraph.from_lists(4, [[0, 1], [2, 3]], skeleton=Skeleton([-1, 0, -1, 2]))
    for mask in ("soft", "hard"):
        outputs = NodeEdgeHyperedgeConv(4, forest, heads=2, mask=mask)(*(torch.randn(2, n, 4) for n in (4, 2, 2)))
        assert all(value.isfinite().all() for value in outputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"update": "pol"}, "update is 'pol'; expected 'linear' or 'pool'"),
        ({"fusion": "sum"}, "fusion is 'sum'; expected 'gate', 'mean' or 'concat'"),
        ({"mask": "on"}, "mask is 'on'; expected 'soft', 'hard' or 'none'"),
        ({"heads": 4}, "heads is 4; expected a divisor of the width 6"),
        ({"dynamic_hyperedges": -1}, "dynamic_hyperedges is -1"),
        ({"dynamic_hyperedges": 2, "use_hyperedges": False}, "0 without use_hyperedges"),
        ({"ffn_ratio": 0}, "ffn_ratio is 0"),
        ({"temperature": 0}, "temperature is 0; expected a number above 0"),
        ({"hypergraph": JointHypergraph.from_lists(5, LISTS)}, "no skeleton"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(SkelgraphError, match=message):
        NodeEdgeHyperedgeConv(**({"channels": C, "hypergraph": TOPOLOGY, "heads": 2} | options))


def test_wrong_inputs_are_named():
    x, e, y = features({}, 2)
    conv = layer({})
    with pytest.raises(ValueError, match="bone_attr is missing"):
        conv(x, hyperedge_attr=y)
    with pytest.raises(ValueError, match=r"needs hyperedge_attr of shape \(..., 4, 6\)"):
        conv(x, e, y[:, :3])
    with pytest.raises(ValueError, match=r"needs x of shape \(..., 5, 6\)"):
        conv(x[..., :5], e, y)
    with pytest.raises(ValueError, match="bone_attr is given, but"):
        layer({"use_bones": False})(x, e, y)
