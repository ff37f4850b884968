"""HOIF-Net from its layers, trained by its published recipe, on generated motion.

    python examples/hoif_net.py --epochs 3 --downsample 20    # minutes of CPU: it runs, and has not learned much
    python examples/hoif_net.py                               # the whole recipe, on a GPU if there is one

"Higher-Order Implicit Fairing Networks for 3D Human Pose Estimation", https://arxiv.org/abs/2111.00950: 39.16 mm on
Human3.6M with ground-truth keypoints. The data here are generated, and comparable to no published number; for Human3.6M
write ``load_dataset("human36m", split, data_3d="data_3d_h36m.npz", skeleton="h36m16")`` in their
place.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import lightning.pytorch as pl
from torch import Tensor, nn

from skelgraph import create_model
from skelgraph.datasets import load_dataset
from skelgraph.models import FrameLifter
from skelgraph.nn import GraphConvBlock, ImplicitFairingConv, fairing_beta
from skelgraph.topology import SkeletonLike
from skelgraph.training import LiftingModule, PoseData


class HOIFNet(FrameLifter):
    """2D joints ``(B, J, 2)`` to root-relative 3D joints ``(B, J, 3)``, metres.

    Every layer mixes its input with the features of the first one: half of each, ``alpha``. That is the step of an
    implicit solver that fairs (smooths) a signal on the graph of bones, and it keeps deep layers from making all joints
    alike. The scale ``beta`` of the weights falls with the depth of the layer.
    """

    def __init__(self, skeleton: SkeletonLike = "h36m16", channels: int = 96, layers: int = 8) -> None:
        super().__init__(skeleton)
        width = 4 * channels  # what is 0, 1, 2 and 3 bones away, side by side

        def conv(inputs: int, outputs: int, layer: int, reduce: str = "cat") -> ImplicitFairingConv:
            beta = fairing_beta(layer, strength=0.5)
            return ImplicitFairingConv(inputs, outputs, self.skeleton, num_hops=3, reduce=reduce, alpha=0.5, beta=beta)

        # A block is a graph layer, batch normalisation and ReLU.
        self.input_block = GraphConvBlock(conv(2, width, 1))
        self.blocks = nn.ModuleList(GraphConvBlock(conv(width, width, layer)) for layer in range(2, layers + 2))
        self.head = conv(width, 3, 1, reduce="sum")  # here the hops are added up

    def lift_frame(self, x: Tensor) -> Tensor:
        h = initial = self.input_block(x)
        for block in self.blocks:
            h = block(h, initial)
        return self.head(h, initial)


def main(argv: Sequence[str] | None = None) -> tuple[HOIFNet, dict[str, float]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--channels", type=int, default=96, help="channels of a hop; 96 are the published 1.20 million")
    parser.add_argument("--downsample", type=int, default=1, help="keep every n-th frame")
    args = parser.parse_args(argv)
    pl.seed_everything(0, verbose=False)  # the published script sets none

    # 1. Poses of 16 joints, and the network. The library's own class takes its weights, so that it is the same network.
    train_set, test_set = (
        load_dataset("synthetic", split, skeleton="h36m16", downsample=args.downsample) for split in ("train", "test")
    )
    model = HOIFNet(train_set.skeleton, args.channels)
    create_model("hoif_net", train_set.skeleton, hidden_channels=args.channels).load_state_dict(model.state_dict())
    print(f"HOIF-Net has {sum(p.numel() for p in model.parameters()):,} parameters, as the registered hoif_net")

    # 2. The recipe: squared error; Adam from 1e-3, multiplied by 0.8 every 100 000 steps (the rate is written at these
    #    steps alone, and constant between them); no mirrored poses, neither in training nor in the test.
    module = LiftingModule(
        model,
        test_set.actions,
        train_set.mean_pose(),
        loss="mse",
        lr=1e-3,
        schedule="step_power",
        lr_every=100_000,
        lr_decay=0.8,
        flip_test=False,
    )
    data = PoseData(train_set, test_set, batch_size=256, flip=False, drop_last=False)

    # 3. Train and test, on a GPU if there is one, with the norm of the gradient clipped at 1. Published is the best
    #    epoch, printed here is the last.
    trainer = pl.Trainer(
        max_epochs=args.epochs,
        devices=1,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, datamodule=data)
    trainer.test(module, datamodule=data, verbose=False)
    print(f"MPJPE {module.results['mpjpe_mm']:.1f} mm (the mean pose: {module.results['mean_pose_mpjpe_mm']:.1f} mm)")
    return model, module.results


if __name__ == "__main__":
    main()
