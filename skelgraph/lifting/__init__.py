"""From keypoints in pixels to people in space."""

from skelgraph.lifting.judging import LIMB_JOINTS, Judgement, judge
from skelgraph.lifting.lifted import FocalSource, Lifted, LiftedFrame, LiftedPerson, NotLifted, camera_to_upright
from skelgraph.lifting.lifter import Lifter
from skelgraph.lifting.normalisation import ESTIMATED_FOCAL, HUMAN36M_FOCAL
from skelgraph.lifting.smoothing import OneEuro, OneEuroFilter

__all__ = [
    "ESTIMATED_FOCAL",
    "HUMAN36M_FOCAL",
    "LIMB_JOINTS",
    "FocalSource",
    "Judgement",
    "Lifted",
    "LiftedFrame",
    "LiftedPerson",
    "Lifter",
    "NotLifted",
    "OneEuro",
    "OneEuroFilter",
    "camera_to_upright",
    "judge",
]
