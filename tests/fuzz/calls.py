"""Silly arguments: options of models and layers, and what topologies and data sets are built from."""

from __future__ import annotations

import functools
import inspect
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skelgraph import metrics, topology, training
from skelgraph import nn as layers
from skelgraph.datasets import PoseDataset, SyntheticMocap, WindowLoader, load_dataset
from skelgraph.datasets.cameras import Camera
from skelgraph.datasets.pose_dataset import MotionClip
from skelgraph.models import create_model, list_models, load_official, model_info, optimize
from skelgraph.text import shown
from skelgraph.topology import Graph, JointHypergraph, MultiScaleGraph, Skeleton, as_skeleton, from_pyg, to_pyg

from . import silly
from .case import Case, Room, Wrong
from .seeds import SMALL

WIDEST = 10**4
"""Of so many nodes a matrix is merely large, and no fault."""


def _show(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in arguments.items())


def _shown(value: Any) -> str:
    try:
        return shown(value, 60)
    except Exception:
        return f"an unprintable {type(value).__name__}"


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


# --- models


def models(rng: random.Random, number: int, room: Room) -> Case:
    """``create_model`` with one or two silly options, and a forward where it is content with them."""
    names = list_models()
    name: Any = names[number % len(names)]
    option_names = list(model_info(name).options)
    options = dict(SMALL.get(name, {}))
    layout: Any = "h36m17"
    given: dict[str, Any] = {}
    chosen = [option_names[number // len(names) % len(option_names)]]
    if rng.random() < 0.25:
        chosen.append(rng.choice(option_names))
    fate = rng.random()
    if fate < 0.03:
        chosen = [rng.choice([*silly.TEXTS, "hidden_chanels"])]
    elif fate < 0.08:
        layout, chosen = silly.value(rng), []
    elif fate < 0.10:
        name, chosen = silly.value(rng), []
    for option in chosen:
        given[option] = silly.value(rng)
    options |= given

    def action() -> None:
        model = create_model(name, layout, **options)
        model.eval()
        joints, channels = model.skeleton.num_joints, model.in_channels
        for shape in ((2, joints, channels), (1, 3, joints, channels), (0, joints, channels)):
            model(torch.zeros(shape))
        for option, value in given.items():
            if _is_nan(value):
                raise Wrong(f"NaN is accepted as {option}")
        repr(model)
        model.train()
        pose = model(torch.randn(2, joints, channels))
        if isinstance(pose, Tensor):
            pose.sum().backward()

    return Case(f"create_model({_shown(name)}, {_shown(layout)}, {_show(given)})", action)


def model_inputs(rng: random.Random, number: int, room: Room) -> Case:
    """A good model, and keypoints that are none."""
    names = list_models()
    name = names[number % len(names)]
    frames = rng.choice([0, 1, 3])
    shape = (2, 17, 2) if not frames else (2, frames, 17, 2)
    what, keypoints = silly.tensor(rng, torch.randn(shape))
    training = rng.random() < 0.3

    def action() -> None:
        create_model(name, **SMALL.get(name, {})).train(training)(keypoints)

    return Case(f"{name}{'.train()' * training}(keypoints {shape}: {what})", action)


# --- layers

JOINTS = 17
LAYOUT = "h36m17"


def _adjacency() -> Tensor:
    return as_skeleton(LAYOUT).adjacency(self_loops=True)


ARGUMENTS: dict[str, Callable[[], Any]] = {
    "in_channels": lambda: 4,
    "out_channels": lambda: 8,
    "channels": lambda: 4,
    "num_features": lambda: 4,
    "hidden_channels": lambda: 5,
    "token_channels": lambda: 5,
    "mlp_channels": lambda: 5,
    "graph_channels": lambda: 5,
    "num_experts": lambda: 3,
    "num_hyperedges": lambda: 3,
    "heads": lambda: 2,
    "k": lambda: 3,
    "skeleton": lambda: LAYOUT,
    "hypergraph": lambda: JointHypergraph.from_skeleton(LAYOUT),
    "adjacency": _adjacency,
    "pattern": _adjacency,
    "partition": lambda: torch.stack([torch.eye(JOINTS), _adjacency() - torch.eye(JOINTS)]),
    "distance": lambda: as_skeleton(LAYOUT).hop_distance(),
    "conv": lambda: layers.SemGraphConv(4, 4, LAYOUT),
    "builder": lambda: layers.AssignedHyperedges(4, 3),
}
"""A good value of every argument that some layer cannot do without."""

OPTIONS: dict[str, dict[str, Callable[[], Any]]] = {
    "ResidualGraphBlock": {"conv": lambda: layers.SemGraphConv, "skeleton": lambda: as_skeleton(LAYOUT)},
    "AllSetConv": {"heads": lambda: 2},
    "EdgeVertexConv": {"bone_channels": lambda: 3},
    "ExpectedError": {"in_channels": lambda: 4, "hidden_channels": lambda: 8},
    "PostRefine": {"hidden_channels": lambda: 8},
    "RelationAttention": {"token_channels": lambda: 4},
    "NodeEdgeHyperedgeConv": {"hypergraph": lambda: LAYOUT, "heads": lambda: 2},
}
"""What some layers are given besides, by class."""


def _x(*channels: int) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: tuple(torch.randn(2, JOINTS, c) for c in channels)


INPUTS: dict[str, Callable[[], tuple[Tensor, ...]]] = {
    "ModulatedAdjacency": tuple,
    "SoftmaxAdjacency": tuple,
    "EdgeVertexConv": lambda: (torch.randn(2, JOINTS, 4), torch.randn(2, JOINTS - 1, 3)),
    "ExpectedError": _x(4, 3),
    "MLPGraphBlock": _x(4, 4),
    "NodeEdgeHyperedgeConv": lambda: tuple(
        torch.randn(2, rows, 4) for rows in (JOINTS, JOINTS - 1, JointHypergraph.from_skeleton(LAYOUT).num_hyperedges)
    ),
    "PostRefine": _x(3, 3),
    "RelationAttention": _x(4, 4),
    "TubeSkin": _x(3),
}
"""Good inputs, where they are more than ``(2, 17, 4)``."""

EXTRA: dict[str, Callable[[random.Random], Any]] = {
    "hypergraph": lambda rng: rng.choice(
        [
            JointHypergraph.from_lists(JOINTS, [[0, 1], [2, 3, 4]]),
            torch.tensor([[0, 1, 2], [0, 0, 1]]),
            torch.tensor([[0, 1, -1], [0, 0, 1]]),
            torch.tensor([[0, 1, 17], [0, 0, 1]]),
            torch.tensor([[0, 1, 2], [0, 0, 10**9]]),
            torch.zeros(2, 0, dtype=torch.long),
            torch.rand(JOINTS, 3),
            torch.ones(JOINTS, 3, dtype=torch.long),
            torch.ones(JOINTS, 3, dtype=torch.bool),
            torch.rand(2, JOINTS, 0),
            torch.rand(3, JOINTS, 5),
            torch.rand(JOINTS - 1, 3),
            torch.full((JOINTS, 3), float("nan")),
            layers.Memberships(torch.rand(2, JOINTS, 3), torch.rand(2, 3)),
            layers.Memberships(torch.rand(2, JOINTS, 3), torch.rand(5)),
            to_pyg(JointHypergraph.from_lists(JOINTS, [[0, 1], [2]])),
            to_pyg(JointHypergraph.from_lists(JOINTS, [[0, 1], [2]]), 2),
        ]
    ),
    "edge_index": lambda rng: rng.choice(
        [
            torch.tensor([[0, 1], [1, 0]]),
            torch.tensor([[0, 99], [1, 0]]),
            torch.tensor([[0, -1], [1, 0]]),
            torch.zeros(2, 0, dtype=torch.long),
            torch.zeros(3, 2, dtype=torch.long),
            torch.zeros(2, 2),
        ]
    ),
    "edge_weight": lambda rng: rng.choice([torch.ones(2), torch.ones(3), torch.zeros(2), torch.tensor([1.0, np.nan])]),
    "hyperedge_weight": lambda rng: rng.choice([torch.ones(2), torch.ones(10), torch.zeros(2), torch.full((2,), -1.0)]),
    "hyperedge_attr": lambda rng: torch.randn(rng.choice([(2, 2, 4), (2, 3, 4), (2, 11, 4), (0, 2, 4)])),
    "bone_attr": lambda rng: torch.randn(rng.choice([(2, 16, 4), (2, 17, 4), (0, 16, 4)])),
    "x0": lambda rng: torch.randn(rng.choice([(2, 17, 4), (2, 17, 5), (34, 4)])),
    "num_edges": lambda rng: rng.choice([0, 1, 2, 3, 10, 10**6, -1, torch.tensor(3)]),
    "return_hyperedges": lambda rng: True,
    "return_attention_weights": lambda rng: True,
    "return_gates": lambda rng: True,
    "extra": lambda rng: torch.randn(rng.choice([(2, 17, 17), (2, 2, 17, 17), (1,)])),
}
"""Values, good and not, of the further arguments of calls."""


def layer_classes() -> dict[str, type[nn.Module]]:
    """Every layer that the library exports."""
    found = {name: getattr(layers, name) for name in layers.__all__}
    return {name: value for name, value in found.items() if isinstance(value, type) and issubclass(value, nn.Module)}


def good_arguments(name: str) -> dict[str, Any]:
    """Arguments with which a layer can be built."""
    parameters = inspect.signature(layer_classes()[name]).parameters.values()
    required = {p.name: ARGUMENTS[p.name]() for p in parameters if p.default is p.empty or p.name == "hypergraph"}
    return required | {key: make() for key, make in OPTIONS.get(name, {}).items()}


def good_inputs(name: str) -> tuple[Any, ...]:
    """Inputs that fit such a layer."""
    return INPUTS.get(name, _x(4))()


ABSTRACT = ("HyperConv", "SkeletonConv")


def layer_options(rng: random.Random, number: int, room: Room) -> Case:
    """A layer with one or two silly arguments, and a forward where it is content with them."""
    classes = [name for name in layer_classes() if name not in ABSTRACT]
    name = classes[number % len(classes)]
    cls = layer_classes()[name]
    names = list(inspect.signature(cls).parameters)
    arguments, inputs = good_arguments(name), good_inputs(name)
    chosen = [names[number // len(classes) % len(names)]] if names else []
    if names and rng.random() < 0.2:
        chosen.append(rng.choice(names))
    if rng.random() < 0.02:
        chosen = ["no_such_argument"]
    given = {key: silly.value(rng) for key in chosen}

    def action() -> None:
        layer = cls(**arguments | given)
        repr(layer)
        changed = {"in_channels", "channels", "skeleton", "hypergraph", "num_features", "bone_channels", "conv"}
        changed |= {"adjacency", "distance", "pattern", "partition", "token_channels", "builder"}
        if not changed & given.keys():
            layer(*inputs)
        for key, value in given.items():
            if _is_nan(value):
                raise Wrong(f"NaN is accepted as {key}")

    return Case(f"{name}({_show(given)})", action)


def layer_inputs(rng: random.Random, number: int, room: Room) -> Case:
    """A good layer, and inputs that do not fit."""
    classes = [name for name in layer_classes() if name not in ABSTRACT]
    name = classes[number % len(classes)]
    cls = layer_classes()[name]
    arguments = good_arguments(name)
    if "dense" in inspect.signature(cls).parameters:
        arguments["dense"] = rng.choice([None, True, False])
    inputs = list(good_inputs(name))
    parameters = list(inspect.signature(cls.forward).parameters.values())[1:]
    options = [p.name for p in parameters[len(inputs) :] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    text, given = "good", {}
    if options and rng.random() < 0.6:
        for key in rng.sample(options, rng.randint(1, min(3, len(options)))):
            given[key] = EXTRA.get(key, silly.value)(rng) if rng.random() < 0.8 else silly.value(rng)
        if "hypergraph" in given and rng.random() < 0.5 and "hypergraph" in arguments:
            arguments["hypergraph"] = None
    if inputs and (not given or rng.random() < 0.3):
        i = rng.randrange(len(inputs))
        what, inputs[i] = silly.tensor(rng, inputs[i])
        text = f"input {i}: {what}"
    if not inputs and not given:
        inputs = [silly.value(rng)]
    backward = rng.random() < 0.2

    def action() -> None:
        result = cls(**arguments)(*inputs, **given)
        if backward and isinstance(result, Tensor) and result.requires_grad and result.device.type == "cpu":
            result.real.sum().backward()

    shown_arguments = _show({key: value for key, value in arguments.items() if key in ("dense", "hypergraph")})
    return Case(f"{name}({shown_arguments})({text}{', ' * bool(given)}{_show(given)})", action)


# --- topologies and data sets

_PARENTS = [-1, 0, 1, 0, 3]
_EDGES = [[0, 1], [1, 2], [0, 3]]
_INDEX = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


def _skeleton() -> Skeleton:
    return Skeleton(_PARENTS, ["a", "b", "c", "d", "e"], [(1, 3), (2, 4)], {"left": [1, 2], "right": [3, 4]}, "five")


def _use_skeleton(result: Any) -> None:
    if result.num_joints > WIDEST:
        return
    for use in (
        repr,
        hash,
        lambda s: s.adjacency("row", self_loops=True),
        lambda s: s.hop_distance(),
        lambda s: s.mirror_index,
        lambda s: JointHypergraph.from_bones(s),
        lambda s: topology.as_graph(s),
        lambda s: s.to_networkx(),
        lambda s: layers.SemGraphConv(2, 3, s)(torch.zeros(1, s.num_joints, 2)),
    ):
        use(result)


def _use_graph(result: Any) -> None:
    if result.num_nodes > WIDEST:  # that has its price in memory
        return
    for use in (
        repr,
        lambda g: g.adjacency("row"),
        lambda g: g.sparse_adjacency("sym"),
        lambda g: g.hop_mask(2),
        lambda g: layers.ModulatedGraphConv(2, 3, g)(torch.zeros(1, g.num_nodes, 2)),
    ):
        use(result)


def _use_hypergraph(result: Any) -> None:
    if result.num_nodes > WIDEST:
        return
    for use in (
        repr,
        lambda h: h.incidence,
        lambda h: h.hyperedges,
        lambda h: (h.node_degree, h.hyperedge_degree, h.group_index),
        lambda h: h.coalesce(),
        lambda h: from_pyg(to_pyg(h)),
        lambda h: layers.HyperedgeConv(2, 3, h)(torch.zeros(1, h.num_nodes, 2)),
        lambda h: layers.HyperedgeConv(2, 3, h, dense=False)(torch.zeros(0, h.num_nodes, 2)),
    ):
        use(result)


def _clips() -> list[MotionClip]:
    camera = Camera(
        "c", 1000, 1000, (1000.0, 1000.0, 500.0, 500.0, 0, 0, 0, 0, 0), (0.5**0.5, -(0.5**0.5), 0, 0), (0, -5.0, 1.0)
    )
    motion = np.random.default_rng(0).normal(scale=0.3, size=(9, 17, 3)).astype(np.float32)
    return [MotionClip("S1", f"walk {i}", camera, motion) for i in range(2)]


def _dataset() -> PoseDataset:
    return PoseDataset(_clips(), skeleton=LAYOUT, name="own", split="train", frame_rate=50.0)


BUILDERS: dict[str, tuple[Callable[..., Any], Callable[[], dict[str, Any]], Callable[[Any], Any]]] = {
    "Skeleton": (
        Skeleton,
        lambda: {
            "parents": list(_PARENTS),
            "joint_names": list("abcde"),
            "symmetric_pairs": [[1, 3], [2, 4]],
            "parts": {"left": [1, 2], "right": [3, 4]},
            "name": "five",
        },
        _use_skeleton,
    ),
    "Skeleton.from_edges": (
        Skeleton.from_edges,
        lambda: {"edges": [list(edge) for edge in _EDGES], "num_joints": 4, "root": 0},
        _use_skeleton,
    ),
    "Skeleton.subset": (_skeleton().subset, lambda: {"joints": [0, "b", 2], "name": "x"}, _use_skeleton),
    "Skeleton.index": (_skeleton().index, lambda: {"joint_name": "a"}, repr),
    "Skeleton.adjacency": (_skeleton().adjacency, lambda: {"normalization": "row", "self_loops": True}, repr),
    "Skeleton.hop_mask": (_skeleton().hop_mask, lambda: {"k": 2, "mode": "exact"}, repr),
    "Skeleton.to_data": (_skeleton().to_data, lambda: {"x": torch.zeros(5, 2)}, repr),
    "as_skeleton": (as_skeleton, lambda: {"name_or_skeleton": LAYOUT}, repr),
    "list_skeletons": (topology.list_skeletons, lambda: {"pattern": "*"}, repr),
    "part_skeleton": (
        topology.part_skeleton,
        lambda: {"skeleton": _skeleton(), "parts": [[0], [1, 2], [3, 4]]},
        _use_skeleton,
    ),
    "body_parts": (topology.body_parts, lambda: {"skeleton": as_skeleton(LAYOUT)}, repr),
    "hyperedge_groups": (topology.hyperedge_groups, lambda: {"skeleton": as_skeleton(LAYOUT), "name": "parts"}, repr),
    "bone_incidence": (topology.bone_incidence, lambda: {"skeleton": LAYOUT}, repr),
    "tube_faces": (topology.tube_faces, lambda: {"skeleton": LAYOUT, "rings": 3}, repr),
    "tube_hierarchy": (topology.tube_hierarchy, lambda: {"skeleton": LAYOUT, "rings": 3}, repr),
    "mesh_graph": (topology.mesh_graph, lambda: {"faces": torch.tensor([[0, 1, 2]]), "num_vertices": 3}, _use_graph),
    "as_graph": (topology.as_graph, lambda: {"graph": LAYOUT}, _use_graph),
    "Graph": (
        Graph,
        lambda: {"num_nodes": 3, "edge_index": _INDEX.clone(), "edge_weight": torch.ones(4), "name": "g"},
        _use_graph,
    ),
    "Graph.from_adjacency": (Graph.from_adjacency, lambda: {"adjacency": torch.eye(3), "name": "g"}, _use_graph),
    "Graph.adjacency": (Graph(3, _INDEX).adjacency, lambda: {"normalization": "row"}, repr),
    "Graph.hop_edges": (Graph(3, _INDEX).hop_edges, lambda: {"k": 2, "mode": "exact"}, repr),
    "heavy_edge_matching": (
        topology.heavy_edge_matching,
        lambda: {"graph": Graph(3, _INDEX), "rule": "released", "degree": None, "order": None},
        repr,
    ),
    "MultiScaleGraph": (
        MultiScaleGraph,
        lambda: {"graph": Graph(3, _INDEX), "parents": [torch.tensor([0, 0, 1])]},
        lambda g: (repr(g), g.adjacency(-1), g.pool(torch.zeros(2, g.sizes[0], 4)), g.averaging(), g.padded(0)),
    ),
    "MultiScaleGraph.coarsen": (
        MultiScaleGraph.coarsen,
        lambda: {"graph": LAYOUT, "num_levels": 2, "rule": "released"},
        lambda g: (repr(g), g.adjacency(-1), g.order(0)),
    ),
    "MultiScaleGraph.from_mesh": (
        MultiScaleGraph.from_mesh,
        lambda: {"faces": topology.tube_faces(LAYOUT, 3), "num_levels": 2},
        repr,
    ),
    "MultiScaleGraph.pool": (
        MultiScaleGraph.coarsen(LAYOUT, 2).pool,
        lambda: {"x": torch.zeros(2, 17, 3), "fine": 0, "coarse": -1, "by_size": False},
        repr,
    ),
    "JointHypergraph": (
        JointHypergraph,
        lambda: {
            "hyperedge_index": torch.tensor([[0, 1, 2], [0, 0, 1]]),
            "num_nodes": 3,
            "num_hyperedges": 2,
            "hyperedge_weight": [1.0, 2.0],
            "groups": {"a": [0], "b": [1]},
            "skeleton": None,
        },
        _use_hypergraph,
    ),
    "JointHypergraph.from_lists": (
        JointHypergraph.from_lists,
        lambda: {"num_nodes": 4, "hyperedges": [[0, 1], [1, 2, 3]], "hyperedge_weight": [1.0, 2.0]},
        _use_hypergraph,
    ),
    "JointHypergraph.from_incidence": (
        JointHypergraph.from_incidence,
        lambda: {"incidence": torch.ones(4, 2), "hyperedge_weight": [1.0, 2.0]},
        _use_hypergraph,
    ),
    "JointHypergraph.from_skeleton": (
        JointHypergraph.from_skeleton,
        lambda: {"skeleton": LAYOUT, "groups": ("parts", "sym"), "hyperedge_weight": None},
        _use_hypergraph,
    ),
    "JointHypergraph.from_khop": (
        JointHypergraph.from_khop,
        lambda: {"graph": LAYOUT, "k": 2, "directed": False},
        _use_hypergraph,
    ),
    "JointHypergraph.from_knn": (
        JointHypergraph.from_knn,
        lambda: {"x": torch.eye(4), "k": 2, "skeleton": None},
        _use_hypergraph,
    ),
    "JointHypergraph.from_communities": (
        JointHypergraph.from_communities,
        lambda: {"graph": Graph(3, _INDEX), "resolution": 1.0, "directed": False, "x": torch.eye(3), "k": 2},
        _use_hypergraph,
    ),
    "JointHypergraph.from_curvature": (
        JointHypergraph.from_curvature,
        lambda: {
            "graph": Graph(3, _INDEX),
            "quantile": 0.1,
            "threshold": None,
            "keep": "below",
            "node_weight": torch.ones(3),
        },
        _use_hypergraph,
    ),
    "from_pyg": (
        from_pyg,
        lambda: {"data": torch.tensor([[0, 1, 2], [0, 0, 1]]), "num_nodes": 3, "num_hyperedges": 2},
        _use_hypergraph,
    ),
    "to_pyg": (
        functools.partial(to_pyg, JointHypergraph.from_lists(4, [[0, 1], [1, 2, 3]])),
        lambda: {"batch_size": 2, "x": torch.zeros(8, 3)},
        repr,
    ),
    "JointHypergraph.coalesce": (
        JointHypergraph.from_lists(4, [[0, 1], [0, 1]]).coalesce,
        lambda: {"op": "mean"},
        _use_hypergraph,
    ),
    "SyntheticMocap": (
        SyntheticMocap,
        lambda: {
            "split": "train",
            "skeleton": LAYOUT,
            "subjects": ("S1",),
            "actions": None,
            "seed": 0,
            "seconds": 0.1,
            "downsample": 5,
            "bone_lengths": None,
        },
        len,
    ),
    "load_dataset": (
        load_dataset,
        lambda: {"name": "synthetic", "split": "test", "skeleton": LAYOUT, "subjects": None, "downsample": 500},
        len,
    ),
    "PoseDataset": (
        PoseDataset,
        lambda: {
            "clips": _clips(),
            "skeleton": LAYOUT,
            "name": "own",
            "split": "train",
            "frame_rate": 50.0,
            "downsample": 1,
        },
        lambda data: (repr(data), len(data), data.windows(1)),
    ),
    "MotionClip": (
        lambda **fields: PoseDataset(
            [MotionClip(**{"camera": _clips()[0].camera} | fields)],
            skeleton=LAYOUT,
            name="own",
            split="train",
            frame_rate=50.0,
        ),
        lambda: {
            "subject": "S1",
            "action": "walk 1",
            "positions": _clips()[0].positions,
            "keypoints": torch.full((9, 17, 2), 500.0),
        },
        lambda data: (repr(data), len(data), data.actions, data.mean_pose()),
    ),
    "PoseDataset.windows": (
        _dataset().windows,
        lambda: {"frames": 3, "stride": 1, "flip": True},
        lambda windows: (len(windows), windows[0] if len(windows) else None),
    ),
    "WindowLoader": (
        WindowLoader,
        lambda: {"windows": _dataset().windows(3), "batch_size": 4, "shuffle": True, "seed": 0, "drop_last": False},
        lambda loader: (len(loader), next(iter(loader), None)),
    ),
    "WindowLoader of a rank": (
        WindowLoader,
        lambda: {"windows": _dataset().windows(3), "batch_size": 4, "rank": 0, "world_size": 2},
        lambda loader: (len(loader), next(iter(loader), None)),
    ),
    **{
        f"metrics.{name}": (
            getattr(metrics, name),
            lambda: {"num_joints": 17, "actions": ("walk", "wave")},
            lambda metric: (
                metric.update(torch.zeros(2, 17, 3), torch.ones(2, 17, 3), torch.tensor([0, 1])),
                metric.compute(),
            ),
        )
        for name in ("MPJPE", "PMPJPE", "NMPJPE")
    },
    "metrics.PCK": (
        metrics.PCK,
        lambda: {"num_joints": 17, "actions": None, "threshold_mm": 150.0},
        lambda metric: (metric.update(torch.zeros(2, 17, 3), torch.ones(2, 17, 3)), metric.compute()),
    ),
    "metrics.AUC": (
        metrics.AUC,
        lambda: {"num_joints": 17, "actions": None, "thresholds_mm": range(10)},
        lambda metric: (metric.update(torch.zeros(2, 17, 3), torch.ones(2, 17, 3)), metric.compute()),
    ),
    "TrainConfig": (
        lambda out, **settings: training.TrainConfig(out).replace(**settings),
        lambda: {"out": "runs/x"},
        lambda config: (config.to_dict(), training.TrainConfig.from_dict(config.to_dict())),
    ),
    "load_official": (load_official, lambda: {"name": "sem_gcn", "source": {}, "skeleton": None}, repr),
    "optimize": (
        functools.partial(optimize, compile=False),
        lambda: {"model": create_model("sem_gcn", hidden_channels=8, num_blocks=1).eval()},
        lambda model: model(torch.zeros(1, 17, 2)),
    ),
}
"""What builds a topology, a data set or a metric: the function, good arguments, and uses of the result."""


def builders(rng: random.Random, number: int, room: Room) -> Case:
    """A topology, a data set or a metric from one or two silly arguments, and its use where it is made."""
    names = list(BUILDERS)
    name = names[number % len(names)]
    function, good, use = BUILDERS[name]
    arguments = good()
    keys = list(arguments)
    if name == "TrainConfig":
        keys = list(training.TrainConfig("x").settings())
    key = keys[number // len(names) % len(keys)] if rng.random() < 0.7 else rng.choice(keys)
    value = arguments.get(key)
    if isinstance(value, Tensor) and rng.random() < 0.6:
        what, arguments[key] = silly.tensor(rng, value)
        changed = arguments[key]
        is_index = isinstance(changed, Tensor) and changed.dtype == torch.long and changed.layout == torch.strided
        if is_index and rng.random() < 0.5:
            arguments[key] = arguments[key] + rng.choice([-1, 10**9, 2**40])
    elif isinstance(value, list | dict) and value and rng.random() < 0.6:
        what = silly.spoil(rng, arguments, silly.value)
    else:
        what, arguments[key] = "silly", silly.value(rng)
    return Case(f"{name}({key}: {what}; {_show(arguments)[:300]})", lambda: use(function(**arguments)))
