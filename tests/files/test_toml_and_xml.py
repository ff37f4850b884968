"""TOML and XML from strangers: plain data, and nothing that is large, strange or run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from skelgraph.errors import DataError
from skelgraph.files import read_toml, read_xml

LAUGHS = (
    "<!DOCTYPE a [<!ENTITY a0 'x'>"
    + "".join(f"<!ENTITY a{i + 1} '{f'&a{i};' * 10}'>" for i in range(9))
    + "]><a>&a9;</a>"
)


def test_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b'\xef\xbb\xbf[cam]\nname = "\xc3\xa4"\nsize = [1087.0, 1919]\n')
    assert read_toml(tmp_path / "a.toml", DataError) == {"cam": {"name": "ä", "size": [1087.0, 1919]}}
    (tmp_path / "a.xml").write_bytes(
        "<?xml version='1.0' encoding='latin-1'?><a><b c='ä &amp; 1'>t</b></a>".encode("latin-1")
    )
    (b,) = read_xml(tmp_path / "a.xml", DataError).findall("b")
    assert (b.get("c"), b.text) == ("ä & 1", "t")


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        pytest.param(read_xml, LAUGHS, "declares a document type", id="a billion laughs"),
        (read_xml, '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "declares a document type"),
        (read_xml, '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>', "declares a document type"),
        pytest.param(read_xml, "<a>" * 100_000, "within each other 64 times", id="deep elements"),
        pytest.param(read_xml, "<a>" + " " * 2**20 + "</a>", "longer than the 1048576 bytes", id="long XML"),
        (read_xml, "<a>&b;</a>", "undefined entity"),
        (read_xml, "<a>", "no element found|unclosed"),
        (read_xml, "", "no element found"),
        (read_xml, "<?xml version='1.0' encoding='no-such'?><a/>", "unknown encoding"),
        (read_toml, "a = [", "Invalid value"),
        (read_toml, "a = 1\na = 2", "overwrite"),
        pytest.param(read_toml, "a = " + "[" * 100_000, "nested too deeply", id="deep TOML"),
        pytest.param(read_toml, "a = " + "9" * 9000, "digits", id="digits"),
        pytest.param(read_toml, "#" * 2**18 + "#", "longer than the 262144 bytes", id="long TOML"),
        (read_toml, b"\xff\xfe\x00", "utf-8"),
    ],
)
def test_what_is_refused(read, text: str | bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "strange"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    start = time.perf_counter()
    with pytest.raises(DataError, match=rf"strange: is .*({message})") as error:
        read(path, DataError)
    assert time.perf_counter() - start < 10
    assert len(str(error.value)) < 700
    assert "\n" not in str(error.value)
