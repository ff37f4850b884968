"""A network over the frames of one person: windows in time, normalised, mirrored, in batches."""

from __future__ import annotations

import math

import numpy as np
import torch

from skelgraph.datasets.windows import check_in_channels
from skelgraph.errors import SkelgraphError
from skelgraph.geometry import flip_average
from skelgraph.lifting.normalisation import Normalisation, View
from skelgraph.models import PoseLifter


class Prediction:
    """Root-relative poses of frames from the windows around them.

    Args:
        network: The network; it is put into evaluation mode.
        normalisation: What makes its input of pixels.
        flip: Average with the mirrored prediction for the mirrored window.
        batch_size: Windows in a batch.

    Raises:
        SkelgraphError: If the network takes or gives other channels than joints have.
    """

    def __init__(self, network: PoseLifter, normalisation: Normalisation, flip: bool, batch_size: int) -> None:
        check_in_channels(network.in_channels, has_confidence=True, form=network.input_form)
        if network.out_channels != 3:
            raise SkelgraphError(f"the network has {network.out_channels} out_channels; expected 3, x, y and z")
        self.network = network.eval()
        self.normalisation = normalisation
        self.mirror_index = network.skeleton.mirror_index if flip else None
        self.batch_size = batch_size
        like = next(network.parameters(), None)
        self.dtype = getattr(network, "dtype", torch.float32 if like is None else like.dtype)
        self.device = getattr(network, "device", torch.device("cpu") if like is None else like.device)

    def reach(self, step: float) -> int:
        """How many frames after a frame its window takes.

        Args:
            step: Frames of the video from one frame of a window to the next.
        """
        return math.ceil(self.network.num_frames // 2 * step - 1e-9)

    @torch.inference_mode()
    def __call__(self, keypoints: np.ndarray, centres: np.ndarray, view: View, step: float) -> np.ndarray:
        """The poses of some frames.

        Args:
            keypoints: Pixels and confidence of consecutive frames, ``(T, J, 3)``; before the first and after the last
                one these are repeated.
            centres: Which frames, ``(N,)``.
            view: The camera.
            step: Frames of the video from one frame of a window to the next; between frames it is interpolated.

        Returns:
            ``(N, J, 3)``, metres, camera axes, the root at 0.

        Raises:
            SkelgraphError: If the network gives numbers that are not finite.
        """
        offsets = (np.arange(self.network.num_frames) - self.network.num_frames // 2) * step
        poses = np.empty((len(centres), *keypoints.shape[1:]))
        for start in range(0, len(centres), self.batch_size):
            time = np.clip(centres[start : start + self.batch_size, None] + offsets, 0, len(keypoints) - 1)
            before = np.floor(time).astype(np.int64)
            after = np.minimum(before + 1, len(keypoints) - 1)
            weight = (time - before)[..., None, None]
            windows = (1 - weight) * keypoints[before] + weight * keypoints[after]
            poses[start : start + self.batch_size] = self._lift(torch.from_numpy(windows), view)
        poses[:, self.network.skeleton.root] = 0  # as where errors are measured
        return poses

    def _lift(self, windows: torch.Tensor, view: View) -> np.ndarray:
        x, turn = self.normalisation(windows[..., :2], view)
        if self.network.in_channels > x.size(-1):
            x = torch.cat((x, windows[..., 2:]), -1)
        x = x.to(self.device, self.dtype)
        lifted = self.network(x) if self.mirror_index is None else flip_average(self.network, x, self.mirror_index)
        poses = lifted.double().cpu()
        if not poses.isfinite().all():
            farthest = float(windows[..., :2].abs().max())
            raise SkelgraphError(
                f"the network answers with numbers that are not finite; keypoints are up to {farthest:g} pixels from 0"
            )
        return (poses if turn is None else poses @ turn.mT).numpy()
