"""Cameras: between world and camera axes, onto the image, and between pixels and the normalised screen."""

from __future__ import annotations

from typing import Literal, get_args

import roma
import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError, unknown_name
from skelgraph.geometry.tensors import check_tensors

Distortion = Literal["human36m", "opencv", "none"]
"""A model of lens distortion, see :func:`project`."""
DISTORTIONS = get_args(Distortion)


def world_to_camera(points: Tensor, orientation: Tensor, translation: Tensor) -> Tensor:
    r"""Express world points in the axes of a camera, :math:`R^\top (X - t)`, as `VideoPose3D
    <https://github.com/facebookresearch/VideoPose3D>`_ does.

    Args:
        points: World points ``(..., J, 3)``, metres.
        orientation: Unit quaternion ``(..., 4)`` in the order w, x, y, z that turns camera axes into world axes.
        translation: Camera centre in the world ``(..., 3)``, in the unit of the points.

    Shapes:
        The leading dimensions broadcast: one camera ``(4,)``, ``(3,)`` serves a whole clip ``(T, J, 3)``.

    Returns:
        Camera points ``(..., J, 3)``: x right, y down, z forward.

    Raises:
        SkelgraphError: A last dimension is not 3, 4 and 3.
    """
    _check_camera(points, orientation, translation)
    return (points - translation[..., None, :]) @ _rotation(orientation)


def camera_to_world(points: Tensor, orientation: Tensor, translation: Tensor) -> Tensor:
    r"""Express camera points in world axes, :math:`R X + t`: the inverse of :func:`world_to_camera`.

    Args:
        points: Camera points ``(..., J, 3)``, metres.
        orientation: Unit quaternion ``(..., 4)`` in the order w, x, y, z that turns camera axes into world axes.
        translation: Camera centre in the world ``(..., 3)``, in the unit of the points.

    Returns:
        World points ``(..., J, 3)``.

    Raises:
        SkelgraphError: A last dimension is not 3, 4 and 3.
    """
    _check_camera(points, orientation, translation)
    return points @ _rotation(orientation).mT + translation[..., None, :]


def project(points_camera: Tensor, intrinsics: Tensor, distortion: Distortion) -> Tensor:
    r"""Project camera points onto the image with the lens model that the camera was calibrated for.

    With :math:`x = X/Z`, :math:`y = Y/Z` and :math:`r^2 = x^2 + y^2`, ``"opencv"`` is the model of `OpenCV
    <https://docs.opencv.org/4.x/d9/d0c/group__calib3d.html>`_ and of most calibration tools,

    .. math::
        x' &= x \, (1 + k_1 r^2 + k_2 r^4 + k_3 r^6) + 2 p_1 x y + p_2 (r^2 + 2 x^2) \\
        y' &= y \, (1 + k_1 r^2 + k_2 r^4 + k_3 r^6) + p_1 (r^2 + 2 y^2) + 2 p_2 x y

    ``"human36m"`` the one that Human3.6M's cameras are published with, as `VideoPose3D
    <https://github.com/facebookresearch/VideoPose3D>`_ computes it: :math:`x` and :math:`y` are clamped to [-1, 1],
    which limits the polynomial outside the view; points behind the camera are projected like those in front of it; and

    .. math::
        x' &= x \, (1 + k_1 r^2 + k_2 r^4 + k_3 r^6 + p_1 x + p_2 y) + p_1 r^2 \\
        y' &= y \, (1 + k_1 r^2 + k_2 r^4 + k_3 r^6 + p_1 x + p_2 y) + p_2 r^2

    and ``"none"`` the pinhole camera, :math:`x' = x`, :math:`y' = y`. The image point is :math:`(f_x x' + c_x, \,
    f_y y' + c_y)`. There is no default, since each is wrong for the cameras of the others.

    Args:
        points_camera: Camera points ``(..., J, 3)``.
        intrinsics: ``(..., 9)`` = fx, fy, cx, cy, k1, k2, k3, p1, p2, in pixels or normalised. OpenCV itself stores
            k1, k2, p1, p2, k3. For ``"none"`` the first 4 are enough, and the only ones used.
        distortion: The lens model.

    Returns:
        Image points ``(..., J, 2)`` in the unit of the intrinsics; NaN for points in or behind the camera, which have
        no image (but see ``"human36m"``).

    Raises:
        SkelgraphError: The last dimensions are not 3 and 9, or there is no such model.
    """
    if distortion not in DISTORTIONS:
        raise unknown_name("distortion", distortion, DISTORTIONS)
    _check_last("points_camera", points_camera, 3)
    _check_last("intrinsics", intrinsics, *((4, 9) if distortion == "none" else (9,)))
    focal, centre, radial, tangential = intrinsics[..., None, :].tensor_split((2, 4, 7), dim=-1)
    if distortion == "human36m":
        x = _clamped_perspective(points_camera)
        r2 = x.square().sum(-1, keepdim=True)
        factor = _radial(r2, radial) + (tangential * x).sum(-1, keepdim=True)
        return focal * (x * factor + tangential * r2) + centre
    depth = points_camera[..., 2:]
    x = points_camera[..., :2] / torch.where(depth > 0, depth, torch.nan)
    if distortion == "opencv":
        r2 = x.square().sum(-1, keepdim=True)
        crossed = tangential.flip(-1)
        x = x * (_radial(r2, radial) + 2 * (crossed * x).sum(-1, keepdim=True)) + crossed * r2
    return focal * x + centre


def project_linear(points_camera: Tensor, intrinsics: Tensor) -> Tensor:
    r"""Project camera points onto the image as Human3.6M's ``"human36m"`` model does, but without lens distortion:
    :math:`f \, \mathrm{clamp}(X/Z) + c`, VideoPose3D's ``project_to_2d_linear``.

    The clamp to [-1, 1] is Human3.6M's: for other cameras without distortion take ``project(..., "none")``.

    Args:
        points_camera: Camera points ``(..., J, 3)``.
        intrinsics: ``(..., 4)`` = fx, fy, cx, cy or the 9 numbers of :func:`project`, of which the first 4 are used.

    Returns:
        Image points ``(..., J, 2)`` in the unit of the intrinsics.

    Raises:
        SkelgraphError: The last dimensions are not 3 and 4 or 9.
    """
    _check_last("points_camera", points_camera, 3)
    _check_last("intrinsics", intrinsics, 4, 9)
    focal, centre = intrinsics[..., None, :4].split(2, dim=-1)
    return focal * _clamped_perspective(points_camera) + centre


def back_project(keypoints_2d: Tensor, depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Lift image points of known depth to camera points, ignoring distortion: the inverse of ``project(..., "none")``.

    Args:
        keypoints_2d: Image points ``(..., J, 2)`` in the unit of the intrinsics.
        depth: Distance along the optical axis ``(..., J)``, metres.
        intrinsics: ``(..., 4)`` = fx, fy, cx, cy or the 9 numbers of :func:`project`, of which the first 4 are used.

    Returns:
        Camera points ``(..., J, 3)``, metres.

    Raises:
        SkelgraphError: The last dimensions are not 2, J and 4 or 9.
    """
    _check_last("keypoints_2d", keypoints_2d, 2)
    _check_last("intrinsics", intrinsics, 4, 9)
    _check_last("depth", depth, keypoints_2d.shape[-2])
    focal, centre = intrinsics[..., None, :4].split(2, dim=-1)
    rays = torch.nn.functional.pad((keypoints_2d - centre) / focal, (0, 1), value=1.0)
    return rays * depth[..., None]


def back_project_relative(
    keypoints_2d: Tensor, relative_depth: Tensor, root_depth: Tensor, intrinsics: Tensor, root: int = 0
) -> Tensor:
    """Lift image points to a root-relative pose, given predicted depths and the true depth of the root, ignoring
    distortion: the second input of a refinement head such as :class:`~skelgraph.nn.PostRefine`.

    Args:
        keypoints_2d: Image points ``(..., J, 2)`` in the unit of the intrinsics.
        relative_depth: Depth of every joint relative to the root ``(..., J)``, metres; the root's own value is ignored.
        root_depth: Distance of the root along the optical axis ``(...)``, metres.
        intrinsics: ``(..., 4)`` = fx, fy, cx, cy or the 9 numbers of :func:`project`, of which the first 4 are used.
        root: The root joint.

    Returns:
        Root-relative camera points ``(..., J, 3)``, metres; the root is 0.

    Raises:
        SkelgraphError: The last dimensions are not 2, J and 4 or 9.
    """
    _check_last("keypoints_2d", keypoints_2d, 2)
    _check_last("relative_depth", relative_depth, keypoints_2d.shape[-2])
    check_tensors(root_depth=root_depth)
    is_root = torch.arange(relative_depth.shape[-1], device=relative_depth.device) == root
    depth = relative_depth.masked_fill(is_root, 0) + root_depth[..., None]
    points = back_project(keypoints_2d, depth, intrinsics)
    return points - points[..., root, None, :]


def look_at(centre: Tensor, target: Tensor, roll: float = 0.0) -> Tensor:
    """The orientation of a camera that looks at a point, in a world whose z axis points up.

    Args:
        centre: Where the camera is ``(..., 3)``, not straight above or below the target.
        target: What is in the middle of its image ``(..., 3)``.
        roll: Turn of the camera about its optical axis, radians; without it the horizon is level.

    Returns:
        Unit quaternion ``(..., 4)`` = w, x, y, z, camera to world axes.

    Raises:
        SkelgraphError: An argument is no tensor.
    """
    check_tensors(centre=centre, target=target)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=centre.dtype, device=centre.device)
    forward = torch.nn.functional.normalize(target - centre, dim=-1)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up.expand_as(forward)), dim=-1)
    axes = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=-1)
    rolled = axes @ roma.rotvec_to_rotmat(roll * up)
    return roma.quat_xyzw_to_wxyz(roma.rotmat_to_unitquat(rolled))


def normalize_screen(points_px: Tensor, width: float | Tensor, height: float | Tensor) -> Tensor:
    """Map pixels to the screen on which x runs over [-1, 1] and y keeps the aspect ratio: ``x / w * 2 - [1, h / w]``.

    Args:
        points_px: Image points ``(..., 2)``, pixels.
        width: Image width in pixels: a number, or a tensor that broadcasts with the points' leading dimensions.
        height: Image height in pixels, likewise.

    Returns:
        Normalised points ``(..., 2)``, y down.

    Raises:
        SkelgraphError: The last dimension is not 2.
    """
    _check_last("points_px", points_px, 2)
    x, y = points_px.unbind(-1)
    return torch.stack((2 * x / width - 1, (2 * y - height) / width), -1)


def denormalize_screen(points: Tensor, width: float | Tensor, height: float | Tensor) -> Tensor:
    """Map normalised screen points back to pixels: the inverse of :func:`normalize_screen`.

    Args:
        points: Normalised points ``(..., 2)``.
        width: Image width in pixels: a number, or a tensor that broadcasts with the points' leading dimensions.
        height: Image height in pixels, likewise.

    Returns:
        Image points ``(..., 2)``, pixels.

    Raises:
        SkelgraphError: The last dimension is not 2.
    """
    _check_last("points", points, 2)
    x, y = points.unbind(-1)
    return torch.stack(((x + 1) * width / 2, (y * width + height) / 2), -1)


def normalize_intrinsics(intrinsics: Tensor, width: float | Tensor, height: float | Tensor) -> Tensor:
    """Rescale intrinsics from pixels so that the projection lands on the normalised screen.

    Args:
        intrinsics: ``(..., 9)`` = fx, fy, cx, cy, k1, k2, k3, p1, p2, the first four in pixels.
        width: Image width in pixels: a number, or a tensor that broadcasts with the leading dimensions.
        height: Image height in pixels, likewise.

    Returns:
        Intrinsics ``(..., 9)``; both focal lengths are divided by half the width, the distortion is unchanged.

    Raises:
        SkelgraphError: The last dimension is not 9.
    """
    _check_last("intrinsics", intrinsics, 9)
    fx, fy = intrinsics[..., :2].unbind(-1)
    focal = torch.stack((2 * fx / width, 2 * fy / width), -1)
    return torch.cat((focal, normalize_screen(intrinsics[..., 2:4], width, height), intrinsics[..., 4:]), -1)


def _rotation(orientation: Tensor) -> Tensor:
    # Our quaternions are w, x, y, z as in the data files of the field, roma's are x, y, z, w: converted here only.
    # The published ones are of unit length up to 3e-8. VideoPose3D rotates by I + 2wK + 2K^2, roma by (|q|^2 - 1) I
    # more than that; without the difference, points 5 m away would be off by half a micrometre.
    matrix = roma.unitquat_to_rotmat(roma.quat_wxyz_to_xyzw(orientation))
    excess = orientation.square().sum(-1)[..., None, None] - 1
    return matrix - excess * torch.eye(3, dtype=matrix.dtype, device=matrix.device)


def _clamped_perspective(points_camera: Tensor) -> Tensor:
    return (points_camera[..., :2] / points_camera[..., 2:]).clamp(-1, 1)


def _radial(r2: Tensor, radial: Tensor) -> Tensor:
    """The factor 1 + k1 r^2 + k2 r^4 + k3 r^6, ``(..., J, 1)``."""
    return 1 + (radial * torch.cat((r2, r2**2, r2**3), -1)).sum(-1, keepdim=True)


def _check_camera(points: Tensor, orientation: Tensor, translation: Tensor) -> None:
    _check_last("points", points, 3)
    _check_last("orientation", orientation, 4)
    _check_last("translation", translation, 3)


def _check_last(name: str, tensor: Tensor, *sizes: int) -> None:
    check_tensors(**{name: tensor})
    if tensor.ndim == 0 or tensor.shape[-1] not in sizes:
        expected = " or ".join(map(str, sizes))
        raise SkelgraphError(
            f"{name} has shape {tuple(tensor.shape)}; expected {expected} numbers in the last dimension"
        )
