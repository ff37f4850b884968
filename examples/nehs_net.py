"""NEHSNet from its layers, trained by its published recipe, on generated motion.

    python examples/nehs_net.py --epochs 3 --downsample 20    # minutes of CPU: it runs, and has not learned much
    python examples/nehs_net.py                               # the whole recipe, on a GPU if there is one

"NEHSNet", https://github.com/HFG1021/NEHSNet: 49.50 mm on Human3.6M. Depth, width, heads, dropout and the number of
parameters are published, and the training script; what is inside the blocks is our design. The data here are generated,
and comparable to no published number; for Human3.6M write ``load_dataset("human36m", split,
data_3d="data_3d_h36m.npz")`` in their place.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from skelgraph import create_model
from skelgraph.datasets import load_dataset
from skelgraph.models import FrameLifter
from skelgraph.nn import NodeEdgeHyperedgeConv
from skelgraph.topology import JointHypergraph, SkeletonLike
from skelgraph.training import LiftingModule, PoseData


class Embedding(nn.Module):
    """Features of joints, bones or hyperedges, and a learned vector that tells one of them from another."""

    def __init__(self, in_channels: int, channels: int, count: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, channels)
        self.position = nn.Parameter(0.02 * torch.randn(count, channels))
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features) + self.position


class NEHSNet(FrameLifter):
    """2D joints ``(B, J, 2)`` to root-relative 3D joints ``(B, J, 3)``, metres, by way of bones and hyperedges."""

    def __init__(self, skeleton: SkeletonLike = "h36m17", channels: int = 252, depth: int = 3, heads: int = 6) -> None:
        super().__init__(skeleton)
        # Joints in groups: the body's parts, its sides, its halves, and each pair of left and right.
        groups = JointHypergraph.from_skeleton(self.skeleton, ("parts", "sides", "halves", "sym"))
        self.register_buffer("bones", torch.tensor(self.skeleton.edges), persistent=False)
        self.register_buffer("members", groups.incidence.mT.contiguous(), persistent=False)
        self.node_embedding = Embedding(2, channels, self.skeleton.num_joints)
        self.bone_embedding = Embedding(5, channels, len(self.bones))
        self.hyperedge_embedding = Embedding(4, channels, len(self.members))
        # A block updates bones and hyperedges from their joints and from each other; joints then attend to all three.
        self.blocks = nn.ModuleList(NodeEdgeHyperedgeConv(channels, groups, heads, dropout=0.3) for _ in range(depth))
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, 3)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def bone_features(self, x: Tensor) -> Tensor:
        """Vector, length and midpoint of every bone, ``(B, K, 5)``; 1e-8 gives a bone of no length a gradient."""
        parent, child = x[:, self.bones[:, 0]], x[:, self.bones[:, 1]]
        length = ((child - parent).square().sum(-1, keepdim=True) + 1e-8).sqrt()
        return torch.cat([child - parent, length, (parent + child) / 2], dim=-1)

    def hyperedge_features(self, x: Tensor) -> Tensor:
        """Mean and deviation of the joints of every hyperedge, ``(B, M, 4)``."""
        share = (self.members / self.members.sum(1, keepdim=True))[..., None]
        mean = (share * x[:, None]).sum(2)
        variance = (share * (x[:, None] - mean[:, :, None]).square()).sum(2)
        return torch.cat([mean, (variance + 1e-8).sqrt()], dim=-1)

    def lift_frame(self, x: Tensor) -> Tensor:
        joints = self.node_embedding(x)
        bones = self.bone_embedding(self.bone_features(x))
        hyperedges = self.hyperedge_embedding(self.hyperedge_features(x))
        for block in self.blocks:
            joints, bones, hyperedges = block(joints, bones, hyperedges)
        return self.head(self.norm(joints))


def main(argv: Sequence[str] | None = None) -> tuple[NEHSNet, dict[str, float]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--channels", type=int, default=252, help="width, a multiple of the 6 heads")
    parser.add_argument("--downsample", type=int, default=1, help="keep every n-th frame")
    args = parser.parse_args(argv)
    pl.seed_everything(1, verbose=False)  # that of the published script

    # 1. Poses of 17 joints, and the network. The library's own class takes its weights, so that it is the same network.
    train_set, test_set = (load_dataset("synthetic", split, downsample=args.downsample) for split in ("train", "test"))
    model = NEHSNet(train_set.skeleton, args.channels)
    create_model("nehs_net", train_set.skeleton, d_model=args.channels).load_state_dict(model.state_dict())
    print(f"NEHSNet has {sum(p.numel() for p in model.parameters()):,} parameters, as the registered nehs_net")

    # 2. The recipe: distances of joints, and half of what is left of them when the pose is turned, moved and scaled
    #    onto the true one; AMSGrad from 1e-3, which is halved after every third epoch and multiplied by 0.95 after the
    #    others; mirrored poses in training, averaged in the test, where the predicted root is set to zero.
    module = LiftingModule(
        model,
        test_set.actions,
        train_set.mean_pose(),
        loss="mpjpe + 0.5*p_mpjpe",
        amsgrad=True,
        lr=1e-3,
        schedule="alternating",
        lr_every=3,
        lr_large_decay=0.5,
        lr_decay=0.95,
        flip_test=True,
        root="zero",
    )
    data = PoseData(train_set, test_set, batch_size=2048, flip=True, seed=1, drop_last=False)

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
