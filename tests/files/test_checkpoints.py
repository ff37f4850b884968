"""Checkpoints of other people: the weights are read, everything else is skipped, and nothing runs."""

from __future__ import annotations

import argparse
import builtins
import collections
import contextlib
import functools
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from skelgraph import load_official
from skelgraph.__main__ import main
from skelgraph.errors import CheckpointError
from skelgraph.files import Skipped, read_checkpoint

FORMATS = {"zip": {}, "older": {"_use_new_zipfile_serialization": False}}


class GraphNet(nn.Module):
    """Pickles as the network of somebody else, whose class is nowhere to be found."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.scale = nn.Parameter(torch.ones(2))
        self.trace = "never run"

    def __setstate__(self, state: Any) -> None:
        raise AssertionError("the module was built")


def video_pose(state: dict[str, Any]) -> dict[str, Any]:
    """As run.py of VideoPose3D saves it."""
    return {
        "epoch": 80,
        "lr": 0.001,
        "random_state": np.random.RandomState(1234),
        "optimizer": torch.optim.Adam([nn.Parameter(torch.ones(3))], amsgrad=True).state_dict(),
        "model_pos": state,
        "model_traj": None,
        "random_state_semi": None,
    }


def hgn(state: dict[str, Any]) -> dict[str, Any]:
    """As HGN's trainer saves it."""
    return {
        "epoch": 3,
        "model_state_dict": state,
        "optim_state_dict": {"state": {}, "param_groups": []},
        "scheduler_state_dict": {"milestones": collections.Counter([10, 20]), "gamma": 0.9},
        "train_log": {"loss": [0.5, 0.25]},
        "test_log": {"mpjpe": [np.float64(51.25), np.float64(50.5)], "best": np.float32(3)},
    }


def any_gcn(state: dict[str, Any]) -> dict[str, Any]:
    """As Any-GCN's main.py saves it, the refinement head whole beside the weights."""
    return {
        "epoch": 1,
        "lr": 1e-3,
        "step": 5,
        "state_dict": {f"module.{key}": value for key, value in state.items()},
        "optimizer": {},
        "error": np.float64(49.5),
        "post_refine": GraphNet(),
    }


def sem_gcn(state: dict[str, Any]) -> dict[str, Any]:
    """As SemGCN's main_gcn.py saves it, and what others add."""
    return {
        "epoch": 10,
        "lr": 1e-3,
        "step": 100,
        "optimizer": {"state": collections.defaultdict(dict, {0: {"step": 1}})},
        "state_dict": collections.OrderedDict(state),
        "error": 40.0,
        "args": argparse.Namespace(hid_dim=128, path=Path("/data"), gpus={0, 1}),
    }


AUTHORS: list[tuple[str, str, Callable[[dict[str, Any]], Any]]] = [
    ("video_pose", "video_pose_single_frame", video_pose),
    ("hgn", "hgn_model", hgn),
    ("any_gcn", "any_gcn_model_dc_preagg", any_gcn),
    ("sem_gcn", "sem_gcn_model", sem_gcn),
    ("graph_mlp", "graph_mlp_f1", lambda state: state),
    ("martinez", "martinez_model", lambda state: {"net": {f"net._orig_mod.module.{k}": v for k, v in state.items()}}),
    ("rs_net", "rs_net_model", lambda state: {"model": {f"model.{k}": v for k, v in state.items()}, 3: 4}),
]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("name", "file", "wrap"), AUTHORS, ids=lambda value: value if isinstance(value, str) else "")
def test_files_of_the_authors_scripts_load(
    golden: Any, tmp_path: Path, name: str, file: str, wrap: Callable[[Any], Any], kind: str
) -> None:
    reference = golden(file)
    state, path = reference.state_dict(), tmp_path / "model.pth"
    torch.save(wrap(dict(state)), path, **FORMATS[kind])
    options: dict[str, Any] = {}
    if name == "hgn":
        options["adjacency"] = [reference[f"in/adj{size}"] for size in (17, 48, 96)]
    expected = load_official(name, state, **options).state_dict()
    found = load_official(name, path, **options).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("kind", FORMATS)
def test_convert_official_reads_them(golden: Any, tmp_path: Path, kind: str) -> None:
    checkpoint, out = tmp_path / "any_gcn.pth.tar", tmp_path / "any_gcn.safetensors"
    torch.save(any_gcn(golden("any_gcn_model_dc_preagg").state_dict()), checkpoint, **FORMATS[kind])
    assert main(["convert-official", "--model", "any_gcn", "--checkpoint", str(checkpoint), "--out", str(out)]) == 0
    assert out.exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_module_saved_whole_gives_its_weights(tmp_path: Path, kind: str) -> None:
    from skelgraph.models.state_dicts import unwrap_state_dict

    module, path = GraphNet(), tmp_path / "whole.pth"
    expected = module.state_dict()
    for content in (module, {"model": module, "epoch": 3}):
        torch.save(content, path, **FORMATS[kind])
        found = unwrap_state_dict(read_checkpoint(path), "whole.pth")
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("kind", FORMATS)
def test_tensors_are_those_of_torch(tmp_path: Path, kind: str) -> None:
    whole = torch.arange(24, dtype=torch.float32)
    tensors = {
        "transposed": torch.arange(6).view(2, 3).t(),
        "slice": whole[5:9],
        "rows": whole.view(4, 6)[::2, 1:3],
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "parameter": nn.Parameter(torch.ones(2)),
        **{str(dtype): torch.tensor([0, 1], dtype=dtype) for dtype in (torch.half, torch.bfloat16, torch.bool)},
        **{
            str(dtype): torch.tensor([0, 1], dtype=dtype)
            for dtype in (torch.int8, torch.uint8, torch.int16, torch.int32)
        },
    }
    tensors["parameter"].note = "with an attribute"  # type: ignore[attr-defined]
    torch.save(tensors, tmp_path / "t.pth", **FORMATS[kind])
    found = read_checkpoint(tmp_path / "t.pth")
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor), name
        assert found[name].dtype == tensor.dtype
        assert found[name].stride() == tensor.stride()
    assert found["slice"].data_ptr() == found["rows"].data_ptr() + 4 * 4, "what shared memory shares it"


def test_unusual_tensors_are_skipped_and_missed(golden: Any, tmp_path: Path) -> None:
    path = tmp_path / "odd.pth"
    state = golden("martinez_model").state_dict()
    odd = {
        "sparse": torch.eye(3).to_sparse(),
        "float8": torch.ones(3).to(torch.float8_e4m3fn),
        "complex": torch.ones(2, dtype=torch.complex64),
        "meta": torch.ones(3, device="meta"),
        "huge": torch.ones(1).expand(10**5, 10**5),
    }
    torch.save(state | odd, path)
    content = read_checkpoint(path)
    assert all(isinstance(content[name], Skipped) for name in odd)
    load_official("martinez", path)  # none of them is needed
    for name, tensor in odd.items():
        torch.save(state | {"w1.weight": tensor}, path)
        with pytest.raises(CheckpointError, match=r"w1\.weight.* refused and was not executed: w1\.weight \("):
            load_official("martinez", path)
        if name != "huge":
            with pytest.raises(CheckpointError, match=r"the given state dict .*w1\.weight"):
                load_official("martinez", state | {"w1.weight": tensor})
    with pytest.raises(CheckpointError, match="same numbers many times over"):
        load_official("martinez", state | {"w1.weight": odd["huge"]})


def test_a_file_of_ours_names_its_loader(golden: Any, tmp_path: Path) -> None:
    model = load_official("martinez", golden("martinez_model").state_dict())
    model.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"safetensors, which skelgraph\.load_model reads"):
        load_official("martinez", tmp_path / "model.safetensors")
    own = {"skelgraph": {"config": {}}, "state_dict": {"model.a": torch.ones(1)}}
    with pytest.raises(CheckpointError, match=r"skelgraph\.load_model loads it"):
        load_official("martinez", own)


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.reduced = (function, args) if state is None else (function, args, state)

    def __call__(self) -> None:
        """Only what can be called may stand for the function of another call."""

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


ATTACKS: dict[str, Callable[[str], Any]] = {
    "os.system": lambda mark: Call(os.system, f"touch {mark}"),
    "eval": lambda mark: Call(builtins.eval, f"open({mark!r}, 'w').close()"),
    "exec": lambda mark: [Call(builtins.exec, f"open({mark!r}, 'w').close()")],
    "open": lambda mark: {"x": Call(open, mark, "w")},
    "as a key": lambda mark: {Call(os.system, f"touch {mark}"): 1},
    "partial": lambda mark: Call(functools.partial(os.system, f"touch {mark}")),
    "getattr": lambda mark: Call(Call(getattr, Path(mark), "touch")),
    "pickle in a storage": lambda mark: Call(
        torch.storage._load_from_bytes, pickle.dumps(Call(os.system, f"touch {mark}"))
    ),
    "torch.load": lambda mark: Call(torch.load, io.BytesIO(b"")),
    "numpy that writes": lambda mark: Call(np.save, mark, 0),
    "arguments of a tensor": lambda mark: Call(
        torch._utils._rebuild_tensor_v2, Call(os.system, f"touch {mark}"), 0, (1,), (1,), False, {}
    ),
    "function of a subclass": lambda mark: Call(
        torch._tensor._rebuild_from_type_v2, os.system, torch.Tensor, (f"touch {mark}",), {}
    ),
    "default of a dictionary": lambda mark: Call(collections.defaultdict, Call(os.system, f"touch {mark}")),
    "state of a network": lambda mark: Call(GraphNet, state={"_modules": Call(os.system, f"touch {mark}")}),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_a_file_runs(golden: Any, tmp_path: Path, attack: str, kind: str) -> None:
    mark, path = tmp_path / "harm", tmp_path / "evil.pth"
    state = golden("martinez_model").state_dict()
    torch.save({"state_dict": state, "extra": ATTACKS[attack](str(mark))}, path, **FORMATS[kind])
    found = load_official("martinez", path).state_dict()
    assert not mark.exists()
    expected = load_official("martinez", state).state_dict()
    assert all(torch.equal(found[key], expected[key]) for key in expected), "the weights beside it are read"

    torch.save({"state_dict": ATTACKS[attack](str(mark))}, path, **FORMATS[kind])
    with pytest.raises(CheckpointError, match=r"holds no tensors|not an official"):
        load_official("martinez", path)
    assert not mark.exists()


def zipped(path: Path, pickled: bytes, **records: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"data.pkl": pickled, "byteorder": b"little", **records}.items():
            archive.writestr(f"archive/{name}", content)
    return path


TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"


def tensor(size: bytes, stride: bytes, offset: bytes = b"K\x00", numel: bytes = b"K\x04") -> bytes:
    """The instructions that make a dictionary of one tensor of the storage ``0``, 4 numbers of 4 bytes."""
    storage = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpu" + numel + b"tQ"
    return b"\x80\x02}U\x01x" + TENSOR + b"(" + storage + offset + size + stride + b"\x89}tRs."


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (tensor(b"K\x05\x85", b"K\x01\x85"), "beyond its storage"),
        (tensor(b"K\x04\x85", b"K\x01\x85", offset=b"K\x01"), "beyond its storage"),
        (tensor(b"K\x02\x85", b"J\xff\xff\xff\x7f\x85"), "beyond its storage"),
        (tensor(b"K\x02\x85", b"J\xff\xff\xff\xff\x85"), "-1 is no size"),
        (tensor(b"K\x02\x85", b"K\x01\x85", offset=b"J\xff\xff\xff\xff"), "-1 is no size"),
        (tensor(b"K\x02\x85", b")"), "not of the same length"),
        (tensor(b"K\x04\x85", b"K\x01\x85", numel=b"K\x05"), "has 16 bytes, expected 5"),
        (b"\x80\x02U\x07storageQ.", "a reference of unknown form"),
        (b"\x80\x02U\x07storageK\x01\x86Q.", "a reference of unknown form"),
        (b"\x80\x02Pstorage\n.", "damaged|unknown form"),
        (b"\x80\x02(U\x06moduleU\x01xtQ.", "a reference of unknown form"),
        (b"\x80\x02(U\x07storagectorch\nFloatStorage\nU\x04../xU\x03cpuK\x04tQ.", "no item named"),
        (b"\x80\x02N.", "holds a NoneType"),
        (b"\x80\x02\x82\x01.", "no instruction"),
        (b"\x80\x02cposix\nsystem\nU\x04true\x85R.", "posix.system"),
        (b"\x80\x02cposix\nsystem\n.", "posix.system"),
        (b"\x80\x02cnumpy\nndarray\n}b.", "holds a Function"),
    ],
    ids=lambda value: "",
)
def test_forged_pickles_are_refused(tmp_path: Path, pickled: bytes, message: str) -> None:
    path = zipped(tmp_path / "forged.pth", pickled, **{"data/0": bytes(16)})
    with pytest.raises(CheckpointError, match=f"forged.pth .*({message})") as error:
        read_checkpoint(path)
    assert len(str(error.value)) < 500
    good = zipped(path, tensor(b"K\x04\x85", b"K\x01\x85"), **{"data/0": np.arange(4, dtype="<f4").tobytes()})
    assert read_checkpoint(good)["x"].tolist() == [0, 1, 2, 3]


def test_damaged_files_give_an_error_or_data(tmp_path: Path) -> None:
    path, rng = tmp_path / "damaged.pth", np.random.default_rng(0)
    for options in FORMATS.values():
        stream = io.BytesIO()
        torch.save({"state_dict": {"w": torch.ones(3, 4)}, "log": np.ones(3), "n": 3}, stream, **options)
        whole = stream.getvalue()
        for _ in range(300):
            content = bytearray(whole[: rng.integers(len(whole))] if rng.random() < 0.2 else whole)
            for place in rng.integers(max(len(content), 1), size=rng.integers(1, 4)):
                content[place : place + 1] = rng.bytes(1)
            path.write_bytes(content)
            with contextlib.suppress(CheckpointError):
                assert isinstance(read_checkpoint(path), dict)
