"""Sound in the formats of libsndfile and, with PyAV, in those of `containers`. Truncated files are
detected by their headers.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from warmstart.core.reading import input_name, opened
from warmstart.errors import InputError
from warmstart.speech import containers, headers

MAX_CHANNELS = 64
PIECE = 65_536
"""Samples (of all channels together) that are decoded at a time."""
FRAME = 1152
"""Samples of a frame of MP3, at most."""
MP3_PADDING = 4 * FRAME
"""Samples that a decoder of MP3 may leave out at the ends."""
LATE = 63
"""How far behind the end of an MP3 its end is reported, in lengths of the file: bitrates are 8 to 320
kbit/s, so the real number of frames may be that many times the estimated one.
"""
UNRECOGNISED = 1
"""libsndfile's code of a file whose format it does not know."""
NOT_READABLE = "is not a recording that can be read (WAV, FLAC, OGG, MP3, AIFF)"


def file_seconds(value: Any, *, estimate: bool = True) -> float:
    """The length of a recording, from the header of its file or the times of its packets.

    Args:
        value: a path, http(s) URL, bytes or file object.
        estimate: whether the length of an MP3 that does not give it is estimated from its first
            frames; else it is 0.

    Raises:
        InputError: it is not a recording that can be read.
    """
    import soundfile

    name = input_name(value) or "the recording"
    with opened(value, name) as stream:
        if container := containers.container_format(_head(stream)):
            return containers.seconds(stream, container, name)
        header = headers.read_header(stream)
        try:
            info = soundfile.info(_SoundSource(stream, name, header))
        except (soundfile.LibsndfileError, TypeError, RuntimeError):
            raise InputError(f"{name}: {NOT_READABLE}", name) from None
    if not info.samplerate or (info.format == "MP3" and not (estimate or header.counts_frames)):
        return 0.0
    return float(info.frames / info.samplerate)


def read(value: Any, name: str) -> tuple[Iterator[np.ndarray], float]:
    """The sound of a file in parts, float32 (n, channels), and its rate in Hz.

    Args:
        value: a path, http(s) URL, bytes or file object.
        name: for messages.

    Raises:
        InputError: it is not a recording that can be read, or is damaged; what is cut off is
            raised when the end is reached.
    """
    import soundfile

    stream = opened(value, name)
    try:
        head = _head(stream)
        header = headers.read_header(stream)
    except OSError as error:
        stream.close()
        raise _unreadable(error, name) from error
    if container := containers.container_format(head):
        return _few_channels(*containers.read(stream, container, name), name)
    source = _SoundSource(stream, name, header, ends_late=header.counts_frames is False)
    try:
        sound = soundfile.SoundFile(source)
        source.check()
    except (
        soundfile.LibsndfileError,
        TypeError,
    ) as error:  # TypeError: raw PCM, which has no header
        stream.close()
        source.check()
        raise InputError(f"{name}: {_refusal(error)}", name) from error
    _check_channels(sound.channels, name)
    announced = _announced_frames(sound, header)
    return _parts(source, sound, announced, name), float(sound.samplerate)


def _refusal(error: Exception) -> str:
    """Why libsndfile does not open a file."""
    is_known = getattr(error, "code", UNRECOGNISED) != UNRECOGNISED
    return "is damaged or cut off" if is_known else NOT_READABLE


def _announced_frames(sound: Any, header: headers.Header) -> float:
    """The frames of a recording by its header; 0 if they are not known, infinity where an
    unknown number of them is missing.
    """
    frames, samples = int(sound.frames), header.samples
    if header.ends_within_page:
        return math.inf
    if samples is not None and samples.present:
        return frames * samples.announced // samples.present
    if samples is not None:
        return math.inf if samples.announced else 0
    is_known = header.counts_frames or sound.format in ("FLAC", "OGG")
    return frames if is_known and frames < 2**62 else 0


def _unreadable(error: OSError, name: str) -> InputError:
    return InputError(f"{name}: cannot be read ({error.strerror or error})", name)


class _SoundSource:
    """A file for libsndfile, which treats exceptions as the end of the file.

    Seeks to before its beginning, which damaged files cause, are ignored; soundfile would print the
    error. The error of a failed read is raised by `check`. A placeholder for the size of the samples is
    replaced by their size.

    Attributes:
        file: that is read.
        ends_late: whether the end is reported as far behind the last byte. Of an MP3 that does not
            announce its frames, libsndfile estimates them from the first ones, and reads no more.
    """

    def __init__(
        self, file: BinaryIO, name: str, header: headers.Header, *, ends_late: bool = False
    ):
        self.file, self._name = file, name
        self.ends_late, self._beyond = ends_late, 0
        self._correction = header.samples.correction if header.samples else None
        self._failure: OSError | None = None

    def readinto(self, buffer: Any) -> int:
        start, self._beyond = self.file.tell(), 0
        try:
            count: int = self.file.readinto(buffer)  # type: ignore[attr-defined]
        except OSError as error:
            self._failure = error
            return 0
        if self._correction is not None:
            offset, correct = self._correction
            for index, byte in enumerate(correct, offset - start):
                if 0 <= index < count:
                    buffer[index : index + 1] = bytes((byte,))
        return count

    @property
    def is_read(self) -> bool:
        """Whether the file has been read to its end."""
        return not self.file.read(1)

    def check(self) -> None:
        """Raise the error of a failed read.

        Raises:
            InputError: a read has failed.
        """
        if self._failure is not None:
            raise _unreadable(self._failure, self._name) from self._failure

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            position = self.file.seek(offset, whence)
        except (OSError, ValueError):
            position = self.file.tell()
        is_end = self.ends_late and whence == os.SEEK_END
        self._beyond = LATE * position if is_end else 0
        return position + self._beyond

    def tell(self) -> int:
        return self.file.tell() + self._beyond


def _head(stream: BinaryIO) -> bytes:
    """The first bytes of a file, which are read again."""
    head = stream.read(16)
    stream.seek(0)
    return head


def _few_channels(
    parts: Iterator[np.ndarray], rate: float, name: str
) -> tuple[Iterator[np.ndarray], float]:
    def checked() -> Iterator[np.ndarray]:
        for part in parts:
            _check_channels(part.shape[1], name)
            yield part

    return checked(), rate


def _check_channels(channels: int, name: str) -> None:
    if channels > MAX_CHANNELS:
        raise InputError(f"{name}: has {channels} channels; {MAX_CHANNELS} at most", name)


def _parts(source: _SoundSource, sound: Any, announced: float, name: str) -> Iterator[np.ndarray]:
    import soundfile

    done, rows = 0, FRAME if source.ends_late else max(PIECE // sound.channels, 1)
    with source.file, sound:
        while True:
            try:
                part = sound.read(rows, dtype="float32", always_2d=True)
                source.check()
            except (soundfile.LibsndfileError, RuntimeError) as error:
                source.check()
                if source.ends_late and source.is_read:
                    break  # within a frame, as recordings of broadcasts do
                reason = f"is damaged or cut off after {done / sound.samplerate:.2f} s"
                raise InputError(f"{name}: {reason}", name) from error
            done += len(part)
            if len(part):
                yield part
            if len(part) < rows:
                break
        lossy_ends = MP3_PADDING if sound.format == "MP3" else 0
        if done < announced - lossy_ends:
            total = f" of {announced / sound.samplerate:.2f} s" if announced < math.inf else ""
            reason = f"is cut off after {done / sound.samplerate:.2f} s{total}"
            raise InputError(f"{name}: {reason}", name)
