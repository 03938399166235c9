"""Recordings in MP4, Matroska and AAC files."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmstart.errors import InputError
from warmstart.speech import audio, sound_files

RATE = 16_000


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


def encoded(
    container: str, codec: str, channels: int = 1, seconds: float = 2.0, level: float = 1.0
) -> bytes:
    av = pytest.importorskip("av")
    file = io.BytesIO()
    rate = 48_000
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.layout = "mono" if channels == 1 else "stereo"
        samples = np.stack([level * tone(seconds, rate) / (n + 1) for n in range(channels)])
        frame = av.AudioFrame.from_ndarray(samples, "fltp", stream.layout.name)
        frame.sample_rate = rate
        for part in av.AudioResampler(stream.format.name, stream.layout.name, rate).resample(frame):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()


FORMATS = [
    ("mp4", "aac"),
    ("adts", "aac"),
    ("webm", "libopus"),
    ("matroska", "libopus"),
]


@pytest.mark.parametrize(("container", "codec"), FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_they_sound_as_they_were_written(container, codec, channels, tmp_path):
    data = encoded(container, codec, channels)
    path = tmp_path / "sound.bin"
    path.write_bytes(data)
    for value in (data, path, io.BytesIO(data)):
        samples = audio.decode(value, sample_rate=RATE)
        assert len(samples) / RATE == pytest.approx(2.0, abs=0.1)
        middle = samples[RATE // 2 : RATE]
        level = 0.5 if channels == 1 else 0.375  # the mean of the channels
        assert np.abs(middle).max() == pytest.approx(level, rel=0.15)
        crossings = int((np.diff(np.sign(middle)) != 0).sum())
        assert crossings == pytest.approx(440, abs=10)
    assert sound_files.file_seconds(data) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(("container", "codec"), FORMATS)
def test_one_that_is_cut_off_is_refused(container, codec):
    data = encoded(container, codec, seconds=4.0)
    for share in (0.3, 0.6):
        with pytest.raises(InputError, match=r"damaged|cut off"):
            audio.decode(data[: int(share * len(data))], sample_rate=RATE)


def test_the_length_of_aac_is_not_that_of_its_first_frames():
    """It has no header, and FFmpeg estimates by bits of its first frames, which are silence here."""
    silence = encoded("adts", "aac", seconds=4.0, level=0.0)
    noise = encoded("adts", "aac", seconds=2.0)
    samples = audio.decode(silence + noise, sample_rate=RATE)
    assert len(samples) / RATE == pytest.approx(6.0, abs=0.2)


@given(st.binary(max_size=400), st.sampled_from(FORMATS))
def test_damaged_ones_are_input_errors(noise, form):
    pytest.importorskip("av")
    heads = {"mp4": b"\0\0\0\x20ftypM4A ", "adts": b"\xff\xf1\x50\x80"}
    data = heads.get(form[0], b"\x1a\x45\xdf\xa3") + noise
    for work in (
        lambda: audio.decode(data, sample_rate=RATE),
        lambda: sound_files.file_seconds(data),
    ):
        with contextlib.suppress(InputError):
            work()


def test_without_pyav_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("warmstart.errors.is_installed", lambda package: False)
    for data in (b"\0\0\0\x20ftypM4A \0\0\0\0", b"\x1a\x45\xdf\xa3" + bytes(30)):
        with pytest.raises(InputError, match=r"pip install 'warmstart\[av\]'"):
            audio.decode(data, sample_rate=RATE)
        with pytest.raises(InputError, match=r"pip install 'warmstart\[av\]'"):
            sound_files.file_seconds(data)


def test_a_film_without_sound_is_named():
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(InputError, match="has no audio track"):
        audio.decode(file.getvalue(), sample_rate=RATE)
