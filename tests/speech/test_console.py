"""Speech on the command line, and transcripts as JSON, CSV and subtitles; without a model."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from warmstart.core.options import fields_of
from warmstart.core.output_files import CommandInputs
from warmstart.core.results import Failed
from warmstart.core.wire import wire_of
from warmstart.errors import InputError, UsageError
from warmstart.speech.console import AudioConsole, AudioFlags, TranscriptConsole, TranscriptFlags
from warmstart.speech.inputs import RECORDING
from warmstart.speech.results.audio import Audio
from warmstart.speech.results.transcript import Segment, Transcript, Word

TRANSCRIPT = Transcript(
    "a.wav",
    "whisper_tiny",
    "Ask not. 2 < 3",
    "en",
    duration=3723.5,
    segments=(
        Segment("Ask not.", 0.0, 1.25, 0.9, 0.01),
        Segment("2 < 3", 3722.0, 3723.4996, 0.5),
    ),
)
SILENCE = Transcript("b.wav", "whisper_tiny", "")


class Recorder:
    """Stands for a model; remembers the options of `stream`."""

    name = "tiny"
    result = Transcript
    input_kind = RECORDING

    def __init__(self, *results: Any):
        self.results, self.options = results, {}

    def stream(self, inputs: Any, **options: Any) -> Any:
        self.options = options
        return iter(self.results)


def console(form: Any = None) -> TranscriptConsole:
    return TranscriptConsole(Recorder(), TranscriptFlags(format=form))  # type: ignore[arg-type]


@pytest.mark.parametrize(("form", "text"), [
    ("txt", "Ask not. 2 < 3"),
    ("srt", "1\n00:00:00,000 --> 00:00:01,250\nAsk not.\n\n2\n01:02:02,000 --> 01:02:03,500\n2 < 3\n"),
    ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nAsk not.\n\n01:02:02.000 --> 01:02:03.500\n2 &lt; 3\n"),
])  # fmt: skip
def test_formats(form, text):
    assert console(form).show(TRANSCRIPT) == text


def test_json_is_the_transcript():
    assert json.loads(console("json").show(TRANSCRIPT)) == TRANSCRIPT.to_dict() == {
        "input": "a.wav", "model": "whisper_tiny", "text": "Ask not. 2 < 3", "language": "en", "duration": 3723.5,
        "segments": [
            {"text": "Ask not.", "start": 0.0, "end": 1.25, "score": 0.9, "silence": 0.01},
            {"text": "2 < 3", "start": 3722.0, "end": 3723.5, "score": 0.5},
        ],
        "words": [],
    }  # fmt: skip
    with pytest.raises(UsageError, match="one of txt, srt, vtt, json"):
        fields_of(TranscriptFlags)["format"].parse("doc")


def test_the_schema_of_a_transcript_says_which_fields_may_be_absent():
    schema = wire_of(Transcript).schema()
    assert schema["required"] == [
        "input",
        "model",
        "text",
        "language",
        "duration",
        "segments",
        "words",
    ]
    segment = schema["properties"]["segments"]["items"]
    assert segment["required"] == ["text", "start", "end", "score"]
    assert "silence" in segment["properties"]


def test_for_people_and_as_rows():
    assert console().show(TRANSCRIPT).splitlines()[:2] == [
        "a.wav (en)",
        "    0:00.00 -   0:01.25  Ask not.",
    ]
    assert "(silence)" in console().show(SILENCE)
    rows = [*console().rows(TRANSCRIPT), *console().rows(SILENCE)]
    assert rows[0] == ("a.wav", "0.00", "1.25", "Ask not.", "0.900000", "")
    assert rows[2] == ("b.wav", "0.00", "0.00", "", "", "")
    assert console().columns() == ("input", "start", "end", "text", "score", "channel")
    assert all(len(row) == len(console().columns()) for row in rows)


def test_a_transcript_of_each_channel():
    caller = Transcript(
        "call.wav", "m", "Hello. Bye.", "en", duration=9.0,
        segments=(Segment("Hello.", 0.5, 1.0, 0.9), Segment("Bye.", 8.0, 9.0, 0.7)),
        words=(Word("Hello.", 0.5, 1.0, 0.9), Word("Bye.", 8.0, 9.0, 0.7)),
    )  # fmt: skip
    called = Transcript(
        "call.wav", "m", "Good day to you.", "en", duration=9.0,
        segments=(Segment("Good day to you.", 0.8, 4.0, 0.8),),
        words=tuple(Word(word, 0.8 + n, 1.5 + n, 0.8) for n, word in enumerate(("Good", "day", "to", "you."))),
    )  # fmt: skip
    both = Transcript.of_channels([caller, called])
    assert (both.text, both.language) == ("Hello. Bye.\nGood day to you.", "en")
    assert [(s.channel, s.text) for s in both.segments] == [
        (1, "Hello."),
        (2, "Good day to you."),
        (1, "Bye."),
    ]
    assert [one.text for one in both.channels] == [caller.text, called.text]
    assert both.to_dict()["channels"] == [
        {"channel": 1, "text": caller.text, "language": "en"},
        {"channel": 2, "text": called.text, "language": "en"},
    ]
    assert both.to_dict()["segments"][1]["channel"] == 2
    assert "channel" not in str(caller.to_dict())
    assert both.to_srt(line_length=10).splitlines()[4:13] == [
        "2", "00:00:00,800 --> 00:00:03,500", "[2] Good", "day to", "",
        "3", "00:00:03,800 --> 00:00:04,500", "[2] you.", "",
    ]  # fmt: skip
    assert "<v 2>Good day to you." in both.to_vtt()
    assert both.show().splitlines()[2] == "    0:00.80 -   0:04.00  [2] Good day to you."
    assert [row[-1] for row in both.csv_rows()] == ["1", "2", "1"]
    german = replace(called, language="de")
    assert Transcript.of_channels([caller, german]).language == ""


def test_words_without_segments_become_cues_of_a_few_seconds():
    words = tuple(Word(f"w{n}", n, n + 0.5, 0.5) for n in range(10))
    cues = list(Transcript("a", "m", "", words=words).cues())
    assert [(cue.start, cue.end) for cue in cues] == [(0, 5.5), (6, 9.5)]
    assert cues[1].text == "w6 w7 w8 w9"
    assert TRANSCRIPT.score == pytest.approx((0.9 * 1.25 + 0.5 * 1.4996) / 2.7496, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "value"), [("own", True), ("any", False), ("words.txt", "words.txt")]
)
def test_the_vocabulary_of_the_model_or_none(text, value):
    model = Recorder()
    options = {"vocabulary": text, "beam": 3}
    assert list(TranscriptConsole(model).results(["a.wav"], options)) == []  # type: ignore[arg-type]
    assert model.options == {"vocabulary": value, "beam": 3}
    assert options["vocabulary"] == text


def test_a_failure_passes_between_files_of_sound(tmp_path):
    sound = Audio(np.zeros(10, np.float32), 1000, "7", "tiny")
    failed = Failed("x", InputError("x: unknown", "x"))
    console = AudioConsole(Recorder(failed, sound), AudioFlags(output=str(tmp_path / "new")))  # type: ignore[arg-type]
    first, second = console.shown(["x", "7"], {})
    assert first is failed
    assert second.file == str(tmp_path / "new" / "tiny-7.wav")
    assert second.show() == f"7: 0.01 s of sound at 1,000 Hz, written to {second.file}"
    (tmp_path / "file").write_text("")
    console = AudioConsole(Recorder(), AudioFlags(output=str(tmp_path / "file" / "x")))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cannot be made"):
        console.results([], {})


def test_sound_as_json_and_as_a_file():
    sound = Audio(np.array([0.0, -0.5, 0.25], np.float32), 8000, "seven", "tiny")
    assert sound
    assert sound.to_dict() == {
        "input": "seven", "model": "tiny", "sample_rate": 8000, "seconds": 0.0004, "peak": 0.5
    }  # fmt: skip
    embedded = sound.to_dict(embed=True)
    assert embedded.pop("audio_wav").startswith("UklGR")  # RIFF
    assert embedded == sound.to_dict()
    assert sound.audio[:4] == b"RIFF"
    assert len(sound.audio) == 44 + 2 * 3


def test_a_file_for_each_recording(tmp_path, capsys):
    other = replace(TRANSCRIPT, input="talks/b.flac")
    twin = replace(TRANSCRIPT, input="other/a.mp3")
    failed = Failed("c.wav", InputError("c.wav: there is no such file"))
    flags = TranscriptFlags(output=str(tmp_path / "out"), format="vtt")
    written = TranscriptConsole(Recorder(TRANSCRIPT, other, failed, twin), flags)  # type: ignore[arg-type]
    assert len(list(written.shown([], {}))) == 4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a-2.vtt",
        "a.vtt",
        "b.vtt",
    ]
    assert (tmp_path / "out" / "b.vtt").read_text() == TRANSCRIPT.to_vtt()
    assert "3 transcripts" in capsys.readouterr().err
    short = TranscriptFlags(output=str(tmp_path / "a.srt"), line_length=4, cue_seconds=1.0)
    list(TranscriptConsole(Recorder(TRANSCRIPT), short).results([], {}))  # type: ignore[arg-type]
    assert (tmp_path / "a.srt").read_text() == TRANSCRIPT.to_srt(line_length=4, seconds=1.0)
    inputs = CommandInputs(["a.wav"], RECORDING)
    with pytest.raises(UsageError, match=r"written as \.srt, \.vtt, \.txt or \.json"):
        TranscriptConsole.check(TranscriptFlags(output="a.doc"), inputs)
