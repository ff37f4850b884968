"""Attention from joints to any set of tokens, with a learned bias per structural distance."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import FixedBuffers
from skelgraph.nn.dropout import Dropout
from skelgraph.nn.features import check_batch, check_features
from skelgraph.nn.init import xavier
from skelgraph.options import Channels, CheckedOptions, Count, Rate

Mask = Literal["soft", "hard", "none"]


class RelationAttention(CheckedOptions, FixedBuffers):
    r"""Multi-head attention from joints to tokens (joints, bones, hyperedges) that knows how far they are apart, as
    joints query bones in `"HDFormer" <https://arxiv.org/abs/2302.01825>`_ and hops bias scores in
    `"Hypergraph Transformer for Skeleton-based Action Recognition" <https://arxiv.org/abs/2211.09590>`_.

    .. math::
        a^{(r)}_{it} = \mathrm{softmax}_t \Big( \frac{\mathbf{q}^{(r)}_i \cdot \mathbf{k}^{(r)}_t}{\sqrt{d}} +
        \beta^{(r)}_{\delta(i, t)} \Big), \qquad
        \mathbf{u}_i = \mathrm{concat}_r \Big( \sum_t a^{(r)}_{it} \mathbf{v}^{(r)}_t \Big) \mathbf{W}_O + \mathbf{b}_O

    with a distance :math:`\delta(i, t)` in hops, 0 where joint and token are incident, and one learned number
    :math:`\beta` per head and distance.

    Args:
        in_channels: Channels of every joint.
        out_channels: Channels of every joint at the output, over all heads.
        distance: Integer distances between joints and tokens, -1 where they are not connected, which is one more
            distance.
        heads: Number of heads.
        token_channels: Channels of every token; those of the joints by default.
        mask: ``"soft"`` as above; ``"hard"``: a joint sees the tokens at distance 0 only; ``"none"``: plain attention.
        bias: Give the four maps a bias.
        dropout: Dropout rate of the attention weights.

    Shapes:
        - ``distance`` ``(J, T)``
        - input: joints ``(..., J, C_in)``, tokens ``(..., T, C_t)``, and optionally ``extra`` tokens ``(..., R, C_t)``
          that every joint sees and that have no bias; or all flattened, ``(B * J, C_in)``, ``(B * T, C_t)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``query.weight`` ``(C_out, C_in)``, ``key_value.weight`` ``(2 * C_out, C_t)``, ``out.weight``
          ``(C_out, C_out)``, ``table`` ``(heads, distances)``, absent without a mask

    Raises:
        SkelgraphError: If the heads do not divide the output channels, the mask is unknown, or ``distance`` is no
            integer matrix.
        SkelgraphError: If an input has another shape.

    Initialisation: Xavier-uniform weights, zero biases, :math:`\beta^{(r)}_\delta = -2^{-r} \delta`: the first head
    starts local, the last ones nearly global.

    A joint that sees no token gives zeros before the output map. The softmax stays in float32 under autocast. The bias
    of the keys shifts all scores of a joint alike and has no effect.

    Example:
        >>> from skelgraph import as_skeleton
        >>> attention = RelationAttention(8, 12, as_skeleton("h36m17").hop_distance(), heads=3)
        >>> x = torch.randn(4, 17, 8)
        >>> attention(x, x).shape
        torch.Size([4, 17, 12])
    """

    distance: Tensor
    visible: Tensor | None

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        distance: Tensor,
        heads: Count = 1,
        token_channels: Channels | None = None,
        mask: Mask = "soft",
        bias: bool = True,
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__()
        if out_channels % heads:
            raise SkelgraphError(f"heads is {heads}; expected a divisor of the width {out_channels}")
        if distance.dim() != 2 or distance.is_floating_point():
            raise SkelgraphError(
                f"distance is {distance.dtype} of shape {tuple(distance.shape)}; expected an integer matrix (J, T)"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.token_channels = in_channels if token_channels is None else token_channels
        self.num_joints, self.num_tokens = distance.shape
        self.heads = heads
        self.mask = mask
        self.query = nn.Linear(in_channels, out_channels, bias)
        self.key_value = nn.Linear(self.token_channels, 2 * out_channels, bias)
        self.out = nn.Linear(out_channels, out_channels, bias)
        self.dropout = Dropout(dropout)
        farthest = int(distance.max()) if distance.numel() else -1
        reached = distance >= 0
        classes = farthest + 1 + int(not reached.all())
        self.register_buffer("distance", torch.where(reached, distance, farthest + 1), persistent=False)
        self.register_buffer("visible", (distance == 0) if mask == "hard" else None, persistent=False)
        self.table = None if mask == "none" else nn.Parameter(torch.empty(heads, classes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        xavier(self.query)
        xavier(self.key_value, self.out_channels)
        xavier(self.out)
        if self.table is not None:
            head, distance = (torch.arange(size, device=self.table.device) for size in self.table.shape)
            with torch.no_grad():
                self.table.copy_(-(0.5 ** head[:, None]) * distance)

    def forward(self, x: Tensor, tokens: Tensor, extra: Tensor | None = None) -> Tensor:
        """Map joints ``(..., J, C_in)`` and tokens ``(..., T, C_t)`` to ``(..., J, C_out)``."""
        check_features(self, x, self.in_channels, self.num_joints, "joints", flat=True)
        check_features(self, tokens, self.token_channels, self.num_tokens, "tokens", flat=True)
        if extra is not None:
            check_features(self, extra, self.token_channels, name="extra")
        check_batch(self, x, self.num_joints, tokens, self.num_tokens, "tokens")
        if x.dim() == 2:
            if extra is not None:
                poses = x.size(0) // self.num_joints
                num_extra = extra.size(0) // max(poses, 1)
                check_batch(self, x, self.num_joints, extra, num_extra, "extra tokens")
                extra = extra.unflatten(0, (poses, num_extra))
            tokens = tokens.unflatten(0, (-1, self.num_tokens))
            return self(x.unflatten(0, (-1, self.num_joints)), tokens, extra).flatten(0, 1)
        if extra is not None:
            check_batch(self, tokens, self.num_tokens, extra, extra.size(-2), "extra tokens", exact=True)
            tokens = torch.cat((tokens, extra), dim=-2)
        width = self.out_channels // self.heads
        query = self.query(x).view(*x.shape[:-1], self.heads, width).transpose(-2, -3)
        joined = self.key_value(tokens).view(*tokens.shape[:-1], 2 * self.heads, width)
        key, value = joined.transpose(-2, -3).chunk(2, dim=-3)
        scores = query @ key.mT
        scale = width**-0.5
        num_extra = tokens.size(-2) - self.num_tokens
        bias = self.relation_bias(num_extra)
        scores = scores * scale if bias is None else torch.add(bias, scores, alpha=scale)
        weights = scores.softmax(dim=-1)
        if self.visible is not None:  # a joint without tokens has uniform weights up to here
            weights = weights * F.pad(self.visible, (0, num_extra), value=True)
        heads = self.dropout(weights) @ value
        return self.out(heads.transpose(-2, -3).flatten(-2))

    def relation_bias(self, num_extra: int = 0) -> Tensor | None:
        """What is added to the scores, ``(heads, J, T + num_extra)``; ``None`` without a mask."""
        if self.table is None:
            return None
        bias = self.table.index_select(1, self.distance.flatten()).view(self.heads, *self.distance.shape)
        if self.visible is not None:  # finite, so that a row of nothing else has a softmax
            bias = bias.masked_fill(~self.visible, torch.finfo(bias.dtype).min)
        return F.pad(bias, (0, num_extra)) if num_extra else bias

    def extra_repr(self) -> str:
        """Channels, heads and mask."""
        return f"{self.in_channels}, {self.out_channels}, heads={self.heads}, mask={self.mask!r}"
