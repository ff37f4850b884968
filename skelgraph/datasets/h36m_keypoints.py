"""The 2D keypoints that are used with Human3.6M."""

from typing import Annotated

from skelgraph.options import OneOf

#: The usual files: ground truth, and detectors (stacked hourglass fine-tuned on Human3.6M, or trained on MPII alone).
H36M_KEYPOINTS = {
    "gt": "data_2d_h36m_gt.npz",
    "cpn": "data_2d_h36m_cpn_ft_h36m_dbb.npz",
    "hr": "data_2d_h36m_hr.npz",
    "detectron": "data_2d_h36m_detectron_ft_h36m.npz",
    "sh": "data_2d_h36m_sh_ft_h36m.npz",
    "sh_pt_mpii": "data_2d_h36m_sh_pt_mpii.npz",
}

_IN_FILES = {file.removeprefix("data_2d_h36m_").removesuffix(".npz"): name for name, file in H36M_KEYPOINTS.items()}

Keypoints = Annotated[str, OneOf(H36M_KEYPOINTS, also=_IN_FILES)]
"""A name of :data:`H36M_KEYPOINTS`, or what the name of the file has in its place, as the commands of the published
repositories do: ``cpn_ft_h36m_dbb``, which stands for ``cpn``."""

#: Those whose files exist in two orders of their joints, which only the metadata tell apart.
TWO_ORDERS = ("sh", "sh_pt_mpii")
