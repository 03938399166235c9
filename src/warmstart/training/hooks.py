"""The steps of fine-tuning that each task implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, ClassVar, Generic, TypeVar

import keras

from warmstart.catalog import Entry, Label
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.training.batches import Batches
from warmstart.training.fit import Fitted
from warmstart.training.freeze import Block, freeze
from warmstart.training.options import FreezeOptions, TrainOptions
from warmstart.training.page import Section
from warmstart.training.progress import Terminal
from warmstart.training.run import Run
from warmstart.training.summary import Summary
from warmstart.training.trackers import Trackers

OptionsT = TypeVar("OptionsT", bound=TrainOptions)


class TrainerHooks(ABC, Generic[OptionsT]):
    """One fine-tuning run.

    Args:
        base: a name, folder or source as `ws.load` takes it, or a model.
        options: of the task, checked.

    Attributes:
        task: of the result.
        unit: the plural of an example's name.
        example: an input on the command line.
        fit_name: of the main fit in the history.
        state_name: of the files from which that fit resumes.
        workers: threads that make batches.
        monitor: the metric that decides which epoch is best.
        clip_norm: the global norm to which gradients are clipped.
        jit_compile: as `keras.Model.compile` takes it.
        keep_start: whether the weights before training are a candidate too.
        averages: shares of the trained weights in averages of those before and after training,
            which are candidates too, with `keep_start`.
        restart: sets the weights from which training starts, if they are not the base's.
        prefer_trained: whether an epoch whose metric equals that before training is better.
        measures: whether `measure` is called after each epoch.
        is_prepared: whether the network is built and frozen.
        derived: options that `identity` covers.
        model: the base.
        network: the network that is trained.
        fits: the results of the fits so far, by name.
        before: metrics of the network before training, if the data has no baseline.
    """

    task: ClassVar[str]
    unit: ClassVar[str] = "examples"
    example: ClassVar[str] = "INPUT"
    fit_name: ClassVar[str] = "fit"
    state_name: ClassVar[str] = "fit"
    workers: int = 1
    jit_compile: ClassVar[bool | str] = "auto"
    derived: ClassVar[frozenset[str]] = frozenset()
    clip_norm: float = 1.0
    monitor: str = "val_loss"
    keep_start: bool = False
    averages: Sequence[float] = ()
    restart: Callable[[], None] | None = None
    prefer_trained: ClassVar[bool] = False
    measures: bool = True
    is_prepared: bool = False

    model: Model[Any, Any, Any]
    network: keras.Model
    run: Run
    trackers: Trackers
    summary: Summary
    entry: Entry
    labels: Sequence[Label] = ()

    def __init__(self, base: str | PathLike[str] | Model[Any, Any, Any], options: OptionsT):
        self.base, self.options = base, options
        self.terminal = Terminal(options.verbose)
        self.fits: dict[str, Fitted] = {}
        self.before: Mapping[str, float] = {}

    # In the order in which they are called.

    def open(self) -> None:
        """Set `model`: the base.

        Raises:
            UsageError: it cannot be fine-tuned for this task.
        """
        self.model = self.base if isinstance(self.base, Model) else load(self.base)

    @abstractmethod
    def read(self, data: Any) -> Summary:
        """Read the data and split it.

        Raises:
            UsageError: it cannot be learned from.
        """

    def verify(self) -> None:
        """Check in advance whatever would otherwise fail after minutes of work.

        Raises:
            UsageError: an option does not fit the base or the data.
        """

    def settings(self) -> dict[str, Any]:
        """Everything that decides the result: the options, and `identity`."""
        base = {"base": self.model.name, "weights": self.model.weights.digest}
        options = self.options.recorded(without=self.derived)
        return {"task": self.task, **base, **options, **self.identity()}

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """Fingerprints of the data, classes, and config of the network."""

    @abstractmethod
    def build(self) -> keras.Model:
        """The network with the base's weights."""

    def blocks(self) -> Sequence[Block]:
        """The base's layers in `network` by blocks, starting at the input, for `freeze`."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Mark the layers that are not trained."""
        if isinstance(self.options, FreezeOptions):
            freeze(self.network, self.blocks(), self.options.freeze)

    @abstractmethod
    def batches(self) -> Batches:
        """The training batches."""

    def validation_batches(self) -> Batches | None:
        """The validation batches, where Keras evaluates them."""
        return None

    def learner(self) -> keras.Model:
        """The model to fit, where it is not `network` itself."""
        return self.network

    @abstractmethod
    def loss(self) -> Any:
        """The loss, as `keras.Model.compile` takes it."""

    @abstractmethod
    def default_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """The optimizer of the recipe, for this many steps."""

    def callbacks(self, batches: Any) -> Sequence[keras.callbacks.Callback]:
        """The callbacks of the fit on these batches."""
        return self.options.callbacks

    def measure(self) -> Mapping[str, float]:
        """Metrics on the validation data."""
        raise NotImplementedError

    def calibrate(self) -> None:
        """Calibrate on the validation data, after training."""

    def refit(self) -> None:
        """Train `network` again, if the result may use more data than the measured network, such as
        the validation examples; called after the report is written.
        """

    @abstractmethod
    def describe(self) -> Entry:
        """The entry of the result, with its metrics."""

    def sections(self) -> Sequence[Section]:
        """The task's sections of the report, on the validation data."""
        return ()

    def tiles(self) -> list[tuple[str, str]]:
        """The large figures of the report."""
        metrics = [(f"{metric.value:.4f}", metric.name) for metric in self.entry.metrics]
        return [*metrics, (str(self.fits[self.fit_name].best), "best epoch")]

    def details(self) -> Mapping[str, Any]:
        """Further JSON values for `training.json`."""
        return {}

    def card(self) -> str | None:
        """The model card; None: made from the entry."""
        return None
