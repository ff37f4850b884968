"""The three forms in which MPI-INF-3DHP is used."""

#: Their names, and the files that each of them is made of: positions (and keypoints) of a split.
VARIANTS_3DHP = {
    "graphmlp": "data_3d_3dhp.npz and data_2d_3dhp.npz, as GraphMLP and NEHSNet have them",
    "poseaug": "test_3dhp.npz (PoseAug), 3DHP_test.npz (MLP-Graph) or mpi_inf_3dhp_valid.npz (SPIN); no training data",
    "official": "data_train_3dhp.npz and data_test_3dhp.npz of P-STMO, judged by the rule of the data set itself",
}
