"""The LightningModule: how a network is trained and what is measured."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import CatMetric, MeanMetric, SumMetric

from skelgraph.datasets import PoseDataset
from skelgraph.datasets.windows import PoseBatch
from skelgraph.errors import SkelgraphError
from skelgraph.geometry import back_project_relative, estimate_root, flip_average
from skelgraph.metrics import MPJPE, error_calibration
from skelgraph.models.lifter import PoseLifter
from skelgraph.nn import ExpectedError, PoseLoss, PostRefine
from skelgraph.options import NotNegative, Positive, checked
from skelgraph.training.checks import check_losses
from skelgraph.training.config import (
    Decay,
    EvaluationConfig,
    Loss,
    LossFrames,
    Milestones,
    NormMomentum,
    Number,
    OptimizerConfig,
    RefineLoss,
    RefinementConfig,
    RootDepth,
    RootRule,
    Schedule,
    Seed,
    SelectBy,
    TrainingConfig,
)
from skelgraph.training.data import ManyBatches
from skelgraph.training.judging import Answer, Judge, headline, judged_joints, judged_rows, with_root
from skelgraph.training.losses import loss_terms, make_loss
from skelgraph.training.schedules import SCHEDULES
from skelgraph.training.step_graph import StepGraph, compiled_training


class LiftingModule(pl.LightningModule):
    """Train a 2D-to-3D network on root-relative poses, and judge it in millimetres.

    Random numbers are set at the start of each epoch from ``(seed, epoch)``, so that a resumed run repeats an
    undisturbed one exactly. It is trained and tested with :class:`~skelgraph.training.PoseData`.

    The defaults are those of a run (:mod:`skelgraph.training.config`).

    Args:
        model: Network of :func:`skelgraph.models.create_model`.
        actions: Names of the actions in the test set; errors are averaged over them without weights.
        val_actions: Those of the set that is judged after every epoch; ``None``: the same.
        mean_pose: Mean training pose ``(J, 3)``, metres: the answer that every network must beat.
        refine: A head that corrects the poses of the network, trained with it; ``None``: none.
        expected_error: A head that learns the errors of the network, beside it: no gradient of it reaches the network,
            and the gradients of both are clipped apart, so that the network learns as it would alone; ``None``: none.
            On validation data other than the test data it is calibrated after every epoch.
        loss: A sum of names of :data:`~skelgraph.training.LOSSES`, ``"0.9*mse + 0.1*l1"``; ``"none"`` where the refined
            poses alone are judged, or the expected errors alone are learned: then the network stays as it is.
        loss_frames: Whether it is taken of the ``"centre"`` frame of each window or of ``"all"`` its frames; the
            windows have to give the poses of these.
        refine_loss: As ``loss``, of the refined poses of the centre frames; it is added.
        refine_dropout_at_test: Leave the dropout of the head on, as the released programs do.
        root_depth: Which depth of the root the head is given where one number is asked for: validation, and what the
            test reports first.
        lr: Learning rate of Adam; the highest one of the schedule.
        schedule: A name of :data:`~skelgraph.training.SCHEDULES`.
        lr_decay: Factor on the learning rate, for the schedules that take it, as they do ``lr_large_decay``,
            ``lr_every`` and ``lr_milestones``.
        amsgrad: Adam's variant AMSGrad.
        weight_decay: Weight decay of Adam (decoupled, as AdamW has it).
        norm_momentum: Whether the momentum of batch normalisation is ``"constant"``, or ``"decaying"``: 0.1 at first,
            0.1 exp(-(e / E) ln 100) after e of E epochs, as in VideoPose3D.
        flip_test: Evaluate the mean of the answers to each window and to its mirror image.
        root: What is done with the predicted root in validation and test, see
            :func:`~skelgraph.training.judging.with_root`.
        select_by: Which mean of the error ``val_mpjpe_mm`` is: over ``"actions"`` or over ``"frames"``.
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
        refine: PostRefine | None = None,
        expected_error: ExpectedError | None = None,
        val_actions: tuple[str, ...] | None = None,
        loss: Loss = TrainingConfig.loss,
        loss_frames: LossFrames = TrainingConfig.loss_frames,
        refine_loss: RefineLoss = RefinementConfig.refine_loss,
        refine_dropout_at_test: bool = RefinementConfig.refine_dropout_at_test,
        root_depth: RootDepth = RefinementConfig.root_depth,
        lr: Positive = OptimizerConfig.lr,
        schedule: Schedule = OptimizerConfig.schedule,
        lr_decay: Decay = OptimizerConfig.lr_decay,
        lr_large_decay: Decay = OptimizerConfig.lr_large_decay,
        lr_every: Number | None = OptimizerConfig.lr_every,
        lr_milestones: Milestones | None = OptimizerConfig.lr_milestones,
        amsgrad: bool = OptimizerConfig.amsgrad,
        weight_decay: NotNegative = OptimizerConfig.weight_decay,
        norm_momentum: NormMomentum = TrainingConfig.norm_momentum,
        flip_test: bool = True,
        root: RootRule = EvaluationConfig.root,
        select_by: SelectBy = EvaluationConfig.select_by,
        seed: Seed = TrainingConfig.seed,
        compile: bool = False,  # noqa: A002 - what torch calls it
        clip_grad: NotNegative = 0.0,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.refine = refine
        self.expected_error = expected_error
        refined_loss = None if refine is None else refine_loss
        check_losses(model, loss, loss_frames, refined_loss, expected_error is not None)
        self.trains_network = bool(loss_terms(loss)) or refine is not None
        self.loss = make_loss(loss, model.skeleton)
        self.refine_loss = make_loss("none" if refine is None else refine_loss, model.skeleton)
        self.refine_dropout_at_test = refine_dropout_at_test
        self.lr = lr
        self.schedule = schedule
        settings = {"lr_decay": lr_decay, "lr_large_decay": lr_large_decay, "lr_every": lr_every}
        self.schedule_values = SCHEDULES[schedule].values(settings | {"lr_milestones": lr_milestones})
        self.amsgrad = amsgrad
        self.norm_momentum = norm_momentum
        self.weight_decay = weight_decay
        self.flip_test = flip_test
        self.root = root
        self.select_by = select_by
        self.seed = seed
        self.automatic_optimization = not compile
        self.clip_grad = clip_grad
        self._steps: StepGraph | None = None
        self.config = dict(config or {})
        self.register_buffer("mean_pose", mean_pose.clone())
        mirror_index = torch.tensor(model.skeleton.mirror_index if flip_test else ())
        self.register_buffer("mirror_index", mirror_index, persistent=False)
        num_joints = model.skeleton.num_joints
        self.val_mpjpe = MPJPE(num_joints, actions if val_actions is None else val_actions)
        self.val_ratio = MeanMetric().set_dtype(torch.float64)
        self.headline = headline(refine is not None, root_depth)
        self.judges: dict[str, Judge] = {}
        self.results: dict[str, Any] = {}
        """What the last test measured, under the names of metrics.json."""

    def forward(self, keypoints_2d: Tensor) -> Tensor:
        """Lift ``(B, T, J, 2)`` to root-relative poses ``(B, J, 3)``, metres, as evaluation sees them; rays, which do
        not know the axes of their camera, to poses in their own axes."""
        return with_root(self._lift(keypoints_2d)[..., :3], self.model.skeleton.root, self.root)

    def answers(self, batch: PoseBatch, *rows: str) -> dict[str, Answer]:
        """What is judged of a batch of windows: the pose of the network and, where there is a head, the refined ones.

        Args:
            batch: The windows.
            *rows: Names of :data:`~skelgraph.training.judging.ROWS`.

        Raises:
            SkelgraphError: As :meth:`refined`.
        """
        given, root = batch.in_form(self.model.input_form), self.model.skeleton.root
        answer, expected = self._lift(self._input(given)), None
        if self.expected_error is not None:
            answer, expected = answer[..., :3].contiguous(), answer[..., 3]
        lifted = given.to_camera(answer)
        answers = {}
        for row in rows:
            pose, depth, error = lifted, None, expected
            if row != "network":
                error = None
                depth = self._root_depth(row, lifted, batch)
                pose = torch.where(depth.isnan()[:, None, None], lifted, self.refined(lifted, batch, depth))
            answers[row] = Answer(with_root(pose, root, self.root), pose, depth, error)
        return answers

    def _lift(self, keypoints_2d: Tensor) -> Tensor:
        """The answer of the network as it is, averaged with that to the mirror image where it is to be; and the
        expected errors as a fourth number where there is a head that tells them."""
        model = self.model if self.expected_error is None else self.expected_error.beside(self.model)
        if not len(keypoints_2d):  # a process that has run out of clips
            return self.mean_pose.new_zeros(0, len(self.mean_pose), 3 if self.expected_error is None else 4)
        lift = flip_average(model, keypoints_2d, self.mirror_index) if self.flip_test else model(keypoints_2d)
        return lift.float()

    def _root_depth(self, row: str, pose: Tensor, batch: PoseBatch) -> Tensor:
        """The depth of the root ``(B,)`` that a row of results is refined with, metres: true, or estimated."""
        if batch.intrinsics is None or batch.root_3d is None:
            raise SkelgraphError("poses cannot be refined: the data have no cameras to back-project keypoints with")
        if row == "refined_true_depth":
            return batch.root_3d[:, 2]
        centre = batch.keypoints_2d.size(1) // 2
        seen = None if batch.confidence is None else batch.confidence[:, centre] > 0
        pose = with_root(pose, self.model.skeleton.root, "zero")  # the other joints are relative to the true root
        return estimate_root(pose, batch.keypoints_2d[:, centre], batch.intrinsics, seen)[:, 2]

    def refined(self, pose: Tensor, batch: PoseBatch, depth: Tensor) -> Tensor:
        """Correct poses by the head, with the keypoints of the windows, back-projected.

        Args:
            pose: What the network answers to the windows, ``(B, J, 3)``, metres; its root as it is, as the released
                programs hand it to the head.
            batch: The windows with their cameras.
            depth: Distance of the root along the optical axis ``(B,)``, metres.

        Returns:
            ``(B, J, 3)``, metres; the root as the head has it.

        Raises:
            SkelgraphError: If there is no head, or the data have no cameras.
        """
        if self.refine is None:
            raise SkelgraphError("there is no head to refine poses with; expected refine=PostRefine(...)")
        if batch.intrinsics is None:
            raise SkelgraphError("poses cannot be refined: the data have no cameras to back-project keypoints with")
        centre = batch.keypoints_2d[:, batch.keypoints_2d.size(1) // 2]
        with torch.autocast(self.device.type, enabled=False):
            pose = pose.float()
            root = self.model.skeleton.root
            return self.refine(pose, back_project_relative(centre, pose[..., 2], depth, batch.intrinsics, root))

    def train(self, mode: bool = True) -> LiftingModule:
        """As torch does; the head stays in training mode where its dropout is wanted in tests."""
        super().train(mode)
        if self.refine is not None and self.refine_dropout_at_test:
            self.refine.train()
        return self

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
        parameters = [*self._trained(), *self._of_expected_error()]
        optimizer = torch.optim.AdamW(
            parameters, lr=self.lr, weight_decay=self.weight_decay, amsgrad=self.amsgrad, fused=True
        )
        scheduler = SCHEDULES[self.schedule].make(
            optimizer, total_steps=total_steps, epochs=epochs, **self.schedule_values
        )
        return optimizer, scheduler

    def on_train_epoch_start(self) -> None:
        """Make the epoch a function of ``(seed, epoch)``: order of the windows, dropout and normalisation."""
        self.trainer.train_dataloader.set_epoch(self.current_epoch)  # type: ignore[union-attr]
        sequence = np.random.SeedSequence([self.seed, self.current_epoch, self.global_rank])
        torch.manual_seed(int(sequence.generate_state(1)[0]))
        if self.norm_momentum == "decaying":
            done = self.current_epoch / (self.trainer.max_epochs or 1)
            for part in self.modules():
                if isinstance(part, _BatchNorm):
                    part.momentum = 0.1 * math.exp(-done * math.log(100))

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of the gradient, that of network and refinement head together, that of the expected errors
        apart.

        Lightning refuses this for fused optimizers under every mixed precision; only float16 has scaled gradients.
        """
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self._trained(), gradient_clip_val)
            torch.nn.utils.clip_grad_norm_(self._of_expected_error(), gradient_clip_val)

    def training_step(self, batch: PoseBatch | Tensor, batch_idx: int) -> Tensor | None:
        """The loss of one batch; or many steps at once, given the numbers of their windows ``(steps, B)``."""
        if isinstance(batch, Tensor):
            self._log_loss(self._many_steps(batch), batch.numel())
            return None
        first, *others = self.losses(batch)
        self._log_loss(first, len(batch.frame))
        return sum(others, first)

    def losses(self, batch: PoseBatch) -> list[Tensor]:
        """The losses of a batch, whose sum is minimised: of the network and of the expected errors, as far as they are
        trained; the learning curve shows the first."""
        of_network = [self.batch_loss(batch)] if self.trains_network or self.expected_error is None else []
        return of_network if self.expected_error is None else [*of_network, self.error_loss(batch)]

    def error_loss(self, batch: PoseBatch) -> Tensor:
        """What is minimised of the expected errors, of one batch: the network answers as it does in use, without
        dropout and gradients."""
        assert self.expected_error is not None
        given = batch.in_form(self.model.input_form)
        keypoints, target, visible = self._input(given), given.poses_3d, given.visible_3d
        middle = keypoints.size(1) // 2
        if target.dim() == 4:
            target, visible = target[:, middle], None if visible is None else visible[:, middle]
        self.model.eval()
        with torch.no_grad():  # after the loss of the network: mixed precision keeps casts of weights, with gradients
            pose = with_root(self.model(keypoints).to(target.dtype), self.model.skeleton.root, self.root)
        self.model.train()
        with torch.autocast(self.device.type, enabled=False):
            return self.expected_error.loss(keypoints[:, middle], pose, target, visible)

    def batch_loss(self, batch: PoseBatch) -> Tensor:
        """What is minimised, of one batch, but for the expected errors."""
        given = batch.in_form(self.model.input_form)
        # Models of others need to know of masks and vertices only if the data have them.
        more = {"visible": given.visible_3d, "vertices": given.vertices}
        more = {name: value for name, value in more.items() if value is not None}
        return self.model.training_loss(
            self._input(given), given.poses_3d, functools.partial(self._losses, batch, given.to_camera), **more
        )

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
            losses = compiled_training(lambda row: self.losses(many.batch(row)), self.device)
            clipped = [self._trained(), self._of_expected_error()]
            self._steps = StepGraph(losses, optimizer, self.clip_grad, many.steps, clipped)
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
        self.trainer.fit_loop.epoch_loop._batches_that_stepped += len(rows) - 1  # the step that loggers write
        return mean

    def _losses(
        self,
        batch: PoseBatch,
        to_camera: Callable[[Tensor], Tensor],
        prediction: Tensor,
        target: Tensor,
        visible: Tensor | None = None,
    ) -> Tensor:
        """The loss of what the network answers to a batch, and of the same refined, in the axes of the camera."""
        loss = self._loss(prediction, target, visible)
        if self.refine is None or batch.root_3d is None:
            return loss
        if prediction.dim() == 4:
            middle = prediction.size(1) // 2
            prediction, target = prediction[:, middle], target[:, middle]
            visible = None if visible is None else visible[:, middle]
        refined = self.refined(to_camera(prediction), batch, batch.root_3d[:, 2])
        return loss + self._loss(refined, to_camera(target), visible, of=self.refine_loss)

    def _loss(
        self, prediction: Tensor, target: Tensor, visible: Tensor | None = None, of: PoseLoss | None = None
    ) -> Tensor:
        """A loss in float32 also under mixed precision: bfloat16 has three digits, and no singular values."""
        with torch.autocast(prediction.device.type, enabled=False):
            return (of or self.loss)(prediction.to(target.dtype), target, visible=visible)

    def validation_step(self, batch: PoseBatch, batch_idx: int) -> None:
        """Count one batch."""
        answers = self.answers(batch, *{"network", self.headline})
        action = self._val_set.action_id[batch.frame]
        with torch.autocast(self.device.type, enabled=False):
            self.val_mpjpe.update(answers[self.headline].pose, batch.poses_3d, action, visible=self._judged(batch))
            if self.expected_error is not None:
                expected, error = self._errors(answers["network"], batch)
                self.val_ratio.update((error / expected).square())

    def _errors(self, answer: Answer, batch: PoseBatch) -> tuple[Tensor, Tensor]:
        """The expected and the true errors of all joints of a batch that are judged, but for the root, metres."""
        assert self.expected_error is not None
        assert answer.expected_error is not None
        error = (answer.pose - batch.poses_3d).norm(dim=-1)
        counted = self.expected_error.counted(error, self._judged(batch))
        return answer.expected_error[counted], error[counted]

    def on_validation_epoch_end(self) -> None:
        """Log the MPJPE of the epoch, the mean over what ``select_by`` says."""
        error = self.val_mpjpe.over_frames() if self.select_by == "frames" else self.val_mpjpe.compute()
        self.log("val_mpjpe_mm", error.float(), prog_bar=True, sync_dist=True)
        self.val_mpjpe.reset()
        if self.expected_error is not None and self._val_set is not self._test_set:
            self.expected_error.calibrate(self.val_ratio.compute())
        self.val_ratio.reset()

    def on_test_start(self) -> None:
        """Begin to judge the test set; what is random in it (the dropout of a head) is a function of the seed."""
        sequence = np.random.SeedSequence([self.seed, self.global_rank])
        torch.manual_seed(int(sequence.generate_state(1)[0]))
        rows = judged_rows(self._test_set) if self.refine is not None else ["network"]
        self.judges = {row: Judge(self._test_set, self.device) for row in rows}
        self.mean_pose_mpjpe = MPJPE(self.model.skeleton.num_joints, self._test_set.actions).to(self.device)
        self.root_zero_mpjpe = MPJPE(self.model.skeleton.num_joints, self._test_set.actions).to(self.device)
        self.root_error = MeanMetric().to(self.device)
        self.depth_error = MeanMetric().to(self.device)
        self.no_depth = SumMetric().to(self.device)
        self.expected, self.errors = (CatMetric(nan_strategy="disable").to(self.device) for _ in range(2))

    def test_step(self, batch: PoseBatch, batch_idx: int) -> None:
        """Count one batch."""
        answers, target, visible = self.answers(batch, *self.judges), batch.poses_3d, self._judged(batch)
        test_set = self._test_set
        action, clip = test_set.action_id[batch.frame], test_set.clip_id[batch.frame]
        scene = None if test_set.scene_id is None else test_set.scene_id[batch.frame]
        with torch.autocast(self.device.type, enabled=False):  # Procrustes in bfloat16 would be off by millimetres
            for row, judge in self.judges.items():
                judge.update(answers[row].pose, target, action, clip, visible, scene)
            self._judge_root(answers[self.headline].raw, batch, action, visible)
            if "refined_estimated_depth" in answers:
                self._judge_depth(answers["refined_estimated_depth"].depth, batch.root_3d)
            self.mean_pose_mpjpe.update(self.mean_pose.expand_as(target), target, action, visible=visible)
            if self.expected_error is not None:
                expected, error = self._errors(answers["network"], batch)
                self.expected.update(expected)
                self.errors.update(error)

    def _judge_root(self, pose: Tensor, batch: PoseBatch, action: Tensor, visible: Tensor | None) -> None:
        """Count how far the predicted root is from the true one, and the errors of the poses ``(B, J, 3)`` without
        it."""
        root = self.model.skeleton.root
        self.root_zero_mpjpe.update(with_root(pose, root, "zero"), batch.poses_3d, action, visible=visible)
        off = 1000 * pose[:, root].norm(dim=-1)
        self.root_error.update(off if batch.visible_3d is None else off[batch.visible_3d[:, root]])

    def _judge_depth(self, estimated: Tensor | None, root_3d: Tensor | None) -> None:
        """Count how far estimated depths ``(B,)`` are from those of the roots ``(B, 3)``, and where there is none."""
        if estimated is not None and root_3d is not None:
            error = 1000 * (estimated - root_3d[:, 2]).abs()
            self.depth_error.update(error[~error.isnan()])
            self.no_depth.update(error.isnan().sum())

    def on_test_epoch_end(self) -> None:
        """Gather the errors of all processes into :attr:`results`."""
        rows = {row: judge.results() for row, judge in self.judges.items()}
        first, frames_of = rows[self.headline], self._frames_of_actions()
        per_joint = self.judges[self.headline].mpjpe.per_joint().tolist()
        self.results = {
            **first,
            "mean_pose_mpjpe_mm": float(self.mean_pose_mpjpe.compute()),
            "mean_pose_mpjpe_frames_mm": float(self.mean_pose_mpjpe.over_frames()),
            "mpjpe_root_zero_mm": float(self.root_zero_mpjpe.compute()),
            "predicted_root_mm": float(self.root_error.compute()),
            "per_action": {
                action: {**errors, "frames": frames_of[action]} for action, errors in first["per_action"].items()
            },
            "per_joint_mm": dict(zip(self.model.skeleton.joint_names, per_joint, strict=True)),
            "rows": rows,
        }
        if "refined_estimated_depth" in rows:
            rows["refined_estimated_depth"] |= {
                "root_depth_error_mm": float(self.depth_error.compute()),
                "frames_without_depth": int(self.no_depth.compute()),
            }
        if self.expected_error is not None:
            scale = float(self.expected_error.scale)
            self.results["expected_error"] = {
                "scale": scale,
                "calibrated": scale != 1,
                **error_calibration(self.expected.compute(), self.errors.compute()),
            }

    def _frames_of_actions(self) -> dict[str, int]:
        """How many frames of each action were judged."""
        rows = self._test_set.frames
        if self._test_set.visible_3d is not None:  # a frame without any known joint counts nowhere
            rows = rows[self._test_set.visible_3d[rows].any(-1)]
        frames = torch.bincount(self._test_set.action_id[rows]).tolist()
        return dict(zip(self._test_set.actions, frames, strict=False))  # none of the last actions, in a view

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to rebuild the model: the settings, and the options that these leave open or name by a
        word (``graph: smpl``), so that neither another file nor another default changes it."""
        checkpoint["skelgraph"] = {"config": self.config}
        given = self.config.get("network", {}).get("options", {})
        options = self.model.config["options"].items()
        made = {name: value for name, value in options if name not in given or given[name] != value}
        if made:
            checkpoint["skelgraph"]["options"] = made

    def _trained(self) -> list[torch.nn.Parameter]:
        """The parameters that are optimised together, those of the network first."""
        of_head = [] if self.refine is None else self.refine.parameters()
        return [*self.model.parameters(), *of_head]

    def _of_expected_error(self) -> list[torch.nn.Parameter]:
        """Those of the head that learns the errors."""
        return [] if self.expected_error is None else [*self.expected_error.parameters()]

    def _input(self, batch: PoseBatch) -> Tensor:
        return batch.network_input(self.model.in_channels)

    def _judged(self, batch: PoseBatch) -> Tensor | None:
        """Which joints of the true poses count."""
        return judged_joints(batch.visible_3d, batch.poses_3d, self.model.skeleton, self._test_set.protocol)

    @property
    def _val_set(self) -> PoseDataset:
        return self.trainer.datamodule.val_set  # type: ignore[attr-defined]

    @property
    def _test_set(self) -> PoseDataset:
        return self.trainer.datamodule.test_set  # type: ignore[attr-defined]
