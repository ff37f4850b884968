"""The temporal convolution baseline VideoPose3D."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from skelgraph.errors import SkelgraphError
from skelgraph.models.lifter import PoseLifter, replicate_frames
from skelgraph.models.registry import register_model
from skelgraph.models.state_dicts import OfficialLayout, StateDict, count
from skelgraph.nn import Dropout
from skelgraph.options import Channels, Frames, Rate
from skelgraph.text import shown
from skelgraph.topology import SkeletonLike


class _Conv1d(nn.Conv1d):
    """A dilated convolution that can also be computed with a stride of its width instead of the dilation."""

    def forward(self, x: Tensor, strided: bool = False) -> Tensor:
        """Map ``(B, C, T)`` to ``(B, C_out, T - (width - 1) * dilation)``, or ``(B, C_out, T / width)`` if strided."""
        if strided:
            return functional.conv1d(x, self.weight, self.bias, stride=self.kernel_size)
        return super().forward(x)


class _TemporalBlock(nn.Module):
    """Convolution over time, then one per frame, each with batch normalisation. A skip adds the input frames that the
    output frames belong to."""

    def __init__(
        self, channels: int, width: int, dilation: int, dropout: float, causal: bool, dense_filters: bool
    ) -> None:
        super().__init__()
        self.width, self.dilation, self.causal = width, dilation, causal
        kernel, dilation = ((width - 1) * dilation + 1, 1) if dense_filters else (width, dilation)
        self.conv = _Conv1d(channels, channels, kernel, dilation=dilation, bias=False)
        self.norm1 = nn.BatchNorm1d(channels)
        self.pointwise = nn.Conv1d(channels, channels, 1, bias=False)
        self.norm2 = nn.BatchNorm1d(channels)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, strided: bool) -> Tensor:
        """Map ``(B, C, T)`` to ``(B, C, T - (width - 1) * dilation)``, or ``(B, C, T / width)`` if strided."""
        step, dilation = (self.width, 1) if strided else (1, self.dilation)
        first = (self.width - 1) * dilation  # the newest frame under the first position of the filter
        skip = x[:, :, (first if self.causal else first // 2) :: step]
        h = self.dropout(self.norm1(self.conv(x, strided)).relu())
        h = self.dropout(self.norm2(self.pointwise(h)).relu())
        return skip[:, :, : h.size(2)] + h


def _options(state: StateDict) -> dict[str, Any]:
    depth = count(state, r"layers_conv\.(\d+)\.") // 2
    first, *kernels = (
        state[key].size(2) for key in ("expand_conv.weight", *(f"layers_conv.{2 * i}.weight" for i in range(depth)))
    )
    widths = [first]
    for kernel in kernels:  # as if the filters were dense: a kernel has the span of the dilated filter
        widths.append((kernel - 1) // math.prod(widths) + 1)
    spans = [(width - 1) * math.prod(widths[:i]) + 1 for i, width in enumerate(widths)]
    dense = spans == [first, *kernels] and all(width % 2 for width in widths) and widths != spans
    joints = state["shrink.weight"].size(0) // 3
    return {
        "filter_widths": tuple(widths if dense else (first, *kernels)),
        "hidden_channels": state["shrink.weight"].size(1),
        "dense_filters": dense,
        "in_channels": state["expand_conv.weight"].size(1) // joints,
    }


def _convert(state: StateDict) -> StateDict:
    """Group the official list of layers in blocks of two."""

    def place(match: re.Match[str]) -> str:
        kind, layer = match[1], int(match[2])
        names = {"conv": ("conv", "pointwise"), "bn": ("norm1", "norm2")}
        return f"blocks.{layer // 2}.{names[kind][layer % 2]}."

    return {re.sub(r"^layers_(conv|bn)\.(\d+)\.", place, key): value for key, value in state.items()}


@register_model(
    "video_pose",
    paper="3D human pose estimation in video with temporal convolutions and semi-supervised training (CVPR 2019)",
    url="https://arxiv.org/abs/1811.11742",
    published_skeleton="h36m17",
    published={
        "gt, 243 frames": (37.2, 27.2),
        "cpn, 243 frames": (46.8, 36.5),
        "cpn with gt boxes, 243 frames": (47.1, 36.8),
        "cpn with gt boxes, 81 frames": (47.7, 37.2),
        "cpn with gt boxes, 27 frames": (48.8, 38.0),
    },
)
class VideoPose(PoseLifter):
    """Temporal convolutions of `"3D human pose estimation in video with temporal convolutions and semi-supervised
    training" <https://arxiv.org/abs/1811.11742>`_: filters over time with growing dilation; no graph.

    A window of exactly the receptive field is computed with strides instead of dilations, the authors' form for
    training: the output of the one frame is the same, but positions that do not contribute to it are not computed, and
    do not enter the batch statistics. :meth:`forward_sequence` lifts all frames of a clip.

    Args:
        skeleton: Skeleton or layout name; it sets the number of joints only.
        filter_widths: Odd filter widths, their product is the receptive field: five times 3 for 243 frames, all 1 for
            the single-frame baseline.
        hidden_channels: Width.
        dropout: Dropout rate.
        causal: Use no later frames than the one that is lifted.
        dense_filters: Filters without gaps, of the same span as the dilated ones that they replace: the authors'
            ``--dense``, an ablation of the paper.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - 16 952 371 parameters on ``h36m17``; 12 753 971 and 8 555 571 for widths of four and three times 3; 8 494 131
          and 4 291 635 for five and three times 1

    Raises:
        SkelgraphError: If a filter width is not odd.

    Code and paper: predictions are not made root-relative, so that the root's error counts in the published means.
    Whether a model is causal cannot be inferred from its weights: pass ``causal=True`` to ``load_official``.
    """

    official = OfficialLayout(
        options=_options,
        keys=((r"^expand_conv\.", "expand."), (r"^expand_bn\.", "expand_norm."), (r"^shrink\.", "head.")),
        convert=_convert,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m17",
        filter_widths: Annotated[Sequence[Frames], Field(min_length=1, max_length=100)] = (3, 3, 3, 3, 3),
        hidden_channels: Channels = 1024,
        dropout: Rate = 0.25,
        causal: bool = False,
        dense_filters: bool = False,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
    ) -> None:
        if any(width % 2 == 0 for width in filter_widths):
            raise SkelgraphError(f"filter_widths is {shown(filter_widths)}; expected positive odd numbers")
        receptive_field = math.prod(filter_widths)
        # the frame that is lifted is the centre of the window also for a causal model, which sees its past half only
        super().__init__(skeleton, in_channels, out_channels, 2 * receptive_field - 1 if causal else receptive_field)
        self.receptive_field = receptive_field
        self.causal = causal
        self.dense_filters = dense_filters
        num_joints = self.skeleton.num_joints
        self.expand = _Conv1d(num_joints * in_channels, hidden_channels, filter_widths[0], bias=False)
        self.expand_norm = nn.BatchNorm1d(hidden_channels)
        self.dropout = Dropout(dropout)
        dilations = itertools.accumulate(filter_widths, lambda a, b: a * b)
        self.blocks = nn.ModuleList(
            _TemporalBlock(hidden_channels, width, dilation, dropout, causal, dense_filters)
            for width, dilation in zip(filter_widths[1:], dilations, strict=False)
        )
        self.head = nn.Conv1d(hidden_channels, num_joints * out_channels, 1)

    def forward_features(self, keypoints_2d: Tensor) -> Tensor:
        """The features ``(B, hidden_channels, 1)`` of the centre frame before the output layer."""
        return self._convolve(self.window(keypoints_2d)[:, : self.receptive_field])

    def forward_sequence(self, keypoints_2d: Tensor, pad: bool = True) -> Tensor:
        """Lift all frames of a clip.

        Args:
            keypoints_2d: 2D keypoints.
            pad: Continue the clip with its first and last frame (a causal model: its first only), as the authors do.
                Without, the frames at the ends that lack a part of the receptive field are left out.

        Shapes:
            ``(B, T, J, 2)`` to ``(B, T, J, 3)``, or ``(B, T - receptive_field + 1, J, 3)`` without ``pad``.

        Raises:
            SkelgraphError: If the input is not of that shape, or shorter than the receptive field without ``pad``.
        """
        clip = self._clip(keypoints_2d)
        if pad:
            before = self.receptive_field - 1 if self.causal else self.receptive_field // 2
            clip = replicate_frames(clip, -before, clip.size(1) + self.receptive_field - 1 - before)
        if clip.size(1) < self.receptive_field:
            raise SkelgraphError(
                f"the clip has {clip.size(1)} frames; expected at least the receptive field of {self.receptive_field}"
            )
        return self._poses(self._convolve(clip))

    def lift(self, clip: Tensor) -> Tensor:
        """Lift ``(B, num_frames, J, 2)`` to ``(B, J, 3)``."""
        return self._poses(self.forward_features(clip)).squeeze(1)

    def _convolve(self, clip: Tensor) -> Tensor:
        """Map ``(B, T, J, 2)`` to ``(B, hidden_channels, T - receptive_field + 1)``."""
        strided = clip.size(1) == self.receptive_field and not self.dense_filters
        x = clip.flatten(2).mT
        h = self.dropout(self.expand_norm(self.expand(x, strided)).relu())
        for block in self.blocks:
            h = block(h, strided)
        return h

    def _poses(self, features: Tensor) -> Tensor:
        """Map ``(B, hidden_channels, T)`` to ``(B, T, J, 3)``."""
        return self.head(features).mT.unflatten(-1, (self.skeleton.num_joints, self.out_channels))
