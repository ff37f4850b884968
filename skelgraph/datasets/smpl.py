"""SMPL body models from files that the user has the licence for."""

from __future__ import annotations

import math
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelgraph.datasets.npz import _Array, _Global, _plain, _RefusedError, _Unpickler, read_npz
from skelgraph.errors import DataError

WHERE = (
    "SMPL cannot be shipped with this library: accept its licence at https://smpl.is.tue.mpg.de, download "
    "'SMPL for Python' there, and pass the path of a model file such as SMPL_NEUTRAL.pkl."
)
_REQUIRED = ("f", "v_template", "J_regressor")


def read_smpl(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Read a SMPL model file, npz or pkl; nothing in the file is ever executed.

    The arrays keep the names that they have in the file, among them the triangles ``f (F, 3)``, int64, the resting
    vertices ``v_template (V, 3)`` in metres and ``J_regressor (J, V)``, the weights of the vertices in each joint.
    ``MultiScaleGraph.from_mesh(torch.from_numpy(read_smpl(path)["f"]))`` are the graphs that HGN was published with.

    Args:
        path: The file.

    Returns:
        All arrays of the file; sparse ones and those of the package chumpy become plain arrays, what is no array is
        left out.

    Raises:
        DataError: The file is missing, damaged, holds anything else than data, or is no SMPL model.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file. {WHERE}")
    content = read_npz(path) if path.suffix == ".npz" else _read_pickle(path)
    arrays = {str(key): np.asarray(value) for key, value in content.items() if isinstance(value, np.ndarray)}
    shapes = {key: arrays[key].shape for key in _REQUIRED if key in arrays and arrays[key].dtype != object}
    if (
        len(shapes) < len(_REQUIRED)
        or shapes["f"][1:] != (3,)
        or shapes["v_template"][1:] != (3,)
        or not shapes["f"][0]
    ):
        raise DataError(
            f"{path}: is no SMPL model: expected f (F, 3), v_template (V, 3) and J_regressor (J, V), found "
            f"{', '.join(f'{key} {value.shape}' for key, value in arrays.items()) or 'no arrays'}."
        )
    num_vertices = shapes["v_template"][0]
    arrays["f"] = arrays["f"].astype(np.int64)
    if shapes["J_regressor"][1:] != (num_vertices,) or not 0 <= arrays["f"].min() <= arrays["f"].max() < num_vertices:
        raise DataError(
            f"{path}: v_template has {num_vertices} vertices; f or J_regressor {shapes['J_regressor']} does not fit."
        )
    return arrays


def smpl_body(path: str | PathLike[str], **options: Any) -> Any:
    """Return the posable body of a SMPL model file, a ``smplx.SMPL`` of the package `smplx
    <https://github.com/vchoutas/smplx>`_, which has a licence of its own and is not installed with this library.

    Args:
        path: The file, read by :func:`read_smpl`; the package itself would execute what is in a pkl.
        **options: Further arguments of ``smplx.SMPL``.

    Raises:
        DataError: As :func:`read_smpl`, or if the package is missing.
    """
    arrays = read_smpl(path)
    try:
        import smplx
        from smplx.utils import Struct
    except ImportError as error:
        raise DataError(
            "SMPL bodies are posed by the package smplx: see its licence, then pip install smplx."
        ) from error
    return smplx.SMPL(str(path), data_struct=Struct(**arrays), **options)


def _read_pickle(path: Path) -> dict[Any, Any]:
    try:
        with path.open("rb") as stream:
            content = _plain_members(_SMPLUnpickler(stream, encoding="latin1").load())
    except _RefusedError as error:
        raise DataError(f"{path}: holds {error}, which is refused and was not executed.") from error
    except Exception as error:  # a damaged pickle fails in as many ways as it has instructions
        raise DataError(f"{path}: is damaged or no pickle ({type(error).__name__}: {error}).") from error
    return content


def _plain_members(content: Any) -> dict[Any, Any]:
    if not isinstance(content, dict):
        raise _RefusedError(f"a {type(content).__name__} in place of a dictionary")
    memo: dict[int, Any] = {}
    return {key: _plain(value, memo) for key, value in content.items()}


class _SMPLUnpickler(_Unpickler):
    """Knows besides the stand-ins for the classes of chumpy and scipy that SMPL files are made with."""

    def find_class(self, module: str, name: str) -> Any:
        """Look a global up in the list of the harmless ones."""
        package = module.split(".")[0]
        if package in ("chumpy", "scipy") and name in _CLASSES:
            return _CLASSES[name]
        if module in ("__builtin__", "builtins", "copy_reg", "copyreg") and name in _FUNCTIONS:
            return _FUNCTIONS[name]
        return super().find_class(module, name)


class _Chumpy(_Array):
    """An array of chumpy."""

    __slots__ = ()

    def build(self, memo: dict[int, Any]) -> np.ndarray:
        return np.asarray(_plain(self._state["x"], memo))


class _Select(_Array):
    """A selection from an array of chumpy."""

    __slots__ = ()

    def build(self, memo: dict[int, Any]) -> np.ndarray:
        flat = np.asarray(_plain(self._state["a"], memo)).ravel()[_plain(self._state["idxs"], memo)]
        shape = self._state.get("preferred_shape")
        return flat if shape is None else flat.reshape(_plain(shape, memo))


class _SparseColumns(_Array):
    """A sparse matrix of scipy, stored by columns."""

    __slots__ = ()

    def build(self, memo: dict[int, Any]) -> np.ndarray:
        shape, data, rows, start = (_plain(self._state[key], memo) for key in ("_shape", "data", "indices", "indptr"))
        if len(shape) != 2 or math.prod(shape) > 10**8:  # of SMPL it is 24 x 6890
            raise _RefusedError(f"a sparse matrix of shape {shape}")
        matrix = np.zeros(shape)
        np.add.at(matrix, (rows, np.repeat(np.arange(shape[1]), np.diff(start))), data)
        return matrix


_CLASSES: dict[str, type[_Array]] = {"Ch": _Chumpy, "Select": _Select, "csc_matrix": _SparseColumns}


def _reconstructor(kind: Any, base: Any, state: Any) -> _Array:
    """How the oldest pickles make an object."""
    if kind not in _CLASSES.values():
        raise _RefusedError("an object of an unusual class")
    return kind()


_FUNCTIONS = {"_reconstructor": _Global(_reconstructor), "object": _Global(object), "set": _Global(lambda *_: None)}
