"""From pixels to what a network was trained on, and the camera that this takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.geometry import normalize_screen, window_rays
from skelgraph.lifting.lifted import FocalSource
from skelgraph.options import InputForm
from skelgraph.registry import Registry
from skelgraph.text import shown

HUMAN36M_FOCAL = 2 * 1145 / 1000
"""Focal length of Human3.6M's cameras (1145 pixels of an image of 1000) on the normalised screen, whose half width is
1; also that of the generated data set and of the cameras that are put around motion that none filmed."""

ESTIMATED_FOCAL = 0.85
"""Focal length of an unknown camera in longer sides of its picture: main cameras of phones have 0.7 (26 mm on film of
36 mm) and, with the margin that stabilised video cuts off, 0.8 to 0.9; webcams 0.7 to 0.9."""


@dataclass(frozen=True)
class View:
    """The camera of a video and that of the data a network was trained on.

    Args:
        intrinsics: fx, fy, cx, cy in pixels.
        focal_source: Whether the focal length is given or estimated.
        image_size: Width and height in pixels; ``None`` if they are not known.
        training_focal: Focal length of the training data on the normalised screen, which rays do not need.
    """

    intrinsics: tuple[float, float, float, float]
    focal_source: FocalSource
    image_size: tuple[int, int] | None
    training_focal: float


def view_of(
    image_size: tuple[int, int] | None,
    focal: float | tuple[float, float] | None,
    principal_point: tuple[float, float] | None,
    training_focal: float,
) -> View:
    """The camera, from what is known of it.

    Args:
        image_size: Width and height in pixels.
        focal: Focal length in pixels, or fx and fy; ``None``: :data:`ESTIMATED_FOCAL` longer sides of the picture.
        principal_point: Where the optical axis meets the picture; ``None``: in its middle.
        training_focal: Focal length of the training data on the normalised screen.

    Raises:
        SkelgraphError: If the size of the picture is needed and not known.
    """
    source: FocalSource = "given" if focal is not None else "estimated"
    if image_size is not None:
        focal = ESTIMATED_FOCAL * max(image_size) if focal is None else focal
        principal_point = principal_point or (image_size[0] / 2, image_size[1] / 2)
    if focal is None or principal_point is None:
        lacking = "focal" if focal is None else "principal_point"
        raise SkelgraphError(
            f"image_size is not known and {lacking} is not given; expected image_size=(width, height) in pixels"
        )
    (fx, fy), (cx, cy) = focal if isinstance(focal, tuple) else (focal, focal), principal_point
    return View((fx, fy, cx, cy), source, image_size, training_focal)


Normalisation: TypeAlias = Callable[[Tensor, View], tuple[Tensor, Tensor | None]]
"""Maps keypoints of windows in pixels ``(B, T, J, 2)`` to the input of the network ``(B, T, J, C)``, float64, and to
the rotations ``(B, 3, 3)`` that turn the axes of its poses into those of the camera; ``None`` where they are these."""

NORMALISATIONS: Registry[Normalisation] = Registry("normalisation")


def by_focal(keypoints: Tensor, view: View) -> tuple[Tensor, Tensor | None]:
    """The picture that the camera of the training data would have taken: :math:`(p - c) / f \\cdot f_t`."""
    focal, centre = np.split(np.array(view.intrinsics), 2)
    return (keypoints - torch.from_numpy(centre)) * torch.from_numpy(view.training_focal / focal), None


def by_width(keypoints: Tensor, view: View) -> tuple[Tensor, Tensor | None]:
    """The normalised screen, whatever the focal length: x from -1 to 1 over the width of the picture."""
    if view.image_size is None:
        raise SkelgraphError("image_size is not known; expected image_size=(width, height) to normalise by 'width'")
    return normalize_screen(keypoints, *view.image_size), None


def rays(keypoints: Tensor, view: View) -> tuple[Tensor, Tensor | None]:
    """Rays turned to the person, of networks whose weights say that they take them; no choice of the user's."""
    turned, rotation = window_rays(keypoints, torch.tensor(view.intrinsics, dtype=keypoints.dtype))
    return turned, rotation.mT


def normalisation_of(form: InputForm, asked: str | None) -> Normalisation:
    """What makes the input of a network.

    Args:
        form: The input form of the network.
        asked: A name of :data:`NORMALISATIONS`, of which networks of the screen have the choice; ``None``: ``"focal"``.

    Raises:
        SkelgraphError: If one is asked for and there is no choice.
    """
    if form == "screen":
        return NORMALISATIONS.find(asked or "focal")
    if asked is not None:
        raise SkelgraphError(
            f"normalisation is {asked!r}, but the weights say that the network takes {form}; leave it out"
        )
    return rays


for _name, _normalisation in (("focal", by_focal), ("width", by_width)):
    NORMALISATIONS.add(_name, _normalisation, _normalisation)


def check_size(image_size: tuple[int, int] | None) -> None:
    """Raise an error if the size of a picture is none.

    Raises:
        SkelgraphError: If a side is not positive.
    """
    if image_size is not None and min(image_size) < 1:
        raise SkelgraphError(f"image_size is {shown(image_size)}; expected width and height in pixels")
