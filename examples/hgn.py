"""HGN from its layers, trained by its published recipe, on generated motion.

    python examples/hgn.py --epochs 3 --downsample 20    # minutes of CPU: it runs, and has not learned much
    python examples/hgn.py                               # the whole recipe, on a GPU if there is one

"Hierarchical Graph Networks for 3D Human Pose Estimation", https://arxiv.org/abs/2111.11927: 37.32 mm on Human3.6M with
ground-truth keypoints. There the two meshes come from the licensed SMPL body (`skelgraph train --dataset human36m_hgn
--smpl FOLDER`, see docs/data.md); here they are tubes around the bones, which any skeleton has. The data are generated,
and comparable to no published number.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import lightning.pytorch as pl
from torch import Tensor, nn

from skelgraph import create_model
from skelgraph.datasets import load_dataset
from skelgraph.models import FrameLifter
from skelgraph.nn import GraphConvBlock, GroupedNonLocal, ResidualGraphBlock, SemGraphConv, TubeSkin, multi_scale_mse
from skelgraph.topology import Graph, SkeletonLike, tube_hierarchy
from skelgraph.training import LiftingModule, PoseData

FIRST_STAGE = {"1": 0, "2": 1, "3": 3}
"""The stage in which joints (1), coarse mesh (2) and fine mesh (3) come into being: the input block is stage 0."""


class HGN(FrameLifter):
    """2D joints ``(B, J, 2)`` to root-relative 3D joints ``(B, J, 3)``, metres, by way of two meshes of the body."""

    def __init__(self, skeleton: SkeletonLike = "h36m17", channels: int = 128) -> None:
        super().__init__(skeleton)
        surface = tube_hierarchy(self.skeleton)  # 12, 6 and 3 vertices around each bone: finest, fine and coarse
        joints = Graph.from_adjacency(self.skeleton.adjacency(self_loops=True))
        graphs = {"1": joints, "2": surface.padded(-1), "3": surface.padded(-2)}  # the halves of a node side by side
        self.skin = TubeSkin(self.skeleton)  # the finest surface around a pose, of which both meshes are means
        for name, level in (("coarse", -1), ("fine", -2)):
            self.register_buffer(f"{name}_means", surface.averaging(0, level)[surface.order(level)], persistent=False)

        self.input_block = GraphConvBlock(SemGraphConv(2, channels, joints))
        # In a stage each graph has a block of two graph layers, and attention of all its nodes to each other.
        self.stages = nn.ModuleDict(
            {
                f"{i}_{stage}": nn.Sequential(
                    ResidualGraphBlock(SemGraphConv, channels, graph), GroupedNonLocal(channels, graph)
                )
                for i, graph in graphs.items()
                for stage in range(max(1, FIRST_STAGE[i]), 5)
            }
        )
        # Before a stage, and before the heads (5), the graphs tell each other what they have found: a linear map from
        # the nodes of one to those of another. "1_3_4" goes from the joints to the fine mesh before stage 4.
        self.mixers = nn.ModuleDict(
            {
                f"{i}_{j}_{stage}": nn.Linear(graphs[i].num_nodes, graphs[j].num_nodes)
                for i in graphs
                for j in graphs
                for stage in range(1, 6)
                if i != j and FIRST_STAGE[i] < stage and FIRST_STAGE[j] <= stage
            }
        )
        self.heads = nn.ModuleList(SemGraphConv(channels, 3, graph) for graph in graphs.values())

    def exchange(self, nodes: dict[str, Tensor], stage: int) -> dict[str, Tensor]:
        """Add the messages; as released, each graph already hears the new state of those before it."""
        nodes = dict(nodes)
        for j in "123":
            for i in "123":
                if i in nodes and (mixer := f"{i}_{j}_{stage}") in self.mixers:
                    message = self.mixers[mixer](nodes[i].mT).mT
                    nodes[j] = nodes[j] + message if j in nodes else message
        return nodes

    def meshes(self, x: Tensor) -> list[Tensor]:
        """Joints ``(B, J, 3)``, coarse ``(B, 48, 3)`` and fine mesh ``(B, 96, 3)`` (on 17 joints), metres."""
        nodes = {"1": self.input_block(x)}
        for stage in range(1, 5):
            nodes = {i: self.stages[f"{i}_{stage}"](h) for i, h in self.exchange(nodes, stage).items()}
        return [head(h) for head, h in zip(self.heads, self.exchange(nodes, 5).values(), strict=True)]

    def lift_frame(self, x: Tensor) -> Tensor:
        return self.meshes(x)[0]

    def training_loss(
        self, keypoints_2d: Tensor, poses_3d: Tensor, loss: Callable[..., Tensor] | None = None
    ) -> Tensor:
        """100 times the squared error of the joints and that of both meshes; the loss that is handed in has no part."""
        surface = self.skin(poses_3d)
        targets = [poses_3d, self.coarse_means @ surface, self.fine_means @ surface]
        return multi_scale_mse(self.meshes(self.window(keypoints_2d).squeeze(1)), targets, weights=(100, 1, 1))


def main(argv: Sequence[str] | None = None) -> tuple[HGN, dict[str, float]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=151)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--downsample", type=int, default=5, help="keep every n-th frame; published: 5, in the test 50")
    args = parser.parse_args(argv)
    pl.seed_everything(123, verbose=False)  # that of the published script

    # 1. Poses of 17 joints, and the network. The library's own class takes its weights, so that it is the same network.
    train_set, test_set = (load_dataset("synthetic", split, downsample=args.downsample) for split in ("train", "test"))
    model = HGN(train_set.skeleton, args.channels)
    create_model("hgn", train_set.skeleton, hidden_channels=args.channels).load_state_dict(model.state_dict())
    print(f"HGN has {sum(p.numel() for p in model.parameters()):,} parameters, as the registered hgn")

    # 2. The recipe: Adam from 1e-3, multiplied by 0.9 after the epochs 20, 40, ..., 140; no mirrored poses, neither in
    #    training nor in the test. The loss is that of the network.
    module = LiftingModule(
        model,
        test_set.actions,
        train_set.mean_pose(),
        lr=1e-3,
        schedule="multistep",
        lr_milestones=(20, 40, 60, 80, 100, 120, 140),
        lr_decay=0.9,
        flip_test=False,
    )
    data = PoseData(train_set, test_set, batch_size=64, flip=False, seed=123, drop_last=False)

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
