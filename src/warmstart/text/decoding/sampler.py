"""Choosing the next token by its scores: temperature, truncation, sampling. Numpy only.

The order of the steps is that of Hugging Face transformers' logits processors; see
`decoding.options` and, for what comes before, `decoding.constraints`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from warmstart.core.probabilities import MIN_TEMPERATURE, log_softmax
from warmstart.text.decoding.options import GenerateOptions


def next_token(scores: NDArray[Any], options: GenerateOptions, random: np.random.Generator) -> int:
    """The next token.

    Args:
        scores: (V,), of the model, after `Constraints.apply`.
        options: how it is chosen.
        random: the generator of this text.
    """
    if not options.is_sampled:
        return int(scores.argmax())
    temperature = 1.0 if options.temperature is None else options.temperature
    scores = truncate(scores / np.float32(max(temperature, MIN_TEMPERATURE)), options)
    candidates = np.flatnonzero(scores > -np.inf)
    exponents = (scores[candidates] - scores[candidates].max()).astype(np.float64)
    weights = np.cumsum(np.exp(exponents))
    index = np.searchsorted(weights, random.random() * weights[-1], side="right")
    return int(candidates[min(index, len(candidates) - 1)])


def truncate(scores: NDArray[Any], options: GenerateOptions) -> NDArray[Any]:
    """(V,) scores with -inf at the tokens that top_k, top_p and min_p exclude; the most likely
    always stays.
    """
    top_k, top_p, min_p = options.top_k, options.top_p, options.min_p
    if top_k is not None and top_k < len(scores):
        lowest = np.partition(scores, -top_k)[-top_k]
        scores = np.where(scores < lowest, -np.inf, scores)
    if top_p is not None and top_p < 1:
        order = np.argsort(
            scores, kind="stable"
        )  # ascending: the first, up to a sum of 1 - top_p, go
        shares = np.cumsum(np.exp(log_softmax(scores[order])))
        scores = scores.copy()
        scores[order[:-1][shares[:-1] <= 1 - top_p]] = -np.inf
    if min_p is not None and min_p > 0:
        scores = np.where(scores < scores.max() + np.float32(np.log(min_p)), -np.inf, scores)
    return scores
