"""`skelgraph train`."""

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import arg

from skelgraph.cli.options import (
    DataOptions,
    Flag,
    Given,
    Imports,
    Repeated,
    dated_folder,
    group_options,
    import_modules,
    parse_options,
    text_option,
    value_of,
    values_of,
)
from skelgraph.cli.recipes import settings_of
from skelgraph.cli.results import print_on_first_process, print_seeds_on_first_process
from skelgraph.errors import SkelgraphError
from skelgraph.training.config import TrainConfig


@dataclass
class Train:
    """Train a network, test its last or best epoch, and write metrics.json, report.html, checkpoints and logs.

    Without any option: SemGCN on the synthetic default data."""

    network: Annotated[Given, arg(constructor=group_options("network", omit=["options"]))]
    refinement: Annotated[Given, arg(constructor=group_options("refinement"))]
    data: Annotated[Given, arg(constructor=group_options("data", omit=["data_options", "extra_options"]))]
    uncertainty: Annotated[Given, arg(constructor=group_options("uncertainty"))]
    training: Annotated[Given, arg(constructor=group_options("training"))]
    augmentation: Annotated[Given, arg(constructor=group_options("augmentation"))]
    optimizer: Annotated[Given, arg(constructor=group_options("optimizer"))]
    evaluation: Annotated[Given, arg(constructor=group_options("evaluation"))]
    machine: Annotated[Given, arg(constructor=group_options("machine", omit=["imports"]))]
    option: Annotated[
        Repeated,
        arg(
            help="Option of the network as key=value in JSON, num_frames=27; see `skelgraph models NAME`.",
            metavar="KEY=VALUE",
            help_behavior_hint="(repeatable)",
        ),
    ] = ()
    data_option: DataOptions = ()
    extra_option: Annotated[
        Repeated,
        arg(
            help="What the files of --extra-motion do not say, as key=value in JSON: unit, up, joint_map.",
            metavar="KEY=VALUE",
            help_behavior_hint="(repeatable)",
        ),
    ] = ()
    config: Annotated[
        str | None,
        text_option("file"),
        arg(
            help="Settings to start from: YAML or JSON, or the config.json of a run.",
            help_behavior_hint="(default: none)",
        ),
    ] = None
    recipe: Annotated[
        str | None,
        text_option("name"),
        arg(
            help="Published result whose settings to start from; see `skelgraph recipes`.",
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
    resume_if_exists: Annotated[
        Flag,
        arg(
            help="Continue the run in --out if there is one, else start it: for commands that are given again by "
            "themselves, as by torchrun --max-restarts.",
            help_behavior_hint="",
        ),
    ] = False
    overwrite: Annotated[Flag, arg(help="Replace the run that is in the output folder.", help_behavior_hint="")] = False
    seeds: Annotated[
        str | None,
        text_option("numbers"),
        arg(
            help="Train with each of these seeds, 0,1,2, in OUT/seed-0 and so on; seeds.json has mean and deviation.",
            help_behavior_hint="(default: only --seed)",
        ),
    ] = None
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        if (self.resume or self.resume_if_exists) and self.overwrite:
            raise SkelgraphError("--resume continues a run and --overwrite replaces it: give one of them")
        if self.resume_if_exists and (self.resume or self.out is None):
            raise SkelgraphError("--resume-if-exists needs --out, the folder of the run, and no --resume")
        if self.resume and (self.config or self.recipe):
            raise SkelgraphError("--resume continues a run with its own settings: leave out --config and --recipe")
        if self.config and self.recipe:
            raise SkelgraphError("--config and --recipe both are settings to start from: give one of them")
        import_modules(self.imports)
        groups = (
            self.network,
            self.refinement,
            self.uncertainty,
            self.data,
            self.training,
            self.augmentation,
            self.optimizer,
            self.evaluation,
            self.machine,
        )
        given = values_of({name: value for group in groups for name, value in group.items()})
        if self.option:
            given["options"] = parse_options(self.option)
        if self.data_option:
            given["data_options"] = parse_options(self.data_option, "--data-option")
        if self.extra_option:
            given["extra_options"] = parse_options(self.extra_option, "--extra-option")
        if self.imports:
            given["imports"] = self.imports
        if self.out is not None:
            given["out"] = self.out
        from skelgraph import training

        seeds = None if self.seeds is None else value_of("seeds", self.seeds, tuple[int, ...])
        if self.resume:  # what is not given again is as it was
            if self.out is None:
                raise SkelgraphError("--resume needs --out, the folder of the run to continue")
            config, saved = training.saved_seeds(self.out) or (training.saved_config(self.out), None)
            config, seeds = config.replace(**given), saved if seeds is None else seeds
        elif self.recipe is not None:
            config = settings_of(self.recipe, given)
        else:
            if self.config is not None:
                config = training.read_config(self.config).replace(**given)
            elif (weights := given.pop("init_from", None)) is not None:
                config = training.started_from(weights, **given)
            else:
                config = TrainConfig("").replace(**given)
        if self.out is None and not config.out:
            config = config.replace(out=dated_folder(f"{config.network.model}-{config.data.dataset}"))
        resume: Any = "if-exists" if self.resume_if_exists else self.resume
        if seeds is None:
            print_on_first_process(training.train(config, resume=resume, overwrite=self.overwrite), config.out)
            return
        if "seed" in given:
            raise SkelgraphError("--seeds are the seeds of several runs, --seed is that of one: give one of them")
        summary = training.train_seeds(config, seeds, resume=resume, overwrite=self.overwrite)
        print_seeds_on_first_process(summary, config.out)
