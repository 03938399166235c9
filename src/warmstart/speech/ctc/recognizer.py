"""`CtcRecognizer`: WaveNets that output the probability of each character at each frame."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Entry
from warmstart.engines.base import Engine, TensorSpec
from warmstart.errors import UsageError
from warmstart.models import architecture, family
from warmstart.speech import audio
from warmstart.speech.ctc.language_model import LanguageModel
from warmstart.speech.ctc.live import FrameOutputs, LiveTranscript, StretchDecoder
from warmstart.speech.options import TranscribeOptions
from warmstart.speech.recognizer import Recognizer
from warmstart.speech.results.transcript import Transcript
from warmstart.speech.spectrum import Features

if TYPE_CHECKING:
    from warmstart.engines.keras import Program

WINDOW = 2000
"""Frames of one run of the network if the whole recording is available."""
LIVE_WINDOW = 40
"""Frames of one run of the network during a live recording."""


def program(entry: Entry, model: Any) -> Program:
    """`forward`: features float32 (1, frames, size) -> log_probs (1, frames, symbols), hidden (1,
    frames, channels).
    """
    from warmstart.engines.keras import Function, Program

    outputs = architecture(entry.architecture).recognizer_outputs(model)
    low, high = family(entry.architecture).FEATURE_RANGE
    size = int(model.inputs[0].shape[-1])
    features = TensorSpec("features", "float32", (1, "frames", size), low, high)

    def forward(features: Any) -> Any:
        return outputs(features, training=False)

    return Program({"forward": Function(forward, (features,))}, outputs)


def spellings(words: Iterable[str], alphabet: str) -> Iterator[str]:
    """The words of a vocabulary in the case that the alphabet has.

    Raises:
        UsageError: a word has characters that the alphabet lacks.
    """
    letters = {*alphabet} - {" "}
    wrong = []
    for word in sorted(words):
        spelling = next((w for w in (word, word.lower(), word.upper()) if {*w} <= letters), None)
        if spelling is None:
            wrong.append(word)
        else:
            yield spelling
    if wrong:
        missing = "".join(sorted({c for word in wrong for c in word.lower()} - letters))
        more = f" and {len(wrong) - 5:,} more" if len(wrong) > 5 else ""
        raise UsageError(
            f"The model cannot spell {', '.join(map(repr, wrong[:5]))}{more}: its characters "
            f"are {''.join(sorted(letters))!r}, without {missing!r}. Spell numbers out, and "
            "pass the words of a phrase separately."
        )


def files(folder: Path) -> Mapping[str, Path | bytes]:
    """Files of a bundle besides the weights: none, the alphabet is in the entry."""
    return {}


class CtcRecognizer(Recognizer):
    """Transcribes recordings with a WaveNet and CTC.

    The entry's `processing` has: `features` (see `Features`), `alphabet` (the characters of symbols
    1 and up, a space among them), `padding` (seconds of silence put before and after a recording),
    `language`, and optionally `vocabulary` (the words that the model knows; `vocabulary=True`
    decodes with them) and `decoding`: "vocabulary" makes that the default.
    """

    option_names: ClassVar = (
        "sample_rate",
        "channel",
        "word_timestamps",
        "beam",
        "vocabulary",
        "language_model",
    )

    def __init__(self, engine: Engine, entry: Entry, folder: Path | None = None):
        super().__init__(engine, entry, folder)
        self.rules = Features.of(entry.processing["features"])
        self.alphabet = str(entry.processing["alphabet"])
        self.padding = float(entry.processing.get("padding", 0.0))
        self.context = family(entry.architecture).context(entry.config)
        self._last: tuple[TranscribeOptions, LanguageModel | None] | None = None

    def check(self, options: TranscribeOptions) -> None:
        self.decoder(options)

    def decoder(self, options: TranscribeOptions) -> StretchDecoder:
        """How the outputs of frames become words.

        Raises:
            UsageError: an option is wrong.
            InputError: a file cannot be read.
        """
        language = self._language(options)
        beam = options.beam or (16 if language else 1)
        return StretchDecoder(self.alphabet, self.rules.seconds, beam, language)

    def _language(self, options: TranscribeOptions) -> LanguageModel | None:
        """The words of the options; a file is read once for all recordings of a call."""
        last = self._last
        if last is None or last[0] is not options:
            language = LanguageModel.of(self._words(options))
            if language is not None and not language.ngrams:
                language = LanguageModel(spellings(language.words, self.alphabet))
            self._last = last = options, language
        return last[1]

    def _words(self, options: TranscribeOptions) -> Any:
        """The argument of `LanguageModel.of`: words, a path or a model; None for any words."""
        vocabulary: Any = options.vocabulary
        is_list = isinstance(vocabulary, list | tuple)
        if is_list and not all(
            isinstance(word, str) and word.strip() for word in vocabulary or ("",)
        ):
            raise UsageError("vocabulary must be a list of non-empty words, or a file of them.")
        if vocabulary is None and options.language_model is None:
            vocabulary = self.entry.processing.get("decoding") == "vocabulary"
        if vocabulary and options.language_model is not None:
            raise UsageError(
                "Pass a vocabulary or a language_model, not both: a language model has its "
                "own words."
            )
        if vocabulary is True:
            vocabulary = self.entry.processing.get("vocabulary")
            if not vocabulary:
                raise UsageError(
                    f"{self.entry.name} has no vocabulary of its own; pass vocabulary=[…]."
                )
        return options.language_model if options.language_model is not None else vocabulary or None

    def transcribe(
        self, name: str, recording: Any, options: TranscribeOptions, channel: int | None = None
    ) -> Generator[None, None, Transcript]:
        live = LiveTranscript(self, self.decoder(options), WINDOW, name)
        for samples in self._pieces(name, recording, options.sample_rate, channel):
            live.add(samples)
            yield
        return live.end()

    def listen(self, options: TranscribeOptions) -> LiveTranscript:
        """Transcribe sound that is still being made; errors are those of `decoder`."""
        return LiveTranscript(self, self.decoder(options), LIVE_WINDOW)

    def features(
        self, name: str, recording: Any, sample_rate: float | None
    ) -> Generator[None, None, NDArray[np.float32]]:
        outputs = FrameOutputs(self, WINDOW, "hidden")
        pieces = self._pieces(name, recording, sample_rate)
        total, count = np.zeros(0), 0
        for hidden in chain(chain.from_iterable(map(outputs.add, pieces)), outputs.end()):
            total = hidden.sum(0) + (total if count else 0.0)
            count += len(hidden)
            yield
        return (total / count).astype(np.float32)

    @property
    def feature_size(self) -> int:
        outputs = self.engine.signatures["forward"].outputs
        (size,) = (spec.shape[-1] for spec in outputs if spec.name == "hidden")
        return int(size)

    def _pieces(
        self, name: str, recording: Any, sample_rate: float | None, channel: int | None = None
    ) -> Iterator[NDArray[np.float32]]:
        return audio.pieces(
            recording,
            name=name,
            sample_rate=self.rules.sample_rate,
            array_rate=sample_rate,
            channel=channel,
        )


RECOGNIZER = CtcRecognizer
TRAINER = "warmstart.speech.train.ctc:CtcTrainer"
