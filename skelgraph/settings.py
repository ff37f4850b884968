"""How settings are declared, each once: type, default, unit and help; the command line and files take them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from skelgraph.errors import SkelgraphError
from skelgraph.options import check_option, option_types
from skelgraph.text import shown

Group = TypeVar("Group", bound=type)


def setting(
    default: Any,
    help: str,  # noqa: A002
    *,
    unit: str = "",
    absent: str = "",
    resume: bool = False,
    source: bool = False,
) -> Any:
    """Declare a setting.

    Args:
        default: Its default; a function makes it anew.
        help: What it means, one sentence.
        unit: What it counts or measures, one word.
        absent: What ``None`` stands for, where that is the default.
        resume: Whether a resumed run may change it.
        source: Whether it is handed to the data set that has a parameter of this name, and refused of every other one.
    """
    kind = "default_factory" if callable(default) else "default"
    metadata = {"help": help, "unit": unit, "absent": absent, "resume": resume, "source": source}
    return field(**{kind: default}, metadata=metadata)


def settings_group(cls: Group) -> Group:
    """Write what the settings of a dataclass mean into its docstring."""
    lines = [f"    {s.name}: {s.metadata['help']}" for s in dataclasses.fields(cls) if s.metadata]
    cls.__doc__ = "\n".join([f"{cls.__doc__}\n\nArgs:", *lines])
    return cls


@dataclass(frozen=True)
class CheckedSettings:
    """Settings that are what their annotations say."""

    def __post_init__(self) -> None:
        """Check the settings by their annotations.

        Raises:
            SkelgraphError: If one is not what its annotation says.
        """
        for name, hint in option_types(type(self)).items():
            value = getattr(self, name)
            path = os.fspath(value) if isinstance(value, os.PathLike) else value
            object.__setattr__(self, name, check_option(name.replace("_", "-"), path, hint))


@dataclass(frozen=True)
class GroupedSettings(CheckedSettings):
    """Settings in groups, each a field that its own class makes. Their names are unique over the groups, so that the
    command line, files and messages need no other."""

    def __new__(cls, *args: Any, **values: Any) -> Any:
        """Say of a setting that is given in the place of its group where it belongs.

        Raises:
            TypeError: If one is.
        """
        home = cls.group_of()
        own = [member.name for member in dataclasses.fields(cls)]
        for name in values:
            if name in home and name not in own:
                group = cls.groups()[home[name]].__name__
                raise TypeError(
                    f"{cls.__name__} takes its settings in groups: {name} is one of {group}. Expected "
                    f"{home[name]}={group}({name}=...), or {cls.__name__}(...).replace({name}=...)"
                )
        return super().__new__(cls)

    @classmethod
    def groups(cls) -> dict[str, type]:
        """The classes of the groups by the name of their field."""
        made_by: dict[str, Any] = {member.name: member.default_factory for member in dataclasses.fields(cls)}
        kinds = {name: kind for name, kind in made_by.items() if isinstance(kind, type)}
        return {name: kind for name, kind in kinds.items() if issubclass(kind, CheckedSettings)}

    @classmethod
    def declared(cls) -> Iterator[tuple[str, dataclasses.Field[Any]]]:
        """Every setting of the groups: the name of its group and its declaration."""
        for group, members in cls.groups().items():
            for member in dataclasses.fields(members):
                yield group, member

    @classmethod
    def group_of(cls) -> dict[str, str]:
        """The name of its group by the name of each setting."""
        return {member.name: group for group, member in cls.declared()}


def check_named(group: CheckedSettings, name: str) -> None:
    """Check that a setting holds values by names, and keep a copy, since the caller's own may change."""
    values = getattr(group, name)
    if not isinstance(values, Mapping) or not all(isinstance(option, str) for option in values):
        raise SkelgraphError(f"{name} is {shown(values)}; expected the values of options by their names")
    object.__setattr__(group, name, dict(values))
