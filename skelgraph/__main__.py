"""Entry of the `skelgraph` command and of `python -m skelgraph`: turns errors of the input into one paragraph."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from skelgraph.errors import SkelgraphError
from skelgraph.signals import ended_by_signals
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
        a program that was asked to end (SIGTERM), 141 where nobody reads on.
    """
    _open_standard_streams()
    # Threads that wait sleep: spinning beside a busy process took a step of two threads from 0.04 s to 4 s. What
    # computes reads it when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = list(sys.argv[1:] if argv is None else argv)
    given = SWITCHES & set(arguments)  # taken out here, so that they may stand before or after the subcommand
    debug = "--debug" in given
    try:
        from skelgraph.cli import run

        try:
            with ended_by_signals():
                run([argument for argument in arguments if argument not in given], given)
        finally:
            sys.stdout.flush()  # while there is somebody to tell that nobody reads it
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # who reads has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (SkelgraphError, OSError) as error:
        if debug:
            raise
        return _fail(getattr(error, "on_command_line", None) or str(error))
    except ModuleNotFoundError as error:
        if debug or (error.name or "").partition(".")[0] not in EXTRA_MODULES:
            raise
        return _fail(f'{error.name} is not installed; the command line needs: pip install "skelgraph[train]"')


def _open_standard_streams() -> None:
    """Open those that are closed, as a daemon hands them on: else the next files get their numbers, and with them what
    foreign code logs."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def _fail(message: str) -> int:
    print("error:", plain(" ".join(message.split()), 2000), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
