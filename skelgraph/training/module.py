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
from torchmetrics import Metric

from skelgraph.datasets import PoseDataset
from skelgraph.datasets.windows import PoseBatch
from skelgraph.geometry import flip_average
from skelgraph.metrics import AUC, MPJPE, MPJVE, NMPJPE, PCK, PMPJPE
from skelgraph.models.lifter import PoseLifter
from skelgraph.options import NotNegative, Positive, checked
from skelgraph.training.config import Decay, Loss, OptimizerConfig, Schedule, Seed, TrainingConfig
from skelgraph.training.data import ManyBatches
from skelgraph.training.losses import LOSSES
from skelgraph.training.schedules import SCHEDULES
from skelgraph.training.step_graph import StepGraph


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
        seed: Seed of what is random in an epoch.
        compile: Compile the network and the loss, and take the steps that :class:`~skelgraph.training.PoseData` hands
            out at once (``steps_at_once``); on a GPU as one CUDA graph each.
        clip_grad: Largest norm of the gradient where steps are taken at once; else Lightning's trainer knows it.
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
        seed: Seed = TrainingConfig.seed,
        compile: bool = False,  # noqa: A002 - what torch calls it
        clip_grad: NotNegative = 0.0,
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
        self.seed = seed
        self.automatic_optimization = not compile
        self.clip_grad = clip_grad
        self._steps: StepGraph | None = None
        self.config = dict(config or {})
        self.register_buffer("mean_pose", mean_pose.clone())
        mirror_index = torch.tensor(model.skeleton.mirror_index if flip_test else ())
        self.register_buffer("mirror_index", mirror_index, persistent=False)
        num_joints = model.skeleton.num_joints
        self.val_mpjpe = MPJPE(num_joints, actions)
        self.mpjpe = MPJPE(num_joints, actions)
        self.p_mpjpe = PMPJPE(num_joints, actions)
        self.mean_pose_mpjpe = MPJPE(num_joints, actions)
        self.n_mpjpe = NMPJPE(num_joints, actions)
        self.mpjve = MPJVE(num_joints, actions)
        self.pck = PCK(num_joints, actions)
        self.auc = AUC(num_joints, actions)
        self.results: dict[str, Any] = {}
        """What the last test measured, under the names of metrics.json."""

    def forward(self, keypoints_2d: Tensor) -> Tensor:
        """Lift ``(B, T, J, 2)`` to root-relative poses ``(B, J, 3)``, metres, as evaluation sees them."""
        if not len(keypoints_2d):  # a process that has run out of clips
            return self.mean_pose.new_zeros(0, *self.mean_pose.shape)
        lift = flip_average(self.model, keypoints_2d, self.mirror_index) if self.flip_test else self.model(keypoints_2d)
        root = self.model.skeleton.root
        pose = lift.float()
        return pose - pose[:, root : root + 1]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam and the schedule of its learning rate."""
        steps, epochs = int(self.trainer.estimated_stepping_batches), int(self.trainer.max_epochs or 1)
        if not self.automatic_optimization:  # Lightning counts what is handed out at once as one step
            steps = epochs * len(self.trainer.datamodule.training_batches())  # type: ignore[attr-defined]
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

    def training_step(self, batch: PoseBatch | Tensor, batch_idx: int) -> Tensor | None:
        """The loss of one batch; or many steps at once, given the numbers of their windows ``(steps, B)``."""
        if isinstance(batch, Tensor):
            self._log_loss(self._many_steps(batch), batch.numel())
            return None
        loss = self.batch_loss(batch)
        self._log_loss(loss, len(batch.frame))
        return loss

    def batch_loss(self, batch: PoseBatch) -> Tensor:
        """What is minimised, of one batch."""
        # Models of others need to know of masks only if the data have them.
        mask = {} if batch.visible_3d is None else {"visible": batch.visible_3d}
        return self.model.training_loss(self._input(batch), batch.poses_3d, self._loss, **mask)

    def _log_loss(self, loss: Tensor, size: int) -> None:
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=size, sync_dist=True)

    def _many_steps(self, rows: Tensor) -> Tensor:
        """Take a step for every row of window numbers; the mean loss."""
        optimizer, scheduler = self.optimizers().optimizer, self.lr_schedulers()  # type: ignore[union-attr]
        interval = SCHEDULES[self.schedule].interval
        rates = []
        for _ in rows:
            rates.append(optimizer.param_groups[0]["lr"])
            if interval == "step":
                scheduler.step()  # type: ignore[union-attr]
        if self._steps is None:
            many: ManyBatches = self.trainer.train_dataloader  # type: ignore[assignment]
            windows = many.loader.windows
            loss = torch.compile(self.batch_loss)
            self._steps = StepGraph(lambda row: loss(windows[row]), optimizer, self.clip_grad, many.steps)
        # a graph cannot look up casts of weights that were made outside of it
        kind = self.device.type
        with torch.autocast(
            kind, torch.get_autocast_dtype(kind), enabled=torch.is_autocast_enabled(kind), cache_enabled=False
        ):
            mean = self._steps(rows, rates)
        if interval == "epoch" and self.trainer.is_last_batch:
            scheduler.step()  # type: ignore[union-attr]
        made = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress  # what global_step reads
        for count in (made.total, made.current):
            count.ready += len(rows)
            count.completed += len(rows)
        return mean

    def _loss(self, prediction: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """The loss in float32 also under mixed precision: bfloat16 has three digits, and no singular values."""
        with torch.autocast(prediction.device.type, enabled=False):
            return self.loss(prediction.to(target.dtype), target, visible=visible)

    def validation_step(self, batch: PoseBatch, batch_idx: int) -> None:
        """Count one batch."""
        prediction, action = self(self._input(batch)), self._test_set.action_id[batch.frame]
        with torch.autocast(self.device.type, enabled=False):
            self.val_mpjpe.update(prediction, batch.poses_3d, action, visible=batch.visible_3d)

    def on_validation_epoch_end(self) -> None:
        """Log the MPJPE of the epoch, the mean over actions."""
        self.log("val_mpjpe_mm", self.val_mpjpe.compute().float(), prog_bar=True, sync_dist=True)
        self.val_mpjpe.reset()

    def test_step(self, batch: PoseBatch, batch_idx: int) -> None:
        """Count one batch."""
        prediction, target, visible = self(self._input(batch)), batch.poses_3d, batch.visible_3d
        action, clip = self._test_set.action_id[batch.frame], self._test_set.clip_id[batch.frame]
        with torch.autocast(self.device.type, enabled=False):  # Procrustes in bfloat16 would be off by millimetres
            for metric in (self.mpjpe, self.p_mpjpe, self.n_mpjpe, self.pck, self.auc):
                metric.update(prediction, target, action, visible=visible)
            self.mpjve.update(prediction, target, action, clip, visible=visible)
            self.mean_pose_mpjpe.update(self.mean_pose.expand_as(target), target, action, visible=visible)

    def on_test_epoch_end(self) -> None:
        """Gather the errors of all processes into :attr:`results`."""
        p1, p2 = self.mpjpe.per_action(), self.p_mpjpe.per_action()
        rows = self._test_set.frames
        if self._test_set.visible_3d is not None:  # a frame without any known joint counts nowhere
            rows = rows[self._test_set.visible_3d[rows].any(-1)]
        frames = torch.bincount(self._test_set.action_id[rows]).tolist()
        frames_of = dict(zip(self._test_set.actions, frames, strict=False))  # none of the last actions, in a view
        self.results = {
            "mpjpe_mm": float(self.mpjpe.compute()),
            "p_mpjpe_mm": float(self.p_mpjpe.compute()),
            "mean_pose_mpjpe_mm": float(self.mean_pose_mpjpe.compute()),
            "mpjpe_frames_mm": float(self.mpjpe.over_frames()),
            "p_mpjpe_frames_mm": float(self.p_mpjpe.over_frames()),
            "mean_pose_mpjpe_frames_mm": float(self.mean_pose_mpjpe.over_frames()),
            "n_mpjpe_mm": float(self.n_mpjpe.compute()),
            "mpjve_mm": float(self.mpjve.compute()),
            "pck_150mm": float(self.pck.compute()),
            "auc": float(self.auc.compute()),
            "per_action": {
                action: {"mpjpe_mm": p1[action], "p_mpjpe_mm": p2[action], "frames": frames_of[action]} for action in p1
            },
            "per_joint_mm": dict(zip(self.model.skeleton.joint_names, self.mpjpe.per_joint().tolist(), strict=True)),
        }
        for metric in self.children():
            if isinstance(metric, Metric):
                metric.reset()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to rebuild the model."""
        checkpoint["skelgraph"] = {"config": self.config}

    def _input(self, batch: PoseBatch) -> Tensor:
        return batch.network_input(self.model.in_channels)

    @property
    def _test_set(self) -> PoseDataset:
        return self.trainer.datamodule.test_set  # type: ignore[attr-defined]
