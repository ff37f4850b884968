"""`skelgraph evaluate`."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tyro.conf import arg

from skelgraph.cli.options import (
    DataOptions,
    Flag,
    Given,
    Imports,
    group_options,
    import_modules,
    parse_options,
    text_option,
    values_of,
)
from skelgraph.cli.results import print_on_first_process
from skelgraph.training.config import TrainConfig

SOURCES = tuple(member.name for _, member in TrainConfig.declared() if member.metadata["source"])
EVALUATED_DATA = ("dataset", *SOURCES, "test_subjects", "actions", "hardest", "hard_sigma", "unchecked")
OTHER_DATA = ("train_subjects", "downsample", "test_downsample", "subset")


@dataclass
class Evaluate:
    """Test a checkpoint, and write metrics.json, report.html and animation.gif.

    What is not given is as in the run that wrote the checkpoint; with --dataset the data are described anew. A
    safetensors file (of save_pretrained or convert-official) needs --dataset."""

    checkpoint: Annotated[str, text_option("file"), arg(help="best.ckpt or last.ckpt of a run, or a safetensors file.")]
    data: Annotated[Given, arg(constructor=group_options("data", only=EVALUATED_DATA, default="as in the run"))]
    evaluation: Annotated[Given, arg(constructor=group_options("evaluation", default="as in the run"))]
    machine: Annotated[Given, arg(constructor=group_options("machine"))]
    downsample: Annotated[
        str | None,
        text_option("frames"),
        arg(help="Test on every n-th frame.", help_behavior_hint="(default: as in the run)"),
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
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        data = self.data if self.downsample is None else self.data | {"test_downsample": self.downsample}
        given = values_of(data | self.evaluation)
        declared = {member.name: member for _, member in TrainConfig.declared()}
        if "dataset" in given:
            anew = [name for name in (*EVALUATED_DATA, *OTHER_DATA) if name not in given]
            given |= {name: declared[name].default for name in anew}
        if self.data_option or "dataset" in given:
            given["data_options"] = parse_options(self.data_option, "--data-option")
        machine = {m.name: m.default for m in dataclasses.fields(TrainConfig.groups()["machine"])}
        machine |= values_of(self.machine)
        from skelgraph import training

        out = self.out or f"runs/evaluate-{datetime.now():%Y%m%d-%H%M%S}"
        metrics = training.evaluate(self.checkpoint, out, overwrite=self.overwrite, **given, **machine)
        print_on_first_process(metrics, out)
