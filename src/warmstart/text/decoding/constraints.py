"""Constraints on the next token: scores are lowered, raised, or excluded before one is chosen.

Meaning and order are those of Hugging Face transformers' logits processors; in a beam search the
scores are log-probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from warmstart.errors import UsageError
from warmstart.text.decoding.options import GenerateOptions

Encode: TypeAlias = Callable[[str], Sequence[int]]
Bias: TypeAlias = tuple[tuple[int, ...], float]
"""Tokens, and the bias of the last one if it is preceded by the others."""


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """The modifications of the scores of one text.

    Attributes:
        repetition_penalty, no_repeat_ngram_size: as in `GenerateOptions`.
        biases: added to scores; -inf excludes.
        suppressed: tokens that are never chosen.
        begin_suppressed: tokens that are never chosen first.
        ends: tokens that end the text; excluded before `min_new_tokens`.
        prompt_length: tokens of the prompt.
    """

    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    biases: Sequence[Bias] = ()
    suppressed: Sequence[int] = ()
    begin_suppressed: Sequence[int] = ()
    ends: Sequence[int] = ()
    min_new_tokens: int = 0
    prompt_length: int = 0

    def apply(self, scores: NDArray[Any], tokens: Sequence[int]) -> NDArray[Any]:
        """Scores (V,) of the next token; the same array if nothing changes."""
        new = len(tokens) - self.prompt_length
        excluded = [*self.suppressed]
        excluded += self.begin_suppressed if new == 0 else ()
        excluded += self.ends if new < self.min_new_tokens else ()
        repeats = self.repetition_penalty != 1 or self.no_repeat_ngram_size
        if not (excluded or repeats or self.biases):
            return scores
        scores = scores.copy()
        for sequence, bias in self.biases:
            if tuple(tokens[len(tokens) - len(sequence) + 1 :]) == sequence[:-1]:
                scores[sequence[-1]] += bias
        self._lower_repeated(scores, tokens)
        scores[excluded] = -np.inf
        return scores

    def _lower_repeated(self, scores: NDArray[Any], tokens: Sequence[int]) -> None:
        penalty, size = np.float32(self.repetition_penalty), self.no_repeat_ngram_size
        text = np.asarray(tokens, np.int64)
        if penalty != 1:
            seen = np.unique(text)
            lowered = np.where(scores[seen] < 0, scores[seen] * penalty, scores[seen] / penalty)
            scores[seen] = lowered
        if size and len(text) >= size:
            prefix = text[len(text) - size + 1 :]  # must not be completed as before
            ngrams = np.lib.stride_tricks.sliding_window_view(text, size)
            scores[ngrams[(ngrams[:, :-1] == prefix).all(1), -1]] = -np.inf


def constraints(
    options: GenerateOptions,
    encode: Encode,
    *,
    ends: Sequence[int],
    suppressed: Mapping[str, Sequence[int]],
    prompt_length: int,
) -> Constraints:
    """The constraints of one text.

    Args:
        options: with the checkpoint's defaults.
        encode: text -> tokens.
        ends: tokens that end a text.
        suppressed: `suppress` and `begin_suppress` of the checkpoint.
        prompt_length: tokens of the prompt.

    Raises:
        UsageError: a word of `bad_words` or `logit_bias` has no tokens.
    """
    return Constraints(
        repetition_penalty=1.0
        if options.repetition_penalty is None
        else options.repetition_penalty,
        no_repeat_ngram_size=options.no_repeat_ngram_size or 0,
        biases=_biases(options, encode),
        suppressed=tuple(suppressed.get("suppress", ())),
        begin_suppressed=tuple(suppressed.get("begin_suppress", ())),
        ends=tuple(ends),
        min_new_tokens=options.min_new_tokens or 0,
        prompt_length=prompt_length,
    )


def _biases(options: GenerateOptions, encode: Encode) -> Sequence[Bias]:
    bad_words = (options.bad_words,) if isinstance(options.bad_words, str) else options.bad_words
    named = [(word, -np.inf) for word in bad_words]
    named += [(word, float(bias)) for word, bias in (options.logit_bias or {}).items()]
    biases: dict[tuple[int, ...], float] = {}
    for word, bias in named:
        for spelling in dict.fromkeys(
            (word, f" {word.lstrip()}")
        ):  # within a text, and after a space
            if not (tokens := tuple(encode(spelling))):
                raise UsageError(
                    f"{word!r} has no tokens, so it can be neither a bad word nor biased."
                )
            biases[tokens] = bias
    return tuple(biases.items())
