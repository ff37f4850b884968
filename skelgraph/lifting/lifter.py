"""Lifter: people in space from the keypoints of a video."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from skelgraph.errors import SkelgraphError
from skelgraph.lifting.bones import known_lengths, shaped
from skelgraph.lifting.gaps import fill_gaps, runs
from skelgraph.lifting.keypoints import as_detections, by_person, people_of_frame
from skelgraph.lifting.lifted import Lifted, LiftedFrame, LiftedPerson, NotLifted
from skelgraph.lifting.normalisation import HUMAN36M_FOCAL, NORMALISATIONS, View, check_size, normalisation_of, view_of
from skelgraph.lifting.plausible import check_focal, check_height, check_picture
from skelgraph.lifting.prediction import Prediction
from skelgraph.lifting.root import estimate_roots, held, without_bad_frames
from skelgraph.lifting.sides import KeptSides
from skelgraph.lifting.smoothing import OneEuro, OneEuroFilter
from skelgraph.lifting.stream import PersonStream, StretchStream
from skelgraph.lifting.tracking import Tracker
from skelgraph.models import PoseLifter, load_expected_error, load_network
from skelgraph.models.shipped import weights_path
from skelgraph.nn import ExpectedError
from skelgraph.options import CheckedOptions, FrameRate, NotNegative, OneOf, Positive, check_option, checked
from skelgraph.text import plain, shown
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton, convert_keypoints
from skelgraph.topology.convert import Rule

Seconds = Annotated[float, Field(ge=0, le=60)]
"""A short time."""
BatchSize = Annotated[int, Field(ge=1, le=2**20)]
"""Windows in a batch."""


class Lifter(CheckedOptions):
    r"""Lifts people from keypoints in the pixels of a video to poses in metres and their place before the camera.

    Keypoints of any layout are converted to the joints of the network. A joint that is not seen (its confidence is not
    above ``min_confidence``) is interpolated over at most ``max_gap`` seconds between two frames in which it is;
    nothing is extrapolated. Frames in which all joints are known then are lifted, and a run of them is one stretch,
    :class:`~skelgraph.lifting.LiftedPerson`; where a person was found and not lifted, ``Lifted.not_lifted`` says it.
    Windows of networks of several frames repeat the first and last frame of their stretch. The root is placed by
    :func:`~skelgraph.geometry.estimate_root` from the joints that are seen; where its depth is off the median of the
    five frames around by more than 15 %, the median is taken.

    Args:
        weights: A network, which is put into evaluation mode; a file of weights of any origin, or the name of weights
            that come with this package, see :func:`~skelgraph.models.load_network`; by default ``"open"`` of these, of
            one frame, on the joints of ``h36m16``.
        model: Name of the model; weights of the authors' code do not tell it.
        skeleton: Skeleton of the network, likewise.
        model_options: Options of the model, likewise.
        flip: Average with the mirrored prediction for the mirrored window; by default wherever the skeleton says what
            is left and right.
        device: Where the network runs, such as ``"cuda"``; by default where it is.
        batch_size: How many windows the network is given at once: memory is bounded by it.
        rule: What makes joints that the keypoints lack, see :func:`~skelgraph.convert_keypoints`: that of the
            ``"body"``, which holds however people and camera are turned, or that of the ``"published"`` demos.
        normalisation: ``"focal"``: as the camera of the training data would see it,
            :math:`(p - c) / f \cdot f_{train}`, the default; ``"width"``: x from -1 to 1 over the width, whatever the
            focal length. Networks whose weights say that they take rays (``network.input_form``) are given these, and
            leave no choice.
        training_focal: :math:`f_{train}`, the focal length of the training data in half image widths; by default that
            of Human3.6M.
        network_rate: Frames per second of the data that a network of several frames was trained on: windows take
            frames (interpolated between two) at this rate, each frame of the video is still lifted. By default what
            the weights say (``network.frame_rate``); if they do not, frame after frame, whatever the frame rate.
        min_confidence: Joints of this confidence or less are not seen.
        max_gap: Longest gap that is interpolated, seconds.
        smoothing: One-Euro filter on poses and roots; ``None``: none.
        rigid_bones: Give each bone its median length over the stretch, left and right their mean, along its predicted
            direction.
        expected_error: A head that tells the errors to expect of the network's poses, which are the ``deviations`` of
            people then; by default that of the weights, if they are a file that holds one.
        unchecked: Do not ask whether heights (0.3 to 3 m), the focal length (a field of view of 3 to 150 degrees) and
            ``image_size`` (most keypoints lie in it) can be.

    Raises:
        SkelgraphError: If the weights are not usable, or an option is none.

    Example:
        >>> import numpy as np
        >>> import skelgraph
        >>> lifter = skelgraph.Lifter()
        >>> keypoints = np.random.default_rng(0).uniform(400, 600, (5, 17, 2))
        >>> lifted = lifter(keypoints, skeleton="coco17", image_size=(1920, 1080), focal=1500.0, frame_rate=30.0)
        >>> lifted.people[0].poses.shape
        (5, 16, 3)
    """

    def __init__(
        self,
        weights: str | PathLike[str] | PoseLifter | None = None,
        *,
        model: str | None = None,
        skeleton: Any = None,
        model_options: Mapping[str, Any] | None = None,
        flip: bool | None = None,
        device: Any = None,
        batch_size: BatchSize = 256,
        rule: Rule = "body",
        normalisation: Annotated[str, OneOf(NORMALISATIONS)] | None = None,
        training_focal: Positive | None = None,
        network_rate: FrameRate | None = None,
        min_confidence: NotNegative = 0.0,
        max_gap: Seconds = 0.25,
        smoothing: OneEuro | None = None,
        rigid_bones: bool = False,
        expected_error: ExpectedError | None = None,
        unchecked: bool = False,
    ) -> None:
        source = weights if isinstance(weights, PoseLifter) else weights_path(weights)
        network = _network(source, model, skeleton, dict(model_options or {}), device)
        flip = network.skeleton.symmetry_known if flip is None else flip
        self.skeleton = network.skeleton
        if training_focal is not None and network.input_form == "rays":
            raise SkelgraphError(
                f"training_focal is {training_focal:g}, but the weights say that the network takes rays, which know "
                "none; leave it out"
            )
        if expected_error is None and not isinstance(source, PoseLifter):
            expected_error = load_expected_error(source)
        form = normalisation_of(network.input_form, normalisation)
        self.prediction = Prediction(network, form, flip, batch_size, expected_error)
        self.rule = rule
        self.training_focal = training_focal or HUMAN36M_FOCAL
        told_rate = network.frame_rate if network.num_frames > 1 else None
        self.network_rate = told_rate if network_rate is None else network_rate
        self.min_confidence = min_confidence
        self.max_gap = max_gap
        self.smoothing = smoothing
        self.rigid_bones = rigid_bones
        self.unchecked = unchecked

    def __repr__(self) -> str:  # noqa: D105
        network, flip = self.prediction.network, self.prediction.mirror_index is not None
        return (
            f"{type(self).__name__}({network.registered_name or type(network).__name__}, "
            f"skeleton={self.skeleton.name!r}, num_frames={network.num_frames}, flip={flip}, "
            f"device={str(self.prediction.device)!r})"
        )

    @checked
    def __call__(
        self,
        keypoints_2d: Any,
        *,
        skeleton: Any = None,
        image_size: tuple[int, int] | None = None,
        focal: Positive | tuple[Positive, Positive] | None = None,
        principal_point: tuple[float, float] | None = None,
        confidence: Any = None,
        frame_rate: FrameRate | None = None,
        heights: Any = None,
        bone_lengths: Any = None,
    ) -> Lifted:
        """Lift a whole video.

        Args:
            keypoints_2d: :class:`~skelgraph.datasets.Detections`, whose people are followed by
                :func:`~skelgraph.lifting.track` if there are several in a frame and ``persons`` does not say who is
                who; or the pixels of one person ``(T, J, 2)``, NaN where a joint is not seen, or with confidences
                ``(T, J, 3)``.
            skeleton: The joints of an array.
            image_size: Width and height of the video in pixels, where detections do not say it.
            focal: Focal length in pixels, or fx and fy; by default it is estimated as 0.85 longer sides of the picture.
            principal_point: Where the optical axis meets the picture; by default in its middle.
            confidence: Confidences ``(T, J)`` of an array of pixels.
            frame_rate: Frames per second, where detections do not say it. It is needed where there are gaps, to smooth,
                and for ``network_rate``.
            heights: How tall people are in metres, one number or one for each person (a mapping): each of their
                stretches is scaled so, poses and roots.
            bone_lengths: Metres of the bone from a joint to its parent, by the name of the joint: each stretch is
                scaled to them (their sum), and rigid bones take them.

        Raises:
            SkelgraphError: If the keypoints are none, joints are missing that the network needs, or something is
                needed that is not known.
        """
        seen = as_detections(keypoints_2d, skeleton, confidence, image_size, frame_rate)
        view = self._view(seen.image_size, focal, principal_point)
        if image_size is not None and not self.unchecked and (doubt := check_picture(seen)):
            warnings.warn(doubt, stacklevel=3)  # of the caller: `checked` is between
        step = self._step(seen.frame_rate)
        sizes = _Sizes(heights, bone_lengths, self.skeleton, self.unchecked)
        people: list[LiftedPerson] = []
        not_lifted: list[NotLifted] = []
        for person, frames, keypoints in by_person(seen):
            found = (keypoints[..., 2] > self.min_confidence).any(1)
            if not found.any():
                continue
            known = self._converted(keypoints[found], seen.skeleton)
            stretches, lost = self._stretches(person, frames[found], known, seen.frame_rate)
            not_lifted += lost
            for first, places in stretches:
                poses, roots, deviations = self._lift(places, view, step, seen.frame_rate, person, sizes)
                people.append(LiftedPerson(person, first, poses, roots, places, deviations))
        return Lifted(
            people,
            self.skeleton,
            np.array(view.intrinsics),
            view.focal_source,
            seen.image_size,
            seen.frame_rate,
            seen.num_frames,
            not_lifted,
        )

    @checked
    def stream(
        self,
        frames: Iterable[Any],
        *,
        skeleton: Any,
        image_size: tuple[int, int] | None = None,
        focal: Positive | tuple[Positive, Positive] | None = None,
        principal_point: tuple[float, float] | None = None,
        frame_rate: FrameRate,
        keep_sides: bool = False,
    ) -> Iterator[LiftedFrame]:
        """Lift frame by frame as they come, as from a webcam. The poses and roots are those of a call with the whole
        video.

        A frame comes out when all that it depends on is known: half a window and two frames (for the root) later, or at
        the end of its stretch; and as long as a gap that may still close, at most ``max_gap``.

        Args:
            frames: For each frame the keypoints of one person ``(J, 2)``, NaN where a joint is not seen, or with
                confidences ``(J, 3)``, or ``None`` where nobody is found; or a mapping from the numbers of people to
                these; or what a detector returns, ``(N, J, 3)`` of all people, who are followed by
                :class:`~skelgraph.lifting.Tracker`.
            skeleton: The joints.
            image_size: Width and height of the pictures in pixels.
            focal: Focal length in pixels, or fx and fy; by default it is estimated.
            principal_point: Where the optical axis meets the picture; by default in its middle.
            frame_rate: Frames per second.
            keep_sides: Put joints back that are exchanged with those of the other side, as
                :func:`~skelgraph.lifting.keep_sides` does; who is not seen for more than a second begins anew.

        Returns:
            A generator; one item for each person in each frame that is lifted.

        Raises:
            SkelgraphError: As a call does; for ``rigid_bones``, which need the whole stretch; and for ``keep_sides`` of
                a layout that does not say what is left and right.
        """
        if self.rigid_bones:
            raise SkelgraphError("rigid_bones are medians over a stretch; expected rigid_bones=False for a stream")
        layout = as_skeleton(skeleton)
        check_size(image_size)
        view = self._view(image_size, focal, principal_point)
        sides = KeptSides(layout, self.min_confidence) if keep_sides else None
        return self._stream(frames, layout, view, frame_rate, sides)

    def _stream(
        self, frames: Iterable[Any], layout: Any, view: View, frame_rate: float, sides: KeptSides | None
    ) -> Iterator[LiftedFrame]:
        longest, step = self._longest(frame_rate), self._step(frame_rate)

        def stretch() -> StretchStream:
            return StretchStream(self.prediction, view, step, self.smoothing, frame_rate)

        tracker = Tracker(round(frame_rate))  # a second, as `track` has it
        people: dict[int, PersonStream] = {}
        absent = np.zeros((self.skeleton.num_joints, 3))
        for frame, item in enumerate(frames):
            found = people_of_frame(item, layout, frame, tracker)
            if sides is not None:
                sides.forget_before(frame - tracker.max_gap - 1)  # as the tracker does
                found = {person: sides(person, joints, frame) for person, joints in found.items()}
            for person in found:
                if person not in people:
                    people[person] = PersonStream(person, frame, longest, stretch)
            for person, stream in [*people.items()]:
                known = self._converted(found[person][None], layout)[0] if person in found else absent
                yield from stream.push(known)
                if stream.is_over:
                    del people[person]
        for stream in people.values():
            yield from stream.finish()

    def _view(self, image_size: Any, focal: Any, principal_point: Any) -> View:
        view = view_of(image_size, focal, principal_point, self.training_focal)
        if image_size is not None and not self.unchecked:
            check_focal(view.intrinsics[:2], image_size)
        return view

    def _converted(self, keypoints: np.ndarray, layout: Any) -> np.ndarray:
        """Keypoints in the joints of the network, zeros where they are not seen."""
        clean = np.where(keypoints[..., 2:] > self.min_confidence, keypoints, 0)
        return convert_keypoints(clean, layout, self.skeleton, dimensions=2, rule=self.rule)

    def _longest(self, frame_rate: float | None) -> int:
        return 0 if frame_rate is None else int(self.max_gap * frame_rate + 1e-9)

    def _step(self, frame_rate: float | None) -> float:
        """Frames of the video from one frame of a window to the next."""
        if frame_rate is None and (self.smoothing is not None or self.network_rate is not None):
            lacking = "smoothing" if self.smoothing is not None else "network_rate"
            raise SkelgraphError(f"frame_rate is not known, and {lacking} needs it; expected frames per second")
        return 1.0 if frame_rate is None or self.network_rate is None else frame_rate / self.network_rate

    def _stretches(
        self, person: int, frames: np.ndarray, keypoints: np.ndarray, frame_rate: float | None
    ) -> tuple[list[tuple[int, np.ndarray]], list[NotLifted]]:
        """First frames and keypoints of the unbroken stretches of a person, and where there is none."""
        if frame_rate is None and self.max_gap and ((np.diff(frames) > 1).any() or (keypoints[..., 2] == 0).any()):
            raise SkelgraphError(
                "frame_rate is not known, and there are joints or frames in which nothing is seen; expected frames per "
                "second, to tell gaps of max_gap seconds, or max_gap=0, to fill none"
            )
        longest = self._longest(frame_rate)
        stretches: list[tuple[int, np.ndarray]] = []
        lost: list[NotLifted] = []
        for part in np.split(np.arange(len(frames)), np.flatnonzero(np.diff(frames) > longest + 1) + 1):
            first = int(frames[part[0]])
            dense = np.zeros((int(frames[part[-1]]) - first + 1, *keypoints.shape[1:]))
            dense[frames[part] - first] = keypoints[part]
            found = np.isin(np.arange(len(dense)), frames[part] - first)
            places, known, _ = fill_gaps(dense, longest)
            is_whole = known.all(1)
            stretches += [(first + start, places[start:stop]) for start, stop in runs(is_whole)]
            for start, stop in runs(found & ~is_whole):
                missing = np.flatnonzero(~known[start:stop].all(0))
                names = tuple(self.skeleton.joint_names[joint] for joint in missing)
                lost.append(NotLifted(person, first + start, first + stop - 1, names))
        return stretches, lost

    def _lift(
        self, places: np.ndarray, view: View, step: float, frame_rate: float | None, person: int, sizes: _Sizes
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Poses, roots and deviations of one stretch."""
        poses, deviations = self.prediction(places, np.arange(len(places)), view, step)
        if self.smoothing is not None and frame_rate is not None:
            poses = _filtered(poses, OneEuroFilter(self.smoothing, frame_rate))
        poses, scale = shaped(poses, self.skeleton, sizes.height(person), sizes.known, self.rigid_bones)
        roots = held(without_bad_frames(estimate_roots(poses, places, view.intrinsics)))
        if self.smoothing is not None and frame_rate is not None:
            roots = _filtered(roots, OneEuroFilter(self.smoothing, frame_rate))
        return poses, roots, None if deviations is None else scale * deviations


@dataclass(frozen=True)
class _Sizes:
    """What is known of the sizes of people."""

    heights: Any
    lengths: Any
    skeleton: Skeleton
    unchecked: bool

    def __post_init__(self) -> None:
        if self.heights is not None and self.lengths is not None:
            raise SkelgraphError("heights and bone_lengths are given; expected one of them")
        if not isinstance(self.lengths, Mapping | None):
            raise SkelgraphError(f"bone_lengths is {shown(self.lengths)}; expected metres by the names of joints")
        heights = self.heights.values() if isinstance(self.heights, Mapping) else [self.heights]
        for name, values in (("heights", heights), ("bone_lengths", (self.lengths or {}).values())):
            for value in values:
                if value is not None:
                    check_option(f"a value of {name}", value, Positive, "metres")
                    if name == "heights" and not self.unchecked:
                        check_height(name, value)

    def height(self, person: int) -> float | None:
        """How tall somebody is."""
        return self.heights.get(person) if isinstance(self.heights, Mapping) else self.heights

    @cached_property
    def known(self) -> dict[int, float] | None:
        """Lengths of bones by the ids of joints."""
        return None if self.lengths is None else known_lengths(self.lengths, self.skeleton)


def _filtered(values: np.ndarray, step: OneEuroFilter) -> np.ndarray:
    return np.stack([step(value) for value in values])


def _network(
    weights: Path | PoseLifter,
    model: str | None,
    skeleton: SkeletonLike | None,
    options: dict[str, Any],
    device: Any,
) -> PoseLifter:
    if not isinstance(weights, PoseLifter):
        network = load_network(weights, model, skeleton, **options)
    elif model is None and skeleton is None and not options:
        network = weights
    else:
        raise SkelgraphError("model, skeleton and model_options are of files of weights; weights is a network")
    try:
        return network if device is None else network.to(device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise SkelgraphError(f"device is {shown(device)}, which cannot be used: {plain(str(error), 200)}") from error
