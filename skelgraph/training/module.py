"""The LightningModule: how a network is trained and what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from skelgraph.datasets import PoseDataset
from skelgraph.datasets.windows import PoseBatch
from skelgraph.geometry import flip_average
from skelgraph.metrics import MPJPE
from skelgraph.models.lifter import PoseLifter
from skelgraph.options import NotNegative, Positive, checked
from skelgraph.training.config import (
    Decay,
    EvaluationConfig,
    Loss,
    OptimizerConfig,
    RootRule,
    Schedule,
    Seed,
    TrainingConfig,
)
from skelgraph.training.judging import Judge, judged_joints, with_root
from skelgraph.training.losses import LOSSES
from skelgraph.training.schedules import SCHEDULES


class LiftingModule(pl.LightningModule):
    """Train a 2D-to-3D network on root-relative poses, and judge it in millimetres.

    Random numbers are set at the start of each epoch from ``(seed, epoch)``, so that a resumed run repeats an
    undisturbed one exactly. It is trained and tested with :class:`~skelgraph.training.PoseData`.

    The defaults are those of a run (:mod:`skelgraph.training.config`).

    Args:
        model: Network of :func:`skelgraph.models.create_model`.
        actions: Names of the actions in the test set; errors are averaged over them without weights.
        mean_pose: Mean training pose ``(J, 3)``, metres: the answer that every network must beat.
        loss: A name of :data:`~skelgraph.training.LOSSES`.
        lr: Learning rate of Adam; the highest one of the schedule.
        schedule: A name of :data:`~skelgraph.training.SCHEDULES`.
        lr_decay: Factor on the learning rate, for the schedules that take it.
        weight_decay: Weight decay of Adam (decoupled, as AdamW has it).
        flip_test: Evaluate the mean of the answers to each window and to its mirror image.
        root: What is done with the predicted root in validation and test, see
            :func:`~skelgraph.training.judging.with_root`.
        seed: Seed of what is random in an epoch.
        config: Plain data that is stored with each checkpoint.

    Raises:
        SkelgraphError: If an argument is not what its annotation says, or ``flip_test`` is on and the model's
            skeleton does not say what is left and right.
    """

    mean_pose: Tensor
    mirror_index: Tensor

    @checked
    def __init__(
        self,
        model: PoseLifter,
        actions: tuple[str, ...],
        mean_pose: Tensor,
        *,
        loss: Loss = TrainingConfig.loss,
        lr: Positive = OptimizerConfig.lr,
        schedule: Schedule = OptimizerConfig.schedule,
        lr_decay: Decay = OptimizerConfig.lr_decay,
        weight_decay: NotNegative = OptimizerConfig.weight_decay,
        flip_test: bool = True,
        root: RootRule = EvaluationConfig.root,
        seed: Seed = TrainingConfig.seed,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.loss = LOSSES[loss].function
        self.lr = lr
        self.schedule = schedule
        self.lr_decay = lr_decay
        self.weight_decay = weight_decay
        self.flip_test = flip_test
        self.root = root
        self.seed = seed
        self.config = dict(config or {})
        self.register_buffer("mean_pose", mean_pose.clone())
        mirror_index = torch.tensor(model.skeleton.mirror_index if flip_test else ())
        self.register_buffer("mirror_index", mirror_index, persistent=False)
        num_joints = model.skeleton.num_joints
        self.val_mpjpe = MPJPE(num_joints, actions)
        self.judges: dict[str, Judge] = {}
        self.results: dict[str, Any] = {}
        """What the last test measured, under the names of metrics.json."""

    def forward(self, keypoints_2d: Tensor) -> Tensor:
        """Lift ``(B, T, J, 2)`` to root-relative poses ``(B, J, 3)``, metres, as evaluation sees them."""
        if not len(keypoints_2d):  # a process that has run out of clips
            return self.mean_pose.new_zeros(0, *self.mean_pose.shape)
        lift = flip_average(self.model, keypoints_2d, self.mirror_index) if self.flip_test else self.model(keypoints_2d)
        return with_root(lift.float(), self.model.skeleton.root, self.root)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam and the schedule of its learning rate."""
        steps, epochs = int(self.trainer.estimated_stepping_batches), int(self.trainer.max_epochs or 1)
        optimizer, scheduler = self.optimization(steps, epochs)
        interval = SCHEDULES[self.schedule].interval
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": interval}}

    def optimization(self, total_steps: int, epochs: int) -> tuple[Optimizer, LRScheduler]:
        """A new optimizer and scheduler.

        Args:
            total_steps: Steps of the whole run, for schedules that span it.
            epochs: Epochs of the whole run, likewise.
        """
        parameters = self.model.parameters()
        optimizer = torch.optim.AdamW(parameters, lr=self.lr, weight_decay=self.weight_decay, fused=True)
        scheduler = SCHEDULES[self.schedule].make(
            optimizer, total_steps=total_steps, epochs=epochs, lr_decay=self.lr_decay
        )
        return optimizer, scheduler

    def on_train_epoch_start(self) -> None:
        """Make the epoch a function of ``(seed, epoch)``: order of the windows and dropout."""
        self.trainer.train_dataloader.set_epoch(self.current_epoch)  # type: ignore[union-attr]
        sequence = np.random.SeedSequence([self.seed, self.current_epoch, self.global_rank])
        torch.manual_seed(int(sequence.generate_state(1)[0]))

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of the gradient.

        Lightning refuses this for fused optimizers under every mixed precision; only float16 has scaled gradients.
        """
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), gradient_clip_val)

    def training_step(self, batch: PoseBatch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        # Models of others need to know of masks only if the data have them.
        mask = {} if batch.visible_3d is None else {"visible": batch.visible_3d}
        loss = self.model.training_loss(self._input(batch), batch.poses_3d, self._loss, **mask)
        size = len(batch.frame)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=size, sync_dist=True)
        return loss

    def _loss(self, prediction: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """The loss in float32 also under mixed precision: bfloat16 has three digits, and no singular values."""
        with torch.autocast(prediction.device.type, enabled=False):
            return self.loss(prediction.to(target.dtype), target, visible=visible)

    def validation_step(self, batch: PoseBatch, batch_idx: int) -> None:
        """Count one batch."""
        prediction, action = self(self._input(batch)), self._test_set.action_id[batch.frame]
        with torch.autocast(self.device.type, enabled=False):
            self.val_mpjpe.update(prediction, batch.poses_3d, action, visible=self._judged(batch))

    def on_validation_epoch_end(self) -> None:
        """Log the MPJPE of the epoch, the mean over actions."""
        self.log("val_mpjpe_mm", self.val_mpjpe.compute().float(), prog_bar=True, sync_dist=True)
        self.val_mpjpe.reset()

    def on_test_start(self) -> None:
        """Begin to judge the test set."""
        self.judges = {"network": Judge(self._test_set, self.device)}
        self.mean_pose_mpjpe = MPJPE(self.model.skeleton.num_joints, self._test_set.actions).to(self.device)

    def answers(self, batch: PoseBatch) -> dict[str, Tensor]:
        """The poses ``(B, J, 3)`` that are judged, by the names of :data:`~skelgraph.training.judging.ROWS`."""
        return {"network": self(self._input(batch))}

    def test_step(self, batch: PoseBatch, batch_idx: int) -> None:
        """Count one batch."""
        answers, target, visible, test_set = self.answers(batch), batch.poses_3d, self._judged(batch), self._test_set
        action, clip = test_set.action_id[batch.frame], test_set.clip_id[batch.frame]
        scene = None if test_set.scene_id is None else test_set.scene_id[batch.frame]
        with torch.autocast(self.device.type, enabled=False):  # Procrustes in bfloat16 would be off by millimetres
            for name, judge in self.judges.items():
                judge.update(answers[name], target, action, clip, visible, scene)
            self.mean_pose_mpjpe.update(self.mean_pose.expand_as(target), target, action, visible=visible)

    def on_test_epoch_end(self) -> None:
        """Gather the errors of all processes into :attr:`results`."""
        rows = {name: judge.results() for name, judge in self.judges.items()}
        judged, headline = self.judges["network"], rows["network"]
        frames_of = self._frames_of_actions()
        per_joint = judged.mpjpe.per_joint().tolist()
        self.results = {
            **headline,
            "mean_pose_mpjpe_mm": float(self.mean_pose_mpjpe.compute()),
            "mean_pose_mpjpe_frames_mm": float(self.mean_pose_mpjpe.over_frames()),
            "per_action": {
                action: {**errors, "frames": frames_of[action]} for action, errors in headline["per_action"].items()
            },
            "per_joint_mm": dict(zip(self.model.skeleton.joint_names, per_joint, strict=True)),
            "rows": rows,
        }

    def _frames_of_actions(self) -> dict[str, int]:
        """How many frames of each action were judged."""
        rows = self._test_set.frames
        if self._test_set.visible_3d is not None:  # a frame without any known joint counts nowhere
            rows = rows[self._test_set.visible_3d[rows].any(-1)]
        frames = torch.bincount(self._test_set.action_id[rows]).tolist()
        return dict(zip(self._test_set.actions, frames, strict=False))  # none of the last actions, in a view

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to rebuild the model."""
        checkpoint["skelgraph"] = {"config": self.config}

    def _input(self, batch: PoseBatch) -> Tensor:
        return batch.network_input(self.model.in_channels)

    def _judged(self, batch: PoseBatch) -> Tensor | None:
        """Which joints of the true poses count."""
        return judged_joints(batch.visible_3d, batch.poses_3d, self.model.skeleton, self._test_set.protocol)

    @property
    def _test_set(self) -> PoseDataset:
        return self.trainer.datamodule.test_set  # type: ignore[attr-defined]
