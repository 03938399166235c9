"""Agreement of precisions of a model that recognises speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from warmstart.core.inputs import Item, Row
from warmstart.core.result_agreement import Parts, ResultRule
from warmstart.speech import audio
from warmstart.speech.error_rates import ErrorRate, plain
from warmstart.speech.mel_windows import RATE

SECONDS = 30
"""The part of each recording that is compared, from its beginning."""


class SameWords(ResultRule):
    """1 minus the word error rate of the transcripts relative to those in float32; at least 0."""

    words = "same words"

    def read(self, model: Any, item: Item) -> Row:
        pieces = audio.pieces(item.value, name=item.name, sample_rate=RATE)
        return {"samples": np.concatenate(list(_first(pieces, SECONDS * RATE)))}

    def parts(self, model: Any, row: Row) -> Parts:
        return plain(model((row["samples"], RATE)).text).split()

    def agreement(self, actual: Sequence[Parts], expected: Sequence[Parts]) -> float:
        rate = ErrorRate()
        for words, reference in zip(actual, expected, strict=True):
            rate.add(reference, words)
        return max(0.0, 1.0 - rate.value)


SAME_WORDS = SameWords()


def _first(pieces: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The first samples of a recording."""
    for piece in pieces:
        yield piece[:count]
        count -= len(piece)
        if count <= 0:
            return
