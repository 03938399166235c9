"""Subtitles: the text of a transcript in cues of bounded length and duration.

A segment becomes several cues if its text does not fit in the lines of one, or takes too long.
Times of words are those of the model if it gave them; else the time of a segment is shared among
its characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from warmstart.errors import UsageError


class Timed(Protocol):
    """A text with its times, in seconds."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


@dataclass(frozen=True)
class Limits:
    """How large a cue may be.

    Attributes:
        line_length: maximum number of characters of a line.
        lines: maximum number of lines of a cue.
        seconds: maximum duration of a cue.

    Raises:
        UsageError: one is not positive.
    """

    line_length: int = 42
    lines: int = 2
    seconds: float = 7.0

    def __post_init__(self) -> None:
        if self.line_length < 1 or self.lines < 1 or not self.seconds >= 0.001:
            raise UsageError(
                "Subtitles need a line_length of 1 or more, 1 line or more, and 0.001 seconds or "
                f"more, not {self.line_length}, {self.lines} and {self.seconds}."
            )


@dataclass(frozen=True)
class Cue:
    """The lines that are shown from `start` to `end`, in milliseconds."""

    lines: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True)
class _Piece:
    """A word, or a part of one that is too long for a line; times in seconds."""

    text: str
    start: float
    end: float


def cues(segments: Iterable[Timed], words: Sequence[Timed], limits: Limits) -> Iterator[Cue]:
    """Cues in order, none of which overlaps another.

    Args:
        segments: of a transcript, in order.
        words: of the same transcript, if there are any.
        limits: of each cue.
    """
    remaining = list(words)
    end = 0
    for segment in segments:
        own = _words_of(segment, remaining)
        pieces = [part for word in own for part in _pieces(word, limits.line_length)]
        for group, lines in _groups(pieces, limits):
            start = max(round(1000 * group[0].start), end)
            last = min(round(1000 * group[-1].end), start + int(1000 * limits.seconds))
            end = max(last, start + 1)
            yield Cue(tuple(lines), start, end)


def _words_of(segment: Timed, remaining: list[Timed]) -> Iterator[Timed]:
    """The words of a segment with their times, taken from the front of `remaining` if these are
    its words.
    """
    text = "".join(segment.text.split())
    heard, count = "", 0
    while count < len(remaining) and len(heard) < len(text):
        heard += "".join(remaining[count].text.split())
        count += 1
    spans: list[tuple[float, float]] = []
    if heard == text:
        for word in remaining[:count]:
            spans += _shares(word)
        del remaining[:count]
    else:
        spans = _shares(segment)
    position = 0
    for word_text in segment.text.split():
        last = position + len(word_text)
        yield _Piece(word_text, spans[position][0], spans[last - 1][1])
        position = last


def _shares(timed: Timed) -> list[tuple[float, float]]:
    """The times of the characters of a text that are not spaces."""
    count = len("".join(timed.text.split()))
    step = (timed.end - timed.start) / max(count, 1)
    return [(timed.start + n * step, timed.start + (n + 1) * step) for n in range(count)]


def _pieces(word: Timed, longest: int) -> Iterator[_Piece]:
    spans = _shares(word)
    for start in range(0, len(word.text), longest):
        text = word.text[start : start + longest]
        yield _Piece(text, spans[start][0], spans[start + len(text) - 1][1])


def _groups(pieces: Sequence[_Piece], limits: Limits) -> Iterator[tuple[list[_Piece], list[str]]]:
    """The pieces of each cue, and its lines."""
    group: list[_Piece] = []
    lines: list[str] = []
    for piece in pieces:
        fits = bool(lines) and len(lines[-1]) + 1 + len(piece.text) <= limits.line_length
        late = bool(group) and piece.end - group[0].start > limits.seconds
        if group and (late or (not fits and len(lines) == limits.lines)):
            yield group, lines
            group, lines, fits = [], [], False
        group.append(piece)
        if fits:
            lines[-1] += f" {piece.text}"
        else:
            lines.append(piece.text)
    if group:
        yield group, lines
