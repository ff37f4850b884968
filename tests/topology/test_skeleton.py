from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.geometry import mirror
from skelgraph.topology import Skeleton, as_skeleton, read_skeleton, skeleton_config

quick = settings(max_examples=40, deadline=None)


@st.composite
def forests(draw: st.DrawFn) -> Skeleton:
    """Skeletons of up to 12 joints with one or several roots, numbered in no particular order."""
    num_joints = draw(st.integers(1, 12))
    parents = [draw(st.integers(-1, joint - 1)) for joint in range(num_joints)]
    return Skeleton(relabelled(parents, draw(st.permutations(range(num_joints)))))


def relabelled(parents: Any, new_id: list[int]) -> list[int]:
    result = [-1] * len(parents)
    for joint, parent in enumerate(parents):
        result[new_id[joint]] = -1 if parent == -1 else new_id[parent]
    return result


def ancestors(skel: Skeleton, joint: int) -> set[int]:
    found = set()
    while (joint := skel.parents[joint]) != -1:
        found.add(joint)
    return found


@pytest.fixture
def arms() -> Skeleton:
    """A trunk with two arms; the right one is numbered first."""
    return Skeleton(
        [-1, 0, 1, 0, 3, 0],
        joint_names=["hip", "right_arm", "right_hand", "left_arm", "left_hand", "head"],
        symmetric_pairs=[(3, 1), (4, 2)],
        parts={"left": [3, 4], "right": [1, 2], "torso": [0, 5]},
        name="arms",
    )


def test_fields(arms: Skeleton) -> None:
    assert arms.num_joints == 6
    assert (arms.root, arms.roots) == (0, (0,))
    assert arms.edges == ((0, 1), (1, 2), (0, 3), (3, 4), (0, 5))
    assert (arms.left, arms.right) == ((3, 4), (1, 2))
    assert arms.mirror_index == (0, 3, 4, 1, 2, 5)
    assert arms.index("left_hand") == 4
    assert arms.parts["left"] == (3, 4)
    assert repr(arms) == "Skeleton(arms, num_joints=6)"


def test_defaults() -> None:
    skel = Skeleton(torch.tensor([-1, 0, -1]))
    assert skel.parents == (-1, 0, -1)
    assert all(type(parent) is int for parent in skel.parents)
    assert skel.joint_names == ("joint_0", "joint_1", "joint_2")
    assert skel.roots == (0, 2)
    assert skel.symmetric_pairs == ()
    assert dict(skel.parts) == {}
    assert skel.name is None


def test_is_immutable(arms: Skeleton) -> None:
    with pytest.raises(AttributeError):
        arms.name = "legs"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del arms.parents
    with pytest.raises(AttributeError):
        arms.colour = "red"  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        arms.parts["left"] = ()  # type: ignore[index]


def test_tensors_are_not_shared(arms: Skeleton) -> None:
    for tensor in (arms.edge_index, arms.adjacency(), arms.hop_distance(), arms.hop_mask(1)):
        tensor.zero_()
    assert arms.edge_index.sum() > 0
    assert arms.adjacency().sum() == 10
    assert arms.hop_distance().max() == 4
    assert arms.hop_mask(1).any()


def test_equality_hash_pickle_copy(arms: Skeleton) -> None:
    same = Skeleton(arms.parents, arms.joint_names, arms.symmetric_pairs, arms.parts, arms.name)
    for other in (same, pickle.loads(pickle.dumps(arms)), copy.deepcopy(arms), copy.copy(arms)):
        assert other == arms
        assert hash(other) == hash(arms)
        assert other.parts == arms.parts
    others = [
        Skeleton(arms.parents),
        Skeleton(arms.parents, arms.joint_names, arms.symmetric_pairs, arms.parts, "other"),
        Skeleton(arms.parents, arms.joint_names, arms.symmetric_pairs, {}, arms.name),
    ]
    assert all(other != arms for other in others)
    assert arms != "arms"
    assert len({arms, same, *others}) == 4


def test_from_edges() -> None:
    skel = Skeleton.from_edges([(2, 1), (0, 1), (1, 0), (3, 2), (4, 5)], root=2, name="snake")
    assert skel.parents == (1, 2, -1, 2, -1, 4)
    assert skel.name == "snake"
    assert Skeleton.from_edges([], num_joints=2).parents == (-1, -1)
    assert Skeleton.from_edges([]).parents == (-1,)
    edges = as_skeleton("h36m17").edge_index.t().tolist()
    assert Skeleton.from_edges(edges).parents == as_skeleton("h36m17").parents


@quick
@given(forests())
def test_from_edges_keeps_the_bones(skel: Skeleton) -> None:
    rebuilt = Skeleton.from_edges(skel.edges, num_joints=skel.num_joints)
    assert set(map(frozenset, rebuilt.edges)) == set(map(frozenset, skel.edges))
    assert len(rebuilt.roots) == len(skel.roots)


@quick
@given(forests())
def test_edge_index_is_the_adjacency(skel: Skeleton) -> None:
    edge_index = skel.edge_index
    assert edge_index.shape == (2, 2 * len(skel.edges))
    assert edge_index.dtype == torch.int64
    assert edge_index.is_contiguous()
    dense = torch.zeros(skel.num_joints, skel.num_joints)
    dense[edge_index[1], edge_index[0]] = 1
    assert torch.equal(dense, skel.adjacency())
    assert torch.equal(dense, torch.from_numpy(nx.to_numpy_array(skel.to_networkx())).float())


@quick
@given(forests(), st.booleans())
def test_adjacency_normalizations(skel: Skeleton, self_loops: bool) -> None:
    plain = skel.adjacency(self_loops=self_loops, dtype=torch.float64)
    row = skel.adjacency("row", self_loops, dtype=torch.float64)
    sym = skel.adjacency("sym", self_loops, dtype=torch.float64)
    degree = plain.sum(dim=1)
    assert torch.equal(plain, plain.t())
    assert torch.equal(plain.diagonal(), torch.full_like(degree, float(self_loops)))
    torch.testing.assert_close(row.sum(dim=1), (degree > 0).double())
    for i, j in plain.nonzero().tolist():
        assert row[i, j].item() == pytest.approx(1 / degree[i].item())
        assert sym[i, j].item() == pytest.approx((degree[i] * degree[j]).item() ** -0.5)
    assert torch.equal(row > 0, plain > 0)
    assert torch.equal(sym > 0, plain > 0)
    assert row.dtype == sym.dtype == torch.float64
    assert skel.adjacency().dtype == torch.float32


@quick
@given(forests())
def test_hop_distance_is_the_shortest_path(skel: Skeleton) -> None:
    distance = skel.hop_distance()
    expected = torch.full_like(distance, -1)
    for i, lengths in nx.all_pairs_shortest_path_length(skel.to_networkx()):
        for j, length in lengths.items():
            expected[i, j] = length
    assert torch.equal(distance, expected)
    metric = torch.where(distance < 0, 10**6, distance)
    assert (metric[:, None, :] <= metric[:, :, None] + metric[None, :, :]).all()


@quick
@given(forests(), st.integers(0, 6))
def test_hop_masks(skel: Skeleton, k: int) -> None:
    distance = skel.hop_distance()
    assert torch.equal(skel.hop_mask(k), distance == k)
    within = torch.stack([skel.hop_mask(hop) for hop in range(k + 1)]).any(dim=0)
    assert torch.equal(skel.hop_mask(k, "within"), within)
    walks = torch.linalg.matrix_power(skel.adjacency(dtype=torch.float64), k)
    assert torch.equal(skel.hop_mask(k, "walk"), walks != 0)
    assert skel.hop_mask(k, "walk").dtype == torch.bool


def test_hop_mask_of_long_walks() -> None:
    assert torch.equal(as_skeleton("h36m17").hop_mask(1000, "walk"), as_skeleton("h36m17").hop_mask(10, "walk"))


def test_walks_of_the_published_graph_convolution() -> None:
    sizes = {
        name: [int(as_skeleton(name).hop_mask(k, "walk").sum()) for k in range(4)] for name in ("h36m16", "h36m17")
    }
    assert sizes == {"h36m16": [16, 30, 52, 68], "h36m17": [17, 32, 55, 76]}


@quick
@given(forests(), st.data())
def test_relabelling_is_equivariant(skel: Skeleton, data: st.DataObject) -> None:
    new_id = data.draw(st.permutations(range(skel.num_joints)))
    other = Skeleton(relabelled(skel.parents, new_id))
    order = torch.tensor(new_id)
    for name, arguments in {"adjacency": ("sym",), "hop_distance": (), "hop_mask": (2, "walk")}.items():
        matrix, moved = getattr(skel, name)(*arguments), getattr(other, name)(*arguments)
        torch.testing.assert_close(moved[order][:, order], matrix)


@quick
@given(forests(), st.data())
def test_subset_keeps_ancestors(skel: Skeleton, data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.integers(0, skel.num_joints - 1), min_size=1, unique=True))
    small = skel.subset(kept)
    for i, joint in enumerate(kept):
        assert {kept[ancestor] for ancestor in ancestors(small, i)} == ancestors(skel, joint) & set(kept)
    assert small.joint_names == tuple(skel.joint_names[joint] for joint in kept)


def test_subset_renumbers_everything(arms: Skeleton) -> None:
    small = arms.subset(["left_hand", "hip", 2], name="hands")
    assert small.joint_names == ("left_hand", "hip", "right_hand")
    assert small.parents == (1, -1, 1)
    assert small.symmetric_pairs == ((0, 2),)
    assert dict(small.parts) == {"left": (0,), "right": (2,), "torso": (1,)}
    assert (small.name, arms.subset([0]).name) == ("hands", None)
    assert arms.subset([1, 2, 3, 4]).roots == (0, 2)
    assert "torso" not in arms.subset([1, 2]).parts


def test_subset_of_one_side_drops_the_pair() -> None:
    full = as_skeleton("h36m17")
    one_knee = full.subset([name for name in full.joint_names if name != "right_knee"])
    left_names = {one_knee.joint_names[joint] for joint in one_knee.left}
    assert left_names == {"left_shoulder", "left_elbow", "left_wrist"}
    assert full.subset([joint for joint in range(17) if joint not in full.right]).symmetric_pairs == ()


def test_to_data(arms: Skeleton) -> None:
    x = torch.randn(4, 6, 2, requires_grad=True)
    data = arms.to_data(x[0])
    assert type(data) is Data
    assert data.validate()
    assert data.num_nodes == 6
    assert data.is_undirected()
    assert torch.equal(data.edge_index, arms.edge_index)

    batch = arms.to_data(x)
    assert isinstance(batch, Batch)
    assert batch.num_graphs == 4
    assert torch.equal(batch.x, x.reshape(24, 2))
    assert torch.equal(batch.batch, torch.arange(4).repeat_interleave(6))
    assert torch.equal(batch.edge_index[:, -10:], arms.edge_index + 18)
    batch.x.sum().backward()
    torch.testing.assert_close(x.grad, torch.ones_like(x))
    loaded = next(iter(DataLoader([arms.to_data(pose) for pose in x.detach()], batch_size=4)))
    assert torch.equal(loaded.edge_index, batch.edge_index)


def test_to_networkx(arms: Skeleton) -> None:
    graph = arms.to_networkx()
    assert nx.is_tree(graph)
    assert graph.nodes[4]["name"] == "left_hand"
    assert list(graph.nodes) == list(range(6))
    assert {frozenset(edge) for edge in graph.edges} == {frozenset(edge) for edge in arms.edges}
    assert nx.number_connected_components(Skeleton([-1, 0, -1]).to_networkx()) == 2


BAD_SKELETONS = {
    "no joints": (([],), {}, r"parents is empty; expected at least one joint"),
    "no integers": (([-1, 0.5],), {}, r"parents is \[-1, 0.5\]; expected joint ids or names"),
    "no sequence": ((3,), {}, r"parents is 3; expected a sequence"),
    "parent too large": (([-1, 2],), {}, r"parents\[1\] is 2; expected -1 \(a root\) or 0 to 1"),
    "parent too small": (([-1, -2],), {}, r"parents\[1\] is -2; expected -1"),
    "cycle": (([-1, 2, 3, 1],), {}, r"parents: the joints 1 -> 2 -> 3 -> 1 form a cycle; expected a tree"),
    "own parent": (([0],), {}, r"parents: the joints 0 -> 0 form a cycle"),
    "way into a cycle": (([1, 2, 1],), {}, r"parents: the joints 1 -> 2 -> 1 form a cycle"),
    "too few names": (
        ([-1, 0],),
        {"joint_names": ["a"]},
        r"joint_names has 1 names; expected one for each of 2",
    ),
    "one string": (([-1, 0],), {"joint_names": "ab"}, r"joint_names is the string 'ab'; expected one name per joint"),
    "name twice": (([-1, 0],), {"joint_names": ["a", "a"]}, r"joint_names: 'a' occurs 2 times; expected once"),
    "empty name": (([-1, 0],), {"joint_names": ["a", ""]}, r"joint_names\[1\] is ''; expected a text"),
    "name no text": (([-1, 0],), {"joint_names": ["a", 1]}, r"joint_names\[1\] is 1; expected a text"),
    "pair out of range": (([-1, 0, 0],), {"symmetric_pairs": [(1, 3)]}, r"symmetric_pairs\[0\] holds the joint id 3"),
    "negative in pair": (([-1, 0, 0],), {"symmetric_pairs": [(-1, 2)]}, r"joint id -1; expected 0 to 2"),
    "three in a pair": (
        ([-1, 0, 0],),
        {"symmetric_pairs": [(0, 1, 2)]},
        r"pairs\[0\] is \(0, 1, 2\); expected 2 joints",
    ),
    "number for a pair": (
        ([-1, 0, 0],),
        {"symmetric_pairs": [1, 2]},
        r"symmetric_pairs\[0\] is 1; expected a sequence",
    ),
    "own partner": (([-1, 0, 0],), {"symmetric_pairs": [(1, 1)]}, r"symmetric_pairs\[0\] .* expected two different"),
    "pairs overlap": (([-1, 0, 0, 0],), {"symmetric_pairs": [(1, 2), (2, 3)]}, r"symmetric_pairs: 2 occurs 2 times"),
    "bone not mirrored": (
        ([-1, 0, 0, 1, 1],),
        {"symmetric_pairs": [(1, 2), (3, 4)]},
        r"symmetric_pairs: the bone 'joint_1' - 'joint_3' has no mirror image; expected that swapping",
    ),
    "names no sequence": (([-1],), {"joint_names": 1}, r"joint_names is 1; expected a sequence"),
    "pairs no sequence": (([-1],), {"symmetric_pairs": 0}, r"symmetric_pairs is 0; expected a sequence"),
    "parts no mapping": (([-1],), {"parts": [[0]]}, r"parts is \[\[0\]\]; expected a mapping"),
    "part out of range": (([-1, 0],), {"parts": {"arm": [2]}}, r"parts\['arm'\] holds the joint id 2; expected 0 to 1"),
    "part by name": (([-1, 0],), {"parts": {"arm": ["a"]}}, r"unknown joint in parts\['arm'\]: 'a'; known: joint_0"),
    "joint twice in part": (([-1, 0],), {"parts": {"arm": [1, 1]}}, r"parts\['arm'\]: 1 occurs 2 times"),
    "empty part": (([-1, 0],), {"parts": {"arm": []}}, r"parts\['arm'\] is empty; expected at least one joint"),
    "part without name": (([-1, 0],), {"parts": {"": [1]}}, r"parts has the name ''; expected a text"),
    "empty layout name": (([-1],), {"name": ""}, r"name is ''; expected None or a text"),
    "layout name no text": (([-1],), {"name": 3}, r"name is 3; expected None or a text"),
}


@pytest.mark.parametrize("case", BAD_SKELETONS)
def test_bad_skeletons(case: str) -> None:
    arguments, options, message = BAD_SKELETONS[case]
    with pytest.raises(TopologyError, match=message):
        Skeleton(*arguments, **options)  # type: ignore[arg-type]


BAD_EDGES = {
    "loop": (([(0, 1), (1, 2), (2, 0)],), r"edges: the bone \(\d, \d\) closes a loop; expected a tree"),
    "self loop": (([(0, 1), (1, 1)],), r"edges: the bone \(1, 1\) joins a joint to itself"),
    "out of range": (([(0, 5)], 3), r"edges\[0\] holds the joint id 5; expected 0 to 2"),
    "negative": (([(0, 1), (0, -1)],), r"edges\[1\] holds the joint id -1; expected at least 0"),
    "triple": (([(0, 1, 2)],), r"edges\[0\] is \(0, 1, 2\); expected 2 joints"),
    "no sequence": ((3,), r"edges is 3; expected a sequence"),
    "root out of range": (([(0, 1)], 2, 2), r"root holds the joint id 2; expected 0 to 1"),
}


@pytest.mark.parametrize("case", BAD_EDGES)
def test_bad_edges(case: str) -> None:
    arguments, message = BAD_EDGES[case]
    with pytest.raises(TopologyError, match=message):
        Skeleton.from_edges(*arguments)  # type: ignore[arg-type]


BAD_CALLS = {
    "normalization": (("adjacency", "column"), r"normalization is 'column'; expected None, 'row' or 'sym'"),
    "negative hops": (("hop_mask", -1), r"k is -1; expected an integer from 0 to 1000"),
    "half a hop": (("hop_mask", 0.5), r"k is 0.5; expected an integer"),
    "mode": (("hop_mask", 1, "around"), r"mode is 'around'; expected 'exact', 'within' or 'walk'"),
    "unknown joint": (("index", "left_arn"), r"unknown joint .*'left_arn'; did you mean left_arm"),
    "subset of nothing": (("subset", []), r"joints is empty"),
    "subset twice": (("subset", [1, 1]), r"joints: 1 occurs 2 times"),
    "subset out of range": (("subset", [6]), r"joints holds the joint id 6; expected 0 to 5"),
    "subset unknown name": (("subset", ["tail"]), r"unknown joint"),
    "subset no joints": (("subset", [None]), r"joints is \[None\]; expected joint ids or names"),
    "joint count": (
        ("to_data", torch.zeros(5, 2)),
        r"x has shape \(5, 2\); expected \(J, C\) or .* J = 6",
    ),
    "dimensions": (("to_data", torch.zeros(6)), r"x has shape \(6,\)"),
    "empty batch": (("to_data", torch.zeros(0, 6, 2)), r"x has shape \(0, 6, 2\)"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_calls(case: str, arms: Skeleton) -> None:
    (method, *arguments), message = BAD_CALLS[case]
    call: Any = getattr(arms, str(method))
    with pytest.raises(SkelgraphError, match=message):
        call(*arguments)


HIPS = ["hip", "left_hip", "right_hip"]


def test_without_a_word_about_left_and_right_there_is_no_mirror_image() -> None:
    for skel in (
        Skeleton([-1, 0, 0], HIPS),
        Skeleton.from_edges([(0, 1), (0, 2)]),
        Skeleton([-1, 0, 0], HIPS).subset([0, 1]),
    ):
        assert skel.symmetric_pairs == ()
        assert not skel.symmetry_known
        with pytest.raises(TopologyError, match="does not say which joints are left and right"):
            _ = skel.mirror_index
    with pytest.raises(TopologyError, match="symmetric_pairs='names' takes them"):
        _ = Skeleton([-1, 0, 0], HIPS).mirror_index


def test_a_symmetric_pose_is_its_own_mirror_image() -> None:
    pose = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [-0.1, 0.0, 0.0]])
    skel = Skeleton([-1, 0, 0], HIPS, symmetric_pairs="names")
    assert skel.symmetric_pairs == ((1, 2),)
    assert torch.equal(mirror(pose, skel.mirror_index), pose)


def test_that_all_joints_are_their_own_mirror_images_can_be_said() -> None:
    snake = Skeleton([-1, 0, 1], symmetric_pairs=())
    assert snake.mirror_index == (0, 1, 2)
    assert snake != Skeleton([-1, 0, 1])
    for same in (
        copy.deepcopy(snake),
        pickle.loads(pickle.dumps(snake)),
        as_skeleton(snake.to_dict()),
        snake.subset([0, 1, 2]),
    ):
        assert same.mirror_index == (0, 1, 2)
    assert "symmetric_pairs" not in Skeleton([-1]).to_dict()
    assert not pickle.loads(pickle.dumps(Skeleton([-1]))).symmetry_known


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_hip", "right_hip"),
        ("LHip", "RHip"),
        ("LeftUpLeg", "RightUpLeg"),
        ("leftHip", "rightHip"),
        ("hip.L", "hip.R"),
        ("hip_l", "hip_r"),
        ("l-hip", "r-hip"),
        ("LEFT_HIP", "RIGHT_HIP"),
        ("mouth (left)", "mouth (right)"),
        ("KneeL", "KneeR"),
        ("upper_left_arm", "upper_right_arm"),
    ],
)
def test_names_that_pair(left: str, right: str) -> None:
    # the right one comes first, and between them stand names that look as if they had a side
    names = [right, "Rib", "collar", "Lumbar", "lower", left]
    skel = Skeleton([1, -1, 1, 1, 1, 1], names, symmetric_pairs="names")
    assert skel.symmetric_pairs == ((5, 0),)


@pytest.mark.parametrize(
    ("names", "found"),
    [(["a", "b"], "no joint name has a side"), (["left_a", "a"], "'left_a' has no counterpart")],
)
def test_names_that_do_not_pair(names: list[str], found: str) -> None:
    with pytest.raises(TopologyError, match=found):
        Skeleton([-1, 0], names, symmetric_pairs="names")
    with pytest.raises(TopologyError, match="symmetric_pairs is 'name'"):
        Skeleton([-1, 0], names, symmetric_pairs="name")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["h36m17", "coco17", "cmu_bvh"])
def test_plain_data_make_the_same_skeleton(name: str, tmp_path: Path) -> None:
    layout = as_skeleton(name)
    path = tmp_path / "layout.json"
    path.write_text(json.dumps(layout.to_dict()))
    assert read_skeleton(path) == layout
    assert skeleton_config(layout) == name
    own = Skeleton(layout.parents, name="own")
    assert as_skeleton(json.loads(json.dumps(skeleton_config(own)))) == own


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"parents": 3}', '{"parents": [-1], "joints": 3}', "[" * 100_000])
def test_a_file_that_holds_no_skeleton_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "layout.json"
    path.write_text(content)
    with pytest.raises(TopologyError, match=r"layout\.json"):
        read_skeleton(path)
    with pytest.raises(TopologyError, match=r"none\.json"):
        read_skeleton(tmp_path / "none.json")
