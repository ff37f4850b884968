"""Joints and bones that update each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from skelgraph.errors import SkelgraphError
from skelgraph.nn.features import check_batch, check_features
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
        bone_channels: Channels of every bone at the input; those of the joints by default.
        bone_out_channels: Channels of every bone at the output; those of the joints by default, of ``"difference"``
            always those at the input.
        kind: ``"censnet"``, ``"directed"`` or ``"difference"``, as above.
        bounded: Send the scores of ``"censnet"`` through a sigmoid; as published they may grow and be negative.
        bias: Add learned biases.
        dense: True: matrices. False: index lists. None: matrices up to ``DENSE_INCIDENCE_LIMIT`` entries.

    Shapes:
        - input: joints ``(..., J, C_in)`` and bones ``(..., K, C_e)`` in the order of ``skeleton.edges``, or ``(B * J,
          C_in)`` and ``(B * K, C_e)``
        - output: ``(x, bone_attr)`` in the same form
        - censnet: ``lin_node.weight`` ``(C_out, C_in)``, ``lin_bone.weight`` ``(C_out_e, C_e)``, ``score_bone``
          ``(C_e)``, ``score_node`` ``(C_in)``; directed: ``lin_node.weight`` ``(C_out, C_in + 2 C_e)``,
          ``lin_bone.weight`` ``(C_out_e, C_e + 2 C_in)``; difference: ``lin_bone.weight`` ``(C_e, C_in)``

    Raises:
        SkelgraphError: If an option is unknown or the channels do not go with the kind.
        SkelgraphError: If an input has another shape.

    Initialisation: Xavier-uniform weights, zero biases, scores uniform within ``1 / sqrt(C)``.

    Code and paper: CensNet's code also divides the coupling of bones by the largest of its column, which may be a
    division by nearly zero; not so here.

    Example:
        >>> conv = EdgeVertexConv(8, 12, "h36m17", bone_channels=5)
        >>> x, bone_attr = conv(torch.randn(4, 17, 8), torch.randn(4, 16, 5))
        >>> x.shape, bone_attr.shape
        (torch.Size([4, 17, 12]), torch.Size([4, 16, 12]))
    """

    ends: Tensor
    node_degree: Tensor
    bone_degree: Tensor

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: SkeletonLike,
        bone_channels: Channels | None = None,
        bone_out_channels: Channels | None = None,
        kind: Kind = "censnet",
        bounded: bool = False,
        bias: bool = True,
        dense: bool | None = None,
    ) -> None:
        bones = JointHypergraph.from_bones(skeleton)
        super().__init__(in_channels, out_channels, bones, dense)
        bone_channels = in_channels if bone_channels is None else bone_channels
        if bone_out_channels is None:
            bone_out_channels = bone_channels if kind == "difference" else out_channels
        if kind == "difference" and (out_channels, bone_out_channels) != (in_channels, bone_channels):
            raise SkelgraphError(
                f"out_channels={out_channels} and bone_out_channels={bone_out_channels} with kind='difference'; "
                f"expected those of the input, {in_channels} and {bone_channels}"
            )
        self.bone_channels = bone_channels
        self.bone_out_channels = bone_out_channels
        self.kind = kind
        self.bounded = bounded
        ends = bones.hyperedge_index.new_tensor(as_skeleton(skeleton).edges).view(-1, 2).t().contiguous()
        self.register_buffer("ends", ends, persistent=False)
        if kind == "censnet":
            degree = bones.node_degree
            self.register_buffer("node_degree", degree + 1, persistent=False)
            self.register_buffer("bone_degree", degree[ends].sum(dim=0) - 1, persistent=False)
            self.lin_node = nn.Linear(in_channels, out_channels, bias)
            self.lin_bone = nn.Linear(bone_channels, bone_out_channels, bias)
            self.score_node = nn.Parameter(torch.empty(in_channels))
            self.score_bone = nn.Parameter(torch.empty(bone_channels))
        elif kind == "directed":
            self.lin_node = nn.Linear(in_channels + 2 * bone_channels, out_channels, bias)
            self.lin_bone = nn.Linear(bone_channels + 2 * in_channels, bone_out_channels, bias)
        else:
            self.lin_bone = nn.Linear(in_channels, bone_channels, bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters."""
        xavier(self.lin_bone)
        if self.kind != "difference":
            xavier(self.lin_node)
        if self.kind == "censnet":
            for score in (self.score_node, self.score_bone):
                nn.init.uniform_(score, -(score.numel() ** -0.5), score.numel() ** -0.5)

    def forward(self, x: Tensor, bone_attr: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Map joints ``(..., J, C_in)`` and bones ``(..., K, C_e)`` to joints ``(..., J, C_out)`` and bones ``(..., K,
        C_out_e)``."""
        if self.explain:
            raise SkelgraphError(f"{self} has no messages that a mask per incidence could act on; set explain = False")
        check_features(self, x)
        check_features(self, bone_attr, name="bones")
        bones, _ = self.incidence_of(x)
        flat = x.dim() == 2
        self._check(x, bones, None, bone_attr)
        if self.kind == "directed":  # its concatenations do not broadcast
            check_batch(self, x, bones.num_nodes, bone_attr, bones.num_hyperedges, "hyperedges", exact=True)
        if bone_attr.size(-1) != self.bone_channels:
            raise SkelgraphError(f"{self} needs bones with {self.bone_channels} channels, got {tuple(bone_attr.shape)}")
        if flat:
            x = x.unflatten(0, (-1, bones.num_nodes))
            bone_attr = bone_attr.unflatten(0, (x.size(0), bones.num_hyperedges))
        update = {"censnet": self._censnet, "directed": self._directed, "difference": self._difference}[self.kind]
        x, bone_attr = update(x, bone_attr, bones)
        return (x.flatten(0, 1), bone_attr.flatten(0, 1)) if flat else (x, bone_attr)

    def _censnet(self, x: Tensor, bone_attr: Tensor, bones: Incidence) -> tuple[Tensor, Tensor]:
        node_score, bone_score = x @ self.score_node, bone_attr @ self.score_bone
        if self.bounded:
            node_score, bone_score = node_score.sigmoid(), bone_score.sigmoid()
        node_root, bone_root = inverse_sqrt(self.node_degree), inverse_sqrt(self.bone_degree)
        x = scale(_couple(scale(x, node_root), bone_score, bones.to_hyperedges, bones.to_nodes), node_root)
        bone_attr = scale(bone_attr, bone_root)
        bone_attr = scale(_couple(bone_attr, node_score, bones.to_nodes, bones.to_hyperedges), bone_root)
        return self.lin_node(x), self.lin_bone(bone_attr)

    def _directed(self, x: Tensor, bone_attr: Tensor, bones: Incidence) -> tuple[Tensor, Tensor]:
        outgoing, incoming = (self._bones_by(end, bones).to_nodes(bone_attr, reduce="mean") for end in (0, 1))
        parent, child = (x.index_select(-2, end) for end in self.ends)
        x, bone_attr = torch.cat([x, incoming, outgoing], dim=-1), torch.cat([bone_attr, parent, child], dim=-1)
        return self.lin_node(x), self.lin_bone(bone_attr)

    def _difference(self, x: Tensor, bone_attr: Tensor, bones: Incidence) -> tuple[Tensor, Tensor]:
        parent, child = (x.index_select(-2, end) for end in self.ends)
        return x, bone_attr + F.gelu(self.lin_bone(child - parent))

    def _bones_by(self, end: int, bones: Incidence) -> Incidence:
        """Which bones have a joint as their parent (0) or child (1)."""
        ids = torch.arange(bones.num_hyperedges, device=self.ends.device)
        index = torch.stack([self.ends[end], ids])
        if isinstance(bones, SparseIncidence):
            return SparseIncidence(index, bones.num_nodes, bones.num_hyperedges, self.send)
        one = bones.matrix.new_ones(())
        return DenseIncidence(torch.zeros_like(bones.matrix).index_put((index[0], index[1]), one))

    def extra_repr(self) -> str:
        """Channels, skeleton and kind."""
        return super().extra_repr() + f", kind={self.kind!r}"


def _couple(
    h: Tensor, score: Tensor, gather: Callable[[Tensor], Tensor], scatter: Callable[[Tensor], Tensor]
) -> Tensor:
    """Multiply features with the coupling of any two: gather them at what joins them, weigh it by its score, and send
    it back. What returns to where it started is replaced by the features themselves, as the couplings have ones on
    their diagonal."""
    returned = scatter(score.unsqueeze(-1)).squeeze(-1)
    return scatter(scale(gather(h), score)) + h - scale(h, returned)
