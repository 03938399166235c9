"""A loaded model: its entry, weights, labels and engine, its Keras model, and saving."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypedDict

from warmstart import log
from warmstart.catalog import Entry, Label
from warmstart.checkpoints.file_names import IN_PROGRAM
from warmstart.core import bundle
from warmstart.core.compiling import build_keras
from warmstart.core.inputs import Row, stacked
from warmstart.core.programs import CompiledModel
from warmstart.core.task import task_of
from warmstart.core.weights import Weights
from warmstart.counts import counted
from warmstart.engines import choose
from warmstart.engines.base import Engine, Runner, Signature
from warmstart.errors import BundleError, UsageError
from warmstart.json_values import JSON, check

if TYPE_CHECKING:
    from keras import Model as KerasModel
    from numpy.typing import NDArray
    from typing_extensions import Unpack

    from warmstart.core.input_kind import InputKind
    from warmstart.core.load_options import LoadOptions
    from warmstart.engines.keras import Program


class Settings(TypedDict, total=False):
    """The parts of an entry of which tasks declare the keys that they read."""

    config: Mapping[str, JSON]
    processing: Mapping[str, JSON]


def _silent(stage: str) -> None: ...


class LoadedModel(CompiledModel, ABC):
    """A pretrained model, without what makes it callable; see `Model`.

    Attributes:
        entry: the catalogue's record of the model.
        name: that of the entry.
        labels: its classes, in the order of its outputs.
        precision: `"float32"`, `"bfloat16"` or `"int8"`.
        on_stage: called with a short text while a program is being compiled.
    """

    task: ClassVar[str]
    class_output: ClassVar[str] = ""
    """The output of the program whose last dimension is the number of labels, if there is one."""
    has_stand_in: ClassVar[bool] = True
    """Whether Keras may answer while the program is compiled."""
    settings_type: ClassVar[type] = Settings
    """A typed dictionary of what the task reads of `Entry.config` and `Entry.processing`."""
    output_notes: ClassVar[Mapping[str, str]] = {}
    """Output name of the program -> its meaning; for the JSON file of an export."""

    def __init__(
        self,
        entry: Entry,
        weights: Weights,
        labels: tuple[Label, ...],
        *,
        engine: str = "auto",
        precision: str = "float32",
        folder: Path | None = None,
    ):
        choose.check_options(engine, precision)
        self.entry, self.weights, self.labels, self.precision = entry, weights, labels, precision
        self.name = entry.name
        self.on_stage: Callable[[str], None] = _silent
        self._engine_name, self._folder = engine, folder
        self._lock = threading.RLock()
        self._engine: Engine | None = None
        self._keras: KerasModel | None = None

    @classmethod
    def load(cls, name: str | PathLike[str], **options: Unpack[LoadOptions]) -> Self:
        """Open a model of this task; arguments and errors are those of `warmstart.load`."""
        from warmstart.core.loading import load

        model = load(name, task=cls.task, **options)
        assert isinstance(model, cls)
        return model

    @cached_property
    def input_kind(self) -> InputKind:
        """The type of input of the model; by default that of its task."""
        return task_of(self.task).input_kind()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled; load {self.name!r} in the other process."
        )

    def __repr__(self) -> str:
        engine = self._engine.name if self._engine else self._engine_name
        return f"<{type(self).__name__} {self.entry.name}, {self.precision}, engine {engine}>"

    @property
    def option_examples(self) -> Mapping[str, Sequence[Any]]:
        """Values of options that this model knows by name, such as its speakers."""
        return {}

    @property
    def samples(self) -> Sequence[Any]:
        """Inputs to try it with, as JSON values."""
        return task_of(self.task).samples

    @property
    def engine(self) -> Engine:
        """The engine with the program in it; the first access may compile.

        Raises:
            CompileError: the model could not be compiled.
            EngineUnavailableError: the engine, or TensorFlow to compile the model, is not
                installed.

        Example:
            >>> model = ws.load("efficientnet_lite0")
            >>> model.engine.name != "keras", (model.folder / "warmstart.json").is_file()
            (True, True)
        """
        if self._engine is not None:
            return self._engine
        with self._lock:
            if self._engine is None:
                engine = self._open_engine()
                self.check_program(engine.signatures)
                self._engine = engine
                log.info("%s: runs on %s, %s", self.name, engine.name, self.precision)
            return self._engine

    @property
    def is_open(self) -> bool:
        """Whether the engine is open, so that nothing needs to be compiled."""
        return self._engine is not None

    def ready(self) -> None:
        """Open what the first prediction needs; errors of the model precede those of inputs."""
        self.engine  # noqa: B018

    @property
    def feature_size(self) -> int:
        """The number of features, D."""
        outputs = self.engine.signatures["forward"].outputs
        sizes = [spec.shape[-1] for spec in outputs if spec.name == "features"]
        if not sizes:
            raise UsageError(f"{self.name} has no features of inputs.")
        return int(sizes[0])

    @property
    def folder(self) -> Path | None:
        """The folder of its bundle or repository, if it has one."""
        return self._folder

    @property
    def keras(self) -> KerasModel:
        """The Keras model itself, with these weights; imports TensorFlow. Changing it does not
        change the engine.

        Raises:
            EngineUnavailableError: TensorFlow is not installed.
        """
        with self._lock:
            if self._keras is None:
                self._keras = build_keras(self.entry, self.weights)
            return self._keras

    def check_parts(self) -> None:
        """Compare the parts of its bundle with each other, as far as they have been read.

        Raises:
            BundleError: two of them do not belong together.
        """
        settings = {"config": self.entry.config, "processing": self.entry.processing}
        try:
            check(settings, self.settings_type, "entry")
        except ValueError as error:
            raise BundleError(f"{self._manifest}: {error}; save the model again.") from error
        count = self.entry.config.get("classes", self.entry.config.get("num_labels"))
        if self.class_output and isinstance(count, int):
            self._check_labels(count)
        if (artifact := self._recorded_artifact()) is not None:
            self.check_program(artifact.signatures)

    @property
    def _manifest(self) -> str:
        """The file that describes the model, for messages; its name where there is no folder."""
        return str(self._folder / bundle.MANIFEST) if self._folder else self.name

    def check_program(self, signatures: Mapping[str, Signature]) -> None:
        """Compare the program with the labels; subclasses compare more.

        Raises:
            BundleError: they do not belong together.
        """
        if not signatures:
            raise BundleError(f"{self._folder or self.name}: the program has no function.")
        outputs = [output for signature in signatures.values() for output in signature.outputs]
        for spec in outputs:
            size = spec.shape[-1] if spec.shape and spec.name == self.class_output else None
            if isinstance(size, int):
                self._check_labels(size)

    def _check_labels(self, classes: int) -> None:
        if len(self.labels) != classes:
            where = f"{self._folder}: " if self._folder else ""
            raise BundleError(
                f"{where}{self.name} has {counted(classes, 'class', 'classes')} and "
                f"{counted(len(self.labels), 'label')}; take all of its files from one copy, or save the model again."
            )

    def save(
        self,
        folder: str | Path,
        *,
        files: Mapping[str, Path | bytes] | None = None,
        card: str | None = None,
    ) -> Path:
        """Write the model as a bundle: weights, entry, labels and compiled program, for a model in
        int8 also that program; see `warmstart.core.bundle`.

        Args:
            folder: new or empty.
            files: more files of the bundle, by name: a path or the bytes.
            card: the model card; default: made from the entry.

        Raises:
            BundleError: the folder is not empty, or cannot be written.
            EngineUnavailableError: TensorFlow is not installed.
        """
        from warmstart.models import architecture, arrays, has_network

        entry = (
            self.entry if self.weights.published else replace(self.entry, metrics=())
        )  # measured with other weights
        module = architecture(entry.architecture)
        named = arrays(module, self.keras, entry.config) if has_network(entry.config) else {}
        all_files = {**self._training_files(), **self.files(), **(files or {})}
        return bundle.write(
            Path(folder),
            entry,
            named,
            self.labels,
            self.in_precision("float32").artifact.copy_to,
            card=card,
            files=all_files,
            weights=bundle.WEIGHTS if named else IN_PROGRAM,
            int8=self.artifact if self.precision == "int8" else self.own_artifact("int8"),
        )

    def export(
        self, path: str | Path, format: str | None = None, *, integer_io: bool = False
    ) -> Path:
        """Export the model for other tools; the export is compared with the model before it is
        written.

        A JSON file next to it has the preprocessing and the labels: `<file>.json`, or `model.json`
        in the folder.

        Args:
            path: a new folder for `saved_model` and `openvino`, a new file for the other formats
                (`.tflite`, `.onnx`, `.keras`).
            format: `"saved_model"`, `"litert"`, `"onnx"`, `"openvino"` or `"keras"`; default: by
                the suffix; without a suffix `"saved_model"`.
            integer_io: for `"litert"` and a model that was loaded with `precision="int8"` and
                `calibration`: the file has no float32, and its inputs and outputs are int8, too.
                The JSON file has the scale and zero point of each.

        Raises:
            UsageError: the format is unknown, the path exists, or its suffix is of another format.
            CompileError: the format does not support this model, or the export differs from it by
                more than 1e-4.
            EngineUnavailableError: the package that writes the format is not installed.
        """
        from warmstart.core.exporting import export

        return export(self, path, format, integer_io=integer_io)

    def push_to_hub(self, name: str, *, private: bool | None = None, message: str = "") -> str:
        """Upload the model as a bundle to the Hugging Face hub; arguments, errors and the address
        that it returns are those of `core.publishing.push`.
        """
        from warmstart.core.publishing import push_model

        return push_model(self, name, private=private, message=message)

    def files(self) -> Mapping[str, Path | bytes]:
        """The task's own files of a bundle, such as a tokenizer, by name: a path or the bytes."""
        return {}

    @classmethod
    def compare_saved_model(
        cls, entry: Entry, engine: Engine, functions: Mapping[str, Runner]
    ) -> Mapping[str, Any]:
        """Compare the functions that only a SavedModel has (see `Program`) with the model;
        returns facts as JSON values.

        Args:
            entry: of the model.
            engine: with the compiled program.
            functions: of the SavedModel, by name.
        """
        return {}

    def batch(self, rows: Sequence[Row]) -> dict[str, NDArray[Any]]:
        """Rows as the arrays that the program takes, (N, …) each."""
        return {name: stacked([row[name] for row in rows]) for name in rows[0]}

    @staticmethod
    @abstractmethod
    def program(entry: Entry, model: KerasModel) -> Program:
        """The program that the engines run, made from the Keras model."""
