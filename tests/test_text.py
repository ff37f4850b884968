"""Text from strangers cannot steer a terminal, fill a screen or take for ever."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelgraph.text import plain, shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Walking 1", "Walking 1"),
        ("é 漢", "é 漢"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\ud800", "\\ud800"),
        ("\u202eabc", "\\u202eabc"),
        ("[/x] $\\frac$", "[/x] $\\frac$"),  # markup is the renderer's business
    ],
)
def test_plain(name: str, expected: str) -> None:
    assert plain(name) == expected
    plain(name).encode()


def test_plain_is_cut() -> None:
    assert plain("a" * 80) == "a" * 80
    assert plain("a" * 81) == "a" * 79 + "…"
    assert len(plain("\x1b" * 10**6)) == 80


def test_shown_opens_nested_values_to_a_small_depth() -> None:
    shared: list = []
    for _ in range(200):
        shared = [shared, shared]
    assert len(shown(shared)) <= 100
    loop: dict = {}
    loop["self"] = loop
    assert len(shown(loop)) <= 100


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(10**5000, "2**16609 or more", id="huge"),
        (-(2**300), "-2**300 or more"),
        (3, "3"),
        (torch.eye(17), "Tensor (17, 17) of torch.float32"),
        (np.zeros((3, 4)), "ndarray (3, 4) of float64"),
        ({"a": "x\x1b"}, "{'a': 'x\\x1b'}"),
    ],
)
def test_shown(value: object, expected: str) -> None:
    assert shown(value) == expected


@pytest.mark.parametrize("value", ["x" * 10**7, b"\0" * 10**7, list(range(10**6))])
def test_shown_is_cut(value: object) -> None:
    assert len(shown(value)) <= 100


def test_an_object_whose_repr_fails_is_shown() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert "Broken" in shown(Broken())
