import numpy as np
import pytest

from skelgraph.datasets import read_motion_file, write_motion
from skelgraph.errors import SkelgraphError
from skelgraph.lifting import Lifted, LiftedPerson, camera_to_upright
from skelgraph.topology import as_skeleton

SKELETON = as_skeleton("h36m17")


def person(number: int, first: int, frames: int, root: tuple[float, float, float], seed: int = 0) -> LiftedPerson:
    rng = np.random.default_rng(seed)
    poses = rng.normal(size=(frames, 17, 3)) * 0.3
    poses -= poses[:, :1]
    return LiftedPerson(number, first, poses, np.tile(root, (frames, 1)), rng.uniform(0, 1, (frames, 17, 3)))


def lifted(*people: LiftedPerson) -> Lifted:
    return Lifted(list(people), SKELETON, np.array([1000.0, 1000, 540, 960]), "given", (1080, 1920), 29.97, 90)


@pytest.mark.parametrize("gravity", [(0, 1, 0), (0, 0, 1), (0, 0, -1), (0.3, 0.9, 0.4), (-5, 2, -1)])
def test_the_world_is_upright_and_not_mirrored(gravity):
    turn = camera_to_upright(gravity)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(turn @ gravity, [0, 0, -np.linalg.norm(gravity)], atol=1e-12)
    assert turn[0, 2] == pytest.approx(0, abs=1e-12)  # it looks along y, not sideways
    assert turn[1, 2] > -1e-12


@pytest.mark.parametrize("length", [1e308, 1e-310])
def test_a_direction_may_have_any_length(length):
    np.testing.assert_allclose(camera_to_upright((0, length, length)), camera_to_upright((0, 1, 1)), atol=1e-12)


@pytest.mark.parametrize("pitch", [89.9, -89.9])
def test_looking_straight_down_or_up_is_the_end_of_turning_there(pitch):
    angle = np.deg2rad(pitch)  # above 0: down
    near = camera_to_upright((0, np.cos(angle), np.sin(angle)))
    np.testing.assert_allclose(near, camera_to_upright((0, 0, np.sign(pitch))), atol=2e-3)


def test_one_floor_for_all_people():
    both = lifted(person(4, 0, 6, (0.5, 1.0, 4.0)), person(9, 3, 8, (-0.5, 0.2, 6.0), seed=1))
    first, second = both.in_world((0, 1, 0))
    assert min(first[..., 2].min(), second[..., 2].min()) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(second[0, 0] - first[0, 0], [-1.0, 2.0, 0.8], atol=1e-12)  # right, ahead, up
    # the person's left as the camera sees it stays: x is x
    np.testing.assert_allclose(first[..., 0], both.people[0].positions[..., 0])


def test_a_person_without_a_place_does_not_lift_the_floor():
    lost = person(1, 0, 3, (np.nan,) * 3)
    placed = lifted(lost, person(2, 0, 3, (0, 0, 3))).in_world((0, 1, 0))
    assert np.isnan(placed[0]).all()
    assert placed[1][..., 2].min() == pytest.approx(0)
    assert lifted().in_world((0, 1, 0)) == []


@pytest.mark.parametrize("gravity", [(0, 0, 0), (0, 1), "down", (np.nan, 1, 0), None, [[0, 1, 0]]])
def test_gravity_is_a_direction(gravity):
    with pytest.raises(SkelgraphError, match="gravity is"):
        lifted(person(1, 0, 3, (0, 0, 3))).in_world(gravity)


def test_motion_is_written(tmp_path):
    people = lifted(person(1, 0, 5, (0, 0, 3)), person(1, 20, 7, (0, 0, 3), seed=2))
    motion = people.motion(people.people[1], (0, 1, 0))
    assert (motion.up, motion.unit, motion.frame_rate, motion.parents) == ("z", 1.0, 29.97, SKELETON.parents)
    np.testing.assert_allclose(motion.positions, people.in_world((0, 1, 0))[1])
    write_motion(tmp_path / "person.npz", motion)
    np.testing.assert_allclose(read_motion_file(tmp_path / "person.npz").positions, motion.positions)
    with pytest.raises(SkelgraphError, match="expected one of the 2 people"):
        people.motion(person(1, 0, 5, (0, 0, 3)), (0, 1, 0))
    assert people.people[1].last_frame == 26
