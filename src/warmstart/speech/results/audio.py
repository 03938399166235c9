"""Results of audio generation: sound."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from warmstart.core import html
from warmstart.core.wire import Decimals, Result, Score

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
"""Formats of files that sound is written to."""


@dataclass(frozen=True, eq=False, repr=False)
class Audio(Result):
    """Generated sound.

    Attributes:
        samples: float32 (N,), -1 to 1.
        sample_rate: in Hz.
        input: the utterance.
        model: name of the model.

    Example:
        >>> audio = ws.load("digits_wavenet")("seven", seed=1)
        >>> audio.samples.dtype, audio.sample_rate
        (dtype('float32'), 8000)
        >>> audio.save("seven.wav")
        PosixPath('seven.wav')
        >>> 0.2 < audio.seconds < 1, audio.peak <= 1
        (True, True)
    """

    wire: ClassVar[tuple[str, ...]] = ("input", "model", "sample_rate", "seconds", "peak")
    embedded: ClassVar = ("audio_wav",)
    tensors: ClassVar = ("audio",)
    is_file: ClassVar = True
    files: ClassVar = SUFFIXES
    media: ClassVar[Mapping[str, str]] = MappingProxyType({"audio/wav": "wav"})

    samples: NDArray[np.float32]
    sample_rate: int
    input: str = ""
    model: str = ""

    @property
    def seconds(self) -> Annotated[float, Decimals(4)]:
        """Duration in seconds."""
        return len(self.samples) / self.sample_rate

    @property
    def peak(self) -> Score:
        """The largest absolute value of the samples, 0 to 1."""
        return float(np.abs(self.samples).max(initial=0.0))

    @property
    def audio(self) -> bytes:
        """The sound as a WAV file."""
        return self.wav()

    @property
    def audio_wav(self) -> str:
        """The sound as a WAV file in base64."""
        return base64.b64encode(self.wav()).decode()

    def wav(self) -> bytes:
        """The sound as a WAV file of 16 bits."""
        import soundfile

        file = io.BytesIO()
        soundfile.write(file, self.samples, self.sample_rate, format="WAV", subtype="PCM_16")
        return file.getvalue()

    def file_content(self, suffix: str) -> bytes:
        """The sound as a file: WAV (16 bits), FLAC, OGG or MP3."""
        import soundfile

        file = io.BytesIO()
        soundfile.write(file, self.samples, self.sample_rate, format=suffix[1:].upper())
        return file.getvalue()

    def to_html(self) -> str:
        return html.sound(self.audio_wav)

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s of sound at {self.sample_rate:,} Hz"

    def show(self) -> str:
        return f"{self.input}: {self}"


@dataclass(frozen=True, eq=False, repr=False)
class SavedAudio(Audio):
    """Generated sound that was written to a file.

    Attributes:
        file: its path.
    """

    wire: ClassVar[tuple[str, ...]] = (*Audio.wire, "file")

    file: str = ""

    @classmethod
    def csv_columns(cls) -> tuple[str, ...]:
        return ("input", "file", "seconds", "sample_rate")

    def csv_rows(self) -> Iterator[tuple[str, ...]]:
        yield self.input, self.file, f"{self.seconds:.4f}", str(self.sample_rate)

    def show(self) -> str:
        return f"{super().show()}, written to {self.file}"
