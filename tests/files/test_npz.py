"""The npz reader: gives back what numpy wrote, and nothing that a stranger wrote ever runs."""

from __future__ import annotations

import builtins
import collections
import contextlib
import functools
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import python2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skelgraph.errors import DataError
from skelgraph.files import read_npz

MOTION = {
    "S1": {
        "Walking 1": np.arange(24, dtype=np.float32).reshape(4, 2, 3),
        "cameras": [np.ones((4, 2, 2), np.float32), np.zeros((5, 2, 2))],
        "empty": np.zeros((0, 2, 3), np.float32),
    }
}


def npy(pickled: bytes, shape: tuple[int, ...] = ()) -> bytes:
    """The content of an npy file that holds an array of objects, pickled."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": shape})
    return stream.getvalue() + pickled


def pickled_npy(value: Any, protocol: int) -> bytes:
    array = np.empty((), dtype=object)
    array[()] = value
    return npy(pickle.dumps(array, protocol=protocol))


def write(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        if expected.dtype == object:
            for one, other in zip(found.flat, expected.flat, strict=True):
                assert_same(one, other)
        else:
            np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


def test_reads_what_savez_writes(tmp_path: Path) -> None:
    path = tmp_path / "motion.npz"
    plain = np.arange(6).reshape(2, 3)
    np.savez_compressed(path, positions_3d=MOTION, plain=plain)  # type: ignore[arg-type]
    found = read_npz(path, required=["positions_3d"])
    assert list(found) == ["positions_3d", "plain"]
    assert_same(found["positions_3d"], MOTION)
    assert_same(found["plain"], plain)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(
    "value",
    [
        MOTION,
        [1, -(2**70), 0.5, True, None, "S1", b"raw\xff", (), (1, (2, [3]))],
        [np.float32(1.5), np.int64(3), np.bool_(True), np.str_("x")],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6, dtype=">f4"),
        np.array(["left", "right"]),
        np.array([np.arange(3), None, {"x": np.ones(2)}], dtype=object),
        [np.zeros(0, np.float32), np.float16(2) * np.ones(3, np.float16)],
    ],
    ids=["motion", "python", "scalars", "fortran", "big-endian", "text", "objects", "small"],
)
def test_reads_every_accepted_type_in_every_protocol(tmp_path: Path, value: Any, protocol: int) -> None:
    path = write(tmp_path / "file.npz", value=pickled_npy(value, protocol))
    assert_same(read_npz(path)["value"], value)


@pytest.mark.parametrize("package", [b"numpy.core", b"numpy._core"])
def test_reads_files_of_numpy_1_and_2(tmp_path: Path, package: bytes) -> None:
    content = pickled_npy(MOTION, protocol=2).replace(b"numpy._core", b"numpy.core").replace(b"numpy.core", package)
    assert b"c" + package + b".multiarray\n" in content
    assert_same(read_npz(write(tmp_path / "file.npz", value=content))["value"], MOTION)


def test_reads_files_of_python_2(tmp_path: Path) -> None:
    value = np.empty((), dtype=object)
    value[()] = {
        "S1": {"Walking 1": np.arange(24, dtype=np.float32).reshape(4, 2, 3), "note": "caf\xe9", 3: [1.5, None]}
    }
    path = write(tmp_path / "file.npz", value=npy(python2.dumps(value)))
    assert_same(read_npz(path)["value"], value[()])


def test_reads_ordered_and_default_dictionaries_and_keys_of_numbers(tmp_path: Path) -> None:
    value = {
        1: collections.OrderedDict([("b", 1), (b"a", 2)]),
        0.5: collections.defaultdict(list, {"x": [1]}),
        None: collections.Counter("aab"),
        np.int64(7): True,
    }
    for protocol in (0, 2, 4):
        found = read_npz(write(tmp_path / "file.npz", value=pickled_npy(value, protocol)))["value"]
        expected = {1: {"b": 1, b"a": 2}, 0.5: {"x": [1]}, None: {"a": 2, "b": 1}, 7: True}
        assert found == expected
        assert list(found[1]) == ["b", b"a"]
        assert {type(item) for item in list(found.values())[:3]} == {dict}, "nothing of the file's own classes"


def test_reads_what_is_asked_for_and_nothing_else(tmp_path: Path) -> None:
    path = write(
        tmp_path / "file.npz", evil=pickled_npy(Call(os.mkdir, str(tmp_path / "harm")), 4), value=pickled_npy([1], 4)
    )
    assert read_npz(path, required=["value"], optional=["metadata"]) == {"value": [1]}
    with pytest.raises(DataError, match="member 'evil'"):
        read_npz(path, required=["value"])
    assert not (tmp_path / "harm").exists()


def test_a_shared_array_stays_shared(tmp_path: Path) -> None:
    array = np.ones(3)
    content = pickled_npy([array, {"again": array}], protocol=4)
    found = read_npz(write(tmp_path / "file.npz", value=content))["value"]
    assert found[0] is found[1]["again"]


def test_lists_of_one_list_are_refused_at_once(tmp_path: Path) -> None:
    value: list[Any] = [1.0]
    for _ in range(200):  # 2**200 items for whoever makes an array of it, prints or compares it
        value = [value, value]
    path = write(tmp_path / "file.npz", value=pickled_npy(value, protocol=4))
    del value  # or a failure is printed for ever
    with pytest.raises(DataError, match="member 'value': holds the same list many times over"):
        read_npz(path)


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.reduced = (function, args) if state is None else (function, args, state)

    def __call__(self) -> None:
        """Only what can be called may stand for the function of another call."""

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


class State:
    """Touches a file when its state is set."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __getstate__(self) -> str:
        return self.path

    def __setstate__(self, state: str) -> None:
        Path(state).touch()


def objects(*items: Any) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


ATTACKS: dict[str, Callable[[str], Any]] = {
    "os.system": lambda mark: Call(os.system, f"touch {mark}"),
    "eval": lambda mark: Call(builtins.eval, f"open({mark!r}, 'w').close()"),
    "exec in a dictionary": lambda mark: {"S1": {"Walk": Call(builtins.exec, f"open({mark!r}, 'w').close()")}},
    "as a dictionary's key": lambda mark: {Call(os.system, f"touch {mark}"): 1},
    "in an array of objects": lambda mark: {"S1": objects(1, objects(Call(os.system, f"touch {mark}")))},
    "class with a state": lambda mark: [State(mark)],
    "open": lambda mark: (Call(open, mark, "w"),),
    "partial": lambda mark: Call(functools.partial(os.system, f"touch {mark}")),
    "apply through getattr": lambda mark: Call(Call(getattr, Path(mark), "touch")),
    "numpy that writes": lambda mark: Call(np.save, mark, 0),
    "numpy that unpickles": lambda mark: Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {mark}"))),
    "in a dtype": lambda mark: Call(np.dtype, Call(os.system, f"touch {mark}")),
    "in an array's state": lambda mark: Call(
        np.zeros(1).__reduce__()[0], np.ndarray, (0,), b"b", state=(1, (1,), np.dtype("f4"), False, State(mark))
    ),
}


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("attack", ATTACKS)
def test_refuses_every_global_and_runs_nothing(tmp_path: Path, attack: str, protocol: int) -> None:
    mark = tmp_path / "harm"
    content = pickled_npy(ATTACKS[attack](str(mark)), protocol)
    path = write(tmp_path / "file.npz", innocent=pickled_npy(MOTION, 4), positions_3d=content)
    with pytest.raises(DataError, match=r"file\.npz: member 'positions_3d': holds .* which is refused"):
        read_npz(path)
    assert not mark.exists()

    with contextlib.suppress(Exception):
        np.load(path, allow_pickle=True)["positions_3d"]
    assert mark.exists() or mark.with_suffix(".npy").exists(), "without the reader the attack would do no harm either"


RECONSTRUCT = np.zeros(1).__reduce__()[0]


def forged(dtype: Any, shape: Any, content: Any) -> Call:
    """An array with any state."""
    return Call(RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, shape, dtype, False, content))


@pytest.mark.parametrize(
    "value",
    [
        forged(np.dtype("O"), (1,), b"\x41" * 8),  # bytes as pointers
        forged(Call(np.dtype, "O8", False, True, state=(3, "|", None, None, None, -1, -1, 0)), (1,), b"\x41" * 8),
        forged(Call(np.dtype, "f4", False, True, state=(3, "|", None, ("x",), {"x": 0}, 8, 8, 63)), (1,), b"\x41" * 8),
        forged(np.dtype("O"), (1000,), [1]),  # a list that ends early
        forged(np.dtype("f4"), (1000,), b"\x41" * 8),
        forged(np.dtype("f4"), (2**62,), b"\x41" * 8),
        forged("f4", (2,), b"\x41" * 8),
        forged(np.dtype("f4"), None, None),
        Call(RECONSTRUCT, np.float64, (0,), b"b"),
        Call(RECONSTRUCT, 3, (0,), b"b"),
        Call(np.float64(1).__reduce__()[0], np.dtype("O"), b"\x41" * 8),
        Call(np.ndarray, (1,), "O"),
        np.zeros(2, dtype=[("x", "f4"), ("y", "O")]),
        np.zeros(2, dtype="V8"),
        np.zeros(2, dtype="M8[s]"),
        np.zeros(2, dtype=complex),
        {1, 2},
        frozenset({1}),
        bytearray(b"x"),
        1 + 2j,
        range(3),
    ],
    ids=lambda value: "",
)
def test_refuses_forged_arrays_and_other_types(tmp_path: Path, value: Any) -> None:
    for protocol in (2, 4):
        path = write(tmp_path / "file.npz", value=pickled_npy({"S1": [value]}, protocol))
        with pytest.raises(DataError, match=r"file\.npz: member 'value'"):
            read_npz(path)


@pytest.mark.parametrize(
    "pickled",
    [
        b"cnumpy\ndtype\n}b.",  # sets the state of a function
        b"cnumpy\ndtype\nN}(X\x08\x00\x00\x00__code__Nu\x86b.",  # its attributes
        b"cnumpy\nndarray\n)\x81.",  # makes an object without calling its class
        b"(inumpy\nndarray\n.",
        b"(cnumpy\nndarray\no.",
        b"cbuiltins\nbytes\n.",
        b"cnumpy.core\nmultiarray\n.",
        b"\x8c\x05numpy\x8c\x0fdtype.__class__\x93.",
        b"Pid\n.",
        b"\x82\x01.",
        b"\x80\x7f.",  # a protocol of the future
        b"Nr\xff\xff\xff\x7f.",  # asks for a memo of 2**31 entries
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # asks for 2**63 bytes
        b"N.",
        b"",
    ],
)
def test_refuses_forged_instructions(tmp_path: Path, pickled: bytes) -> None:
    with pytest.raises(DataError, match=r"file\.npz: member 'value'"):
        read_npz(write(tmp_path / "file.npz", value=npy(pickled)))


def test_refuses_a_list_that_holds_itself(tmp_path: Path) -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(DataError, match="member 'value': is damaged"):
        read_npz(write(tmp_path / "file.npz", value=pickled_npy(value, 4)))


def test_names_the_refused_global(tmp_path: Path) -> None:
    path = write(tmp_path / "file.npz", value=pickled_npy(Call(builtins.eval, "1"), 4))
    with pytest.raises(DataError, match=r"asks for 'builtins\.eval'"):
        read_npz(path)


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("npz") / "valid.npz"
    np.savez(path, positions_3d=MOTION, plain=np.arange(5))  # type: ignore[arg-type]
    return path.read_bytes()


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_refuses_truncated_files(tmp_path: Path, valid: bytes, keep: float) -> None:
    path = tmp_path / "short.npz"
    path.write_bytes(valid[: int(keep * len(valid))])
    with pytest.raises(DataError, match=r"short\.npz: is not an npz file, or only a part of one"):
        read_npz(path)


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("value", [MOTION, np.arange(100.0)], ids=["pickled", "plain"])
def test_refuses_truncated_members(tmp_path: Path, value: Any, keep: float) -> None:
    stream = io.BytesIO()
    np.save(stream, value)
    content = stream.getvalue()
    path = write(tmp_path / "file.npz", value=content[: int(keep * len(content))])
    with pytest.raises(DataError, match=r"file\.npz: member 'value': is damaged or not a numpy array"):
        read_npz(path)


def test_refuses_what_is_no_npz_file(tmp_path: Path, valid: bytes) -> None:
    text = tmp_path / "text.npz"
    text.write_text("positions")
    with pytest.raises(DataError, match=r"text\.npz: is not an npz file"):
        read_npz(text)

    array = tmp_path / "array.npy"
    np.save(array, np.arange(3))
    with pytest.raises(DataError, match=r"array\.npy: is not an npz file"):
        read_npz(array)

    with pytest.raises(DataError, match="cannot be read"):
        read_npz(tmp_path)

    with pytest.raises(DataError, match=r"absent\.npz: there is no such file"):
        read_npz(tmp_path / "absent.npz")

    other = tmp_path / "other.npz"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(DataError, match=r"member 'notes\.txt': is damaged or not a numpy array"):
        read_npz(other)

    complete = tmp_path / "valid.npz"
    complete.write_bytes(valid)
    with pytest.raises(DataError, match="has no member 'positions_2d'; it has: plain, positions_3d"):
        read_npz(complete, required=["positions_2d"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_damaged_byte_gives_an_error_or_data_and_nothing_else(
    tmp_path: Path, valid: bytes, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(pickled_npy(MOTION, 4))
    archive = bytearray(valid)
    for position, byte in changes:
        content[position % len(content)] = byte
        archive[position % len(archive)] = byte
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(archive)
    for path in (write(tmp_path / "member.npz", value=bytes(content)), damaged):
        with contextlib.suppress(DataError):
            assert isinstance(read_npz(path), dict)
