"""The pages of the site that come from the library itself: a page for every layer and every network, and tables of
recipes, skeletons, data sets and functions.

Nothing on them is written by hand: equations and shapes are those of the docstrings, diagrams are read off the layers,
parameters are counted, errors and times come from the files that commands of this project have written.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

import skelgraph.nn as layers
from skelgraph import create_model, list_models
from skelgraph.datasets import DATASETS
from skelgraph.models.measured import read_measured
from skelgraph.models.registry import ModelInfo, model_info
from skelgraph.recipes import Recipe, list_recipes, read_recipe
from skelgraph.topology import JointHypergraph, Skeleton, as_skeleton, list_skeletons
from skelgraph.viz.figures import png
from skelgraph.viz.messages import joint_influence, plot_messages

BODY = "h36m17"
CHANNELS = 64
RECEIVER = "left_elbow"
"""The joint whose messages are drawn."""
DOCS = Path(__file__).parents[1]

GROUPS: dict[str, tuple[str, ...]] = {
    "Graph convolutions": (
        "SemGraphConv", "SemCHGraphConv", "HighOrderGraphConv", "ImplicitFairingConv", "ModulatedGraphConv",
        "RegularSplittingConv", "WeightedJacobiConv", "WeightSharingConv", "ChebyshevGraphConv", "ConditionalGraphConv",
        "PartitionedGraphConv", "SkeletonConv",
    ),
    "Hyperedge layers": (
        "HyperedgeConv", "HyperedgeAttentionConv", "UniConv", "UniGCNIIConv", "AllSetConv", "HNHNConv",
        "NodeEdgeHyperedgeConv", "EdgeVertexConv", "LearnedOperatorConv", "HyperConv",
    ),
    "Hyperedges that are learned": (
        "SemiDynamicHyperedges", "AssignedHyperedges", "KNNHyperedges", "TopKAttentionHyperedges", "Memberships",
        "RelationAttention",
    ),
    "Learned adjacency": ("SoftmaxAdjacency", "ModulatedAdjacency", "ConditionalAdjacency"),
    "Blocks and mixers": (
        "GraphConvBlock", "ResidualGraphBlock", "GroupedNonLocal", "EmbeddedGaussianNonLocal", "GraphMLPBlock",
        "MLPGraphBlock", "FeedForward", "DropPath", "Dropout",
    ),
    "Beside the network": ("PostRefine", "ExpectedError", "PoseLoss", "TubeSkin"),
}  # fmt: skip
"""The pages of layers, in the order of the site. A test holds this to what ``skelgraph.nn`` exports."""
NO_PAGE = {"ConvFactory": "a type", "JointBatchNorm": "part of GraphConvBlock"}

BASES = {
    "SkeletonConv": ("reset_parameters",),
    "HyperConv": ("forward", "two_stages", "factors", "fix_stages", "stages", "reset_parameters"),
}
"""What other layers are made of, with the methods that they write or call; they send nothing themselves."""
MADE: dict[str, Callable[[], nn.Module]] = {
    "UniGCNIIConv": lambda: layers.UniGCNIIConv(CHANNELS, JointHypergraph.from_skeleton(BODY)),
    "GraphConvBlock": lambda: layers.GraphConvBlock(layers.SemGraphConv(CHANNELS, CHANNELS, BODY), 0.0),
    "ResidualGraphBlock": lambda: layers.ResidualGraphBlock(layers.SemGraphConv, CHANNELS, as_skeleton(BODY), 0.0),
    "GroupedNonLocal": lambda: layers.GroupedNonLocal(CHANNELS, BODY),
    "EmbeddedGaussianNonLocal": lambda: layers.EmbeddedGaussianNonLocal(CHANNELS),
    "GraphMLPBlock": lambda: layers.GraphMLPBlock(CHANNELS, BODY, CHANNELS, CHANNELS),
    "MLPGraphBlock": lambda: layers.MLPGraphBlock(CHANNELS, BODY, CHANNELS),
    "NodeEdgeHyperedgeConv": lambda: layers.NodeEdgeHyperedgeConv(
        CHANNELS, JointHypergraph.from_skeleton(BODY), heads=4
    ),
    "FeedForward": lambda: layers.FeedForward(CHANNELS, CHANNELS),
    "DropPath": lambda: layers.DropPath(0.1),
    "Dropout": lambda: layers.Dropout(0.1),
}
"""How the layers are made whose arguments are not ``(in_channels, out_channels, skeleton or hypergraph)``."""


API: dict[str, tuple[str, ...]] = {
    "topology": (),
    "ops": (),
    "geometry": (),
    "models": (),
    "datasets": (),
    "metrics": (),
    "training": (),
    "recipes": (),
    "detection": (),
    "lifting": (),
    "viz": ("animation", "drawing", "figures", "messages", "viewer"),
    "testing": (),
}
"""The packages that have a page, and the modules that are used by their names where the package exports nothing."""
PROJECT = ("changelog", "contributing", "security")
"""The files of the top of the repository that are pages, too."""

OTHERS: dict[str, tuple[str, ...]] = {
    "NodeEdgeHyperedgeConv": ("bones", "hyperedges"),
    "EdgeVertexConv": ("bones",),
    "MLPGraphBlock": ("joints",),
    "ImplicitFairingConv": ("joints",),
}
"""What layers take beside the joints: for the diagrams it is 0."""


def write(folder: Path) -> None:
    """Write all pages below a folder, and remove those of layers that are gone."""
    made: dict[Path, bytes] = {}
    for pages in (layer_pages(), model_pages(), table_pages(), api_pages(), project_pages()):
        made |= {folder / name: content.encode() if isinstance(content, str) else content for name, content in pages}
    for path in folder.rglob("*.*"):
        if path not in made:
            path.unlink()
    for path, content in made.items():
        if not path.exists() or path.read_bytes() != content:  # what is the same is not built again
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def example(name: str) -> nn.Module | None:
    """A layer with 64 channels on the body; ``None`` of one that is no map from joints to joints."""
    torch.manual_seed(0)
    if name in MADE:
        return MADE[name]()
    cls = getattr(layers, name)
    if name in BASES or not issubclass(cls, nn.Module):
        return None
    on = list(inspect.signature(cls).parameters)[2:3]
    if on == ["skeleton"]:
        return cls(CHANNELS, CHANNELS, BODY)
    return cls(CHANNELS, CHANNELS, JointHypergraph.from_skeleton(BODY)) if on == ["hypergraph"] else None


def diagram(name: str, layer: nn.Module) -> bytes:
    """Who sends to whom."""

    skeleton = as_skeleton(BODY)
    rows = {
        "joints": skeleton.num_joints,
        "bones": len(skeleton.edges),
        "hyperedges": JointHypergraph.from_skeleton(BODY).num_hyperedges,
    }

    def answer(x: torch.Tensor) -> torch.Tensor:
        others = [x.new_zeros(len(x), rows[kind], CHANNELS) for kind in OTHERS.get(name, ())]
        y = layer.eval()(x, *others)
        return y[0] if isinstance(y, tuple) else y

    return picture(name, joint_influence(answer, skeleton.num_joints, CHANNELS), skeleton)


def network_diagram(name: str) -> bytes:
    """Which keypoints reach a joint of the answer of a network, with its published options."""
    torch.manual_seed(0)
    network = create_model(name, model_info(name).published_skeleton).eval()
    skeleton, frames = network.skeleton, network.num_frames

    def answer(x: torch.Tensor) -> torch.Tensor:
        return network(x[:, None].expand(-1, frames, -1, -1))

    return picture(name, joint_influence(answer, skeleton.num_joints, network.in_channels, samples=4), skeleton)


def picture(name: str, influence: torch.Tensor, skeleton: Skeleton) -> bytes:
    """The picture of who sends to whom."""
    from matplotlib import pyplot as plt

    axes = plot_messages(influence, skeleton, skeleton.joint_names.index(RECEIVER))
    axes[0].set_title(f"{name}: what reaches {RECEIVER.replace('_', ' ')}", fontsize=9)
    figure = axes[0].figure
    content = png(figure, dpi=100)
    plt.close(figure)
    return content


def layer_pages() -> Iterable[tuple[str, str | bytes]]:
    """The index of layers and their pages."""
    used = networks_of_layers()
    times = layer_times()
    index = ["# Layers", "One page for each: its equation, who sends to whom, shapes, parameters, times.", ""]
    for group, names in GROUPS.items():
        index += [f"## {group}", "", "| layer | in one sentence |", "| --- | --- |"]
        index += [f"| [{name}]({name}.md) | {first_sentence(getattr(layers, name))} |" for name in names]
        index += ["", "```{toctree}", ":hidden:", "", *names, "```", ""]
        for name in names:
            yield from layer_page(name, used.get(name, []), times.get(name, ""))
    functions = [name for name in layers.__all__ if inspect.isroutine(getattr(layers, name))]
    index += ["## Functions", "", "[All of them](functions.md): losses, masks, operators.", ""]
    index += ["```{toctree}", ":hidden:", "", "functions", "```", ""]
    yield "layers/index.md", "\n".join(index)
    yield (
        "layers/functions.md",
        "\n".join(["# Functions of skelgraph.nn", "", *map(auto("function", "skelgraph.nn"), functions)]),
    )


def layer_page(name: str, used: Sequence[str], times: str) -> Iterable[tuple[str, str | bytes]]:
    """The page of a layer, and its diagram."""
    methods = BASES.get(name, ("forward",) if hasattr(getattr(layers, name), "forward") else ())
    members = f":members: {', '.join(methods)}" if methods else ""
    text = [f"# {name}", "", auto("class", "skelgraph.nn", members)(name)]
    layer = example(name)
    drawn = None if layer is None else diagram(name, layer)
    if layer is not None:
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        text += [f"**Parameters:** {parameters:,}, from {CHANNELS} to {CHANNELS} channels on `{BODY}`.", ""]
    if drawn is not None:
        yield f"layers/{name}.png", drawn
        text += [
            "## Who sends to whom", "",
            f"![Messages of {name} on {BODY}]({name}.png)", "",
            "Read off the derivatives of the layer as it is initialised: a joint has an arrow, and a field its colour, "
            "where the answer at one joint changes with the input at the other; darker is more.", "",
        ]  # fmt: skip
    if times:
        text += ["## Times", "", times, ""]
    if used:
        links = ", ".join(f"[{network}](../models/{network}.md)" for network in used)
        text += ["## Networks built from it", "", links + ".", ""]
    yield f"layers/{name}.md", "\n".join(text)


def networks_of_layers() -> dict[str, list[str]]:
    """Which networks have a layer in them, with their default options."""
    used: dict[str, list[str]] = {}
    for network in list_models():
        for name in layers_of(network):
            used.setdefault(name, []).append(network)
    return used


def layers_of(network: str) -> list[str]:
    """The layers of this library in a network, with its default options."""
    parts = map(type, on_meta(network).modules())
    found = {part.__name__ for part in parts if part.__module__.startswith("skelgraph.nn")}
    return [name for names in GROUPS.values() for name in names if name in found]


@functools.cache
def on_meta(network: str) -> nn.Module:
    """A network with its default options on the skeleton that it is published on, without numbers."""
    with torch.device("meta"):
        return create_model(network, model_info(network).published_skeleton)


def parameters(network: str) -> int:
    """How many parameters a network has as it was published."""
    return sum(parameter.numel() for parameter in on_meta(network).parameters())


@functools.cache
def all_recipes() -> dict[str, Recipe]:
    """All recipes by their names."""
    return {name: read_recipe(name) for name in list_recipes()}


def model_pages() -> Iterable[tuple[str, str | bytes]]:
    """The index of networks and their pages."""
    recipes = all_recipes()
    header = ["network", "paper", "parameters", "published MPJPE / P-MPJPE (mm)"]
    rows, names = [], list_models()
    for name in names:
        info = model_info(name)
        rows.append([f"[{name}]({name}.md)", info.paper, f"{parameters(name):,}", published(info)])
        own = {n: r for n, r in recipes.items() if r.config.network.model == name}
        yield f"models/{name}.png", network_diagram(name)
        yield f"models/{name}.md", model_page(info, own)
    text = [
        "# Networks",
        "",
        "Published 2D-to-3D networks, made of the layers; parameters with published options on the published skeleton.",
        "",
    ]
    yield (
        "models/index.md",
        "\n".join([*text, table(header, rows), "", "```{toctree}", ":hidden:", "", *names, "```", ""]),
    )


def model_page(info: ModelInfo, recipes: Mapping[str, Recipe]) -> str:
    """The page of a network."""
    paper = f"[{info.paper}]({info.url})" if info.url else info.paper
    text = [
        f"# {info.name}", "", f"{paper}.", "",
        f"**Parameters:** {parameters(info.name):,} on `{info.published_skeleton}`.", "", *called(info),
        auto("class", info.cls.__module__, ":members: forward")(info.cls.__name__ + signature(info)),
    ]  # fmt: skip
    made_of = layers_of(info.name)
    if made_of:
        text += ["## Made of", "", ", ".join(f"[{name}](../layers/{name}.md)" for name in made_of) + ".", ""]
    text += [
        "## Who sends to whom", "",
        f"![Keypoints that reach a joint of {info.name}]({info.name}.png)", "",
        "Read off the derivatives of the whole network as it is initialised, in evaluation mode: how much the answer "
        "at one joint changes with the keypoint of another; darker is more.", "",
    ]  # fmt: skip
    text += ["## Published numbers", "", "MPJPE / P-MPJPE on Human3.6M in mm: " + published(info) + ".", ""]
    if recipes:
        text += [
            "Recipes: `skelgraph reproduce NAME --data-root DIR` trains and tests them.",
            "",
            recipe_table(recipes),
            "",
        ]
    own = [row for row in read_measured() if row.model == info.name]
    if own:
        rows = [
            [
                row.weights,
                row.answer,
                row.data,
                "yes" if row.flip_test else "no",
                f"{row.mpjpe_mm:.2f} / {row.p_mpjpe_mm:.2f}",
            ]
            for row in own
        ]
        text += [
            "## Measured here",
            "",
            table(["weights", "answer", "data", "flips", "MPJPE / P-MPJPE (mm)"], rows),
            "",
        ]
        text += ["```bash", *dict.fromkeys(row.command for row in own), "```", ""]
    if runs := open_runs(info.name):
        text += ["## On open motion", "", open_motion(runs), ""]
    times = model_times(info.name)
    if times:
        text += ["## Times", "", times, ""]
    return "\n".join(text)


def called(info: ModelInfo) -> list[str]:
    """How a network is made, and how it is given keypoints in pixels."""
    with torch.device("meta"):
        built = create_model(info.name)
    skeleton, published = built.skeleton, info.published_skeleton
    layout = f'`create_model("{info.name}")` builds it on `{skeleton.name}`, {skeleton.num_joints} joints'
    if published != skeleton.name:
        layout += f'; it was published on `{published}`: `create_model("{info.name}", "{published}")`'
    shape = ", ".join(["B", *map(str, built.input_shape[:-2]), "J", "2"])
    return [
        f"{layout}. It takes keypoints on the normalised screen, not pixels:", "",
        "```python",
        f"keypoints = skelgraph.geometry.normalize_screen(pixels, width, height)  # ({shape}), float32",
        "poses = model.eval()(keypoints)  # (B, J, 3), metres relative to the root: x right, y down, z forward",
        "```", "",
    ]  # fmt: skip


def open_runs(network: str) -> list[dict[str, Any]]:
    """What `make study` measured of a network, a run for each seed."""
    runs = measured("open_results").get("runs", {}).values()
    return [run for run in runs if run["part"] == "networks" and run["name"] == network]


def open_motion(runs: Sequence[Mapping[str, Any]]) -> str:
    """The errors of the runs of a network on open motion."""
    names = list(runs[0]["sets"])
    rows = [
        [str(run["seed"]), f"{run['steps']:,}", f"{run['parameters']:,}"]
        + [pair(errors, "mpjpe_mm") for errors in (*run["sets"].values(), run["clip"])]
        for run in runs
    ]
    budget = measured("open_results")["settings"]["budget"]
    text = (
        f"Trained from nothing for {budget:g} s of one processor core, as all networks in "
        "[open_results.md](../../open_results.md), which says what the sets are; MPJPE / P-MPJPE in mm, means over "
        "actions or views."
    )
    return "\n".join([text, "", table(["seed", "steps", "parameters", *names, "clip"], rows)])


def pair(errors: Mapping[str, float], measure: str) -> str:
    """MPJPE / P-MPJPE."""
    return f"{errors[measure]:.1f} / {errors[f'p_{measure}']:.1f}"


def signature(info: ModelInfo) -> str:
    """The options of a network with their defaults."""
    options = ", ".join(f"{name}={default!r}" for name, default in info.options.items())
    return f"(skeleton={info.published_skeleton!r}, {options})"


def published(info: ModelInfo) -> str:
    """The published errors of a network in one line."""
    pairs = [
        f"{setting}: {' / '.join('-' if number is None else f'{number:g}' for number in numbers)}"
        for setting, numbers in info.published.items()
    ]
    return "; ".join(pairs) or "none"


def recipe_table(recipes: Mapping[str, Recipe]) -> str:
    """Recipes, what is published of them, and whether they are exact."""
    rows = []
    for name, recipe in recipes.items():
        numbers = recipe.published
        errors = " / ".join("-" if number is None else f"{number:g}" for number in (numbers.p1_mm, numbers.p2_mm))
        exact = "exact" if recipe.published.exact else "; ".join(recipe.published.reasons)
        rows.append([f"`{name}`", recipe.about, errors, str(numbers.frames), exact])
    return table(["recipe", "what it is", "P1 / P2 (mm)", "frames", "as published?"], rows)


def table_pages() -> Iterable[tuple[str, str]]:
    """Recipes, skeletons, data sets, and what the other packages export."""
    recipes = all_recipes()
    exact = sum(recipe.published.exact for recipe in recipes.values())
    text = (
        f"{len(recipes)} results with their settings, {exact} of them exactly as published. `skelgraph recipes NAME` "
        "prints one, `skelgraph train --recipe NAME` trains it, `skelgraph reproduce NAME --data-root DIR` trains and "
        "tests it, with all its stages."
    )
    yield "recipes.md", "\n".join(["# Recipes", "", text, "", recipe_table(recipes), ""])
    rows = []
    for name in list_skeletons():
        skeleton = as_skeleton(name)
        rows.append(
            [f"`{name}`", str(skeleton.num_joints), ", ".join(n.replace("_", " ") for n in skeleton.joint_names)]
        )
    yield "skeletons.md", "\n".join(["# Skeletons", "", table(["name", "joints", "in their order"], rows), ""])
    rows = [
        [f"`{name}`", info.help, ", ".join(f"`{option}`" for option in info.takes)] for name, info in DATASETS.items()
    ]
    text = "What `load_dataset(NAME, ...)` and `--dataset NAME` read; [data.md](../data.md) says what the files hold."
    yield (
        "datasets.md",
        "\n".join(["# Data sets", "", text, "", table(["name", "what it is", "options of its own"], rows), ""]),
    )


def api_pages() -> Iterable[tuple[str, str]]:
    """A page for each package with all that it exports, networks and layers aside, which have pages of their own."""
    for package, modules in API.items():
        yield f"api/{package}.md", package_page(package, modules)
    where = [f"[`skelgraph.{name}`]({name}.md)" for name in API]
    whats = [first_sentence(importlib.import_module(f"skelgraph.{name}")) for name in API]
    text = ["# What packages export", "", table(["package", "what it is"], zip(where, whats, strict=True)), ""]
    text.append(
        "[Layers](../layers/index.md) (`skelgraph.nn`) and [networks](../models/index.md) have pages of their own."
    )
    yield "api/index.md", "\n".join([*text, "", "```{toctree}", ":hidden:", "", *API, "```", ""])


def package_page(package: str, modules: Sequence[str]) -> str:
    """All that a package exports, or that these modules of it define for their callers."""
    top = importlib.import_module(f"skelgraph.{package}")
    text = [f"# skelgraph.{package}", "", first_sentence(top), ""]
    paged = {type(on_meta(name)).__name__ for name in list_models()}
    for module in [importlib.import_module(f"{top.__name__}.{name}") for name in modules] or [top]:
        exported = getattr(module, "__all__", None) or [
            name for name, member in vars(module).items() if getattr(member, "__module__", "") == module.__name__
        ]
        for name in sorted(name for name in exported if not name.startswith("_") and name not in paged):
            member = getattr(module, name)
            kind = "class" if inspect.isclass(member) else "function" if inspect.isroutine(member) else ""
            if kind and inspect.getdoc(member):
                text.append(auto(kind, module.__name__, ":members:" if kind == "class" else "")(name))
    return "\n".join(text)


def project_pages() -> Iterable[tuple[str, str]]:
    """The files at the top of the repository, with links as they are on the site."""
    for name in PROJECT:
        text = (DOCS.parent / f"{name.upper()}.md").read_text(encoding="utf-8")
        text = re.sub(r"\]\(docs/([^)]+)\)", r"](../../\1)", text)
        text = re.sub(r"\]\(([A-Z]+)\.md\)", lambda found: f"]({found[1].lower()}.md)", text)
        yield f"project/{name}.md", re.sub(r"\[([^\]]+)\]\([A-Z]+\)", r"\1", text)  # NOTICE and LICENSE


def layer_times() -> dict[str, str]:
    """What the benchmarks measured of layers on one core, milliseconds."""
    times = {}
    layers_file = measured("benchmarks/layers")
    if layers_file:
        times["SemGraphConv"] = times_table(
            "layers", [row | {"case": f"{row['batch']} poses"} for row in layers_file["rows"]]
        )
    cases: dict[str, list[dict[str, Any]]] = {}
    for row in measured("benchmarks/hypergraph").get("rows", []):
        cases.setdefault(row.get("layer", "HyperedgeConv"), []).append(row | row["ms"])
    times |= {name: times_table("hypergraph", rows) for name, rows in cases.items()}
    return times


def model_times(name: str) -> str:
    """What the benchmarks measured of a network, on one core and on a GPU, milliseconds."""
    parts = []
    for page in ("models", "gpu"):
        rows = [row for row in measured(f"benchmarks/{page}").get("rows", []) if row["model"] == name]
        if rows:
            parts.append(
                times_table(page, [row | {"case": f"{row['batch']} poses", "pass": row["cell"]} for row in rows])
            )
    return "\n\n".join(parts)


@functools.cache
def measured(page: str) -> dict[str, Any]:
    """The numbers behind a page below docs/; empty if there are none."""
    path = DOCS / f"{page}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def times_table(page: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Milliseconds of all sides that were measured."""
    sides = list(dict.fromkeys(key for row in rows for key, value in row.items() if isinstance(value, float)))
    cells = [
        [row["case"], row["pass"], *(f"{row[side]:.3g}" if side in row else "-" for side in sides)] for row in rows
    ]
    about = measured(f"benchmarks/{page}")
    made_on = about.get("card") or f"{about.get('processor')}, {about.get('threads')} thread"
    text = f"Milliseconds on {made_on}; what the columns are: [{page}.md](../../benchmarks/{page}.md)."
    return "\n".join([text, "", table(["case", "pass", *sides], cells)])


def auto(kind: str, module: str, *options: str) -> Callable[[str], str]:
    """What autodoc makes of a member of a module."""

    def block(name: str) -> str:
        lines = ["```{eval-rst}", f".. auto{kind}:: {module}.{name}", *(f"   {option}" for option in options if option)]
        return "\n".join([*lines, "```", ""])

    return block


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def first_sentence(member: Any) -> str:
    """The first sentence of a docstring, as Markdown."""
    text = " ".join((inspect.getdoc(member) or "").partition("\n\n")[0].split())
    text = re.sub(r"`(.+?) <(.+?)>`_+", r"[\1](\2)", text)
    text = re.sub(r":math:`([^`]+)`", r"$\1$", text)  # a role as those of the next line, which has it else
    text = re.sub(r":\w+:`~?([^`]+)`", lambda found: f"`{found[1].rpartition('.')[2]}`", text).replace("``", "`")
    return text.replace("|", "\\|")
