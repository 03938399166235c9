"""Agreement of precisions by the results of a model, for tasks whose results are texts.

A program with other functions than `forward` is not calibrated, so all inputs are compared.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from warmstart.core.inputs import Item, Row
from warmstart.engines.base import Engine

Parts = Sequence[Any]
"""The parts of a result that are compared, such as its words."""


class ResultRule(ABC):
    """How agreement between two precisions of a model is measured by its results.

    Class attributes:
        words: a description of the number, such as "same words".
    """

    words: ClassVar[str]

    @abstractmethod
    def read(self, model: Any, item: Item) -> Row:
        """An input as arrays, as far as its result is compared.

        Raises:
            InputError: the input is unusable.
        """

    @abstractmethod
    def parts(self, model: Any, row: Row) -> Parts:
        """The parts of the result of a model for such an input."""

    @abstractmethod
    def agreement(self, actual: Sequence[Parts], expected: Sequence[Parts]) -> float:
        """How far the results of several inputs agree, from 0 to 1."""


@dataclass(frozen=True, eq=False)
class ComparedInputs:
    """Inputs of a model, whose results in other precisions are compared with those in float32.

    Attributes:
        model: computes the results.
        rows: the inputs, as the rule reads them.
        rule: how agreement is measured.
        threshold: the minimum agreement of a precision, 0 to 1.
    """

    model: Any
    rows: Sequence[Row]
    rule: ResultRule
    threshold: float
    calibrated: ClassVar[int] = 0
    """The number of inputs that are calibrated on."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def validation(self) -> int:
        """The number of inputs on which the agreement is measured."""
        return len(self)

    @property
    def to_compare(self) -> ComparedInputs:
        """The inputs on which the agreement is measured."""
        return self

    @cached_property
    def digest(self) -> str:
        """Digest of everything that determines the agreement."""
        digest = hashlib.sha256(self.rule.words.encode())
        for row in self.rows:
            for name, array in row.items():
                digest.update(f"{name} {array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def decisions(self, engine: Engine) -> Sequence[Parts]:
        """The compared parts of the results of all inputs on an engine."""
        model = self.model.with_engine(engine)
        return [self.rule.parts(model, row) for row in self.rows]

    def agreement(self, engine: Engine, expected: Sequence[Parts]) -> float:
        """How far an engine agrees with `expected`, the decisions in float32."""
        return self.rule.agreement(self.decisions(engine), expected)
