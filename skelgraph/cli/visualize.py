"""`skelgraph visualize`."""

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import arg

from skelgraph.cli.evaluate import EVALUATED_HEAD, SOURCES, described_anew
from skelgraph.cli.options import (
    WEIGHTS_HELP,
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
    values_of,
)
from skelgraph.cli.output import answer, console
from skelgraph.cli.progress import frames_per_second
from skelgraph.errors import SkelgraphError
from skelgraph.text import plain

DRAWN_DATA = ("dataset", *SOURCES, "test_subjects", "middles", "unchecked")


@dataclass
class Visualize:
    """Draw a clip of a data set as a GIF or an MP4: the input, the prediction of a network, the truth.

    Without --weights the input and the truth are drawn. Weights of a run know their data; others need --dataset."""

    data: Annotated[Given, arg(constructor=group_options("data", only=DRAWN_DATA, default="as in the run"))]
    refinement: Annotated[
        Given, arg(constructor=group_options("refinement", only=EVALUATED_HEAD, default="as in the run"))
    ]
    evaluation: Annotated[
        Given, arg(constructor=group_options("evaluation", only=("flip_test", "root"), default="as in the run"))
    ]
    machine: Annotated[Given, arg(constructor=group_options("machine", only=("device",)))]
    out: Annotated[
        str | None, text_option("file"), arg(help="File to write, .gif or .mp4.", help_behavior_hint="(or --list)")
    ] = None
    list: Annotated[Flag, arg(help="Tell what can be drawn: subjects, actions and cameras.", help_behavior_hint="")] = (
        False
    )
    weights: Annotated[
        str | None,
        text_option("file"),
        arg(
            aliases=("--checkpoint",),
            help=WEIGHTS_HELP,
            help_behavior_hint="(default: none)",
        ),
    ] = None
    model: WeightsModel = None
    refine: Annotated[
        str | None,
        text_option("file"),
        arg(
            help="Weights of a refinement head, whose poses are drawn.",
            help_behavior_hint="(default: that of the run, if it has one)",
        ),
    ] = None
    skeleton: Annotated[
        str | None,
        text_option("name"),
        arg(
            help="Joint layout, see `skelgraph skeletons`, or a JSON file of one (.json).",
            help_behavior_hint="(default: as in the weights; h36m17)",
        ),
    ] = None
    option: WeightsOptions = ()
    data_option: DataOptions = ()
    subject: Annotated[
        str | None, text_option("name"), arg(help="Whose clip, S11.", help_behavior_hint="(default: the first)")
    ] = None
    action: Annotated[
        str | None,
        text_option("name"),
        arg(
            help="Of which action, the full name of the take, or the name of the action: Walking 1, Walking.",
            help_behavior_hint="(default: the first)",
        ),
    ] = None
    camera: Annotated[str, text_option("number"), arg(help="From which camera: its number, from 0, or its name.")] = "0"
    skip: Annotated[int, arg(help="Frames that are left out at the beginning, of the video too.")] = 0
    limit: Annotated[int, arg(help="Most frames that are drawn; less than 1: all.")] = 0
    downsample: Annotated[
        int,
        arg(help="Draw the mean of so many frames as one; those that the test left out count."),
    ] = 1
    size: Annotated[float, arg(help="Height of the panels, inches of 100 pixels.")] = 5.0
    frame_rate: Annotated[
        float | None,
        arg(help="Frames per second, before --downsample.", help_behavior_hint="(default: as the data say)"),
    ] = None
    bitrate: Annotated[int, arg(help="Kilobits per second of an MP4.")] = 3000
    video: Annotated[
        str | None,
        text_option("file"),
        arg(help="Video of the clip, drawn behind the keypoints.", help_behavior_hint="(default: none)"),
    ] = None
    azimuth: Annotated[
        float | None,
        arg(
            help="Where the viewer stands around the vertical, degrees.",
            help_behavior_hint="(default: where the camera stands)",
        ),
    ] = None
    elevation: Annotated[float, arg(help="How high the viewer stands, degrees above the horizon.")] = 15.0
    overwrite: Annotated[Flag, arg(help="Replace the file.", help_behavior_hint="")] = False
    progress: Annotated[bool, arg(help="Show progress.", help_behavior_hint="(default: on)")] = True
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        if (self.out is None) != self.list:
            raise SkelgraphError("expected either --out, the file to write, or --list")
        given = values_of(self.data | self.evaluation | self.refinement | self.machine)
        if self.skeleton is not None:
            given |= values_of({"skeleton": self.skeleton})
        given = described_anew(given, self.data_option)
        given.pop("downsample", None)  # that of training
        options = parse_options(self.option)
        if self.out is None:
            _list(self.weights, self.model, options, given)
            return
        out = new_file(self.out, self.overwrite)
        if out.suffix.lower() not in (".gif", ".mp4"):  # before anything is read
            raise SkelgraphError(f"--out is {plain(self.out, 500)}; expected a name that ends in .gif or .mp4")
        from skelgraph.training import visualize

        with frames_per_second(self.progress) as progress:
            drawn = visualize(
                out,
                self.weights,
                self.model,
                self.refine,
                subject=self.subject,
                action=self.action,
                camera=self.camera,
                skip=self.skip,
                limit=self.limit,
                downsample=self.downsample,
                size=self.size,
                frame_rate=self.frame_rate,
                bitrate=self.bitrate,
                video=self.video,
                azimuth=self.azimuth,
                elevation=self.elevation,
                options=options,
                progress=progress,
                **given,
            )
        answer({"file": out, "frames": drawn}, lambda facts: print(f"{plain(str(out), 500)}: {drawn} frames"))


def _list(weights: str | None, model: str | None, options: dict[str, Any], given: dict[str, Any]) -> None:
    from skelgraph.training.pictures import clips_to_draw

    rows: dict[tuple[str, str, int], dict[str, None]] = {}
    for clip in clips_to_draw(weights, model, options=options, **given):
        rows.setdefault((clip.subject, clip.action, clip.length), {})[clip.camera] = None
    names = ("subject", "action", "frames", "cameras")
    clips = [dict(zip(names, (*row, list(cameras)), strict=True)) for row, cameras in rows.items()]
    answer({"clips": clips}, _print_clips)


def _print_clips(facts: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="What can be drawn")
    for column in ("subject", "action", "frames", "cameras"):
        table.add_column(column, justify="right" if column == "frames" else "left", overflow="fold")
    for clip in facts["clips"]:
        cameras = ", ".join(plain(camera, 50) for camera in clip["cameras"])
        cells = (clip["subject"], clip["action"], str(clip["frames"]), cameras)
        table.add_row(*(Text(plain(cell, 500)) for cell in cells))
    console().print(table)
