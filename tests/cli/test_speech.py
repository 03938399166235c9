"""`warmstart predict` on recordings: what each format prints, without a model."""

import json

import pytest
from warmstart.cli.consoles.speech_recognition import SpeechRecognitionConsole

from warmstart.errors import UsageError
from warmstart.speech.results.transcript import Segment, Transcript, Word

SAID = Transcript("a.wav", "whisper_tiny", "Ask not. 2 < 3", "en", duration=3723.5, segments=(
    Segment("Ask not.", 0.0, 1.25, 0.9, 0.01), Segment("2 < 3", 3722.0, 3723.4996, 0.5)))
SILENT = Transcript("b.wav", "whisper_tiny", "")


@pytest.fixture
def console():
    return SpeechRecognitionConsole()


@pytest.mark.parametrize(("form", "text"), [
    ("txt", "Ask not. 2 < 3"),
    ("srt", "1\n00:00:00,000 --> 00:00:01,250\nAsk not.\n\n2\n01:02:02,000 --> 01:02:03,500\n2 < 3\n"),
    ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nAsk not.\n\n01:02:02.000 --> 01:02:03.500\n2 &lt; 3\n"),
])
def test_formats(form, text, console):
    console.answers(lambda inputs, **options: inputs, iter(["a.wav"]), format=form)
    assert console.show(SAID) == text


def test_json_is_the_transcript(console):
    console.answers(lambda inputs, **options: inputs, iter(["a.wav"]), format="json")
    told = json.loads(console.show(SAID))
    assert told == SAID.to_dict()
    assert told["segments"][0] == {"text": "Ask not.", "start": 0.0, "end": 1.25, "score": 0.9, "silence": 0.01}
    with pytest.raises(UsageError, match="one of txt, srt, vtt, json"):
        console.answers(lambda inputs, **options: inputs, iter(["a.wav"]), format="doc")


def test_for_people_and_as_rows(console):
    assert console.show(SAID).splitlines()[:2] == ["a.wav (en)", "    0:00.00 -   0:01.25  Ask not."]
    assert "nobody speaks" in console.show(SILENT)
    rows = [*console.rows(SAID), *console.rows(SILENT)]
    assert rows[0] == ("a.wav", "0.00", "1.25", "Ask not.", "0.900000", "")
    assert rows[2] == ("b.wav", "0.00", "0.00", "", "", "")
    assert all(len(row) == len(console.columns) for row in rows)


def test_words_alone_become_cues_of_a_few_seconds():
    words = tuple(Word(f"w{n}", n, n + 0.5, 0.5) for n in range(10))
    cues = list(Transcript("a", "m", "", words=words).cues())
    assert [(c.start, c.end) for c in cues] == [(0, 5.5), (6, 9.5)]
    assert cues[1].text == "w6 w7 w8 w9"
    assert SAID.score == pytest.approx((0.9 * 1.25 + 0.5 * 1.4996) / 2.7496, abs=1e-6)


def test_words_that_may_be_said(console):
    def model(inputs, **options):
        return [options]

    for given, passed in (("own", True), ("any", False), ("words.txt", "words.txt")):
        assert console.answers(model, iter(["a.wav"]), vocabulary=given) == [{"vocabulary": passed}]


def test_recordings_are_known_by_their_names():
    from warmstart.cli.predict_command import _are_sounds

    assert _are_sounds(["a.WAV", "https://x.org/b.flac"])
    assert not _are_sounds(["a.wav", "b.jpg"])
    assert not _are_sounds([])
