"""Part 8 of `speech.py`: the error rates of Whisper in float32, and how much int8 adds to them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import warmstart as ws
from figures import Figure
from settings import ROOT, log
from warmstart.speech.error_rates import ErrorRate
from warmstart.speech.normalizer import normalize

sys.path.append(str(ROOT / "scripts"))
from digits_audio import RATE, read_clips, sequences_of, split

TRANSCRIPTION = "transcription"
ADDED = 0.003
"""The most that int8 may add to an error rate."""


def error_rates(
    folder: Path, recordings: Path, digits: Path, count: int | None
) -> Iterator[Figure]:
    """The figures.

    Args:
        folder: of Whisper.
        recordings: labelled: a folder with a file `transcription` of CMU Sphinx, or what `evaluate`
            takes.
        digits: the folder of the Free Spoken Digit Dataset.
        count: the number of sequences of digits; None: all.
    """
    _, test = split(read_clips(digits))
    sequences = sequences_of(test)[:count]
    texts = sphinx_texts(recordings / TRANSCRIPTION) or recordings
    read, spoken = {}, {}
    for precision in ("float32", "int8"):
        log(f"Whisper in {precision}")
        model: Any = ws.load(folder, task="speech-recognition", precision=precision)
        rates = model.evaluate(texts)
        read[precision] = float(rates["wer_normalized"])
        yield Figure(
            8,
            f"word error rate of {folder.name} in {precision}, {rates['count']} recordings",
            read[precision],
            "share",
            bar=0.03,
            note=f"after Whisper's text normalizer; without it {rates['wer']:.1%}",
        )
        spoken[precision] = digit_error_rate(model, sequences)
    for what, rates in (
        ("word error rate, read texts", read),
        (f"digit error rate, {len(sequences)} sequences of 5 spoken digits", spoken),
    ):
        yield Figure(
            8,
            f"{folder.name}: {what}: added by int8",
            rates["int8"] - rates["float32"],
            "share",
            bar=ADDED,
            note=f"float32 {rates['float32']:.2%}, int8 {rates['int8']:.2%}",
        )


def sphinx_texts(path: Path) -> list[tuple[Path, str]]:
    """The recordings in the folder of a file of lines `<s> text </s> (name)`, with their texts."""
    lines = path.read_text("utf-8") if path.is_file() else ""
    return [
        (path.with_name(f"{name}.wav"), text)
        for text, name in re.findall(r"<s> (.+) </s> \((.+)\)", lines)
    ]


def digit_error_rate(model: Any, sequences: Sequence[tuple[np.ndarray, str]]) -> float:
    """The error rate of the digits: Whisper writes them as figures or words, with or without
    spaces.
    """
    rate = ErrorRate()
    results = model([(samples, RATE) for samples, _ in sequences], language="en")
    for (_, text), result in zip(sequences, results, strict=True):
        rate.add(digits_of(text), digits_of(result.text))
    return rate.value


def digits_of(text: str) -> str:
    return "".join(c for c in normalize(text, "en") if c.isdigit())
