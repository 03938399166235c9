"""Sound in containers that libsndfile does not read: MP4 and M4A, WebM and Matroska, AAC, WMA, AMR.

They are read by PyAV (FFmpeg), an optional package. The first bytes of a file determine its format,
and only the reader of that format is used, so that a file cannot make FFmpeg open others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from warmstart.errors import InputError, MissingPackageError, require

SUFFIXES = frozenset({".m4a", ".m4b", ".mp4", ".aac", ".webm", ".mka"})
ESTIMATED = frozenset({"aac", "amr"})
"""Formats without a length, for which FFmpeg estimates one."""
CUT_OFF = 1.0
"""Seconds by which a recording may be shorter than its header says before it counts as cut off."""


def container_format(head: bytes) -> str | None:
    """FFmpeg's name of the format of a file; None if it is none of these.

    Args:
        head: its first 16 bytes or more.
    """
    if head[4:8] == b"ftyp":
        return "mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # ADTS; MP3 has a layer here
        return "aac"
    if head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"):
        return "asf"
    return "amr" if head.startswith(b"#!AMR") else None


def read(file: BinaryIO, container: str, name: str) -> tuple[Iterator[np.ndarray], float]:
    """The sound of a file in parts, float32 (n, channels), and its rate in Hz.

    Args:
        file: closed at the end, or if it cannot be read.
        container: its format; see `container_format`.
        name: for messages.

    Raises:
        InputError: PyAV is not installed, or the file has no sound or is damaged.
    """
    opened, stream = _opened(file, container, name)
    return _parts(file, opened, stream, name), float(stream.rate)


def seconds(file: BinaryIO, container: str, name: str) -> float:
    """The length of the sound, from the times of its packets; nothing is decoded.

    Raises:
        InputError: see `read`.
    """
    opened, stream = _opened(file, container, name)
    import av  # `_opened` has checked it

    last = 0.0
    with file, opened:
        try:
            for packet in opened.demux(stream):
                if packet.pts is not None:
                    end = packet.pts + (packet.duration or 0)
                    last = max(last, float(end * packet.time_base))
        except av.FFmpegError as error:
            raise InputError(f"{name}: is damaged or cut off after {last:.2f} s", name) from error
    return last


def _opened(file: BinaryIO, container: str, name: str) -> tuple[Any, Any]:
    try:
        require("av", extra="av", purpose=f"to read {container} files")
    except MissingPackageError as error:
        file.close()
        raise InputError(f"{name}: {error} Or convert it to WAV or FLAC.", name) from error
    import av

    try:
        opened = av.open(file, mode="r", format=container, metadata_errors="ignore")
    except (av.FFmpegError, ValueError) as error:
        file.close()
        raise InputError(f"{name}: is damaged, or not a recording ({error})", name) from error
    stream = opened.streams.best("audio")
    if not isinstance(stream, av.AudioStream) or not stream.rate:
        opened.close()
        file.close()
        raise InputError(f"{name}: has no audio track", name)
    return opened, stream


def _announced_seconds(opened: Any, stream: Any) -> float:
    """The length in the header; 0.0 if there is none, because FFmpeg may have estimated it."""
    if opened.format.name in ESTIMATED:
        return 0.0
    if stream.duration:
        return float(stream.duration * stream.time_base)
    # That of Matroska is the length of all streams together.
    return opened.duration / 1e6 if opened.duration and len(opened.streams) == 1 else 0.0


def _parts(file: BinaryIO, opened: Any, stream: Any, name: str) -> Iterator[np.ndarray]:
    import av

    rate = float(stream.rate)
    announced = _announced_seconds(opened, stream)
    resampler = av.AudioResampler(format="fltp")
    done = 0
    with file, opened:
        try:
            for frame in opened.decode(stream):
                for part in resampler.resample(frame):
                    done += part.samples
                    yield part.to_ndarray().T
            for part in resampler.resample(None):
                done += part.samples
                yield part.to_ndarray().T
        except (av.FFmpegError, ValueError) as error:
            reason = f"is damaged or cut off after {done / rate:.2f} s"
            raise InputError(f"{name}: {reason}", name) from error
    if done / rate < announced - CUT_OFF:
        raise InputError(f"{name}: is cut off after {done / rate:.2f} s of {announced:.2f} s", name)
