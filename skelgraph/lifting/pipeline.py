"""From a video, or a file of keypoints, to files of people in space: everything that `skelgraph lift` does.

The folder of a result holds ``lift.json`` from its beginning on: which source it is of, with which settings, and at the
end what was written. So a run that is stopped goes on where it was: what the detector found is kept in
``keypoints.npz``, and a source whose result is whole is left alone.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skelgraph.datasets import Detections, read_keypoints, write_keypoints
from skelgraph.datasets.keypoint_files.reading import FORMATS, reader_of
from skelgraph.datasets.keypoint_files.source import Asked
from skelgraph.detection import Detector, create_detector, detect_video
from skelgraph.device import chosen_device
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import as_path
from skelgraph.files.video import Progress, frame_times
from skelgraph.lifting.camera import KnownCamera, known_camera
from skelgraph.lifting.claiming import KEYPOINTS, claimed
from skelgraph.lifting.lifted import Lifted
from skelgraph.lifting.lifter import Lifter
from skelgraph.lifting.outputs import Result, written_files
from skelgraph.lifting.plausible import check_focal, check_gravity, check_length, check_picture, check_times
from skelgraph.lifting.record import begun_record, told, write_record
from skelgraph.lifting.settings import LiftingSettings, LiftSettings
from skelgraph.lifting.sides import exchanges, keep_sides
from skelgraph.lifting.smoothing import OneEuro
from skelgraph.lifting.sources import identity_of, is_video_file, video_header
from skelgraph.lifting.tracking import longest_seen, track
from skelgraph.signals import end_if_asked
from skelgraph.text import plain
from skelgraph.topology import as_skeleton, conversion_weights
from skelgraph.training.environment import environment
from skelgraph.training.probe import trial, use_threads


class Pipeline:
    """Lifts one source after the other with the same network and detector.

    Args:
        settings: What decides the results.

    Raises:
        SkelgraphError: If the weights are not usable.
    """

    def __init__(self, settings: LiftSettings) -> None:
        self.settings = settings
        lifting = settings.lifting
        self.lifter = Lifter(
            settings.weights,
            model=settings.model,
            skeleton=settings.skeleton,
            model_options=settings.model_options,
            flip=lifting.flip,
            device=chosen_device(lifting.device),
            rule=lifting.rule,
            normalisation=lifting.normalisation,
            network_rate=lifting.network_rate,
            min_confidence=lifting.min_confidence,
            max_gap=lifting.max_gap,
            smoothing=_smoothing(lifting),
            rigid_bones=lifting.rigid_bones,
            unchecked=lifting.unchecked,
        )
        network = self.lifter.prediction.network
        if self.lifter.prediction.device.type == "cpu":
            use_threads(lifting.threads, lambda: trial(network, self.lifter.prediction.batch_size, training=False))
        self._detector: Detector | None = None

    def __call__(
        self, source: Path, out: Path, *, overwrite: bool = False, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Lift a source into a folder, or go on with what is there.

        Args:
            source: A video, a file of keypoints, or a folder of OpenPose's.
            out: The folder of the result.
            overwrite: Replace the result of another source or other settings that is there.
            progress: Shows how far the detector is.

        Returns:
            What ``lift.json`` says.

        Raises:
            DataError: If the source is damaged, of no known kind, or nobody in it could be lifted.
            SkelgraphError: If a result is there that is not to be replaced, or files that no ``lift.json`` tells of.
            OSError: If a file cannot be written.
        """
        video = source if is_video_file(source) else None
        size, rate, counted = video_header(video) if video else (None, None, None)
        begun = begun_record(identity_of(source), self.settings, _unused(video is not None, rate))
        with claimed(out, begun, overwrite, source) as found:
            if found is not None:
                return found
            start = time.perf_counter()
            doubts: list[str] = []
            if video:
                camera = self._camera(source, size)  # before the long work
                seen = self._detections(video, out, progress)
                odd = (check_length(counted, seen.num_frames), check_times(frame_times(video), seen.frame_rate))
                doubts += [doubt for doubt in odd if doubt]
            else:
                seen = self._keypoints(source, doubts)
                camera = self._camera(source, seen.image_size)
            seen = self._followed(seen, None if video else doubts)
            lifted = self._lifted(seen, camera)
            if not lifted.people:
                raise DataError(f"{plain(str(source), 1000)}: {self._why_nobody(seen, lifted)}.")
            result = Result(lifted, camera, title=source.name, video=video)
            return self.write(result, out, begun, start, progress, doubts)

    def write(
        self,
        result: Result,
        out: Path,
        begun: dict[str, Any],
        start: float,
        progress: Progress | None = None,
        doubts: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Write the files of a result and, at last, its record.

        Args:
            result: What is written.
            out: The folder.
            begun: The record with which :func:`claimed` opened it.
            start: When the work began, in the seconds of ``time.perf_counter``.
            progress: Shows how far it is.
            doubts: What is odd about the source, in sentences.

        Returns:
            What ``lift.json`` says.
        """
        files = written_files(result, out, self.settings.output, progress)
        doubt = check_gravity(result.lifted, result.camera.gravity, result.camera.gravity_from)
        facts = told(result, self.settings, files, [*doubts, *([doubt] if doubt else [])])
        made = {"seconds": time.perf_counter() - start, "environment": environment()}
        return write_record(out, begun | facts | made)

    def lift(self, seen: Detections, camera: KnownCamera | None = None) -> Lifted:
        """Lift what was seen.

        Args:
            seen: People in pixels.
            camera: What is known of the camera; by default what the settings say.
        """
        camera = camera or known_camera(self.settings.lifting, "", seen.image_size)
        return self._lifted(self._followed(seen, None), camera)

    def _lifted(self, seen: Detections, camera: KnownCamera) -> Lifted:
        heights = _heights(self.settings.lifting, seen)
        return self.lifter(seen, heights=heights, focal=camera.focal, principal_point=camera.principal_point)

    def _followed(self, seen: Detections, doubts: list[str] | None) -> Detections:
        """The same people told apart, as many as are wanted, with their sides kept.

        Args:
            seen: People in pixels.
            doubts: Where it is put down that left and right seem to be exchanged; ``None``: it is not asked.
        """
        lifting = self.settings.lifting
        if seen.persons is None:
            seen = track(seen)
        if self.settings.detection.max_people is not None:
            seen = longest_seen(seen, self.settings.detection.max_people)
        if lifting.keep_sides:
            return keep_sides(seen, min_confidence=lifting.min_confidence)
        if doubts is not None and seen.skeleton.symmetry_known:
            kept = keep_sides(seen, min_confidence=lifting.min_confidence)
            doubts += [
                f"person {person}: left and right seem to be exchanged in {_listed(frames)}; keep_sides (--keep-sides) "
                "puts them back"
                for person, frames in exchanges(seen, kept).items()
            ]
        return seen

    def _why_nobody(self, seen: Detections, lifted: Lifted) -> str:
        """Why nobody could be lifted."""
        if not lifted.not_lifted:
            least = self.settings.lifting.min_confidence
            return "nobody is seen in it" + (f" with a confidence above {least:g}" if least else "")
        lost, names = lifted.not_lifted[0], self.lifter.skeleton.joint_names
        weights = conversion_weights(seen.skeleton, self.lifter.skeleton, "mask", rule=self.lifter.rule)
        used = (weights != 0).reshape(-1, *weights.shape[-2:]).any(0)
        made_of = {
            joint: ", ".join(
                plain(seen.skeleton.joint_names[source]) for source in np.flatnonzero(used[names.index(joint)])
            )
            for joint in lost.joints[:6]
        }
        joints = ", ".join(f"{plain(joint)} (made of {sources})" for joint, sources in made_of.items())
        frames = f"frames {lost.first_frame} to {lost.last_frame}"
        return f"nobody could be lifted: person {lost.person} has no {joints} that is seen in {frames}"

    def _keypoints(self, source: Path, doubts: list[str]) -> Detections:
        detection, lifting = self.settings.detection, self.settings.lifting
        read = reader_of(source)
        if read is None:
            raise DataError(
                f"{plain(str(source), 1000)}: is no video and no file of keypoints that can be read: "
                f"{', '.join(FORMATS)}; docs/formats.md says what they are, and how your own table becomes one."
            )
        layout = None if detection.layout is None else as_skeleton(detection.layout)
        seen = read(Asked(layout, detection.image_size, detection.frame_rate))
        is_known = lifting.calibration is not None or None not in (lifting.focal, lifting.principal_point)
        needs_size = not is_known or lifting.normalisation == "width"
        lacking = ["image_size (--image-size 1920,1080)"] if seen.image_size is None and needs_size else []
        lacking += ["frame_rate (--frame-rate 30)"] if seen.frame_rate is None else []
        if lacking:
            raise DataError(
                f"{plain(str(source), 1000)}: does not say all of its video; expected {' and '.join(lacking)}."
            )
        if detection.image_size is not None and not lifting.unchecked and (doubt := check_picture(seen)):
            doubts.append(doubt)
        return seen

    def _camera(self, source: Path, image_size: tuple[int, int] | None) -> KnownCamera:
        """What is known of the camera of a source.

        Raises:
            SkelgraphError: If the focal length cannot be that of its pictures, or the calibration is not of them.
        """
        camera = known_camera(self.settings.lifting, source.stem, image_size)
        if camera.focal is not None and image_size is not None and not self.settings.lifting.unchecked:
            check_focal(camera.focal if isinstance(camera.focal, tuple) else [camera.focal], image_size)
        return camera

    def _detections(self, source: Path, out: Path, progress: Progress | None) -> Detections:
        """What the detector finds, or found before the last run was stopped."""
        kept = out / KEYPOINTS
        if kept.exists():
            return read_keypoints(kept)
        if self._detector is None:
            detection = self.settings.detection
            self._detector = create_detector(detection.detector, **detection.detector_options)
        seen = detect_video(source, self._detector, progress)
        if seen.frame_rate is None:
            seen = replace(seen, frame_rate=self.settings.detection.frame_rate)
        write_keypoints(kept, seen)
        return seen


def _smoothing(lifting: LiftingSettings) -> OneEuro | None:
    if not lifting.smoothing:
        return None
    given = {"min_cutoff": lifting.min_cutoff, "beta": lifting.beta}
    return OneEuro(**{name: value for name, value in given.items() if value is not None})


def _heights(lifting: LiftingSettings, seen: Detections) -> float | dict[int, float] | None:
    """How tall people are: one number, or one by the number of each."""
    if len(lifting.heights) < 2:
        return next(iter(lifting.heights), None)
    people = [] if seen.persons is None else np.unique(seen.persons).tolist()
    if len(people) != len(lifting.heights):
        numbers = ", ".join(map(str, people[:20]))
        raise SkelgraphError(
            f"height has {len(lifting.heights)} numbers, and there are {len(people)} people ({numbers}); expected one "
            "for each, or one for all (max_people, --max-people, keeps those that are seen longest)"
        )
    return dict(zip(people, lifting.heights, strict=True))


def _listed(frames: list[int]) -> str:
    """Numbers of frames, as runs."""
    parts = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    runs = [f"{part[0]} to {part[-1]}" if len(part) > 1 else str(part[0]) for part in parts]
    return f"frames {', '.join(runs[:8])}{', ...' if len(runs) > 8 else ''}"


@dataclass(frozen=True)
class Outcome:
    """What became of one of several sources.

    Args:
        source: The source, a URI as text.
        out: The folder of its result.
        record: What ``lift.json`` says; ``None`` if it failed.
        error: Why it failed.
    """

    source: Path | str
    out: Path
    record: dict[str, Any] | None
    error: str | None = None


def lift_file(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: LiftSettings,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Lift one video, file of keypoints or folder of OpenPose's into a folder, see :class:`Pipeline`."""
    source = as_path(source, DataError)
    return Pipeline(settings)(source, as_path(out), overwrite=overwrite, progress=progress)


def lift_files(
    sources: Iterable[tuple[Path, Path]],
    settings: LiftSettings,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Lift several sources, one after the other. One that fails, or may not be read, does not stop those behind it.

    Args:
        sources: Each source and the folder of its result, as :func:`sources_in` finds them.
        settings: What decides the results.
        overwrite: Replace results of other sources or settings.
        progress: Shows how far the detector is with each.

    Raises:
        OSError: If the disk is full.
    """
    pipeline = Pipeline(settings)
    for source, out in sources:
        end_if_asked()
        try:
            yield Outcome(source, out, pipeline(source, out, overwrite=overwrite, progress=progress))
        except (SkelgraphError, OSError) as error:
            end_if_asked()  # the end that was asked for may have come up in foreign code, which makes errors of it
            yield Outcome(source, out, None, why_failed(source, error))


def why_failed(source: Path | str, error: SkelgraphError | OSError) -> str:
    """What a message says, and of which of many sources it says it.

    Raises:
        OSError: The error itself, if the disk is full, as it would be for the next sources.
    """
    label, message = plain(str(source), 1000), str(error)
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise error
        name = "" if error.filename is None else f"{plain(str(error.filename), 1000)}: "
        message = f"{name}{error.strerror or error}."
    return message if message.startswith(label) else f"{label}: {message}"


def _unused(is_video: bool, frame_rate: float | None) -> list[str]:
    """The settings that mean nothing to a source: a video says itself what is asked of keypoints, and these need no
    detector."""
    if not is_video:
        return ["detector", "detector_options"]
    return ["layout", "image_size", *(["frame_rate"] if frame_rate is not None else [])]
