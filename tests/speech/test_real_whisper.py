"""OpenAI's Whisper base on real recordings."""

from __future__ import annotations

import re

import pytest
from tests.optional import require_bfloat16

import warmstart as ws
from warmstart.core.precision_comparison import compare_precisions

pytestmark = [pytest.mark.shared, pytest.mark.tensorflow, pytest.mark.timeout(1200)]
KENNEDY = (
    "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for "
    "your country."
)


@pytest.fixture(scope="module")
def recordings(shared_data):
    """Five sentences of an audio book and one of a speech, with what is said."""
    speech = shared_data / "speech"
    lines = (speech / "librivox" / "transcription").read_text().splitlines()
    sentences = [re.fullmatch(r"<s> (.*) </s> \((.*)\)", line) for line in lines]
    pairs = [(speech / "librivox" / f"{one[2]}.wav", one[1]) for one in sentences]
    return [*pairs, (speech / "jfk.flac", KENNEDY)]


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_error_rate(whisper_base, recordings, precision):
    if precision == "bfloat16":
        require_bfloat16()
    model = ws.load(whisper_base, task="speech-recognition", precision=precision)
    assert len(recordings) == 6
    rates = model.evaluate(recordings)
    assert rates["errors"] == []
    assert rates["wer_normalized"] <= 0.03
    assert rates["wer_normalized"] < rates["wer"]  # "Mr." is "mister"


def test_the_words_of_bfloat16_are_those_of_float32(whisper_base, recordings):
    require_bfloat16()
    model = ws.load(whisper_base, task="speech-recognition")
    rough = ws.load(whisper_base, task="speech-recognition", precision="bfloat16")
    compared = compare_precisions(rough, model, [path for path, _ in recordings[:2]])
    assert (compared.count, compared.measure, compared.difference) == (2, "same words", None)
    assert compared.agreement >= 0.95
