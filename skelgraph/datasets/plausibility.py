"""Checks of motion data: units, image coordinates, conventions of the cameras, order of the joints.

They run when a :class:`~skelgraph.datasets.PoseDataset` is built, on its arrays and on a few frames of every clip.
Impossible values are an error. Unusual values are an error if another convention explains them, and else a warning.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skelgraph.datasets.left_right import extents, knee_votes, say_so, side_votes, standing_axis
from skelgraph.datasets.pose_arrays import PoseArrays
from skelgraph.errors import DataError
from skelgraph.geometry import camera_to_world, normalize_intrinsics, project, world_to_camera
from skelgraph.text import plain
from skelgraph.topology import Skeleton, as_skeleton, list_skeletons

POSSIBLE_SIZE = (0.05, 20.0)
"""Extent of a skeleton, metres: from a small hand to a large animal. Outside, the data are refused."""
USUAL_SIZE = (0.05, 5.0)
"""Of hands and bodies; outside, there is a warning."""
NEAR_IMAGE = 2.0
"""A joint is near the image if it lies in a rectangle around the same centre, so many times as wide and high."""
MIN_NEAR = 0.5
"""Smallest share of the joints that have to be near the image of their camera."""
MIN_INSIDE = 0.5
"""Share of the joints inside the image of their camera below which it is odd."""
LOOKS_LIKE_PIXELS = 50.0
"""Keypoints that are typically so many half widths from the middle of the image are pixels that were not normalised."""
MIN_LIKENESS, SURE_LIKENESS = 0.5, 0.8
"""Smallest likeness (cosine) of x of keypoints and poses, and of y, where no camera tells how one becomes the other;
and the likeness of all axes, some turned round, that makes it an error."""
MIN_EXTENT = 0.005
"""Smallest extent of a skeleton in the image, as a share of the image's width."""
MAX_FROM_MIDDLE = 100.0
"""Largest distance of a keypoint from the middle of the image, in half widths of the image."""
MAX_FROM_ROOT = 100.0
"""Largest distance of a joint from the root, metres."""
MAX_SIDE_RATIO = 1.5
"""The lengths of a left and a right bone differ by less than this factor."""
UNSTEADY_BONE = 0.15
"""A bone is unsteady if the standard deviation of its length over time is more than this share of its mean."""
MANY_ODD_BONES, FEW_ODD_BONES = 0.2, 0.05
"""Share of bones that are unsteady, or of pairs that differ in length: above the first the skeleton may be a wrong one,
and another layout with at most the second is named in the error."""
UNSTEADY_SKELETON = 0.35
"""The same deviation of the median bone: above it the joints may be in another order, and there is a warning."""
MAX_OFFSET = 0.15
"""Largest distance of the keypoints from the projected joints, as a share of the skeleton's extent in the image."""
UPRIGHT_CAMERA = 0.7
"""Cosine of the largest angle between an axis and the picture's upward direction at which a camera stands upright."""

_SAMPLED = 512  # frames in all, but at least two of each clip
_OFF = "If the data are right, --unchecked (unchecked=True) turns this check off."


class Report:
    """The dataset to check, and the names of its clips and joints in error messages.

    Args:
        dataset: The dataset, its arrays stored.
        sources: Names of the origins of positions and keypoints.
        downsample: Step between its frames in the origins.
        projected: For each clip whether its keypoints are projections of its positions.
    """

    def __init__(
        self, dataset: PoseArrays, sources: tuple[str, str], downsample: int, projected: Sequence[bool]
    ) -> None:
        self.dataset = dataset
        self.sources = sources
        self.downsample = downsample
        self.projected = list(projected)
        self.largest = {name: _largest(getattr(dataset, name)) for name in ("poses_3d", "keypoints_2d")}
        self.largest["root_3d"] = _largest(dataset.root_3d.nan_to_num())  # NaN where it is not known

    def joint(self, row: int, joint: int, source: int = 0) -> str:
        """Name a joint of a row of the arrays."""
        clip = self.dataset.clips[int(self.dataset.clip_id[row])]
        frame = (row - clip.start) * self.downsample
        name = plain(self.dataset.skeleton.joint_names[joint])
        return f"{self.sources[source]}: {clip.label}: frame {frame}, joint {name}"

    def clip(self, clip: int, source: int = 0) -> str:
        """Name a clip."""
        return f"{self.sources[source]}: {self.dataset.clips[clip].label}"

    def behind(self, row: int, joint: int, depth: float) -> DataError:
        """The error of a joint in or behind its camera."""
        clip = int(self.dataset.clip_id[row])
        (clips,) = (clips for clips in _by_camera(self.dataset) if clip in clips)
        size = float(extents(_sampled_points(self.dataset, _sample(self.dataset)[clip])).nanmedian())
        if reason := _other_unit(self, clip, size):
            reason = f" The skeleton has an extent of {size:.3g} m.{reason}"
        else:
            reason = _explanation(self, clips)
        return DataError(
            f"{self.joint(row, joint)}: is in or behind the camera (depth {depth:.3g} m along its axis), which has no "
            f"image of it.{reason}"
        )


def check_stored(report: Report) -> None:
    """Check that every stored number is finite: the arrays are float32, and a projection can fail.

    Raises:
        DataError: A number is not; the error names the clip, frame and joint.
    """
    dataset = report.dataset
    for array, source in (("poses_3d", 0), ("root_3d", 0), ("keypoints_2d", 1)):
        if math.isfinite(report.largest[array]):
            continue
        stored = getattr(dataset, array)
        row, *joints, _ = (stored.isinf() if array == "root_3d" else ~stored.isfinite()).nonzero()[0].tolist()
        joint = joints[0] if joints else dataset.skeleton.root
        clip = int(dataset.clip_id[row])
        if array == "keypoints_2d" and report.projected[clip]:
            depth = float(_depths(dataset)[row, joint])
            if depth <= 0:
                raise report.behind(row, joint, depth)
            source = 0
        what = "the keypoint" if array == "keypoints_2d" else "the position"
        raise DataError(
            f"{report.joint(row, joint, source)}: {what} is too large to be stored (float32 ends at 3.4e38) or not a "
            "number."
        )


def check_plausible(report: Report) -> None:
    """Check depths, sizes, images and bones.

    Raises:
        DataError: Something is impossible, or odd and explained by another convention.
    """
    dataset = report.dataset
    rows = _sample(dataset)
    points = _sampled_points(dataset, rows)
    _check_sizes(report, points)
    _check_depths(report)
    _check_sides(report, rows, points)
    _check_images(report, rows, points + dataset.root_3d[rows][..., None, :])
    _check_axes(report, rows, points)
    _check_lenses(report)
    _check_outliers(report)
    _check_bones(report, points)
    _check_knees(report, points)
    _check_up(report, points)


def check_splits(one: PoseArrays, other: PoseArrays, first: str = "training", second: str = "test") -> None:
    """Check that no subject is in both of two parts of the data, for training and test unless they are named.

    Raises:
        DataError: A subject is in both.
    """
    if shared := [subject for subject in one.subjects if subject in other.subjects]:
        names = ", ".join(map(plain, shared[:10]))
        raise DataError(
            f"{first} and {second} data share the subjects {names}: errors of known people are smaller than those of "
            f"others. {_OFF}"
        )


def _check_sizes(report: Report, points: Tensor) -> None:
    sizes = extents(points).nanmedian(-1).values
    for (low, high), is_error in ((POSSIBLE_SIZE, True), (USUAL_SIZE, False)):
        outside = (sizes < low) | (sizes > high)
        if not outside.any():
            continue
        clip = int(outside.nonzero()[0])
        size = float(sizes[clip])
        found = f"{report.clip(clip)}: the skeleton has an extent of {size:.3g} m"
        if not is_error:
            warnings.warn(f"{found}, which is odd: are the positions in metres?", stacklevel=5)
            continue
        reason = _other_unit(report, clip, size)
        raise DataError(f"{found}; expected {low} to {high} m.{reason} {_OFF}")


def _other_unit(report: Report, clip: int, size: float) -> str:
    """Name the unit that the positions of a clip may be in, by the extent of the skeleton; empty if they may be in
    metres, or no other unit fits."""
    if POSSIBLE_SIZE[0] <= size <= POSSIBLE_SIZE[1]:
        return ""
    units = {"centimetres": 100, "millimetres": 1000}
    fits = [
        f"{unit} (a body of {size / step:.2g} m; divide by {step})"
        for unit, step in units.items()
        if USUAL_SIZE[0] <= size / step <= USUAL_SIZE[1]
    ]
    reason = f" This looks like {' or '.join(fits)}." if fits else ""
    if fits and math.hypot(*(report.dataset.clips[clip].translation or ())) > 100:
        reason += " So does the translation of the camera."
    return reason


def _check_depths(report: Report) -> None:
    dataset = report.dataset
    if dataset.poses_3d[..., 2].min() + dataset.root_3d[:, 2].min() > 0:  # all are, without a further array
        return
    depths = _depths(dataset)
    if report.dataset.visible_3d is not None:
        depths = torch.where(report.dataset.visible_3d, depths, torch.inf)
    behind = depths <= 0  # NaN where the root is not known
    if behind.any():
        row, joint = behind.nonzero()[0].tolist()
        error = report.behind(row, joint, float(depths[row, joint]))
        raise DataError(f"{error} {_OFF}")


def _check_images(report: Report, rows: Tensor, points: Tensor) -> None:
    """Check the projected joints, and the keypoints that were given."""
    dataset = report.dataset
    view = _View(dataset, range(len(dataset.clips)))
    given = _given(report, rows)
    seen = view.pinhole(points)
    bent = seen if all(report.projected) else view.lens(points)
    odd: list[str] = []
    outside: list[str] = []
    for clips in _by_camera(dataset):
        first, known = clips[0], points[clips].isfinite().all(-1)
        near = (view.is_near(seen, NEAR_IMAGE)[clips] & known).sum() / known.sum()
        screen = extents(seen[clips]).nanmedian() / 2
        if dataset.clips[first].intrinsics is not None and (near < MIN_NEAR or screen < MIN_EXTENT):
            raise DataError(
                f"{report.clip(first)}: the camera sees {near:.0%} of the joints in or near its image, and the "
                f"skeleton at {screen:.4f} of the image's width.{_explanation(report, clips)} {_OFF}"
            )
        inside = (view.is_near(seen, 1.0)[clips] & known).sum() / known.sum()
        if dataset.clips[first].intrinsics is not None and inside < MIN_INSIDE:
            message = f"{report.clip(first)}: the camera sees {inside:.0%} of the joints in its image"
            if reason := _explanation(report, clips):
                raise DataError(f"{message}.{reason} {_OFF}")
            outside.append(message)
        clips = [clip for clip in clips if not report.projected[clip]]
        if not clips:
            continue
        known = given[clips].isfinite().all(-1)
        near = (view.is_near(given, NEAR_IMAGE)[clips] & known).sum() / known.sum()
        screen = extents(given[clips]).nanmedian() / 2
        if near < MIN_NEAR or screen < MIN_EXTENT:
            reason = ""
            if screen < MIN_EXTENT:
                reason = " These keypoints look normalised; expected pixels."
            elif given[clips].abs().nanmedian() > LOOKS_LIKE_PIXELS:
                reason = " These keypoints look like pixels; expected normalised ones, x from -1 to 1 over the width."
            raise DataError(
                f"{report.clip(clips[0], 1)}: of the keypoints {near:.0%} are in or near the image, and the skeleton "
                f"has {screen:.4f} of its width.{reason} {_OFF}"
            )
        offset = _offset(bent[clips], given[clips])
        if offset > MAX_OFFSET:
            reason = _explanation(report, clips)
            message = (
                f"{report.clip(clips[0], 1)}: the keypoints lie {offset:.2f} of the skeleton's extent from where the "
                f"camera sees the joints (median)"
            )
            if reason:
                raise DataError(f"{message}.{reason} {_OFF}")
            odd.append(message)
    if odd:
        more = f", and so do those of {len(odd) - 1} more cameras" if odd[1:] else ""
        warnings.warn(f"{odd[0]}{more}: are the cameras and joints of both files in one order?", stacklevel=5)
    if outside:
        more = f", and so do {len(outside) - 1} more" if outside[1:] else ""
        warnings.warn(
            f"{outside[0]}{more}: is the orientation that of camera to world, and the image size that of the file?",
            stacklevel=5,
        )


def _check_sides(report: Report, rows: Tensor, points: Tensor) -> None:
    """Check that keypoints do not fit the positions much better with left and right exchanged."""
    dataset, pairs = report.dataset, report.dataset.skeleton.symmetric_pairs
    if not pairs or all(report.projected):
        return
    given, votes = _given(report, rows), {}
    bent = _View(dataset, range(len(dataset.clips))).lens(points + dataset.root_3d[rows][..., None, :])
    for clips in _by_camera(dataset):
        seen = bent[clips]
        if not seen.isfinite().any():  # the camera or the root is not known
            seen = _laid_on(points[clips][..., :2], given[clips])
            if _offset(_laid_on(seen * seen.new_tensor([-1, 1]), given[clips]), given[clips]) < _offset(
                seen[..., list(dataset.skeleton.mirror_index), :], given[clips]
            ):  # x points left
                continue
        votes[clips[0]] = side_votes(seen, given[clips], pairs)
    if not votes:
        return
    every = torch.stack(list(votes.values())).sum(0).tolist()
    found = [pair for pair, (exchanged, as_is) in zip(pairs, every, strict=True) if say_so(exchanged, as_is)]
    if say_so(*map(sum, zip(*every, strict=True))):
        found = [pair for pair, (exchanged, as_is) in zip(pairs, every, strict=True) if exchanged > as_is]
    if found:
        names = ", ".join(" and ".join(plain(dataset.skeleton.joint_names[joint]) for joint in pair) for pair in found)
        raise DataError(
            f"{report.sources[1]}: the keypoints fit the positions of {report.sources[0]} with left and right "
            f"exchanged ({names}): one of the two files has its sides exchanged. {_OFF}"
        )
    if odd := [clip for clip, counts in votes.items() if say_so(*counts.sum(0).tolist())]:
        more = f", and so do those of {len(odd) - 1} more cameras" if odd[1:] else ""
        warnings.warn(
            f"{report.clip(odd[0], 1)}: the keypoints of this camera fit the positions with left and right "
            f"exchanged{more}: is its picture mirrored, or did a detector mix up the sides?",
            stacklevel=5,
        )


def _check_axes(report: Report, rows: Tensor, points: Tensor) -> None:
    """Check that poses and keypoints point the same way where no camera tells how one becomes the other."""
    dataset = report.dataset
    unknown = dataset.root_3d[rows].isnan().flatten(1).all(1).tolist()
    given, seen = _given(report, rows), points[..., :2]
    odd = []
    for clips in _by_camera(dataset):
        clips = [i for i in clips if not report.projected[i] and (unknown[i] or dataset.clips[i].intrinsics is None)]
        likeness = _likeness(seen[clips], given[clips]) if clips else []
        if not any(cosine < MIN_LIKENESS for cosine in likeness):
            continue
        message = f"{report.clip(clips[0])}: x and y of the poses and the keypoints do not point the same way"
        if all(abs(cosine) > SURE_LIKENESS for cosine in likeness):
            axes = [name for name, cosine in zip(("x left", "y up"), likeness, strict=True) if cosine < 0]
            raise DataError(
                f"{message}. These axes look like {', '.join(axes)} (expected x right, y down, z forward). {_OFF}"
            )
        odd.append(message)
    if odd:
        more = f", nor do those of {len(odd) - 1} more cameras" if odd[1:] else ""
        warnings.warn(f"{odd[0]}{more}: are positions and keypoints of one order and of the camera?", stacklevel=5)


def _check_lenses(report: Report) -> None:
    """Check that no ray beyond the view for which a lens was calibrated is bent back into the image."""
    dataset = report.dataset
    limits: dict[tuple[float, ...], float] = {}
    for i, clip in enumerate(dataset.clips):
        if clip.distortion != "opencv" or clip.intrinsics is None or not report.projected[i]:
            continue
        radial = clip.intrinsics[4:7]
        if radial not in limits:
            limits[radial] = _turning_point(*radial)
        if limits[radial] == math.inf:
            continue
        rows = slice(clip.start, clip.start + clip.length)
        x, y, depth = (dataset.poses_3d[rows] + dataset.root_3d[rows, None]).unbind(-1)
        radius = torch.hypot(x, y) / depth
        u, v = dataset.keypoints_2d[rows].unbind(-1)
        folded = (radius > limits[radial]) & (u.abs() <= 1) & (v.abs() <= clip.height / clip.width)
        if dataset.visible_3d is not None:
            folded &= dataset.visible_3d[rows]
        if folded.any():
            frame, joint = folded.nonzero()[0].tolist()
            angles = [math.degrees(math.atan(r)) for r in (float(radius[frame, joint]), limits[radial])]
            raise DataError(
                f"{report.joint(clip.start + frame, joint)}: lies {angles[0]:.0f} degrees off the axis of the camera, "
                f"but from {angles[1]:.0f} degrees on its radial distortion bends rays back into the image: the "
                f"coefficients do not hold there. {_OFF}"
            )


def _check_outliers(report: Report) -> None:
    """Check that no position and no keypoint is farther away than any real one can be."""
    dataset = report.dataset
    for name, known, most, source, what in (
        ("poses_3d", dataset.visible_3d, MAX_FROM_ROOT, 0, "{:.3g} m from the root"),
        ("keypoints_2d", dataset.confidence, MAX_FROM_MIDDLE, 1, "{:.3g} half widths from the middle of the image"),
    ):
        if report.largest[name] <= most:
            continue
        far = getattr(dataset, name).abs().amax(-1)
        if known is not None:
            far = torch.where(known > 0, far, 0)
        for row, joint in (far > most).nonzero()[:1].tolist():
            source = 0 if report.projected[dataset.clip_id[row]] else source
            found = what.format(float(getattr(dataset, name)[row, joint].double().norm()))
            raise DataError(f"{report.joint(row, joint, source)}: is {found}; expected at most {most:g}. {_OFF}")


def _check_bones(report: Report, points: Tensor) -> None:
    """Check that bones keep their length over time and are as long on the left as on the right, which the bones of
    another layout would not be."""
    skeleton = report.dataset.skeleton
    typical, unsteady, unlike = _bones(report, skeleton, points)
    if max(unsteady, unlike) <= MANY_ODD_BONES:
        return
    message = (
        f"{report.sources[0]}: of the bones of skeleton {plain(skeleton.name)} {unsteady:.0%} change their length over "
        f"time, and {unlike:.0%} of its pairs are not as long on the left as on the right"
    )
    others = [as_skeleton(name) for name in list_skeletons()]
    odds = {
        other.name: max(_bones(report, other, points)[1:])
        for other in others
        if other.num_joints == skeleton.num_joints and other.joint_names != skeleton.joint_names
    }
    least = min(odds.values(), default=math.inf)
    if least <= FEW_ODD_BONES:
        fits = " or ".join(plain(name) for name, odd in odds.items() if odd == least)
        raise DataError(f"{message}; not so those of {fits}: this looks like its joints. {_OFF}")
    if unlike > 0.5:
        raise DataError(f"{message}: are the joints in another order? {_OFF}")
    if typical > UNSTEADY_SKELETON:
        warnings.warn(f"{message}: are the joints in the order of the skeleton?", stacklevel=5)


def _check_knees(report: Report, points: Tensor) -> None:
    """Check that knees bend backward."""
    forward, backward = knee_votes(points, report.dataset.skeleton)
    if say_so(forward, backward):
        raise DataError(
            f"{report.sources[0]}: {forward / (forward + backward):.0%} of the bent knees bend forward: the world is "
            f"mirrored (two axes exchanged, or one turned round), or left and right are exchanged. {_OFF}"
        )


def _check_up(report: Report, points: Tensor) -> None:
    """Check that the axis that is said to point up is not another one than that along which people stand."""
    dataset = report.dataset
    orientations = [clip.orientation for clip in dataset.clips]
    if dataset.up is None or None in orientations:
        return
    turned = torch.tensor(orientations)[:, None]
    axis = standing_axis(camera_to_world(points, turned, torch.zeros(3)), dataset.skeleton)
    up = ("xyz".index(dataset.up), 1)
    if axis is None or axis == up:
        return
    found = (
        f"{report.sources[0]}: the bodies stand upside down"
        if axis[0] == up[0]
        else f"{report.sources[0]}: the bodies lie"
    ) + " in the world if its axis up is the one that it is said to be (up)"
    down = camera_to_world(torch.tensor([[0.0, 1, 0]]), turned[:, 0], torch.zeros(3))  # in the picture
    if -axis[1] * down[:, 0, axis[0]].median() > UPRIGHT_CAMERA:
        raise DataError(f"{found}, and so do the cameras: is it another axis? {_OFF}")
    warnings.warn(f"{found}: is it another axis?", stacklevel=5)


def _bones(report: Report, skeleton: Skeleton, points: Tensor) -> tuple[float, float, float]:
    """How much the typical bone of a skeleton changes its length over time, the share of bones that change it, and the
    share of pairs of bones that differ in length."""
    bones = [(parent, child) for parent, child in skeleton.edges]
    if not bones:
        return 0.0, 0.0, 0.0
    parent, child = zip(*bones, strict=True)
    lengths = (points[:, :, list(child)] - points[:, :, list(parent)]).norm(dim=-1)  # (clips, frames, bones)
    mean = lengths.nanmean(1)
    long = torch.tensor([clip.length >= 5 for clip in report.dataset.clips])
    typical, unsteady = 0.0, 0.0
    if long.any():
        deviation = ((lengths - mean[:, None]).square().nanmean(1).sqrt()[long] / mean[long]).nanmean(0)
        typical, unsteady = float(deviation.nanmedian()), float((deviation > UNSTEADY_BONE).float().mean())

    other = {joint: mirrored for pair in skeleton.symmetric_pairs for joint, mirrored in (pair, pair[::-1])}
    position = {frozenset(bone): i for i, bone in enumerate(bones)}
    mirrored = [position.get(frozenset(other.get(joint, joint) for joint in bone), -1) for bone in bones]
    pairs = [(i, j) for i, j in enumerate(mirrored) if i < j]
    if not pairs:
        return typical, unsteady, 0.0
    left, right = zip(*pairs, strict=True)
    ratio = (mean[:, list(left)] / mean[:, list(right)]).log().abs().nanmedian(0).values
    return typical, unsteady, float((ratio > math.log(MAX_SIDE_RATIO)).float().mean())


class _View:
    """The cameras of some clips, as they project points ``(clips, frames, J, 3)``; NaN where they are not known."""

    def __init__(self, dataset: PoseArrays, clips: Sequence[int]) -> None:
        chosen = [dataset.clips[i] for i in clips]
        self.models = [clip.distortion for clip in chosen]
        width, self.height = torch.tensor([(clip.width, clip.height) for clip in chosen]).unbind(-1)
        self.aspect = (self.height / width)[:, None, None]
        intrinsics = torch.tensor([clip.intrinsics or (torch.nan,) * 9 for clip in chosen])
        self.intrinsics = normalize_intrinsics(intrinsics, width, self.height)[:, None]

    def pinhole(self, points: Tensor) -> Tensor:
        """Without distortion, which may run away; NaN behind the camera."""
        return project(points, self.intrinsics, "none")

    def lens(self, points: Tensor) -> Tensor:
        """With distortion."""
        seen = torch.empty_like(points[..., :2])
        for model in set(self.models):
            chosen = [i for i, name in enumerate(self.models) if name == model]
            seen[chosen] = project(points[chosen], self.intrinsics[chosen], model)
        return seen

    def is_near(self, seen: Tensor, times: float) -> Tensor:
        """Which joints are in a rectangle so many times as large as the image, around the same centre."""
        return (seen[..., 0].abs() <= times) & (seen[..., 1].abs() <= times * self.aspect)


class _Convention(NamedTuple):
    """How a camera file may have meant its orientation and translation."""

    reordered: bool
    inverse: str
    millimetres: bool
    upward: bool

    def __str__(self) -> str:
        parts = []
        if self.reordered:
            parts.append("this quaternion looks like x, y, z, w (expected w, x, y, z)")
        if self.millimetres:
            parts.append("this camera translation looks like millimetres (expected metres)")
        if self.inverse == "rotation":
            parts.append("this orientation looks like world-to-camera (expected camera-to-world)")
        if self.inverse == "both":
            parts.append(
                "this orientation and translation look like world-to-camera (expected camera-to-world: the translation "
                "is the camera's centre)"
            )
        if self.upward:
            parts.append("these camera axes look like y up, z backward (expected y down, z forward)")
        return " and ".join(parts)

    @property
    def num_changes(self) -> int:
        return sum((self.reordered, self.inverse != "", self.millimetres, self.upward))

    def applied(self, orientation: Tensor, translation: Tensor) -> tuple[Tensor, Tensor]:
        """Convert a camera from this convention to ours."""
        if self.reordered:
            orientation = orientation.roll(1, -1)
        if self.millimetres:
            translation = translation / 1000
        if self.inverse:
            orientation = orientation * orientation.new_tensor([1, -1, -1, -1])
        if self.inverse == "both":
            translation = camera_to_world(-translation[..., None, :], orientation, torch.zeros(3))[..., 0, :]
        if self.upward:
            w, x, y, z = orientation.unbind(-1)
            orientation = torch.stack((-x, w, z, -y), -1)
        return orientation, translation


def _explanation(report: Report, clips: Sequence[int]) -> str:
    """Name the other convention that the camera of some clips may follow: empty if ours fits, or if no other does."""
    dataset, first = report.dataset, report.dataset.clips[clips[0]]
    if first.orientation is None or first.translation is None:
        return ""
    rows = _sample(dataset)[list(clips)]
    points = (dataset.poses_3d[rows] + dataset.root_3d[rows][..., None, :]).flatten(0, 1).double()
    if dataset.visible_3d is not None:
        points = torch.where(dataset.visible_3d[rows].flatten(0, 1)[..., None], points, torch.nan)
    given = _given(report, rows).flatten(0, 1)
    view = _View(dataset, clips[:1])
    orientation, translation = (
        torch.tensor(numbers, dtype=torch.float64) for numbers in (first.orientation, first.translation)
    )
    world = camera_to_world(points, orientation, translation)
    known = world.isfinite().all(-1)

    def fits(convention: _Convention) -> bool:
        camera = world_to_camera(world, *convention.applied(orientation, translation)).float()[None]
        seen = view.pinhole(camera)
        near = (view.is_near(seen, 1.1)[0] & known).sum() / known.sum()
        is_seen = bool(near >= 0.9 and extents(seen).nanmedian() / 2 > 4 * MIN_EXTENT)
        return is_seen and not _offset(view.lens(camera)[0], given) > MAX_OFFSET

    ours, *others = _conventions()
    fitting = [] if fits(ours) else [convention for convention in others if fits(convention)]
    simplest = [found for found in fitting if found.num_changes == fitting[0].num_changes]
    return f" {' or '.join(map(str, simplest))}.".replace(" this", " This", 1) if simplest else ""


def _conventions() -> list[_Convention]:
    """Our convention and all others, those with the fewest differences first."""
    every = itertools.product((False, True), ("", "both", "rotation"), (False, True), (False, True))
    return sorted((_Convention(*choice) for choice in every), key=lambda found: found.num_changes)


def _sample(dataset: PoseArrays) -> Tensor:
    """Rows of a few frames of every clip, in order: ``(clips, frames)``."""
    count = min(max(_SAMPLED // len(dataset.clips), 2), 64)
    start, length = torch.tensor([(clip.start, clip.length) for clip in dataset.clips]).unbind(-1)
    return start[:, None] + length[:, None] * torch.arange(count) // count


def _sampled_points(dataset: PoseArrays, rows: Tensor) -> Tensor:
    """The poses of some rows; NaN where a joint is not known."""
    poses = dataset.poses_3d[rows]
    return poses if dataset.visible_3d is None else torch.where(dataset.visible_3d[rows][..., None], poses, torch.nan)


def _given(report: Report, rows: Tensor) -> Tensor:
    """The keypoints of some rows; NaN where they were projected or their confidence is 0."""
    dataset = report.dataset
    is_given = ~torch.tensor(report.projected)[dataset.clip_id[rows]][..., None]
    if dataset.confidence is not None:
        is_given = is_given & (dataset.confidence[rows] > 0)
    return torch.where(is_given[..., None], dataset.keypoints_2d[rows], torch.nan)


def _by_camera(dataset: PoseArrays) -> list[list[int]]:
    """The clips that each camera of each subject filmed."""
    cameras: dict[tuple[str, str], list[int]] = {}
    for i, clip in enumerate(dataset.clips):
        cameras.setdefault((clip.subject, clip.camera), []).append(i)
    return list(cameras.values())


def _depths(dataset: PoseArrays) -> Tensor:
    """Distance of every joint along the axis of its camera, ``(N, J)``."""
    return dataset.poses_3d[..., 2] + dataset.root_3d[:, None, 2]


def _largest(array: Tensor) -> float:
    """The largest absolute value; NaN if there is one."""
    low, high = torch.aminmax(array)
    return max(-float(low), float(high))


def _offset(seen: Tensor, given: Tensor) -> float:
    """How far apart two sets of keypoints ``(..., J, 2)`` typically are, of the extent of a pose."""
    return float((seen - given).norm(dim=-1).nanmedian() / extents(seen).nanmedian())


def _likeness(seen: Tensor, given: Tensor) -> list[float]:
    """The typical cosine between two sets of points ``(..., J, 2)`` that may differ by a shift and a scale, along each
    axis."""
    known = (seen.isfinite() & given.isfinite()).all(-1, keepdim=True)
    one, other = (
        torch.where(known, points - torch.where(known, points, torch.nan).nanmean(-2, keepdim=True), 0)
        for points in (seen, given)
    )
    cosine = (one * other).sum(-2) / (one.norm(dim=-2) * other.norm(dim=-2))
    return cosine.flatten(0, -2).nanmedian(0).values.tolist()


def _laid_on(seen: Tensor, given: Tensor) -> Tensor:
    """Points ``(..., J, 2)``, moved and scaled to lie where the given ones do, as far as both are known."""
    known = (seen.isfinite() & given.isfinite()).all(-1, keepdim=True)
    one, other = (torch.where(known, points, torch.nan) for points in (seen, given))
    one, other = (points - points.nanmean(-2, keepdim=True) for points in (one, other))
    size, wanted = (points.square().nanmean((-2, -1), keepdim=True).sqrt() for points in (one, other))
    return one * wanted / size + torch.where(known, given, torch.nan).nanmean(-2, keepdim=True)


def _turning_point(k1: float, k2: float, k3: float) -> float:
    """The radius |(X, Y)| / Z at which r (1 + k1 r^2 + k2 r^4 + k3 r^6) stops to grow; infinity if it never does."""
    roots = np.roots([7 * k3, 5 * k2, 3 * k1, 1])  # of the derivative, in r^2
    return min((math.sqrt(root.real) for root in roots if root.real > 0 and abs(root.imag) < 1e-9), default=math.inf)
