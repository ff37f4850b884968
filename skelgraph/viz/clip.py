"""A scene as a moving picture: the input, the prediction and the truth side by side, as GIF or MP4."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import Literal

import numpy as np
from PIL import Image

from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import as_path, write_file, write_video
from skelgraph.text import plain, shown
from skelgraph.viz.drawing import CENTRE, LEFT, RIGHT
from skelgraph.viz.panels import Camera, Panel, joined
from skelgraph.viz.viewer import ViewerPerson, ViewerScene

TRUTH = "#C0C0C0"
CUBE = 1.7
"""Metres of bodies that a panel shows at least, as the published programs' pictures do; of what is smaller than a body
it shows what there is."""
_MOST_FLOOR = 200  # lines of the floor in each direction
_LEGEND = [("left", LEFT), ("right", RIGHT), ("centre", CENTRE)]


def clip_frames(
    scene: ViewerScene,
    pictures: Iterable[np.ndarray] | None = None,
    *,
    cameras: Sequence[Camera] = (Camera("prediction", 70.0),),
    truth: Literal["beside", "over"] = "beside",
    follow: bool = False,
    height: int = 480,
    step: int = 1,
) -> Iterator[np.ndarray]:
    """Draw a scene frame by frame: its input, if there are keypoints or pictures, then the people in space.

    Only the frame that is drawn is in memory, so that a clip may have any length.

    Args:
        scene: Who is in it; its own ``pictures`` are not looked at.
        pictures: The frames of the video, RGB, one for each frame of the scene; they go behind the keypoints.
        cameras: From where the people are seen, a panel for each.
        truth: A panel of its own for what is known of the truth, or in grey behind the prediction.
        follow: Keep the first person who is seen in the middle.
        height: Height of the panels, pixels.
        step: Draw every ``step``-th frame of the scene.

    Returns:
        A generator of frames.

    Shapes:
        ``pictures``: ``(H, W, 3)``, uint8 each; a frame likewise.

    Raises:
        DataError: If there are fewer pictures than frames.
    """
    people = [_Drawn(person, scene, follow) for person in scene.people]
    has_truth = any(person.truth is not None for person in people)
    over = has_truth and truth == "over"
    panels = [_SpacePanel(camera, people, height, scene.scale, over=over) for camera in cameras]
    if has_truth and truth == "beside":
        camera = Camera("truth", cameras[0].azimuth, cameras[0].elevation)
        panels += [_SpacePanel(camera, people, height, scene.scale, shows="truth")]
    has_input = pictures is not None or any(person.keypoints is not None for person in people)
    screen = _ScreenPanel(scene, people, height) if has_input else None
    has_sides = any(person.skeleton.symmetric_pairs for person in people)
    legend = [*(_LEGEND if has_sides else []), *([("truth", TRUTH)] if over else [])]
    behind = None if pictures is None else itertools.islice(pictures, 0, None, step)
    for frame in range(0, scene.num_frames, step):
        picture = None if behind is None else next(behind, None)
        if behind is not None and picture is None:
            raise DataError(f"pictures end with frame {frame}; expected one for each of {scene.num_frames} frames.")
        heading = plain(scene.title, 100)
        if has_truth:
            heading = f"{heading}   error {_error(people, frame):3.0f} mm".strip()
        drawn = [panel.frame(frame) for panel in panels]
        yield joined(drawn if screen is None else [screen.frame(frame, picture), *drawn], heading, legend)


def encode_gif(frames: Iterable[np.ndarray], frame_rate: float, *, one_palette: bool = True) -> bytes:
    """Encode frames as a GIF that repeats for ever; all of them are in memory with one byte for each pixel.

    Args:
        frames: RGB frames.
        frame_rate: Frames per second; a GIF counts in hundredths of a second, and shows at most 50.
        one_palette: Take the colours of all frames from the first one, which makes drawings small and steady; frames
            of a video need their own.

    Shapes:
        a frame: ``(H, W, 3)``, uint8.

    Raises:
        SkelgraphError: If there is no frame.
    """
    images = (Image.fromarray(frame) for frame in frames)
    first = next(images, None)
    if first is None:
        raise SkelgraphError("frames are none; a GIF has at least one frame")
    palette = first.quantize(128, Image.Quantize.MAXCOVERAGE)

    def reduced(image: Image.Image) -> Image.Image:
        if one_palette:
            return image.quantize(palette=palette, dither=Image.Dither.NONE)
        return image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)

    quantized = [reduced(image) for image in itertools.chain([first], images)]
    buffer = io.BytesIO()
    duration = min(max(20, 10 * round(100 / frame_rate)), 10 * (2**16 - 1))
    quantized[0].save(
        buffer, "GIF", save_all=True, append_images=quantized[1:], duration=duration, loop=0, optimize=False
    )
    return buffer.getvalue()


def write_clip(
    path: str | PathLike[str],
    frames: Iterable[np.ndarray],
    frame_rate: float,
    *,
    bitrate: int | None = None,
    one_palette: bool = True,
) -> None:
    """Write frames as a GIF or as an MP4, by the end of the name; whole or not at all.

    Args:
        path: The file, ``.gif`` or ``.mp4``.
        frames: RGB frames.
        frame_rate: Frames per second.
        bitrate: Of an MP4, kilobits per second; by default a constant quality.
        one_palette: Of a GIF, see :func:`encode_gif`.

    Shapes:
        a frame: ``(H, W, 3)``, uint8.

    Raises:
        SkelgraphError: If the name ends otherwise, or there is no frame.
        OSError: If the file cannot be written.
    """
    path = as_path(path)
    if path.suffix.lower() == ".gif":
        write_file(path, encode_gif(frames, frame_rate, one_palette=one_palette))
    elif path.suffix.lower() == ".mp4":
        with write_video(path, frame_rate, bitrate=bitrate) as video:
            for frame in frames:
                video.add(frame)
    else:
        raise SkelgraphError(f"the name of a clip is {shown(path.name)}; expected one that ends in .gif or .mp4")


class _Drawn:
    """A person as arrays that are drawn."""

    def __init__(self, person: ViewerPerson, scene: ViewerScene, follow: bool) -> None:
        self.first, self.count, self.skeleton = person.first_frame, person.num_frames, person.skeleton
        self.positions = np.asarray(person.positions, dtype=np.float64)
        self.truth = None if person.truth is None else np.asarray(person.truth, dtype=np.float64)
        self.keypoints = None
        if person.keypoints_2d is not None:
            keypoints = np.asarray(person.keypoints_2d, dtype=np.float64)
            seen = keypoints[..., 2:] > 0 if keypoints.shape[-1] == 3 else np.True_
            self.keypoints = np.where(seen, keypoints[..., :2], np.nan)
        self.middle = np.zeros((scene.num_frames, 3))
        if follow:
            self.middle = _followed(scene)

    def at(self, array: np.ndarray | None, frame: int) -> np.ndarray | None:
        """The rows of a frame of the scene; ``None`` where the person is not there."""
        index = frame - self.first
        return array[index] if array is not None and 0 <= index < self.count else None


def _followed(scene: ViewerScene) -> np.ndarray:
    """Where the first person stands in each frame, and where nobody is where somebody was last, ``(F, 3)``."""
    middle = np.full((scene.num_frames, 3), np.nan)
    for person in reversed(scene.people):
        root = np.asarray(person.positions, dtype=np.float64)[:, person.skeleton.roots[0]]
        rows = slice(person.first_frame, person.first_frame + person.num_frames)
        middle[rows] = np.where(np.isfinite(root), root, middle[rows])
    known = np.flatnonzero(np.isfinite(middle).all(-1))
    if not len(known):
        return np.zeros_like(middle)
    last = known[np.clip(np.searchsorted(known, np.arange(len(middle)), "right") - 1, 0, None)]
    return middle[last] * (1, 1, 0)


class _SpacePanel:
    """People in space, seen from one side; ``scale`` is that of the scene."""

    def __init__(
        self,
        camera: Camera,
        people: Sequence[_Drawn],
        height: int,
        scale: float,
        *,
        over: bool = False,
        shows: str = "positions",
    ) -> None:
        self.camera, self.people, self.over, self.shows = camera, people, over, shows
        moved = [
            (array - person.middle[person.first : person.first + person.count, None]).reshape(-1, 3)
            for person in people
            for array in (person.positions, person.truth)
            if array is not None
        ]
        points = np.concatenate([*moved, np.zeros((0, 3))])
        points = points[np.isfinite(points).all(-1)]
        if not len(points):
            points = np.zeros((1, 3))
        picture = camera.project(points)[:, :2]
        low, high = picture.min(0), picture.max(0)
        centre, half = (low + high) / 2, 0.54 * float((high - low).max())
        half = max(half, CUBE / 2 if scale == 1 else 0.3 * CUBE * scale)
        floor = _floor(camera, points[:, :2], half, scale)
        self.panel = Panel(camera.name, (height, height), centre - half, centre + half, floor)

    def frame(self, frame: int) -> Image.Image:
        image = self.panel.begin()
        for person in self.people:
            if self.over and (true := person.at(person.truth, frame)) is not None:
                self._draw(image, true - person.middle[frame], person, TRUTH, 6.0)
        for person in self.people:
            pose = person.at(getattr(person, self.shows), frame)
            if pose is not None:
                self._draw(image, pose - person.middle[frame], person, None, 3.0)
        return image

    def _draw(self, image: Image.Image, pose: np.ndarray, person: _Drawn, colors: str | None, width: float) -> None:
        self.panel.draw(image, self.camera.project(pose), person.skeleton, colors, width)


class _ScreenPanel:
    """The video, or an empty picture, with the keypoints."""

    def __init__(self, scene: ViewerScene, people: Sequence[_Drawn], height: int) -> None:
        if scene.image_size is None:
            raise DataError("image_size of the scene is None; expected width and height of the pictures.")
        width, tall = scene.image_size
        shown_width = max(1, round(height * width / tall))
        self.people = people
        # y goes down in a picture
        self.panel = Panel("input", (shown_width, height), np.array([0.0, -tall]), np.array([float(width), 0.0]))

    def frame(self, frame: int, picture: np.ndarray | None) -> Image.Image:
        image = self.panel.begin(picture)
        for person in self.people:
            keypoints = person.at(person.keypoints, frame)
            if keypoints is not None:
                self.panel.draw(image, keypoints * (1, -1), person.skeleton)
        return image


def _floor(camera: Camera, around: np.ndarray, half: float, scale: float) -> list[np.ndarray]:
    """A grid on the floor, around what is drawn: of half metres, or half decimetres or less below what is small."""
    low, high = around.min(0) - 0.3 * scale, around.max(0) + 0.3 * scale
    low, high = np.minimum(low, (low + high) / 2 - half / 2), np.maximum(high, (low + high) / 2 + half / 2)
    step = max(0.5 * 10.0 ** round(math.log10(scale)), float((high - low).max()) / _MOST_FLOOR)
    low, high = np.floor(low / step) * step, np.ceil(high / step) * step
    lines = [[(x, low[1], 0.0), (x, high[1], 0.0)] for x in np.arange(low[0], high[0] + step / 2, step)]
    lines += [[(low[0], y, 0.0), (high[0], y, 0.0)] for y in np.arange(low[1], high[1] + step / 2, step)]
    return [*camera.project(np.array(lines))[..., :2]]


def _error(people: Sequence[_Drawn], frame: int) -> float:
    """Mean distance from the truth over all known joints, millimetres; NaN if there is none."""
    errors = [
        np.linalg.norm(pose - true, axis=-1)
        for person in people
        if (pose := person.at(person.positions, frame)) is not None
        and (true := person.at(person.truth, frame)) is not None
    ]
    known = np.concatenate([*errors, np.zeros(0)])
    known = known[np.isfinite(known)]
    return 1000 * float(known.mean()) if len(known) else float("nan")
