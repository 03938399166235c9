"""From an entry and its weights to a Keras model, and to a compiled artifact."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart import errors, log
from warmstart.catalog import Entry
from warmstart.core import adapters
from warmstart.core.task import task_class
from warmstart.core.weights import Weights, checkpoint_digest
from warmstart.engines import store
from warmstart.engines.noise import quiet_import
from warmstart.errors import (
    CompileError,
    CorruptCheckpointError,
    UsageError,
    WarmstartError,
    first_line,
    require,
)

if TYPE_CHECKING:
    import keras

Report = Callable[[str], None]
Started = Callable[["subprocess.Popen[str]"], None]
SCALARS = ("temperature",)
"""Config keys that fine-tuning changes and that are constants in the program."""
COMPILER = (sys.executable, "-m", "warmstart.core.compile_job")


@quiet_import()
def build_keras(entry: Entry, weights: Weights, **options: Any) -> keras.Model:
    """The Keras model of an entry, filled from its weights.

    Random initialisation is the same in every process, so that a compiled program and the Keras
    model agree; the caller's own random numbers are not touched.

    Args:
        entry: architecture and config.
        weights: the weights of the network.
        **options: `include_top`, `input_shape`, `pooling`, as the architectures take them.

    Raises:
        CheckpointError: the weights do not fit the network, are not finite, or cannot be read.
        UsageError: the config or an option does not fit the architecture.
        MissingPackageError: TensorFlow is not installed.
    """
    require("tensorflow", extra="tensorflow", purpose=f"to build the Keras model of {entry.name}")
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.models import architecture

    module = architecture(entry.architecture)
    state = random.getstate()
    random.seed(0)  # Keras draws the seeds of its initialisers from here
    try:
        model = module.build(entry.config, **options)
    except WarmstartError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # from an edited config
        raise UsageError(
            f"The config of {entry.name} does not describe a network of {entry.architecture}: "
            f"{first_line(error)}"
        ) from error
    finally:
        random.setstate(state)
    if weights.path is not None:
        if checkpoint_digest(weights.path) != weights.digest:
            raise CorruptCheckpointError(
                f"{weights.path} is not the file that was recorded (its sha256 differs); "
                "fetch it or save the model again."
            )
        opened = adapters.open_merged if adapters.is_adapter(weights.path) else open_checkpoint
        with opened(weights.path) as checkpoint:
            module.load(model, checkpoint, entry.config)
        _check_finite(model, weights.path)
    return model


def _check_finite(model: keras.Model, path: Path) -> None:
    """
    Raises:
        CorruptCheckpointError: a weight is NaN or infinite; so would be the results.
    """
    for variable in model.weights:
        array = variable.numpy()
        # Unlike `isfinite(array)`, these need no memory.
        if (
            array.dtype.kind == "f"
            and array.size
            and not np.isfinite([array.min(), array.max()]).all()
        ):
            raise CorruptCheckpointError(
                f"{path} is damaged: the weights of {variable.path!r} contain NaN or infinity; fetch "
                "it again, or save the model again."
            )


def artifact_key(entry: Entry, weights: Weights, precision: str) -> str:
    """The key of the program of these weights in the artifact store."""
    return store.content_key(weights.digest, _key_config(entry), _file_precision(precision))


def graph_key(entry: Entry, precision: str) -> str:
    """The key of a network in the artifact store, whatever its weights."""
    config = _key_config(entry)
    config["config"] = {k: v for k, v in config["config"].items() if k not in SCALARS}
    return store.content_key("any", config, _file_precision(precision))


def scalars(entry: Entry) -> dict[str, float]:
    """The values of `SCALARS` in the config; like weights, they differ between networks of one graph."""
    return {k: float(v) for k, v in entry.config.items() if k in SCALARS}


def _key_config(entry: Entry) -> dict[str, Any]:
    rules = entry.preprocessing
    config: dict[str, Any] = {
        "task": entry.task,
        "architecture": entry.architecture,
        "config": entry.to_dict()["config"],
        "size": list(rules.size) if rules else None,
    }
    if entry.processing:
        config["processing"] = entry.to_dict()["processing"]
    return config


def _file_precision(precision: str) -> str:
    """The precision of the numbers in the program's file: bfloat16 is a way to run the float32 one."""
    return "float32" if precision == "bfloat16" else precision


def compiled(
    entry: Entry,
    weights: Weights,
    precision: str,
    report: Report,
    *,
    started: Started | None = None,
) -> store.Artifact:
    """The artifact of a model: from the store, or compiled in a process of its own.

    A separate process keeps the half gigabyte of TensorFlow out of this one, which also survives a
    crash of it. If TensorFlow is already imported and the graph is known from other weights, the
    program is filled in this process.

    Args:
        entry, weights: the model.
        precision: of the program.
        report: called with each stage.
        started: called with the separate process. Ctrl+C in the terminal then does not reach it, and
            nothing is compiled in this process.

    Raises:
        CompileError: the model could not be compiled, or the outputs of the program differ from those of
            Keras.
        CheckpointError: the weights cannot be opened.
        MissingPackageError: it is not in the store, and TensorFlow is not installed.
    """
    key, file_precision = artifact_key(entry, weights, precision), _file_precision(precision)
    if (stored := store.find(key)) is not None:
        log.info("%s: compiled before, %s", entry.name, stored.path)
        return stored
    if weights.path is not None:
        from warmstart.checkpoints.formats import open_checkpoint

        open_checkpoint(weights.path).close()  # an error here does not need TensorFlow
    require(
        "tensorflow",
        extra="tensorflow",
        purpose=f"once, to compile {entry.name}, and not afterwards",
    )
    start = time.monotonic()
    graph = graph_key(entry, precision)
    template = store.template(graph)

    def fill(folder: Path) -> Mapping[str, Any]:
        is_imported = "tensorflow" in sys.modules  # importing it takes the longest
        if template is not None and is_imported and started is None:
            record = fill_graph(
                entry, weights, folder, lambda: build_keras(entry, weights), report, template
            )
            if record is not None:
                return record
        return run_job(entry, weights, file_precision, folder, report, template, started)

    artifact = store.make(key, file_precision, fill)
    store.add_template(graph, artifact)
    log.info("%s: compiled in %.1f s, %s", entry.name, time.monotonic() - start, artifact.path)
    return artifact


def fill_graph(
    entry: Entry,
    weights: Weights,
    folder: Path,
    build: Callable[[], keras.Model],
    report: Report,
    template: store.Artifact,
) -> dict[str, Any] | None:
    """Compile into `folder` by reusing the graph of another artifact.

    Args:
        build: builds the network with its weights.
        template: an artifact of the same network with other weights.

    Returns:
        The artifact's record; None if the outputs differ from those of Keras.
    """
    from warmstart.engines.compile import fill_program

    program = task_class(entry.task).program(entry, build())
    record = fill_program(program, folder, template, report, scalars=scalars(entry))
    return None if record is None else {**record, **origin(entry, weights)}


def origin(entry: Entry, weights: Weights) -> dict[str, Any]:
    """The part of an artifact's record that identifies its model."""
    return {"model": entry.name, "weights": weights.digest}


def run_job(
    entry: Entry,
    weights: Weights,
    precision: str,
    folder: Path,
    report: Report,
    template: store.Artifact | None = None,
    started: Started | None = None,
) -> Mapping[str, Any]:
    """Compile in a subprocess into `folder`; returns the artifact's record."""
    job = {"precision": precision, "folder": str(folder)}
    if template is not None:
        job["template"] = str(template.folder)
    return run_process(
        job_of(entry, weights) | job,
        f"Compiling {entry.name}",
        report,
        started,
    )


def job_of(entry: Entry, weights: Weights) -> dict[str, Any]:
    """The model of a job, as JSON values."""
    return {
        "entry": entry.to_dict(),
        "weights": str(weights.path) if weights.path else None,
        "digest": weights.digest,
    }


def run_process(
    job: Mapping[str, Any], what: str, report: Report, started: Started | None = None
) -> Mapping[str, Any]:
    """Run a job in a separate process (see `compile_job`); returns its record.

    Args:
        job: JSON values.
        what: the name of the job, for the message if the process dies.
        report: called with each stage.
        started: called with the process, which then runs in its own session.

    Raises:
        CompileError: the process died; any error of `errors` that it raised is raised here.
    """
    report("starting TensorFlow")
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as noise,
        subprocess.Popen(
            COMPILER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            text=True,
            encoding="utf-8",
            start_new_session=started is not None,
        ) as process,
    ):
        try:
            if started is not None:
                started(process)
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):  # it has ended: reported below
                process.stdin.write(json.dumps(job))
                process.stdin.close()
            for line in process.stdout:
                message = json.loads(line)
                if "stage" in message:
                    report(message["stage"])
                elif "record" in message:
                    record: Mapping[str, Any] = message["record"]
                    return record
                else:
                    raise getattr(errors, message["error"])(message["message"])
            code = process.wait()
            noise.seek(0)
            last = [text for line in noise if (text := line.strip())] or ["it left no message"]
            raise CompileError(f"{what} ended with code {code}: {last[-1]}")
        finally:
            process.kill()  # does nothing to one that has ended
