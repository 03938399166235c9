"""`WhisperRecognizer`: Whisper as `SpeechRecognizer` uses it."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from warmstart.catalog import Entry
from warmstart.engines.base import Engine
from warmstart.engines.choose import Trial
from warmstart.errors import BundleError
from warmstart.speech import audio
from warmstart.speech.channels import repeatable
from warmstart.speech.mel_windows import RATE, Blocks
from warmstart.speech.options import TranscribeOptions
from warmstart.speech.recognizer import Recognizer
from warmstart.speech.results.transcript import Transcript
from warmstart.speech.whisper.decoder import WhisperTranscriber
from warmstart.speech.whisper.program import whisper_program as program
from warmstart.speech.whisper.program import whisper_trial
from warmstart.speech.whisper.tokens import WhisperTokens
from warmstart.speech.whisper.tokens import own_files as files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["RECOGNIZER", "TRAINER", "WhisperRecognizer", "files", "program"]


class WhisperRecognizer(Recognizer):
    """Transcribes recordings with a Whisper model, whose folder has the tokenizer.

    Raises:
        BundleError: there is no tokenizer, or not that of this model.
    """

    option_names: ClassVar = (
        "sample_rate",
        "channel",
        "language",
        "translate",
        "timestamps",
        "word_timestamps",
        "initial_prompt",
        "condition_on_previous",
        "temperature",
        "compression_ratio",
        "log_probability",
        "no_speech",
        "seed",
    )

    def __init__(self, engine: Engine, entry: Entry, folder: Path | None = None):
        super().__init__(engine, entry, folder)
        if folder is None:
            raise BundleError(
                f"{entry.name} has no folder with its tokenizer; load it from a bundle or a repository."
            )
        multilingual = bool(entry.processing.get("multilingual", True))
        tokens = WhisperTokens.open(folder, int(entry.config["vocabulary"]), multilingual)
        self._transcriber = WhisperTranscriber(engine, entry, tokens)

    @staticmethod
    def trial(entry: Entry) -> Trial:
        return whisper_trial(entry)

    @property
    def languages(self) -> tuple[str, ...]:
        """The codes of the languages that the model knows."""
        return tuple(self._transcriber.tokens.languages) or ("en",)

    def check(self, options: TranscribeOptions) -> None:
        self._transcriber.check(options)

    def transcribe(
        self, name: str, recording: Any, options: TranscribeOptions, channel: int | None = None
    ) -> Generator[None, None, Transcript]:
        blocks = _blocks(recording, name, options.sample_rate, channel)
        return (yield from self._transcriber.transcribe(name, blocks, options))

    def features(
        self, name: str, recording: Any, sample_rate: float | None
    ) -> Generator[None, None, NDArray[np.float32]]:
        return (yield from self._transcriber.features(_blocks(recording, name, sample_rate)))

    @property
    def feature_size(self) -> int:
        return int(self.entry.config["width"])


RECOGNIZER = WhisperRecognizer
TRAINER = "warmstart.speech.train.whisper:WhisperTrainer"


def _blocks(
    recording: Any, name: str, sample_rate: float | None, channel: int | None = None
) -> Blocks:
    """The samples of the recording; may be called repeatedly.

    A recording that can be read only once is stored in its encoded form.
    """
    return partial(
        audio.pieces,
        repeatable(recording, name),
        name=name,
        sample_rate=RATE,
        array_rate=sample_rate,
        channel=channel,
    )
