"""The published formulations of the models, written out plainly: what the benchmarks compare with.

One product per weight, one per adjacency matrix, masks and softmaxes made anew in every forward pass, normalisation
over a middle axis: the equations as the publications state them and as the released codes evaluate them. Every module
takes the weights of ours, so that both sides compute the same function:

    plain = published.from_ours(create_model("sem_gcn", "h36m16"))

Frames are those of ``model.num_frames``; masks follow the joints of the model's skeleton.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelgraph.models import PoseLifter

MASKED = -9e15


def own(tensor: Tensor) -> nn.Parameter:
    """A parameter with these values."""
    return nn.Parameter(tensor.detach().clone(memory_format=torch.contiguous_format))


def pointwise(linear: nn.Linear | nn.Conv1d, rows: slice = slice(None), dims: int = 1) -> Any:
    """Rows of a linear map as a convolution of width 1 over ``dims`` axes."""
    weight = linear.weight.detach()[rows].flatten(1)
    conv = (nn.Conv1d if dims == 1 else nn.Conv2d)(weight.size(1), weight.size(0), 1, bias=linear.bias is not None)
    conv.weight = own(weight[(..., *[None] * dims)])
    if linear.bias is not None:
        conv.bias = own(linear.bias[rows])
    return conv


def part(linear: nn.Linear, rows: slice = slice(None), columns: slice = slice(None), bias: bool = True) -> nn.Linear:
    """Rows and columns of a linear map."""
    weight = linear.weight.detach()[rows, columns]
    plain = nn.Linear(weight.size(1), weight.size(0), bias=bias and linear.bias is not None)
    plain.weight = own(weight)
    if plain.bias is not None:
        plain.bias = own(linear.bias[rows])
    return plain


class JointNorm(nn.Module):
    """Batch normalisation of the channels of ``(B, J, C)``: moved to the middle and back."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(ours.num_features, eps=ours.eps)
        self.norm.load_state_dict(ours.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


def split_adjacency(adjacency: Tensor) -> tuple[Tensor, Tensor]:
    """Its self loops and the rest."""
    eye = torch.eye(adjacency.size(-1), dtype=adjacency.dtype, device=adjacency.device)
    return adjacency * eye, adjacency * (1 - eye)


def edge_softmax(edges: Tensor, pattern: Tensor) -> Tensor:
    """Row softmax of one logit per edge."""
    logits = torch.full(pattern.shape, MASKED, dtype=edges.dtype, device=edges.device)
    logits[pattern] = edges.flatten()
    return torch.softmax(logits, dim=1)


# Graph layers


class SemGraphConv(nn.Module):
    """``(S * I) X W_0 + (S * (1 - I)) X W_1 + b``, ``S`` the softmax over the edges."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        pattern = torch.zeros(ours.attention.shape).flatten()
        pattern[ours.attention.index] = 1
        self.register_buffer("pattern", pattern.view(ours.attention.shape[-2:]) > 0)
        self.weight, self.edges, self.bias = own(ours.weight), own(ours.attention.logits), own(ours.bias)

    def forward(self, x: Tensor) -> Tensor:
        own_features, others = torch.matmul(x, self.weight[0]), torch.matmul(x, self.weight[1])
        loops, links = split_adjacency(edge_softmax(self.edges, self.pattern))
        return torch.matmul(loops, own_features) + torch.matmul(links, others) + self.bias.view(1, 1, -1)


class HighOrderGraphConv(nn.Module):
    """``S_k X W_k`` of every hop, concatenated or added up."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.concatenate = ours.reduce == "cat"
        counts = [int(mask.sum()) for mask in ours.attention.mask]
        self.register_buffer("patterns", ours.attention.mask > 0)
        self.edges = nn.ParameterList(own(edges) for edges in ours.attention.logits.split(counts, dim=1))
        self.weight, self.bias = own(ours.weight), own(ours.bias)

    def hop(self, k: int, x: Tensor, *initial: Tensor) -> Tensor:
        return torch.matmul(edge_softmax(self.edges[k], self.patterns[k]), torch.matmul(x, self.weight[k]))

    def forward(self, x: Tensor, *initial: Tensor) -> Tensor:
        hops = [self.hop(k, x, *initial) for k in range(len(self.edges))]
        if self.concatenate:
            return torch.cat(hops, dim=-1) + self.bias.view(1, 1, -1)
        total = hops[0]
        for hop in hops[1:]:
            total = total + hop
        return total + self.bias.view(1, 1, -1)


class ImplicitFairingConv(HighOrderGraphConv):
    """``beta ((1 - alpha) S_k X + alpha X_0) W_k`` of every hop."""

    def __init__(self, ours: Any) -> None:
        super().__init__(ours)
        self.alpha, self.beta = ours.alpha, ours.beta

    def hop(self, k: int, x: Tensor, *initial: Tensor) -> Tensor:
        received = torch.matmul(edge_softmax(self.edges[k], self.patterns[k]), x)
        mixed = (1 - self.alpha) * received + self.alpha * initial[0]
        return self.beta * torch.matmul(mixed, self.weight[k])


class ModulatedGraphConv(nn.Module):
    """``(A * I)(M * X W_0) + (A * (1 - I))(M * X W_1) + b``, ``A`` symmetrised with a learned offset."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.register_buffer("fixed", ours.affinity.fixed.clone())
        self.offset = own(ours.affinity.offset)
        self.weight, self.modulation, self.bias = own(ours.weight), own(ours.modulation), own(ours.bias)

    def forward(self, x: Tensor) -> Tensor:
        own_features, others = torch.matmul(x, self.weight[0]), torch.matmul(x, self.weight[1])
        adjacency = self.fixed + self.offset
        adjacency = (adjacency.T + adjacency) / 2
        loops, links = split_adjacency(adjacency)
        y = torch.matmul(loops, self.modulation * own_features) + torch.matmul(links, self.modulation * others)
        return y + self.bias.view(1, 1, -1)


class RegularSplittingConv(nn.Module):
    """A modulated graph convolution of every hop, plus ``X_0 V_k``."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.concatenate = ours.reduce == "cat"
        self.register_buffer("powers", ours.affinity.fixed.clone())
        self.offsets = nn.ParameterList(own(offset) for offset in ours.affinity.offset)
        self.weight, self.initial_weight = own(ours.weight), own(ours.initial_weight)
        self.modulation, self.bias = own(ours.modulation), own(ours.bias)

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        hops = []
        for k, offset in enumerate(self.offsets):
            own_features, others = torch.matmul(x, self.weight[2 * k]), torch.matmul(x, self.weight[2 * k + 1])
            adjacency = self.powers[k] + offset
            loops, links = split_adjacency((adjacency.T + adjacency) / 2)
            hop = torch.matmul(loops, self.modulation[k] * own_features)
            hop = hop + torch.matmul(links, self.modulation[k] * others)
            hops.append(hop + torch.matmul(x0, self.initial_weight[k]))
        if self.concatenate:
            return torch.cat(hops, dim=-1) + self.bias.view(1, 1, -1)
        total = hops[0]
        for hop in hops[1:]:
            total = total + hop
        return total + self.bias.view(1, 1, -1)


class PreAggregationConv(nn.Module):
    """Decoupled pre-aggregation: ``Q_ii x_i W_0i + sum_j Q_ij x_j W_1j + b``."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        assert ours.sharing == "dc_preagg"
        assert ours.conditional is None
        self.register_buffer("adjacency", ours.adjacency.sum(dim=0))
        self.weight, self.bias = own(ours.weight), own(ours.bias)

    def forward(self, x: Tensor) -> Tensor:
        own_features = torch.einsum("bjc,jcd->bjd", x, self.weight[0])
        others = torch.einsum("bjc,jcd->bjd", x, self.weight[1])
        loops, links = split_adjacency(self.adjacency)
        return torch.matmul(loops, own_features) + torch.matmul(links, others) + self.bias.view(1, 1, -1)


class PartitionedGraphConv(nn.Module):
    """A convolution of width 1 to all slices, then the sum over slices and senders; ``(B, C, nodes)``."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        slices, _, channels = ours.weight.shape
        self.register_buffer("adjacency", ours.adjacency.mT.clone())  # sender, receiver
        self.conv = nn.Conv1d(ours.in_channels, slices * channels, 1)
        self.conv.weight = own(ours.weight.mT.flatten(0, 1).unsqueeze(-1))
        self.conv.bias = own(ours.bias.flatten())

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x).unflatten(1, (self.adjacency.size(0), -1))
        return torch.einsum("bkcv,kvw->bcw", h, self.adjacency).contiguous()


class WeightedJacobiConv(nn.Module):
    """``X W_1 - H + (1 - alpha) diag(A) H + alpha M * X_1 + b``, ``H = M * X W_0``; also returns ``X_1 = X_0 V``."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        assert not ours.neighbours
        self.alpha = ours.alpha
        self.register_buffer("fixed", ours.affinity.fixed.clone())
        self.offset = own(ours.affinity.offset)
        self.weight, self.initial_weight = own(ours.weight), own(ours.initial_weight)
        self.modulation, self.bias = own(ours.modulation), own(ours.bias)

    def forward(self, x: Tensor, x0: Tensor) -> tuple[Tensor, Tensor]:
        h = self.modulation * torch.matmul(x, self.weight[0])
        passed = torch.matmul(x, self.weight[1])
        projected = torch.matmul(x0, self.initial_weight)
        adjacency = self.fixed + self.offset
        adjacency = (adjacency.T + adjacency) / 2
        received = torch.einsum("jj,bjc->bjc", adjacency, h)
        y = passed - h + (1 - self.alpha) * received + self.alpha * (self.modulation * projected)
        return y + self.bias.view(1, 1, -1), projected


# Attention


class GaussianNonLocal(nn.Module):
    """Softmax attention of convolutions of width 1 on ``(B, C, N)``, normalised, with a skip."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        inner = ours.inner
        self.theta, self.phi, self.g = (
            pointwise(ours.theta_phi_g, slice(i * inner, (i + 1) * inner)) for i in range(3)
        )
        self.out = pointwise(ours.out)
        self.norm = nn.BatchNorm1d(ours.channels)
        self.norm.load_state_dict(ours.norm.state_dict())

    def forward(self, z: Tensor) -> Tensor:
        g = self.g(z).permute(0, 2, 1)
        theta, phi = self.theta(z).permute(0, 2, 1), self.phi(z)
        attention = torch.softmax(torch.matmul(theta, phi), dim=-1)
        y = torch.matmul(attention, g).permute(0, 2, 1).contiguous()
        return self.norm(self.out(y)) + z


class GroupedNonLocal(nn.Module):
    """Attention to groups of nodes with a score for every pair of joined features, on ``(B, J, C)``."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        inner = ours.inner
        self.theta, self.phi, self.g = (
            pointwise(ours.theta_phi_g, slice(i * inner, (i + 1) * inner)) for i in range(3)
        )
        self.register_buffer("order", ours.index.flatten().clone())
        size = ours.index.size(1)
        self.pool = nn.MaxPool1d(size) if size > 1 else nn.Identity()
        self.score = nn.Conv2d(2 * inner, 1, 1, bias=False)
        self.score.weight = own(ours.score.view(1, -1, 1, 1))
        self.out = pointwise(ours.out)
        self.norm = nn.BatchNorm1d(ours.channels)
        self.norm.load_state_dict(ours.norm.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        z = x.transpose(1, 2)
        grouped = z[:, :, self.order]
        g = self.pool(self.g(grouped)).permute(0, 2, 1)
        theta, phi = self.theta(z).unsqueeze(-1), self.pool(self.phi(grouped)).unsqueeze(-2)
        nodes, groups = theta.size(2), phi.size(3)
        pairs = torch.cat((theta.expand(-1, -1, -1, groups), phi.expand(-1, -1, nodes, -1)), dim=1)
        attention = torch.relu(self.score(pairs)).squeeze(1) / groups
        y = torch.matmul(attention, g).permute(0, 2, 1).contiguous()
        return (self.norm(self.out(y)) + z).transpose(1, 2)


class RelationAttention(nn.Module):
    """Attention with a map for each of queries, keys and values, and a bias per head and distance."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.heads = ours.heads
        self.register_buffer("distance", ours.distance.clone())
        width = ours.out_channels
        self.query, self.out = copy.deepcopy(ours.query), copy.deepcopy(ours.out)
        self.key, self.value = part(ours.key_value, slice(width)), part(ours.key_value, slice(width, None))
        self.table = own(ours.table)
        self.dropout = nn.Dropout(ours.dropout.p)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        def split(h: Tensor) -> Tensor:
            return h.view(*h.shape[:2], self.heads, -1).transpose(1, 2)

        query, key, value = split(self.query(x)), split(self.key(tokens)), split(self.value(tokens))
        scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(query.size(-1))
        weights = torch.softmax(scores + self.table[:, self.distance], dim=-1)
        received = torch.matmul(self.dropout(weights), value)
        return self.out(received.transpose(1, 2).flatten(2))


# Networks


class ConvBlock(nn.Module):
    """Graph layer, normalisation, ReLU, dropout."""

    def __init__(self, ours: Any, conv: Callable[[Any], nn.Module]) -> None:
        super().__init__()
        self.conv, self.norm = conv(ours.conv), JointNorm(ours.norm)
        self.dropout = nn.Dropout(ours.dropout.p)

    def forward(self, x: Tensor, *initial: Tensor) -> Tensor:
        return self.dropout(torch.relu(self.norm(self.conv(x, *initial))))


class ResidualBlock(nn.Module):
    def __init__(self, ours: Any, conv: Callable[[Any], nn.Module]) -> None:
        super().__init__()
        self.block1, self.block2 = ConvBlock(ours.block1, conv), ConvBlock(ours.block2, conv)

    def forward(self, x: Tensor) -> Tensor:
        residual = x
        return residual + self.block2(self.block1(x))


class ResidualGCN(nn.Module):
    """Input block, residual blocks, output layer: SemGCN and its relatives."""

    def __init__(self, ours: Any, conv: Callable[[Any], nn.Module]) -> None:
        super().__init__()
        assert all(isinstance(attention, nn.Identity) for attention in ours.attention)
        self.input_block = ConvBlock(ours.input_block, conv)
        self.blocks = nn.Sequential(*(ResidualBlock(block, conv) for block in ours.blocks))
        self.head = conv(ours.head)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.input_block(x)))


class HOIFNet(nn.Module):
    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.input_block = ConvBlock(ours.input_block, ImplicitFairingConv)
        self.blocks = nn.ModuleList(ConvBlock(block, ImplicitFairingConv) for block in ours.blocks)
        self.head = ImplicitFairingConv(ours.head)

    def forward(self, x: Tensor) -> Tensor:
        h = initial = self.input_block(x, x)
        for block in self.blocks:
            h = block(h, initial)
        return self.head(h, initial)


class RSNet(nn.Module):
    """Input layer, residual blocks with a normalised first layer, attention, output layer."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.input_conv = RegularSplittingConv(ours.input_conv)
        self.activation = copy.deepcopy(ours.activation)
        self.convs1 = nn.ModuleList(RegularSplittingConv(block.conv1) for block in ours.blocks)
        self.norms = nn.ModuleList(copy.deepcopy(block.norm) for block in ours.blocks)
        self.dropout = nn.Dropout(ours.blocks[0].dropout.p)
        self.convs2 = nn.ModuleList(RegularSplittingConv(block.conv2) for block in ours.blocks)
        self.non_local = GaussianNonLocal(ours.non_local)
        self.head = RegularSplittingConv(ours.head)

    def forward(self, x: Tensor) -> Tensor:
        h = initial = self.activation(self.input_conv(x, x))
        for conv1, norm, conv2 in zip(self.convs1, self.norms, self.convs2, strict=True):
            residual = h
            h = self.dropout(norm(conv1(h, initial)))
            h = residual + self.activation(conv2(h, initial))
        h = self.non_local(h.permute(0, 2, 1).contiguous()).permute(0, 2, 1)
        return self.head(h, initial)


class JointMixer(nn.Module):
    """An embedding of the frames of a joint, blocks, and a head."""

    block: Callable[[Any], nn.Module]

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.embedding, self.norm, self.head = (copy.deepcopy(m) for m in (ours.embedding, ours.norm, ours.head))
        self.blocks = nn.ModuleList(self.block(block) for block in ours.blocks)


class GraphMLPBlock(nn.Module):
    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.joint_norm, self.joint_mlp = copy.deepcopy(ours.joint_norm), copy.deepcopy(ours.joint_mlp)
        self.channel_norm, self.channel_mlp = copy.deepcopy(ours.channel_norm), copy.deepcopy(ours.channel_mlp)
        self.conv1, self.conv2 = PartitionedGraphConv(ours.graph_conv1), PartitionedGraphConv(ours.graph_conv2)
        self.drop_path = copy.deepcopy(ours.drop_path)

    def forward(self, x: Tensor) -> Tensor:
        residual = x
        t = self.joint_norm(x.transpose(1, 2))
        x = residual + self.drop_path((self.joint_mlp(t) + self.conv1(t)).transpose(1, 2))
        residual = x
        t = self.channel_norm(x)
        return residual + self.drop_path(self.channel_mlp(t) + self.conv2(t.transpose(1, 2)).transpose(1, 2))


class GraphMLP(JointMixer):
    """Perceptrons along joints and channels, each beside a graph layer."""

    block = GraphMLPBlock

    def forward(self, clip: Tensor) -> Tensor:
        clip = clip if clip.dim() == 4 else clip.unsqueeze(1)
        h = self.embedding(clip.permute(0, 2, 3, 1).reshape(clip.size(0), clip.size(2), -1))
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


class MLPGraphBlock(nn.Module):
    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.joint_norm, self.joint_mlp = copy.deepcopy(ours.joint_norm), copy.deepcopy(ours.joint_mlp)
        self.conv1, self.conv2 = WeightedJacobiConv(ours.conv1), WeightedJacobiConv(ours.conv2)
        self.norm1, self.norm2 = JointNorm(ours.norm1), JointNorm(ours.norm2)
        self.gelu, self.dropout = nn.GELU(), nn.Dropout(ours.dropout.p)

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        x = x + self.joint_mlp(self.joint_norm(x).transpose(1, 2)).transpose(1, 2)
        h, projected = self.conv1(x, x0)
        h = self.dropout(self.gelu(self.norm1(h)))
        h, _ = self.conv2(h, projected)
        return x + self.dropout(self.gelu(self.norm2(h)))


class MLPGraph(JointMixer):
    """Perceptrons along joints, then two weighted-Jacobi layers."""

    block = MLPGraphBlock

    def forward(self, clip: Tensor) -> Tensor:
        clip = clip if clip.dim() == 4 else clip.unsqueeze(1)
        initial = h = self.embedding(clip.permute(0, 2, 1, 3).reshape(clip.size(0), clip.size(2), -1))
        for block in self.blocks:
            h = block(h, initial)
        return self.head(self.norm(h))


class STGCNPose(nn.Module):
    """Local-to-global network, channels first: ``(B, C, frames * nodes)``."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.frames, self.joints = ours.num_frames, ours.skeleton.num_joints
        self.input_norm = norm1d(ours.input_norm)
        self.blocks = nn.Sequential(*(STGCNBlock(block) for block in ours.blocks))
        self.part_blocks = nn.Sequential(*(STGCNBlock(block) for block in ours.part_blocks))
        self.register_buffer("part_of_joint", ours.part_of_joint.clone())
        self.parts = [sorted(set(joints.tolist())) for joints in ours.part_joints]
        self.temporal_conv, self.global_norm = copy.deepcopy(ours.temporal_conv), norm1d(ours.global_norm)
        self.fuse, self.fuse_norm = pointwise(ours.fuse), norm1d(ours.fuse_norm)
        self.global_dropout, self.head_dropout = nn.Dropout(ours.global_dropout.p), nn.Dropout(ours.head_dropout.p)
        self.non_local, self.head = GaussianNonLocal(ours.non_local), pointwise(ours.head)

    def forward(self, clip: Tensor) -> Tensor:
        clip = clip if clip.dim() == 4 else clip.unsqueeze(1)
        batch, frames, joints = clip.size(0), self.frames, self.joints
        x = self.input_norm(clip.flatten(2).transpose(1, 2))  # joint and coordinate in the middle
        x = x.view(batch, joints, -1, frames).permute(0, 2, 3, 1).reshape(batch, -1, frames * joints)
        local = self.blocks(x)
        by_frame = local.view(batch, -1, frames, joints)
        pooled = torch.stack([by_frame[..., part].max(dim=-1).values for part in self.parts], dim=-1)
        parts = self.part_blocks(pooled.flatten(2)).view(batch, -1, frames, len(self.parts))
        whole = torch.relu(self.global_norm(self.temporal_conv(parts.max(dim=-1).values)))
        whole = self.global_dropout(whole).unsqueeze(-1).repeat(1, 1, 1, len(self.parts))
        fused = torch.relu(self.fuse_norm(self.fuse(torch.cat((whole, parts), dim=1).flatten(2))))
        fused = self.head_dropout(fused).view(batch, -1, frames, len(self.parts))
        features = torch.cat((local, fused[..., self.part_of_joint].flatten(2)), dim=1)
        poses = self.head(self.head_dropout(self.non_local(features)))
        return poses.view(batch, -1, frames, joints)[:, :, frames // 2].transpose(1, 2)


def norm1d(ours: Any) -> nn.BatchNorm1d:
    """The normalisation of the middle axis with the state of ours."""
    norm = nn.BatchNorm1d(ours.num_features, eps=ours.eps)
    norm.load_state_dict(ours.state_dict())
    return norm


class STGCNBlock(nn.Module):
    def __init__(self, ours: Any) -> None:
        super().__init__()
        self.conv, self.norm1 = PartitionedGraphConv(ours.graph_conv), norm1d(ours.norm1)
        self.pointwise, self.norm2 = pointwise(ours.linear), norm1d(ours.norm2)
        self.dropout = nn.Dropout(ours.dropout.p)
        self.has_skip = ours.skip is not None
        self.skip: nn.Module = nn.Identity()
        if isinstance(ours.skip, nn.Sequential):
            self.skip = nn.Sequential(pointwise(ours.skip[0]), norm1d(ours.skip[1]))

    def forward(self, x: Tensor) -> Tensor:
        h = self.dropout(torch.relu(self.norm1(self.conv(x))))
        h = self.dropout(self.norm2(self.pointwise(h)))
        return torch.relu(h + self.skip(x) if self.has_skip else h)


class VideoPose(nn.Module):
    """The authors' form for one output frame: strides instead of dilations."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        assert not ours.dense_filters
        assert not ours.causal
        self.joints = ours.skeleton.num_joints
        self.expand = self.strided(ours.expand)
        self.convs = nn.ModuleList(self.strided(block.conv) for block in ours.blocks)
        self.pointwise = nn.ModuleList(copy.deepcopy(block.pointwise) for block in ours.blocks)
        norms = [ours.expand_norm, *(norm for block in ours.blocks for norm in (block.norm1, block.norm2))]
        self.norms = nn.ModuleList(copy.deepcopy(norm) for norm in norms)
        self.head, self.dropout = copy.deepcopy(ours.head), nn.Dropout(ours.dropout.p)

    @staticmethod
    def strided(ours: nn.Conv1d) -> nn.Conv1d:
        width = ours.kernel_size[0]
        conv = nn.Conv1d(ours.in_channels, ours.out_channels, width, stride=width, bias=False)
        conv.weight = own(ours.weight)
        return conv

    def forward(self, clip: Tensor) -> Tensor:
        clip = clip if clip.dim() == 4 else clip.unsqueeze(1)
        x = clip.reshape(clip.size(0), clip.size(1), -1).permute(0, 2, 1)
        h = self.dropout(torch.relu(self.norms[0](self.expand(x))))
        for i, (conv, pointwise) in enumerate(zip(self.convs, self.pointwise, strict=True)):
            width = conv.stride[0]
            residual = h[:, :, width // 2 :: width]
            h = self.dropout(torch.relu(self.norms[2 * i + 1](conv(h))))
            h = residual + self.dropout(torch.relu(self.norms[2 * i + 2](pointwise(h))))
        return self.head(h).permute(0, 2, 1).reshape(clip.size(0), self.joints, -1)


class Martinez(nn.Module):
    """Linear map, normalisation, ReLU, dropout; two of them with a skip around both."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        blocks = [ours.input_block, *(block for stage in ours.stages for block in stage)]
        self.linears = nn.ModuleList(copy.deepcopy(block.linear) for block in blocks)
        self.norms = nn.ModuleList(copy.deepcopy(block.norm) for block in blocks)
        self.dropout, self.head = nn.Dropout(blocks[0].dropout.p), copy.deepcopy(ours.head)

    def block(self, i: int, h: Tensor) -> Tensor:
        return self.dropout(torch.relu(self.norms[i](self.linears[i](h))))

    def forward(self, x: Tensor) -> Tensor:
        h = self.block(0, x.flatten(1))
        for i in range(1, len(self.linears), 2):
            h = h + self.block(i + 1, self.block(i, h))
        return self.head(h).view(*x.shape[:2], -1)


class HGN(nn.Module):
    """Three graphs that exchange features after every stage, each with the newest of the others."""

    STAGES = (1, 1, 3)  # the first of each graph

    def __init__(self, ours: Any) -> None:
        super().__init__()
        assert ours.fusion == "sequential"
        self.input_block = ConvBlock(ours.input_block, SemGraphConv)
        self.stages = nn.ModuleDict(
            {
                name: nn.Sequential(ResidualBlock(stage[0], SemGraphConv), GroupedNonLocal(stage[1]))
                for name, stage in ours.stages.items()
            }
        )
        self.mixers = nn.ModuleDict({name: pointwise(mixer) for name, mixer in ours.mixers.items()})
        self.heads = nn.ModuleList(SemGraphConv(head) for head in ours.heads)

    def forward(self, x: Tensor) -> Tensor:
        return self.meshes(x)[0]

    def meshes(self, x: Tensor) -> list[Tensor]:
        mixers, stages = self.mixers, self.stages
        a = self.input_block(x)
        b = mixers["1_2_1"](a)
        a, b = stages["1_1"](a), stages["2_1"](b)
        a = a + mixers["2_1_2"](b)
        b = b + mixers["1_2_2"](a)
        a, b = stages["1_2"](a), stages["2_2"](b)
        a = a + mixers["2_1_3"](b)
        b = b + mixers["1_2_3"](a)
        c = mixers["1_3_3"](a) + mixers["2_3_3"](b)
        for stage in (3, 4):
            a, b, c = (stages[f"{i}_{stage}"](h) for i, h in enumerate((a, b, c), start=1))
            a = a + mixers[f"2_1_{stage + 1}"](b) + mixers[f"3_1_{stage + 1}"](c)
            b = b + mixers[f"1_2_{stage + 1}"](a) + mixers[f"3_2_{stage + 1}"](c)
            c = c + mixers[f"1_3_{stage + 1}"](a) + mixers[f"2_3_{stage + 1}"](b)
        return [head(h) for head, h in zip(self.heads, (a, b, c), strict=True)]


class NEHSNet(nn.Module):
    """Streams of joints, bones and hyperedges: the equations of our design, a map at a time."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        assert ours.num_frames == 1
        graph = ours.hypergraph
        self.register_buffer("ends", graph.bone_incidence().clone())  # (J, K), -1 and +1
        self.register_buffer("incidence", graph.incidence.clone())  # (J, M)
        self.register_buffer("inside", graph.bones_in_hyperedges().clone())  # (K, M)
        self.embeddings = nn.ModuleList(
            copy.deepcopy(m.linear) for m in (ours.node_embedding, ours.bone_embedding, ours.hyperedge_embedding)
        )
        self.positions = nn.ParameterList(
            own(m.position) for m in (ours.node_embedding, ours.bone_embedding, ours.hyperedge_embedding)
        )
        self.blocks = nn.ModuleList(NEHSBlock(block) for block in ours.blocks)
        self.norm, self.head = copy.deepcopy(ours.norm), copy.deepcopy(ours.head)

    def forward(self, x: Tensor) -> Tensor:
        ends, means = self.ends, row_means(self.incidence.T)
        vector, middle = torch.matmul(ends.T, x), torch.matmul(ends.abs().T, x) / 2
        length = torch.sqrt((vector**2).sum(dim=-1, keepdim=True) + 1e-8)
        mean = torch.matmul(means, x)
        deviation = torch.sqrt(torch.matmul(means, x**2).sub(mean**2).clamp(min=0) + 1e-8)
        inputs = x, torch.cat((vector, length, middle), dim=-1), torch.cat((mean, deviation), dim=-1)
        v, e, y = (
            linear(features) + position
            for linear, position, features in zip(self.embeddings, self.positions, inputs, strict=True)
        )
        for block in self.blocks:
            v, e, y = block(v, e, y, ends, self.incidence, self.inside)
        return self.head(self.norm(v))


def row_means(matrix: Tensor) -> Tensor:
    """Rows that sum to 1; empty ones stay."""
    return matrix / matrix.sum(dim=1, keepdim=True).clamp(min=1)


class NEHSBlock(nn.Module):
    def __init__(self, ours: Any) -> None:
        super().__init__()
        edge, hyperedge, width = ours.bone, ours.hyperedge, ours.channels
        norms = ours.node_norm, edge.norm, hyperedge.norm, edge.token_norm, hyperedge.token_norm, ours.ffn_norm
        self.norms = nn.ModuleList(copy.deepcopy(norm) for norm in norms)
        first, second = slice(width), slice(width, None)
        self.to_edge, self.hyper_to_edge = part(edge.map, columns=first), part(edge.map, columns=second, bias=False)
        self.to_hyperedge = part(hyperedge.map, columns=first)
        self.edge_to_hyper = part(hyperedge.map, columns=second, bias=False)
        attentions = ours.node_attention, edge.attention, hyperedge.attention
        self.attentions = nn.ModuleList(RelationAttention(attention) for attention in attentions)
        self.gate, self.fuse, self.ffn = (copy.deepcopy(m) for m in (ours.gate, ours.fuse, ours.ffn))
        self.dropout = nn.Dropout(ours.dropout.p)

    def forward(
        self, v: Tensor, e: Tensor, y: Tensor, ends: Tensor, incidence: Tensor, inside: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        means, to_bones, to_hyperedges = row_means(incidence.T), row_means(inside), row_means(inside.T)
        node, edge, hyperedge = (norm(h) for norm, h in zip(self.norms[:3], (v, e, y), strict=True))
        from_joints = self.to_edge(torch.matmul(ends.T, node))
        from_others = self.hyper_to_edge(torch.matmul(to_bones, hyperedge))
        e = e + self.dropout(functional.gelu(from_joints + from_others))
        from_joints = self.to_hyperedge(torch.matmul(means, node))
        from_others = self.edge_to_hyper(torch.matmul(to_hyperedges, edge))
        y = y + self.dropout(functional.gelu(from_joints + from_others))
        tokens = node, self.norms[3](e), self.norms[4](y)
        messages = [attention(node, z) for attention, z in zip(self.attentions, tokens, strict=True)]
        gates = torch.softmax(self.gate(torch.cat(messages, dim=-1)), dim=-1)
        fused = sum(gates[..., i : i + 1] * message for i, message in enumerate(messages))
        v = v + self.dropout(self.fuse(fused))
        return v + self.ffn(self.norms[5](v)), e, y


FORMULATIONS: dict[str, Callable[[Any], nn.Module]] = {
    "any_gcn": lambda ours: ResidualGCN(ours, PreAggregationConv),
    "graph_mlp": GraphMLP,
    "hgcn": lambda ours: ResidualGCN(ours, HighOrderGraphConv),
    "hgn": HGN,
    "hoif_net": HOIFNet,
    "martinez": Martinez,
    "mlp_graph": MLPGraph,
    "modulated_gcn": lambda ours: ResidualGCN(ours, ModulatedGraphConv),
    "nehs_net": NEHSNet,
    "rs_net": RSNet,
    "sem_gcn": lambda ours: ResidualGCN(ours, SemGraphConv),
    "st_gcn_pose": STGCNPose,
    "video_pose": VideoPose,
}


def from_ours(model: PoseLifter) -> nn.Module:
    """The published formulation of a model, as it is by default, with its weights and in its mode."""
    return FORMULATIONS[model.config["name"]](model).train(model.training)
