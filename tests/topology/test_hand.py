"""A named layout that is no body, without parts and pairs: what works on it, and what says why it does not."""

from __future__ import annotations

import matplotlib as mpl
import pytest
import torch

from skelgraph import __main__
from skelgraph.datasets import PoseWindows, SyntheticMocap
from skelgraph.errors import TopologyError
from skelgraph.geometry import mirror
from skelgraph.nn import HyperedgeConv
from skelgraph.topology import (
    HYPEREDGE_GROUPS,
    JointHypergraph,
    as_skeleton,
    body_parts,
    hyperedge_groups,
    part_skeleton,
)

mpl.use("Agg")

FINGERS = [list(range(first, first + 4)) for first in (1, 5, 9, 13, 17)]
POSSIBLE = ("chains2", "chains3", "chains4", "extremities", "whole")


def test_every_joint_is_its_own_mirror_image() -> None:
    hand = as_skeleton("hand21")
    assert hand.symmetry_known
    assert hand.mirror_index == tuple(range(21))
    poses = torch.randn(4, 21, 3)
    assert torch.equal(mirror(poses, hand.mirror_index), poses * torch.tensor([-1.0, 1.0, 1.0]))


def test_fingers_are_its_parts() -> None:
    parts = body_parts("hand21")
    assert parts == [[0], *FINGERS]
    palm = part_skeleton("hand21", parts)
    assert palm.parents == (-1, 0, 0, 0, 0, 0)
    assert palm.symmetric_pairs == ()


def test_groups_of_hyperedges() -> None:
    assert hyperedge_groups("hand21", "chains4") == [[0, *finger] for finger in FINGERS]
    assert hyperedge_groups("hand21", "extremities") == [[4, 8, 12, 16, 20]]
    for group in POSSIBLE:
        assert hyperedge_groups("hand21", group)
    hypergraph = JointHypergraph.from_skeleton("hand21", groups=("chains4", "extremities"))
    assert HyperedgeConv(2, 8, hypergraph)(torch.randn(5, 21, 2)).shape == (5, 21, 8)


@pytest.mark.parametrize("group", sorted(set(HYPEREDGE_GROUPS) - set(POSSIBLE)))
def test_groups_of_a_body_say_what_it_lacks(group: str) -> None:
    with pytest.raises(TopologyError, match=rf"'{group}'.*hand21.* (body parts|symmetric pairs|'arm'|'leg')"):
        hyperedge_groups("hand21", group)


def test_layers_on_the_groups_of_a_body_say_which_it_can_have() -> None:
    with pytest.raises(TopologyError, match=r"hand21.*chains4.*extremities"):
        HyperedgeConv(2, 8, "hand21")


def test_generated_motion_and_flipped_windows() -> None:
    dataset = SyntheticMocap(split="test", skeleton="hand21", subjects=["S9"], actions=["Waving"], seconds=0.5)
    assert dataset.poses_3d.shape[1:] == (21, 3)
    windows = PoseWindows(dataset, flip=True)
    batch, mirrored = windows[torch.arange(3)], windows[torch.arange(3) + len(dataset)]
    assert torch.equal(mirrored.poses_3d, batch.poses_3d * torch.tensor([-1.0, 1.0, 1.0]))


def test_pictures_and_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    ax = as_skeleton("hand21").plot()
    assert len(ax.collections[0].get_segments()) == 20
    assert __main__.main(["skeletons"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "hand21" in line)
    assert [cell.strip() for cell in row.split("│")[1:5]] == ["hand21", "21", "20", "0"]
