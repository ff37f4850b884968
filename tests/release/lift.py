"""Lift the person who comes with the package in all frames, nearly right, and print the error in mm."""

import sys

import numpy as np

import skelgraph
from skelgraph.datasets import four_views
from skelgraph.lifting import judge

assert skelgraph.__file__.startswith(sys.argv[1]), skelgraph.__file__
view = four_views()["cam02"]
(person,) = skelgraph.Lifter()(view.detections).people
assert np.isfinite(person.poses).all()
assert np.isfinite(person.root).all()
assert len(person.poses) == 100, len(person.poses)
mpjpe = float(judge(person.poses, "h36m16", view.truth, "blazepose33").mpjpe)
assert mpjpe < 100, mpjpe
print(f"{mpjpe:.1f}")
