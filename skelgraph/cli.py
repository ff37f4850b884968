"""The `skelgraph` command: train, evaluate, models, skeletons.

Everything heavy is imported inside the commands, so that `skelgraph --help` is quick.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import skelgraph
from skelgraph.errors import SkelgraphError
from skelgraph.text import plain, shown

if TYPE_CHECKING:
    from skelgraph.models import ModelInfo

app = typer.Typer(
    help="Learning on skeleton graphs: train and evaluate 2D-to-3D human pose networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _option(text: str, name: str, panel: str | None = None) -> Any:
    return typer.Option(*name.split(), help=text, rich_help_panel=panel)


def _data(text: str, name: str) -> Any:
    return _option(text, name, "Data")


def _training(text: str, name: str) -> Any:
    return _option(text, name, "Training")


def _machine(text: str, name: str) -> Any:
    return _option(text, name, "Machine")


# Options that train and evaluate share.
_KEYPOINTS = "2D keypoints of human36m: gt, cpn, hr or detectron."
_WITH_SIDES = "(Default: where the skeleton says what is left and right)"
_TEST_SUBJECTS = "Subjects to test on, S9,S11; else the dataset's own split."
Data3D = Annotated[str | None, _data("npz file of the 3D positions (human36m, mocap).", "--data-3d")]
Data2D = Annotated[str | None, _data("npz file of the 2D keypoints (human36m, mocap).", "--data-2d")]
Cameras = Annotated[str | None, _data("JSON file of the cameras (mocap).", "--cameras")]
Unchecked = Annotated[
    bool, _data("Do not ask whether the data are plausible (units, conventions, skeleton, subjects).", "--unchecked")
]
Device = Annotated[str, _machine("auto, cpu or cuda; auto takes a GPU if there is one.", "--device")]
Devices = Annotated[int, _machine("Number of processes (GPUs on cuda).", "--devices")]
Precision = Annotated[str, _machine("32 or bf16 (mixed).", "--precision")]
Progress = Annotated[bool, _machine("Show progress.", "--progress/--no-progress")]
Overwrite = Annotated[bool, _option("Replace the run that is in the output folder.", "--overwrite")]


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"skelgraph {skelgraph.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


@app.command()
def train(
    context: typer.Context,
    model: Annotated[str, _option("Network; see `skelgraph models`.", "--model")] = "sem_gcn",
    option: Annotated[
        list[str] | None,
        _option("Option of the network as key=value in JSON, num_frames=27; repeatable.", "--option"),
    ] = None,
    out: Annotated[
        Path | None, _option("Folder of the results. (Default: runs/<model>-<dataset>-<time>)", "--out")
    ] = None,
    resume: Annotated[
        bool, _option("Continue the run in --out from its last finished epoch, with its settings.", "--resume")
    ] = False,
    overwrite: Overwrite = False,
    dataset: Annotated[
        str, _data("synthetic (generated, needs no files), human36m or mocap.", "--dataset")
    ] = "synthetic",
    data_3d: Data3D = None,
    data_2d: Data2D = None,
    cameras: Cameras = None,
    keypoints: Annotated[str, _data(_KEYPOINTS, "--keypoints")] = "gt",
    skeleton: Annotated[
        str, _data("Joint layout, see `skelgraph skeletons`, or a JSON file of one (.json).", "--skeleton")
    ] = "h36m17",
    train_subjects: Annotated[
        str | None, _data("Subjects to train on, S1,S5; else the dataset's own split.", "--train-subjects")
    ] = None,
    test_subjects: Annotated[str | None, _data(_TEST_SUBJECTS, "--test-subjects")] = None,
    downsample: Annotated[int | None, _data("Train on every n-th frame.", "--downsample")] = None,
    test_downsample: Annotated[int | None, _data("Test on every n-th frame.", "--test-downsample")] = None,
    unchecked: Unchecked = False,
    max_epochs: Annotated[int, _training("Epochs to train.", "--max-epochs")] = 20,
    batch_size: Annotated[int, _training("Samples in a batch, over all processes.", "--batch-size")] = 128,
    lr: Annotated[float, _training("Learning rate of Adam, the highest of its schedule.", "--lr")] = 4e-3,
    schedule: Annotated[
        str, _training("onecycle (up, then down to nothing over the run) or exponential.", "--schedule")
    ] = "onecycle",
    lr_decay: Annotated[
        float, _training("Factor on the learning rate after every epoch (exponential).", "--lr-decay")
    ] = 0.95,
    weight_decay: Annotated[float, _training("Decoupled weight decay.", "--weight-decay")] = 0.0,
    clip_grad: Annotated[float, _training("Largest norm of the gradient; 0: no clipping.", "--clip-grad")] = 1.0,
    loss: Annotated[str, _training("mpjpe, mse, l1, smooth_l1 or aligned.", "--loss")] = "mpjpe",
    flip: Annotated[
        bool | None,
        _training(f"Train on mirrored poses too. {_WITH_SIDES}", "--flip/--no-flip"),
    ] = None,
    flip_test: Annotated[
        bool | None,
        _training(
            f"Average the answers to a test pose and its mirror image. {_WITH_SIDES}", "--flip-test/--no-flip-test"
        ),
    ] = None,
    seed: Annotated[int, _training("Seed of initialisation, order and dropout.", "--seed")] = 0,
    device: Device = "auto",
    devices: Devices = 1,
    precision: Precision = "32",
    progress: Progress = True,
) -> None:
    """Train a network, test its last epoch, and write metrics.json, report.html, animation.gif, checkpoints and logs.

    Without any option: SemGCN on the synthetic default data.
    """
    if resume and out is None:
        raise SkelgraphError("--resume needs --out, the folder of the run to continue")
    if resume and overwrite:
        raise SkelgraphError("--resume continues a run and --overwrite replaces it: give one of them")
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    from skelgraph import training
    from skelgraph.topology import read_skeleton

    settings: dict[str, Any] = {
        "out": str(out or f"runs/{model}-{dataset}-{datetime.now():%Y%m%d-%H%M%S}"),
        "model": model,
        "options": _parse_options(option or []),
        "dataset": dataset,
        "data_3d": data_3d,
        "data_2d": data_2d,
        "cameras": cameras,
        "keypoints": keypoints,
        "skeleton": read_skeleton(skeleton) if skeleton.endswith(".json") else skeleton,
        "train_subjects": _split(train_subjects),
        "test_subjects": _split(test_subjects),
        "downsample": downsample,
        "test_downsample": test_downsample,
        "max_epochs": max_epochs,
        "batch_size": batch_size,
        "lr": lr,
        "schedule": schedule,
        "lr_decay": lr_decay,
        "weight_decay": weight_decay,
        "clip_grad": clip_grad,
        "loss": loss,
        "flip": flip,
        "flip_test": flip_test,
        "seed": seed,
        "device": device,
        "devices": devices,
        "precision": precision,
        "progress": progress,
        "unchecked": unchecked,
    }
    if resume:  # what is not said again is as it was
        said = {name for name in settings if _is_said(context, "option" if name == "options" else name)}
        config = training.saved_config(settings["out"]).replace(**{name: settings[name] for name in said})
    else:
        config = training.TrainConfig(**settings)
    metrics = training.train(config, resume=resume, overwrite=overwrite)
    rank_zero_only(_print_results)(metrics, config.out)


@app.command()
def evaluate(
    checkpoint: Annotated[Path, _option("best.ckpt or last.ckpt of a run, or a safetensors file.", "--checkpoint")],
    out: Annotated[Path | None, _option("Folder of the results. (Default: runs/evaluate-<time>)", "--out")] = None,
    overwrite: Overwrite = False,
    dataset: Annotated[
        str | None, _data("synthetic, human36m or mocap. (Default: the dataset of the run.)", "--dataset")
    ] = None,
    data_3d: Data3D = None,
    data_2d: Data2D = None,
    cameras: Cameras = None,
    keypoints: Annotated[str | None, _data(_KEYPOINTS, "--keypoints")] = None,
    test_subjects: Annotated[str | None, _data(_TEST_SUBJECTS, "--test-subjects")] = None,
    downsample: Annotated[int | None, _data("Test on every n-th frame.", "--downsample")] = None,
    unchecked: Unchecked = False,
    flip_test: Annotated[
        bool | None, _option("Average the answers to a pose and its mirror image.", "--flip-test/--no-flip-test")
    ] = None,
    device: Device = "auto",
    devices: Devices = 1,
    precision: Precision = "32",
    progress: Progress = True,
) -> None:
    """Test a checkpoint, and write metrics.json, report.html and animation.gif.

    What is not given is as in the run that wrote the checkpoint; with --dataset the data are described anew. A
    safetensors file (of save_pretrained or convert-official) needs --dataset.
    """
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    from skelgraph import training

    changes: dict[str, Any] = {
        "dataset": dataset,
        "data_3d": data_3d,
        "data_2d": data_2d,
        "cameras": cameras,
        "keypoints": keypoints,
        "test_subjects": _split(test_subjects),
        "test_downsample": downsample,
    }
    if dataset is None:
        changes = {key: value for key, value in changes.items() if value is not None}
    else:
        changes["keypoints"] = keypoints or "gt"
    if unchecked or dataset is not None:
        changes["unchecked"] = unchecked
    if flip_test is not None:
        changes["flip_test"] = flip_test
    out = out or Path(f"runs/evaluate-{datetime.now():%Y%m%d-%H%M%S}")
    machine = {"device": device, "devices": devices, "precision": precision, "progress": progress}
    metrics = training.evaluate(checkpoint, out, overwrite=overwrite, **changes, **machine)
    rank_zero_only(_print_results)(metrics, str(out))


@app.command("convert-official")
def convert_official(
    model: Annotated[str, _option("Network; see `skelgraph models`.", "--model")],
    checkpoint: Annotated[Path, _option("Checkpoint file of the authors' code.", "--checkpoint")],
    out: Annotated[Path, _option("File to write, model.safetensors.", "--out")],
    skeleton: Annotated[
        str | None, _option("Joint layout of the weights. (Default: that of the released code.)", "--skeleton")
    ] = None,
    option: Annotated[
        list[str] | None,
        _option("Option of the network that weights cannot tell, key=value, value in JSON; repeatable.", "--option"),
    ] = None,
    overwrite: Annotated[bool, _option("Replace the file that is there.", "--overwrite")] = False,
) -> None:
    """Convert a checkpoint of the authors' code to a safetensors file with the model's configuration inside."""
    from skelgraph.models import load_official, model_info
    from skelgraph.models.pretrained import save_weights

    if out.exists() and not overwrite:
        raise SkelgraphError(f"{plain(str(out), 500)} exists already: replace it (--overwrite) or choose another name")
    model_info(model)  # an unknown name is an error before anything is read
    converted = load_official(model, checkpoint, skeleton, **_parse_options(option or []))
    save_weights(converted, out)
    typer.echo(plain(f"{out}: {model} on {converted.config['skeleton']}, {converted.config['options']}", 1000))


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="A network, to list its options.", show_default=False)] = None,
) -> None:
    """List the networks: parameters at the published width, published errors on Human3.6M, paper; with NAME: the
    options of one network, what each may be, and what it means."""
    if name is not None:
        _print_model(name)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from skelgraph.models import create_model, list_models, model_info

    table = Table(title="Networks", caption="Published MPJPE / P-MPJPE on Human3.6M, by source of the 2D keypoints")
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("parameters", justify="right")
    table.add_column("skeleton", no_wrap=True)
    table.add_column("published (mm)")
    table.add_column("paper")
    for name in list_models():
        info = model_info(name)
        parameters = sum(p.numel() for p in create_model(name, info.published_skeleton).parameters())
        paper = Text(info.paper, style=f"link {info.url}")
        table.add_row(name, f"{parameters:,}", info.published_skeleton, "\n".join(_published(info)), paper)
    Console().print(table)


def _published(info: ModelInfo) -> list[str]:
    return [
        f"{setting}: {' / '.join('-' if error is None else f'{error:.2f}' for error in errors)}"
        for setting, errors in info.published.items()
    ]


def _print_model(name: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from skelgraph.models import model_info
    from skelgraph.options import describe, meanings, option_types

    info = model_info(name)
    hints, said = option_types(info.cls), meanings(info.cls)
    table = Table(title=f"Options of {name}", caption="--option key=value; values are JSON", title_justify="left")
    table.add_column("option", style="bold", no_wrap=True)
    table.add_column("default")
    table.add_column("may be")
    table.add_column("meaning")
    for option, default in info.options.items():
        allowed = describe(hints[option]) if option in hints else ""
        table.add_row(*map(Text, (option, _as_json(default), allowed, said.get(option, ""))))
    console = Console()
    console.print(Text(f"{name}: {info.paper}\n{info.url}", style="bold"), soft_wrap=True)
    console.print(Text(f"Published on {info.published_skeleton}, MPJPE / P-MPJPE in mm: {'; '.join(_published(info))}"))
    console.print(table)


def _as_json(default: Any) -> str:
    """A default as it is written behind ``--option key=``; what JSON cannot say, as Python writes it."""
    try:
        return json.dumps(default)
    except TypeError:
        return shown(default)


@app.command()
def skeletons() -> None:
    """List the named skeletons: joints, bones, symmetric pairs, body parts."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from skelgraph.topology import as_skeleton, list_skeletons

    table = Table(title="Skeletons")
    table.add_column("name", style="bold", no_wrap=True)
    for column in ("joints", "bones", "symmetric pairs"):
        table.add_column(column, justify="right")
    table.add_column("parts")
    for name in list_skeletons():
        layout = as_skeleton(name)
        counts = (layout.num_joints, len(layout.edges), len(layout.symmetric_pairs))
        table.add_row(Text(plain(name)), *map(str, counts), Text(", ".join(map(plain, layout.parts))))
    Console().print(table)


def _is_said(context: typer.Context, parameter: str) -> bool:
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


_SPELLINGS = {"True": "true", "False": "false", "None": "null"}


def _parse_options(items: list[str]) -> dict[str, Any]:
    """Read ``key=value`` pairs; a value that is not JSON is a string, unless it is a constant in Python's spelling."""
    options: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not (key and equals):
            raise SkelgraphError(f"--option is {shown(item)}, expected key=value")
        if value in _SPELLINGS:
            raise SkelgraphError(f"--option is {shown(item)}; values are JSON: did you mean {key}={_SPELLINGS[value]}?")
        try:
            options[key] = json.loads(value)
        except (ValueError, RecursionError):
            options[key] = value
    return options


def _split(names: str | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(name.strip() for name in names.split(","))


def _print_results(metrics: dict[str, Any], out: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from skelgraph.training.report import beats_mean_pose

    title = f"{plain(metrics['model'])} on {plain(metrics['dataset']['name'])}: error per action (mm)"
    table = Table(title=Text(title))
    for column in ("action", "frames", "MPJPE", "P-MPJPE"):
        table.add_column(column, justify="left" if column == "action" else "right")
    for action, row in metrics["per_action"].items():
        errors = (f"{row['mpjpe_mm']:.1f}", f"{row['p_mpjpe_mm']:.1f}")
        table.add_row(Text(plain(action)), f"{row['frames']:,}", *errors)
    table.add_section()
    table.add_row("mean over actions", "", f"{metrics['mpjpe_mm']:.1f}", f"{metrics['p_mpjpe_mm']:.1f}", style="bold")
    table.add_row("always the mean pose", "", f"{metrics['mean_pose_mpjpe_mm']:.1f}", "")
    console = Console()
    console.print(table)
    if metrics["dataset"]["is_synthetic"]:
        console.print("Synthetic data: comparable to no published result.")
    if not beats_mean_pose(metrics):
        worse = "Worse than no network: always answering the mean training pose has a lower error."
        console.print(worse, style="bold", soft_wrap=True)
    console.print(Text(f"Report: {plain(str(out), 1000)}/report.html"), soft_wrap=True, highlight=False)
