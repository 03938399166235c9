"""Damaged files of sound are an `InputError` or give finite samples, and never anything else."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from warmstart.errors import InputError
from warmstart.speech import audio, sound_files

RATE = 8000
FORMATS = [
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("AIFF", "PCM_24"),
    ("AU", "PCM_16"),
    ("CAF", "PCM_16"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
]
SOUND = np.random.default_rng(0).normal(0, 0.1, (400, 2)).astype(np.float32)


def written(form: tuple[str, str]) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, SOUND, RATE, format=form[0], subtype=form[1])
    return file.getvalue()


FILES = {form: written(form) for form in FORMATS}


@given(
    st.sampled_from(FORMATS),
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6),
)
def test_files_with_wrong_bytes(form, length, changes):
    data = bytearray(FILES[form])[: max(length, 1)]
    for index, value in changes:
        data[index % len(data)] = value
    with contextlib.suppress(InputError):
        samples = audio.decode(bytes(data), sample_rate=RATE)
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
    with contextlib.suppress(InputError):
        assert sound_files.file_seconds(bytes(data)) >= 0


@pytest.mark.parametrize("form", FORMATS)
def test_whole_files(form):
    samples = audio.decode(FILES[form], sample_rate=RATE)
    error = np.abs(samples - SOUND.mean(1)).max()
    assert error < (0.1 if form[0] == "OGG" else 1e-4)
    assert sound_files.file_seconds(FILES[form]) == pytest.approx(0.05)
