"""Command lines of the documentation in the form in which the tests run them: on one core, in a second or two."""

from __future__ import annotations

import json
import shlex
import zlib
from typing import Any

from published_files import TINY

from skelgraph.recipes import read_recipe
from skelgraph.training import TrainConfig, read_config

MACHINES = {
    "--devices": 1,
    "--gpus": 1,
    "--max-epochs": 1,
    "--device": 1,
    "--seeds": 1,
    "--cluster": 0,
    "--workers": 1,
    "--address": 1,
    "--compile": 0,
}
"""What is of large machines and long runs, and how many words belong to it."""
GENERATED = ["--data-option", "seconds=1.0", "--actions", "Walking"]
"""A second of each walk of the generated motion, every tenth frame."""


def reduced(line: list[str]) -> list[str]:
    """The same line for a small machine: one process on the CPU, one epoch, small widths; all else stays.

    Args:
        line: The words behind ``skelgraph``.
    """
    switches = [word for word in line if word in ("--json", "--quiet")]
    command, *given = (word for word in line if word not in switches)
    seeds = "--seeds" in given
    for option, values in MACHINES.items():
        if command != "data" and option in given:
            at = given.index(option)
            del given[at : at + 1 + values]
    if command in ("train", "reproduce") and "--resume" not in given:
        given += _trained(command, given) + ["--seeds", "0,1"] * seeds
    elif command in ("evaluate", "visualize"):
        _shrink(given, TINY["hgn"])
        given += ["--device", "cpu"]
        if "human36m_hgn" in given:
            given += ["--test-subjects", "S9,S11"]
        if "synthetic" in given:
            given += [*GENERATED[:2], *(["--limit", "2"] if command == "visualize" else ["--downsample", "10"])]
    elif command == "lift":
        given = [word.removeprefix("/") for word in given] + ["--device", "cpu"]
    if command in ("train", "evaluate", "lift", "reproduce"):
        given.append("--no-progress")
    if command in ("train", "evaluate") and "--out" not in given:  # else named by the second, of which several may be
        given += ["--out", f"runs/{zlib.crc32(shlex.join(line).encode()):08x}"]
    return [*switches, command, *given]


def _trained(command: str, given: list[str]) -> list[str]:
    """What is added to a line that trains, whose options of widths are changed."""
    config = _settings(command, given)
    model, dataset = config.network.model, config.data.dataset
    if "--model" in given:
        model = given[given.index("--model") + 1]
    if "--dataset" in given:
        dataset = given[given.index("--dataset") + 1]
    sizes = _shrink(given, TINY.get(model, {}))  # none of a network of the page itself
    if "--init-from" in given and "--recipe" not in given:  # as wide as the weights
        sizes = {}
    added = ["--device", "cpu", "--max-epochs", "1"]
    added += [word for name, value in sizes.items() for word in ("--option", f"{name}={json.dumps(value)}")]
    added += ["--refine-channels", "8"]
    if dataset == "human36m_hgn":
        added += ["--train-subjects", "S1", "--test-subjects", "S9,S11"]
    if dataset == "synthetic":
        added += GENERATED
    if dataset in ("synthetic", "short_clips"):
        if "--downsample" in given:
            del given[given.index("--downsample") : given.index("--downsample") + 2]
        added += ["--downsample", "10", "--test-downsample", "10"]
    return added


def _settings(command: str, given: list[str]) -> TrainConfig:
    if command == "reproduce":
        return read_recipe(given[0]).config
    if "--recipe" in given:
        return read_recipe(given[given.index("--recipe") + 1]).config
    if "--config" in given:
        return read_config(given[given.index("--config") + 1])
    return TrainConfig("")


def _shrink(given: list[str], sizes: dict[str, Any]) -> dict[str, Any]:
    """Give the options of widths in a line these values, in place.

    Returns:
        The sizes that the line does not name.
    """
    left = dict(sizes)
    for i, word in enumerate(given):
        name = word.partition("=")[0]
        if given[i - 1] == "--option" and name in sizes:
            given[i] = f"{name}={json.dumps(sizes[name])}"
            left.pop(name, None)
    return left
