"""The page as one file: template, style, program, numbers and pictures, all inside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib import resources
from os import PathLike
from typing import Any

import numpy as np

from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import writing
from skelgraph.text import plain, shown
from skelgraph.topology import Skeleton
from skelgraph.viz.drawing import CENTRE, LEFT, RIGHT, joint_colors
from skelgraph.viz.viewer.scene import ViewerPerson, ViewerScene

# the template, the style, and the parts of the one program in their order
_FILES = ("viewer.html.j2", "viewer.css", "scene.js", "view.js", "drawing.js", "controls.js")


def write_viewer(path: str | PathLike[str], scene: ViewerScene) -> None:
    """Write the page of :func:`viewer_page` piece by piece, all of it or nothing.

    Beside the numbers of the scene two pictures at a time are in memory, so that ``scene.pictures`` may be a sequence
    that reads each when it is asked for.

    Args:
        path: The file, ``viewer.html``.
        scene: What it shows.

    Raises:
        SkelgraphError: If jinja2 is not installed, or the path is a folder.
        DataError: If a picture is no JPEG file.
        OSError: If the file cannot be written.
    """
    with writing(path) as file:
        for piece in _pieces(scene):
            file.write(piece.encode())


def viewer_page(scene: ViewerScene) -> str:
    """Return a page that plays a scene in space, beside its video: HTML that needs no other file and no network.

    The numbers are in it as 32-bit floats in base64, 16 bytes for each joint in each frame, as much again for the truth
    and for the keypoints, and a third of it for the deviations: 10 000 frames of 17 joints are 2.7 MB each. Pictures
    take 4/3 of their size. The page may load nothing and send nothing: its content security policy allows the one
    program and the one style in it, by their hashes, and pictures that are inside it. Names and titles are escaped,
    whoever they are from.

    Args:
        scene: What it shows.

    Raises:
        SkelgraphError: If jinja2 is not installed.
        DataError: If a picture is no JPEG file.
    """
    return "".join(_pieces(scene))


def _pieces(scene: ViewerScene) -> Iterator[str]:
    try:
        import jinja2
    except ImportError as error:
        raise SkelgraphError("the page is made with jinja2: pip install 'skelgraph[lift]'.") from error

    folder = resources.files(__package__)
    template, style, *program = (folder.joinpath(name).read_text("utf-8") for name in _FILES)
    script = "\n".join(program)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(template).generate(
        title=plain(scene.title, 200) or "skelgraph",
        style=style,
        script=script,
        hashes={"style": _hash(style), "script": _hash(script)},
        scene={
            "numFrames": int(scene.num_frames),
            "frameRate": float(scene.frame_rate),
            "scale": scene.scale,
            "imageSize": None if scene.image_size is None else [int(side) for side in scene.image_size],
            "pictureStep": int(scene.picture_step),
            "colors": {"left": LEFT, "right": RIGHT, "centre": CENTRE},
            "people": [_person(person) for person in scene.people],
        },
        pictures=(_jpeg(index, picture) for index, picture in enumerate(scene.pictures or ())),
    )


def _person(person: ViewerPerson) -> dict[str, Any]:
    skeleton = person.skeleton
    sides = joint_colors(skeleton, ("left", "right", "centre"))
    keypoints = None
    if person.keypoints_2d is not None:
        keypoints = np.asarray(person.keypoints_2d, dtype=np.float32)
        confidence = keypoints[..., 2:] if keypoints.shape[-1] == 3 else np.ones_like(keypoints[..., :1])
        keypoints = np.concatenate([np.where(confidence > 0, keypoints[..., :2], np.nan), confidence], axis=-1)
    return {
        "name": plain(person.name),
        "first": int(person.first_frame),
        "count": person.num_frames,
        "joints": [plain(name).replace("_", " ") for name in skeleton.joint_names],
        "sides": sides,
        "bones": [[parent, child, sides[child]] for parent, child in skeleton.edges] + _crossbars(skeleton),
        "root": skeleton.roots[0],
        "positions": _base64(person.positions),
        "truth": None if person.truth is None else _base64(person.truth),
        "keypoints": None if keypoints is None else _base64(keypoints),
        "deviations": None if person.deviations is None else _base64(person.deviations),
    }


def _crossbars(skeleton: Skeleton) -> list[list[Any]]:
    """Lines between the shoulders and between the hips of a layout whose torso has no joints of its own.

    Such a tree (COCO, BlazePose) hangs from the nose, and without them the body would be open.
    """
    if not skeleton.parts or "torso" in skeleton.parts:
        return []
    part_of = {joint: part for part, joints in skeleton.parts.items() if part != "head" for joint in joints}
    begins = {joint for joint in part_of if part_of.get(skeleton.parents[joint]) != part_of[joint]}
    return [[left, right, "centre"] for left, right in skeleton.symmetric_pairs if {left, right} <= begins]


def _base64(array: Any) -> str:
    """Little-endian 32-bit floats; infinity becomes NaN, which stands for what is not known."""
    numbers = np.asarray(array, dtype="<f4")
    return base64.b64encode(np.where(np.isfinite(numbers), numbers, np.float32(np.nan)).tobytes()).decode()


def _jpeg(index: int, picture: bytes) -> str:
    if not picture.startswith(b"\xff\xd8\xff"):
        raise DataError(f"picture {index} is {shown(picture, 40)}; expected the bytes of a JPEG file.")
    return base64.b64encode(picture).decode()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
