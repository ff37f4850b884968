"""From a video, or a file of keypoints, to files of people in space: everything that `skelgraph lift` does.

The folder of a result holds ``lift.json`` from its beginning on: which source it is of, with which settings, and at the
end what was written. So a run that is stopped goes on where it was: what the detector found is kept in
``keypoints.npz``, and a source whose result is whole is left alone.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skelgraph.datasets import Detections, is_keypoints, read_keypoints, write_keypoints
from skelgraph.detection import Detector, create_detector, detect_video
from skelgraph.device import chosen_device
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import as_path, is_video, open_regular, read_json, read_video, write_file
from skelgraph.files.holding import holding
from skelgraph.files.video import Progress
from skelgraph.lifting.bones import body_height
from skelgraph.lifting.camera import KnownCamera, known_camera
from skelgraph.lifting.lifted import Lifted
from skelgraph.lifting.lifter import Lifter
from skelgraph.lifting.outputs import Result, is_of_a_result, stretch_names, written_files
from skelgraph.lifting.plausible import check_focal, check_gravity, check_picture
from skelgraph.lifting.settings import LiftingSettings, LiftSettings
from skelgraph.lifting.sides import exchanges, keep_sides
from skelgraph.lifting.smoothing import OneEuro
from skelgraph.lifting.tracking import longest_seen, track
from skelgraph.models.pretrained import FILE_NAME
from skelgraph.models.shipped import weights_path
from skelgraph.text import plain
from skelgraph.topology import Skeleton, conversion_weights
from skelgraph.training.environment import environment
from skelgraph.training.probe import trial, use_threads

RECORD = "lift.json"
KEYPOINTS = "keypoints.npz"
_FORMAT = "skelgraph lift"
_UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{16}\.tmp")
"""The names under which :func:`~skelgraph.files.writing` writes."""


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
        video = source if _is_video(source) else None
        size, rate = _header(video) if video else (None, None)
        begun = begun_record(_identity(source), self.settings, _unused(video is not None, rate))
        with claimed(out, begun, overwrite, source) as found:
            if found is not None:
                return found
            start = time.perf_counter()
            doubts: list[str] = []
            if video:
                camera = self._camera(source, size)  # before the long work
                seen = self._detections(video, out, progress)
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
        record = (
            begun | _told(result, self.settings) | {"files": files, "warnings": [*doubts, *([doubt] if doubt else [])]}
        )
        record |= {"seconds": time.perf_counter() - start, "environment": environment()}
        return _write_record(out, record)

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
        seen = read_keypoints(
            source, skeleton=detection.layout, image_size=detection.image_size, frame_rate=detection.frame_rate
        )
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


def _told(result: Result, settings: LiftSettings) -> dict[str, Any]:
    """What the record says of a result."""
    lifted = result.lifted
    return {
        "num_frames": lifted.num_frames,
        "frame_rate": lifted.frame_rate,
        "image_size": lifted.image_size,
        "intrinsics": lifted.intrinsics.tolist(),
        "focal": lifted.focal_source,
        "detector": None if result.video is None else settings.detection.detector,
        "gravity": list(result.camera.gravity),
        "gravity_from": result.camera.gravity_from,
        "camera": result.camera.name,
        "lens_bends_px": result.camera.bend,
        "height_from": "the network" if settings.lifting.height is None else "given",
        "people": [
            {
                "person": one.person,
                "first_frame": one.first_frame,
                "last_frame": one.last_frame,
                "file": name,
                "frames_without_place": int(np.isnan(one.root).any(-1).sum()),
                "height_m": _height(one.poses, lifted.skeleton),
                "feet_above_floor_m": _above_floor(positions),
            }
            for one, name, positions in zip(lifted.people, stretch_names(lifted), result.positions, strict=True)
        ],
        "not_lifted": [
            {"person": one.person, "first_frame": one.first_frame, "last_frame": one.last_frame, "joints": one.joints}
            for one in lifted.not_lifted
        ],
    }


def _height(poses: np.ndarray, skeleton: Skeleton) -> float | None:
    """How tall somebody is over a stretch, metres; ``None`` if these joints do not tell it."""
    try:
        return body_height(poses, skeleton)
    except SkelgraphError:
        return None


def _above_floor(positions: np.ndarray) -> float | None:
    """How high the lowest joint of somebody is above the floor, the median over the frames, metres; ``None`` if nobody
    knows where the person is."""
    known = np.isfinite(positions).all((1, 2))
    return float(np.median(positions[known, :, 2].min(1))) if known.any() else None


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
    """Lift several sources, one after the other. One that fails does not stop those behind it.

    Args:
        sources: Each source and the folder of its result, as :func:`sources_in` finds them.
        settings: What decides the results.
        overwrite: Replace results of other sources or settings.
        progress: Shows how far the detector is with each.
    """
    pipeline = Pipeline(settings)
    for source, out in sources:
        try:
            yield Outcome(source, out, pipeline(source, out, overwrite=overwrite, progress=progress))
        except SkelgraphError as error:
            yield Outcome(source, out, None, naming(source, error))


def naming(source: Path | str, error: SkelgraphError) -> str:
    """What a message says, and of which of many sources it says it."""
    label, message = plain(str(source), 1000), str(error)
    return message if message.startswith(label) else f"{label}: {message}"


def source_kind(path: Path) -> str | None:
    """``"video"`` or ``"keypoints"``, by the content; ``None`` for anything else.

    Raises:
        DataError: If it cannot be read.
    """
    if _is_video(path):
        return "video"
    return "keypoints" if is_keypoints(path) else None


def _header(video: Path) -> tuple[tuple[int, int], float | None]:
    """Width, height and frame rate of a video."""
    with read_video(video) as frames:
        return frames.image_size, frames.frame_rate


def _unused(is_video: bool, frame_rate: float | None) -> list[str]:
    """The settings that mean nothing to a source: a video says itself what is asked of keypoints, and these need no
    detector."""
    if not is_video:
        return ["detector", "detector_options"]
    return ["layout", "image_size", *(["frame_rate"] if frame_rate is not None else [])]


def _is_video(path: Path) -> bool:
    if path.is_dir():
        return False
    with open_regular(path, DataError) as file:
        return is_video(file.read(64))


def sources_in(folder: Path, out: Path) -> list[tuple[Path, Path]]:
    """The videos and files of keypoints in a folder and the folders below, by their names, and where their results go:
    ``walks/cam01.mp4`` of the folder into ``walks/cam01.mp4`` of ``out``.

    Args:
        folder: The folder. Links are not followed out of it, hidden files, ``out`` and results of this program are left
            out.
        out: The folder of the results.

    Raises:
        DataError: If there are none.
    """
    found: list[tuple[Path, Path]] = []
    todo = [folder]
    while todo:
        there = sorted(todo.pop().iterdir(), reverse=True)
        is_result = any(path.name == RECORD for path in there)
        for path in there:
            if path.name.startswith(".") or path.is_symlink() or path.resolve() == out.resolve():
                continue
            if is_result and (path.name == RECORD or _is_own(path.name)):
                continue
            if not path.is_dir() and not path.is_file():  # a pipe, a device
                continue
            try:
                is_source = source_kind(path) is not None
            except DataError:
                is_source = True  # which tells what is wrong when its turn comes
            if is_source:
                found.append((path, out / path.relative_to(folder)))
            elif path.is_dir():
                todo.append(path)
    if not found:
        raise DataError(f"{plain(str(folder), 1000)}: holds no videos and no files of keypoints.")
    return sorted(found)


def _identity(source: Path) -> dict[str, Any]:
    """What tells whether a source is still the same."""
    try:
        files = [path.stat() for path in source.glob("*.json")] if source.is_dir() else [source.stat()]
    except OSError as error:
        raise DataError(f"{plain(str(source), 1000)}: cannot be read ({error.strerror}).") from None
    changed = max((file.st_mtime for file in files), default=0.0)
    return {"name": source.name, "bytes": sum(file.st_size for file in files), "modified": changed}


def begun_record(source: dict[str, Any], settings: LiftSettings, unused: Sequence[str] = ()) -> dict[str, Any]:
    """What ``lift.json`` says from the beginning on.

    Args:
        source: What tells whether a source is still the same.
        settings: What decides the results.
        unused: Those of its detection that mean nothing to this source, and are left out.
    """
    weights = weights_path(settings.weights)
    if weights.is_dir():
        weights /= FILE_NAME
    values = settings.to_dict()
    values["detection"] = {name: value for name, value in values["detection"].items() if name not in unused}
    begun = {"format": _FORMAT, "source": source, "weights": _digest(weights), "settings": values, "unused": [*unused]}
    if settings.lifting.calibration is not None:
        begun["calibration"] = _digest(Path(settings.lifting.calibration))
    return _as_json(begun)


def _digest(path: Path) -> str:
    """SHA-256 of a file, which tells training that went on, or a calibration made anew, under the same name."""
    with open_regular(path, DataError) as file:
        status = os.fstat(file.fileno())
        return _digest_of(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _digest_of(path: Path, size: int, modified: int) -> str:
    """The same, anew when the file has changed."""
    with open_regular(path, DataError) as file:
        digest = hashlib.sha256()
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def _write_record(out: Path, record: dict[str, Any]) -> dict[str, Any]:
    write_file(out / RECORD, json.dumps(record, indent=2, allow_nan=False).encode())
    return _as_json(record)


def _as_json(record: dict[str, Any]) -> dict[str, Any]:
    """As it comes out of JSON again, to be compared with what is found."""
    found: dict[str, Any] = json.loads(json.dumps(record))
    return found


@contextmanager
def claimed(
    out: Path, begun: dict[str, Any], overwrite: bool, source: Path | None = None
) -> Iterator[dict[str, Any] | None]:
    """Open the folder of a result and hold it: files of this program that are there and do not belong to it are
    removed, where that is allowed; no others ever are. Where what is done there fails, folders that were made for it
    are removed again, unless there is more in them than the record.

    Args:
        out: The folder.
        begun: The record of what will be written.
        overwrite: Replace the result of another source or other settings.
        source: What is lifted, which is never removed or written over.

    Returns:
        The record of the whole result, if that is there already.

    Raises:
        SkelgraphError: If there is something that is not to be replaced, or another process writes there.
    """
    where = plain(str(out), 500)
    if not out.is_dir() and os.path.lexists(out):
        raise SkelgraphError(f"{where} is no folder: choose another name")
    if source is not None and out.resolve() in (source.resolve(), *_folder_of_own(source)):
        raise SkelgraphError(f"{where} holds the source under the name of a result: choose another folder")
    if found := finished_record(out, begun):  # also where nothing may be written any more
        yield found
        return
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        with holding(out):
            found = finished_record(out, begun)  # by the process that held it
            if found is None:
                _begin(out, begun, overwrite)
            yield found
    except Exception:
        _remove_empty(made)
        raise


def _remove_empty(made: list[Path]) -> None:
    """Remove folders, the deepest first, as far as nothing is in them but the record of what came to nothing."""
    if made and made[0].is_dir() and [path.name for path in made[0].iterdir()] == [RECORD]:
        (made[0] / RECORD).unlink()
    for folder in made:
        try:
            folder.rmdir()
        except OSError:  # it is not empty
            return


def _folder_of_own(source: Path) -> list[Path]:
    """The folder of a source, if its name is one that is written there."""
    return [source.resolve().parent] if _is_own(source.resolve().name) else []


def _is_own(name: str) -> bool:
    """Whether a file of this name is one of those that are written next to the record."""
    return name == KEYPOINTS or is_of_a_result(name)


def _begin(out: Path, begun: dict[str, Any], overwrite: bool) -> None:
    """Remove what is to be replaced, and write that the work has begun."""
    where = plain(str(out), 500)
    there = sorted(out.iterdir())
    own = [path for path in there if _is_own(path.name)]
    record = _record_in(out)
    grew = False
    if record is None and own:
        names = ", ".join(plain(path.name) for path in own[:8])
        raise SkelgraphError(f"{where} holds {names}, and no {RECORD} says whose: choose another folder")
    if record is not None:
        # what was begun and came to nothing may be begun anew
        grew = "files" in record and _same(record, begun) and _formats(record) < _formats(begun)
        replaced = not _same(record, begun) or _formats(record) != _formats(begun)
        if "files" in record and replaced and not grew and not overwrite:
            raise SkelgraphError(
                f"{where} holds the result of another source or of other settings or weights: replace it (--overwrite) "
                "or choose another folder"
            )
        for path in own if not grew else ():  # of which none changes where further formats are asked for
            if path.name != KEYPOINTS or not _seen_alike(record, begun):
                path.unlink()
    for path in there:
        half = _UNFINISHED.fullmatch(path.name)  # of a process that was killed
        if half and (half[1] == RECORD or _is_own(half[1])):
            path.unlink()
    _write_record(out, begun)


def finished_record(out: Path, begun: dict[str, Any]) -> dict[str, Any] | None:
    """The record of a result, if it is there and whole.

    Args:
        out: The folder.
        begun: The record with which it began.

    Raises:
        SkelgraphError: If its ``lift.json`` is of another program.
    """
    record = _record_in(out)
    if record is None or not _same(record, begun) or _formats(record) != _formats(begun):
        return None
    files = record.get("files")
    whole = isinstance(files, list) and all((out / str(name)).exists() for name in files)
    return record if whole else None


def _same(record: dict[str, Any], begun: dict[str, Any]) -> bool:
    """Whether a record is of the same people in space, in whatever formats."""
    alike = all(record.get(key) == begun.get(key) for key in ("source", "weights", "calibration"))
    return alike and _deciding(record, begun) == _deciding(begun, record)


def _deciding(record: dict[str, Any], other: dict[str, Any]) -> Any:
    """The settings in a record, without formats and what means nothing to the source in this or the other one."""
    settings = record.get("settings")
    if not isinstance(settings, dict):
        return None
    unused = [*(record.get("unused") or ()), *(other.get("unused") or ()), "format"]
    return {
        group: {name: value for name, value in values.items() if name not in unused}
        if isinstance(values, dict) and group in LiftSettings.groups()
        else values
        for group, values in settings.items()
    }


def _formats(record: dict[str, Any]) -> frozenset[str]:
    """The formats that a record tells of."""
    settings = record.get("settings")
    output = settings.get("output") if isinstance(settings, dict) else None
    formats = output.get("format") if isinstance(output, dict) else None
    return frozenset(map(str, formats)) if isinstance(formats, list) else frozenset()


def _record_in(out: Path) -> dict[str, Any] | None:
    path = out / RECORD
    if not path.exists():
        return None
    record = read_json(path, SkelgraphError)
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise SkelgraphError(f"{plain(str(path), 500)} is not of skelgraph lift: choose another folder")
    return record


def _seen_alike(record: dict[str, Any], begun: dict[str, Any]) -> bool:
    """Whether what the detector found for one record is what it will find for another one."""
    found, wanted = (_deciding(one, other) for one, other in ((record, begun), (begun, record)))
    return bool(record.get("source") == begun["source"] and found and found.get("detection") == wanted["detection"])
