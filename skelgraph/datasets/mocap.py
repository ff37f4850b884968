"""Motion files in the layout of VideoPose3D: their reader, and a dataset of the user's own files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from skelgraph.datasets.cameras import Camera, read_cameras
from skelgraph.datasets.pose_dataset import MotionClip, PoseDataset
from skelgraph.datasets.units import Axis
from skelgraph.errors import DataError, NoSubjectError, unknown_name
from skelgraph.files import read_npz
from skelgraph.text import plain, shown
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton, matching_joints

#: The joints of h36m16 among those of a stacked hourglass network (mpii16), as SemGCN's preparation takes them. Files
#: of its keypoints are in either order under one name, and the sides in the metadata tell which it is.
HOURGLASS_JOINTS = (6, 2, 1, 0, 3, 4, 5, 7, 8, 9, 13, 14, 15, 12, 11, 10)
HOURGLASS_SIDES = ({3, 4, 5, 13, 14, 15}, {0, 1, 2, 10, 11, 12})

#: Layouts of files, besides that of the skeleton asked for, from which the joints of a skeleton are picked by name.
FILE_LAYOUTS = ("h36m32", "h36m17")


class MocapNPZ(PoseDataset):
    """The user's own motion, from files in the layout of `VideoPose3D
    <https://github.com/facebookresearch/VideoPose3D>`_ and a camera file.

    What the files hold, member by member, stands in ``docs/data.md``; what becomes of it, in
    :class:`~skelgraph.datasets.MotionClip`.

    Args:
        data_3d: npz file with ``positions_3d``, world metres, and perhaps ``visible_3d``.
        data_2d: npz file with ``positions_2d``, pixels for each camera; ``None``: the positions are projected.
        cameras: JSON file, see :func:`~skelgraph.datasets.read_cameras`.
        split: Name of the split, ``"train"`` or ``"test"``.
        skeleton: Joints of the arrays, in order; a file of 17 or 32 Human3.6M joints also serves the smaller layouts.
        subjects: Subjects of the split; by default the one subject of the split's name.
        frame_rate: Frames per second in the files.
        layout: Joints of the files, if they are others than those of the skeleton: a name, or a JSON file (.json). The
            joints of the skeleton are found in it by :func:`~skelgraph.topology.matching_joints`.
        up: The axis of the world that points up, which the files do not say; only new views ask for it.
        **options: ``actions``, ``downsample``, ``subset`` and ``unchecked`` of
            :class:`~skelgraph.datasets.PoseDataset`.

    Raises:
        DataError: A file cannot be read, lacks a subject, action or camera, or its arrays do not fit; see
            :class:`~skelgraph.datasets.PoseDataset`.
    """

    def __init__(
        self,
        data_3d: str | PathLike[str],
        data_2d: str | PathLike[str] | None,
        cameras: str | PathLike[str],
        *,
        split: str = "train",
        skeleton: SkeletonLike = "h36m17",
        subjects: Sequence[str] | None = None,
        frame_rate: float = 50.0,
        layout: SkeletonLike | None = None,
        up: Axis | None = None,
        **options: Any,
    ) -> None:
        check_split(split)
        subjects = (split,) if subjects is None else subjects
        super().__init__(
            read_motion(data_3d, data_2d, read_cameras(cameras, subjects), skeleton, layout=layout),
            skeleton=skeleton,
            name="mocap",
            split=split,
            frame_rate=frame_rate,
            up=up,
            sources=(str(data_3d), str(data_2d)),
            **options,
        )


def check_split(split: str) -> None:
    """Raise an error if there is no such split."""
    if split not in ("train", "test"):
        raise unknown_name("split", split, ("train", "test"))


def read_motion(
    data_3d: str | PathLike[str],
    data_2d: str | PathLike[str] | None,
    cameras: Mapping[str, Sequence[Camera]],
    skeleton: SkeletonLike,
    needs_order: bool = False,
    layout: SkeletonLike | None = None,
) -> Iterator[MotionClip]:
    """Read the motion of some subjects from VideoPose3D's files.

    Args:
        data_3d: File with ``positions_3d`` and perhaps ``visible_3d``.
        data_2d: File with ``positions_2d`` and perhaps ``metadata``; ``None``: the keypoints are to be projected.
        cameras: The cameras of every subject that is wanted.
        skeleton: The joints that are wanted.
        needs_order: The keypoints exist in two orders: their file has to have metadata that tell which it is.
        layout: The layout of the files, if it is told.

    Raises:
        TopologyError: The layout lacks a joint that is wanted.
        DataError: A file cannot be read, or lacks a subject, action, camera or the metadata.
    """
    pick = pick_2d = JointPicker(skeleton, layout=layout)
    members_3d = read_npz(data_3d, required=["positions_3d"], optional=["visible_3d"])
    positions_3d = members_3d["positions_3d"]
    positions_2d = None
    if data_2d is not None:
        members = read_npz(data_2d, required=["positions_2d"], optional=["metadata"])
        positions_2d = members["positions_2d"]
        pick_2d = pick.of_keypoints(members.get("metadata"), f"{data_2d}: metadata", needs_order)

    for subject, rig in cameras.items():
        actions = entry_of(positions_3d, subject, "subject", f"{data_3d}: positions_3d")
        seen = None
        if "visible_3d" in members_3d:
            seen = entry_of(members_3d["visible_3d"], subject, "subject", f"{data_3d}: visible_3d")
        filmed = None if data_2d is None else entry_of(positions_2d, subject, "subject", f"{data_2d}: positions_2d")
        for action in as_mapping(actions, f"{data_3d}: subject {subject}"):
            positions = pick(actions[action])
            visible = None
            if seen is not None:
                visible = pick(entry_of(seen, action, "action", f"{data_3d}: visible_3d: subject {plain(subject)}"))
            views: Any = [None] * len(rig)
            if filmed is not None:
                views = entry_of(filmed, action, "action", f"{data_2d}: subject {subject}")
                if not isinstance(views, list | tuple | np.ndarray) or len(views) != len(rig):
                    found = len(views) if isinstance(views, list | tuple | np.ndarray) else type(views).__name__
                    raise DataError(
                        f"{data_2d}: subject {subject}, action {shown(action)}: found keypoints of {found} cameras, "
                        f"expected {len(rig)} arrays, one for each camera: {', '.join(camera.id for camera in rig)}."
                    )
            for camera, keypoints in zip(rig, views, strict=True):
                found_2d = None if filmed is None else pick_2d(keypoints)
                yield MotionClip(subject, str(action), camera, positions, found_2d, visible)


class JointPicker:
    """Picks a skeleton's joints from an array of a larger layout; an array of another size is returned as it is.

    Args:
        wanted: The skeleton.
        order: Ids of its joints in arrays of as many joints, if these are in an order of their own.
        layout: The layout of the arrays, if it is known: the joints are those that
            :func:`~skelgraph.topology.matching_joints` finds in it.

    Raises:
        TopologyError: The layout lacks a joint.
    """

    layouts: dict[int, Skeleton]

    def __init__(
        self, wanted: SkeletonLike, order: Sequence[int] | None = None, layout: SkeletonLike | None = None
    ) -> None:
        self.skeleton = as_skeleton(wanted)
        self.order = None if order is None else list(order)
        self.declared = None if layout is None else as_skeleton(layout)
        if self.declared is not None:
            self.order = list(matching_joints(self.declared, self.skeleton))
            self.layouts = {self.declared.num_joints: self.declared}
            return
        layouts = [self.skeleton, *map(as_skeleton, FILE_LAYOUTS)]
        self.layouts = {}
        for layout in layouts:
            if set(self.skeleton.joint_names) <= set(layout.joint_names):
                self.layouts.setdefault(layout.num_joints, layout)

    def __call__(self, array: Any) -> Any:
        """The joints that are wanted, of an array ``(frames, joints, ...)``.

        Raises:
            DataError: It has not the joints of the layout that it is said to have.
        """
        if self.declared is not None and isinstance(array, np.ndarray) and array.ndim >= 2:
            if array.shape[1] != self.declared.num_joints:
                raise DataError(
                    f"found an array of {array.shape[1]} joints, expected the {self.declared.num_joints} of layout "
                    f"{plain(self.declared.name or 'without a name')}."
                )
            return _joints(array, self.order)
        layout = self.layouts.get(array.shape[1]) if isinstance(array, np.ndarray) and array.ndim >= 2 else None
        if layout is self.skeleton and self.order is not None:
            return _joints(array, self.order)
        if layout is None or layout is self.skeleton:
            return array
        return _joints(array, [layout.index(name) for name in self.skeleton.joint_names])

    def of_keypoints(self, metadata: Any, where: str, needs_order: bool = False) -> JointPicker:
        """The picker of the keypoints of a file with these metadata.

        Args:
            metadata: A dictionary with ``num_joints`` and ``keypoints_symmetry``, as far as they are there.
            where: The file, for messages.
            needs_order: Nothing else tells the order of the joints.

        Raises:
            DataError: The metadata say that the joints are not those of one of the layouts, or do not tell their order.
        """
        if needs_order and not (isinstance(metadata, dict) and "keypoints_symmetry" in metadata):
            raise DataError(
                f"{where}: has no keypoints_symmetry, which alone tells in which of two orders the joints of a stacked "
                "hourglass network are."
            )
        if not isinstance(metadata, dict):
            return self
        num_joints = metadata.get("num_joints", self.skeleton.num_joints)
        layout = self.layouts.get(int(num_joints)) if isinstance(num_joints, int | np.integer) else None
        if layout is None:
            raise DataError(
                f"{where}: found num_joints {shown(num_joints)}, expected {' or '.join(map(str, self.layouts))} "
                f"for skeleton {plain(self.skeleton.name)}."
            )
        if "keypoints_symmetry" in metadata:
            try:
                left, right = metadata["keypoints_symmetry"]
                pairs = set(zip(left, right, strict=True))
            except (TypeError, ValueError) as error:
                raise DataError(
                    f"{where}: keypoints_symmetry is not a pair of equally long lists ({error})."
                ) from error
            if layout == as_skeleton("h36m16") and (set(left), set(right)) == HOURGLASS_SIDES:
                return JointPicker(self.skeleton, HOURGLASS_JOINTS)
            if not layout.symmetry_known:
                raise DataError(
                    f"{where}: found keypoints_symmetry left {shown(left)}, right {shown(right)}, of which "
                    f"{layout!r} says nothing; expected a skeleton with these symmetric_pairs."
                )
            if pairs != set(layout.symmetric_pairs):
                raise DataError(
                    f"{where}: found keypoints_symmetry left {list(left)}, right {list(right)}; expected left "
                    f"{list(layout.left)}, right {list(layout.right)} as in skeleton {layout.name}."
                )
        return self


def _joints(array: Any, ids: Any) -> Any:
    """Joints of an array, one frame after the other in memory as in any array: in another order, as indexing leaves it,
    products round otherwise."""
    return array.take(ids, axis=1)


def as_mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Return a dictionary of a file, or raise an error that tells what is in its place."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: found {type(value).__name__}, expected a dictionary.")
    return value


def entry_of(value: Any, key: str, kind: str, where: str) -> Any:
    """Return ``value[key]``, or raise an error that lists what there is."""
    if key not in as_mapping(value, where):
        there = ", ".join(map(plain, list(value)[:20])) or "none"
        message = f"{where}: has no {kind} {shown(key)}; it has: {there}."
        raise NoSubjectError(message, key) if kind == "subject" else DataError(message)
    return value[key]
