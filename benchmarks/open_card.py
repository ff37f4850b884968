"""The model card of the weights that come with the package: what is declared of them, and what was measured, put into
the text of `open_card.md`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from open_judging import HEADLINES
from reporting import table

from skelgraph.datasets import four_views
from skelgraph.models import load_expected_error, load_network
from skelgraph.models.shipped import ShippedWeights

TEXT = Path(__file__).with_name("open_card.md")
DOCS = Path(__file__).parents[1] / "docs"
CARD = DOCS / "models" / "open.md"
MEASURED = DOCS / "benchmarks" / "open_weights.json"
"""What `open_weights.py` measured."""

ERRORS = """\
## Errors

MPJPE / P-MPJPE in mm by `{command}`: `test` (mean over actions), `S02` and `deepmimic` (over frames) are motion seen by
the cameras of its files, all joints; the clip is a real person in four videos (`skelgraph lift --example`), seen by a
detector, twelve limb joints relative to the middle of the hips, its last column the mean of the views. Where several
trainings were judged, with other seeds, they are means. More: [open_weights.md](../benchmarks/open_weights.md)."""


def card(weights: Mapping[str, ShippedWeights], measured: Mapping[str, Any] | None) -> str:
    """The card in Markdown. What is not measured is left out."""
    found = {name: measured["weights"][name] for name in weights if measured and name in measured["weights"]}
    errors = _errors(found, measured["command"]) + "\n\n" if measured and found else ""
    return TEXT.read_text().format(
        model=weights["open"].model, files=_files(weights), made=_made(weights), errors=errors
    )


def _files(weights: Mapping[str, ShippedWeights]) -> str:
    header = ["name", "file", "network", "skeleton", "frames", "parameters", "expected errors", "size"]
    rows = []
    for name, one in weights.items():
        parameters = sum(parameter.numel() for parameter in load_network(one.path).parameters())
        told = "yes" if load_expected_error(one.path) is not None else "no"
        about = [f"`{name}`", f"`{one.file}`", f"`{one.model}`", f"`{one.skeleton}`", str(one.frames)]
        rows.append([*about, f"{parameters:,}", told, f"{one.path.stat().st_size / 1e6:.1f} MB"])
    sums = [f"SHA-256 of `{one.file}`: `{one.sha256}`" for one in weights.values()]
    return "\n\n".join([table(header, rows), *sums])


def _made(weights: Mapping[str, ShippedWeights]) -> str:
    parts = ["## How they were made"]
    for name, one in weights.items():
        settings = "; ".join(f"`{setting}` {_shown(value)}" for setting, value in one.settings.items())
        parts.append(
            f"`{name}`, by commit `{one.commit}`, with these settings besides the default ones: {settings}. The "
            "command, without the folders of its files:"
        )
        parts.append(f"```bash\n{one.command}\n```")
    return "\n\n".join(parts)


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _errors(measured: Mapping[str, Any], command: str) -> str:
    """Errors of each of the weights on motion and on the clip."""
    header, rows = ["weights", "trainings", *HEADLINES, *four_views(), "clip"], []
    for name, found in measured.items():
        motion, clip = found["motion"], found["clip"]
        errors = [(motion[one][measure], motion[one][f"p_{measure}"]) for one, measure in HEADLINES.items()]
        errors += [(row["mpjpe_mm"], row["p_mpjpe_mm"]) for row in (*clip["views"].values(), clip)]
        pairs = [f"{mpjpe:.1f} / {p_mpjpe:.1f}" for mpjpe, p_mpjpe in errors]
        rows.append([f"`{name}`", str(len(found["seeds"])), *pairs])
    return "\n\n".join([ERRORS.format(command=command), table(header, rows)])
