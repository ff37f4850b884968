"""The joint hypergraph: groups of joints of any size as data, and the matrices that layers need."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.fixed import FixedBuffers, on_cpu
from skelgraph.options import Int64, check_option
from skelgraph.text import plain, shown
from skelgraph.topology.arrays import to_ids, to_tensor
from skelgraph.topology.hyperedge_groups import HYPEREDGE_GROUPS, hyperedge_groups, possible_groups
from skelgraph.topology.layouts import SkeletonLike, as_skeleton
from skelgraph.topology.skeleton import Skeleton

if TYPE_CHECKING:
    from torch_geometric.data.hypergraph_data import HyperGraphData

    from skelgraph.topology.hypergraph_data import JointHypergraphData

DEFAULT_GROUPS = ("parts", "sides", "halves", "sym")


class JointHypergraph(FixedBuffers):
    """Hyperedges, groups of any number of nodes, with positive weights; the nodes are joints, of a skeleton or not.

    A module that holds buffers only, so that the device and dtype moves of a model reach it; they are no part of a
    state dict. Equal hyperedges are kept apart, see :meth:`coalesce`.

    Args:
        hyperedge_index: Node and hyperedge of every incidence, in PyG's convention; in any order.
        num_nodes: Number of nodes; a node may be in no hyperedge.
        num_hyperedges: Number of hyperedges.
        weight: Weight of every hyperedge, 1 by default. A floating-point tensor keeps its type; other numbers take
            torch's default type.
        groups: Hyperedge ids by group name; every hyperedge is in exactly one group. By default all are in ``"main"``.
        skeleton: The skeleton of the joints, for the methods about bones and for :meth:`plot`.

    Shapes:
        - ``hyperedge_index``: ``(2, nnz)``, int64; the buffer is grouped by hyperedge, nodes ascending
        - ``weight``: ``(M,)``

    Raises:
        TopologyError: If an id is out of range, a node is twice in a hyperedge, a hyperedge is empty, a weight is not
            positive and finite, or the groups or the skeleton do not fit; the message names the hyperedge.

    Example:
        >>> hypergraph = JointHypergraph.from_skeleton("h36m17")
        >>> hypergraph
        JointHypergraph(num_nodes=17, num_hyperedges=15, groups=[parts, sides, halves, sym])
        >>> hypergraph.hyperedges[1]
        (14, 15, 16)
    """

    hyperedge_index: Tensor
    weight: Tensor
    follows_default_device = False  # on its own it is topology

    @on_cpu
    def __init__(
        self,
        hyperedge_index: Tensor,
        num_nodes: int,
        num_hyperedges: int,
        weight: Tensor | Sequence[float] | None = None,
        groups: Mapping[str, Iterable[int]] | None = None,
        skeleton: SkeletonLike | None = None,
    ) -> None:
        super().__init__()
        self.num_nodes = check_option("num_nodes", num_nodes, Int64)
        self.num_hyperedges = check_option("num_hyperedges", num_hyperedges, Int64)
        self.register_buffer("hyperedge_index", _check_index(hyperedge_index, num_nodes, num_hyperedges), False)
        device = self.hyperedge_index.device
        self.register_buffer("weight", _check_weight(weight, num_hyperedges).to(device), False)
        self.groups: dict[str, tuple[int, ...]] = _check_groups(groups, num_hyperedges)
        self.skeleton: Skeleton | None = None if skeleton is None else as_skeleton(skeleton)
        if self.skeleton is not None and self.skeleton.num_joints != num_nodes:
            raise TopologyError(f"skeleton is {self.skeleton!r}; expected one of {num_nodes} joints")

    @classmethod
    @on_cpu
    def from_lists(cls, num_nodes: int, hyperedges: Iterable[Iterable[int]], **options: Any) -> JointHypergraph:
        """Return the hypergraph of node lists.

        Args:
            num_nodes: Number of nodes.
            hyperedges: The nodes of every hyperedge, in any order.
            **options: ``weight``, ``groups`` and ``skeleton`` of :class:`JointHypergraph`.

        Raises:
            TopologyError: As :class:`JointHypergraph`.
        """
        try:
            lists = [list(members) for members in hyperedges]
        except TypeError:
            raise TopologyError(f"hyperedges is {shown(hyperedges)}; expected a list of node ids for each") from None
        pairs = [(node, hyperedge) for hyperedge, members in enumerate(lists) for node in members]
        index = to_ids("hyperedges", pairs if pairs else torch.empty(0, 2, dtype=torch.int64)).long().view(-1, 2).t()
        return cls(index, num_nodes, len(lists), **options)

    @classmethod
    @on_cpu
    def from_incidence(cls, incidence: Any, **options: Any) -> JointHypergraph:
        """Return the hypergraph of an incidence matrix, array or tensor of zeros and ones.

        Args:
            incidence: 1 where a node is in a hyperedge.
            **options: ``weight``, ``groups`` and ``skeleton`` of :class:`JointHypergraph`.

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
        weight: Tensor | Sequence[float] | None = None,
    ) -> JointHypergraph:
        """Return named groups of hyperedges on a skeleton.

        Args:
            skeleton: A skeleton with parts and symmetric pairs, or the name of a layout.
            groups: Names of :func:`~skelgraph.topology.hyperedge_groups`, in their order.
            weight: Weight of every hyperedge.

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
        return cls.from_lists(skeleton.num_joints, hyperedges, weight=weight, groups=ids, skeleton=skeleton)

    @classmethod
    def from_bones(cls, skeleton: SkeletonLike) -> JointHypergraph:
        """Return every bone as a hyperedge of two joints, in the order of ``skeleton.edges``."""
        skeleton = as_skeleton(skeleton)
        return cls.from_lists(skeleton.num_joints, skeleton.edges, groups=_one_group("bones", skeleton.edges),
                              skeleton=skeleton)  # fmt: skip

    @classmethod
    def from_khop(cls, skeleton: SkeletonLike, k: int) -> JointHypergraph:
        """Return one hyperedge per joint: the joint and all joints at most ``k`` bones away.

        Raises:
            TopologyError: If ``k`` is negative.
        """
        skeleton = as_skeleton(skeleton)
        near = skeleton.hop_mask(k, "within")
        return cls.from_incidence(near, groups=_one_group(f"{k}-hop", near), skeleton=skeleton)

    @classmethod
    def from_pyg(
        cls,
        data: HyperGraphData | Tensor,
        num_nodes: int | Tensor | None = None,
        num_hyperedges: int | Tensor | None = None,
        **options: Any,
    ) -> JointHypergraph:
        """Return the hypergraph of PyG's ``HyperGraphData`` or of a ``hyperedge_index``.

        Args:
            data: A data object or batch (``hyperedge_weight`` is read if there is one), or an index ``(2, nnz)``.
            num_nodes: Number of nodes; by default the rows of ``data.x``, else the ``num_nodes`` that was set (what PyG
                answers is wrong where the numbers of nodes and hyperedges agree), else the largest id + 1.
            num_hyperedges: Number of hyperedges (a tensor: of every graph of a batch), by default that of the data,
                else the largest id + 1.
            **options: ``weight``, ``groups`` and ``skeleton`` of :class:`JointHypergraph`.

        Raises:
            TopologyError: As :class:`JointHypergraph`.
        """
        if isinstance(data, Tensor):
            index = data
        elif not hasattr(data, "edge_index") or not hasattr(data, "get"):
            raise TopologyError(f"data is {shown(data)}; expected PyG's HyperGraphData or a hyperedge_index (2, nnz)")
        else:
            index = data.edge_index
            options.setdefault("weight", data.get("hyperedge_weight", None))
            stored = stored_sizes(data)
            num_nodes = stored[0] if num_nodes is None else num_nodes
            num_hyperedges = stored[1] if num_hyperedges is None else num_hyperedges
        if num_nodes is None:
            num_nodes = int(index[0].max()) + 1 if index.numel() else 0
        if num_hyperedges is None:
            num_hyperedges = int(index[1].max()) + 1 if index.numel() else 0
        return cls(index, total(num_nodes), total(num_hyperedges), **options)

    @classmethod
    def from_dhg(cls, hypergraph: Any, skeleton: SkeletonLike | None = None) -> JointHypergraph:
        """Return the hypergraph of a ``dhg.Hypergraph``, its hyperedge groups in their order.

        Args:
            hypergraph: A ``dhg.Hypergraph``.
            skeleton: The skeleton of the joints.

        Raises:
            TopologyError: If it has vertex weights, which would be lost, or a vertex twice in a hyperedge.
        """
        if any(weight != 1 for weight in hypergraph.v_weight or ()):
            raise TopologyError(
                "the dhg.Hypergraph has vertex weights other than 1; expected weights on hyperedges only"
            )
        hyperedges: list[Sequence[int]] = []
        weights: list[float] = []
        groups: dict[str, range] = {}
        for name in hypergraph.group_names:
            lists, group_weights = hypergraph.e_of_group(name)
            groups[name] = range(len(hyperedges), len(hyperedges) + len(lists))
            hyperedges += lists
            weights += group_weights
        return cls.from_lists(
            hypergraph.num_v, hyperedges, weight=weights, groups=groups or None, skeleton=skeleton
        ).to(hypergraph.device)

    @property
    def hyperedges(self) -> tuple[tuple[int, ...], ...]:
        """The node ids of every hyperedge, ascending."""
        nodes = self.hyperedge_index[0].cpu().split(self.hyperedge_degree.int().tolist())
        return tuple(tuple(members.tolist()) for members in nodes)

    @property
    def incidence(self) -> Tensor:
        """The incidence matrix ``(J, M)``: 1 where a joint is in a hyperedge."""
        matrix = self.weight.new_zeros(self.num_nodes, self.num_hyperedges)
        matrix[self.hyperedge_index[0], self.hyperedge_index[1]] = 1
        return matrix

    @property
    def node_degree(self) -> Tensor:
        """Sum of the weights of the hyperedges of every joint, ``(J,)``."""
        nodes, hyperedges = self.hyperedge_index
        return self.weight.new_zeros(self.num_nodes).index_add(0, nodes, self.weight[hyperedges])

    @property
    def hyperedge_degree(self) -> Tensor:
        """Number of joints of every hyperedge, ``(M,)``."""
        return self.hyperedge_index[1].bincount(minlength=self.num_hyperedges).to(self.weight.dtype)

    @property
    def group_index(self) -> Tensor:
        """Position of the group of every hyperedge in :attr:`groups`, ``(M,)``, int64."""
        index = self.hyperedge_index.new_empty(self.num_hyperedges)
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
        incidence = self.incidence.cpu()
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
        return _nearest(self.hop_distance(), self.incidence.cpu())

    @on_cpu
    def coalesce(self, op: Literal["mean", "sum", "max"] = "mean") -> JointHypergraph:
        """Return the hypergraph with equal hyperedges of one group merged into the first of them.

        Args:
            op: How the weights of equal hyperedges are merged.

        Raises:
            TopologyError: If there is no such operation.
        """
        if not isinstance(op, str) or op not in ("mean", "sum", "max"):
            raise TopologyError(f"op is {shown(op)}; expected 'mean', 'sum' or 'max'")
        first: dict[tuple[str, tuple[int, ...]], int] = {}
        of_group = {hyperedge: name for name, ids in self.groups.items() for hyperedge in ids}
        place = torch.tensor(
            [first.setdefault((of_group[m], members), len(first)) for m, members in enumerate(self.hyperedges)]
        )
        weight = self.weight.new_zeros(len(first)).scatter_reduce(
            0, place.to(self.weight.device), self.weight, {"max": "amax"}.get(op, op), include_self=False
        )
        groups = {name: [m for (group, _), m in first.items() if group == name] for name in self.groups}
        lists = [members for _, members in first]
        merged = self.from_lists(self.num_nodes, lists, weight=weight, groups=groups, skeleton=self.skeleton)
        return merged.to(self.weight.device)

    def to_pyg(self, batch_size: int | None = None, x: Tensor | None = None) -> JointHypergraphData:
        """Return PyG's ``HyperGraphData``; for a batch of poses the disjoint union of ``batch_size`` copies.

        ``data.edge_index`` is the ``hyperedge_index`` of ``HypergraphConv``, ``data.hyperedge_weight`` its weight and
        ``data.num_hyperedges`` what its argument ``num_edges`` must be.

        Args:
            batch_size: Number of copies; without it one graph without ``data.batch``.
            x: Features of the nodes.

        Shapes:
            ``x``: ``(J, C)``, or ``(batch_size, J, C)``; ``data.x`` is ``(batch_size * J, C)``.

        Raises:
            TopologyError: If the batch size is not positive or ``x`` has another shape.
        """
        from skelgraph.topology.hypergraph_data import JointHypergraphData

        batch_size = check_option("batch_size", batch_size, Int64 | None)
        if batch_size is not None and batch_size < 1:
            raise TopologyError(f"batch_size is {batch_size}; expected at least 1")
        lead = () if batch_size is None else (batch_size,)
        if x is not None and not isinstance(x, Tensor):
            raise TopologyError(f"x is {shown(x)}; expected a tensor")
        if x is not None and x.shape[:-1] != (*lead, self.num_nodes):
            raise TopologyError(f"x has shape {tuple(x.shape)}; expected {(*lead, self.num_nodes)} and channels")
        copies = batch_size or 1
        data = JointHypergraphData(
            x=None if x is None else x.reshape(-1, x.size(-1)),
            edge_index=disjoint_union(self.hyperedge_index, copies, self.num_nodes, self.num_hyperedges),
            hyperedge_weight=self.weight.repeat(copies),
            num_nodes=copies * self.num_nodes,
            num_hyperedges=copies * self.num_hyperedges,
        )
        if batch_size is not None:
            data.batch = torch.arange(copies, device=self.weight.device).repeat_interleave(self.num_nodes)
        return data

    def to_dhg(self) -> Any:
        """Return the ``dhg.Hypergraph`` with the same hyperedges, weights and groups; needs the extra ``hypergraph``.

        Raises:
            TopologyError: If something would be lost: DHG merges equal hyperedges of a group, orders hyperedges by
                group, and cannot be without hyperedges.
        """
        self._check_dhg()
        try:
            import dhg
        except ImportError as error:
            raise TopologyError("to_dhg needs DHG: pip install 'skelgraph[hypergraph]'") from error

        result = dhg.Hypergraph(self.num_nodes, device=self.hyperedge_index.device)
        hyperedges, weights = self.hyperedges, self.weight.tolist()
        for name, ids in self.groups.items():
            lists = [list(hyperedges[m]) for m in ids]
            result.add_hyperedges(lists, e_weight=[weights[m] for m in ids], group_name=name)
        return result

    def _check_dhg(self) -> None:
        if self.num_hyperedges == 0:
            raise TopologyError("the hypergraph has no hyperedges, which DHG does not allow")
        order = [hyperedge for ids in self.groups.values() for hyperedge in ids]
        if moved := [hyperedge for place, hyperedge in enumerate(order) if place != hyperedge]:
            raise TopologyError(
                f"groups: hyperedge {moved[0]} would get another id, as DHG orders hyperedges by group; "
                "expected groups one after the other"
            )
        hyperedges = self.hyperedges
        for name, ids in self.groups.items():
            first: dict[tuple[int, ...], int] = {}
            for m in ids:
                if (other := first.setdefault(hyperedges[m], m)) != m:
                    raise TopologyError(
                        f"hyperedges {other} and {m} of group {shown(name)} are equal and DHG would merge them; "
                        "call coalesce() first if that is what you want"
                    )
        if empty := [name for name, ids in self.groups.items() if not ids]:
            raise TopologyError(f"groups: {shown(empty[0])} is empty and would be lost")

    def plot(self, positions: Any = None, ax: Any = None) -> Any:
        """Draw the hyperedges as coloured areas over the skeleton.

        Args:
            positions: Where to draw the joints, array or tensor, ``y`` up; by default those of the skeleton's own plot,
                or a circle without a skeleton.
            ax: One matplotlib axis for all hyperedges; by default a new figure with one axis per group.

        Shapes:
            ``positions``: ``(J, 2)``.

        Returns:
            The matplotlib axis, or the list of axes of the new figure.
        """
        from skelgraph.viz.hypergraph_drawing import plot_hypergraph

        return plot_hypergraph(self, positions, ax)

    def extra_repr(self) -> str:
        """Numbers of nodes and hyperedges and the groups."""
        groups = plain(", ".join(self.groups), 200)
        return f"num_nodes={self.num_nodes}, num_hyperedges={self.num_hyperedges}, groups=[{groups}]"

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


def disjoint_union(index: Tensor, copies: int, num_nodes: int, num_hyperedges: int) -> Tensor:
    """Return the ``hyperedge_index`` of so many copies of a hypergraph side by side, as PyG batches them.

    Shapes:
        ``(2, nnz)`` to ``(2, copies * nnz)``.
    """
    step = index.new_tensor([[num_nodes], [num_hyperedges]])
    shift = torch.arange(copies, device=index.device).repeat_interleave(index.size(1))
    return index.repeat(1, copies) + step * shift


def stored_sizes(data: HyperGraphData) -> tuple[int | None, int | None]:
    """Return the numbers of nodes and hyperedges that PyG's data object holds, ``None`` where it holds none: the rows
    of ``x``, else what ``num_nodes`` was set to (what PyG answers is wrong where both numbers agree), and
    ``num_hyperedges``."""
    stored = {key: data[key] for key in ("x", "num_nodes", "num_hyperedges") if key in data}
    num_nodes = stored["x"].size(0) if stored.get("x") is not None else stored.get("num_nodes")
    num_hyperedges = stored.get("num_hyperedges")
    return (
        None if num_nodes is None else total(num_nodes),
        None if num_hyperedges is None else total(num_hyperedges),
    )


def total(count: int | Tensor) -> int:
    """Return a number as an integer, or the sum of the numbers of all graphs of a batch."""
    if isinstance(count, int) and not isinstance(count, bool):  # told without the checker, which cannot be compiled
        return count
    return check_option("the count", count.sum().item() if isinstance(count, Tensor) else count, Int64)


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
        weight = to_tensor("weight", weight, torch.get_default_dtype())
    if weight.shape != (num_hyperedges,):
        raise TopologyError(
            f"weight has shape {tuple(weight.shape)}; expected one for each of {num_hyperedges} hyperedges"
        )
    wrong = (~(weight.isfinite() & (weight > 0))).nonzero()
    if len(wrong):
        hyperedge = int(wrong[0])
        raise TopologyError(f"hyperedge {hyperedge} has weight {weight[hyperedge].item()}; expected a positive number")
    return weight.detach().clone()


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
