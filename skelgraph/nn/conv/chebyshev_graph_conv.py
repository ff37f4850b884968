"""Chebyshev graph convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter

from skelgraph.fixed import on_cpu
from skelgraph.nn.conv.skeleton_conv import SkeletonConv
from skelgraph.nn.edges import graph_edges
from skelgraph.nn.features import accepts_flat_batch
from skelgraph.ops import EdgePattern, SparseAdjacency, graph_conv
from skelgraph.ops.products import inverse_sqrt
from skelgraph.options import Amount, Channels, Positive
from skelgraph.topology import GraphLike


class ChebyshevGraphConv(SkeletonConv):
    r"""Chebyshev graph convolution of `"Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering"
    <https://arxiv.org/abs/1606.09375>`_ (NeurIPS 2016), as in the `Any-GCN code
    <https://github.com/tamasino52/Any-GCN>`_: a polynomial of the graph Laplacian.

    .. math::
        \mathbf{Y} = \sum_{k=0}^{K} T_k(\mathbf{L}) \mathbf{X} \mathbf{W}_k + \mathbf{b}, \qquad
        T_0 = \mathbf{I}, \quad T_1 = \mathbf{L}, \quad T_k = 2 \mathbf{L} T_{k-1} - T_{k-2}

    with :math:`\mathbf{L} = \mathbf{I} - \mathbf{D}^{-1/2} \mathbf{A} \mathbf{D}^{-1/2}`, or :math:`\mathbf{D} -
    \mathbf{A}`; with ``lambda_max`` :math:`2 \mathbf{L} / \lambda_\mathrm{max} - \mathbf{I}` in its place.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`.
        hops: The degree :math:`K` of the polynomial.
        bias: Add a learned bias per channel.
        adjacency: The matrix ``(J, J)`` :math:`\mathbf{A}`, dense or sparse; by default the row-normalised bones with
            self loops, of a graph its row-normalised edges as they are.
        normalize: Take the normalised Laplacian.
        dense: How the layer computes: ``True``: dense matrices, ``False``: edge lists, ``None``: dense up to 2**17
            entries. Parameters and answers are the same.
        lambda_max: The largest eigenvalue of the Laplacian, by which the paper scales it to [-1, 1]; as released it is
            not scaled. PyG's ``ChebConv`` takes 2 for the normalised Laplacian.

    Calls take PyG's ``edge_index`` ``(2, E)`` in place of the bound graph, for batches ``x (N, C_in)`` of different
    graphs (and, with leading dimensions, for one large graph). :math:`\mathbf{A}` is then the row-normalised
    ``edge_weight``, 1 by default, whatever ``adjacency`` the layer was given; self loops are edges like others.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``weight`` ``(hops + 1, C_in, C_out)``, ``bias`` ``(C_out)``

    Raises:
        SkelgraphError: If the input is not on this skeleton or has other channels, ``hops`` is negative, or the
            adjacency has another shape.

    Initialisation: ``weight`` Xavier-normal over the released shape ``(hops + 1, 1, C_in, C_out)``, standard deviation
    ``sqrt(2 / ((hops + 2) * C_in * C_out))``; bias 0.

    Code and paper: the default adjacency has unit row sums, so :math:`\mathbf{L} = \mathbf{I} - \mathbf{A}` either way,
    as released; it is neither symmetric nor scaled to [-1, 1]. The paper's Laplacian is that of
    ``adjacency=skeleton.adjacency()``, with the scaling if ``lambda_max`` is given.

    Example:
        >>> conv = ChebyshevGraphConv(2, 8, "h36m17", hops=3)
        >>> conv(torch.randn(4, 17, 2)).shape
        torch.Size([4, 17, 8])
    """

    polynomials: Tensor
    laplacian: Tensor

    def __init__(
        self,
        in_channels: Channels,
        out_channels: Channels,
        skeleton: GraphLike,
        hops: Amount = 2,
        bias: bool = True,
        adjacency: Tensor | None = None,
        normalize: bool = True,
        dense: bool | None = None,
        lambda_max: Positive | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        self.dense = self.choose_dense(hops + 1, dense)
        self.hops, self.normalize, self.lambda_max = hops, normalize, lambda_max
        edges = graph_edges(self.skeleton, adjacency).double()
        if self.dense:
            self.register_exact("polynomials", chebyshev_polynomials(edges.to_matrix(), hops, normalize, lambda_max))
        else:
            index, laplacian = sparse_laplacian(*edges, normalize, lambda_max)
            self.edges = EdgePattern(index, (1, self.num_nodes, self.num_nodes))
            self.register_exact("laplacian", laplacian)
        self.weight = nn.Parameter(torch.empty(hops + 1, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        nn.init.xavier_normal_(self.weight.unsqueeze(1))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, edge_index: Tensor | None = None, edge_weight: Tensor | None = None) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``, on the bound graph or that of ``edge_index``."""
        if edge_index is None:
            return self._on_own_graph(x)
        edges, num_nodes = self.edges_of_call(x, edge_index, edge_weight), x.size(-2)
        index, values = sparse_laplacian(*edges, self.normalize, self.lambda_max)
        return self._filter(x, SparseAdjacency(index, values, (1, num_nodes, num_nodes)))

    @accepts_flat_batch
    def _on_own_graph(self, x: Tensor) -> Tensor:
        if not self.dense:
            return self._filter(x, self.edges(self.exact("laplacian")))
        return graph_conv(x, self.weight, self.exact("polynomials"), bias=self.bias)

    def _filter(self, x: Tensor, laplacian: SparseAdjacency) -> Tensor:
        """The sum over the polynomials of features, one step after another: those of a sparse matrix fill up."""
        steps = [x.reshape(-1, x.size(-2), 1, x.size(-1))]
        for k in range(self.hops):
            moved = laplacian.aggregate(steps[-1], 1)
            steps.append(moved if k == 0 else 2 * moved - steps[-2])
        weight = self.weight.flatten(0, 1)
        y = torch.cat(steps, dim=-1).view(*x.shape[:-1], weight.size(0)) @ weight
        return y if self.bias is None else y + self.bias


@on_cpu
def chebyshev_polynomials(
    adjacency: Tensor, degree: int, normalize: bool = True, lambda_max: float | None = None
) -> Tensor:
    """Chebyshev polynomials ``(degree + 1, J, J)`` of the Laplacian of ``adjacency`` ``(J, J)``.

    Args:
        adjacency: Weights of the edges; the degree of a node is the sum of its row.
        degree: Highest degree.
        normalize: Take the normalised Laplacian; a node without edges keeps 1 on the diagonal.
        lambda_max: The eigenvalue that it is scaled by, see :class:`ChebyshevGraphConv`.
    """
    eye, degrees = torch.eye(len(adjacency), dtype=adjacency.dtype), adjacency.sum(dim=1)
    if normalize:
        scale = torch.where(degrees > 0, degrees.rsqrt(), 0)
        laplacian = eye - scale[:, None] * adjacency * scale
    else:
        laplacian = degrees.diag() - adjacency
    if lambda_max is not None:
        laplacian = 2 / lambda_max * laplacian - eye
    terms = [eye, laplacian]
    while len(terms) <= degree:
        terms.append(2 * laplacian @ terms[-1] - terms[-2])
    return torch.stack(terms[: degree + 1])


def sparse_laplacian(
    receiver: Tensor, sender: Tensor, values: Tensor, num_nodes: int, normalize: bool, lambda_max: float | None = None
) -> tuple[Tensor, Tensor]:
    """Index ``(3, E + J)`` and values of the Laplacian of :func:`chebyshev_polynomials`, for the edges of an adjacency
    and their values."""
    degree, nodes = scatter(values, receiver, dim_size=num_nodes), torch.arange(num_nodes, device=receiver.device)
    if normalize:
        scale, first = inverse_sqrt(degree.clamp(min=0)), torch.ones_like(degree)
        values = scale[receiver] * values * scale[sender]
    else:
        first = degree
    if lambda_max is not None:
        first, values = 2 / lambda_max * first - 1, 2 / lambda_max * values
    pairs = torch.stack([torch.cat([nodes, receiver]), torch.cat([nodes, sender])])
    return nn.functional.pad(pairs, (0, 0, 1, 0)), torch.cat([first, -values])
