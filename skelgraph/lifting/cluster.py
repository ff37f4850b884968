"""Very many sources, lifted by the workers of a cluster with Ray Data.

A worker lifts one source after the other as :class:`~skelgraph.lifting.Pipeline` does, each into a folder of its own
that all machines share. There ``lift.json`` tells what is whole, so that nothing is lost and nothing done twice: where
a worker dies, its sources are taken again and those that are finished left alone; the next run does the same.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files import open_regular
from skelgraph.lifting.claiming import finished_record
from skelgraph.lifting.pipeline import Outcome, Pipeline, why_failed
from skelgraph.lifting.record import begun_record
from skelgraph.lifting.settings import LiftSettings
from skelgraph.text import plain, shown

Source = str | os.PathLike[str]
"""A path, or the URI of a file in an object store: ``s3://bucket/walks/cam01.mp4``."""
Lift = Callable[..., dict[str, Any]]
"""What a :class:`~skelgraph.lifting.Pipeline` is: takes a source, a folder and ``overwrite``, returns the record."""

_LISTING_BYTES = 2**28
_PART_BYTES = 2**23
_SOURCES_AT_A_TIME = 16
"""What a worker takes at a time; what another one takes again when it dies."""
_RETRIES = 3
"""How often these are taken again: a source that kills every worker ends the run."""


def listed_sources(listing: Source, out: Path) -> list[tuple[str, Path]]:
    """The sources that a text file lists, and where their results go: ``s3://bucket/walks/cam01.mp4`` into
    ``bucket/walks/cam01.mp4`` of ``out``.

    Args:
        listing: A path or URI in each line; empty lines are left out.
        out: The folder of the results.

    Raises:
        DataError: If it is no such file, it lists nothing, or two sources would go into one folder.
    """
    with open_regular(Path(listing), DataError) as file:
        content = file.read(_LISTING_BYTES + 1)
    where = plain(str(listing), 1000)
    if len(content) > _LISTING_BYTES:
        raise DataError(f"{where}: has more than {_LISTING_BYTES:,} bytes, expected a text file of paths and URIs.")
    try:
        lines = content.decode("utf-8-sig").splitlines()  # Windows writes a mark first
    except UnicodeDecodeError:
        raise DataError(f"{where}: is no text, expected a path or URI in each line.") from None
    taken: dict[Path, int] = {}
    found = []
    for number, source in enumerate(map(str.strip, lines), 1):
        if source:
            place = out / _place(source, f"{where}, line {number}")
            if place in taken:
                raise DataError(f"{where}: lines {taken[place]} and {number} name the same source.")
            taken[place] = number
            found.append((source, place))
    if not found:
        raise DataError(f"{where}: lists nothing, expected a path or URI in each line.")
    return found


def _place(source: str, where: str) -> PurePosixPath:
    """Where the result of a source goes in the folder of all results."""
    path = PurePosixPath(_path_of(source) if _is_uri(source) else Path(source).as_posix())
    parts = [part for part in path.parts if part not in (path.anchor, ".")]
    if not parts or ".." in parts or "\0" in source:
        raise DataError(f"{where}: is {shown(source)}, expected the path or URI of a file, without '..'.")
    return PurePosixPath(*(part.replace(":", "_") for part in parts))


def _is_uri(source: str) -> bool:
    return "://" in source


def _path_of(uri: str) -> str:
    split = urlsplit(uri)
    return f"{split.netloc}/{unquote(split.path)}"


def lift_on_cluster(
    sources: Sequence[tuple[Source, Path]],
    settings: LiftSettings,
    *,
    overwrite: bool = False,
    workers: int | None = None,
    gpus: float = 0,
    address: str | None = None,
    make: Callable[[LiftSettings], Lift] = Pipeline,
) -> Iterator[Outcome]:
    """Lift several sources side by side. One that fails does not stop the others.

    Args:
        sources: Each source and the folder of its result, as :func:`~skelgraph.lifting.sources_in` or
            :func:`listed_sources` find them. Paths, also that of the weights, are the same on all machines; what a URI
            names is copied to the worker by PyArrow, which takes its credentials from the environment.
        settings: What decides the results.
        overwrite: Replace results of other sources or settings.
        workers: How many; by default as many as the cluster has processors, or GPUs for them.
        gpus: GPUs of each one, of which several may share one (0.5). Without any, a worker sees none.
        address: A running cluster, ``ray://head:10001`` or ``auto``; by default the one that ``RAY_ADDRESS`` names,
            else one on this machine, which is stopped in the end.
        make: Makes what lifts, once in every worker.

    Returns:
        What became of each source, as they are done, in no order.

    Raises:
        SkelgraphError: If Ray is not installed, the weights are not usable or the workers fail.
    """
    try:
        # Ray tells its makers of every run otherwise
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        import ray.data
    except ImportError:
        raise SkelgraphError("lifting on a cluster is done by Ray Data: pip install 'skelgraph[ray]'") from None
    make(settings)  # so that unusable weights are told before anything starts
    rows = [{"source": os.fspath(source), "out": os.fspath(out)} for source, out in sources]
    if not rows:
        return
    own = not ray.is_initialized()
    if own:
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        ray.init(address=address, log_to_driver=False, logging_level="WARNING")
    try:
        workers = workers or _room(ray.cluster_resources(), gpus)
        blocks = -(-len(rows) // _SOURCES_AT_A_TIME)
        with warnings.catch_warnings():
            # of max_task_retries, which has no other place before Ray 2.64
            warnings.simplefilter("ignore", DeprecationWarning)
            lifted = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
                _Worker,
                fn_constructor_args=(make, settings, overwrite, os.getcwd()),
                batch_size=None,
                batch_format="numpy",
                compute=ray.data.ActorPoolStrategy(size=min(workers, blocks)),
                num_cpus=1,
                num_gpus=gpus,
                max_task_retries=_RETRIES,
            )
        lifted.context.enable_progress_bars = False
        for row in lifted.iter_rows():
            record = json.loads(row["record"])
            source = row["source"] if _is_uri(row["source"]) else Path(row["source"])
            yield Outcome(source, Path(row["out"]), record, row["error"] or None)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise SkelgraphError(f"the workers failed ({plain(reason, 500)}); what is finished is kept") from error
    finally:
        if own:
            ray.shutdown()


def _room(resources: dict[str, float], gpus: float) -> int:
    """How many workers have room."""
    room = resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 0)
    if room < 1:
        raise SkelgraphError(f"the cluster has {resources.get('GPU', 0):g} GPUs, expected at least {gpus:g}")
    return int(room)


class _Worker:
    """Lifts the sources of a batch, in a process of its own."""

    def __init__(self, make: Callable[[LiftSettings], Lift], settings: LiftSettings, overwrite: bool, folder: str):
        if os.path.isdir(folder):
            os.chdir(folder)  # that relative paths are of
        self.settings, self.overwrite = settings, overwrite
        self.lift = make(settings)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[str]]:
        done: dict[str, list[str]] = {"source": [], "out": [], "record": [], "error": []}
        for source, out in zip(map(str, batch["source"]), map(str, batch["out"]), strict=True):
            record, reason = None, ""
            try:
                record = self._lifted(source, Path(out))
            except (SkelgraphError, OSError) as error:
                reason = why_failed(source, error)
            for column, value in zip(done.values(), (source, out, json.dumps(record), reason), strict=True):
                column.append(value)
        return done

    def _lifted(self, source: str, out: Path) -> dict[str, Any]:
        if not _is_uri(source):
            return self.lift(Path(source), out, overwrite=self.overwrite)
        remote = _Remote(source)
        found = finished_record(out, begun_record(remote.identity, self.settings))
        if found is not None:
            return found
        with tempfile.TemporaryDirectory(prefix="skelgraph-") as folder:
            return self.lift(remote.copied(Path(folder)), out, overwrite=self.overwrite)


class _Remote:
    """A file in an object store."""

    def __init__(self, uri: str) -> None:
        from pyarrow import fs

        self.where = plain(uri, 1000)
        with self._reading():
            self.system, self.path = fs.FileSystem.from_uri(uri)
            self.info = self.system.get_file_info(self.path)
        if self.info.type != fs.FileType.File:
            raise DataError(f"{self.where}: is no file.")
        self.seconds = (self.info.mtime_ns or 0) // 10**9

    @property
    def identity(self) -> dict[str, Any]:
        """What ``lift.json`` says of the copy of it."""
        return {"name": self.info.base_name, "bytes": self.info.size, "modified": float(self.seconds)}

    def copied(self, folder: Path) -> Path:
        """A copy of it in a folder."""
        copy = folder / self.info.base_name
        with self._reading():
            stream = self.system.open_input_stream(self.path)
        with stream, copy.open("wb") as local:
            while True:
                with self._reading():
                    part = stream.read(_PART_BYTES)
                if not part:
                    break
                local.write(part)
        os.utime(copy, (self.seconds, self.seconds))
        return copy

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # PyArrow's errors are of these kinds
            raise DataError(f"{self.where}: cannot be read ({plain(str(error), 300)}).") from None
