"""`skelgraph visualize`."""

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import arg

from skelgraph.cli.evaluate import EVALUATED_DATA
from skelgraph.cli.options import (
    DataOptions,
    Flag,
    Given,
    Imports,
    WeightsModel,
    WeightsOptions,
    group_options,
    import_modules,
    new_file,
    parse_options,
    text_option,
    value_of,
    values_of,
)
from skelgraph.cli.progress import frames_per_second
from skelgraph.errors import SkelgraphError
from skelgraph.options import Positive, check_option
from skelgraph.text import plain

DRAWN_DATA = tuple(name for name in EVALUATED_DATA if name not in ("test_subjects", "actions", "hardest", "hard_sigma"))


def _number(name: str, text: str | None, hint: Any) -> Any:
    return None if text is None else check_option(name, value_of(name, text, hint), hint)


@dataclass
class Visualize:
    """Draw a clip of a data set as GIF or MP4: its keypoints, what a network makes of them, and the truth.

    With --weights, of any origin as for `skelgraph evaluate`, there is a prediction; what is not said of the data is
    then as in its run, if it is of one. --list tells the clips."""

    data: Annotated[Given, arg(constructor=group_options("data", only=DRAWN_DATA, default="as in the run"))]
    weights: Annotated[
        str | None,
        text_option("file"),
        arg(aliases=("--checkpoint",), help="Weights of a network.", help_behavior_hint="(default: no prediction)"),
    ] = None
    model: WeightsModel = None
    refine: Annotated[
        str | None,
        text_option("file"),
        arg(help="Weights of a refinement head.", help_behavior_hint="(default: that of the run, if it has one)"),
    ] = None
    skeleton: Annotated[
        str | None,
        text_option("name"),
        arg(
            help="Joint layout, see `skelgraph skeletons`, or a JSON file of one (.json).",
            help_behavior_hint="(default: as in the file, or h36m17)",
        ),
    ] = None
    option: WeightsOptions = ()
    data_option: DataOptions = ()
    subject: Annotated[
        str | None, text_option("name"), arg(help="Who moves, S11.", help_behavior_hint="(default: the first one)")
    ] = None
    action: Annotated[
        str | None,
        text_option("name"),
        arg(
            help="What is done, the exact name of a take, or of an action for the first take of it.",
            help_behavior_hint="(default: the first one)",
        ),
    ] = None
    camera: Annotated[
        str | None,
        text_option("name"),
        arg(help="The camera, its name or its number from 0.", help_behavior_hint="(default: the first one)"),
    ] = None
    limit: Annotated[int, arg(help="Most frames to draw; below 1: all.", help_behavior_hint="(default: all)")] = -1
    downsample: Annotated[
        int, arg(help="Draw the mean of so many frames.", help_behavior_hint="(default: 1)", metavar="FRAMES")
    ] = 1
    skip: Annotated[
        int,
        arg(
            help="Frames at the beginning of the video that the data do not have.",
            help_behavior_hint="(default: 0)",
            metavar="FRAMES",
        ),
    ] = 0
    video: Annotated[
        str | None,
        text_option("file"),
        arg(help="The video of the clip, which goes behind the keypoints.", help_behavior_hint="(default: none)"),
    ] = None
    size: Annotated[
        str,
        text_option("inches"),
        arg(help="Height of the panels, of 100 pixels an inch.", help_behavior_hint="(default: 5)"),
    ] = "5"
    bitrate: Annotated[
        int | None,
        arg(help="Of an MP4, kilobits per second.", help_behavior_hint="(default: a constant quality)", metavar="KBIT"),
    ] = None
    azimuth: Annotated[
        str | None,
        text_option("degrees"),
        arg(
            help="From where it is seen.",
            help_behavior_hint="(default: 70, -70, 110, -110 of the first four cameras, as published)",
        ),
    ] = None
    elevation: Annotated[
        str, text_option("degrees"), arg(help="From how high.", help_behavior_hint="(default: 15)")
    ] = "15"
    out: Annotated[
        str | None,
        text_option("file"),
        arg(help="File to write, .gif or .mp4.", help_behavior_hint="(default: clip.gif)"),
    ] = None
    list: Annotated[Flag, arg(help="List the clips instead.", help_behavior_hint="")] = False
    overwrite: Annotated[Flag, arg(help="Replace the file if it is there.", help_behavior_hint="")] = False
    progress: Annotated[bool, arg(help="Show progress.", help_behavior_hint="(default: on)")] = True
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        given: dict[str, Any] = values_of(self.data)
        if self.skeleton is not None:
            given |= values_of({"skeleton": self.skeleton})
        if self.data_option:
            given["data_options"] = parse_options(self.data_option, "--data-option")
        options = parse_options(self.option)
        for name, least in (("downsample", 1), ("skip", 0), ("bitrate", 1)):
            if (value := getattr(self, name)) is not None and value < least:
                raise SkelgraphError(f"{name} is {value}; expected at least {least}")
        inches = _number("size", self.size, Positive)
        azimuth, elevation = (_number(n, getattr(self, n), float | int | None) for n in ("azimuth", "elevation"))
        if not 1 <= inches <= 40:
            raise SkelgraphError(f"size is {inches:g}; expected 1 to 40 inches")
        from skelgraph.training import visualize

        chosen = visualize.Chosen(self.subject, self.action, self.camera, self.limit, self.downsample, self.skip)
        if self.list:
            test_set, _ = visualize.loaded(self.weights, self.model, self.refine, options, self.subject, given)
            for _, clip in visualize.clips_of(test_set):
                print(", ".join(plain(name) for name in (clip.subject, clip.action, f"camera {clip.camera}")))
            return
        out = new_file(self.out or "clip.gif", self.overwrite)
        if out.suffix.lower() not in (".gif", ".mp4"):
            raise SkelgraphError(f"--out is {plain(str(out), 500)}; expected a name that ends in .gif or .mp4")
        with frames_per_second(self.progress) as progress:
            visualize.visualize(
                out,
                self.weights,
                self.model,
                self.refine,
                chosen=chosen,
                options=options,
                video=self.video,
                height=round(100 * inches),
                bitrate=self.bitrate,
                azimuth=None if azimuth is None else float(azimuth),
                elevation=float(elevation),
                progress=progress,
                **given,
            )
        print(f"Clip: {plain(str(out), 500)}")
