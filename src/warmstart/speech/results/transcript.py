"""Results of speech recognition: the text, and when each part of it was spoken; as subtitles too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from warmstart.core import html
from warmstart.core.wire import Omit, Record, Result, Score, Seconds, Wire
from warmstart.speech.results import subtitles

LONGEST_CUE = 6.0
"""Maximum duration in seconds of a cue that is made of words."""


@dataclass(frozen=True)
class Word(Record):
    """One word: when it was spoken, in seconds, and its probability, 0 to 1.

    Attributes:
        channel: the channel of the recording, from 1, if each was transcribed separately.

    Example:
        >>> word = ws.load("digits_wavenet_asr")("digits.flac").words[-1]
        >>> word.text, word.end > word.start, 0 <= word.score <= 1
        ('nine', True, True)
    """

    text: str
    start: Seconds
    end: Seconds
    score: Score
    channel: Annotated[int | None, Omit] = None


@dataclass(frozen=True)
class Segment(Record):
    """A few words spoken in one go, about a line of a subtitle.

    Attributes:
        start, end: in seconds.
        score: probability, 0 to 1; the mean over the words or tokens.
        silence: probability of silence, 0 to 1; None if the model does not give it.
        channel: the channel of the recording, from 1, if each was transcribed separately.

    Example:
        >>> segment = ws.Segment(text="And so, my fellow Americans", start=0.0, end=2.4, score=0.93)
        >>> segment.end - segment.start
        2.4
    """

    text: str
    start: Seconds
    end: Seconds
    score: Score
    silence: Annotated[Score | None, Omit] = None
    channel: Annotated[int | None, Omit] = None


@dataclass(frozen=True)
class ChannelText(Record):
    """The text of one channel, in the JSON of a transcript with several."""

    channel: int
    text: str
    language: str


@dataclass(frozen=True, repr=False)
class Transcript(Result):
    """The text of one recording.

    Attributes:
        input: name of the recording.
        model: name of the model.
        text: all of it; empty for silence. With `channels`: a line for each.
        language: a code such as "en"; "" if the model does not return it.
        words: with their times; empty if the option `word_timestamps` is off, or the model has
            none.
        segments: with their times; empty if the option `timestamps` is off, or the model has
            none.
        duration: of the recording, in seconds.
        channel: the channel that was transcribed, from 1, in an element of `channels`.
        channels: with `channel="each"`, a transcript for each channel; `segments` and `words` then
            are those of all channels, in order of time, with their `channel`.

    Example:
        >>> transcript = ws.load("digits_wavenet_asr")("digits.flac")
        >>> transcript.words[0].text, round(transcript.duration)
        ('zero', 5)
        >>> print(transcript.to_srt().splitlines()[1])
        00:00:00,013 --> 00:00:05,212
        >>> [cue.text for cue in transcript.cues()], round(transcript.score, 2)
        (['zero one two three four five six seven eight nine'], 0.99)
        >>> transcript.to_vtt().splitlines()[0]
        'WEBVTT'
        >>> transcript.save("digits.srt")
        PosixPath('digits.srt')
    """

    wire: ClassVar = (
        "input",
        "model",
        "text",
        "language",
        "duration",
        "segments",
        "words",
        "channels",
    )
    tensors: ClassVar = ("text",)
    summary: ClassVar = ("text", "language", "duration", "score")
    files: ClassVar = (".srt", ".vtt", ".txt")

    input: str
    model: str
    text: str
    language: str = ""
    words: tuple[Word, ...] = ()
    segments: tuple[Segment, ...] = ()
    duration: Seconds = 0.0
    channel: int | None = None
    channels: Annotated[tuple[Transcript, ...], Wire(tuple[ChannelText, ...]), Omit] = ()

    @classmethod
    def of_channels(cls, transcripts: Sequence[Transcript]) -> Transcript:
        """Merge the transcripts of the channels of a recording, one or more, in order."""
        channels = tuple(
            replace(
                transcript,
                channel=number,
                words=tuple(replace(word, channel=number) for word in transcript.words),
                segments=tuple(replace(segment, channel=number) for segment in transcript.segments),
            )
            for number, transcript in enumerate(transcripts, 1)
        )
        texts = [transcript.text for transcript in channels]
        languages = {transcript.language for transcript in channels if transcript.language}
        return replace(
            channels[0],
            text="\n".join(texts) if any(texts) else "",
            language=languages.pop() if len(languages) == 1 else "",
            words=tuple(
                sorted((w for transcript in channels for w in transcript.words), key=_start)
            ),
            segments=tuple(
                sorted((s for transcript in channels for s in transcript.segments), key=_start)
            ),
            duration=max(transcript.duration for transcript in channels),
            channel=None,
            channels=channels,
        )

    @property
    def score(self) -> Score:
        """Mean probability of the segments or words, 0 to 1, weighted by their length; 0 without
        any.
        """
        parts: tuple[Word | Segment, ...] = self.segments or self.words
        weights = [max(part.end - part.start, 1e-3) for part in parts]
        if not parts:
            return 0.0
        return sum(p.score * w for p, w in zip(parts, weights, strict=True)) / sum(weights)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def csv_columns(cls) -> tuple[str, ...]:
        return ("input", "start", "end", "text", "score", "channel")

    def csv_rows(self) -> Iterator[tuple[str, ...]]:
        """A row for each cue; for a transcript without times one row with the text."""
        empty = True
        for cue in self.cues():
            empty = False
            times = f"{cue.start:.2f}", f"{cue.end:.2f}"
            yield self.input, *times, cue.text, f"{cue.score:.6f}", str(cue.channel or "")
        if empty:
            yield self.input, "0.00", f"{self.duration:.2f}", self.text, "", ""

    def show(self) -> str:
        language = f" ({self.language})" if self.language else ""
        lines = [
            f"  {_minutes(cue.start)} - {_minutes(cue.end)}  {_prefix(cue.channel)}{cue.text}"
            for cue in self.cues()
        ]
        if not lines:
            lines = [f"  {line}" for line in self.text.splitlines() or ("(silence)",)]
        return "\n".join([f"{self.input}{language}", *lines, ""])

    def file_content(self, suffix: str) -> str:
        """The content of a subtitle or text file."""
        if suffix == ".txt":
            return f"{self.text}\n"
        return self.to_srt() if suffix == ".srt" else self.to_vtt()

    def to_html(self) -> str:
        return super().to_html() if self.segments or self.words else html.paragraph(html.text(self))

    def to_srt(self, *, line_length: int = 42, lines: int = 2, seconds: float = 7.0) -> str:
        """The content of a SubRip file; with several channels, cues begin with the number of the
        channel, such as "[1] ".

        Args:
            line_length: maximum number of characters of a line.
            lines: maximum number of lines of a cue.
            seconds: maximum duration of a cue.

        Raises:
            UsageError: a limit is not positive.
        """
        limits = subtitles.Limits(line_length, lines, seconds)
        widest = len(_prefix((self.channels or (self,))[-1].channel))
        limits = replace(limits, line_length=max(1, line_length - widest))
        return "\n".join(
            f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n"
            f"{prefix}{_lines(cue.lines)}"
            for number, (prefix, cue) in enumerate(self._subtitles(limits, _prefix), 1)
        )

    def to_vtt(self, *, line_length: int = 42, lines: int = 2, seconds: float = 7.0) -> str:
        """The content of a WebVTT file; several channels are voices (`<v 1>`). Arguments and errors
        are those of `to_srt`.
        """
        limits = subtitles.Limits(line_length, lines, seconds)
        cues = (
            f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n"
            f"{prefix}{_lines(map(_escaped, cue.lines))}"
            for prefix, cue in self._subtitles(limits, _voice)
        )
        return "\n".join(["WEBVTT\n", *cues])

    def _subtitles(
        self, limits: subtitles.Limits, mark: Callable[[int | None], str]
    ) -> Iterator[tuple[str, subtitles.Cue]]:
        """The cues with their channels marked; cues of two channels may overlap."""
        cues = [
            (mark(transcript.channel), cue)
            for transcript in self.channels or (self,)
            for cue in subtitles.cues(transcript.cues(), transcript.words, limits)
        ]
        return iter(sorted(cues, key=lambda marked: marked[1].start))

    def cues(self) -> Iterator[Segment]:
        """The lines of a subtitle file: the segments, or else words in groups of a few seconds."""
        if self.channels:
            return iter(
                sorted(
                    (cue for transcript in self.channels for cue in transcript.cues()), key=_start
                )
            )
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
    text = " ".join(word.text.strip() for word in words)
    return Segment(text, words[0].start, words[-1].end, score, channel=words[0].channel)


def _start(timed: subtitles.Timed) -> float:
    return timed.start


def _prefix(channel: int | None) -> str:
    return "" if channel is None else f"[{channel}] "


def _voice(channel: int | None) -> str:
    return "" if channel is None else f"<v {channel}>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lines(lines: Iterable[str]) -> str:
    """Lines of a cue; none can be read as times."""
    return "".join(f"{line.replace('-->', '->')}\n" for line in lines)


def _clock(milliseconds: int, point: str) -> str:
    """00:01:02,345"""
    hours, minutes = milliseconds // 3_600_000, milliseconds // 60_000 % 60
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000 % 60:02}{point}{milliseconds % 1000:03}"


def _minutes(seconds: float) -> str:
    """1:02.34"""
    return f"{int(seconds // 60):3}:{seconds % 60:05.2f}"
