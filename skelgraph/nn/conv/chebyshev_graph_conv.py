"""Chebyshev graph convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelgraph.nn.adjacency import edge_list, graph_matrix
from skelgraph.nn.conv.skeleton_conv import SkeletonConv, per_joint
from skelgraph.ops import EdgePattern, mix
from skelgraph.topology import GraphLike


class ChebyshevGraphConv(SkeletonConv):
    r"""Chebyshev graph convolution of `"Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering"
    <https://arxiv.org/abs/1606.09375>`_ (NeurIPS 2016), as in the `Any-GCN code
    <https://github.com/tamasino52/Any-GCN>`_: a polynomial of the graph Laplacian.

    .. math::
        \mathbf{Y} = \sum_{k=0}^{K} T_k(\mathbf{L}) \mathbf{X} \mathbf{W}_k + \mathbf{b}, \qquad
        T_0 = \mathbf{I}, \quad T_1 = \mathbf{L}, \quad T_k = 2 \mathbf{L} T_{k-1} - T_{k-2}

    with :math:`\mathbf{L} = \mathbf{I} - \mathbf{D}^{-1/2} \mathbf{A} \mathbf{D}^{-1/2}`, or :math:`\mathbf{D} -
    \mathbf{A}`.

    Args:
        in_channels: Channels of every joint at the input.
        out_channels: Channels of every joint at the output.
        skeleton: Skeleton, layout name or :class:`~skelgraph.topology.Graph`.
        hops: The degree :math:`K` of the polynomial.
        bias: Add a learned bias per channel.
        adjacency: The matrix ``(J, J)`` :math:`\mathbf{A}`; by default the row-normalised bones with self loops, of
            a graph its row-normalised edges as they are.
        normalize: Take the normalised Laplacian.
        dense: Work with matrices or on the edges alone; by default on the edges where the matrices would have more than
            2**17 entries.

    Shapes:
        - input: ``(..., J, C_in)`` or ``(B * J, C_in)``
        - output: ``(..., J, C_out)`` or ``(B * J, C_out)``
        - ``weight`` ``(hops + 1, C_in, C_out)``, ``bias`` ``(C_out)``

    Raises:
        ValueError: If the input is not on this skeleton or has other channels, or ``hops`` is negative.
        SkelgraphError: If the adjacency has another shape.

    Initialisation: ``weight`` Xavier-normal over the released shape ``(hops + 1, 1, C_in, C_out)``, standard deviation
    ``sqrt(2 / ((hops + 2) * C_in * C_out))``; bias 0.

    Code and paper: the default adjacency has unit row sums, so :math:`\mathbf{L} = \mathbf{I} - \mathbf{A}` either way,
    as released; it is neither symmetric nor scaled to [-1, 1]. The paper's Laplacian (but for the scaling) is that of
    ``adjacency=skeleton.adjacency()``.

    Example:
        >>> conv = ChebyshevGraphConv(2, 8, "h36m17", hops=3)
        >>> conv(torch.randn(4, 17, 2)).shape
        torch.Size([4, 17, 8])
    """

    polynomials: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        skeleton: GraphLike,
        hops: int = 2,
        bias: bool = True,
        adjacency: Tensor | None = None,
        normalize: bool = True,
        dense: bool | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, skeleton)
        if hops < 0:
            raise ValueError(f"hops must not be negative, got {hops}")
        self.dense = self.choose_dense(hops + 1, dense)
        matrix = graph_matrix(self.skeleton, adjacency, sparse=not self.dense)
        self.edges: EdgePattern | None = None
        if self.dense:
            polynomials = chebyshev_polynomials(matrix, hops, normalize)
        else:
            self.edges, polynomials = sparse_chebyshev_polynomials(matrix, hops, normalize)
        self.register_buffer("polynomials", polynomials, persistent=False)
        self.weight = nn.Parameter(torch.empty(hops + 1, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as released."""
        nn.init.xavier_normal_(self.weight.unsqueeze(1))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    @per_joint
    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., J, C_in)`` to ``(..., J, C_out)``."""
        polynomials = self.polynomials if self.edges is None else self.edges(self.polynomials)
        return mix(x, self.weight, polynomials, bias=self.bias)


def chebyshev_polynomials(adjacency: Tensor, degree: int, normalize: bool = True) -> Tensor:
    """Chebyshev polynomials ``(degree + 1, J, J)`` of the Laplacian of ``adjacency`` ``(J, J)``.

    Args:
        adjacency: Weights of the edges; the degree of a node is the sum of its row.
        degree: Highest degree.
        normalize: Take the normalised Laplacian; a node without edges keeps 1 on the diagonal.
    """
    eye, degrees = torch.eye(len(adjacency), dtype=adjacency.dtype), adjacency.sum(dim=1)
    if normalize:
        scale = torch.where(degrees > 0, degrees.rsqrt(), 0)
        laplacian = eye - scale[:, None] * adjacency * scale
    else:
        laplacian = degrees.diag() - adjacency
    terms = [eye, laplacian]
    while len(terms) <= degree:
        terms.append(2 * laplacian @ terms[-1] - terms[-2])
    return torch.stack(terms[: degree + 1])


def sparse_chebyshev_polynomials(adjacency: Tensor, degree: int, normalize: bool = True) -> tuple[EdgePattern, Tensor]:
    """Edges and values of :func:`chebyshev_polynomials`, for a sparse ``adjacency``."""
    size, nodes = adjacency.shape, torch.arange(len(adjacency))
    receiver, sender, values = edge_list(adjacency)
    degrees = values.new_zeros(len(adjacency)).index_add(0, receiver, values)
    diagonal = torch.stack([nodes, nodes])
    eye = torch.sparse_coo_tensor(diagonal, torch.ones_like(degrees), size, check_invariants=False).coalesce()
    if normalize:
        scale, first = torch.where(degrees > 0, degrees.rsqrt(), 0), torch.ones_like(degrees)
        values = scale[receiver] * values * scale[sender]
    else:
        first = degrees
    index = torch.cat([diagonal, torch.stack([receiver, sender])], dim=1)
    laplacian = torch.sparse_coo_tensor(index, torch.cat([first, -values]), size, check_invariants=False).coalesce()
    terms = [eye, laplacian]
    while len(terms) <= degree:
        terms.append((2 * torch.sparse.mm(laplacian, terms[-1]) - terms[-2]).coalesce())
    polynomials = torch.stack(terms[: degree + 1]).coalesce()
    return EdgePattern(polynomials.indices(), (degree + 1, *size)), polynomials.values()
