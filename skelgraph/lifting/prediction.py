"""A network over the frames of one person: windows in time, normalised, mirrored, in batches."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from skelgraph.datasets.windows import check_in_channels
from skelgraph.errors import SkelgraphError
from skelgraph.geometry import flip_average
from skelgraph.lifting.normalisation import Normalisation, View
from skelgraph.models import PoseLifter
from skelgraph.models.pretrained import check_beside
from skelgraph.nn import ExpectedError


class Prediction:
    """Root-relative poses of frames from the windows around them.

    Args:
        network: The network; it is put into evaluation mode.
        normalisation: What makes its input of pixels.
        flip: Average with the mirrored prediction for the mirrored window.
        batch_size: Windows in a batch.
        expected_error: A head that tells the errors to expect of these poses; ``None``: none.

    Raises:
        SkelgraphError: If the network takes or gives other channels than joints have, or the head is of another one.
    """

    def __init__(
        self,
        network: PoseLifter,
        normalisation: Normalisation,
        flip: bool,
        batch_size: int,
        expected_error: ExpectedError | None = None,
    ) -> None:
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
        self.tells_error = expected_error is not None
        self._model: Callable[[torch.Tensor], torch.Tensor] = self.network
        if expected_error is not None:
            check_beside(expected_error, network)
            self._model = expected_error.to(self.device, self.dtype).eval().beside(self.network)

    def reach(self, step: float) -> int:
        """How many frames after a frame its window takes.

        Args:
            step: Frames of the video from one frame of a window to the next.
        """
        return math.ceil(self.network.num_frames // 2 * step - 1e-9)

    @torch.inference_mode()
    def __call__(
        self, keypoints: np.ndarray, centres: np.ndarray, view: View, step: float
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The poses of some frames, and the errors to expect of their joints.

        Args:
            keypoints: Pixels and confidence of consecutive frames, ``(T, J, 3)``; before the first and after the last
                one these are repeated.
            centres: Which frames, ``(N,)``.
            view: The camera.
            step: Frames of the video from one frame of a window to the next; between frames it is interpolated.

        Returns:
            Poses ``(N, J, 3)``, metres, camera axes, the root at 0; and expected errors ``(N, J)``, metres, or ``None``
            where there is no head that tells them. With mirrored predictions they are the mean of both.

        Raises:
            SkelgraphError: If the network gives numbers that are not finite.
        """
        offsets = (np.arange(self.network.num_frames) - self.network.num_frames // 2) * step
        answers = np.empty((len(centres), keypoints.shape[1], 4 if self.tells_error else 3))
        for start in range(0, len(centres), self.batch_size):
            time = np.clip(centres[start : start + self.batch_size, None] + offsets, 0, len(keypoints) - 1)
            before = np.floor(time).astype(np.int64)
            after = np.minimum(before + 1, len(keypoints) - 1)
            weight = (time - before)[..., None, None]
            windows = (1 - weight) * keypoints[before] + weight * keypoints[after]
            answers[start : start + self.batch_size] = self._lift(torch.from_numpy(windows), view)
        answers[:, self.network.skeleton.root] = 0  # as where errors are measured
        return answers[..., :3], answers[..., 3] if self.tells_error else None

    def _lift(self, windows: torch.Tensor, view: View) -> np.ndarray:
        x, turn = self.normalisation(windows[..., :2], view)
        if self.network.in_channels > x.size(-1):
            x = torch.cat((x, windows[..., 2:]), -1)
        x = x.to(self.device, self.dtype)
        lifted = self._model(x) if self.mirror_index is None else flip_average(self._model, x, self.mirror_index)
        answers = lifted.double().cpu()
        if not answers.isfinite().all():
            farthest = float(windows[..., :2].abs().max())
            raise SkelgraphError(
                f"the network answers with numbers that are not finite; keypoints are up to {farthest:g} pixels from 0"
            )
        if turn is not None:
            answers[..., :3] = answers[..., :3] @ turn.mT
        return answers.numpy()
