"""Joints in groups: make a hypergraph on a skeleton, look at it, send along it, train with it, read what it learned.

    python examples/hypergraph_quickstart.py --epochs 10

docs/tutorial_hypergraph.md goes through the same steps one by one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import lightning.pytorch as pl
import torch
from torch_geometric.nn import HypergraphConv

from skelgraph import as_skeleton, create_model
from skelgraph.datasets import load_dataset
from skelgraph.nn import HyperedgeConv
from skelgraph.topology import JointHypergraph, to_pyg
from skelgraph.training import LiftingModule, PoseData

STREAMS = ("joints", "bones", "hyperedges")


def walking_hypergraph() -> JointHypergraph:
    """Body parts and symmetric pairs by name, and a group of our own: hands swing with the opposite feet."""
    body = as_skeleton("h36m17")
    named = JointHypergraph.from_skeleton(body, groups=("parts", "sym"))
    swing = [["right_wrist", "left_foot"], ["left_wrist", "right_foot"]]
    ids = range(named.num_hyperedges, named.num_hyperedges + len(swing))
    return JointHypergraph.from_lists(
        body.num_joints, [*named.hyperedges, *swing], groups={**named.groups, "swing": ids}, skeleton=body
    )


def main(argv: Sequence[str] | None = None) -> torch.Tensor:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--channels", type=int, default=48)
    parser.add_argument("--downsample", type=int, default=20, help="keep every n-th frame")
    parser.add_argument("--out", type=Path, default=Path("runs/hypergraph"))
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    # 1. Make a hypergraph and look at it: a panel for each group, an area for each hyperedge.
    hypergraph = walking_hypergraph()
    print(hypergraph)
    panels = hypergraph.plot()
    panels[0].figure.savefig(args.out / "hypergraph_h36m17.png", dpi=100)

    # 2. Send features along it: joints -> hyperedges -> joints, for any leading dimensions.
    conv = HyperedgeConv(2, 64, hypergraph)
    poses = torch.randn(8, 17, 2)
    joints, hyperedges = conv(poses, return_hyperedges=True)
    print(f"joints {tuple(joints.shape)}, hyperedges {tuple(hyperedges.shape)}")

    # 3. The same in PyG: a batch is one large graph, and our parameters load into PyG's layer.
    data = to_pyg(hypergraph, batch_size=8, x=poses)
    pyg_conv = HypergraphConv(2, 64)
    pyg_conv.load_state_dict(conv.state_dict())
    same = pyg_conv(data.x, data.edge_index, num_edges=data.num_hyperedges)
    print(f"PyG differs by {(same - joints.flatten(0, 1)).abs().max():.0e}")

    # 4. Train a network of joints, bones and hyperedges on generated motion.
    pl.seed_everything(0, verbose=False)
    train_set, test_set = (load_dataset("synthetic", split, downsample=args.downsample) for split in ("train", "test"))
    lists = [list(members) for members in hypergraph.hyperedges]
    model = create_model(
        "nehs_net", train_set.skeleton, depth=2, d_model=args.channels, n_heads=4, dropout=0.1, hyperedges=lists
    )
    module = LiftingModule(model, test_set.actions, train_set.mean_pose(), lr=2e-3)
    data_module = PoseData(train_set, test_set, batch_size=128)
    trainer = pl.Trainer(max_epochs=args.epochs, logger=False, enable_checkpointing=False, num_sanity_val_steps=0)
    trainer.fit(module, datamodule=data_module)
    trainer.test(module, datamodule=data_module, verbose=False)
    print(f"MPJPE {module.results['mpjpe_mm']:.1f} mm (the mean pose: {module.results['mean_pose_mpjpe_mm']:.1f} mm)")

    # 5. Read the gates: how much every joint takes from joints, bones and hyperedges. Untrained, all are one third.
    model.eval().return_features = True
    with torch.no_grad():
        _, features = model(test_set.keypoints_2d)
    gates = features.gates.mean(dim=(0, 1))  # over poses and blocks: (17, 3)
    print(f"{'':15}" + "".join(f"{stream:>12}" for stream in STREAMS))
    for name, row in zip(train_set.skeleton.joint_names, gates.tolist(), strict=True):
        print(f"{name:15}" + "".join(f"{share:12.2f}" for share in row))
    return gates


if __name__ == "__main__":
    main()
