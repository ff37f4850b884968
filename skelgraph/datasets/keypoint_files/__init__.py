"""Files of 2D keypoints, a reader for each format behind one function."""

from skelgraph.datasets.keypoint_files.detections import Detections

__all__ = ["Detections"]
