"""Only the lines of TensorFlow and LiteRT are held back, and only while they are at work."""

import os

import pytest

from warmstart.engines.noise import quiet

NOISE = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795982173.206764   13630 port.cc:153] oneDNN custom operations are on.",
    "E0000 00:00:1795982195.799099   13630 cuda_platform.cc:52] failed call to cuInit: INTERNAL",
    "2026-01-05 10:00:00.123: I tensorflow/core/platform/cpu_feature_guard.cc:210] This binary",
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
]


@pytest.mark.parametrize("line", NOISE)
def test_noise_is_held_back_and_the_rest_is_not(line, capfd):
    with quiet():
        os.write(2, f"before\n{line}\nafter\n".encode())
    os.write(2, f"{line}\n".encode())
    assert capfd.readouterr().err == f"before\nafter\n{line}\n"


def test_what_was_written_before_an_error_is_shown(capfd):
    @quiet()
    def fail():
        os.write(2, b"the reason\n")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert capfd.readouterr().err == "the reason\n"


def test_a_level_of_zero_shows_everything(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with quiet():
        os.write(2, f"{NOISE[0]}\n".encode())
    assert capfd.readouterr().err == f"{NOISE[0]}\n"
