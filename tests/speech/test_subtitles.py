"""Subtitles stay within their limits, whatever the transcript."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmstart.errors import UsageError
from warmstart.speech.results.transcript import Segment, Transcript, Word

TEXT = st.text(
    st.characters(categories=["L", "N", "P", "S"], include_characters=" "), min_size=1, max_size=60
).filter(str.strip)
SPAN = st.tuples(st.floats(0, 20), st.floats(0, 40))
CUE = re.compile(r"(\d+):(\d\d):(\d\d)[,.](\d{3}) --> (\d+):(\d\d):(\d\d)[,.](\d{3})\n((?:.+\n)+)")


def transcript(spans, texts, words):
    start, parts = 0.0, []
    for (gap, length), text in zip(spans, texts, strict=False):
        parts.append(Segment(text, start + gap, start + gap + length, 0.5))
        start += gap + length
    timed = []
    for part in parts if words else ():
        split = part.text.split()
        step = (part.end - part.start) / len(split)
        timed += [
            Word(w, part.start + n * step, part.start + (n + 1) * step, 0.5)
            for n, w in enumerate(split)
        ]
    return Transcript(
        "x", "m", " ".join(p.text for p in parts), words=tuple(timed), segments=tuple(parts)
    )


def read(text):
    """(start, end, lines) of each cue, in milliseconds."""
    for match in CUE.finditer(text):
        numbers = [int(group) for group in match.groups()[:8]]
        start, end = (
            ((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (numbers[:4], numbers[4:])
        )
        yield start, end, match[9].splitlines()


@given(
    st.lists(SPAN, min_size=1, max_size=6),
    st.lists(TEXT, min_size=1, max_size=6),
    st.booleans(),
    st.integers(1, 50),
    st.integers(1, 3),
    st.floats(0.01, 10),
)
def test_no_cue_is_too_long_and_none_overlap(spans, texts, words, length, lines, seconds):
    spoken = transcript(spans, texts, words)
    limits = {"line_length": length, "lines": lines, "seconds": seconds}
    for text, plain_of in (
        (spoken.to_srt(**limits), str),
        (spoken.to_vtt(**limits), html.unescape),
    ):
        end, said = 0, ""
        for start, until, shown in read(text):
            assert end <= start < until
            assert until - start <= max(1000 * seconds, 1)
            assert 1 <= len(shown) <= lines
            shown = [plain_of(line) for line in shown]
            assert all(len(line) <= length for line in shown)
            said += "".join(shown)
            end = until
        wanted = "".join(segment.text for segment in spoken.segments)
        plain = [re.sub(r"\s|-+>", "", one) for one in (said, wanted)]
        assert plain[0] == plain[1]


def test_long_segments_become_several_cues_at_the_times_of_their_words():
    words = tuple(Word(f"word{n}", n, n + 0.5, 0.9) for n in range(20))
    segment = Segment(" ".join(word.text for word in words), 0.0, 20.0, 0.9)
    spoken = Transcript("x", "m", segment.text, words=words, segments=(segment,))
    first, second, *_ = read(spoken.to_srt(line_length=20, seconds=6.0))
    assert first == (0, 5500, ["word0 word1 word2", "word3 word4 word5"])
    assert second[0] == 6000
    free = Transcript("x", "m", segment.text, segments=(segment,))
    starts = [start for start, _, _ in read(free.to_srt(line_length=20, seconds=6.0))]
    assert starts == sorted(starts)
    assert all(end - start <= 6000 for start, end, _ in read(free.to_srt(seconds=6.0)))
    for limits in ({"line_length": 0}, {"lines": 0}, {"seconds": 0}):
        with pytest.raises(UsageError, match="Subtitles need"):
            spoken.to_srt(**limits)
