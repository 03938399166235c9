"""The one call of speech recognition, with the model inside the package: forms of inputs, options,
cancellation.
"""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
import soundfile

import warmstart as ws
from warmstart.core import cancellation
from warmstart.core.loading import default_model
from warmstart.core.options import fields_of, schema
from warmstart.errors import CancelledError, InputError, OfflineError, UsageError
from warmstart.speech.options import TranscribeOptions

RATE = 8000
SOUND = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return ws.load("digits_wavenet_asr", engine="litert")


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "b.flac", "c.wav"):
        soundfile.write(tmp_path / name, SOUND, RATE)
    return tmp_path


def test_one_several_and_a_stream(model, folder):
    one = model(folder / "a.wav")
    assert one
    assert one.input == str(folder / "a.wav")
    several = model(
        [
            folder / "a.wav",
            str(folder / "b.flac"),
            (SOUND, RATE),
            {"array": SOUND, "sampling_rate": RATE},
        ]
    )
    assert isinstance(several, list)
    assert [result.input for result in several[2:]] == ["item 3", "item 4"]
    for inputs in (folder, f"{folder}/*", (path for path in sorted(folder.iterdir()))):
        results = model.stream(inputs)
        assert not isinstance(results, list)
        assert [result.input.rpartition("/")[2] for result in results] == [
            "a.wav",
            "b.flac",
            "c.wav",
        ]


def test_a_call_refuses_what_stands_for_many(model, folder):
    for inputs in (folder, f"{folder}/*.wav", iter([SOUND])):
        with pytest.raises(UsageError, match="stream"):
            model(inputs)
    for inputs in ((SOUND, SOUND), np.zeros((2, 3, 100))):
        with pytest.raises(UsageError, match=r"list\(x\)"):
            model(inputs)
    first, second = model([folder / "a.wav", folder])
    assert first
    assert not second
    assert "stream" in str(second.error)


def test_a_bare_array_needs_its_rate(model):
    assert model(SOUND, sample_rate=RATE).duration == 1.0
    with pytest.raises(InputError, match="sampling rate"):
        model(SOUND)


def test_each_channel_is_transcribed_by_itself(model, tmp_path):
    stereo = np.stack([SOUND, np.roll(SOUND, 3000) * (np.arange(RATE) > RATE // 2)], 1)
    soundfile.write(tmp_path / "call.wav", stereo, RATE, subtype="FLOAT")
    alone = [model(tmp_path / "call.wav", channel=number) for number in (1, 2)]
    with (tmp_path / "call.wav").open("rb") as file:
        for form in (
            tmp_path / "call.wav",
            (tmp_path / "call.wav").read_bytes(),
            (stereo, RATE),
            file,
        ):
            both = model(form, channel="each")
            assert [one.text for one in both.channels] == [one.text for one in alone]
            assert [len(one.words) for one in both.channels] == [len(one.words) for one in alone]
            assert both.text.split("\n") == [one.text for one in alone]
            assert both.duration == 1.0
    mono = model((SOUND, RATE), channel="each")
    assert [one.channel for one in mono.channels] == [1]
    assert model([(SOUND, RATE), b"no sound"], channel="each")[1].error
    with pytest.raises(UsageError, match="channel must be each or an integer"):
        model((stereo, RATE), channel="both")
    with pytest.raises(UsageError, match="channel must be 1 or more"):
        model((stereo, RATE), channel=0)
    with pytest.raises(UsageError, match="belongs to a whole recording"):
        model.evaluate([((stereo, RATE), "one")], channel="each")
    field = fields_of(TranscribeOptions)["channel"]
    assert [field.parse(text) for text in ("each", "2")] == ["each", 2]
    assert schema(TranscribeOptions)["channel"] == {
        "type": ["string", "integer"],
        "pattern": "^(each)$",
        "minimum": 1,
        "description": field.option.help,
    }


def test_a_stream_reads_a_recording_when_its_result_is_taken(model):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield SOUND, RATE

    results = model.stream(endless())
    next(results)
    next(results)
    results.close()
    assert len(taken) == 2


def test_parameters_are_those_of_the_options():
    signature = inspect.signature(ws.SpeechRecognizer.__call__)
    assert list(signature.parameters) == ["self", "recording", *fields_of(TranscribeOptions)]
    assert signature.parameters["language"].default is None
    assert signature.parameters["word_timestamps"].default is False
    assert list(inspect.signature(ws.SpeechRecognizer.features).parameters)[2:] == [
        "column",
        "progress",
        "sample_rate",
    ]
    assert list(inspect.signature(ws.SpeechRecognizer.listen).parameters)[1:] == [
        "beam", "vocabulary", "language_model"]  # fmt: skip


def test_options_of_requests():
    schemas = schema(TranscribeOptions)
    assert not {"sample_rate", "vocabulary", "language_model"} & schemas.keys()
    assert schemas["temperature"]["items"] == {"type": "number", "minimum": 0}
    assert schemas["word_timestamps"] == {
        "type": "boolean",
        "default": False,
        "description": fields_of(TranscribeOptions)["word_timestamps"].option.help,
    }


@pytest.mark.parametrize(("options", "message"), [
    ({"language": "en"}, "digits_wavenet_asr has no option 'language'; did you mean language_model"),
    ({"temperature": 0.5}, "no option 'temperature'"), ({"beam": 0}, "beam must be from 1 to 1000"),
    ({"beam": 1.5}, "integer"), ({"sample_rate": 0}, "sample_rate"), ({"loud": True}, "no option 'loud'"),
    ({"vocabulary": True, "language_model": "a.arpa"}, "not both"),
    ({"vocabulary": []}, "non-empty words"), ({"vocabulary": ["five", " "]}, "non-empty words"),
])  # fmt: skip
def test_wrong_options_are_refused_before_anything_is_read(model, options, message):
    with pytest.raises(UsageError, match=message):
        model("nowhere.wav", **options)
    with pytest.raises(UsageError, match=message):
        model.stream(iter([]), **options)


def test_one_temperature_or_several():
    field = fields_of(TranscribeOptions)["temperature"]
    assert field.check(0) == (0.0,)
    assert field.check([0, 0.5]) == (0.0, 0.5)
    assert field.parse("0,0.5") == (0.0, 0.5)
    for value in (-1, [0, -1], "warm", True):
        with pytest.raises(UsageError, match="temperature"):
            field.check(value)
    assert TranscribeOptions(temperature=0.5).temperatures == (0.5,)


def test_transcribing_stops_between_windows(model):
    calls = []

    def cancelled():
        calls.append(1)
        return len(calls) == 3

    long = np.zeros(120 * RATE, np.float32)
    with cancellation.scope(cancelled), pytest.raises(CancelledError):
        model((long, RATE))
    assert len(calls) == 3
    with cancellation.scope(lambda: True), pytest.raises(CancelledError):
        model.features((long, RATE))
    assert model((SOUND, RATE))


def test_live_sound(model):
    live = model.listen(vocabulary=False)
    assert live.sample_rate == RATE
    words = [live.add(SOUND[start : start + 1000]) for start in range(0, RATE, 1000)]
    assert isinstance(live.pending, str)
    assert live.end().text == model((SOUND, RATE), vocabulary=False).text
    assert all(isinstance(word, str) for word in words)
    with pytest.raises(UsageError, match="beam"):
        model.listen(beam=0)


def test_another_engine_gets_its_own_recognizer(model):
    other = model.with_engine(model.engine)
    assert other.recognizer is model.recognizer
    changed = model.with_engine(object())
    assert changed.recognizer.engine is changed.engine
    assert model.recognizer.engine is model.engine


def test_an_architecture_that_recognizes_no_speech(model):
    entry = replace(model.entry, architecture="bert")
    with pytest.raises(UsageError, match="'bert' has no runner"):
        type(model)(entry, model.weights, ()).recognizer  # noqa: B018


def test_without_a_network_the_default_says_what_there_is(monkeypatch):
    monkeypatch.setenv("WARMSTART_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"Without a network there is digits_wavenet_asr \("):
        default_model("speech-recognition")
