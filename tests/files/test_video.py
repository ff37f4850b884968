"""Videos: frames come back upright, in order and of the right colours; what is damaged ends in our errors."""

from __future__ import annotations

import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from full_disk import fill_disk

from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files.video import frame_times, is_video, read_video, write_video

COLOURS = np.array([[230, 30, 30], [30, 200, 30], [30, 30, 230], [220, 220, 40]], dtype=np.uint8)  # of the quarters


def picture(width: int, height: int, number: int = 0) -> np.ndarray:
    """Four quarters of different colours, and a light bar along the bottom as long as the number of the frame."""
    frame = np.zeros((height, width, 3), dtype=np.uint8)
    rows, columns = np.arange(height)[:, None] >= height / 2, np.arange(width) >= width / 2
    frame[:] = COLOURS[2 * rows + columns]
    frame[-16:, : 16 * number] = 255
    return frame


def number(frame: np.ndarray) -> int:
    """The number of the frame that its picture says."""
    return int((frame[-8].min(axis=1) > 190).sum() + 8) // 16


def made(path: Path, width: int = 176, height: int = 96, frames: int = 9, rate: float = 30.0) -> Path:
    with write_video(path, rate) as video:
        for each in range(frames):
            video.add(picture(width, height, each))
    return path


@pytest.mark.parametrize(("width", "height"), [(176, 96), (97, 175)])
def test_frames_come_back_in_order(tmp_path: Path, width: int, height: int) -> None:
    """Also those that H.264 stores in another order than it shows them, and of an odd size, by repeated pixels."""
    with read_video(made(tmp_path / "a.mp4", width, height, 6, 30000 / 1001)) as reader:
        assert reader.image_size == (width + width % 2, height + height % 2)
        assert reader.num_frames == reader.counted == 6
        assert reader.frame_rate == pytest.approx(30000 / 1001, abs=1e-9)
        frames = list(reader)
    assert [number(frame) for frame in frames] == list(range(6))
    for each, frame in enumerate(frames):
        assert frame.dtype == np.uint8
        difference = np.abs(frame[:height, :width].astype(int) - picture(width, height, each))
        assert np.median(difference) <= 4
        assert (difference > 40).mean() < 0.05


def test_what_is_written_about_a_video_may_be_no_text(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4", frames=2)
    content = path.read_bytes()
    assert content.count(b"Lavf") == 1  # by whom it was written
    path.write_bytes(content.replace(b"Lavf", b"\xff\xfe\xe9f"))
    with read_video(path) as reader:
        assert [number(frame) for frame in reader] == [0, 1]


def test_when_frames_are_shown(tmp_path: Path) -> None:
    """In their order, which is not that in which H.264 stores them."""
    path = made(tmp_path / "a.mp4", frames=20, rate=25.0)
    np.testing.assert_allclose(frame_times(path), np.arange(20) / 25, atol=1e-4)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(DataError, match=r"a\.mp4: is damaged"):
        frame_times(path)
    (tmp_path / "b.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match="is no video"):
        frame_times(tmp_path / "b.mp4")


def turned(path: Path, quarters: int) -> Path:
    """Write into an MP4 that its pictures are turned with the clock before they are shown, as telephones do."""
    cosine, sine = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    matrix = struct.pack(">9i", *(n << 16 for n in (cosine, sine, 0, -sine, cosine, 0, 0, 0)), 1 << 30)
    content = bytearray(path.read_bytes())
    head = content.index(b"tkhd")
    place = head + 4 + 4 + 20 + 16  # version and flags, times and length, layer and volume
    assert content[place : place + 4] == struct.pack(">i", 1 << 16)
    content[place : place + 36] = matrix
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_pictures_are_turned_upright(tmp_path: Path, quarters: int) -> None:
    path = turned(made(tmp_path / "a.mp4", frames=1), quarters)
    with read_video(path) as reader:
        (frame,) = reader
        assert reader.image_size == (frame.shape[1], frame.shape[0])
    expected = np.rot90(picture(176, 96), -quarters)
    assert frame.shape == expected.shape
    assert np.median(np.abs(frame.astype(int) - expected)) <= 4


CODECS = {"mkv": "h264", "avi": "mpeg4", "ts": "mpeg2video", "mpg": "mpeg1video", "webm": "libvpx-vp9", "wmv": "mpeg4"}


@pytest.mark.parametrize(("aspect", "width"), [((3, 2), 144), ((1, 2), 48), ((201, 200), 96)])
def test_pictures_of_pixels_that_are_not_square_are_stretched(tmp_path: Path, aspect: tuple[int, int], width: int):
    with av.open(str(tmp_path / "wide.mp4"), "w") as container:
        stream = container.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 176, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        stored = picture(96, 176)
        for packet in [*stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")), *stream.encode(None)]:
            container.mux(packet)
    with read_video(tmp_path / "wide.mp4") as frames:
        assert frames.image_size == (width, 176)
        (frame,) = frames
    assert frame.shape == (176, width, 3)
    columns = (np.arange(width) * 96 // width).clip(max=95)
    assert np.abs(frame.astype(int) - stored[:, columns]).mean() < 12


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_formats_are_told_by_their_content(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[suffix], rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 176, 96, "yuv420p"
        for each in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(176, 96, each), format="rgb24")))
        container.mux(stream.encode(None))
    renamed = path.rename(tmp_path / "file")
    assert is_video(renamed.read_bytes()[:16])
    with read_video(renamed) as reader:
        assert reader.frame_rate == pytest.approx(25)
        assert reader.num_frames is None or reader.num_frames > 0  # of MPEG streams a guess
        assert [number(frame) for frame in reader] == list(range(5))


@pytest.mark.parametrize(
    "head",
    [b"", b"PK\x03\x04" + bytes(12), b'{"people": []}  ', b"RIFF\x10\x00\x00\x00WAVEfmt ", b"\0\0\0\x18ftypheic"],
)
def test_other_files_are_no_videos(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(head + bytes(100))
    assert not is_video(head)
    with pytest.raises(DataError, match="is no video"):
        read_video(tmp_path / "a.mp4")


def test_lists_of_other_files_are_not_followed(tmp_path: Path) -> None:
    """FFmpeg knows formats that are lists of files and addresses."""
    made(tmp_path / "a.mp4")
    for name, text in {
        "concat": "ffconcat version 1.0\nfile a.mp4\n",
        "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n",
    }.items():
        (tmp_path / f"{name}.mp4").write_text(text)
        with pytest.raises(DataError, match="is no video"):
            read_video(tmp_path / f"{name}.mp4")


def test_sound_alone_is_no_picture(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(DataError, match="holds no pictures"):
        read_video(tmp_path / "a.mp4")


def test_damaged_files_end_in_our_errors(tmp_path: Path) -> None:
    """Cut off or with other bytes at any place: all frames of the right size, or a DataError; never anything else."""
    whole = made(tmp_path / "a.mp4").read_bytes()
    random = np.random.default_rng(0)
    errors = []
    for case in range(60):
        content = bytearray(whole)
        if case % 3 == 0:
            content = content[: random.integers(len(whole))]
        else:
            for _ in range(10 ** (case % 3)):
                content[random.integers(len(whole))] = random.integers(256)
        (tmp_path / "b.mp4").write_bytes(content)
        try:
            with read_video(tmp_path / "b.mp4") as reader:
                assert {frame.shape for frame in reader} == {(reader.image_size[1], reader.image_size[0], 3)}
        except DataError as error:
            errors.append(str(error))
    assert 20 < len(errors) < 60
    assert all("b.mp4: " in error for error in errors)


def test_too_little_memory_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise av.error.MemoryError(12, "Cannot allocate memory")

    path = made(tmp_path / "a.mp4")
    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(DataError, match=r"a\.mp4: cannot be read: there is not enough memory"):
        read_video(path)


def test_too_large_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skelgraph.files.video._MOST_PIXELS", 176 * 96 - 1)
    with pytest.raises(DataError, match=r"a\.mp4: is damaged or of an unusual kind"):
        read_video(made(tmp_path / "a.mp4"))


def test_a_picture_of_another_size_midway_is_an_error(tmp_path: Path) -> None:
    streams = []
    for name, width in (("a", 176), ("b", 192)):
        with av.open(str(tmp_path / f"{name}.ts"), "w") as container:
            stream = container.add_stream("mpeg2video", rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = width, 96, "yuv420p"
            for each in range(4):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(width, 96, each), format="rgb24")))
            container.mux(stream.encode(None))
        streams.append((tmp_path / f"{name}.ts").read_bytes())
    (tmp_path / "c.ts").write_bytes(b"".join(streams))
    with (
        read_video(tmp_path / "c.ts") as reader,
        pytest.raises(DataError, match="is 192 x 96, those before are 176 x 96"),
    ):
        list(reader)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is told by Linux")
def test_a_video_is_not_held_in_memory(tmp_path: Path) -> None:
    """200 frames of 1280 x 720 are 550 MB; reading and writing them takes a fraction of it."""
    program = f"""
import numpy as np, pathlib, re
from skelgraph.files.video import read_video, write_video
frame = np.zeros((720, 1280, 3), dtype=np.uint8)
with write_video({str(tmp_path / "a.mp4")!r}, 50) as video:
    for each in range(200):
        frame[:, 4 * each] = 255
        video.add(frame)
with read_video({str(tmp_path / "a.mp4")!r}) as frames:
    assert sum(1 for _ in frames) == 200
# not ru_maxrss, which is that of the process that began this one, if that is larger
print(int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 400


def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path) -> None:
    def fail(frames: list[np.ndarray], rate: float = 25) -> None:
        with write_video(tmp_path / "a.mp4", rate) as video:
            for frame in frames:
                video.add(frame)

    (tmp_path / "a.mp4").write_bytes(b"old")
    with pytest.raises(SkelgraphError, match="at least one frame"):
        fail([])
    with pytest.raises(SkelgraphError, match=r"those before are \(96, 176\)"):
        fail([picture(176, 96), picture(96, 176)])
    with pytest.raises(SkelgraphError, match="expected uint8"):
        fail([picture(176, 96)[..., 0]])
    with pytest.raises(SkelgraphError, match="expected uint8"):
        fail([picture(176, 96) / 255])
    for rate in (0, -1, float("nan"), 1e9):
        with pytest.raises(SkelgraphError, match="frame_rate"):
            fail([picture(176, 96)], rate)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.mp4": b"old"}


def test_a_full_disk_is_an_error_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match=r"No space left.*a\.mp4"):
        made(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_without_pyav_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "a.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match=r"pip install 'skelgraph\[lift\]'"):
        read_video(path)
    with pytest.raises(DataError, match=r"pip install 'skelgraph\[lift\]'"), write_video(path, 25):
        pass
