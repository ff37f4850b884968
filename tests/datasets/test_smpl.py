"""SMPL files, of which the tests make tiny ones."""

from __future__ import annotations

import os
import pickle
import sys
import types

import numpy as np
import pytest
import python2
import torch

from skelgraph.datasets import read_smpl, smpl_body
from skelgraph.errors import DataError
from skelgraph.topology import MultiScaleGraph, tube_faces

FACES = tube_faces("smpl24", 2).numpy()
NUM_VERTICES = int(FACES.max()) + 1
rng = np.random.default_rng(0)
MODEL = {
    "f": FACES.astype(np.uint32),
    "v_template": rng.normal(size=(NUM_VERTICES, 3)),
    "J_regressor": np.where(rng.random((24, NUM_VERTICES)) < 0.1, rng.random((24, NUM_VERTICES)), 0),
    "shapedirs": rng.normal(size=(NUM_VERTICES, 3, 2)),
    "weights": np.asfortranarray(rng.random((NUM_VERTICES, 24))),
    "kintree_table": np.stack([np.arange(24), np.arange(24)]).astype(np.int64),
}


class Ch:
    """Pickles like an array of chumpy."""

    def __init__(self, x):
        self.x, self._dirty_vars, self._itr = x, set(), None


class Select:
    """Pickles like a selection of chumpy."""

    def __init__(self, a, idxs, preferred_shape):
        self.a, self.idxs, self.preferred_shape = a, idxs, preferred_shape


class csc_matrix:  # noqa: N801 - the name of scipy
    """Pickles like a sparse matrix of scipy."""

    def __init__(self, matrix):
        columns = [np.nonzero(column)[0] for column in matrix.T]
        self._shape, self.maxprint = matrix.shape, 50
        self.indices = np.concatenate(columns).astype(np.int32)
        self.indptr = np.cumsum([0, *map(len, columns)]).astype(np.int32)
        self.data = matrix.T[matrix.T != 0]


@pytest.fixture(name="official")
def _official(monkeypatch):
    """The content of an official file, whose classes live in packages that are not there when it is read."""
    homes = {Ch: "chumpy.ch", Select: "chumpy.reordering", csc_matrix: "scipy.sparse.csc"}
    for cls, name in homes.items():
        module = types.ModuleType(name)
        setattr(module, cls.__name__, cls)
        monkeypatch.setitem(sys.modules, name, module)
        for parent in {name.rsplit(".", 1)[0], name.split(".")[0]}:
            monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
        monkeypatch.setattr(cls, "__module__", name)
    more = np.concatenate([MODEL["shapedirs"], rng.normal(size=(NUM_VERTICES, 3, 3))], axis=2)
    kept = np.arange(more.size).reshape(more.shape)[:, :, :2]
    return MODEL | {
        "v_template": Ch(MODEL["v_template"]),
        "J_regressor": csc_matrix(MODEL["J_regressor"]),
        "shapedirs": Select(Ch(more), kept.ravel(), kept.shape),
        "weights": Ch(Ch(MODEL["weights"])),
        "bs_style": "lbs",
    }


def assert_is_the_model(arrays):
    assert set(arrays) == set(MODEL)
    for name, expected in MODEL.items():
        np.testing.assert_array_equal(arrays[name], expected, err_msg=name)
    assert arrays["f"].dtype == np.int64


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_official_pickles_are_read_without_their_packages(official, protocol, tmp_path):
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(official, protocol))
    assert_is_the_model(read_smpl(path))


def test_pickles_of_python_2_are_read(official, tmp_path):
    path = tmp_path / "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl"
    path.write_bytes(python2.dumps(official))
    assert_is_the_model(read_smpl(str(path)))


def test_npz_is_read(tmp_path):
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **MODEL)
    assert_is_the_model(read_smpl(tmp_path / "SMPL_NEUTRAL.npz"))


def test_faces_make_the_graphs_of_hgn(tmp_path):
    np.savez(tmp_path / "smpl.npz", **MODEL)
    graph = MultiScaleGraph.from_mesh(torch.from_numpy(read_smpl(tmp_path / "smpl.npz")["f"]), 2)
    assert graph.sizes[0] == NUM_VERTICES
    assert graph.sizes[2] < NUM_VERTICES / 2


class Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_in_a_pickle_is_not_executed(protocol, tmp_path):
    path, target = tmp_path / "evil.pkl", tmp_path / "executed"
    path.write_bytes(pickle.dumps(MODEL | {"v_template": Evil(target)}, protocol))
    with pytest.raises(DataError, match=r"mkdir.*refused and was not executed"):
        read_smpl(path)
    assert not target.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged or no pickle"),
        (b"no pickle at all", "damaged or no pickle"),
        (pickle.dumps([1, 2], 2), "a list in place of a dictionary"),
        (pickle.dumps({"f": np.zeros((2, 3))}, 2), "is no SMPL model"),
        (pickle.dumps(MODEL | {"f": FACES[:, :2]}, 2), "is no SMPL model"),
        (pickle.dumps(MODEL | {"f": FACES[:0]}, 2), "is no SMPL model"),
        (pickle.dumps(MODEL | {"f": FACES + 1}, 2), "f or J_regressor"),
        (pickle.dumps(MODEL | {"J_regressor": np.zeros((24, 5))}, 2), "f or J_regressor"),
        # built by instructions that no honest file has: a class as a value, an object of a class that is none
        (b"\x80\x02}U\x01xcchumpy.ch\nCh\ns.", "a class or function"),
        (b"\x80\x02ccopy_reg\n_reconstructor\nc__builtin__\nobject\nc__builtin__\nobject\nN\x87R.", "unusual class"),
        (b"\x80\x02cchumpy.ch\nCh\n}U\x01xK\x01sb.", "a pickle that changes"),
        (b"\x80\x02cchumpy.ch\nloads\n.", "loads"),
    ],
)
def test_bad_files_are_named(content, message, tmp_path):
    path = tmp_path / "bad.pkl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read_smpl(path)
    assert "bad.pkl" in str(error.value)


def test_a_forged_sparse_matrix_takes_no_memory(official, tmp_path):
    official["J_regressor"]._shape = (10**6, 10**6)
    path = tmp_path / "forged.pkl"
    path.write_bytes(pickle.dumps(official, 2))
    with pytest.raises(DataError, match="sparse matrix of shape"):
        read_smpl(path)


def test_a_missing_file_says_where_to_get_it():
    with pytest.raises(DataError, match=r"accept its licence at https://smpl\.is\.tue\.mpg\.de"):
        read_smpl("SMPL_NEUTRAL.pkl")


def test_smplx_is_handed_the_arrays(monkeypatch, tmp_path):
    package, utils = types.ModuleType("smplx"), types.ModuleType("smplx.utils")
    utils.Struct = types.SimpleNamespace
    package.SMPL = lambda path, data_struct, **options: (path, data_struct, options)
    np.savez(tmp_path / "smpl.npz", **MODEL)
    monkeypatch.setitem(sys.modules, "smplx", None)
    with pytest.raises(DataError, match="pip install smplx"):
        smpl_body(tmp_path / "smpl.npz")
    monkeypatch.setitem(sys.modules, "smplx", package)
    monkeypatch.setitem(sys.modules, "smplx.utils", utils)
    path, data, options = smpl_body(tmp_path / "smpl.npz", num_betas=2)
    assert path.endswith("smpl.npz")
    assert_is_the_model(vars(data))
    assert options == {"num_betas": 2}
