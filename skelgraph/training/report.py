"""What a run leaves behind for people: metrics.json, figures, an animation, and one page that holds them all."""

from __future__ import annotations

import base64
import json
import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup
from torch import Tensor

from skelgraph.files import to_json, write_file
from skelgraph.text import plain
from skelgraph.topology import Skeleton
from skelgraph.training.judging import MEASURES, ROWS, statements
from skelgraph.training.losses import loss_label
from skelgraph.training.selection import sentences
from skelgraph.viz.animation import animate_poses
from skelgraph.viz.figures import action_errors, expected_errors, joint_errors, learning_curve, png

FIGURES = {
    "learning_curve.png": "Learning curve",
    "joint_errors.png": "Error per joint",
    "action_errors.png": "Error per action",
    "expected_errors.png": "Expected and true errors",
}
ANIMATION = "animation.gif"

_logger = logging.getLogger(__name__)


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
    sample: Callable[[], Sample],
    skeleton: Skeleton,
) -> None:
    """Write ``metrics.json`` first, then figures, animation and ``report.html``.

    A picture that cannot be drawn costs no result: it is a warning in the log, and a sentence on the page.

    Args:
        out: Folder that exists.
        metrics: What ``metrics.json`` will hold.
        config: Settings that the page lists.
        history: Rows of the learning curve; empty: there is none.
        sample: Makes the clip for the animation.
        skeleton: Skeleton of the poses.
    """
    write_json(out / "metrics.json", metrics)
    pictures: dict[str, Callable[[], bytes]] = {
        "joint_errors.png": lambda: png(joint_errors(metrics["per_joint_mm"], skeleton)),
        "action_errors.png": lambda: png(action_errors(metrics["per_action"])),
        ANIMATION: lambda: _animation(sample(), skeleton),
    }
    if "expected_error" in metrics:
        pictures["expected_errors.png"] = lambda: png(expected_errors(metrics["expected_error"]["groups"]))
    if history:
        loss = loss_label(config["loss"], config["refine_loss"] if config.get("refine") else None)
        judged = metrics["selection"]["judged_each_epoch"]
        pictures["learning_curve.png"] = lambda: png(learning_curve(history, loss, config["select_by"], judged))
    files: dict[str, bytes] = {}
    missing: dict[str, str] = {}
    for name, draw in pictures.items():
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as a box; the page has the name
                files[name] = draw()
        except Exception as error:
            missing[name] = plain(f"{type(error).__name__}: {error}", 300)
            _logger.warning("%s could not be drawn (%s)", name, missing[name])
            (out / name).unlink(missing_ok=True)  # that of an earlier report
    write_file(out / "report.html", _page(metrics, config, files, missing).encode())
    for name, content in files.items():
        write_file(out / name, content)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON for people, all of it or nothing; NaN and infinity, which JSON does not have, become ``null``."""
    write_file(path, f"{to_json(values)}\n".encode())


def _animation(sample: Sample, skeleton: Skeleton) -> bytes:
    return animate_poses(
        sample.keypoints_2d,
        sample.prediction,
        sample.target,
        skeleton,
        frames_per_second=sample.frames_per_second,
        title=sample.title,
    )


def _page(
    metrics: Mapping[str, Any], config: Mapping[str, Any], files: Mapping[str, bytes], missing: Mapping[str, str]
) -> str:
    images = {name: Markup(base64.b64encode(content).decode()) for name, content in files.items()}
    return render(
        "report.html.j2",
        metrics=metrics,
        beats_mean_pose=beats_mean_pose(metrics),
        rows=ROWS,
        measures=MEASURES,
        sentences=sentences(metrics),
        statements=statements(metrics),
        config={name: json.dumps(value) for name, value in config.items() if value is not None},
        figures=[(title, images[name]) for name, title in FIGURES.items() if name in images],
        animation=images.get(ANIMATION),
        missing=missing,
    )


def render(template: str, **values: Any) -> str:
    """Fill in a template of this package; texts are escaped and cut."""
    source = resources.files(__package__).joinpath(template).read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=_shown_on_the_page
    )
    environment.filters["number"] = lambda value: f"{value:.2f}" if math.isfinite(value) else "–"
    return environment.from_string(source).render(**values)


def beats_mean_pose(metrics: Mapping[str, Any]) -> bool:
    """Whether the network is better than always answering the mean training pose, the least that it must be."""
    return metrics["mpjpe_mm"] < metrics["mean_pose_mpjpe_mm"]


def _shown_on_the_page(value: Any) -> Any:
    """Names come from files: cut, and nothing in them that no one can see. Only the pictures are markup."""
    return plain(value, 500) if isinstance(value, str) and not isinstance(value, Markup) else value
