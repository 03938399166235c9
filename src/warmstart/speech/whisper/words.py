"""The times of words: from the attention of the alignment heads, by dynamic time warping.

Source: `timing.py` of openai/whisper; Giorgino, "Computing and Visualizing Dynamic Time Warping
Alignments in R" (2009) for the path.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from warmstart.core.probabilities import softmax
from warmstart.speech.results.transcript import Word
from warmstart.speech.whisper.tokens import SECONDS

SMOOTH = 7  # positions of the median filter


def word_times(
    words: Sequence[tuple[str, list[int]]],
    attention: np.ndarray,
    logits: np.ndarray,
    prompt: int,
    frames: int,
    offset: float,
    end: int,
) -> list[Word]:
    """The words with their times.

    Args:
        words: text and tokens of each.
        attention: float32 (heads, T, positions), of the alignment heads for prompt, words and end.
        logits: float32 (T, vocabulary), after each.
        prompt: tokens before the words.
        frames: of sound in the window; there are two to a position.
        offset: of the window, in seconds.
        end: the token that ends a text; the text tokens are below it.
    """
    cost = -agreement(attention[:, :, : max(frames // 2, 1)])[
        prompt:
    ]  # the end is a word of its own
    starts = path_starts(cost) * SECONDS
    counts = np.cumsum([0, *(len(ids) for _, ids in words)])
    tokens = np.array([token for _, ids in words for token in ids])
    probabilities = softmax(logits[prompt - 1 : prompt - 1 + counts[-1], :end])
    scores = probabilities[np.arange(len(tokens)), tokens]
    spans = []
    for (word, _), a, b in zip(words, counts[:-1], counts[1:], strict=True):
        if word.strip():
            spans.append(
                Word(
                    word.strip(),
                    offset + float(starts[a]),
                    offset + float(starts[b]),
                    float(scores[a:b].mean()),
                )
            )
    return spans


def agreement(attention: np.ndarray) -> np.ndarray:
    """The mean of the normalised attention of all heads: (heads, T, positions) -> (T, positions)."""
    shares = attention / np.maximum(attention.sum(axis=-1, keepdims=True), 1e-12)
    spread = shares.std(axis=1, keepdims=True)
    shares = (shares - shares.mean(axis=1, keepdims=True)) / np.maximum(spread, 1e-12)
    half = SMOOTH // 2
    if shares.shape[-1] > half:
        padded = np.pad(shares, ((0, 0), (0, 0), (half, half)), mode="reflect")
        shares = np.median(
            np.lib.stride_tricks.sliding_window_view(padded, SMOOTH, axis=-1), axis=-1
        )
    mean: np.ndarray = shares.mean(axis=0)
    return mean


def path_starts(cost: np.ndarray) -> np.ndarray:
    """The cheapest monotonic path through (T, positions): where it enters each row; int (T,).

    Computed by anti-diagonals, so that numpy does the work.
    """
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    steps = np.zeros(
        (rows + 1, columns + 1), np.int8
    )  # 0 diagonally, 1 from the row before, 2 from the column before
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        costs = np.stack([total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]])
        # As in the reference, a tie goes along the column.
        best = np.where(
            (costs[0] < costs[1]) & (costs[0] < costs[2]),
            0,
            np.where((costs[1] < costs[0]) & (costs[1] < costs[2]), 1, 2),
        )
        steps[i, j] = best
        total[i, j] = cost[i - 1, j - 1] + costs[best, np.arange(len(i))]
    steps[0, :], steps[:, 0] = 2, 1
    starts = np.zeros(rows, np.int64)
    i, j = rows, columns
    while i > 0 or j > 0:
        if i > 0:
            starts[i - 1] = max(j - 1, 0)
        step = steps[i, j]
        i, j = i - (step != 2), j - (step != 1)
    return starts
