"""The errors that skelgraph raises for bad input; the command line prints each as one paragraph with exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from skelgraph.text import plain, shown


class SkelgraphError(ValueError):
    """Base of every error caused by the caller's input: an argument, a file, a name.

    Attributes:
        on_command_line: The message where settings are options, ``--data-3d``; ``None``: the same.
    """

    on_command_line: str | None = None


class TopologyError(SkelgraphError):
    """A skeleton, graph or hypergraph that is not well formed."""


class DataError(SkelgraphError):
    """A motion, keypoint or camera file that cannot be used as it is."""


class NoSubjectError(DataError):
    """Data without a subject that is wanted.

    Attributes:
        subject: The name that is not there.
    """

    def __init__(self, message: str, subject: str | None = None) -> None:
        super().__init__(message)
        self.subject = subject


class CheckpointError(SkelgraphError):
    """A weight file or state dict that does not fit the model it is meant for."""


def not_given(kind: type[SkelgraphError], message: str, *names: str) -> SkelgraphError:
    """Return the error for settings that are missing, which the command line calls by its options.

    Args:
        kind: The class of the error.
        message: The message, with ``{}`` where the names stand.
        *names: Names of the settings: ``"data_3d"``.
    """
    error = kind(message.replace("{}", " and ".join(names)))
    error.on_command_line = message.replace("{}", " and ".join("--" + name.replace("_", "-") for name in names))
    return error


def unknown_name(kind: str, name: object, known: Iterable[str]) -> SkelgraphError:
    """Return the error for a name that a registry does not hold, listing the near names (else all names).

    Args:
        kind: What the registry holds, for the message: ``"skeleton"``, ``"model"``.
        name: The name that was asked for.
        known: The names that exist.
    """
    names = sorted(map(plain, known))
    near = close_names(name, names, 4) if isinstance(name, str) else []
    listed = ", ".join(names[:50]) + ", ..." * (len(names) > 50)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {listed}."
    return SkelgraphError(f"unknown {kind} {shown(name)}; {hint}")


def close_names(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The names that another one may be meant for, the nearest first, whatever capitals and underscores it is written
    with: ``SemGCN`` for ``sem_gcn``."""
    plainly: dict[str, str] = {}
    for one in known:
        plainly.setdefault(_bare(one), one)
    return [plainly[one] for one in difflib.get_close_matches(_bare(name[:100]), plainly, n=most, cutoff=0.5)]


def _bare(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "") or name
