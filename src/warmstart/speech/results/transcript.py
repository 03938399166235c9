"""What a speech recogniser answers: the text, and when each part of it was said; as subtitles too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

LONGEST_CUE = 6.0  # seconds of a subtitle that is made of words


@dataclass(frozen=True)
class Word:
    """One word: when it was said, in seconds, and how sure the model is of it, 0 to 1."""

    text: str
    start: float
    end: float
    score: float

    def to_dict(self) -> dict[str, Any]:
        return {"text": self.text, "start": round(self.start, 3), "end": round(self.end, 3),
                "score": round(self.score, 6)}


@dataclass(frozen=True)
class Segment:
    """A few words said in one go, about a line of a subtitle.

    Attributes:
        start, end: in seconds.
        score: how sure the model is, 0 to 1; the mean over the words or tokens.
        silence: how likely it is that nobody speaks, 0 to 1; None where the model does not tell.
    """

    text: str
    start: float
    end: float
    score: float
    silence: float | None = None

    def to_dict(self) -> dict[str, Any]:
        told = {} if self.silence is None else {"silence": round(self.silence, 6)}
        return {"text": self.text, "start": round(self.start, 3), "end": round(self.end, 3),
                "score": round(self.score, 6), **told}


@dataclass(frozen=True)
class Transcript:
    """What was said in one recording.

    Attributes:
        input: the recording's name.
        model: the model's name.
        text: all of it; empty where nobody speaks.
        language: a code such as "en"; "" where the model does not tell.
        words: with their times; empty where they were not asked for, or the model does not tell.
        segments: with their times; empty where the model does not tell.
        duration: of the recording, in seconds.
    """

    input: str
    model: str
    text: str
    language: str = ""
    words: tuple[Word, ...] = ()
    segments: tuple[Segment, ...] = ()
    duration: float = 0.0

    @property
    def score(self) -> float:
        """How sure the model is, 0 to 1: the mean over segments or words, weighted by their length; 0 without any."""
        parts: tuple[Word | Segment, ...] = self.segments or self.words
        weights = [max(part.end - part.start, 1e-3) for part in parts]
        return sum(p.score * w for p, w in zip(parts, weights, strict=True)) / sum(weights) if parts else 0.0

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "model": self.model, "text": self.text, "language": self.language,
                "duration": round(self.duration, 3), "segments": [s.to_dict() for s in self.segments],
                "words": [w.to_dict() for w in self.words]}

    def to_srt(self) -> str:
        """As a SubRip file."""
        cues = [f"{n}\n{_clock(c.start, ',')} --> {_clock(c.end, ',')}\n{c.text.replace('-->', '->')}\n"
                for n, c in enumerate(self.cues(), 1)]
        return "\n".join(cues)

    def to_vtt(self) -> str:
        """As a WebVTT file."""
        cues = [f"{_clock(c.start, '.')} --> {_clock(c.end, '.')}\n{_escaped(c.text)}\n" for c in self.cues()]
        return "\n".join(["WEBVTT\n", *cues])

    def cues(self) -> Iterator[Segment]:
        """The lines of a subtitle file: the segments, or else words in groups of a few seconds."""
        return iter(self.segments) if self.segments else _grouped(self.words)


def _grouped(words: Iterable[Word]) -> Iterator[Segment]:
    group: list[Word] = []
    for word in words:
        if group and word.end - group[0].start > LONGEST_CUE:
            yield _cue(group)
            group = []
        group.append(word)
    if group:
        yield _cue(group)


def _cue(words: list[Word]) -> Segment:
    score = sum(word.score for word in words) / len(words)
    return Segment(" ".join(word.text.strip() for word in words), words[0].start, words[-1].end, score)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float, point: str) -> str:
    """00:01:02,345"""
    milliseconds = round(seconds * 1000)
    return (f"{milliseconds // 3_600_000:02}:{milliseconds // 60_000 % 60:02}:{milliseconds // 1000 % 60:02}{point}"
            f"{milliseconds % 1000:03}")
