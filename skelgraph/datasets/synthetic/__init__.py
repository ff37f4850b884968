"""Motion of generated bodies: what a first run, a demonstration and the tests train on."""

from skelgraph.datasets.synthetic.synthetic_mocap import BODIES, CAMERAS, SyntheticMocap, generate

__all__ = ["BODIES", "CAMERAS", "SyntheticMocap", "generate"]
