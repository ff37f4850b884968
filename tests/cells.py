"""The cells of a page: code that runs, and what it prints."""

from __future__ import annotations

import re

CELL = re.compile(r"^```python run\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
"""A fence that says ``python run``, and a ``text`` block right below it, if there is one."""
