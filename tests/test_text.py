"""Text from strangers cannot steer a terminal, fill a screen or take for ever."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelgraph import Lifter
from skelgraph.datasets import four_views, load_dataset
from skelgraph.nn import KNNHyperedges
from skelgraph.text import plain, shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Walking 1", "Walking 1"),
        ("é 漢", "é 漢"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\ud800", "\\ud800"),
        ("\u202eabc", "\\u202eabc"),
        ("[/x] $\\frac$", "[/x] $\\frac$"),  # markup is the renderer's business
    ],
)
def test_plain(name: str, expected: str) -> None:
    assert plain(name) == expected
    plain(name).encode()


def test_plain_is_cut() -> None:
    assert plain("a" * 80) == "a" * 80
    assert plain("a" * 81) == "a" * 79 + "…"
    assert len(plain("\x1b" * 10**6)) == 80


def test_shown_opens_nested_values_to_a_small_depth() -> None:
    shared: list = []
    for _ in range(200):
        shared = [shared, shared]
    assert len(shown(shared)) <= 100
    loop: dict = {}
    loop["self"] = loop
    assert len(shown(loop)) <= 100


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(10**5000, "2**16609 or more", id="huge"),
        (-(2**300), "-2**300 or more"),
        (3, "3"),
        (torch.eye(17), "Tensor (17, 17) of torch.float32"),
        (np.zeros((3, 4)), "ndarray (3, 4) of float64"),
        ({"a": "x\x1b"}, "{'a': 'x\\x1b'}"),
    ],
)
def test_shown(value: object, expected: str) -> None:
    assert shown(value) == expected


@pytest.mark.parametrize("value", ["x" * 10**7, b"\0" * 10**7, list(range(10**6))])
def test_shown_is_cut(value: object) -> None:
    assert len(shown(value)) <= 100


def test_records_of_arrays_are_shown_by_their_shapes() -> None:
    view, lifter = four_views()["cam02"], Lifter()
    seen = "keypoints=[100, 33, 3], frames=[100], skeleton=Skeleton(blazepose33, num_joints=33), num_frames=100"
    assert repr(view.detections).startswith(f"Detections({seen}, persons=[100], image_size=(1080, 1920)")
    assert f"detections=Detections({seen}" in repr(view)
    assert repr(lifter) == "Lifter(any_gcn, skeleton='h36m16', num_frames=1, flip=True, device='cpu')"
    lifted = lifter(view.detections)
    person = "LiftedPerson(person=0, first_frame=0, poses=[100, 16, 3], root=[100, 3]"
    assert repr(lifted).startswith(f"Lifted(people=[{person}")
    assert repr(lifted.people[0]).startswith(person)
    batch = load_dataset("synthetic", "test").windows(3)[:5]
    assert repr(batch).startswith("PoseBatch(keypoints_2d=[5, 3, 17, 2], poses_3d=[5, 17, 3], frame=[5], flipped=[5]")
    assert "confidence" not in repr(batch)  # there is none
    assert repr(KNNHyperedges(3)(torch.randn(4, 17, 2))) == "Memberships(incidence=[4, 17, 17])"


def test_an_object_whose_repr_fails_is_shown() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert "Broken" in shown(Broken())
