"""The registry of data sets: :func:`load_dataset` loads one by its name, :func:`register_dataset` adds one.

A reader is imported when it is called, so that the data sets can be listed without importing PyTorch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from skelgraph.errors import DataError
from skelgraph.registry import Registry
from skelgraph.text import shown

if TYPE_CHECKING:
    from skelgraph.datasets.pose_dataset import PoseDataset
    from skelgraph.topology import SkeletonLike

Path = str | PathLike[str]
Factory = TypeVar("Factory", bound=Callable[..., Any])

SOURCES = {
    "data_3d": "the npz file of the positions",
    "data_2d": "the npz file of the keypoints",
    "cameras": "the JSON file of the cameras",
    "keypoints": "whose 2D keypoints",
}
"""What a data set may be made from; each takes some of them."""


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a registered data set."""

    name: str
    factory: Callable[..., PoseDataset]
    help: str

    @property
    def takes(self) -> tuple[str, ...]:
        """Those of :data:`SOURCES` that it is made from."""
        return tuple(name for name in SOURCES if name in inspect.signature(self.factory).parameters)

    @property
    def needs(self) -> tuple[str, ...]:
        """Those of :attr:`takes` that it cannot do without."""
        parameters = inspect.signature(self.factory).parameters
        return tuple(name for name in self.takes if parameters[name].default is inspect.Parameter.empty)


DATASETS: Registry[DatasetInfo] = Registry("dataset")
"""The registered data sets by name."""


def register_dataset(name: str, *, help: str) -> Callable[[Factory], Factory]:  # noqa: A002 - as everywhere
    """Decorate a function or a class that makes a :class:`~skelgraph.datasets.PoseDataset`: it is loaded by ``name``
    then, from Python and the command line.

    Its parameters say what it is made from: those of :data:`SOURCES` that it has, required without a default. It is
    also called with the keywords ``split``, ``skeleton``, ``subjects``, ``unchecked``, and ``downsample`` where one is
    asked for.

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


def load_dataset(
    name: str,
    split: str,
    *,
    data_3d: Path | None = None,
    data_2d: Path | None = None,
    cameras: Path | None = None,
    keypoints: str = "gt",
    skeleton: SkeletonLike = "h36m17",
    subjects: Sequence[str] | None = None,
    downsample: int | None = None,
    unchecked: bool = False,
) -> PoseDataset:
    """Load a dataset by name; what the dataset has no use for must be left out.

    Args:
        name: A name of :data:`DATASETS`: ``"synthetic"``, ``"human36m"``, ``"mocap"`` and those of
            :func:`register_dataset`.
        split: ``"train"`` or ``"test"``.
        data_3d: File of the positions, for human36m and mocap.
        data_2d: File of the keypoints, for human36m and mocap; without it they are projected (for human36m: if
            ``keypoints="gt"``).
        cameras: Camera file, for mocap.
        keypoints: Whose keypoints, for human36m.
        skeleton: The joints that are wanted.
        subjects: Subjects of the split, if not the usual ones.
        downsample: Keep only every so many frames; by default what the dataset itself does.
        unchecked: Do not ask whether the data are plausible.

    Raises:
        SkelgraphError: There is no such dataset, or an option is missing or of no use for it; and what the dataset
            itself raises.
    """
    info = DATASETS.find(name)
    sources: dict[str, Any] = {
        "data_3d": data_3d,
        "data_2d": data_2d,
        "cameras": cameras,
        "keypoints": None if keypoints == "gt" else keypoints,
    }
    sources = {source: value for source, value in sources.items() if value is not None}
    if useless := [source for source in sources if source not in info.takes]:
        raise DataError(f"dataset {shown(name)} has no use for: {', '.join(useless)}.")
    for source in info.needs:
        if source not in sources:
            raise DataError(f"dataset {shown(name)} needs {source}, {SOURCES[source]}.")
    if downsample is not None:
        sources["downsample"] = downsample
    return info.factory(**sources, split=split, skeleton=skeleton, subjects=subjects, unchecked=unchecked)


@register_dataset("synthetic", help="generated motion, needs no files")
def _synthetic(**options: Any) -> PoseDataset:
    from skelgraph.datasets.synthetic import SyntheticMocap

    return SyntheticMocap(**options)


@register_dataset("human36m", help="Human3.6M as VideoPose3D prepares it")
def _human36m(data_3d: Path, data_2d: Path | None = None, keypoints: str = "gt", **options: Any) -> PoseDataset:
    from skelgraph.datasets.human36m import Human36M

    return Human36M(data_3d, data_2d, keypoints=keypoints, **options)


@register_dataset("mocap", help="your own motion files")
def _mocap(data_3d: Path, cameras: Path, data_2d: Path | None = None, **options: Any) -> PoseDataset:
    from skelgraph.datasets.mocap import MocapNPZ

    return MocapNPZ(data_3d, data_2d, cameras, **options)
