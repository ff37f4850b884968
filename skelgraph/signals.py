"""Ctrl-C and SIGTERM end the program in order, as an exit does: at once, or as soon as nothing is half done.

An exception out of a signal may come up anywhere, also where it is swallowed or leaves a lock of other code closed for
ever: long work holds it back and asks between its steps.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 10.0
"""Seconds after which a step that is not through by then is left all the same."""


class _Ending:
    held = False
    asked: int | None = None


_ending = _Ending()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the program in order, and the second of them at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        _ending.asked = number
        if not _ending.held:
            end_if_asked()
        elif hasattr(signal, "setitimer"):
            before[signal.SIGALRM] = signal.signal(signal.SIGALRM, lambda *_: end_if_asked())
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    before: dict[int, Any] = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        _ending.asked = None
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold these signals back until :func:`end_if_asked` is called, or the block is left.

    Raises:
        SystemExit: At the end of the block, if the program was asked to end; whatever else ended it.
    """
    _ending.held = True
    try:
        yield
    finally:
        _ending.held = False
        end_if_asked()


def end_if_asked() -> None:
    """End the program if a signal has asked for it.

    Raises:
        SystemExit: With 128 and the number of the signal as its code.
    """
    if _ending.asked is not None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        sys.exit(128 + _ending.asked)
