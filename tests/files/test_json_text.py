"""JSON that cannot be used is a clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from skelgraph.errors import DataError
from skelgraph.files import parse_json, read_json


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("9" * 5000, "an integer of 5000 digits"),
        ("-" + "9" * 100_000, "digits"),
        ("[" + "1," * 9_000_000 + "1]", "longer than the 16777216 bytes"),
        (b"\xff\xfe", "codec can't decode"),
        ("\x1b[31m", "Expecting value"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_bad_json(text: str | bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=rf"file\.json: is .*{message}") as error:
        read_json(path, DataError)
    assert len(str(error.value)) < 400
    assert "\x1b" not in str(error.value)


def test_good_json(tmp_path: Path) -> None:
    assert parse_json('{"a": [1, 2.5, null, "\\u00e9"]}', "it", DataError) == {"a": [1, 2.5, None, "é"]}
    path = tmp_path / "file.json"
    path.write_bytes(b"\xef\xbb\xbf[1]")  # as editors on Windows begin a file
    assert read_json(path, DataError) == [1]
