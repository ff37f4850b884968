"""Files of motion capture, a reader for each format behind one function."""

from skelgraph.datasets.motion_files.motion import Motion
from skelgraph.datasets.motion_files.reading import FORMATS, read_motion_file

__all__ = ["FORMATS", "Motion", "read_motion_file"]
