"""Integer-only programs, for microcontrollers and accelerators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.engines.calibration import FORWARD, Calibration
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.parity import compare
from warmstart.engines.store import Artifact
from warmstart.errors import CompileError

if TYPE_CHECKING:
    from warmstart.engines.keras import Program

Scale = tuple[float, int]
"""(scale, zero point) of a tensor: value = scale * (integer - zero point)."""


class IntegerEngine(LiteRTEngine):
    """Runs a `.tflite` file with int8 inputs and outputs, and converts them from and to float32:
    its signatures are those of the float32 program.
    """

    name = "litert, integers"

    def scales(self, function: str) -> dict[str, Scale]:
        """Scale and zero point of the quantised inputs and outputs, by name."""
        runner = self._runners[function]
        details = {**runner.get_input_details(), **runner.get_output_details()}
        return {
            name: (float(detail["quantization"][0]), int(detail["quantization"][1]))
            for name, detail in details.items()
            if detail["dtype"] == np.int8
        }

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        scales = self.scales(function)
        quantised = {
            name: _quantised(array, scales[name]) if name in scales else array
            for name, array in arrays.items()
        }
        outputs = super()._run(function, quantised)
        return {
            name: _dequantised(array, scales[name]) if name in scales else array
            for name, array in outputs.items()
        }


def _quantised(array: np.ndarray, scale: Scale) -> np.ndarray:
    step, zero = scale
    return np.clip(np.round(array / step) + zero, -128, 127).astype(np.int8)


def _dequantised(array: np.ndarray, scale: Scale) -> np.ndarray:
    step, zero = scale
    values: np.ndarray[Any, Any] = (array.astype(np.float32) - zero) * np.float32(step)
    return values


def export_integer(
    exact: Artifact,
    program: Program,
    calibration: Calibration,
    path: Path,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Write an integer-only `.tflite` file, and compare it with the float32 program.

    Args:
        exact: the program in float32, compiled.
        program: the same program of the Keras model.
        calibration: real inputs, and the requested agreement.
        path: the file.
        report: called with a description of each step.

    Returns:
        `difference`: the largest from float32 on random inputs; `agreement`: with float32, see
        `Calibration.validation`; `scales`: scale and zero point by the name of the input or output.

    Raises:
        CompileError: an operator has no int8 version, or the agreement is too low.
    """
    from warmstart.engines.quantizer import convert_integer

    convert_integer(program, calibration.to_calibrate, path, report)
    report("verifying")
    engine = IntegerEngine(path, exact.signatures)
    compared = calibration.to_compare
    expected = compared.decisions(LiteRTEngine(exact.path, exact.signatures))
    agreement = compared.agreement(engine, expected)
    if agreement < calibration.threshold:
        raise CompileError(
            "With integers only, the agreement with float32 is too low: "
            f"{calibration.rule.words} {agreement:.1%} on {calibration.compared_in_words}, requested "
            f"{calibration.threshold:.1%}. Leave integer_io out, so that layers can stay in "
            "float32, or request less agreement."
        )
    return {
        "difference": max(compare(engine, exact.expected()).values()),
        "agreement": agreement,
        "scales": engine.scales(FORWARD),
    }
