"""What an audio generator answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.errors import UsageError


@dataclass(frozen=True, eq=False)
class Audio:
    """Generated sound.

    Attributes:
        samples: float32 (N,), -1..1.
        sample_rate: in Hz.
        input: what was asked for.
        model: the model's name.
    """

    samples: np.ndarray
    sample_rate: int
    input: str = ""
    model: str = ""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    def save(self, path: str | Path) -> Path:
        """Write a file: WAV (16 bits), FLAC, OGG or MP3, by its suffix; one that exists is overwritten.

        Raises:
            UsageError: the suffix is none of these, or the file cannot be written.
        """
        import soundfile

        path = Path(path)
        if path.suffix.lower() not in (".wav", ".flac", ".ogg", ".mp3"):
            raise UsageError(f"{path}: sound is written as .wav, .flac, .ogg or .mp3.")
        try:
            soundfile.write(path, self.samples, self.sample_rate)
        except (OSError, RuntimeError) as error:
            raise UsageError(f"{path} cannot be written: {error}") from error
        return path

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s of sound at {self.sample_rate:,} Hz"

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "model": self.model, "sample_rate": self.sample_rate,
                "seconds": round(self.seconds, 4), "peak": round(float(np.abs(self.samples).max(initial=0.0)), 6)}
