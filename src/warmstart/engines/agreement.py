"""How far the answers of two engines agree on the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Measure = Literal["classes", "labels", "positions", "values", "vectors"]
WORDS: Mapping[str, str] = {
    "classes": "same best class",
    "labels": "same labels",
    "positions": "same best tokens",
    "values": "coefficient of determination",
    "vectors": "mean cosine similarity",
}
Decisions = tuple[np.ndarray, ...]
"""The compared values for each output of a rule: one per input, pixel or token."""


@dataclass(frozen=True)
class Rule:
    """How agreement between two engines is measured.

    Attributes:
        measure: `"classes"`: the share of inputs, tokens or pixels with the same argmax over the
            last axis. `"labels"`: the share of inputs for which the same values of the last axis
            are above `above`. `"positions"`: the share of inputs with the same argmax over the
            tokens, for every output. `"values"`: the coefficient of determination, 0 if it is
            negative. `"vectors"`: the mean cosine similarity.
        outputs: names of the program's outputs that are compared.
        mask: the input that is 0 for padding, which is ignored.
        above: the value above which a label applies.
    """

    measure: Measure
    outputs: tuple[str, ...]
    mask: str | None = None
    above: float = 0.0

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Rule:
        return cls(**{**data, "outputs": tuple(data["outputs"])})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def words(self) -> str:
        """A description of the number, such as "same best class"."""
        return WORDS[self.measure]

    def decide(
        self, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
    ) -> Decisions:
        """The compared values of one call of the engine.

        Args:
            inputs: of the call, (B, …) each.
            outputs: of the program, (B, …) each.
        """
        mask = inputs[self.mask] > 0 if self.mask and self.mask in inputs else None
        return tuple(self._decide(outputs[name], mask) for name in self.outputs)

    def _decide(self, values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        if self.measure == "classes":
            best: np.ndarray = values.argmax(axis=-1)
            return best.ravel() if mask is None or best.shape != mask.shape else best[mask]
        if self.measure == "labels":
            return values > self.above
        if self.measure == "positions":
            inside = values if mask is None else np.where(mask, values, -np.inf)
            best_tokens: np.ndarray = inside.argmax(axis=-1)
            return best_tokens
        return values.reshape(-1) if self.measure == "values" else values

    def agreement(self, actual: Decisions, expected: Decisions) -> float:
        """How far two series of decisions agree, from 0 to 1."""
        if self.measure == "values":
            return min(map(_determination, actual, expected))
        if self.measure == "vectors":
            return min(map(_similarity, actual, expected))
        same = [a == b for a, b in zip(actual, expected, strict=True)]
        if self.measure == "labels":
            same = [each.all(axis=-1) for each in same]
        return float(np.logical_and.reduce(same).mean())


def joined(parts: Sequence[Decisions]) -> Decisions:
    """The decisions of several calls, in their order."""
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def _determination(actual: np.ndarray, expected: np.ndarray) -> float:
    spread = float(np.square(expected - expected.mean()).sum())
    error = float(np.square(actual - expected).sum())
    if spread == 0.0:
        return float(error == 0.0)
    return max(0.0, 1.0 - error / spread) if np.isfinite(error) else 0.0


def _similarity(actual: np.ndarray, expected: np.ndarray) -> float:
    actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    lengths = np.linalg.norm(actual, axis=-1) * np.linalg.norm(expected, axis=-1)
    cosines = (actual * expected).sum(axis=-1) / np.maximum(lengths, 1e-12)
    return max(0.0, float(np.nan_to_num(cosines, nan=0.0).mean()))
