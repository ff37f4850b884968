"""YAML from strangers, of a size that can be used: nothing in it makes an object or stands for more than it is.

The scalars are those of the core schema of YAML 1.2, which JSON is a part of: ``1e-3`` is a number, ``no`` a text.
PyYAML reads YAML 1.1, where it is the other way round.
"""

from __future__ import annotations

import re
from os import PathLike
from typing import Any

import yaml

from skelgraph.errors import SkelgraphError
from skelgraph.files.regular import open_regular
from skelgraph.text import plain, shown

_LARGEST = 2**18  # bytes; PyYAML takes up to two seconds for it


def read_yaml(path: str | PathLike[str], error: type[SkelgraphError]) -> Any:
    """Read a YAML file.

    Args:
        path: The file, in UTF-8.
        error: The kind of error to raise.

    Raises:
        SkelgraphError: Of the given kind, if the file cannot be read or is refused by :func:`parse_yaml`.
    """
    with open_regular(path, error) as file:
        return parse_yaml(file.read(_LARGEST + 1), f"{plain(str(path), 1000)}:", error)


def parse_yaml(text: str | bytes, label: str, error: type[SkelgraphError]) -> Any:
    """Parse YAML. Who asks for a number in it checks that it is finite and of a size to be used, and names the entry.

    Args:
        text: The YAML.
        label: What it is, for the message.
        error: The kind of error to raise.

    Raises:
        SkelgraphError: Of the given kind, if the text is no YAML, has tags, aliases or a key twice, is nested too
            deeply or longer than 256 KiB.
    """
    if len(text) > _LARGEST:
        raise error(f"{label} is longer than the {_LARGEST} bytes that YAML is read up to.")
    try:
        return yaml.load(text.decode("utf-8-sig") if isinstance(text, bytes) else text, _Loader)  # noqa: S506
    except RecursionError:
        reason = "it is nested too deeply"
    except (yaml.YAMLError, ValueError) as problem:
        reason = plain(" ".join(str(problem).split()), 300)
    raise error(f"{label} is not a YAML file that can be used: {reason}.")


class _Loader(yaml.SafeLoader):
    """Texts, numbers, booleans, null, lists and mappings."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - those of YAML 1.1 are not inherited

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases, ten lines of which can stand for a billion values, and tags."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, f"found the alias *{event.anchor}", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, f"found the tag {shown(event.tag)}", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that is there twice, and one that is no text."""
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key in mapping:
                problem = "found a key that is no text" if key is None else f"found the key {shown(key)} twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping


_SCALARS = {
    "null": (r"~|null|Null|NULL|", "~nN", lambda text: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+", "-+0123456789", int),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
        lambda text: float(re.sub(r"\.(inf|nan)$", r"\1", text.lower())),
    ),
}
for _name, (_pattern, _first, _make) in _SCALARS.items():
    _tag = f"tag:yaml.org,2002:{_name}"
    _Loader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})$"), [*_first, *([""] if _name == "null" else [])])
    _Loader.add_constructor(_tag, lambda loader, node, make=_make: make(loader.construct_scalar(node)))
