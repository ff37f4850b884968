"""Graphs of several resolutions: a body as joints, as a coarse and as a fine mesh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.fixed import on_cpu
from skelgraph.options import Int64, check_option
from skelgraph.text import shown
from skelgraph.topology.arrays import to_ids, to_tensor
from skelgraph.topology.coarsening import MatchingRule, heavy_edge_matching, mesh_graph
from skelgraph.topology.graph import Graph, GraphLike, as_graph

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData


class MultiScaleGraph:
    """A hierarchy of graphs, finest first; every node of a level belongs to one node of the next.

    The weight of a coarse edge is the sum of the weights between the two groups, and that of a coarse self loop the sum
    within the group, so that no weight is lost. :meth:`coarsen` and :meth:`from_mesh` choose the groups.

    For networks with one size per level that is a multiple of the next coarser one, :meth:`padded` orders the nodes as
    `Pose2Mesh <https://arxiv.org/abs/2008.09047>`_ does: every node has equally many children, next to each other,
    and nodes without edges are added where there are fewer.

    Args:
        graph: The finest level: a :class:`~skelgraph.topology.Graph`, a skeleton or the name of a layout.
        parents: For every level but the coarsest, to which node of the next level its nodes belong.
        faces: The triangles of the finest level, if it is a mesh; :meth:`triangles` has those of every level.

    Shapes:
        - ``parents[l]`` ``(N_l)``, int64, ids ``0`` to ``N_{l+1} - 1``, each at least once
        - ``faces`` ``(F, 3)``, ids of the finest level

    Raises:
        TopologyError: If the parents or the faces do not fit the graph.

    Example:
        >>> from skelgraph.topology import body_parts, as_skeleton
        >>> parent = torch.empty(17, dtype=torch.long)
        >>> for part, joints in enumerate(body_parts(as_skeleton("h36m17"))):
        ...     parent[joints] = part
        >>> MultiScaleGraph("h36m17", [parent])
        MultiScaleGraph(17 -> 5)
    """

    graphs: tuple[Graph, ...]
    parents: tuple[Tensor, ...]
    faces: Tensor | None

    @on_cpu
    def __init__(
        self,
        graph: GraphLike,
        parents: Iterable[Tensor | Sequence[int]] = (),
        faces: Tensor | Sequence[Sequence[int]] | None = None,
    ) -> None:
        graphs, read = [as_graph(graph)], []
        if not isinstance(parents, Iterable):
            raise TopologyError(f"parents is {shown(parents)}; expected a sequence of tensors")
        for level, given in enumerate(parents):
            parent = to_ids(f"parents[{level}]", given)
            fine = graphs[-1]
            if parent.shape != (fine.num_nodes,):
                raise TopologyError(
                    f"parents[{level}] has shape {tuple(parent.shape)} of {parent.dtype}; "
                    f"expected an integer for each of {fine.num_nodes} nodes"
                )
            num_groups = int(parent.max()) + 1 if len(parent) else 0
            if not torch.equal(parent.unique(), torch.arange(num_groups)):
                raise TopologyError(
                    f"parents[{level}] leaves out some of the ids from 0 to {num_groups - 1}, or some are negative; "
                    "expected every node of the next level to have a member"
                )
            read.append(parent.long())
            graphs.append(Graph(num_groups, parent.long()[fine.edge_index], fine.edge_weight))
        self.graphs, self.parents, self.faces = tuple(graphs), tuple(read), None
        if faces is not None:
            corners = to_ids("faces", faces).long()
            if corners.dim() != 2 or corners.size(1) != 3:
                raise TopologyError(f"faces has shape {tuple(corners.shape)}; expected (F, 3)")
            if corners.numel() and not 0 <= int(corners.min()) <= int(corners.max()) < self.sizes[0]:
                raise TopologyError(
                    f"faces holds the nodes {int(corners.min())} to {int(corners.max())}; expected 0 to "
                    f"{self.sizes[0] - 1}"
                )
            self.faces = corners

    @classmethod
    @on_cpu
    def coarsen(cls, graph: GraphLike, num_levels: int, rule: MatchingRule = "released") -> MultiScaleGraph:
        """Coarsen a graph by :func:`~skelgraph.topology.heavy_edge_matching`, each level to about half the size.

        Args:
            graph: The finest level.
            num_levels: How often to coarsen.
            rule: ``"released"`` for the groups that published networks were trained with, defects included, or
                ``"corrected"``.

        Raises:
            TopologyError: If the rule is unknown, or a node has no edge (``"released"`` only).
        """
        num_levels = check_option("num_levels", num_levels, Int64)
        if not 0 <= num_levels <= 100:
            raise TopologyError(f"num_levels is {num_levels}; expected 0 to 100")
        levels, parents = [as_graph(graph)], []
        for level in range(num_levels):
            degree = None
            if level == 0 and rule == "released":  # the released code leaves out self loops at this level only
                sender, receiver = levels[0].edge_index
                weight = levels[0].edge_weight * (sender != receiver)
                degree = torch.zeros(levels[0].num_nodes, dtype=weight.dtype).index_add(0, sender, weight)
            parents.append(heavy_edge_matching(levels[-1], rule, degree))
            levels.append(cls(levels[-1], parents[-1:]).graphs[-1])
        return cls(levels[0], parents)

    @classmethod
    def from_mesh(cls, faces: Tensor, num_levels: int = 9, rule: MatchingRule = "released") -> MultiScaleGraph:
        """Coarsen a triangle mesh; on SMPL 9 levels lead to the 96 and 48 nodes of HGN at levels 7 and 8.

        Args:
            faces: Vertex ids of every triangle, ``(F, 3)``.
            num_levels: How often to coarsen.
            rule: As for :meth:`coarsen`.

        Raises:
            TopologyError: If the faces are no triangles, the rule is unknown, or a vertex is in no triangle
                (``"released"`` only).
        """
        hierarchy = cls.coarsen(mesh_graph(faces), num_levels, rule)
        return cls(hierarchy.graphs[0], hierarchy.parents, faces)

    def __repr__(self) -> str:  # noqa: D105
        return f"MultiScaleGraph({' -> '.join(map(str, self.sizes))})"

    @classmethod
    @on_cpu
    def from_dict(cls, data: Mapping[str, Any]) -> MultiScaleGraph:
        """Return the hierarchy that :meth:`to_dict` wrote.

        Raises:
            TopologyError: If the data are anything else.
        """
        keys = {"num_nodes", "edges", "parents", "faces"}
        if not isinstance(data, Mapping) or set(data) != keys:
            raise TopologyError(f"graph is {shown(data)}; expected an object of {', '.join(sorted(keys))}")
        edges = to_tensor("edges", data["edges"], torch.float64)
        if edges.dim() != 2 or edges.size(1) != 3:
            raise TopologyError(f"edges has shape {tuple(edges.shape)}; expected sender, receiver and weight (E, 3)")
        graph = Graph(data["num_nodes"], edges[:, :2].t().long(), edges[:, 2])
        return cls(graph, data["parents"], data["faces"])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON, that :meth:`from_dict` makes the same hierarchy of."""
        graph = self.graphs[0]
        edges = zip(*graph.edge_index.tolist(), graph.edge_weight.tolist(), strict=True)
        return {
            "num_nodes": graph.num_nodes,
            "edges": [list(edge) for edge in edges],
            "parents": [parent.tolist() for parent in self.parents],
            "faces": None if self.faces is None else self.faces.tolist(),
        }

    def from_level(self, level: int) -> MultiScaleGraph:
        """Return the hierarchy without its levels finer than a level, which becomes level 0.

        Raises:
            TopologyError: If there is no such level.
        """
        level = self.level(level)
        faces = None if self.faces is None else self.triangles(level)
        return MultiScaleGraph(self.graphs[level], self.parents[level:], faces)

    @on_cpu
    def triangles(self, level: int = 0) -> Tensor:
        """Return the triangles of a level of a mesh: those of the finest level between nodes of three groups.

        Args:
            level: The level.

        Returns:
            Node ids ``(F_l, 3)``, each triangle once and with the side that it had outside.

        Raises:
            TopologyError: If there is no such level, or the finest is no mesh.
        """
        level = self.level(level)
        if self.faces is None:
            raise TopologyError(f"{self!r} has no faces; expected a mesh, such as MultiScaleGraph.from_mesh(faces)")
        if level == 0:
            return self.faces
        ancestor, _ = self.membership(0, level)
        a, b, c = ancestor[self.faces].unbind(1)
        corners = torch.stack([a, b, c], dim=1)[(a != b) & (b != c) & (c != a)]
        turn = (corners.argmin(1, keepdim=True) + torch.arange(3)) % 3  # the least id first, in the same sense
        return corners.gather(1, turn).unique(dim=0)

    @property
    def num_levels(self) -> int:
        """Number of levels, the finest included."""
        return len(self.graphs)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of nodes of every level."""
        return tuple(graph.num_nodes for graph in self.graphs)

    @property
    def padded_sizes(self) -> tuple[int, ...]:
        """Number of nodes of every level when padded."""
        return tuple(len(order) for order in self._orders())

    def adjacency(self, level: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the adjacency matrix of a level, ``(N_l, N_l)``."""
        return self.graphs[self.level(level)].adjacency(dtype=dtype)

    @on_cpu
    def membership(self, fine: int = 0, coarse: int = -1, by_size: bool = False) -> tuple[Tensor, Tensor]:
        """Return to which node of a coarse level each node of a fine level belongs, and its weight in the group's mean.

        Args:
            fine: The fine level.
            coarse: The coarse level.
            by_size: Weigh all nodes of the fine level alike; otherwise, as published, the mean of a group is the
                unweighted mean of its direct members' means, however many nodes these stand for.

        Returns:
            The ancestors ``(N_fine)``, int64, and the weights ``(N_fine)``, float64; those of a group sum to 1.

        Raises:
            TopologyError: If there are no such levels.
        """
        fine, coarse = self.level(fine), self.level(coarse)
        if fine > coarse:
            raise TopologyError(f"fine is level {fine} and coarse level {coarse}; expected the finer level first")
        ancestor = torch.arange(self.sizes[fine])
        weight = torch.ones(self.sizes[fine], dtype=torch.float64)
        for parent in self.parents[fine:coarse]:
            if not by_size:
                weight = weight / torch.bincount(parent)[parent[ancestor]]
            ancestor = parent[ancestor]
        if by_size:
            weight = weight / torch.bincount(ancestor)[ancestor]
        return ancestor, weight

    def pool(self, x: Tensor, fine: int = 0, coarse: int = -1, by_size: bool = False) -> Tensor:
        """Average features over the groups of a coarse level: of vertices, the coarse mesh.

        Args:
            x: Features of the nodes of the fine level.
            fine: The fine level.
            coarse: The coarse level.
            by_size: As for :meth:`membership`.

        Shapes:
            ``(..., N_fine, C)`` to ``(..., N_coarse, C)``.

        Raises:
            TopologyError: If ``x`` is not on the fine level or there are no such levels.
        """
        ancestor, weight = self.membership(fine, coarse, by_size)
        if not isinstance(x, Tensor):
            raise TopologyError(f"x is {shown(x)}; expected a tensor")
        if x.dim() < 2 or x.size(-2) != len(ancestor):
            raise TopologyError(f"x has shape {tuple(x.shape)}; expected (..., {len(ancestor)}, C) on level {fine}")
        pooled = x.new_zeros(*x.shape[:-2], self.sizes[self.level(coarse)], x.size(-1))
        return pooled.index_add(-2, ancestor.to(x.device), x * weight.to(x)[:, None])

    @on_cpu
    def averaging(
        self, fine: int = 0, coarse: int = -1, by_size: bool = False, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Return :meth:`pool` as a matrix ``(N_coarse, N_fine)``; its rows sum to 1.

        Raises:
            TopologyError: If there are no such levels.
        """
        ancestor, weight = self.membership(fine, coarse, by_size)
        matrix = torch.zeros(self.sizes[self.level(coarse)], len(ancestor), dtype=dtype)
        matrix[ancestor, torch.arange(len(ancestor))] = weight.to(dtype)
        return matrix

    def children(self, level: int) -> Tensor:
        """Return the nodes of the level below that form each node of a level, ascending.

        Shapes:
            ``(N_l, A)``, int64, -1 where a node has fewer; ``A`` is the size of the largest group and at least 2.

        Raises:
            TopologyError: If there is no such level, or it is the finest.
        """
        level = self.level(level)
        if level == 0:
            raise TopologyError("level is 0, the finest; expected a level with one below")
        return _children(self.parents[level - 1])

    def order(self, level: int) -> Tensor:
        """Return the node at every place of the padded level; ids from ``N_l`` on are padding.

        Shapes:
            ``(padded_sizes[l])``, int64, a permutation.
        """
        return self._orders()[self.level(level)]

    def position(self, level: int) -> Tensor:
        """Return the place of every node in the padded level, the inverse of :meth:`order` without the padding.

        Shapes:
            ``(N_l)``, int64.
        """
        level = self.level(level)
        return torch.argsort(self.order(level))[: self.sizes[level]]

    def padded(self, level: int) -> Graph:
        """Return a level in which every node has equally many children on the level below, side by side.

        Padding nodes have no edges. The weights of a padded level are the sums over blocks of the one below.

        Raises:
            TopologyError: If there is no such level.
        """
        order, position = self.order(level), self.position(level)
        graph = self.graphs[self.level(level)]
        return Graph(len(order), position[graph.edge_index], graph.edge_weight)

    @on_cpu
    def to_hetero_data(self, features: Sequence[Tensor] | None = None) -> HeteroData:
        """Return the hierarchy as one PyG graph.

        Level ``l`` is the node type ``level_l``; its edges are ``(level_l, connects, level_l)`` with ``edge_weight``,
        and ``(level_l, belongs_to, level_{l+1})`` leads from every node to its parent.

        Args:
            features: Node features ``(N_l, C_l)`` of every level.

        Raises:
            TopologyError: If the features do not fit the levels.
        """
        from torch_geometric.data import HeteroData

        shapes = None if features is None else [x.size(0) for x in features]
        if shapes is not None and shapes != list(self.sizes):
            raise TopologyError(f"features are on {shapes} nodes; expected {list(self.sizes)}")
        data = HeteroData()
        for level, graph in enumerate(self.graphs):
            nodes = data[f"level_{level}"]
            nodes.num_nodes = graph.num_nodes
            if features is not None:
                nodes.x = features[level]
            edges = data[f"level_{level}", "connects", f"level_{level}"]
            edges.edge_index, edges.edge_weight = graph.edge_index, graph.edge_weight
        for level, parent in enumerate(self.parents):
            edges = data[f"level_{level}", "belongs_to", f"level_{level + 1}"]
            edges.edge_index = torch.stack([torch.arange(len(parent)), parent])
        return data

    @classmethod
    def from_hetero_data(cls, data: HeteroData) -> MultiScaleGraph:
        """Return the hierarchy that :meth:`to_hetero_data` wrote.

        Raises:
            TopologyError: If it is another kind of graph.
        """
        num_levels = len(data.node_types)
        try:
            edges = data["level_0", "connects", "level_0"]
            graph = Graph(data["level_0"].num_nodes, edges.edge_index, edges.edge_weight)
            links = [data[f"level_{i}", "belongs_to", f"level_{i + 1}"].edge_index for i in range(num_levels - 1)]
        except (AttributeError, KeyError) as error:
            raise TopologyError(
                f"data has the node types {data.node_types} and edge types {data.edge_types}; "
                "expected those of MultiScaleGraph.to_hetero_data()"
            ) from error
        return cls(graph, [torch.empty_like(child).index_copy(0, child, parent) for child, parent in links])

    def level(self, level: int) -> int:
        """Return the number of a level counted from 0, the finest.

        Args:
            level: The level, which may be counted from the end: -1 is the coarsest.

        Raises:
            TopologyError: If there is no such level.
        """
        level = check_option("level", level, Int64)
        if not -self.num_levels <= level < self.num_levels:
            raise TopologyError(f"level is {level}; expected 0 to {self.num_levels - 1}, or from the end")
        return level % self.num_levels

    @on_cpu
    def _orders(self) -> list[Tensor]:
        """The padded order of every level: the coarsest as it is, then the children of each node in turn."""
        orders = [torch.arange(self.sizes[-1])]
        for parent in reversed(self.parents):
            table = _children(parent)
            padding = table.new_full((len(orders[-1]) - len(table), table.size(1)), -1)  # padding has padding below it
            order = torch.cat([table, padding])[orders[-1]].flatten()
            missing = order < 0
            order[missing] = torch.arange(len(parent), len(parent) + int(missing.sum()))
            orders.append(order)
        return orders[::-1]


@on_cpu
def _children(parent: Tensor) -> Tensor:
    """The members of every group, ascending, -1 where it has fewer than the largest (or than two)."""
    count = torch.bincount(parent)
    table = torch.full((len(count), max(2, int(count.max()))), -1)
    members = torch.argsort(parent, stable=True)
    rank = torch.arange(len(parent)) - (count.cumsum(0) - count)[parent[members]]
    table[parent[members], rank] = members
    return table
