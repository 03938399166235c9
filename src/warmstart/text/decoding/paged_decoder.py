"""A decoder that stores keys and values in blocks of one memory; see `engines.paged`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from warmstart.engines.base import Engine
from warmstart.text.decoding.decoder import Decoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 16
"""Blocks of the smallest cache."""


class PagedDecoder(Decoder):
    """Several texts that are continued token by token, each in its own blocks of the cache.

    Texts with the same prefix (beams) share blocks; a shared block is copied before it is written.
    The cache shrinks when most of it is unused.

    Args:
        engine: runs a program with paged attention.
        max_length: maximum number of tokens of the context.
    """

    def __init__(self, engine: Engine, max_length: int):
        super().__init__(max_length)
        inputs = engine.signatures["step"].inputs
        self._shapes = {spec.name: spec.shape[1:] for spec in inputs if len(spec.shape) > 1}
        self._block = int(self._shapes["values_0"][1])  # tokens of a block
        self._session = engine.session("step", tuple(self._shapes))
        self._tables: list[list[int]] = []  # the blocks of each text
        self._uses: NDArray[np.intp] = np.zeros(0, np.intp)  # number of texts that use each block

    @property
    def size(self) -> int:
        return len(self._uses) * self._block

    def add(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        texts = [self._open() for _ in prompts]
        logits: NDArray[np.float32] = self._run(texts, prompts)["logits"]
        return logits

    def add_from(self, other: Self) -> None:
        text = self._open()
        self._tables[text] = blocks = self._unused(len(other._tables[0]))
        for name in self._shapes:
            self._session.write(name, blocks, other._session.read(name, other._tables[0]))
        self.lengths[text] = other.lengths[0]

    def step(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        outputs = self._run(range(len(tokens)), [[token] for token in tokens])
        logits: NDArray[np.float32] = outputs["logits"]
        return logits

    def extend(self, tokens: Sequence[int], *, only_last: bool = False) -> NDArray[np.float32]:
        text = 0 if self._tables else self._open()
        logits: NDArray[np.float32] = self._run([text], [tokens], all_tokens=not only_last)[
            "logits"
        ]
        return logits

    def state(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        text = self._open()
        state: NDArray[np.float32] = self._run([text], [tokens])["states"][0]
        self.keep(range(text))
        return state

    def keep(self, texts: Sequence[int]) -> None:
        self._tables = [list(self._tables[text]) for text in texts]
        self.lengths = self.lengths[list(texts)]
        blocks = [block for table in self._tables for block in table]
        self._uses = np.bincount(np.array(blocks, np.intp), minlength=len(self._uses))
        used = np.flatnonzero(self._uses)
        if 2 * (len(used) + LEAST) <= len(self._uses):
            self._compact(used)

    def _open(self) -> int:
        """Add a text without tokens; returns its index."""
        self._tables.append([])
        self.lengths = np.append(self.lengths, np.int32(0))
        return len(self._tables) - 1

    def _run(
        self, texts: Sequence[int], tokens: Sequence[Sequence[int]], *, all_tokens: bool = False
    ) -> Mapping[str, NDArray[Any]]:
        """Append these tokens to these texts.

        Args:
            all_tokens: whether outputs after all tokens are needed, not only after the last ones.
        """
        counts = np.array([len(some) for some in tokens], np.int32)
        past = self.lengths[list(texts)]
        for text, length in zip(texts, past + counts, strict=True):
            self._reserve(text, int(length))
        tables = [self._tables[text] for text in texts]
        begins = _begins(counts)
        outputs = self._session.run(
            ids=np.concatenate([np.asarray(some, np.int32) for some in tokens]),
            positions=np.concatenate(
                [np.arange(*pair, dtype=np.int32) for pair in zip(past, past + counts, strict=True)]
            ),
            rows=np.arange(begins[-1], dtype=np.int32) if all_tokens else begins[1:] - np.int32(1),
            past_lengths=past,
            begins=begins,
            blocks=np.array([block for table in tables for block in table], np.int32),
            block_begins=_begins([len(table) for table in tables]),
            longest=(past + counts).max(keepdims=True),
        )
        self.lengths[list(texts)] += counts
        return outputs

    def _reserve(self, text: int, length: int) -> None:
        """Assign blocks for `length` tokens to a text; blocks to be written are not shared."""
        table = self._tables[text]
        if self.lengths[text] % self._block and self._uses[table[-1]] > 1:
            (own,) = self._unused(1)
            for name in self._shapes:
                self._session.write(name, own, self._session.read(name, table[-1]))
            self._uses[table[-1]] -= 1
            table[-1] = own
        table += self._unused(-(-length // self._block) - len(table))

    def _unused(self, count: int) -> list[int]:
        """Take blocks that no text uses; if there are too few, the cache grows."""
        unused = np.flatnonzero(self._uses == 0)
        if len(unused) < count:
            used = len(self._uses) - len(unused)
            self._resize(max(used + count, len(self._uses) * 5 // 4, LEAST))
            unused = np.flatnonzero(self._uses == 0)
        blocks: list[int] = unused[:count].tolist()
        self._uses[blocks] += 1
        return blocks

    def _resize(self, blocks: int) -> None:
        self._session.resize(
            {name: (blocks, *map(int, shape)) for name, shape in self._shapes.items()}
        )
        self._uses = np.append(self._uses, np.zeros(blocks, np.intp))[:blocks]

    def _compact(self, used: NDArray[np.intp]) -> None:
        """Move these blocks to the front, and free the memory of the others."""
        values = {name: self._session.read(name, used) for name in self._shapes}
        self._resize(max(len(used), LEAST))
        front = np.arange(len(used))
        for name, blocks in values.items():
            self._session.write(name, front, blocks)
        new = dict(zip(used.tolist(), front.tolist(), strict=True))
        self._tables = [[new[block] for block in table] for table in self._tables]
        self.keep(range(len(self._tables)))


def _begins(counts: Sequence[int] | NDArray[np.int32]) -> NDArray[np.int32]:
    """The offsets of consecutive parts, and the end of the last."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
