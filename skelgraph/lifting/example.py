"""The real person in four views, lifted and judged as a user's own video would be."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from skelgraph.datasets import View, four_views
from skelgraph.errors import SkelgraphError
from skelgraph.lifting.camera import known_camera
from skelgraph.lifting.claiming import claimed
from skelgraph.lifting.judging import Judgement, judge
from skelgraph.lifting.lifted import Lifted, LiftedPerson
from skelgraph.lifting.outputs import Result
from skelgraph.lifting.pipeline import Pipeline
from skelgraph.lifting.record import begun_record
from skelgraph.lifting.settings import CALIBRATED, LiftSettings
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

    Raises:
        SkelgraphError: A calibration is given, or nothing could be lifted.
    """
    lifting = settings.lifting
    if lifting.calibration is not None:
        raise SkelgraphError("calibration is given, but the four views have their own; expected none")
    pipeline = Pipeline(settings)
    rows: dict[str, Judgement] = {}
    for name, view in four_views().items():
        start = time.perf_counter()
        fx, fy, cx, cy = view.intrinsics.tolist()
        camera = known_camera(lifting, name, view.detections.image_size)
        camera = replace(camera, focal=camera.focal or (fx, fy), principal_point=camera.principal_point or (cx, cy))
        if lifting.gravity is None:
            camera = replace(camera, gravity=tuple(view.gravity.tolist()), gravity_from=CALIBRATED)
        lifted = pipeline.lift(view.detections, camera)
        if not lifted.people:
            raise SkelgraphError(f"{name}: nothing of the person could be lifted with these settings")
        title = f"four views, {name}"
        begun = begun_record({"name": title}, settings)
        truth = [_truth_of(view, lifted, one) for one in lifted.people]
        with claimed(out / name, begun, overwrite) as found:
            if found is None:
                pipeline.write(Result(lifted, camera, title, truth=truth), out / name, begun, start)
        poses = np.concatenate([one.poses for one in lifted.people])
        frames = np.concatenate([np.arange(one.first_frame, one.last_frame + 1) for one in lifted.people])
        rows[name] = judge(poses, lifted.skeleton, view.truth[frames], view.detections.skeleton)
    return rows


def _truth_of(view: View, lifted: Lifted, one: LiftedPerson) -> np.ndarray:
    """The truth in the joints of the network, where the prediction has its root: compared is the pose."""
    truth = view.truth[one.first_frame : one.last_frame + 1]
    truth = convert_keypoints(truth, view.detections.skeleton, lifted.skeleton, missing="mask", dimensions=3)
    return truth - truth[:, lifted.skeleton.root, None] + one.root[:, None]
