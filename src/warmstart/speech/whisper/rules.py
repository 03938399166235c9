"""The rules for the next token, and its choice.

Source: Radford et al. 2022, section 4.5, and the logit filters of openai/whisper's `decoding.py`,
which transformers' logits processors for Whisper equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from warmstart.core.probabilities import MIN_TEMPERATURE, log_sum_exp, softmax
from warmstart.speech.whisper.tokens import WhisperTokens


class Rules:
    """Excludes tokens.

    Args:
        tokens: the special ones.
        processing: of the entry: `suppress`, `begin_suppress`, `max_initial_timestamp`.
        timestamps: whether the text has them.
    """

    def __init__(self, tokens: WhisperTokens, processing: Mapping[str, Any], timestamps: bool):
        self._tokens, self._timestamps = tokens, timestamps
        self._never = np.array(
            sorted({*processing.get("suppress", ()), *tokens.special()}), np.int64
        )
        self._not_first = np.array(sorted({*processing.get("begin_suppress", ())}), np.int64)
        self._latest_first = int(processing.get("max_initial_timestamp", 50))

    def apply(self, logits: np.ndarray, tokens: Sequence[int]) -> None:
        """Set the logits of tokens that must not follow `tokens` (those after the prompt) to minus
        infinity, in place.
        """
        logits[self._never] = -np.inf
        if not tokens:
            logits[self._not_first] = -np.inf
        if self._timestamps:
            self._apply_times(logits, tokens)

    def _apply_times(self, logits: np.ndarray, tokens: Sequence[int]) -> None:
        """Times come in pairs, never go back, and the text begins with one."""
        first, end = self._tokens.first_time, self._tokens.end
        if not tokens:
            logits[:first] = -np.inf
            logits[first + self._latest_first + 1 :] = -np.inf
            return
        last = tokens[-1] >= first
        before = len(tokens) < 2 or tokens[-2] >= first
        if last and before:
            logits[first:] = -np.inf
        elif last:
            logits[:end] = -np.inf
        times = [t for t in tokens if t >= first]
        if times:
            logits[first : times[-1] if last and not before else times[-1] + 1] = -np.inf
        if (
            log_sum_exp(logits[first:]) > logits[:first].max()
        ):  # some time is likelier than the likeliest text
            logits[:first] = -np.inf


def choose(
    logits: np.ndarray, temperature: float, random: np.random.Generator
) -> tuple[int, float]:
    """The next token and the logarithm of its probability at temperature 1.

    Args:
        logits: float32 (vocabulary,), after the rules.
        temperature: 0 chooses the most likely token.
        random: used above 0.
    """
    token = int(logits.argmax())
    if temperature > 0:
        differences = (logits - logits[token]).astype(np.float64)
        probabilities = softmax(differences / max(temperature, MIN_TEMPERATURE))
        token = int(random.choice(len(probabilities), p=probabilities))
    return token, float(logits[token] - log_sum_exp(logits))
