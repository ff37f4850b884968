"""RS-Net from its layers, trained by its published recipe, on generated motion.

    python examples/rs_net.py --epochs 3 --downsample 20    # minutes of CPU: it runs, and has not learned much
    python examples/rs_net.py                               # the whole recipe, on a GPU if there is one

"Regular Splitting Graph Network for 3D Human Pose Estimation", https://arxiv.org/abs/2305.05785: 37.28 mm on Human3.6M
with ground-truth keypoints. The data here are generated, and comparable to no published number; for Human3.6M write
``load_dataset("human36m", split, data_3d="data_3d_h36m.npz", skeleton="h36m16")`` in their place.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import lightning.pytorch as pl
from torch import Tensor, nn

from skelgraph import create_model
from skelgraph.datasets import load_dataset
from skelgraph.models import FrameLifter
from skelgraph.nn import EmbeddedGaussianNonLocal, RegularSplittingConv
from skelgraph.topology import SkeletonLike
from skelgraph.training import LiftingModule, PoseData


def activation(dropout: float) -> nn.Module:
    """The released code applies GELU twice, which is another function than one GELU: all published numbers have it."""
    return nn.Sequential(nn.GELU(), nn.Dropout(dropout), nn.GELU())


class SplittingBlock(nn.Module):
    """Two graph layers with a skip around both. Each also sees the features of the first layer, as the iterations that
    the network is derived from see their right-hand side."""

    def __init__(self, width: int, skeleton: SkeletonLike, dropout: float) -> None:
        super().__init__()
        self.conv1 = RegularSplittingConv(width, width, skeleton)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = RegularSplittingConv(width, width, skeleton)
        self.activation = activation(dropout)

    def forward(self, h: Tensor, initial: Tensor) -> Tensor:
        middle = self.dropout(self.norm(self.conv1(h, initial)))
        return h + self.activation(self.conv2(middle, initial))


class RSNet(FrameLifter):
    """2D joints ``(B, J, 2)`` to root-relative 3D joints ``(B, J, 3)``, metres."""

    def __init__(
        self, skeleton: SkeletonLike = "h36m16", channels: int = 64, blocks: int = 4, dropout: float = 0.2
    ) -> None:
        super().__init__(skeleton)
        width = 4 * channels  # the hops 0 to 3 of a layer, side by side
        self.input_conv = RegularSplittingConv(2, width, self.skeleton)
        self.activation = activation(dropout)
        self.blocks = nn.ModuleList(SplittingBlock(width, self.skeleton, dropout) for _ in range(blocks))
        self.non_local = EmbeddedGaussianNonLocal(width)  # attention of all joints to all joints
        self.head = RegularSplittingConv(width, 3, self.skeleton, reduce="sum")  # here the hops are added up

    def lift_frame(self, x: Tensor) -> Tensor:
        h = initial = self.activation(self.input_conv(x))
        for block in self.blocks:
            h = block(h, initial)
        return self.head(self.non_local(h), initial)


def main(argv: Sequence[str] | None = None) -> tuple[RSNet, dict[str, float]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--channels", type=int, default=64, help="channels of a hop")
    parser.add_argument("--downsample", type=int, default=1, help="keep every n-th frame")
    args = parser.parse_args(argv)
    pl.seed_everything(1420, verbose=False)  # that of the published script

    # 1. Poses of 16 joints, and the network. The library's own class takes its weights, so that it is the same network.
    train_set, test_set = (
        load_dataset("synthetic", split, skeleton="h36m16", downsample=args.downsample) for split in ("train", "test")
    )
    model = RSNet(train_set.skeleton, args.channels)
    create_model("rs_net", train_set.skeleton, hidden_channels=args.channels).load_state_dict(model.state_dict())
    print(f"RS-Net has {sum(p.numel() for p in model.parameters()):,} parameters, as the registered rs_net")

    # 2. The recipe: nine tenths squared and one tenth absolute error; AMSGrad from 1e-3, which is halved after every
    #    fifth epoch and multiplied by 0.95 after the others; mirrored poses in training, and averaged in the test.
    module = LiftingModule(
        model,
        test_set.actions,
        train_set.mean_pose(),
        loss="0.9*mse + 0.1*l1",
        amsgrad=True,
        lr=1e-3,
        schedule="alternating",
        lr_every=5,
        lr_large_decay=0.5,
        lr_decay=0.95,
        flip_test=True,
    )
    data = PoseData(train_set, test_set, batch_size=128, flip=True, seed=1420, drop_last=False)

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
