"""Weight files: own ones as safetensors, and those of the authors' code."""

from __future__ import annotations

import collections
import io
import json
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from skelgraph import models
from skelgraph.models import load_official
from skelgraph.models.pretrained import Pretrained, load_weights
from skelgraph.models.shipped import FILE_NAME

from . import archives, pickles, silly
from .archives import Member
from .case import Case, Room
from .seeds import OFFICIAL, SMALL, official

STAR = {"parents": [-1] + [0] * 29_999}
"""A skeleton small to write and large to build for."""

CONFIGS: list[Callable[[dict[str, Any]], Any]] = [
    lambda c: c["options"].update(hidden_channels=15_000),
    lambda c: c["options"].update(hidden_channels=65_536),
    lambda c: c["options"].update(hidden_channels=10**30),
    lambda c: c["options"].update(num_blocks=1000),
    lambda c: c["options"].update(num_blocks=10**9),
    lambda c: c["options"].update(num_frames=99_999),
    lambda c: c["options"].update(filter_widths=[3] * 12),
    lambda c: c["options"].update(filter_widths=[3] * 10_000),
    lambda c: c["options"].update(num_hops=1000),
    lambda c: c["options"].update(num_experts=1000),
    lambda c: c["options"].update(dynamic_hyperedges=1000),
    lambda c: c["options"].update(in_channels=60_000, out_channels=60_000),
    lambda c: c["options"].update(d_model=60_000, n_heads=6),
    lambda c: c["options"].update(depth=1000),
    lambda c: c["options"].update(graph={"a": 1}),
    lambda c: c["options"].update(adjacency=[[1, 2], [3]]),
    lambda c: c["options"].update(hyperedges=[["parts"], [0, 1], "x"]),
    lambda c: c["options"].update(skeleton="h36m17"),
    lambda c: c["options"].update(name="sem_gcn"),
    lambda c: c["options"].update(self=1),
    lambda c: c["options"].clear(),
    lambda c: c.update(skeleton=STAR),
    lambda c: c.update(skeleton={"parents": list(range(-1, 5000))}),
    lambda c: c.update(skeleton={"parents": [-1, 0, 1], "no_such": 3}),
    lambda c: c.update(skeleton={"parents": "x" * 17}),
    lambda c: c.update(skeleton={"parents": [-1] * 17, "joint_names": ["\x1b[31m"] * 17}),
    lambda c: c.update(skeleton={}),
    lambda c: c.update(skeleton="h36m32"),
    lambda c: c.update(name="martinez"),
    lambda c: c.update(name="nobody"),
    lambda c: c.update(name=None),
    lambda c: c.update(options=[]),
    lambda c: c.update(options=None),
    lambda c: c.pop("skeleton"),
    lambda c: c.pop("options"),
    lambda c: silly.spoil(random.Random(len(str(c))), c),
]
"""Changes to the configuration that a weight file holds."""


def _safetensors(header: Any, body: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def _spoil_header(rng: random.Random, header: dict[str, Any], body: bytes) -> tuple[str, bytes]:
    """Change what the header says of the tensors."""
    key = rng.choice([key for key in header if key != "__metadata__"])
    entry = header[key]
    what = rng.choice(
        ["dtype", "shape", "offsets", "delete", "rename", "add", "nan", "length", "silly", "text", "many"]
    )
    if what == "dtype":
        entry["dtype"] = rng.choice(["F64", "BF16", "F8_E4M3", "F8_E5M2", "I64", "BOOL", "U8", "X", "", 3, None])
    elif what == "shape":
        entry["shape"] = rng.choice([[], [0], [2**40, 2**40], [-1], [10**9], ["x"], None, [1.5], [1] * 1000])
    elif what == "offsets":
        entry["data_offsets"] = rng.choice([[0, 0], [0, 2**40], [5, 1], [-1, 4], ["a", "b"], [], None, [0, 4]])
    elif what == "delete":
        del header[key]
    elif what == "rename":
        header[rng.choice(silly.TEXTS)] = header.pop(key)
    elif what == "add":
        header[rng.choice([*silly.TEXTS, "extra" * 20_000])] = dict(entry)
    elif what == "nan":
        body = b"\xff" * len(body)
    elif what == "length":
        return what, rng.choice([2**63, 10**9, 0, 5]).to_bytes(8, "little") + json.dumps(header).encode() + body
    elif what == "silly":
        header[key] = silly.plain_value(rng)
    elif what == "text":
        return what, _safetensors(
            rng.choice([b"{}", b"", b"[]", b"[" * 100_000, b"\xff\xfe", b'{"a":1e999}', b"null"]), body
        )
    else:
        header |= {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(20_000)}
    return what, _safetensors(header, body)


def own(rng: random.Random, number: int, room: Room) -> Case:
    """A safetensors file, by its path or as a folder."""
    names = list(SMALL)
    name = names[number % len(names)]
    good = (room.good / f"{name}.safetensors").read_bytes()
    end = 8 + int.from_bytes(good[:8], "little")
    header, body = json.loads(good[8:end]), good[end:]
    fate = rng.random()
    if fate < 0.15:
        what, content = archives.damage(rng, good)
    elif fate < 0.2:
        what, content = archives.noise(rng)
    elif fate < 0.45:
        what, content = _spoil_header(rng, header, body)
    elif fate < 0.55:
        texts = [
            "",
            "null",
            "[]",
            "{",
            "9" * 5000,
            "[" * 100_000,
            '{"a":' * 50_000,
            '"\ud800"',
            "NaN",
            "{}",
            "\x1b[31m",
        ]
        header["__metadata__"] = rng.choice(
            [{"skelgraph": text} for text in texts] + [{}, None, [], "x", {"skelgraph": 3}]
        )
        what, content = "another configuration", _safetensors(header, body)
    else:
        config = json.loads(header["__metadata__"]["skelgraph"])
        if rng.random() < 0.5:
            index = rng.randrange(len(CONFIGS))
            CONFIGS[index](config)
            what = f"configuration change {index}"
        else:
            options = config["options"]
            option = rng.choice(list(models.model_info(name).options))
            options[option] = silly.plain_value(rng)
            what = f"option {option}"
        header["__metadata__"]["skelgraph"] = json.dumps(config)
        content = _safetensors(header, body)
    path = room.own / FILE_NAME
    path.write_bytes(content)
    readers: dict[str, Callable[[], Any]] = {
        "load_weights": lambda: load_weights(path),
        "from_pretrained": lambda: Pretrained.from_pretrained(room.own),
    }
    if hasattr(models, "load_model"):
        readers["load_model"] = lambda: models.load_model(path)
    readers["load_network"] = lambda: models.load_network(path)
    readers["load_head"] = lambda: models.load_head(path, "h36m17")
    reader = rng.choice(list(readers))
    return Case(f"{reader}({name}): {what}", readers[reader])


def _float8(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.float8_e4m3fn)


TENSORS: list[tuple[str, Callable[[torch.Tensor], Any]]] = [
    *silly.TENSORS,
    ("stride 0", lambda x: torch.zeros(1).expand(10**5, 10**5)),
    ("stride 0, same shape", lambda x: torch.zeros(1, dtype=x.dtype).expand(x.shape) if x.dim() else x),
    ("stride 0, large", lambda x: torch.zeros(1).expand(3 * 10**4, *x.shape) if x.dim() else x),
    ("float8", _float8),
    ("CSR", lambda x: x.float().reshape(x.shape[0], -1).to_sparse_csr() if x.dim() else x),
    ("quantised", lambda x: torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8)),
    ("parameter", lambda x: torch.nn.Parameter(x.float())),
    ("view of a large one", lambda x: torch.zeros(10**6)[:3]),
    ("storage", lambda x: x.untyped_storage()),
]
"""What a tensor of a checkpoint may be."""


def _change_state(rng: random.Random, state: dict[Any, Any]) -> tuple[str, Any]:
    """A state dict with one thing wrong, perhaps wrapped."""
    key = rng.choice(list(state))
    what = rng.choice(
        ["tensor"] * 6 + ["value", "delete", "key", "keys", "extra", "wrap", "nest", "prefix", "head", "none"]
    )
    content: Any = state
    if what == "tensor":
        kind, change = rng.choice(TENSORS)
        what = f"{key} {kind}"
        state[key] = change(state[key] if state[key].dim() else state[key][None])
    elif what == "value":
        state[key] = silly.plain_value(rng)
    elif what == "delete":
        for gone in rng.sample(list(state), rng.choice([1, 3, len(state) - 1])):
            del state[gone]
    elif what == "key":
        state[silly.silly_key(rng)] = state.pop(key)
    elif what == "keys":
        content = {rng.choice([i, str(i), (i,), float(i)]): value for i, value in enumerate(state.values())}
    elif what == "extra":
        state["extra" * rng.choice([1, 20_000])] = torch.zeros(rng.choice([0, 1, 3]))
    elif what == "wrap":
        wrapper = rng.choice(["state_dict", "model_state_dict", "model_pos", "model", "net", "gcn", "state_dict "])
        content = {wrapper: state, rng.choice(["epoch", "lr", 3, None]): silly.plain_value(rng)}
    elif what == "nest":
        for _ in range(rng.choice([2, 100, 900])):
            content = {"state_dict": content}
    elif what == "prefix":
        content = {rng.choice(["module.", "module.module.", "model.", "_orig_mod."]) + k: v for k, v in state.items()}
    elif what == "head":
        content = rng.choice(
            [[state], (state,), None, 3, "x", collections.OrderedDict(state), {}, torch.zeros(3), [], b"x"]
        )
    return what, content


def torch_file(rng: random.Random, room: Room, content: Any) -> tuple[str, bytes]:
    """A file as torch.save writes it, or one in its layout with a hostile pickle."""
    stream = io.BytesIO()
    is_zip = rng.random() < 0.6
    if rng.random() < 0.45:
        what, pickled = pickles.document(rng, room, {"state_dict": {}, "epoch": 3})
        if is_zip:
            parts = {"data.pkl": pickled, "version": b"3\n", "byteorder": b"little", "data/0": bytes(16)}
            if rng.random() < 0.1:
                del parts[rng.choice(list(parts))]
            return f"{what}, zip", archives.archive([Member.of(f"archive/{k}", v) for k, v in parts.items()])
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
        head = [0x1950A86A20F9469CFC6C, rng.choice([1001, 1001, 1001, 3, "x"]), system]
        begin = b"".join(pickle.dumps(part, protocol=2) for part in head)
        tail = pickle.dumps(rng.choice([[], ["0"], "x", [1] * 1000]), protocol=2)
        return f"{what}, legacy", begin + pickled + tail + rng.randbytes(rng.choice([0, 8, 100]))
    options = {} if is_zip else {"_use_new_zipfile_serialization": False}
    try:
        torch.save(content, stream, pickle_protocol=rng.choice([2, 2, 2, 4]), **options)
    except Exception:  # what torch itself cannot write
        torch.save({}, stream)
    written = stream.getvalue()
    if is_zip and rng.random() < 0.1:
        return "zip", forge(rng, written)
    return ("zip" if is_zip else "legacy"), written


def forge(rng: random.Random, content: bytes) -> bytes:
    """A file of torch whose storages are not what the pickle says, or whose pickle speaks of others."""
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    storages = [name for name in parts if "/data/" in name]
    if storages:
        name = rng.choice(storages)
        parts[name] = rng.choice([b"", parts[name] * 3, parts[name][:3]])
    for name in parts:
        if name.endswith("data.pkl") and rng.random() < 0.5:
            parts[name] = archives.damage(rng, parts[name])[1]
    return archives.archive([Member.of(name, part) for name, part in parts.items()])


def foreign(rng: random.Random, number: int, room: Room) -> Case:
    """A checkpoint of the authors' code."""
    names = list(OFFICIAL)
    name: Any = names[number % len(names)]
    fate = rng.random()
    source: Any = room.own / "model.pth"
    options: dict[str, Any] = {}
    if fate < 0.2:
        good = room.good / f"{name}{rng.choice(['', '.old'])}.pth"
        what, content = archives.damage(rng, good.read_bytes())
    elif fate < 0.23:
        what, content = archives.noise(rng)
    else:
        what, state = _change_state(rng, official(name))
        if rng.random() < 0.25:  # as a state dict in memory
            content, source = b"", state
            what += ", in memory"
        else:
            how, content = torch_file(rng, room, state)
            what += f", {how}"
    if rng.random() < 0.1:
        option = rng.choice(["hidden_channels", "num_blocks", "skeleton", "num_frames", "dropout"])
        options[option] = silly.value(rng)
        what += f", {option}"
    if rng.random() < 0.05:
        name = rng.choice([*names, *silly.TEXTS])
    if isinstance(source, Path):
        source.write_bytes(content)
    return Case(f"load_official({name!r:.30}): {what}", lambda: load_official(name, source, **options))
