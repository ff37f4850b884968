"""Hyperedges that depend on the features: modules whose result is the ``hypergraph`` of a call of any hyperedge layer.

They return memberships per sample, which layers use as they are; no lists or data objects are built.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from skelgraph.errors import SkelgraphError
from skelgraph.fixed import FixedBuffers
from skelgraph.nn.features import check_features
from skelgraph.nn.hyper.hypergraph_input import Memberships
from skelgraph.nn.init import xavier
from skelgraph.options import Channels, CheckedOptions, Positive
from skelgraph.text import shown
from skelgraph.topology import HypergraphLike, as_hypergraph


def knn_hyperedges(x: Tensor, k: int, soft: bool = False) -> Tensor:
    r"""Return one hyperedge per joint that holds the ``k`` nearest joints in feature space, the joint included.

    Identical hyperedges stay apart, so that there are always as many hyperedges as joints. Of joints equally far, those
    of lower id are nearer.

    Args:
        x: Features.
        k: Number of joints of every hyperedge.
        soft: Memberships :math:`\mathrm{softmax}(-\mathrm{distance})` over the ``k`` joints, which have gradients;
            otherwise ones.

    Shapes:
        ``x`` ``(..., J, C)``, memberships ``(..., J, J)``: entry ``[i, r]`` is joint ``i`` in the hyperedge of ``r``.

    Raises:
        SkelgraphError: If ``k`` is not from 1 to the number of joints.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [5.0]])
        >>> knn_hyperedges(x, k=2).tolist()  # hyperedges {0, 1}, {0, 1} and {1, 2} in the columns
        [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 1.0]]
    """
    if not isinstance(x, Tensor) or x.dim() < 2:
        raise SkelgraphError(f"hyperedges of neighbours need joints of shape (..., J, C), got {shown(x)}")
    if not 1 <= k <= x.size(-2):
        raise SkelgraphError(f"k is {k}; expected 1 to {x.size(-2)}, the number of joints")
    # the exact form: equal joints have distance zero, and ties are ties
    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    own = torch.eye(x.size(-2), dtype=torch.bool, device=x.device)
    nearest = distance.detach().masked_fill(own, -1).sort(dim=-1, stable=True).indices[..., :k]
    share = distance.gather(-1, nearest).neg().softmax(dim=-1) if soft else x.new_ones(nearest.shape)
    return torch.zeros_like(distance).scatter(-1, nearest, share.to(distance.dtype)).mT


class KNNHyperedges(CheckedOptions, nn.Module):
    """The ``k`` nearest joints of every joint as hyperedges, see :func:`knn_hyperedges`.

    Args:
        k: Number of joints of every hyperedge.
        soft: Soft memberships, with gradients.

    Shapes:
        ``(..., J, C)`` to memberships ``(..., J, J)``.

    Raises:
        SkelgraphError: If ``k`` is not from 1 to the number of joints.

    Example:
        >>> from skelgraph.nn import HyperedgeConv
        >>> x = torch.randn(4, 17, 8)
        >>> HyperedgeConv(8, 16)(x, KNNHyperedges(3)(x)).shape
        torch.Size([4, 17, 16])
    """

    def __init__(self, k: Channels, soft: bool = False) -> None:
        super().__init__()
        self.k = k
        self.soft = soft

    def forward(self, x: Tensor) -> Memberships:
        """Build the hyperedges of ``(..., J, C)``."""
        return Memberships(knn_hyperedges(x, self.k, self.soft))

    def extra_repr(self) -> str:
        """Size and softness."""
        return f"{self.k}, soft={self.soft}"


class AssignedHyperedges(CheckedOptions, nn.Module):
    r"""Learned memberships, :math:`\mathbf{P} = \mathrm{softmax}_r(\mathbf{X} \mathbf{W} / \tau)`: every joint is
    divided among ``num_hyperedges`` hyperedges.

    Args:
        in_channels: Channels of every joint.
        num_hyperedges: Number of hyperedges.
        temperature: :math:`\tau`.
        straight_through: Every joint in one hyperedge; the gradients are those of the soft memberships.

    Shapes:
        - ``(..., J, C)`` to memberships ``(..., J, R)``
        - ``lin.weight`` ``(R, C)``

    Raises:
        SkelgraphError: If the temperature is not positive.

    Initialisation: Glorot-uniform weight.

    Example:
        >>> AssignedHyperedges(8, 5)(torch.randn(4, 17, 8)).incidence.shape
        torch.Size([4, 17, 5])
    """

    def __init__(
        self,
        in_channels: Channels,
        num_hyperedges: Channels,
        temperature: Positive = 1.0,
        straight_through: bool = False,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.straight_through = straight_through
        self.lin = nn.Linear(in_channels, num_hyperedges, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the weight."""
        xavier(self.lin)

    def forward(self, x: Tensor) -> Memberships:
        """Build the hyperedges of ``(..., J, C)``."""
        check_features(self, x, self.lin.in_features)
        soft = (self.lin(x) / self.temperature).softmax(dim=-1)
        if not self.straight_through:
            return Memberships(soft)
        hard = F.one_hot(soft.argmax(dim=-1), soft.size(-1)).to(soft.dtype)
        return Memberships(hard + (soft - soft.detach()))


class TopKAttentionHyperedges(CheckedOptions, nn.Module):
    r"""Hyperedges after `"Hyper-GCN" <https://arxiv.org/abs/2411.14796>`_ (ICCV 2025): the ``k`` nearest joints of
    every joint in a learned projection, with memberships :math:`\mathrm{softmax}(-d)` and learned weights of either
    sign.

    .. math::
        w_r = \tanh(\mathrm{MLP}(\bar{\mathbf{x}}_r)), \qquad \bar{\mathbf{x}}_r = \sum_i P_{ir} \mathbf{x}_i

    Layers divide by magnitudes of the weights, see :class:`~skelgraph.nn.HyperConv`.

    Args:
        in_channels: Channels of every joint.
        k: Number of joints of every hyperedge.
        projection_channels: Channels of the projection and of the hidden layer of the perceptron; ``in_channels`` by
            default.

    Shapes:
        - ``(..., J, C)`` to memberships ``(..., J, J)`` and weights ``(..., J)``
        - ``projection.weight`` ``(P, C)``, ``hidden.weight`` ``(P, C)``, ``out.weight`` ``(1, P)``, with biases

    Raises:
        SkelgraphError: If ``k`` is not from 1 to the number of joints.

    Initialisation: Glorot-uniform weights, zero biases.

    Example:
        >>> incidence, weight = TopKAttentionHyperedges(8, k=3)(torch.randn(4, 17, 8))
        >>> incidence.shape, weight.shape
        (torch.Size([4, 17, 17]), torch.Size([4, 17]))
    """

    def __init__(self, in_channels: Channels, k: Channels, projection_channels: Channels | None = None) -> None:
        super().__init__()
        channels = in_channels if projection_channels is None else projection_channels
        self.k = k
        self.projection = nn.Linear(in_channels, channels)
        self.hidden = nn.Linear(in_channels, channels)
        self.out = nn.Linear(channels, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        for linear in (self.projection, self.hidden, self.out):
            xavier(linear)

    def forward(self, x: Tensor) -> Memberships:
        """Build the hyperedges of ``(..., J, C)``."""
        check_features(self, x, self.projection.in_features)
        incidence = knn_hyperedges(self.projection(x), self.k, soft=True)
        mean = incidence.mT @ x
        return Memberships(incidence, self.out(self.hidden(mean).relu()).squeeze(-1).tanh())


class SemiDynamicHyperedges(CheckedOptions, FixedBuffers):
    r"""Fixed and dynamic hyperedges side by side, :math:`[\mathbf{H}, \lambda \mathbf{P}]` with a learned
    :math:`\lambda > 0`; our reading of the abstract of `"Semi-Dynamic Hypergraph Neural Network for 3D Pose Estimation"
    <https://www.ijcai.org/proceedings/2020/109>`_ (IJCAI 2020).

    Args:
        hypergraph: The fixed hyperedges, or a skeleton or layout name for its default groups.
        builder: Builder of the dynamic ones.

    Shapes:
        - ``(..., J, C)`` to memberships ``(..., J, M + R)`` and weights ``(..., M + R)``
        - ``scale`` ``()``, :math:`\lambda = \mathrm{softplus}(\mathtt{scale})`

    Initialisation: :math:`\lambda = 1`.

    Example:
        >>> builder = SemiDynamicHyperedges("h36m17", KNNHyperedges(3))
        >>> builder(torch.randn(4, 17, 8)).incidence.shape
        torch.Size([4, 17, 32])
    """

    incidence_matrix: Tensor
    hyperedge_weight: Tensor

    def __init__(self, hypergraph: HypergraphLike, builder: nn.Module) -> None:
        super().__init__()
        self.hypergraph = as_hypergraph(hypergraph)
        self.builder = builder
        self.register_buffer("incidence_matrix", self.hypergraph.incidence, persistent=False)
        self.register_buffer("hyperedge_weight", self.hypergraph.hyperedge_weight, persistent=False)
        self.scale = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        nn.init.constant_(self.scale, 0.5413248546129181)  # softplus of it is 1
        reset = getattr(self.builder, "reset_parameters", None)
        if callable(reset):
            reset()

    def forward(self, x: Tensor) -> Memberships:
        """Build the hyperedges of ``(..., J, C)``."""
        check_features(self, x, nodes=self.hypergraph.num_nodes)
        incidence, weight = self.builder(x)
        fixed = self.incidence_matrix.to(incidence.dtype).expand(*incidence.shape[:-1], -1)
        joined = torch.cat([fixed, F.softplus(self.scale) * incidence], dim=-1)
        if weight is None:
            weight = incidence.new_ones(incidence.size(-1))
        fixed_weight = self.hyperedge_weight.to(weight.dtype).expand(*weight.shape[:-1], -1)
        return Memberships(joined, torch.cat([fixed_weight, weight], dim=-1))
