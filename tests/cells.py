"""The blocks of a page: code that runs, and what it prints."""

from __future__ import annotations

import re

CELL = re.compile(r"^```python run\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
"""A fence that says ``python run``, and a ``text`` block right below it, if there is one."""

BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<fence>[^`\n]*)\n(?P<text>.*?)^(?P=indent)```(?:\n\n```text\n(?P<output>.*?)^```)?$",
    re.MULTILINE | re.DOTALL,
)
"""Any fence, inside lists too, with the same of what it prints."""
