"""The 2D keypoints that are used with Human3.6M."""

#: The usual files: ground truth and three detectors.
H36M_KEYPOINTS = {
    "gt": "data_2d_h36m_gt.npz",
    "cpn": "data_2d_h36m_cpn_ft_h36m_dbb.npz",
    "hr": "data_2d_h36m_hr.npz",
    "detectron": "data_2d_h36m_detectron_ft_h36m.npz",
}
