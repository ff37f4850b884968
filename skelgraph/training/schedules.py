"""How the learning rate moves: the table of schedules, each of them one entry that says all about itself.

PyTorch is imported when a schedule is made, so that the schedules can be listed without it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from skelgraph.errors import SkelgraphError
from skelgraph.registry import Registry
from skelgraph.text import shown

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

Factory = TypeVar("Factory", bound=Callable[..., Any])
Interval = Literal["step", "epoch"]

SETTINGS = ("lr_decay", "lr_large_decay", "lr_every", "lr_milestones")
"""The settings that a schedule may ask for."""


@dataclass(frozen=True)
class ScheduleInfo:
    """What is known of a registered schedule."""

    name: str
    factory: Callable[..., LRScheduler]
    interval: Interval
    help: str

    @property
    def spans_run(self) -> bool:
        """Whether its learning rates depend on the length of the run, which a resumed run may then not change."""
        return "total" in self._asked

    @property
    def _asked(self) -> tuple[str, ...]:
        """What the function asks for beside the optimizer."""
        return tuple(inspect.signature(self.factory).parameters)[1:]

    def values(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the settings that the schedule asks for.

        Args:
            settings: Values of :data:`SETTINGS` by their names; ``None``: not given.

        Raises:
            SkelgraphError: If one is missing.
        """
        values = {name: settings.get(name) for name in self._asked if name != "total"}
        for name, value in values.items():
            if value is None:
                raise SkelgraphError(f"{name.replace('_', '-')} is not given, which the schedule {self.name} needs")
        return values

    def make(self, optimizer: Optimizer, *, total_steps: int, epochs: int, **settings: Any) -> LRScheduler:
        """A scheduler.

        Args:
            optimizer: Has the highest learning rate.
            total_steps: Steps of the whole run.
            epochs: Epochs of the whole run.
            **settings: As for :meth:`values`.

        Raises:
            SkelgraphError: As :meth:`values`.
        """
        values = self.values(settings)
        if self.spans_run:
            values["total"] = total_steps if self.interval == "step" else epochs
        return self.factory(optimizer, **values)


SCHEDULES: Registry[ScheduleInfo] = Registry("schedule")
"""The registered schedules by name."""


def register_schedule(name: str, *, interval: Interval, help: str) -> Callable[[Factory], Factory]:  # noqa: A002
    """Decorate a function that makes a scheduler of the learning rate for an optimizer.

    Its first parameter is the optimizer, whose learning rate is the setting ``lr``. A schedule that spans the run has
    the keyword ``total``, the number of its intervals in the whole run; that it asks for it is how a resumed run knows
    that its length may not change. Its other keywords are settings that it takes: ``lr_decay``, ``lr_large_decay``,
    ``lr_every``, ``lr_milestones``.

    Args:
        name: Name of the schedule.
        interval: Whether the scheduler is stepped after every ``"step"`` or every ``"epoch"``.
        help: How the learning rate moves, in a few words, for the help of the command line.

    Raises:
        SkelgraphError: If the name is taken, the interval is neither, or the function has other parameters.

    Example:
        >>> from torch.optim.lr_scheduler import StepLR
        >>> @register_schedule("every_20", interval="epoch", help="down by lr_decay every 20 epochs")
        ... def every_20(optimizer, *, lr_decay):
        ...     return StepLR(optimizer, 20, lr_decay)
        >>> SCHEDULES["every_20"].spans_run
        False
    """

    def register(factory: Factory) -> Factory:
        if interval not in ("step", "epoch"):
            raise SkelgraphError(f"schedule {name!r}: interval is {shown(interval)}; expected 'step' or 'epoch'")
        _first, *others = inspect.signature(factory).parameters
        known = ("total", *SETTINGS)
        if unknown := [parameter for parameter in others if parameter not in known]:
            raise SkelgraphError(
                f"schedule {name!r}: its function takes {', '.join(unknown)}; expected optimizer, {', '.join(known)} "
                "or some of them"
            )
        SCHEDULES.add(name, ScheduleInfo(name, factory, interval, help), factory)
        return factory

    return register


@register_schedule("onecycle", interval="step", help="up, then down to nothing over the run")
def _onecycle(optimizer: Optimizer, *, total: int) -> LRScheduler:
    """`"Super-Convergence" <https://arxiv.org/abs/1708.07120>`_, by far the better one for short runs."""
    from torch.optim.lr_scheduler import OneCycleLR

    return OneCycleLR(optimizer, optimizer.defaults["lr"], total_steps=total)


@register_schedule("exponential", interval="epoch", help="times lr-decay after every epoch")
def _exponential(optimizer: Optimizer, *, lr_decay: float) -> LRScheduler:
    from torch.optim.lr_scheduler import ExponentialLR

    return ExponentialLR(optimizer, lr_decay)


@register_schedule("cosine", interval="step", help="down to nothing over the run, as half a cosine")
def _cosine(optimizer: Optimizer, *, total: int) -> LRScheduler:
    """`"SGDR" <https://arxiv.org/abs/1608.03983>`_ without restarts."""
    from torch.optim.lr_scheduler import CosineAnnealingLR

    return CosineAnnealingLR(optimizer, total)


@register_schedule("step_power", interval="step", help="lr * lr-decay^(step / lr-every), anew every lr-every steps")
def _step_power(optimizer: Optimizer, *, lr_decay: float, lr_every: int) -> LRScheduler:
    """That of SemGCN and its successors: the rate is written in step 1 and in every multiple of ``lr_every``, counted
    from 1, and is constant between them."""
    from torch.optim.lr_scheduler import LambdaLR

    def factor(before: int) -> float:
        written = (before + 1) // lr_every * lr_every or 1
        return lr_decay ** (written / lr_every)

    return LambdaLR(optimizer, factor)


@register_schedule(
    "alternating", interval="epoch", help="after every lr-every-th epoch times lr-large-decay, after others lr-decay"
)
def _alternating(optimizer: Optimizer, *, lr_decay: float, lr_large_decay: float, lr_every: int) -> LRScheduler:
    """That of GraphMLP and its relatives."""
    return _after_epochs(optimizer, lambda epoch: lr_decay if epoch % lr_every else lr_large_decay)


@register_schedule("every", interval="epoch", help="times lr-decay after every lr-every-th epoch")
def _every(optimizer: Optimizer, *, lr_decay: float, lr_every: int) -> LRScheduler:
    return _after_epochs(optimizer, lambda epoch: 1.0 if epoch % lr_every else lr_decay)


@register_schedule("multistep", interval="epoch", help="times lr-decay after the epochs lr-milestones")
def _multistep(optimizer: Optimizer, *, lr_decay: float, lr_milestones: tuple[int, ...]) -> LRScheduler:
    return _after_epochs(optimizer, lambda epoch: lr_decay if epoch in lr_milestones else 1.0)


def _after_epochs(optimizer: Optimizer, factor: Callable[[int], float]) -> LRScheduler:
    """Multiply the learning rate by a factor after each epoch, counted from 1: one after the other, as the released
    programs round."""
    from torch.optim.lr_scheduler import MultiplicativeLR

    return MultiplicativeLR(optimizer, factor)
