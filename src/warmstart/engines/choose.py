"""Open an engine for an artifact: the requested one, or the fastest that reproduces the reference.

`auto` measures each installed engine once per artifact and machine, on one probe input, drops those
whose results differ from the reference, and records the rest in `$WARMSTART_HOME/engines.json`. For
a calibrated program, it reads the times that were measured when the program was made.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from warmstart import log
from warmstart.engines import onnxruntime
from warmstart.engines.base import Engine
from warmstart.engines.calibration_record import CalibrationRecord
from warmstart.engines.litert import LiteRTEngine, usable_cpus
from warmstart.engines.parity import TOLERANCE, compare
from warmstart.engines.store import Artifact
from warmstart.errors import (
    EngineError,
    EngineUnavailableError,
    UsageError,
    documented_in,
    is_installed,
    require,
)
from warmstart.hub import home
from warmstart.hub.json_file import JsonFile

ENGINES = ("auto", "litert", "openvino", "onnxruntime", "keras")
DEVICES = ("auto", "cpu", "gpu")
PRECISIONS = ("float32", "bfloat16", "int8", "auto")
SMALL_MS = 2.0  # below this, another engine saves less per call than loading it costs
CLEARLY_SMALL = 0.5  # of SMALL_MS: the first few calls are enough to see it
CLEARLY_FASTER = 0.97
CLEAR_RATIO = 0.75  # of two times, after two rounds; two more would not reverse the order
MEASURED = JsonFile("engines.json")


@documented_in("engines.md#precisions")
def check_options(engine: str, precision: str) -> None:
    """Raise `UsageError` unless both exist and can be combined."""
    if engine not in ENGINES:
        raise UsageError(f"There is no engine {engine!r}; there are {', '.join(ENGINES)}.")
    if precision not in PRECISIONS:
        raise UsageError(f"There is no precision {precision!r}; there are {', '.join(PRECISIONS)}.")
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
            f"There is no device {device!r}; there are {', '.join(DEVICES)}. Compiled models run on "
            "the CPU; engine='keras' and fine-tuning use the GPUs that TensorFlow sees, and "
            "engine='onnxruntime' uses those that it has a provider for."
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
) -> Engine:
    """An engine that runs `artifact`.

    Args:
        artifact: the compiled program.
        engine: `"auto"`, `"litert"`, `"openvino"` or `"onnxruntime"`; the keras engine runs no
            artifacts.
        precision: `"float32"`, `"int8"` (the artifact was compiled so) or `"bfloat16"` (OpenVINO
            only).
        write_onnx: converts the program to ONNX and writes it to a path, for `"onnxruntime"`.

    Raises:
        EngineUnavailableError: the engine is not installed or cannot run here.
        UsageError: there is no such engine, it runs no artifacts, or does not know the precision.
    """
    check_options(engine, precision)
    if engine == "keras":
        raise UsageError("The keras engine runs Keras models, not artifacts.")
    if artifact.calibration is not None and engine not in ("auto", *artifact.engines):
        raise EngineUnavailableError(
            f"This int8 program is for {' and '.join(artifact.engines)}: on {engine} its "
            "agreement with float32 was too low, or was not measured. Leave engine= out, or "
            "calibrate again."
        )
    if engine == "litert":
        return LiteRTEngine(artifact.path, artifact.signatures)
    if engine == "openvino" or (engine == "auto" and precision == "bfloat16"):
        return _openvino(artifact, precision)
    if engine == "onnxruntime":
        return onnxruntime.open_artifact(artifact, write_onnx)
    return _open_fastest(artifact, precision)


def measure(
    engines: Sequence[Engine],
    rounds: int = 4,
    seconds: float = 0.2,
    *,
    clear_ratio: float = 0.0,
    clear_ms: float = 0.0,
) -> list[float]:
    """Milliseconds of one call on one probe input, for each engine.

    The engines take turns, so that other load on the machine affects all of them; the result is the
    median of the best round. Two rounds are enough if the fastest takes less than `clear_ratio` of
    the time of the next, and three calls if all of them take less than `clear_ms`.
    """
    calls = [
        [(name, signature.probe(size=1)) for name, signature in e.signatures.items()]
        for e in engines
    ]

    def once(index: int) -> float:
        start = time.perf_counter()
        for name, arrays in calls[index]:
            engines[index].run(name, **arrays)
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


def _open_fastest(artifact: Artifact, precision: str) -> Engine:
    if "litert" not in artifact.engines:
        return _openvino(artifact, precision)
    if (record := measured_here(artifact)) is not None and record.engine != LiteRTEngine.name:
        with contextlib.suppress(EngineError):
            return _openvino(artifact, precision)
    litert = LiteRTEngine(artifact.path, artifact.signatures)
    if record is not None:
        return litert
    openers = _candidates(artifact, precision)
    if not openers:
        return litert
    measured, key = _measurements(), _key(artifact, openers)
    if (times := measured.get(key)) is None:
        clear_ms = CLEARLY_SMALL * SMALL_MS
        times = {litert.name: measure([litert], rounds=1, clear_ms=clear_ms)[0]}
        if times[litert.name] >= SMALL_MS:
            engines = [litert, *_usable(artifact, precision, openers)]
            if len(engines) > 1:
                names = [engine.name for engine in engines]
                every = measure(engines, clear_ratio=CLEAR_RATIO)
                times = dict(zip(names, every, strict=True))
        MEASURED.update(key, times)
        log.info("engines measured, in ms: %s", times)
    for name in ranked(times):
        if name == litert.name:
            break
        if name in openers:
            with contextlib.suppress(EngineError):
                return openers[name]()
    return litert


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
    return record if record is not None and record.machine == machine() else None


def _candidates(artifact: Artifact, precision: str) -> Mapping[str, Callable[[], Engine]]:
    """Functions that open the engines that may be faster than LiteRT, by name. ONNX Runtime is
    included only if the program was converted to ONNX: converting takes longer than most processes
    would save.
    """
    openers: dict[str, Callable[[], Engine]] = {}
    if len(artifact.signatures) != 1:
        return openers
    if is_installed("openvino") and "openvino" in artifact.engines:
        openers["openvino"] = lambda: _openvino(artifact, precision)
    if precision == "float32" and onnxruntime.is_stored(artifact) and is_installed("onnxruntime"):
        openers["onnxruntime"] = lambda: onnxruntime.open_artifact(artifact, None)
    return openers


def _usable(
    artifact: Artifact, precision: str, openers: Mapping[str, Callable[[], Engine]]
) -> Iterator[Engine]:
    """The engines that run here and, in float32, match the reference."""
    for opener in openers.values():
        with contextlib.suppress(EngineError):
            engine = opener()
            is_exact = precision == "float32"
            if not is_exact or max(compare(engine, artifact.expected()).values()) <= TOLERANCE:
                yield engine


def openvino_runs() -> bool:
    """Whether OpenVINO is installed and runs on this CPU; tried once for each machine."""
    from warmstart.engines.openvino import probe_cpu

    if not is_installed("openvino"):
        return False
    runs = _measurements().get("openvino runs", {}).get(machine())
    if runs is None:
        runs = float(probe_cpu())
        MEASURED.update("openvino runs", {machine(): runs})
    return bool(runs)


def _openvino(artifact: Artifact, precision: str) -> Engine:
    from warmstart.engines import openvino

    require("openvino", extra="openvino", purpose="for engine='openvino' and for bfloat16")
    if not openvino_runs():
        raise EngineUnavailableError("OpenVINO does not run on this CPU; use engine='litert'.")
    if precision == "bfloat16":
        _check_bfloat16(artifact)
    return openvino.OpenVINOEngine(
        artifact.openvino_path, artifact.signatures, precision=precision, cache=home() / "openvino"
    )


def _check_bfloat16(artifact: Artifact) -> None:
    """Raise `EngineUnavailableError` unless the program and this processor can use bfloat16."""
    from warmstart.engines import openvino

    if len(artifact.signatures) > 1:
        raise EngineUnavailableError(
            "bfloat16 needs OpenVINO, which reads programs of one function; this one has "
            f"{', '.join(artifact.signatures)}. Use precision='int8' or precision='float32'."
        )
    if not openvino.computes_in_bfloat16():
        raise EngineUnavailableError(
            "This processor does not compute in bfloat16; use precision='int8' or precision='float32'."
        )


def _key(artifact: Artifact, names: Iterable[str]) -> str:
    """The key of the times of an artifact on this machine by these engines."""
    key = f"{artifact.sha256[:20]} {machine()}"
    return f"{key} onnxruntime {_version('onnxruntime')}" if "onnxruntime" in names else key


def machine() -> str:
    """A digest of this CPU, the number of threads, and the engines' versions."""
    parts = [
        platform.machine(),
        cpu_model(),
        str(usable_cpus()),
        *map(_version, ("ai-edge-litert", "openvino")),
    ]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:20]


def cpu_model() -> str:
    with (
        contextlib.suppress(OSError),
        open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file,
    ):
        for line in file:
            if line.startswith(("model name", "flags", "Features")):
                return line.strip()
    return platform.processor()


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _measurements() -> dict[str, dict[str, float]]:
    try:
        stored = MEASURED.read()
        return {str(k): {str(e): float(ms) for e, ms in v.items()} for k, v in stored.items()}
    except (ValueError, AttributeError, TypeError):
        return {}  # if the file is damaged, the engines are measured again
