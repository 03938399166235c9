"""`Wrapper`: the steps from a Keras model to a bundle, some of which each task implements."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar

import numpy as np

from warmstart.catalog import Entry, ImagePreprocessing, Label
from warmstart.catalog.entry import NAME
from warmstart.checkpoints.file_names import IN_PROGRAM
from warmstart.core import bundle
from warmstart.core.loading import load
from warmstart.core.options import Option
from warmstart.core.task import task_class
from warmstart.engines.noise import quiet
from warmstart.errors import CompileError, UsageError
from warmstart.models.repository import slug
from warmstart.models.tensors.wrapped import family
from warmstart.training.types import ClassNames

if TYPE_CHECKING:
    from warmstart.core.model import Model
    from warmstart.engines.keras import Program
    from warmstart.training.wrap.opened_model import OpenedModel

STEPS, SHAPES = "tf.TensorList", "for these shapes"
"""Parts of the converter's errors: on operations of recurrent layers, and on operations of unknown
size, such as those after two `UpSampling2D` if the number of rows is unknown.
"""
SAME = 1e-5
"""The largest difference between the rebuilt model and the user's, relative to its largest output."""


@dataclass(frozen=True, kw_only=True)
class WrapOptions:
    """Options of all tasks."""

    section: ClassVar[str] = "wrap.md"
    """The section of the documentation on these options."""

    name: Annotated[
        str | None, Option("Name of the model; default: that of the file or of the Keras model.")
    ] = None
    output: Annotated[
        str | Path | None,
        Option("New folder for the model. Default: a temporary folder.", http=False),
    ] = None
    licence: Annotated[
        str, Option("Licence of the weights, as an SPDX identifier, for the card.")
    ] = "NOASSERTION"


@dataclass(frozen=True, kw_only=True)
class LabelOptions(WrapOptions):
    """Options of classifiers."""

    labels: Annotated[
        ClassNames,
        Option("Class names, or a file with one per line, in the order of the outputs."),
    ] = None
    activation: Annotated[
        str | None,
        Option(
            "Activation that turns the outputs into probabilities: none, softmax or sigmoid. "
            "Default: inferred from the last layer."
        ),
    ] = None
    multi_label: Annotated[
        bool | None,
        Option("Whether an input may have several labels. Default: if the outputs have a sigmoid."),
    ] = None
    features: Annotated[
        str | None,
        Option("Layer whose outputs are the features; default: the input of the head."),
    ] = None

    def __post_init__(self) -> None:
        if self.activation not in (None, "none", "softmax", "sigmoid"):
            raise UsageError(
                f"activation must be none, softmax or sigmoid, not {self.activation!r}."
            )


OptionsT = TypeVar("OptionsT", bound=WrapOptions)


class Wrapper(ABC, Generic[OptionsT]):
    """Makes a bundle from a Keras model; subclasses define the meaning of its inputs and outputs.

    Class attributes:
        task: of the result.
        options_class: the class of its options.
    """

    task: ClassVar[str]
    options_class: ClassVar[type[Any]]

    def __init__(self, opened: OpenedModel, options: OptionsT):
        self.opened, self.options = opened, options

    # What each task implements

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The keys of the network's config besides `network`, `reason` and `features`."""

    def preprocessing(self) -> ImagePreprocessing | None:
        """The rules that convert photos into inputs."""
        return None

    def processing(self) -> dict[str, Any]:
        """Settings of inputs and outputs other than photos."""
        return {}

    def labels(self) -> tuple[Label, ...]:
        """The classes, in the order of the outputs."""
        return ()

    def files(self) -> Mapping[str, Path | bytes]:
        """The task's files of the bundle."""
        return {}

    def report(self, model: Model[Any, Any, Any]) -> None:
        """Print remarks on the result."""

    # The steps

    def wrap(self) -> Model[Any, Any, Any]:
        """Write the bundle and load it.

        Raises:
            UsageError: the model does not fit this task.
            CompileError: it cannot be compiled, or the program differs from it.
        """
        entry = self.entry()
        labels, files = self.labels(), self.files()
        with quiet(), tempfile.TemporaryDirectory() as temporary:
            compiled = Path(temporary)
            entry, program, record = self._compiled(entry, compiled)
            entry = self._checked(entry, program)
            arrays = {} if "network" not in entry.config else self._arrays(entry)

            def fill(target: Path) -> Mapping[str, Any]:
                shutil.copytree(compiled, target, dirs_exist_ok=True)
                return record

            folder = bundle.write(
                self._folder(),
                entry,
                arrays,
                labels,
                fill,
                files=files,
                weights=bundle.WEIGHTS if arrays else IN_PROGRAM,
            )
        model = load(folder)
        self.report(model)
        return model

    def entry(self) -> Entry:
        """The entry of the bundle."""
        opened = self.opened
        name = self.options.name or opened.name
        if not NAME.fullmatch(name):
            raise UsageError(
                f"name must be lower snake case, such as {slug(Path(name))!r}, not {name!r}."
            )
        network = {"network": opened.network} if opened.network else {"reason": opened.reason}
        layer = getattr(self.options, "features", None)
        features = {"features": layer} if layer else {}
        return Entry(
            name=name,
            task=self.task,
            family=family.ARCHITECTURE,
            title=f"{opened.model.name}, a user's model",
            architecture=family.ARCHITECTURE,
            config={**network, **self.config(), **features},
            weights={},
            preprocessing=self.preprocessing(),
            labels="",
            licence=self.options.licence,
            parameters=int(opened.model.count_params()),
            gflops=None,
            min_size=0,
            metrics=(),
            paper="",
            processing=self.processing(),
        )

    def _compiled(self, entry: Entry, folder: Path) -> tuple[Entry, Program, Mapping[str, Any]]:
        """Compile into a folder: for any batch size, or, if that fails, as for recurrent layers,
        for single rows.

        Returns:
            The entry with the batch size, the program, and its record.
        """
        from warmstart.engines.compile import compile_program

        one_row = replace(entry, config={**entry.config, "batch": 1})
        is_single = self.opened.rows == 1 or self._is_recurrent()
        choices = [one_row] if is_single else [entry, one_row]
        is_open = any(None in tensor.shape[1:] for tensor in self.opened.model.inputs)
        for choice in choices:
            program = task_class(self.task).program(choice, self.opened.model)
            try:
                record = compile_program(program, folder, "float32", lambda stage: None)
            except CompileError as error:
                reason = str(error)
                if STEPS not in reason and (is_open or SHAPES not in reason):
                    break  # the number of rows does not matter
            else:
                return choice, program, record
        if is_open:
            reason += " The model may compile once the open sides of its inputs are fixed."
        raise CompileError(reason)

    def _is_recurrent(self) -> bool:
        """Whether a layer computes step by step, for which LiteRT needs a fixed batch size."""
        import keras

        layers = self.opened.model._flatten_layers()
        return any(isinstance(layer, keras.layers.RNN) and not layer.unroll for layer in layers)

    def _arrays(self, entry: Entry) -> Mapping[str, np.ndarray]:
        from warmstart.models.tensors.wrapped import network

        return network.arrays(self.opened.model, entry.config)

    def _checked(self, entry: Entry, program: Program) -> Entry:
        """The entry, without the network if a model rebuilt from it differs."""
        if "network" not in entry.config:
            return entry
        reason = self._difference(entry, program)
        if not reason:
            return entry
        config = {key: value for key, value in entry.config.items() if key != "network"}
        return replace(entry, config={**config, "reason": reason})

    def _difference(self, entry: Entry, program: Program) -> str:
        """How the model rebuilt from its description differs; "" if it does not."""
        from warmstart.engines.compile import reference_outputs
        from warmstart.engines.parity import differences
        from warmstart.models.tensors.wrapped import network

        try:
            model = network.build(entry.config)
            model.set_weights(self.opened.model.get_weights())
        except (UsageError, ValueError) as error:
            return str(error).rstrip(".")
        rebuilt = task_class(self.task).program(entry, model)
        expected, actual = reference_outputs(program), reference_outputs(rebuilt)
        worst = max(max(differences(actual[name], expected[name]).values()) for name in expected)
        if not worst <= SAME:
            return f"what Keras rebuilds from its description differs from it by {worst:.2g}"
        return ""

    def _folder(self) -> Path:
        if self.options.output is not None:
            return Path(self.options.output).expanduser()
        parent = Path(tempfile.mkdtemp(prefix="warmstart-"))
        atexit.register(shutil.rmtree, parent, ignore_errors=True)
        return parent / (self.options.name or self.opened.name)
