"""Transcription with Whisper: window by window, each decoded at rising temperatures until its text
passes the checks.

Source: Radford et al. 2022, section 4.5, and `transcribe.py` and `decoding.py` of openai/whisper.
"""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Entry
from warmstart.core import cancellation
from warmstart.core.probabilities import softmax
from warmstart.engines.base import Engine
from warmstart.errors import UsageError
from warmstart.speech.mel_windows import HOP, RATE, Blocks, Windows
from warmstart.speech.options import TranscribeOptions
from warmstart.speech.results.transcript import Segment, Transcript, Word
from warmstart.speech.whisper.checkpoint import forced_prompt
from warmstart.speech.whisper.program import WhisperDecoder
from warmstart.speech.whisper.rules import Rules, choose
from warmstart.speech.whisper.tokens import SECONDS, WhisperTokens

RESET_ABOVE = 0.5
"""Temperature above which a text is not a context for the next window."""

Part = tuple[Segment, list[int]]
"""A segment of a window with its tokens."""


@dataclass(frozen=True)
class WindowText:
    """The text of one window.

    Attributes:
        tokens: after the prompt, without the end.
        text: of them.
        log_probability: mean per token.
        no_speech: probability of silence.
        temperature: at which it was decoded.
    """

    tokens: list[int]
    text: str
    log_probability: float
    no_speech: float
    temperature: float

    @property
    def compression(self) -> float:
        """How many times smaller zlib makes the text."""
        raw = self.text.encode("utf-8", "replace")
        return len(raw) / len(zlib.compress(raw))


class WhisperTranscriber:
    """Transcribes recordings with a Whisper model.

    Args:
        engine: with the program of `whisper_program`.
        entry: its model's.
        tokens: its tokenizer's.
    """

    def __init__(self, engine: Engine, entry: Entry, tokens: WhisperTokens):
        self.entry, self.tokens = entry, tokens
        self._language, self._task = forced_prompt(tokens, entry)
        self._decoder = WhisperDecoder(engine, entry)
        self._lock = threading.Lock()  # one window at a time: the caches are in the engine

    def transcribe(
        self, name: str, blocks: Blocks, options: TranscribeOptions
    ) -> Generator[None, None, Transcript]:
        """The transcript of one recording, in constant memory but for the text; yields between
        windows.

        Args:
            name: of the recording, for the result.
            blocks: its samples.
            options: those that Whisper supports.

        Raises:
            UsageError: an option asks for what the model cannot do.
            InputError: the recording is unusable.
        """
        self.check(options)
        config = self.entry.config
        windows = Windows(blocks, int(config["mels"]), 2 * int(config["audio_positions"]))
        silence = Transcript(name, self.entry.name, "", duration=windows.seconds)
        if windows.silent:
            return silence
        language = self.language(options) or self.detect(windows.at(0))[0]
        segments: list[Segment] = []
        words: list[Word] = []
        tokens: list[int] = []
        for parts, window_words in self._windows(windows, language, options):
            for segment, segment_tokens in parts:
                segments.append(segment)
                tokens += segment_tokens
            words += window_words
            yield
        return replace(
            silence,
            text=self.tokens.decode(tokens).strip(),
            language=language,
            words=tuple(words),
            segments=tuple(segments) if options.timestamps else (),
        )

    def detect(self, features: NDArray[np.float32]) -> tuple[str, dict[str, float]]:
        """The language of a window: the most likely code, and the probability of each, 0 to 1."""
        if not self.tokens.languages:
            return "en", {"en": 1.0}
        with self._lock:
            self._decoder.encode(features)
            logits = self._decoder.start([self.tokens.start])[0]
        values = softmax(logits[list(self.tokens.languages.values())]).tolist()
        probabilities = dict(zip(self.tokens.languages, values, strict=True))
        return max(probabilities, key=probabilities.__getitem__), probabilities

    def features(self, blocks: Blocks) -> Generator[None, None, NDArray[np.float32]]:
        """The encoder's output averaged over a recording, float32 (width,); yields between windows."""
        config = self.entry.config
        frames = 2 * int(config["audio_positions"])
        windows = Windows(blocks, int(config["mels"]), frames)
        total, positions = np.zeros(int(config["width"])), 0
        for frame in range(0, max(windows.count, 1), frames):
            count = max(1, (min(frames, windows.count - frame) + 1) // 2)
            with self._lock:
                encoded = self._decoder.encode(windows.at(frame))[:count]
                total += encoded.sum(axis=0, dtype=np.float64)
            positions += count
            yield
        return (total / positions).astype(np.float32)

    def check(self, options: TranscribeOptions) -> None:
        """Refuse options.

        Raises:
            UsageError: one is wrong, or asks for what the model cannot do.
        """
        name = self.entry.name
        options.temperatures  # noqa: B018 (checks them)
        self.language(options)
        if options.translate and not self.tokens.languages:
            raise UsageError(f"{name} supports only English, so it cannot translate.")
        if self._task == "translate" and not options.translate:
            raise UsageError(
                f"{name} translates, according to its generation_config.json; call it with "
                "translate=True."
            )
        if options.word_timestamps and not self.entry.processing.get("alignment_heads"):
            raise UsageError(
                f"{name} cannot return the times of words: its generation_config.json has no "
                "alignment_heads."
            )
        if options.word_timestamps and not options.timestamps:
            raise UsageError("word_timestamps=True needs timestamps=True.")

    def language(self, options: TranscribeOptions) -> str | None:
        """The code of the language that the options or the checkpoint name; None: to be detected.

        Raises:
            UsageError: the model does not know it.
        """
        if options.language is not None:
            return self.tokens.language(options.language)
        return self._language

    def prompt(
        self, language: str, options: TranscribeOptions, context: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """The tokens before a window's text: up to `start`, and the rest."""
        t = self.tokens
        longest = int(self.entry.config["text_positions"]) // 2 - 1
        past = [t.previous, *list(context)[-longest:]] if context else []
        rest = []
        if t.languages:
            rest = [t.languages[language], t.translate if options.translate else t.transcribe]
        if not options.timestamps:
            rest.append(t.no_timestamps)
        return [*past, t.start], rest

    def _windows(
        self, windows: Windows, language: str, options: TranscribeOptions
    ) -> Iterator[tuple[list[Part], list[Word]]]:
        """The segments and words of each window, in order."""
        rules = Rules(self.tokens, self.entry.processing, options.timestamps)
        random = np.random.default_rng(options.seed)
        longest = 2 * int(self.entry.config["audio_positions"])
        initial = (options.initial_prompt or "").strip()
        context = self.tokens.encode(" " + initial) if initial else []
        frame = 0
        while frame < max(windows.count, 1):
            size = max(1, min(longest, windows.count - frame))
            with self._lock:
                self._decoder.encode(windows.at(frame))
                prompt = self.prompt(language, options, context)
                window = self._decode_window(rules, *prompt, options, random)
                parts: list[Part] = []
                done = size
                if not _is_silent(window, options):
                    parts, done = self._segments(window, frame, size, options)
                words = (
                    self._words(parts, frame, size, language, options)
                    if options.word_timestamps
                    else []
                )
            tokens = [token for _, ids in parts for token in ids]
            trusted = options.condition_on_previous and window.temperature <= RESET_ABOVE
            context = [*context, *tokens] if trusted else []
            frame += max(done, 1)
            yield parts, words

    def _decode_window(
        self,
        rules: Rules,
        begin: list[int],
        rest: list[int],
        options: TranscribeOptions,
        random: np.random.Generator,
    ) -> WindowText:
        """One window's text, at the first temperature at which it passes the checks."""
        for temperature in options.temperatures:
            window = self._decode_at(rules, begin, rest, temperature, random)
            lowest, ratio = options.log_probability, options.compression_ratio
            is_unlikely = lowest is not None and window.log_probability < lowest
            silent = options.no_speech is not None and window.no_speech > options.no_speech
            is_repetitive = ratio is not None and window.compression > ratio
            if (is_unlikely and silent) or not (is_unlikely or is_repetitive):
                break
        return window

    def _decode_at(
        self,
        rules: Rules,
        begin: list[int],
        rest: list[int],
        temperature: float,
        random: np.random.Generator,
    ) -> WindowText:
        """One window's text at one temperature."""
        first, logits = self._decoder.start([*begin, *rest], len(begin) - 1)
        silence = float(softmax(first)[self.tokens.no_speech])
        tokens: list[int] = []
        total = 0.0
        most = self._longest(len(begin) + len(rest))
        while True:
            rules.apply(logits, tokens)
            token, log_probability = choose(logits, temperature, random)
            total += log_probability
            if token == self.tokens.end:
                break
            tokens.append(token)
            if len(tokens) >= most:
                break
            cancellation.check()  # no yield: other threads would wait for the lock
            logits = self._decoder.step(token)
        text = self.tokens.decode(tokens).strip()
        return WindowText(tokens, text, total / (len(tokens) + 1), silence, temperature)

    def _longest(self, prompt: int) -> int:
        """The maximum number of tokens of a window's text after a prompt of this length."""
        processing = self.entry.processing
        half = int(self.entry.config["text_positions"]) // 2
        length = int(processing.get("max_length", half + prompt)) - prompt
        new = int(processing.get("max_new_tokens", half))
        return max(1, min(half, self._decoder.remaining, length, new))

    def _segments(
        self, window: WindowText, frame: int, size: int, options: TranscribeOptions
    ) -> tuple[list[Part], int]:
        """The segments of a window's text with their tokens, and how many frames are done."""
        first = self.tokens.first_time
        offset, per_step = frame * HOP / RATE, round(SECONDS * RATE / HOP)
        tokens = window.tokens
        is_time = [token >= first for token in tokens]
        score = math.exp(window.log_probability)
        parts: list[Part] = []

        def add(start: float, end: float, ids: list[int]) -> None:
            if (text := self.tokens.decode(ids).strip()) and end > start:
                segment = Segment(text, offset + start, offset + end, score, window.no_speech)
                parts.append((segment, ids))

        # Where one segment ends and the next begins there are two times.
        ends = [index for index in range(1, len(tokens)) if is_time[index - 1] and is_time[index]]
        ends_with_time = is_time[-2:] == [False, True]
        if options.timestamps and ends:
            begin = 0
            for end in [*ends, *([len(tokens)] if ends_with_time else [])]:
                ids = tokens[begin:end]
                add((ids[0] - first) * SECONDS, (ids[-1] - first) * SECONDS, ids)
                begin = end
            return parts, size if ends_with_time else (tokens[begin - 1] - first) * per_step
        length = size * HOP / RATE
        times = [token for token in tokens if token >= first]
        if times and times[-1] != first:
            length = (times[-1] - first) * SECONDS
        add(0.0, max(length, SECONDS), tokens)
        return parts, size

    def _words(
        self,
        parts: Sequence[Part],
        frame: int,
        size: int,
        language: str,
        options: TranscribeOptions,
    ) -> list[Word]:
        """The words of a window with their times."""
        from warmstart.speech.whisper.words import word_times

        t = self.tokens
        tokens = [token for _, ids in parts for token in ids if token < t.end]
        if not tokens:
            return []
        _, rest = self.prompt(language, options, ())
        prompt = [t.start, *rest]
        if rest[-1:] != [t.no_timestamps]:
            prompt.append(t.no_timestamps)
        weights, logits = self._decoder.attention([*prompt, *tokens, t.end])
        words = t.words(tokens, language)
        return word_times(words, weights, logits, len(prompt), size, frame * HOP / RATE, t.end)


def _is_silent(window: WindowText, options: TranscribeOptions) -> bool:
    """Whether a window is skipped: it is probably silent, and its text has a low probability."""
    if options.no_speech is None or window.no_speech <= options.no_speech:
        return False
    return options.log_probability is None or window.log_probability <= options.log_probability
