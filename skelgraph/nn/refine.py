"""The head that corrects a lifted pose by its back-projected 2D keypoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.nn.dropout import Dropout
from skelgraph.nn.features import check_tensor
from skelgraph.nn.init import MadeOfParts
from skelgraph.options import Channels, CheckedOptions, Rate
from skelgraph.topology import Skeleton, SkeletonLike, as_skeleton


class PostRefine(CheckedOptions, MadeOfParts):
    r"""Refinement head of `"Exploiting Spatial-temporal Relationships for 3D Pose Estimation via Graph Convolutional
    Networks" <https://openaccess.thecvf.com/content_ICCV_2019/html/Cai_Exploiting_Spatial-Temporal_Relationships_for_3D_Pose_Estimation_via_Graph_Convolutional_ICCV_2019_paper.html>`_
    (ICCV 2019), which many later networks are published with: per coordinate it weighs the predicted pose against the
    2D keypoints back-projected at the predicted depth.

    .. math::
        \mathbf{s} = \sigma(\mathbf{W}_2 \, \mathrm{ReLU}(\mathbf{W}_1 [\mathbf{P} | \mathbf{Q}])), \qquad
        \mathbf{P}'_{xy} = \mathbf{s} \odot \mathbf{P}_{xy} + (1 - \mathbf{s}) \odot \mathbf{Q}_{xy}, \quad
        \mathbf{P}'_z = \mathbf{P}_z

    with the prediction :math:`\mathbf{P}` and the back-projected pose :math:`\mathbf{Q}` of
    :func:`~skelgraph.geometry.back_project_relative`, joined per joint and flattened.

    Args:
        skeleton: Skeleton or layout name; it sets the number of joints only.
        hidden_channels: Width; 1536 in GraphMLP, 1024 elsewhere.
        dropout: Dropout rate after the ReLU.

    Shapes:
        - input: prediction ``(..., J, 3)`` and back-projected pose ``(..., J, 3)``, root-relative metres
        - output: ``(..., J, 3)``, root-relative metres
        - ``hidden.weight`` ``(hidden_channels, 6 * J)``, ``gate.weight`` ``(2 * J, hidden_channels)``, both with bias
        - 140 322 parameters on ``h36m17``, 132 128 on ``h36m16``

    Raises:
        SkelgraphError: If the two poses are not both ``(..., J, 3)``.

    Initialisation: default weights and biases.

    Code and paper: the released training scripts never switch this head to evaluation mode, so that its dropout is
    active in their published numbers; here ``eval()`` turns it off. The back-projection needs the true depth of the
    root, also at test time.

    Example:
        >>> PostRefine("h36m17")(torch.randn(4, 17, 3), torch.randn(4, 17, 3)).shape
        torch.Size([4, 17, 3])
    """

    def __init__(
        self, skeleton: SkeletonLike = "h36m17", hidden_channels: Channels = 1024, dropout: Rate = 0.5
    ) -> None:
        super().__init__()
        self.skeleton: Skeleton = as_skeleton(skeleton)
        num_joints = self.skeleton.num_joints
        self.hidden = nn.Linear(num_joints * 6, hidden_channels)
        self.dropout = Dropout(dropout)
        self.gate = nn.Linear(hidden_channels, num_joints * 2)

    def forward(self, pred: Tensor, back_projected: Tensor) -> Tensor:
        """Refine ``(..., J, 3)`` with ``(..., J, 3)``."""
        num_joints = self.skeleton.num_joints
        check_tensor(self, pred)
        check_tensor(self, back_projected)
        if pred.shape != back_projected.shape or pred.shape[-2:] != (num_joints, 3):
            raise SkelgraphError(
                f"PostRefine needs two poses of shape (..., {num_joints}, 3), got {tuple(pred.shape)} and "
                f"{tuple(back_projected.shape)}"
            )
        hidden = self.dropout(self.hidden(torch.cat((pred, back_projected), dim=-1).flatten(-2)).relu())
        gate = self.gate(hidden).sigmoid().unflatten(-1, (num_joints, 2))
        xy = gate * pred[..., :2] + (1 - gate) * back_projected[..., :2]
        return torch.cat((xy, pred[..., 2:]), dim=-1)
