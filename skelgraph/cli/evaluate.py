"""`skelgraph evaluate`."""

import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import arg

from skelgraph.cli.options import (
    WEIGHTS_HELP,
    DataOptions,
    Flag,
    Given,
    Imports,
    WeightsModel,
    WeightsOptions,
    WeightsSkeleton,
    dated_folder,
    group_options,
    import_modules,
    parse_options,
    text_option,
    values_of,
)
from skelgraph.cli.output import SWITCHES
from skelgraph.cli.results import print_on_first_process
from skelgraph.training.config import TrainConfig

SOURCES = tuple(member.name for _, member in TrainConfig.declared() if member.metadata["source"])
EVALUATED_DATA = ("dataset", *SOURCES, "test_subjects", "actions", "hardest", "hard_sigma", "middles", "unchecked")
OTHER_DATA = ("train_subjects", "downsample", "test_downsample", "subset")
EVALUATED_HEAD = ("refine_dropout_at_test", "root_depth")


@dataclass
class Evaluate:
    """Judge weights of any origin, and write metrics.json, report.html and animation.gif.

    The content of the file tells what it is. A checkpoint of a run knows its network and its data; what is not given is
    as in the run, and with --dataset the data are described anew. A safetensors file (of save_pretrained or
    convert-official) knows its network, and a checkpoint of the authors' code neither: they need --dataset, and the
    latter --model."""

    weights: Annotated[
        str,
        text_option("file"),
        arg(
            aliases=("--checkpoint",),
            help=WEIGHTS_HELP,
        ),
    ]
    refinement: Annotated[
        Given, arg(constructor=group_options("refinement", only=EVALUATED_HEAD, default="as in the run"))
    ]
    data: Annotated[Given, arg(constructor=group_options("data", only=EVALUATED_DATA, default="as in the run"))]
    evaluation: Annotated[Given, arg(constructor=group_options("evaluation", default="as in the run"))]
    machine: Annotated[Given, arg(constructor=group_options("machine", omit=["imports"]))]
    model: WeightsModel = None
    refine: Annotated[
        str | None,
        text_option("file"),
        arg(
            help="Weights of a refinement head, of any origin too; both are judged side by side.",
            help_behavior_hint="(default: that of the run, if it has one)",
        ),
    ] = None
    skeleton: WeightsSkeleton = None
    option: WeightsOptions = ()
    downsample: Annotated[
        str | None,
        text_option("frames"),
        arg(
            aliases=("--test-downsample",),
            help="Test on every n-th frame; the --downsample of train is of its training frames.",
            help_behavior_hint="(default: as in the run)",
        ),
    ] = None
    data_option: DataOptions = ()
    out: Annotated[
        str | None,
        text_option("folder"),
        arg(help="Folder of the results.", help_behavior_hint="(default: runs/evaluate-<time>)"),
    ] = None
    overwrite: Annotated[
        Flag, arg(help="Replace the evaluation that is in the output folder.", help_behavior_hint="")
    ] = False
    record: Annotated[
        str | None,
        text_option("file"),
        arg(
            help="JSON file to add the errors and this command to, in the form in which `skelgraph models` has them.",
            help_behavior_hint="(default: none)",
        ),
    ] = None
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        data = self.data if self.downsample is None else self.data | {"test_downsample": self.downsample}
        given = values_of(data | self.evaluation | self.refinement)
        if self.skeleton is not None:
            given |= values_of({"skeleton": self.skeleton})
        given = described_anew(given, self.data_option)
        machine: dict[str, Any] = {m.name: m.default for m in dataclasses.fields(TrainConfig.groups()["machine"])}
        machine |= values_of(self.machine) | {"imports": self.imports or None}
        from skelgraph import training
        from skelgraph.models.measured import read_measured

        if self.record is not None and os.path.exists(self.record):
            read_measured(self.record)  # refused before anything is done
        out = self.out or dated_folder("evaluate")
        options = parse_options(self.option)
        metrics = training.evaluate(
            self.weights, out, self.model, self.refine, options=options, overwrite=self.overwrite, **given, **machine
        )
        print_on_first_process(metrics, out)
        if self.record is not None:
            _record(self.record, metrics)


def described_anew(given: dict[str, Any], data_option: Sequence[str]) -> dict[str, Any]:
    """The settings that are given, and where they name the data set, those of the data that are not as they are by
    default rather than as in the run."""
    anew = {}
    if "dataset" in given:
        declared = {member.name: member for _, member in TrainConfig.declared()}
        anew = {name: declared[name].default for name in (*EVALUATED_DATA, *OTHER_DATA)}
    if data_option or "dataset" in given:
        anew["data_options"] = parse_options(data_option, "--data-option")
    return anew | given


def _record(path: str, metrics: dict[str, Any]) -> None:
    """Add what was measured to a file, once for all processes."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    from skelgraph.models.measured import add_measured
    from skelgraph.training.judging import ROWS

    arguments = iter(sys.argv[1:])
    kept = [word for word in arguments if not (word == "--record" and next(arguments, ""))]
    kept = [word for word in kept if not word.startswith("--record=") and word not in SWITCHES]
    rank_zero_only(add_measured)(path, metrics, ROWS, shlex.join(["skelgraph", *kept]))
