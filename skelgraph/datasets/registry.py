"""The registry of data sets: :func:`load_dataset` loads one by its name, :func:`register_dataset` adds one.

A reader is imported when it is called, so that the data sets can be listed without importing PyTorch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from skelgraph.datasets.units import Axis, Unit
from skelgraph.datasets.variants_3dhp import VARIANTS_3DHP
from skelgraph.errors import DataError, NoSubjectError, close_names, not_given
from skelgraph.options import Count, Int64, OneOf, Positive, check_options
from skelgraph.registry import Registry
from skelgraph.text import plain, shown

if TYPE_CHECKING:
    from skelgraph.datasets.pose_dataset import PoseDataset
    from skelgraph.topology import SkeletonLike

Path = str | PathLike[str]
Variant = Annotated[str, OneOf(VARIANTS_3DHP)]
Factory = TypeVar("Factory", bound=Callable[..., Any])

ASKED = ("split", "skeleton", "subjects", "unchecked")
"""What every data set is asked."""
FILTERS = ("actions", "downsample", "subset")
"""What it is asked besides where somebody wants less than all: keywords of every
:class:`~skelgraph.datasets.PoseDataset`."""


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a registered data set."""

    name: str
    factory: Callable[..., PoseDataset]
    help: str

    @property
    def takes(self) -> tuple[str, ...]:
        """Its own options: the parameters of the factory but for :data:`ASKED` and :data:`FILTERS`."""
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        own = (name for name, parameter in self._parameters.items() if parameter.kind in named)
        return tuple(name for name in own if name not in (*ASKED, *FILTERS))

    @property
    def needs(self) -> tuple[str, ...]:
        """Those of :attr:`takes` that it cannot do without."""
        return tuple(name for name in self.takes if self._parameters[name].default is inspect.Parameter.empty)

    @property
    def filters(self) -> tuple[str, ...]:
        """Those of :data:`FILTERS` that it knows: parameters of the factory, or all if it takes any keywords."""
        if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in self._parameters.values()):
            return FILTERS
        return tuple(name for name in FILTERS if name in self._parameters)

    @property
    def _parameters(self) -> dict[str, inspect.Parameter]:
        return dict(inspect.signature(self.factory).parameters)


DATASETS: Registry[DatasetInfo] = Registry("dataset")
"""The registered data sets by name."""


def register_dataset(name: str, *, help: str) -> Callable[[Factory], Factory]:  # noqa: A002 - as everywhere
    """Decorate a function or a class that makes a :class:`~skelgraph.datasets.PoseDataset`: it is loaded by ``name``
    then, from Python and the command line.

    It is called with the keywords ``split``, ``skeleton``, ``subjects`` and ``unchecked``, and with ``actions``,
    ``downsample`` and ``subset`` where they are asked for. Its other parameters are options of its own, required
    without a default, checked by their annotations. Those that are settings (:class:`~skelgraph.training.DataConfig`)
    have them from there; the others are given by ``data_options``.

    Args:
        name: Name of the data set.
        help: What it is, in a few words, for the help of the command line.

    Raises:
        SkelgraphError: If the name is taken.
    """

    def register(factory: Factory) -> Factory:
        DATASETS.add(name, DatasetInfo(name, factory, help), factory)
        return factory

    return register


def read_layout(layout: SkeletonLike) -> SkeletonLike:
    """What is meant by a skeleton where data are: the name of a file stands for the joints in it, a JSON file of a
    skeleton or a motion file (.bvh, .amc); all else is returned as it is."""
    if not isinstance(layout, str | PathLike):
        return layout
    suffix = PurePath(layout).suffix.lower()
    if suffix in (".bvh", ".amc"):
        from skelgraph.datasets.motion_files import read_motion_file

        return read_motion_file(layout).skeleton(PurePath(layout).stem)
    if suffix == ".json":
        from skelgraph.topology import as_skeleton

        return as_skeleton(layout)
    return layout


def load_dataset(
    name: str,
    split: str,
    *,
    skeleton: SkeletonLike = "h36m17",
    subjects: Sequence[str] | None = None,
    actions: Sequence[str] | None = None,
    downsample: int | None = None,
    subset: float | None = None,
    unchecked: bool = False,
    middles: bool = False,
    **options: Any,
) -> PoseDataset:
    """Load a dataset by name; what the dataset has no use for must be left out.

    Args:
        name: A name of :data:`DATASETS`, such as ``"synthetic"``, ``"human36m"``, ``"mocap"``.
        split: ``"train"`` or ``"test"``.
        skeleton: The joints that are wanted: a skeleton, the name of a layout, or that of a file of one, JSON or a
            motion file (.bvh, .amc).
        subjects: Subjects of the split, if not the usual ones.
        actions: Keep only these actions.
        downsample: Keep only every so many frames; by default what the dataset itself does.
        subset: Keep only this share of each clip.
        unchecked: Do not ask whether the data are plausible.
        middles: Put pelvis, neck and spine in the middle of hips and shoulders, see
            :meth:`PoseDataset.put_in_middles <skelgraph.datasets.PoseDataset.put_in_middles>`.
        **options: What it is made from, :attr:`DatasetInfo.takes`: of mocap the files ``data_3d``, ``cameras`` and
            perhaps ``data_2d``. ``None`` is the same as not given.

    Raises:
        SkelgraphError: There is no such dataset, or an option is missing, of no use for it or not what its annotation
            says; and what the dataset itself raises.
    """
    info = DATASETS.find(name)
    skeleton = read_layout(skeleton)
    options = {option: value for option, value in options.items() if value is not None}
    filters = {"actions": actions, "downsample": downsample, "subset": subset}
    filters = {option: value for option, value in filters.items() if value is not None}
    useless = [option for option in options if option not in info.takes]
    useless += [option for option in filters if option not in info.filters]
    if useless:
        known = [*info.takes, *info.filters]
        near = [hint for option in useless for hint in close_names(option, known, 4)]
        hint = f"did you mean {', '.join(near)}?" if near else f"it takes: {', '.join(known) or 'nothing'}."
        raise DataError(f"dataset {shown(name)} has no use for: {', '.join(map(plain, useless))}; {hint}")
    for kind, names in (("subjects", subjects), ("actions", actions)):
        if isinstance(names, str):
            raise DataError(f"{kind} is the text {shown(names)}; expected a sequence of names, [{shown(names)}].")
    if missing := [option for option in info.needs if option not in options]:
        hint = "" if "data_3d" not in missing else "; dataset 'synthetic' needs no files, to try things with"
        raise not_given(DataError, f"dataset {shown(name)} needs {{}}{hint}.", *missing)
    options = {**options, **check_options(info.factory, options, f"dataset {name}")}
    try:
        data = info.factory(
            **options, **filters, split=split, skeleton=skeleton, subjects=subjects, unchecked=unchecked
        )
    except NoSubjectError as error:
        if subjects is None and error.subject == split:  # which stands for the split where none is named
            message = f"{error} Name those of the split: subjects (--{split}-subjects)."
            raise NoSubjectError(message, split) from error
        raise
    return data.put_in_middles() if middles else data


@register_dataset("synthetic", help="generated motion, needs no files")
def _synthetic(seconds: Positive = 4.0, **options: Any) -> PoseDataset:
    from skelgraph.datasets.synthetic import SyntheticMocap

    return SyntheticMocap(seconds=seconds, **options)


@register_dataset("human36m", help="Human3.6M as VideoPose3D prepares it")
def _human36m(data_3d: Path, data_2d: Path | None = None, keypoints: str = "gt", **options: Any) -> PoseDataset:
    from skelgraph.datasets.human36m import Human36M

    return Human36M(data_3d, data_2d, keypoints=keypoints, **options)


@register_dataset("human36m_hard", help="hard poses of Human3.6M in MLP-Graph's file")
def _human36m_hard(data_3d: Path, **options: Any) -> PoseDataset:
    from skelgraph.datasets.hard_poses import HardPosesNPZ

    return HardPosesNPZ(data_3d, **options)


@register_dataset("mpi_inf_3dhp", help="MPI-INF-3DHP in one of three variants")
def _mpi_inf_3dhp(data_3d: Path, variant: Variant, data_2d: Path | None = None, **options: Any) -> PoseDataset:
    from skelgraph.datasets.mpi_inf_3dhp import MpiInf3DHP

    return MpiInf3DHP(data_3d, data_2d, variant=variant, **options)


@register_dataset("human36m_hgn", help="HGN's annotations of Human3.6M, with SMPL bodies")
def _human36m_hgn(data_3d: Path, smpl: Path | None = None, **options: Any) -> PoseDataset:
    from skelgraph.datasets.human36m_hgn import Human36MHGN

    return Human36MHGN(data_3d, smpl=smpl, **options)


@register_dataset("motion", help="motion capture files: BVH, ASF/AMC, AMASS, C3D, TRC")
def _motion(
    data_3d: Path,
    unit: Unit | Positive | None = None,
    up: Axis | None = None,
    joint_map: Path | None = None,
    smpl: Path | None = None,
    frame_rate: Positive | None = None,
    cameras: Path | None = None,
    virtual_cameras: Count | None = None,
    camera_distance: Positive | None = None,
    camera_elevation: float = 10.0,
    camera_focal: Positive = 1145.0,
    camera_seed: Int64 = 0,
    **options: Any,
) -> PoseDataset:
    from skelgraph.datasets.motion_dataset import MotionFiles

    return MotionFiles(
        data_3d,
        unit=unit,
        up=up,
        joint_map=joint_map,
        smpl=smpl,
        frame_rate=frame_rate,
        cameras=cameras,
        virtual_cameras=virtual_cameras,
        camera_distance=camera_distance,
        camera_elevation=camera_elevation,
        camera_focal=camera_focal,
        camera_seed=camera_seed,
        **options,
    )


@register_dataset("mocap", help="your own motion files")
def _mocap(
    data_3d: Path,
    cameras: Path,
    data_2d: Path | None = None,
    frame_rate: Positive = 50.0,
    layout: str | None = None,
    up: Axis | None = None,
    **options: Any,
) -> PoseDataset:
    from skelgraph.datasets.mocap import MocapNPZ

    return MocapNPZ(data_3d, data_2d, cameras, frame_rate=frame_rate, layout=layout, up=up, **options)
