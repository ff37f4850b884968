"""The folder of a run: who may write there, and which of its files are the run's own.

A file is removed or replaced only if a ``config.json`` of this program stands in the folder and such a run writes a
file of that name. While a process works in a folder it holds a lock there, which ends with it, however it ends.
"""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from lightning.fabric.utilities.rank_zero import rank_zero_only

from skelgraph.errors import SkelgraphError
from skelgraph.files import read_json
from skelgraph.files.holding import holding
from skelgraph.models.saved import import_options
from skelgraph.text import plain

Kind = Literal["train", "evaluate", "seeds"]

CONFIG = "config.json"
LAST, BEST = "checkpoints/last.ckpt", "checkpoints/best.ckpt"
CURVE = "logs/metrics.csv"
"""The learning curve, a row for each epoch."""
OF_EPOCHS = tuple(f"checkpoints/epoch-{'[0-9]' * digits}.ckpt" for digits in range(4, 8))
"""Patterns of the checkpoints of single epochs."""
RESULTS = (
    "metrics.json",
    "report.html",
    "animation.gif",
    "learning_curve.png",
    "joint_errors.png",
    "action_errors.png",
    "expected_errors.png",
    "meshes/*.obj",
)
"""What a finished run says about its last checkpoint."""
SEEDS = ("seeds.json", "seeds.html")
"""What the runs with several seeds say together."""
WRITTEN: dict[str, tuple[str, ...]] = {
    "train": (
        CONFIG,
        *RESULTS,
        LAST,
        BEST,
        *OF_EPOCHS,
        CURVE,
        "logs/tensorboard/events.out.tfevents.*",
        "logs/tensorboard/hparams.yaml",
    ),
    "evaluate": (CONFIG, *RESULTS),
    "seeds": (CONFIG, *SEEDS),
}
"""Every file that each command writes, as patterns; ``seeds`` is a run with several seeds, each of which is a run in a
folder of its own."""

_logger = logging.getLogger(__name__)


@contextmanager
def claimed(
    out: Path, kind: Kind, *, resume: bool = False, overwrite: bool = False, imports: Sequence[str] = ()
) -> Iterator[None]:
    """Hold a folder, made where there is none: no other process that asks gets it meanwhile.

    Of the processes of one run the first holds it for all.

    Args:
        out: The folder.
        kind: The command that will write there.
        resume: Go on with the run that is there.
        overwrite: Remove the files of the run that is there.
        imports: Modules that the run needs, which the command to go on with imports again.

    Raises:
        SkelgraphError: If another process holds the folder, or as :func:`check_free`; nothing was written then.
    """
    if not _is_first_process():
        yield
        return
    with holding(out):
        try:
            if not resume:
                check_free(out, kind, overwrite=overwrite)
                _remove_run(out)
            remove(out, _unfinished(WRITTEN[kind]))
            yield
        except (KeyboardInterrupt, SystemExit, OSError) as error:
            if kind != "evaluate" and (out / CONFIG).exists():
                command = f"skelgraph train --resume --out {shlex.quote(str(out))} {import_options(imports)}".rstrip()
                _logger.warning("stopped; to go on from the last finished epoch: %s", plain(command, 1000))
            if isinstance(error, OSError) and error.errno and error.filename is None:  # of the logs
                raise OSError(error.errno, error.strerror, str(out)) from error
            raise


def check_free(out: Path, kind: Kind, *, overwrite: bool = False) -> None:
    """Check that a command may write its results to a folder.

    Args:
        out: The folder, which need not exist.
        kind: The command.
        overwrite: It may replace a run.

    Raises:
        SkelgraphError: If it is no folder, a run is there and is not to be replaced, or files are there that would be
            replaced and that no run has written.
    """
    if not _is_first_process():  # the other processes of a run start when the first has opened the folder
        return
    if not out.is_dir() and os.path.lexists(out):
        raise SkelgraphError(f"{plain(str(out), 500)} is no folder: choose another name")
    record, shown = read_record(out), plain(str(out), 500)
    if record is not None and not overwrite:
        raise _taken(shown, can_resume=kind != "evaluate")
    own = () if record is None else WRITTEN[record["kind"]]
    if record is not None and record["kind"] not in (kind, "evaluate"):
        what = "a training run" if record["kind"] == "train" else "runs with several seeds"
        raise SkelgraphError(
            f"{shown} holds {what}, which results of another kind do not replace: choose another folder"
        )
    foreign = [str(path.relative_to(out)) for name in WRITTEN[kind] if name not in own for path in out.glob(name)]
    if foreign:
        raise SkelgraphError(
            f"{shown} holds {', '.join(plain(name) for name in foreign[:8])}, which would be replaced, and no "
            f"{CONFIG} of a run that wrote it: choose another folder"
        )


def _taken(out: str, can_resume: bool) -> SkelgraphError:
    """The error where a run is in a folder, in the words of Python and of the command line."""

    def message(setting: str) -> str:
        resumed = f"resume it ({setting.format('resume')}), " if can_resume else ""
        replaced = f"replace it ({setting.format('overwrite')})"
        return f"{out} holds a run already: {resumed}{replaced} or choose another folder"

    error = SkelgraphError(message("{}=True"))
    error.on_command_line = message("--{}")
    return error


def read_record(out: Path) -> dict[str, Any] | None:
    """Read ``config.json`` of the run in a folder; ``None`` if there is none.

    Raises:
        SkelgraphError: If there is a file of that name that this program did not write.
    """
    path = out / CONFIG
    if not path.exists():
        return None
    record: Any = None
    with suppress(SkelgraphError):
        record = read_json(path, SkelgraphError)
    match record:
        case {"config": dict(), "versions": {"skelgraph": str()}} if record.setdefault("kind", "train") in WRITTEN:
            return record
    raise SkelgraphError(f"{plain(str(path), 500)} was not written by skelgraph: choose another folder")


def of_epoch(epoch: int) -> str:
    """The name of the checkpoint of an epoch, counted from 1."""
    return f"checkpoints/epoch-{epoch:04d}.ckpt"


def remove_results(out: Path) -> None:
    """Remove the results of a run: they speak of a checkpoint that is about to be replaced."""
    remove(out, RESULTS)


def remove(out: Path, patterns: tuple[str, ...]) -> None:
    """Remove the files of these names, and the folders inside ``out`` that are empty then."""
    for path in [path for pattern in patterns for path in out.glob(pattern) if not path.is_dir()]:
        path.unlink(missing_ok=True)
        for folder in path.relative_to(out).parents[:-1]:
            with suppress(OSError):  # not empty
                (out / folder).rmdir()


def _is_first_process() -> bool:
    return rank_zero_only.rank == 0  # type: ignore[attr-defined]


def _remove_run(out: Path) -> None:
    record = read_record(out)
    if record is not None:
        own = WRITTEN[record["kind"]]
        remove(out, (*own, *_unfinished(own)))


def _unfinished(names: tuple[str, ...]) -> tuple[str, ...]:
    """Patterns of the temporary files that a kill in the middle of writing these leaves behind."""
    paths = map(PurePosixPath, names)
    return tuple(str(path.with_name(f".{path.name}.*.tmp")) for path in paths if "*" not in path.name)
