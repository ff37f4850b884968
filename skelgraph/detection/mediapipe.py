"""MediaPipe's own BlazePose (https://developers.google.com/mediapipe), where a user has it."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

from skelgraph.errors import DataError
from skelgraph.files import as_path
from skelgraph.options import CheckedOptions, Count, Rate
from skelgraph.text import plain, shown
from skelgraph.topology import as_skeleton

_STEP = 33
"""Milliseconds from frame to frame, as MediaPipe is told, which only needs them to grow."""


class MediaPipe(CheckedOptions):
    """The detector ``mediapipe``: the joints of the layout ``blazepose33``, smoothed and followed by MediaPipe itself.

    The confidence of a joint is its visibility.

    Args:
        model: A ``.task`` file of the pose landmarker. Without it the weights that MediaPipe brings itself are used,
            which its versions from 0.10.22 on do not.
        people: How many people are looked for; more than one needs ``model``.
        least_score: How sure MediaPipe is at least, of a person in a frame and of one that it follows.

    Raises:
        DataError: MediaPipe is not installed, or the file is missing or not usable.
    """

    def __init__(self, model: str | PathLike[str] | None = None, people: Count = 1, least_score: Rate = 0.5) -> None:
        try:
            import mediapipe
        except ImportError as error:
            raise DataError(f"detector mediapipe: {plain(str(error), 200)}: pip install mediapipe.") from None
        self.skeleton = as_skeleton("blazepose33")
        self.model = None if model is None else as_path(model, DataError)
        self.people, self.least_score = people, least_score
        self._library = mediapipe
        if self.model is None and not hasattr(mediapipe, "solutions"):
            raise DataError(
                f"detector mediapipe: MediaPipe {mediapipe.__version__} brings no weights; expected model=FILE, a "
                ".task file of its pose landmarker."
            )
        if self.model is None and people > 1:
            raise DataError(f"detector mediapipe: people is {people}, expected 1 without model=FILE, a .task file.")
        if self.model is not None and not self.model.is_file():
            raise DataError(f"detector mediapipe: model={plain(str(self.model), 1000)}: there is no such file.")
        self._running: Any = None
        self.reset()

    def reset(self) -> None:
        """Forget the people of the frames before."""
        if self._running is not None:
            self._running.close()
        self._frames = 0
        self._running = self._solution() if self.model is None else self._landmarker()

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """The people in a frame.

        Shapes:
            ``frame``: ``(H, W, 3)``, uint8, RGB; out ``(N, 33, 3)``.

        Raises:
            DataError: If it is no such picture.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or frame.size == 0:
            raise DataError(f"frame is {shown(frame)}, expected uint8 (H, W, 3).")
        frame = np.ascontiguousarray(frame)
        if self.model is None:
            seen = self._running.process(frame).pose_landmarks
            people = [] if seen is None else [seen.landmark]
        else:
            image = self._library.Image(image_format=self._library.ImageFormat.SRGB, data=frame)
            people = self._running.detect_for_video(image, self._frames * _STEP).pose_landmarks
        self._frames += 1
        size = np.array([frame.shape[1], frame.shape[0], 1])
        found = np.array([[(joint.x, joint.y, joint.visibility) for joint in joints] for joints in people])
        return found.reshape(-1, self.skeleton.num_joints, 3) * size

    def _solution(self) -> Any:
        return self._library.solutions.pose.Pose(
            min_detection_confidence=self.least_score, min_tracking_confidence=self.least_score
        )

    def _landmarker(self) -> Any:
        vision, base = self._library.tasks.vision, self._library.tasks.BaseOptions
        options = vision.PoseLandmarkerOptions(
            base_options=base(model_asset_path=str(self.model)),
            running_mode=vision.RunningMode.VIDEO,
            num_poses=self.people,
            min_pose_detection_confidence=self.least_score,
            min_pose_presence_confidence=self.least_score,
            min_tracking_confidence=self.least_score,
        )
        try:
            return vision.PoseLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            reason = plain(str(error), 300)
            raise DataError(f"detector mediapipe: model={plain(str(self.model), 1000)}: {reason}.") from None
