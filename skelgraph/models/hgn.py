"""HGN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.models.lifter import FrameLifter
from skelgraph.models.registry import register_model
from skelgraph.models.residual_gcn import OFFICIAL_KEYS
from skelgraph.models.state_dicts import OfficialLayout, StateDict, join_non_local
from skelgraph.nn import GraphConvBlock, GroupedNonLocal, ResidualGraphBlock, SemGraphConv, TubeSkin, multi_scale_mse
from skelgraph.options import Channels, Rate
from skelgraph.topology import Graph, MultiScaleGraph, SkeletonLike, tube_hierarchy

Fusion = Literal["sequential", "simultaneous"]
NUM_STAGES = 4
FIRST_STAGE = (0, 1, 3)
"""The first stage at which there are features of the joints, of the coarse and of the fine nodes; the input block is
stage 0."""


class HGNOutput(NamedTuple):
    """Joints ``(B, J, 3)``, coarse mesh ``(B, N_coarse, 3)`` and fine mesh ``(B, N_fine, 3)``, root-relative metres."""

    joints: Tensor
    coarse: Tensor
    fine: Tensor


class NodeMixer(nn.Linear):
    """A linear map over the nodes, which carries features from one set of nodes to another: ``(..., M, C)`` to
    ``(..., N, C)``."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that torch gives it
        """Map ``(..., M, C)`` to ``(..., N, C)``."""
        return super().forward(input.mT).mT


def _options(state: StateDict) -> dict[str, Any]:
    return {
        "hidden_channels": state["gconv_input.0.gconv.W"].size(-1),
        "in_channels": state["gconv_input.0.gconv.W"].size(-2),
        "out_channels": state["gconv_output.W"].size(-1),
        "adjacency": (),  # has to be given
    }


def _convert(state: StateDict) -> StateDict:
    mixers = {key: value.flatten(1) for key, value in state.items() if key.startswith("mixers.") and value.dim() > 1}
    return join_non_local(state | mixers)


@register_model(
    "hgn",
    paper="Hierarchical Graph Networks for 3D Human Pose Estimation (BMVC 2021)",
    url="https://arxiv.org/abs/2111.11927",
    published={"gt": (37.32, None)},
)
class HGN(FrameLifter):
    r"""HGN of `"Hierarchical Graph Networks for 3D Human Pose Estimation" <https://arxiv.org/abs/2111.11927>`_: three
    networks, of the joints :math:`a`, a coarse mesh :math:`b` and a fine mesh :math:`c` of the body, that exchange
    features after every stage.

    A stage is a residual block of two :class:`~skelgraph.nn.SemGraphConv` and a
    :class:`~skelgraph.nn.GroupedNonLocal` over all nodes; after it, with a node mixer :math:`T` for each arrow,

    .. math::
        \mathbf{a} \leftarrow \mathbf{a} + T(\mathbf{b}) + T(\mathbf{c}), \quad
        \mathbf{b} \leftarrow \mathbf{b} + T(\mathbf{a}) + T(\mathbf{c}), \quad
        \mathbf{c} \leftarrow \mathbf{c} + T(\mathbf{a}) + T(\mathbf{b})

    The coarse mesh starts as :math:`T(\mathbf{a})` before stage 1, the fine one as :math:`T(\mathbf{a}) +
    T(\mathbf{b})` after stage 2 of 4.

    **The meshes.** The authors take 48 and 96 nodes from the SMPL body, whose triangles are licensed. By default, here
    they are the two coarsest levels of :func:`~skelgraph.topology.tube_hierarchy`, a closed surface around the bones of
    the skeleton with 3 and 6 nodes per bone (48 and 96 on ``h36m17``). They are trained towards the surface that
    :class:`~skelgraph.nn.TubeSkin` puts around the true joints: see :meth:`training_loss`. For SMPL, pass
    ``graph=MultiScaleGraph.from_mesh(faces), levels=(8, 7)`` and the vertices of the fitted bodies to :meth:`targets`;
    a run that has the setting ``smpl`` does both for the options ``graph=smpl`` and ``levels=[8,7]``.

    A saved model holds its graph from the fine mesh on (83, 45 and 24 nodes of SMPL), so that it is rebuilt without the
    licensed file. To be trained on vertices again, its weights go into one that is made with the whole graph.

    Args:
        skeleton: Skeleton or layout name.
        hidden_channels: Width.
        fusion: ``"sequential"`` updates :math:`a`, :math:`b` and :math:`c` one after the other with the newest of the
            others, as released; ``"simultaneous"`` all from the old ones.
        dropout: Dropout rate after each hidden layer.
        mesh_loss: Train joints and meshes together, as published; otherwise the joints alone, by any loss.
        graph: The mesh of the body and its coarser levels, or what ``to_dict`` of such a graph returned.
        levels: The coarse and the fine level of ``graph``, in this order. A ``MultiScaleGraph`` counts its levels from
            the finest, which is 0, so that by default the coarse mesh is the last level (-1) and the fine mesh the one
            before it (-2). Both are padded, see :meth:`~skelgraph.topology.MultiScaleGraph.padded`.
        adjacency: Instead of a ``graph``, the adjacency matrices of joints, coarse and fine mesh, self loops among
            them, of which only the pattern counts; as nested lists if the model is to be saved with them.
        in_channels: Channels of a 2D joint.
        out_channels: Channels of a 3D joint.

    Shapes:
        - input ``(B, J, 2)`` or ``(B, T, J, 2)``, output ``(B, J, 3)``
        - ``1 041 017 + 9 * coarse edges + 5 * fine edges`` parameters on ``h36m17`` with 48 and 96 nodes, self loops
          included: 1 047 149 by default, about the same on SMPL

    Raises:
        SkelgraphError: If the fusion is unknown, the graphs are not as described, or the skeleton has no bones (for the
            default meshes).

    Code and paper: the released code adds in place, which makes the fusion sequential, and cannot be trained so with
    current autograd. Its weights do not hold the graphs: ``load_official("hgn", source, adjacency=[A17, A48, A96])``.
    """

    coarse_averaging: Tensor
    fine_averaging: Tensor
    coarse_position: Tensor
    fine_position: Tensor

    official = OfficialLayout(
        options=_options,
        keys=(
            (r"^gconv_layers_(\d)_(\d)\.", r"stages.\1_\2."),
            (r"\.nonlocal1\.", "."),
            (r"^fc_(\d_\d_\d)\.conv\.", r"mixers.\1."),
            (r"^gconv_output\.", "heads.0."),
            (r"^gconv_output_48\.", "heads.1."),
            (r"^gconv_output_96\.", "heads.2."),
            *OFFICIAL_KEYS,
            (r"\.e$", ".attention.logits"),
        ),
        convert=_convert,
    )

    def __init__(
        self,
        skeleton: SkeletonLike = "h36m17",
        hidden_channels: Channels = 128,
        fusion: Fusion = "sequential",
        dropout: Rate = 0.0,
        mesh_loss: bool = True,
        graph: MultiScaleGraph | dict | None = None,
        levels: tuple[int, int] = (-1, -2),
        adjacency: Sequence[Tensor | Sequence[Sequence[float | bool]]] | None = None,
        in_channels: Channels = 2,
        out_channels: Channels = 3,
    ) -> None:
        super().__init__(skeleton, in_channels, out_channels)
        if adjacency and graph is not None:
            raise SkelgraphError("graph and adjacency are both given; expected one of them")
        self.fusion = fusion
        self.mesh_loss = mesh_loss
        self.skin: TubeSkin | None = None
        if adjacency is None and graph is None:
            graph, self.skin = tube_hierarchy(self.skeleton), TubeSkin(self.skeleton)
        elif graph is not None:
            graph = MultiScaleGraph.from_dict(graph) if isinstance(graph, dict) else graph
            finest = min(graph.level(level) for level in levels)
            kept = {"graph": graph.from_level(finest).to_dict(), "levels": [graph.level(n) - finest for n in levels]}
            self.config["options"] |= kept
        if graph is not None:
            loops = self.skeleton.adjacency(self_loops=True)
            graphs = [Graph.from_adjacency(loops), *(graph.padded(level) for level in levels)]
        else:
            graphs = [Graph.from_adjacency(matrix) for matrix in adjacency or ()]
        if len(graphs) != 3 or graphs[0].num_nodes != self.skeleton.num_joints:
            raise SkelgraphError(
                f"adjacency has {[g.num_nodes for g in graphs]} nodes; expected matrices for the "
                f"{self.skeleton.num_joints} joints, the coarse and the fine mesh, which weights do not hold: "
                "adjacency=[A17, A48, A96]"
            )
        self.graph, self.levels = graph, levels
        if graph is not None and self.skin is None and mesh_loss:
            self.num_vertices = graph.sizes[0]
        if graph is not None and graph.faces is not None:
            self.mesh_faces = graph.triangles(levels[1])
        for name, level in zip(("coarse", "fine"), levels, strict=True):
            if graph is not None:
                self.register_exact(f"{name}_averaging", graph.averaging(0, level, dtype=torch.float64))
                self.register_buffer(f"{name}_position", graph.position(level), persistent=False)

        self.input_block = GraphConvBlock(SemGraphConv(in_channels, hidden_channels, graphs[0]), dropout)
        self.stages = nn.ModuleDict(
            {
                f"{i + 1}_{stage}": nn.Sequential(  # the block of set i + 1 at this stage
                    ResidualGraphBlock(SemGraphConv, hidden_channels, graphs[i], dropout),
                    GroupedNonLocal(hidden_channels, graphs[i]),
                )
                for i, first in enumerate(FIRST_STAGE)
                for stage in range(max(1, first), NUM_STAGES + 1)
            }
        )
        # Mixer "1_3_4" carries features from set 1 (joints) to set 3 (fine mesh) before stage 4: sender, receiver and
        # stage, the sets numbered from 1 as in the released code. The mixers of stage 5 feed the heads. There is one
        # where the sender has features before this stage and the receiver has a block in it (or, in stage 5, a head).
        self.mixers = nn.ModuleDict(
            {
                f"{i + 1}_{j + 1}_{stage}": NodeMixer(graphs[i].num_nodes, graphs[j].num_nodes)
                for i in range(3)
                for j in range(3)
                for stage in range(1, NUM_STAGES + 2)
                if i != j and FIRST_STAGE[i] < stage and FIRST_STAGE[j] <= stage
            }
        )
        self.heads = nn.ModuleList(SemGraphConv(hidden_channels, out_channels, graph) for graph in graphs)
        if not mesh_loss:  # distributed training waits for every parameter that could have a gradient
            last = (f"{i}_{j}_{NUM_STAGES + 1}" for j in (2, 3) for i in (1, 2, 3) if i != j)
            for unused in (*self.heads[1:], *(self.mixers[mixer] for mixer in last)):
                unused.requires_grad_(False)

    def forward_features(self, x: Tensor) -> HGNOutput:
        """Lift ``(B, J, 2)`` to joints and both meshes, padding nodes included."""
        nodes = self._fuse(self._stages(x), NUM_STAGES + 1)
        return HGNOutput(*(head(h) for head, h in zip(self.heads, nodes, strict=True)))

    def mesh(self, keypoints_2d: Tensor) -> Tensor:
        """Lift ``(B, J, 2)`` or ``(B, T, J, 2)`` to the real nodes of the fine mesh ``(B, N_fine, 3)``, metres, in the
        axes of the joints and relative to the root."""
        return self.forward_features(self.window(keypoints_2d).squeeze(1)).fine[:, self.fine_position]

    def lift_frame(self, x: Tensor) -> Tensor:
        """Lift ``(B, J, 2)`` to ``(B, J, 3)``."""
        joints, *_ = self._fuse(self._stages(x), NUM_STAGES + 1, receivers=1)
        return self.heads[0](joints)

    def _stages(self, x: Tensor) -> list[Tensor | None]:
        """The features of the three sets of nodes after the last stage."""
        nodes: list[Tensor | None] = [self.input_block(x), None, None]
        for stage in range(1, NUM_STAGES + 1):
            nodes = self._fuse(nodes, stage)
            nodes = [None if h is None else self.stages[f"{i}_{stage}"](h) for i, h in enumerate(nodes, start=1)]
        return nodes

    def _fuse(self, nodes: list[Tensor | None], stage: int, receivers: int = 3) -> list[Tensor | None]:
        """Add the messages before a stage to the first ``receivers`` sets of nodes."""
        fused = list(nodes)
        senders = fused if self.fusion == "sequential" else nodes
        for j in range(receivers):
            for i in range(3):
                mixer, sent = f"{i + 1}_{j + 1}_{stage}", senders[i]
                if mixer in self.mixers and sent is not None:
                    message, old = self.mixers[mixer](sent), fused[j]
                    fused[j] = message if old is None else old + message
        return fused

    @torch.no_grad()
    def targets(self, poses_3d: Tensor, vertices: Tensor | None = None) -> HGNOutput:
        """Return the targets of the outputs: the joints, and both meshes as means over groups of vertices.

        Args:
            poses_3d: True root-relative poses ``(B, J, 3)``, metres.
            vertices: True vertices ``(B, V, 3)`` of ``graph``, in the same axes; by default, for the default meshes,
                those of :class:`~skelgraph.nn.TubeSkin`.

        Returns:
            The joints and the real nodes of both meshes, in the order of their ids.

        Raises:
            SkelgraphError: If vertices are needed and not given, or there is no ``graph`` to pool them by.
        """
        if self.graph is None:
            raise SkelgraphError("the meshes were given as adjacency matrices; expected a graph, to pool vertices")
        kind = poses_3d.device.type
        mixed = torch.amp.is_autocast_available(kind)
        with torch.autocast(kind, enabled=False) if mixed else nullcontext():  # bfloat16 would round by millimetres
            if vertices is None:
                if self.skin is None:
                    raise SkelgraphError("vertices is None; expected those of the graph that the model was given")
                vertices = self.skin(poses_3d)
            return HGNOutput(
                poses_3d, self.exact("coarse_averaging") @ vertices, self.exact("fine_averaging") @ vertices
            )

    def loss(self, outputs: HGNOutput, targets: HGNOutput, visible: Tensor | None = None) -> Tensor:
        """:func:`~skelgraph.nn.multi_scale_mse` of :meth:`forward_features` and :meth:`targets`; padding nodes are
        free. With ``visible`` ``(B, J)`` only these joints count, and only the meshes of bodies of which all do."""
        joints, *meshes = (output.float() if output.dtype == torch.bfloat16 else output for output in outputs)
        if self.graph is not None:
            positions = (self.coarse_position, self.fine_position)
            meshes = [mesh[:, position] for mesh, position in zip(meshes, positions, strict=True)]
        if visible is None:
            return multi_scale_mse([joints, *meshes], targets)
        whole = visible.all(-1, keepdim=True)
        masks = [visible, *(whole.expand(mesh.shape[:-1]) for mesh in meshes)]
        return multi_scale_mse([joints, *meshes], targets, visible=masks)

    def training_loss(
        self,
        keypoints_2d: Tensor,
        poses_3d: Tensor,
        loss: Callable[..., Tensor] | None = None,
        vertices: Tensor | None = None,
        *,
        visible: Tensor | None = None,
    ) -> Tensor:
        """The published loss of joints and meshes for one batch, or the given one without ``mesh_loss``.

        Args:
            keypoints_2d: ``(B, J, 2)`` or ``(B, T, J, 2)``.
            poses_3d: True root-relative poses ``(B, J, 3)``, metres.
            loss: A loss on the joints alone; it has no part in the published one.
            vertices: As for :meth:`targets`.
            visible: As for :meth:`loss`.

        Returns:
            A scalar.

        Raises:
            SkelgraphError: As :meth:`targets`, or if the keypoints are not of that shape, or there is no loss at all.
        """
        if not self.mesh_loss:
            if loss is None:
                raise SkelgraphError("loss is None; expected one, as the model was made with mesh_loss=False")
            return super().training_loss(keypoints_2d, poses_3d, loss, visible=visible)
        outputs = self.forward_features(self.window(keypoints_2d).squeeze(1))
        return self.loss(outputs, self.targets(poses_3d, vertices), visible)
