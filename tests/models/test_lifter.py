"""How a clip of any length reaches a network with a window of fixed length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.models import FrameLifter, PoseLifter, create_model
from skelgraph.topology import Skeleton

CHAIN = Skeleton([-1, 0, 1], name="chain3")


class WindowLifter(PoseLifter):
    """Hands its window on."""

    def lift(self, clip):
        return clip


def numbered(length):
    """A clip whose values are the frame numbers."""
    return torch.arange(length, dtype=torch.float32).view(1, length, 1, 1).expand(2, length, 3, 2)


@pytest.mark.parametrize(
    ("length", "frames"),
    [
        (1, [0, 0, 0, 0, 0]),
        (2, [0, 0, 1, 1, 1]),  # the centre frame of T = 2 is T // 2 = 1
        (3, [0, 0, 1, 2, 2]),
        (4, [0, 1, 2, 3, 3]),
        (5, [0, 1, 2, 3, 4]),
        (6, [1, 2, 3, 4, 5]),
        (9, [2, 3, 4, 5, 6]),
    ],
)
def test_short_clips_are_continued_and_long_ones_cut_around_the_centre(length, frames):
    model = WindowLifter(CHAIN, num_frames=5)
    window = model(numbered(length))
    assert window.shape == (2, 5, 3, 2)
    assert window[0, :, 0, 0].tolist() == frames
    assert frames[2] == length // 2


def test_one_pose_is_a_clip_of_one_frame():
    x = torch.randn(4, 3, 2)
    torch.testing.assert_close(WindowLifter(CHAIN, num_frames=3)(x), x.unsqueeze(1).expand(-1, 3, -1, -1))


def test_single_frame_networks_see_the_centre_frame():
    class Doubling(FrameLifter):
        def lift_frame(self, x):
            return 2 * x

    x = torch.randn(4, 7, 3, 2)
    torch.testing.assert_close(Doubling(CHAIN)(x), 2 * x[:, 3])
    torch.testing.assert_close(Doubling(CHAIN)(x[:, 3]), 2 * x[:, 3])


def test_gradients_of_replicated_frames_add_up():
    x = torch.randn(1, 1, 3, 2, requires_grad=True)
    WindowLifter(CHAIN, num_frames=9)(x).sum().backward()
    assert (x.grad == 9).all()


@pytest.mark.parametrize("num_frames", [0, -1, 4])
def test_a_window_needs_a_centre_frame(num_frames):
    with pytest.raises(SkelgraphError, match=r"num_frames is .*; expected an (odd number|integer from 1)"):
        WindowLifter(CHAIN, num_frames=num_frames)


def test_a_clip_without_frames_is_refused():
    with pytest.raises(SkelgraphError, match=r"got \(2, 0, 3, 2\)"):
        WindowLifter(CHAIN, num_frames=3)(torch.randn(2, 0, 3, 2))


def test_float64_keypoints_of_a_float32_network_are_named():
    model = create_model("martinez", hidden_channels=8).eval()
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 17, 2)))
    named = r"Martinez has weights of torch\.float32, got keypoints of torch\.float64.*expected keypoints\.float\(\)"
    with pytest.raises(SkelgraphError, match=named):
        model(x)
    torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="aot_eager")(x.float()), model(x.float()))
    double = model.double()
    torch.testing.assert_close(torch.compile(double, fullgraph=True, backend="aot_eager")(x), double(x))
    torch._dynamo.reset()
    assert WindowLifter(CHAIN)(numbered(1).double()).dtype == torch.float64, "one without weights takes either"


def test_an_empty_batch_passes_through():
    assert WindowLifter(CHAIN, num_frames=3)(torch.randn(0, 1, 3, 2)).shape == (0, 3, 3, 2)
