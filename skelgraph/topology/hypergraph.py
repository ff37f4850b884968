"""The joint hypergraph: groups of joints of any size as immutable data, and the matrices that layers need."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.fixed import on_cpu
from skelgraph.options import Int64, check_option
from skelgraph.text import plain, shown
from skelgraph.topology.arrays import to_ids, to_tensor
from skelgraph.topology.graph import Graph, GraphLike, as_graph
from skelgraph.topology.hyperedge_groups import HYPEREDGE_GROUPS, hyperedge_groups, possible_groups
from skelgraph.topology.hypergraph_lifting import communities, kept_together, near_in_graph, near_in_space
from skelgraph.topology.layouts import SkeletonLike, as_skeleton
from skelgraph.topology.skeleton import Skeleton, as_tuple, joint_ids

DEFAULT_GROUPS = ("parts", "sides", "halves", "sym")


@dataclass(frozen=True, eq=False, init=False, repr=False)
class JointHypergraph:
    """Hyperedges, groups of any number of nodes, with positive weights; the nodes are joints, of a skeleton or not.

    A hypergraph cannot be changed, is hashable and compares by content; every tensor that it gives out is a new one, on
    the CPU. Layers keep what they need of it in buffers of their own. Equal hyperedges are kept apart, see
    :meth:`coalesce`.

    Args:
        hyperedge_index: Node and hyperedge of every incidence, in PyG's convention; in any order.
        num_nodes: Number of nodes; a node may be in no hyperedge.
        num_hyperedges: Number of hyperedges.
        hyperedge_weight: Weight of every hyperedge, 1 by default. A floating-point tensor keeps its type; other numbers
            take torch's default type.
        groups: Hyperedge ids by group name; every hyperedge is in exactly one group. By default all are in ``"main"``.
        skeleton: The skeleton of the joints, for the methods about bones and for :meth:`plot`.

    Shapes:
        - ``hyperedge_index``: ``(2, nnz)``, int64; kept grouped by hyperedge, nodes ascending
        - ``hyperedge_weight``: ``(M,)``

    Raises:
        TopologyError: If an id is out of range, a node is twice in a hyperedge, a hyperedge is empty, a weight is not
            positive and finite, or the groups or the skeleton do not fit; the message names the hyperedge.

    Example:
        >>> hypergraph = JointHypergraph.from_lists(4, [[0, 1, 2], [2, 3]])
        >>> hypergraph.hyperedge_index.tolist()
        [[0, 1, 2, 2, 3], [0, 0, 0, 1, 1]]
        >>> hypergraph.hyperedge_weight.tolist()
        [1.0, 1.0]
        >>> JointHypergraph.from_skeleton("h36m17")
        JointHypergraph(num_nodes=17, num_hyperedges=15, groups=[parts, sides, halves, sym])
    """

    num_nodes: int
    num_hyperedges: int
    groups: Mapping[str, tuple[int, ...]]
    skeleton: Skeleton | None
    _hyperedge_index: Tensor
    _hyperedge_weight: Tensor

    @on_cpu
    def __init__(
        self,
        hyperedge_index: Tensor,
        num_nodes: int,
        num_hyperedges: int,
        hyperedge_weight: Tensor | Sequence[float] | None = None,
        groups: Mapping[str, Iterable[int]] | None = None,
        skeleton: SkeletonLike | None = None,
    ) -> None:
        num_nodes = check_option("num_nodes", num_nodes, Int64)
        num_hyperedges = check_option("num_hyperedges", num_hyperedges, Int64)
        fields = {
            "num_nodes": num_nodes,
            "num_hyperedges": num_hyperedges,
            "_hyperedge_index": _check_index(hyperedge_index, num_nodes, num_hyperedges),
            "_hyperedge_weight": _check_weight(hyperedge_weight, num_hyperedges),
            "groups": MappingProxyType(_check_groups(groups, num_hyperedges)),
            "skeleton": None if skeleton is None else as_skeleton(skeleton),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)
        if self.skeleton is not None and self.skeleton.num_joints != num_nodes:
            raise TopologyError(f"skeleton is {self.skeleton!r}; expected one of {num_nodes} joints")

    @classmethod
    @on_cpu
    def from_lists(
        cls,
        num_nodes: int,
        hyperedges: Iterable[Iterable[int | str]] | Mapping[str, Iterable[int | str]],
        **options: Any,
    ) -> JointHypergraph:
        """Return the hypergraph of node lists.

        Args:
            num_nodes: Number of nodes.
            hyperedges: The nodes of every hyperedge, in any order: their ids or, on a skeleton, the names of the
                joints. Hyperedges by name are each a group of their own, unless ``groups`` are given.
            **options: ``hyperedge_weight``, ``groups`` and ``skeleton`` of :class:`JointHypergraph`.

        Raises:
            TopologyError: As :class:`JointHypergraph`, or if there is no such joint.

        Example:
            >>> tips = {"pinch": ["thumb4", "forefinger4"], "grip": ["thumb4", "forefinger4", "middle_finger4"]}
            >>> grips = JointHypergraph.from_lists(21, tips, skeleton="hand21")
            >>> grips.hyperedges, dict(grips.groups)
            (((4, 8), (4, 8, 12)), {'pinch': (0,), 'grip': (1,)})
        """
        if isinstance(num_nodes, Skeleton):
            raise TopologyError(
                f"num_nodes is {num_nodes!r}; expected how many nodes there are, {num_nodes.num_joints}, and "
                "skeleton= for a skeleton"
            )
        layout = options.get("skeleton")
        names = None if layout is None else as_skeleton(layout).joint_names
        if isinstance(hyperedges, Mapping):
            if options.get("groups") is None:
                options["groups"] = {str(name): [m] for m, name in enumerate(hyperedges)}
            hyperedges = hyperedges.values()
        listed = as_tuple("hyperedges", hyperedges)
        lists = [joint_ids(f"hyperedges[{m}]", members, names) for m, members in enumerate(listed)]
        pairs = [(node, hyperedge) for hyperedge, members in enumerate(lists) for node in members]
        index = to_ids("hyperedges", pairs if pairs else torch.empty(0, 2, dtype=torch.int64)).long().view(-1, 2).t()
        return cls(index, num_nodes, len(lists), **options)

    @classmethod
    @on_cpu
    def from_incidence(cls, incidence: Any, **options: Any) -> JointHypergraph:
        """Return the hypergraph of an incidence matrix, array or tensor of zeros and ones.

        Args:
            incidence: 1 where a node is in a hyperedge.
            **options: ``hyperedge_weight``, ``groups`` and ``skeleton`` of :class:`JointHypergraph`.

        Shapes:
            ``(J, M)``.

        Raises:
            TopologyError: As :class:`JointHypergraph`, or if another number is in the matrix.
        """
        matrix = to_tensor("incidence", incidence.to_dense() if isinstance(incidence, Tensor) else incidence)
        if matrix.dim() != 2:
            raise TopologyError(f"incidence has shape {tuple(matrix.shape)}; expected (nodes, hyperedges)")
        strange = ((matrix != 0) & (matrix != 1)).nonzero()
        if len(strange):
            node, hyperedge = strange[0].tolist()
            raise TopologyError(
                f"hyperedge {hyperedge}: incidence is {matrix[node, hyperedge].item()} at node {node}; expected 0 or 1"
            )
        return cls(matrix.nonzero().t(), *matrix.shape, **options)

    @classmethod
    def from_skeleton(
        cls,
        skeleton: SkeletonLike,
        groups: str | Sequence[str] = DEFAULT_GROUPS,
        hyperedge_weight: Tensor | Sequence[float] | None = None,
    ) -> JointHypergraph:
        """Return named groups of hyperedges on a skeleton.

        Args:
            skeleton: A skeleton with parts and symmetric pairs, or the name of a layout.
            groups: Names of :func:`~skelgraph.topology.hyperedge_groups`, in their order.
            hyperedge_weight: Weight of every hyperedge.

        Raises:
            TopologyError: If the skeleton lacks what a group is made of (the message lists the groups that it can
                have), or a group is named twice.
            SkelgraphError: If there is no such group.
        """
        skeleton = as_skeleton(skeleton)
        names = [groups] if isinstance(groups, str) else list(check_option("groups", groups, Sequence[str]))
        if len(set(names)) < len(names):
            raise TopologyError(f"groups is {names}; expected every name once")
        hyperedges: list[list[int]] = []
        ids: dict[str, range] = {}
        for name in names:
            first = len(hyperedges)
            try:
                hyperedges += hyperedge_groups(skeleton, name)
            except TopologyError as error:
                known = ", ".join(map(repr, possible_groups(skeleton, HYPEREDGE_GROUPS)))
                raise TopologyError(
                    f"{error}; hand JointHypergraph.from_skeleton(skeleton, groups=...) with groups that it can have "
                    f"({known}), or JointHypergraph.from_lists(num_joints, [[...], ...]) with hyperedges of your own"
                ) from None
            ids[name] = range(first, len(hyperedges))
        return cls.from_lists(
            skeleton.num_joints, hyperedges, hyperedge_weight=hyperedge_weight, groups=ids, skeleton=skeleton
        )

    @classmethod
    def from_bones(cls, skeleton: SkeletonLike) -> JointHypergraph:
        """Return every bone as a hyperedge of two joints, in the order of ``skeleton.edges``."""
        skeleton = as_skeleton(skeleton)
        return cls.from_lists(skeleton.num_joints, skeleton.edges, groups=_one_group("bones", skeleton.edges),
                              skeleton=skeleton)  # fmt: skip

    @classmethod
    @on_cpu
    def from_khop(cls, graph: GraphLike, k: int, directed: bool = False) -> JointHypergraph:
        """Return one hyperedge per node: the node and all nodes at most ``k`` edges (bones) away.

        Args:
            graph: A skeleton, the name of a layout, or a graph; PyG's is ``Graph(data.num_nodes, data.edge_index)``.
            k: Number of edges, 0 to 1000.
            directed: Follow edges in their direction, so that a hyperedge holds the nodes whose messages reach its node
                in ``k`` steps; else every edge counts both ways.

        Raises:
            TopologyError: If ``k`` is out of range.

        Example:
            >>> graph = Graph(4, [[0, 1, 2], [1, 2, 3]])
            >>> JointHypergraph.from_khop(graph, 1).hyperedges
            ((0, 1), (0, 1, 2), (1, 2, 3), (2, 3))
            >>> JointHypergraph.from_khop(graph, 1, directed=True).hyperedges
            ((0,), (0, 1), (1, 2), (2, 3))
        """
        index = near_in_graph(graph, k, directed)
        count = as_graph(graph).num_nodes
        return cls(index, count, count, groups=_one_group(f"{k}-hop", range(count)), skeleton=_skeleton_of(graph))

    @classmethod
    @on_cpu
    def from_knn(cls, x: Any, k: int, skeleton: SkeletonLike | None = None) -> JointHypergraph:
        """Return one hyperedge per joint: the ``k`` joints nearest to it in given features, itself among them.

        Of joints equally far, those of lower id are nearer. Hyperedges that follow the features of every call are
        ``KNNHyperedges`` of ``skelgraph.nn``, which finds the same ones.

        Args:
            x: Positions in a rest pose, or other features.
            k: Number of joints of every hyperedge.
            skeleton: The skeleton of the joints.

        Shapes:
            ``x``: ``(J, C)``.

        Raises:
            TopologyError: If ``x`` has another shape or ``k`` is not from 1 to the number of joints.

        Example:
            >>> JointHypergraph.from_knn([[0.0], [1.0], [5.0]], 2).hyperedges
            ((0, 1), (0, 1), (1, 2))
        """
        near = near_in_space(x, k)
        return cls.from_incidence(near, groups=_one_group(f"{k}-nearest", near), skeleton=skeleton)

    @classmethod
    @on_cpu
    def from_communities(
        cls, graph: GraphLike, resolution: float = 1.0, directed: bool = False, x: Any = None, k: int | None = None
    ) -> JointHypergraph:
        """Return the communities of a graph as hyperedges: groups of nodes with more edges inside than chance would
        have, by greedy merging as long as modularity grows (Clauset, Newman and Moore 2004, computed by networkx).

        Args:
            graph: A skeleton, the name of a layout, or a graph with positive weights.
            resolution: Above 1 for smaller communities, below 1 for larger ones.
            directed: Whether modularity is that of directed edges; else every edge counts both ways.
            x: Positions or other features. With them there is one hyperedge per node: the ``k`` nodes of its community
                that are nearest to it, itself among them; all of a smaller community.
            k: The number of nodes of these.

        Shapes:
            ``x``: ``(J, C)``.

        Code and paper: TopoBench finds the communities by k-means on eigenvectors of the modularity matrix, which
        depends on a seed, and takes the nearest nodes in them.

        Raises:
            TopologyError: If a weight is not positive, an undirected edge has two, or only one of ``x`` and ``k`` is
                given.

        Example:
            >>> two_triangles = Graph(6, [[0, 1, 2, 2, 3, 4, 5], [1, 2, 0, 3, 4, 5, 3]])
            >>> JointHypergraph.from_communities(two_triangles).hyperedges
            ((0, 1, 2), (3, 4, 5))
        """
        if (x is None) != (k is None):
            raise TopologyError(f"x is {shown(x)} and k is {shown(k)}; expected both or none of them")
        count, skeleton = as_graph(graph).num_nodes, _skeleton_of(graph)
        groups = communities(graph, resolution, directed)
        if x is None or k is None:
            return cls.from_lists(count, groups, groups=_one_group("communities", groups), skeleton=skeleton)
        members = cls.from_lists(count, groups).incidence
        near = near_in_space(x, k, among=members @ members.t() > 0)
        return cls.from_incidence(near, groups=_one_group(f"{k}-nearest of the community", near), skeleton=skeleton)

    @classmethod
    @on_cpu
    def from_curvature(
        cls,
        graph: GraphLike,
        quantile: float | None = 0.1,
        threshold: float | None = None,
        keep: Literal["below", "above"] = "below",
        node_weight: Any = None,
    ) -> JointHypergraph:
        """Return what is connected by the edges of low Forman-Ricci curvature, the backbones of Banf et al.,
        `"A Remedy for Over-Squashing in Graph Learning via Forman-Ricci Curvature based Graph-to-Hypergraph Structural
        Lifting" <https://arxiv.org/abs/2508.11390>`_ (2025).

        Every node is in one hyperedge; one that none of these edges touches is in one of its own. The curvatures are
        those of :func:`~skelgraph.topology.forman_curvature`.

        Args:
            graph: A skeleton, the name of a layout, or a graph; its edges count as undirected, without self loops.
            quantile: The share of edges up to whose curvature all are kept; ``None`` where ``threshold`` is given.
            threshold: A curvature in its place.
            keep: Whether edges of this curvature and ``"below"`` are kept, or ``"above"``, within clusters.
            node_weight: Weights of the nodes, positive, 1 by default.

        Shapes:
            ``node_weight``: ``(J,)``.

        Raises:
            TopologyError: If both or none of quantile and threshold are given, a weight is not positive, or the two
                directions of an edge have different ones.

        Example:
            >>> bridge = Graph(6, [[0, 1, 2, 2, 3, 4, 5], [1, 2, 0, 3, 4, 5, 3]])  # between two triangles
            >>> JointHypergraph.from_curvature(bridge).hyperedges
            ((0,), (1,), (2, 3), (4,), (5,))
            >>> JointHypergraph.from_curvature(bridge, None, -1.0, keep="above").hyperedges
            ((0, 1, 2), (3, 4, 5))
        """
        together = kept_together(graph, quantile, threshold, keep, node_weight)
        return cls.from_lists(
            as_graph(graph).num_nodes, together, groups=_one_group("curvature", together), skeleton=_skeleton_of(graph)
        )

    def __eq__(self, other: object) -> bool:
        """Whether nodes, hyperedges, weights, groups and skeleton are the same."""
        if not isinstance(other, JointHypergraph):
            return NotImplemented
        return (
            (self.num_nodes, self.num_hyperedges, list(self.groups.items()), self.skeleton)
            == (other.num_nodes, other.num_hyperedges, list(other.groups.items()), other.skeleton)
            and torch.equal(self._hyperedge_index, other._hyperedge_index)
            and self._hyperedge_weight.dtype == other._hyperedge_weight.dtype
            and torch.equal(self._hyperedge_weight, other._hyperedge_weight)
        )

    def __hash__(self) -> int:
        """Hash all fields but the weights."""
        index = self._hyperedge_index.numpy().tobytes()
        return hash((self.num_nodes, self.num_hyperedges, index, tuple(self.groups.items()), self.skeleton))

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild through the constructor: a mapping proxy can be neither pickled nor copied."""
        index, weight = self.hyperedge_index, self.hyperedge_weight
        return type(self), (index, self.num_nodes, self.num_hyperedges, weight, dict(self.groups), self.skeleton)

    def __repr__(self) -> str:  # noqa: D105
        groups = plain(", ".join(self.groups), 200)
        return f"JointHypergraph(num_nodes={self.num_nodes}, num_hyperedges={self.num_hyperedges}, groups=[{groups}])"

    @property
    def hyperedge_index(self) -> Tensor:
        """Node and hyperedge of every incidence, ``(2, nnz)``, int64, grouped by hyperedge, nodes ascending."""
        return self._hyperedge_index.clone()

    @property
    def hyperedge_weight(self) -> Tensor:
        """The weights of the hyperedges, ``(M,)``."""
        return self._hyperedge_weight.clone()

    @property
    def hyperedges(self) -> tuple[tuple[int, ...], ...]:
        """The node ids of every hyperedge, ascending."""
        nodes = self._hyperedge_index[0].split(self.hyperedge_degree.int().tolist())
        return tuple(tuple(members.tolist()) for members in nodes)

    @property
    def incidence(self) -> Tensor:
        """The incidence matrix ``(J, M)``: 1 where a joint is in a hyperedge."""
        matrix = self._hyperedge_weight.new_zeros(self.num_nodes, self.num_hyperedges)
        matrix[self._hyperedge_index[0], self._hyperedge_index[1]] = 1
        return matrix

    @property
    def node_degree(self) -> Tensor:
        """Sum of the weights of the hyperedges of every joint, ``(J,)``."""
        (nodes, hyperedges), weight = self._hyperedge_index, self._hyperedge_weight
        return weight.new_zeros(self.num_nodes).index_add(0, nodes, weight[hyperedges])

    @property
    def hyperedge_degree(self) -> Tensor:
        """Number of joints of every hyperedge, ``(M,)``."""
        return self._hyperedge_index[1].bincount(minlength=self.num_hyperedges).to(self._hyperedge_weight.dtype)

    @property
    def group_index(self) -> Tensor:
        """Position of the group of every hyperedge in :attr:`groups`, ``(M,)``, int64."""
        index = self._hyperedge_index.new_empty(self.num_hyperedges)
        for position, ids in enumerate(self.groups.values()):
            index[list(ids)] = position
        return index

    def bone_incidence(self) -> Tensor:
        """Return the signed incidence of the bones: -1 at the parent, +1 at the child.

        Shapes:
            ``(J, K)`` for the ``K`` bones of ``skeleton.edges``.

        Raises:
            TopologyError: If there is no skeleton.
        """
        return bone_incidence(self._skeleton())

    @on_cpu
    def bones_in_hyperedges(self) -> Tensor:
        """Return which bones lie in which hyperedges: 1 where both ends of a bone do.

        Shapes:
            ``(K, M)``.

        Raises:
            TopologyError: If there is no skeleton.
        """
        incidence = self.incidence
        ends = torch.tensor(self._skeleton().edges, dtype=torch.int64).view(-1, 2)
        return incidence[ends[:, 0]] * incidence[ends[:, 1]]

    def hop_distance(self) -> Tensor:
        """Return the number of bones between any two joints, ``(J, J)``, int64, -1 between different trees.

        Raises:
            TopologyError: If there is no skeleton.
        """
        return self._skeleton().hop_distance()

    def bone_hops(self) -> Tensor:
        """Return the number of bones from every joint to the nearer end of every bone, 0 where it is an end.

        Shapes:
            ``(J, K)``, int64, -1 between different trees.

        Raises:
            TopologyError: If there is no skeleton.
        """
        return _nearest(self.hop_distance(), self.bone_incidence())

    def hyperedge_hops(self) -> Tensor:
        """Return the number of bones from every joint to the nearest joint of every hyperedge, 0 for its members.

        Shapes:
            ``(J, M)``, int64, -1 between different trees.

        Raises:
            TopologyError: If there is no skeleton.
        """
        return _nearest(self.hop_distance(), self.incidence)

    @on_cpu
    def coalesce(self, op: Literal["mean", "sum", "max"] = "mean") -> JointHypergraph:
        """Return the hypergraph with equal hyperedges of one group merged into the first of them.

        Args:
            op: How the weights of equal hyperedges are merged.

        Raises:
            TopologyError: If there is no such operation.

        Example:
            >>> hypergraph = JointHypergraph.from_lists(3, [[0, 1], [2], [1, 0]], hyperedge_weight=[1.0, 2.0, 4.0])
            >>> merged = hypergraph.coalesce("sum")
            >>> merged.hyperedges, merged.hyperedge_weight.tolist()
            (((0, 1), (2,)), [5.0, 2.0])
        """
        if not isinstance(op, str) or op not in ("mean", "sum", "max"):
            raise TopologyError(f"op is {shown(op)}; expected 'mean', 'sum' or 'max'")
        first: dict[tuple[str, tuple[int, ...]], int] = {}
        of_group = {hyperedge: name for name, ids in self.groups.items() for hyperedge in ids}
        place = torch.tensor(
            [first.setdefault((of_group[m], members), len(first)) for m, members in enumerate(self.hyperedges)]
        )
        weight = self._hyperedge_weight.new_zeros(len(first)).scatter_reduce(
            0, place, self._hyperedge_weight, {"max": "amax"}.get(op, op), include_self=False
        )
        groups = {name: [m for (group, _), m in first.items() if group == name] for name in self.groups}
        lists = [members for _, members in first]
        return self.from_lists(self.num_nodes, lists, hyperedge_weight=weight, groups=groups, skeleton=self.skeleton)

    def plot(self, positions: Any = None, ax: Any = None, labels: bool = False) -> Any:
        """Draw the hyperedges as coloured areas over the skeleton.

        Args:
            positions: Where to draw the joints, array or tensor, ``y`` up; by default those of the skeleton's own plot,
                or a circle without a skeleton.
            ax: One matplotlib axis for all hyperedges; by default a new figure with one axis per group.
            labels: Write number and name of each joint beside it, and the hyperedges below the picture, each with its
                colour.

        Shapes:
            ``positions``: ``(J, 2)``.

        Returns:
            The matplotlib axis, or the list of axes of the new figure.
        """
        from skelgraph.viz.hypergraph_drawing import plot_hypergraph

        return plot_hypergraph(self, positions, ax, labels)

    def _skeleton(self) -> Skeleton:
        if self.skeleton is None:
            raise TopologyError("the hypergraph has no skeleton; hand one to its constructor for what is about bones")
        return self.skeleton


@on_cpu
def bone_incidence(skeleton: SkeletonLike) -> Tensor:
    """Return the signed incidence of the bones of a skeleton: -1 at the parent, +1 at the child.

    Shapes:
        ``(J, K)`` for the ``K`` bones of ``skeleton.edges``.
    """
    skeleton = as_skeleton(skeleton)
    matrix = torch.zeros(skeleton.num_joints, len(skeleton.edges))
    for bone, (parent, child) in enumerate(skeleton.edges):
        matrix[parent, bone], matrix[child, bone] = -1, 1
    return matrix


def _skeleton_of(graph: GraphLike) -> Skeleton | None:
    return None if isinstance(graph, Graph) else as_skeleton(graph)


def _one_group(name: str, hyperedges: Any) -> dict[str, range]:
    return {name: range(len(hyperedges))}


def _nearest(hop: Tensor, members: Tensor) -> Tensor:
    """Smallest ``hop (J, J)`` from a joint to those where ``members (J, T)`` is not zero, -1 where none is reached."""
    far = hop.size(0)
    reached = torch.where(hop < 0, far, hop).unsqueeze(-1).masked_fill((members == 0).unsqueeze(0), far)
    nearest = reached.amin(dim=1)
    return torch.where(nearest == far, -1, nearest)


def _check_index(index: Tensor, num_nodes: int, num_hyperedges: int) -> Tensor:
    """Return the index grouped by hyperedge with ascending nodes, every hyperedge a non-empty set of nodes."""
    is_index = isinstance(index, Tensor) and index.dtype == torch.int64 and index.layout == torch.strided
    if not is_index or index.dim() != 2 or index.size(0) != 2:
        found = f"{index.dtype} {tuple(index.shape)}" if isinstance(index, Tensor) else type(index).__name__
        raise TopologyError(f"hyperedge_index is {found}; expected an int64 tensor (2, nnz)")
    if num_nodes < 0 or num_hyperedges < 0:
        raise TopologyError(f"num_nodes={num_nodes} and num_hyperedges={num_hyperedges} must not be negative")
    index = index.cpu()
    nodes, hyperedges = index
    _refuse(index, (hyperedges < 0) | (hyperedges >= num_hyperedges), f"expected 0 to {num_hyperedges - 1} hyperedges")
    _refuse(index, (nodes < 0) | (nodes >= num_nodes), f"expected joint ids 0 to {num_nodes - 1}")
    key = (hyperedges * num_nodes + nodes).sort()
    index = index[:, key.indices].contiguous()
    twice = torch.zeros_like(key.values, dtype=torch.bool)
    twice[1:] = key.values[1:] == key.values[:-1]
    _refuse(index, twice, "it is there already; expected every joint once")
    empty = (index[1].bincount(minlength=num_hyperedges) == 0).nonzero()
    if len(empty):
        raise TopologyError(f"hyperedge {int(empty[0])} is empty; expected at least one joint")
    return index


def _refuse(index: Tensor, wrong: Tensor, expected: str) -> None:
    if wrong.any():
        node, hyperedge = index[:, wrong][:, 0].tolist()
        raise TopologyError(f"hyperedge {hyperedge} holds joint {node}; {expected}")


def _check_weight(weight: Tensor | Sequence[float] | None, num_hyperedges: int) -> Tensor:
    if weight is None:
        return torch.ones(num_hyperedges)
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        weight = to_tensor("hyperedge_weight", weight, torch.get_default_dtype())
    if weight.shape != (num_hyperedges,):
        raise TopologyError(
            f"hyperedge_weight has shape {tuple(weight.shape)}; expected one for each of {num_hyperedges} hyperedges"
        )
    wrong = (~(weight.isfinite() & (weight > 0))).nonzero()
    if len(wrong):
        hyperedge = int(wrong[0])
        raise TopologyError(f"hyperedge {hyperedge} has weight {weight[hyperedge].item()}; expected a positive number")
    return weight.detach().clone().cpu()


def _as_ids(what: str, ids: Iterable[int]) -> tuple[int, ...]:
    try:
        return tuple(operator.index(m) for m in ids)
    except TypeError:
        raise TopologyError(f"{what} is {shown(ids)}; expected integers") from None


def _check_groups(groups: Mapping[str, Iterable[int]] | None, num_hyperedges: int) -> dict[str, tuple[int, ...]]:
    if groups is None:
        return {"main": tuple(range(num_hyperedges))}
    if not isinstance(groups, Mapping):
        raise TopologyError(f"groups is {shown(groups)}; expected hyperedge ids by the name of their group")
    checked = {str(name): _as_ids(f"groups[{shown(name)}]", ids) for name, ids in groups.items()}
    owner: dict[int, str] = {}
    for name, ids in checked.items():
        for hyperedge in ids:
            if not 0 <= hyperedge < num_hyperedges:
                raise TopologyError(
                    f"groups[{shown(name)}] holds hyperedge {hyperedge}; expected 0 to {num_hyperedges - 1}"
                )
            if hyperedge in owner:
                raise TopologyError(
                    f"groups: hyperedge {hyperedge} is in {shown(owner[hyperedge])} and {shown(name)}; "
                    "expected one group"
                )
            owner[hyperedge] = name
    for hyperedge in range(num_hyperedges):
        if hyperedge not in owner:
            raise TopologyError(f"groups: hyperedge {hyperedge} is in no group; expected one group")
    return checked


HypergraphLike: TypeAlias = JointHypergraph | SkeletonLike


def as_hypergraph(hypergraph: HypergraphLike) -> JointHypergraph:
    """Return a hypergraph as it is, and a skeleton or layout name as the hypergraph of its default groups.

    Raises:
        TopologyError: If it is none of these, or the skeleton lacks what these groups are made of; the message says
            what to do.
        SkelgraphError: If there is no such layout.
    """
    if isinstance(hypergraph, JointHypergraph):
        return hypergraph
    if not isinstance(hypergraph, Skeleton | str | Mapping | PathLike):
        raise TopologyError(
            f"hypergraph is {shown(hypergraph)}; expected a JointHypergraph (JointHypergraph.from_lists makes one of "
            "lists, from_pyg and from_dhg of skelgraph.topology of theirs), a skeleton or the name of a layout"
        )
    return JointHypergraph.from_skeleton(hypergraph)
