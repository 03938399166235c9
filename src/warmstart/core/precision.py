"""Chooses the fastest precision that reaches the requested agreement with float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from warmstart import log
from warmstart.catalog import Entry
from warmstart.core.calibration import Request, has_published_weights
from warmstart.core.calibration_inputs import AGREEMENT
from warmstart.core.compiling import artifact_key
from warmstart.core.model import Model
from warmstart.core.weights import Weights
from warmstart.counts import counted
from warmstart.engines import choose, machine
from warmstart.engines.base import Engine
from warmstart.engines.calibration_record import FloatRecord
from warmstart.engines.store import Artifact
from warmstart.errors import EngineError, EngineUnavailableError, UsageError, documented_in
from warmstart.hub.json_file import JsonFile

ModelT = TypeVar("ModelT", bound=Model[Any, Any, Any])

CHOSEN = JsonFile("precisions.json")


@dataclass(frozen=True)
class Candidate:
    """A precision that was considered.

    Attributes:
        precision: its name.
        engine: the fastest engine for it here; "" if there is none.
        milliseconds: of one input, or of what else was timed.
        agreement: with float32, 0 to 1.
        reason: why it was not measured.
    """

    precision: str
    engine: str = ""
    milliseconds: float = 0.0
    agreement: float = 0.0
    reason: str = ""

    def in_words(self, unit: str) -> str:
        """One line; `unit` is what was timed."""
        if self.reason:
            return f"{self.precision}: {self.reason}"
        agreement = "" if self.precision == "float32" else f", agreement {self.agreement:.1%}"
        return f"{self.precision}: {self.milliseconds:.2f} ms per {unit} ({self.engine}){agreement}"


@dataclass(frozen=True)
class Choice:
    """The fastest precision on this machine that reaches the requested agreement with float32.

    Attributes:
        precision: its name.
        candidates: those that were considered, float32 first.
        threshold: the requested agreement.
        inputs: the number of inputs that int8 was calibrated on; 0: it was not calibrated.
        digest: of the inputs.
        measure: what the agreement is.
        validation: the number of other inputs that the agreement was measured on; 0: it was measured
            on `inputs`.
        unit: what was timed, such as "input".
    """

    precision: str
    candidates: tuple[Candidate, ...]
    threshold: float
    inputs: int
    digest: str
    measure: str
    validation: int = 0
    unit: str = "input"

    @property
    def lines(self) -> tuple[str, ...]:
        """The chosen precision and the reason, as a sentence."""
        if not self.validation:
            inputs = counted(self.inputs, "calibration input")
            compared = f"on the {inputs}, too few to set some aside"
        else:
            set_aside = " set aside" if self.inputs else ""
            compared = f"on {counted(self.validation, 'input')}{set_aside}"
        requirement = f"an agreement of {self.threshold:.1%} ({self.measure}, {compared})"
        return (
            f"{self.precision}: the fastest here with {requirement}",
            *(candidate.in_words(self.unit) for candidate in self.candidates),
        )

    def at(self, threshold: float) -> Choice:
        """The choice for another requested agreement, by the same figures."""
        return replace(self, threshold=threshold, precision=_best(self.candidates, threshold))

    def is_current(self, int8: Artifact | None) -> bool:
        """Whether the choice was made with this int8 program; another may have replaced it."""
        if not self.inputs:
            return True  # it is made of the weights only
        record = int8.calibration if int8 else None
        return self.precision != "int8" or (record is not None and record.digest == self.digest)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Choice:
        candidates = tuple(Candidate(**candidate) for candidate in data["candidates"])
        if not candidates:
            raise ValueError("a choice without candidates")
        return cls(**{**data, "candidates": candidates})


@documented_in("engines.md#automatic")
def fastest(
    exact: ModelT, request: Request | None, threshold: float | None = None
) -> tuple[ModelT, Choice]:
    """A model in the fastest precision whose agreement with float32 is high enough.

    Args:
        exact: in float32.
        request: real inputs, and the requested agreement; None: use the figures that are stored on
            this machine or in the bundle.
        threshold: the agreement, if there is no request; None: that of the recorded choice, or the
            default.

    Raises:
        UsageError: nothing was calibrated before, and there is no request.
    """
    if exact.agreement_rule is None:
        raise UsageError(
            f"precision='auto' compares precisions, and agreement is not defined for {exact.task}. "
            "Name one: 'float32' or 'int8'."
        )
    choice = _recorded(exact, request, threshold)
    if choice is None:
        least = AGREEMENT if threshold is None else threshold
        choice = choose_precision(exact, request) if request else _of_record(exact, least)
    if choice is None:
        raise UsageError(
            f"precision='auto' compares precisions of {exact.name} on real inputs: pass "
            "calibration=DATA, or run `warmstart compile NAME --precision auto --calibration "
            "FOLDER` once."
        )
    log.info("%s: %s", exact.name, "; ".join(choice.lines))
    chosen = request if choice.precision == "int8" and choice.inputs else None
    return exact.in_precision(choice.precision, chosen), choice


def choose_precision(exact: Model[Any, Any, Any], request: Request) -> Choice:
    """Compile, compare and measure each precision, and record the choice for this machine."""
    inputs = request.inputs(exact)
    compared = inputs.to_compare
    expected: Any = compared.decisions(exact.engine)
    candidates = _candidates(
        exact,
        request if inputs.calibrated else None,
        lambda precision, engine: compared.agreement(engine, expected),
    )
    choice = Choice(
        _best(candidates, inputs.threshold),
        candidates,
        inputs.threshold,
        inputs.calibrated,
        inputs.digest,
        inputs.rule.words,
        inputs.validation,
        "input" if exact.trial is None else exact.trial.words,
    )
    return _record(exact, choice)


def _of_record(exact: Model[Any, Any, Any], threshold: float) -> Choice | None:
    """Choose by the figures in the record of the calibrated program, of the bundle or of this
    machine; None if there is no such program.
    """
    artifact = exact.calibrated_artifact()
    record = artifact.calibration if artifact else None
    if artifact is None or record is None:
        return None

    def agreement(precision: str, engine: Engine) -> float:
        if precision == "int8":
            return record.agreement[engine.name]
        if not record.bfloat16.engine:
            reason = record.bfloat16.reason or "Its agreement with float32 was not measured."
            raise EngineUnavailableError(reason)
        return record.bfloat16.agreement

    candidates = recorded_candidates(exact, artifact) or _candidates(exact, None, agreement)
    best = _best(candidates, threshold)
    choice = Choice(
        best, candidates, threshold, record.inputs, record.digest, record.measure, record.validation
    )
    return _record(exact, choice)


def _candidates(
    exact: Model[Any, Any, Any],
    request: Request | None,
    agreement: Callable[[str, Engine], float],
) -> tuple[Candidate, ...]:
    """All precisions, as recorded when int8 was calibrated on this machine, or measured now.

    Args:
        exact: in float32.
        request: calibrates int8; None: it is stored, or made of the weights only.
        agreement: that of an engine in a precision; raises `EngineError` if it is not known.
    """
    opened, agreements, refused = {"float32": exact}, {"float32": 1.0}, []
    for precision in ("bfloat16", "int8"):
        try:
            choose.check_options(exact.requested_engine, precision)
            other = exact.in_precision(precision, request if precision == "int8" else None)
            agreements[precision] = agreement(precision, other.engine)
        except (EngineError, UsageError) as error:
            refused.append(Candidate(precision, reason=str(error)))
        else:
            opened[precision] = other
    if "int8" in opened and (recorded := recorded_candidates(exact, opened["int8"].artifact)):
        return recorded
    engines = {name: model.engine for name, model in opened.items()}
    return (*_measured(engines, agreements, exact.trial), *refused)


def recorded_candidates(
    exact: Model[Any, Any, Any], artifact: Artifact
) -> tuple[Candidate, ...] | None:
    """The candidates as they were measured when int8 was calibrated; None if that was on another
    machine, or if an engine was requested, which may not have been timed.
    """
    record = choose.measured_here(artifact)
    if record is None or exact.requested_engine != "auto":
        return None

    def candidate(precision: str, facts: FloatRecord) -> Candidate:
        milliseconds = record.milliseconds.get(precision, 0.0)
        return Candidate(precision, facts.engine, milliseconds, facts.agreement, facts.reason)

    return (
        candidate("float32", record.float32),
        candidate("bfloat16", record.bfloat16),
        Candidate(
            "int8",
            record.engine,
            record.milliseconds[record.engine],
            record.agreement[record.engine],
        ),
    )


def _measured(
    engines: Mapping[str, Engine], agreements: Mapping[str, float], trial: choose.Trial | None
) -> tuple[Candidate, ...]:
    times = choose.measure(list(engines.values()), trial=trial)
    return tuple(
        Candidate(name, engine.name, round(time, 3), round(agreements[name], 6))
        for (name, engine), time in zip(engines.items(), times, strict=True)
    )


def _best(candidates: Sequence[Candidate], threshold: float) -> str:
    """The fastest precision that agrees enough; the first candidate is float32."""
    float32 = candidates[0]
    good = [
        candidate
        for candidate in candidates[1:]
        if not candidate.reason
        and candidate.agreement >= threshold
        and candidate.milliseconds < choose.CLEARLY_FASTER * float32.milliseconds
    ]
    return min(good, key=lambda candidate: candidate.milliseconds, default=float32).precision


def _record(exact: Model[Any, Any, Any], choice: Choice) -> Choice:
    """Record a choice for this machine."""
    CHOSEN.update(_key(exact.entry, exact.weights, exact.requested_engine), asdict(choice))
    if has_published_weights(exact) and exact.requested_engine == "auto":
        CHOSEN.update(_published_key(exact.entry), asdict(choice))
    return choice


def recorded_choice(entry: Entry, weights: Weights | None = None) -> Choice | None:
    """The recorded choice of `auto` for a model on this machine; None if there is none.

    Args:
        entry: of the model.
        weights: None: the published ones of the entry.
    """
    if weights is None:
        return _choice(_published_key(entry))
    return _choice(_key(entry, weights, "auto"))


def _choice(key: str) -> Choice | None:
    try:
        return Choice.from_dict(CHOSEN.read()[key])
    except (KeyError, TypeError, ValueError):
        return None  # nothing, or a damaged record


def _recorded(
    exact: Model[Any, Any, Any], request: Request | None, threshold: float | None
) -> Choice | None:
    choice = _choice(_key(exact.entry, exact.weights, exact.requested_engine))
    if choice is None:
        return None
    if (least := request.threshold if request else threshold) is not None:
        choice = choice.at(least)
    if request is not None:
        inputs = request.inputs(exact)
        int8 = exact.in_precision("int8", request if inputs.calibrated else None)
        is_same = choice.digest == inputs.digest
        is_usable = choice.precision != "int8" or int8.is_compiled()
        return choice if is_same and is_usable else None
    return choice if choice.is_current(exact.calibrated_artifact()) else None


def _key(entry: Entry, weights: Weights, engine: str) -> str:
    return f"{artifact_key(entry, weights, 'float32')} {engine} {machine.digest()}"


def _published_key(entry: Entry) -> str:
    """The key of an entry whose published weights are not looked up."""
    return f"{entry.name} {machine.digest()}"
