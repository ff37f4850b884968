"""What a network answers to the same person seen by rolled and mirrored cameras."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry.mirror import mirror
from skelgraph.geometry.rays import turn, window_rays
from skelgraph.geometry.tensors import check_tensors


def turned_answers(
    model: Callable[[Tensor], Tensor],
    rays: Tensor,
    angles: Sequence[float],
    mirror_index: Sequence[int] | Tensor | None = None,
) -> Tensor:
    r"""The answers of a network of turned rays to its input as cameras see it that are rolled about the optical axis,
    and to the mirror images of these, each brought back: a network that knew all would answer the same to all of them,
    and their spread tells how sure it is.

    The places of the rays on the plane at distance 1 are rolled, and the box around them is looked at anew by
    :func:`window_rays`, so that the network is given what it was trained on.

    Args:
        model: Maps ``(..., T, J, C)`` to ``(..., J, 3)``; should be in eval mode, it is called once for each answer.
        rays: Its input, ``(..., T, J, 3)`` as :func:`window_rays` gives it, all joints seen; or with a confidence,
            which is handed on, ``(..., T, J, 4)``.
        angles: By how much the cameras are rolled, radians; 0 takes the input as it is.
        mirror_index: For each joint the joint of the other side, such as ``Skeleton.mirror_index``, to have the mirror
            images too; ``None``: without.

    Returns:
        ``(N, ..., J, 3)`` in the axes of ``rays``: the answers for all angles, then those of the mirror images in the
        same order.

    Raises:
        SkelgraphError: If the input is none, or there is no angle.
    """
    check_tensors(rays=rays)
    if rays.ndim < 3 or rays.shape[-1] not in (3, 4) or not len(angles):
        raise SkelgraphError(
            f"rays has shape {tuple(rays.shape)}, and there are {len(angles)} angles; expected (..., T, J, 3) or "
            "(..., T, J, 4) and at least one angle"
        )
    sides = [rays] if mirror_index is None else [rays, mirror(rays, mirror_index)]
    answers = [[_answer(model, side, angle) for angle in angles] for side in sides]
    if mirror_index is not None:
        answers[1] = [mirror(answer, mirror_index) for answer in answers[1]]
    return torch.stack([answer for of_side in answers for answer in of_side])


def _answer(model: Callable[[Tensor], Tensor], rays: Tensor, angle: float) -> Tensor:
    """The answer to rays as a rolled camera sees them, in their own axes."""
    if angle == 0:
        return model(rays)
    cos, sin = math.cos(angle), math.sin(angle)
    roll = rays.new_tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    flat = torch.nn.functional.pad(rays[..., :2] * rays[..., 2:3].exp(), (0, 1), value=1.0)
    centred = rays.new_tensor([1.0, 1.0, 0.0, 0.0]).expand(*rays.shape[:-3], 4)
    given, rotation = window_rays(turn(flat, roll)[..., :2], centred)
    answer = model(torch.cat((given, rays[..., 3:]), -1))
    return turn(turn(answer, rotation.mT), roll.mT)
