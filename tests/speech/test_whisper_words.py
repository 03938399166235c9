"""Word times: the warping path equals a plain recursion's, and words are found where the heads
look.
"""

from functools import cache

import numpy as np
import pytest

from warmstart.speech.whisper.words import agreement, path_starts, word_times


def cheapest(cost: np.ndarray) -> float:
    """The cost of the cheapest path, by the definition."""

    @cache
    def total(i: int, j: int) -> float:
        if i < 0 or j < 0:
            return 0.0 if i == j == -1 else np.inf
        return float(cost[i, j]) + min(total(i - 1, j - 1), total(i - 1, j), total(i, j - 1))

    return total(cost.shape[0] - 1, cost.shape[1] - 1)


def path_cost(cost: np.ndarray, starts: np.ndarray) -> float:
    """The least cost of a path that enters each row at these columns."""
    rows, columns = cost.shape
    ends = [*starts[1:], columns - 1]
    sums = 0.0
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        last = row == rows - 1
        inner = [
            cost[row, start : stop + 1].sum()
            for stop in ({end} if last else {end, max(end - 1, start)})
        ]
        sums += min(inner)
    return sums


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 9), (5, 5), (4, 17), (7, 60), (9, 3)])
def test_the_path_is_the_cheapest(rows, columns):
    for seed in range(4):
        cost = np.random.default_rng(seed).normal(size=(rows, columns))
        starts = path_starts(cost)
        assert starts[0] == 0
        assert (np.diff(starts) >= 0).all()
        assert path_cost(cost, starts) == pytest.approx(cheapest(cost))


def test_words_are_found_where_the_heads_look():
    text = [0, 1, 2, 3]  # one token, two tokens, one token; then the end
    spans = {
        2: (10, 40),
        3: (40, 50),
        4: (50, 80),
        5: (90, 120),
        6: (140, 150),
    }  # row -> positions; 2 rows of prompt
    looks = np.full((2, 7, 200), 1e-4, np.float32)
    for row, (start, end) in spans.items():
        looks[:, row, start:end] = 1.0
    looks /= looks.sum(-1, keepdims=True)
    logits = np.full((7, 6), -9.0, np.float32)
    for row, token in enumerate(text, 1):
        logits[row, token] = 9.0
    words = [(" Ask", [0]), (" what", [1, 2]), (" you", [3])]
    found = word_times(words, looks, logits, 2, 300, 30.0, 5)
    assert [w.text for w in found] == ["Ask", "what", "you"]
    for word, earliest, latest in zip(found, (30.8, 31.6, 32.4), (30.8, 31.8, 32.8), strict=True):
        assert earliest - 1e-6 <= word.end <= latest + 1e-6  # where no row looks, either is right
    assert [w.start for w in found][1:] == [w.end for w in found][:-1]
    assert all(w.score > 0.99 for w in found)


def test_a_head_that_looks_everywhere_does_not_count():
    looks = np.random.default_rng(0).random((1, 5, 60)).astype(np.float32)
    both = np.concatenate([looks, np.ones_like(looks)])
    np.testing.assert_allclose(agreement(both), agreement(looks) / 2, atol=1e-6)
