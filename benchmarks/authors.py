"""The authors' own code as a side, out of repositories that a user has on disk: ``--published-repos DIR``.

``DIR`` holds one folder per repository, named as the repository is. A network out of it is built and run in a process
of its own (``authors_worker.py``), which takes its turns as the other sides do. It keeps the weights that it starts
with: ours with the same weights, by :func:`skelgraph.models.official.load_official`, has to answer the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from authors_worker import receive, send
from torch import Tensor

from skelgraph.models import PoseLifter
from skelgraph.models.official import load_official
from skelgraph.topology import Skeleton

Form = Literal["poses", "flat", "frames", "channels first"]


class Network(NamedTuple):
    """Where a network is in a repository, what makes it as wide as published, and the form of its input and output."""

    folder: str
    """The folder that the repository imports its modules from: its own, or one in it."""
    module: str
    name: str
    arguments: Callable[[Skeleton], dict[str, Any]]
    form: Form = "poses"


def _row(skeleton: Skeleton, hid_dim: int, **more: Any) -> dict[str, Any]:
    return {"adj": skeleton.adjacency("row"), "hid_dim": hid_dim, **more}


def _with_loops(skeleton: Skeleton, hid_dim: int, **more: Any) -> dict[str, Any]:
    return {"adj": skeleton.adjacency("row", self_loops=True), "hid_dim": hid_dim, **more}


def _and_loops(skeleton: Skeleton, hid_dim: int, **more: Any) -> dict[str, Any]:
    return {"adj": skeleton.adjacency("row") + torch.eye(skeleton.num_joints), "hid_dim": hid_dim, **more}


def _symmetric(skeleton: Skeleton, hid_dim: int, **more: Any) -> dict[str, Any]:
    return {"adj": skeleton.adjacency("sym"), "hid_dim": hid_dim, **more}


NETWORKS = {
    "any_gcn": Network(
        "Any-GCN",
        "models.any_gcn",
        "GCN",
        lambda s: _with_loops(s, 128, gcn_type="dc_preagg", num_experts=0),
    ),
    "graph_mlp": Network(
        "GraphMLP",
        "model.graphmlp",
        "Model",
        lambda s: {
            "args": {
                "frames": 1, "channel": 512, "layers": 3, "d_hid": 1024, "token_dim": 256, "n_joints": s.num_joints
            }
        },
        "frames",
    ),
    "hgcn": Network("HGCN", "models.h_gcn", "HGCN", lambda s: _row(s, 96)),
    "hoif_net": Network(
        "Higher-Order-Implicit-Fairing-Networks-for-3D-Human-Pose-Estimation",
        "models.h_gcn_ii",
        "HGCNII",
        lambda s: _row(s, 64),
    ),
    "martinez": Network("3d_pose_baseline_pytorch", "src.model", "LinearModel", lambda s: {}, "flat"),
    "mlp_graph": Network(
        "Spatio-Temporal-MLP-Graph",
        "models.STMLPGraph",
        "STMLPGraph",
        lambda s: _symmetric(
            s,
            128,
            p_dropout=0.2,
            opt={
                "pad": 0, "hid_dim": 128, "spatial_hid_dim": 128, "channel_hid_dim": 256, "num_layers": 3,
                "n_joints": s.num_joints, "dropout": 0.2, "mlpdropout": 0.0,
            },
        ),
        "channels first",
    ),
    "modulated_gcn": Network(
        "Modulated-GCN/Modulated_GCN/Modulated_GCN_gt",
        "models.modulated_gcn",
        "ModulatedGCN",
        lambda s: _and_loops(s, 128),
    ),
    "rs_net": Network(
        "RS-Net",
        "models.rsnet_gcn",
        "Model",
        lambda s: _symmetric(s, 64, p_dropout=0.2),
        "channels first",
    ),
    "sem_gcn": Network("SemGCN", "models.sem_gcn", "SemGCN", lambda s: _with_loops(s, 128)),
    "st_gcn_pose": Network(
        "Exploiting-Spatial-temporal-Relationships-for-3D-Pose-Estimation-via-Graph-Convolutional-Networks",
        "nets.st_gcn_multi_frame",
        "Model",
        lambda s: {
            "opt": {"in_channels": 2, "out_channels": 3, "layout": "hm36_gt", "strategy": "spatial", "pad": 1}
        },
        "channels first",
    ),
    "video_pose": Network(
        "VideoPose3D",
        "common.model",
        "TemporalModelOptimized1f",  # its fastest for one frame at a time
        lambda s: {
            "num_joints_in": s.num_joints, "in_features": 2, "num_joints_out": s.num_joints, "filter_widths": [3] * 5
        },
        "frames",
    ),
}  # fmt: skip
"""By the names of our models. HGN's needs the licensed body model, and that of NEHSNet was never published."""


class NoSideError(Exception):
    """Why the authors' code is no side."""


class Authors:
    """The network of a repository, in a process of its own; :meth:`prepare` makes it ready for a cell."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ask(self, **request: Any) -> Any:
        """What the process answers.

        Raises:
            NoSideError: If the code fails, or ends its process.
        """
        try:
            send(self._connection, request)
            answer = receive(self._connection)
        except (EOFError, OSError) as error:
            raise NoSideError("it ended its process") from error
        if "error" in answer:
            raise NoSideError(answer["error"])
        return answer["answer"]

    def prepare(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Get ready for forward passes of ``x``, or training steps towards ``y``; its poses of ``x`` at evaluation."""
        return self.ask(do="prepare", x=x, y=y)

    def __call__(self) -> None:
        self.ask(do="call")

    def turn(self) -> list[float]:
        """Milliseconds of each call of a turn, by its own clock."""
        return self.ask(do="turn")


@contextmanager
def authors_code(folder: Path, name: str, ours: PoseLifter, threads: int) -> Iterator[tuple[Authors, PoseLifter]]:
    """The authors' network of one of our models as a side, and ours with its weights.

    Args:
        folder: With a folder for each repository.
        name: The model.
        ours: At the published width: theirs has to have as many parameters.
        threads: Of the process.

    Raises:
        NoSideError: If it is none, and why.
    """
    network = NETWORKS.get(name)
    if network is None:
        raise NoSideError("its repository has no network that runs without files of others")
    root = folder / network.folder
    if not root.is_dir():
        raise NoSideError(f"there is no folder {network.folder}")
    here, there = Pipe()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, str(Path(__file__).with_name("authors_worker.py")), str(there.fileno())]
    process = subprocess.Popen(
        command, cwd=root, env=environment, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    there.close()
    try:
        authors = Authors(here)
        weights = authors.ask(
            do="build",
            module=network.module,
            name=network.name,
            arguments=network.arguments(ours.skeleton),
            form=network.form,
            threads=threads,
        )
        twin = load_official(name, weights, ours.skeleton)
        found, expected = (sum(p.numel() for p in model.parameters()) for model in (twin, ours))
        if found != expected:
            raise NoSideError(f"it has {found:,} parameters, not {expected:,}")
        yield authors, twin
    finally:
        here.close()
        process.kill()
        process.wait()
