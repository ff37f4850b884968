"""The metrics of ``functional`` as torchmetrics classes: summed over batches and processes, per action and joint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torchmetrics import Metric

from skelgraph.errors import SkelgraphError
from skelgraph.geometry.pose_pairs import check_visible
from skelgraph.metrics.functional import AUC_THRESHOLDS_MM, joint_error, percent_below
from skelgraph.options import CheckedOptions, Joints


class JointMetric(CheckedOptions, Metric):
    """Base of the metrics that are a mean of one number per frame and joint; a subclass defines :meth:`score`.

    ``compute()`` is the number that papers report: the mean over the frames of each action, then the unweighted mean
    over the actions seen; without ``actions`` the mean over all frames. :meth:`over_frames`, :meth:`per_action` and
    :meth:`per_joint` take the mean otherwise, over the same samples. All four are in the unit of the metric, which is
    millimetres for ``MPJPE``, ``PMPJPE`` and ``NMPJPE``, millimetres per frame step for ``MPJVE`` and percent for
    ``PCK`` and ``AUC``, while the poses are given in metres. They cover the samples of all processes, so all processes
    have to call them. Sums are kept in float64, whatever type the module that holds the metric is converted to. NaN in
    a pose makes the result NaN (PCK and AUC: counts as a miss).

    With ``visible`` in :meth:`update`, joints whose true position is not known count in no mean, whatever their values.
    The mean of an action is that over all of its joints that count; a frame or action without any is left out.

    Args:
        num_joints: Number of joints J.
        actions: Names of the actions, which ``update`` then refers to by position.
        kwargs: Further arguments of ``torchmetrics.Metric``.

    Raises:
        SkelgraphError: ``num_joints`` is not positive, or ``actions`` is empty or has a name twice.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    score_sum: Tensor
    num_frames: Tensor
    num_masked: Tensor

    def __init__(self, num_joints: Joints, actions: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if actions is not None and (not actions or len(set(actions)) != len(actions)):
            raise SkelgraphError(f"actions is {list(actions)}; expected at least one name and none twice")
        self.num_joints = num_joints
        self.actions = None if actions is None else tuple(actions)
        num_actions = 1 if actions is None else len(actions)
        self.add_state("score_sum", torch.zeros(num_actions, num_joints, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("num_frames", torch.zeros(num_actions, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("num_masked", torch.zeros(num_actions, num_joints, dtype=torch.long), dist_reduce_fx="sum")
        # MetricCollection shares the states of metrics whose states are equal after the first batch, as they are after
        # an empty one. A state that is NaN equals nothing, so that no metric shares the states of another.
        self.add_state("unequal", torch.tensor(torch.nan), dist_reduce_fx="sum")

    def score(self, pred: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return the numbers ``(B, J)`` whose mean is this metric, in its unit, for float64 poses ``(B, J, 3)`` in
        metres; those where ``visible`` ``(B, J)`` is false are not used."""
        raise TypeError(f"{type(self).__name__} must define score()")

    def update(
        self, pred: Tensor, target: Tensor, action: Tensor | None = None, *, visible: Tensor | None = None
    ) -> None:
        """Add a batch, which may be empty.

        Args:
            pred: Predicted poses ``(B, J, 3)``, metres.
            target: True poses ``(B, J, 3)``, metres.
            action: Position in ``actions`` of each frame's action ``(B,)``; not used without ``actions``.
            visible: Which joints count, boolean ``(B, J)``; all unless given.

        Raises:
            SkelgraphError: The shapes do not match the metric or each other, ``action`` is missing or out of range, or
                ``visible`` is not such a mask.
        """
        self._check_poses(pred, target)
        mask = () if visible is None else (check_visible(visible, pred),)
        self._add(self.score(pred.double(), target.double(), *mask), self._action_ids(action, pred), *mask)

    def compute(self) -> Tensor:
        """Return the mean over the actions seen (without ``actions``: over all frames), in the unit of the metric; NaN
        before any frame."""
        return self._weighted_means().mean()

    def over_frames(self) -> Tensor:
        """Return the mean over all frames, whatever their action, in the unit of the metric."""
        with self._synced():
            return self.score_sum.sum() / self._counts().sum()

    def per_action(self) -> dict[str, float]:
        """Return the mean of each action seen, by its name, in the unit of the metric; empty without ``actions``."""
        if self.actions is None:
            return {}
        with self._synced():
            counts = self._counts().sum(-1).tolist()
            seen = [name for name, count in zip(self.actions, counts, strict=True) if count]
            return dict(zip(seen, self._weighted_means().mean(-1).tolist(), strict=True))

    def per_joint(self) -> Tensor:
        """Return the mean of each joint ``(J,)`` over the actions in which it counts (NaN if there is none), in the
        unit of the metric. The mean of these is ``compute()`` where all joints count everywhere."""
        with self._synced():
            counts, means = self._seen_means()
            counted = (counts > 0).double()
            return (means * (len(counted) / counted.sum(0))).mean(0)

    def _weighted_means(self) -> Tensor:
        """For each action seen the mean of each joint, weighted so that their mean is that over all that counts."""
        counts, means = self._seen_means()
        return means * (counts / counts.double().mean(-1, keepdim=True))  # 1.0 where nothing is masked

    def _seen_means(self) -> tuple[Tensor, Tensor]:
        """How often each joint counts, and its mean (0 where it never does), for each action seen."""
        counts = self._counts()
        seen = counts.sum(-1) > 0
        return counts[seen], self.score_sum[seen] / counts[seen].clamp(min=1)

    def _counts(self) -> Tensor:
        """How often each joint counts in each action, ``(actions, J)``."""
        return self.num_frames[:, None] - self.num_masked

    @contextmanager
    def _synced(self) -> Iterator[None]:
        # torchmetrics wraps only compute() like this.
        alone = not self._is_synced
        with self.sync_context(self.dist_sync_fn, should_sync=alone and self._to_sync, should_unsync=alone):
            yield

    def _add(self, score: Tensor, action: Tensor, visible: Tensor | None = None) -> None:
        if visible is not None:
            score = torch.where(visible, score, 0)
            self.num_masked = self.num_masked.index_add(0, action, (~visible).long())
        self.score_sum = self.score_sum.index_add(0, action, score)
        self.num_frames = self.num_frames + action.bincount(minlength=len(self.num_frames))

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "") -> Module:
        """Move the states, but keep their types: ``.half()`` of the module around would ruin the sums."""

        def move(state: Tensor) -> Tensor:
            moved = fn(state)
            return moved if moved.dtype == state.dtype else state.to(moved.device)

        return super()._apply(move, exclude_state)

    def _check_poses(self, pred: Tensor, target: Tensor) -> None:
        if pred.shape != target.shape or pred.shape[1:] != (self.num_joints, 3):
            raise SkelgraphError(
                f"pred has shape {tuple(pred.shape)} and target {tuple(target.shape)}; "
                f"expected (B, {self.num_joints}, 3) for both"
            )

    def _action_ids(self, action: Tensor | None, pred: Tensor) -> Tensor:
        if self.actions is None:
            return torch.zeros(len(pred), dtype=torch.long, device=pred.device)
        if action is None:
            raise SkelgraphError(
                f"action is missing; this metric has {len(self.actions)} actions, expected one per frame"
            )
        if action.shape != pred.shape[:1]:
            raise SkelgraphError(f"action has shape {tuple(action.shape)}; expected ({len(pred)},), one per frame")
        if len(action) and not 0 <= action.min() <= action.max() < len(self.actions):
            raise SkelgraphError(
                f"action holds {action.min()} to {action.max()}; expected positions in {len(self.actions)} actions"
            )
        return action


class MPJPE(JointMetric):
    """Mean per-joint position error in millimetres, protocol 1: :func:`skelgraph.metrics.mpjpe`; see
    :class:`JointMetric`.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import MPJPE
        >>> metric = MPJPE(num_joints=2, actions=["Eating", "Walking"])
        >>> pred = torch.tensor([0.1, 0.2, 0.6])[:, None, None] * torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.5, 0.0]]])
        >>> metric.update(pred, torch.zeros(3, 2, 3), action=torch.tensor([0, 0, 1]))
        >>> metric.per_action()  # millimetres, as all that follows
        {'Eating': 112.5..., 'Walking': 450.0...}
        >>> metric.compute()  # the mean of the two actions
        tensor(281.2500, dtype=torch.float64)
        >>> metric.over_frames()  # the mean of the three frames, two of them of the first action
        tensor(225.0000, dtype=torch.float64)
        >>> metric.per_joint()  # of each joint the mean of the two actions
        tensor([375.0000, 187.5000], dtype=torch.float64)
    """

    def score(self, pred: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return the joint errors."""
        return joint_error(pred, target, visible=visible)


class PMPJPE(JointMetric):
    """MPJPE after similarity alignment in millimetres, protocol 2: :func:`skelgraph.metrics.p_mpjpe`; see
    :class:`JointMetric`.

    Every frame counts under its own action. Much published code credits each frame with the mean of its batch, which
    differs in the second decimal where a batch holds several actions.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import PMPJPE
        >>> pose = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]])
        >>> metric = PMPJPE(num_joints=4)
        >>> metric.update(0.5 * pose + 7.0, pose)
        >>> bool(metric.compute() < 1e-3)
        True
    """

    def score(self, pred: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return the joint errors after similarity alignment."""
        return joint_error(pred, target, align="procrustes", visible=visible)


class NMPJPE(JointMetric):
    """MPJPE after the best rescaling in millimetres: :func:`skelgraph.metrics.n_mpjpe`; see :class:`JointMetric`.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import NMPJPE
        >>> metric = NMPJPE(num_joints=17)
        >>> metric.update(torch.full((2, 17, 3), 0.5), torch.ones(2, 17, 3))
        >>> metric.compute()
        tensor(0., dtype=torch.float64)
    """

    def score(self, pred: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return the joint errors after rescaling."""
        return joint_error(pred, target, align="scale", visible=visible)


class PCK(JointMetric):
    """Percentage of joints within a threshold: :func:`skelgraph.metrics.pck`; see :class:`JointMetric`.

    Args:
        num_joints: Number of joints J.
        actions: Names of the actions.
        threshold_mm: Threshold, millimetres.
        kwargs: Further arguments of ``torchmetrics.Metric``.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import PCK
        >>> metric = PCK(num_joints=2)
        >>> metric.update(torch.tensor([[[0.1, 0.0, 0.0], [0.0, 0.2, 0.0]]]), torch.zeros(1, 2, 3))
        >>> metric.compute()
        tensor(50., dtype=torch.float64)
    """

    higher_is_better = True

    def __init__(
        self, num_joints: Joints, actions: Sequence[str] | None = None, threshold_mm: float = 150.0, **kwargs: Any
    ) -> None:
        super().__init__(num_joints, actions, **kwargs)
        self.threshold_mm = threshold_mm

    def score(self, pred: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return 100 for the joints within the threshold, else 0."""
        return percent_below(joint_error(pred, target, visible=visible), (self.threshold_mm,))


class AUC(JointMetric):
    """Area under the PCK curve in percent: :func:`skelgraph.metrics.auc`; see :class:`JointMetric`.

    Args:
        num_joints: Number of joints J.
        actions: Names of the actions.
        thresholds_mm: Thresholds in millimetres, 0, 1, ... 149 unless given; ``AUC31_THRESHOLDS_MM`` are PoseAug's.
        kwargs: Further arguments of ``torchmetrics.Metric``.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import AUC
        >>> metric = AUC(num_joints=1)
        >>> metric.update(torch.tensor([[[0.0745, 0.0, 0.0]]]), torch.zeros(1, 1, 3))
        >>> metric.compute()
        tensor(50., dtype=torch.float64)
    """

    higher_is_better = True

    def __init__(
        self,
        num_joints: Joints,
        actions: Sequence[str] | None = None,
        thresholds_mm: Sequence[float] = AUC_THRESHOLDS_MM,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_joints, actions, **kwargs)
        self.thresholds_mm = tuple(thresholds_mm)

    def score(self, pred: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return for each joint the percentage of thresholds that its error is below."""
        return percent_below(joint_error(pred, target, visible=visible), self.thresholds_mm)


class MPJVE(JointMetric):
    """Mean per-joint velocity error in millimetres per frame step: :func:`skelgraph.metrics.mpjve`; see
    :class:`JointMetric`.

    Rows are consecutive frames, also from one ``update`` to the next; a velocity lies between neighbouring rows of one
    clip. Under several processes each clip has to stay whole and in order on one process: a velocity across processes
    is not seen.

    Args:
        num_joints: Number of joints J.
        actions: Names of the actions.
        kwargs: Further arguments of ``torchmetrics.Metric``.

    Example:
        >>> import torch
        >>> from skelgraph.metrics import MPJVE
        >>> metric = MPJVE(num_joints=1)
        >>> pred = torch.tensor([0.00, 0.01, 0.03, 0.90]).reshape(4, 1, 1) * torch.tensor([1.0, 0.0, 0.0])
        >>> metric.update(pred[:2], torch.zeros(2, 1, 3), clip=torch.tensor([0, 0]))
        >>> metric.update(pred[2:], torch.zeros(2, 1, 3), clip=torch.tensor([0, 1]))
        >>> metric.compute()  # the steps of 10 and 20 mm; the last row opens another clip
        tensor(15.0000, dtype=torch.float64)
    """

    full_state_update = True  # update() looks back at the last row of the one before

    last_offset: Tensor
    last_visible: Tensor
    last_clip: Tensor

    def __init__(self, num_joints: int, actions: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(num_joints, actions, **kwargs)
        # Local to a process, but states, so that torchmetrics resets, restores and moves them with the sums.
        self.add_state("last_offset", torch.zeros(1, num_joints, 3, dtype=torch.float64), dist_reduce_fx=None)
        self.add_state("last_visible", torch.ones(1, num_joints, dtype=torch.bool), dist_reduce_fx=None)
        self.add_state("last_clip", torch.tensor([torch.iinfo(torch.long).min]), dist_reduce_fx=None)  # no clip's id

    def update(
        self,
        pred: Tensor,
        target: Tensor,
        action: Tensor | None = None,
        clip: Tensor | None = None,
        *,
        visible: Tensor | None = None,
    ) -> None:
        """Add consecutive frames, possibly none.

        Args:
            pred: Predicted poses ``(B, J, 3)``, metres.
            target: True poses ``(B, J, 3)``, metres.
            action: Position in ``actions`` of each frame's action ``(B,)``; not used without ``actions``.
            clip: Number of the clip that each frame belongs to ``(B,)``; without it all frames are of one clip.
            visible: Which joints count, boolean ``(B, J)``, a velocity where both of its frames do; all unless given.

        Raises:
            SkelgraphError: The shapes do not match the metric or each other, ``action`` is missing or out of range, or
                ``visible`` is not such a mask.
        """
        self._check_poses(pred, target)
        action = self._action_ids(action, pred)
        if clip is None:
            clip = torch.zeros_like(action)
        if clip.shape != pred.shape[:1]:
            raise SkelgraphError(f"clip has shape {tuple(clip.shape)}; expected ({len(pred)},), one per frame")
        known = pred.new_ones(pred.shape[:2], dtype=torch.bool) if visible is None else check_visible(visible, pred)
        offset = torch.cat((self.last_offset, pred.double() - target.double()))
        known = torch.cat((self.last_visible, known))
        clip = torch.cat((self.last_clip, clip))
        self.last_offset, self.last_visible, self.last_clip = offset[-1:], known[-1:], clip[-1:]
        # The error of the velocity is the velocity of the error.
        within = clip[1:] == clip[:-1]
        velocity_error = 1000 * torch.linalg.vector_norm(offset.diff(dim=0)[within], dim=-1)
        self._add(velocity_error, action[within], (known[1:] & known[:-1])[within])
