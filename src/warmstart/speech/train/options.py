"""Options of fine-tuning speech models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from warmstart.core.options import Option
from warmstart.core.records.options import GroupTable, RecordingTable
from warmstart.training.options import AugmentOptions, FreezeOptions


@dataclass(frozen=True, kw_only=True)
class RecognitionOptions(RecordingTable, GroupTable, FreezeOptions, AugmentOptions):
    """Options of speech recognition. Models with CTC learn texts without case and punctuation,
    Whisper learns them as they are written.
    """

    language: Annotated[
        str | None,
        Option(
            "Language of the texts, a code or an English name, for multilingual models; "
            "default: detected in the recordings."
        ),
    ] = None

    # New characters start from random numbers, and CTC first learns where the silence is.
    epochs: Annotated[int, Option("Maximum number of epochs; the best one is selected.", ge=1)] = 20
    # A recording has up to 3,000 frames, each of which counts in the loss.
    batch_size: Annotated[int, Option("Recordings per step.", ge=1)] = 8
    augment: Annotated[
        bool, Option("Whether the recordings are augmented in speed, level, noise and spectrum.")
    ] = True
