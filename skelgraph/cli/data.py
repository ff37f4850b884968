"""`skelgraph data`: files of data sets, made from what their owners distribute, and checked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg, subcommand

from skelgraph.cli.options import (
    DataOptions,
    Flag,
    Given,
    Imports,
    Repeated,
    group_options,
    import_modules,
    parse_options,
    text_option,
    values_of,
)
from skelgraph.cli.output import answer, complain, console
from skelgraph.datasets.variants_3dhp import VARIANTS_3DHP
from skelgraph.errors import SkelgraphError, unknown_name
from skelgraph.text import plain
from skelgraph.training.config import TrainConfig

if TYPE_CHECKING:
    from skelgraph.datasets.preparation import Finding

PREPARED = ("human36m", "mpi_inf_3dhp")
"""The data sets whose files can be prepared."""


@dataclass
class Prepare:
    """Make the npz files of the field from what the owners of a data set distribute.

    Human3.6M: Poses_D3_Positions_S*.tgz, the folder they were unpacked to (.cdf, or .cdf.mat of MATLAB), or h36m.zip;
    written are data_3d_h36m.npz and data_2d_h36m_gt.npz. MPI-INF-3DHP: the folder or archives of its annotations
    (S*/Seq*/annot.mat, TS*/annot_data.mat), or SPIN's mpi_inf_3dhp_valid.npz. A run that was stopped goes on when it is
    started again."""

    dataset: Annotated[str, text_option("{" + ",".join(PREPARED) + "}"), arg(help="Which data set.")]
    source: Annotated[
        Repeated,
        arg(
            help="Folder or archive of the owners' files.",
            metavar="PATH",
            help_behavior_hint="(required, repeatable)",
        ),
    ] = ()
    out: Annotated[
        str, text_option("folder"), arg(help="Folder of the files.", help_behavior_hint="(default: dataset)")
    ] = "dataset"
    variant: Annotated[
        str | None,
        text_option("{" + ",".join(VARIANTS_3DHP) + "}"),
        arg(help="Which files of MPI-INF-3DHP.", help_behavior_hint="(default: official)"),
    ] = None
    annotation: Annotated[
        str | None,
        text_option("{univ_annot3,annot3}"),
        arg(
            help="Positions of MPI-INF-3DHP on the skeleton of universal height, on which results are published, or "
            "as recorded.",
            help_behavior_hint="(default: univ_annot3)",
        ),
    ] = None
    subjects: Annotated[
        str | None,
        text_option("names"),
        arg(help="Only these subjects, S1,S5.", help_behavior_hint="(default: all of the data set)"),
    ] = None
    overwrite: Annotated[Flag, arg(help="Replace files of the same names in --out.", help_behavior_hint="")] = False
    progress: Annotated[bool, arg(help="Show what is done.", help_behavior_hint="(default: on)")] = True

    def __call__(self) -> None:
        """Run the command."""
        if self.dataset not in PREPARED:
            raise unknown_name("dataset that is prepared", self.dataset, PREPARED)
        if not self.source:
            raise SkelgraphError("--source is missing: the folder or archive of the owners' files")
        options: dict[str, Any] = {"variant": self.variant, "annotation": self.annotation}
        options = {name: value for name, value in options.items() if value is not None}
        if options and self.dataset != "mpi_inf_3dhp":
            raise SkelgraphError(f"dataset {self.dataset!r} has no use for: {', '.join(options)}")
        if self.subjects is not None:
            options["subjects"] = [name.strip() for name in self.subjects.split(",")]
        from skelgraph.datasets import preparation

        prepare = {"human36m": preparation.prepare_human36m, "mpi_inf_3dhp": preparation.prepare_mpi_inf_3dhp}
        try:
            with _shown(self.progress) as progress:
                prepared = prepare[self.dataset](
                    self.source, self.out, overwrite=self.overwrite, progress=progress, **options
                )
        except (KeyboardInterrupt, SystemExit):
            complain("stopped; what is finished is kept: the same command goes on from there")
            raise
        answer({"frames": prepared.frames, "notes": prepared.notes, "files": prepared.files}, _print_prepared)


CHECKED = tuple(
    member.name
    for _, member in TrainConfig.declared()
    if member.metadata["source"] or member.name in ("skeleton", "train_subjects", "test_subjects")
)


@dataclass
class Check:
    """Check the files of a data set: subjects, recordings, joints, units, numbers of frames, and whether they are read.

    One table says what is right, what is wrong and what to do; the exit code is 2 if something is wrong."""

    dataset: Annotated[str, text_option("name"), arg(help="Which data set; see `skelgraph train --help`.")]
    data: Annotated[Given, arg(constructor=group_options("data", only=CHECKED))]
    data_root: Annotated[
        str | None,
        text_option("folder"),
        arg(help="Folder of the files under their usual names.", help_behavior_hint="(or --data-3d)"),
    ] = None
    data_option: DataOptions = ()
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        given = values_of(self.data)
        given.update(parse_options(self.data_option, "--data-option"))
        findings = _findings(self.dataset, given, self.data_root)
        answer({"findings": [finding._asdict() for finding in findings]}, lambda facts: _print_findings(findings))
        wrong = sum(finding.verdict == "wrong" for finding in findings)
        if wrong:
            raise SkelgraphError(f"{wrong} of {len(findings)} findings on the files are wrong: see the table")


@dataclass
class Data:
    """Make the files of data sets from what their owners distribute, or check files that are there."""

    command: Annotated[Prepare, subcommand("prepare")] | Annotated[Check, subcommand("check")]

    def __call__(self) -> None:
        """Run the command."""
        self.command()


def _findings(name: str, given: dict[str, Any], root: str | None) -> "list[Finding]":
    """Check the files of a data set by the rules that are its own, or as what it is read as."""
    from skelgraph.datasets import DATASETS, preparation

    DATASETS.find(name)
    if name == "human36m":
        data_3d = given.pop("data_3d", None) or (Path(root) / "data_3d_h36m.npz" if root else None)
        if data_3d is None:
            raise SkelgraphError("--data-root or --data-3d is missing: where the files are")
        files = {key: given.pop(key) for key in ("data_2d", "keypoints") if key in given}
        if given:
            raise SkelgraphError(f"the check of {name} has no use for: {', '.join(map(plain, given))}")
        return preparation.check_human36m(data_3d, **files)
    if name == "mpi_inf_3dhp" and root is not None:
        if given:
            raise SkelgraphError(f"the check of --data-root has no use for: {', '.join(map(plain, given))}")
        return preparation.check_mpi_inf_3dhp(root)
    if root is not None:
        raise SkelgraphError(f"dataset {name!r} has no files of usual names: give them, as to `skelgraph train`")
    return preparation.check_reading(name, **given)


def _print_findings(findings: "list[Finding]") -> None:
    from rich.table import Table
    from rich.text import Text

    styles = {"right": "green", "wrong": "bold red", "look": "yellow", "told": ""}
    table = Table(title="Files of the data set", show_lines=False)
    advised = any(finding.advice for finding in findings)
    for column in ("of", "what", "verdict", "found", *["what to do"] * advised):
        table.add_column(column, overflow="fold")
    for finding in findings:
        verdict = Text("" if finding.verdict == "told" else finding.verdict, style=styles[finding.verdict])
        found = [Text(plain(text, 1000)) for text in (finding.found, *[finding.advice] * advised)]
        table.add_row(Text(plain(finding.where)), Text(plain(finding.what)), verdict, *found)
    console().print(table)


@contextmanager
def _shown(wanted: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Show progress: a bar on a terminal, else a line for each subject."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    screen = console()
    if not wanted:
        yield lambda what, done, total: None
    elif not screen.is_terminal:
        begun: set[str] = set()

        def tell(what: str, done: int, total: int) -> None:
            name = what.partition(" ")[0]
            if name not in begun:
                begun.add(name)
                print(f"writing {name}" if not total else f"{name} ({done} of {total} recordings)", flush=True)

        yield tell
    else:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeRemainingColumn(), console=screen) as bars:
            bar = bars.add_task("reading", total=None)

            def draw(what: str, done: int, total: int) -> None:
                if total:
                    bars.update(bar, description=plain(what), completed=done, total=total)
                else:
                    bars.update(bar, description=f"writing {what}")

            yield draw


def _print_prepared(prepared: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Frames of each subject")
    table.add_column("subject")
    table.add_column("frames", justify="right")
    for subject, frames in prepared["frames"].items():
        table.add_row(Text(subject), f"{frames:,}")
    screen = console()
    screen.print(table)
    for note in prepared["notes"]:
        screen.print(Text(f"Not as published: {note}."), soft_wrap=True)
    for path in prepared["files"]:
        screen.print(Text(plain(str(path), 1000)), soft_wrap=True, highlight=False)
