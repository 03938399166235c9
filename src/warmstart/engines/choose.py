"""Open an engine for an artifact: the requested one, or the fastest that reproduces the reference.

`auto` measures each installed engine once per artifact and machine, on one probe input, drops those
whose results differ from the reference, and records the rest in `$WARMSTART_HOME/engines.json`. For
a calibrated program, it reads the times that were measured when the program was made.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from warmstart import log
from warmstart.engines import machine, onnxruntime
from warmstart.engines.base import Engine
from warmstart.engines.calibration_record import CalibrationRecord
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.parity import TOLERANCE, compare, differences
from warmstart.engines.store import Artifact
from warmstart.errors import (
    EngineError,
    EngineUnavailableError,
    UsageError,
    documented_in,
    is_installed,
    require,
)
from warmstart.hub.json_file import JsonFile

ENGINES = ("auto", "litert", "openvino", "onnxruntime", "keras")
DEVICES = ("auto", "cpu", "gpu")
PRECISIONS = ("float32", "bfloat16", "int8", "auto")
SMALL_MS = 2.0  # below this, another engine saves less per call than loading it costs
SMALL_STEP_MS = 5.0  # the same of a step of a trial
CLEARLY_FASTER = 0.97
CLEAR_RATIO = 0.75  # of two times, after two rounds; two more would not reverse the order
LIMITS = {"float32": TOLERANCE, "int8": 0.1}
"""The tolerance for differences of engines in a trial; in int8 they round differently."""
TRIED = 3  # calls of a trial in which engines are compared
MEASURED = JsonFile("engines.json")
Opener = Callable[[], Engine]


class Trial(NamedTuple):
    """Calls with which engines are timed and compared.

    Attributes:
        words: what a call computes, such as "step of 8 texts".
        prepare: prepares inputs that are the same for every engine; what it returns computes their
            outputs, and may go on with them in the next call.
    """

    words: str
    prepare: Callable[[Engine], Callable[[], Mapping[str, np.ndarray]]]


@documented_in("engines.md#precisions")
def check_options(engine: str, precision: str) -> None:
    """Raise `UsageError` unless both exist and can be combined."""
    if engine not in ENGINES:
        known = ", ".join(ENGINES)
        raise UsageError(f"There is no engine {engine!r}; there are {known}.", section="engines.md")
    if precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise UsageError(f"There is no precision {precision!r}; there are {known}.")
    if engine == "keras" and precision != "float32":
        raise UsageError(
            "The keras engine is the float32 reference; choose another engine for other precisions."
        )
    if engine == "onnxruntime" and precision != "float32":
        raise UsageError(
            "The onnxruntime engine runs float32 only; choose another engine for other precisions."
        )
    if engine == "litert" and precision == "bfloat16":
        raise UsageError(
            "LiteRT does not compute in bfloat16; use engine='openvino' or precision='float32'."
        )


@documented_in("engines.md#devices")
def for_device(engine: str, device: str) -> str:
    """The engine for a device: LiteRT and OpenVINO run on the CPU, Keras on the devices that
    TensorFlow sees, and ONNX Runtime on those that it has a provider for.

    Args:
        engine: as the user named it.
        device: `"auto"`, `"cpu"` or `"gpu"`.

    Raises:
        UsageError: there is no such device, or the engine does not run on it.
        EngineUnavailableError: ONNX Runtime has no provider for a GPU.
    """
    if device not in DEVICES:
        raise UsageError(
            f"There is no device {device!r}; choose one of {', '.join(DEVICES)}. Compiled "
            "models run on the CPU; engine='keras' and fine-tuning use the GPUs that "
            "TensorFlow finds, and engine='onnxruntime' uses those that it has a provider "
            "for."
        )
    if engine == "onnxruntime" or (engine == "auto" and device != "gpu"):
        onnxruntime.use_device(device)
    if device != "gpu" or engine == "onnxruntime":
        return engine
    if engine not in ("auto", "keras"):
        raise UsageError(
            f"{engine} runs on the CPU; device='gpu' needs engine='keras' or 'onnxruntime'."
        )
    return "keras"


def open_engine(
    artifact: Artifact,
    engine: str = "auto",
    precision: str = "float32",
    write_onnx: onnxruntime.Write | None = None,
    trial: Trial | None = None,
) -> Engine:
    """An engine that runs `artifact`.

    Args:
        artifact: the compiled program.
        engine: `"auto"`, `"litert"`, `"openvino"` or `"onnxruntime"`; the keras engine runs no
            artifacts.
        precision: `"float32"`, `"int8"` (the artifact was compiled so) or `"bfloat16"` (OpenVINO
            only).
        write_onnx: converts the program to ONNX and writes it to a path, for `"onnxruntime"`.
        trial: what `"auto"` measures and compares; default: the program's functions on probe
            inputs.

    Raises:
        EngineUnavailableError: the engine is not installed or cannot run here.
        CompileError: the agreement of a calibrated program was too low on this engine.
        UsageError: there is no such engine, it runs no artifacts, or does not know the precision.
    """
    check_options(engine, precision)
    if engine == "keras":
        raise UsageError("The keras engine runs Keras models, not artifacts.")
    if artifact.calibration is not None and engine not in ("auto", *artifact.engines):
        raise artifact.calibration.refusal(engine)
    if engine == "litert":
        return LiteRTEngine(artifact.path, artifact.signatures)
    if engine == "openvino" or (engine == "auto" and precision == "bfloat16"):
        return _openvino(artifact, precision)
    if engine == "onnxruntime":
        return onnxruntime.open_artifact(artifact, write_onnx)
    return _open_fastest(artifact, precision, trial)


def measure(
    engines: Sequence[Engine],
    rounds: int = 4,
    seconds: float = 0.2,
    *,
    clear_ratio: float = 0.0,
    clear_ms: float = 0.0,
    trial: Trial | None = None,
) -> list[float]:
    """Milliseconds of one call on one probe input, or of one call of a trial, for each engine.

    The engines take turns, so that other load on the machine affects all of them; the result is the
    median of the best round. Two rounds are enough if the fastest takes less than `clear_ratio` of
    the time of the next, and three calls if all of them take less than `clear_ms`.
    """
    prepare = trial.prepare if trial else _on_probe
    calls = [prepare(engine) for engine in engines]

    def once(index: int) -> float:
        start = time.perf_counter()
        calls[index]()
        return (time.perf_counter() - start) * 1e3

    best = [float("inf")] * len(engines)
    for number in range(rounds):
        for index in range(len(engines)):
            once(index)  # warm up after the other engine
            end = time.perf_counter() + seconds
            times = [once(index) for _ in range(3)]
            is_clear = max(times) < clear_ms
            while not is_clear and time.perf_counter() < end:
                times.append(once(index))
            best[index] = min(best[index], float(np.median(times)))
        first, *others = sorted(best)
        if number >= 1 and others and first < clear_ratio * others[0]:
            break
    return best


def _on_probe(engine: Engine) -> Callable[[], object]:
    """Runs every function of an engine on a probe input."""
    calls = [(name, signature.probe(size=1)) for name, signature in engine.signatures.items()]
    return lambda: [engine.run(name, **arrays) for name, arrays in calls]


def _open_fastest(artifact: Artifact, precision: str, trial: Trial | None) -> Engine:
    if "litert" not in artifact.engines:
        return _openvino(artifact, precision)
    if (record := measured_here(artifact)) is not None and record.engine != LiteRTEngine.name:
        with contextlib.suppress(EngineError):
            return _openvino(artifact, precision)
    openers = {} if record is not None else _candidates(artifact, precision)
    if not openers:
        return LiteRTEngine(artifact.path, artifact.signatures)
    times = _measurements().get(_key(artifact, openers))
    if times is None:
        times = _times(artifact, precision, openers, trial)
    for name in ranked(times):
        if name == LiteRTEngine.name:
            break
        if name in openers:
            with contextlib.suppress(EngineError):
                return openers[name]()
    return LiteRTEngine(artifact.path, artifact.signatures)


def _times(
    artifact: Artifact, precision: str, openers: Mapping[str, Opener], trial: Trial | None
) -> dict[str, float]:
    """Measure LiteRT and the engines that may be faster, and record their times."""
    litert = LiteRTEngine(artifact.path, artifact.signatures)
    small_ms = SMALL_MS if trial is None else SMALL_STEP_MS
    # A few calls are enough to see that it takes less than half of this.
    times = {litert.name: measure([litert], rounds=1, clear_ms=small_ms / 2, trial=trial)[0]}
    if times[litert.name] >= small_ms:
        engines = [litert, *_usable(artifact, precision, openers, litert, trial)]
        if len(engines) > 1:
            every = measure(engines, clear_ratio=CLEAR_RATIO, trial=trial)
            times = dict(zip([engine.name for engine in engines], every, strict=True))
    MEASURED.update(_key(artifact, openers), times)
    log.info("engines measured, in ms: %s", times)
    return times


def ranked(times: Mapping[str, float]) -> list[str]:
    """The engines to use, best first: by their times, but LiteRT before all that are not clearly
    faster, or that save less than loading them costs.

    Args:
        times: milliseconds of one input, by the name of the engine.
    """

    def limit(name: str) -> float:
        if name != LiteRTEngine.name:
            return times[name]
        return 0.0 if times[name] < SMALL_MS else CLEARLY_FASTER * times[name]

    return sorted(times, key=limit)


def measured_here(artifact: Artifact) -> CalibrationRecord | None:
    """The record of a calibrated program, if its times were measured on this machine."""
    record = artifact.calibration
    return record if record is not None and record.machine == machine.digest() else None


def _candidates(artifact: Artifact, precision: str) -> Mapping[str, Opener]:
    """Functions that open the engines that may be faster than LiteRT, by name. ONNX Runtime is
    included only if the program was converted to ONNX: converting takes longer than most processes
    would save.
    """
    openers: dict[str, Opener] = {}
    if len(artifact.signatures) > 1:
        return openers
    if is_installed("openvino") and "openvino" in artifact.engines:
        openers["openvino"] = lambda: _openvino(artifact, precision)
    if precision == "float32" and onnxruntime.is_stored(artifact) and is_installed("onnxruntime"):
        openers["onnxruntime"] = lambda: onnxruntime.open_artifact(artifact, None)
    return openers


def _usable(
    artifact: Artifact,
    precision: str,
    openers: Mapping[str, Opener],
    litert: Engine,
    trial: Trial | None,
) -> Iterator[Engine]:
    """The engines that run here and, in float32, match the reference, or in a trial LiteRT."""
    for opener in openers.values():
        with contextlib.suppress(EngineError):
            engine = opener()
            if trial is not None:
                worst, limit = _largest_difference(trial, engine, litert), LIMITS[precision]
            elif precision == "float32":
                worst, limit = max(compare(engine, artifact.expected()).values()), TOLERANCE
            else:
                _on_probe(engine)()  # OpenVINO compiles a network at its first call
                worst, limit = 0.0, 0.0
            if worst <= limit:
                yield engine


def _largest_difference(trial: Trial, engine: Engine, reference: Engine) -> float:
    """The largest difference of any output in a few calls of a trial."""
    calls, expected = trial.prepare(engine), trial.prepare(reference)
    return max(max(differences(calls(), expected()).values()) for _ in range(TRIED))


def openvino_runs() -> bool:
    """Whether OpenVINO is installed and runs on this CPU; tried once for each machine."""
    from warmstart.engines.openvino import probe_cpu

    if not is_installed("openvino"):
        return False
    runs = _measurements().get("openvino runs", {}).get(machine.digest())
    if runs is None:
        runs = float(probe_cpu())
        MEASURED.update("openvino runs", {machine.digest(): runs})
    return bool(runs)


def _openvino(artifact: Artifact, precision: str) -> Engine:
    from warmstart.engines import openvino, paged

    require("openvino", extra="openvino", purpose="for engine='openvino' and for bfloat16")
    if not openvino_runs():
        remedy = "precision='float32'" if precision == "bfloat16" else "engine='litert'"
        raise EngineUnavailableError(f"OpenVINO does not run on this CPU; use {remedy}.")
    if precision == "bfloat16" and not openvino.computes_in_bfloat16():
        raise EngineUnavailableError(
            "This processor does not compute in bfloat16; use precision='int8' or precision='float32'."
        )
    options = {"precision": precision, "sha256": artifact.sha256}
    if paged.is_decoder(artifact.signatures):
        return paged.PagedEngine(artifact.path, artifact.signatures, **options)
    return openvino.OpenVINOEngine(artifact.openvino_path, artifact.signatures, **options)


def _key(artifact: Artifact, names: Iterable[str]) -> str:
    """The key of the times of an artifact on this machine by these engines."""
    key = f"{artifact.sha256[:20]} {machine.digest()}"
    return f"{key} onnxruntime {machine.version('onnxruntime')}" if "onnxruntime" in names else key


def _measurements() -> dict[str, dict[str, float]]:
    try:
        stored = MEASURED.read()
        return {str(k): {str(e): float(ms) for e, ms in v.items()} for k, v in stored.items()}
    except (ValueError, AttributeError, TypeError):
        return {}  # if the file is damaged, the engines are measured again
