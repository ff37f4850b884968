"""Moving pictures of a chosen clip of a data set: the input, the answer of a network and the truth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from skelgraph.datasets import PoseDataset, load_dataset
from skelgraph.datasets.pose_arrays import Clip
from skelgraph.datasets.registry import DATASETS
from skelgraph.device import chosen_device
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import read_video
from skelgraph.files.video import Progress, VideoReader
from skelgraph.geometry import camera_to_world, denormalize_screen
from skelgraph.options import checked
from skelgraph.text import plain, shown
from skelgraph.training.checks import check_causal, check_network
from skelgraph.training.config import NetworkConfig, TrainConfig
from skelgraph.training.evaluated import Evaluated, evaluated
from skelgraph.training.judging import lacking
from skelgraph.training.module import LiftingModule
from skelgraph.viz.clip import clip_frames, write_clip
from skelgraph.viz.drawing import to_plot_axes
from skelgraph.viz.panels import Camera
from skelgraph.viz.viewer import ViewerPerson, ViewerScene

PIXELS_PER_INCH = 100
Frames = Annotated[int, Field(ge=0, le=2**31)]
Group = Annotated[int, Field(ge=1, le=1000)]
Inches = Annotated[float, Field(ge=0.5, le=40)]
Rate = Annotated[float, Field(ge=0.01, le=1000)]
Kilobits = Annotated[int, Field(ge=10, le=1_000_000)]
Degrees = Annotated[float, Field(ge=-360, le=360)]

_WINDOWS_AT_ONCE = 1024


@checked
def visualize(
    out: str | PathLike[str],
    weights: str | Path | None = None,
    model: str | None = None,
    refine: str | Path | None = None,
    *,
    subject: str | None = None,
    action: str | None = None,
    camera: str | int | None = None,
    skip: Frames = 0,
    limit: int = 0,
    downsample: Group = 1,
    size: Inches = 5.0,
    frame_rate: Rate | None = None,
    bitrate: Kilobits = 3000,
    video: str | PathLike[str] | None = None,
    azimuth: Degrees | None = None,
    elevation: Degrees = 15.0,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> int:
    """Draw a clip of a data set as a GIF or an MP4, as `VideoPose3D's <https://github.com/facebookresearch/VideoPose3D>`_
    ``--render`` and HOIF-Net's ``viz.py`` do: its keypoints, the answer of a network, the truth.

    Poses are turned into the world, if the orientation of the camera is known (else the picture's vertical is up), with
    the root in one place. Code and paper: the published programs put the lowest point of prediction and truth onto the
    floor each by itself, which hides an error; here both are moved by as much as the truth.

    Args:
        out: The file, ``.gif`` or ``.mp4``.
        weights: Weights of any origin, see :func:`skelgraph.training.evaluate`; ``None``: input and truth alone.
        model: Name of the network, which weights of the authors do not tell.
        refine: Weights of a refinement head, whose poses are drawn then.
        subject: Whose clip, ``"S11"``; ``None``: the first of the data.
        action: Of what, the full name of the take; a name that is none of a take, but of an action, is its first one.
        camera: From which camera, its number among those of the clip, or its name; ``None``: the first.
        skip: Frames that are left out at the beginning, of the video too.
        limit: Most frames that are drawn; less than 1: all.
        downsample: Draw the mean of so many frames, as one.
        size: Height of the panels in inches of 100 pixels.
        frame_rate: Frames per second of the data before ``downsample``; ``None``: as the data say.
        bitrate: Of an MP4, kilobits per second.
        video: The video of the clip, which is drawn behind the keypoints.
        azimuth: Where the viewer stands around the z axis of the world, degrees; ``None``: at the side of the camera,
            which for Human3.6M's cameras are the published 70, -70, 110 and -110 degrees but for a few.
        elevation: How high, degrees above the horizon.
        options: Options of the network that weights of the authors cannot tell.
        progress: Given the frames and their number, gives them on and shows how far it is.
        **changes: Settings of :class:`TrainConfig`, by their names: those of the data, the device. All frames of the
            test part are drawn, also where a run was tested on every n-th, unless ``test_downsample`` is given.

    Returns:
        How many frames were drawn.

    Raises:
        SkelgraphError: If the weights or a data file are not usable, or there is no such subject, action or camera;
            the message names those that there are.
        OSError: If the file cannot be written.
    """
    judged, config = _prepared(weights, model, refine, options, changes)
    test_set = _load(config, subject, action, changes)
    clip = find_clip(test_set, subject, action, camera)
    rate = test_set.frame_rate if frame_rate is None else frame_rate
    if rate is None:
        raise DataError(f"{plain(test_set.name)}: does not say its frame rate; expected frame_rate (--frame-rate)")
    rows = chosen_rows(clip, skip, limit, downsample)
    device = chosen_device(changes.get("device") or "auto")  # that of a run may have been on another machine
    module = None if judged is None else _module(judged, config, test_set).to(device)
    scene, view = _scene(test_set, clip, rows, downsample, module, config.data.causal, rate / downsample)
    name = "ground truth" if module is None else "prediction"
    cameras = (Camera(name, view if azimuth is None else azimuth, elevation),)
    with ExitStack() as open_files:
        pictures = None
        if video is not None:
            reader = open_files.enter_context(read_video(video))
            _check_video(reader, clip, None if frame_rate is not None else rate, str(video))
            pictures = averaged(itertools.islice(reader, skip, None), downsample)
        frames: Iterable[np.ndarray] = clip_frames(
            scene, pictures, cameras=cameras, height=max(1, round(PIXELS_PER_INCH * size))
        )
        if progress is not None:
            frames = progress(frames, scene.num_frames)
        write_clip(out, frames, scene.frame_rate, bitrate=bitrate, one_palette=video is None)
    return scene.num_frames


def clips_to_draw(weights: str | Path | None = None, model: str | None = None, **changes: Any) -> list[Clip]:
    """The clips that :func:`visualize` can draw, of whichever subject, action and camera.

    Raises:
        SkelgraphError: If the weights or a data file are not usable.
    """
    config = _prepared(weights, model, None, changes.pop("options", None), changes)[1]
    return _load(config, None, None, changes).clips


def find_clip(test_set: PoseDataset, subject: str | None, action: str | None, camera: str | int | None) -> Clip:
    """The clip of a subject, an action (the full name of a take, or else of the action) and a camera (its number or its
    name); the first one that fits.

    Raises:
        SkelgraphError: If there is none; the message names what there is.
    """
    clips = test_set.clips
    for kind, wanted in (("subject", subject), ("action", action)):
        names = list(dict.fromkeys(getattr(clip, kind) for clip in clips))
        if kind == "action" and wanted not in names:
            wanted = next((clip.action for clip in clips if clip.action_name == wanted), wanted)
        if wanted is not None and wanted not in names:
            listed = ", ".join(plain(name, 50) for name in names[:50])
            raise SkelgraphError(f"{kind} is {shown(wanted)}; expected one of those of {test_set.name}: {listed}")
        chosen = names[0] if wanted is None else wanted
        clips = [clip for clip in clips if getattr(clip, kind) == chosen]
    names = [clip.camera for clip in clips]
    text = "0" if camera is None else str(camera)
    if text in names:
        return clips[names.index(text)]
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < len(clips):
        return clips[int(text)]
    listed = ", ".join(f"{number} ({plain(name, 50)})" for number, name in enumerate(names[:20]))
    raise SkelgraphError(f"camera is {shown(camera)}; expected one of those of this clip: {listed}")


def chosen_rows(clip: Clip, skip: int, limit: int, downsample: int) -> range:
    """The rows of a clip that are drawn: whole groups of ``downsample`` frames.

    Raises:
        SkelgraphError: If nothing is left.
    """
    groups = max(0, clip.length - skip) // downsample
    if groups == 0:
        raise SkelgraphError(
            f"skip {skip} and downsample {downsample} leave nothing of the {clip.length} frames of {clip.label}"
        )
    drawn = min(groups, limit) if limit >= 1 else groups
    return range(clip.start + skip, clip.start + skip + drawn * downsample)


def averaged(pictures: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The mean of so many pictures each, of the same kind; what does not fill a mean at the end is left out."""
    iterator = iter(pictures)
    while len(group := list(itertools.islice(iterator, count))) == count:
        yield group[0] if count == 1 else np.mean(group, axis=0, dtype=np.float32).round().astype(group[0].dtype)


def _prepared(
    weights: str | Path | None,
    model: str | None,
    refine: str | Path | None,
    options: Mapping[str, Any] | None,
    changes: Mapping[str, Any],
) -> tuple[Evaluated | None, TrainConfig]:
    """What answers, if there is anything, and the settings: all frames of the test part, unless less is asked for."""
    changes = {"test_downsample": None, **changes}
    if weights is not None:
        judged = evaluated(weights, Path(), model, refine, options or {}, changes)
        check_causal(judged.config, judged.model)
        return judged, judged.config
    if model is not None or refine is not None or options:
        raise SkelgraphError("model, refine and options are of weights; expected weights")
    if changes.get("dataset") is None:
        raise SkelgraphError("neither weights nor a dataset are given; expected what to draw")
    return None, TrainConfig("", NetworkConfig()).replace(**changes)


def _load(config: TrainConfig, subject: str | None, action: str | None, changes: Mapping[str, Any]) -> PoseDataset:
    """The test part of the data, and of it no more than is asked for where the data set can be asked."""
    data = config.data
    subjects = data.test_subjects
    if subject is not None and changes.get("test_subjects") is None:
        subjects = (subject,)
    can_choose = action is not None and "actions" in DATASETS.find(data.dataset).filters
    return load_dataset(
        data.dataset,
        "test",
        skeleton=data.skeleton,
        subjects=subjects,
        actions=[action] if action is not None and can_choose else None,
        downsample=data.test_downsample,
        unchecked=data.unchecked,
        middles=data.middles,
        **data.sources(),
    )


def _module(judged: Evaluated, config: TrainConfig, test_set: PoseDataset) -> LiftingModule:
    """The network, and its head where the data have what that needs, as they answer in a test."""
    check_network(judged.model, test_set)
    depth = config.refinement.root_depth
    if judged.head is not None and (lack := lacking(test_set, depth)):
        raise SkelgraphError(f"poses cannot be refined: {lack}")
    module = LiftingModule(
        judged.model,
        test_set.actions,
        test_set.mean_pose() if judged.mean_pose is None else judged.mean_pose,
        refine=judged.head,
        refine_dropout_at_test=config.refinement.refine_dropout_at_test,
        root_depth=depth,
        flip_test=bool(config.decided().evaluation.flip_test),
        root=config.evaluation.root,
    )
    return module.eval()


@torch.no_grad()
def _lifted(module: LiftingModule, test_set: PoseDataset, rows: Sequence[int], causal: bool) -> Tensor:
    """The answers to rows of the arrays, ``(T, J, 3)``, metres, camera axes, relative to the root."""
    windows = test_set.windows(module.model.num_frames, causal=causal)
    answers = [
        module.answers(windows[part].to(module.device), module.headline)[module.headline].pose.cpu()
        for part in torch.tensor(rows).split(_WINDOWS_AT_ONCE)
    ]
    return torch.cat(answers)


def _scene(
    test_set: PoseDataset,
    clip: Clip,
    rows: range,
    downsample: int,
    module: LiftingModule | None,
    causal: bool,
    frame_rate: float,
) -> tuple[ViewerScene, float]:
    """The person in the world, and the side from which the camera looks, degrees."""
    part = slice(rows.start, rows.stop)
    keypoints, true = test_set.keypoints_2d[part].double(), test_set.poses_3d[part].double()
    if test_set.confidence is not None:  # what nobody has seen is not drawn
        keypoints = torch.where(test_set.confidence[part, :, None] > 0, keypoints, torch.nan)
    if test_set.visible_3d is not None:
        true = torch.where(test_set.visible_3d[part, :, None], true, torch.nan)
    pixels = _means(denormalize_screen(keypoints, clip.width, clip.height), downsample)
    truth, view = _upright(_means(true, downsample), clip)
    lifted = None
    if module is not None:
        lifted, _ = _upright(_means(_lifted(module, test_set, rows, causal).double(), downsample), clip)
    heights = truth[..., 2] if np.isfinite(truth[..., 2]).any() or lifted is None else lifted[..., 2]
    floor = np.array([0.0, 0.0, np.nanmin(heights) if np.isfinite(heights).any() else 0.0])
    person = ViewerPerson(
        clip.subject,
        0,
        (truth if lifted is None else lifted) - floor,
        test_set.skeleton,
        truth=None if lifted is None else truth - floor,
        keypoints_2d=pixels,
    )
    subject, action, camera = (plain(name, 30) for name in (clip.subject, clip.action, clip.camera))
    title = f"{'Synthetic data: ' * test_set.is_synthetic}{subject}, {action}, camera {camera}"
    scene = ViewerScene([person], len(pixels), frame_rate, title, image_size=(clip.width, clip.height))
    return scene, view


def _means(values: Tensor, count: int) -> np.ndarray:
    """The means of groups of frames; NaN where one of them is."""
    return values.unflatten(0, (-1, count)).mean(1).numpy()


def _upright(poses: np.ndarray, clip: Clip) -> tuple[np.ndarray, float]:
    """Poses in axes with z up, and where the camera stands around it, degrees."""
    if clip.orientation is None:
        return to_plot_axes(poses), -90.0
    turned = camera_to_world(
        torch.from_numpy(np.concatenate([poses.reshape(-1, 3), [[0.0, 0.0, 1.0]]])),
        torch.tensor(clip.orientation, dtype=torch.float64),
        torch.zeros(3, dtype=torch.float64),
    ).numpy()
    forward = turned[-1]
    return turned[:-1].reshape(poses.shape), math.degrees(math.atan2(-forward[1], -forward[0]))


def _check_video(video: VideoReader, clip: Clip, frame_rate: float | None, name: str) -> None:
    """Check that a video can be that of the clip; its frame rate, if one is expected."""
    width, height = video.image_size
    if abs(width * clip.height - height * clip.width) > 0.01 * height * clip.width:
        raise DataError(
            f"{plain(name, 1000)}: has pictures of {width} x {height}; expected the form of those of the camera "
            f"{plain(clip.camera, 50)}, {clip.width} x {clip.height}"
        )
    if frame_rate is not None and video.frame_rate is not None and abs(video.frame_rate / frame_rate - 1) > 0.01:
        raise DataError(
            f"{plain(name, 1000)}: has {video.frame_rate:g} frames per second; expected {frame_rate:g} as the data, or "
            "frame_rate (--frame-rate), which says that the frames belong to each other"
        )
