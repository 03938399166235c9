"""A decoder-only model step by step: the keys and values of tokens are cached, so each token is
processed once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Decoder(ABC):
    """Several texts that are continued token by token; they may be added and removed between steps.

    Args:
        max_length: maximum number of tokens of the context.

    Attributes:
        lengths: int32 (N,), tokens that each text has so far.
    """

    def __init__(self, max_length: int):
        self._max_length = max_length
        self.lengths: NDArray[np.int32] = np.empty(0, np.int32)

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of tokens that the cache has memory for."""

    @property
    def full(self) -> NDArray[np.bool_]:
        """(N,): whether each text has reached the end of the context."""
        return self.lengths >= self._max_length

    def window(self, tokens: Sequence[int]) -> Sequence[int]:
        """The tokens of a text that are read: all, or, if it fills the context, its later half."""
        fits = len(tokens) < self._max_length
        return tokens if fits else tokens[len(tokens) - self._max_length // 2 :]

    def start(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Replace all texts by prompts; float32 (N, V): logits of the next token of each."""
        self.keep([])
        return self.add(prompts)

    @abstractmethod
    def add(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Add prompts after the present texts; float32 (N, V): logits of the next token of each."""

    @abstractmethod
    def add_from(self, other: Self) -> None:
        """Add the only text of another decoder of the same engine, after the present texts."""

    @abstractmethod
    def step(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to each text; float32 (N, V): logits of what follows."""

    @abstractmethod
    def extend(self, tokens: Sequence[int], *, only_last: bool = False) -> NDArray[np.float32]:
        """Append several tokens to the only text.

        Args:
            tokens: T token ids.
            only_last: whether only the logits after the last token are needed.

        Returns:
            float32 (T, V), or (1, V): logits of the token after each one.
        """

    @abstractmethod
    def state(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """float32 (C,): the final state after the last of these tokens; the texts of this decoder
        stay as they are.
        """

    @abstractmethod
    def keep(self, texts: Sequence[int]) -> None:
        """Select the texts to continue, in this order; a repeated index duplicates a text."""
