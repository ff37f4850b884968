"""HDF5 and CDF files, read in a process of its own."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from cdflib.cdfwrite import CDF

from skelgraph.errors import DataError
from skelgraph.files import ForeignFiles, foreign, foreign_worker

NUMBERS = np.random.default_rng(0).normal(size=(7, 96)).astype(np.float32)


def cdf(folder: Path, file_compression: int = 0, compression: int = 0, array: np.ndarray = NUMBERS[None]) -> bytes:
    path = folder / "x.cdf"
    path.unlink(missing_ok=True)
    file = CDF(path, cdf_spec={"Compressed": file_compression})
    spec = {"Variable": "Pose", "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": array.shape[1:]}
    file.write_var({**spec, "Compress": compression}, var_data=array)
    file.close()
    return path.read_bytes()


def hdf5(userblock: int = 0) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=userblock) as file:
        file["plain"] = NUMBERS
        file.create_dataset("packed", data=NUMBERS, compression="gzip", shuffle=True, fletcher32=True)
        file["big_endian"] = NUMBERS.astype(">f8")
        file["empty"] = np.zeros((0, 3))
        file["text"] = "text"
        file["link"] = h5py.SoftLink("/plain")
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/x")
        file.create_group("group")
        file.create_dataset("huge", shape=(2**40,), dtype="f8", chunks=(1024,), compression="gzip")
        file.create_dataset("lzf", data=NUMBERS, compression="lzf")
        file.create_dataset("outside", shape=(3,), dtype="u1", external=[("/etc/passwd", 0, 3)])
        layout = h5py.VirtualLayout(shape=(3,), dtype="u1")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(3,))
        file.create_virtual_dataset("virtual", layout)
    return stream.getvalue()


@pytest.mark.parametrize("userblock", [0, 512])
def test_hdf5(userblock: int) -> None:
    names = ["packed", "plain", "big_endian", "empty"]
    with ForeignFiles() as files:
        found = dict(zip(names, files.read("HDF5", hdf5(userblock), names, "f"), strict=True))
    for name in names[:3]:
        assert np.array_equal(found[name], NUMBERS)
    assert found["empty"].shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "has no data set 'nothing'; it has: big_endian, elsewhere,"),
        *((n, "is no data set of numbers that is stored in the file") for n in ("text", "link", "elsewhere", "group")),
        *((n, "is no data set of numbers that is stored in the file") for n in ("outside", "virtual")),
        ("huge", "says that it has 1099511627776 numbers, more than are read of a file of its size"),
        ("lzf", "is compressed in a way that MATLAB does not write"),
    ],
)
def test_hdf5_that_is_refused(name: str, message: str) -> None:
    with ForeignFiles() as files:
        with pytest.raises(DataError, match=rf"^f\.h5: .*{message}"):
            files.read("HDF5", hdf5(), [name], "f.h5")
        assert np.array_equal(files.read("HDF5", hdf5(), ["plain"], "f.h5")[0], NUMBERS)


@pytest.mark.parametrize(("file_compression", "compression"), [(0, 0), (0, 6), (6, 0)])
def test_cdf(tmp_path: Path, file_compression: int, compression: int) -> None:
    content = cdf(tmp_path, file_compression, compression)
    with ForeignFiles() as files:
        (found,) = files.read("CDF", content, ["Pose"], "f")
        assert np.array_equal(found, NUMBERS[None])
        with pytest.raises(DataError, match=r"^f: has no variable 'Nose'; it has: Pose\.$"):
            files.read("CDF", content, ["Nose"], "f")


@pytest.mark.parametrize(("kind", "content"), [("CDF", b""), ("CDF", b"hello"), ("HDF5", b""), ("HDF5", b"hello")])
def test_other_files(kind: str, content: bytes) -> None:
    with ForeignFiles() as files, pytest.raises(DataError, match=rf"^f: is not an? {kind} file, or only a part of one"):
        files.read(kind, content, ["x"], "f")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["CDF", "HDF5"])
def test_damaged_files_are_one_error(tmp_path: Path, kind: str) -> None:
    content, name = (cdf(tmp_path, 0, 6), "Pose") if kind == "CDF" else (hdf5(), "packed")
    rng = np.random.default_rng(0)
    refused = told = 0
    with ForeignFiles() as files:
        for _ in range(60):
            damaged = np.frombuffer(content, np.uint8).copy()
            damaged[rng.integers(0, len(damaged), rng.choice([1, 5, 50]))] = rng.integers(0, 256)
            damaged = damaged[: rng.integers(1, len(damaged))] if rng.random() < 0.3 else damaged
            try:
                files.read(kind, damaged.tobytes(), [name], "f")  # type: ignore[arg-type]
            except DataError as error:
                refused += str(error).startswith("f: ")
                told += 1
        assert files.read(kind, content, [name], "f")  # type: ignore[arg-type]
    assert refused == told > 10


def test_a_small_cdf_of_zeros_takes_no_more_memory_than_is_allowed(tmp_path: Path) -> None:
    content = cdf(tmp_path, 0, 9, np.zeros((1, 6_000_000, 4), np.float32))
    assert len(content) < 10**6
    with ForeignFiles() as files, pytest.raises(DataError, match="too large for a file of its size"):
        files.read("CDF", content, ["Pose"], "f")


CRASH = """
import os, signal, sys, time
sys.stdin.buffer.readline()
{}
"""


@pytest.mark.parametrize(
    "code",
    [
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "time.sleep(1000)",
        "print('{')",
        "print('[]')",
        """print('{"arrays": []}')""",
        """print('{"arrays": [["|O", [1]]]}'); print("x" * 100)""",
        """print('{"arrays": [["<f8", [1000000000000]]]}')""",
        """print('{"arrays": [["<f8", [9]]]}')""",
    ],
)
def test_a_reader_that_crashes_or_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(CRASH.format(code))
    monkeypatch.setattr(foreign, "_WORKER", worker)
    monkeypatch.setattr(foreign, "_SECONDS", 1.0)
    start = time.monotonic()
    with ForeignFiles() as files:
        for _ in range(2):  # a new process after the first
            with pytest.raises(DataError, match="f: is not a CDF file, or damaged: its reader crashed, or did not end"):
                files.read("CDF", b"content", ["Pose"], "f")
    assert time.monotonic() - start < 20


def test_a_library_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cdflib.py").write_text("raise ModuleNotFoundError(name='cdflib')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    with ForeignFiles() as files, pytest.raises(DataError, match=r"cdflib.*pip install \"skelgraph\[prepare\]\""):
        files.read("CDF", b"content", ["Pose"], "f")


def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = cdf(tmp_path, 6)
    (tmp_path / "x.cdf").unlink()
    with ForeignFiles() as files:
        files.read("CDF", content, ["Pose"], "f")
        assert files._process is not None
        process = files._process
        assert list(tmp_path.iterdir())
    assert process.poll() is not None
    assert list(tmp_path.iterdir()) == []
    with ForeignFiles():
        pass  # without any file there is no process


def test_the_worker_is_what_it_says(tmp_path: Path) -> None:
    """In this process, for the lines that another one hides."""
    path = tmp_path / "x.h5"
    path.write_bytes(hdf5())
    (found,) = foreign_worker.read_hdf5(str(path), ["packed"], 10**6)
    assert np.array_equal(found, NUMBERS)
    with pytest.raises(foreign_worker.Refused, match="more than are read"):
        foreign_worker.read_hdf5(str(path), ["packed", "plain"], NUMBERS.nbytes * 2 - 1)
    content = tmp_path / "y.cdf"
    content.write_bytes(cdf(tmp_path))
    (found,) = foreign_worker.read_cdf(str(content), ["Pose"], 10**6)
    assert np.array_equal(found, NUMBERS[None])
