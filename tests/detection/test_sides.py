"""Left stays left where a detector exchanges the sides, and legs cross where they cross."""

from __future__ import annotations

import numpy as np
import pytest

from skelgraph.detection.sides import Sides
from skelgraph.topology import as_skeleton

SKELETON = as_skeleton("blazepose33")
MIRROR = list(SKELETON.mirror_index)
ARM, LEG = (SKELETON.index(f"left_{name}") for name in ("wrist", "ankle"))


def walk(frames: int, rate: float, seed: int = 0) -> np.ndarray:
    """Somebody who walks across the picture, seen from the side: ankles and wrists swing past each other, shoulders
    and hips stay apart; ``(frames, 33, 3)`` with the number of the joint as confidence, and noise of a pixel."""
    random = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / rate
    side = np.array([np.sign(MIRROR[joint] - joint) for joint in range(33)])  # 1 left, -1 right, 0 nose
    rest = np.stack([30 * side, np.linspace(100, 800, 33)], axis=-1)
    swing = np.zeros(33)
    swing[[ARM, MIRROR[ARM]]], swing[[LEG, MIRROR[LEG]]] = 90, 160
    poses = np.tile(np.append(rest, np.arange(33)[:, None], axis=1), (frames, 1, 1))
    poses[..., 0] += 300 * time + side * swing * np.sin(2 * np.pi * 0.9 * time)
    poses[:, LEG, 0] -= 30  # ankles and wrists have nothing between them but the swing
    poses[:, MIRROR[LEG], 0] += 30
    poses[..., :2] += random.normal(size=(frames, 33, 2))
    return poses


def kept(poses: np.ndarray) -> np.ndarray:
    sides = Sides(SKELETON)
    return np.stack([sides.kept(pose) for pose in poses])


@pytest.mark.parametrize("rate", [15.0, 29.97, 60.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_right_is_left_alone(rate: float, seed: int) -> None:
    poses = walk(int(5 * rate), rate, seed)
    np.testing.assert_array_equal(kept(poses), poses)


@pytest.mark.parametrize("rate", [29.97, 60.0])
def test_exchanged_sides_are_put_back(rate: float) -> None:
    """All joints of half as many frames as were right before, single frames, and one arm: with what belongs to them."""
    poses = walk(int(3 * rate), rate)
    apart = [joint for joint in range(33) if joint not in (ARM, MIRROR[ARM], LEG, MIRROR[LEG])]
    given, start = poses.copy(), int(1.5 * rate)
    for frames in (slice(start, start + int(0.7 * rate)), slice(-5, -4), slice(-2, -1)):
        given[frames] = given[frames][:, MIRROR]
    found = kept(given)
    np.testing.assert_array_equal(found[:, apart], poses[:, apart])


def test_one_pair_alone() -> None:
    poses = walk(60, 30.0)
    shoulders = [SKELETON.index("left_shoulder"), SKELETON.index("right_shoulder")]
    given = poses.copy()
    given[40:50, shoulders] = given[40:50, shoulders[::-1]]
    np.testing.assert_array_equal(kept(given), poses)


def test_halfway_between_the_sides() -> None:
    """A frame in which the detector gives the mean of both is passed on, and those after it are put back."""
    poses = walk(60, 60.0)
    apart = [SKELETON.index(f"{side}_{name}") for side in ("left", "right") for name in ("shoulder", "hip", "elbow")]
    given = poses.copy()
    given[41:50] = given[41:50][:, MIRROR]
    given[40] = 0.5 * (poses[40] + poses[40][MIRROR])
    found = kept(given)
    np.testing.assert_array_equal(found[41:, apart], poses[41:, apart])
    np.testing.assert_array_equal(found[40], given[40])


def test_the_majority_is_right() -> None:
    """Who was exchanged in the first frames is so no longer than these were, and forever right after that."""
    poses = walk(120, 60.0)
    apart = [SKELETON.index(f"{side}_{name}") for side in ("left", "right") for name in ("shoulder", "hip", "elbow")]
    given = poses.copy()
    given[:12] = given[:12][:, MIRROR]
    np.testing.assert_array_equal(kept(given)[26:, apart], poses[26:, apart])


def test_another_person() -> None:
    """Who comes after somebody else has sides of his own."""
    poses = walk(60, 30.0)
    sides = Sides(SKELETON)
    for pose in poses[:30]:
        sides.kept(pose)
    sides.forget()
    for pose in poses[30:, MIRROR]:
        np.testing.assert_array_equal(sides.kept(pose), pose)
