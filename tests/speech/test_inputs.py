"""Recordings and utterances as inputs: of Python, of requests, of the command line."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from warmstart.errors import InputError, TooLargeError, UsageError
from warmstart.serve.settings import Settings
from warmstart.speech.inputs import RECORDING, UTTERANCE

SOUND = np.zeros(800, np.float32)


def wav(samples: Any = SOUND) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="WAV")
    return file.getvalue()


@pytest.mark.parametrize("value", [
    "a.wav", Path("a.wav"), "https://example.org/a.wav", wav(), io.BytesIO(wav()), SOUND, SOUND[:, None],
    (SOUND, 8000), {"array": SOUND, "sampling_rate": 8000},
], ids=["str", "path", "url", "bytes", "file", "array", "channels", "rate", "mapping"])  # fmt: skip
def test_one_recording(value):
    assert not RECORDING.is_several(value)
    assert RECORDING.single(value).value is value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("talks/*.wav", "stream"),
        (Path("."), "stream"),
        (iter([SOUND]), "stream"),
        ((SOUND, SOUND), r"list\(x\)"),
        (np.zeros((2, 3, 4)), r"list\(x\)"),
        (None, "None"),
        (3, "int"),
        ({"array": SOUND}, "dict"),
    ],
    ids=["pattern", "folder", "iterator", "tuple", "batch", "none", "number", "mapping"],
)
def test_what_is_not_one_recording(value, message):
    with pytest.raises(UsageError, match=message):
        RECORDING.single(value)


def test_a_stream_of_recordings(tmp_path):
    for name in ("b.wav", "a.flac", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [Path(item.name).name for item in RECORDING.stream(tmp_path)] == ["a.flac", "b.wav"]
    assert len(list(RECORDING.stream(iter([SOUND, (SOUND, 8000)])))) == 2
    assert len(list(RECORDING.stream(f"{tmp_path}/*.wav"))) == 1
    assert len(list(RECORDING.stream((SOUND, 8000)))) == 1


def test_a_recording_of_a_request():
    settings = Settings()
    data = wav()
    assert RECORDING.from_bytes(data, settings) == data
    assert RECORDING.from_json(base64.b64encode(data).decode(), settings) == data
    with pytest.raises(InputError, match="empty"):
        RECORDING.from_bytes(b"", settings)
    RECORDING.check_size(data, settings)
    with pytest.raises(InputError, match=r"longer than 0\.05 s"):
        RECORDING.check_size(data, Settings(max_audio=0.05))
    with pytest.raises(InputError, match="can be read"):
        RECORDING.check_size(b"\xff\xd8\xff\xe0", settings)
    stereo, limits = wav(np.stack([SOUND, SOUND], 1)), Settings(max_audio=0.15)
    RECORDING.check_size(stereo, limits)
    RECORDING.check_size(stereo, limits, {"channel": 1})
    with pytest.raises(InputError, match=r"2 channels, which together are longer than 0\.15 s"):
        RECORDING.check_size(stereo, limits, {"channel": "each"})


@pytest.mark.parametrize(("value", "name", "word"), [
    ("seven", "seven", "seven"), ("7 1", "7 1", "7 1"), (7, "7", 7), (np.int64(7), "7", 7),
    (b"seven", "seven", "seven"),
])  # fmt: skip
def test_one_utterance(value, name, word):
    item = UTTERANCE.single(value)
    assert (item.name, item.value) == (name, word)


@pytest.mark.parametrize(("value", "message"), [
    (Path("words.txt"), "stream"), (iter(["7"]), "stream"), (("7", "1"), r"list\(x\)"), (None, "None"), (7.5, "float"),
    ({"text": "7"}, "dict"), (True, "bool"),
])  # fmt: skip
def test_what_is_not_one_utterance(value, message):
    with pytest.raises(UsageError, match=message):
        UTTERANCE.single(value)


def test_a_stream_of_utterances(tmp_path):
    (tmp_path / "words.txt").write_text("seven\n\n7 1\n", "utf-8")
    lines = list(UTTERANCE.stream(tmp_path / "words.txt"))
    assert [(item.name.rpartition("/")[2], item.value) for item in lines] == [
        ("words.txt:1", "seven"), ("words.txt:3", "7 1")]  # fmt: skip
    assert [item.value for item in UTTERANCE.stream("seven")] == ["seven"]
    first, second = UTTERANCE.stream(iter([7, None]))
    assert (first.value, first.index) == (7, 0)
    assert isinstance(second.value, InputError)
    with pytest.raises(InputError, match=r"nowhere\.txt"):
        list(UTTERANCE.stream(tmp_path / "nowhere.txt"))
    with pytest.raises(InputError, match="UTF-8"):
        UTTERANCE.single(b"\xff")


def test_an_utterance_of_a_request():
    settings = Settings(max_text=3)
    assert UTTERANCE.from_bytes("\ufeffone".encode(), settings) == "one"
    assert UTTERANCE.from_json("one", settings) == "one"
    with pytest.raises(InputError, match="string"):
        UTTERANCE.from_json(7, settings)
    with pytest.raises(TooLargeError, match="4 characters"):
        UTTERANCE.from_json("four", settings)
