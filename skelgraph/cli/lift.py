"""`skelgraph lift`."""

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from skelgraph.cli.options import (
    WEIGHTS_HELP,
    Flag,
    Given,
    Imports,
    Repeated,
    WeightsModel,
    WeightsOptions,
    WeightsSkeleton,
    group_options,
    import_modules,
    parse_options,
    text_option,
    values_of,
)
from skelgraph.cli.output import answer, complain, console
from skelgraph.cli.progress import frames_per_second
from skelgraph.detection.protocol import DETECTORS
from skelgraph.errors import SkelgraphError
from skelgraph.files import as_path, read_video
from skelgraph.lifting.settings import ASSUMED, DetectionSettings, LiftSettings
from skelgraph.text import plain, shown

_MUCH_BENT = 0.01  # of the longer side of the picture
_ON_ONE_FLOOR = 0.3  # metres between the feet of people


@dataclass
class Lift:
    """Bring the people of a video, or of keypoints that any detector found, into space.

    The input is a video, a file of keypoints (AlphaPose, COCO, MMPose, MediaPipe, DeepLabCut and others, see
    docs/formats.md), OpenPose's folder, or a folder of such, each of which gets a folder of its own. What is stopped
    goes on where it was by the same command."""

    out: Annotated[str, text_option("folder"), arg(help="Folder of the results.")]
    detection: Annotated[
        Given, arg(constructor=group_options("detection", omit=["detector_options"], settings=LiftSettings))
    ]
    lifting: Annotated[Given, arg(constructor=group_options("lifting", settings=LiftSettings))]
    output: Annotated[Given, arg(constructor=group_options("output", settings=LiftSettings))]
    weights: Annotated[
        str | None,
        text_option("file"),
        arg(
            aliases=("--checkpoint",),
            help=WEIGHTS_HELP,
            help_behavior_hint="(default: open, of these)",
        ),
    ] = None
    input: Annotated[
        str | None,
        text_option("path"),
        arg(help="A video, a file or folder of keypoints, or a folder of such.", help_behavior_hint="(or --example)"),
    ] = None
    listing: Annotated[
        str | None,
        text_option("file"),
        arg(
            help="Text file of inputs, a path or, with --cluster, a URI of an object store in each line.",
            help_behavior_hint="(or --input)",
        ),
    ] = None
    example: Annotated[
        Flag,
        arg(
            help="Lift the person in four calibrated views that comes with skelgraph, and tell the errors.",
            help_behavior_hint="",
        ),
    ] = False
    model: WeightsModel = None
    skeleton: WeightsSkeleton = None
    option: WeightsOptions = ()
    detector_option: Annotated[
        Repeated,
        arg(
            help="Option of the detector, key=value, value in JSON.",
            metavar="KEY=VALUE",
            help_behavior_hint="(repeatable)",
        ),
    ] = ()
    cluster: Annotated[
        Flag, arg(help="Lift many inputs side by side, by Ray (extra ray); one machine will do.", help_behavior_hint="")
    ] = False
    workers: Annotated[
        int | None,
        arg(
            help="With --cluster: how many inputs at once.",
            help_behavior_hint="(default: as many as it has processors, or GPUs)",
            metavar="PROCESSES",
        ),
    ] = None
    gpus_per_worker: Annotated[
        float,
        arg(
            help="With --cluster: GPUs of each worker; 0.5: two share one.",
            help_behavior_hint="(default: 0)",
            metavar="GPUS",
        ),
    ] = 0.0
    address: Annotated[
        str | None,
        text_option("address"),
        arg(
            help="With --cluster: a running cluster, ray://head:10001 or auto.",
            help_behavior_hint="(default: that of RAY_ADDRESS, or one on this machine)",
        ),
    ] = None
    overwrite: Annotated[
        Flag, arg(help="Replace results of other inputs or settings in the output folder.", help_behavior_hint="")
    ] = False
    progress: Annotated[bool, arg(help="Show progress.", help_behavior_hint="(default: on)")] = True
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        if (self.input is not None) + (self.listing is not None) + self.example != 1:
            raise SkelgraphError(
                "expected one of --input, a video or keypoints, --listing, a file of such, and --example"
            )
        if not self.cluster and (self.workers is not None or self.gpus_per_worker or self.address is not None):
            raise SkelgraphError("--workers, --gpus-per-worker and --address are of --cluster")
        if (self.workers is not None and self.workers < 1) or not 0 <= self.gpus_per_worker <= 64:
            raise SkelgraphError("expected --workers of at least 1 and --gpus-per-worker from 0 to 64")
        given: dict[str, Any] = values_of(self.detection | self.lifting | self.output, LiftSettings)
        given["detector_options"] = parse_options(self.detector_option, "--detector-option")
        skeleton = None if self.skeleton is None else values_of({"skeleton": self.skeleton})["skeleton"]
        settings = LiftSettings.of(
            self.weights, model=self.model, skeleton=skeleton, model_options=parse_options(self.option), **given
        )
        out = as_path(self.out)
        _tell_weights(self.weights)
        if self.example:
            told = settings.detection
            if self.cluster or not (told.layout is told.image_size is told.frame_rate is None):
                raise SkelgraphError(
                    "--example says its layout, image size and frame rate itself, and is lifted without --cluster"
                )
            _lift_example(settings, out, self.overwrite)
            return
        try:
            with frames_per_second(self.progress) as progress:
                self._lift(settings, out, progress)
        except (KeyboardInterrupt, SystemExit):
            complain(
                "stopped; what is finished is kept: the same command goes on from there (a video in which people were "
                "being sought is searched anew)"
            )
            raise

    def _lift(self, settings: LiftSettings, out: Path, progress: Any) -> None:
        done: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        try:
            single = self._lift_each(settings, out, progress, done, failed)
        except (SkelgraphError, OSError) as error:  # of all of them, as weights or a full disk
            given = self.input if self.listing is None else self.listing
            answer({"lifted": done, "failed": [*failed, {"source": given, "error": str(error)}]}, lambda facts: None)
            raise
        answer({"lifted": done, "failed": failed}, lambda facts: None)  # each was told of when it was done
        if failed:
            if single:
                raise SkelgraphError(failed[0]["error"])
            raise SkelgraphError(f"{len(failed)} of {len(done) + len(failed)} inputs could not be lifted: see above")

    def _lift_each(
        self,
        settings: LiftSettings,
        out: Path,
        progress: Any,
        done: list[dict[str, Any]],
        failed: list[dict[str, Any]],
    ) -> bool:
        """Put down what was lifted and what failed; whether it is one input alone."""
        from skelgraph.lifting.pipeline import lift_files

        sources, single = self._sources(out, settings.detection)
        if self.cluster:
            from skelgraph.lifting.cluster import lift_on_cluster

            outcomes = lift_on_cluster(
                sources,
                settings,
                overwrite=self.overwrite,
                workers=self.workers,
                gpus=self.gpus_per_worker,
                address=self.address,
                make=functools.partial(make_pipeline, self.imports),
            )
        else:
            paths = [(Path(source), place) for source, place in sources]
            outcomes = lift_files(paths, settings, overwrite=self.overwrite, progress=progress)
        for number, outcome in enumerate(outcomes, 1):
            if outcome.record is None:
                failed.append({"source": str(outcome.source), "error": outcome.error})
                if not single:
                    complain(f"{number}/{len(sources)} failed: {outcome.error}")
            else:
                done.append({"source": str(outcome.source), "out": outcome.out, "record": outcome.record})
                if not single:
                    print(f"{number}/{len(sources)} ", end="")
                _tell(outcome.out, outcome.record)
        return single

    def _sources(self, out: Path, detection: DetectionSettings) -> tuple[Sequence[tuple[str | Path, Path]], bool]:
        """The inputs and the folders of their results, and whether it is one alone."""
        from skelgraph.lifting.sources import is_video_file, source_kind, sources_in

        if self.listing is not None:
            from skelgraph.lifting.cluster import listed_sources

            return listed_sources(self.listing, out), False
        source = as_path(self.input or "")
        if os.path.isdir(source) and source_kind(source) is None:  # no folder of OpenPose's
            return sources_in(source, out), False
        if is_video_file(source):
            _check_video(source, detection)
        return [(source, out)], True


def _check_video(source: Path, detection: DetectionSettings) -> None:
    """Raise an error if what is said of keypoints is something else than a video says."""
    from skelgraph.datasets.motion_files.motion import is_same_rate

    label = plain(str(source), 1000)
    if detection.layout is not None:
        raise SkelgraphError(f"{label}: is a video; --layout is of files of keypoints")
    with read_video(source) as frames:
        size, rate = frames.image_size, frames.frame_rate
    if detection.image_size not in (None, size):
        raise SkelgraphError(f"{label}: is {size[0]} x {size[1]}, but --image-size is {shown(detection.image_size)}")
    if detection.frame_rate is not None and rate is not None and not is_same_rate(rate, detection.frame_rate):
        raise SkelgraphError(f"{label}: has {rate:g} frames per second, but --frame-rate is {detection.frame_rate:g}")


def make_pipeline(imports: Sequence[str], settings: LiftSettings) -> Any:
    """What lifts, in a worker that has not imported the modules of the user yet."""
    from skelgraph.lifting.pipeline import Pipeline

    import_modules(imports)
    return Pipeline(settings)


def _tell_weights(given: str | None) -> None:
    """Say whose weights it are, where no file of the user names them."""
    from skelgraph.models.shipped import DEFAULT, shipped_weights, weights_path

    name, table = DEFAULT if given is None else given, shipped_weights()
    if name in table and weights_path(given) == table[name].path:
        one = table[name]
        frames = "1 frame" if one.frames == 1 else f"{one.frames} frames"
        print(f"weights: {name}, which come with skelgraph: {one.model} of {frames}, {one.skeleton}")


def _tell(out: Path, record: dict[str, Any]) -> None:
    people = {one["person"] for one in record["people"]}
    seconds = record["num_frames"] / record["frame_rate"] if record["frame_rate"] else None
    print(
        f"{plain(str(out), 500)}: {len(people)} {'person' if len(people) == 1 else 'people'}, "
        f"{_counted(record['num_frames'], 'frame')}{'' if seconds is None else f' ({seconds:.1f} s)'}, "
        f"focal length {record['focal']}: {record['intrinsics'][0]:.0f} px; gravity: {plain(record['gravity_from'])}"
    )
    for warning in record["warnings"]:
        print(f"  warning: {plain(warning, 1000)}")
    for note in _notes(record):
        print(f"  {note}")
    for one in record["people"]:
        if missing := one["frames_without_place"]:
            count = one["last_frame"] - one["first_frame"] + 1
            print(
                f"  {plain(one['file'])}: where it stands is not known in the first {missing} of {count} frames, which "
                "have no positions"
            )
    for one in record["not_lifted"]:
        joints = ", ".join(map(plain, one["joints"][:6]))
        frames = f"frames {one['first_frame']} to {one['last_frame']}"
        print(f"  person {one['person']}, {frames}: not lifted, without {joints}")
    print(f"  {', '.join(map(plain, record['files']))}")


def _notes(record: dict[str, Any]) -> Iterator[str]:
    """What is to be known of a result before it is used."""
    people, detector = record["people"], record["detector"]
    if detector is not None and DETECTORS.find(detector).one_person:
        yield (
            f"{plain(detector)} sees one person at a time; others in the picture are not lifted (several: --detector "
            "rtmlib, docs/detectors.md)"
        )
        firsts = {one["person"]: one["first_frame"] for one in reversed(people)}  # of each the first stretch
        if jumps := sorted(firsts.values())[1:]:
            frames = ", ".join(map(str, jumps[:8])) + (", ..." if len(jumps) > 8 else "")
            yield (
                f"it went on somewhere else in {_counted(len(jumps), 'frame')} ({frames}), with another person or the "
                "same: the numbers of people are stretches of what it saw, not who they are"
            )
    if record["camera"] is not None:
        bend, longest = record["lens_bends_px"] or 0.0, max(record["image_size"] or (0,))
        lens = f"; its lens bends the picture by up to {bend:.0f} pixels, which is ignored"
        yield f"camera: {plain(record['camera'])} of the calibration{lens if bend > _MUCH_BENT * longest else ''}"
    if people and record["gravity_from"] == ASSUMED:
        yield (
            "where down is, is not known: people lean as far as the camera is tilted, and stand higher or lower the "
            "farther away they are (--gravity or --calibration tells it)"
        )
    feet = {one["person"]: one["feet_above_floor_m"] for one in people if one["feet_above_floor_m"] is not None}
    if feet and max(feet.values()) - min(feet.values()) > _ON_ONE_FLOOR:
        high, low = max(feet, key=feet.__getitem__), min(feet, key=feet.__getitem__)
        yield (
            f"the feet of person {high} are {feet[high] - feet[low]:.1f} m above those of person {low}: unless the "
            "floor is not level, the direction of gravity or the heights of the people are wrong"
        )
    if heights := [one["height_m"] for one in people if one["height_m"] is not None]:
        least, most = f"{min(heights):.2f}", f"{max(heights):.2f}"
        tall = f"{least} m" if least == most else f"{least} to {most} m"
        source = "given (--height)" if record["height_from"] == "given" else "as the network says; --height sets it"
        yield f"height: {tall}, {source}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _lift_example(settings: LiftSettings, out: Path, overwrite: bool) -> None:
    from skelgraph.lifting.example import lift_example

    rows = lift_example(settings, out, overwrite=overwrite)
    measures = {"mpjpe_mm": "mpjpe", "p_mpjpe_mm": "p_mpjpe"}
    views = {view: {key: getattr(judged, name) for key, name in measures.items()} for view, judged in rows.items()}
    mean = {key: sum(view[key] for view in views.values()) / len(views) for key in measures}
    answer({"out": out, "views": views, "mean": mean}, _print_example)


def _print_example(facts: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(title="A real person in four views: error of 12 limb joints (mm)")
    for column in ("view", "MPJPE", "P-MPJPE"):
        table.add_column(column, justify="left" if column == "view" else "right")
    for name, view in facts["views"].items():
        table.add_row(name, *(f"{error:.1f}" for error in view.values()))
    table.add_section()
    table.add_row("mean", *(f"{error:.1f}" for error in facts["mean"].values()))
    console().print(table)
    print(
        "MPJPE: how far the 12 joints of arms and legs are from the truth on average, both seen from the middle of the "
        "hips; P-MPJPE: the same once each pose is turned, moved and scaled to fit best. The pages (viewer.html) show "
        "every joint that has a truth, so that their mean is another one."
    )
    print(f"Results: {plain(str(facts['out']), 500)}")
