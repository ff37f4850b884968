"""Files of 2D keypoints, a reader for each format behind one function, and the writer of our own."""

from skelgraph.datasets.keypoint_files.detections import Detections
from skelgraph.datasets.keypoint_files.own_file import write_keypoints
from skelgraph.datasets.keypoint_files.reading import FORMATS, is_keypoints, read_keypoints

__all__ = ["FORMATS", "Detections", "is_keypoints", "read_keypoints", "write_keypoints"]
