"""Generated motion of a human figure, for a first run, demonstrations and tests."""

from skelgraph.datasets.synthetic.synthetic_mocap import BODIES, CAMERAS, SyntheticMocap, generate

__all__ = ["BODIES", "CAMERAS", "SyntheticMocap", "generate"]
