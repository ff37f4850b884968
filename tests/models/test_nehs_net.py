"""NEHSNet: what is published of it, and what its design promises."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import create_model, load_official, model_info
from skelgraph.nn import PostRefine, aligned_pose_loss
from skelgraph.topology import Skeleton, as_skeleton

SMALL = {"depth": 2, "d_model": 12, "n_heads": 2}
TOTALS = [
    ({}, 4_047_600),
    ({"use_bones": False}, 2_697_741),
    ({"use_hyperedges": False}, 2_698_227),
    ({"use_bones": False, "use_hyperedges": False}, 1_538_877),
    ({"exchange": False}, 3_666_576),
    ({"update": "pool", "ffn_ratio": 4}, 4_047_600),
    ({"ffn_ratio": 1}, 3_665_820),
    ({"ffn_ratio": 4}, 4_811_160),
    ({"fusion": "mean"}, 4_040_787),
    ({"fusion": "concat"}, 4_421_811),
    ({"depth": 1}, 1_360_458),
    ({"depth": 2}, 2_704_029),
    ({"depth": 4}, 5_391_171),
    ({"mask": "none"}, 4_047_132),
    ({"mask": "hard"}, 4_047_600),
    ({"hyperedges": ("parts",)}, 4_045_044),
    ({"hyperedges": ("parts", "sides")}, 4_045_548),
    ({"hyperedges": ("parts", "sym")}, 4_046_592),
]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def build(**options):
    return create_model("nehs_net", "h36m17", **(SMALL | options))


@pytest.mark.parametrize(("options", "expected"), TOTALS, ids=lambda value: str(value))
def test_parameter_totals(options, expected):
    assert sum(p.numel() for p in create_model("nehs_net", **options).parameters()) == expected


def test_published_facts():
    info = model_info("nehs_net")
    assert info.published == {"cpn": (49.50, 38.83)}
    assert {key: info.options[key] for key in ("depth", "d_model", "n_heads", "dropout")} == {
        "depth": 3,
        "d_model": 252,
        "n_heads": 6,
        "dropout": 0.3,
    }
    assert sum(p.numel() for p in PostRefine("h36m17", hidden_channels=1536).parameters()) == 210_466
    with pytest.raises(CheckpointError, match="no official checkpoints"):
        load_official("nehs_net", {"head.weight": torch.zeros(3, 252)})


def test_centre_frame_only():
    model = create_model("nehs_net").eval()
    clip = torch.randn(2, 9, 17, 2)
    assert model(clip[:, :1]).shape == model(clip).shape == (2, 17, 3)
    assert torch.equal(model(clip), model(clip[:, 4]))


def test_every_parameter_learns():
    model = create_model("nehs_net")
    model(torch.randn(4, 17, 2)).square().sum().backward()
    for name, parameter in model.named_parameters():
        grad = parameter.grad
        if name.endswith("key_value.bias"):  # the softmax does not feel the bias of the keys
            assert grad[:252].abs().max() < 1e-3 * grad[252:].abs().max()
            grad = grad[252:]
        assert grad.abs().max() > 1e-5, name


def test_order_of_hyperedges_does_not_matter():
    groups = build().hypergraph.hyperedges
    order = torch.randperm(len(groups)).tolist()
    model = build(hyperedges=groups, dropout=0.0)
    other = build(hyperedges=[groups[m] for m in order], dropout=0.0)
    state = model.state_dict()
    state["hyperedge_embedding.position"] = state["hyperedge_embedding.position"][order]
    other.load_state_dict(state)
    x = torch.randn(3, 17, 2)
    torch.testing.assert_close(other(x), model(x), atol=1e-5, rtol=0)


def test_direction_of_bones_does_not_matter():
    """Turning all bones around is the same as negating what reads their vectors."""
    model = build(dropout=0.0)
    turned = copy.deepcopy(model)
    turned.bones.copy_(model.bones.flip(1))
    with torch.no_grad():
        turned.bone_embedding.linear.weight[:, :2] *= -1
        for block in turned.blocks:
            block.bone.from_joints.matrix.neg_()
            block.bone.map.weight[:, :12] *= -1
    x = torch.randn(3, 17, 2)
    torch.testing.assert_close(turned(x), model(x), atol=1e-5, rtol=0)
    turned.bones.copy_(model.bones)
    assert not torch.allclose(turned(x), model(x), atol=1e-3)


def test_gates_start_at_a_third_and_come_out():
    model = create_model("nehs_net", return_features=True).eval()
    x = torch.randn(2, 17, 2)
    pose, features = model(x)
    assert pose.shape == (2, 17, 3)
    assert features.x.shape == (2, 17, 252)
    assert features.bone_attr.shape == (2, 16, 252)
    assert features.hyperedge_attr.shape == (2, 15, 252)
    assert features.gates.shape == (2, 3, 17, 3)
    assert (features.gates == 1 / torch.tensor(3.0)).all()
    torch.testing.assert_close(model.head(model.norm(features.x)), pose)
    model.return_features = False
    assert torch.equal(model(x), pose)


@pytest.mark.parametrize(
    ("options", "absent", "streams"),
    [
        ({"use_bones": False}, {"bone_attr"}, 2),
        ({"use_hyperedges": False}, {"hyperedge_attr"}, 2),
        ({"use_bones": False, "use_hyperedges": False}, {"bone_attr", "hyperedge_attr", "gates"}, None),
        ({"fusion": "concat"}, {"gates"}, None),
    ],
)
def test_features_of_absent_streams(options, absent, streams):
    _, features = build(return_features=True, **options)(torch.randn(2, 17, 2))
    assert {name for name, value in features._asdict().items() if value is None} == absent
    assert streams is None or features.gates.size(-1) == streams


def test_dropout_in_training_only():
    model = create_model("nehs_net", depth=1)
    x = torch.randn(2, 17, 2)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("mask", ["soft", "hard"])
def test_all_joints_at_one_point(mask):
    model = build(mask=mask)
    x = torch.full((2, 17, 2), 0.3).requires_grad_()
    pose = model(x)
    aligned_pose_loss(pose, torch.zeros(2, 17, 3)).backward()
    assert pose.isfinite().all()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_fixed_matrices(golden):
    reference = golden("hypergraph")
    model = build()
    block = model.blocks[0]
    assert torch.equal(model.bones, reference["skeleton.bones"])
    assert torch.equal(model.members.mT.double(), reference["graph.incidence"])
    assert torch.equal(block.bone.from_joints.matrix.double(), reference["skeleton.B1"].mT)
    assert torch.equal(block.hyperedge.from_joints.matrix.mT.double(), reference["graph.incidence"])
    assert torch.equal(block.bone.from_others.matrix.double(), reference["skeleton.S"])
    assert torch.equal(block.hyperedge.from_others.matrix.mT.double(), reference["skeleton.S"])
    assert torch.equal(block.node_attention.distance, reference["skeleton.hop"])
    assert torch.equal(block.hyperedge.attention.distance, reference["ref.relattn.dist"])
    assert [block.node_attention.table.size(1), block.bone.attention.table.size(1)] == [9, 8]


def test_group_by_name_and_as_lists():
    by_name, by_lists = (
        build(hyperedges="parts"),
        build(hyperedges=[[0, 1, 4, 7, 8, 9, 10, 11, 14], [14, 15, 16], [11, 12, 13], [1, 2, 3], [4, 5, 6]]),
    )
    by_lists.load_state_dict(by_name.state_dict())
    x = torch.randn(2, 17, 2)
    assert torch.equal(by_name.eval()(x), by_lists.eval()(x))
    assert json.loads(json.dumps(by_lists.config))["options"] == by_lists.config["options"]


def test_input_features():
    """By loops: vector, length and midpoint of bones; mean and deviation per axis of hyperedges."""
    model = build().double()
    seen = []
    for embedding in (model.node_embedding, model.bone_embedding, model.hyperedge_embedding):
        embedding.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][:, 0]))
    x = torch.rand(3, 17, 2, dtype=torch.float64)
    model(x)
    assert torch.equal(seen[0], x)
    for pose, bones, hyperedges in zip(x, seen[1], seen[2], strict=True):
        for (parent, child), bone in zip(model.skeleton.edges, bones, strict=True):
            vector = pose[child] - pose[parent]
            expected = torch.cat((vector, vector.norm().view(1), (pose[parent] + pose[child]) / 2))
            torch.testing.assert_close(bone, expected, atol=1e-5, rtol=0)
        for members, hyperedge in zip(model.hypergraph.hyperedges, hyperedges, strict=True):
            joints = pose[list(members)]
            expected = torch.cat((joints.mean(0), joints.std(0, correction=0)))
            torch.testing.assert_close(hyperedge, expected, atol=1e-5, rtol=0)


def test_concat_mode_sees_all_frames():
    centre = build(dropout=0.0)
    model = build(dropout=0.0, frame_mode="concat", in_frames=3)
    assert (centre.num_frames, model.num_frames) == (1, 3)
    added = 2 * 12 * (2 + 5 + 4)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in centre.parameters()) + added
    state = centre.state_dict()
    for stream in ("node", "bone", "hyperedge"):
        key = f"{stream}_embedding.linear.weight"
        weight = state[key].new_zeros(*state[key].shape, 3)
        weight[..., 1] = state[key]  # of every channel the middle frame only
        state[key] = weight.flatten(1)
    clip = torch.randn(2, 3, 17, 2)
    before = model(clip)
    assert not torch.allclose(before, model(clip[:, [0, 1, 1]]), atol=1e-4), "the last frame counts"
    model.load_state_dict(state)
    torch.testing.assert_close(model(clip), centre(clip[:, 1]))
    assert model(clip[:, 0]).shape == (2, 17, 3)


def test_dynamic_hyperedges():
    model = build(dynamic_hyperedges=4)
    fixed = build()
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in fixed.parameters()) + 2 * 4 * 12
    model(torch.randn(2, 17, 2)).square().sum().backward()
    assert all(block.assign.weight.grad.any() for block in model.blocks)


@pytest.mark.parametrize(
    ("layout", "groups"),
    [
        ("coco17", ["parts", "sides", "halves", "sym"]),
        (Skeleton([-1, 0, 0, 1, 2], symmetric_pairs=[(1, 2), (3, 4)]), ["sides", "sym"]),
        (Skeleton([-1, 0, 1]), ["whole"]),
        (Skeleton([-1]), ["whole"]),
    ],
    ids=str,
)
def test_any_skeleton_has_the_groups_it_can_have(layout, groups):
    model = create_model("nehs_net", layout, **SMALL)
    assert list(model.hypergraph.groups) == groups
    pose = model(torch.randn(2, as_skeleton(layout).num_joints, 2))
    pose.square().sum().backward()
    assert pose.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_heads": 5}, "heads is 5; expected a divisor of the width 12"),
        ({"mask": "semi"}, "expected 'soft', 'hard' or 'none'"),
        ({"update": "conv"}, "expected 'linear' or 'pool'"),
        ({"fusion": "max"}, "expected 'gate', 'mean' or 'concat'"),
        ({"frame_mode": "all"}, "expected 'center' or 'concat'"),
        ({"frame_mode": "concat"}, "in_frames is None"),
        ({"in_frames": 9}, "in_frames is 9 with frame_mode 'center'"),
        ({"frame_mode": "concat", "in_frames": 4}, "odd"),
        ({"depth": 0}, "depth is 0"),
        ({"hyperedges": ["arms"]}, "unknown group of hyperedges 'arms'"),
        ({"hyperedges": [[0, 99]]}, "hyperedge 0 holds joint 99"),
        ({"hidden_channels": 9}, "unknown option"),
    ],
    ids=str,
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(SkelgraphError, match=message):
        build(**options)


def test_named_group_that_a_skeleton_cannot_have():
    with pytest.raises(SkelgraphError, match="no symmetric pairs"):
        create_model("nehs_net", Skeleton([-1, 0, 1]), hyperedges=["sym"], **SMALL)


def test_training_lowers_the_loss():
    model = build(dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, amsgrad=True)
    x, y = torch.randn(16, 17, 2), 0.3 * torch.randn(16, 17, 3)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = aligned_pose_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_export_with_any_batch_size():
    model = build().eval()
    exported = torch.export.export(
        model, (torch.randn(4, 17, 2),), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
    )
    x = torch.randn(7, 17, 2)
    torch.testing.assert_close(exported.module()(x), model(x))
