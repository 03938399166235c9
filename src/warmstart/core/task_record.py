"""`Task`, the record of what a model does, and `TASKS`, all of them by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from warmstart.errors import UsageError
from warmstart.suggestions import unknown_name

if TYPE_CHECKING:
    from warmstart.core.console import Console
    from warmstart.core.input_kind import InputKind
    from warmstart.core.model import Model
    from warmstart.training.options import TrainOptions
    from warmstart.training.trainer import Trainer
    from warmstart.training.wrap.wrapper import Wrapper


@dataclass(frozen=True, kw_only=True)
class Task:
    """The record of a task.

    Attributes:
        name: such as "image-classification".
        verb: of the command line, such as "classify".
        summary: one sentence for `--help`.
        usage: arguments of example commands, for `--help`.
        model: the class of its models; as an object, or as "module:Name".
        input: the type of input, an `InputKind` object.
        console: how the command line shows its results.
        trainer, train_options: the class that fine-tunes its models, and its options; None: there is
            no fine-tuning.
        wrapper: the class that wraps Keras models for the task; None: they cannot be wrapped.
        default_model: the model that is used if none is named; "" if one must be named.
        shard_rows: inputs per file of a batch run; a kill costs that much work.
        guide: the section of the documentation on its labelled data.
        examples: what `evaluate` counts, in the plural; "" means the inputs.
        samples: inputs to try, as JSON values; the page of the server offers them.
        sample_options: options to try them with.
        hub_name: what the Hugging Face hub calls it; "": the same; None: it has no such task.
    """

    name: str
    verb: str
    summary: str
    model: str | type[Model[Any, Any, Any]]
    input: str | InputKind
    usage: tuple[str, ...] = ()
    console: str | type[Console] = "warmstart.core.console:Console"
    trainer: str | type[Trainer[Any]] | None = None
    train_options: str | type[TrainOptions] | None = None
    wrapper: str | type[Wrapper[Any]] | None = None
    default_model: str = ""
    shard_rows: int = 1024
    guide: str = ""
    examples: str = ""
    samples: tuple[Any, ...] = field(default=(), hash=False)
    hub_name: str | None = ""
    sample_options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def title(self) -> str:
        """The name as a heading: "Image classification"."""
        return self.name.replace("-", " ").capitalize()

    def model_class(self) -> type[Model[Any, Any, Any]]:
        cls: type[Model[Any, Any, Any]] = resolve(self.model)
        return cls

    def input_kind(self) -> InputKind:
        kind: InputKind = resolve(self.input)
        return kind

    def trainer_class(self) -> type[Trainer[Any]]:
        """Imports TensorFlow.

        Raises:
            UsageError: the task has no fine-tuning.
        """
        from warmstart.engines.noise import quiet_import

        self.train_options_class()
        with quiet_import():
            cls: type[Trainer[Any]] = resolve(self.trainer)
        return cls

    def train_options_class(self) -> type[TrainOptions]:
        """The options of fine-tuning; without TensorFlow.

        Raises:
            UsageError: the task has no fine-tuning.
        """
        if self.trainer is None:
            raise UsageError(
                f"There is no fine-tuning for {self.name!r}; `ws.load(…).keras` is a Keras model to train yourself."
            )
        cls: type[TrainOptions] = resolve(self.train_options)
        return cls

    def console_class(self) -> type[Console]:
        cls: type[Console] = resolve(self.console)
        return cls


def resolve(reference: Any) -> Any:
    """The object that "module:Name" names; anything else is itself."""
    return _imported(reference) if isinstance(reference, str) else reference


@cache
def _imported(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


_TASKS: dict[str, Task] = {}
TASKS: Mapping[str, Task] = MappingProxyType(_TASKS)
"""The tasks by name."""


def register(task: Task) -> None:
    """Add a task; from then on every surface has it.

    Raises:
        UsageError: another task has this name.
    """
    if _TASKS.get(task.name, task) != task:
        raise UsageError(f"A task {task.name!r} already exists.")
    _TASKS[task.name] = task


def task_of(name: str) -> Task:
    """The task of a name.

    Raises:
        UsageError: there is no such task.
    """
    if name not in _TASKS:
        message = unknown_name("There is no task", name, _TASKS, "There are")
        raise UsageError(f"{message} Import the module that registers a task of your own first.")
    return _TASKS[name]


def task_class(name: str) -> type[Model[Any, Any, Any]]:
    """The class of its models; errors are those of `task_of`."""
    return task_of(name).model_class()


def wrapper_class(name: str) -> type[Wrapper[Any]]:
    """The class that wraps Keras models for a task; does not import TensorFlow.

    Raises:
        UsageError: there is no such task, or its models are not wrapped.
    """
    wrapper = task_of(name).wrapper
    if wrapper is None:
        names = ", ".join(known for known, task in _TASKS.items() if task.wrapper)
        raise UsageError(f"Models are not wrapped for {name!r}; tasks that are: {names}.")
    cls: type[Wrapper[Any]] = resolve(wrapper)
    return cls
