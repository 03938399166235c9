"""Whisper's way from sound to text: window by window, each tried at rising temperatures until it makes sense.

Source: Radford et al. 2022, section 4.5, and `transcribe.py` and `decoding.py` of openai/whisper.
"""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from warmstart.catalog import Entry
from warmstart.engines.base import Engine
from warmstart.errors import UsageError
from warmstart.speech.mel_windows import HOP, RATE, Blocks, Windows
from warmstart.speech.results.transcript import Segment, Transcript, Word
from warmstart.speech.whisper.program import WhisperDecoder
from warmstart.speech.whisper.rules import Rules, choose
from warmstart.speech.whisper.tokens import SECONDS, WhisperTokens

RESET_ABOVE = 0.5  # temperature from which a text is not trusted as context of the next window


@dataclass(frozen=True)
class WhisperOptions:
    """How to transcribe.

    Attributes:
        language: a code such as "en"; None: told from the first window.
        translate: to English, instead of writing down what is said.
        timestamps: find out when the parts were said.
        words: and when each word was; needs a model whose repository names alignment heads.
        initial_prompt: text that could stand before: names, spelling, style.
        condition_on_previous: a window's context is the text before it.
        temperature: the first one, and those that are tried after it where the text makes no sense.
        compression_ratio: a text that compresses better repeats itself: the next temperature is tried. None: never.
        log_probability: mean per token below which the next temperature is tried. None: never.
        no_speech: probability of silence above which a window with a low mean is skipped. None: never.
        seed: of the random numbers at temperatures above 0.
    """

    language: str | None = None
    translate: bool = False
    timestamps: bool = True
    words: bool = False
    initial_prompt: str | None = None
    condition_on_previous: bool = True
    temperature: float | Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    compression_ratio: float | None = 2.4
    log_probability: float | None = -1.0
    no_speech: float | None = 0.6
    seed: int = 0

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Raises UsageError unless there is at least one, none of them negative."""
        one = isinstance(self.temperature, int | float)
        found = (float(self.temperature),) if one else tuple(map(float, self.temperature))  # type: ignore[arg-type]
        if not found or not all(0 <= t < math.inf for t in found):
            raise UsageError(f"temperature must be one or several numbers of 0 or more, not {self.temperature!r}.")
        return found


@dataclass(frozen=True)
class Said:
    """What was said in one window.

    Attributes:
        tokens: after the prompt, without the end.
        text: of them.
        log_probability: mean per token.
        no_speech: probability that nobody speaks.
        temperature: at which it was found.
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
    """A Whisper model at work.

    Args:
        engine: with the program of `whisper_program`.
        entry: its model's.
        tokens: its tokenizer's.
    """

    def __init__(self, engine: Engine, entry: Entry, tokens: WhisperTokens):
        self.entry, self.tokens = entry, tokens
        self._decoder = WhisperDecoder(engine, entry)
        self._lock = threading.Lock()  # one window at a time: the caches lie in the engine

    def transcribe(self, name: str, blocks: Blocks, options: WhisperOptions,
                   progress: Callable[[float, float], None] | None = None) -> Transcript:
        """The transcript of one recording, in flat memory but for the text.

        Args:
            name: of the recording, for the result.
            blocks: its samples.
            options: how.
            progress: called with (seconds done, seconds in all) after every window.

        Raises:
            UsageError: an option asks for what the model cannot do.
            InputError: the recording is unusable.
        """
        self.check(options)
        c = self.entry.config
        windows = Windows(blocks, int(c["mels"]), 2 * int(c["audio_positions"]))
        told = Transcript(name, self.entry.name, "", duration=windows.seconds)
        if windows.silent:
            return told
        language = (options.language or "").lower()
        if not language:
            language = self.detect(windows.at(0))[0]
        segments: list[Segment] = []
        words: list[Word] = []
        said: list[int] = []
        for parts, found in self._windows(windows, language, options, progress):
            for segment, ids in parts:
                segments.append(segment)
                said += ids
            words += found
        return replace(told, text=self.tokens.decode(said).strip(), language=language, words=tuple(words),
                       segments=tuple(segments) if options.timestamps else ())

    def detect(self, features: np.ndarray) -> tuple[str, dict[str, float]]:
        """The language of a window: the likeliest code, and the probability of each, 0 to 1."""
        if not self.tokens.languages:
            return "en", {"en": 1.0}
        with self._lock:
            self._decoder.hear(features)
            logits = self._decoder.start([self.tokens.start])[0]
        chosen = logits[list(self.tokens.languages.values())].astype(np.float64)
        weights = np.exp(chosen - chosen.max())
        shares = dict(zip(self.tokens.languages, map(float, weights / weights.sum()), strict=True))
        return max(shares, key=shares.__getitem__), shares

    def features(self, blocks: Blocks) -> np.ndarray:
        """The encoder's output averaged over a recording: float32 (width,)."""
        c = self.entry.config
        frames = 2 * int(c["audio_positions"])
        windows = Windows(blocks, int(c["mels"]), frames)
        total, positions = np.zeros(int(c["width"])), 0
        for frame in range(0, max(windows.count, 1), frames):
            heard = max(1, (min(frames, windows.count - frame) + 1) // 2)
            with self._lock:
                total += self._decoder.hear(windows.at(frame))[:heard].sum(axis=0, dtype=np.float64)
            positions += heard
        return (total / positions).astype(np.float32)

    def check(self, options: WhisperOptions) -> None:
        """Raise UsageError where an option is wrong, or asks for what the model cannot do."""
        options.temperatures  # noqa: B018 (checks them)
        if options.language is not None and self.tokens.languages:
            self.tokens.language(options.language)
        elif options.language not in (None, "en", "EN"):
            raise UsageError(f"{self.entry.name} knows English only, not {options.language!r}.")
        if options.translate and not self.tokens.languages:
            raise UsageError(f"{self.entry.name} knows English only, so it cannot translate.")
        if options.words and not self.entry.processing.get("alignment_heads"):
            raise UsageError(f"{self.entry.name} does not say when words were said: its generation_config.json names "
                             "no alignment_heads.")
        if options.words and not options.timestamps:
            raise UsageError("words=True needs timestamps=True.")

    def prompt(self, language: str, options: WhisperOptions, before: Sequence[int]) -> tuple[list[int], list[int]]:
        """The tokens before a window's text: up to `start`, and the rest."""
        t = self.tokens
        kept = list(before)[-(int(self.entry.config["text_positions"]) // 2 - 1):] if before else []
        rest = [t.language(language), t.translate if options.translate else t.transcribe] if t.languages else []
        return [*([t.previous, *kept] if kept else []), t.start], rest + ([] if options.timestamps else
                                                                         [t.no_timestamps])

    def _windows(self, windows: Windows, language: str, options: WhisperOptions,
                 progress: Callable[[float, float], None] | None
                 ) -> Iterator[tuple[list[tuple[Segment, list[int]]], list[Word]]]:
        rules = Rules(self.tokens, self.entry.processing, options.timestamps)
        random = np.random.default_rng(options.seed)
        initial = options.initial_prompt
        before = self.tokens.encode(" " + initial.strip()) if initial and initial.strip() else []
        frame = 0
        while frame < max(windows.count, 1):
            size = max(1, min(2 * int(self.entry.config["audio_positions"]), windows.count - frame))
            with self._lock:
                self._decoder.hear(windows.at(frame))
                said = self._say(rules, *self.prompt(language, options, before), options, random)
                skip = options.no_speech is not None and said.no_speech > options.no_speech and not (
                    options.log_probability is not None and said.log_probability > options.log_probability)
                parts, ahead = ([], size) if skip else self._segments(said, frame, size, options)
                words = self._words(parts, frame, size, language, options) if options.words else []
            kept = [token for _, tokens in parts for token in tokens]
            before = [*before, *kept] if options.condition_on_previous and said.temperature <= RESET_ABOVE else []
            frame += max(ahead, 1)
            yield parts, words
            if progress:
                progress(min(frame * HOP / RATE, windows.seconds), windows.seconds)

    def _say(self, rules: Rules, begin: list[int], rest: list[int], options: WhisperOptions,
             random: np.random.Generator) -> Said:
        """One window's text, at the first temperature at which it makes sense."""
        for temperature in options.temperatures:
            said = self._try(rules, begin, rest, temperature, random)
            doubtful = (options.log_probability is not None and said.log_probability < options.log_probability)
            silent = options.no_speech is not None and said.no_speech > options.no_speech
            repeats = options.compression_ratio is not None and said.compression > options.compression_ratio
            if (doubtful and silent) or not (doubtful or repeats):
                break
        return said

    def _try(self, rules: Rules, begin: list[int], rest: list[int], temperature: float,
             random: np.random.Generator) -> Said:
        first, logits = self._decoder.start([*begin, *rest], len(begin) - 1)
        silence = float(np.exp(first[self.tokens.no_speech] - first.max()) / np.exp(first - first.max()).sum())
        tokens: list[int] = []
        total = 0.0
        most = min(int(self.entry.config["text_positions"]) // 2, self._decoder.room)
        while True:
            rules.apply(logits, tokens)
            token, log_probability = choose(logits, temperature, random)
            total += log_probability
            if token == self.tokens.end:
                break
            tokens.append(token)
            if len(tokens) >= most:
                break
            logits = self._decoder.step(token)
        text = self.tokens.decode(tokens).strip()
        return Said(tokens, text, total / (len(tokens) + 1), silence, temperature)

    def _segments(self, said: Said, frame: int, size: int,
                  options: WhisperOptions) -> tuple[list[tuple[Segment, list[int]]], int]:
        """The parts of a window's text with their tokens, and how many frames are done with."""
        first = self.tokens.first_time
        offset, per_step = frame * HOP / RATE, round(SECONDS * RATE / HOP)
        tokens = said.tokens
        times = [token >= first for token in tokens]
        score = math.exp(said.log_probability)
        parts: list[tuple[Segment, list[int]]] = []

        def add(start: float, end: float, ids: list[int]) -> None:
            if (text := self.tokens.decode(ids).strip()) and end > start:
                parts.append((Segment(text, offset + start, offset + end, score, said.no_speech), ids))

        ends = [n for n in range(1, len(tokens)) if times[n - 1] and times[n]]  # between the two of a pair
        single = times[-2:] == [False, True]  # nothing is said after the last time
        if options.timestamps and ends:
            begin = 0
            for end in [*ends, *([len(tokens)] if single else [])]:
                ids = tokens[begin:end]
                add((ids[0] - first) * SECONDS, (ids[-1] - first) * SECONDS, ids)
                begin = end
            return parts, size if single else (tokens[begin - 1] - first) * per_step
        length = size * HOP / RATE
        stamps = [token for token in tokens if token >= first]
        if stamps and stamps[-1] != first:
            length = (stamps[-1] - first) * SECONDS
        add(0.0, max(length, SECONDS), tokens)
        return parts, size

    def _words(self, parts: Sequence[tuple[Segment, list[int]]], frame: int, size: int, language: str,
               options: WhisperOptions) -> list[Word]:
        from warmstart.speech.whisper.words import word_times

        tokens = [t for _, ids in parts for t in ids if t < self.tokens.end]
        if not tokens:
            return []
        _, rest = self.prompt(language, options, ())
        prompt = [self.tokens.start, *rest, *([] if rest[-1:] == [self.tokens.no_timestamps] else
                                              [self.tokens.no_timestamps])]
        looks, logits = self._decoder.looks([*prompt, *tokens, self.tokens.end])
        return word_times(self.tokens.words(tokens, language), looks, logits, len(prompt), size,
                          frame * HOP / RATE, self.tokens.end)
