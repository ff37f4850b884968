"""Any-GCN: the residual graph network with a graph operator by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, get_args

from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.models.any_gcn_graphs import EdgeWeighting, GraphPreset, any_gcn_adjacency
from skelgraph.models.registry import register_model
from skelgraph.models.residual_gcn import OFFICIAL_KEYS, ResidualGCN, convert_official, official_options
from skelgraph.models.state_dicts import OfficialLayout, StateDict
from skelgraph.nn import (
    ChebyshevGraphConv,
    ConditionalGraphConv,
    ConvFactory,
    GroupedNonLocal,
    ModulatedGraphConv,
    SemCHGraphConv,
    SemGraphConv,
    SkeletonConv,
    WeightSharingConv,
)
from skelgraph.nn.conditional_adjacency import ExpertMode
from skelgraph.nn.conv.weight_sharing_conv import SHARING, Sharing
from skelgraph.options import Amount, Channels, Count, Rate, checked
from skelgraph.topology import SkeletonLike, as_skeleton

_WITHOUT_EXPERTS: dict[str, Callable[..., SkeletonConv]] = {
    "chebyshev": ChebyshevGraphConv,
    "sem": SemGraphConv,
    "sem_ch": SemCHGraphConv,
}
Conv = Literal[Sharing, "modulated", "conditional", "chebyshev", "sem", "sem_ch"]
CONVS: tuple[Conv, ...] = get_args(Conv)


@checked
def any_gcn_conv(
    name: Conv, adjacency: Tensor | None = None, num_experts: Amount = 0, expert_mode: ExpertMode = "add"
) -> ConvFactory:
    """The graph operator that the Any-GCN code calls by this name.

    Args:
        name: A name of :class:`~skelgraph.nn.WeightSharingConv`, or ``"modulated"``, ``"conditional"``,
            ``"chebyshev"``, ``"sem"``, ``"sem_ch"``.
        adjacency: The matrix ``(J, J)`` that it is built on.
        num_experts: Experts of an adjacency per pose; 0 for none (``"conditional"``: for its own 8).
        expert_mode: How they act, see :class:`~skelgraph.nn.ConditionalAdjacency`.

    Raises:
        SkelgraphError: If there is no such operator, or it takes no experts.
    """
    if name in _WITHOUT_EXPERTS:
        if num_experts:
            raise SkelgraphError(f"conv {name!r} takes no experts; expected num_experts=0, got {num_experts}")
        return functools.partial(_WITHOUT_EXPERTS[name], adjacency=adjacency)
    experts: dict[str, Any] = {"num_experts": num_experts, "expert_mode": expert_mode} if num_experts else {}
    if name in SHARING:
        return functools.partial(WeightSharingConv, sharing=name, adjacency=adjacency, **experts)
    if name == "conditional":
        return functools.partial(ConditionalGraphConv, adjacency=adjacency, **experts)
    if num_experts:
        return functools.partial(
            ConditionalGraphConv, adjacency=adjacency, modulate_self=True, routing_dropout=0.2, **experts
        )
    return functools.partial(ModulatedGraphConv, adjacency=adjacency)


def _options(state: StateDict) -> dict[str, Any]:
    weight = state["gconv_input.0.gconv.W"]
    if weight.dim() == 3:
        modulated = "gconv_output.M" in state
        conv = "modulated" if modulated else {1: "vanilla", 2: "dc_vanilla", 3: "convst"}[weight.size(0)]
    else:
        conv = {1: "preagg", 2: "dc_preagg"}.get(weight.size(0), "nosharing")
    experts = state.get("gconv_output.experts")
    num_experts = 0 if experts is None or conv == "preagg" else len(experts)
    return official_options(state) | {"conv": conv, "num_experts": num_experts}


def _convert(state: StateDict) -> StateDict:
    return convert_official({key: value for key, value in state.items() if _is_read(key, state)})


def _is_read(key: str, state: StateDict) -> bool:
    """Whether the released layers use this parameter. They store two that they never use: the learned affinity of a
    modulated layer with experts, and the experts of pre-aggregation that is not decoupled."""
    if key.endswith(".affinity.offset"):
        return key.replace("affinity.offset", "conditional.experts") not in state
    if ".conditional." in key:
        weight = state[key.split("conditional.")[0] + "weight"]
        return weight.dim() == 3 or weight.size(0) > 1
    return True


@register_model(
    "any_gcn",
    paper="A Comprehensive Study of Weight Sharing in Graph Networks for 3D Human Pose Estimation (ECCV 2020)",
    url="https://www.ecva.net/papers/eccv_2020/papers_ECCV/papers/123550324.pdf",
    published_skeleton="h36m16",
    published={"gt": (37.83, 30.09), "cpn": (52.4, 41.2)},
    published_seconds=0.32,
)
class AnyGCN(ResidualGCN):
    """The network of `"A Comprehensive Study of Weight Sharing in Graph Networks for 3D Human Pose Estimation"
    <https://www.ecva.net/papers/eccv_2020/papers_ECCV/papers/123550324.pdf>`_ in the form of the `Any-GCN code
    <https://github.com/tamasino52/Any-GCN>`_: a residual network of a graph operator by name, on one of several
    graphs.

    Args:
        skeleton: Skeleton or layout name; published on ``h36m16``.
        conv: The graph operator, a name of :func:`any_gcn_conv`.
        hidden_channels: Width.
        num_blocks: Number of residual blocks.
        num_experts: Experts of an adjacency per pose in all layers but the first; 0 for none.
        expert_mode: How they act: ``"add"``, ``"mul"`` or ``"no_skeleton"``.
        graph: The edges, a name of :func:`any_gcn_adjacency`.
        edge_weighting: The weights of these edges and of the self loops, likewise.
        non_local: Add :class:`~skelgraph.nn.GroupedNonLocal` after the input block and after each residual block.
        dropout: Dropout rate after each hidden layer.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - parameters on ``h36m16``: 135 171 (vanilla), 266 883 (dc_vanilla), 2 110 851 (preagg, postagg), 4 218 243
          (dc_preagg, dc_postagg), 398 595 (convst), 33 721 731 (nosharing), 287 923 (modulated); with 6 experts 155 961
          (vanilla), 4 239 033 (dc_preagg), 306 409 (modulated; 308 713 in the released code, which stores 9 matrices
          that nothing reads)

    Raises:
        SkelgraphError: If a name is unknown, the operator takes no experts, or the skeleton lacks a joint of the graph.

    Code and paper: the released switch knows the names from vanilla to modulated; conditional, chebyshev, sem and
    sem_ch are in its code without being reachable. Weights do not show whether they are of dc_postagg or dc_preagg, nor
    ``expert_mode``, ``graph`` and ``edge_weighting``: pass them to :func:`load_official`, which by default takes
    dc_preagg and the defaults of this class. The released preagg ignores its experts, so its weights load without them.
    The published numbers are those of a follow-up's readme for weight unsharing; this code comes with none.
    """

    official = OfficialLayout(
        options=_options,
        keys=(
            *OFFICIAL_KEYS,
            (r"\.M$", ".modulation"),
            (r"\.adj2$", ".affinity.offset"),
            (r"\.experts$", ".conditional.experts"),
            (r"\._routing_fn\.fc\.", ".conditional.routing."),
        ),
        convert=_convert,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m16",
        conv: Conv = "dc_preagg",
        hidden_channels: Channels = 128,
        num_blocks: Count = 4,
        num_experts: Amount = 0,
        expert_mode: ExpertMode = "add",
        graph: GraphPreset = "default",
        edge_weighting: EdgeWeighting = "default",
        non_local: bool = False,
        dropout: Rate = 0.0,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
    ) -> None:
        layout = as_skeleton(skeleton)
        adjacency = any_gcn_adjacency(layout, graph, edge_weighting)
        super().__init__(
            layout,
            any_gcn_conv(conv, adjacency, num_experts, expert_mode),
            hidden_channels,
            num_blocks,
            dropout,
            attention=GroupedNonLocal if non_local else None,
            in_channels=in_channels,
            out_channels=out_channels,
            input_conv=any_gcn_conv(conv, adjacency),
        )
