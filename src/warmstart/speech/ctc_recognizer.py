"""WaveNet as `SpeechRecognizer` uses it: recordings in, transcripts out, also while somebody is still speaking.

The network sees half of its receptive field on each side. It is run on windows that overlap by that much, so that
every frame is answered as if the whole recording had been given at once, in flat memory. The text is decoded a
stretch at a time: a stretch ends where nothing is said for half a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.catalog import Entry
from warmstart.engines.base import Engine, TensorSpec
from warmstart.errors import UsageError
from warmstart.models import architecture, family
from warmstart.speech import audio
from warmstart.speech.ctc.decoder import BLANK, Piece, align, beam_search, greedy
from warmstart.speech.ctc.language_model import LanguageModel
from warmstart.speech.results.transcript import Segment, Transcript, Word
from warmstart.speech.spectrum import Features, FeatureStream

if TYPE_CHECKING:
    from warmstart.engines.keras import Program

WINDOW = 2000
"""Frames that are answered in one run of the network where the recording is all there."""
STREAM_WINDOW = 40
"""The same where it is still being spoken: what has come is answered at least this often."""
PAUSE = 0.5
"""Seconds without a character that end a stretch."""
LONGEST_STRETCH = 30.0


def program(entry: Entry, model: Any) -> Program:
    """`forward`: features float32 (1, frames, size) -> log_probs (1, frames, symbols), hidden (1, frames, channels)."""
    from warmstart.engines.keras import Function, Program
    outputs = architecture(entry.architecture).recogniser_outputs(model)
    low, high = family(entry.architecture).FEATURE_RANGE
    features = TensorSpec("features", "float32", (1, "frames", int(model.inputs[0].shape[-1])), low, high)
    return Program({"forward": Function(lambda features: outputs(features, training=False), (features,))}, outputs)


def files(folder: Path) -> Mapping[str, Path | bytes]:
    """Nothing: the alphabet is in the entry."""
    return {}


class Recognition:
    """A WaveNet that listens.

    Args:
        engine: with its program.
        entry: of the model. Its `processing` has: `features` (see `Features`), `alphabet` (characters of symbols 1
            and up; a space among them), `padding` (seconds of silence put before and after a recording), `language`,
            and optionally `vocabulary` (all words that can be said: what `vocabulary=True` decodes with) and
            `decoding`: "vocabulary" makes that the default.
        folder: not used.
    """

    options = frozenset({"beam", "vocabulary", "language_model", "words"})

    def __init__(self, engine: Engine, entry: Entry, folder: Path | None = None):
        self.engine, self.entry = engine, entry
        self.rules = Features.of(entry.processing["features"])
        self.alphabet = str(entry.processing["alphabet"])
        self.padding = float(entry.processing.get("padding", 0.0))
        self.context = family(entry.architecture).context(entry.config)

    def check(self, **options: Any) -> None:
        """Raise UsageError where an option is wrong, before any recording is read."""
        self.decoder(**options)

    def decoder(self, *, beam: int | None = None, vocabulary: Any = None, language_model: Any = None,
                words: bool = True) -> Decoder:
        """How frames become words.

        Args:
            beam: texts that a prefix beam search follows; default: 1, the best path, or 16 with a vocabulary or a
                language model.
            vocabulary: the words that may be said: a list, a file with one a line, or True for the model's own list,
                which is the default where the model says so (one that was trained on few words); False: any.
            language_model: an n-gram model: the path of an `.arpa` file, or a `LanguageModel`.
            words: whether the words' times are wanted; they are always there.

        Raises:
            UsageError: an option is wrong.
            InputError: a file cannot be read.
        """
        if vocabulary is None and language_model is None:
            vocabulary = self.entry.processing.get("decoding") == "vocabulary"
        if vocabulary and language_model is not None:
            raise UsageError("Give a vocabulary or a language_model, not both: a language model brings its own words.")
        if vocabulary is True:
            vocabulary = self.entry.processing.get("vocabulary")
            if not vocabulary:
                raise UsageError(f"{self.entry.name} has no list of words of its own; give vocabulary=[…].")
        language = LanguageModel.of(language_model if language_model is not None else vocabulary or None)
        if beam is not None and (not isinstance(beam, int) or not 1 <= beam <= 1000):
            raise UsageError(f"beam must be a whole number of 1 to 1000, not {beam!r}.")
        return Decoder(self.alphabet, self.rules.seconds, beam or (16 if language else 1), language)

    def transcribe(self, name: str, value: Any, *, sample_rate: float | None = None, **options: Any) -> Transcript:
        """One recording; options are those of `decoder`.

        Raises:
            InputError: it is unusable.
        """
        live = self.stream(window=WINDOW, name=name, **options)
        for part in audio.pieces(value, name=name, sample_rate=self.rules.sample_rate, given_rate=sample_rate):
            live.add(part)
        return live.end()

    def features(self, name: str, value: Any, *, sample_rate: float | None = None) -> np.ndarray:
        """The last hidden layer averaged over a recording: float32 (channels,)."""
        total, count = np.zeros(0), 0
        frames = Frames(self, WINDOW, "hidden")
        parts = audio.pieces(value, name=name, sample_rate=self.rules.sample_rate, given_rate=sample_rate)
        for hidden in (h for group in (map(frames.add, parts), iter([frames.end])) for h in _called(group)):
            total, count = hidden.sum(0) + (total if count else 0.0), count + len(hidden)
        return (total / count).astype(np.float32)

    def stream(self, *, window: int = STREAM_WINDOW, name: str = "stream", **options: Any) -> Live:
        """Recognise what is still being spoken; options are those of `decoder`."""
        return Live(self, self.decoder(**options), window, name)


def _called(group: Iterable[Any]) -> Iterator[np.ndarray]:
    for each in group:
        yield from each() if callable(each) else each


class Frames:
    """One output of the network for every frame of a recording that comes in pieces."""

    def __init__(self, recognition: Recognition, window: int, output: str = "log_probs"):
        self._recognition, self._window, self._output = recognition, window, output
        self._features = FeatureStream(recognition.rules)
        self._silence = np.zeros(round(recognition.padding * recognition.rules.sample_rate), np.float32)
        self._frames = [self._features.add(self._silence)]
        self._before = 0  # frames kept only as context of those to come

    def add(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Outputs (frames, size) that are certain now: all they depend on is there."""
        self._frames.append(self._features.add(samples))
        waiting = sum(map(len, self._frames)) - self._before
        while waiting >= self._window + self._recognition.context:
            yield self._run(self._window)
            waiting -= self._window

    def end(self) -> Iterator[np.ndarray]:
        """The outputs of the frames that are left."""
        self._frames += [self._features.add(self._silence), self._features.end()]
        while (waiting := sum(map(len, self._frames)) - self._before) > 0:
            yield self._run(min(waiting, self._window))

    def _run(self, count: int) -> np.ndarray:
        """Outputs of the next `count` frames."""
        frames, context = np.concatenate(self._frames), self._recognition.context
        first, last = self._before, self._before + count
        out = self._recognition.engine.run("forward", features=frames[None, : last + context])[self._output][0]
        kept = max(last - context, 0)
        self._frames, self._before = [frames[kept:]], last - kept
        return out[first:last]


class Decoder:
    """From log probabilities, a stretch at a time, to words with times in seconds."""

    def __init__(self, alphabet: str, seconds: float, beam: int, language: LanguageModel | None):
        self.alphabet, self.seconds, self.beam, self.language = alphabet, seconds, beam, language
        self._space = 1 + alphabet.index(" ") if " " in alphabet else BLANK
        self._waiting = np.zeros((0, 1 + len(alphabet)), np.float32)
        self._first = 0

    def add(self, log_probs: np.ndarray, *, last: bool = False) -> list[list[Piece]]:
        """The words of every stretch that has ended, with frames counted from the beginning of the recording."""
        self._waiting = np.concatenate([self._waiting, log_probs])
        found = []
        while (cut := self._cut(last)) is not None:
            stretch = self._waiting[:cut]
            words = self._decode(stretch) if len(self._spoken(stretch)) else []  # a search through silence takes long
            if words:
                found.append([Piece(w.text, w.start + self._first, w.end + self._first, w.score) for w in words])
            self._waiting, self._first = self._waiting[cut:], self._first + cut
        return found

    def pending(self) -> list[Piece]:
        """The words so far of the stretch that has not ended; they may still change.

        Where words are known, one that has only begun is not among them.
        """
        return self._decode(self._waiting, partial=True) if len(self._spoken(self._waiting)) else []

    def _cut(self, last: bool) -> int | None:
        """Frames of the first stretch that is whole; None: none is."""
        total = len(self._waiting)
        if total == 0:
            return None
        spoken = self._spoken(self._waiting)
        pause = max(round(PAUSE / self.seconds), 1)
        if len(spoken):
            gaps = np.flatnonzero(np.diff(np.append(spoken, total)) > pause)
            if len(gaps):
                return int(spoken[gaps[0]]) + 1 + pause // 2
        elif total > pause:
            return total - pause // 2  # silence: nothing to decode, and nothing to keep
        longest = round(LONGEST_STRETCH / self.seconds)
        if total >= longest:
            spaces = np.flatnonzero(self._waiting[:longest].argmax(1) == self._space)
            return int(spaces[-1]) + 1 if len(spaces) and spaces[-1] > pause else longest
        return total if last else None

    def _spoken(self, log_probs: np.ndarray) -> np.ndarray:
        """Which frames are most likely a character of a word."""
        best = log_probs.argmax(1)
        return np.flatnonzero((best != BLANK) & (best != self._space))

    def _decode(self, log_probs: np.ndarray, *, partial: bool = False) -> list[Piece]:
        if self.beam == 1 and not self.language:
            return greedy(log_probs, self.alphabet)
        text = beam_search(log_probs, self.alphabet, beam=self.beam, language=self.language, partial=partial)
        return align(log_probs, self.alphabet, text)


class Live:
    """A recording that is still being made. `add` what comes, `end` when it is over.

    Example:
        >>> live = model.recognition.stream()
        >>> for chunk in microphone:      # float32 at the model's rate
        ...     print(live.add(chunk), end=" ", flush=True)
        >>> print(live.end().text)
    """

    def __init__(self, recognition: Recognition, decoder: Decoder, window: int, name: str):
        self._recognition, self._decoder, self._name = recognition, decoder, name
        self._frames = Frames(recognition, window)
        self._segments: list[tuple[Word, ...]] = []
        self._samples = 0

    def add(self, samples: np.ndarray) -> str:
        """Hear more.

        Args:
            samples: float32 (N,) at the model's sampling rate.

        Returns:
            The words that are certain now and were not before; often "". What is said is certain half a receptive
            field and a pause later.
        """
        samples = np.asarray(samples, np.float32)
        self._samples += len(samples)
        return " ".join(filter(None, map(self._take, self._frames.add(samples))))

    @property
    def pending(self) -> str:
        """What seems to have been said since, and may still change."""
        return " ".join(piece.text for piece in self._decoder.pending())

    def end(self) -> Transcript:
        """The whole of it."""
        for log_probs in self._frames.end():
            self._take(log_probs)
        self._take(np.zeros((0, 1 + len(self._recognition.alphabet)), np.float32), last=True)
        words = tuple(word for segment in self._segments for word in segment)
        segments = tuple(
            Segment(" ".join(w.text for w in s), s[0].start, s[-1].end, sum(w.score for w in s) / len(s))
            for s in self._segments)
        return Transcript(self._name, self._recognition.entry.name, " ".join(word.text for word in words),
                          str(self._recognition.entry.processing.get("language", "")), words, segments, self._duration)

    @property
    def _duration(self) -> float:
        return self._samples / self._recognition.rules.sample_rate

    def _take(self, log_probs: np.ndarray, *, last: bool = False) -> str:
        seconds, padding = self._recognition.rules.seconds, self._recognition.padding

        def time(frame: int) -> float:
            return min(max(frame * seconds - padding, 0.0), self._duration)

        new = [tuple(Word(w.text, time(w.start), time(w.end), w.score) for w in words)
               for words in self._decoder.add(log_probs, last=last)]
        self._segments += new
        return " ".join(word.text for segment in new for word in segment)
