"""The files of a result: motion for other programs, the page, pictures that move."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from skelgraph.datasets import write_motion
from skelgraph.errors import DataError
from skelgraph.files import read_video
from skelgraph.files.video import Progress
from skelgraph.lifting.camera import KnownCamera
from skelgraph.lifting.lifted import Lifted, camera_to_upright
from skelgraph.lifting.settings import MOTION_FORMATS, OutputSettings
from skelgraph.viz.clip import clip_frames, write_clip
from skelgraph.viz.panels import Camera
from skelgraph.viz.viewer import ViewerPerson, ViewerScene, write_viewer

_GIF_RATE = 20  # frames per second at most: each is a picture of its own
_LEAST_HEIGHT = 320  # of the panels of a clip, pixels
_STRETCH = re.compile(rf"person-?\d+(_from_frame\d+)?\.({'|'.join(MOTION_FORMATS)})")


def is_of_a_result(name: str) -> bool:
    """Whether a file of this name is one that :func:`written_files` writes."""
    return name in [scene for scene, _ in _SCENES.values()] or _STRETCH.fullmatch(name) is not None


@dataclass(frozen=True)
class Result:
    """What is written.

    Args:
        lifted: People in space.
        camera: What is known of the camera; its gravity is that of the world.
        title: Heading of the page.
        video: The video, for the pictures; ``None`` if there are only keypoints.
        truth: Where the joints of each stretch really were, in camera axes and with the root of the prediction,
            ``(T, J, 3)`` each; ``None`` if nobody knows.
    """

    lifted: Lifted
    camera: KnownCamera
    title: str
    video: Path | None = None
    truth: list[np.ndarray] | None = None

    @cached_property
    def positions(self) -> list[np.ndarray]:
        """The joints of each stretch, metres, z up."""
        return self.lifted.in_world(self.camera.gravity)

    @property
    def true_positions(self) -> list[np.ndarray | None]:
        """The true joints of each stretch in the world of :attr:`positions`."""
        if self.truth is None:
            return [None for _ in self.positions]
        turn = camera_to_upright(self.camera.gravity)
        return [
            truth @ turn.T + (there - one.positions @ turn.T)[0, 0]  # to the same floor
            for one, truth, there in zip(self.lifted.people, self.truth, self.positions, strict=True)
        ]

    @property
    def frame_rate(self) -> float:
        """Frames per second.

        Raises:
            DataError: If it is not known.
        """
        if self.lifted.frame_rate is None:
            raise DataError(f"{self.title}: does not say its frame rate; expected frame_rate (--frame-rate).")
        return self.lifted.frame_rate


def written_files(result: Result, out: Path, settings: OutputSettings, progress: Progress | None) -> list[str]:
    """Write the files that are asked for.

    Args:
        result: What is written.
        out: The folder.
        settings: Which files, and how.
        progress: Shows how far it is with pictures.

    Returns:
        Their names.

    Raises:
        DataError: If the frame rate is needed and not known, or a format cannot hold what there is.
        OSError: If a file cannot be written.
    """
    names: list[str] = []
    for format_name in MOTION_FORMATS:
        if format_name in settings.format:
            for person, name, positions in zip(
                result.lifted.people, stretch_names(result.lifted), result.positions, strict=True
            ):
                names.append(f"{name}.{format_name}")
                motion = replace(result.lifted.placed_motion(person, positions), frame_rate=result.frame_rate)
                write_motion(out / names[-1], motion)
    for format_name, (name, write) in _SCENES.items():
        if format_name in settings.format:
            write(result, out / name, settings, progress)
            names.append(name)
    return names


def stretch_names(lifted: Lifted) -> list[str]:
    """The name of the files of each stretch: ``person0``, and for what begins again after a gap
    ``person0_from_frame120``."""
    names: list[str] = []
    begun: set[int] = set()
    for one in lifted.people:
        names.append(f"person{one.person}" + (f"_from_frame{one.first_frame}" if one.person in begun else ""))
        begun.add(one.person)
    return names


def _write_page(result: Result, path: Path, settings: OutputSettings, progress: Progress | None) -> None:
    step = max(1, math.ceil(result.lifted.num_frames / settings.most_pictures))
    pictures = None if result.video is None else [*_jpegs(result.video, step, settings.picture_width)]
    write_viewer(path, replace(_scene(result), pictures=pictures, picture_step=step))


def _write_gif(result: Result, path: Path, settings: OutputSettings, progress: Progress | None) -> None:
    most, rate = result.lifted.num_frames / settings.most_pictures, result.frame_rate / _GIF_RATE
    step = max(1, math.ceil(most), math.ceil(rate))
    write_clip(
        path, _clip(result, settings, progress, step), result.frame_rate / step, one_palette=result.video is None
    )


def _write_mp4(result: Result, path: Path, settings: OutputSettings, progress: Progress | None) -> None:
    write_clip(path, _clip(result, settings, progress), result.frame_rate)


def _clip(result: Result, settings: OutputSettings, progress: Progress | None, step: int = 1) -> Iterator[np.ndarray]:
    """Every ``step``-th frame of the clip: the video with what was seen, and the people from the side of the camera and
    from the left of it."""
    cameras = (Camera("from the camera", -90.0), Camera("from its left", 180.0))
    with ExitStack() as open_files:
        video = None if result.video is None else open_files.enter_context(read_video(result.video))
        scene = _scene(result)
        width, tall = scene.image_size or (1, 1)
        height = max(_LEAST_HEIGHT, round(settings.picture_width * min(1.0, tall / width)))
        frames = clip_frames(scene, video, cameras=cameras, truth="over", height=height, step=step)
        yield from progress(frames, math.ceil(scene.num_frames / step)) if progress else frames


def _scene(result: Result) -> ViewerScene:
    lifted = result.lifted
    people = [
        ViewerPerson(
            f"person {one.person}",
            one.first_frame,
            positions,
            lifted.skeleton,
            truth=truth,
            keypoints_2d=one.keypoints_2d if lifted.image_size else None,
            deviations=one.deviations,
        )
        for one, positions, truth in zip(lifted.people, result.positions, result.true_positions, strict=True)
    ]
    return ViewerScene(people, lifted.num_frames, result.frame_rate, result.title, image_size=lifted.image_size)


def _jpegs(video: Path, step: int, width: int) -> Iterator[bytes]:
    """Every ``step``-th frame, at most so wide, as JPEG."""
    from PIL import Image

    with read_video(video) as frames:
        for frame in itertools.islice(frames, 0, None, step):
            picture = Image.fromarray(frame)
            picture.thumbnail((width, 10 * width))
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=80)
            yield buffer.getvalue()


_SCENES: dict[str, tuple[str, Callable[[Result, Path, OutputSettings, Progress | None], None]]] = {
    "html": ("viewer.html", _write_page),
    "gif": ("animation.gif", _write_gif),
    "mp4": ("animation.mp4", _write_mp4),
}
"""The file of each format that shows all people, and what writes it."""
