"""Compares a model in another precision with itself in float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from warmstart.core.calibration_inputs import AGREEMENT, collect
from warmstart.core.model import Model
from warmstart.core.precision import recorded_candidates
from warmstart.core.result_agreement import ComparedInputs
from warmstart.engines import choose
from warmstart.engines.agreement import Rule
from warmstart.engines.calibration import FORWARD, Calibration
from warmstart.errors import UsageError

PROBES = 16
"""The number of synthetic inputs."""


@dataclass(frozen=True)
class Comparison:
    """A model in another precision, compared with itself in float32.

    Attributes:
        milliseconds, float32_milliseconds: of a `unit`, median.
        unit: what was timed, such as "photo".
        agreement: with float32, 0 to 1.
        measure: what the agreement is, such as "same best class".
        difference: largest difference of any output that is compared; None: results are compared.
        count: inputs compared.
        real: whether they were the user's inputs, or synthetic.
    """

    milliseconds: float
    float32_milliseconds: float
    unit: str
    agreement: float
    measure: str
    difference: float | None
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
        inputs: Calibration | ComparedInputs = _probes(exact)
    else:
        inputs = collect(exact, data, columns=columns, column_option=column_option, least=1)
    expected: Any = inputs.decisions(exact.engine)
    milliseconds, float32_milliseconds = _times(model, exact)
    return Comparison(
        milliseconds=milliseconds,
        float32_milliseconds=float32_milliseconds,
        unit=exact.input_kind.noun if exact.trial is None else exact.trial.words,
        agreement=inputs.agreement(model.engine, expected),
        measure=inputs.rule.words,
        difference=_difference(model, exact, inputs) if isinstance(inputs, Calibration) else None,
        count=len(inputs),
        real=data is not None,
    )


def _difference(
    model: Model[Any, Any, Any], exact: Model[Any, Any, Any], inputs: Calibration
) -> float:
    """The largest difference of any output that is compared."""
    return max(
        float(
            np.abs(model.engine.run(FORWARD, **row)[n] - exact.engine.run(FORWARD, **row)[n]).max()
        )
        for row in inputs.batches()
        for n in inputs.rule.outputs
    )


def _times(model: Model[Any, Any, Any], exact: Model[Any, Any, Any]) -> Sequence[float]:
    """Milliseconds in both, of one input or of a trial: as recorded by the calibration, or measured now."""
    candidates = recorded_candidates(exact, model.artifact) if model.precision == "int8" else None
    if candidates is None:
        return choose.measure([model.engine, exact.engine], trial=exact.trial)
    return [candidates[-1].milliseconds, candidates[0].milliseconds]


def _probes(exact: Model[Any, Any, Any]) -> Calibration:
    """Synthetic inputs of the program."""
    rule = exact.agreement_rule
    if not isinstance(rule, Rule) or list(exact.engine.signatures) != [FORWARD]:
        raise UsageError(f"Precisions cannot be compared for {exact.task}.")
    probe = exact.engine.signatures[FORWARD].probe(seed=1, size=PROBES)
    return Calibration(probe, rule, AGREEMENT)
