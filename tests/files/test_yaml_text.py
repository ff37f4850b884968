"""YAML from strangers: plain data of YAML 1.2, and nothing that is large, strange or run."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files.yaml_text import parse_yaml, read_yaml


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = """
    number: 1e-3
    text: no
    octal: 010
    date: 2020-01-01
    time: 12:30
    none: ~
    empty:
    true: False
    quoted: "False"
    list: [S1, 'S5', .5, -3]
    infinite: -.inf
    """
    values = parse_yaml(text, "x:", SkelgraphError)
    assert values == {
        "number": 0.001, "text": "no", "octal": 10, "date": "2020-01-01", "time": "12:30", "none": None, "empty": None,
        "true": False, "quoted": "False", "list": ["S1", "S5", 0.5, -3], "infinite": -math.inf,
    }  # fmt: skip
    assert type(values["octal"]) is int
    assert math.isnan(parse_yaml("[.nan]", "x:", SkelgraphError)[0])


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(LAUGHS, r"found the alias \*a", id="a billion laughs"),
        ("a: &a [*a]", r"found the alias \*a"),
        ("!!python/object/apply:os.system ['touch trace']", "found the tag"),
        ("a: !!set {x}", "found the tag"),
        ("a: 1\na: 2", "found the key 'a' twice"),
        ("? [1, 2]\n: 3", "found a key that is no text"),
        pytest.param("a: " + "[" * 5000, "nested too deeply", id="deep"),
        pytest.param("a: " + "9" * 9000, "digits", id="digits"),
        pytest.param("x" * 2**18 + "x", "longer than the 262144 bytes", id="long"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: [", "expected the node content"),
        (b"\xff\xfe\x00", "utf-8"),
        ("\x00", "not allowed"),
    ],
)
def test_what_is_refused(text: str | bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "strange.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    start = time.perf_counter()
    with pytest.raises(DataError, match=rf"strange\.yaml: is .*{message}") as error:
        read_yaml(path, DataError)
    assert time.perf_counter() - start < 10
    assert len(str(error.value)) < 700
    assert "\n" not in str(error.value)
    assert not (tmp_path / "trace").exists()


def test_a_mapping_as_long_as_a_file_may_be() -> None:
    """Every value stands at its own key, and a key that comes back after all the others is found."""
    text = "".join(f"{number:x}: {number}\n" for number in range(20_000))
    assert parse_yaml(text, "x", SkelgraphError) == {f"{number:x}": number for number in range(20_000)}
    with pytest.raises(SkelgraphError, match="found the key '0' twice"):
        parse_yaml(f"{text}0: 1", "x", SkelgraphError)
