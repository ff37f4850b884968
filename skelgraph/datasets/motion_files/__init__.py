"""Files of motion capture, a reader for each format behind one function, and the writers behind another."""

from skelgraph.datasets.motion_files.motion import Motion
from skelgraph.datasets.motion_files.reading import FORMATS, read_motion_file
from skelgraph.datasets.motion_files.writing import WRITTEN, write_motion

__all__ = ["FORMATS", "WRITTEN", "Motion", "read_motion_file", "write_motion"]
