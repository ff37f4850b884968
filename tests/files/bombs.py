"""Small files that ask for much: run in a process of its own, it prints what each made of time and memory.

python bombs.py FOLDER
"""

from __future__ import annotations

import io
import json
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from skelgraph import SkelgraphError, create_model, load_model, load_official
from skelgraph.datasets import read_cameras, read_npz, read_smpl

SIZE = (2**40).to_bytes(8, "little")


def npy(pickled: bytes) -> bytes:
    """An npy file of one pickled object."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": ()})
    return stream.getvalue() + pickled


def header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    """An npy file that ends after its header."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def shared(depth: int, join: bytes) -> bytes:
    """``x = (x, x)``, so many times."""
    return b"\x80\x02K\x01q\x00" + (b"h\x00h\x00" + join + b"q\x00") * depth


TUPLES = shared(60, b"\x86")
LISTS = b"\x80\x02]q\x00K\x01a" + b"(h\x00h\x00lq\x00" * 60
WIDE = {"w1.weight": (60_000, 32), "linear_stages.0.w1.weight": (1, 1), "w2.weight": (48, 60_000)}

PICKLES: dict[str, bytes] = {
    "bytearray of 2**40 bytes": b"\x80\x05\x96" + SIZE + b".",
    "bytes of 2**40 bytes": b"\x80\x05\x8e" + SIZE + b".",
    "text of 2**40 bytes": b"\x80\x05\x8d" + SIZE + b".",
    "frame of 2**40 bytes": b"\x80\x05\x95" + SIZE + b"N.",
    "integer of 2**31 bytes": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "integer of 5000 digits": b"\x80\x02L" + b"9" * 5000 + b"L\n.",
    "integer of 10**6 bits": b"\x80\x02\x8b" + (125_000).to_bytes(4, "little") + b"\x7f" * 125_000 + b".",
    "memo of 2**31": b"Nr\xff\xff\xff\x7f.",
    "nested tuple as a key": TUPLES + b"}h\x00Ns.",
    "nested tuple as a value": TUPLES + b"}U\x01xh\x00s.",
    "nested list": LISTS + b".",
    "integer as a key, again and again": (
        b"\x80\x02}q\x01\x8b" + (1000).to_bytes(4, "little") + b"\x7f" * 1000 + b"q\x000" + b"h\x00Ns" * 100_000 + b"."
    ),
    "deep lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "lists without end": b"\x80\x02(" + b"]" * 1_100_000 + b"l.",
    "dictionaries without end": b"\x80\x02(" + b"}" * 1_100_000 + b"l.",
    "one text as bytes, again and again": (
        b"\x80\x02X"
        + (2**20).to_bytes(4, "little")
        + b"a" * 2**20
        + b"q\x000("
        + b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R" * 10_000
        + b"l."
    ),
}


CONFIGS: dict[str, dict[str, Any]] = {
    "15000 channels": {"options": {"hidden_channels": 15_000}},
    "65536 channels": {"options": {"hidden_channels": 65_536, "num_blocks": 100}},
    "star of 30000 joints": {"skeleton": {"parents": [-1] + [0] * 29_999}},
    "chain of 5000 joints": {"skeleton": {"parents": list(range(-1, 4999))}},
}
TEXTS = {
    "deep lists": "[" * 10**6,
    "deep objects": '{"a":' * 10**5,
    "digits": '{"cameras": ' + "9" * 10**6 + "}",
    "infinity": '{"cameras": {"me": [{"id": Infinity}]}}',
    "long": "[" + "[]," * 6 * 10**6 + "[]]",
}


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """A zip archive."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write(folder: Path) -> None:
    """Write the files; their names say what they are."""
    for name, content in PICKLES.items():
        zipped(folder / f"{name}.npz", {"x.npy": npy(content)}, zipfile.ZIP_DEFLATED)
        zipped(folder / f"{name}.pth", {"archive/data.pkl": content})
        (folder / f"{name}.pkl").write_bytes(content)
    for descr, shape in (("<f8", (2**40,)), ("|S0", (2**40,)), ("<f8", (2**21, 2**21)), ("|O", (2**40,))):
        zipped(folder / f"header {descr[1:]} {len(shape)}.npz", {"x.npy": header(shape, descr)})
    zipped(folder / "zip of zeros.npz", {"x.npy": bytes(2**28)}, zipfile.ZIP_DEFLATED)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        zipped(folder / f"compression {method}.npz", {"x.npy": bytes(2**22)}, method)
    zipped(folder / "compressed.pth", {"archive/data.pkl": bytes(2**28)}, zipfile.ZIP_DEFLATED)

    weight, many = torch.zeros(1).expand(3 * 10**4, 3 * 10**4), torch.zeros(10**5)
    for older in (True, False):
        content = {f"w{i}.weight": weight for i in (1, 2)}
        path = folder / f"stride 0, older {older}.pth"
        torch.save(content, path, _use_new_zipfile_serialization=not older)
    views = {f"linear_stages.{i}.w1.weight": many.view(250, 400)[:, :200] for i in range(5000)}
    torch.save(views, folder / "one storage, again and again.pth")
    torch.save({name: torch.zeros(shape) for name, shape in WIDE.items()}, folder / "60000 channels.pth")

    model = create_model("sem_gcn", hidden_channels=8, num_blocks=1)
    for name, change in CONFIGS.items():
        metadata = {"skelgraph": json.dumps(model.config | change)}
        (folder / f"{name}.safetensors").write_bytes(save(model.state_dict(), metadata))
        about = {"name": "sem_gcn", "skeleton": "h36m17", "options": {}} | change
        settings = {
            "network": {"model": about["name"], "options": about["options"]},
            "data": {"skeleton": about["skeleton"]},
        }
        run = {"skelgraph": {"config": settings}, "state_dict": {"model.x": torch.zeros(1)}}
        torch.save(run, folder / f"{name}.ckpt")
    for name, text in TEXTS.items():
        (folder / f"{name}.json").write_text(text)


READERS: dict[str, Callable[[Path], Any]] = {
    ".npz": read_npz,
    ".pkl": read_smpl,
    ".pth": lambda path: load_official("martinez", path),
    ".safetensors": load_model,
    ".ckpt": load_model,
    ".json": lambda path: read_cameras(path, ["me"]),
}


def peak() -> float:
    """The most memory of this process since it was last asked, in MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return int(line.split()[1]) / 1024


def read(folder: Path) -> dict[str, Any]:
    """``[outcome, seconds, mebibytes]`` of every file."""
    results = {}
    for path in sorted(folder.iterdir()):
        peak()
        before, start = peak(), time.perf_counter()
        try:
            READERS[path.suffix](path)
            outcome = "accepted"
        except SkelgraphError as error:
            outcome = f"error: {error}"
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"[:300]
        results[path.name] = outcome, time.perf_counter() - start, peak() - before
    return results


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        print(json.dumps(read(Path(sys.argv[2]))))
