"""What callers say of people and cameras in other units, of other pictures, of another down."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import skelgraph
from skelgraph import Lifter, Skeleton, SkelgraphError
from skelgraph.__main__ import main
from skelgraph.datasets import four_views, write_keypoints
from skelgraph.lifting.plausible import angle_from_up, check_focal, check_height, check_picture, check_times

VIEWS = four_views()
SEEN = VIEWS["cam02"].detections
GRAVITY = VIEWS["cam02"].gravity


@pytest.fixture(scope="module")
def lifter():
    return Lifter()


@pytest.mark.parametrize(
    ("height", "hint"),
    [
        (175, r"\(175 cm are 1\.75\)"),
        (1750.0, "1750 mm are 1.75"),
        (5.9, "5.9 feet are 1.8"),
        (0.01, r"0\.3 to 3\. If"),
    ],
)
def test_a_height_is_in_metres(lifter, height, hint):
    with pytest.raises(SkelgraphError, match=hint) as error:
        lifter(SEEN, heights={0: height})
    assert str(error.value).startswith(f"heights is {height:g}; expected metres")
    tall = Lifter(unchecked=True)(replace(SEEN, keypoints=SEEN.keypoints), heights=height).people[0]
    assert np.isfinite(tall.poses).all()
    check_height("height", 0.3)
    check_height("height", 3)


@pytest.mark.parametrize(
    ("focal", "expected"),
    [
        (9.3, "field of view of 179 degrees in a picture of 1080 x 1920; expected 257 to 36661 pixels .* millimetres"),
        ((1600.0, 28.0), "focal is 28 pixels"),
        (107118.0, "of another picture, or parts of pixels"),
    ],
)
def test_a_focal_length_is_in_pixels(lifter, focal, expected):
    with pytest.raises(SkelgraphError, match=expected):
        lifter(SEEN, focal=focal)
    with pytest.raises(SkelgraphError, match=expected):
        lifter.stream([], skeleton="coco17", image_size=(1080, 1920), focal=focal, frame_rate=30.0)
    check_focal((258, 36660), (1080, 1920))


def picture_said(size, *, of=SEEN):
    return check_picture(replace(of, image_size=size))


def test_a_picture_holds_its_keypoints():
    for view in VIEWS.values():
        assert check_picture(view.detections) is None
        with (
            pytest.raises(SkelgraphError, match=r"1080 x 1920 holds them\. If it is right")
            if (view is not VIEWS["cam02"])
            else warnings.catch_warnings()
        ):
            said = picture_said((1920, 1080), of=view.detections)
            assert said is not None
            assert said.startswith("7% of the keypoints lie outside of a picture of 1920 x 1080")
    assert "expected that which they are of" in picture_said((1080, 960))
    with pytest.raises(SkelgraphError, match="expected that which they are of"):
        picture_said((540, 700))


def test_guesses_beyond_the_edge_count_by_their_confidence():
    """Somebody at a desk, whose legs a detector guesses below the picture, without much confidence."""
    keypoints = SEEN.keypoints.copy()
    low = keypoints[..., 1] > np.median(keypoints[..., 1])
    keypoints[low, 1] += 1920
    keypoints[low, 2] = 0.005
    assert picture_said((1080, 1920), of=replace(SEEN, keypoints=keypoints)) is None


def test_a_lifter_asks_of_what_its_caller_says(lifter):
    pixels = SEEN.keypoints[:5]
    with pytest.warns(UserWarning, match="holds them") as told:
        lifter(pixels, skeleton=SEEN.skeleton, image_size=(1920, 1080), frame_rate=60.0)
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Lifter(unchecked=True)(pixels, skeleton=SEEN.skeleton, image_size=(1920, 1080), frame_rate=60.0)
        lifter(replace(SEEN, image_size=(1920, 1080)))  # who says it in a file knows it


def test_the_angle_from_up(lifter):
    lifted = lifter(SEEN)
    upright = angle_from_up(lifted, GRAVITY)
    assert upright < 20
    assert angle_from_up(lifted, -3 * GRAVITY) == pytest.approx(180 - upright)
    assert angle_from_up(lifted, 1e308 * GRAVITY) == pytest.approx(upright)
    assert angle_from_up(replace(lifted, people=[]), GRAVITY) is None
    strange = Skeleton(lifted.skeleton.parents)  # whose joints nobody knows
    assert angle_from_up(replace(lifted, skeleton=strange), GRAVITY) is None


@pytest.mark.parametrize(
    ("given", "code", "expected"),
    [
        (["--height", "175"], 2, "height is 175; expected metres, from 0.3 to 3 (175 cm are 1.75)"),
        (["--height", "1.8,170"], 2, "height is 170"),
        (["--height", "1.8,1.6"], 2, "height has 2 numbers, and there are 1 people (0)"),
        (["--min-cutoff", "0.5"], 2, "min-cutoff is of the One-Euro filter, which is off"),
        (["--beta", "0"], 2, "beta is of the One-Euro filter"),
        (["--focal", "28"], 2, "focal is 28 pixels"),
        (["--format", "TRC"], 2, "did you mean 'trc'?"),
        (["walk.mp4"], 2, "given by --input"),
        (["--gravity", "0,-1,0"], 0, "warning: with gravity 0,-1,0 (given) people stand on their heads"),
        (["--gravity", "0,0,-9.81"], 0, "people lie"),
        (["--height", "175", "--unchecked"], 0, "1 person"),
    ],
    ids=lambda value: "=".join(value) if isinstance(value, list) else "",
)
def test_the_command_says_it_in_its_own_words(tmp_path, capsys, given, code, expected):
    write_keypoints(tmp_path / "walk.npz", SEEN)
    out = tmp_path / "out"
    assert main(["lift", "--input", str(tmp_path / "walk.npz"), "--out", str(out), "--format", "npz", *given]) == code
    said, error = capsys.readouterr()
    assert expected in (error if code else said)
    assert out.exists() == (code == 0)


def test_each_of_several_people_has_a_height(tmp_path):
    both = np.stack([SEEN.keypoints, SEEN.keypoints + np.array([300.0, 0, 0])], 1)
    people = np.tile([3, 8], len(both))
    seen = replace(SEEN, keypoints=both.reshape(-1, *both.shape[2:]), frames=SEEN.frames.repeat(2), persons=people)
    write_keypoints(tmp_path / "walk.npz", seen)
    settings = skelgraph.lifting.LiftSettings.of(format=("npz",), height=(1.9, 1.5))
    skelgraph.lifting.lift_file(tmp_path / "walk.npz", tmp_path / "out", settings)
    lengths = [np.ptp(np.load(tmp_path / "out" / f"person{person}.npz")["positions"][0, :, 2]) for person in (3, 8)]
    assert lengths[0] / lengths[1] == pytest.approx(1.9 / 1.5, rel=0.1)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda lifter: Lifter(height=1.8), r"^Lifter: .* 'height'; did you mean heights, of a call\?$"),
        (lambda lifter: lifter(SEEN, height=1.8), r"^Lifter: .* 'height'; did you mean heights\?$"),
        (lambda lifter: Lifter(zzz=1), "'zzz'$"),
    ],
)
def test_a_keyword_that_does_not_exist_is_told_with_the_one_that_was_meant(lifter, call, expected):
    with pytest.raises(TypeError, match=expected):
        call(lifter)


@pytest.mark.parametrize(
    ("times", "rate", "expected"),
    [
        (np.arange(60) / 30, 30.0, None),
        (np.round(np.arange(60) / 239.76, 3), 239.76, None),  # as Matroska rounds them
        (np.delete(np.arange(61) / 30, 20), 29.5, None),  # one frame was dropped
        (np.r_[np.arange(30) / 30, 1 + np.arange(30) / 15], 20.7, "count as 20.7 a second, 48.3 ms apart, and 100% of"),
        (np.r_[np.arange(90) / 30, 3 + np.arange(10) / 15], 30.0, "9% of them are 66.7 ms apart"),
        (np.arange(60) / 15, 30.0, "100% of them are 66.7 ms apart"),
        (None, 30.0, None),
        (np.arange(60) / 30, None, None),
        (np.arange(1.0), 30.0, None),
        (np.arange(0.0), 30.0, None),
    ],
)
def test_frames_are_as_far_apart_as_their_rate_says(times, rate, expected):
    found = check_times(times, rate)
    assert (found is None) == (expected is None)
    assert expected is None or expected in found
