"""Write a graph operator of your own, drop it into a published network, and compare it with published operators.

    python examples/extend_layer.py --epochs 5

The operator below sends along the bones with one weight towards the root and another away from it. That is all that has
to be written: `ops.graph_conv` computes it, `SkeletonConv` binds it to a skeleton, and `ResidualGCN` is the network
around it. `check_layer(DirectedConv)` of `skelgraph.testing` is the test that it does what every layer here does.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from skelgraph.datasets import load_dataset
from skelgraph.fixed import on_cpu
from skelgraph.models import ResidualGCN
from skelgraph.nn import ModulatedGraphConv, SemGraphConv, SkeletonConv, accepts_flat_batch
from skelgraph.ops import graph_conv
from skelgraph.topology import Skeleton, SkeletonLike
from skelgraph.training import LiftingModule, PoseData


@on_cpu  # a topology is computed there, whatever device the layer is made on
def directed_adjacency(skeleton: Skeleton) -> Tensor:
    """Self, parent and mean of the children as matrices ``(3, J, J)``."""
    joints = skeleton.num_joints
    down = torch.zeros(joints, joints)
    for parent, child in skeleton.edges:
        down[child, parent] = 1
    up = down.T / down.sum(0).clamp(min=1)[:, None]
    return torch.stack([torch.eye(joints), down, up])


class DirectedConv(SkeletonConv):
    """y_i = x_i W_0 + x_parent(i) W_1 + mean over children c of x_c W_2 + b."""

    def __init__(self, in_channels: int, out_channels: int, skeleton: SkeletonLike, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.register_buffer("adjacency", directed_adjacency(self.skeleton), persistent=False)
        self.weight = nn.Parameter(torch.empty(3, in_channels, out_channels))
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels)) if bias else None)
        self.reset_parameters()

    @accepts_flat_batch
    def forward(self, x: Tensor) -> Tensor:
        return graph_conv(x, self.weight, self.adjacency, bias=self.bias)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--downsample", type=int, default=4, help="keep every n-th frame")
    args = parser.parse_args(argv)

    train_set, test_set = (load_dataset("synthetic", split, downsample=args.downsample) for split in ("train", "test"))
    errors = {}
    for conv in (DirectedConv, SemGraphConv, ModulatedGraphConv):
        pl.seed_everything(0, verbose=False)
        backbone = ResidualGCN(train_set.skeleton, conv, hidden_channels=args.channels)
        module = LiftingModule(backbone, test_set.actions, train_set.mean_pose())
        data = PoseData(train_set, test_set, batch_size=128)
        trainer = pl.Trainer(max_epochs=args.epochs, logger=False, enable_checkpointing=False, num_sanity_val_steps=0)
        trainer.fit(module, datamodule=data)
        trainer.test(module, datamodule=data, verbose=False)
        errors[conv.__name__] = module.results["mpjpe_mm"]
    for name, error in errors.items():
        print(f"{name:20} {error:6.1f} mm on generated motion")
    return errors


if __name__ == "__main__":
    main()
