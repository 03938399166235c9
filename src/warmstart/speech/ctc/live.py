"""Live transcription of sound while it is recorded.

The network needs half of its receptive field on each side. It runs on windows that overlap by that
much, so that the output of every frame equals that of the whole recording, in constant memory. The
text is decoded in stretches, each of which ends after half a second without a character.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from warmstart.speech.ctc.decoder import BLANK, Piece, align, beam_search, greedy
from warmstart.speech.ctc.language_model import LanguageModel
from warmstart.speech.results.transcript import Segment, Transcript, Word
from warmstart.speech.spectrum import FeatureStream

if TYPE_CHECKING:
    from warmstart.speech.ctc.recognizer import CtcRecognizer

PAUSE = 0.5
"""Seconds without a character that end a stretch."""
LONGEST_STRETCH = 30.0
"""Seconds after which a stretch is cut between two words."""


class FrameOutputs:
    """One output of the network for every frame of a recording that comes in pieces.

    Args:
        recognizer: with the network.
        window: number of frames whose outputs one run of the network computes.
        output: its name.
    """

    def __init__(self, recognizer: CtcRecognizer, window: int, output: str = "log_probs"):
        self._recognizer, self._window, self._output = recognizer, window, output
        self._features = FeatureStream(recognizer.rules)
        rate = recognizer.rules.sample_rate
        self._silence = np.zeros(round(recognizer.padding * rate), np.float32)
        self._frames = [self._features.add(self._silence)]
        self._past = 0  # frames that only serve as context of those to come

    def add(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Outputs (frames, size) that are final: all that they depend on has come."""
        self._frames.append(self._features.add(samples))
        waiting = sum(map(len, self._frames)) - self._past
        while waiting >= self._window + self._recognizer.context:
            yield self._run(self._window)
            waiting -= self._window

    def end(self) -> Iterator[NDArray[np.float32]]:
        """The outputs of the remaining frames."""
        self._frames += [self._features.add(self._silence), self._features.end()]
        while (waiting := sum(map(len, self._frames)) - self._past) > 0:
            yield self._run(min(waiting, self._window))

    def _run(self, count: int) -> NDArray[np.float32]:
        """Outputs of the next `count` frames."""
        frames, context = np.concatenate(self._frames), self._recognizer.context
        first, last = self._past, self._past + count
        inputs = frames[None, : last + context]
        outputs = self._recognizer.engine.run("forward", features=inputs)[self._output][0]
        start = max(last - context, 0)
        self._frames, self._past = [frames[start:]], last - start
        part: NDArray[np.float32] = outputs[first:last]
        return part


class StretchDecoder:
    """From log probabilities, a stretch at a time, to words with times in frames.

    Args:
        alphabet: the characters of symbols 1 and up.
        seconds: of one frame.
        beam: texts that the search follows.
        language: which words are likely; None: any.
    """

    def __init__(self, alphabet: str, seconds: float, beam: int, language: LanguageModel | None):
        self.alphabet, self.seconds, self.beam, self.language = alphabet, seconds, beam, language
        self._space = 1 + alphabet.index(" ") if " " in alphabet else BLANK
        self._waiting = np.zeros((0, 1 + len(alphabet)), np.float32)
        self._first = 0

    def add(self, log_probs: NDArray[np.float32], *, last: bool = False) -> list[list[Piece]]:
        """The words of every stretch that has ended; frames count from the beginning of the
        recording.
        """
        self._waiting = np.concatenate([self._waiting, log_probs])
        stretches = []
        while (length := self._stretch_length(last)) is not None:
            stretch = self._waiting[:length]
            # A search through silence takes long and finds nothing.
            words = self._decode(stretch) if len(self._voiced(stretch)) else []
            if words:
                first = self._first
                stretches.append(
                    [Piece(w.text, w.start + first, w.end + first, w.score) for w in words]
                )
            self._waiting, self._first = self._waiting[length:], self._first + length
        return stretches

    def pending(self) -> list[Piece]:
        """The words so far of the stretch that has not ended; they may still change.

        With a vocabulary, a word that has only begun is left out.
        """
        return self._decode(self._waiting, partial=True) if len(self._voiced(self._waiting)) else []

    def _stretch_length(self, last: bool) -> int | None:
        """Frames of the first stretch that is complete; None: none is."""
        total = len(self._waiting)
        if total == 0:
            return None
        voiced = self._voiced(self._waiting)
        pause = max(round(PAUSE / self.seconds), 1)
        if len(voiced):
            gaps = np.flatnonzero(np.diff(np.append(voiced, total)) > pause)
            if len(gaps):
                return int(voiced[gaps[0]]) + 1 + pause // 2
        elif total > pause:
            return total - pause // 2  # silence: nothing to decode, and nothing to keep
        longest = round(LONGEST_STRETCH / self.seconds)
        if total >= longest:
            spaces = np.flatnonzero(self._waiting[:longest].argmax(1) == self._space)
            return int(spaces[-1]) + 1 if len(spaces) and spaces[-1] > pause else longest
        return total if last else None

    def _voiced(self, log_probs: NDArray[np.float32]) -> NDArray[np.intp]:
        """The frames that are most likely a character of a word."""
        best = log_probs.argmax(1)
        return np.flatnonzero((best != BLANK) & (best != self._space))

    def _decode(self, log_probs: NDArray[np.float32], *, partial: bool = False) -> list[Piece]:
        if self.beam == 1 and not self.language:
            return greedy(log_probs, self.alphabet)
        text = beam_search(
            log_probs, self.alphabet, beam=self.beam, language=self.language, partial=partial
        )
        return align(log_probs, self.alphabet, text)


class LiveTranscript:
    """The transcript of a recording that is still being made; `SpeechRecognizer.listen` makes it.

    Example:
        >>> live = model.listen()
        >>> for chunk in microphone:      # float32 (N,) at live.sample_rate
        ...     print(live.add(chunk), end=" ", flush=True)
        >>> print(live.end().text)

    Attributes:
        sample_rate: of the samples that `add` takes, in Hz.
    """

    def __init__(
        self,
        recognizer: CtcRecognizer,
        decoder: StretchDecoder,
        window: int,
        name: str = "live sound",
    ):
        self.sample_rate = recognizer.rules.sample_rate
        self._recognizer, self._decoder, self._name = recognizer, decoder, name
        self._outputs = FrameOutputs(recognizer, window)
        self._segments: list[tuple[Word, ...]] = []
        self._samples = 0

    def add(self, samples: NDArray[np.float32]) -> str:
        """Take in more sound.

        Args:
            samples: float32 (N,), -1 to 1, at `sample_rate`.

        Returns:
            The words that have become final; often "". Words are final half a receptive field and a
            pause after they were spoken.
        """
        samples = np.asarray(samples, np.float32)
        self._samples += len(samples)
        return " ".join(filter(None, map(self._take, self._outputs.add(samples))))

    @property
    def pending(self) -> str:
        """The words after the final ones, which may still change."""
        return " ".join(piece.text for piece in self._decoder.pending())

    def end(self) -> Transcript:
        """The transcript of all the sound."""
        for log_probs in self._outputs.end():
            self._take(log_probs)
        self._take(np.zeros((0, 1 + len(self._recognizer.alphabet)), np.float32), last=True)
        words = tuple(word for segment in self._segments for word in segment)
        entry = self._recognizer.entry
        return Transcript(
            self._name,
            entry.name,
            " ".join(word.text for word in words),
            str(entry.processing.get("language", "")),
            words,
            tuple(map(_segment, self._segments)),
            self._duration,
        )

    @property
    def _duration(self) -> float:
        return self._samples / self.sample_rate

    def _take(self, log_probs: NDArray[np.float32], *, last: bool = False) -> str:
        seconds, padding = self._recognizer.rules.seconds, self._recognizer.padding

        def time(frame: int) -> float:
            return min(max(frame * seconds - padding, 0.0), self._duration)

        segments = [
            tuple(Word(w.text, time(w.start), time(w.end), w.score) for w in words)
            for words in self._decoder.add(log_probs, last=last)
        ]
        self._segments += segments
        return " ".join(word.text for segment in segments for word in segment)


def _segment(words: tuple[Word, ...]) -> Segment:
    score = sum(word.score for word in words) / len(words)
    return Segment(" ".join(word.text for word in words), words[0].start, words[-1].end, score)
