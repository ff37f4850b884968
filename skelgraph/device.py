"""On what a network runs, where a setting leaves it open."""

from __future__ import annotations

from skelgraph.errors import SkelgraphError


def chosen_device(name: str) -> str:
    """What a setting ``device`` means on this machine: ``"auto"`` is ``"cuda"`` where there is a GPU, else ``"cpu"``.

    Raises:
        SkelgraphError: If it is ``"cuda"`` and there is no GPU.
    """
    import torch

    available = torch.cuda.device_count() > 0
    if name == "cuda" and not available:
        raise SkelgraphError("device is 'cuda', but this machine has no CUDA device")
    return name if name != "auto" else "cuda" if available else "cpu"
