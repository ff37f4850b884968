"""What a run leaves behind for people: metrics.json, figures, an animation, and one page that holds them all."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from torch import Tensor

from skelgraph.topology import Skeleton
from skelgraph.viz.animation import animate_poses
from skelgraph.viz.figures import action_errors, joint_errors, learning_curve, png

FIGURES = {
    "learning_curve.png": "Learning curve",
    "joint_errors.png": "Error per joint",
    "action_errors.png": "Error per action",
}
ANIMATION = "animation.gif"
RESULT_FILES = ("config.json", "metrics.json", "report.html", ANIMATION, *FIGURES)
"""Every file that a run writes beside its checkpoints and logs."""


class Sample(NamedTuple):
    """A clip of the test set for the animation: ``keypoints_2d`` (T, J, 2), ``prediction`` and ``target`` (T, J, 3)."""

    keypoints_2d: Tensor
    prediction: Tensor
    target: Tensor
    frames_per_second: float
    title: str


def write_report(
    out: Path,
    metrics: Mapping[str, Any],
    config: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    sample: Sample,
    skeleton: Skeleton,
) -> None:
    """Write figures, animation, ``report.html`` and, last, ``metrics.json``.

    Args:
        out: Folder that exists.
        metrics: What ``metrics.json`` will hold.
        config: Settings that the page lists.
        history: Rows of the learning curve; empty: there is none.
        sample: Clip for the animation.
        skeleton: Skeleton of the poses.
    """
    files = {
        "joint_errors.png": png(joint_errors(metrics["per_joint"], skeleton)),
        "action_errors.png": png(action_errors(metrics["per_action"])),
        ANIMATION: animate_poses(
            sample.keypoints_2d,
            sample.prediction,
            sample.target,
            skeleton,
            frames_per_second=sample.frames_per_second,
            title=sample.title,
        ),
    }
    if history:
        unit = "m²" if config["loss"] == "mse" else "m"
        files["learning_curve.png"] = png(learning_curve(history, f"{config['loss']} loss ({unit})"))
    page = _page(metrics, config, files)
    for name, content in {**files, "report.html": page.encode()}.items():
        write_file(out / name, content)
    write_json(out / "metrics.json", metrics)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON for people, all of it or nothing; NaN, which JSON does not have, becomes ``null``."""
    plain = {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}
    write_file(path, (json.dumps(plain, indent=2, ensure_ascii=False) + "\n").encode())


def write_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it: all of it or nothing."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _page(metrics: Mapping[str, Any], config: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    source = resources.files(__package__).joinpath("report.html.j2").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    images = {name: base64.b64encode(content).decode() for name, content in files.items()}
    return environment.from_string(source).render(
        metrics=metrics,
        config=config,
        figures=[(title, images[name]) for name, title in FIGURES.items() if name in images],
        animation=images[ANIMATION],
    )
