"""From keypoints in pixels to people in space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skelgraph.lazy import lazy_exports

if TYPE_CHECKING:
    from skelgraph.lifting.cluster import lift_on_cluster, listed_sources
    from skelgraph.lifting.judging import LIMB_JOINTS, Judgement, judge
    from skelgraph.lifting.lifted import FocalSource, Lifted, LiftedFrame, LiftedPerson, NotLifted, camera_to_upright
    from skelgraph.lifting.lifter import Lifter
    from skelgraph.lifting.normalisation import ESTIMATED_FOCAL, HUMAN36M_FOCAL
    from skelgraph.lifting.pipeline import Outcome, Pipeline, lift_file, lift_files
    from skelgraph.lifting.settings import LiftSettings
    from skelgraph.lifting.sides import keep_sides
    from skelgraph.lifting.smoothing import OneEuro, OneEuroFilter
    from skelgraph.lifting.sources import sources_in
    from skelgraph.lifting.tracking import Tracker, longest_seen, track

__all__ = [
    "ESTIMATED_FOCAL",
    "HUMAN36M_FOCAL",
    "LIMB_JOINTS",
    "FocalSource",
    "Judgement",
    "LiftSettings",
    "Lifted",
    "LiftedFrame",
    "LiftedPerson",
    "Lifter",
    "NotLifted",
    "OneEuro",
    "OneEuroFilter",
    "Outcome",
    "Pipeline",
    "Tracker",
    "camera_to_upright",
    "judge",
    "keep_sides",
    "lift_file",
    "lift_files",
    "lift_on_cluster",
    "listed_sources",
    "longest_seen",
    "sources_in",
    "track",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        __all__,
        (
            "lifted",
            "lifter",
            "judging",
            "normalisation",
            "sides",
            "smoothing",
            "settings",
            "tracking",
            "sources",
            "pipeline",
            "cluster",
        ),
    )
