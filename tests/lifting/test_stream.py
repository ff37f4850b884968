"""Frame by frame gives what all frames at once give, as early as it can be known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from moving_people import CENTRE, FOCAL, RATE, SIZE, Window, moving, seen

from skelgraph import Lifter, Skeleton
from skelgraph.datasets import Detections
from skelgraph.errors import SkelgraphError
from skelgraph.lifting import LiftedFrame, LiftedPerson, OneEuro, keep_sides, lifter
from skelgraph.lifting.sides import KeptSides
from skelgraph.lifting.stream import StretchStream
from skelgraph.topology import as_skeleton

COCO = as_skeleton("coco17")
CAMERA: dict[str, Any] = {"image_size": SIZE, "focal": FOCAL, "principal_point": CENTRE, "frame_rate": RATE}


def with_gaps(seed: int, frames: int) -> np.ndarray:
    """Keypoints of somebody who comes and goes, with joints that are missing for shorter and longer."""
    rng = np.random.default_rng(seed)
    points = seen(*moving(seed, frames, "coco17"))
    for start, length in ((0, 2), (20, 7), (40, 8), (51, 3), (60, 20)):
        points[start : start + length] = 0
    for _ in range(8):
        start, length = rng.integers(0, frames), rng.integers(1, 10)
        points[start : start + length, rng.integers(0, 17)] = 0
    return points


def joined(items: list[LiftedFrame]) -> list[LiftedPerson]:
    """The stretches that the frames of a stream make."""
    stretches: dict[int, list[list[LiftedFrame]]] = {}
    for item in items:
        mine = stretches.setdefault(item.person, [])
        if item.begins:
            mine.append([])
        assert not mine[-1] or mine[-1][-1].frame + 1 == item.frame, "no frame is left out"
        mine[-1].append(item)
    return [
        LiftedPerson(
            person,
            part[0].frame,
            *(np.stack([getattr(item, name) for item in part]) for name in ("pose", "root", "keypoints_2d")),
        )
        for person in sorted(stretches)
        for part in stretches[person]
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"smoothing": OneEuro()},
        {"network_rate": 50.0, "smoothing": OneEuro(0.5, 1.0)},
        {"network_rate": 20.0},
        {"max_gap": 0.0},
        {"normalisation": "width", "flip": False, "batch_size": 3},
    ],
    ids=["plain", "smooth", "fast-network", "slow-network", "no-gaps", "width"],
)
@pytest.mark.parametrize("double", [True, False])
def test_a_stream_gives_what_the_whole_video_gives(options: dict[str, Any], double: bool) -> None:
    network = Window(num_frames=9)
    lift = Lifter(network.double() if double else network, **options)
    frames = 120
    people = {5: with_gaps(1, frames), 2: with_gaps(2, frames), 8: with_gaps(3, frames)}
    people[8][:70] = 0  # comes late
    entries = [(t, who, x[t]) for t in range(frames) for who, x in people.items() if x[t].any()]
    numbers, persons, points = zip(*entries, strict=True)
    video = Detections(np.stack(points), np.array(numbers), COCO, frames, np.array(persons), SIZE, RATE)
    whole = lift(video, focal=FOCAL, principal_point=CENTRE).people
    stream = ({who: x[t] for who, x in people.items() if x[t].any()} for t in range(frames))
    made = joined(list(lift.stream(stream, skeleton="coco17", **CAMERA)))
    assert [(a.person, a.first_frame, len(a.poses)) for a in made] == [
        (b.person, b.first_frame, len(b.poses)) for b in whole
    ]
    assert len(made) > 8
    assert np.isfinite(np.concatenate([person.root for person in whole])).all(1).mean() > 0.5
    for a, b in zip(made, whole, strict=True):
        np.testing.assert_allclose(a.poses, b.poses, atol=1e-6, rtol=0)
        np.testing.assert_allclose(a.keypoints_2d, b.keypoints_2d, atol=1e-9)
        if double:
            np.testing.assert_allclose(a.root, b.root, atol=1e-6, rtol=1e-6)


def test_all_people_of_a_frame_are_followed() -> None:
    """What a detector returns, in any order, frame by frame and at once; one leaves for longer than a second."""
    frames = 90
    motions = {x: moving(x + 5, frames, "coco17") for x in (-2, 2)}
    people = [seen(0.5 * poses, roots + np.array([x, 0, 3])) for x, (poses, roots) in motions.items()]
    people[1][20:60] = 0
    items = [[x[t] for x in people if x[t].any()][:: 1 if t % 3 else -1] for t in range(frames)]
    stream = (np.array(item).reshape(-1, 17, 3) for item in items)
    made = joined(list(Lifter(Window()).stream(stream, skeleton="coco17", **CAMERA)))
    points = np.concatenate([np.array(item) for item in items])
    numbers = np.repeat(np.arange(frames), [len(item) for item in items])
    video = Detections(points, numbers, COCO, frames, None, SIZE, RATE)
    whole = Lifter(Window())(video, focal=FOCAL, principal_point=CENTRE).people
    assert [(a.person, a.first_frame, len(a.poses)) for a in made] == [(0, 0, 90), (1, 0, 20), (2, 60, 30)]
    for a, b in zip(made, whole, strict=True):
        assert (a.person, a.first_frame) == (b.person, b.first_frame)
        np.testing.assert_allclose(a.poses, b.poses, atol=1e-6)
        np.testing.assert_allclose(a.keypoints_2d, b.keypoints_2d)


def test_sides_are_kept_as_those_of_the_whole_video() -> None:
    """Two people with joints that are not seen, who leave for less than a second."""
    frames, mirror = 90, list(COCO.mirror_index)
    motions = {x: moving(x + 5, frames, "coco17") for x in (-2, 2)}
    people = [seen(0.5 * poses, roots + np.array([x, 0, 3])) for x, (poses, roots) in motions.items()]
    for x, (first, last) in zip(people, ((40, 50), (60, 62)), strict=True):
        x[first:last] = x[first:last][:, mirror]
    people[0][20:26] = 0
    people[1][25:50] = 0
    people[0][10:15, 7] = 0
    items = [{7 * who: x[t] for who, x in enumerate(people) if x[t].any()} for t in range(frames)]
    entries = [(t, who, x) for t, item in enumerate(items) for who, x in item.items()]
    numbers, persons, points = zip(*entries, strict=True)
    video = Detections(np.stack(points), np.array(numbers), COCO, frames, np.array(persons), SIZE, RATE)
    kept = keep_sides(video)
    exchanged = (kept.keypoints != video.keypoints).any((1, 2))
    assert {*video.frames[exchanged & (video.persons == 0)]} == {*range(40, 50)}
    assert exchanged[video.persons == 7].any()
    whole = Lifter(Window())(kept, focal=FOCAL, principal_point=CENTRE).people
    made = joined(list(Lifter(Window()).stream(items, skeleton="coco17", keep_sides=True, **CAMERA)))
    assert [(a.person, a.first_frame, len(a.poses)) for a in made] == [
        (b.person, b.first_frame, len(b.poses)) for b in whole
    ]
    for a, b in zip(made, whole, strict=True):
        np.testing.assert_allclose(a.poses, b.poses, atol=1e-6)
        np.testing.assert_allclose(a.keypoints_2d, b.keypoints_2d)
    unknown = Skeleton(COCO.parents, COCO.joint_names, name="mine")
    with pytest.raises(SkelgraphError, match=r"mine.*does not say what is left and right"):
        Lifter(Window()).stream(items, skeleton=unknown, keep_sides=True, **CAMERA)


def test_who_is_gone_is_not_remembered() -> None:
    sides = KeptSides(COCO, 0.0)
    for frame in range(1000):
        sides.forget_before(frame - 31)
        sides(frame, np.ones((17, 3)), frame)
    assert len(sides._people) <= 32


def delays(lift: Lifter, points: np.ndarray) -> dict[int, int]:
    """How many frames later each frame came out."""
    now = -1

    def webcam() -> Iterator[np.ndarray | None]:
        nonlocal now
        for x in points:
            now += 1
            yield x[None] if x.any() else None

    return {item.frame: now - item.frame for item in lift.stream(webcam(), skeleton="coco17", **CAMERA)}


@pytest.mark.parametrize(("network_rate", "reach"), [(None, 4), (50.0, 3), (20.0, 6)])
def test_frames_wait_for_half_a_window_and_for_gaps_alone(network_rate: float | None, reach: int) -> None:
    points = seen(*moving(0, 60, "coco17"))
    points[30:33, 7] = 0  # filled when frame 33 is there
    late = delays(Lifter(Window(num_frames=9), network_rate=network_rate), points)
    assert set(late) == {*range(60)}
    usual = reach + 2
    assert all(late[frame] == usual for frame in range(30 - usual))
    assert all(late[frame] == usual for frame in range(34, 60 - usual))
    assert all(late[frame] == max(usual, 33 - frame) for frame in range(30 - usual, 34))
    assert late[59] == 0, "the end does not wait"
    points[40:] = 0
    gone = delays(Lifter(Window(num_frames=9)), points)
    assert max(gone) == 39
    assert gone[39] == 8, "frame 47 ends the longest gap that may close, 7 frames"


def test_a_stream_keeps_no_more_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three hundred frames the buffers are as long as after a hundred."""
    made: list[StretchStream] = []

    class Recorded(StretchStream):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(lifter, "StretchStream", Recorded)
    points = seen(*moving(0, 400, "coco17"))
    sizes = []
    for item in Lifter(Window(num_frames=9)).stream(points, skeleton="coco17", **CAMERA):
        if item.frame in (100, 300):
            sizes.append([len(part) for part in (made[0]._frames, made[0]._poses, made[0]._roots)])
    assert sizes[0] == sizes[1]
    assert max(sizes[0]) <= 12
    assert len(made) == 1


def test_what_a_stream_is_not_given() -> None:
    lift = Lifter(Window())
    points = seen(*moving(0, 4, "coco17"))
    with pytest.raises(SkelgraphError, match=r"frame 1 is .*expected \(J, 2 or 3\) or \(N, J, 2 or 3\), J = 17"):
        list(lift.stream([points[0], points[:2, :4]], skeleton="coco17", **CAMERA))
    with pytest.raises(SkelgraphError, match=r"frame 2 is .*expected .*\(J, 2 or 3\).*, J = 17"):
        list(lift.stream([None, points[0], points[0, :5]], skeleton="coco17", **CAMERA))
    with pytest.raises(SkelgraphError, match=r"frame 0 is \[\[1, 2\], \[3\]\]"):
        list(lift.stream([[[1, 2], [3]]], skeleton="coco17", **CAMERA))
    with pytest.raises(SkelgraphError, match="expected keypoints by the numbers of people"):
        list(lift.stream([{"somebody": points[0]}], skeleton="coco17", **CAMERA))
    with pytest.raises(SkelgraphError, match=r"frame 1: .* as if normalised"):
        list(lift.stream([points[0], points[1] / (1920, 1920, 1)], skeleton="coco17", **CAMERA))
    with pytest.raises(SkelgraphError, match="rigid_bones are medians"):
        Lifter(Window(), rigid_bones=True).stream([], skeleton="coco17", **CAMERA)
    with pytest.raises(SkelgraphError, match="image_size is not known"):
        lift.stream([], skeleton="coco17", frame_rate=RATE)
