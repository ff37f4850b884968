"""A table of things by their names, which users add their own to: models, data sets, schedules, losses."""

from __future__ import annotations

from typing import Any, TypeVar

from skelgraph.errors import SkelgraphError, unknown_name
from skelgraph.text import shown

Info = TypeVar("Info")


class Registry(dict[str, Info]):
    """What is registered, by its name.

    Args:
        kind: What it holds, for messages: ``"schedule"``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._made_by: dict[str, Any] = {}

    def add(self, name: str, info: Info, made_by: Any) -> None:
        """Register an entry. A definition that is made again, as by a cell of a notebook or ``importlib.reload``, takes
        the place of the one before.

        Args:
            name: Its name.
            info: What is known of it.
            made_by: The class or function that was registered, for the message about a name that is taken.

        Raises:
            SkelgraphError: If the name is taken, or is no text.
        """
        if not isinstance(name, str) or not name:
            raise SkelgraphError(f"name of a {self.kind} is {shown(name)}; expected a text")
        if name in self and not _is_made_again(self._made_by[name], made_by):
            before = self._made_by[name]
            label = getattr(before, "__qualname__", shown(before))
            raise SkelgraphError(f"{self.kind} {name!r} is registered already, by {label}")
        self[name], self._made_by[name] = info, made_by

    def find(self, name: object) -> Info:
        """The entry of a name.

        Raises:
            SkelgraphError: If there is none; the near names are listed.
        """
        if not isinstance(name, str) or name not in self:
            raise unknown_name(self.kind, name, self)
        return self[name]


def _is_made_again(before: Any, now: Any) -> bool:
    """Whether both are the class or function of one name at the top of one module: one definition, executed twice."""
    first, second = ([getattr(made, key, None) for key in ("__module__", "__qualname__")] for made in (before, now))
    return first == second and isinstance(first[1], str) and "<" not in first[1]  # <locals>, <lambda>
