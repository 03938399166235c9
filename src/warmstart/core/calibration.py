"""Calibrated int8 of a model: the request, the programs that are stored, and compiling one.

A program is stored by the digest of its calibration inputs. The latest one of each model is
recorded, so that `precision="int8"` without calibration data opens it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.catalog import Entry
from warmstart.core import bundle
from warmstart.core.calibration_inputs import (
    AGREEMENT,
    SECTION,
    check_calibrates,
    check_data,
    checked_agreement,
    collect,
    undefined,
)
from warmstart.core.compiling import artifact_key, job_of, run_process
from warmstart.core.result_agreement import ComparedInputs
from warmstart.core.types import Data
from warmstart.core.weights import Weights
from warmstart.engines import store
from warmstart.engines.calibration import FORWARD, Calibration
from warmstart.errors import UsageError, documented_in, is_installed, require
from warmstart.hub.json_file import JsonFile

if TYPE_CHECKING:
    from warmstart.core.model import Model

LATEST = JsonFile("calibrated.json")


@dataclass(frozen=True, eq=False)
class Request:
    """The user's request: data to calibrate on, and the minimum agreement with float32.

    Attributes:
        data: inputs of the model, without labels; see `collect`.
        threshold: the minimum agreement, above 0 and at most 1.
        columns, column_option: of a table of inputs; see `collect`.
    """

    data: Data
    threshold: float = AGREEMENT
    columns: Sequence[str] = ()
    column_option: str | None = None

    def __post_init__(self) -> None:
        checked_agreement(self.threshold)

    @cached_property
    def _collected(self) -> dict[str, Calibration | ComparedInputs]:
        return {}

    @documented_in(SECTION)
    def check(self, model: Any, precision: str) -> None:
        """Check what is known before any input is read.

        Args:
            model: the model.
            precision: `"int8"`, which is calibrated, or `"auto"`, for which precisions are compared.

        Raises:
            UsageError: agreement is not defined for the task, int8 of the task is not calibrated, or
                the data does not exist.
        """
        if precision == "int8":
            check_calibrates(model)
        elif model.agreement_rule is None:
            raise UsageError(undefined(model.task))
        check_data(model, self.data)

    def inputs(self, model: Model[Any, Any, Any]) -> Calibration | ComparedInputs:
        """The data as inputs on which precisions of a model are compared; it is read once."""
        if model.task not in self._collected:
            self._collected[model.task] = collect(
                model,
                self.data,
                self.threshold,
                columns=self.columns,
                column_option=self.column_option,
            )
        return self._collected[model.task]

    def calibration(self, model: Model[Any, Any, Any]) -> Calibration:
        """The data as inputs of a model's program, to calibrate it.

        Raises:
            UsageError: the program is not calibrated.
        """
        check_calibrates(model)
        inputs = self.inputs(model)
        assert isinstance(inputs, Calibration)
        return inputs


def artifact(model: Any, request: Request) -> store.Artifact:
    """The calibrated int8 program of a model: from the store, or compiled now.

    Raises:
        UsageError: the task or the data is not suitable.
        CompileError: no program reaches the requested agreement with float32.
        MissingPackageError: it is not in the store, and TensorFlow is not installed.
    """
    calibration = request.calibration(model)
    if (program := _find(model, calibration)) is None:
        require(
            "tensorflow",
            extra="tensorflow",
            purpose=f"once, to calibrate {model.name}, and not afterwards",
        )
        exact = model.in_precision("float32").artifact
        if list(exact.signatures) != [FORWARD]:
            raise UsageError(
                f"The program of {model.name} has the functions "
                f"{', '.join(exact.signatures)}; only programs with one function can be "
                "calibrated. Leave calibration out.",
                section=SECTION,
            )

        def fill(folder: Path) -> Mapping[str, Any]:
            return _run_job(model, calibration, {"artifact": exact, "folder": folder})

        program = store.make(_key(model, calibration, is_installed("nncf")), "int8", fill)
    name = program.folder.name.partition("-")[0]
    keys = [_model_key(model.entry, model.weights)]
    if has_published_weights(model):
        keys.append(model.entry.name)
    for key in keys:
        if LATEST.read().get(key) != name:
            LATEST.update(key, name)
    return program


def stored(model: Any, request: Request) -> store.Artifact | None:
    """The calibrated int8 program, if it was compiled before."""
    return _find(model, request.calibration(model))


def latest(entry: Entry, weights: Weights | None) -> store.Artifact | None:
    """The int8 program of a model that was calibrated most recently on this machine.

    Args:
        entry: the entry of the model.
        weights: its weights; None: the published ones of the entry, which are not resolved.
    """
    key = LATEST.read().get(entry.name if weights is None else _model_key(entry, weights))
    return store.find(key) if isinstance(key, str) and key.isalnum() else None


@documented_in(SECTION)
def check_agreement(model: Any, least: float) -> None:
    """Refuse the stored int8 program of a model if its agreement with float32 is less than requested.

    Raises:
        UsageError: it is, on the engine that runs it; it was not measured; or int8 of the task is
            not calibrated.
    """
    check_calibrates(model)
    program = model.calibrated_artifact()
    record = None if program is None else program.calibration
    if record is None:
        raise UsageError(
            f"There is no calibrated int8 program of {model.name} whose agreement is known. Pass "
            "calibration=DATA, or leave agreement out."
        )
    engine = record.engine if model.requested_engine == "auto" else model.requested_engine
    reached = record.agreement.get(engine)  # None: the error of opening the engine says why
    if reached is None or reached >= least:
        return
    remedy = "Pass calibration=DATA to calibrate again, or leave agreement out."
    for other, better in record.agreement.items():
        if better >= least:
            remedy = f"On {other} it is {better:.1%}: use engine={other!r}."
    raise UsageError(
        f"The int8 program of {model.name} has an agreement of {reached:.1%} on {engine}, requested "
        f"{least:.1%}. {remedy}"
    )


def has_published_weights(model: Model[Any, Any, Any]) -> bool:
    """Whether the name of a model determines its weights."""
    is_bundle = model.folder is not None and bundle.is_bundle(model.folder)
    return model.weights.published and not is_bundle


def _run_job(model: Any, calibration: Calibration, job: Mapping[str, Any]) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory(dir=job["folder"]) as folder:
        saved = calibration.save(Path(folder) / "inputs.npz")
        exact = job["artifact"]
        return run_process(
            job_of(model.entry, model.weights)
            | {
                "calibration": saved,
                "artifact": str(exact.folder.absolute()),
                "folder": str(job["folder"]),
            },
            f"Calibrating {model.name}",
            model.on_stage,
        )


def _find(model: Any, calibration: Calibration) -> store.Artifact | None:
    """The program of a calibration; one made without NNCF only if NNCF is not installed."""
    if (program := store.find(_key(model, calibration, True))) or is_installed("nncf"):
        return program
    return store.find(_key(model, calibration, False))


def _key(model: Any, calibration: Calibration, by_nncf: bool) -> str:
    base = _model_key(model.entry, model.weights)
    return store.content_key(base, {"calibration": calibration.digest, "nncf": by_nncf}, "int8")


def _model_key(entry: Entry, weights: Weights) -> str:
    return artifact_key(entry, weights, "float32")
