"""Real inputs on which a lower precision is calibrated and compared with float32."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.counts import counted
from warmstart.engines.agreement import Decisions, Rule, joined
from warmstart.engines.base import Engine

FORWARD = "forward"
"""The function that is calibrated; programs with other functions cannot be calibrated."""
BATCH = 8


@dataclass(frozen=True, eq=False)
class Calibration:
    """Inputs of `forward`, and the requested agreement with float32.

    Attributes:
        inputs: by name, (N, …) each; all rows have the same shape.
        rule: how agreement is measured.
        threshold: the minimum agreement of a program, 0 to 1.
        validation: so many rows, the last ones, are not calibrated on: the agreement is measured on
            them. 0: it is measured on the rows that are calibrated on.
    """

    inputs: Mapping[str, np.ndarray]
    rule: Rule
    threshold: float
    validation: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    @cached_property
    def to_calibrate(self) -> Calibration:
        """The rows that are calibrated on."""
        return self._rows(slice(len(self) - self.validation))

    @cached_property
    def to_compare(self) -> Calibration:
        """The rows on which the agreement is measured."""
        return self._rows(slice(len(self) - (self.validation or len(self)), None))

    def _rows(self, rows: slice) -> Calibration:
        inputs = {name: array[rows] for name, array in self.inputs.items()}
        return Calibration(inputs, self.rule, self.threshold)

    @property
    def calibrated(self) -> int:
        """The number of rows that are calibrated on."""
        return len(self) - self.validation

    @property
    def compared_in_words(self) -> str:
        """Where the agreement is measured."""
        if self.validation:
            return f"{counted(self.validation, 'input')} set aside"
        return f"the {counted(len(self), 'input')} of the calibration"

    @cached_property
    def digest(self) -> str:
        """Digest of everything that determines the program."""
        facts = [self.rule.to_dict(), self.threshold, self.validation]
        parts = json.dumps(facts, sort_keys=True)
        digest = hashlib.sha256(parts.encode())
        for name, array in sorted(self.inputs.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def save(self, path: Path) -> dict[str, Any]:
        """Write the inputs to an `.npz` file; returns the argument of `load` as JSON values."""
        arrays: Any = self.inputs
        np.savez(path, **arrays)
        return {
            "inputs": str(path),
            "rule": self.rule.to_dict(),
            "threshold": self.threshold,
            "validation": self.validation,
        }

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> Calibration:
        with np.load(saved["inputs"], allow_pickle=False) as arrays:
            inputs = {name: arrays[name] for name in arrays.files}
        rule = Rule.from_dict(saved["rule"])
        return cls(inputs, rule, saved["threshold"], saved["validation"])

    def batches(self, size: int = 1) -> Iterator[dict[str, np.ndarray]]:
        """The inputs in batches of `size` rows."""
        for start in range(0, len(self), size):
            yield {name: array[start : start + size] for name, array in self.inputs.items()}

    def decisions(self, engine: Engine) -> Decisions:
        """The decisions of an engine on all inputs."""
        first = engine.signatures[FORWARD].inputs[0].shape[0]
        size = first if isinstance(first, int) else BATCH
        parts = [
            self.rule.decide(batch, engine.run(FORWARD, **batch)) for batch in self.batches(size)
        ]
        return joined(parts)

    def agreement(self, engine: Engine, expected: Decisions) -> float:
        """How far an engine agrees with `expected`, the decisions of the float32 program."""
        return self.rule.agreement(self.decisions(engine), expected)
