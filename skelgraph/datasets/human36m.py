"""Human3.6M, from the files that VideoPose3D's preparation makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from skelgraph.datasets.cameras import H36M_CAMERAS, read_cameras
from skelgraph.datasets.h36m_keypoints import H36M_KEYPOINTS, TWO_ORDERS, Keypoints
from skelgraph.datasets.mocap import check_split, read_motion
from skelgraph.datasets.pose_dataset import PoseDataset
from skelgraph.errors import DataError
from skelgraph.files import as_path
from skelgraph.options import check_option
from skelgraph.text import shown
from skelgraph.topology import SkeletonLike

#: The usual training and test subjects.
H36M_SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}


class Human36M(PoseDataset):
    """`Human3.6M <http://vision.imar.ro/human3.6m/>`_ as prepared by `VideoPose3D
    <https://github.com/facebookresearch/VideoPose3D/blob/main/DATASETS.md>`_, with the published cameras.

    The preparation leaves out the first take of "Directions" of S11, whose recording is corrupt: the test set has one
    clip less than 2 subjects x 15 actions x 2 takes.

    Args:
        data_3d: ``data_3d_h36m.npz``: world positions of 32 joints (or of the 17 in use), metres, 50 frames a second.
        data_2d: File of the keypoints. ``None``: with ``keypoints="gt"`` the positions are projected with the cameras
            and their lens distortion, as the ground-truth file was made; else the usual file beside ``data_3d``.
        split: ``"train"`` (S1, S5, S6, S7, S8) or ``"test"`` (S9, S11).
        keypoints: ``"gt"``, or the detector: ``"cpn"``, ``"hr"``, ``"detectron"``, ``"sh"``, ``"sh_pt_mpii"``; or the
            name in that of its file, ``"cpn_ft_h36m_dbb"``. The joints of stacked hourglass networks (``"sh"``) are in
            the order of their metadata.
        skeleton: ``"h36m17"`` or ``"h36m16"`` (without neck/nose).
        subjects: Other subjects for the split.
        **options: ``actions``, ``downsample``, ``subset`` and ``unchecked`` of
            :class:`~skelgraph.datasets.PoseDataset`.

    Raises:
        DataError: A file cannot be read, lacks a subject, action or camera, or its arrays do not fit; see
            :class:`~skelgraph.datasets.PoseDataset`.
    """

    def __init__(
        self,
        data_3d: str | PathLike[str],
        data_2d: str | PathLike[str] | None = None,
        *,
        split: str = "train",
        keypoints: str = "gt",
        skeleton: SkeletonLike = "h36m17",
        subjects: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        check_split(split)
        keypoints = check_option("keypoints", keypoints, Keypoints)
        if data_2d is None and keypoints != "gt":
            data_2d = as_path(data_3d, DataError).with_name(H36M_KEYPOINTS[keypoints])
            if not data_2d.exists():
                raise DataError(
                    f"{data_2d}: there is no such file; keypoints {shown(keypoints)} are looked for beside {data_3d} "
                    "unless data_2d is given. VideoPose3D's DATASETS.md tells how to get or make it."
                )
        self.keypoints = keypoints
        cameras = read_cameras(H36M_CAMERAS, H36M_SUBJECTS[split] if subjects is None else subjects)
        super().__init__(
            read_motion(data_3d, data_2d, cameras, skeleton, needs_order=keypoints in TWO_ORDERS),
            skeleton=skeleton,
            name="human36m",
            split=split,
            frame_rate=50.0,
            up="z",
            sources=(str(data_3d), str(data_2d)),
            **options,
        )
