"""The good files of a session, from which the damaged ones are made."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import motion_writers
import numpy as np
import tiny_mocap
import torch

from skelgraph.datasets import Motion, write_motion
from skelgraph.models import create_model
from skelgraph.models.pretrained import save_weights
from skelgraph.topology import as_skeleton, tube_faces
from skelgraph.training import TrainConfig, train

GOLDEN = Path(__file__).parent.parent / "golden"

SMALL: dict[str, dict[str, Any]] = {
    "any_gcn": {"hidden_channels": 8, "num_blocks": 1},
    "graph_mlp": {"hidden_channels": 8, "token_channels": 8, "mlp_channels": 8, "num_blocks": 1},
    "hgcn": {"hidden_channels": 8, "num_blocks": 1},
    "hgn": {"hidden_channels": 8, "mesh_loss": False},
    "hoif_net": {"hidden_channels": 8, "num_layers": 2},
    "martinez": {"hidden_channels": 8, "num_stages": 1},
    "mlp_graph": {"hidden_channels": 8, "graph_channels": 8, "num_blocks": 1},
    "modulated_gcn": {"hidden_channels": 8, "num_blocks": 1},
    "nehs_net": {"depth": 1, "d_model": 12, "n_heads": 2},
    "rs_net": {"hidden_channels": 8, "num_blocks": 1},
    "sem_gcn": {"hidden_channels": 8, "num_blocks": 1},
    "st_gcn_pose": {"hidden_channels": (8, 8, 8), "part_channels": 8, "fused_channels": 8},
    "video_pose": {"filter_widths": (3,), "hidden_channels": 8},
}
"""Options that make each model small."""

OFFICIAL = {
    "any_gcn": "any_gcn_model_dc_preagg",
    "graph_mlp": "graph_mlp_f1",
    "hgcn": "hgcn_model",
    "hgn": "hgn_model",
    "hoif_net": "hoif_net_model",
    "martinez": "martinez_model",
    "mlp_graph": "mlp_graph_pad0",
    "modulated_gcn": "modulated_gcn_gt",
    "post_refine": "modulated_gcn_post_refine",
    "rs_net": "rs_net_model",
    "sem_gcn": "sem_gcn_model",
    "st_gcn_pose": "st_gcn_pad1",
    "video_pose": "video_pose_single_frame",
}
"""Reference files with a state dict of the authors' code, by model."""


def smpl_model() -> dict[str, Any]:
    """A small body in the layout of SMPL."""
    rng = np.random.default_rng(0)
    faces = tube_faces("smpl24", 2).numpy()
    count = int(faces.max()) + 1
    return {
        "f": faces.astype(np.uint32),
        "v_template": rng.normal(size=(count, 3)),
        "J_regressor": rng.random((24, count)),
        "kintree_table": np.stack([np.arange(24), np.arange(24)]),
    }


def write_motions(good: Path) -> None:
    """A motion file of each format, with the skeleton of the AMC file and the body of the AMASS file."""
    frames = motion_writers.bvh_motion(motion_writers.LAFAN, 20, 0)
    (good / "motion.bvh").write_text(motion_writers.bvh_text(motion_writers.LAFAN, frames))
    (good / "motion.asf").write_text(motion_writers.asf_text(motion_writers.CMU))
    (good / "motion.amc").write_text(motion_writers.amc_text(motion_writers.amc_motion(motion_writers.CMU, 8, 0)))
    names, positions = as_skeleton("h36m17").joint_names, tiny_mocap.motion(20, 0) * 1000
    positions[2, 3] = np.nan
    (good / "motion.trc").write_text(motion_writers.trc_text(names, positions))
    (good / "motion.c3d").write_bytes(motion_writers.c3d_bytes(names, positions, up="+Z", analog=3))
    np.savez(good / "motion.npz", **motion_writers.amass_arrays(20, 0))
    motion = Motion(positions, names, 50.0, unit=0.001, up="z", parents=as_skeleton("h36m17").parents)
    for end in (".npz", ".json"):
        write_motion(good / f"motion.own{end}", motion)
    np.savez(good / "smplh_female.npz", **motion_writers.smplh_model())


def training(good: Path) -> dict[str, Any]:
    """The settings of the shortest training on the tiny motion files."""
    files = {"data_3d": "data_3d.npz", "data_2d": "data_2d.npz", "cameras": "cameras.json"}
    return {
        "dataset": "mocap",
        **{key: str(good / name) for key, name in files.items()},
        "options": {"hidden_channels": 8, "num_blocks": 1},
        "batch_size": 128,
        "max_epochs": 1,
        "device": "cpu",
        "progress": False,
    }


def official(name: str) -> dict[str, torch.Tensor]:
    """A state dict of the authors' code."""
    with np.load(GOLDEN / f"{OFFICIAL[name]}.npz", allow_pickle=False) as archive:
        arrays = {key[3:]: np.asarray(archive[key]) for key in archive.files if key.startswith("sd/")}
    return {
        key: torch.from_numpy(array).float() if array.dtype.kind == "f" else torch.from_numpy(array)
        for key, array in arrays.items()
    }


def write_good_files(good: Path) -> None:
    """Write motion, cameras, a body, weights of every kind and the folder of a run."""
    torch.set_num_threads(1)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 1)
        os.dup2(null.fileno(), 2)
    tiny_mocap.write(good)
    write_motions(good)
    (good / "smpl.pkl").write_bytes(pickle.dumps(smpl_model(), protocol=2))
    np.savez(good / "smpl.npz", **smpl_model())
    for name, options in SMALL.items():
        save_weights(create_model(name, **options), good / f"{name}.safetensors")
    for name in OFFICIAL:
        torch.save({"state_dict": official(name)}, good / f"{name}.pth")
        torch.save(official(name), good / f"{name}.old.pth", _use_new_zipfile_serialization=False)
    train(TrainConfig(str(good / "run")).replace(**training(good)))
    config = json.loads((good / "run" / "config.json").read_text())
    assert config["config"]["training"]["batch_size"] == 128
