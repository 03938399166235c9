"""Compares a model in another precision with itself in float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from warmstart.core.calibration_inputs import AGREEMENT, collect
from warmstart.core.model import Model
from warmstart.core.precision import recorded_candidates
from warmstart.engines import choose
from warmstart.engines.calibration import FORWARD, Calibration
from warmstart.errors import UsageError

PROBES = 16
"""The number of synthetic inputs."""


@dataclass(frozen=True)
class Comparison:
    """A model in another precision, compared with itself in float32.

    Attributes:
        milliseconds, float32_milliseconds: of one input, median.
        agreement: with float32, 0 to 1.
        measure: what the agreement is, such as "same best class".
        difference: largest difference of any output that is compared.
        count: inputs compared.
        real: whether they were the user's inputs, or synthetic.
    """

    milliseconds: float
    float32_milliseconds: float
    agreement: float
    measure: str
    difference: float
    count: int
    real: bool

    @property
    def ratio(self) -> float:
        """Time relative to float32; above 1 it is slower."""
        return self.milliseconds / self.float32_milliseconds


def compare_precisions(
    model: Model[Any, Any, Any],
    exact: Model[Any, Any, Any],
    data: Any = None,
    *,
    columns: Sequence[str] = (),
    column_option: str | None = None,
) -> Comparison:
    """Run both on the same inputs.

    Args:
        model: in the other precision.
        exact: the same model in float32.
        data: inputs to compare on, as for `collect`; default: synthetic ones, which are less
            meaningful.
        columns, column_option: of a table of inputs, as for `collect`.

    Raises:
        InputError: an input is unusable.
        UsageError: the models differ, or agreement is not defined for the task.
    """
    if model.name != exact.name or model.weights != exact.weights:
        raise UsageError("Only the same model in two precisions can be compared.")
    if data is None:
        inputs = _probes(exact)
    else:
        inputs = collect(exact, data, columns=columns, column_option=column_option, least=1)
    names = inputs.rule.outputs
    difference = max(
        float(
            np.abs(model.engine.run(FORWARD, **row)[n] - exact.engine.run(FORWARD, **row)[n]).max()
        )
        for row in inputs.batches()
        for n in names
    )
    milliseconds, float32_milliseconds = _times(model, exact)
    return Comparison(
        milliseconds=milliseconds,
        float32_milliseconds=float32_milliseconds,
        agreement=inputs.agreement(model.engine, inputs.decisions(exact.engine)),
        measure=inputs.rule.words,
        difference=difference,
        count=len(inputs),
        real=data is not None,
    )


def _times(model: Model[Any, Any, Any], exact: Model[Any, Any, Any]) -> Sequence[float]:
    """Milliseconds of one input in both: as recorded by the calibration, or measured now."""
    candidates = recorded_candidates(exact, model.artifact) if model.precision == "int8" else None
    if candidates is None:
        return choose.measure([model.engine, exact.engine])
    return [candidates[-1].milliseconds, candidates[0].milliseconds]


def _probes(exact: Model[Any, Any, Any]) -> Calibration:
    """Synthetic inputs of the program."""
    if (rule := exact.agreement_rule) is None or list(exact.engine.signatures) != [FORWARD]:
        raise UsageError(f"Precisions cannot be compared for {exact.task}.")
    probe = exact.engine.signatures[FORWARD].probe(seed=1, size=PROBES)
    return Calibration(probe, rule, AGREEMENT)
