"""From keypoints in pixels to people in space."""

from skelgraph.lifting.lifted import FocalSource, Lifted, LiftedPerson, camera_to_upright

__all__ = ["FocalSource", "Lifted", "LiftedPerson", "camera_to_upright"]
