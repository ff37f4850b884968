"""Files in folders and archives."""

from __future__ import annotations

import gzip
import os
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from owners import tgz

from skelgraph.errors import DataError
from skelgraph.files import archives, stored_files

FILES = {"S1/a/one.x": b"1", "S1/a/two.x": b"22" * 5000, "top/S2/a/one.x": b"333", "S1/a/other.y": b"?", "one.x": b"??"}


def wanted(name: str) -> bool:
    return name.endswith(".x") and "/a/" in name


def zipped(path: Path, files: dict[str, bytes] = FILES, **options: int) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes] = FILES) -> Path:
    return tgz(path, files, "w:gz" if path.suffix == ".tgz" else "w")


def folder(path: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def read(source: Path) -> dict[str, bytes]:
    return {file.name: file.read() for file in stored_files(source, ["S*/a/*"], wanted)}


@pytest.mark.parametrize(
    ("make", "name"),
    [(zipped, "f.zip"), (tarred, "f.tar"), (tarred, "f.tgz"), (folder, "f")],
)
def test_what_is_wanted_is_read(tmp_path: Path, make: Callable[[Path], Path], name: str) -> None:
    source = make(tmp_path / name)
    assert read(source) == {name: FILES[name] for name in ("S1/a/one.x", "S1/a/two.x", "top/S2/a/one.x")}
    stamps = {file.name: file.stamp for file in stored_files(source, ["S*/a/*"], wanted)}
    assert len(set(stamps.values())) >= 2  # of size at least
    (file, *_) = stored_files(source, ["S*/a/*"], wanted)
    assert file.label.startswith(str(source))
    assert file.label.endswith(file.name)


def test_large_folders_beside_are_not_searched(tmp_path: Path) -> None:
    source = folder(tmp_path / "f")
    hidden = folder(source / "S1" / "images", {"a/one.x": b""})
    hidden.chmod(0)
    try:
        assert len(read(source)) == 3
    finally:
        hidden.chmod(0o700)


@pytest.mark.parametrize("name", ["../a/one.x", "/S1/a/one.x", "S1/../../a/one.x", "S1\\..\\/a/one.x"])
@pytest.mark.parametrize(("make", "file"), [(zipped, "f.zip"), (tarred, "f.tgz")])
def test_names_that_lead_out(tmp_path: Path, make: Callable[..., Path], file: str, name: str) -> None:
    source = make(tmp_path / file, {name: b"x"})
    with pytest.raises(DataError, match="is a name that leads out of its folder"):
        read(source)
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_links_and_devices(tmp_path: Path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        with tarfile.open(tmp_path / "f.tar", "w") as archive:
            info = tarfile.TarInfo("S1/a/one.x")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        with pytest.raises(DataError, match=r"f\.tar: S1/a/one\.x: is a link or a device, expected a file"):
            read(tmp_path / "f.tar")
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive_:
        link = zipfile.ZipInfo("S1/a/one.x")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive_.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="is a link or a device"):
        read(tmp_path / "f.zip")


def test_a_pipe_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "S1" / "a").mkdir(parents=True)
    os.mkfifo(tmp_path / "S1" / "a" / "one.x")
    with pytest.raises(DataError, match="it is a pipe, expected a file"):
        read(tmp_path)


def test_bombs(tmp_path: Path) -> None:
    """A few hundred kilobytes that unpack to 200 MB."""
    large = {"S1/a/one.x": bytes(200 * 2**20)}
    source = zipped(tmp_path / "f.zip", large, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=r"says that it unpacks to 209715200 bytes; at most [0-9]+ are read"):
        read(source)
    source = tarred(tmp_path / "f.tgz", large)
    assert source.stat().st_size < 2**20
    with pytest.raises(DataError, match=r"f\.tgz: unpacks to more than the [0-9]+ bytes that are read of it"):
        read(source)
    with pytest.raises(DataError, match="unpacks to more"):  # also where nothing of it is wanted
        list(stored_files(source, [], lambda name: False))


def test_a_zip_that_says_too_little(tmp_path: Path) -> None:
    source = zipped(tmp_path / "f.zip", {"S1/a/one.x": bytes(10**6)}, compression=zipfile.ZIP_DEFLATED)
    content = source.read_bytes().replace((10**6).to_bytes(4, "little"), (10**3).to_bytes(4, "little"))
    source.write_bytes(content)
    with pytest.raises(DataError, match=r"f\.zip: S1/a/one\.x: is damaged"):
        read(source)


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MEMBERS", 4)
    for source in (zipped(tmp_path / "f.zip"), tarred(tmp_path / "f.tar")):
        with pytest.raises(DataError, match="has more than 4 members"):
            read(source)


def test_encrypted_and_unusual_members(tmp_path: Path) -> None:
    source = zipped(tmp_path / "f.zip", {"S1/a/one.x": b"x" * 100}, compression=zipfile.ZIP_BZIP2)
    with pytest.raises(DataError, match="is encrypted or packed in an unusual way: unpack the archive first"):
        read(source)
    source = zipped(tmp_path / "g.zip", {"S1/a/one.x": b"x" * 100})
    content = bytearray(source.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    source.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        read(source)


def test_other_sources(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: there is no such file"):
        read(tmp_path / "nowhere")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(DataError, match=r"text: is neither a folder nor an archive: expected \.zip, \.tgz"):
        read(tmp_path / "text")
    (tmp_path / "f.gz").write_bytes(gzip.compress(b"hello"))
    with pytest.raises(DataError, match=r"f\.gz: is damaged, or only a part of an archive"):
        read(tmp_path / "f.gz")


@pytest.mark.parametrize(("make", "name"), [(zipped, "f.zip"), (tarred, "f.tar"), (tarred, "f.tgz")])
def test_damaged_archives_are_one_error(tmp_path: Path, make: Callable[[Path], Path], name: str) -> None:
    source = make(tmp_path / name)
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2] if name != "f.tar" else content[:100])
    with pytest.raises(DataError, match=f"{name}: .*(damaged|neither)"):
        read(source)
    rng, outcomes = random.Random(0), set()
    for _ in range(200):
        damaged = bytearray(content)
        if rng.random() < 0.3:
            del damaged[rng.randrange(len(damaged)) :]
        for _ in range(rng.choice([1, 3, 30])):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        source.write_bytes(damaged)
        try:
            read(source)
            outcomes.add("read")
        except DataError as error:
            outcomes.add("refused" if str(source) in str(error) else str(error))
    assert "refused" in outcomes
    assert outcomes <= {"read", "refused"}
