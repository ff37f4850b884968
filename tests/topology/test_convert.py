"""Keypoints of one layout in another one: for every pair of layouts, against the rules written down a second time."""

from __future__ import annotations

import doctest
import itertools
from typing import Any

import numpy as np
import pytest
import torch

import skelgraph
from skelgraph.errors import SkelgraphError, TopologyError
from skelgraph.topology import (
    Skeleton,
    as_skeleton,
    conversion_weights,
    convert,
    convert_keypoints,
    list_skeletons,
    matching_joints,
)

COCO = {name: i for i, name in enumerate(as_skeleton("coco17").joint_names)}
H36M = {name: i for i, name in enumerate(as_skeleton("h36m17").joint_names)}
H36M16 = as_skeleton("h36m16").joint_names
PAIRS = [*itertools.product(list_skeletons(), repeat=2)]


def points(layout: str, *leading: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Random pixels, far from the origin, and confidences."""
    made = np.random.default_rng(seed).uniform(0.05, 1, (*leading, as_skeleton(layout).num_joints, channels))
    made[..., : 3 if channels == 4 else 2] = made[..., : 3 if channels == 4 else 2] * 1000 + 500
    return made


def converts(source: str, wanted: str, dimensions: Any = 2, missing: Any = "error") -> bool:
    try:
        conversion_weights(source, wanted, missing, dimensions)
    except TopologyError:
        return False
    return True


def published_rule(keypoints: np.ndarray) -> np.ndarray:
    """The demos' steps in their order, which the table has as sums."""
    made = np.full((*keypoints.shape[:-2], 17, 2), np.nan)
    for name in COCO:
        if (to := name.replace("ankle", "foot")) in H36M:
            made[..., H36M[to], :] = keypoints[..., COCO[name], :]

    def mean(*names: str) -> np.ndarray:
        return np.stack([keypoints[..., COCO[name], :] for name in names]).mean(0)

    nose, shoulders = mean("nose"), mean("left_shoulder", "right_shoulder")
    eyes, hips = mean("left_eye", "right_eye"), mean("left_hip", "right_hip")
    face = mean("left_eye", "right_eye", "left_ear", "right_ear")
    thorax = shoulders + (nose - shoulders) / 3
    spine = (shoulders + hips) / 2
    spine[..., 0] += 2 * (spine[..., 0] - (hips + thorax)[..., 0] / 2)
    thorax[..., 1] -= (eyes - nose)[..., 1] * 2 / 3
    made[..., H36M["hip"], :], made[..., H36M["thorax"], :], made[..., H36M["spine"], :] = hips, thorax, spine
    made[..., H36M["neck_nose"], :] = nose - (nose - shoulders) / 4
    made[..., H36M["head"], 0], made[..., H36M["head"], 1] = face[..., 0], 2 * eyes[..., 1] - nose[..., 1]
    return made


def test_the_rule_of_the_published_demos() -> None:
    keypoints = points("coco17", 5, 3)
    expected = published_rule(keypoints)
    np.testing.assert_allclose(skelgraph.convert_keypoints(keypoints, "coco17", "h36m17"), expected, rtol=1e-13)
    np.testing.assert_allclose(convert_keypoints(keypoints, "coco17", "h36m16"), np.delete(expected, 9, -2), rtol=1e-13)
    order = matching_joints("h36m17", "mpi_inf_3dhp17")
    np.testing.assert_allclose(
        convert_keypoints(keypoints, "coco17", "mpi_inf_3dhp17"), expected[..., order, :], rtol=1e-13
    )


@pytest.mark.parametrize("source", ["blazepose33", "body25", "coco_wholebody_body23", "openpose_coco18"])
def test_detectors_with_the_joints_of_coco_go_its_way(source: str) -> None:
    keypoints = points(source, 4, channels=3)
    through = convert_keypoints(convert_keypoints(keypoints, source, "coco17"), "coco17", "h36m17")
    np.testing.assert_allclose(convert_keypoints(keypoints, source, "h36m17"), through, rtol=1e-13)


def test_halpe_has_pelvis_neck_and_head_of_its_own() -> None:
    keypoints = points("halpe26", 4)
    made = convert_keypoints(keypoints, "halpe26", "h36m17")
    for name, own in {"hip": 19, "thorax": 18, "head": 17, "neck_nose": 0, "left_foot": 15}.items():
        np.testing.assert_array_equal(made[:, H36M[name]], keypoints[:, own])
    np.testing.assert_allclose(made[:, H36M["spine"]], (keypoints[:, 18] + keypoints[:, 19]) / 2)


@pytest.mark.parametrize(("source", "neck"), [("coco17", (5, 6)), ("blazepose33", (11, 12)), ("body25", (1,))])
@pytest.mark.parametrize("channels", [3, 4])
def test_the_rule_of_the_body_holds_however_it_is_turned(source: str, neck: tuple[int, ...], channels: int) -> None:
    axes = channels - 1
    keypoints = points(source, 4, channels=channels)
    made = convert_keypoints(keypoints, source, "h36m17", rule="body")
    ears = [as_skeleton(source).index(f"{side}_ear") for side in ("left", "right")]
    neck_at, ears_at = keypoints[:, neck, :axes].mean(1), keypoints[:, ears, :axes].mean(1)
    np.testing.assert_allclose(made[:, H36M["thorax"], :axes], neck_at)
    np.testing.assert_allclose(made[:, H36M["head"], :axes], neck_at + 1.5 * (ears_at - neck_at))
    np.testing.assert_array_equal(made[:, H36M["head"], axes], keypoints[:, [*neck, *ears], axes].min(1))
    np.testing.assert_array_equal(made[:, H36M["neck_nose"]], keypoints[:, as_skeleton(source).index("nose")])
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(axes, axes)))[0]
    turned = np.concatenate([keypoints[..., :axes] @ turn, keypoints[..., axes:]], -1)
    again = convert_keypoints(turned, source, "h36m17", rule="body")
    np.testing.assert_allclose(again[..., :axes], made[..., :axes] @ turn, atol=1e-9)


@pytest.mark.parametrize("rule", ["published", "body"])
@pytest.mark.parametrize("source", ["coco17", "blazepose33", "halpe26", "body25"])
def test_joints_of_ones_own_follow_the_same_rules(source: str, rule: Any) -> None:
    """The joints of a layout under another name and in another order, in the spelling of another program."""
    given = as_skeleton(source)
    order = np.random.default_rng(2).permutation(given.num_joints)
    names = ["".join(map(str.capitalize, given.joint_names[i].split("_"))) for i in order]
    mine = Skeleton([-1] + [0] * (len(names) - 1), names, name="mine")
    for wanted in ("h36m16", "h36m17", "mpi_inf_3dhp17"):
        expected = conversion_weights(source, wanted, "mask", rule=rule)
        np.testing.assert_array_equal(conversion_weights(mine, wanted, "mask", rule=rule), expected[..., order])


def test_few_joints_of_ones_own_are_enough_for_a_network() -> None:
    names = [f"{side}_{joint}" for side in "LR" for joint in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")]
    mine = Skeleton([-1] + [0] * 14, ["Hip", "Neck", "Head", *names])
    weights = conversion_weights(mine, "h36m16", rule="body")
    made = {name: {mine.joint_names[i] for i in row.nonzero()[0]} for name, row in zip(H36M16, weights, strict=True)}
    assert (made["hip"], made["thorax"], made["head"]) == ({"Hip"}, {"Neck"}, {"Head"})
    assert (made["spine"], made["left_foot"]) == ({"Hip", "Neck"}, {"L_Ankle"})
    with pytest.raises(TopologyError, match=r"; expected head_top or left_ear and right_ear and neck$"):
        conversion_weights(Skeleton([-1] + [0] * 13, ["Hip", "Neck", *names]), "h36m16", rule="body")


def test_the_rule_of_the_body_takes_over_what_there_is() -> None:
    keypoints = points("halpe26", 4)
    np.testing.assert_array_equal(
        convert_keypoints(keypoints, "halpe26", "h36m17", rule="body"),
        convert_keypoints(keypoints, "halpe26", "h36m17"),
    )


def test_middles_hold_in_space() -> None:
    """What COCO has no points for in space is named; the middles are those of joints."""
    poses = points("coco17", 4, channels=4)[..., :3]
    with pytest.raises(
        TopologyError, match=r"layout coco17 has nothing that head of h36m17 can be made of; it has nose"
    ):
        convert_keypoints(poses, "coco17", "h36m17", dimensions=3)
    made = convert_keypoints(poses, "coco17", "h36m17", missing="mask", dimensions=3)
    hips, shoulders = poses[:, 11:13].mean(1), poses[:, 5:7].mean(1)
    np.testing.assert_allclose(made[:, H36M["hip"]], hips)
    np.testing.assert_allclose(made[:, H36M["spine"]], (hips + shoulders) / 2)
    assert np.isnan(made[:, H36M["head"]]).all()
    assert np.isfinite(np.delete(made, H36M["head"], 1)).all()


@pytest.mark.parametrize("name", list_skeletons())
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_identity(name: str, channels: int) -> None:
    keypoints = points(name, 2, channels=channels)
    np.testing.assert_array_equal(convert_keypoints(keypoints, name, name), keypoints)


@pytest.mark.parametrize(("source", "wanted"), PAIRS)
def test_every_pair_converts_or_names_what_is_missing(source: str, wanted: str) -> None:
    asked = as_skeleton(wanted)
    keypoints = points(source, 3, channels=3)
    masked = convert_keypoints(keypoints, source, wanted, missing="mask")
    lacking = [name for j, name in enumerate(asked.joint_names) if not masked[:, j].any()]
    assert (masked[..., 2] == 0).all(0).sum() == len(lacking)
    if not lacking:
        np.testing.assert_array_equal(convert_keypoints(keypoints, source, wanted), masked)
    else:
        with pytest.raises(TopologyError) as error:
            convert_keypoints(keypoints, source, wanted)
        said = str(error.value).partition("has nothing that ")[2].partition(f" of {wanted} ")[0]
        assert said.split(", ") == lacking
    weights = conversion_weights(source, wanted, "mask")
    np.testing.assert_allclose(weights.sum(-1), np.broadcast_to(masked[0, :, 2] > 0, weights.shape[:-1]), atol=1e-12)
    assert weights.ndim == 3 or weights.min() >= 0, "convex, except the image rule"


@pytest.mark.parametrize(("source", "wanted"), PAIRS)
@pytest.mark.parametrize("missing", ["mask", "interpolate"])
def test_left_stays_left(source: str, wanted: str, missing: Any) -> None:
    """Converting a mirrored person gives the mirrored converted person."""
    if not converts(source, wanted, missing=missing):
        with pytest.raises(TopologyError, match="lie between no others"):
            conversion_weights(source, wanted, missing)
        return
    there, asked = as_skeleton(source), as_skeleton(wanted)
    keypoints = points(source, 3, channels=3)

    def flipped(x: np.ndarray, skeleton: Skeleton) -> np.ndarray:
        x = x[:, list(skeleton.mirror_index)].copy()
        x[..., 0] *= -1
        return x

    made = convert_keypoints(keypoints, source, wanted, missing=missing)
    other = convert_keypoints(flipped(keypoints, there), source, wanted, missing=missing)
    if there.symmetric_pairs and asked.symmetric_pairs:
        np.testing.assert_allclose(flipped(other, asked), made, atol=1e-9)


def test_round_trips() -> None:
    """Where all joints of a layout are found in another one they come back."""
    exact = set()
    for source, wanted in PAIRS:
        if source != wanted and converts(source, wanted, 3):
            keypoints = points(source, 2, channels=4)
            made = convert_keypoints(keypoints, source, wanted)
            back = convert_keypoints(made, wanted, source, missing="mask")
            known = back[..., 3] > 0
            kept = (conversion_weights(source, wanted, dimensions=3) == 1).any(0)  # taken over as they are
            shared = known.all(0) & kept & (conversion_weights(wanted, source, "mask", 3) == 1).any(1)
            np.testing.assert_array_equal(back[:, shared][..., :3], keypoints[:, shared][..., :3])
            if shared.all():
                exact.add((source, wanted))
    assert exact == {
        ("h36m17", "mpi_inf_3dhp17"),
        ("mpi_inf_3dhp17", "h36m17"),
        ("coco17", "openpose_coco18"),
        ("coco_wholebody_body23", "body25"),
    }
    keypoints = points("h36m17", 2, channels=4)
    there = convert_keypoints(keypoints, "h36m17", "mpi_inf_3dhp17")
    np.testing.assert_array_equal(convert_keypoints(there, "mpi_inf_3dhp17", "h36m17"), keypoints)


@pytest.mark.parametrize("missing_value", [np.nan, np.inf, 1e30, 0.0])
def test_what_is_not_seen_never_leaks(missing_value: float) -> None:
    keypoints = points("coco17", 3, channels=3)
    keypoints[1, COCO["left_hip"]] = [missing_value, missing_value, 0]
    made = convert_keypoints(keypoints, "coco17", "h36m17")
    gone = [H36M[name] for name in ("hip", "left_hip", "spine")]
    np.testing.assert_array_equal(made[1, gone], np.zeros((3, 3)))
    left = np.delete(np.arange(17), gone)
    clean = convert_keypoints(points("coco17", 3, channels=3), "coco17", "h36m17")
    np.testing.assert_array_equal(made[1, left], clean[1, left])
    np.testing.assert_array_equal(made[[0, 2]], clean[[0, 2]])


def test_confidences_are_the_smallest_of_the_sources() -> None:
    keypoints = points("coco17", channels=3)
    made = convert_keypoints(keypoints, "coco17", "h36m17")[:, 2]
    seen = keypoints[:, 2]
    assert made[H36M["hip"]] == seen[11:13].min()
    assert made[H36M["spine"]] == seen[[0, 5, 6, 11, 12]].min()
    assert made[H36M["head"]] == seen[:5].min()
    assert made[H36M["left_elbow"]] == seen[COCO["left_elbow"]]
    keypoints[COCO["nose"], 2] = np.nan
    assert convert_keypoints(keypoints, "coco17", "h36m17")[H36M["head"]].tolist() == [0, 0, 0]
    keypoints[COCO["left_elbow"], :2] = np.nan  # a confidence of what has no position says nothing
    assert convert_keypoints(keypoints, "coco17", "h36m17")[H36M["left_elbow"]].tolist() == [0, 0, 0]


def test_without_confidences_nan_says_what_is_not_known() -> None:
    keypoints = points("coco17", 2)
    keypoints[0, COCO["left_wrist"], 1] = np.nan
    made = convert_keypoints(keypoints, "coco17", "h36m17")
    assert np.isnan(made).all(-1).nonzero()[1].tolist() == [H36M["left_wrist"]]
    assert np.isfinite(made).sum() == made.size - 2


def test_interpolation_between_joints() -> None:
    """A chain whose second and third joints are missing: thirds of the way; a missing end stays an error."""
    chain = Skeleton([-1, 0, 1, 2], ["hip", "a", "b", "head"])
    source = Skeleton([-1, 0], ["hip", "head"])
    made = convert_keypoints(np.array([[0.0, 3.0, 0.9], [9.0, 0.0, 0.4]]), source, chain, missing="interpolate")
    np.testing.assert_allclose(made, [[0, 3, 0.9], [3, 2, 0.4], [6, 1, 0.4], [9, 0, 0.4]])
    fork = Skeleton([-1, 0, 1, 1, 3], ["hip", "a", "head", "b", "c"])
    with pytest.raises(TopologyError, match=r"nothing that b, c of .*lie between no others"):
        convert_keypoints(np.ones((2, 2)), source, fork, missing="interpolate")
    with pytest.raises(TopologyError, match="nothing that nose, left_eye, right_eye, left_ear, right_ear of coco17"):
        conversion_weights("h36m17", "coco17", "interpolate")  # no nose at the middle of the shoulders
    sixteen = points("h36m16", 3)
    made = convert_keypoints(sixteen, "h36m16", "h36m17", missing="interpolate")
    np.testing.assert_allclose(made[:, H36M["neck_nose"]], (sixteen[:, 8] + sixteen[:, 9]) / 2)
    np.testing.assert_array_equal(np.delete(made, H36M["neck_nose"], 1), sixteen)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors(dtype: torch.dtype) -> None:
    keypoints = points("coco17", 3, channels=3)
    keypoints[0, 3, 2] = 0
    expected = convert_keypoints(keypoints, "coco17", "h36m17")
    made = convert_keypoints(torch.tensor(keypoints, dtype=dtype), "coco17", "h36m17")
    assert made.dtype == dtype
    tolerance = {torch.float64: 1e-13, torch.float32: 1e-6, torch.bfloat16: 1 / 128}[dtype]
    np.testing.assert_allclose(made.double(), expected, atol=tolerance * 1500)
    single = convert_keypoints(keypoints.astype(np.float32), "coco17", "h36m17")
    assert single.dtype == np.float32


def test_integers_and_other_devices() -> None:
    whole = np.arange(34).reshape(17, 2)
    np.testing.assert_array_equal(
        convert_keypoints(whole, "coco17", "h36m17"), convert_keypoints(whole.astype(float), "coco17", "h36m17")
    )
    made = convert_keypoints(torch.empty(2, 5, 17, 3, device="meta"), "coco17", "h36m17")
    assert (made.device.type, made.shape) == ("meta", (2, 5, 17, 3))
    with torch.device("meta"):
        assert convert_keypoints(torch.ones(17, 3, device="cpu"), "coco17", "h36m17").device.type == "cpu"


def test_gradients() -> None:
    keypoints = torch.tensor(points("coco17", 2, channels=3), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: convert_keypoints(x, "coco17", "h36m17"), (keypoints,))
    hidden = torch.tensor(points("coco17", channels=3))
    hidden[COCO["left_hip"]] = torch.tensor([torch.nan, torch.nan, 0])
    hidden.requires_grad_()
    convert_keypoints(hidden, "coco17", "h36m17").sum().backward()
    assert hidden.grad is not None
    assert torch.isfinite(hidden.grad).all()
    assert hidden.grad[COCO["left_hip"]].tolist() == [0, 0, 0]
    assert hidden.grad[COCO["left_knee"]].tolist() == [1, 1, 1]


def test_own_skeletons_by_their_names() -> None:
    mine = Skeleton([-1, 0, 1], ["nose", "paw", "tail"], name="mine")
    other = Skeleton([-1, 0], ["tail", "nose"])
    assert convert_keypoints(np.array([[1.0, 2], [3, 4], [5, 6]]), mine, other).tolist() == [[5, 6], [1, 2]]
    with pytest.raises(TopologyError, match="layout without a name has nothing that paw of mine"):
        convert_keypoints(np.ones((2, 2)), other, mine)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((17, 5)), "coco17", "h36m17"), r"keypoints has shape \(17, 5\); expected \(\.\.\., 17, C\)"),
        ((np.ones((16, 2)), "coco17", "h36m17"), r"\(\.\.\., 17, C\) for layout coco17, with C one of 2, 3, 4"),
        ((np.ones((17, 2)), "coco17", "h36m17", "error", 3), "C one of 3, 4 for dimensions=3"),
        ((np.ones((17, 4)), "coco17", "h36m17", "error", 2), "C one of 2, 3 for dimensions=2"),
        ((np.ones(17), "coco17", "h36m17"), "shape"),
        (([[1.0, 2.0]] * 17, "coco17", "h36m17"), "keypoints"),
        ((np.full((17, 2), "x"), "coco17", "h36m17"), "expected numbers"),
        ((torch.ones(17, 2).cfloat(), "coco17", "h36m17"), "expected numbers"),
        ((np.ones((17, 2)), "coco", "h36m17"), "coco17"),
        ((np.ones((17, 2)), "coco17", "h36m17", "guess"), "missing"),
        ((np.ones((17, 2)), "coco17", "h36m17", "mask", 4), "dimensions"),
    ],
)
def test_arguments_that_are_none(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(SkelgraphError, match=message):
        convert_keypoints(*arguments)


def test_nobody_changes_the_table() -> None:
    conversion_weights("coco17", "h36m17")[:] = 0
    assert conversion_weights("coco17", "h36m17").any()


def test_docstring_example() -> None:
    result = doctest.testmod(convert)
    assert result.attempted > 0
    assert result.failed == 0
