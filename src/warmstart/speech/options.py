"""Options of the tasks on speech."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from warmstart.core.options import ColumnOptions, Option, ProgressOptions
from warmstart.core.records.options import RecordingTable, SplitTable
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
    """Options of speech recognition; a model supports those of its `option_names`.

    Whisper supports all but `beam`, `vocabulary` and `language_model`; models with CTC support these
    three, `word_timestamps` and `channel`.
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
    timestamps: Annotated[bool, Option("Split the text into segments with times.")] = True
    word_timestamps: Annotated[
        bool, Option("Return the time of each word; CTC models always do.")
    ] = False
    initial_prompt: Annotated[
        str | None,
        Option("Text before the first window, which suggests names, spelling and style."),
    ] = None
    condition_on_previous: Annotated[
        bool, Option("Use the text of the previous window as context.", rare=True)
    ] = True
    temperature: Annotated[
        float | Sequence[float],
        Option(
            "First temperature, and those to try next if a text fails a check below; 0 is greedy.",
            ge=0,
            rare=True,
        ),
    ] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    compression_ratio: Annotated[
        float | None,
        Option(
            "Highest zlib compression ratio of a text; a higher one means that it repeats "
            "itself, and the next temperature is tried.",
            ge=0,
            http=False,
            rare=True,
        ),
    ] = 2.4
    log_probability: Annotated[
        float | None,
        Option(
            "Lowest mean log-probability per token; below it, the next temperature is tried.",
            http=False,
            rare=True,
        ),
    ] = -1.0
    no_speech: Annotated[
        float | None,
        Option(
            "Probability of silence above which a window with a low mean log-probability is "
            "skipped.",
            ge=0,
            le=1,
            http=False,
            rare=True,
        ),
    ] = 0.6
    seed: Annotated[int, Option("Random seed, for temperatures above 0.", ge=0, rare=True)] = 0
    beam: Annotated[
        int | None,
        Option(
            "Width of the beam search; default: 16 with a vocabulary or language model, else "
            "1, the best path.",
            ge=1,
            le=1000,
            rare=True,
        ),
    ] = None
    vocabulary: Annotated[
        bool | str | os.PathLike[str] | Sequence[str] | None,
        Option(
            "Words that can be recognised: a list, a file with one per line, true for the "
            "model's vocabulary, or false for any words; on the command line a file, own, or "
            "any.",
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
            UsageError: there is none, or one is not from 0 to 100.
        """
        is_single = isinstance(self.temperature, int | float)
        values: Sequence[float] = (self.temperature,) if is_single else self.temperature  # type: ignore[assignment]
        temperatures = tuple(map(float, values))
        if not temperatures or not all(0 <= value <= 100 for value in temperatures):
            raise UsageError(
                "temperature must be one or several numbers from 0 to 100, not "
                f"{self.temperature!r}."
            )
        return temperatures


@dataclass(frozen=True, kw_only=True)
class EvaluateRecordingsOptions(RecordingTable, SplitTable, TranscribeOptions):
    """Options of evaluating a recogniser."""
