import itertools

import numpy as np
import pytest

from skelgraph.lifting.gaps import GapFilling, fill_gaps, runs


def holes(seed: int) -> np.ndarray:
    """Keypoints of 5 joints that come and go in 60 frames, one of them never and one always there."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.1, 1, (60, 5, 3)) * [1000, 1000, 1]
    for joint in range(1, 4):
        for start in rng.integers(0, 60, 4):
            points[start : start + rng.integers(1, 12), joint] = 0
    points[:, 4] = 0
    return points


@pytest.mark.parametrize("longest", [0, 1, 5, 100])
@pytest.mark.parametrize("seed", range(4))
def test_joint_by_joint(seed: int, longest: int) -> None:
    points = holes(seed)
    places, known, _ = fill_gaps(points, longest)
    time = np.arange(60)
    for joint in range(5):
        seen = time[points[:, joint, 2] > 0]
        expected = np.zeros((60, 3))
        expected[seen] = points[seen, joint]
        for before, after in itertools.pairwise(seen):
            if 0 < after - before - 1 <= longest:
                gap = np.arange(before + 1, after)
                for axis in range(2):
                    expected[gap, axis] = np.interp(gap, seen, points[seen, joint, axis])
        np.testing.assert_allclose(places[:, joint], expected)
        np.testing.assert_array_equal(known[:, joint], expected[:, 0] > 0)


@pytest.mark.parametrize("longest", [0, 1, 5])
@pytest.mark.parametrize("seed", range(4))
def test_frame_by_frame(seed: int, longest: int) -> None:
    """The same places, each as soon as it is decided and never later than ``longest`` frames; nothing piles up."""
    points = holes(seed)[:, :4]
    places, known, _ = fill_gaps(points, longest)
    filling, out = GapFilling(longest), []
    for now, frame in enumerate(points):
        out += filling.push(frame)
        assert now + 1 - len(out) <= longest
        if (frame[:, 2] > 0).all():
            assert len(out) == now + 1, "nothing is open where all is seen"
        assert len(filling._frames) <= 2 * longest + 2
    out += filling.finish()
    assert len(out) == 60
    for t, made in enumerate(out):
        assert (made is None) == (not known[t].all())
        if made is not None:
            np.testing.assert_allclose(made, places[t])
    assert any(made is None for made in out)


def test_runs() -> None:
    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert runs(np.zeros(3, bool)) == runs(np.zeros(0, bool)) == []
