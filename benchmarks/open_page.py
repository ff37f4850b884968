"""The page of the study of open data, made of nothing but its file of results."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from open_judging import HEADLINES, motion_mean
from open_runs import FULL_DATA, OTHER_FORMS, SMALLER
from reporting import table

Row = dict[str, Any]

TITLE = "Networks and transforms on open motion"
WHAT = """\
All networks of the library, each trained from nothing on the same open data under the same budget, and tested on
motion and on a person that none of them has seen. Published tables compare networks on Human3.6M after hours or days
of training with settings of each author; this one compares what a minute or so of one processor core makes of them
with one setting for all. It says little about which is best after days."""
DATA = """\
Data: CMU motion capture, subject `train`, joints of `h36m16`, filmed by a new camera in every step ({transforms}),
mirrored windows too; the input is rays turned to the person (`--input-form rays`). `test` and `S02` are other
recordings and another person of CMU, `deepmimic` is acrobatics, with the cameras of their files; the clip is a real
person in four views, keypoints by a detector, focal length calibrated, twelve limb joints. Errors are MPJPE / P-MPJPE
in millimetres on every fifth frame, of `test` the mean over actions, of `S02` and `deepmimic` over frames, of the clip
over its views; answers to a pose and to its mirror image averaged. The mean of {seeds} seeds, ± their standard
deviation. Rows are ordered by the mean of `test`, `S02` and `deepmimic`: the clip is a hundred frames of one person, on
which two runs of one network differ by 4 to 8 mm."""
BUDGET = """\
Budget: {budget:g} s of processor time on one thread for the training steps (the making of their batches included).
The time of a step was measured first, in float32 and in bfloat16 autocast, the faster was taken, and as many steps as
fit were fixed. Batches of {batch_size}, MPJPE as loss, AdamW with a learning rate of {lr:g} (one cycle over the run),
gradients clipped to norm 1, the same for all. Milliseconds are those of one pose without its mirror image, median, in
float32 on {threads} thread{s}, alone and in batches of 256."""
SMALL = """\
Networks are as published, but for those whose steps take so long that less than 90 fit into a minute (times are those
that led to this choice), and for those in other forms: {others}."""
TRANSFORMS_WHAT = """\
On *{model}*, {steps:,} steps each (about {seconds:g} s), whatever a transform costs. *new cameras* has no transform but
`--virtual-views`; each transform is added to that alone; *chosen* is what the networks above were trained with, then
without each of its parts, and with two more that the shipped weights have. Networks trained with *middles* are judged
on poses with them, too: spine and thorax, two of the 16 joints, are then others. In brackets the difference to
*new cameras*, or to *chosen*: negative is better."""


def page(results: Mapping[str, Any]) -> str:
    """The page in Markdown."""
    runs = list(results["runs"].values())
    parts = [f"# {TITLE}", _made(results), WHAT]
    if of_networks := [run for run in runs if run["part"] == "networks"]:
        parts += _networks(of_networks, results)
    if of_transforms := [run for run in runs if run["part"] == "transforms"]:
        parts += _transforms(of_transforms, results["settings"])
    return "\n\n".join(parts) + "\n"


def _made(results: Mapping[str, Any]) -> str:
    machine, runs = results["machine"], results["runs"].values()
    commits = dict.fromkeys((run["commit"] or "no commit")[:12] + " (changed)" * run["dirty"] for run in runs)
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    threads = machine["threads"]
    return (
        f"Made by `{machine['command']}` at commit {', '.join(commits)}: {versions}; {machine['processor']}, "
        f"{threads} thread{'s' * (threads != 1)}."
    )


def _networks(runs: list[Row], results: Mapping[str, Any]) -> list[str]:
    rows = sorted(_by_name(runs).items(), key=lambda item: _mean(item[1], _ranked))
    header = ["network", "parameters", "frames", "steps", "precision", "ms, B = 1", "ms, B = 256"]
    header += [*HEADLINES, "their mean", "clip"]
    lines = [
        [
            name,
            f"{of[0]['parameters']:,}",
            str(of[0]["frames"]),
            f"{of[0]['steps']:,}",
            {"32": "float32", "bf16": "bfloat16"}[of[0]["precision"]],
            *(f"{_mean(of, lambda run, size=size: run['milliseconds'][size]):.2g}" for size in ("1", "256")),
            *_errors(of),
            _spread(of, _ranked),
            _pair(of, lambda run: run["clip"], "mpjpe_mm"),
        ]
        for name, of in rows
    ]
    smaller = [[name, _options(SMALLER[name].options), SMALLER[name].why] for name, _ in rows if name in SMALLER]
    settings, threads = results["settings"], results["machine"]["threads"]
    seeds = len({run["seed"] for run in runs})
    return [
        "## Networks",
        table(header, lines),
        DATA.format(transforms=_options(FULL_DATA), seeds=seeds),
        BUDGET.format(**settings, threads=threads, s="s" * (threads != 1)),
        *([SMALL.format(others=_others()), _text_table(["network", "options", "why"], smaller)] if smaller else []),
    ]


def _transforms(runs: list[Row], settings: Mapping[str, Any]) -> list[str]:
    rows = _by_name(runs)
    lines = []
    for name, of in rows.items():
        base = rows.get("chosen" if name.startswith("chosen") else "new cameras")
        against = None if base is None or base is of else base
        lines.append(
            [name, *_errors(of, against), _spread(of, _ranked, against), _pair(of, lambda run: run["clip"], "mpjpe_mm")]
        )
    about = runs[0]
    return [
        "## The worth of each transform",
        TRANSFORMS_WHAT.format(model=about["network"], steps=about["steps"], seconds=settings["transforms_budget"]),
        table(["data", *HEADLINES, "their mean", "clip"], lines),
    ]


def _by_name(runs: Iterable[Row]) -> dict[str, list[Row]]:
    """The runs of each row of a table, one for each seed."""
    rows: dict[str, list[Row]] = {}
    for run in runs:
        rows.setdefault(run["name"], []).append(run)
    return rows


def _ranked(run: Row) -> float:
    return motion_mean(run["sets"])


def _errors(of: list[Row], against: list[Row] | None = None) -> list[str]:
    """The cells of the three sets."""
    return [
        _pair(of, lambda run, name=name: run["sets"][name], measure, against) for name, measure in HEADLINES.items()
    ]


def _pair(of: list[Row], errors: Callable[[Row], Row], measure: str, against: list[Row] | None = None) -> str:
    """MPJPE / P-MPJPE."""
    first = _spread(of, lambda run: errors(run)[measure], against)
    return f"{first} / {_spread(of, lambda run: errors(run)[f'p_{measure}'])}"


def _spread(of: list[Row], value: Callable[[Row], float], against: list[Row] | None = None) -> str:
    """Mean ± standard deviation, and the difference to other runs."""
    values = [value(run) for run in of]
    text = f"{statistics.mean(values):.1f}"
    if len(values) > 1:
        text += f" ± {statistics.stdev(values):.1f}"
    if against is not None:
        text += f" ({statistics.mean(values) - _mean(against, value):+.1f})"
    return text


def _mean(of: list[Row], value: Callable[[Row], float]) -> float:
    return statistics.mean(value(run) for run in of)


def _options(settings: Mapping[str, Any]) -> str:
    words = []
    for name, value in settings.items():
        shown = ",".join(map(str, value)) if isinstance(value, list) else f"{value}"
        words.append(name.replace("_", "-") + ("" if value is True else f" {shown}"))
    return ", ".join(words)


def _others() -> str:
    return "; ".join(f"*{row}*, `{name}` with {_options(options)}" for row, (name, options) in OTHER_FORMS.items())


def _text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of words."""
    return table(header, rows).replace("---:", "---")
