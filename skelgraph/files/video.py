"""Videos, one frame after the other, by PyAV (FFmpeg): no video is ever held in memory as a whole.

A file is told by its content. FFmpeg is given the open file and the name of its format, so that none of its formats
that are lists of other files or addresses is ever tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from os import PathLike
from types import ModuleType
from typing import Any

import numpy as np

from skelgraph.errors import DataError, SkelgraphError
from skelgraph.files.regular import open_regular
from skelgraph.files.writing import writing
from skelgraph.text import plain, shown

Progress = Callable[[Iterable[np.ndarray], int | None], Iterable[np.ndarray]]
"""Shows how far a loop is: takes what is gone through and its length, gives the same things; as ``lambda frames, total:
tqdm(frames, total=total)`` does."""

_MOST_PIXELS = 2**26  # of a frame: 8K has half of them
_NEARLY_SQUARE = 0.01
_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip")  # first parts of files older than MP4
_PICTURES = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")  # in the container of MP4


def is_video(head: bytes) -> bool:
    """Whether a file that starts with these bytes (16 are enough) is a video of a format that :func:`read_video` reads:
    MP4 and QuickTime, Matroska and WebM, AVI, MPEG streams, FLV, ASF (WMV) or Ogg."""
    return _format(head) is not None


def _format(head: bytes) -> str | None:
    """FFmpeg's name of the format of a file."""
    if head[4:8] == b"ftyp":
        return None if head[8:12] in _PICTURES else "mov"
    if head[4:8] in _QUICKTIME:
        return "mov"
    if head[:4] == b"RIFF":
        return "avi" if head[8:12] == b"AVI " else None
    starts = {
        b"\x1a\x45\xdf\xa3": "matroska",
        b"\x00\x00\x01\xba": "mpeg",
        b"\x30\x26\xb2\x75": "asf",
        b"FLV\x01": "flv",
        b"OggS": "ogg",
    }
    if head[:1] == b"G" and len(head) >= 4 and head[1] & 0x80 == 0 and head[1] & 0x1F == 0 and head[3] & 0x10:
        return "mpegts"  # the first packet, a table of programmes
    return starts.get(head[:4])


class _OpenVideo:
    """A video whose file is open."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self._av = _pyav()
        self._label = plain(str(path), 1000)
        self._file = open_regular(path, DataError)
        self._container: Any = None
        self._count = 0
        try:
            self._container, self._stream = self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> tuple[Any, Any]:
        name = _format(self._file.read(16))
        if name is None:
            raise DataError(f"{self._label}: is no video (MP4, MOV, MKV, WebM, AVI, MPEG, FLV, WMV or Ogg).")
        self._file.seek(0)
        try:
            options = {"format_whitelist": name, "protocol_whitelist": "none"}
            # what is written about a video may be no text; from 19 on PyAV takes it as it is
            older = {"metadata_errors": "replace"} if int(self._av.__version__.partition(".")[0]) < 19 else {}
            container = self._av.open(self._file, format=name, options=options, **older)
            if not container.streams.video:
                raise DataError(f"{self._label}: holds no pictures.")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise DataError(f"{self._label}: holds pictures in a form that FFmpeg does not know.")
            stream.thread_type = "AUTO"
            stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
        except DataError:
            raise
        except Exception as error:  # as many as FFmpeg and PyAV have parts
            raise self._damaged(error) from error
        return container, stream

    def frame_times(self) -> np.ndarray | None:
        """When the frames are shown, see :func:`frame_times`; the file is at its end afterwards."""
        packets = self._container.demux(self._stream)  # one of which is in memory at a time, as none is kept
        try:
            times = [(packet.pts, packet.time_base) for packet in packets if packet.size]
        except Exception as error:
            raise self._damaged(error) from error
        if any(None in time for time in times):
            return None
        return np.sort([float(count * unit) for count, unit in times])

    def _damaged(self, error: Exception) -> DataError:
        if isinstance(error, MemoryError):
            return DataError(f"{self._label}: cannot be read: there is not enough memory.")
        where = f" at frame {self._count}" if self._count else " or of an unusual kind"
        reason = plain(getattr(error, "strerror", None) or type(error).__name__, 200)
        return DataError(f"{self._label}: is damaged{where} ({reason}).")

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()
        self._file.close()


class VideoReader(_OpenVideo, Iterator[np.ndarray]):
    """The frames of a video in the order in which they are shown, turned upright as the file says; made by
    :func:`read_video`. A context manager; its frames can be gone through once.

    Attributes:
        image_size: Width and height of a frame in pixels, as it is shown.
        frame_rate: Frames per second, as the file says it (of most formats the mean, where their distances vary, see
            :func:`frame_times`); ``None`` if it does not.
        num_frames: How many frames there are, for progress bars; ``None`` if the file does not say it. Count them to
            know it.
        counted: How many frames the file itself counts, as MP4 and QuickTime do; ``None`` if it does not.
            One that was cut off has fewer.

    Shapes:
        a frame: ``(H, W, 3)``, uint8, RGB.

    Raises:
        DataError: Where the file is damaged, or the size of the picture changes.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        super().__init__(path)
        stream = self._stream
        try:
            self._decoded = self._container.decode(stream)
            self._stretch = float(stream.sample_aspect_ratio or 1)
            self._first: np.ndarray | None = self._next()
        except BaseException:
            self.close()
            raise
        if self._first is None:
            self.close()
            raise DataError(f"{self._label}: is a video without any frame that can be read.")
        height, width = self._first.shape[:2]
        self.image_size = (width, height)
        rate = stream.average_rate or stream.guessed_rate
        self.frame_rate = float(rate) if rate else None
        is_exact = self._container.format.name == "mov"  # AVI counts frames that are left out, too
        self.counted = int(stream.frames) or None if is_exact else None
        self.num_frames = _num_frames(self._container, stream, self.frame_rate)

    def __next__(self) -> np.ndarray:
        """The next frame."""
        frame, self._first = (self._next(), None) if self._first is None else (self._first, None)
        if frame is None:
            raise StopIteration
        if (frame.shape[1], frame.shape[0]) != self.image_size:
            size = f"{frame.shape[1]} x {frame.shape[0]}"
            width, height = self.image_size
            raise DataError(f"{self._label}: frame {self._count - 1} is {size}, those before are {width} x {height}.")
        return frame

    def _next(self) -> np.ndarray | None:
        try:
            frame = next(self._decoded, None)
            if frame is None:
                return None
            if frame.is_corrupt:
                raise DataError(f"{self._label}: is damaged at frame {self._count}.")
            self._count += 1
            width = frame.width
            if abs(self._stretch - 1) > _NEARLY_SQUARE:
                width = min(max(1, round(width * self._stretch)), _MOST_PIXELS // frame.height)
            return upright(frame.to_ndarray(format="rgb24", width=width), frame.rotation)
        except DataError:
            raise
        except Exception as error:
            raise self._damaged(error) from error

    def __enter__(self) -> VideoReader:  # noqa: D105
        return self

    def __exit__(self, *_: object) -> None:  # noqa: D105
        self.close()


def read_video(path: str | PathLike[str]) -> VideoReader:
    """Open a video: ``with read_video("walk.mp4") as frames: for frame in frames: ...``

    Where the pixels of the file are not square (wider or narrower by more than 1 %), the picture is stretched in width,
    as it is shown by players.

    Args:
        path: The file; its name does not matter.

    Raises:
        DataError: There is no such file, it is no video, damaged, has frames of more than 67 million pixels, or PyAV is
            not installed.
    """
    return VideoReader(path)


def frame_times(path: str | PathLike[str]) -> np.ndarray | None:
    """When the frames of a video are shown, read off the file without decoding any.

    Args:
        path: The file.

    Returns:
        Seconds, in order, ``(T,)``; ``None`` if the file does not say it.

    Raises:
        DataError: As :func:`read_video`.
    """
    with closing(_OpenVideo(path)) as video:
        return video.frame_times()


class VideoWriter:
    """What :func:`write_video` gives: takes the frames of a video, one after the other."""

    def __init__(self, container: Any, frame_rate: float, label: str, bitrate: int | None) -> None:
        self._av, self._bitrate = _pyav(), bitrate
        self._container, self._label = container, label
        self._rate = Fraction(frame_rate).limit_denominator(1001)  # 29.97 is 30000/1001
        self._stream: Any = None
        self._size: tuple[int, int] | None = None

    def add(self, frame: np.ndarray) -> None:
        """Add a frame; at an odd width or height the last column or row is there twice, since H.264 pairs pixels.

        Args:
            frame: RGB.

        Shapes:
            ``frame``: ``(H, W, 3)``, uint8, of the same size as those before.

        Raises:
            SkelgraphError: If it is something else.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or frame.size == 0:
            raise SkelgraphError(f"frame of {self._label} is {shown(frame)}, expected uint8 (H, W, 3).")
        height, width = frame.shape[:2]
        if self._stream is None:
            self._size = (height, width)
            self._stream = self._container.add_stream("h264", rate=self._rate)
            self._stream.width, self._stream.height = width + width % 2, height + height % 2
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"crf": "20", "preset": "veryfast"}
            if self._bitrate is not None:
                self._stream.options = {"preset": "veryfast"}
                self._stream.bit_rate = 1000 * self._bitrate
        if (height, width) != self._size:
            raise SkelgraphError(f"frame of {self._label} is {shown(frame)}, those before are {self._size}.")
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        self._encode(self._av.VideoFrame.from_ndarray(even, format="rgb24"))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is None:
            raise SkelgraphError(f"{self._label}: a video has at least one frame.")
        self._encode(None)

    def _encode(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


@contextmanager
def write_video(path: str | PathLike[str], frame_rate: float, *, bitrate: int | None = None) -> Iterator[VideoWriter]:
    """Write an MP4 (H.264, yuv420p, which browsers play): ``with write_video(path, 30) as video: video.add(frame)``.

    The file appears when it is whole, see :func:`~skelgraph.files.writing`.

    Args:
        path: The file.
        frame_rate: Frames per second.
        bitrate: Kilobits per second; by default a constant quality (CRF 20).

    Raises:
        SkelgraphError: ``path`` is a folder, ``frame_rate`` is no number from 0.01 to 1000, there was no frame or one
            of another form, or PyAV is not installed.
        OSError: If the disk is full or the folder cannot be written to; the error names ``path``.
    """
    if not 0.01 <= frame_rate <= 1000:
        raise SkelgraphError(f"frame_rate is {shown(frame_rate)}, expected 0.01 to 1000 frames per second.")
    av = _pyav()
    with writing(path) as file, av.open(file, "w", format="mp4") as container:
        video = VideoWriter(container, frame_rate, plain(str(path), 1000), bitrate)
        yield video
        video.finish()


def upright(picture: np.ndarray, rotation: int) -> np.ndarray:
    """Turn a picture as its file says.

    Args:
        picture: The picture as it is stored.
        rotation: Degrees against the clock; whole right angles are applied, others are none that cameras write.

    Shapes:
        ``picture``: ``(H, W, ...)``; out the same or ``(W, H, ...)``, contiguous.
    """
    return np.ascontiguousarray(np.rot90(picture, round(rotation / 90) % 4))


def _num_frames(container: Any, stream: Any, frame_rate: float | None) -> int | None:
    if stream.frames > 0:
        return int(stream.frames)
    if frame_rate is None:
        return None
    if stream.duration and stream.time_base:
        return max(1, round(float(stream.duration * stream.time_base) * frame_rate))
    return max(1, round(container.duration / 1e6 * frame_rate)) if container.duration else None


def _pyav() -> ModuleType:
    # Its log stays off, as it is by default: written by Python, it can block the threads of a decoder for ever.
    try:
        import av
    except ImportError:
        raise DataError("videos are read and written with PyAV: pip install 'skelgraph[lift]'.") from None
    return av
