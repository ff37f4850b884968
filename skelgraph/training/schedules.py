"""How the learning rate moves: the table of schedules, each of them one entry that says all about itself.

PyTorch is imported when a schedule is made, so that the schedules can be listed without it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
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

_PARAMETERS = ("optimizer", "total", "lr_decay")


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
        return "total" in inspect.signature(self.factory).parameters

    def make(self, optimizer: Optimizer, *, total_steps: int, epochs: int, lr_decay: float) -> LRScheduler:
        """A scheduler.

        Args:
            optimizer: Has the highest learning rate.
            total_steps: Steps of the whole run.
            epochs: Epochs of the whole run.
            lr_decay: The setting of this name.
        """
        values = {"total": total_steps if self.interval == "step" else epochs, "lr_decay": lr_decay}
        taken = inspect.signature(self.factory).parameters
        return self.factory(optimizer, **{name: value for name, value in values.items() if name in taken})


SCHEDULES: Registry[ScheduleInfo] = Registry("schedule")
"""The registered schedules by name."""


def register_schedule(name: str, *, interval: Interval, help: str) -> Callable[[Factory], Factory]:  # noqa: A002
    """Decorate a function that makes a scheduler of the learning rate for an optimizer.

    Its first parameter is the optimizer, whose learning rate is the setting ``lr``. A schedule that spans the run has
    the keyword ``total``, the number of its intervals in the whole run; that it asks for it is how a resumed run knows
    that its length may not change. One that falls by a factor has the keyword ``lr_decay``.

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
        if unknown := [parameter for parameter in others if parameter not in _PARAMETERS[1:]]:
            raise SkelgraphError(
                f"schedule {name!r}: its function takes {', '.join(unknown)}; expected {', '.join(_PARAMETERS)} or "
                "some of them"
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
