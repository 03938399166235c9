"""Finding or compiling the program of a model, and choosing the engine that runs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from warmstart.catalog import Entry, Label
from warmstart.core import calibration
from warmstart.core.compiling import artifact_key, compiled
from warmstart.core.result_agreement import ResultRule
from warmstart.core.terminal import print_error
from warmstart.core.training_files import TrainingFiles
from warmstart.core.weights import Weights
from warmstart.engines import choose, store
from warmstart.engines.agreement import Rule
from warmstart.engines.base import Engine
from warmstart.errors import BundleError, CacheError, EngineError
from warmstart.hub import home

if TYPE_CHECKING:
    from keras import Model as KerasModel

    from warmstart.engines.keras import Program

_warned: set[Path] = set()
"""Folders of the cache with a printed warning."""


def warn_of_cache(name: str, error: CacheError) -> None:
    """Print a warning, once for each folder of the cache, that a program cannot be stored there."""
    if home() not in _warned:
        _warned.add(home())
        reason = str(error).rstrip(".")
        print_error(
            f"warmstart: {name} is not compiled, so Keras predicts, which is slower: {reason}."
        )


class CompiledModel(TrainingFiles):
    """The part of a loaded model that is about its program; see `LoadedModel`."""

    entry: Entry
    weights: Weights
    labels: tuple[Label, ...]
    precision: str
    has_stand_in: ClassVar[bool]
    on_stage: Callable[[str], None]
    program: Callable[[Entry, KerasModel], Program]
    _engine_name: str
    _folder: Path | None
    _engine: Engine | None
    _lock: threading.RLock
    _calibration: calibration.Request | None = None

    @property
    def keras(self) -> KerasModel:
        raise NotImplementedError

    @property
    def agreement_rule(self) -> Rule | ResultRule | None:
        """How agreement between precisions is measured; None if it is not defined for the task."""
        return None

    @property
    def trial(self) -> choose.Trial | None:
        """What engines are timed with; None: the functions of the program on probe inputs."""
        return None

    @property
    def requested_engine(self) -> str:
        """The engine that was requested, such as `"auto"`."""
        return self._engine_name

    def on_engine(self, name: str) -> Self:
        """The same model on another engine; itself if it uses that engine already."""
        if name == (self._engine.name if self._engine else self._engine_name):
            return self
        return self._reopened(name, self.precision, self._calibration)

    def in_precision(
        self,
        precision: str,
        request: calibration.Request | None = None,
        agreement: float | None = None,
    ) -> Self:
        """A new model with the same weights in another precision.

        Args:
            precision: `"float32"`, `"bfloat16"` or `"int8"`.
            request: calibrates int8.
            agreement: the minimum agreement of a stored int8 program, if there is no request.

        Raises:
            UsageError: no int8 program is stored, it agrees too little, or the request does not fit
                the model.
        """
        if request is not None:
            request.check(self, "int8")
        elif precision == "int8" and agreement is not None:
            calibration.check_agreement(self, agreement)
        if precision == self.precision and request is None:
            return self
        return self._reopened(self._engine_name, precision, request)

    def _reopened(self, engine: str, precision: str, request: calibration.Request | None) -> Self:
        other = type(self)(  # type: ignore[call-arg]  # the arguments of `LoadedModel`
            self.entry,
            self.weights,
            self.labels,
            engine=engine,
            precision=precision,
            folder=self._folder,
        )
        other.on_stage, other._calibration = self.on_stage, request
        return other

    def with_engine(self, engine: Engine) -> Self:
        """A copy of the model that uses another engine, for concurrent use."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, _engine=engine, _lock=threading.RLock())
        return other

    @property
    def artifact(self) -> store.Artifact:
        """The compiled program: from the bundle, from the store, or compiled now."""
        with self._lock:
            if self._calibration is not None:
                return calibration.artifact(self, self._calibration)
            return self._stored_artifact() or compiled(
                self.entry, self.weights, self.precision, self.on_stage
            )

    @property
    def stored_precision(self) -> str:
        """The precision of the weights in the program's file: `"int8 kernels"` if the bundle has
        these, else the model's precision.
        """
        artifact = self._recorded_artifact()
        return self.precision if artifact is None else artifact.precision

    def is_compiled(self) -> bool:
        """Whether predicting needs neither TensorFlow nor waiting."""
        if self._calibration is not None:
            return calibration.stored(self, self._calibration) is not None
        return bool(
            self._stored_artifact()
            or store.find(artifact_key(self.entry, self.weights, self.precision))
        )

    def _open_engine(self) -> Engine:
        if self._engine_name == "keras":
            return self._keras_engine()
        try:
            artifact = self.artifact
        except CacheError as error:
            if not (
                self.has_stand_in and self._engine_name == "auto" and self.precision == "float32"
            ):
                raise
            warn_of_cache(self.entry.name, error)
            return self._keras_engine()
        return choose.open_engine(artifact, self._engine_name, self.precision, self._onnx)

    def _keras_engine(self) -> Engine:
        from warmstart.engines.keras import KerasEngine

        return KerasEngine(self.program(self.entry, self.keras))

    def _onnx(self, path: Path) -> object:
        return import_module("warmstart.core.exporting").write(self, "onnx", path)

    def _stored_artifact(self) -> store.Artifact | None:
        """The program of the bundle, or for int8 the one that was calibrated on this machine."""
        return self.calibrated_artifact() if self.precision == "int8" else self.own_artifact()

    def calibrated_artifact(self) -> store.Artifact | None:
        """The int8 program of the bundle, or the one that was calibrated most recently on this
        machine.
        """
        return self.own_artifact("int8") or calibration.latest(self.entry, self.weights)

    def own_artifact(self, precision: str | None = None) -> store.Artifact | None:
        """The program of its bundle, in this precision or another; None if there is none."""
        return self._own_artifact(store.Artifact.load, precision)

    def _recorded_artifact(self) -> store.Artifact | None:
        """The bundle's program, from its record; the program's files are not read."""
        return self._own_artifact(store.Artifact.recorded)

    def _own_artifact(
        self, read: Callable[[Path], store.Artifact], precision: str | None = None
    ) -> store.Artifact | None:
        if self._folder is None:
            return None
        numbers = "int8" if (precision or self.precision) == "int8" else "float32"
        folder = self._folder / "artifacts" / numbers
        try:
            artifact = read(folder)
        except EngineError as error:
            if numbers == "int8" and store.is_calibrated(folder):
                raise BundleError(
                    f"{error} It was calibrated, which the weights cannot replace: copy the bundle "
                    "again, or use precision='float32'."
                ) from error
            return None  # damaged or not there: compiled again from the weights
        if numbers == "float32" and artifact.precision == "int8":
            return None
        return artifact if artifact.belongs_to(self.weights.path, self.weights.digest) else None
