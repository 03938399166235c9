"""A decoder-only model step by step: the tokens it has read stay as keys and values, so each is
read once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.engines.base import Engine, TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIDDEN = np.float32(-1e9)
BLOCK = 128
"""The cache grows by this many tokens: attention always runs over all of it."""


class Decoder:
    """Several texts that are continued token by token, side by side in one cache.

    A row of the cache belongs to one token of one text, or of several that begin alike (beams); a
    mask says who sees whom. So texts of different lengths need no padding, and choosing among beams
    copies no cache.

    Args:
        engine: runs a program with the function `step` (see `models.text.gpt2.network.GPT2.step`).
        max_length: the most tokens of the context.

    Attributes:
        lengths: int32 (N,), tokens that each text has so far.
    """

    def __init__(self, engine: Engine, max_length: int):
        self._engine, self._max_length = engine, max_length
        inputs = engine.signatures["step"].inputs
        self._cache = tuple(spec for spec in inputs if spec.name.startswith(("keys_", "values_")))
        self._session = engine.session("step", tuple(spec.name for spec in self._cache))
        self._used = 0
        self._mask: NDArray[np.float32] = np.empty((0, 0), np.float32)  # (N, S), added to scores
        self.lengths: NDArray[np.int32] = np.empty(0, np.int32)

    @property
    def full(self) -> bool:
        """Whether a text has reached the end of the context."""
        return bool((self.lengths >= self._max_length).any())

    def window(self, tokens: Sequence[int]) -> Sequence[int]:
        """What is read of a text: all, or where it fills the context, as many as its later half."""
        fits = len(tokens) < self._max_length
        return tokens if fits else tokens[len(tokens) - self._max_length // 2 :]

    def start(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Read prompts from the start; float32 (N, V): logits of what follows each."""
        outputs = [self._read(np.asarray(prompt, np.int32)) for prompt in prompts]
        self.lengths = np.array([len(prompt) for prompt in prompts], np.int32)
        self._reserve(len(prompts), int(self.lengths.sum()) + BLOCK // 2, fresh=True)
        for text, output in enumerate(outputs):
            columns = slice(self._used, self._used + output["rows"].shape[2])
            self._store(output["rows"], columns)
            self._mask[text, columns] = 0
        return np.concatenate([output["logits"] for output in outputs])

    def step(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to each text; float32 (N, V): logits of what follows."""
        count = len(tokens)
        self._reserve(count, self._used + count)
        own = np.full((count, count), HIDDEN, np.float32)
        np.fill_diagonal(own, 0)
        output = self._session.run(
            ids=np.asarray(tokens, np.int32),
            positions=self.lengths,
            sees_cached=self._mask,
            sees_new=own,
            rows=np.arange(count, dtype=np.int32),
        )
        columns = self._used + np.arange(count)
        self._store(output["rows"], slice(self._used, self._used + count))
        self._mask[np.arange(count), columns] = 0
        self.lengths = self.lengths + np.int32(1)
        logits: NDArray[np.float32] = output["logits"]
        return logits

    def extend(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append several tokens to the one text; float32 (T, V): logits of what follows each."""
        ids = np.asarray(tokens, np.int32)
        if not len(self.lengths):
            self.lengths = np.zeros(1, np.int32)
        self._reserve(1, self._used + len(ids))
        output = self._session.run(
            ids=ids,
            positions=self.lengths + np.arange(len(ids), dtype=np.int32),
            sees_cached=np.repeat(self._mask, len(ids), 0),
            sees_new=_causal(len(ids)),
            rows=np.arange(len(ids), dtype=np.int32),
        )
        columns = slice(self._used, self._used + len(ids))
        self._store(output["rows"], columns)
        self._mask[0, columns] = 0
        self.lengths = self.lengths + np.int32(len(ids))
        logits: NDArray[np.float32] = output["logits"]
        return logits

    def state(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """float32 (C,): the final state after the last of these tokens; the texts of this decoder
        stay as they are.
        """
        state: NDArray[np.float32] = self._read(np.asarray(tokens, np.int32))["states"][0]
        return state

    def keep(self, texts: Sequence[int]) -> None:
        """Continue these of the texts, in this order; one that is named twice is continued twice."""
        self._mask, self.lengths = self._mask[list(texts)], self.lengths[list(texts)]

    def _read(self, ids: NDArray[np.int32]) -> Mapping[str, NDArray[Any]]:
        """`logits` (1, V) and `states` (1, C) after the last token, and the `rows` (2L, H, T, D) of
        all.
        """
        count = len(ids)
        empty = {
            spec.name: np.zeros((_fixed(spec, 0), 1, _fixed(spec, 2)), np.float32)
            for spec in self._cache
        }
        return self._engine.run(
            "step",
            ids=ids,
            positions=np.arange(count, dtype=np.int32),
            sees_cached=np.full((count, 1), HIDDEN, np.float32),
            sees_new=_causal(count),
            rows=np.array([count - 1], np.int32),
            **empty,
        )

    def _store(self, rows: NDArray[np.float32], columns: slice) -> None:
        for spec, values in zip(self._cache, rows, strict=True):
            self._session.write(spec.name, (slice(None), columns), values)
        self._used = columns.stop

    def _reserve(self, texts: int, tokens: int, *, fresh: bool = False) -> None:
        """Room for so many tokens in the cache; it grows by blocks and never shrinks, but for a
        fresh start.
        """
        size = -(-tokens // BLOCK) * BLOCK
        if fresh:
            self._used, self._mask = 0, np.empty((0, 0), np.float32)
        old = self._mask
        if not fresh and old.shape[1] >= size:
            return
        shapes = {spec.name: (_fixed(spec, 0), size, _fixed(spec, 2)) for spec in self._cache}
        self._session.resize(shapes)
        self._mask = np.full((texts, size), HIDDEN, np.float32)
        self._mask[: old.shape[0], : old.shape[1]] = old


def _fixed(spec: TensorSpec, axis: int) -> int:
    size = spec.shape[axis]
    assert isinstance(size, int)
    return size


def _causal(count: int) -> NDArray[np.float32]:
    """float32 (T, T): no token sees those after it."""
    return np.where(np.tri(count, dtype=bool), np.float32(0), HIDDEN)
