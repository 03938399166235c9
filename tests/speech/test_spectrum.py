"""MFCC and log-mel: librosa's numbers, and a stream's equal to the whole recording's."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmstart.errors import UsageError
from warmstart.speech.spectrum import Features, FeatureStream, hz_to_mel, mel_to_hz

GOLDEN = Path(__file__).parents[1] / "golden" / "speech_features.npz"
HTK = {
    "kind": "log_mel",
    "n_fft": 400,
    "hop": 160,
    "mels": 80,
    "low": 20.0,
    "high": 7600.0,
    "scale": "htk",
    "log": "ln",
}
MFCC = {"sample_rate": 8000, "n_fft": 256, "hop": 100, "mels": 40, "coefficients": 20}


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("mfcc", MFCC),
        ("htk", HTK),
        (
            "reflected",
            {
                "kind": "log_mel",
                "n_fft": 400,
                "hop": 160,
                "mels": 80,
                "log": "log10",
                "edge": "reflect",
            },
        ),
    ],
)
def test_as_librosa_computes_them(golden, name, config):
    found = Features.of(config)(golden["samples"])
    assert found.dtype == np.float32
    assert found.shape == golden[name].shape
    np.testing.assert_allclose(found, golden[name], atol=1e-3)  # decibels of up to 100


@settings(max_examples=30)
@given(st.lists(st.integers(0, 700), max_size=12), st.integers(0, 3))
def test_a_stream_gives_the_frames_of_the_whole(sizes, seed):
    features = Features(**MFCC)
    samples = np.random.default_rng(seed).normal(0, 0.1, sum(sizes)).astype(np.float32)
    stream, parts = FeatureStream(features), []
    for place, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
        parts.append(stream.add(samples[place : place + size]))
    found = np.concatenate([*parts, stream.end()])
    np.testing.assert_allclose(found, features(samples), atol=1e-3)


def test_standardised_silence_and_counts():
    features = Features(**MFCC, mean=(1.0,) * 20, std=(2.0,) * 20)
    silent = features(np.zeros(800, np.float32))
    assert silent.shape == (features.count(800), features.size) == (9, 20)
    plain = Features(**MFCC)(np.zeros(800, np.float32))
    np.testing.assert_allclose(silent, (plain - 1) / 2, rtol=1e-6)
    assert plain[0, 0] == pytest.approx(-100 * np.sqrt(40), rel=1e-4)  # the floor, and nothing else
    assert np.abs(plain[:, 1:]).max() < 1e-3


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_mel_scales_have_inverses(scale):
    hz = np.array([20.0, 500.0, 999.0, 1001.0, 7000.0])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz, scale), scale), hz)


@pytest.mark.parametrize(
    "config",
    [
        {"kind": "plp"},
        {"hop": 0},
        {"mels": 10, "coefficients": 11},
        {"high": 9000.0},
        {"colour": 1},
        {"mean": (1.0,)},
        {"n_fft": 10**9},
    ],
)
def test_impossible_rules_are_refused(config):
    with pytest.raises(UsageError, match="features"):
        Features.of(config)
