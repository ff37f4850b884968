"""The results in README.md and on the start page: `python docs/_ext/results.py` writes them anew.

Every number is taken from where it stands: published errors from the registry, errors on open motion from the file of
`make study`, those of the weights that come with the library from the file of `benchmarks/open_weights.py`, times from
that of `make bench`.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from reference import measured, open_runs, pair, parameters, table

from skelgraph import list_models
from skelgraph.files import write_file
from skelgraph.models.registry import ModelInfo, model_info

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "docs/", "docs/index.md": ""}
"""Where the results stand, and what links begin with there."""
BEGIN, END = "<!-- results: python docs/_ext/results.py -->\n", "<!-- end of results -->\n"
LIFTER = """\
**The weights that come with the library**, trained on open motion alone ([model card]({base}models/open.md)).
MPJPE / P-MPJPE, mm:"""
NETWORKS = """\
**The networks.** *Human3.6M*: published MPJPE, mm, from ground truth and from detected keypoints. *Open motion*: MPJPE,
mm, on CMU recordings that it has not seen, after {budget:g} seconds of training on one processor core, some of them
narrower than published: what a short training makes of them, not which is best after days
([all of it]({base}open_results.md)). *Faster*: times, compiled, against the formulation of its paper in the same run,
256 poses, one core ([how]({base}benchmarks/models.md)).
"""


def results(base: str) -> str:
    """All tables, the links of which begin with ``base``."""
    networks = [[f"`{name}`", *row(model_info(name))] for name in list_models() if open_runs(name)]
    header = [
        "network",
        "published in",
        "parameters",
        "Human3.6M",
        "open motion",
        "faster: forward",
        "faster: training",
    ]
    budget = measured("open_results")["settings"]["budget"]
    parts = [
        LIFTER.format(base=base),
        lifter_table(),
        NETWORKS.format(base=base, budget=budget),
        table(header, networks),
    ]
    return "\n\n".join(parts) + "\n"


def row(info: ModelInfo) -> list[str]:
    """What is told of a network."""
    motion = statistics.mean(run["sets"]["test"]["mpjpe_mm"] for run in open_runs(info.name))
    venue = info.paper.rpartition("(")[2].replace(")", "")
    faster = [f"{times_faster(info.name, cell):.1f}" for cell in ("forward", "training step")]
    return [venue, f"{parameters(info.name):,}", published(info), f"{motion:.0f}", *faster]


def published(info: ModelInfo) -> str:
    """The best published errors: on ground truth, and on the keypoints of a detector, each with its setting."""
    errors = {setting: numbers[0] for setting, numbers in info.published.items() if numbers[0] is not None}
    sides = [[setting for setting in errors if setting.startswith("gt") is truth] for truth in (True, False)]
    best = [min(settings, key=lambda setting: errors[setting]) for settings in sides if settings]
    return "; ".join(f"{setting}: {errors[setting]:.1f}" for setting in best)


def times_faster(network: str, cell: str) -> float:
    """How many times faster a compiled network is than the formulation of its paper, at 256 poses."""
    (found,) = (
        entry
        for entry in measured("benchmarks/models")["rows"]
        if (entry["model"], entry["cell"], entry["batch"]) == (network, cell, 256)
    )
    return found["published"] / found["compiled"]


def lifter_table() -> str:
    """The errors of the weights that come with the library."""
    of = measured("benchmarks/open_weights")["weights"]["open"]
    motion, over_frames = of["motion"], "mpjpe_frames_mm"
    rows = [
        ["CMU motion, recordings it has not seen", pair(motion["test"], "mpjpe_mm")],
        ["another person of CMU", pair(motion["S02"], over_frames)],
        ["acrobatics (DeepMimic)", pair(motion["deepmimic"], over_frames)],
        ["a real person in four views, from a detector's keypoints", pair(of["clip"], "mpjpe_mm")],
    ]
    return table(["tested on", "error"], rows)


def written(text: str, base: str) -> str:
    """A page with the results between its marks."""
    before, begin, rest = text.partition(BEGIN)
    if not begin or END not in rest:
        raise SystemExit(f"found a page without the marks {BEGIN!r} and {END!r}")
    return before + BEGIN + "\n" + results(base) + "\n" + END + rest.partition(END)[2]


def main() -> None:
    """Write the results into their pages."""
    for name, base in PAGES.items():
        path = ROOT / name
        write_file(path, written(path.read_text(encoding="utf-8"), base).encode())


if __name__ == "__main__":
    main()
