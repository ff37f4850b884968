"""What a setting of the device means."""

from __future__ import annotations

import pytest
import torch

from skelgraph.device import chosen_device
from skelgraph.errors import SkelgraphError


@pytest.mark.parametrize(
    ("name", "found", "chosen"), [("auto", 0, "cpu"), ("auto", 2, "cuda"), ("cpu", 2, "cpu"), ("cuda", 1, "cuda")]
)
def test_chosen_device(monkeypatch: pytest.MonkeyPatch, name: str, found: int, chosen: str) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    assert chosen_device(name) == chosen


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(SkelgraphError, match="this machine has no CUDA device"):
        chosen_device("cuda")
