"""The networks of the library on open motion under one budget, and the worth of each transform of the training data.

    python benchmarks/open_study.py --data FOLDER [--part networks] [--only sem_gcn martinez] [--budget 60]
    python benchmarks/open_study.py --data FOLDER --list

Every finished run is written at once to ``results.json`` in ``--out``: a study that was ended goes on where it was, by
the same command. The time of a step is measured once for each network and kept there, so that what is run again has the
same number of steps; ``--steps-of`` takes these numbers from the results of another study.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any

import torch
from open_judging import judged_on_clip, judged_on_motion, lifted_views, motion_mean, motion_sets
from open_page import page
from open_runs import (
    LAST,
    OTHER_FORMS,
    SHIPPED,
    Run,
    config_of,
    network_runs,
    seconds_per_step,
    trained,
    transform_runs,
)
from reporting import machine
from timing import interleaved

from skelgraph import Lifter, list_models
from skelgraph.errors import SkelgraphError
from skelgraph.files import read_json, write_file
from skelgraph.models import PoseLifter, load_network
from skelgraph.training.environment import environment

PRECISIONS = ("32", "bf16")
PARTS = ("networks", "transforms")
JUDGED = 5
"""Every so many frames of the sets are judged: slow networks would take longer for all of them than to train."""


class Study:
    """The runs of a study, and the file of what they measured.

    Args:
        options: Those of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.path: Path = options.out / "results.json"
        settings = {name: getattr(options, name) for name in ("budget", "transforms_budget", "batch_size", "lr")}
        self.results: dict[str, Any] = {"settings": settings, "timing": {}, "runs": {}}
        if self.path.exists():
            self.results = read_json(self.path, SkelgraphError)
            if self.results["settings"] != settings:
                found = self.results["settings"]
                raise SystemExit(f"{self.path} is of a study with {found}, expected {settings}: name another --out")
        elif options.steps_of is not None:
            self.results["timing"] = read_json(options.steps_of, SkelgraphError)["timing"]
        about = environment()
        self.results["machine"] = machine() | {"versions": about["versions"], "platform": about["platform"]}
        git = about["git"] or {"commit": None, "dirty": False}
        self.sets = functools.cache(lambda middles: motion_sets(options.data, middles=middles, downsample=JUDGED))
        self.commit = {"commit": git["commit"], "dirty": git["dirty"]}

    def planned(self) -> list[Run]:
        """All runs that were asked for: every row with the first seed, then with the next."""
        runs = []
        for part in self.options.part:
            seeds = self.options.seeds
            runs += network_runs(seeds) if part == "networks" else transform_runs(seeds, self.options.model)
        only = self.options.only
        if only and (unknown := set(only) - {run.name for run in runs}):
            raise SystemExit(
                f"--only {', '.join(sorted(unknown))}: expected {', '.join({run.name: 0 for run in runs})}"
            )
        return [run for run in runs if not only or run.name in only]

    def save(self) -> None:
        write_file(self.path, json.dumps(self.results, indent=1).encode())

    def timing(self, run: Run) -> dict[str, Any]:
        """How long a step of its network takes, in which precision it is trained, and how many steps it has."""
        if run.timed not in self.results["timing"]:
            timed = next(each for each in network_runs([0]) if each.name == run.network)
            budget = self.results["settings"]["budget" if run.part == "networks" else "transforms_budget"]
            seconds = {precision: seconds_per_step(self.config(timed, precision)) for precision in PRECISIONS}
            fastest = min(PRECISIONS, key=seconds.__getitem__)
            steps = max(10, round(budget / seconds[fastest]))
            self.results["timing"][run.timed] = {"seconds": seconds, "precision": fastest, "steps": steps}
            self.save()
        return self.results["timing"][run.timed]

    def config(self, run: Run, precision: str) -> Any:
        options = self.options
        return config_of(
            run, options.data, options.out / run.key, precision=precision, batch_size=options.batch_size, lr=options.lr
        )

    def measure(self, run: Run) -> None:
        """Train, judge and write down one run."""
        timing = self.timing(run)
        took = trained(self.config(run, timing["precision"]), timing["steps"])
        network = load_network(self.options.out / run.key / LAST).eval()
        sets = self.sets(bool(run.settings.get("middles", False)))
        self.results["runs"][run.key] = {
            "part": run.part,
            "name": run.name,
            "seed": run.seed,
            "network": run.network,
            "settings": dict(run.settings),
            "steps": timing["steps"],
            "precision": timing["precision"],
            **took,
            "parameters": sum(p.numel() for p in network.parameters()),
            "frames": network.num_frames,
            "milliseconds": milliseconds(network, self.options.seconds),
            "sets": judged_on_motion(network, sets),
            "clip": judged_on_clip(lifted_views(Lifter(network))),
            **self.commit,
        }
        self.save()


def milliseconds(network: PoseLifter, seconds: float) -> dict[str, float]:
    """Median time of a pose, alone and in a batch, by the size of the batch."""

    def side(batch: int) -> Any:
        shape = (batch, network.num_frames, network.skeleton.num_joints, network.in_channels)
        keypoints = torch.randn(shape, generator=torch.Generator().manual_seed(0))

        def run() -> None:
            with torch.inference_mode():
                network(keypoints)

        return run

    times = interleaved({str(batch): side(batch) for batch in (1, 256)}, seconds)
    return {batch: time / int(batch) for batch, time in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=" ".join((__doc__ or "").split("\n\n")[0].split()))
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder of the motion, see docs/data.md"
    )
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--model", choices=[*list_models(), *OTHER_FORMS], default=SHIPPED, help="network of the transforms"
    )
    parser.add_argument("--only", nargs="+", metavar="ROW", help="only these rows of the tables")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--budget", type=float, default=40, help="seconds of processor time to train each network")
    parser.add_argument("--transforms-budget", type=float, default=25, help="the same for the part transforms")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--lr", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3, help="seconds to time poses of each network")
    parser.add_argument("--steps-of", type=Path, metavar="JSON", help="results whose numbers of steps are taken")
    parser.add_argument("--out", type=Path, default=Path("runs/open_study"), help="folder of the runs and results")
    parser.add_argument("--docs", type=Path, help="write the page here, and the results beside it as JSON")
    parser.add_argument("--list", action="store_true", help="say what would be run and what is there, and end")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    study = Study(options)
    runs = study.planned()
    there = study.results["runs"]
    if options.list:
        print("\n".join(f"{'done' if run.key in there else 'open'}  {run.key}" for run in runs))
        return
    for run in runs:
        if run.key not in there:
            study.measure(run)
        done = there[run.key]
        print(
            f"{run.key}: {done['steps']} steps, motion {motion_mean(done['sets']):.1f} mm, "
            f"clip {done['clip']['mpjpe_mm']:.1f} mm",
            file=sys.stderr,
            flush=True,
        )
    write_page(study.results, options.docs)


def write_page(results: dict[str, Any], docs: Path | None) -> None:
    """Print the page and write it, with the results beside it."""
    print(page(results))
    if docs is not None:
        write_file(docs, page(results).encode())
        write_file(docs.with_suffix(".json"), json.dumps(results, indent=1).encode())


if __name__ == "__main__":
    main()
