"""Lifter with networks that take rays: from the edge of a portrait picture to poses in the axes of the camera."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from moving_people import CENTRE, FOCAL, INTRINSICS, RATE, SIZE, Knows, Window, moving, seen

import skelgraph
from skelgraph import Lifter
from skelgraph.errors import SkelgraphError
from skelgraph.geometry import box_view, mirror, to_rays, turn, window_rays
from skelgraph.models import PoseLifter
from skelgraph.models.pretrained import save_weights
from skelgraph.topology import as_skeleton

LAYOUT = as_skeleton("h36m17")
EDGE = np.array([1.1, 1.9, 0.5])
"""Added to the way of a person: out of the picture for a part of it, 15 degrees aside and 22 below the axis."""
CAMERA: dict[str, Any] = {"image_size": SIZE, "focal": FOCAL, "principal_point": CENTRE, "skeleton": "h36m17"}


def of_rays(network: PoseLifter) -> PoseLifter:
    network.config["input"] = "rays"
    return network


def test_poses_come_back_into_the_axes_of_the_camera() -> None:
    poses, roots = moving(0, 30)
    pixels = seen(poses, roots + EDGE)
    points, camera = torch.from_numpy(pixels[..., :2]), torch.tensor(INTRINSICS, dtype=torch.float64)
    rotation, size = box_view(points, camera)
    network = Knows(to_rays(points, rotation, size, camera).numpy(), turn(torch.from_numpy(poses), rotation).numpy())
    network.in_channels = 3
    assert (turn(torch.from_numpy(poses), rotation) - torch.from_numpy(poses)).norm(dim=-1).max() > 0.2
    lifted = Lifter(of_rays(network), flip=False, batch_size=7)(pixels, frame_rate=RATE, **CAMERA)
    np.testing.assert_allclose(lifted.people[0].poses, poses, atol=1e-9)
    np.testing.assert_allclose(lifted.people[0].root, roots + EDGE, atol=1e-5)


@pytest.mark.parametrize("in_channels", [3, 4])
def test_windows_share_a_view_and_confidence_comes_last(in_channels: int) -> None:
    poses, roots = moving(1, 20)
    pixels = seen(poses, roots + EDGE)
    network = of_rays(Window(num_frames=5, in_channels=in_channels)).double()
    lifted = Lifter(network, flip=False)(pixels, frame_rate=RATE, **CAMERA)
    for frame in (0, 9, 19):
        window = torch.from_numpy(pixels[np.clip(np.arange(frame - 2, frame + 3), 0, 19)])[None]
        rays, rotation = window_rays(window[..., :2], torch.tensor(INTRINSICS, dtype=torch.float64))
        x = torch.cat((rays, window[..., 2:]), -1)[..., :in_channels]
        expected = turn(network(x), rotation.mT)[0].detach().numpy()
        np.testing.assert_allclose(lifted.people[0].poses[frame, 1:], expected[1:], atol=1e-12)


def test_the_mirrored_video_is_lifted_to_the_mirrored_person() -> None:
    poses, roots = moving(2, 12)
    pixels = seen(poses, roots + EDGE)
    mirrored = pixels[:, LAYOUT.mirror_index] * [-1, 1, 1] + [SIZE[0], 0, 0]
    network = of_rays(Window(num_frames=3, in_channels=3)).double()
    camera = CAMERA | {"principal_point": (SIZE[0] - CENTRE[0], CENTRE[1])}
    plain = Lifter(network, flip=True, unchecked=True)(pixels, frame_rate=RATE, **CAMERA).people[0]
    other = Lifter(network, flip=True, unchecked=True)(mirrored, frame_rate=RATE, **camera).people[0]
    expected = mirror(torch.from_numpy(plain.poses), LAYOUT.mirror_index).numpy()
    np.testing.assert_allclose(other.poses, expected, atol=1e-10)
    np.testing.assert_allclose(other.root, plain.root * [-1, 1, 1], atol=1e-6)
    unsymmetric = Lifter(network, flip=False, unchecked=True)(mirrored, frame_rate=RATE, **camera).people[0]
    assert np.abs(unsymmetric.poses - expected).max() > 1e-3


def test_the_choice_is_that_of_the_weights(tmp_path: Any) -> None:
    path = tmp_path / "model.safetensors"
    torch.manual_seed(0)
    model = skelgraph.create_model("martinez", "h36m17", input_form="rays", hidden_channels=8)
    save_weights(model, path)
    pixels = seen(*moving(3, 4))
    lifted = Lifter(path)(pixels, frame_rate=RATE, image_size=SIZE, skeleton="h36m17")  # with a guessed focal length
    assert lifted.focal_source == "estimated"
    assert np.isfinite(lifted.people[0].poses).all()
    streamed = [item.pose for item in Lifter(path).stream(pixels, skeleton="h36m17", image_size=SIZE, frame_rate=RATE)]
    np.testing.assert_allclose(streamed, lifted.people[0].poses, rtol=1e-6, atol=1e-6)  # metres, float32: up to 8
    for name in ("focal", "width"):
        with pytest.raises(
            SkelgraphError, match=f"normalisation is '{name}', but the weights say .* rays; leave it out"
        ):
            Lifter(path, normalisation=name)
    with pytest.raises(SkelgraphError, match=r"training_focal is 2\.3, but the weights say"):
        Lifter(path, training_focal=2.3)
    with pytest.raises(
        SkelgraphError, match=r"in_channels of the model is 2; expected 3 \(x, y, log of the size\) or 4"
    ):
        Lifter(of_rays(Window(in_channels=2)))
