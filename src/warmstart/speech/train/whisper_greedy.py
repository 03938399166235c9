"""Greedy decoding of a batch by the Keras network that is being trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from warmstart.models.speech.whisper.network import Whisper
from warmstart.speech.whisper.rules import Rules


class GreedyDecoder:
    """Texts of several windows at a time, the same as the compiled program's at temperature 0.

    Args:
        network: whose weights may change between calls.
        rules: which tokens are allowed, without timestamps.
        end: the token that ends a text.
    """

    def __init__(self, network: Whisper, rules: Rules, end: int):
        self.network, self.rules, self.end = network, rules, end
        self.encode = tf.function(network.encode, reduce_retracing=True)
        self.cross = tf.function(network.cross, reduce_retracing=True)
        self._start = tf.function(self._prefill, reduce_retracing=True)
        self._step = tf.function(self._next, reduce_retracing=True)

    def logits(self, tokens: np.ndarray, cross: Any) -> np.ndarray:
        """(B, T, vocabulary) after the tokens (B, T), with what the decoder's blocks see of the sound."""
        logits, _, _ = self.network.decode(tf.constant(tokens), cross)
        return np.asarray(logits)

    def texts(self, prompt: Sequence[int], cross: Any, batch: int, longest: int) -> list[list[int]]:
        """The tokens of each text, without the end.

        Args:
            prompt: the tokens before all of them.
            cross: what the decoder's blocks see of the sound.
            batch: how many there are.
            longest: tokens of a text at most.
        """
        logits, cache = self._start(tf.constant([list(prompt)] * batch, tf.int32), cross)
        texts: list[list[int]] = [[] for _ in range(batch)]
        running = set(range(batch))
        for position in range(len(prompt), len(prompt) + longest):
            rows = np.array(logits)
            tokens = np.full((batch, 1), self.end, np.int32)
            for row in sorted(running):
                self.rules.apply(rows[row], texts[row])
                token = int(rows[row].argmax())
                if token == self.end:
                    running.discard(row)
                else:
                    texts[row].append(token)
                    tokens[row] = token
            if not running:
                break
            index = tf.constant([position], tf.int32)
            logits, cache = self._step(tf.constant(tokens), index, cache, cross)
        return texts

    def _prefill(self, tokens: Any, cross: Any) -> Any:
        logits, cache, _ = self.network.decode(tokens, cross)
        rest = self.network.config.text_positions - int(tokens.shape[1])
        padding = ((0, 0), (0, 0), (0, 0), (0, rest))
        return logits[:, -1], [
            (ops.pad(key, padding), ops.pad(value, padding)) for key, value in cache
        ]

    def _next(self, tokens: Any, position: Any, cache: Any, cross: Any) -> Any:
        logits, new = self.network.step(tokens, position, cache, cross)
        start = (0, 0, 0, position[0])
        longer = [
            tuple(ops.slice_update(old, start, new) for old, new in zip(pair, added, strict=True))
            for pair, added in zip(cache, new, strict=True)
        ]
        return logits[:, 0], longer
