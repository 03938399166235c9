"""TensorFlow Lite's static quantisation, with ranges measured on real inputs."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from warmstart.counts import counted
from warmstart.engines.calibration import FORWARD, Calibration
from warmstart.engines.compile import Report, converter_errors, save_module
from warmstart.engines.keras import Program


class Quantizer:
    """Quantises a program of one function with ranges that are measured once; see `quantizing`.

    Attributes:
        float_program: the `.tflite` with the measured ranges, in float32.
    """

    def __init__(self, converter: Any, calibration: Calibration):
        import tensorflow as tf

        self._options = tf.lite.experimental.QuantizationDebugOptions
        self._debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=calibration.batches, debug_options=self._options()
        )
        self.float_program: bytes = self._debugger.calibrated_model

    def quantized(self, float_layers: Sequence[str]) -> bytes:
        """The `.tflite` in int8, with inputs and outputs in float32.

        Args:
            float_layers: names of output tensors of layers that stay in float32.
        """
        if float_layers:
            self._debugger.options = self._options(denylisted_nodes=list(float_layers))
        return bytes(self._debugger.get_nondebug_quantized_model())


@contextlib.contextmanager
def quantizing(
    program: Program, calibration: Calibration, folder: Path, report: Report
) -> Iterator[Quantizer]:
    """Measure the ranges of all tensors on the inputs of a calibration.

    Raises:
        CompileError: the converter failed, or nothing in the program can be quantised.
    """
    with _calibrated_converter(program, calibration, folder, report) as converter:
        report(f"calibrating on {counted(len(calibration), 'input')}")
        yield Quantizer(converter, calibration)


def convert_integer(program: Program, calibration: Calibration, path: Path, report: Report) -> None:
    """Write an integer-only `.tflite` file: int8 inputs and outputs, no operator in float32.

    Raises:
        CompileError: the converter failed, or an operator has no int8 version.
    """
    import tensorflow as tf

    with _calibrated_converter(program, calibration, path.parent, report) as converter:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        report(f"calibrating on {counted(len(calibration), 'input')}")
        path.write_bytes(converter.convert())


@contextlib.contextmanager
def _calibrated_converter(
    program: Program, calibration: Calibration, folder: Path, report: Report
) -> Iterator[Any]:
    """TensorFlow's converter for a program, with real inputs; errors become `CompileError`s."""
    import tensorflow as tf

    with (
        tempfile.TemporaryDirectory(dir=folder) as saved,
        warnings.catch_warnings(),
        converter_errors(),
    ):
        warnings.simplefilter("ignore")
        report("tracing")
        names = save_module(program, Path(saved))
        converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=names)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            (FORWARD, sample) for sample in calibration.batches()
        )
        yield converter
