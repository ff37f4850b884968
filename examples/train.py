"""Train a graph network to lift 2D poses to 3D: the training and the test of `skelgraph train`, in plain Python.

    python examples/train.py --epochs 5

The data are generated (:class:`skelgraph.datasets.SyntheticMocap`), so nothing has to be downloaded; they show that the
network learns, and are comparable to no published result. For your own files use ``load_dataset("mocap", ...)``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import lightning.pytorch as pl

from skelgraph.datasets import load_dataset
from skelgraph.models import create_model
from skelgraph.training import LiftingModule, PoseData


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="sem_gcn")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--downsample", type=int, default=5, help="keep every n-th frame")
    parser.add_argument("--out", default="runs/example")
    args = parser.parse_args(argv)

    # 1. Poses: 2D keypoints on the screen and, as the target, 3D joints relative to the hip, in metres.
    pl.seed_everything(0)
    train_set = load_dataset("synthetic", "train", downsample=args.downsample)
    test_set = load_dataset("synthetic", "test", downsample=args.downsample)
    print(f"{len(train_set):,} poses to train on, {len(test_set):,} to test on: {', '.join(test_set.actions)}")

    # 2. A network on the graph of the skeleton.
    model = create_model(args.model, train_set.skeleton)

    # 3. How it is trained and judged, and which poses it sees.
    module = LiftingModule(model, test_set.actions, train_set.mean_pose(), lr=4e-3)
    data = PoseData(train_set, test_set, frames=model.num_frames, batch_size=128, flip=True)

    # 4. Train and test.
    trainer = pl.Trainer(
        max_epochs=args.epochs,
        accelerator="auto",
        devices=1,
        gradient_clip_val=1.0,
        default_root_dir=args.out,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, datamodule=data)
    trainer.test(module, datamodule=data)

    results = module.results
    print(f"MPJPE {results['mpjpe_mm']:.1f} mm (the mean pose: {results['mean_pose_mpjpe_mm']:.1f} mm)")
    for joint, error in results["per_joint_mm"].items():
        print(f"  {joint:15} {error:6.1f} mm")
    return results


if __name__ == "__main__":
    main()
