"""Joints by their names, skeletons by the name of their file, and what is said of what is none of these."""

import json
from pathlib import Path

import pytest
import torch

from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.nn import HyperedgeConv
from skelgraph.topology import JointHypergraph, Skeleton, as_hypergraph, as_skeleton, register_skeleton

NAMES = ["palm", "thumb", "thumb_tip", "index", "index_tip"]


@pytest.fixture
def claw() -> Skeleton:
    return Skeleton([-1, 0, 1, 0, 3], NAMES, [(1, 3), (2, 4)], {"thumb": [1, 2], "tips": [2, 4]}, "claw")


def test_names_and_ids_make_the_same_skeleton(claw: Skeleton) -> None:
    pairs = [("thumb", "index"), ("thumb_tip", 4)]
    parts = {"thumb": ("thumb", "thumb_tip"), "tips": ["thumb_tip", "index_tip"]}
    assert Skeleton([None, "palm", "thumb", "palm", 3], NAMES, pairs, parts, "claw") == claw
    assert claw.to_dict()["parents"] == (-1, 0, 1, 0, 3)


@pytest.mark.parametrize(
    ("parents", "options", "message"),
    [
        ([None, "plam"], {}, "unknown joint in parents: 'plam'; did you mean palm"),
        ("ab", {}, "parents is 'ab'; expected a sequence"),
        ([-1, 0], {"parts": {"tip": "thumb"}}, r"parts\['tip'\] is 'thumb'; expected a sequence"),
        ([-1, 0], {"symmetric_pairs": [("palm", "finger")]}, r"unknown joint in symmetric_pairs\[0\]: 'finger'"),
    ],
)
def test_names_that_no_joint_has(parents: object, options: dict, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        Skeleton(parents, NAMES[:2], **options)  # type: ignore[arg-type]


def test_hyperedges_by_the_names_of_joints(claw: Skeleton) -> None:
    by_name = JointHypergraph.from_lists(5, [["thumb_tip", "index_tip"], ("palm", 3)], skeleton=claw)
    assert by_name == JointHypergraph.from_lists(5, [[2, 4], [0, 3]], skeleton=claw)
    named = JointHypergraph.from_lists(5, {"pinch": ["thumb_tip", "index_tip"], "base": [0, 1, 3]}, skeleton=claw)
    assert (named.hyperedges, dict(named.groups)) == (((2, 4), (0, 1, 3)), {"pinch": (0,), "base": (1,)})
    given = JointHypergraph.from_lists(5, claw.parts, groups={"all": [0, 1]}, skeleton=claw)
    assert (given.hyperedges, dict(given.groups)) == (((1, 2), (2, 4)), {"all": (0, 1)})


def test_hyperedges_that_are_none(claw: Skeleton) -> None:
    with pytest.raises(TopologyError, match=r"unknown joint in hyperedges\[1\]: 'index_tp'; did you mean index_tip"):
        JointHypergraph.from_lists(5, [[0, 1], ["index_tp"]], skeleton=claw)
    with pytest.raises(TopologyError, match=r"hyperedges\[0\] is \['palm'\]; expected joint ids"):
        JointHypergraph.from_lists(5, [["palm"]])
    with pytest.raises(
        TopologyError, match=r"num_nodes is Skeleton\(claw.*expected how many nodes there are, 5, and sk"
    ):
        JointHypergraph.from_lists(claw, [[0, 1]])  # type: ignore[arg-type]
    with pytest.raises(TopologyError, match=r"hypergraph is \[\[0, 1\]\]; expected a JointHypergraph .*from_dhg"):
        HyperedgeConv(2, 4, [[0, 1]])  # type: ignore[arg-type]
    with pytest.raises(TopologyError, match=r"hypergraph is .*; expected a JointHypergraph"):
        as_hypergraph(torch.zeros(2, 3))  # type: ignore[arg-type]


def test_a_file_stands_for_its_skeleton(claw: Skeleton, tmp_path: Path) -> None:
    path = tmp_path / "claw.json"
    path.write_text(json.dumps(claw.to_dict()))
    assert as_skeleton(path) == as_skeleton(str(path)) == claw
    with pytest.raises(SkelgraphError, match=r"none\.json"):
        as_skeleton(tmp_path / "none.json")
    path.write_text('{"parents": [null, "root"], "joint_names": ["palm", "tip"]}')
    with pytest.raises(TopologyError, match=r"claw\.json: unknown joint in parents: 'root'"):
        as_skeleton(path)


def test_a_registered_layout_comes_before_a_file(
    claw: Skeleton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skelgraph.topology import layouts

    monkeypatch.setattr(layouts, "_REGISTRY", dict(layouts._REGISTRY))
    register_skeleton(Skeleton([-1], name="dot.json"))
    assert as_skeleton("dot.json").num_joints == 1
