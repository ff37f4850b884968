"""Entry of the `skelgraph` command and of `python -m skelgraph`: turns errors of the input into one paragraph."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from skelgraph.errors import SkelgraphError
from skelgraph.text import plain

SWITCHES = frozenset({"--debug", "--json", "--quiet"})
EXTRA_MODULES = frozenset(
    {"filelock", "jinja2", "lightning", "matplotlib", "PIL", "rich", "tensorboard", "tyro", "yaml"}
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program's name; ``None``: those of the process.

    Returns:
        The exit code: 0, 2 for an error in the arguments or files or a training that diverged, 130 for Ctrl-C, 143 for
        a program that was asked to end (SIGTERM).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    given = SWITCHES & set(arguments)  # taken out here, so that they may stand before or after the subcommand
    debug = "--debug" in given
    try:
        from skelgraph.cli import run

        with _ended_by_signals():
            run([argument for argument in arguments if argument not in given], given)
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    except (SkelgraphError, OSError) as error:
        if debug:
            raise
        return _fail(str(error))
    except ModuleNotFoundError as error:
        if debug or (error.name or "").partition(".")[0] not in EXTRA_MODULES:
            raise
        return _fail(f'{error.name} is not installed; the command line needs: pip install "skelgraph[train]"')


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the program in order, as an exit does, and the second of them at once."""
    signals = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_DFL)
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(message: str) -> int:
    print("error:", plain(" ".join(message.split()), 2000), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
