"""What lifted motion is worth for the analysis of motion: speeds, lengths and angles against the truth of four views.

    python benchmarks/lifted_motion.py [--videos FOLDER] [--docs docs/benchmarks/lifted_motion.md]

The person of ``datasets.four_views()`` is lifted with the weights that come with the library, each view on its own with
its calibrated camera, in the ways of ``skelgraph lift``; with ``--videos`` (cam01.mp4 to cam04.mp4) also from what
BlazePose sees in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_judging import lifted_views
from open_weights import detections
from reporting import parser, save, table

from skelgraph import Lifter
from skelgraph.datasets import Detections, four_views
from skelgraph.lifting import OneEuro
from skelgraph.lifting.judging import LIMB_JOINTS, joints_of
from skelgraph.topology import Skeleton

WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "--smoothing": {"smoothing": OneEuro()},
    "--rigid-bones": {"rigid_bones": True},
    "both": {"smoothing": OneEuro(), "rigid_bones": True},
}
"""The options of ``skelgraph lift``, as ``Lifter`` takes them."""
SIDES = ("left", "right")


def measured(points: np.ndarray, skeleton: Skeleton, rate: float) -> dict[str, Any]:
    """What is read off motion.

    Args:
        points: ``(T, J, 3)``, metres, camera axes.
        skeleton: The joints.
        rate: Frames per second.
    """
    joints = dict(zip(LIMB_JOINTS, joints_of(points, skeleton, "coco17", LIMB_JOINTS).transpose(1, 0, 2), strict=True))
    hip = (joints["left_hip"] + joints["right_hip"]) / 2
    speed = np.linalg.norm(np.diff(hip, axis=0), axis=-1) * rate
    bones = {
        bone: [np.linalg.norm(joints[f"{side}_{a}"] - joints[f"{side}_{b}"], axis=-1) for side in SIDES]
        for bone, a, b in (("thigh", "hip", "knee"), ("shank", "knee", "ankle"))
    }
    return {
        "hip_path": hip[-1] - hip[0],
        "hip_speed": float(np.median(speed)),
        "hip_speed_95": float(np.percentile(speed, 95)),
        "spread": {bone: float(np.mean([spread_of(length) for length in sides])) for bone, sides in bones.items()},
        "knees": np.stack([flexion(*(joints[f"{side}_{j}"] for j in ("hip", "knee", "ankle"))) for side in SIDES]),
    }


def spread_of(length: np.ndarray) -> float:
    """Shortest to longest of a bone over the frames, in percent of its mean."""
    return float(100 * np.ptp(length) / length.mean())


def flexion(hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray) -> np.ndarray:
    """The angle between thigh and shank in degrees, 0 of a straight leg, ``(T,)``."""
    thigh, shank = knee - hip, ankle - knee
    cosine = (thigh * shank).sum(-1) / np.linalg.norm(thigh, axis=-1) / np.linalg.norm(shank, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def compared(lifter: Lifter, seen: Mapping[str, Detections] | None) -> dict[str, dict[str, float]]:
    """Each view: the numbers, and how far they are from the truth in the same frames."""
    views = {}
    for name, (view, lifted) in lifted_views(lifter, seen).items():
        one = max(lifted.people, key=lambda one: len(one.poses))
        frames, rate = slice(one.first_frame, one.last_frame + 1), view.detections.frame_rate or 1.0
        ours = measured(one.positions, lifted.skeleton, rate)
        truth = measured(view.truth[frames], view.detections.skeleton, rate)
        path, knees = ours["hip_path"] - truth["hip_path"], np.abs(ours["knees"] - truth["knees"])
        views[name] = {
            "frames": len(one.poses),
            "hip_path_m": float(np.linalg.norm(ours["hip_path"])),
            "true_hip_path_m": float(np.linalg.norm(truth["hip_path"])),
            "path_error_across_m": float(np.linalg.norm(path[:2])),
            "path_error_depth_m": float(abs(path[2])),
            "hip_speed_m_s": ours["hip_speed"],
            "true_hip_speed_m_s": truth["hip_speed"],
            "hip_speed_95_m_s": ours["hip_speed_95"],
            "true_hip_speed_95_m_s": truth["hip_speed_95"],
            "thigh_spread_percent": ours["spread"]["thigh"],
            "shank_spread_percent": ours["spread"]["shank"],
            "true_thigh_spread_percent": truth["spread"]["thigh"],
            "true_shank_spread_percent": truth["spread"]["shank"],
            "knee_error_deg": float(knees.mean()),
            "knee_error_95_deg": float(np.percentile(knees, 95)),
            "knee_error_largest_deg": float(knees.max()),
        }
    return views


def mean_of(views: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The means over the views."""
    return {key: float(np.mean([view[key] for view in views.values()])) for key in next(iter(views.values()))}


ABOUT = """\
One person in four calibrated videos at 60 Hz (100 frames: walking, a bend to the side on one leg, coming back), each
view lifted on its own with its focal length; means over the views and, of bones and knees, over both legs. The truth is
triangulated from the four views and trembles itself (about 2 cm a joint), so its own numbers stand beside them."""
COLUMNS = """\
*Hip, first to last frame*: the error of how far the middle of the hips has come, across the view of the camera and
along it. *Hip speed*: from frame to frame, the median and the 95th percentile over the frames. *Spread*: longest less
shortest of a bone over the frames, in percent of its mean. *Knee*: the error of the flexion (0 of a straight leg): its
mean, 95th percentile and largest, degrees."""
HEADER = [
    *("way", "hip, first to last: across (m)", "along (m)", "hip speed, median (m/s)", "95 % (m/s)"),
    *("thigh spread (%)", "shank spread (%)", "knee, mean (deg)", "95 %", "largest"),
]


def row(way: str, mean: Mapping[str, float]) -> list[str]:
    return [
        way,
        *(
            f"{mean[key]:.2f}"
            for key in ("path_error_across_m", "path_error_depth_m", "hip_speed_m_s", "hip_speed_95_m_s")
        ),
        *(f"{mean[f'{bone}_spread_percent']:.0f}" for bone in ("thigh", "shank")),
        *(f"{mean[key]:.0f}" for key in ("knee_error_deg", "knee_error_95_deg", "knee_error_largest_deg")),
    ]


def true_row(mean: Mapping[str, float]) -> list[str]:
    """What is read off the truth by the same means."""
    speeds = (f"{mean[f'true_{key}']:.2f}" for key in ("hip_speed_m_s", "hip_speed_95_m_s"))
    spreads = (f"{mean[f'true_{bone}_spread_percent']:.0f}" for bone in ("thigh", "shank"))
    return ["truth", "-", "-", *speeds, *spreads, "-", "-", "-"]


def main() -> None:
    options = parser(__doc__, 0)
    options.add_argument("--videos", type=Path, help="folder of cam01.mp4 to cam04.mp4")
    options.add_argument("--weights", help="a file of weights; by default those that come with the library")
    given = options.parse_args()
    torch.set_num_threads(given.threads)

    sources: dict[str, Mapping[str, Detections] | None] = {"given": None}
    if given.videos is not None:
        sources["BlazePose"] = detections(given.videos)
    results: dict[str, Any] = {"keypoints": {}}
    paragraphs = [ABOUT, COLUMNS]
    for keypoints, seen in sources.items():
        ways = {way: compared(Lifter(given.weights, **how), seen) for way, how in WAYS.items()}
        means = {way: mean_of(views) for way, views in ways.items()}
        results["keypoints"][keypoints] = {way: {"mean": means[way], "views": ways[way]} for way in WAYS}
        of = "the keypoints that come with the library" if seen is None else "what BlazePose sees in the videos"
        paragraphs += [
            f"## From {of}",
            table(HEADER, [*(row(way, means[way]) for way in WAYS), true_row(means["default"])]),
        ]
        columns = [f"{view} (true {ways['default'][view]['true_hip_path_m']:.2f})" for view in four_views()]
        paths = [[way, *(f"{view['hip_path_m']:.2f}" for view in ways[way].values())] for way in WAYS]
        paragraphs += [
            "How far the middle of the hips comes, in metres, seen by each camera:",
            table(["way", *columns], paths),
        ]
    save("lifted_motion", "Lifted motion for analysis", paragraphs, results, given)


if __name__ == "__main__":
    main()
