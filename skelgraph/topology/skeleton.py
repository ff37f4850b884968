"""The skeleton: joints, bones, symmetry and body parts as immutable data, and the matrices that layers need."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from skelgraph.errors import TopologyError, unknown_name
from skelgraph.fixed import on_cpu
from skelgraph.options import Joints, check_option
from skelgraph.text import plain, shown

if TYPE_CHECKING:
    import networkx as nx
    from torch_geometric.data import Data


@dataclass(frozen=True, init=False, repr=False)
class Skeleton:
    """A tree (or a forest) of joints with names, left-right symmetry and body parts.

    A skeleton cannot be changed, is hashable and compares by content; every tensor that it gives out is a new one.

    **Left and right.** Where it is not known what is left and right (``symmetric_pairs=None``), :attr:`mirror_index`
    raises an error. So do mirrored windows (``flip``), and training asked for ``flip`` or ``flip_test``; not asked for,
    they are off. With ``symmetric_pairs=()`` a mirror image has the same joints, and x negated. In both cases, as there
    are no pairs,

    - :func:`~skelgraph.topology.hyperedge_groups` raises an error for ``"sides"``, ``"sym"`` and ``"contralateral"``,
      and so do hyperedge layers on the default groups, two of which these are: give such a layer a
      :class:`~skelgraph.topology.JointHypergraph` of other groups. ``NEHSNet`` takes those of the default groups that
      there are, or one hyperedge of all joints;
    - :func:`~skelgraph.models.any_gcn_adjacency` raises an error for ``"paired"``;
    - :class:`~skelgraph.nn.PartitionedGraphConv` has no edges in the partition of mirrored joints;
    - :func:`~skelgraph.nn.joint_pairs`, and with it ``GroupedNonLocal``, pairs all joints in the order of their ids;
    - :class:`~skelgraph.nn.TubeSkin` takes the viewing axis in place of the direction from right to left;
    - :func:`~skelgraph.topology.part_skeleton` gives a skeleton without pairs;
    - the lengths of left and right bones are not compared when data are checked, and drawings have one colour.

    Args:
        parents: Parent of each joint, its id or its name, ``-1`` or ``None`` for a root; a parent may come after its
            children.
        joint_names: One unique name per joint; by default ``joint_0``, ``joint_1``, ...
        symmetric_pairs: ``(left, right)`` joints, ids or names, that swap in a mirror image; every other joint is its
            own mirror image (with ``()`` all are). ``"names"``: the joints whose names differ only in left and right,
            such as ``left_hip`` and ``right_hip``, ``LHip`` and ``RHip``, ``hip.l`` and ``hip.r``. ``None``: not known.
        parts: Body parts by name, each a group of joints, ids or names; parts may overlap.
        name: Name of the layout.

    Raises:
        TopologyError: If the parents are no forest, or names, pairs or parts do not fit them.

    Example:
        >>> names = ["wrist", "thumb", "thumb_tip"]
        >>> Skeleton([None, "wrist", "thumb"], names, parts={"thumb": names[1:]}).to_dict()["parts"]
        {'thumb': [1, 2]}
    """

    parents: tuple[int, ...]
    joint_names: tuple[str, ...]
    symmetric_pairs: tuple[tuple[int, int], ...]
    symmetry_known: bool
    parts: Mapping[str, tuple[int, ...]]
    name: str | None

    def __init__(
        self,
        parents: Iterable[int | str | None],
        joint_names: Iterable[str] | None = None,
        symmetric_pairs: Iterable[Sequence[int | str]] | Literal["names"] | None = None,
        parts: Mapping[str, Iterable[int | str]] | None = None,
        name: str | None = None,
    ) -> None:
        parents = as_tuple("parents", parents)
        names = _check_names(joint_names, len(parents))
        checked_parents = _check_parents(parents, names)
        if isinstance(symmetric_pairs, str):
            symmetric_pairs = _pairs_by_name(symmetric_pairs, names)
        pairs = _check_pairs(() if symmetric_pairs is None else symmetric_pairs, names)
        fields = {
            "parents": checked_parents,
            "joint_names": names,
            "symmetric_pairs": pairs,
            "symmetry_known": symmetric_pairs is not None,
            "parts": MappingProxyType(_check_parts({} if parts is None else parts, names)),
            "name": _check_name(name),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)
        if broken := _unmirrored_bones(checked_parents, pairs):
            parent, child = (self.joint_names[joint] for joint in broken[0])
            raise TopologyError(
                f"symmetric_pairs: the bone {shown(parent)} - {shown(child)} has no mirror image; "
                "expected that swapping left and right maps every bone to a bone"
            )

    @classmethod
    def from_edges(
        cls, edges: Iterable[Sequence[int]], num_joints: int | None = None, root: int = 0, **kwargs: Any
    ) -> Skeleton:
        """Return the skeleton of undirected bones, rooted at ``root``.

        Args:
            edges: Joint pairs in any order and direction; naming a bone twice is the same as once.
            num_joints: Number of joints; by default one more than the largest id in ``edges``.
            root: Root of its tree; every further tree is rooted at its joint of smallest id.
            **kwargs: ``joint_names``, ``symmetric_pairs``, ``parts`` and ``name`` of :class:`Skeleton`.

        Raises:
            TopologyError: If the bones close a loop or an id is out of range.
        """
        if num_joints is not None:
            num_joints = check_option("num_joints", num_joints, Joints)
        bones = [
            _check_ids(f"edges[{i}]", edge, num_joints, length=2) for i, edge in enumerate(as_tuple("edges", edges))
        ]
        if num_joints is None:
            num_joints = max((max(bone) for bone in bones), default=root) + 1
            check_option("the number of joints", num_joints, Joints)
        (root,) = _check_ids("root", [root], num_joints)
        neighbours: list[set[int]] = [set() for _ in range(num_joints)]
        for i, j in bones:
            if i == j:
                raise TopologyError(f"edges: the bone {(i, j)} joins a joint to itself; expected two different joints")
            neighbours[i].add(j)
            neighbours[j].add(i)

        parents: list[int | None] = [None] * num_joints
        for start in (root, *range(num_joints)):
            if parents[start] is not None:
                continue
            parents[start] = -1
            front = [start]
            while front:
                joint = front.pop()
                for other in neighbours[joint] - {parents[joint]}:
                    if parents[other] is not None:
                        raise TopologyError(
                            f"edges: the bone {(joint, other)} closes a loop; expected a tree or several trees"
                        )
                    parents[other] = joint
                    front.append(other)
        return cls([-1 if parent is None else parent for parent in parents], **kwargs)

    def __hash__(self) -> int:
        """Hash all fields but ``parts``: a mapping has no hash."""
        return hash((self.parents, self.joint_names, self.symmetric_pairs, self.name))

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild through the constructor: a mapping proxy can be neither pickled nor copied."""
        return type(self), (self.parents, self.joint_names, self._pairs, dict(self.parts), self.name)

    def __repr__(self) -> str:  # noqa: D105
        return f"Skeleton({plain(self.name or 'unnamed')}, num_joints={self.num_joints})"

    @property
    def num_joints(self) -> int:
        """Number of joints."""
        return len(self.parents)

    @property
    def roots(self) -> tuple[int, ...]:
        """The joints without a parent, one per tree."""
        return tuple(joint for joint, parent in enumerate(self.parents) if parent == -1)

    @property
    def root(self) -> int:
        """The first root: the joint that poses are relative to."""
        return self.roots[0]

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """The bones as ``(parent, child)``, ordered by child."""
        return tuple((parent, child) for child, parent in enumerate(self.parents) if parent != -1)

    @property
    def edge_index(self) -> Tensor:
        """Both directions of every bone as PyG's ``(2, 2 * num_bones)`` int64 tensor, sorted by source, then target."""
        return self.adjacency().nonzero().t().contiguous()

    @property
    def left(self) -> tuple[int, ...]:
        """The left joint of every symmetric pair."""
        return tuple(left for left, _ in self.symmetric_pairs)

    @property
    def right(self) -> tuple[int, ...]:
        """The right joint of every symmetric pair, in the order of :attr:`left`."""
        return tuple(right for _, right in self.symmetric_pairs)

    @property
    def _pairs(self) -> tuple[tuple[int, int], ...] | None:
        """The argument ``symmetric_pairs`` that this skeleton can be made with."""
        return self.symmetric_pairs if self.symmetry_known else None

    @cached_property
    def mirror_index(self) -> tuple[int, ...]:
        """The permutation of joint ids that swaps left and right.

        Raises:
            TopologyError: If left and right of this skeleton were not declared.
        """
        if not self.symmetry_known:
            sides = _by_side(self.joint_names)
            hint = "its joint names do; symmetric_pairs='names' takes them" if sides else "() if it has none"
            raise TopologyError(
                f"{self!r} does not say which joints are left and right, so it has no mirror image; "
                f"expected Skeleton(..., symmetric_pairs=[(left, right), ...]) ({hint})"
            )
        return _mirror_index(self.symmetric_pairs, self.num_joints)

    def to_dict(self) -> dict[str, Any]:
        """The skeleton as plain data for JSON: the arguments of :class:`Skeleton`."""
        values = {
            "parents": self.parents,
            "joint_names": self.joint_names,
            "symmetric_pairs": self._pairs,
            "parts": {part: list(members) for part, members in self.parts.items()} or None,
            "name": self.name,
        }
        return {key: value for key, value in values.items() if value is not None}

    def index(self, joint_name: str) -> int:
        """Return the id of a joint.

        Raises:
            SkelgraphError: If there is no such joint; near names are listed.
        """
        try:
            return self.joint_names.index(joint_name)
        except ValueError:
            raise unknown_name(f"joint of {self!r}", joint_name, self.joint_names) from None

    @on_cpu
    def adjacency(
        self,
        normalization: Literal["row", "sym"] | None = None,
        self_loops: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Return the adjacency matrix ``A`` of the bones: ``A[i, j] > 0`` where joint ``j`` sends to joint ``i``.

        Args:
            normalization: None, ``"row"`` for ``D^-1 A`` or ``"sym"`` for ``D^-1/2 A D^-1/2``; the row of a joint
                without neighbours stays zero.
            self_loops: Add the identity before normalising.
            dtype: Floating-point type of the matrix.

        Shapes:
            ``(J, J)``.

        Raises:
            TopologyError: If the normalisation is none of these.
        """
        check_normalization(normalization)
        self_loops = check_option("self_loops", self_loops, bool)
        matrix = torch.zeros(self.num_joints, self.num_joints, dtype=dtype)
        for parent, child in self.edges:
            matrix[parent, child] = matrix[child, parent] = 1
        if self_loops:
            matrix.fill_diagonal_(1)
        degree = matrix.sum(dim=1).clamp(min=1)  # a joint without neighbours divides its zero row by one
        if normalization is None:
            return matrix
        if normalization == "row":
            return matrix / degree[:, None]
        scale = degree.rsqrt()  # on each side in turn: rounds as the released networks do
        return scale[:, None] * matrix * scale

    @on_cpu
    def hop_distance(self) -> Tensor:
        """Return the number of bones between any two joints, ``-1`` between different trees.

        Shapes:
            ``(J, J)``, int64.
        """
        lineage = torch.zeros(self.num_joints, self.num_joints, dtype=torch.int64)  # [j, a] = 1: a is j or above j
        for joint in range(self.num_joints):
            ancestor = joint
            while ancestor != -1:
                lineage[joint, ancestor] = 1
                ancestor = self.parents[ancestor]
        # two joints of one tree share the way from their last common ancestor to the root
        shared = lineage @ lineage.t()
        depth = shared.diagonal()
        return torch.where(shared > 0, depth[:, None] + depth - 2 * shared, -1)

    @on_cpu
    def hop_mask(self, k: int, mode: Literal["exact", "within", "walk"] = "exact") -> Tensor:
        """Return which joint pairs are ``k`` hops apart.

        Args:
            k: Number of hops, 0 to 1000.
            mode: ``"exact"``: the distance is ``k``; ``"within"``: at most ``k``; ``"walk"``: a walk of exactly ``k``
                bones joins them, going back allowed (the non-zero entries of the ``k``-th power of the adjacency).

        Shapes:
            ``(J, J)``, bool.

        Raises:
            TopologyError: If ``k`` is out of range or the mode is none of these.
        """
        check_hops(k, mode)
        if mode == "exact":
            return self.hop_distance() == k
        if mode == "within":
            distance = self.hop_distance()
            return (distance >= 0) & (distance <= k)
        adjacency = self.adjacency()
        reached = torch.eye(self.num_joints, dtype=adjacency.dtype)
        for _ in range(k):
            reached = (reached @ adjacency).clamp(max=1)  # a pattern, not a count: long walks cannot overflow
        return reached > 0

    def subset(self, joints: Iterable[int | str], name: str | None = None) -> Skeleton:
        """Return the skeleton of some joints, each attached to its nearest kept ancestor.

        A joint without a kept ancestor becomes a root. Pairs and parts keep what is left of them; a pair whose two
        sides no longer have matching bones, because a joint is kept on one side only, is dropped.

        Args:
            joints: Names or ids of the kept joints, in their new order.
            name: Name of the new layout.

        Raises:
            SkelgraphError: If a joint does not exist or is named twice, or none is kept.
        """
        kept = _check_ids("joints", joints, self.num_joints, names=self.joint_names)
        if not kept:
            raise TopologyError("joints is empty; expected at least one joint")
        _check_unique("joints", kept)
        new_id = {-1: -1} | {joint: i for i, joint in enumerate(kept)}

        parents = []
        for joint in kept:
            ancestor = self.parents[joint]
            while ancestor not in new_id:
                ancestor = self.parents[ancestor]
            parents.append(new_id[ancestor])

        pairs = [(new_id[a], new_id[b]) for a, b in self.symmetric_pairs if a in new_id and b in new_id]
        while broken := _unmirrored_bones(parents, pairs):
            loose = {joint for bone in broken for joint in bone}
            pairs = [pair for pair in pairs if loose.isdisjoint(pair)]
        parts = {part: [new_id[j] for j in members if j in new_id] for part, members in self.parts.items()}
        return Skeleton(
            parents,
            joint_names=[self.joint_names[joint] for joint in kept],
            symmetric_pairs=pairs if self.symmetry_known else None,
            parts={part: members for part, members in parts.items() if members},
            name=name,
        )

    def to_data(self, x: Tensor) -> Data:
        """Return poses as a PyG graph: :class:`~torch_geometric.data.Data`, or ``Batch`` for a batch of poses.

        Args:
            x: Joint features.

        Shapes:
            ``(J, C)`` or ``(B, J, C)`` in; ``data.x`` is ``(J, C)`` or ``(B * J, C)``.

        Raises:
            TopologyError: If ``x`` has another shape.
        """
        from torch_geometric.data import Batch, Data

        if not isinstance(x, torch.Tensor):
            raise TopologyError(f"x is {shown(x)}; expected a tensor")
        if x.dim() not in (2, 3) or x.shape[-2] != self.num_joints or x.shape[0] == 0:
            raise TopologyError(
                f"x has shape {tuple(x.shape)}; expected (J, C) or (B, J, C) with J = {self.num_joints} and B > 0"
            )
        edge_index = self.edge_index.to(x.device)
        if x.dim() == 2:
            return Data(x=x, edge_index=edge_index, num_nodes=self.num_joints)
        return Batch.from_data_list([Data(x=pose, edge_index=edge_index, num_nodes=self.num_joints) for pose in x])

    def to_networkx(self) -> nx.Graph:
        """Return the bones as an undirected :class:`networkx.Graph` whose nodes carry ``name``."""
        import networkx as nx

        graph = nx.Graph(name=self.name or "")
        graph.add_nodes_from((joint, {"name": name}) for joint, name in enumerate(self.joint_names))
        graph.add_edges_from(self.edges)
        return graph

    def plot(self, positions: Any = None, ax: Any = None) -> Any:
        """Draw the topology with labelled joints, left, right and centre each in its colour.

        Args:
            positions: Where to draw the joints, array or tensor, ``y`` up; by default a standing figure if the joint
                names are common ones, else the tree with its roots on top.
            ax: A matplotlib axis; by default a new figure.

        Shapes:
            ``positions``: ``(J, 2)``.

        Returns:
            The matplotlib axis.
        """
        from skelgraph.viz.drawing import plot_topology

        return plot_topology(self, positions, ax)


def check_normalization(normalization: object) -> None:
    """Raise an error if there is no such normalisation of adjacency matrices."""
    known = isinstance(normalization, str) and normalization in ("row", "sym")
    if normalization is not None and not known:
        raise TopologyError(f"normalization is {shown(normalization)}; expected None, 'row' or 'sym'")


def check_hops(k: object, mode: object) -> None:
    """Raise an error if a number of hops is out of range, or there is no such way to count them."""
    if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k <= 1000:
        raise TopologyError(f"k is {shown(k)}; expected an integer from 0 to 1000")
    if not isinstance(mode, str) or mode not in ("exact", "within", "walk"):
        raise TopologyError(f"mode is {shown(mode)}; expected 'exact', 'within' or 'walk'")


def as_tuple(what: str, items: Iterable[Any]) -> tuple[Any, ...]:
    """Return the items of a sequence; a text is none."""
    try:
        if isinstance(items, str):  # its letters are no items
            raise TypeError
        return tuple(items)
    except TypeError:
        raise TopologyError(f"{what} is {shown(items)}; expected a sequence") from None


def joint_ids(what: str, joints: Iterable[int | str], names: Sequence[str] | None = None) -> tuple[int, ...]:
    """Return joints that are given by their ids or names as ids.

    Args:
        what: What is given, for the message.
        joints: The joints.
        names: The names of all joints; without them ids alone are taken.

    Raises:
        TopologyError: If one is neither; near names are listed.
    """
    given = as_tuple(what, joints)
    if names is not None and (strange := [j for j in given if isinstance(j, str) and j not in names]):
        raise TopologyError(str(unknown_name(f"joint in {what}:", strange[0], names)))
    try:
        return tuple(
            names.index(joint) if names is not None and isinstance(joint, str) else operator.index(joint)
            for joint in given
        )
    except TypeError:
        expected = "joint ids" if names is None else "joint ids or names"
        raise TopologyError(f"{what} is {shown(joints)}; expected {expected}") from None


def _check_ids(
    what: str,
    ids: Iterable[int | str],
    num_joints: int | None,
    length: int | None = None,
    names: Sequence[str] | None = None,
) -> tuple[int, ...]:
    """Return ``ids``, or names, as plain integers, each a joint."""
    checked = joint_ids(what, ids, names)
    if length is not None and len(checked) != length:
        raise TopologyError(f"{what} is {shown(ids)}; expected {length} joints")
    for joint in checked:
        if joint < 0 or (num_joints is not None and joint >= num_joints):
            limit = "at least 0" if num_joints is None else f"0 to {num_joints - 1}"
            raise TopologyError(f"{what} holds the joint id {joint}; expected {limit}")
    return checked


def _check_unique(what: str, items: Sequence[int | str]) -> None:
    for item in items:
        if items.count(item) > 1:
            raise TopologyError(f"{what}: {shown(item)} occurs {items.count(item)} times; expected once")


def _check_parents(parents: Sequence[int | str | None], names: Sequence[str]) -> tuple[int, ...]:
    checked = joint_ids("parents", [-1 if parent is None else parent for parent in parents], names)
    if not checked:
        raise TopologyError("parents is empty; expected at least one joint")
    for joint, parent in enumerate(checked):
        if not -1 <= parent < len(checked):
            raise TopologyError(f"parents[{joint}] is {parent}; expected -1 (a root) or 0 to {len(checked) - 1}")

    rooted = {-1}
    for joint in range(len(checked)):
        path: list[int] = []
        while joint not in rooted:
            if joint in path:
                loop = " -> ".join(map(str, [*path[path.index(joint) :], joint]))
                raise TopologyError(f"parents: the joints {loop} form a cycle; expected a tree or several trees")
            path.append(joint)
            joint = checked[joint]
        rooted.update(path)
    return checked


def _check_names(names: Iterable[str] | None, num_joints: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"joint_{joint}" for joint in range(num_joints))
    if isinstance(names, str):
        raise TopologyError(f"joint_names is the string {shown(names)}; expected one name per joint")
    checked = as_tuple("joint_names", names)
    if len(checked) != num_joints:
        raise TopologyError(f"joint_names has {len(checked)} names; expected one for each of {num_joints} joints")
    for joint, name in enumerate(checked):
        if not isinstance(name, str) or not name:
            raise TopologyError(f"joint_names[{joint}] is {shown(name)}; expected a text that is not empty")
    _check_unique("joint_names", checked)
    return checked


def _check_pairs(pairs: Iterable[Sequence[int | str]], names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    checked = []
    for i, pair in enumerate(as_tuple("symmetric_pairs", pairs)):
        left, right = _check_ids(f"symmetric_pairs[{i}]", pair, len(names), length=2, names=names)
        if left == right:
            raise TopologyError(f"symmetric_pairs[{i}] is {(left, right)}; expected two different joints")
        checked.append((left, right))
    _check_unique("symmetric_pairs", [joint for pair in checked for joint in pair])
    return tuple(checked)


_SIDE = re.compile(
    r"(?<![^\W_])([Ll]eft|[Rr]ight|LEFT|RIGHT|[LlRr])(?![^\W_])"  # a word of its own: left_hip, hip.l, mouth (left)
    r"|^([Ll]eft|[Rr]ight|[LR])(?=[A-Z])"  # LHip, LeftUpLeg, leftHip
    r"|(?<=[a-z])(Left|Right|[LR])$"  # hipLeft, HipL
)


def _by_side(names: Sequence[str]) -> dict[str, dict[str, int]]:
    """The joints whose names have a side: for each name without it the joints ``"l"`` and ``"r"``."""
    sides: dict[str, dict[str, int]] = {}
    for joint, name in enumerate(names):
        if match := _SIDE.search(name):
            rest = f"{name[: match.start()]}*{name[match.end() :]}"
            sides.setdefault(rest, {})[match[0][0].lower()] = joint
    return sides


def _pairs_by_name(word: str, names: Sequence[str]) -> list[tuple[int, int]]:
    if word != "names":
        raise TopologyError(f"symmetric_pairs is {shown(word)}; expected pairs of joints or 'names'")
    sides = _by_side(names)
    alone = [names[joint] for pair in sides.values() if len(pair) < 2 for joint in pair.values()]
    if alone or not sides:
        found = f"{shown(alone[0])} has no counterpart" if alone else "no joint name has a side"
        raise TopologyError(f"symmetric_pairs is 'names', but {found}; expected names in pairs of left and right")
    return sorted((pair["l"], pair["r"]) for pair in sides.values())


def _check_parts(parts: Mapping[str, Iterable[int | str]], names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    if not isinstance(parts, Mapping):
        raise TopologyError(f"parts is {shown(parts)}; expected a mapping from part name to joints")
    checked = {}
    for part, joints in parts.items():
        if not isinstance(part, str) or not part:
            raise TopologyError(f"parts has the name {shown(part)}; expected a text that is not empty")
        checked[part] = _check_ids(f"parts[{shown(part)}]", joints, len(names), names=names)
        if not checked[part]:
            raise TopologyError(f"parts[{shown(part)}] is empty; expected at least one joint")
        _check_unique(f"parts[{shown(part)}]", checked[part])
    return checked


def _check_name(name: str | None) -> str | None:
    if name is None or (isinstance(name, str) and name):
        return name
    raise TopologyError(f"name is {shown(name)}; expected None or a text that is not empty")


def _mirror_index(pairs: Iterable[tuple[int, int]], num_joints: int) -> tuple[int, ...]:
    mirror = list(range(num_joints))
    for left, right in pairs:
        mirror[left], mirror[right] = right, left
    return tuple(mirror)


def _unmirrored_bones(parents: Sequence[int], pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the bones that swapping left and right does not map to a bone; direction does not matter."""
    mirror = _mirror_index(pairs, len(parents))
    bones = {frozenset(bone): bone for bone in ((p, c) for c, p in enumerate(parents) if p != -1)}
    return [bone for bone in bones.values() if frozenset(mirror[joint] for joint in bone) not in bones]
