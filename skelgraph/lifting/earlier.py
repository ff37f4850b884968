"""An earlier ``lift.json`` beside the one with which a run begins: what of its result is what is asked for now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from skelgraph.lifting.settings import LiftSettings


@dataclass(frozen=True)
class Earlier:
    """An earlier record, which may hold anything, beside the new one.

    Args:
        record: What is found.
        begun: What is asked for, see :func:`~skelgraph.lifting.record.begun_record`.
    """

    record: dict[str, Any]
    begun: dict[str, Any]

    @property
    def is_finished(self) -> bool:
        """Whether its files were written."""
        return "files" in self.record

    @property
    def is_same(self) -> bool:
        """Whether it is of the same people in space, in the same formats."""
        return self._of_same_people and _formats(self.record) == _formats(self.begun)

    @property
    def grows(self) -> bool:
        """Whether the same is asked for in further formats."""
        return self._of_same_people and _formats(self.record) < _formats(self.begun)

    @property
    def is_seen_alike(self) -> bool:
        """Whether what the detector found for it is what it will find now."""
        found, wanted = self._deciding
        return bool(self.record.get("source") == self.begun["source"] and found) and (
            found.get("detection") == wanted["detection"]
        )

    @property
    def _of_same_people(self) -> bool:
        """Whether it is of the same people in space, in whatever formats."""
        found, wanted = self._deciding
        alike = (self.record.get(key) == self.begun.get(key) for key in ("source", "weights", "calibration"))
        return all(alike) and found == wanted

    @property
    def _deciding(self) -> tuple[Any, Any]:
        """The settings of both, without formats and what means nothing to the source in either."""
        unused = ["format", *_listed(self.record.get("unused")), *_listed(self.begun.get("unused"))]
        return _without(unused, self.record), _without(unused, self.begun)


def _without(unused: list[Any], record: dict[str, Any]) -> Any:
    settings = record.get("settings")
    if not isinstance(settings, dict):
        return None
    return {
        group: {name: value for name, value in values.items() if name not in unused}
        if isinstance(values, dict) and group in LiftSettings.groups()
        else values
        for group, values in settings.items()
    }


def _formats(record: dict[str, Any]) -> frozenset[str]:
    """The formats that a record tells of."""
    settings = record.get("settings")
    output = settings.get("output") if isinstance(settings, dict) else None
    formats = output.get("format") if isinstance(output, dict) else None
    return frozenset(map(str, _listed(formats)))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
