"""`skelgraph models` and `skelgraph skeletons`: what there is."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from skelgraph.cli.options import Imports, import_modules, text_option
from skelgraph.text import plain, shown

if TYPE_CHECKING:
    from skelgraph.models import ModelInfo


@dataclass
class Models:
    """List the networks: parameters at the published width, published errors on Human3.6M and seconds of an inference,
    paper; the weights that come with skelgraph; and what this project measured itself. With NAME: the options of one
    network, what each may be, and what it means."""

    name: Annotated[
        str | None, text_option("name"), Positional, arg(help="A network, to list its options.", help_behavior_hint="")
    ] = None
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        if self.name is None:
            _print_models()
        else:
            _print_model(self.name)


@dataclass
class Skeletons:
    """List the named skeletons: joints, bones, symmetric pairs, body parts."""

    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        _print_skeletons()


def _print_models() -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from skelgraph.models import create_model, list_models, model_info

    table = Table(title="Networks", caption="Published MPJPE / P-MPJPE on Human3.6M, by source of the 2D keypoints")
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("parameters", justify="right")
    table.add_column("skeleton", no_wrap=True)
    table.add_column("published (mm)")
    table.add_column("seconds", justify="right")
    table.add_column("paper")
    for name in list_models():
        info = model_info(name)
        parameters = sum(p.numel() for p in create_model(name, info.published_skeleton).parameters())
        paper = Text(info.paper, style=f"link {info.url}")
        seconds = "" if info.published_seconds is None else f"{info.published_seconds:g}"
        table.add_row(name, f"{parameters:,}", info.published_skeleton, "\n".join(_published(info)), seconds, paper)
    Console().print(table)
    _print_shipped()
    _print_measured(list_models())


def _print_shipped() -> None:
    """The weights of the package."""
    from rich.console import Console
    from rich.table import Table

    from skelgraph.models import shipped_weights

    table = Table(title="Weights that come with skelgraph", caption="--weights NAME takes them")
    for column in ("name", "network", "skeleton", "frames", "megabytes"):
        table.add_column(column, justify="right" if column in ("frames", "megabytes") else "left")
    for name, one in shipped_weights().items():
        size = f"{one.path.stat().st_size / 1e6:.1f}" if one.path.exists() else "missing"
        table.add_row(name, one.model, one.skeleton, str(one.frames), size)
    Console().print(table)


def _print_measured(names: Collection[str]) -> None:
    """What this project measured of some networks, with the commands."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from skelgraph.models.measured import read_measured

    if not (rows := [row for row in read_measured() if row.model in names]):
        return
    table = Table(title="Measured by this project", caption="MPJPE / P-MPJPE in mm; the commands stand below")
    for column in ("network", "answer", "weights", "data", "frames", "flips", "root", "over actions", "over frames"):
        table.add_column(column, justify="right" if column.startswith(("frames", "over")) else "left")
    for row in rows:
        texts = map(plain, (row.model, row.answer, row.weights, row.data))
        means = (
            f"{row.mpjpe_mm:.2f} / {row.p_mpjpe_mm:.2f}",
            f"{row.mpjpe_frames_mm:.2f} / {row.p_mpjpe_frames_mm:.2f}",
        )
        cells = (f"{row.frames:,}", "mean" if row.flip_test else "none", plain(row.root), *means)
        table.add_row(*map(Text, (*texts, *cells)))
    console = Console()
    console.print(table)
    for command in dict.fromkeys(row.command for row in rows):
        console.print(Text(plain(command, 1000)), soft_wrap=True)


def _published(info: "ModelInfo") -> list[str]:
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
    hints, meaning = option_types(info.cls), meanings(info.cls)
    table = Table(title=f"Options of {name}", caption="--option key=value; values are JSON", title_justify="left")
    table.add_column("option", style="bold", no_wrap=True)
    table.add_column("default")
    table.add_column("may be")
    table.add_column("meaning")
    for option, default in info.options.items():
        allowed = describe(hints[option]) if option in hints else ""
        table.add_row(*map(Text, (option, _as_json(default), allowed, meaning.get(option, ""))))
    console = Console()
    console.print(Text(f"{name}: {info.paper}\n{info.url}", style="bold"), soft_wrap=True)
    console.print(Text(f"Published on {info.published_skeleton}, MPJPE / P-MPJPE in mm: {'; '.join(_published(info))}"))
    console.print(table)
    _print_measured([name])


def _as_json(default: Any) -> str:
    """A default as it is written behind ``--option key=``; what JSON cannot say, as Python writes it."""
    try:
        return json.dumps(default)
    except TypeError:
        return shown(default)


def _print_skeletons() -> None:
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
