"""Damage to files, and zip archives written by hand, which may say what is not so."""

from __future__ import annotations

import functools
import random
import struct
import zlib
from typing import NamedTuple

STORED, DEFLATED = 0, 8


class Member(NamedTuple):
    """A member of an archive: what its headers say, and what lies there."""

    name: bytes
    content: bytes
    size: int
    crc: int
    method: int = STORED

    @classmethod
    def of(cls, name: str, content: bytes) -> Member:
        """An honest one."""
        return cls(name.encode("utf-8", "surrogatepass"), content, len(content), zlib.crc32(content))


def archive(members: list[Member]) -> bytes:
    """The zip file of the members."""
    body, directory = b"", b""
    for m in members:
        size = min(m.size, 2**32 - 2)
        common = struct.pack("<HHHHHLLLHH", 20, 1 << 11, m.method, 0, 33, m.crc, len(m.content), size, len(m.name), 0)
        directory += b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<HHHLL", 0, 0, 0, 0, len(body)) + m.name
        body += b"PK\3\4" + common + m.name + m.content
    count = min(len(members), 2**16 - 2)
    end = struct.pack("<HHHHLLH", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + b"PK\5\6" + end


@functools.cache
def _zeros(blocks: int) -> tuple[bytes, int]:
    """Deflated zeros, 16 MiB for each block, and their checksum."""
    chunk = bytes(1 << 24)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(chunk) + deflate.flush(zlib.Z_FULL_FLUSH)
    crc = 0
    for _ in range(blocks):
        crc = zlib.crc32(chunk, crc)
    return block * blocks + zlib.compressobj(9, zlib.DEFLATED, -15).flush(), crc


def bomb(rng: random.Random, name: str, head: bytes = b"") -> Member:
    """A small member that becomes 1.5 or 4 GB of zeros, behind a short beginning."""
    blocks = rng.choice([96, 96, 250])
    content, crc = _zeros(blocks)
    if head:  # a stored block in front; the checksum is then wrong, which shows only when all is unpacked
        content = b"\x00" + struct.pack("<HH", len(head), len(head) ^ 0xFFFF) + head + content
    size = rng.choice([(blocks << 24) + len(head), (blocks << 24) + len(head), 1000])
    return Member(name.encode(), content, size, crc, DEFLATED)


def damage(rng: random.Random, content: bytes) -> tuple[str, bytes]:
    """The same content with a part lost, changed, doubled or added."""
    changed = bytearray(content)
    kind = rng.choice(["cut", "cut", "bits", "bits", "bytes", "zeros", "hole", "doubled", "head", "tail", "empty"])
    size = max(1, len(changed))
    at, length = rng.randrange(size), rng.choice([1, 4, 100, 5000])
    if kind == "cut":
        del changed[at:]
    elif kind == "bits":
        for _ in range(rng.choice([1, 1, 3, 30])):
            if changed:
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif kind == "bytes":
        changed[at : at + length] = rng.randbytes(len(changed[at : at + length]))
    elif kind == "zeros":
        changed[at : at + length] = bytes(len(changed[at : at + length]))
    elif kind == "hole":
        del changed[at : at + length]
    elif kind == "doubled":
        changed[at:at] = changed[at : at + length]
    elif kind == "head":
        changed[:0] = rng.randbytes(length)
    elif kind == "tail":
        changed += rng.randbytes(length)
    else:
        changed.clear()
    return f"{kind} at {at}, {length}", bytes(changed)


def noise(rng: random.Random) -> tuple[str, bytes]:
    """A file of another kind."""
    return rng.choice(
        [
            ("empty", b""),
            ("one byte", b"\x80"),
            ("text", b"This is not the file that you are looking for.\n"),
            ("page", b"<!DOCTYPE html><html><body>404</body></html>"),
            ("pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
            ("JSON", b'{"a": 1}'),
            ("zeros", bytes(100_000)),
            ("random", rng.randbytes(rng.choice([10, 1000, 100_000]))),
            ("gzip", b"\x1f\x8b\x08\x00" + rng.randbytes(100)),
            ("empty zip", archive([])),
            ("zip of text", archive([Member.of("readme.txt", b"hello")])),
            ("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
            ("end of a zip", b"PK\5\6" + bytes(18)),
            ("end of a large zip", b"PK\6\6" + b"\xff" * 52 + b"PK\6\7" + bytes(16) + b"PK\5\6" + b"\xff" * 18),
        ]
    )
