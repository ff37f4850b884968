"""Put the network of a run into the package: its file, what `weights.json` declares of it, and the model card.

    python benchmarks/ship_weights.py --run runs/open_f1
    python benchmarks/ship_weights.py --run runs/open_f27 --name open_f27 --frame-rate 25
    python benchmarks/ship_weights.py

The last one makes the card alone, of what is declared and of what `open_weights.py` measured. Weights are written in
half precision; the file replaces the one of before.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

from open_card import CARD, MEASURED, card

from skelgraph.cli.pack import pack
from skelgraph.errors import SkelgraphError
from skelgraph.files import read_json, write_file
from skelgraph.models.shipped import FOLDER, TABLE, ShippedWeights, read_shipped
from skelgraph.training.config import TrainConfig

LARGEST = {1: 4_000_000}
LARGEST_OF_MANY_FRAMES = 12_000_000
"""Most bytes of a file, by the frames that its network sees."""


def main() -> None:
    options = argparse.ArgumentParser(description=" ".join((__doc__ or "").split("\n\n")[0].split()))
    options.add_argument("--run", type=Path, help="folder of a training run; by default the card is made anew, no more")
    options.add_argument("--checkpoint", default="last.ckpt", help="which of its checkpoints")
    options.add_argument("--name", default="open", help="name of the weights")
    options.add_argument("--frame-rate", type=float, help="frames per second of its windows, of a network of several")
    options.add_argument("--measured", type=Path, default=MEASURED, help="file that open_weights.py wrote")
    given = options.parse_args()
    if given.run is not None:
        ship(given.run, given.run / "checkpoints" / given.checkpoint, given.name, given.frame_rate)
    measured = read_json(given.measured, SkelgraphError) if given.measured.exists() else None
    write_file(CARD, card(read_shipped(), measured).encode())
    print(CARD)


def ship(run: Path, checkpoint: Path, name: str, frame_rate: float | None, folder: Path = FOLDER) -> ShippedWeights:
    """Write the file of a run's network and its entry in the table, both in a folder.

    Raises:
        SkelgraphError: If the file is larger than it may be, or the run or its network is not usable.
    """
    told = read_json(run / "config.json", SkelgraphError)
    temporary = folder / f".{name}.safetensors"
    try:
        network = pack(checkpoint, temporary, frame_rate=frame_rate, half=True)
        content = temporary.read_bytes()
    finally:
        temporary.unlink(missing_ok=True)
    most = LARGEST.get(network.num_frames, LARGEST_OF_MANY_FRAMES)
    if len(content) > most:
        raise SkelgraphError(f"{name} has {len(content):,} bytes; expected at most {most:,}")
    entry = ShippedWeights(
        file=f"open_f{network.num_frames}.safetensors",
        sha256=hashlib.sha256(content).hexdigest(),
        model=str(network.registered_name),
        skeleton=str(network.skeleton.name),
        frames=network.num_frames,
        settings=settings_of(TrainConfig.from_dict(told["config"])),
        command=without_paths(told["command"]),
        commit=told["git"]["commit"] + " (changed)" * told["git"]["dirty"],
    )
    write_file(folder / entry.file, content)
    table = read_shipped(folder / TABLE.name) | {name: entry}
    rows = {key: dataclasses.asdict(one) for key, one in table.items()}
    write_file(folder / TABLE.name, (json.dumps(rows, indent=2) + "\n").encode())
    return entry


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """The settings of a run that are not the default ones and no files, and say what the network has learned."""
    default = TrainConfig("").settings()
    kept = {
        member.name
        for group, member in config.declared()
        if group not in ("network", "evaluation", "machine") and not member.metadata["source"]
    }
    changed = {name: value for name, value in config.settings().items() if name in kept and value != default[name]}
    return changed | ({"extra_motion": Path(changed["extra_motion"]).name} if "extra_motion" in changed else {})


def without_paths(command: str) -> str:
    """A command with the names of programs and files in the place of their paths."""
    program, *words = [Path(word).name if "/" in word else word for word in shlex.split(command)]
    return shlex.join(["skelgraph" if program == "__main__.py" else program, *words])


if __name__ == "__main__":
    main()
