"""The settings of `skelgraph lift`, each declared once. Nothing here imports PyTorch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from skelgraph.datasets.units import Axis
from skelgraph.detection.protocol import DETECTORS, checked_options
from skelgraph.errors import SkelgraphError, unknown_name
from skelgraph.lifting.plausible import check_height
from skelgraph.lifting.smoothing import OneEuro
from skelgraph.options import Count, FrameRate, NotNegative, OneOf, Positive, Side, Threads
from skelgraph.settings import CheckedSettings, GroupedSettings, check_named, setting, settings_group

if TYPE_CHECKING:
    from skelgraph.topology import SkeletonLike

OutputFormat = Literal["npz", "json", "trc", "c3d", "bvh", "html", "gif", "mp4"]
MOTION_FORMATS = ("npz", "json", "trc", "c3d", "bvh")
"""Those of :func:`~skelgraph.datasets.write_motion`, a file for each unbroken stretch of a person."""
Formats = Annotated[tuple[OutputFormat, ...], Field(min_length=1, max_length=8)]
Seconds = Annotated[float, Field(ge=0, le=60)]
Heights = Annotated[tuple[Positive, ...], Field(min_length=1, max_length=1000)]
Rule = Literal["body", "published"]
InputNormalisation = Literal["focal", "width"]
ASSUMED, CALIBRATED = "a level camera is assumed", "the calibration"
"""Who says where down is, where the caller does not."""


@settings_group
@dataclass(frozen=True)
class DetectionSettings(CheckedSettings):
    """Who is seen: the detector of videos, and what files of keypoints do not say."""

    detector: Annotated[str, OneOf(DETECTORS)] = setting("blazepose", "What finds people in videos.")
    detector_options: Mapping[str, Any] = setting(dict, "Options of the detector.")
    layout: SkeletonLike | None = setting(
        None,
        "Joint layout of keypoints whose file does not say it, see `skelgraph skeletons`, or a JSON file of one.",
        unit="name",
        absent="as the file says",
    )
    image_size: tuple[Side, Side] | None = setting(
        None,
        "Width and height of the video of keypoints whose file does not say it, 1920,1080.",
        unit="pixels",
        absent="as the file says",
    )
    frame_rate: FrameRate | None = setting(
        None, "Frames per second of keypoints whose file does not say it.", unit="hertz", absent="as the file says"
    )
    max_people: Count | None = setting(
        None, "Keep only so many people, those that are seen longest.", unit="people", absent="all"
    )

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            SkelgraphError: If one is not what it should be.
        """
        super().__post_init__()
        check_named(self, "detector_options")
        checked_options(self.detector, self.detector_options)


@settings_group
@dataclass(frozen=True)
class LiftingSettings(CheckedSettings):
    """How they come into space, see Lifter."""

    focal: Positive | None = setting(
        None, "Focal length of the camera.", unit="pixels", absent="estimated from the picture's size, which is said"
    )
    principal_point: tuple[float, float] | None = setting(
        None, "Where the optical axis meets the picture, x,y.", unit="pixels", absent="its middle"
    )
    gravity: tuple[float, float, float] | None = setting(
        None,
        "Direction of gravity in camera axes (x right, y down, z forward), 0,0.9,0.4 for a camera that looks down.",
        unit="x,y,z",
        absent="that of a level camera, which is said",
    )
    calibration: str | None = setting(
        None,
        "Calibration file that says the focal length, the principal point and, with up, the direction of gravity: "
        "Calib.toml of Pose2Sim or AniPose, or Qualisys' .qca.txt.",
        unit="file",
        absent="the options above",
    )
    camera: str | None = setting(
        None,
        "Which camera of the calibration it is.",
        unit="name",
        absent="that of the name of the input, or the only one",
    )
    up: Axis | None = setting(
        None,
        "Which axis points up in the world of the calibration, which its file does not say: z of Pose2Sim's.",
        absent="none; needed where the file says how its cameras are turned",
    )
    height: Positive | Heights | None = setting(
        None,
        "How tall the people are, which sets their size and distance: one number, or 1.8,1.6, one for each of them in "
        "the order of their numbers.",
        unit="metres",
        absent="as the network says",
    )
    rule: Rule = setting(
        "body",
        "What makes joints that the keypoints lack: sums that hold however a body is turned, or the rule of the "
        "published demos, for people who are upright in the picture.",
    )
    normalisation: InputNormalisation | None = setting(
        None,
        "What the network sees: keypoints over the focal length, or over the width of the picture.",
        absent="focal, or rays where the weights say so",
    )
    network_rate: FrameRate | None = setting(
        None,
        "Frame rate of the data that a network of several frames was trained on, to which windows are sampled.",
        unit="hertz",
        absent="as the weights say, or that of the video",
    )
    flip: bool | None = setting(
        None, "Average the answers to keypoints and their mirror image.", absent="where left and right are known"
    )
    min_confidence: NotNegative = setting(0.0, "Joints of this confidence or less count as not seen.", unit="number")
    max_gap: Seconds = setting(0.25, "Gaps up to this are filled, longer ones end a stretch.", unit="seconds")
    smoothing: bool = setting(False, "Smooth with the One-Euro filter.")
    min_cutoff: Positive | None = setting(
        None, "With --smoothing: lowest cutoff frequency of the filter.", unit="hertz", absent=f"{OneEuro.min_cutoff:g}"
    )
    beta: NotNegative | None = setting(
        None,
        "With --smoothing: how much the cutoff rises with the speed of a joint.",
        unit="number",
        absent=f"{OneEuro.beta:g}",
    )
    rigid_bones: bool = setting(False, "Give every bone one length over a stretch, left and right the same.")
    keep_sides: bool = setting(
        False, "Put joints of keypoints back where left and right are exchanged, from one frame to the next."
    )
    unchecked: bool = setting(False, "Do not ask whether height, focal length and picture can be.")
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "auto takes a GPU if there is one.")
    threads: Threads | None = setting(
        None, "Threads of the CPU.", unit="threads", absent="as many as a short probe finds fastest"
    )

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            SkelgraphError: If one is not what it should be.
        """
        super().__post_init__()
        if self.gravity is not None and not any(self.gravity):
            raise SkelgraphError("gravity is 0, 0, 0; expected a direction")
        for value in self.heights if not self.unchecked else ():
            check_height("height", value)
        for name in ("min_cutoff", "beta"):
            if getattr(self, name) is not None and not self.smoothing:
                option = name.replace("_", "-")
                raise SkelgraphError(f"{option} is of the One-Euro filter, which is off; expected smoothing too")
        calibrated = {"focal": self.focal, "principal-point": self.principal_point, "gravity": self.gravity}
        told = [name for name, value in calibrated.items() if value is not None]
        if self.calibration is not None and told:
            raise SkelgraphError(
                f"calibration and {told[0]} are given; expected one of them, as the first says the other"
            )
        if self.calibration is None and (self.camera is not None or self.up is not None):
            name = "up" if self.camera is None else "camera"
            raise SkelgraphError(f"{name} is given, but no calibration that it is of; expected calibration, a file")

    @property
    def heights(self) -> tuple[float, ...]:
        """How tall people are, metres: nothing, one number for all, or one for each."""
        if self.height is None or isinstance(self.height, tuple):
            return self.height or ()
        return (self.height,)


@settings_group
@dataclass(frozen=True)
class OutputSettings(CheckedSettings):
    """What is written."""

    format: Formats = setting(
        ("npz", "html"),
        "Files to write, of npz, json, trc, c3d, bvh (for each person), html (a page that plays them), gif and mp4.",
        unit="names",
    )
    picture_width: Annotated[int, Field(ge=64, le=4096)] = setting(
        480, "Width of the pictures of the video in the page, the GIF and the MP4.", unit="pixels"
    )
    most_pictures: Annotated[int, Field(ge=1, le=100_000)] = setting(
        600, "Most pictures of the video in the page, and most frames of the GIF.", unit="pictures"
    )


@dataclass(frozen=True)
class LiftSettings(GroupedSettings):
    """Everything that decides what becomes of a video, in groups.

    Args:
        weights: File of the network's weights, of any origin, or a name of weights that come with this package;
            ``None``: the default ones of these.
        model: Name of the model, which weights of the authors' code do not tell.
        skeleton: Joint layout of the network, likewise.
        model_options: Options of the model, likewise.
        detection: Who is seen.
        lifting: How they come into space.
        output: What is written.
    """

    weights: str | None = None
    model: str | None = None
    skeleton: SkeletonLike | None = None
    model_options: Mapping[str, Any] = field(default_factory=dict)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    lifting: LiftingSettings = field(default_factory=LiftingSettings)
    output: OutputSettings = field(default_factory=OutputSettings)

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            SkelgraphError: If one is not what it should be.
        """
        super().__post_init__()
        check_named(self, "model_options")

    @classmethod
    def of(
        cls, weights: str | None = None, *, model: str | None = None, skeleton: Any = None, **values: Any
    ) -> LiftSettings:
        """Settings by their names, whatever group they are of.

        Raises:
            SkelgraphError: If there is no such setting, or a value is not what its annotation says.
        """
        options = values.pop("model_options", {})
        grouped: dict[str, dict[str, Any]] = {group: {} for group in cls.groups()}
        group_of = cls.group_of()
        for name, value in values.items():
            if name not in group_of:
                raise unknown_name("setting", name, group_of)
            grouped[group_of[name]][name] = value
        made = {group: cls.groups()[group](**given) for group, given in grouped.items()}
        return cls(weights, model, skeleton, options, **made)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: the settings of each group by their names."""
        from skelgraph.topology import skeleton_config

        def plain(group: Any) -> dict[str, Any]:
            values = {member.name: getattr(group, member.name) for member in dataclasses.fields(group)}
            layouts = {name: skeleton_config(values[name]) for name in ("skeleton", "layout") if values.get(name)}
            return values | layouts

        return plain(self) | {group: plain(getattr(self, group)) for group in self.groups()}
