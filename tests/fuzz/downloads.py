"""What owners of data sets distribute, damaged on the way (archives, MATLAB's files, CDF, HDF5), and motion."""

from __future__ import annotations

import functools
import io
import random
import tarfile
import tempfile
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from cdflib.cdfwrite import CDF

from skelgraph.datasets.preparation import check_human36m, check_mpi_inf_3dhp
from skelgraph.files import ForeignFiles, read_mat, stored_files

from . import archives, silly
from .archives import Member
from .case import Case, Room

NUMBERS = np.arange(4 * 96, dtype=np.float32).reshape(4, 96)


@functools.cache
def _mat(compress: bool) -> bytes:
    cell = np.empty((3, 1), object)
    for i in range(3):
        cell[i, 0] = NUMBERS[: i + 2]
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"annot2": cell, "cameras": np.arange(3), "text": "x"}, do_compression=compress)
    return stream.getvalue()


@functools.cache
def _hdf5() -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        file.create_dataset("annot2", data=NUMBERS, compression="gzip")
        file["valid_frame"] = np.ones((4, 1))
    return stream.getvalue()


@functools.cache
def _cdf(compression: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.cdf"
        file = CDF(path)
        spec = {"Variable": "Pose", "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": NUMBERS.shape}
        file.write_var({**spec, "Compress": compression}, var_data=NUMBERS[None])
        file.close()
        return path.read_bytes()


def _tar(rng: random.Random) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=rng.choice(["w", "w:gz"])) as archive:
        for name in (
            "S1/a/one.cdf",
            rng.choice(silly.TEXTS) if rng.random() < 0.3 else "S1/a/two.cdf",
            "../a/three.cdf",
        ):
            info = tarfile.TarInfo(name[:90].encode("utf-8", "replace").decode())
            info.size = 1000
            if rng.random() < 0.1:
                info.type = rng.choice([tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
                info.size = 0
            archive.addfile(info, io.BytesIO(bytes(1000)))
    return stream.getvalue()


def _damaged(rng: random.Random, content: bytes) -> tuple[str, bytes]:
    fate = rng.random()
    if fate < 0.1:
        return "as it is", content
    return archives.noise(rng) if fate < 0.15 else archives.damage(rng, content)


def _motion(rng: random.Random) -> dict[str, object]:
    """A motion file with something else in it."""
    body = np.random.default_rng(rng.randrange(9)).normal(size=(3, 32, 3)).astype(np.float32)
    motion = {subject: {"Eating": body, "Eating 1": body} for subject in ("S1", "S9", "S11")}
    views = {subject: {"Seq1": [body[:, :17]]} for subject in ("S1", "TS1")}
    entry = {"data_2d": body[:, :17, :2], "data_3d": body[:, :17], "valid": np.ones(3)}
    content: dict[str, object] = {
        "positions_3d": rng.choice([motion, views]),
        "positions_2d": {subject: {"Eating": [body[:, :17, :2]] * 4} for subject in motion},
        "data": {"S1 Seq1": [{str(camera): entry for camera in (0, 1, 2, 4, 5, 6, 7, 8)}, 25], "TS1": entry},
        "pose3d": body[:, :16],
        "pose2d": body[:, :16, :2],
    }
    return content


def downloads(rng: random.Random, number: int, room: Room) -> Case:
    """A file that is read on the way from the owners to the files of the field, or checked."""
    fate = rng.random()
    if fate < 0.3:
        what, content = _damaged(rng, _mat(rng.random() < 0.5))
        return Case(f"read_mat: {what}", lambda: read_mat(content, ["annot2", "cameras"], "file"))
    if fate < 0.6:
        members = [Member.of(name, bytes(500)) for name in ("S1/a/one.cdf", "S1/a/two.cdf", "b/../../a/three.cdf")]
        members += [archives.bomb(rng, "S1/a/large.cdf")] * (rng.random() < 0.05)
        what, content = _damaged(rng, rng.choice([archives.archive(members), _tar(rng)]))
        path = room.own / "archive"
        path.write_bytes(content)
        return Case(
            f"stored_files: {what}", lambda: [f.read() for f in stored_files(path, [], lambda name: ".cdf" in name)]
        )
    if fate < 0.7:
        kind, good, name = rng.choice([("CDF", _cdf(rng.choice([0, 6])), "Pose"), ("HDF5", _hdf5(), "annot2")])
        what, content = _damaged(rng, good)

        def read() -> None:
            with ForeignFiles() as files:
                files.read(kind, content, [name], "file")  # type: ignore[arg-type]

        return Case(f"{kind}: {what}", read)
    content_of = _motion(rng)
    what = silly.spoil(rng, content_of)
    stream = io.BytesIO()
    arrays = {}
    for key, value in content_of.items():
        array = np.empty((), dtype=object)
        array[()] = value
        arrays[str(key).encode("ascii", "replace").decode().replace("/", "_")[:50] or "x"] = array
    try:
        np.savez(stream, **arrays)
    except RecursionError:  # nested too deeply to be written
        stream = io.BytesIO(archives.archive([]))
    for name in ("data_3d_h36m", "data_2d_h36m_gt", "data_train_3dhp", "data_test_3dhp", "data_3d_3dhp", "test_3dhp"):
        (room.own / f"{name}.npz").write_bytes(stream.getvalue())
    if rng.random() < 0.5:
        return Case(f"check_human36m: {what}", lambda: check_human36m(room.own / "data_3d_h36m.npz"))
    return Case(f"check_mpi_inf_3dhp: {what}", lambda: check_mpi_inf_3dhp(room.own))
