"""Left and right exchanged in keypoints that another program found."""

from __future__ import annotations

import doctest
import json
from dataclasses import replace

import numpy as np
import pytest

from skelgraph import Skeleton, SkelgraphError, convert_keypoints
from skelgraph.__main__ import main
from skelgraph.datasets import four_views, write_keypoints
from skelgraph.lifting import keep_sides, sides
from skelgraph.lifting.sides import exchanges
from skelgraph.topology import as_skeleton

COCO = as_skeleton("coco17")
MIRROR = list(COCO.mirror_index)


def seen(view: str):
    found = four_views()[view].detections
    return replace(found, keypoints=convert_keypoints(found.keypoints, found.skeleton, COCO), skeleton=COCO)


def exchanged(found, first, last):
    keypoints = found.keypoints.copy()
    rows = (found.frames >= first) & (found.frames <= last)
    keypoints[rows] = keypoints[rows][:, MIRROR]
    return replace(found, keypoints=keypoints)


@pytest.mark.parametrize("view", ["cam01", "cam02", "cam03", "cam04"])
def test_what_is_right_is_left_and_what_is_exchanged_is_put_back(view):
    right = seen(view)
    np.testing.assert_array_equal(keep_sides(right).keypoints, right.keypoints)
    given = exchanged(right, 30, 40)
    kept = keep_sides(given)
    assert exchanges(given, kept) == {0: [*range(30, 41)]}
    apart = [COCO.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("shoulder", "hip", "knee")]
    same = (kept.keypoints == right.keypoints).all(-1)[:, apart]
    assert same.mean() > 0.97, "a pair that crosses at this moment may be taken for the other"


def test_joints_and_frames_that_are_not_seen():
    """They are no jumps, and say nothing; and come back as they were."""
    right = seen("cam01")
    keypoints = right.keypoints.copy()
    random = np.random.default_rng(0)
    keypoints[random.random(keypoints.shape[:2]) < 0.2] = 0
    keypoints[50] = 0
    gone = (right.frames < 60) | (right.frames > 64)
    partly = replace(right, keypoints=keypoints[gone], frames=right.frames[gone], persons=right.persons[gone])
    np.testing.assert_array_equal(keep_sides(partly).keypoints, partly.keypoints)
    given = exchanged(partly, 70, 76)
    found = exchanges(given, keep_sides(given))[0]
    assert set(found) <= {*range(70, 77)}
    assert len(found) >= 5
    low = replace(given, keypoints=given.keypoints * (1, 1, 0.1))
    np.testing.assert_array_equal(keep_sides(low, min_confidence=0.2).keypoints, low.keypoints)


def test_people_are_told_apart_first():
    one = exchanged(seen("cam01"), 30, 40)
    keypoints = np.concatenate([one.keypoints, seen("cam01").keypoints + np.array([2000.0, 0, 0])])
    order = np.argsort(np.tile(one.frames, 2), kind="stable")
    both = replace(one, keypoints=keypoints[order], frames=np.repeat(one.frames, 2), persons=None)
    kept = keep_sides(both)
    assert exchanges(replace(both, persons=kept.persons), kept) == {0: [*range(30, 41)]}


def test_without_sides_there_is_nothing_to_keep():
    unknown = Skeleton(COCO.parents, COCO.joint_names, name="mine")
    with pytest.raises(SkelgraphError, match=r"mine.*does not say what is left and right"):
        keep_sides(replace(seen("cam01"), skeleton=unknown))


def test_the_command_warns_and_puts_them_back(tmp_path, capsys):
    right, wrong = tmp_path / "right.npz", tmp_path / "wrong.npz"
    write_keypoints(right, seen("cam01"))
    write_keypoints(wrong, exchanged(seen("cam01"), 30, 40))

    def lifted(source, *given):
        out = tmp_path / f"{source.stem}{len(given)}"
        assert main(["lift", "--input", str(source), "--out", str(out), "--format", "npz", *given]) == 0
        told = json.loads((out / "lift.json").read_text())["warnings"]
        assert all(f"warning: {warning}" in capsys.readouterr().out for warning in told)
        return told, np.load(out / "person0.npz")["positions"]

    told, expected = lifted(right)
    assert told == []
    told, positions = lifted(wrong)
    assert len(told) == 1
    assert told[0].startswith("person 0: left and right seem to be exchanged in frames 30 to 40; keep_sides")
    assert np.abs(positions - expected).max() > 0.3
    told, positions = lifted(wrong, "--keep-sides")
    assert told == []
    assert np.median(np.abs(positions - expected).max((1, 2))) < 0.05


def test_docstring_example():
    result = doctest.testmod(sides)
    assert result.attempted
    assert not result.failed
