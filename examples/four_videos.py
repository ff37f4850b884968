"""Judge a detector and a network on a real person in four videos: from pixels to millimetres.

    pip download --no-deps pose2sim==0.10.49 && unzip pose2sim-*.whl 'Pose2Sim/Demo_SinglePerson/videos/*'
    python examples/four_videos.py --videos Pose2Sim/Demo_SinglePerson/videos

The videos are those of Pose2Sim's demo (BSD-3-Clause), whose calibration and triangulated joints come with the library
(`datasets.four_views`). Each is lifted on its own, frame by frame, with the calibrated focal length; judged are the
twelve limb joints relative to the middle of the hips.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skelgraph import Lifter
from skelgraph.datasets import four_views
from skelgraph.detection import create_detector, detect_video
from skelgraph.lifting import Judgement, OneEuro, judge


def main(arguments: Sequence[str] | None = None) -> dict[str, Judgement]:
    """Print a row for each video; return the errors by the names of the views."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--videos", type=Path, required=True, help="folder of cam01.mp4 to cam04.mp4")
    parser.add_argument("--weights", help="weights of any origin; by default those that come with skelgraph")
    parser.add_argument("--model", help="name of the network, where the weights do not tell it")
    parser.add_argument("--detector", default="blazepose", help="name of a detector")
    parser.add_argument("--views", nargs="*", default=[*four_views()], help="which of the four")
    parser.add_argument("--focal", choices=("calibrated", "estimated"), default="calibrated")
    parser.add_argument("--smoothing", action="store_true", help="smooth with the One-Euro filter")
    options = parser.parse_args(arguments)

    lifter = Lifter(options.weights, model=options.model, smoothing=OneEuro() if options.smoothing else None)
    detector = create_detector(options.detector)
    rows: dict[str, Judgement] = {}
    for name in options.views:
        view = four_views()[name]
        start = time.perf_counter()
        seen = detect_video(options.videos / f"{name}.mp4", detector)
        speed = seen.num_frames / (time.perf_counter() - start)
        fx, fy, cx, cy = view.intrinsics
        camera = {"focal": (fx, fy), "principal_point": (cx, cy)} if options.focal == "calibrated" else {}
        lifted = lifter(seen, **camera)
        poses = np.concatenate([person.poses for person in lifted.people])
        frames = np.concatenate([np.arange(one.first_frame, one.last_frame + 1) for one in lifted.people])
        rows[name] = judge(poses, lifted.skeleton, view.truth[frames], view.detections.skeleton)
        print(
            f"{name}: {len(frames)} of {seen.num_frames} frames, MPJPE {rows[name].mpjpe:.1f} mm, "
            f"P-MPJPE {rows[name].p_mpjpe:.1f} mm, detector {speed:.0f} frames/s"
        )
    mean = [statistics.mean(getattr(row, measure) for row in rows.values()) for measure in ("mpjpe", "p_mpjpe")]
    print(f"mean: MPJPE {mean[0]:.1f} mm, P-MPJPE {mean[1]:.1f} mm")
    return rows


if __name__ == "__main__":
    main()
