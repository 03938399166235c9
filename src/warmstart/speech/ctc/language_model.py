"""Language models for CTC decoding: a list of words, or n-grams in ARPA's format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from warmstart.errors import InputError

LARGEST = 512 * 2**20


class LanguageModel:
    """A list of words, all equally likely, or n-grams.

    Args:
        words: those that may occur.
        ngrams: (words…) -> (natural logarithm of its probability, of its back-off weight); default:
            none.
        weight: of the n-grams' logarithms next to the sound's.
        bonus: added for each word, as longer texts are less likely ones.
    """

    def __init__(
        self,
        words: Iterable[str],
        ngrams: Mapping[tuple[str, ...], tuple[float, float]] | None = None,
        *,
        weight: float = 0.5,
        bonus: float = 0.5,
    ):
        self.words = frozenset(word for word in words if word)
        self.ngrams, self.weight, self.bonus = dict(ngrams or {}), weight, bonus
        self.order = max(map(len, self.ngrams), default=1)
        self._beginnings = {word[:n] for word in self.words for n in range(1, len(word) + 1)}

    @classmethod
    def of(cls, value: Any) -> LanguageModel | None:
        """From words, the path of an `.arpa` file or of a list with one word per line, or a model.

        Raises:
            InputError: the file cannot be read or is damaged.
        """
        if value is None or isinstance(value, LanguageModel):
            return value
        if not isinstance(value, str | PathLike):
            return cls(value)
        path = Path(value)
        try:
            if path.stat().st_size > LARGEST:
                raise InputError(f"{path}: is larger than {LARGEST >> 20} MiB", str(path))
            text = path.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: cannot be read as words or as an ARPA file ({error})", str(path)
            ) from error
        if "\\data\\" in text[:10_000]:
            return cls._arpa(text, str(path))
        return cls(line.strip() for line in text.splitlines())

    @classmethod
    def _arpa(cls, text: str, name: str) -> LanguageModel:
        ngrams: dict[tuple[str, ...], tuple[float, float]] = {}
        order = 0
        for number, line in enumerate(text.splitlines(), 1):
            line = line.strip()
            if line.startswith("\\"):
                order = (
                    int(line[1:-7]) if line.endswith("-grams:") and line[1:-7].isdecimal() else 0
                )
                continue
            if not order or not line:
                continue
            fields = line.split()
            try:
                weight = float(fields[order + 1]) if len(fields) > order + 1 else 0.0
                key = tuple(
                    w if w in ("<s>", "</s>", "<unk>") else w.lower() for w in fields[1 : order + 1]
                )
                if len(key) != order:
                    raise ValueError("too few words")
                ngrams[key] = (float(fields[0]) * math.log(10), weight * math.log(10))
            except (ValueError, IndexError) as error:
                raise InputError(
                    f"{name}: line {number} is no {order}-gram ({error})", name
                ) from error
        if not ngrams:
            raise InputError(f"{name}: contains no n-grams", name)
        return cls({k[0] for k in ngrams if len(k) == 1} - {"<s>", "</s>", "<unk>"}, ngrams)

    def begins(self, beginning: str) -> bool:
        """Whether a word has this prefix."""
        return beginning in self._beginnings

    def start(self) -> tuple[str, ...]:
        """The state before the first word."""
        return ("<s>",)

    def word(self, state: tuple[str, ...], word: str) -> tuple[tuple[str, ...], float] | None:
        """(state, change of the score) after a word; None: there is no such word. An empty word
        changes nothing.
        """
        if not word:
            return state, 0.0
        if word not in self.words:
            return None
        if not self.ngrams:
            return state, 0.0  # a list of words has no probabilities
        following = (*state, word)[-self.order :]
        return following[-max(self.order - 1, 1) :], self.weight * self.log_probability(
            state, word
        ) + self.bonus

    def end(self, state: tuple[str, ...]) -> float:
        """Change of the score when the text ends."""
        return self.weight * self.log_probability(state, "</s>") if self.ngrams else 0.0

    def log_probability(self, before: tuple[str, ...], word: str) -> float:
        """Natural logarithm of the probability of a word after others, with Katz' back-off."""
        context = before[-(self.order - 1) :] if self.order > 1 else ()
        total = 0.0
        while True:
            entry = self.ngrams.get((*context, word))
            if entry is not None:
                return total + entry[0]
            if not context:
                return total + self.ngrams.get(("<unk>",), (-20.0, 0.0))[0]
            total += self.ngrams.get(context, (0.0, 0.0))[1]
            context = context[1:]
