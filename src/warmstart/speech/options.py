"""Options of the tasks on speech."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from warmstart.core.options import ColumnOptions, Option, ProgressOptions
from warmstart.core.records.options import PartTable, RecordingTable
from warmstart.errors import UsageError
from warmstart.speech.ctc.language_model import LanguageModel


@dataclass(frozen=True, kw_only=True)
class RecordingOptions(ProgressOptions, ColumnOptions):
    """Options of every task that takes recordings."""

    sample_rate: Annotated[
        float | None, Option("Sampling rate of bare arrays, in Hz.", gt=0, http=False, cli=False)
    ] = None


@dataclass(frozen=True, kw_only=True)
class TranscribeOptions(RecordingOptions):
    """Options of speech recognition; a model honours those of its `option_names`.

    Whisper honours all but `beam`, `vocabulary` and `language_model`; models with CTC honour these
    three, `words` and `channel`.
    """

    channel: Annotated[
        Literal["each"] | int | None,
        Option(
            "The channel to transcribe, from 1, such as one speaker of a call; each: every "
            "channel separately; default: all channels mixed.",
            ge=1,
            rare=True,
        ),
    ] = None
    language: Annotated[
        str | None,
        Option(
            "Spoken language, a code or an English name, such as de or German; default: detected "
            "automatically."
        ),
    ] = None
    translate: Annotated[bool, Option("Translate to English.")] = False
    timestamps: Annotated[bool, Option("Divide the text into segments with times.")] = True
    words: Annotated[bool, Option("Give the times of each word; models with CTC always do.")] = (
        False
    )
    initial_prompt: Annotated[
        str | None, Option("Text that could come before the first window: names, spelling, style.")
    ] = None
    condition_on_previous: Annotated[
        bool, Option("Give each window the text before it as context.", rare=True)
    ] = True
    temperature: Annotated[
        float | Sequence[float],
        Option(
            "First temperature, and those tried next where a text looks wrong; 0 is greedy.",
            ge=0,
            rare=True,
        ),
    ] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    compression_ratio: Annotated[
        float | None,
        Option(
            "A text that zlib compresses by more repeats itself: the next temperature is tried.",
            ge=0,
            http=False,
            rare=True,
        ),
    ] = 2.4
    log_probability: Annotated[
        float | None,
        Option(
            "Mean log probability of a token below which the next temperature is tried.",
            http=False,
            rare=True,
        ),
    ] = -1.0
    no_speech: Annotated[
        float | None,
        Option(
            "Probability of silence above which a window with a low mean is skipped.",
            ge=0,
            le=1,
            http=False,
            rare=True,
        ),
    ] = 0.6
    seed: Annotated[
        int, Option("Seed of the random numbers at temperatures above 0.", ge=0, rare=True)
    ] = 0
    beam: Annotated[
        int | None,
        Option(
            "Texts that the beam search follows; default: 16 with a vocabulary or language model, "
            "else 1, the best path.",
            ge=1,
            le=1000,
            rare=True,
        ),
    ] = None
    vocabulary: Annotated[
        bool | str | os.PathLike[str] | Sequence[str] | None,
        Option(
            "Words that can be recognized: a list, a file with one per line, true for the model's list, "
            "or false for any words; on the command line a file, own, or any.",
            http=False,
        ),
    ] = None
    language_model: Annotated[
        str | os.PathLike[str] | LanguageModel | None,
        Option("An n-gram language model as an ARPA file.", http=False),
    ] = None

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The temperatures to try, in order.

        Raises:
            UsageError: there is none, or one is negative.
        """
        one = isinstance(self.temperature, int | float)
        values: Sequence[float] = (self.temperature,) if one else self.temperature  # type: ignore[assignment]
        temperatures = tuple(map(float, values))
        if not temperatures or not all(0 <= value < math.inf for value in temperatures):
            raise UsageError(
                f"temperature must be one or several numbers of 0 or more, not {self.temperature!r}."
            )
        return temperatures


@dataclass(frozen=True, kw_only=True)
class EvaluateRecordingsOptions(RecordingTable, PartTable, TranscribeOptions):
    """Options of evaluating a recogniser."""
