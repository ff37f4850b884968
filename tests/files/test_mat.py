"""MAT-files of versions 5 to 7.2, written by SciPy."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import scipy.io

from skelgraph.errors import DataError
from skelgraph.files import read_mat
from skelgraph.files.mat import _UNPACKED


def mat(compress: bool = True, **variables: Any) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables, do_compression=compress)
    return stream.getvalue()


def cell(*arrays: np.ndarray) -> np.ndarray:
    result = np.empty((len(arrays), 1), object)
    for i, array in enumerate(arrays):
        result[i, 0] = array
    return result


@pytest.mark.parametrize("compress", [True, False])
def test_numbers_and_cells_in_the_shapes_of_matlab(compress: bool) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(5, 3)), rng.normal(size=(5, 3)).astype(np.float32)]  # of one shape
    cube = rng.integers(0, 9, (2, 3, 4)).astype(np.int16)
    nested = cell(cell(np.eye(2)), np.zeros((0, 0)))
    content = mat(
        compress,
        a=cell(*arrays),
        cube=cube,
        word="text",
        struct={"x": 1},
        nested=nested,
        one=True,
        name_of_31_letters=7,
    )
    found = read_mat(content, ["a", "cube", "nested", "one", "name_of_31_letters"], "f")
    assert found["a"].shape == (2, 1)
    for array, other in zip(arrays, found["a"][:, 0], strict=True):
        assert np.array_equal(array, other)
        assert array.dtype == other.dtype
    assert np.array_equal(found["cube"], cube)
    assert np.array_equal(found["nested"][0, 0][0, 0], np.eye(2))
    assert found["nested"][1, 0].size == 0
    assert found["one"].tolist() == [[1]]
    assert found["name_of_31_letters"].tolist() == [[7]]


def test_a_file_of_the_other_byte_order() -> None:
    """As old workstations wrote them: SciPy's own test data are the like; here one built by hand from the format."""
    name, numbers = b"data", struct.pack(">6d", *range(6))
    flags = struct.pack(">IIII", 6, 8, 6, 0)  # double
    dims = struct.pack(">IIii", 5, 8, 2, 3)
    parts = flags + dims + struct.pack(">HH4s", 4, 1, name) + struct.pack(">II", 9, len(numbers)) + numbers
    content = b"x".ljust(124) + b"\x01\x00MI" + struct.pack(">II", 14, len(parts)) + parts
    assert scipy.io.loadmat(io.BytesIO(content))["data"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert read_mat(content, ["data"], "f")["data"].tolist() == [[0, 2, 4], [1, 3, 5]]


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("name", ["word", "struct", "complex"])
def test_what_is_no_numbers(name: str, compress: bool) -> None:
    content = mat(compress, word="text", struct={"x": 1}, complex=np.array([1j]))
    with pytest.raises(DataError, match=rf"^f\.mat: variable '{name}' is neither real numbers nor a cell of them\.$"):
        read_mat(content, [name], "f.mat")


def test_what_is_not_there() -> None:
    with pytest.raises(DataError, match=r"^f\.mat: has no variable 'c'; it has: a, b\.$"):
        read_mat(mat(a=1, b=2), ["c"], "f.mat")


def test_hdf5_is_named() -> None:
    for start in (0, 512):
        with pytest.raises(DataError, match=r"f: is a MAT-file of version 7\.3, expected one of version 5 to 7\.2"):
            read_mat(bytes(start) + b"\x89HDF\r\n\x1a\n" + bytes(1000), ["a"], "f")


def test_a_variable_that_unpacks_to_too_much() -> None:
    size = _UNPACKED[0] + 2**24
    header = struct.pack("<IIIIII", 14, size - 8, 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 1, size // 8)
    header += struct.pack("<HH4s", 1, 1, b"a") + struct.pack("<II", 9, size - len(header) - 16)
    packed = zlib.compress(header + bytes(size - len(header)))
    content = mat(b=1)[:128] + struct.pack("<II", 15, len(packed)) + packed
    assert len(content) < 2**18
    with pytest.raises(
        DataError, match=r"f: unpacks to more than the [0-9]+ bytes that are read of a file of [0-9]+ b"
    ):
        read_mat(content, ["a"], "f")
    with pytest.raises(DataError, match="has no variable 'c'; it has: a"):  # of what is not asked for, the name alone
        read_mat(content, ["c"], "f")


def test_a_cell_that_says_it_is_huge() -> None:
    content = bytearray(mat(False, a=cell(np.eye(2), np.eye(2))))
    at = content.index(struct.pack("<ii", 2, 1))
    content[at : at + 8] = struct.pack("<ii", 2**31 - 1, 2**31 - 1)
    with pytest.raises(DataError, match="2 arrays in a cell of shape"):
        read_mat(bytes(content), ["a"], "f")


@pytest.mark.parametrize("compress", [True, False])
def test_damaged_files_are_one_error(compress: bool) -> None:
    content = mat(compress, a=cell(np.eye(3), np.ones((4, 2))), b=np.arange(7.0))
    rng = random.Random(0)
    outcomes = set()
    for _ in range(600):
        damaged = bytearray(content)
        if rng.random() < 0.3:
            del damaged[rng.randrange(len(damaged)) :]
        for _ in range(rng.choice([0, 1, 3, 20])):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            read_mat(bytes(damaged), ["a", "b"], "f")
            outcomes.add("read")
        except DataError as error:
            outcomes.add("refused" if str(error).startswith("f: ") and str(error).endswith(".") else str(error))
    assert outcomes == {"read", "refused"}
