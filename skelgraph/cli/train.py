"""`skelgraph train`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tyro.conf import arg

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
from skelgraph.cli.results import print_on_first_process
from skelgraph.errors import SkelgraphError
from skelgraph.training.config import TrainConfig


@dataclass
class Train:
    """Train a network, test its last epoch, and write metrics.json, report.html, animation.gif, checkpoints and logs.

    Without any option: SemGCN on the synthetic default data."""

    network: Annotated[Given, arg(constructor=group_options("network", omit=["options"]))]
    refinement: Annotated[Given, arg(constructor=group_options("refinement"))]
    data: Annotated[Given, arg(constructor=group_options("data", omit=["data_options"]))]
    training: Annotated[Given, arg(constructor=group_options("training"))]
    optimizer: Annotated[Given, arg(constructor=group_options("optimizer"))]
    evaluation: Annotated[Given, arg(constructor=group_options("evaluation"))]
    machine: Annotated[Given, arg(constructor=group_options("machine"))]
    option: Annotated[
        Repeated,
        arg(
            help="Option of the network as key=value in JSON, num_frames=27; see `skelgraph models NAME`.",
            metavar="KEY=VALUE",
            help_behavior_hint="(repeatable)",
        ),
    ] = ()
    data_option: DataOptions = ()
    config: Annotated[
        str | None,
        text_option("file"),
        arg(
            help="Settings to start from: YAML or JSON, or the config.json of a run.",
            help_behavior_hint="(default: none)",
        ),
    ] = None
    out: Annotated[
        str | None,
        text_option("folder"),
        arg(help="Folder of the results.", help_behavior_hint="(default: runs/<model>-<dataset>-<time>)"),
    ] = None
    resume: Annotated[
        Flag,
        arg(help="Continue the run in --out from its last finished epoch, with its settings.", help_behavior_hint=""),
    ] = False
    overwrite: Annotated[Flag, arg(help="Replace the run that is in the output folder.", help_behavior_hint="")] = False
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        if self.resume and self.overwrite:
            raise SkelgraphError("--resume continues a run and --overwrite replaces it: give one of them")
        if self.resume and self.config is not None:
            raise SkelgraphError("--resume continues a run with its own settings: leave out --config")
        import_modules(self.imports)
        groups = (
            self.network,
            self.refinement,
            self.data,
            self.training,
            self.optimizer,
            self.evaluation,
            self.machine,
        )
        given = values_of({name: value for group in groups for name, value in group.items()})
        if self.option:
            given["options"] = parse_options(self.option)
        if self.data_option:
            given["data_options"] = parse_options(self.data_option, "--data-option")
        if self.out is not None:
            given["out"] = self.out
        from skelgraph import training

        if self.resume:  # what is not given again is as it was
            if self.out is None:
                raise SkelgraphError("--resume needs --out, the folder of the run to continue")
            config = training.saved_config(self.out)
        else:
            config = TrainConfig("") if self.config is None else training.read_config(self.config)
        config = config.replace(**given)
        if self.out is None and not config.out:
            name = f"{config.network.model}-{config.data.dataset}-{datetime.now():%Y%m%d-%H%M%S}"
            config = config.replace(out=f"runs/{name}")
        metrics = training.train(config, resume=self.resume, overwrite=self.overwrite)
        print_on_first_process(metrics, config.out)
