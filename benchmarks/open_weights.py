"""What weights are worth: errors on open motion and on a real person in four views, and whether they know them.

    python benchmarks/open_weights.py --data FOLDER --name open --weights seed0.ckpt seed1.ckpt [--videos FOLDER]

Several weights are trainings of one network with other seeds: the mean and the deviation are told. The clip is judged
from the keypoints that come with the library and, with ``--videos`` (cam01.mp4 to cam04.mp4, see
``examples/four_videos.py``), from what our own BlazePose sees in them. What was measured of other names stays in the
file, ``open_weights.json`` beside the page.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from open_calibration import ANGLES, FITTED_ON, PASSES, WITHIN, best_way, calibration, calibration_figure
from open_judging import HEADLINES, PHASES, judged_on_clip, judged_on_motion, lifted_views, motion_sets
from reporting import machine, table

from skelgraph import Lifter
from skelgraph.datasets import Detections, four_views
from skelgraph.errors import SkelgraphError
from skelgraph.files import read_json, write_file
from skelgraph.models import load_network
from skelgraph.training.environment import versions
from skelgraph.viz.figures import png

DOCS = Path(__file__).parents[1] / "docs"


def figure_of(name: str) -> str:
    """The file of a picture in ``docs/images``."""
    return f"{name}_calibration.png"


def detections(videos: Path) -> dict[str, Detections]:
    """What BlazePose sees in the four videos."""
    from skelgraph.detection import create_detector, detect_video

    detector = create_detector("blazepose")
    return {name: detect_video(videos / f"{name}.mp4", detector) for name in four_views()}


def judged(weights: str | Path, sets: Mapping[str, Any], seen: Mapping[str, Detections] | None) -> dict[str, Any]:
    """All that is measured of one file of weights."""
    found = {
        "motion": judged_on_motion(load_network(weights), sets),
        "clip": judged_on_clip(lifted_views(Lifter(weights))),
        "calibration": calibration(weights, sets),
    }
    if seen is not None:
        found["videos"] = judged_on_clip(lifted_views(Lifter(weights), seen))
    return found


def over(measure: Callable[[list[float]], float], values: list[Any]) -> Any:
    """The same structure with the mean, or another measure, of the numbers in each place; lists and words are left
    out."""
    if isinstance(values[0], Mapping):
        places = {key: over(measure, [value[key] for value in values]) for key in values[0]}
        return {key: value for key, value in places.items() if value is not None}
    return measure(values) if all(isinstance(value, int | float) for value in values) else None


def together(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """The means over seeds, and beside them the deviations, where there are several, and each seed's own numbers."""
    entry = over(statistics.mean, seeds)
    entry["deviation"] = over(statistics.stdev, seeds) if len(seeds) > 1 else None
    return entry | {"seeds": seeds}


ERRORS = """\
MPJPE / P-MPJPE in millimetres, answers to a pose and to its mirror image averaged; ± is the standard deviation over
trainings with other seeds. `test` and `S02` are motion of CMU, `deepmimic` is acrobatics, all with the cameras of
their files; all joints count, over actions and over frames."""
CLIP = """\
The real person in four views ({phases}), twelve limb joints relative to the middle of the hips, focal length
calibrated, each view on its own; phases are means over the views. *given* are the keypoints that come with the
library, *BlazePose* is what our own detector sees in the videos."""
CALIBRATION = """\
A deviation is told for each joint in several ways: by the *head* that was trained for it; as the spread of the
answers to the picture turned by {angles} degrees and mirrored (*flips and turns*, {turned} answers); as that of
{passes} answers with *dropout*; *one number* for all is there to compare with. Each is multiplied by one scale,
fitted on `{fitted}`. Errors are those of the same answer in all rows. Where deviations are right, {one:.0f} % of the
errors are below one and {two:.0f} % below two of them. NLL is the negative log likelihood of where a joint is (three
numbers, metres): lower is better, and over the three sets it is lowest by *{best}*."""
CURVE = """\
Each point is a tenth of the joints, ordered by their deviations; on the dotted line these are right."""


def page(results: Mapping[str, Any]) -> str:
    """The page in Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in results["machine"]["versions"].items())
    commit, processor = results["machine"]["commit"], results["machine"]["processor"]
    made = f"Made by `{results['command']}` at commit {commit}: {versions}; {processor}."
    parts = ["# Weights on open data", made]
    for name, entry in results["weights"].items():
        parts += [f"## {name}", *_errors(entry), *_calibration(entry["calibration"])]
        parts += [CURVE, f"![Deviations against errors of {name}](../images/{figure_of(name)})"]
    return "\n\n".join(parts) + "\n"


def _errors(entry: Mapping[str, Any]) -> list[str]:
    header, rows = ["set", "mean over actions", "over frames"], []
    for name in HEADLINES:
        rows.append([name, *(_pair(entry, ("motion", name), measure) for measure in ("mpjpe", "mpjpe_frames"))])
    columns = [("views", view) for view in four_views()] + [()] + [("phases", phase) for phase in PHASES]
    clip = [
        [of, *(_pair(entry, (key, *column), "mpjpe") for column in columns)]
        for key, of in (("clip", "given"), ("videos", "BlazePose"))
        if key in entry
    ]
    phases = ", ".join(f"{phase} in frames {start} to {stop}" for phase, (start, stop) in PHASES.items())
    return [
        ERRORS,
        table(header, rows),
        CLIP.format(phases=phases),
        table(["keypoints", *four_views(), "mean", *PHASES], clip),
    ]


def _pair(entry: Mapping[str, Any], path: tuple[str, ...], measure: str) -> str:
    """MPJPE / P-MPJPE with their deviations, at a place in the results."""
    cells = []
    for name in (f"{measure}_mm", f"p_{measure}_mm"):
        text = f"{_at(entry, (*path, name)):.1f}"
        if entry["deviation"] is not None:
            text += f" ± {_at(entry['deviation'], (*path, name)):.1f}"
        cells.append(text)
    return " / ".join(cells)


def _at(values: Any, path: tuple[str, ...]) -> float:
    for key in path:
        values = values[key]
    return values


def _calibration(found: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, ways in found["sets"].items():
        for way, numbers in ways.items():
            correlation = f"{numbers['correlation']:.2f}" if "correlation" in numbers else "-"
            within = [f"{100 * numbers[f'within_{many}']:.0f}" for many in WITHIN]
            rows.append([name, way, f"{found['scales'][way]:.2f}", correlation, *within, f"{numbers['nll']:.2f}"])
    one, two = (100 * share for share in WITHIN.values())
    about = {"angles": ", ".join(f"{angle:g}" for angle in ANGLES), "turned": 2 * len(ANGLES), "passes": PASSES}
    return [
        CALIBRATION.format(**about, fitted=FITTED_ON, one=one, two=two, best=best_way(found["sets"])),
        table(["set", "deviations", "scale", "correlation", "within 1 (%)", "within 2 (%)", "NLL"], rows),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=" ".join((__doc__ or "").split("\n\n")[0].split()))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the motion")
    parser.add_argument("--name", default="open", help="what the weights are called on the page")
    parser.add_argument("--weights", nargs="+", required=True, help="files of one network, other seeds; or open")
    parser.add_argument("--without-middles", action="store_true", help="judge networks trained without --middles")
    parser.add_argument("--videos", type=Path, help="folder of cam01.mp4 to cam04.mp4")
    parser.add_argument("--downsample", type=int, metavar="N", help="judge only every n-th frame of motion")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the pages")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    sets = motion_sets(options.data, middles=not options.without_middles, downsample=options.downsample)
    seen = None if options.videos is None else detections(options.videos)
    entry = together([judged(weights, sets, seen) for weights in options.weights])

    path = options.docs / "benchmarks" / "open_weights.json"
    earlier = read_json(path, SkelgraphError)["weights"] if path.exists() else {}
    about = machine()
    results = {
        "command": about["command"],
        "machine": {**about, "versions": versions()},
        "weights": earlier | {options.name: entry},
    }
    text = page(results)
    first = entry["seeds"][0]["calibration"]["sets"]
    write_file(options.docs / "images" / figure_of(options.name), png(calibration_figure(first)))
    write_file(path, json.dumps(results, indent=1).encode())
    write_file(path.with_suffix(".md"), text.encode())
    print(text)


if __name__ == "__main__":
    main()
