"""Continuous batching: inputs join and leave a batch between steps, so that none waits for another
to finish.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from warmstart.core.inputs import Prepared
from warmstart.core.model import InputT, Model, OptionsT, ResultT


class StepBatch(ABC):
    """Inputs that are computed together, step by step: each joins and leaves between two steps.

    The result of an input does not depend on the others. Not thread-safe.
    """

    @abstractmethod
    def __len__(self) -> int:
        """The number of rows of a step."""

    @abstractmethod
    def size(self, prepared: Prepared) -> int:
        """The maximum number of cached tokens of an input while it is part of the batch."""

    @abstractmethod
    def join(self, prepared: Prepared) -> None:
        """Add an input, from the next step on."""

    @abstractmethod
    def leave(self, prepared: Prepared) -> None:
        """Remove an input that has not ended."""

    @abstractmethod
    def step(self) -> Sequence[tuple[Prepared, Any]]:
        """Compute one step; the batch must not be empty.

        Returns:
            The inputs that end with it, which are then no longer part of the batch, each with its
            outputs for `Model.decode`, or the exception with which it failed.

        Raises:
            EngineError: the engine failed; the batch cannot be used any more.
        """

    @abstractmethod
    def piece(self, prepared: Prepared) -> str:
        """The text of an input that became final since the last call; also works after it has
        ended.
        """


class JoinableModel(Model[InputT, ResultT, OptionsT]):
    """A model that supports continuous batching."""

    @abstractmethod
    def joins(self, options: OptionsT) -> bool:
        """Whether inputs with these options can join a batch."""

    @abstractmethod
    def step_batch(self) -> StepBatch:
        """A new, empty batch."""

    @abstractmethod
    def check_streamed(self, options: OptionsT) -> None:
        """Refuse options with which a result cannot be streamed.

        Raises:
            UsageError: it cannot.
        """
