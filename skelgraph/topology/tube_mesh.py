"""A small closed body surface for any skeleton: a tube of triangles around every bone."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from skelgraph.errors import TopologyError
from skelgraph.fixed import on_cpu
from skelgraph.options import Count, checked
from skelgraph.topology.coarsening import mesh_graph
from skelgraph.topology.layouts import SkeletonLike, as_skeleton
from skelgraph.topology.multiscale import MultiScaleGraph
from skelgraph.topology.skeleton import Skeleton

SIDES = 3
"""Vertices around a bone: the fewest that enclose it, and with them the end of a tube is one triangle."""

Face = tuple[int, ...]


@on_cpu
@checked
def tube_faces(skeleton: SkeletonLike, rings: Count = 4) -> Tensor:
    """Return the triangles of a surface around the bones of a skeleton, closed and in one piece for each tree.

    Every bone has a tube of ``rings`` rings of three vertices, closed by a triangle at either end. Where bones meet,
    the tubes are joined: each loses a triangle, and a sleeve takes the place of the two.

    Args:
        skeleton: Skeleton or layout name.
        rings: Rings along a bone, at least 2.

    Returns:
        Vertex ids ``(F, 3)``, anticlockwise seen from outside; vertex ``(bone * rings + ring) * 3 + side`` with the
        bones in the order of ``skeleton.edges`` and the rings from parent to child.

    Raises:
        SkelgraphError: If the skeleton is unknown or has no bones, or there are too few rings.
    """
    layout = as_skeleton(skeleton)
    if not layout.edges:
        raise TopologyError(f"skeleton is {layout!r}, without bones; expected one to put tubes around")
    if rings < 2:
        raise TopologyError(f"rings is {rings}; expected at least 2")
    faces: set[Face] = set()
    sockets: dict[int, list[Face]] = {}  # around each joint, the triangles that a further tube can be joined at
    for bone in (bone for layer in bone_layers(layout) for bone in layer):
        parent, child = layout.edges[bone]
        corners = torch.arange(bone * rings * SIDES, (bone + 1) * rings * SIDES).view(rings, SIDES).tolist()
        bands = [_band(lower, upper) for lower, upper in itertools.pairwise(corners)]
        start, end = tuple(corners[0][::-1]), tuple(corners[-1])
        faces.update([start, end], *bands)
        socket = next((face for face in sockets.get(parent, []) if face in faces), None)
        if socket:
            faces.difference_update([socket, start])
            faces.update(_sleeve(socket, start))
        sockets.setdefault(parent, [start]).extend(bands[0])
        sockets[child] = [end, *bands[-1]]
    return torch.tensor(sorted(faces))


@on_cpu
def tube_hierarchy(skeleton: SkeletonLike, rings: int = 4) -> MultiScaleGraph:
    """Return the surface of :func:`tube_faces` and its coarser forms, each with half as many rings along every bone.

    The coarsest level has one ring, three nodes per bone, the one before six: 48 and 96 nodes on ``h36m17``, the sizes
    that HGN takes from the SMPL body. No node is padding.

    Args:
        skeleton: Skeleton or layout name.
        rings: Rings along a bone of the finest level, a power of two, at least 2.

    Raises:
        SkelgraphError: If the skeleton is unknown or has no bones, or the rings are no such number.
    """
    layout = as_skeleton(skeleton)
    faces = tube_faces(layout, rings)
    if rings & (rings - 1):
        raise TopologyError(f"rings is {rings}; expected a power of two")
    parents = []
    while rings > 1:
        node = torch.arange(len(layout.edges) * rings * SIDES)
        ring, side = node // SIDES, node % SIDES
        parents.append(ring // 2 * SIDES + side)
        rings //= 2
    return MultiScaleGraph(mesh_graph(faces, name=layout.name and f"{layout.name} surface"), parents, faces)


def bone_layers(skeleton: Skeleton) -> list[list[int]]:
    """Return the bones (places in ``skeleton.edges``) from the roots outward, in layers of equal depth."""
    layers, joints = [], set(skeleton.roots)
    while layer := [bone for bone, (parent, _) in enumerate(skeleton.edges) if parent in joints]:
        layers.append(layer)
        joints = {skeleton.edges[bone][1] for bone in layer}
    return layers


def _band(lower: list[int], upper: list[int]) -> list[Face]:
    """The triangles between two rings."""
    triangles: list[Face] = []
    for side in range(SIDES):
        following = (side + 1) % SIDES
        triangles.append((lower[side], lower[following], upper[following]))
        triangles.append((lower[side], upper[following], upper[side]))
    return triangles


def _sleeve(socket: Face, start: Face) -> list[Face]:
    """The band between the edges of a triangle and of the end of a tube, which face each other."""
    return _band(list(socket), list(start[::-1]))
