"""Values that nobody should hand to a function, and some that are merely unusual."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skelgraph.topology import Graph, JointHypergraph, Skeleton

TEXTS = [
    "",
    " ",
    "x",
    "False",
    "true",
    "None",
    "1",
    "-1",
    "0.5",
    "nan",
    "sem_gcn",
    "h36m16",
    "sum",
    "../x",
    "a\nb",
    "\x00",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "[/x]",
    "[bold]",
    "[link=http://x.org]y[/link]",
    r"$\frac$",
    "$x_1$",
    "{{ 7 * 7 }}",
    "<script>alert(1)</script>",
    "%s%n{0}",
    "\ud800",
    "\u202egnp",
    "日本語 🦴",
    "é́" * 50,
]
"""Texts, among them markup, escape sequences, a lone surrogate and changes of direction."""

NUMBERS = [0, 1, -1, 2, 3, 7, 10**6, 2**31, 2**32, 2**63, 10**23, 10**30, -(10**30), 10**400, 0.0, -0.0, 0.5, -0.5, 1.0]
NUMBERS += [1.5, 2.0, 1e-320, 1e308, -1e308, float("nan"), float("inf"), float("-inf")]


def _deep(depth: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = wrap(value)
    return value


def _loop() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


def _shared(depth: int) -> list[Any]:
    """A list of 2**depth entries that takes little memory."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value, value]
    return value


class Hostile:
    """An object that can neither be shown nor decide anything."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")


PLAIN: list[Callable[[], Any]] = [
    *(lambda value=value: value for value in (None, True, False)),  # type: ignore[misc]
    *(lambda value=value: value for value in (*TEXTS, *NUMBERS)),  # type: ignore[misc]
    lambda: "a" * 100_000,
    list,
    dict,
    lambda: [1],
    lambda: [[]],
    lambda: [0, -1],
    lambda: [1, 2, 3],
    lambda: [0.5, None],
    lambda: ["a", "a"],
    lambda: [1] * 100_000,
    lambda: {"a": 1},
    lambda: {"a": {"b": []}},
    lambda: _deep(50, lambda value: [value]),
    lambda: _deep(200, lambda value: {"a": value}),
]
"""Makers of values that JSON could hold, but for NaN and infinity."""

OBJECTS: list[Callable[[], Any]] = [
    lambda: b"bytes",
    lambda: bytearray(3),
    tuple,
    lambda: (1, 2),
    lambda: ("x",),
    lambda: {1, 2},
    lambda: {1: 2, None: 3},
    lambda: range(3),
    lambda: iter([1, 2]),
    lambda: 1j,
    lambda: Decimal("NaN"),
    lambda: Fraction(1, 3),
    lambda: Path("x"),
    object,
    Hostile,
    lambda: int,
    lambda: len,
    lambda: ...,
    lambda: np.int64(3),
    lambda: np.float32(0.5),
    lambda: np.float64("nan"),
    lambda: np.bool_(True),
    lambda: np.str_("x"),
    lambda: np.array(3),
    lambda: np.array([1, 2]),
    lambda: np.zeros((0, 3)),
    lambda: np.array([None, "x"], dtype=object),
    lambda: np.datetime64("2020-01-01"),
    lambda: torch.tensor(3),
    lambda: torch.tensor(float("nan")),
    lambda: torch.tensor([1.0, 2.0]),
    lambda: torch.zeros(0),
    lambda: torch.zeros(2, 2, dtype=torch.long),
    lambda: torch.eye(17),
    lambda: torch.eye(3).to_sparse(),
    lambda: torch.zeros(2, 2, device="meta"),
    lambda: torch.float16,
    lambda: torch.nn.Linear(2, 2),
    lambda: torch.nn.Linear,
    _loop,
    lambda: _shared(14),
    lambda: Skeleton([-1]),
    lambda: Skeleton([-1, 0, -1]),
    lambda: Skeleton([-1, 0, 0], joint_names=["a", "b", "c"], symmetric_pairs=[(1, 2)]),
    lambda: Graph(3, torch.tensor([[0], [1]])),
    lambda: Graph(1, torch.zeros(2, 0, dtype=torch.long)),
    lambda: JointHypergraph.from_lists(3, [[0, 1], [2]]),
    lambda: JointHypergraph.from_lists(17, []),
]
"""Makers of values that only Python has."""


def value(rng: random.Random) -> Any:
    """Any value."""
    return rng.choice(PLAIN if rng.random() < 0.6 else OBJECTS)()


def plain_value(rng: random.Random) -> Any:
    """A value that a JSON file or a pickle of plain data may hold."""
    return rng.choice(PLAIN)()


def spoil(rng: random.Random, document: Any, silly: Callable[[random.Random], Any] = plain_value) -> str:
    """Change a nested document of dictionaries and lists in place in one spot; returns what was done."""
    path, spot = "", document
    while True:
        keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
        if not keys:
            break
        key = rng.choice(keys)
        path += f"[{key!r:.40}]"
        if isinstance(spot[key], dict | list) and spot[key] and rng.random() < 0.7:
            spot = spot[key]
            continue
        action = rng.randrange(6)
        if action == 0:
            del spot[key]
            return f"{path} deleted"
        if action == 1 and isinstance(spot, list):
            spot.append(spot[key])
            return f"{path} doubled"
        if action == 1:
            spot[silly_key(rng)] = spot.pop(key)
            return f"{path} renamed"
        spot[key] = silly(rng)
        return f"{path} replaced"
    return "nothing"


def silly_key(rng: random.Random) -> Any:
    """A key that a dictionary should not have."""
    return rng.choice([*TEXTS, 0, -1, 1.5, None, True, (1, 2)])


TENSORS: list[tuple[str, Callable[[Tensor], Any]]] = [
    ("batch of 0", lambda x: x[:0]),
    ("batch of 1", lambda x: x[:1]),
    ("one joint less", lambda x: x[..., :-1, :] if x.dim() > 1 else x[:-1]),
    ("one joint more", lambda x: torch.cat([x, x[..., :1, :]], -2) if x.dim() > 1 else torch.cat([x, x])),
    ("no joints", lambda x: x[..., :0, :] if x.dim() > 1 else x[:0]),
    ("one channel less", lambda x: x[..., :-1]),
    ("one channel more", lambda x: torch.cat([x, x[..., :1]], -1)),
    ("no channels", lambda x: x[..., :0]),
    ("scalar", lambda x: x.sum()),
    ("one axis", torch.flatten),
    ("two axes", lambda x: x.reshape(-1, x.shape[-1]) if x.dim() else x),
    ("two axes, one row less", lambda x: x.reshape(-1, x.shape[-1])[:-1] if x.dim() else x),
    ("five axes", lambda x: x[None, None]),
    ("transposed", lambda x: x.mT if x.dim() > 1 else x),
    ("strided", lambda x: x.expand(3, *x.shape).transpose(0, -1).contiguous().transpose(0, -1)[0]),
    ("NaN", lambda x: x * float("nan") if x.is_floating_point() else x),
    ("infinite", lambda x: x * float("inf") if x.is_floating_point() else x),
    ("1e38", lambda x: x * 1e38 if x.is_floating_point() else x),
    ("float64", lambda x: x.double()),
    ("float16", lambda x: x.half()),
    ("bfloat16", lambda x: x.bfloat16()),
    ("int64", lambda x: x.long()),
    ("bool", lambda x: x.bool()),
    ("complex", lambda x: x.cfloat()),
    ("sparse", lambda x: x.to_sparse()),
    ("meta", lambda x: x.to("meta")),
    ("requires grad", lambda x: x.clone().requires_grad_() if x.is_floating_point() else x),
    ("NumPy", lambda x: x.numpy()),
    ("list", lambda x: x.tolist()),
]
"""What may be wrong with a tensor, by name."""


def tensor(rng: random.Random, good: Tensor) -> tuple[str, Any]:
    """A tensor with something wrong about it, or none at all."""
    if rng.random() < 0.2:
        return "silly", value(rng)
    name, change = rng.choice(TENSORS)
    return name, change(good if good.dim() else good[None])
