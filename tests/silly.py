"""Values that nobody means, for every option: each is refused by name or taken and works."""

from __future__ import annotations

SILLY = (
    *(0, -1, 10**30, 10**5000, 1.5, -0.5, float("nan"), float("inf"), True, None),
    *("x", "False", "", "\ud800", b"x", object()),
    *([], {}, (), [1, "x"], [[]], [[0]], [None], [float("nan")], [-1, 10**30]),
)
