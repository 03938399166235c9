"""Recordings of every kind become samples at the model's rate; what is no recording is told by
name.
"""

import io
import tracemalloc

import numpy as np
import pytest
import soundfile

from warmstart.errors import InputError, UsageError
from warmstart.speech import audio, mu_law
from warmstart.speech.inputs import RECORDING

RATE = 8000
TONE = (0.5 * np.sin(np.arange(2 * RATE) * 2 * np.pi * 440 / RATE)).astype(np.float32)


def written(samples, rate=RATE, **options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"format": "WAV", "subtype": "PCM_U8"}, 1e-2),
        ({"format": "WAV", "subtype": "PCM_16"}, 1e-4),
        ({"format": "WAV", "subtype": "PCM_24"}, 1e-6),
        ({"format": "WAV", "subtype": "FLOAT"}, 0),
        ({"format": "FLAC", "subtype": "PCM_16"}, 1e-4),
        ({"format": "OGG", "subtype": "VORBIS"}, 0.05),
        ({"format": "AIFF", "subtype": "PCM_16"}, 1e-4),
    ],
)
def test_formats(options, tolerance, tmp_path):
    path = tmp_path / "tone"
    path.write_bytes(written(TONE, **options))
    for value in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        found = audio.decode(value, sample_rate=RATE)
        assert found.dtype == np.float32
        assert np.abs(found - TONE).max() <= tolerance


def test_mp3_is_read():
    found = audio.decode(written(TONE, 16000, format="MP3"), sample_rate=16000)
    spectrum = np.abs(np.fft.rfft(found[2000:14000] * np.hanning(12000)))
    assert spectrum.argmax() == pytest.approx(880 * 12000 / 16000, abs=1)  # TONE at twice its rate


@pytest.mark.parametrize(("rate", "channels"), [(4000, 1), (44100, 2), (192000, 8)])
def test_rates_and_channels(rate, channels):
    wave = 0.5 * np.sin(np.arange(2 * rate) * 2 * np.pi * 440 / rate)
    samples = np.repeat(wave[:, None], channels, 1) * np.linspace(0.5, 1.5, channels)
    for value in (
        written(samples, rate, format="WAV", subtype="FLOAT"),
        (samples, rate),
        (samples.T, rate),
    ):
        found = audio.decode(value, sample_rate=RATE)
        assert len(found) == pytest.approx(len(TONE), abs=2)
        assert (
            np.abs(found[400:15600] - TONE[400:15600] * (1 if channels > 1 else 0.5)).max() < 2e-3
        )


def test_arrays():
    for value, rate in (
        ((TONE, RATE), None),
        (TONE, RATE),
        ({"array": TONE, "sampling_rate": RATE}, None),
        (((TONE * 32768).astype(np.int16), RATE), None),
    ):
        assert np.abs(audio.decode(value, sample_rate=RATE, array_rate=rate) - TONE).max() < 1e-4
    assert RECORDING.single((TONE, RATE)).value == (TONE, RATE)
    assert not RECORDING.is_several((TONE, RATE))
    assert RECORDING.is_several([(TONE, RATE)])
    items = list(RECORDING.stream(iter([(TONE, RATE), "a.wav"])))
    assert [item.name for item in items] == ["item 1", "a.wav"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"", "not a recording"),
        (b"\xff\xd8\xff\xe0 a picture", "not a recording"),
        ("nowhere.wav", "no such file"),
        (written(TONE[:0], format="WAV"), "no samples"),
        ((np.zeros((0,)), RATE), "no samples"),
        ((np.array([0.0, np.nan]), RATE), "NaN"),
        (written(np.float32([0, np.inf]), format="WAV", subtype="FLOAT"), "NaN or infinity"),
        ((TONE * 32768, RATE), "a sample of 16,384, but samples are from -1 to 1"),
        (written(TONE * 32768, format="WAV", subtype="FLOAT"), "divide them by their full scale"),
        (TONE, "sampling rate"),
        ((TONE, 1e9), "sampling rate must be from"),
        ((TONE, 0), "sampling rate must be from"),
        ((TONE, float("nan")), "not a sampling rate"),
        ((np.zeros((2, 3, 4)), RATE), r"\(2, 3, 4\)"),
        ((np.array(["a"]), RATE), "numbers"),
        (3, "int"),
        (written(TONE, format="FLAC")[:-2000], "cut off"),
    ],
    ids=range(17),
)
def test_what_is_no_recording(value, words):
    with pytest.raises(InputError, match=words):
        audio.decode(value, name="the item", sample_rate=RATE)


def test_too_long_for_one_array():
    with pytest.raises(InputError, match="longer than 1 s"):
        audio.decode((TONE, RATE), name="x", sample_rate=RATE, longest=1.0)


def test_long_recordings_are_read_in_flat_memory(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 16000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(16000 * 10, np.float32))
    tracemalloc.start()
    total = sum(len(part) for part in audio.pieces(path, sample_rate=RATE))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 600 * RATE
    assert peak < 4 * 2**20  # the whole would be 38 MB at its own rate


def test_folders(tmp_path):
    for name in ("b.wav", "a10.flac", "a9.flac", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [item.name.rsplit("/", 1)[1] for item in RECORDING.stream(tmp_path)] == [
        "a9.flac",
        "a10.flac",
        "b.wav",
    ]
    with pytest.raises(UsageError, match="no recording"):
        list(RECORDING.stream(tmp_path / "*.mp3"))


def test_mu_law_is_its_own_inverse_up_to_a_level():
    levels = np.arange(256)
    np.testing.assert_array_equal(mu_law.encode(mu_law.decode(levels)), levels)
    x = np.linspace(-1, 1, 999)
    assert np.abs(mu_law.decode(mu_law.encode(x)) - x).max() < 0.025
    assert mu_law.encode(np.array([-2.0, 2.0])).tolist() == [0, 255]


def test_one_channel_of_several():
    sound = np.stack([TONE, -0.5 * TONE], 1)
    for channel, factor in ((1, 1.0), (2, -0.5), (None, 0.25)):
        found = np.concatenate(
            list(audio.pieces(sound, sample_rate=RATE, array_rate=RATE, channel=channel))
        )
        np.testing.assert_allclose(found, factor * TONE, atol=1e-6)
    with pytest.raises(InputError, match="has 2 channels, and no channel 3"):
        list(audio.pieces(sound, sample_rate=RATE, array_rate=RATE, channel=3))
    with pytest.raises(InputError, match="has 1 channel, and no channel 2"):
        list(audio.pieces(TONE, sample_rate=RATE, array_rate=RATE, channel=2))
