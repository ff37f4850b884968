"""Who is who: people who cross, leave, hide joints and are listed in any order."""

import numpy as np
import pytest

from skelgraph import SkelgraphError
from skelgraph.datasets import Detections
from skelgraph.lifting import Tracker, longest_seen, track
from skelgraph.lifting.tracking import similarity
from skelgraph.topology import as_skeleton

SKELETON = as_skeleton("coco17")
SHAPE = np.random.default_rng(3).uniform(-1, 1, (17, 2)) * (40, 100)
"""A person about 80 pixels wide and 200 high."""


def seen(places, frames, num_frames, seed=0, shuffled=True, confidence=0.9, **known):
    """People at these centres, in these frames, in a random order within a frame, trembling by a pixel."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frames)) if shuffled else np.arange(len(frames))
    order = order[np.argsort(np.asarray(frames)[order], kind="stable")]
    keypoints = np.full((len(frames), 17, 3), confidence)
    keypoints[..., :2] = np.asarray(places, float)[order, None] + SHAPE + rng.normal(0, 1, (len(frames), 17, 2))
    return Detections(keypoints, np.asarray(frames)[order], SKELETON, num_frames, **known), order


def crossing(speed=12, count=60):
    """Two people who walk through each other, and who each entry is."""
    times = np.repeat(np.arange(count), 2)
    who = np.tile([0, 1], count)
    x = np.where(who == 0, 100 + speed * times, 100 + speed * (count - times))
    return np.stack([x, np.where(who == 0, 300, 330)], -1), times, who


@pytest.mark.parametrize("seed", range(5))
def test_people_who_cross_keep_their_numbers(seed):
    places, frames, who = crossing()
    detections, order = seen(places, frames, 60, seed)
    persons = track(detections).persons
    assert (persons == who[order]).all()  # the left one of the first frame is 0
    assert set(persons) == {0, 1}


def test_the_order_within_a_frame_does_not_matter():
    places, frames, _ = crossing()
    detections, _ = seen(places, frames, 60, seed=1)
    turned = [index for frame in range(60) for index in np.flatnonzero(detections.frames == frame)[::-1]]
    other = Detections(detections.keypoints[turned], detections.frames, SKELETON, 60)
    assert (track(detections).persons[turned] == track(other).persons).all()


def test_who_comes_back_soon_is_the_same_and_late_is_somebody_else():
    frames = np.array([*range(10), *range(25, 40), *range(80, 90)])
    places = np.stack([200 + 2.0 * frames, np.full(len(frames), 300.0)], -1)
    detections, _ = seen(places, frames, 100, frame_rate=30.0)
    persons = track(detections).persons
    assert (persons[:25] == 0).all()  # 15 frames are half a second
    assert (persons[25:] == 1).all()  # 40 frames are more than one
    assert (track(detections, max_gap=2.0).persons == 0).all()
    assert set(track(detections, max_gap=0.1).persons) == {0, 1, 2}


def test_a_gap_in_seconds_needs_the_frame_rate():
    detections, _ = seen([[0, 0]], [0], 1)
    with pytest.raises(SkelgraphError, match="frame rate"):
        track(detections, max_gap=1.0)


def test_hidden_joints_and_no_joint_in_common():
    frames = np.arange(20)
    detections, _ = seen(np.stack([100 + 5.0 * frames, np.full(20, 50.0)], -1), frames, 20)
    keypoints = detections.keypoints.copy()
    keypoints[5:10, :9] = 0  # the upper half hides, and then the lower one
    keypoints[10:15, 9:] = 0
    hidden = Detections(keypoints, frames, SKELETON, 20)
    assert (track(hidden).persons == 0).all()
    assert similarity(keypoints[5], keypoints[12]) == 0.0
    assert similarity(keypoints[5], keypoints[5]) == 1.0


def test_false_alarms_and_the_longest_seen():
    places, frames, who = crossing()
    places, frames = np.append(places, [[2000, 100]], axis=0), np.append(frames, 7)
    detections, order = seen(places, frames, 60, seed=2)
    assert set(track(detections).persons) == {0, 1, 2}
    cleaned = track(detections, min_frames=3)
    assert set(cleaned.persons) == {0, 1}
    assert len(cleaned.frames) == 120
    tracked = track(detections)
    dim = np.where((tracked.persons == 0)[:, None], tracked.keypoints[..., 2] / 3, tracked.keypoints[..., 2])
    keypoints = np.concatenate([tracked.keypoints[..., :2], dim[..., None]], -1)
    only = longest_seen(Detections(keypoints, tracked.frames, SKELETON, 60, tracked.persons), 1)
    expected = [index for index in order if np.append(who, 2)[index] == 1]
    assert (only.persons == 0).all()
    assert len(only.frames) == len(expected) == 60


def test_nobody_one_and_fifty_people():
    empty = Detections(np.zeros((0, 17, 3)), np.zeros(0, np.int64), SKELETON, 10)
    assert track(empty).persons.shape == (0,)
    frames = np.repeat(np.arange(4), 50)
    places = np.stack([np.tile(np.arange(50) * 300.0, 4), np.zeros(200)], -1)
    detections, order = seen(places, frames, 4)
    assert (track(detections).persons == np.tile(np.arange(50), 4)[order]).all()


def test_similarity_by_hand():
    a = np.array([[0.0, 0.0, 1.0], [10.0, 20.0, 1.0], [5.0, 5.0, 0.0]])
    b = np.array([[3.0, 4.0, 0.5], [10.0, 20.0, 1.0], [900.0, 5.0, 1.0]])
    # the box around the two joints that both know: 10 x 20 of a, 7 x 16 of b
    assert similarity(a, b) == pytest.approx((np.exp(-25 / (2 * 200 * 0.14**2)) + 1) / 2)


def test_a_tracker_follows_as_they_come():
    places, frames, _ = crossing()
    detections, _ = seen(places, frames, 60, seed=4)
    tracker = Tracker(max_gap=30)
    streamed = [tracker.update(detections.keypoints[detections.frames == frame], frame) for frame in range(60)]
    assert (np.concatenate(streamed) == track(detections).persons).all()
    assert tracker.update(np.zeros((0, 17, 3)), 60).shape == (0,)


def test_who_is_not_followed_cannot_be_chosen():
    detections, _ = seen([[0, 0]], [0], 1)
    with pytest.raises(SkelgraphError, match="followed"):
        longest_seen(detections, 1)


def test_who_is_found_twice_is_one_and_neighbours_are_two():
    places, frames, who = crossing()
    detections, order = seen(places, frames, 60, seed=6)
    rng = np.random.default_rng(7)
    again = detections.keypoints[::3] + rng.normal(0, 2, detections.keypoints[::3].shape) * [1, 1, 0]
    again[:, 9:] = 0  # half of a person
    keypoints = np.concatenate([again, detections.keypoints])
    sources = np.concatenate([np.full(len(again), -1), who[order]])
    at = np.concatenate([detections.frames[::3], detections.frames])
    turn = np.argsort(at, kind="stable")
    twice = Detections(keypoints[turn], at[turn], SKELETON, 60)
    assert len(track(twice).frames) == 160
    once = track(twice, duplicates=0.9)
    kept = sources[turn] >= 0
    assert (once.keypoints == twice.keypoints[kept]).all()
    assert (once.persons == sources[turn][kept]).all()


def test_who_is_seen_dimly_is_left_out():
    frames = np.repeat(np.arange(10), 2)
    detections, _ = seen(np.tile([[0, 0], [900, 0]], (10, 1)), frames, 10, shuffled=False)
    keypoints = detections.keypoints.copy()
    keypoints[::2, :, 2] = 0.2
    keypoints[1::2, 5:] = 0  # not known, which is not dim
    dim = Detections(keypoints, frames, SKELETON, 10)
    assert (track(dim, min_confidence=0.5).keypoints == keypoints[1::2]).all()
    assert len(track(dim, min_confidence=0.1).frames) == 20
