"""AMASS: bodies of the SMPL family in motion (https://amass.is.tue.mpg.de), npz files of joint angles, metres, z up.

To know where the joints are takes the body model of the user, but no mesh: they are ``J (v + S beta)``, turned by the
angles along the kinematic tree (M. Loper et al., "SMPL: A Skinned Multi-Person Linear Model", 2015, eqs. 3 and 10).
What AMASS adds for soft tissue (``dmpls``) does not move them here.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from torch import Tensor

from skelgraph.datasets.motion_files.motion import Motion
from skelgraph.datasets.smpl import read_smpl
from skelgraph.errors import DataError
from skelgraph.files import as_path, read_npz
from skelgraph.geometry import forward_kinematics
from skelgraph.text import plain, shown
from skelgraph.topology import as_skeleton

_BODY = as_skeleton("smpl24").joint_names[:22]
_FINGERS = tuple(
    f"{side}_{finger}{i}"
    for side in ("left", "right")
    for finger in ("index", "middle", "pinky", "ring", "thumb")
    for i in (1, 2, 3)
)
_MODELS = {
    24: ("smpl", as_skeleton("smpl24").joint_names),
    52: ("smplh", (*_BODY, *_FINGERS)),
    55: ("smplx", (*_BODY, "jaw", "left_eye", "right_eye", *_FINGERS)),
}
"""Name and joints of each model, by their number."""
_HEAD_TOP = {6890: 411}
"""The vertex on top of the head (that of SMPLify), by the number of vertices: of SMPL and SMPL+H."""


def is_npz(head: bytes) -> bool:
    """Whether a file that begins so is an npz file."""
    return head.startswith(b"PK")


def read_amass(path: str | PathLike[str], smpl: str | PathLike[str] | None) -> Motion:
    """Read an npz file of AMASS: ``poses``, ``trans``, ``betas``, ``gender`` and ``mocap_framerate`` (or
    ``mocap_frame_rate``).

    The joints are those of the body model, and ``head_top`` where it is known which vertex that is.

    Args:
        path: The file.
        smpl: The model file of the same kind (SMPL+H where there are 52 joints) and gender, or a folder in which the
            names tell: ``smplh/male/model.npz``, ``SMPLH_MALE.pkl``.

    Raises:
        DataError: A file cannot be read, is damaged or does not fit the other; or the model is not found.
    """
    label = plain(str(path), 1000)
    members = read_npz(path, ["poses", "trans", "betas", "gender"], ["mocap_framerate", "mocap_frame_rate"])
    poses, trans, betas = (_numbers(members[name], name, label) for name in ("poses", "trans", "betas"))
    rates = [members[name] for name in ("mocap_framerate", "mocap_frame_rate") if name in members]
    rate = _numbers(rates[0], "the frame rate", label).ravel() if rates else np.empty(0)
    if len(rate) != 1 or not 0 < rate[0] < 1e6:
        raise DataError(f"{label}: mocap_framerate is {shown(rate.tolist())}, expected frames per second.")
    count = poses.shape[1] // 3 if poses.ndim == 2 else 0
    if count not in _MODELS or trans.shape != (len(poses), 3) or not len(poses) or betas.ndim != 1:
        raise DataError(
            f"{label}: found poses {poses.shape}, trans {trans.shape}, betas {betas.shape}; expected (T, 3 J), (T, 3) "
            f"and (S,), with the J joints of {', '.join(f'{name} ({n})' for n, (name, _) in _MODELS.items())}."
        )
    kind, names = _MODELS[count]
    body = _body(_find_model(smpl, kind, _gender(members["gender"], label), label))
    if len(body.parents) - body.has_head_top != count or len(np.trim_zeros(betas, "b")) > body.shapes.shape[-1]:
        raise DataError(
            f"{label}: has {count} joints and {len(betas)} shape coefficients, but {body.label} has "
            f"{len(body.parents) - body.has_head_top} and {body.shapes.shape[-1]}."
        )
    rest = body.joints + body.shapes[..., : len(betas)] @ torch.from_numpy(betas)[: body.shapes.shape[-1]]
    rotations = roma.rotvec_to_rotmat(torch.from_numpy(poses).reshape(-1, count, 3)).unbind(1)
    offsets = [rest[i] - rest[parent] for i, parent in enumerate(body.parents)]
    offsets[0] = rest[0] + torch.from_numpy(trans)
    if body.has_head_top:
        rotations, names = (*rotations, torch.eye(3, dtype=torch.float64)), (*names, "head_top")
    positions = torch.stack(forward_kinematics(body.parents, rotations, offsets)[1], 1)
    return Motion(positions.numpy(), names, float(rate[0]), unit=1.0, up="z", parents=body.parents)


def _numbers(value: Any, name: str, label: str) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise DataError(f"{label}: {name} is {shown(value)}, expected finite numbers.")
    return array.astype(np.float64)


def _gender(value: Any, label: str) -> str:
    """The gender, which files hold as text, as bytes, or as an array of one."""
    item = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    text = item.decode("latin-1") if isinstance(item, bytes) else item
    if text not in ("female", "male", "neutral"):
        raise DataError(f"{label}: gender is {shown(value)}, expected 'female', 'male' or 'neutral'.")
    return str(text)


def _find_model(smpl: str | PathLike[str] | None, kind: str, gender: str, label: str) -> Path:
    if smpl is None:
        raise DataError(
            f"{label}: its joints follow from a body model; expected smpl (--smpl), the folder of the {kind} model "
            "files that AMASS goes with (https://amass.is.tue.mpg.de, https://mano.is.tue.mpg.de)."
        )
    folder = as_path(smpl, DataError)
    if not folder.is_dir():
        return folder
    known = [
        file
        for pattern in ("*", "*/*", "*/*/*")
        for file in sorted(folder.glob(pattern))
        if file.suffix.lower() in (".npz", ".pkl")
    ]
    found = [file for file in known if {kind, gender} <= _words(folder.absolute().name, file.relative_to(folder))]
    if len(found) != 1:
        names = ", ".join(plain(str(file.relative_to(folder))) for file in (found or known)[:10]) or "none"
        raise DataError(
            f"{plain(str(folder), 1000)}: expected one file of the {gender} {kind} model, such as "
            f"{kind}/{gender}/model.npz or {kind.upper()}_{gender.upper()}.pkl; there is: {names}."
        )
    return found[0]


def _words(*names: object) -> set[str]:
    return {word for name in names for word in re.findall(r"[a-z]+", str(name).lower())}


@dataclass(frozen=True)
class _Body:
    """The joints of a body model at rest ``(J, 3)``, how they move with its shape ``(J, 3, S)``, and their parents; the
    top of the head is the last, if it is known."""

    label: str
    joints: Tensor
    shapes: Tensor
    parents: tuple[int, ...]
    has_head_top: bool


def _body(path: Path) -> _Body:
    stamp = path.stat() if path.is_file() else None
    return _read_body(path, stamp and (stamp.st_mtime_ns, stamp.st_size))


@functools.lru_cache(maxsize=16)
def _read_body(path: Path, stamp: tuple[int, int] | None) -> _Body:
    """Read a body model; ``stamp`` makes the cache read a changed file again."""
    label = plain(str(path), 1000)
    arrays = read_smpl(path)
    regressor, vertices = (_numbers(arrays[name], name, label) for name in ("J_regressor", "v_template"))
    count, num_vertices = regressor.shape
    shapes, tree = (_numbers(arrays.get(name), name, label) for name in ("shapedirs", "kintree_table"))
    parents = [-1, *(int(parent) for parent in tree[0, 1:])] if tree.ndim == 2 and tree.size else []
    if (
        shapes.ndim != 3
        or shapes.shape[:2] != (num_vertices, 3)
        or len(parents) != count
        or not all(0 <= parent < i for i, parent in enumerate(parents[1:], 1))
    ):
        raise DataError(
            f"{label}: found shapedirs {shapes.shape} and kintree_table {tree.shape}; expected ({num_vertices}, 3, S) "
            f"and (2, {count}), each joint behind its parent."
        )
    has_head_top = num_vertices in _HEAD_TOP and count > _BODY.index("head")
    if has_head_top:
        top = np.zeros((1, num_vertices))
        top[0, _HEAD_TOP[num_vertices]] = 1
        regressor, parents = np.concatenate([regressor, top]), [*parents, _BODY.index("head")]
    joints, moved = regressor @ vertices, np.einsum("jv,vds->jds", regressor, shapes)
    return _Body(label, torch.from_numpy(joints), torch.from_numpy(moved), tuple(parents), has_head_top)
