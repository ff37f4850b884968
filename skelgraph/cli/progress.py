"""How far a loop over frames is, and how fast."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from skelgraph.files.video import Progress

Item = TypeVar("Item")

_EVERY = 10.0  # seconds between two lines, where there is no terminal


@contextmanager
def frames_per_second(shown: bool) -> Iterator[Progress]:
    """Show progress with frames per second: a bar on a terminal, else a line now and then.

    Args:
        shown: Whether to show it.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:.1f} frames/s")

    console = Console(stderr=True)
    if not shown:
        yield lambda items, total: items
    elif not console.is_terminal:
        yield _lines
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn())
        with Bars(*columns, console=console, transient=True) as bars:
            yield lambda items, total: bars.track(items, total=total, description="frames")


def _lines(items: Iterable[Item], total: int | None) -> Iterator[Item]:
    start = last = time.perf_counter()
    for done, item in enumerate(items):
        now = time.perf_counter()
        if now - last > _EVERY:
            last = now
            of = "" if total is None else f" of {total}"
            print(f"frame {done}{of}, {done / (now - start):.1f} frames/s", flush=True)
        yield item
