"""No file takes more memory or time than its size justifies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured on Linux")
MOST_MEBIBYTES, MOST_SECONDS = 200, 20


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """``[outcome, seconds, mebibytes]`` of every bomb."""
    folder = tmp_path_factory.mktemp("bombs")
    for step in ("write", "read"):  # in two processes: to write them takes memory, too
        command = [sys.executable, str(Path(__file__).with_name("bombs.py")), step, str(folder)]
        process = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert process.returncode == 0, process.stderr[-2000:]
    return json.loads(process.stdout.splitlines()[-1])


def test_every_bomb_is_a_clear_error(results: dict[str, Any]) -> None:
    assert len(results) > 50
    for name, (outcome, _, _) in results.items():
        assert outcome.startswith("error: "), (name, outcome)
        assert len(outcome) < 1000, name


def test_none_takes_memory_or_time(results: dict[str, Any]) -> None:
    for name, (_, seconds, mebibytes) in results.items():
        assert mebibytes < MOST_MEBIBYTES, name
        assert seconds < MOST_SECONDS, name
