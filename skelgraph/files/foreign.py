"""HDF5 and CDF files, read by the libraries of these formats in a process of its own.

h5py and cdflib trust what they read: a damaged file can make them crash, take all memory or never end. So they read in
a process with limited memory and time (``foreign_worker.py``), of which nothing but numbers comes back.
"""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Literal

import numpy as np

from skelgraph.errors import DataError
from skelgraph.files.pickles import PLAIN, Unpickler
from skelgraph.text import plain, shown

_WORKER = Path(__file__).with_name("foreign_worker.py")
_UNPACKED = (2**26, 16)  # bytes that the arrays of a file may take: a constant, and times its size
_SECONDS = 15.0
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class ForeignFiles:
    """Reads HDF5 and CDF files; a context manager, whose process begins with the first file and ends with it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> ForeignFiles:  # noqa: D105
        return self

    def __exit__(  # noqa: D105
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        if self._folder is not None:
            self._folder.cleanup()

    def read(self, kind: Literal["HDF5", "CDF"], content: bytes, names: Sequence[str], label: str) -> list[np.ndarray]:
        """Read arrays of numbers.

        Args:
            kind: The format.
            content: The file.
            names: The data sets (HDF5) or variables (CDF) that are wanted, each of which has to be there.
            label: Name of the file in error messages.

        Returns:
            The arrays in the order of ``names``.

        Raises:
            DataError: The file is damaged or of another kind, lacks an array, holds something else under its name,
                unpacks to more than 64 MiB and 16 times its size, or takes more than 15 seconds; or h5py or cdflib is
                not installed.
        """
        return self._read(kind, kind, content, names, len(names), label)

    def read_table(self, content: bytes, label: str) -> tuple[list[tuple[str, ...]], np.ndarray, np.ndarray]:
        """Read the one table of numbers that pandas has written into an HDF5 file in its format "table".

        Args:
            content: The file.
            label: Name of the file in error messages.

        Returns:
            The names of its columns, of several levels; its index ``(N,)`` of integers; its values ``(N, columns)``.

        Raises:
            DataError: As :meth:`read`; or the names of the columns are none.
        """
        pickled, index, values = self._read("table", "HDF5", content, (), 3, label)
        try:
            columns = Unpickler(io.BytesIO(pickled.tobytes()), len(pickled), PLAIN).load()
        except Exception as error:  # a damaged pickle fails in as many ways as there are instructions
            raise DataError(
                f"{plain(label, 1000)}: the names of its columns cannot be read ({plain(str(error), 200)})."
            ) from error
        if (
            not isinstance(columns, list)
            or len(columns) != values.shape[1]
            or not all(isinstance(column, tuple) and all(type(name) is str for name in column) for column in columns)
        ):
            raise DataError(
                f"{plain(label, 1000)}: the names of its columns are {shown(columns)}, expected tuples of texts."
            )
        return columns, index, values

    def _read(
        self,
        reader: Literal["HDF5", "CDF", "table"],
        kind: Literal["HDF5", "CDF"],
        content: bytes,
        names: Sequence[str],
        count: int,
        label: str,
    ) -> list[np.ndarray]:
        label = plain(label, 1000)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="skelgraph-")
        file = Path(self._folder.name) / f"file.{kind.lower()}"
        file.write_bytes(content)
        most = _UNPACKED[0] + _UNPACKED[1] * len(content)
        request = {"kind": reader, "file": str(file), "names": list(names), "most": most}
        try:
            about, arrays = self._ask(json.dumps(request).encode() + b"\n", count, most)
        except (OSError, EOFError, ValueError):
            self._end()
            raise DataError(
                f"{label}: is not {_article(kind)} file, or damaged: its reader crashed, or did not end in "
                f"{_SECONDS:.0f} seconds."
            ) from None
        if missing := about.get("missing"):
            raise DataError(
                f"{label}: is {_article(kind)} file, which {plain(str(missing))} reads; it is not installed: "
                'pip install "skelgraph[prepare]".'
            )
        if "refused" in about:
            raise DataError(f"{label}: {plain(str(about['refused']), 500)}.")
        if arrays is None:
            reason = plain(str(about.get("damaged", "?")).replace(str(file), "it"), 200)
            raise DataError(f"{label}: is not {_article(kind)} file, or only a part of one ({reason}).")
        return arrays

    def _ask(self, request: bytes, count: int, most: int) -> tuple[dict[str, object], list[np.ndarray] | None]:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        watch = threading.Timer(_SECONDS, process.kill)
        watch.start()
        try:
            process.stdin.write(request)
            process.stdin.flush()
            about = json.loads(process.stdout.readline(2**16))
            if not isinstance(about, dict):
                raise ValueError("no answer")
            if "arrays" not in about:
                return about, None
            arrays = []
            for dtype, shape in about["arrays"][:count]:
                kind = np.dtype(dtype)
                most -= (size := math.prod(shape) * kind.itemsize)
                if kind.kind not in "biuf" or most < 0:
                    raise ValueError("more than was asked for")
                arrays.append(np.frombuffer(_exactly(process.stdout, size), kind).reshape(shape))
            if len(arrays) != count:
                raise ValueError("fewer than were asked for")
            return about, arrays
        finally:
            watch.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            assert self._folder is not None
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_THREADS, "TMPDIR": self._folder.name, "TEMP": self._folder.name},
            )
        return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):  # what was not yet sent
                    stream.close()
        self._process.wait()
        self._process = None


def _exactly(stream: IO[bytes], size: int) -> bytearray:
    content = bytearray(size)
    view, at = memoryview(content), 0
    while at < size:
        count = stream.readinto(view[at:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        at += count
    return content


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "HDF5" else f"a {kind}"
