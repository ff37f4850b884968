"""The real person in four views, lifted and judged as a user's own video would be."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from skelgraph.datasets import View, four_views
from skelgraph.errors import SkelgraphError
from skelgraph.lifting.judging import Judgement, judge
from skelgraph.lifting.lifted import Lifted, LiftedPerson
from skelgraph.lifting.outputs import Result
from skelgraph.lifting.pipeline import Pipeline, begun_record, claimed
from skelgraph.lifting.settings import LiftSettings
from skelgraph.topology import convert_keypoints


def lift_example(settings: LiftSettings, out: Path, *, overwrite: bool = False) -> dict[str, Judgement]:
    """Lift the four views of :func:`~skelgraph.datasets.four_views`, each on its own, and judge them.

    Focal length, principal point and gravity are those of the calibration, unless the settings give others. Judged are
    the twelve limb joints relative to the middle of the hips, all frames, see :func:`~skelgraph.lifting.judge`.

    Args:
        settings: What decides the results.
        out: Folder of the results, of each view one below.
        overwrite: Replace results of other settings that are there.

    Returns:
        The errors of each view by its name.
    """
    pipeline = Pipeline(settings)
    lifting = settings.lifting
    rows: dict[str, Judgement] = {}
    for name, view in four_views().items():
        start = time.perf_counter()
        fx, fy, cx, cy = view.intrinsics.tolist()
        lifted = pipeline.lift(
            view.detections,
            focal=lifting.focal or (fx, fy),
            principal_point=lifting.principal_point or (cx, cy),
        )
        if not lifted.people:
            raise SkelgraphError(f"{name}: nothing of the person could be lifted with these settings")
        gravity = lifting.gravity or tuple(view.gravity.tolist())
        title = f"four views, {name}"
        begun = begun_record({"name": title}, settings)
        truth = [_truth_of(view, lifted, one) for one in lifted.people]
        with claimed(out / name, begun, overwrite) as found:
            if found is None:
                pipeline.write(Result(lifted, gravity, title, truth=truth), out / name, begun, start)
        poses = np.concatenate([one.poses for one in lifted.people])
        frames = np.concatenate([np.arange(one.first_frame, one.last_frame + 1) for one in lifted.people])
        rows[name] = judge(poses, lifted.skeleton, view.truth[frames], view.detections.skeleton)
    return rows


def _truth_of(view: View, lifted: Lifted, one: LiftedPerson) -> np.ndarray:
    """The truth in the joints of the network, where the prediction has its root: compared is the pose."""
    truth = view.truth[one.first_frame : one.last_frame + 1]
    truth = convert_keypoints(truth, view.detections.skeleton, lifted.skeleton, missing="mask", dimensions=3)
    return truth - truth[:, lifted.skeleton.root, None] + one.root[:, None]
