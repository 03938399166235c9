"""`Clip`: a recording and its text, for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from warmstart.speech import audio


@dataclass(frozen=True)
class Clip:
    """A recording and its text.

    Attributes:
        recording: as the models take it; decoded again for every batch, so that memory stays flat.
        name: of the recording, for messages.
        text: as it is learned.
        symbols: the text as int32 numbers of the network's output.
        samples: at the model's rate.
        digest: of the samples.
    """

    recording: Any
    name: str
    text: str
    symbols: np.ndarray
    samples: int
    digest: str

    def __repr__(self) -> str:
        return f"{self.text!r} {self.digest}"  # part of the fingerprint of a run

    def decoded(self, rate: int) -> np.ndarray:
        return audio.decode(self.recording, name=self.name, sample_rate=rate, longest=np.inf)
