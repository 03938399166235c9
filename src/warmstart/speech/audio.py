"""Recordings as float32 samples of one channel at the rate that a model was trained on.

Formats are those of libsndfile: WAV (8 to 32 bits, float), FLAC, OGG (Vorbis, Opus), MP3, AIFF and
others; with PyAV also M4A, MP4, AAC and WebM (see `containers`). Channels are averaged; rates are
changed by soxr in its high quality. Files are read in pieces, so that a recording of ten hours takes
no more memory than one of a minute.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np

from warmstart.core.reading import input_name
from warmstart.counts import counted
from warmstart.errors import InputError
from warmstart.speech import containers, sound_files

SUFFIXES = containers.SUFFIXES | {
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64", ".caf",
}  # fmt: skip
RATES = (1_000, 768_000)
"""Lowest and highest accepted sampling rate, in Hz."""
LOUDEST = 32.0
"""Highest absolute value of a sample, 30 dB above full scale; integers read as floats exceed it."""
LONGEST = 600.0
"""Maximum number of seconds that `decode` returns; longer recordings need `pieces`."""


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
        longest: the maximum length in seconds.

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
        InputError: it is not a recording, is damaged or empty, lacks the channel, or has a value that is
            not a number, or above `LOUDEST`. A fault at its beginning is raised at once, others when they are reached.
    """
    name = name or input_name(value) or "the recording"
    parts, rate = parts_of(value, name, array_rate)
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(
            f"{name}: the sampling rate must be from {RATES[0]:,} to {RATES[1]:,} Hz, not {rate:g}",
            name,
        )
    checked = _checked(parts, name, channel)
    first = next(checked)  # raises faults at the beginning
    return _resampled(chain([first], checked), rate, sample_rate)


def parts_of(value: Any, name: str, array_rate: float | None) -> tuple[Iterator[np.ndarray], float]:
    """The samples of all channels in parts, and their rate."""
    if isinstance(value, InputError):  # from `items`: a folder that cannot be read
        raise value
    return _array(value, name, array_rate) or sound_files.read(value, name)


def _checked(parts: Iterator[np.ndarray], name: str, channel: int | None) -> Iterator[np.ndarray]:
    """One channel of the parts, or all mixed down to one; at least one sample, all finite."""
    empty = True
    for part in parts:
        if not len(part):
            continue
        mono = _mono(part, name, channel)
        if not np.isfinite(mono).all():
            raise InputError(f"{name}: contains NaN or infinity", name)
        if (peak := float(np.abs(mono).max())) > LOUDEST:
            raise InputError(
                f"{name}: has a sample of {peak:,.0f}, but samples are from -1 to 1; divide them by "
                "their full scale (32,768 for 16 bits), or use integers",
                name,
            )
        empty = False
        yield mono
    if empty:
        raise InputError(f"{name}: has no samples", name)


def _mono(part: np.ndarray, name: str, channel: int | None) -> np.ndarray:
    channels = part.shape[1] if part.ndim == 2 else 1
    if channel is not None and channel > channels:
        raise InputError(
            f"{name}: has {counted(channels, 'channel')}, and no channel {channel}", name
        )
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
            f"{name}: an array does not say its sampling rate; pass sample_rate=, or (array, rate)",
            name,
        )
    if not isinstance(array_rate, int | float | np.number) or not math.isfinite(array_rate):
        raise InputError(f"{name}: {array_rate!r} is not a sampling rate", name)
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        array = array.T
    most = sound_files.MAX_CHANNELS
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= most):
        raise InputError(
            f"{name}: samples must have the shape (N,) or (N, channels), not {array.shape}", name
        )
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name}: samples must be numbers, not {array.dtype}", name)
    rows = max(sound_files.PIECE // (array.shape[1] if array.ndim == 2 else 1), 1)
    return (_as_float(array[i : i + rows]) for i in range(0, len(array), rows)), float(array_rate)


def _as_float(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    bits = 8 * array.dtype.itemsize
    zero = 2 ** (bits - 1) if array.dtype.kind == "u" else 0
    scaled: np.ndarray = (array.astype(np.float64) - zero) / 2 ** (bits - 1)
    return scaled.astype(np.float32)
