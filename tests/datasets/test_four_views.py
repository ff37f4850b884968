"""The example clip: what it says of its cameras is consistent with itself."""

import numpy as np
import pytest

from skelgraph.datasets import four_views

VIEWS = four_views()


@pytest.mark.parametrize("name", ["cam01", "cam02", "cam03", "cam04"])
def test_the_truth_is_seen_where_the_keypoints_are(name):
    view = VIEWS[name]
    fx, fy, cx, cy = view.intrinsics
    seen = view.truth[..., :2] / view.truth[..., 2:] * (fx, fy) + (cx, cy)
    off = np.linalg.norm(seen - view.detections.keypoints[..., :2], axis=-1)
    assert (view.truth[..., 2] > 1).all()  # in front of the camera
    # over all views the median is 10.7 px; mirrored or swapped views are off by hundreds
    assert np.median(off) < 20
    width, height = view.detections.image_size
    assert view.detections.keypoints[..., 0].max() < width < height


@pytest.mark.parametrize("name", ["cam01", "cam02", "cam03", "cam04"])
def test_gravity_points_to_the_feet(name):
    view = VIEWS[name]
    joints = view.detections.skeleton.joint_names
    standing = view.truth[:20]
    head = standing[:, joints.index("nose")]
    feet = (standing[:, joints.index("left_ankle")] + standing[:, joints.index("right_ankle")]) / 2
    down = (feet - head).mean(0)
    assert np.degrees(np.arccos(down @ view.gravity / np.linalg.norm(down))) < 10
    assert np.linalg.norm(view.gravity) == pytest.approx(1)


def test_the_world_is_the_same_in_all_views():
    heights = np.stack([view.truth @ -view.gravity for view in VIEWS.values()])
    relative = heights - heights[:, :, :1]
    assert np.abs(relative - relative[0]).max() < 1e-6


def test_the_person_has_the_size_of_a_person():
    joints = VIEWS["cam01"].detections.skeleton.joint_names
    for view in VIEWS.values():
        for side in ("left", "right"):
            thigh = view.truth[:, joints.index(f"{side}_hip")] - view.truth[:, joints.index(f"{side}_knee")]
            assert np.linalg.norm(thigh, axis=-1).mean() == pytest.approx(0.39, abs=0.02)
