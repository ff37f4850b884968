"""The layouts of whole bodies: what tests about arms, legs and sides run over.

A layout of something else, such as a hand, needs no parts and no symmetric pairs, and does not stand here.
"""

from __future__ import annotations

BODIES = (
    "blazepose33",
    "body25",
    "body25b",
    "cmu_bvh",
    "coco17",
    "coco_wholebody_body23",
    "h36m16",
    "h36m17",
    "h36m32",
    "halpe26",
    "mpi_inf_3dhp17",
    "mpi_inf_3dhp28",
    "mpii16",
    "ntu25",
    "openpose_coco18",
    "smpl24",
)
