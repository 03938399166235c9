"""The record of a calibrated int8 program: what it was calibrated on, its agreement, and its speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from warmstart.counts import counted
from warmstart.errors import CompileError, EngineError, EngineUnavailableError
from warmstart.json_values import check


class FloatRecord(NamedTuple):
    """How a program runs in a floating-point precision.

    Attributes:
        engine: the fastest on the machine of the record; "" if there is none.
        agreement: with float32, 0 to 1.
        reason: why it cannot be used.
    """

    engine: str = ""
    agreement: float = 1.0
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Its values that are not the defaults, as JSON values."""
        defaults = self._field_defaults
        return {name: value for name, value in self._asdict().items() if value != defaults[name]}


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord:
    """How an int8 program was calibrated and measured; stored in the record of its artifact.

    Attributes:
        inputs: the number of inputs that it was calibrated on.
        validation: the number of other inputs that the agreement was measured on; 0: there were
            too few, and it was measured on `inputs`.
        digest: of the inputs.
        threshold: the requested agreement with float32, 0 to 1.
        measure: what the agreement is, such as "same best class".
        agreement: the agreement reached, by engine; these engines may run the program.
        too_low: the agreement of the programs that reached less than requested, by engine; they
            were not stored.
        engine: the best of them.
        float_layers: the number of layers that TensorFlow Lite left in float32; None: its program
            is one of `dynamic`, or it made none that is good enough.
        dynamic: the engines whose program quantises activations at run time.
        milliseconds: of one input: in `float32` and `bfloat16`, and in int8 by engine.
        float32, bfloat16: how the program runs without quantisation.
        processor: the machine on which it was measured, in words.
        machine: the same as a digest; see `machine.digest`.
    """

    inputs: int
    validation: int
    digest: str
    threshold: float
    measure: str
    agreement: Mapping[str, float]
    too_low: Mapping[str, float]
    engine: str
    float_layers: int | None
    milliseconds: Mapping[str, float]
    float32: FloatRecord
    bfloat16: FloatRecord
    processor: str
    machine: str
    dynamic: Sequence[str] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CalibrationRecord:
        """Read the JSON values of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: they are damaged.
        """
        for key in ("float32", "bfloat16"):
            check(data.get(key, {}), FloatRecord, key)
        record = cls(
            inputs=int(data["inputs"]),
            validation=int(data["validation"]),
            digest=str(data["digest"]),
            threshold=float(data["threshold"]),
            measure=str(data["measure"]),
            agreement=_numbers(data["agreement"]),
            too_low=_numbers(data.get("too_low", {})),
            engine=str(data["engine"]),
            float_layers=data.get("float_layers"),
            milliseconds=_numbers(data["milliseconds"]),
            float32=FloatRecord(**data["float32"]),
            bfloat16=FloatRecord(**data.get("bfloat16", {})),
            processor=str(data["processor"]),
            machine=str(data.get("machine", "")),
            dynamic=tuple(map(str, data.get("dynamic", ()))),
        )
        for engine in {record.engine, *record.agreement}:
            record.in_words(engine)  # raises if a figure is missing
        return record

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return asdict(self) | {
            "float32": self.float32.to_dict(),
            "bfloat16": self.bfloat16.to_dict(),
        }

    def __str__(self) -> str:
        return self.in_words(self.engine)

    def in_words(self, engine: str) -> str:
        """A sentence on the agreement and the speed on one of its engines."""
        compared = (
            f"on {counted(self.validation, 'other')}"
            if self.validation
            else "on the same inputs, which were too few to set some aside"
        )
        made = f"Calibrated on {counted(self.inputs, 'input')}"
        if engine in self.dynamic:
            made = "Activations are quantised at run time"
            compared = f"on {counted(self.validation or self.inputs, 'input')}"
        return (
            f"{made}; agreement with float32 "
            f"{self.agreement[engine]:.1%} ({self.measure}) {compared}; "
            f"{self.milliseconds[engine]:.2f} ms per input on {engine}, float32 "
            f"{self.milliseconds['float32']:.2f} ms on {self.float32.engine} "
            f"({self.processor or 'a processor'})."
        )

    def refusal(self, engine: str) -> EngineError:
        """Why an engine may not run the program, and what to do."""
        usable = " and ".join(self.agreement)
        remedy = f"Use engine={next(iter(self.agreement))!r}, or leave engine out"
        reached = self.too_low.get(engine)
        if reached is None:
            return EngineUnavailableError(
                f"This int8 program is for {usable}: on {engine} its agreement with float32 was too "
                f"low, or was not measured. {remedy}."
            )
        others = ", ".join(f"{value:.1%} on {name}" for name, value in self.agreement.items())
        return CompileError(
            f"The agreement of int8 with float32 on {engine} is too low: {self.measure} "
            f"{reached:.1%}, requested {self.threshold:.1%}. It is {others}. {remedy}, or request "
            "less agreement when you calibrate."
        )


def _numbers(data: Mapping[str, Any]) -> Mapping[str, float]:
    return {str(name): float(value) for name, value in data.items()}
