"""`skelgraph models` and `skelgraph skeletons`: what there is."""

import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from skelgraph.cli.options import Imports, import_modules, text_option, values_of
from skelgraph.cli.output import answer, console, named
from skelgraph.text import plain, shown

if TYPE_CHECKING:
    from skelgraph.models import ModelInfo
    from skelgraph.topology import Skeleton


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
            answer(_models(), _print_models)
        else:
            answer(_model(self.name), _print_model)


@dataclass
class Skeletons:
    """List the named skeletons: joints, bones, symmetric pairs, body parts. With NAME: the joints of one, the parent
    of each and its counterpart on the other side."""

    name: Annotated[
        str | None,
        text_option("name"),
        Positional,
        arg(help="A skeleton, or a JSON file of one, to list its joints.", help_behavior_hint=""),
    ] = None
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        if self.name is None:
            answer({"skeletons": _skeletons()}, _print_skeletons)
        else:
            answer(_skeleton(self.name), _print_skeleton)


def _models() -> dict[str, Any]:
    from skelgraph.models import create_model, list_models, model_info, shipped_weights

    networks = [model_info(name) for name in list_models()]
    parameters = [create_model(info.name, info.published_skeleton).parameters() for info in networks]
    return {
        "networks": [
            {**_published(info), "parameters": sum(p.numel() for p in tensors)}
            for info, tensors in zip(networks, parameters, strict=True)
        ],
        "weights": [
            {
                "name": name,
                "network": one.model,
                "skeleton": one.skeleton,
                "frames": one.frames,
                "bytes": one.path.stat().st_size if one.path.exists() else None,
            }
            for name, one in shipped_weights().items()
        ],
        "measured": _measured(list_models()),
    }


def _published(info: "ModelInfo") -> dict[str, Any]:
    """A network and its publication; the errors are (MPJPE, P-MPJPE) in mm by the source of the keypoints."""
    from skelgraph.topology import as_skeleton

    return {
        "name": info.name,
        "paper": info.paper,
        "url": info.url,
        "skeleton": as_skeleton(info.published_skeleton).name,
        "published_mm": dict(info.published),
        "published_seconds": info.published_seconds,
    }


def _measured(names: Collection[str]) -> list[dict[str, Any]]:
    """What this project measured of some networks, with the commands."""
    from skelgraph.models.measured import read_measured

    return [dataclasses.asdict(row) for row in read_measured() if row.model in names]


def _print_models(facts: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Networks", caption="Published MPJPE / P-MPJPE on Human3.6M, by source of the 2D keypoints")
    networks = facts["networks"]
    named(table, "name", [one["name"] for one in networks], style="bold")
    table.add_column("parameters", justify="right", overflow="fold")
    named(table, "skeleton", [plain(one["skeleton"] or "") for one in networks])
    table.add_column("published (mm)", overflow="fold")
    table.add_column("seconds", justify="right", overflow="fold")
    table.add_column("paper", overflow="fold")
    for one in networks:
        paper = Text(one["paper"], style=f"link {one['url']}" if one["url"] else "")
        seconds = "" if one["published_seconds"] is None else f"{one['published_seconds']:g}"
        errors = "\n".join(_errors(one))
        table.add_row(one["name"], f"{one['parameters']:,}", Text(plain(one["skeleton"] or "")), errors, seconds, paper)
    console().print(table)
    _print_shipped(facts["weights"])
    _print_measured(facts["measured"])


def _print_shipped(weights: list[dict[str, Any]]) -> None:
    """The weights of the package."""
    from rich.table import Table

    table = Table(title="Weights that come with skelgraph", caption="--weights NAME takes them")
    for column in ("name", "network", "skeleton", "frames", "megabytes"):
        table.add_column(column, justify="right" if column in ("frames", "megabytes") else "left", overflow="fold")
    for one in weights:
        size = "missing" if one["bytes"] is None else f"{one['bytes'] / 1e6:.1f}"
        table.add_row(one["name"], one["network"], one["skeleton"], str(one["frames"]), size)
    console().print(table)


def _print_measured(rows: list[dict[str, Any]]) -> None:
    """What this project measured of some networks, with the commands."""
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(title="Measured by this project", caption="MPJPE / P-MPJPE in mm; the commands stand below")
    named(table, "network", [row["model"] for row in rows])
    for column in ("weights", "tested", "over actions", "over frames"):
        table.add_column(column, justify="right" if column.startswith("over") else "left", overflow="fold")
    for row in rows:
        flips = "with flips" if row["flip_test"] else "without flips"
        tested = f"{row['answer']}, {row['data']}, {row['frames']:,} frames, {flips}, root: {row['root']}"
        means = (f"{row[f'mpjpe{over}_mm']:.2f} / {row[f'p_mpjpe{over}_mm']:.2f}" for over in ("", "_frames"))
        table.add_row(*(Text(plain(text, 200)) for text in (row["model"], row["weights"], tested, *means)))
    screen = console()
    screen.print(table)
    for command in dict.fromkeys(row["command"] for row in rows):
        screen.print(Text(plain(command, 1000)), soft_wrap=True)


def _errors(network: dict[str, Any]) -> list[str]:
    return [
        f"{setting}: {' / '.join('-' if error is None else f'{error:.2f}' for error in errors)}"
        for setting, errors in network["published_mm"].items()
    ]


def _model(name: str) -> dict[str, Any]:
    from skelgraph.models import model_info
    from skelgraph.options import describe, meanings, option_types

    info = model_info(name)
    hints, meaning = option_types(info.cls), meanings(info.cls)
    options = [
        {
            "option": option,
            "default": _plain_value(default),
            "may_be": describe(hints[option]) if option in hints else "",
            "meaning": meaning.get(option, ""),
        }
        for option, default in info.options.items()
    ]
    return {**_published(info), "options": options, "measured": _measured([name])}


def _print_model(facts: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    name = facts["name"]
    table = Table(title=f"Options of {name}", caption="--option key=value; values are JSON", title_justify="left")
    named(table, "option", [one["option"] for one in facts["options"]], style="bold")
    for column in ("default", "may be", "meaning"):
        table.add_column(column, overflow="fold")
    for one in facts["options"]:
        table.add_row(*map(Text, (one["option"], json.dumps(one["default"]), one["may_be"], one["meaning"])))
    screen = console()
    paper = "\n".join(filter(None, (facts["paper"], facts["url"])))
    screen.print(Text(f"{name}: {paper}" if paper else name, style="bold"), soft_wrap=True)
    errors = "; ".join(_errors(facts))
    on = f"Published on {facts['skeleton']}, MPJPE / P-MPJPE in mm: {errors}" if errors else f"On {facts['skeleton']}"
    screen.print(Text(on))
    screen.print(table)
    _print_measured(facts["measured"])


def _plain_value(default: Any) -> Any:
    """A default that JSON can say; another one as Python writes it."""
    try:
        json.dumps(default)
    except TypeError:
        return shown(default)
    return default


def _skeletons() -> list[dict[str, Any]]:
    from skelgraph.topology import as_skeleton, list_skeletons

    return [_facts(name, as_skeleton(name)) for name in list_skeletons()]


def _facts(name: str, layout: "Skeleton") -> dict[str, Any]:
    return {
        "name": name,
        "joints": list(layout.joint_names),
        "bones": [list(bone) for bone in layout.edges],
        "symmetric_pairs": [list(pair) for pair in layout.symmetric_pairs],
        "parts": {part: list(members) for part, members in layout.parts.items()},
    }


def _skeleton(name: str) -> dict[str, Any]:
    from skelgraph.topology import as_skeleton

    layout = as_skeleton(values_of({"skeleton": name})["skeleton"])
    return {**_facts(name, layout), "parents": list(layout.parents)}


def _print_skeleton(facts: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    joints = [plain(joint) for joint in facts["joints"]]
    mirrored = dict(pair for a, b in facts["symmetric_pairs"] for pair in ((a, b), (b, a)))
    part_of = {joint: part for part, members in facts["parts"].items() for joint in members}
    table = Table(title=f"Joints of {plain(facts['name'])}", title_justify="left")
    table.add_column("id", justify="right")
    for column in ("joint", "parent", "on the other side", "part"):
        table.add_column(column, style="bold" if column == "joint" else "")
    for joint, parent in enumerate(facts["parents"]):
        other = joints[mirrored[joint]] if joint in mirrored else ""
        above = "" if parent < 0 else joints[parent]
        table.add_row(str(joint), *map(Text, (joints[joint], above, other, plain(part_of.get(joint, "")))))
    console().print(table)


def _print_skeletons(facts: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Skeletons")
    named(table, "name", [plain(one["name"]) for one in facts["skeletons"]], style="bold")
    for column in ("joints", "bones", "symmetric pairs"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("parts", overflow="fold")
    for one in facts["skeletons"]:
        counts = (str(len(one[rows])) for rows in ("joints", "bones", "symmetric_pairs"))
        table.add_row(Text(plain(one["name"])), *counts, Text(", ".join(map(plain, one["parts"]))))
    console().print(table)
