"""A chosen clip of a data set as a moving picture: its keypoints, what a network makes of them, and the truth."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from skelgraph.datasets import Clip, PoseDataset
from skelgraph.errors import SkelgraphError
from skelgraph.files import as_path, read_video
from skelgraph.geometry import camera_to_world
from skelgraph.text import plain, shown
from skelgraph.training.config import TrainConfig
from skelgraph.training.evaluated import evaluated
from skelgraph.training.module import LiftingModule
from skelgraph.training.run import check_network, lifting_module, load_test
from skelgraph.viz.clip import clip_frames, write_clip
from skelgraph.viz.panels import Camera
from skelgraph.viz.viewer import ViewerPerson, ViewerScene

AZIMUTHS = (70.0, -70.0, 110.0, -110.0)
"""From where the published programs look at the clips of Human3.6M's four cameras, degrees."""
FROM_CAMERA = -90.0
"""From the side of the camera, where nothing is known of the world."""
FRAME_RATE = 50.0
"""Of data that do not say it."""
_BATCH = 1024


class Chosen(NamedTuple):
    """Which frames of which clip are drawn, and how.

    Args:
        subject: Who moves; ``None``: the first of the data.
        action: What is done, the exact text, or the name of the action for its first take; ``None``: the first one.
        camera: Name or number of the camera; ``None``: the first one.
        limit: Most frames that are drawn; below 1: all.
        downsample: Each frame that is drawn is the mean of so many.
        skip: Frames at the beginning of the video that the data do not have.
    """

    subject: str | None = None
    action: str | None = None
    camera: str | None = None
    limit: int = -1
    downsample: int = 1
    skip: int = 0


def visualize(
    out: str | Path,
    weights: str | Path | None = None,
    model: str | None = None,
    refine: str | Path | None = None,
    *,
    chosen: Chosen = Chosen(),  # noqa: B008 - immutable
    options: Mapping[str, Any] | None = None,
    video: str | Path | None = None,
    height: int = 500,
    bitrate: int | None = None,
    azimuth: float | None = None,
    elevation: float = 15.0,
    progress: Callable[[Iterable[np.ndarray], int | None], Iterable[np.ndarray]] | None = None,
    **changes: Any,
) -> None:
    """Draw a clip of a data set, as VideoPose3D's ``--render`` and HOIF-Net's ``viz.py`` do: the keypoints, the
    prediction if there are weights, and the truth.

    Poses are turned to the axes of the world, with the lowest joint of the clip on the floor; of a camera whose
    orientation is not known, it is taken as level.

    Args:
        out: The file, ``.gif`` or ``.mp4``.
        weights: Weights of a network, of any origin, see :func:`skelgraph.training.evaluate`.
        model: Name of the network, which weights of the authors do not tell.
        refine: Weights of a refinement head.
        chosen: Which frames of which clip.
        options: Options of the network that weights of the authors cannot tell.
        video: The video of the clip, which goes behind the keypoints.
        height: Height of the panels, pixels.
        bitrate: Of an MP4, kilobits per second.
        azimuth: From where it is seen, degrees; by default as :data:`AZIMUTHS`.
        elevation: From how high, degrees.
        progress: Shows how far it is.
        **changes: Settings of :class:`TrainConfig` by their names, such as the data.

    Raises:
        SkelgraphError: If there is no such clip, or a file is not usable.
        OSError: If the file cannot be written.
    """
    test_set, module = loaded(weights, model, refine, options or {}, chosen.subject, changes)
    number, clip = chosen_clip(test_set, chosen)
    scene, rate = clip_scene(test_set, module, number, chosen)
    camera = Camera("reconstruction" if module else "ground truth", _azimuth(clip, test_set, azimuth), elevation)
    pictures = None if video is None else _pictures(video, chosen, scene)
    frames = clip_frames(scene, pictures, cameras=(camera,), truth="beside", height=height)
    frames = progress(frames, scene.num_frames) if progress else frames  # type: ignore[assignment]
    write_clip(as_path(out), frames, rate, bitrate=bitrate, one_palette=video is None)


def loaded(
    weights: str | Path | None,
    model: str | None,
    refine: str | Path | None,
    options: Mapping[str, Any],
    subject: str | None,
    changes: Mapping[str, Any],
) -> tuple[PoseDataset, LiftingModule | None]:
    """The data, and the network if there is one.

    Raises:
        SkelgraphError: If a file or a setting is not usable.
    """
    changes = dict(changes) | ({} if subject is None else {"test_subjects": (subject,)})
    if weights is None:
        if model is not None or refine is not None or options:
            raise SkelgraphError("model, refine and options are of weights; expected weights (--weights)")
        return load_test(TrainConfig("").replace(**changes)), None
    about = evaluated(weights, Path(), model, refine, options, changes)
    test_set = load_test(about.config)
    check_network(about.model, test_set)
    mean_pose = test_set.mean_pose() if about.mean_pose is None else about.mean_pose
    return test_set, lifting_module(about.config, about.model, about.head, test_set.actions, mean_pose)


def clips_of(test_set: PoseDataset) -> list[tuple[int, Clip]]:
    """The clips that have frames in a data set, with their numbers."""
    return [(number, test_set.clips[number]) for number in test_set.clip_id[test_set.frames].unique().tolist()]


def chosen_clip(test_set: PoseDataset, chosen: Chosen) -> tuple[int, Clip]:
    """The number of a clip, and the clip.

    Raises:
        SkelgraphError: If there is none; the message lists those that there are.
    """
    clips = clips_of(test_set)
    for what, wanted, of in (
        ("subject", chosen.subject, lambda clip: (clip.subject,)),
        ("action", chosen.action, lambda clip: (clip.action, clip.action_name)),
    ):
        if wanted is None:
            continue
        found = [entry for entry in clips if of(entry[1])[0] == wanted]
        found = found or [entry for entry in clips if wanted in of(entry[1])]
        if not found:
            raise SkelgraphError(f"{what} is {shown(wanted)}; there are {_listed(of(clip)[0] for _, clip in clips)}")
        clips = found
    # one recording is left, of several cameras
    _, first = clips[0]
    clips = [(n, clip) for n, clip in clips if (clip.subject, clip.action) == (first.subject, first.action)]
    if chosen.camera is None:
        return clips[0]
    cameras = [clip.camera for _, clip in clips]
    if chosen.camera in cameras:
        return clips[cameras.index(chosen.camera)]
    if chosen.camera.isdecimal() and int(chosen.camera) < len(clips):
        return clips[int(chosen.camera)]
    raise SkelgraphError(
        f"camera is {shown(chosen.camera)}; there are {_listed(cameras)}, or their numbers from 0 to {len(clips) - 1}"
    )


@torch.no_grad()
def clip_scene(
    test_set: PoseDataset, module: LiftingModule | None, number: int, chosen: Chosen
) -> tuple[ViewerScene, float]:
    """A clip as a scene, and its frame rate.

    Raises:
        SkelgraphError: If the clip has fewer frames than one mean takes.
    """
    clip, frames = test_set.clips[number], test_set.frames
    rows = (test_set.clip_id[frames] == number).nonzero().flatten()
    step = chosen.downsample
    count = len(rows) // step if chosen.limit < 1 else min(chosen.limit, len(rows) // step)
    if not count:
        raise SkelgraphError(f"downsample is {step}; expected at most {len(rows)}, the frames of the clip")
    rows = rows[: count * step]
    windows = test_set.windows(1 if module is None else module.model.num_frames)
    parts: dict[str, list[Tensor]] = {"keypoints": [], "truth": [], "prediction": []}
    if module is not None:
        module.eval()
    for index in rows.split(_BATCH):
        batch = windows[index]
        keypoints, truth = batch.keypoints_2d[:, windows.target], batch.poses_3d
        if batch.confidence is not None:  # what nobody has seen is not drawn
            keypoints = torch.where(batch.confidence[:, windows.target, :, None] > 0, keypoints, torch.nan)
        if batch.visible_3d is not None:
            truth = torch.where(batch.visible_3d[..., None], truth, torch.nan)
        parts["keypoints"].append(keypoints)
        parts["truth"].append(truth)
        if module is not None:
            parts["prediction"].append(module.answers(batch.to(module.device), module.headline)[module.headline].pose)
    arrays = {
        name: torch.cat(values).cpu().double().unflatten(0, (count, step)).mean(1)
        for name, values in parts.items()
        if values
    }
    screen = torch.tensor([1.0, clip.height / clip.width], dtype=torch.float64)
    keypoints = (arrays["keypoints"] + screen) * (clip.width / 2)
    drawn = {name: _in_world(arrays[name], clip) for name in ("truth", "prediction") if name in arrays}
    person = ViewerPerson(
        clip.subject,
        0,
        drawn.get("prediction", drawn["truth"]),
        test_set.skeleton,
        truth=drawn["truth"] if "prediction" in drawn else None,
        keypoints_2d=keypoints.numpy(),
    )
    rate = (test_set.frame_rate or FRAME_RATE) / step
    names = (plain(name, 30) for name in (clip.subject, clip.action, clip.camera))
    title = f"{'Synthetic data: ' * test_set.is_synthetic}{', '.join(names)}"
    return ViewerScene([person], count, rate, title, image_size=(clip.width, clip.height)), rate


def _in_world(poses: Tensor, clip: Clip) -> np.ndarray:
    """Turned to the world, the lowest joint of all frames on the floor."""
    if clip.orientation is None:
        x, y, z = poses.unbind(-1)
        turned = torch.stack([x, z, -y], -1)
    else:
        orientation = torch.tensor(clip.orientation, dtype=poses.dtype)
        turned = camera_to_world(poses, orientation, poses.new_zeros(3))
    heights = turned[..., 2]
    lowest = heights[heights.isfinite()].min() if heights.isfinite().any() else heights.new_zeros(())
    world: np.ndarray = (turned - torch.stack([lowest * 0, lowest * 0, lowest])).numpy()
    return world


def _azimuth(clip: Clip, test_set: PoseDataset, azimuth: float | None) -> float:
    if azimuth is not None:
        return azimuth
    if clip.orientation is None:
        return FROM_CAMERA
    cameras = sorted({other.camera for other in test_set.clips if other.subject == clip.subject})
    return AZIMUTHS[cameras.index(clip.camera) % len(AZIMUTHS)]


def _pictures(video: str | Path, chosen: Chosen, scene: ViewerScene) -> Iterator[np.ndarray]:
    """Means of the frames of the video that belong to the frames of the scene."""
    with read_video(video) as frames:
        for _ in itertools.islice(frames, chosen.skip):
            pass
        for _ in range(scene.num_frames):
            several = [*itertools.islice(frames, chosen.downsample)]
            if len(several) < chosen.downsample:
                return
            yield np.mean(several, axis=0).astype(np.uint8)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(plain, [*dict.fromkeys(names)][:60]))
