"""A recipe: the settings of a published result, and what is known of its number. Nothing here imports PyTorch."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from skelgraph.errors import SkelgraphError, unknown_name
from skelgraph.files.yaml_text import read_yaml
from skelgraph.options import Frames, Positive, check_options
from skelgraph.text import plain, shown
from skelgraph.training.config import DataConfig, TrainConfig

_FOLDER = Path(__file__).parent

_CHANGES = ("first_stage", "test")
"""Parts of a file that hold those settings that differ from the others in it."""


@dataclass(frozen=True)
class Published:
    """What is published of a result.

    Args:
        system: The name under which it is published.
        paper: The paper.
        source: Where the number and the settings stand.
        certain: Whether the number is sure to be that of these settings.
        frames: Frames of a window of the network.
        p1_mm: MPJPE on Human3.6M, mm.
        p2_mm: P-MPJPE on Human3.6M, mm.
        pck: Joints within 150 mm on MPI-INF-3DHP, per cent.
        auc: Area under the curve of the same, per cent.
        params_m: Parameters, millions.
        infer_s: Seconds of one inference.
        not_published: Settings that nobody published; the recipe has values for them that are not known to be right.
        inexact: Why it cannot be trained exactly as published, where it cannot.
        note: What else one has to know.
    """

    system: str
    paper: str
    source: str
    certain: bool
    frames: Frames
    p1_mm: Positive | None = None
    p2_mm: Positive | None = None
    pck: Positive | None = None
    auc: Positive | None = None
    params_m: Positive | None = None
    infer_s: Positive | None = None
    not_published: tuple[str, ...] = ()
    inexact: str | None = None
    note: str | None = None

    @property
    def exact(self) -> bool:
        """Whether the recipe trains exactly as published: every setting is published, and is one here."""
        return self.inexact is None and not self.not_published

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not exact, one sentence each."""
        unknown = tuple(f"not published: {setting}" for setting in self.not_published)
        return unknown if self.inexact is None else (self.inexact, *unknown)


@dataclass(frozen=True)
class Recipe:
    """A published result that can be trained.

    Args:
        name: Its name.
        about: What it is, one sentence.
        config: The settings of the run; ``out`` and the files are not among them.
        published: What is published of it.
        first_stage: The settings of a run before it, from whose best weights it starts.
        test: Settings, by their names, that differ in the test whose numbers are published: another data set.
    """

    name: str
    about: str
    config: TrainConfig
    published: Published
    first_stage: TrainConfig | None = None
    test: Mapping[str, Any] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[str, float]:
        """What is published of the errors, by its name in ``metrics.json``."""
        published = self.published
        named = {
            "mpjpe_mm": published.p1_mm,
            "p_mpjpe_mm": published.p2_mm,
            "pck": published.pck,
            "auc": published.auc,
        }
        return {name: number for name, number in named.items() if number is not None}

    @property
    def stages(self) -> tuple[TrainConfig, ...]:
        """The settings of its runs, in their order."""
        return (self.config,) if self.first_stage is None else (self.first_stage, self.config)


def list_recipes(pattern: str = "*") -> list[str]:
    """Names of the recipes that match a shell pattern, sorted."""
    return sorted(fnmatch.filter((path.name.removesuffix(".yaml") for path in _FOLDER.glob("*.yaml")), pattern))


def read_recipe(name: str) -> Recipe:
    """Read a recipe.

    Args:
        name: A name of :func:`list_recipes`.

    Raises:
        SkelgraphError: If there is none of that name; the near names are listed.
    """
    names = list_recipes()
    if name not in names:
        raise unknown_name("recipe", name, names)
    path = _FOLDER / f"{name}.yaml"
    try:
        return _recipe(name, read_yaml(path, SkelgraphError))
    except SkelgraphError as error:
        raise SkelgraphError(f"{plain(str(path), 500)}: {error}") from error


def changed(config: TrainConfig, given: Mapping[str, Any]) -> TrainConfig:
    """The settings with those in their place that are given; options of the network replace those of their names.

    Where another data set is given, what the recipe says of the files of its own is left out.

    Raises:
        SkelgraphError: If there is no such setting, or a value is not what it may be.
    """
    changes, options = dict(given), dict(config.network.options)
    if changes.get("dataset", config.data.dataset) != config.data.dataset:
        changes = of_no_files() | changes
        if options.get("graph") == "smpl":  # of HGN: the body in its data
            del options["graph"], options["levels"]
    if changes.get("model", config.network.model) == config.network.model:
        changes["options"] = options | changes.get("options", {})
    return config.replace(**changes)


def differences(published: TrainConfig, ours: TrainConfig) -> dict[str, list[Any]]:
    """The settings that decide a result and are not those of a recipe, files apart: theirs and ours, by their names."""
    theirs, mine = published.settings(), ours.settings()
    deciding = (
        m.name
        for group, m in TrainConfig.declared()
        if group != "machine" and not m.metadata["resume"] and m.metadata["unit"] not in ("file", "folder")
    )
    return {name: [theirs[name], mine[name]] for name in deciding if theirs[name] != mine[name]}


def of_no_files() -> dict[str, Any]:
    """The defaults of the settings that describe the files of one data set and mean nothing for another."""
    told = ("data_options", "train_subjects", "val_subjects", "test_subjects", "actions")
    members = (m for m in fields(DataConfig) if m.name in told or m.metadata["source"])
    return {m.name: {} if m.default is MISSING else m.default for m in members}


def _recipe(name: str, content: Any) -> Recipe:
    groups = TrainConfig.groups()
    if not isinstance(content, Mapping) or (strange := content.keys() - {*groups, "about", "published", *_CHANGES}):
        raise SkelgraphError(f"it holds {shown(strange or content)}; expected about, published and groups of settings")
    settings = {key: value for key, value in content.items() if key in groups}
    differing = {key: content.get(key, {}) for key in _CHANGES}
    first, test = (_config({**settings, **_merged(settings, changes)}) for changes in differing.values())
    return Recipe(
        name,
        content["about"],
        _config(settings),
        _published(content["published"]),
        first if differing["first_stage"] else None,
        {
            member: getattr(getattr(test, group), member)
            for group, members in differing["test"].items()
            for member in members
        },
    )


def _config(settings: Mapping[str, Any]) -> TrainConfig:
    return TrainConfig.from_dict({"out": "", **settings})


def _merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Groups of settings with others in the place of some of their members."""
    return {group: {**settings.get(group, {}), **members} for group, members in changes.items()}


def _published(values: Mapping[str, Any]) -> Published:
    names = [member.name for member in fields(Published)]
    for name in values:
        if name not in names:
            raise unknown_name("entry of published:", name, names)
    return Published(**check_options(Published, values, "published"))
