"""Calibrated int8: static quantisation per channel, with ranges and agreement measured on real
inputs.

The ranges of all activations are measured on the inputs of a `Calibration`, so that nothing is
quantised at run time; the agreement with float32 is measured on inputs that are set aside. Two tools
make a program; an artifact contains each program that reaches the requested agreement:

| file | quantised by | run by |
|---|---|---|
| `program.tflite` | TensorFlow Lite | LiteRT; OpenVINO runs such files slowly |
| `program.xml`, `.bin` | NNCF, if it is installed | OpenVINO |

If the agreement is too low, layers stay in float32: with TensorFlow Lite first those with the most
quantisation noise (`quantization_noise`), and more of them until it is reached; NNCF ranks and
reverts them by its own measure. These layers may cost more than quantising activations at run time,
so TensorFlow Lite then makes such a program as well, and the faster one is stored. The programs,
float32 and bfloat16 are timed in turns, once: the choice of an engine and of a precision on this
machine reads these times in the record of the artifact, a `CalibrationRecord`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart import log
from warmstart.counts import counted
from warmstart.engines import choose, machine
from warmstart.engines.agreement import Decisions
from warmstart.engines.base import Engine
from warmstart.engines.calibration import FORWARD, Calibration
from warmstart.engines.calibration_record import CalibrationRecord, FloatRecord
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.parity import compare
from warmstart.engines.quantization_noise import noisiest_layers
from warmstart.engines.store import OPENVINO, PROBE, PROGRAM, Artifact
from warmstart.errors import CompileError, EngineError, is_installed

if TYPE_CHECKING:
    from warmstart.engines.keras import Program

Report = Callable[[str], None]
FLOAT_SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6)
"""Shares of the layers that stay in float32, tried in this order."""
NOISE_INPUTS = 8
"""Number of inputs for ranking layers."""


@dataclass(frozen=True)
class Attempt:
    """A quantised program.

    Attributes:
        engine: runs it.
        agreement: with float32, measured.
        float_layers: number of layers that TensorFlow Lite left in float32; None for NNCF, and if
            activations are quantised at run time.
        path: the file of TensorFlow Lite.
    """

    engine: Engine
    agreement: float
    float_layers: int | None = None
    path: Path | None = None

    @property
    def is_dynamic(self) -> bool:
        """Whether activations are quantised at run time."""
        return self.path is not None and self.float_layers is None


@dataclass(frozen=True)
class _Job:
    """What is quantised, and how its programs are judged; see `compile_int8`.

    Attributes:
        expected: the decisions of float32 on the inputs that are compared.
    """

    program: Program
    exact: Artifact
    folder: Path
    calibration: Calibration
    expected: Decisions
    report: Report

    def attempt(
        self, engine: Engine, float_layers: int | None = None, path: Path | None = None
    ) -> Attempt:
        agreement = self.calibration.to_compare.agreement(engine, self.expected)
        return Attempt(engine, agreement, float_layers, path)

    def usable(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Those that reach the requested agreement."""
        threshold = self.calibration.threshold
        return [attempt for attempt in attempts if attempt.agreement >= threshold]


def compile_int8(
    program: Program, exact: Artifact, folder: Path, calibration: Calibration, report: Report
) -> dict[str, Any]:
    """Fill `folder` with the quantised programs and `probe.npz`; returns their part of the record.

    Args:
        program: of the Keras model; it has one function, `forward`.
        exact: the compiled float32 program, the reference.
        folder: of the new artifact.
        calibration: real inputs, and the requested agreement.
        report: called with a description of each step.

    Raises:
        CompileError: the converter failed, or no program reaches the requested agreement.
    """
    reference = LiteRTEngine(exact.path, exact.signatures)
    expected = calibration.to_compare.decisions(reference)
    job = _Job(program, exact, folder, calibration, expected, report)
    failure: CompileError | None = None
    attempts: list[Attempt] = []
    try:
        attempts.append(_by_litert(job))
    except CompileError as error:
        failure = error
    if is_installed("nncf") and choose.openvino_runs():
        attempts += _by_nncf(job, reference)
    usable = job.usable(attempts)
    if not usable:
        raise failure or CompileError(_refusal(attempts, calibration))
    report("measuring")
    floats = {"float32": choose.open_engine(exact)}
    try:
        floats["bfloat16"] = engine = choose.open_engine(exact, precision="bfloat16")
        agreement = round(calibration.to_compare.agreement(engine, expected), 6)
        bfloat16 = FloatRecord(engine.name, agreement)
    except EngineError as error:
        bfloat16 = FloatRecord(reason=str(error))
    engines = floats | {attempt.engine.name: attempt.engine for attempt in usable}
    measured = choose.measure(list(engines.values()))
    times = {name: round(ms, 3) for name, ms in zip(engines, measured, strict=True)}
    (folder / PROBE).write_bytes((exact.folder / PROBE).read_bytes())
    packages = ["tensorflow", "keras", *(["nncf"] if (folder / OPENVINO[0]).exists() else [])]
    record = CalibrationRecord(
        inputs=len(calibration.to_calibrate),
        validation=calibration.validation,
        digest=calibration.digest,
        threshold=calibration.threshold,
        measure=calibration.rule.words,
        agreement={attempt.engine.name: round(attempt.agreement, 6) for attempt in usable},
        too_low={
            attempt.engine.name: round(attempt.agreement, 6)
            for attempt in attempts
            if attempt not in usable
        },
        engine=choose.ranked(
            {attempt.engine.name: times[attempt.engine.name] for attempt in usable}
        )[0],
        float_layers=usable[0].float_layers,
        dynamic=tuple(attempt.engine.name for attempt in usable if attempt.is_dynamic),
        milliseconds=times,
        float32=FloatRecord(floats["float32"].name),
        bfloat16=bfloat16,
        processor=machine.processor().partition(":")[2].strip(),
        machine=machine.digest(),
    )
    return {
        "signatures": {FORWARD: usable[-1].engine.signatures[FORWARD].to_dict()},
        "differences": compare(usable[0].engine, exact.expected()),
        "made_with": {name: version(name) for name in packages},
        "calibration": record.to_dict(),
    }


def _by_litert(job: _Job) -> Attempt:
    """The program of TensorFlow Lite: `program.tflite` is the fastest one that agrees enough. If none
    does, the best attempt; there is no file then.

    Raises:
        CompileError: the converter failed.
    """
    failure: CompileError | None = None
    attempts: list[Attempt] = []
    for make in (_static, _dynamic):
        try:
            attempts.append(make(job))
        except CompileError as error:
            failure = failure or error
        usable = job.usable(attempts)
        if any(attempt.float_layers == 0 for attempt in usable):
            break  # nothing is faster than all layers in 8 bits, with known ranges
    if not attempts:
        assert failure is not None
        raise failure
    if len(usable) > 1:
        times = choose.measure([attempt.engine for attempt in usable])
        usable = [usable[int(np.argmin(times))]]
    for attempt in attempts:
        if attempt.path is not None and attempt not in usable:
            attempt.path.unlink()
    if not usable:
        return max(attempts, key=lambda attempt: attempt.agreement)
    fastest, path = usable[0], job.folder / PROGRAM
    assert fastest.path is not None
    fastest.path.rename(path)
    return replace(fastest, engine=LiteRTEngine(path, fastest.engine.signatures), path=path)


def _static(job: _Job) -> Attempt:
    """The program with calibrated ranges, with as few float32 layers as the agreement needs."""
    from warmstart.engines.compile import with_tensor_names
    from warmstart.engines.quantizer import quantizing

    path, best = job.folder / "static.tflite", None
    to_calibrate, report = job.calibration.to_calibrate, job.report
    with quantizing(job.program, to_calibrate, job.folder, report) as quantizer:
        layers: list[list[str]] = []
        for share in FLOAT_SHARES:
            if share and not layers:
                report("ranking layers by their noise in 8 bits")
                samples = islice(to_calibrate.batches(), NOISE_INPUTS)
                layers = noisiest_layers(quantizer.float_program, samples)
            count = round(share * len(layers))
            chosen = [name for names in layers[:count] for name in names]
            in_float32 = counted(count, "layer")
            report(f"quantising, {in_float32} in float32" if count else "quantising")
            path.write_bytes(quantizer.quantized(chosen))
            named = with_tensor_names(path, FORWARD, job.exact.signatures[FORWARD])
            attempt = job.attempt(LiteRTEngine(path, {FORWARD: named}), count, path)
            log.info("int8 with %d layers in float32: agreement %.4f", count, attempt.agreement)
            if job.usable([attempt]):
                return attempt
            if best is None or attempt.agreement > best.agreement:
                best = attempt
    assert best is not None
    return best


def _dynamic(job: _Job) -> Attempt:
    """The program whose activations are quantised at run time."""
    from warmstart.engines.compile import convert

    job.report("quantising the weights")
    path = job.folder / "dynamic.tflite"
    signatures = convert(job.program, path, "int8", job.report)
    attempt = job.attempt(LiteRTEngine(path, signatures), path=path)
    log.info("int8 with activations quantised at run time: agreement %.4f", attempt.agreement)
    return attempt


def _by_nncf(job: _Job, reference: Engine) -> list[Attempt]:
    """The program of NNCF; empty if NNCF cannot make it, or OpenVINO cannot run it."""
    from warmstart.engines import nncf
    from warmstart.engines.openvino import OpenVINOEngine

    attempts = []
    try:
        nncf.quantize(job.exact, reference, job.folder, job.calibration, job.report)
        engine = OpenVINOEngine(job.folder / OPENVINO[0], job.exact.signatures)
        attempts.append(job.attempt(engine))
    except EngineError as error:
        log.info("int8 on OpenVINO: %s", error)
    if not job.usable(attempts):
        for name in OPENVINO:
            (job.folder / name).unlink(missing_ok=True)
    return attempts


def _refusal(attempts: Sequence[Attempt], calibration: Calibration) -> str:
    best = max(attempts, key=lambda attempt: attempt.agreement)
    layers = best.float_layers
    rest = f", with {counted(layers, 'layer')} in float32" if layers else ""
    return (
        f"The agreement of int8 with float32 is too low: {calibration.rule.words} "
        f"{best.agreement:.1%} on {calibration.compared_in_words}{rest}, requested "
        f"{calibration.threshold:.1%}. Use float32, request less agreement, or calibrate on "
        "more inputs."
    )
