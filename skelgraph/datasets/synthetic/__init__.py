"""Motion of generated bodies: what a first run, a demonstration and the tests train on."""

from skelgraph.datasets.synthetic.mocap import BODIES, CAMERAS, SUBJECTS, SyntheticMocap, generate

__all__ = ["BODIES", "CAMERAS", "SUBJECTS", "SyntheticMocap", "generate"]
