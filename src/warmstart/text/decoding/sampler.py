"""From logits to the next token: penalties, temperature, cuts, and the draw. Numpy only.

Order and meaning of the options are those of Hugging Face transformers' logits processors: repetition penalty
(Keskar et al. 2019, section 4.1), n-grams that must not come again, temperature, top-k (Fan et al. 2018), top-p
(Holtzman et al. 2020), min-p (Nguyen et al. 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from warmstart.errors import UsageError

DEFAULT_NEW_TOKENS = 100


@dataclass(frozen=True)
class Choice:
    """How tokens are chosen; the fields are options of `TextGenerator`, which explains them.

    Raises:
        UsageError: a value is out of its range, or does not go with another.
    """

    max_new_tokens: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    num_beams: int = 1
    stop: str | Sequence[str] = ()
    seed: int | None = None
    overflow: str = "error"

    def __post_init__(self) -> None:
        _at_least("max_new_tokens", self.max_new_tokens, 1)
        _at_least("top_k", self.top_k, 1)
        _at_least("num_beams", self.num_beams, 1)
        _at_least("no_repeat_ngram_size", self.no_repeat_ngram_size, 0)
        _at_least("seed", self.seed, 0)
        for name, low, high in (("temperature", 0, math.inf), ("top_p", 0, 1), ("min_p", 0, 1)):
            value = getattr(self, name)
            if value is not None and not (_number(value) and low <= value <= high and math.isfinite(value)):
                raise UsageError(f"{name} must be {low} or more{'' if high == math.inf else ', up to 1'}, "
                                 f"not {value!r}.")
        if not (_number(self.repetition_penalty) and 0 < self.repetition_penalty < math.inf):
            raise UsageError(f"repetition_penalty must be above 0, not {self.repetition_penalty!r}.")
        if self.overflow not in ("error", "slide"):
            raise UsageError(f"overflow is 'error' or 'slide', not {self.overflow!r}.")
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
        if not all(isinstance(text, str) and text for text in stops):
            raise UsageError("stop must be a string or a list of strings, none of them empty.")
        object.__setattr__(self, "stop", stops)
        if self.num_beams > 1 and self.sampled:
            raise UsageError("num_beams searches for the likeliest text; it does not go with temperature, top_k, "
                             "top_p, min_p or seed.")

    @property
    def sampled(self) -> bool:
        """Whether tokens are drawn; otherwise the likeliest is taken."""
        if self.temperature is not None:
            return self.temperature > 0
        return any(value is not None for value in (self.top_k, self.top_p, self.min_p, self.seed))


def next_token(logits: np.ndarray, tokens: Sequence[int], choice: Choice, random: np.random.Generator) -> int:
    """The next token.

    Args:
        logits: float32 (V,), of the model.
        tokens: all before it, the prompt's first.
        choice: how.
        random: of this text.
    """
    scores = penalised(logits, tokens, choice)
    if not choice.sampled:
        return int(scores.argmax())
    scores = cut(scores / np.float32(1.0 if choice.temperature is None else choice.temperature), choice)
    kept = np.flatnonzero(scores > -np.inf)
    weights = np.cumsum(np.exp((scores[kept] - scores[kept].max()).astype(np.float64)))
    return int(kept[min(np.searchsorted(weights, random.random() * weights[-1], side="right"), len(kept) - 1)])


def penalised(scores: np.ndarray, tokens: Sequence[int], choice: Choice) -> np.ndarray:
    """(V,) scores, those of repeated tokens and n-grams lowered; the same array where nothing changes."""
    size, penalty = choice.no_repeat_ngram_size, np.float32(choice.repetition_penalty)
    if penalty == 1 and not size:
        return scores
    scores = scores.copy()
    if penalty != 1:
        seen = np.unique(np.asarray(tokens, np.int64))
        scores[seen] = np.where(scores[seen] < 0, scores[seen] * penalty, scores[seen] / penalty)
    if size and len(tokens) >= size:
        text = np.asarray(tokens, np.int64)
        begin = text[len(text) - size + 1:]  # an n-gram that starts so must not come again
        grams = np.lib.stride_tricks.sliding_window_view(text, size)
        scores[grams[(grams[:, :-1] == begin).all(1), -1]] = -np.inf
    return scores


def cut(scores: np.ndarray, choice: Choice) -> np.ndarray:
    """(V,) scores with -inf at the tokens that top_k, top_p and min_p leave out; the likeliest always stays."""
    if choice.top_k is not None and choice.top_k < len(scores):
        least = np.partition(scores, -choice.top_k)[-choice.top_k]
        scores = np.where(scores < least, -np.inf, scores)
    if choice.top_p is not None and choice.top_p < 1:
        order = np.argsort(scores, kind="stable")  # ascending; of the smallest, those that sum to 1 - top_p go
        shares = np.cumsum(np.exp(log_softmax(scores[order])))
        scores = scores.copy()
        scores[order[:-1][shares[:-1] <= 1 - choice.top_p]] = -np.inf
    if choice.min_p is not None and choice.min_p > 0:
        scores = np.where(scores < scores.max() + np.float32(np.log(choice.min_p)), -np.inf, scores)
    return scores


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last axis, in the dtype given."""
    moved = scores - scores.max(-1, keepdims=True)
    return moved - np.log(np.exp(moved).sum(-1, keepdims=True))


def _at_least(name: str, value: int | None, least: int) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least):
        raise UsageError(f"{name} must be a whole number of {least} or more, not {value!r}.")


def _number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
