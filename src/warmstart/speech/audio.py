"""Recordings as float32 samples of one channel at the rate that a model was trained on.

Formats are those of libsndfile: WAV (8 to 32 bits, float), FLAC, OGG (Vorbis, Opus), MP3, AIFF and
others; with PyAV also M4A, MP4, AAC and WebM (see `containers`). Channels are averaged; rates are
changed by soxr in its high quality. Files are read in pieces, so that a recording of ten hours takes
no more memory than one of a minute.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, BinaryIO

import numpy as np

from warmstart.core.reading import input_name, opened
from warmstart.errors import InputError
from warmstart.speech import containers

SUFFIXES = containers.SUFFIXES | {
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64", ".caf",
}  # fmt: skip
RATES = (1_000, 768_000)
"""Lowest and highest sampling rate in Hz that is believed."""
MAX_CHANNELS = 64
PIECE = 65_536
"""Samples (of all channels together) that are decoded at a time."""
LONGEST = 600.0
"""Seconds that `decode` gives in one array; longer recordings are for `pieces`."""


NOT_READABLE = "is not a recording that can be read (WAV, FLAC, OGG, MP3, AIFF)"


def is_sound(value: Any) -> bool:
    """Whether this is samples with their rate: `(array, rate)` or `{"array": …, "sampling_rate": …}`."""
    if isinstance(value, Mapping):
        return value.keys() >= {"array", "sampling_rate"}
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and hasattr(value[0], "__array__")
        and isinstance(value[1], int | float | np.number)
    )


def decode(
    value: Any,
    *,
    name: str = "",
    sample_rate: int,
    array_rate: float | None = None,
    longest: float = LONGEST,
) -> np.ndarray:
    """A whole recording.

    Args:
        value, name, sample_rate, array_rate: as for `pieces`.
        longest: in seconds.

    Returns:
        float32 (N,), -1..1.

    Raises:
        InputError: the recording is unusable, or longer than `longest`.
    """
    parts, total = [], 0
    for part in pieces(value, name=name, sample_rate=sample_rate, array_rate=array_rate):
        parts.append(part)
        total += len(part)
        if total > longest * sample_rate:
            raise InputError(f"{name}: is longer than {longest:g} s; cut it into pieces", name)
    return np.concatenate(parts)


def file_seconds(data: bytes) -> float:
    """The length of a recording, from the header of its file or the times of its packets.

    Raises:
        InputError: it is not a recording that can be read.
    """
    import soundfile

    name, stream = "the recording", io.BytesIO(data)
    if container := containers.container_format(_head(stream)):
        return containers.seconds(stream, container, name)
    try:
        info = soundfile.info(_SoundSource(stream, name))
    except (soundfile.LibsndfileError, TypeError, RuntimeError):
        raise InputError(f"{name}: {NOT_READABLE}", name) from None
    return float(info.frames / info.samplerate) if info.samplerate else 0.0


def pieces(
    value: Any,
    *,
    name: str = "",
    sample_rate: int,
    array_rate: float | None = None,
    channel: int | None = None,
) -> Iterator[np.ndarray]:
    """A recording in pieces, in constant memory.

    Args:
        value: a path, http(s) URL, bytes, file object; an array (N,) or (N, channels), float -1..1
            or integers of full scale; such an array with its rate as `(array, rate)` or `{"array":
            …, "sampling_rate": …}`. Of an array of two dimensions the shorter one is the channels.
        name: for messages.
        sample_rate: of the result, in Hz.
        array_rate: of an array.
        channel: the one that is read, from 1; None: all, mixed down.

    Returns:
        An iterator of float32 arrays, which together are the recording: at least one sample.

    Raises:
        InputError: it is not a recording, is damaged, empty, lacks the channel, or has a value that is not
            a number. What
            is wrong at its beginning is raised at once, the rest when it is reached.
    """
    name = name or input_name(value) or "the recording"
    parts, rate = parts_of(value, name, array_rate)
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(
            f"{name}: says it has {rate:g} samples a second; {RATES[0]:,} to {RATES[1]:,} are possible",
            name,
        )
    checked = _checked(parts, name, channel)
    first = next(checked)  # raises here what is wrong from the start
    return _resampled(chain([first], checked), rate, sample_rate)


def parts_of(value: Any, name: str, array_rate: float | None) -> tuple[Iterator[np.ndarray], float]:
    """The samples of all channels in parts, and their rate."""
    if isinstance(value, InputError):  # from `items`: a folder that cannot be read
        raise value
    return _array(value, name, array_rate) or _file(value, name)


def _checked(parts: Iterator[np.ndarray], name: str, channel: int | None) -> Iterator[np.ndarray]:
    """One channel of the parts, or all mixed down to one; at least one sample, all finite."""
    empty = True
    for part in parts:
        if not len(part):
            continue
        mono = _mono(part, name, channel)
        if not np.isfinite(mono).all():
            raise InputError(
                f"{name}: holds samples that are not finite numbers (NaN or infinite)", name
            )
        empty = False
        yield mono
    if empty:
        raise InputError(f"{name}: holds no samples", name)


def _mono(part: np.ndarray, name: str, channel: int | None) -> np.ndarray:
    channels = part.shape[1] if part.ndim == 2 else 1
    if channel is not None and channel > channels:
        few = "1 channel" if channels == 1 else f"{channels} channels"
        raise InputError(f"{name}: has {few}, and no channel {channel}", name)
    if part.ndim == 1:
        return part
    mono: np.ndarray = part.mean(1, dtype=np.float32) if channel is None else part[:, channel - 1]
    return mono


def _resampled(parts: Iterator[np.ndarray], rate: float, sample_rate: int) -> Iterator[np.ndarray]:
    if rate == sample_rate:
        yield from parts
        return
    import soxr

    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
    for part in parts:
        out = stream.resample_chunk(np.ascontiguousarray(part, np.float32))
        if len(out):
            yield out
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _array(
    value: Any, name: str, array_rate: float | None
) -> tuple[Iterator[np.ndarray], float] | None:
    """(parts, rate) of an array; None for what is none."""
    if is_sound(value):
        value, array_rate = (
            (value["array"], value["sampling_rate"]) if isinstance(value, Mapping) else value
        )
    elif not (hasattr(value, "__array__") and hasattr(value, "shape")):
        return None
    array = np.asarray(value)
    if array_rate is None:
        raise InputError(
            f"{name}: an array does not say its sampling rate; give sample_rate=, or (array, rate)",
            name,
        )
    if not isinstance(array_rate, int | float | np.number) or not math.isfinite(array_rate):
        raise InputError(f"{name}: {array_rate!r} is not a sampling rate", name)
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        array = array.T
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= MAX_CHANNELS):
        raise InputError(f"{name}: samples come as (N,) or (N, channels), not {array.shape}", name)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name}: samples are numbers, not {array.dtype}", name)
    rows = max(PIECE // (array.shape[1] if array.ndim == 2 else 1), 1)
    return (_as_float(array[i : i + rows]) for i in range(0, len(array), rows)), float(array_rate)


def _as_float(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    bits = 8 * array.dtype.itemsize
    zero = 2 ** (bits - 1) if array.dtype.kind == "u" else 0
    scaled: np.ndarray = (array.astype(np.float64) - zero) / 2 ** (bits - 1)
    return scaled.astype(np.float32)


def _file(value: Any, name: str) -> tuple[Iterator[np.ndarray], float]:
    import soundfile

    stream = opened(value, name)
    try:
        head = _head(stream)
    except OSError as error:
        stream.close()
        raise _unreadable(error, name) from error
    if container := containers.container_format(head):
        return _few_channels(*containers.read(stream, container, name), name)
    source = _SoundSource(stream, name)
    try:
        sound = soundfile.SoundFile(source)
        source.check()
    except (
        soundfile.LibsndfileError,
        TypeError,
    ) as error:  # TypeError: raw PCM, which says nothing of itself
        stream.close()
        source.check()
        raise InputError(f"{name}: {NOT_READABLE}", name) from error
    _check_channels(sound.channels, name)
    return _read(source, sound, name), float(sound.samplerate)


def _unreadable(error: OSError, name: str) -> InputError:
    return InputError(f"{name}: cannot be read ({error.strerror or error})", name)


class _SoundSource:
    """A file as libsndfile reads it, which takes an exception for the end of the file.

    It stays where it is when damage makes libsndfile seek to before its beginning; soundfile would
    print the error. A read that fails is raised by `check`.

    Attributes:
        file: that is read.
    """

    def __init__(self, file: BinaryIO, name: str):
        self.file, self._name = file, name
        self._failure: OSError | None = None

    def readinto(self, buffer: Any) -> int:
        try:
            count: int = self.file.readinto(buffer)  # type: ignore[attr-defined]
        except OSError as error:
            self._failure = error
            return 0
        return count

    def check(self) -> None:
        """Raise what a read has failed with.

        Raises:
            InputError: one has.
        """
        if self._failure is not None:
            raise _unreadable(self._failure, self._name) from self._failure

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self.file.seek(offset, whence)
        except (OSError, ValueError):
            return self.file.tell()

    def tell(self) -> int:
        return self.file.tell()


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


def _read(source: _SoundSource, sound: Any, name: str) -> Iterator[np.ndarray]:
    import soundfile

    done, rows = 0, max(PIECE // sound.channels, 1)
    # The decoder gives zeros for what is lost of a compressed file, or less than was announced.
    promised = sound.frames if sound.format in ("FLAC", "OGG") else 0
    with source.file, sound:
        while True:
            try:
                part = sound.read(rows, dtype="float32", always_2d=True)
                source.check()
            except (soundfile.LibsndfileError, RuntimeError) as error:
                source.check()
                reason = f"is damaged or cut off after {done / sound.samplerate:.2f} s"
                raise InputError(f"{name}: {reason}", name) from error
            done += len(part)
            if len(part):
                yield part
            if len(part) < rows:
                break
        if done < promised < 2**62:
            raise InputError(
                f"{name}: is cut off after {done / sound.samplerate:.2f} s of "
                f"{promised / sound.samplerate:.2f} s",
                name,
            )
