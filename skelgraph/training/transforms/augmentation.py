"""All transforms of a run, one after the other: from windows in the world to batches that a network is trained on."""

from __future__ import annotations

from torch import Generator, Tensor

from skelgraph.datasets.windows import PoseBatch, PoseWindows
from skelgraph.datasets.world import WorldMotion, WorldWindows
from skelgraph.errors import SkelgraphError
from skelgraph.training.config import AugmentationConfig
from skelgraph.training.transforms.bodies import Bend, LimbLengths, tilt
from skelgraph.training.transforms.detections import detector_noise, drop_joints
from skelgraph.training.transforms.limbs import LimbMix
from skelgraph.training.transforms.views import new_views


class Augmentation:
    """Training windows as nobody filmed them: other bodies, seen by other cameras, found by another detector.

    Limbs are mixed, bodies bent, proportions changed, bodies tilted, then filmed; the keypoints are spoiled last.
    Keypoints, poses, roots, cameras and masks of a batch belong together: the keypoints, but for noise and dropout, are
    exactly the projection of the poses; where joints of the data are in the middle of others, keypoints are so in the
    picture. A confidence, where the data have one, is 1, and 0 where the joint is not known.

    Args:
        windows: The training windows.
        settings: What is done.

    Raises:
        DataError: If new views are asked for of data that do not say how they stand in the world.
        SkelgraphError: If the windows have vertices of bodies, or the limbs of the skeleton are not known.
    """

    def __init__(self, windows: PoseWindows, settings: AugmentationConfig) -> None:
        self.windows = windows
        self.settings = settings
        self.world = WorldWindows(windows) if settings.virtual_views else None
        if self.world is not None and windows.vertices:
            raise SkelgraphError("virtual-views is on, but the data have bodies (smpl), whose vertices are not filmed")
        skeleton = windows.dataset.skeleton
        device = windows.dataset.poses_3d.device
        self.mix = LimbMix(skeleton, settings.mix, device) if settings.mix else None
        self.bend = Bend(skeleton, settings.bend, device) if settings.bend else None
        self.lengths = LimbLengths(skeleton, settings.limb_lengths, device) if settings.limb_lengths else None

    def __call__(self, index: Tensor, generator: Generator | None = None) -> PoseBatch:
        """Make a batch of the windows with these numbers.

        Args:
            index: Numbers of windows, ``(B,)``.
            generator: Of the random numbers, on the device of the data; ``None``: torch's own.
        """
        if self.world is None:
            batch = self.windows[index]
            return self._detected(batch, None if batch.confidence is None else batch.confidence > 0, generator)
        motion = self.world[index]
        return self._detected(self._filmed(motion, generator), motion.visible, generator)

    def _filmed(self, motion: WorldMotion, generator: Generator | None) -> PoseBatch:
        """New bodies as new cameras see them."""
        positions, visible = motion.positions, motion.visible
        if self.mix is not None:
            positions = self.mix(positions, visible, generator)
        if self.bend is not None:
            positions = self.bend(positions, visible, generator)
        if self.lengths is not None:
            positions = self.lengths(positions, generator)
        if self.settings.tilt:
            positions = tilt(positions, self.settings.tilt, generator)
        views = new_views(positions, visible, roll=self.settings.roll, generator=generator)
        data, target = self.windows.dataset, self.windows.target
        filmed = views.positions if data.middles is None else data.middles(views.positions)
        roots = filmed[..., data.skeleton.root, :]
        poses = filmed - roots[..., None, :]
        confidence = None
        if data.confidence is not None:
            seen = views.keypoints_2d.new_ones(views.keypoints_2d.shape[:-1])
            confidence = seen if visible is None else visible.to(seen)
        every = self.windows.targets == "all"
        return PoseBatch(
            views.keypoints_2d,
            poses if every else poses[:, target],
            motion.frame,
            motion.flipped,
            confidence,
            visible if visible is None or every else visible[:, target],
            roots[:, target],
            views.intrinsics,
        )

    def _detected(self, batch: PoseBatch, found: Tensor | None, generator: Generator | None) -> PoseBatch:
        """The keypoints as a detector finds them, where they are in view."""
        about, middles = self.settings, self.windows.dataset.middles
        keypoints, confidence = batch.keypoints_2d, batch.confidence
        if about.keypoint_noise or about.outliers:
            keypoints = detector_noise(
                keypoints, found, percent=about.keypoint_noise, outliers=about.outliers, generator=generator
            )
        if about.joint_dropout:
            keypoints, confidence = drop_joints(keypoints, confidence, rate=about.joint_dropout, generator=generator)
        if middles is not None:  # of the keypoints as they were found
            keypoints = middles(keypoints)
            confidence = None if confidence is None else middles.least(confidence)
        return batch._replace(keypoints_2d=keypoints, confidence=confidence)
