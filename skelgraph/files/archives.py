"""Files in a folder or an untrusted archive, one after the other and without unpacking anything to the disk.

Names in an archive are only ever compared with those that are wanted, so that none of them can lead out of a folder.
"""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from gzip import BadGzipFile, GzipFile
from os import PathLike
from typing import NamedTuple

from skelgraph.errors import DataError
from skelgraph.files.regular import RegularFile, as_path, open_regular
from skelgraph.text import plain

_UNPACKED = (2**26, 16)  # bytes that an archive may unpack to: a constant, and times its size
_MEMBERS = 100_000


class StoredFile(NamedTuple):
    """A file in a folder or an archive.

    Attributes:
        name: Its path inside, with ``/`` between folders.
        label: What messages call it.
        stamp: Another text when it has another content: its size and its time or checksum.
        read: Reads it; what stands in an archive before the next file is asked for.

    Raises:
        DataError: ``read`` cannot read it, or it is damaged.
    """

    name: str
    label: str
    stamp: str
    read: Callable[[], bytes]


def stored_files(
    source: str | PathLike[str], patterns: Sequence[str], wanted: Callable[[str], bool]
) -> Iterator[StoredFile]:
    """The files that are wanted of a folder, a zip or a tar archive (as it is or packed by gzip).

    Args:
        source: The folder or archive.
        patterns: Where in a folder to look, ``"S*/Seq*/annot.mat"``, so that no large folder beside them is searched;
            also one and two folders deeper.
        wanted: Whether a file of this name is wanted.

    Raises:
        DataError: There is no such folder or archive; an archive is damaged or of another kind, has more than 100 000
            members, unpacks to more than 64 MiB and 16 times its size, or what is wanted is a link, encrypted or of
            a name that leads out of its folder.
    """
    root = as_path(source, DataError)
    if root.is_dir():
        for path in sorted(
            {path for pattern in patterns for up in ("", "*/", "*/*/") for path in root.glob(up + pattern)}
        ):
            name = path.relative_to(root).as_posix()
            if wanted(name) and not path.is_dir():
                about = path.stat()
                yield StoredFile(name, plain(str(path), 1000), f"{about.st_size} {about.st_mtime_ns}", _reader(path))
        return
    label = plain(str(root), 1000)
    with open_regular(root, DataError) as file:
        head = file.read(512)
        file.seek(0)
        try:
            if head[:2] == b"PK":
                yield from _zipped(file, label, wanted)
            elif head[:2] == b"\x1f\x8b":
                with GzipFile(fileobj=file, mode="rb") as unpacked:
                    yield from _tarred(_Bounded(unpacked, file.size, label), label, wanted)
            elif head[257:262] == b"ustar":
                yield from _tarred(file, label, wanted)
            else:
                raise DataError(f"{label}: is neither a folder nor an archive: expected .zip, .tgz, .tar.gz or .tar.")
        except BadGzipFile as error:
            raise _damaged(label, error) from error
        except (DataError, OSError):
            raise
        except Exception as error:  # a damaged archive fails in as many ways as these formats have parts
            raise _damaged(label, error) from error


def _reader(path: PathLike[str]) -> Callable[[], bytes]:
    def read() -> bytes:
        with open_regular(path, DataError) as file:
            return file.read()

    return read


def _zipped(file: RegularFile, label: str, wanted: Callable[[str], bool]) -> Iterator[StoredFile]:
    most = _UNPACKED[0] + _UNPACKED[1] * file.size
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > _MEMBERS:
            raise _too_many(label)
        for info in sorted(members, key=lambda info: info.filename):
            if info.is_dir() or not wanted(info.filename):
                continue
            where = f"{label}: {plain(info.filename, 500)}"
            _check(where, info.filename, stat.S_ISLNK(info.external_attr >> 16), info.file_size, most)
            if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(f"{where}: is encrypted or packed in an unusual way: unpack the archive first.")

            def read(info: zipfile.ZipInfo = info, where: str = where) -> bytes:
                try:
                    with archive.open(info) as member:
                        content = member.read(info.file_size)
                        if len(content) != info.file_size or member.read(1):
                            raise EOFError("its size is another one")
                        return content
                except Exception as error:  # as many as a zip has parts, OSError for a place that there cannot be
                    raise _damaged(where, error) from error

            yield StoredFile(info.filename, where, f"{info.file_size} {info.CRC}", read)


def _tarred(file: io.BufferedIOBase, label: str, wanted: Callable[[str], bool]) -> Iterator[StoredFile]:
    with tarfile.open(fileobj=file, mode="r|") as archive:
        for count, info in enumerate(archive):
            if count >= _MEMBERS:
                raise _too_many(label)
            archive.members.clear()  # type: ignore[attr-defined]  # else all are remembered
            if info.isdir() or not wanted(info.name):
                continue
            where = f"{label}: {plain(info.name, 500)}"
            _check(where, info.name, not info.isreg() or info.issparse(), info.size, _UNPACKED[0] + info.size)

            def read(info: tarfile.TarInfo = info, where: str = where) -> bytes:
                try:
                    member = archive.extractfile(info)
                    content = b"" if member is None else member.read()
                    if len(content) != info.size:
                        raise EOFError("it ends early")
                    return content
                except DataError:
                    raise
                except Exception as error:
                    raise _damaged(where, error) from error

            yield StoredFile(info.name, where, f"{info.size} {info.mtime}", read)


def _check(where: str, name: str, is_link: bool, size: int, most: int) -> None:
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise DataError(f"{where}: is a name that leads out of its folder; the archive was not read further.")
    if is_link:
        raise DataError(f"{where}: is a link or a device, expected a file.")
    if size > most:
        raise DataError(f"{where}: says that it unpacks to {size} bytes; at most {most} are read from this archive.")


class _Bounded(io.BufferedIOBase):
    """A stream that ends in an error where it has given more than the size of its file justifies."""

    def __init__(self, stream: GzipFile, size: int, label: str) -> None:
        self.stream, self.label = stream, label
        self.most = self.left = _UNPACKED[0] + _UNPACKED[1] * size

    def read(self, size: int | None = -1, /) -> bytes:
        content = self.stream.read(self.left + 1 if size is None or size < 0 else min(size, self.left + 1))
        self.left -= len(content)
        if self.left < 0:
            raise DataError(f"{self.label}: unpacks to more than the {self.most} bytes that are read of it.")
        return content


def _too_many(label: str) -> DataError:
    return DataError(f"{label}: has more than {_MEMBERS} members.")


def _damaged(label: str, error: Exception) -> DataError:
    reason = plain(str(error), 200) or type(error).__name__
    return DataError(f"{label}: is damaged, or only a part of an archive ({reason}).")
