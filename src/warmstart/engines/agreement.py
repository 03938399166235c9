"""How far the answers of two engines agree on the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from warmstart.engines.boxes import MAX_BOXES, choose, common

Measure = Literal["boxes", "classes", "labels", "positions", "values", "vectors"]
WORDS: Mapping[str, str] = {
    "boxes": "F1 of the boxes",
    "classes": "same best class",
    "labels": "same labels",
    "positions": "same best tokens",
    "values": "coefficient of determination",
    "vectors": "mean cosine similarity",
}
Decisions = tuple[np.ndarray, ...]
"""The compared values for each output of a rule: one per input, pixel or token; for boxes a single
array.
"""


@dataclass(frozen=True)
class Rule:
    """How agreement between two engines is measured.

    Attributes:
        measure: `"boxes"`: the F1 score of the boxes; two are the same if their class is, and their
            intersection over union is at least 0.5. `"classes"`: the share of inputs, tokens or
            pixels with the same argmax over the last axis. `"labels"`: the share of inputs for
            which the same values of the last axis are above `above`. `"positions"`: the share of
            inputs with the same argmax over the tokens, for every output. `"values"`: the
            coefficient of determination, 0 if it is negative. `"vectors"`: the mean cosine
            similarity.
        outputs: names of the program's outputs that are compared; for boxes the scores (B, N, classes)
            and the sides (B, N, 4).
        mask: the input that is 0 for padding, which is ignored.
        above: the value above which a label applies; for boxes the lowest score.
        suppression: for boxes: see `engines.boxes.choose`.
    """

    measure: Measure
    outputs: tuple[str, ...]
    mask: str | None = None
    above: float = 0.0
    suppression: float | None = None

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
        if self.measure == "boxes":
            return (self._boxes(*(outputs[name] for name in self.outputs)),)
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

    def _boxes(self, scores: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """The selected boxes (B, MAX_BOXES, 5), highest score first: sides and class; -1 for none."""
        selected = np.full((len(boxes), MAX_BOXES, 5), -1.0)
        for row, own, own_scores in zip(selected, boxes, scores, strict=True):
            index, label, _ = choose(own, own_scores, self.above, MAX_BOXES, self.suppression)
            row[: len(index)] = np.column_stack([own[index], label])
        return selected

    def agreement(self, actual: Decisions, expected: Decisions) -> float:
        """How far two series of decisions agree, from 0 to 1."""
        if self.measure == "boxes":
            return _f1(*actual, *expected)
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


def _f1(actual: np.ndarray, expected: np.ndarray) -> float:
    """The F1 score of boxes, as `Rule._boxes` returns them; 1 if there are none."""
    both = [[boxes[boxes[:, 4] >= 0] for boxes in each] for each in (actual, expected)]
    count = sum(len(boxes) for each in both for boxes in each)
    shared = sum(common(*pair) for pair in zip(*both, strict=True))
    return 2 * shared / count if count else 1.0


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
