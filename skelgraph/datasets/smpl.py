"""SMPL body models from files that the user has the licence for."""

from __future__ import annotations

import math
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelgraph.errors import DataError
from skelgraph.files import RefusedError, as_path, open_regular, read_npz
from skelgraph.files.pickles import PLAIN, Unfinished, Unpickler, functions
from skelgraph.text import plain, shown

WHERE = (
    "SMPL cannot be shipped with this library: accept its licence at https://smpl.is.tue.mpg.de, download "
    "'SMPL for Python' there, and pass the path of a model file such as SMPL_NEUTRAL.pkl."
)
_REQUIRED = ("f", "v_template", "J_regressor")


def find_smpl(path: str | PathLike[str]) -> Path:
    """The neutral SMPL model in a folder: the one file there, or in its folder ``smpl``, with ``neutral`` in its name
    (``SMPL_NEUTRAL.pkl``, ``basicModel_neutral_lbs_10_207_0_v1.0.0.pkl``), npz or pkl. A file is itself.

    Raises:
        DataError: If there is no such file, or several.
    """
    path = as_path(path, DataError)
    if not path.is_dir():
        return path
    for folder in (path, path / "smpl"):
        files = [file for file in sorted(folder.glob("*")) if file.suffix in (".pkl", ".npz")]
        models = [file for file in files if "neutral" in file.name.lower()]
        if len(models) == 1:
            return models[0]
        if models:
            names = ", ".join(plain(file.name) for file in models[:8])
            raise DataError(f"{folder}: has several neutral SMPL models ({names}), expected one: name the file.")
    raise DataError(f"{path}: has no file of a neutral SMPL model (*neutral*.pkl or .npz). {WHERE}")


def read_smpl(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Read a SMPL model file, npz or pkl; nothing in the file is ever executed.

    The arrays keep the names that they have in the file, among them the triangles ``f (F, 3)``, int64, the resting
    vertices ``v_template (V, 3)`` in metres and ``J_regressor (J, V)``, the weights of the vertices in each joint.
    ``MultiScaleGraph.from_mesh(torch.from_numpy(read_smpl(path)["f"]))`` are the graphs that HGN was published with.

    Args:
        path: The file.

    Returns:
        All arrays of the file; sparse ones and those of the package chumpy become plain arrays, other values are left
        out.

    Raises:
        DataError: The file is missing, damaged, holds anything else than data, or is no SMPL model.
    """
    path = as_path(path, DataError)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file. {WHERE}")
    content = read_npz(path) if path.suffix == ".npz" else _read_pickle(path)
    arrays = {str(key): value for key, value in content.items() if isinstance(value, np.ndarray)}
    shapes = {key: arrays[key].shape for key in _REQUIRED if key in arrays and arrays[key].dtype != object}
    if (
        len(shapes) < len(_REQUIRED)
        or shapes["f"][1:] != (3,)
        or shapes["v_template"][1:] != (3,)
        or not shapes["f"][0]
    ):
        raise DataError(
            f"{path}: is no SMPL model: expected f (F, 3), v_template (V, 3) and J_regressor (J, V), found "
            f"{', '.join(f'{plain(key)} {value.shape}' for key, value in list(arrays.items())[:20]) or 'no arrays'}."
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
    with open_regular(path, DataError) as file:
        try:
            content = Unpickler(file, file.size, _NAMES).load()
        except RefusedError as error:
            raise DataError(f"{path}: holds {error}, which is refused and was not executed.") from error
        except Exception as error:  # a damaged pickle fails in as many ways as it has instructions
            reason = f"{type(error).__name__}: {plain(str(error), 200)}"
            raise DataError(f"{path}: is damaged or no pickle ({reason}).") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__} in place of a dictionary.")
    return content


def _chumpy(reader: Unpickler, state: Any) -> np.ndarray:
    """An array of chumpy."""
    return _is_array(state["x"])


def _select(reader: Unpickler, state: Any) -> np.ndarray:
    """A selection from an array of chumpy."""
    source, kept = _is_array(state["a"]), _is_array(state["idxs"])
    reader.charge(kept.size * source.itemsize)
    flat = source.ravel()[kept]
    shape = state.get("preferred_shape")
    return flat if shape is None else flat.reshape(shape)


def _sparse_columns(reader: Unpickler, state: Any) -> np.ndarray:
    """A sparse matrix of scipy, stored by columns."""
    shape, data, rows, start = state["_shape"], *(_is_array(state[key]) for key in ("data", "indices", "indptr"))
    if len(shape) != 2 or math.prod(shape) > _LARGEST_MATRIX:
        raise RefusedError(f"a sparse matrix of shape {shown(shape)}")
    counts = np.diff(start)
    if len(counts) != shape[1] or (counts < 0).any() or counts.sum() != len(data):
        raise ValueError("a sparse matrix whose columns are not those of its shape")
    matrix = np.zeros(shape)
    np.add.at(matrix, (rows, np.repeat(np.arange(shape[1]), counts)), data)
    return matrix


def _is_array(value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype == object:
        raise RefusedError(f"a {type(value).__name__} where an array should be")
    return value


def _class(build: Callable[[Unpickler, Any], np.ndarray]) -> Callable[[Unpickler], Unfinished]:
    return lambda reader: Unfinished(build)


_LARGEST_MATRIX = 10**7  # of SMPL it is 24 x 6890
_NAMES = PLAIN | functions(
    {
        ("chumpy.ch", "Ch"): _class(_chumpy),
        ("chumpy.reordering", "Select"): _class(_select),
        **{(f"scipy.sparse.{module}", "csc_matrix"): _class(_sparse_columns) for module in ("csc", "_csc")},
        **{(module, "set"): lambda reader, *_: None for module in ("__builtin__", "builtins")},
    }
)
"""The names that stand in SMPL files for plain data and the classes of chumpy and scipy that they are made with."""
