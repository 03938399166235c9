"""Recordings and utterances as inputs: `RECORDING` and `UTTERANCE`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from warmstart.core import table_inputs
from warmstart.core.input_kind import (
    FileKind,
    InputKind,
    Limits,
    Readable,
    checked_text,
    decoded_text,
)
from warmstart.core.inputs import Item, type_text
from warmstart.core.reading import printable
from warmstart.core.records import columns
from warmstart.errors import InputError, UsageError, documented_in
from warmstart.speech import sound_files
from warmstart.speech.audio import SUFFIXES, is_sound
from warmstart.speech.channels import count_channels

Recording: TypeAlias = Union[
    str,
    "os.PathLike[str]",
    bytes,
    Readable,
    "NDArray[Any]",
    "tuple[NDArray[Any], float]",
    Mapping[str, Any],
]
"""A path, URL, bytes or open binary file; an array (N,) or (N, channels), floats of -1 to 1 or
integers of full scale; such an array with its rate in Hz, as `(array, rate)` or `{"array": …,
"sampling_rate": …}`."""

Utterance: TypeAlias = str | bytes | int
"""The names or numbers of words, separated by spaces or commas; one number as an int."""
Sound: TypeAlias = Utterance | Recording
"""Words by name or number; for a vocoder a recording, or mel frames (F, size)."""


class RecordingKind(FileKind):
    """Recordings: WAV, FLAC, OGG, MP3, AIFF, M4A, MP4 and WebM files, and arrays."""

    name = "audio"
    noun = "recording"
    plural = "recordings"
    media = ("audio/", "video/webm", "video/mp4")
    suffixes = SUFFIXES
    field = columns.RECORDING
    schema: ClassVar = {"type": "string", "format": "audio-base64", "minLength": 1}
    tensors: ClassVar = {"audio": ("BYTES", [-1])}

    def is_input(self, value: Any) -> bool:
        if is_sound(value):
            return True
        return super().is_input(value) and getattr(value, "ndim", 0) < 3

    def is_column(self, inputs: Any) -> bool:
        """A column of numbers is the samples of one recording."""
        return super().is_column(inputs) and not table_inputs.is_numeric(inputs)

    def warmup_input(self) -> tuple[NDArray[Any], float]:
        return np.zeros(8000, np.float32), 16000.0

    def check_size(
        self, value: Any, limits: Limits, options: Mapping[str, Any] | None = None
    ) -> bool:
        if not isinstance(value, bytes):
            return False
        name, count = "the recording", 1
        seconds = sound_files.file_seconds(value)
        if (options or {}).get("channel") == "each":
            count = count_channels(value, name, None)
        if seconds * count > limits.max_audio:
            what = "is" if count == 1 else f"has {count} channels, which together are"
            raise InputError(f"{name}: {what} longer than {limits.max_audio:g} s", name)
        return False


class UtteranceKind(InputKind):
    """An utterance to generate: words by name or number."""

    name = "text"
    noun = "utterance"
    plural = "utterances"
    media = ("text/",)
    schema: ClassVar = {"type": "string", "minLength": 1, "maxLength": 200_000}
    tensors: ClassVar = {"text": ("BYTES", [-1])}
    field = columns.TEXT

    @documented_in("inputs.md#one-several-a-stream")
    def single(self, value: Any) -> Item:
        if isinstance(value, bytes):
            try:
                value = value.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                message = f"{self.default_name}: is not UTF-8 at byte {error.start}"
                raise InputError(message, self.default_name) from error
        if isinstance(value, str):
            return Item(printable(value), value)
        if isinstance(value, int | np.integer) and not isinstance(value, bool):
            return Item(str(value), int(value))
        if isinstance(value, os.PathLike):
            path = printable(os.fsdecode(value))
            raise UsageError(f"{path} is a file of utterances; iterate over model.stream(path).")
        if isinstance(value, tuple | set | frozenset):
            raise UsageError("Several utterances are a list: model(list(x)).")
        if hasattr(value, "__iter__") and not isinstance(value, Mapping):
            raise UsageError(
                "An iterator contains several utterances; iterate over model.stream(x), or call "
                "model(list(x))."
            )
        what = type_text(value)
        raise UsageError(f"cannot say {what}; pass the names or numbers of words as a string.")

    def stream(self, inputs: Any) -> Iterator[Item]:
        if isinstance(inputs, os.PathLike):
            return _lines(os.fsdecode(inputs))
        if isinstance(inputs, str | bytes | Mapping) or not hasattr(inputs, "__iter__"):
            return iter([self.single(inputs)])
        return self.elements(inputs)

    def from_bytes(self, data: bytes, limits: Limits) -> str:
        return decoded_text(data, limits)

    def from_json(self, value: Any, limits: Limits) -> str:
        return checked_text(value, limits)


def _lines(path: str) -> Iterator[Item]:
    """The lines of a UTF-8 file that are not empty."""
    name = printable(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield Item(f"{name}:{number}", line.strip())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name}: cannot be read as lines of text ({reason})", name) from error


RECORDING = RecordingKind()
UTTERANCE = UtteranceKind()
