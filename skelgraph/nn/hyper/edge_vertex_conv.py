"""Joints and bones that update each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from skelgraph.errors import SkelgraphError
from skelgraph.nn.features import check_features
from skelgraph.nn.hyper.hyper_conv import HyperConv
from skelgraph.nn.init import xavier
from skelgraph.ops import DenseIncidence, Incidence, SparseIncidence
from skelgraph.ops.products import inverse_sqrt, scale
from skelgraph.options import Channels
from skelgraph.topology import JointHypergraph, SkeletonLike, as_skeleton

Kind = Literal["censnet", "directed", "difference"]


class EdgeVertexConv(HyperConv):
    r"""Layers on the joints and the bones of a skeleton, after `"CensNet"
    <https://www.ijcai.org/proceedings/2019/369>`_ (IJCAI 2019), `"Skeleton-Based Action Recognition with Directed Graph
    Neural Networks" <https://doi.org/10.1109/CVPR.2019.00810>`_ (CVPR 2019) and the bone features of `"HDFormer"
    <https://arxiv.org/abs/2302.01825>`_ (IJCAI 2023).

    With the signed incidence :math:`\mathbf{B}` of the bones, :math:`\mathbf{T} = |\mathbf{B}|`, features
    :math:`\mathbf{X}` of the joints and :math:`\mathbf{Z}` of the bones :math:`k = (p, c)`, both updated from the old
    state:

    .. math::
        \text{censnet:} \quad & \mathbf{X}' = \left( N(\mathbf{T} \, \mathrm{diag}(\mathbf{Z} \mathbf{p}_e)
        \mathbf{T}^\top) \odot \tilde{\mathbf{A}}_v \right) \mathbf{X} \boldsymbol\Theta_v + \mathbf{b}_v, \quad
        \mathbf{Z}' = \left( N(\mathbf{T}^\top \mathrm{diag}(\mathbf{X} \mathbf{p}_v) \mathbf{T})
        \odot \tilde{\mathbf{A}}_e \right) \mathbf{Z} \boldsymbol\Theta_e + \mathbf{b}_e \\
        \text{directed:} \quad & \mathbf{x}'_i = [\mathbf{x}_i, \overline{\mathbf{z}}_{\to i},
        \overline{\mathbf{z}}_{i \to}] \boldsymbol\Theta_v + \mathbf{b}_v, \quad
        \mathbf{z}'_k = [\mathbf{z}_k, \mathbf{x}_p, \mathbf{x}_c] \boldsymbol\Theta_e + \mathbf{b}_e \\
        \text{difference:} \quad & \mathbf{X}' = \mathbf{X}, \quad \mathbf{Z}' = \mathbf{Z} + \mathrm{GELU}(
        \mathbf{B}^\top \mathbf{X} \boldsymbol\Theta + \mathbf{b})

    :math:`\tilde{\mathbf{A}}_v, \tilde{\mathbf{A}}_e` are the adjacencies of joints and of bones (that share a joint)
    with self loops, symmetrically normalised; :math:`N` puts ones on the diagonal; a bar is a mean, zero without bones.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output; of ``"difference"`` those at the input.
        skeleton: Skeleton or layout name.
        edge_channels: Channels of every bone at the input; those of the joints by default.
        edge_out_channels: Channels of every bone at the output; those of the joints by default, of ``"difference"``
            always those at the input.
        kind: ``"censnet"``, ``"directed"`` or ``"difference"``, as above.
        bounded: Send the scores of ``"censnet"`` through a sigmoid; as published they may grow and be negative.
        bias: Add learned biases.
        dense: Take the dense or the sparse path; by default the dense one up to 4096 entries of the incidence matrix.

    Shapes:
        - input: joints ``(..., J, C_in)`` and bones ``(..., K, C_e)`` in the order of ``skeleton.edges``, or ``(B * J,
          C_in)`` and ``(B * K, C_e)``
        - output: ``(x, z)`` in the same form
        - censnet: ``lin_node.weight`` ``(C_out, C_in)``, ``lin_edge.weight`` ``(C_out_e, C_e)``, ``score_edge``
          ``(C_e)``, ``score_node`` ``(C_in)``; directed: ``lin_node.weight`` ``(C_out, C_in + 2 C_e)``,
          ``lin_edge.weight`` ``(C_out_e, C_e + 2 C_in)``; difference: ``lin_edge.weight`` ``(C_e, C_in)``

    Raises:
        SkelgraphError: If an option is unknown or the channels do not go with the kind.
        SkelgraphError: If an input has another shape.

    Initialisation: Xavier-uniform weights, zero biases, scores uniform within ``1 / sqrt(C)``.

    Code and paper: CensNet's code also divides the coupling of bones by the largest of its column, which may be a
    division by nearly zero; not so here.

    Example:
        >>> x, z = EdgeVertexConv(8, 12, "h36m17", edge_channels=5)(torch.randn(4, 17, 8), torch.randn(4, 16, 5))
        >>> x.shape, z.shape
        (torch.Size([4, 17, 12]), torch.Size([4, 16, 12]))
    """

    ends: Tensor
    node_degree: Tensor
    edge_degree: Tensor

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: SkeletonLike,
        edge_channels: Channels | None = None,
        edge_out_channels: Channels | None = None,
        kind: Kind = "censnet",
        bounded: bool = False,
        bias: bool = True,
        dense: bool | None = None,
    ) -> None:
        bones = JointHypergraph.from_bones(skeleton)
        super().__init__(in_channels, out_channels, bones, dense)
        edge_channels = in_channels if edge_channels is None else edge_channels
        if edge_out_channels is None:
            edge_out_channels = edge_channels if kind == "difference" else out_channels
        if kind == "difference" and (out_channels, edge_out_channels) != (in_channels, edge_channels):
            raise SkelgraphError(
                f"out_channels={out_channels} and edge_out_channels={edge_out_channels} with kind='difference'; "
                f"expected those of the input, {in_channels} and {edge_channels}"
            )
        self.edge_channels = edge_channels
        self.edge_out_channels = edge_out_channels
        self.kind = kind
        self.bounded = bounded
        ends = bones.hyperedge_index.new_tensor(as_skeleton(skeleton).edges).view(-1, 2).t().contiguous()
        self.register_buffer("ends", ends, persistent=False)
        if kind == "censnet":
            degree = bones.node_degree
            self.register_buffer("node_degree", degree + 1, persistent=False)
            self.register_buffer("edge_degree", degree[ends].sum(dim=0) - 1, persistent=False)
            self.lin_node = nn.Linear(in_channels, out_channels, bias)
            self.lin_edge = nn.Linear(edge_channels, edge_out_channels, bias)
            self.score_node = nn.Parameter(torch.empty(in_channels))
            self.score_edge = nn.Parameter(torch.empty(edge_channels))
        elif kind == "directed":
            self.lin_node = nn.Linear(in_channels + 2 * edge_channels, out_channels, bias)
            self.lin_edge = nn.Linear(edge_channels + 2 * in_channels, edge_out_channels, bias)
        else:
            self.lin_edge = nn.Linear(in_channels, edge_channels, bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        xavier(self.lin_edge)
        if self.kind != "difference":
            xavier(self.lin_node)
        if self.kind == "censnet":
            for score in (self.score_node, self.score_edge):
                nn.init.uniform_(score, -(score.numel() ** -0.5), score.numel() ** -0.5)

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Map joints ``(..., J, C_in)`` and bones ``(..., K, C_e)`` to joints ``(..., J, C_out)`` and bones ``(..., K,
        C_out_e)``."""
        if self.explain:
            raise SkelgraphError(f"{self} has no messages that a mask per incidence could act on; set explain = False")
        check_features(self, x)
        check_features(self, z, name="bones")
        bones, _ = self.incidence_of(x)
        flat = x.dim() == 2
        self._check(x, bones, None, z, flat)
        if z.size(-1) != self.edge_channels:
            raise SkelgraphError(f"{self} needs bones with {self.edge_channels} channels, got {tuple(z.shape)}")
        if flat:
            x = x.unflatten(0, (-1, bones.num_nodes))
            z = z.unflatten(0, (x.size(0), bones.num_hyperedges))
        x, z = {"censnet": self._censnet, "directed": self._directed, "difference": self._difference}[self.kind](
            x, z, bones
        )
        return (x.flatten(0, 1), z.flatten(0, 1)) if flat else (x, z)

    def _censnet(self, x: Tensor, z: Tensor, bones: Incidence) -> tuple[Tensor, Tensor]:
        node_score, edge_score = x @ self.score_node, z @ self.score_edge
        if self.bounded:
            node_score, edge_score = node_score.sigmoid(), edge_score.sigmoid()
        node_root, edge_root = inverse_sqrt(self.node_degree), inverse_sqrt(self.edge_degree)
        x = scale(_couple(scale(x, node_root), edge_score, bones.to_hyperedges, bones.to_nodes), node_root)
        z = scale(_couple(scale(z, edge_root), node_score, bones.to_nodes, bones.to_hyperedges), edge_root)
        return self.lin_node(x), self.lin_edge(z)

    def _directed(self, x: Tensor, z: Tensor, bones: Incidence) -> tuple[Tensor, Tensor]:
        outgoing, incoming = (self._bones_by(end, bones).to_nodes(z, reduce="mean") for end in (0, 1))
        parent, child = (x.index_select(-2, end) for end in self.ends)
        x, z = torch.cat([x, incoming, outgoing], dim=-1), torch.cat([z, parent, child], dim=-1)
        return self.lin_node(x), self.lin_edge(z)

    def _difference(self, x: Tensor, z: Tensor, bones: Incidence) -> tuple[Tensor, Tensor]:
        parent, child = (x.index_select(-2, end) for end in self.ends)
        return x, z + F.gelu(self.lin_edge(child - parent))

    def _bones_by(self, end: int, bones: Incidence) -> Incidence:
        """Which bones have a joint as their parent (0) or child (1)."""
        ids = torch.arange(bones.num_hyperedges, device=self.ends.device)
        index = torch.stack([self.ends[end], ids])
        if isinstance(bones, SparseIncidence):
            return SparseIncidence(index, bones.num_nodes, bones.num_hyperedges, self)
        one = bones.matrix.new_ones(())
        return DenseIncidence(torch.zeros_like(bones.matrix).index_put((index[0], index[1]), one))

    def extra_repr(self) -> str:
        """Channels, skeleton and kind."""
        return super().extra_repr() + f", kind={self.kind!r}"


def _couple(h: Tensor, score: Tensor, there: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor]) -> Tensor:
    """Send features over what couples them, weighted by its score, and back: the coupling of any two. What returns to
    where it started is replaced by the features themselves, as the couplings have ones on their diagonal."""
    returned = back(score.unsqueeze(-1)).squeeze(-1)
    return back(scale(there(h), score)) + h - scale(h, returned)
