"""Whisper's features equal transformers' (golden), whatever the blocks, and long recordings stay
flat in memory.
"""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from warmstart.errors import UsageError
from warmstart.speech.mel_windows import HOP, RATE, Windows

GOLDEN = Path(__file__).parents[1] / "golden" / "whisper" / "expected.npz"


@pytest.fixture(scope="module")
def expected():
    with np.load(GOLDEN) as file:
        return dict(file)


def recording(seconds: float) -> np.ndarray:
    """As in scripts/make_goldens_whisper.py."""
    t = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * (200 + 900 * (t % 1.7)) * t) * (np.sin(2 * np.pi * 0.6 * t) > -0.3)
    return (0.4 * tone + 0.1 * np.sin(2 * np.pi * 3000 * t * (1 + t / 50))).astype(np.float32)


def blocks_of(samples: np.ndarray, size: int):
    return lambda: (samples[i : i + size] for i in range(0, len(samples), size))


@pytest.mark.parametrize("mels", [80, 128])
def test_thirty_seconds_equal_the_reference(mels, expected):
    windows = Windows(blocks_of(recording(12.0), 10_000), mels)
    assert windows.count == 1200
    features = windows.at(0)
    assert features.shape == (mels, 3000)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[:, 3:1300:97], expected[f"mel_{mels}"], atol=1e-4)


@pytest.mark.parametrize("size", [999, 50_000, 1_000_000])
def test_a_long_recording_equals_the_reference_whatever_its_blocks(size, expected):
    windows = Windows(blocks_of(recording(10.3), size), 80, 300)
    assert windows.count == 1030
    seen = [windows.at(frame) for frame in (0, 290, 290, 580, 870)]
    np.testing.assert_array_equal(seen[1], seen[2])
    whole = np.concatenate([seen[0][:, :290], seen[1][:, :290], seen[3][:, :290], seen[4]], axis=1)
    np.testing.assert_allclose(whole[:, :1030:7], expected["long_features"], atol=1e-4)
    assert not whole[:, 1030:].any()  # zeros after the end, as the references fill the last window
    with pytest.raises(UsageError, match="no longer in memory"):
        windows.at(0)


def test_a_window_far_ahead_can_be_asked_for():
    samples = recording(40.0)
    near, far = (Windows(blocks_of(samples, 16_000), 80, 300) for _ in range(2))
    for frame in range(0, 3700, 100):
        got = near.at(frame)
    np.testing.assert_array_equal(got, far.at(3600))


@pytest.mark.parametrize("count", [0, 1, 150, 201, HOP * 300])
def test_short_recordings_are_filled_up(count):
    samples = recording(3.0)[:count]
    windows = Windows(blocks_of(samples, 77), 80, 300)
    full = Windows(
        blocks_of(np.concatenate([samples, np.zeros(HOP * 300 - count, np.float32)]), 9999), 80, 300
    )
    np.testing.assert_array_equal(windows.at(0), full.at(0))
    assert windows.count == count // HOP
    assert windows.seconds == count / RATE
    assert windows.silent == (not samples.any())


def test_a_longer_recording_takes_no_more_memory():
    second = recording(1.0)
    peaks = []
    for seconds in (50, 250):
        tracemalloc.start()
        windows = Windows(lambda n=seconds: (second for _ in range(n)), 80)
        for frame in range(0, windows.count, 2500):
            windows.at(frame)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
