"""What contracts of layers and of networks share: clauses with names, and how what is broken is told."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError, unknown_name

Subject = TypeVar("Subject")


class Contract(Generic[Subject]):
    """Clauses, each a function that raises an error if what it is given breaks it.

    Args:
        of: Whose contract it is, for messages: ``"layers"``.
    """

    def __init__(self, of: str) -> None:
        self.of = of
        self.clauses: dict[str, str] = {}
        """The clauses by name, each in one sentence."""
        self._checks: dict[str, Callable[[Subject], None]] = {}

    def clause(self, check: Callable[[Subject], None]) -> Callable[[Subject], None]:
        """Enter a check as a clause, under the name of the function and with its docstring."""
        name = check.__name__.removeprefix("_")
        self._checks[name] = check
        self.clauses[name] = " ".join((inspect.getdoc(check) or "").split())
        return check

    def chosen(self, names: Iterable[str] | None) -> list[str]:
        """The names of clauses that are asked for; all by default.

        Raises:
            SkelgraphError: If there is no such clause.
        """
        chosen = list(self.clauses) if names is None else list(names)
        for name in chosen:
            if name not in self.clauses:
                raise unknown_name("clause", name, self.clauses)
        return chosen

    def check(self, subject: Subject, label: str, names: Sequence[str]) -> None:
        """Check clauses.

        Args:
            subject: What is checked.
            label: What it is called.
            names: The clauses.

        Raises:
            AssertionError: If clauses are broken; all of them are listed, with what was found.
        """
        broken: dict[str, Exception] = {}
        for name in names:
            try:
                self._checks[name](subject)
            except Exception as error:  # whatever it does wrong
                broken[name] = error
        if broken:
            lines = [f"  {name} ({self.clauses[name]})\n    {_told(error)}" for name, error in broken.items()]
            head = f"{label} breaks {len(broken)} of {len(names)} clauses of the contract of {self.of}:"
            raise AssertionError("\n".join([head, *lines])) from next(iter(broken.values()))


def equal(found: object, expected: object, what: str) -> None:
    """Assert that two things are equal."""
    assert found == expected, f"{what} is {found}; expected {expected}"


def close(found: Sequence[Tensor], expected: Sequence[Tensor], what: str, **tolerance: Any) -> None:
    """Assert that as many tensors are close to each other."""
    equal(len(found), len(expected), f"number of outputs, {what},")
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, **tolerance, msg=functools.partial("{}: {}".format, what))


@contextlib.contextmanager
def refused(what: str, found: str = "") -> Iterator[None]:
    """Assert that something is refused by a ``ValueError`` whose message says what was found."""
    try:
        yield
    except ValueError as error:
        assert found in str(error), f"the error of {what} does not say {found}: {error}"  # noqa: PT017
    else:
        raise AssertionError(f"{what} is accepted")


def _told(error: Exception) -> str:
    kind = "" if isinstance(error, AssertionError | SkelgraphError) else f"{type(error).__name__}: "
    return kind + " ".join(str(error).split())[:500]
