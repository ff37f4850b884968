"""Lifter on people whose truth is known: portrait, 29.97 frames a second, a camera whose centre is not the middle."""

from __future__ import annotations

import doctest
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from moving_people import CENTRE, FOCAL, RATE, SIZE, Knows, Window, moving, seen

import skelgraph
from skelgraph import Lifter
from skelgraph.datasets import Detections
from skelgraph.errors import SkelgraphError
from skelgraph.lifting import ESTIMATED_FOCAL, HUMAN36M_FOCAL, OneEuro, lifter
from skelgraph.lifting.normalisation import NORMALISATIONS, View
from skelgraph.topology import Skeleton, as_skeleton, conversion_weights

LAYOUT = as_skeleton("h36m17")
CAMERA: dict[str, Any] = {"image_size": SIZE, "focal": FOCAL, "principal_point": CENTRE}


def by_focal(keypoints: np.ndarray, focal: Any = FOCAL, centre: Any = CENTRE) -> np.ndarray:
    return (keypoints[..., :2] - centre) / focal * 2 * 1145 / 1000


def knowing(*people: tuple[np.ndarray, np.ndarray]) -> Knows:
    """A network that knows these keypoints and poses."""
    return Knows(*(np.concatenate(part) for part in zip(*people, strict=True)))


def together(*people: tuple[int, int, np.ndarray], frames: int) -> Detections:
    """People (number, first frame, keypoints) as a tracker gives them: frame by frame, in any order within one."""
    entries = [(first + t, person, x) for person, first, points in people for t, x in enumerate(points) if x.any()]
    entries.sort(key=lambda entry: (entry[0], -entry[1]))
    numbers, persons, keypoints = zip(*entries, strict=True)
    return Detections(np.stack(keypoints), np.array(numbers), LAYOUT, frames, np.array(persons), SIZE, RATE)


def test_two_people_from_pixels_to_metres() -> None:
    first, second = moving(0, 40), moving(1, 55)
    pixels = seen(*first), seen(*second)
    network = knowing(*((by_focal(x), poses) for x, (poses, _) in zip(pixels, (first, second), strict=True)))
    video = together((7, 10, pixels[0]), (3, 0, pixels[1]), frames=90)
    lifted = Lifter(network, flip=False, batch_size=16)(video, focal=FOCAL, principal_point=CENTRE)
    assert [(person.person, person.first_frame, len(person.poses)) for person in lifted.people] == [
        (3, 0, 55),
        (7, 10, 40),
    ]
    for person, (poses, roots), points in zip(lifted.people, (second, first), pixels[::-1], strict=True):
        np.testing.assert_allclose(person.poses, poses, atol=1e-9)
        np.testing.assert_allclose(person.root, roots, atol=1e-6)  # noise-free poses: a micrometre
        np.testing.assert_array_equal(person.keypoints_2d, points)
    assert lifted.intrinsics.tolist() == [*FOCAL, *CENTRE]
    assert (lifted.focal_source, lifted.image_size, lifted.frame_rate, lifted.num_frames) == ("given", SIZE, RATE, 90)
    assert lifted.not_lifted == []


def test_the_focal_length_is_given_or_estimated_or_not_used() -> None:
    poses, roots = moving(0, 12)
    pixels = seen(poses, roots)
    middle = (SIZE[0] / 2, SIZE[1] / 2)
    estimate = ESTIMATED_FOCAL * SIZE[1]
    expected = {
        "given": by_focal(pixels, 1400.0, middle),
        "estimated": by_focal(pixels, estimate, middle),
        "width": (pixels[..., :2] - middle) / 540,
    }
    for name, inputs in expected.items():
        lift = Lifter(knowing((inputs, poses)), flip=False, normalisation="width" if name == "width" else "focal")
        focal = None if name == "estimated" else 1400.0
        lifted = lift(pixels, skeleton="h36m17", image_size=SIZE, focal=focal, frame_rate=RATE)
        assert lifted.focal_source == ("estimated" if name == "estimated" else "given")
        assert lifted.intrinsics.tolist() == [*[focal or estimate] * 2, *middle]
        np.testing.assert_allclose(lifted.people[0].poses, poses)
    wide = Lifter(knowing((expected["given"] / HUMAN36M_FOCAL * 1.7, poses)), flip=False, training_focal=1.7)
    assert len(wide(pixels, skeleton="h36m17", image_size=SIZE, focal=1400.0, frame_rate=RATE).people) == 1


def test_a_normalisation_may_turn_the_axes_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that turns the camera to the person does: each window by an angle of its own, about the optical axis."""
    poses, roots = moving(0, 12)
    pixels = seen(poses, roots)
    angles = torch.linspace(0, 2, 12, dtype=torch.float64)
    turns = torch.eye(3, dtype=torch.float64).repeat(12, 1, 1)
    turns[:, 0, 0] = turns[:, 1, 1] = angles.cos()
    turns[:, 1, 0], turns[:, 0, 1] = angles.sin(), -angles.sin()

    def turned(keypoints: torch.Tensor, view: View) -> tuple[torch.Tensor, torch.Tensor]:
        rays, _ = by_focal_of_the_library(keypoints, view)
        return rays @ turns[:, None, :2, :2], turns  # into the turned axes: by the transpose

    by_focal_of_the_library = NORMALISATIONS["focal"]
    monkeypatch.setitem(NORMALISATIONS, "turned", turned)
    network = Knows(
        (torch.from_numpy(by_focal(pixels)) @ turns[:, :2, :2]).numpy(), (torch.from_numpy(poses) @ turns).numpy()
    )
    lift = Lifter(network, flip=False, normalisation="turned")
    lifted = lift(pixels, skeleton="h36m17", frame_rate=RATE, **CAMERA)
    np.testing.assert_allclose(lifted.people[0].poses, poses, atol=1e-9)
    np.testing.assert_allclose(lifted.people[0].root, roots, atol=1e-6)


def test_short_gaps_are_filled_and_long_ones_end_a_stretch() -> None:
    """At 29.97 frames a second 0.25 s are 7 frames. The keypoints move evenly, so that their places in gaps are known;
    the person is away for 7 frames and for 8, a wrist for 7 and for 8, one joint is late and one leaves early."""
    frames = 80
    even = seen(*moving(0, 2))
    even = even[:1] + np.linspace(0, 60, frames)[:, None, None] * [3, -2, 0]
    wrist, ankle, knee = LAYOUT.index("left_wrist"), LAYOUT.index("right_foot"), LAYOUT.index("left_knee")
    found = even.copy()
    found[10:17] = 0
    found[24:32] = 0
    found[40:47, wrist] = [1e6, np.nan, 0]
    found[55:63, wrist] = 0
    found[:2, ankle] = 0
    found[76:, knee] = 0
    lifted = Lifter(Window(num_frames=1))(found, skeleton="h36m17", frame_rate=RATE, **CAMERA)
    stretches = [(2, 24), (32, 55), (63, 76)]
    assert [(p.first_frame, p.last_frame + 1) for p in lifted.people] == stretches
    for person, (start, stop) in zip(lifted.people, stretches, strict=True):
        np.testing.assert_allclose(person.keypoints_2d[..., :2], even[start:stop, :, :2])
        seen_there = np.nan_to_num(found[start:stop, :, 2]) > 0
        np.testing.assert_array_equal(person.keypoints_2d[..., 2], np.where(seen_there, found[start:stop, :, 2], 0))
    assert [(part.first_frame, part.last_frame, part.joints) for part in lifted.not_lifted] == [
        (0, 1, ("right_foot",)),
        (55, 62, ("left_wrist",)),
        (76, 79, ("left_knee",)),
    ]
    none = Lifter(Window(num_frames=1), max_gap=0.0)(found, skeleton="h36m17", frame_rate=RATE, **CAMERA)
    assert [(p.first_frame, p.last_frame + 1) for p in none.people] == [
        *((2, 10), (17, 24), (32, 40), (47, 55), (63, 76)),
    ]


def test_a_joint_that_is_never_seen_is_said() -> None:
    pixels = seen(*moving(0, 20))
    pixels[:, LAYOUT.index("right_knee"), 2] = 0.2
    lift = Lifter(Window(num_frames=1), min_confidence=0.2)
    lifted = lift(pixels, skeleton="h36m17", frame_rate=RATE, **CAMERA)
    assert lifted.people == []
    (lost,) = lifted.not_lifted
    assert (lost.person, lost.first_frame, lost.last_frame, lost.joints) == (0, 0, 19, ("right_knee",))
    assert len(Lifter(Window(num_frames=1))(pixels, skeleton="h36m17", frame_rate=RATE, **CAMERA).people) == 1


def test_roots_come_from_the_joints_that_are_seen() -> None:
    """Joints in a gap that is filled are somewhere else than they were: they must not move the root."""
    poses, roots = moving(2, 30)
    clean = seen(poses, roots)
    found = clean.copy()
    arm = [LAYOUT.index(f"left_{joint}") for joint in ("shoulder", "elbow", "wrist")]
    found[8:14, arm] = 0
    lift = Lifter(Knows(by_focal(clean), poses, tolerance=10), flip=False)
    lifted = lift(found, skeleton="h36m17", frame_rate=RATE, **CAMERA)
    assert np.abs(lifted.people[0].keypoints_2d[8:14, arm, :2] - clean[8:14, arm, :2]).max() > 3
    np.testing.assert_allclose(lifted.people[0].root, roots, atol=1e-6)


def test_a_bad_frame_does_not_throw_the_root() -> None:
    """Joints mixed up in frames 5, 6 and the last: the network knows the poses, the keypoints are the wrong ones."""
    poses, roots = moving(2, 30)
    clean = seen(poses, roots)
    found = clean.copy()
    for frame, factor in ((5, 0.3), (6, 0.3), (29, 3.0)):
        middle = found[frame, :, :2].mean(0)
        found[frame, :, :2] = middle + factor * (found[frame, :, :2] - middle)
    found[20, :, :2] = found[20, :1, :2]  # all at one point: no depth at all
    lift = Lifter(Knows(by_focal(found), poses), flip=False)
    lifted = lift(found, skeleton="h36m17", frame_rate=RATE, **CAMERA)
    error = np.linalg.norm(lifted.people[0].root - roots, axis=-1)
    bad = np.isin(np.arange(30), [5, 6, 20, 29])
    assert error[~bad].max() < 1e-6
    assert error[bad].max() < 0.2, "about two frames of its way"


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("source", ["coco17", "blazepose33"])
def test_left_stays_left(flip: bool, source: str) -> None:
    """A person in the mirrored video is the mirrored person, with the names of its own sides."""
    pixels = seen(*moving(4, 12, "coco17")) if source == "coco17" else None
    layout = as_skeleton(source)
    if pixels is None:
        pixels = np.random.default_rng(0).uniform(200, 900, (12, 33, 3))
    mirrored = pixels[:, list(layout.mirror_index)] * [-1, 1, 1] + [SIZE[0], 0, 0]
    network = Window()
    if not flip:  # then the network itself has to be the same on both sides
        network = Symmetric()
    plain, other = (
        Lifter(network, flip=flip)(x, skeleton=source, image_size=SIZE, frame_rate=RATE).people[0]
        for x in (pixels, mirrored)
    )
    back = other.poses[:, list(LAYOUT.mirror_index)] * [-1, 1, 1]
    assert np.abs(plain.poses).max() > 0.1
    np.testing.assert_allclose(back, plain.poses, atol=1e-5)
    np.testing.assert_allclose(other.root * [-1, 1, 1], plain.root, rtol=1e-3, atol=1e-3)
    side = plain.keypoints_2d[:, LAYOUT.index("left_elbow")]
    np.testing.assert_array_equal(side, pixels[:, layout.index("left_elbow")])


class Symmetric(Window):
    def lift(self, clip: torch.Tensor) -> torch.Tensor:
        index = list(self.skeleton.mirror_index)
        signs = torch.tensor([-1.0, 1]), torch.tensor([-1.0, 1, 1])
        return super().lift(clip) + super().lift(clip[:, :, index] * signs[0])[:, index] * signs[1]


def test_the_mean_of_both_sides_is_the_default_where_sides_are_known() -> None:
    pixels = seen(*moving(0, 5))
    with_flip, without = (
        Lifter(Window(), flip=flip)(pixels, skeleton="h36m17", frame_rate=RATE, **CAMERA).people[0].poses
        for flip in (True, False)
    )
    by_default = Lifter(Window())(pixels, skeleton="h36m17", frame_rate=RATE, **CAMERA).people[0].poses
    np.testing.assert_array_equal(by_default, with_flip)
    assert np.abs(with_flip - without).max() > 1e-3
    worm = Skeleton([-1, 0, 1], ["a", "b", "c"])
    points = pixels[:, :3]
    assert len(Lifter(Window(worm))(points, skeleton=worm, frame_rate=RATE, **CAMERA).people) == 1
    with pytest.raises(SkelgraphError, match="which joints are left and right"):
        Lifter(Window(worm), flip=True)


@pytest.mark.parametrize("step", [None, 50.0, 20.0])
def test_windows_repeat_the_ends_of_their_stretch(step: float | None) -> None:
    """Against windows gathered frame by frame; a network of another frame rate sees places between the frames."""
    pixels = seen(*moving(0, 40))
    pixels[15:25] = 0  # two stretches
    network = Window(num_frames=9).double()
    lift = Lifter(network, flip=False, batch_size=7, network_rate=step)
    lifted = lift(pixels, skeleton="h36m17", frame_rate=RATE, **CAMERA)
    spacing = 1.0 if step is None else RATE / step
    for person, part in zip(lifted.people, (pixels[:15], pixels[25:]), strict=True):
        inputs = by_focal(part)
        for t in range(len(part)):
            times = np.clip(t + spacing * np.arange(-4, 5), 0, len(part) - 1)
            window = np.stack(
                [(1 - s % 1) * inputs[int(s)] + s % 1 * inputs[min(int(s) + 1, len(part) - 1)] for s in times]
            )
            with torch.no_grad():
                expected = network(torch.from_numpy(window)[None])[0].numpy()
            np.testing.assert_allclose(person.poses[t, 1:], expected[1:], atol=1e-10)
            assert not person.poses[t, 0].any(), "the root"
    assert network.largest == 7, "memory is bounded by the batch"


def test_networks_of_three_channels_are_given_confidences() -> None:
    pixels = seen(*moving(0, 10))
    network = Window(num_frames=1, in_channels=3).double()
    lifted = Lifter(network, flip=False)(pixels, skeleton="h36m17", frame_rate=RATE, **CAMERA)
    inputs = np.concatenate([by_focal(pixels), pixels[..., 2:]], -1)
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(lifted.people[0].poses[:, 1:], expected[:, 1:], atol=1e-12)


def test_bones_are_rigid_on_request() -> None:
    poses, roots = moving(3, 25)
    trembling = poses + np.random.default_rng(0).normal(size=poses.shape) * 0.02 * (np.arange(17)[:, None] > 0)
    pixels = seen(poses, roots)
    network = Knows(by_focal(pixels), trembling)
    plain, rigid = (
        Lifter(network, flip=False, rigid_bones=rigid)(pixels, skeleton="h36m17", frame_rate=RATE, **CAMERA)
        .people[0]
        .poses
        for rigid in (False, True)
    )
    np.testing.assert_allclose(plain, trembling, atol=1e-9)
    bones = np.stack([rigid[:, child] - rigid[:, parent] for parent, child in LAYOUT.edges], 1)
    before = np.stack([plain[:, child] - plain[:, parent] for parent, child in LAYOUT.edges], 1)
    lengths, medians = np.linalg.norm(bones, axis=-1), np.median(np.linalg.norm(before, axis=-1), 0)
    assert np.ptp(lengths, axis=0).max() < 1e-6
    for (_, child), length in zip(LAYOUT.edges, lengths[0], strict=True):
        other = LAYOUT.mirror_index[child]
        both = [medians[[c for _, c in LAYOUT.edges].index(c)] for c in (child, other)]
        assert length == pytest.approx(np.mean(both)), LAYOUT.joint_names[child]
    directions = (part / np.linalg.norm(part, axis=-1, keepdims=True) for part in (bones, before))
    np.testing.assert_allclose(*directions, atol=1e-9)


def test_a_known_size_scales_poses_and_ways() -> None:
    poses, roots = moving(3, 25)
    pixels = seen(poses, roots)
    lift = Lifter(Knows(by_focal(pixels), 1.3 * poses), flip=False)
    far = lift(pixels, skeleton="h36m17", frame_rate=RATE, **CAMERA).people[0]
    np.testing.assert_allclose(far.root, 1.3 * roots, atol=1e-6)
    mean = {  # of left and right, as the lengths of the predicted bones are
        name: float(np.mean([np.linalg.norm(poses[0, c] - poses[0, LAYOUT.parents[c]]) for c in pair]))
        for name, pair in (("left_foot", (3, 6)), ("right_knee", (2, 5)))
    }
    near = lift(pixels, skeleton="h36m17", frame_rate=RATE, bone_lengths=mean, **CAMERA).people[0]
    np.testing.assert_allclose(near.poses, poses, atol=1e-9)
    np.testing.assert_allclose(near.root, roots, atol=1e-6)
    tall = lift(pixels, skeleton="h36m17", frame_rate=RATE, heights={0: 1.8, 5: 1.2}, **CAMERA).people[0]
    other = lift(pixels, skeleton="h36m17", frame_rate=RATE, heights=0.9, **CAMERA).people[0]
    np.testing.assert_allclose(tall.poses, 2 * other.poses)
    np.testing.assert_allclose(tall.root, 2 * other.root, rtol=1e-6)
    way = np.linalg.norm(np.diff(tall.poses[:, [10, 8, 0]], axis=1), axis=-1).sum(1)
    legs = [np.linalg.norm(np.diff(tall.poses[:, leg], axis=1), axis=-1).sum(1) for leg in ([1, 2, 3], [4, 5, 6])]
    assert np.median(way + np.mean(legs, 0)) == pytest.approx(1.8 * (1 - 0.039))


def test_rigid_bones_of_known_lengths() -> None:
    poses, roots = moving(3, 25)
    pixels = seen(poses, roots)
    lift = Lifter(Knows(by_focal(pixels), poses), flip=False, rigid_bones=True)
    lengths = {"left_foot": 0.41, "right_foot": 0.39}
    made = lift(pixels, skeleton="h36m17", frame_rate=RATE, bone_lengths=lengths, **CAMERA).people[0].poses
    for name, length in lengths.items():
        joint = LAYOUT.index(name)
        bone = np.linalg.norm(made[:, joint] - made[:, LAYOUT.parents[joint]], axis=-1)
        np.testing.assert_allclose(bone, length, atol=1e-9)


def test_nobody() -> None:
    lift = Lifter(Window())
    empty = lift(np.zeros((0, 17, 3)), skeleton="coco17", image_size=SIZE)
    assert (empty.people, empty.not_lifted, empty.num_frames) == ([], [], 0)
    unseen = lift(np.full((30, 17, 2), np.nan), skeleton="coco17", image_size=SIZE, frame_rate=RATE)
    assert (unseen.people, unseen.num_frames, unseen.in_world((0, 1, 0))) == ([], 30, [])
    nobody = Detections(np.zeros((0, 17, 3)), np.zeros(0, int), as_skeleton("coco17"), 90, None, SIZE, RATE)
    assert lift(nobody).people == []
    assert list(lift.stream([], skeleton="coco17", image_size=SIZE, frame_rate=RATE)) == []


def test_detections_of_a_lone_person_need_no_tracking() -> None:
    pixels = seen(*moving(0, 10))
    alone = Detections(pixels, np.arange(4, 14), LAYOUT, 20, None, SIZE, RATE)
    (person,) = Lifter(Window())(alone).people
    assert (person.person, person.first_frame) == (0, 4)


def test_people_without_numbers_are_followed() -> None:
    first, second = moving(0, 30), moving(1, 30)
    pixels = seen(first[0] * 0.5, first[1] + [-2, 0, 3]), seen(second[0] * 0.5, second[1] + [2, 0, 3])
    known = together((0, 0, pixels[0]), (1, 0, pixels[1]), frames=30)
    named = Lifter(Window())(known, focal=FOCAL, principal_point=CENTRE)
    followed = Lifter(Window())(replace(known, persons=None), focal=FOCAL, principal_point=CENTRE)
    assert [person.person for person in followed.people] == [0, 1]
    for a, b in zip(followed.people, named.people, strict=True):
        np.testing.assert_array_equal(a.poses, b.poses)


def test_weights_from_files(tmp_path: Any) -> None:
    network = skelgraph.create_model("sem_gcn", "h36m16").eval()
    network.save_pretrained(tmp_path)
    pixels = seen(*moving(0, 6, "coco17"))
    camera = {"skeleton": "coco17", "frame_rate": RATE, **CAMERA}
    (ours,), (same,) = Lifter(tmp_path)(pixels, **camera).people, Lifter(network)(pixels, **camera).people
    np.testing.assert_array_equal(ours.poses, same.poses)
    assert Lifter(tmp_path, model="sem_gcn", skeleton="h36m16").skeleton == as_skeleton("h36m16")
    with pytest.raises(SkelgraphError, match="holds weights of sem_gcn, expected those of hgcn"):
        Lifter(tmp_path, model="hgcn")
    network.train()
    Lifter(network)
    assert not network.training, "dropout would be on"


@pytest.mark.parametrize("rule", ["body", "published"])
def test_joints_are_made_by_the_rule(rule: Any) -> None:
    pixels = seen(*moving(0, 6, "coco17"))
    lifted = Lifter(Window(), rule=rule)(pixels, skeleton="coco17", frame_rate=RATE, **CAMERA)
    weights = np.broadcast_to(conversion_weights("coco17", "h36m17", rule=rule), (2, 17, 17))
    expected = np.einsum("axj,tja->txa", weights, pixels[..., :2])
    np.testing.assert_allclose(lifted.people[0].keypoints_2d[..., :2], expected)


POINTS = np.ones((5, 17, 3)) * 300


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({}, {"image_size": None}, "image_size is not known and focal is not given"),
        ({}, {"image_size": None, "focal": 900.0}, "image_size is not known and principal_point is not given"),
        (
            {"normalisation": "width"},
            {"image_size": None, **{"focal": 900.0, "principal_point": (5.0, 5.0)}},
            "'width'",
        ),
        ({}, {"skeleton": None}, "skeleton is not given"),
        ({}, {"skeleton": "body25"}, r"expected Detections or an array \(T, J, 2 or 3\), J = 25"),
        ({}, {"keypoints_2d": "keypoints"}, "expected Detections or an array"),
        ({}, {"keypoints_2d": POINTS + 1j}, "expected Detections or an array"),
        ({}, {"keypoints_2d": POINTS / (1920, 1920, 1)}, "as if normalised"),
        ({}, {"keypoints_2d": POINTS * (1e6, 1e6, 1)}, "keypoints_2d: a joint is at"),
        ({}, {"confidence": np.ones((5, 17))}, "confidence is"),
        ({}, {"keypoints_2d": POINTS[..., :2], "confidence": np.ones((5, 16))}, "confidence is"),
        ({}, {"focal": 0.0}, "focal is 0.0"),
        ({}, {"focal": (900.0, float("nan"))}, "focal is"),
        ({}, {"image_size": (1080, 0)}, "image_size is"),
        ({}, {"frame_rate": -1.0}, "frame_rate is -1.0"),
        ({"smoothing": OneEuro()}, {"frame_rate": None}, "frame_rate is not known, and smoothing needs it"),
        ({"network_rate": 50.0}, {"frame_rate": None}, "frame_rate is not known, and network_rate needs it"),
        ({}, {"frame_rate": None, "keypoints_2d": POINTS * (np.arange(5)[:, None, None] != 2)}, "gaps of max_gap"),
        ({}, {"heights": 0}, "heights is 0"),
        ({}, {"heights": {0: "tall"}}, "heights is 'tall'"),
        ({}, {"heights": 1.7, "bone_lengths": {"left_foot": 0.4}}, "expected one of them"),
        ({}, {"bone_lengths": {"left_shin": 0.4}}, "left_shin"),
        ({}, {"bone_lengths": {"hip": 0.4}}, "the root"),
        ({}, {"bone_lengths": {}}, "bone_lengths is empty"),
        ({}, {"bone_lengths": [0.4]}, "bone_lengths is"),
        ({}, {"skeleton": "h36m17", "keypoints_2d": Detections(POINTS, np.arange(5), as_skeleton("coco17"), 5)}, "say"),
        ({"normalisation": "height"}, {}, "normalisation is 'height'; expected 'focal' or 'width'"),
        ({"batch_size": 0}, {}, "batch_size is 0"),
        ({"max_gap": float("inf")}, {}, "max_gap is inf"),
        ({"device": "abacus"}, {}, "device is 'abacus', which cannot be used"),
        ({"smoothing": True}, {}, "smoothing is True; expected"),
        ({"model": "sem_gcn"}, {}, "weights is a network"),
        ({"rule": "guess"}, {}, "rule is 'guess'"),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_so(options: Any, arguments: Any, message: str) -> None:
    given = {"keypoints_2d": POINTS, "skeleton": "coco17", "image_size": SIZE, "frame_rate": RATE} | arguments
    with pytest.raises(SkelgraphError, match=message):
        Lifter(Window(), **options)(given.pop("keypoints_2d"), **given)


def test_arrays_of_other_libraries_are_taken_as_what_they_are() -> None:
    """Tensors with gradients or of few digits; what is masked is not seen."""

    def poses(points: Any, confidence: Any = None) -> np.ndarray:
        lifted = Lifter(Window())(points, confidence=confidence, skeleton="coco17", frame_rate=RATE, **CAMERA)
        return lifted.people[0].keypoints_2d

    expected = poses(POINTS)
    tensor = torch.tensor(POINTS, requires_grad=True)
    np.testing.assert_array_equal(poses(tensor), expected)
    np.testing.assert_array_equal(poses(tensor[..., :2], tensor[..., 2]), expected)
    rough = POINTS.copy()
    rough[..., :2] = rough[..., :2].round() // 8 * 8
    np.testing.assert_array_equal(poses(torch.tensor(rough).bfloat16()), poses(rough))
    hidden = np.zeros(POINTS[..., :2].shape, dtype=bool)
    hidden[2, 9] = True
    gap = POINTS.copy()
    gap[2, 9] = 0
    np.testing.assert_array_equal(poses(np.ma.masked_array(POINTS[..., :2], hidden), POINTS[..., 2]), poses(gap))


def test_frame_rates_that_are_written_in_fewer_digits_are_the_same() -> None:
    pixels = seen(*moving(0, 10))
    video = Detections(pixels, np.arange(10), LAYOUT, 10, None, SIZE, 30000 / 1001)
    assert Lifter(Window())(video, frame_rate=29.97).frame_rate == 30000 / 1001
    with pytest.raises(SkelgraphError, match=r"frame_rate is 30\.0, but the detections say 29\.97"):
        Lifter(Window())(video, frame_rate=30.0)


def test_what_is_no_number_does_not_come_out() -> None:
    pixels = seen(*moving(0, 10))
    pixels[3, 4, 0] = 1e300
    with pytest.raises(SkelgraphError, match=r"not finite; keypoints are up to 1e\+300 pixels"):
        Lifter(Window())(Detections(pixels, np.arange(10), LAYOUT, 10, None, None, RATE), **CAMERA)
    pixels = seen(*moving(0, 10))
    nothing = Knows(by_focal(pixels), np.zeros((10, 17, 3)))
    with pytest.raises(SkelgraphError, match="no size"):
        Lifter(nothing, flip=False)(pixels, skeleton="h36m17", frame_rate=RATE, heights=1.8, **CAMERA)


def test_networks_of_other_channels_are_refused() -> None:
    with pytest.raises(SkelgraphError, match="in_channels of the model is 4"):
        Lifter(Window(in_channels=4))
    network = Window()
    network.out_channels = 2
    with pytest.raises(SkelgraphError, match="2 out_channels; expected 3"):
        Lifter(network)


def test_docstring_examples() -> None:
    result = doctest.testmod(lifter)
    assert result.attempted > 0
    assert result.failed == 0
