"""The head that tells how wrong a lifted pose is likely to be, joint by joint."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.nn.features import check_tensor
from skelgraph.options import Channels, CheckedOptions
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton

MIDDLE, SPREAD = 0.05, 50.0
"""Answers are about 5 cm at first, and between a 50th and 50 times that: 1 mm to 2.5 m."""


class ExpectedError(CheckedOptions, nn.Module):
    r"""The error to expect of each joint of a lifted pose, learned from the errors that the network makes.

    A perceptron of two hidden layers sees what the network was given of a frame and what it answered,

    .. math::
        \log s_j = \log m + b \tanh(f_j(\mathbf{X}, \mathbf{P} - \mathbf{p}_0) / b), \qquad b = \log 50

    with :math:`m` = 5 cm. Its loss is the negative log-likelihood of errors with this deviation, of `"Estimating the
    mean and variance of the target probability distribution" <https://doi.org/10.1109/ICNN.1994.374138>`_ (Nix and
    Weigend 1994) and `"What Uncertainties Do We Need in Bayesian Deep Learning for Computer Vision?"
    <https://arxiv.org/abs/1703.04977>`_ (Kendall and Gal 2017): :func:`expected_error_loss`, which is smallest where
    :math:`s_j^2` is the expected square of the distance. The network is not trained by it.

    Args:
        skeleton: Skeleton or layout name.
        in_channels: Channels of a 2D joint, those of the network.
        hidden_channels: Width of both hidden layers.

    Shapes:
        - input: keypoints ``(..., J, in_channels)`` of the frame that is lifted, as the network is given them, and the
          pose ``(..., J, 3)`` that it answers, metres; only what is relative to the root counts
        - output: ``(..., J)``, metres, above 0; 0 for the root, which is where it is by definition
        - 94 736 parameters on ``h36m16`` with rays

    The buffer ``scale``, 1 at first, is part of the state and multiplies the output: see :meth:`calibrate`.

    Raises:
        SkelgraphError: If keypoints and pose are not of these shapes.

    Initialisation: default weights and biases.

    Code and paper: both papers learn mean and variance together, of a Gaussian of every number. Here the mean is that
    of the finished network and the variance that of the distance, which does not depend on axes.

    Example:
        >>> ExpectedError("h36m16", in_channels=3)(torch.randn(4, 16, 3), torch.randn(4, 16, 3)).shape
        torch.Size([4, 16])
    """

    scale: Tensor

    def __init__(
        self, skeleton: SkeletonLike = "h36m17", in_channels: Channels = 2, hidden_channels: Channels = 256
    ) -> None:
        super().__init__()
        self.skeleton: Skeleton = as_skeleton(skeleton)
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        num_joints = self.skeleton.num_joints
        self.first = nn.Linear(num_joints * (in_channels + 3), hidden_channels)
        self.second = nn.Linear(hidden_channels, hidden_channels)
        self.last = nn.Linear(hidden_channels, num_joints)
        self.register_buffer("scale", torch.ones(()))

    def reset_parameters(self) -> None:
        """Forget the calibration; the layers reset themselves."""
        self.scale.fill_(1.0)

    def forward(self, keypoints: Tensor, pose: Tensor) -> Tensor:
        """The expected errors ``(..., J)`` of a pose ``(..., J, 3)`` lifted from keypoints ``(..., J, C)``."""
        error = self.scale * self.log_error(keypoints, pose).exp()
        is_root = torch.arange(error.size(-1), device=error.device) == self.skeleton.root
        return error.masked_fill(is_root, 0.0)

    def log_error(self, keypoints: Tensor, pose: Tensor) -> Tensor:
        """The log of the expected errors ``(..., J)`` before calibration, as it is trained; the root's means
        nothing."""
        num_joints = self.skeleton.num_joints
        check_tensor(self, keypoints, "keypoints")
        check_tensor(self, pose)
        expected = (*pose.shape[:-2], num_joints, self.in_channels)
        if pose.shape[-2:] != (num_joints, 3) or keypoints.shape != expected:
            raise SkelgraphError(
                f"ExpectedError needs keypoints of shape (..., {num_joints}, {self.in_channels}) and a pose of shape "
                f"(..., {num_joints}, 3), got {tuple(keypoints.shape)} and {tuple(pose.shape)}"
            )
        root = self.skeleton.root
        given = torch.cat((keypoints, pose - pose[..., root : root + 1, :]), dim=-1).flatten(-2)
        answer = self.last(self.second(self.first(given).relu()).relu())
        widest = math.log(SPREAD)
        return math.log(MIDDLE) + widest * (answer / widest).tanh()

    def loss(self, keypoints: Tensor, pose: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """What is minimised: :func:`expected_error_loss` over the joints but for the root.

        Args:
            keypoints: ``(..., J, C)``.
            pose: What the network answers ``(..., J, 3)``, metres, without gradients.
            target: The true poses ``(..., J, 3)``, metres.
            visible: Which joints of these are known, boolean ``(..., J)``; all unless given.
        """
        error = (pose - target).norm(dim=-1)
        return expected_error_loss(self.log_error(keypoints, pose), error, self.counted(error, visible))

    def counted(self, error: Tensor, visible: Tensor | None = None) -> Tensor:
        """Which joints count where expected errors ``(..., J)`` are trained, calibrated or judged, boolean ``(...,
        J)``: those that are known, but for the root, whose error is 0."""
        is_root = torch.arange(error.size(-1), device=error.device) == self.skeleton.root
        return (~is_root).expand_as(error) if visible is None else visible & ~is_root

    @torch.no_grad()
    def calibrate(self, ratio: Tensor) -> None:
        """Multiply ``scale`` so that on held-out data the answers are right on average: by the root of the mean of
        :math:`(e / s)^2`, which is 1 then.

        Args:
            ratio: This mean, over joints and frames, of answers with the present scale; nothing is changed unless it
                is a number above 0.
        """
        if ratio.isfinite() and ratio > 0:
            self.scale.mul_(ratio.sqrt())

    def beside(self, network: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """The network with the expected error as a fourth number of each joint: a function that maps ``(B, T, J, C)``
        to ``(B, J, 4)``. The first three are the numbers that the network answers; mirror images can be averaged by
        :func:`~skelgraph.geometry.flip_average`, which leaves a fourth number as it is."""

        def lift(keypoints: Tensor) -> Tensor:
            pose = network(keypoints)
            with torch.autocast(pose.device.type, enabled=False):
                kind = self.first.weight.dtype
                centre = keypoints[:, keypoints.size(1) // 2] if keypoints.dim() == 4 else keypoints
                error = self(centre.to(kind), pose.to(kind))
            return torch.cat((pose, error[..., None].to(pose.dtype)), -1)

        return lift


def expected_error_loss(log_expected: Tensor, error: Tensor, visible: Tensor | None = None) -> Tensor:
    r"""The negative log-likelihood of errors whose deviation is expected, :math:`\log s + e^2 / (2 s^2)`, mean over the
    joints that count, up to a constant; it is smallest where :math:`s^2 = \mathrm{E}\, e^2`.

    Args:
        log_expected: :math:`\log s`, of metres, ``(..., J)``.
        error: Distances of the joints from their true positions, metres, ``(..., J)``.
        visible: Which of them count, boolean ``(..., J)``; all unless given. The errors of the others, NaN included,
            change nothing.

    Returns:
        Scalar, without unit.
    """
    if visible is None:
        return (log_expected + error.square() * (-2 * log_expected).exp() / 2).mean()
    error, log_expected = torch.where(visible, error, 0.0), torch.where(visible, log_expected, 0.0)
    each = log_expected + error.square() * (-2 * log_expected).exp() / 2
    return each.sum() / visible.sum().clamp(min=1)
