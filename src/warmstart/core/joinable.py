"""Work whose inputs join and leave between steps, so that none waits for another to be finished."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from warmstart.core.inputs import Prepared
from warmstart.core.model import InputT, Model, OptionsT, ResultT


class StepBatch(ABC):
    """Inputs that are computed together, step by step: each joins and leaves between two steps.

    What becomes of an input does not depend on the others. Not for several threads at once.
    """

    @abstractmethod
    def __len__(self) -> int:
        """What is computed side by side: the rows of a step."""

    @abstractmethod
    def size(self, prepared: Prepared) -> int:
        """Tokens of the cache that an input takes at most while it is part of the batch."""

    @abstractmethod
    def join(self, prepared: Prepared) -> None:
        """Compute this input as well, from the next step on."""

    @abstractmethod
    def leave(self, prepared: Prepared) -> None:
        """Leave out an input that has not ended."""

    @abstractmethod
    def step(self) -> Sequence[tuple[Prepared, Any]]:
        """Compute one step; there must be an input.

        Returns:
            The inputs that end with it, which are then no longer part of the batch, each with its
            outputs for `Model.decode`, or the exception with which it failed.

        Raises:
            EngineError: the engine failed; the batch cannot be used any more.
        """

    @abstractmethod
    def piece(self, prepared: Prepared) -> str:
        """What has become certain of the text of an input since the last call; also after it has
        ended.
        """


class JoinableModel(Model[InputT, ResultT, OptionsT]):
    """A model whose inputs may join others that are being computed."""

    @abstractmethod
    def joins(self, options: OptionsT) -> bool:
        """Whether inputs with these options may."""

    @abstractmethod
    def step_batch(self) -> StepBatch:
        """A new batch, without inputs."""

    @abstractmethod
    def check_streamed(self, options: OptionsT) -> None:
        """Refuse options with which a result cannot be sent while it is computed.

        Raises:
            UsageError: it cannot.
        """
