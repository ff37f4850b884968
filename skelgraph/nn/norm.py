"""Batch normalisation over poses and joints."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from skelgraph.nn.features import check_features
from skelgraph.options import CheckedOptions, NotNegative, Rate


class JointBatchNorm(CheckedOptions, nn.BatchNorm1d):
    """Batch normalisation of ``(..., J, C)`` per channel, with statistics over poses and joints.

    The same parameters and state dict as :class:`torch.nn.BatchNorm1d`. Channels stay last: normalising rows needs no
    transposed copy, and avoids the two-dimensional kernel whose backward pass is wrong on the CPU for permuted strides.

    Args:
        num_features: Channels.
        eps: Added to the variance.
        momentum: Share of a batch in the running statistics; ``None``: all batches count alike.
        affine: Learn a scale and a shift.
        track_running_stats: Keep running statistics, for evaluation.
    """

    def __init__(
        self,
        num_features: Annotated[int, Field(ge=1, le=2**24)],
        eps: NotNegative = 1e-5,
        momentum: Rate | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that torch gives it
        """Normalise the last dimension."""
        check_features(self, input, self.num_features)
        return super().forward(input.reshape(-1, input.size(-1))).view(input.shape)
