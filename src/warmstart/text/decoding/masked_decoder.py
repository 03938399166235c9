"""A decoder with one cache for all texts; masks determine which tokens each text attends to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from warmstart.engines.base import Engine, TensorSpec
from warmstart.text.decoding.decoder import Decoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIDDEN = np.float32(-1e9)
BLOCK = 128
"""The cache grows by this many tokens, or by a quarter: attention always runs over all of it."""


class MaskedDecoder(Decoder):
    """Several texts that are continued token by token, in one cache.

    A column of the cache belongs to one token of one text, or of several with the same prefix
    (beams); a mask defines which texts attend to it. So texts of different lengths need no padding,
    and choosing among beams copies no cache. Texts may be added and removed between steps: columns
    that no text attends to are reused, and the cache shrinks when most of it is unused.

    Args:
        engine: runs a program with the function `step` (see `models.text.gpt2.network.GPT2.step`).
        max_length: maximum number of tokens of the context.
    """

    def __init__(self, engine: Engine, max_length: int):
        super().__init__(max_length)
        self._engine = engine
        inputs = engine.signatures["step"].inputs
        self._cache = tuple(spec for spec in inputs if spec.name.startswith(("keys_", "values_")))
        self._session = engine.session("step", tuple(spec.name for spec in self._cache))
        self._mask: NDArray[np.float32] = np.empty((0, 0), np.float32)  # (N, S), added to scores
        self._width = 0  # number of rows of the last step

    @property
    def size(self) -> int:
        return int(self._mask.shape[1])

    def add(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        outputs = [self._read(np.asarray(prompt, np.int32)) for prompt in prompts]
        self._insert([output["rows"] for output in outputs])
        return np.concatenate([output["logits"] for output in outputs])

    def add_from(self, other: Self) -> None:
        columns = np.flatnonzero(other._mask[0] == 0)
        self._insert(
            [np.stack([other._session.read(s.name, (slice(None), columns)) for s in self._cache])]
        )

    def step(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        count = len(tokens)
        columns = self._columns(count)
        width = self._width = self._rows(count)
        ids, positions = np.zeros(width, np.int32), np.zeros(width, np.int32)
        ids[:count], positions[:count] = tokens, self.lengths
        sees_cached = np.full((width, self.size), HIDDEN, np.float32)
        sees_cached[:count] = self._mask
        sees_new = np.full((width, width), HIDDEN, np.float32)
        np.fill_diagonal(sees_new, 0)
        output = self._session.run(
            ids=ids,
            positions=positions,
            sees_cached=sees_cached,
            sees_new=sees_new,
            rows=np.arange(width, dtype=np.int32),
        )
        self._store(output["rows"][:, :, :count], columns)
        self._mask[np.arange(count), columns] = 0
        self.lengths = self.lengths + np.int32(1)
        logits: NDArray[np.float32] = output["logits"][:count]
        return logits

    def extend(self, tokens: Sequence[int], *, only_last: bool = False) -> NDArray[np.float32]:
        ids = np.asarray(tokens, np.int32)
        count = len(ids)
        if not len(self.lengths):
            self.lengths = np.zeros(1, np.int32)
            self._mask = np.full((1, self.size), HIDDEN, np.float32)
        columns = self._columns(count)
        rows = np.arange(count - 1 if only_last else 0, count, dtype=np.int32)
        output = self._session.run(
            ids=ids,
            positions=self.lengths + np.arange(count, dtype=np.int32),
            sees_cached=np.repeat(self._mask, count, 0),
            sees_new=_causal(count),
            rows=rows,
        )
        self._store(output["rows"], columns)
        self._mask[0, columns] = 0
        self.lengths = self.lengths + np.int32(count)
        logits: NDArray[np.float32] = output["logits"]
        return logits

    def state(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        state: NDArray[np.float32] = self._read(np.asarray(tokens, np.int32))["states"][0]
        return state

    def keep(self, texts: Sequence[int]) -> None:
        self._mask, self.lengths = self._mask[list(texts)], self.lengths[list(texts)]
        used = np.flatnonzero((self._mask == 0).any(axis=0))
        if 2 * (len(used) + BLOCK) <= self.size:
            self._compact(used)

    def _rows(self, count: int) -> int:
        """Number of rows of a step for `count` texts. Changing it moves the cache in the engine's
        memory, so the number of the previous step is reused if few of its rows would be unused.
        """
        return self._width if 0.75 * self._width < count <= self._width else count

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

    def _insert(self, texts: Sequence[NDArray[np.float32]]) -> None:
        """Add texts with these keys and values, (2L, H, T, D) each."""
        counts = [rows.shape[2] for rows in texts]
        columns = self._columns(sum(counts), spare=BLOCK // 2)
        mask = np.full((len(texts), self.size), HIDDEN, np.float32)
        first = 0
        for row, values in zip(mask, texts, strict=True):
            own = columns[first : first + values.shape[2]]
            self._store(values, own)
            row[own] = 0
            first += values.shape[2]
        self._mask = np.concatenate([self._mask, mask])
        self.lengths = np.concatenate([self.lengths, np.array(counts, np.int32)])

    def _store(self, rows: NDArray[np.float32], columns: NDArray[np.intp]) -> None:
        """Write keys and values into columns, which are in ascending order."""
        where: slice | NDArray[np.intp] = columns
        if len(columns) and columns[-1] - columns[0] == len(columns) - 1:
            where = slice(columns[0], columns[-1] + 1)  # written faster
        for spec, values in zip(self._cache, rows, strict=True):
            self._session.write(spec.name, (slice(None), where), values)

    def _columns(self, count: int, spare: int = 0) -> NDArray[np.intp]:
        """Unused columns for `count` tokens; if there are too few, the cache grows, with `spare`
        more.
        """
        free = np.flatnonzero((self._mask < 0).all(axis=0))
        if len(free) < count:
            least = self.size - len(free) + count + spare
            self._resize(max(least, self.size * 5 // 4))
            free = np.flatnonzero((self._mask < 0).all(axis=0))
        return free[:count]

    def _resize(self, tokens: int) -> None:
        """Resize the cache to this many tokens, rounded up to a block."""
        size = -(-tokens // BLOCK) * BLOCK
        self._session.resize(
            {spec.name: (_fixed(spec, 0), size, _fixed(spec, 2)) for spec in self._cache}
        )
        mask = np.full((len(self._mask), size), HIDDEN, np.float32)
        common = min(size, self.size)
        mask[:, :common] = self._mask[:, :common]
        self._mask = mask

    def _compact(self, used: NDArray[np.intp]) -> None:
        """Move these columns to the front, and free the memory of the others."""
        count = len(used)
        values = np.stack([self._session.read(s.name, (slice(None), used)) for s in self._cache])
        mask = self._mask[:, used]
        self._resize(count + BLOCK // 2)
        self._store(values, np.arange(count))
        self._mask = np.full((len(mask), self.size), HIDDEN, np.float32)
        self._mask[:, :count] = mask


def _fixed(spec: TensorSpec, axis: int) -> int:
    size = spec.shape[axis]
    assert isinstance(size, int)
    return size


def _causal(count: int) -> NDArray[np.float32]:
    """float32 (T, T): no token sees those after it."""
    return np.where(np.tri(count, dtype=bool), np.float32(0), HIDDEN)
