"""Who sends to whom in a layer: a picture of any layer, read off its derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skelgraph.errors import TopologyError
from skelgraph.viz.drawing import CENTRE, Body, draw_skeleton, rest_positions

SENDER, RECEIVER = "#1f77b4", "#d62728"


def joint_influence(layer: Callable[[Tensor], Tensor], num_joints: int, channels: int, samples: int = 16) -> Tensor:
    r"""How much the answer at each joint depends on the input at each: the root of
    :math:`\sum (\partial y_{ic} / \partial x_{jd})^2` over channels :math:`c, d` and over random inputs, divided by the
    largest.

    It is 0 exactly where no message goes from joint :math:`j` to joint :math:`i`, whatever the layer computes in
    between, and says how much goes at the present weights elsewhere.

    Args:
        layer: A function from ``(B, J, channels)`` to ``(B, J, C)``; a module is looked at in evaluation mode.
        num_joints: J.
        channels: Channels of a joint at the input.
        samples: B, how many random inputs; their random numbers are the same in every call.

    Returns:
        ``(J, J)``, receivers in rows, from 0 to 1; float32, on the CPU.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(samples, num_joints, channels, generator=generator)
    if isinstance(layer, nn.Module):
        training = layer.training
        layer.eval()
        x = x.to(next((p.device for p in layer.parameters()), x.device))
    x.requires_grad_()
    y = layer(x)
    direction = torch.randn(y.shape, generator=generator).to(y)
    rows = [torch.autograd.grad((y * direction)[:, i].sum(), x, retain_graph=True)[0] for i in range(num_joints)]
    if isinstance(layer, nn.Module):
        layer.train(training)
    influence = torch.stack([row.square().sum((0, 2)).sqrt() for row in rows]).cpu()
    return influence / influence.max().clamp(min=torch.finfo(influence.dtype).tiny)


def plot_messages(influence: Any, skeleton: Body, joint: int, positions: Any = None, axes: Any = None) -> Any:
    """Draw the messages of a layer: those that reach one joint, as arrows on the body, and all of them as a matrix.

    Args:
        influence: ``(J, J)``, of :func:`joint_influence`, or any matrix with receivers in rows; darker and wider is
            more.
        skeleton: The body.
        joint: The one that receives.
        positions: Where the joints are drawn, ``(J, 2)``, y up; by default a standing figure.
        axes: Two axes of matplotlib, for the body and for the matrix; by default a new figure.

    Returns:
        The two axes.

    Raises:
        TopologyError: If the matrix or the joint is none of this body.
    """
    weights = np.asarray(influence, dtype=float)
    count = skeleton.num_joints
    if weights.shape != (count, count):
        raise TopologyError(f"influence has shape {weights.shape}; expected {(count, count)} for {skeleton!r}")
    if not 0 <= joint < count:
        raise TopologyError(f"joint is {joint}; expected a number from 0 to {count - 1}")
    if axes is None:
        from matplotlib import pyplot as plt

        _, axes = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained", width_ratios=(1, 1.2))
    body, matrix = axes
    points = rest_positions(skeleton) if positions is None else np.asarray(positions, dtype=float)
    largest = max(float(np.abs(weights).max()), np.finfo(float).tiny)
    _draw_arrows(body, points, np.abs(weights[joint]) / largest, joint, skeleton)
    matrix.imshow(np.abs(weights) / largest, cmap="Blues", vmin=0, vmax=1)
    for ticks in (matrix.set_xticks, matrix.set_yticks):
        ticks(range(count))
    names = [name.replace("_", " ") for name in skeleton.joint_names]
    size = min(7.0, 130 / max(count, 1))
    matrix.set_xticklabels(names, rotation=90, fontsize=size, parse_math=False)
    matrix.set_yticklabels(names, fontsize=size, parse_math=False)
    matrix.set_xlabel("from")
    matrix.set_ylabel("to")
    matrix.axhspan(joint - 0.5, joint + 0.5, fill=False, edgecolor=RECEIVER, linewidth=1.5)
    return axes


def _draw_arrows(ax: Any, points: np.ndarray, weights: np.ndarray, joint: int, skeleton: Body) -> None:
    """One arrow for each joint that sends, a ring for a joint that sends to itself."""
    from matplotlib.patches import FancyArrowPatch

    draw_skeleton(skeleton, points, ax, colors=CENTRE, linewidth=1.5)
    for sender in np.argsort(weights):
        if weights[sender] == 0 or sender == joint:
            continue
        ax.add_patch(
            FancyArrowPatch(
                points[sender], points[joint], arrowstyle="-|>", connectionstyle="arc3,rad=0.2", mutation_scale=11,
                shrinkA=3, shrinkB=6, color=SENDER, alpha=0.25 + 0.75 * weights[sender],
                linewidth=0.6 + 2.4 * weights[sender],
            )
        )  # fmt: skip
    sends = weights > 0
    colors = [RECEIVER if i == joint else SENDER if sends[i] else CENTRE for i in range(len(points))]
    ax.scatter(points[:, 0], points[:, 1], c=colors, s=np.where(sends, 34, 12), zorder=3)
    if sends[joint]:
        ax.scatter(*points[joint], s=130, facecolors="none", edgecolors=RECEIVER, linewidths=1.5, zorder=3)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.1)
    ax.set_axis_off()
