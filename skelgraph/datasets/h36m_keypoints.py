"""The 2D keypoints that are used with Human3.6M."""

#: The usual files: ground truth, and detectors (stacked hourglass fine-tuned on Human3.6M, or trained on MPII alone).
H36M_KEYPOINTS = {
    "gt": "data_2d_h36m_gt.npz",
    "cpn": "data_2d_h36m_cpn_ft_h36m_dbb.npz",
    "hr": "data_2d_h36m_hr.npz",
    "detectron": "data_2d_h36m_detectron_ft_h36m.npz",
    "sh": "data_2d_h36m_sh_ft_h36m.npz",
    "sh_pt_mpii": "data_2d_h36m_sh_pt_mpii.npz",
}

#: Those whose files exist in two orders of their joints, which only the metadata tell apart.
TWO_ORDERS = ("sh", "sh_pt_mpii")
