"""Compile a model ahead of time, and tell what a lower precision costs and brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from warmstart.engines.choose import measure
from warmstart.errors import UsageError
from warmstart.image.classification import ImageClassifier
from warmstart.image.inputs import iter_photos

PROBES = 16


@dataclass(frozen=True)
class Comparison:
    """A model in another precision next to its float32 self.

    Attributes:
        milliseconds, float32_milliseconds: of one photo, median.
        agreement: share of the inputs on which the best class is the same, 0 to 1.
        difference: largest difference of any probability.
        count: inputs compared.
        photos: whether they were photos of the user's, or made-up pictures.
    """

    milliseconds: float
    float32_milliseconds: float
    agreement: float
    difference: float
    count: int
    photos: bool

    @property
    def ratio(self) -> float:
        """Time relative to float32; above 1 it is slower."""
        return self.milliseconds / self.float32_milliseconds


def compare_precisions(
    model: ImageClassifier, exact: ImageClassifier, photos: Any = None
) -> Comparison:
    """Run both on the same inputs.

    Args:
        model: in the other precision.
        exact: the same model in float32.
        photos: what to compare on; default: pictures made up by the probe, which tell less.

    Raises:
        InputError: a photo is unusable.
    """
    if model.name != exact.name or model.weights != exact.weights:
        raise UsageError("Only the same model in two precisions can be compared.")
    if photos is None:
        (spec,) = exact.engine.signatures["forward"].inputs
        arrays = list(spec.probe(np.random.default_rng(1), {"batch": PROBES}))
    else:
        arrays = [exact.preprocess(item.value) for item in iter_photos(photos)]
    pairs = [tuple(_probabilities(m, array) for m in (model, exact)) for array in arrays]
    milliseconds, float32_milliseconds = measure([model.engine, exact.engine])
    return Comparison(
        milliseconds=milliseconds,
        float32_milliseconds=float32_milliseconds,
        agreement=float(np.mean([a.argmax() == b.argmax() for a, b in pairs])),
        difference=float(max(np.abs(a - b).max() for a, b in pairs)),
        count=len(pairs),
        photos=photos is not None,
    )


def _probabilities(model: ImageClassifier, array: np.ndarray) -> np.ndarray:
    probabilities: np.ndarray = model.engine.run("forward", images=array[None])["probabilities"][0]
    return probabilities
