"""MLP-Graph from its layers, trained by its published recipe, on generated motion.

    python examples/mlp_graph.py --epochs 3 --downsample 20    # minutes of CPU: it runs, and has not learned much
    python examples/mlp_graph.py --frames 27                   # the whole recipe on windows, on a GPU if there is one

"Spatio-temporal MLP-graph network for 3D human pose estimation", https://arxiv.org/abs/2308.15313: 36.34 mm on
Human3.6M with ground-truth keypoints of one frame. The data here are generated, and comparable to no published number;
for Human3.6M write ``load_dataset("human36m", split, data_3d="data_3d_h36m.npz", skeleton="h36m16")`` in their place.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import lightning.pytorch as pl
from torch import Tensor, nn

from skelgraph import create_model
from skelgraph.datasets import load_dataset
from skelgraph.models import PoseLifter
from skelgraph.nn import FeedForward, JointBatchNorm, WeightedJacobiConv
from skelgraph.topology import SkeletonLike
from skelgraph.training import LiftingModule, PoseData


class MLPGraphBlock(nn.Module):
    """A perceptron along the joints, then two graph layers, each part with a skip around it."""

    def __init__(self, skeleton: SkeletonLike, num_joints: int, channels: int, graph_channels: int) -> None:
        super().__init__()
        self.joint_norm = nn.LayerNorm(channels)
        self.joint_mlp = FeedForward(num_joints, channels)  # the part that moves information between all joints
        self.conv1 = WeightedJacobiConv(channels, graph_channels, skeleton, alpha=0.1)
        self.norm1 = JointBatchNorm(graph_channels)
        self.conv2 = WeightedJacobiConv(graph_channels, channels, skeleton, alpha=0.1)
        self.norm2 = JointBatchNorm(channels)
        self.act = nn.Sequential(nn.GELU(), nn.Dropout(0.2))

    def forward(self, x: Tensor, initial: Tensor) -> Tensor:
        x = x + self.joint_mlp(self.joint_norm(x).mT).mT  # (B, J, C) is turned so that joints are what is mixed
        initial = self.conv1.project(initial)  # both layers add the initial features in the width of the first one
        h = self.act(self.norm1(self.conv1.sweep(x, initial)))
        return x + self.act(self.norm2(self.conv2(h, initial)))


class MLPGraph(PoseLifter):
    """2D joints of a window ``(B, T, J, 2)`` to root-relative 3D joints of its centre frame ``(B, J, 3)``, metres."""

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m16",
        frames: int = 1,
        channels: int = 128,
        graph_channels: int = 256,
        blocks: int = 3,
    ) -> None:
        super().__init__(skeleton, num_frames=frames)
        joints = self.skeleton.num_joints
        self.embedding = nn.Linear(2 * frames, channels)  # x and y of a joint in all frames are its features
        self.blocks = nn.ModuleList(
            MLPGraphBlock(self.skeleton, joints, channels, graph_channels) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, 3)

    def lift(self, clip: Tensor) -> Tensor:
        h = initial = self.embedding(clip.transpose(1, 2).flatten(2))
        for block in self.blocks:
            h = block(h, initial)
        return self.head(self.norm(h))


def main(argv: Sequence[str] | None = None) -> tuple[MLPGraph, dict[str, float]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--frames", type=int, default=1, help="frames of a window, odd; published with 1 and 243")
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--downsample", type=int, default=1, help="keep every n-th frame")
    args = parser.parse_args(argv)
    pl.seed_everything(1, verbose=False)  # that of the published script

    # 1. Poses of 16 joints, and the network. The library's own class takes its weights, so that it is the same network.
    train_set, test_set = (
        load_dataset("synthetic", split, skeleton="h36m16", downsample=args.downsample) for split in ("train", "test")
    )
    model = MLPGraph(train_set.skeleton, args.frames, args.channels, 2 * args.channels)
    options = {"num_frames": args.frames, "hidden_channels": args.channels, "graph_channels": 2 * args.channels}
    create_model("mlp_graph", train_set.skeleton, **options).load_state_dict(model.state_dict())
    print(f"MLP-Graph has {sum(p.numel() for p in model.parameters()):,} parameters, as the registered mlp_graph")

    # 2. The recipe: distances of joints and a hundredth of absolute error; AMSGrad from 1e-3, which is halved after
    #    every fifth epoch and multiplied by 0.95 after the others; mirrored poses in training, averaged in the test.
    module = LiftingModule(
        model,
        test_set.actions,
        train_set.mean_pose(),
        loss="0.99*mpjpe + 0.01*l1",
        amsgrad=True,
        lr=1e-3,
        schedule="alternating",
        lr_every=5,
        lr_large_decay=0.5,
        lr_decay=0.95,
        flip_test=True,
    )
    data = PoseData(train_set, test_set, frames=model.num_frames, batch_size=256, flip=True, seed=1, drop_last=False)

    # 3. Train and test, on a GPU if there is one. The gradient is not clipped. Published is the best epoch, printed
    #    here is the last.
    trainer = pl.Trainer(
        max_epochs=args.epochs, devices=1, logger=False, enable_checkpointing=False, num_sanity_val_steps=0
    )
    trainer.fit(module, datamodule=data)
    trainer.test(module, datamodule=data, verbose=False)
    print(f"MPJPE {module.results['mpjpe_mm']:.1f} mm (the mean pose: {module.results['mean_pose_mpjpe_mm']:.1f} mm)")
    return model, module.results


if __name__ == "__main__":
    main()
