"""Whisper's text normalizer equals the reference, and `evaluate` reports error rates after it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmstart.speech.error_rates import ErrorRates
from warmstart.speech.normalizer import normalize

CASES = json.loads((Path(__file__).parents[1] / "golden" / "normalizer.json").read_text("utf-8"))


def test_it_equals_the_reference():
    assert len(CASES) > 400
    for text, language, expected in CASES:
        assert normalize(text, language) == expected, text


@given(st.text(max_size=60), st.sampled_from(["en", "de", "ja", ""]))
def test_any_text_can_be_normalized(text, language):
    assert isinstance(normalize(text, language), str)


@pytest.mark.parametrize(
    ("reference", "transcript", "language", "wer", "normalized"),
    [
        ("Mister Brown can't organise it", "Mr. Brown cannot organize it", "en", 3 / 5, 2 / 6),
        ("it costs twenty one dollars", "It costs $21.", "en", 3 / 5, 0.0),
        ("zwei Äpfel", "2 Äpfel!", "de", 0.5, 0.5),
        ("今天是", "今天", "zh", 1.0, 1 / 3),
        ("said twice", "[noise] said twice", "", 0.5, 0.0),
    ],
)
def test_error_rates_with_and_without_it(reference, transcript, language, wer, normalized):
    rates = ErrorRates()
    rates.add(reference, transcript, language)
    assert rates.to_dict()["wer"] == pytest.approx(wer)
    assert rates.to_dict()["wer_normalized"] == pytest.approx(normalized)
