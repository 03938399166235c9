"""The process that compiles or exports: it reads a job as JSON from standard input, and writes JSON
lines.

A line is `{"stage": text}` for each stage; the last one is `{"record": …}` or
`{"error": class, "message": text}`.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from warmstart.catalog import Entry
from warmstart.core.compiling import Report, build_keras, fill_graph, origin, scalars
from warmstart.core.task import task_class
from warmstart.core.weights import Weights
from warmstart.errors import CacheError, WarmstartError
from warmstart.hub import home
from warmstart.hub.files import cache_error, is_full

Job = Mapping[str, Any]
Build = Callable[[], Any]
NOT_NEEDED = ("matplotlib", "sklearn")
"""Packages that Keras imports if they are installed, for plots and wrappers, which takes a third of its
import time. NNCF needs them.
"""


def _compile(
    job: Job, entry: Entry, weights: Weights, build: Build, report: Report
) -> dict[str, Any]:
    from warmstart.engines.compile import compile_program
    from warmstart.engines.store import Artifact

    folder, model = Path(job["folder"]), build()
    if "template" in job:
        template = Artifact.load(Path(job["template"]))
        if record := fill_graph(entry, weights, folder, lambda: model, report, template):
            return record
    program = task_class(entry.task).program(entry, model)
    made = compile_program(program, folder, job["precision"], report, scalars=scalars(entry))
    return {**made, **origin(entry, weights)}


def _calibrate(
    job: Job, entry: Entry, weights: Weights, build: Build, report: Report
) -> dict[str, Any]:
    from warmstart.engines.calibration import Calibration
    from warmstart.engines.int8 import compile_int8
    from warmstart.engines.store import Artifact

    calibration = Calibration.load(job["calibration"])
    program = task_class(entry.task).program(entry, build())
    exact, folder = Artifact.load(Path(job["artifact"])), Path(job["folder"])
    record = compile_int8(program, exact, folder, calibration, report)
    return {**record, "model": entry.name, "weights": weights.digest}


def _export(
    job: Job, entry: Entry, weights: Weights, build: Build, report: Report
) -> dict[str, Any]:
    from warmstart.engines.export import export_keras, export_program, saved_functions
    from warmstart.engines.litert import LiteRTEngine
    from warmstart.engines.store import Artifact

    artifact, path = Artifact.load(Path(job["artifact"])), Path(job["path"])
    if job["format"] == "keras":
        inputs = {
            spec.name: spec
            for signature in artifact.signatures.values()
            for spec in signature.inputs
        }
        return {"difference": export_keras(build(), inputs, path, report)}
    task = task_class(entry.task)
    if "calibration" in job:
        from warmstart.engines.calibration import Calibration
        from warmstart.engines.integer import export_integer

        calibration = Calibration.load(job["calibration"])
        return export_integer(artifact, task.program(entry, build()), calibration, path, report)
    difference = export_program(
        artifact, lambda: task.program(entry, build()), job["format"], path, report
    )
    saved_model: Mapping[str, Any] = {}
    if job["format"] == "saved_model":
        engine = LiteRTEngine(artifact.path, artifact.signatures)
        saved_model = task.compare_saved_model(entry, engine, saved_functions(path))
    return {"difference": difference, "saved_model": saved_model}


def main() -> int:
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not mix with the JSON lines

    def send(**message: Any) -> None:
        print(json.dumps(message), file=lines, flush=True)

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    gc.set_threshold(100_000, 50, 100)  # graphs stay until the end, and scanning them takes long
    job = json.loads(sys.stdin.read())
    try:
        entry = Entry.from_dict(job["entry"])
        weights = Weights(Path(job["weights"]) if job["weights"] else None, job["digest"])

        def build() -> Any:
            send(stage="building the Keras model")
            return build_keras(entry, weights)

        run = _export if "format" in job else _calibrate if "calibration" in job else _compile
        if run is _compile:
            modules: dict[str, Any] = sys.modules
            modules.update(dict.fromkeys(NOT_NEEDED))  # importing them is an ImportError
        send(record=run(job, entry, weights, build, lambda stage: send(stage=stage)))
    except Exception as error:
        if (explained := _explained(error, job)) is None:
            raise
        send(error=type(explained).__name__, message=str(explained))
        return 1
    return 0


def _explained(error: Exception, job: Job) -> WarmstartError | None:
    """The error to report for an exception; None if the exception is unexpected."""
    if not isinstance(error, CacheError) and is_full(error):  # also from TensorFlow
        folder = Path(job["folder"]).parent if "folder" in job else Path(job["path"]).parents[1]
        folder = folder.absolute()
        if folder.is_relative_to(home()):
            return cache_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), folder)
        return CacheError(
            f"{folder} cannot be written: no space is left. Free some, or choose another folder."
        )
    if isinstance(error, OSError):
        name = error.filename or "A file"
        return CacheError(f"{name} cannot be written: {error.strerror or error}.")
    return error if isinstance(error, WarmstartError) else None


if __name__ == "__main__":
    sys.exit(main())
