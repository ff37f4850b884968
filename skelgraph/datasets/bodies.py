"""SMPL bodies that were fitted to the frames of a data set."""

from __future__ import annotations

from os import PathLike

import numpy as np
import roma
import torch
from torch import Tensor

from skelgraph.datasets.smpl import find_smpl, read_smpl
from skelgraph.errors import DataError


class SmplBodies:
    """The body of every frame of a data set, as the parameters of one `SMPL <https://smpl.is.tue.mpg.de>`_ model.

    Vertices are posed when they are asked for, on the device of the parameters, by the linear blend skinning of the
    package `smplx <https://github.com/vchoutas/smplx>`_: a frame takes some 90 numbers in memory in place of 20 670.

    Args:
        path: Model file of SMPL, or the folder of it: see :func:`~skelgraph.datasets.smpl.find_smpl`.
        pose: Rotation of every joint of the model, axis times angle, the root first: ``(N, joints, 3)``.
        shape: Coefficients of the body's shape, ``(N, S)``.
        offset: What is added to the posed vertices, metres, axes of the pose: ``(N, 3)``.
        view: Which of the ``rotations`` the frame is seen by, ``(N,)``.
        rotations: Rotations from the axes of the pose to those of the vertices, ``(views, 3, 3)``.

    Raises:
        DataError: If the model file or the package cannot be used, or the parameters are not those of the model.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        pose: Tensor,
        shape: Tensor,
        offset: Tensor,
        view: Tensor,
        rotations: Tensor,
    ) -> None:
        try:
            from smplx.lbs import lbs
        except ImportError as error:
            raise DataError(
                "SMPL bodies are posed by the package smplx: see its licence (it is for research), then "
                'pip install "skelgraph[smpl]".'
            ) from error
        self._skin = lbs
        self.path = find_smpl(path)
        arrays = read_smpl(self.path)
        num_vertices, num_joints = len(arrays["v_template"]), len(arrays["J_regressor"])
        expected: dict[str, tuple[int, ...]] = {
            "shapedirs": (num_vertices, 3, shape.size(1)),
            "posedirs": (num_vertices, 3, 9 * (num_joints - 1)),
            "weights": (num_vertices, num_joints),
            "kintree_table": (2, num_joints),
        }
        for name, form in expected.items():
            array = arrays.get(name)
            if name == "shapedirs" and array is not None and array.ndim == 3:
                array = arrays[name] = array[:, :, : shape.size(1)]  # the leading components, as many as were fitted
            if array is None or array.shape != form or array.dtype.kind not in "fiu":
                found = "nothing" if array is None else f"{array.shape} of {array.dtype}"
                raise DataError(f"{self.path}: {name} is {found}, expected numbers {form}.")
        if pose.shape[1:] != (num_joints, 3):
            raise DataError(f"{self.path}: has {num_joints} joints, the fitted poses have {pose.size(1)}.")
        parents = arrays["kintree_table"][0].astype(np.int64)
        parents[0] = -1
        if not ((parents[1:] >= 0) & (parents[1:] < np.arange(1, num_joints))).all():
            raise DataError(f"{self.path}: kintree_table has a joint before its parent.")
        posedirs = arrays["posedirs"].reshape(3 * num_vertices, -1).T  # as the package multiplies them
        numbers = {name: arrays[name] for name in ("v_template", "shapedirs", "J_regressor")}
        numbers |= {"posedirs": posedirs, "lbs_weights": arrays["weights"]}
        self._model = {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in numbers.items()}
        if not all(tensor.isfinite().all() for tensor in self._model.values()):
            raise DataError(f"{self.path}: NaN or infinite in the arrays of the model.")
        self._model["parents"] = torch.from_numpy(parents)
        self.faces = torch.from_numpy(arrays["f"])
        self._frames = {"pose": pose, "shape": shape, "offset": offset, "view": view}
        self._rotations = rotations

    def __len__(self) -> int:
        """The number of frames."""
        return len(self._frames["pose"])

    @property
    def num_vertices(self) -> int:
        """Vertices of a body."""
        return len(self._model["v_template"])

    @torch.no_grad()
    def vertices(self, frame: Tensor) -> Tensor:
        """Pose the bodies of some frames.

        Args:
            frame: Rows of the frames, ``(B,)``.

        Returns:
            Vertices ``(B, V, 3)``, metres.
        """
        if not len(frame):
            return self._model["v_template"].new_zeros(0, self.num_vertices, 3)
        pose, shape, offset, view = (values[frame] for values in self._frames.values())
        # By matrices: the package adds 1e-8 to axes before it takes their length.
        posed, _ = self._skin(shape, roma.rotvec_to_rotmat(pose), **self._model, pose2rot=False)
        return (posed + offset[:, None]) @ self._rotations[view].mT

    def to(self, device: torch.device | str | int) -> SmplBodies:
        """Move everything to a device, in place."""
        self._model = {name: tensor.to(device) for name, tensor in self._model.items()}
        self._frames = {name: tensor.to(device) for name, tensor in self._frames.items()}
        self._rotations = self._rotations.to(device)
        return self
