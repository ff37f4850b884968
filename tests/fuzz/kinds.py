"""All kinds of cases."""

from __future__ import annotations

from .calls import builders, layer_inputs, layer_options, model_inputs, models
from .case import Kind
from .downloads import downloads
from .files import cameras, npz, smpl
from .keypoints import keypoint_tables, keypoints
from .motions import motions
from .probes import probe
from .programs import checkpoints, commands, paths
from .programs import names as silly_names
from .weights import foreign, own

KINDS = {
    "model options": Kind(models, 600, writes=True),
    "model inputs": Kind(model_inputs, 150, writes=True, tensors=True),
    "layer options": Kind(layer_options, 500, writes=True),
    "layer inputs": Kind(layer_inputs, 500, writes=True, tensors=True),
    "builders": Kind(builders, 500, writes=True),
    "npz": Kind(npz, 450),
    "smpl": Kind(smpl, 250),
    "cameras": Kind(cameras, 250),
    "motions": Kind(motions, 400),
    "keypoints": Kind(keypoints, 500),
    "keypoint tables": Kind(keypoint_tables, 60, writes=True),
    "downloads": Kind(downloads, 300, writes=True),
    "safetensors": Kind(own, 300),
    "official weights": Kind(foreign, 350),
    "run checkpoints": Kind(checkpoints, 200, writes=True),
    "paths": Kind(paths, 286, writes=True),
    "names": Kind(silly_names, 100, writes=True),
    "commands": Kind(commands, 200, writes=True),
    "probe": Kind(probe, 0),
}
"""What is tried, and how often in a full run."""


def names(cases: int | None = None, kinds: list[str] | None = None) -> list[tuple[str, int]]:
    """The cases of a run: all kinds in turn, by their shares.

    Args:
        cases: How many; by default the sum of the shares.
        kinds: Only these.
    """
    chosen = {name: kind for name, kind in KINDS.items() if kind.share and (not kinds or name in kinds)}
    total = sum(kind.share for kind in chosen.values())
    scale = 1 if cases is None else cases / total
    counts = {name: max(1, round(kind.share * scale)) for name, kind in chosen.items()}
    rows = [((number + 0.5) / count, name, number) for name, count in counts.items() for number in range(count)]
    return [(name, number) for _, name, number in sorted(rows)]
