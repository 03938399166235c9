"""Word and character error rate: the edits from the transcript to the reference text, over the
length of the reference.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from warmstart.speech.normalizer import normalize


class ErrorRate:
    """Edits over length, of several pairs of sequences together."""

    def __init__(self) -> None:
        self.edits = self.length = 0

    def add(self, reference: Sequence[Any], transcript: Sequence[Any]) -> None:
        self.edits += edits(reference, transcript)
        self.length += len(reference)

    @property
    def value(self) -> float:
        """Edits divided by length, which may be above 1."""
        return self.edits / max(self.length, 1)


class ErrorRates:
    """The error rates of several recordings: of all their words and characters together."""

    def __init__(self) -> None:
        self._words, self._characters = ErrorRate(), ErrorRate()
        self._normalized = ErrorRate()

    def add(self, reference: str, transcript: str, language: str = "") -> None:
        """Count one recording.

        Args:
            reference: its true text.
            transcript: the text of the model.
            language: code of the language, which decides the rules of the normalizer.
        """
        a, b = plain(reference), plain(transcript)
        self._characters.add(a, b)
        self._words.add(a.split(), b.split())
        a, b = normalize(reference, language), normalize(transcript, language)
        self._normalized.add(a.split(), b.split())

    def to_dict(self) -> dict[str, float]:
        """`wer` and `cer` without case and punctuation; `wer_normalized` after Whisper's text
        normalizer.
        """
        return {
            "wer": self._words.value,
            "wer_normalized": self._normalized.value,
            "cer": self._characters.value,
        }


def plain(text: str) -> str:
    """Lower case, without punctuation (apostrophes inside words stay), single spaces."""
    letters = "".join(
        c if c == "'" or unicodedata.category(c)[0] in "LMN" else " "
        for c in unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    )
    return " ".join(word.strip("'") for word in letters.split() if word.strip("'"))


def edits(a: Sequence[Any], b: Sequence[Any]) -> int:
    """The minimum number of insertions, deletions and substitutions from one sequence to the other
    (Levenshtein).
    """
    if not a or not b:
        return len(a) or len(b)
    numbers = {item: n for n, item in enumerate(dict.fromkeys([*a, *b]))}
    other = np.array([numbers[item] for item in b])
    steps = np.arange(len(b) + 1)
    row = steps.copy()
    for index, item in enumerate(a, 1):
        candidate = np.concatenate(
            [[index], np.minimum(row[1:] + 1, row[:-1] + (other != numbers[item]))]
        )
        row = np.minimum.accumulate(candidate - steps) + steps  # then insertions from the left
    return int(row[-1])
