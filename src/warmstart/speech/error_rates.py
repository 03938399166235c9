"""Word and character error rate: edits that turn what was recognised into what was said, over the
length of that.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np


class ErrorRates:
    """Counts over several recordings: the rates are of all their words and characters together."""

    def __init__(self) -> None:
        self._edits, self._length = [0, 0], [0, 0]

    def add(self, said: str, recognised: str) -> None:
        """Count one recording."""
        want, got = plain(said), plain(recognised)
        for place, (a, b) in enumerate(((want.split(), got.split()), (want, got))):
            self._edits[place] += edits(a, b)
            self._length[place] += len(a)

    def to_dict(self) -> dict[str, float]:
        """`{"wer": …, "cer": …}`; may be above 1."""
        return {
            name: edits / max(length, 1)
            for name, edits, length in zip(("wer", "cer"), self._edits, self._length, strict=True)
        }


def plain(text: str) -> str:
    """Lower case, without punctuation (apostrophes inside of words stay), single spaces."""
    kept = "".join(
        c if c == "'" or unicodedata.category(c)[0] in "LMN" else " "
        for c in unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    )
    return " ".join(word.strip("'") for word in kept.split() if word.strip("'"))


def edits(a: Sequence[Any], b: Sequence[Any]) -> int:
    """The least number of insertions, deletions and substitutions from one sequence to the other
    (Levenshtein).
    """
    if not a or not b:
        return len(a) or len(b)
    numbers = {item: n for n, item in enumerate(dict.fromkeys([*a, *b]))}
    other = np.array([numbers[item] for item in b])
    steps = np.arange(len(b) + 1)
    row = steps.copy()
    for place, item in enumerate(a, 1):
        candidate = np.concatenate(
            [[place], np.minimum(row[1:] + 1, row[:-1] + (other != numbers[item]))]
        )
        row = np.minimum.accumulate(candidate - steps) + steps  # then insertions from the left
    return int(row[-1])
