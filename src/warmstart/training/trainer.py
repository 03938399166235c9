"""Fine-tuning, written once: `Trainer.fit` is the flow, and a task fills in its hooks.

read → split → report the data → build → freeze → compile → fit → measure → calibrate → bundle → report
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import keras

from warmstart.catalog import Entry, Label
from warmstart.core import bundle
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.training import result
from warmstart.training.batches import Batches
from warmstart.training.fit import Fitted, fit, seeded
from warmstart.training.freeze import Block, freeze
from warmstart.training.options import FreezeOptions, TrainOptions
from warmstart.training.page import Section, page
from warmstart.training.progress import Terminal
from warmstart.training.run import Run, open_run
from warmstart.training.summary import Summary, in_words

OptionsT = TypeVar("OptionsT", bound=TrainOptions)
SOURCE = "measured when it was fine-tuned"
"""Of the metrics in a result's entry."""


class Trainer(ABC, Generic[OptionsT]):
    """One fine-tuning.

    Args:
        base: a name, folder or source as `ws.load` takes it, or a model.
        options: of the task, checked.

    Attributes:
        task: what the result does.
        unit: what the examples are, in the plural.
        example: an input on the command line.
        fit_name: of the fit in the history.
        state_name: of the files that a resumed fit starts from.
        workers: threads that make batches.
        monitor: the metric that decides which epoch is best.
        clip_norm: the largest norm of all gradients together.
        jit_compile: as `keras.Model.compile` takes it.
        keep_start: whether the weights before training are a candidate too.
        measures: whether `measure` is called after each epoch.
        derived: options that `identity` covers.
        model: the base.
        network: what is trained.
        fits: the fits so far, by name.
        before: figures of the network before training, where the data has no baseline.
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
    measures: bool = True

    model: Model[Any, Any, Any]
    network: keras.Model
    run: Run
    summary: Summary
    entry: Entry
    labels: Sequence[Label] = ()

    def __init__(self, base: str | PathLike[str] | Model[Any, Any, Any], options: OptionsT):
        self.base, self.options = base, options
        self.terminal = Terminal(options.verbose)
        self.fits: dict[str, Fitted] = {}
        self.before: Mapping[str, float] = {}

    @classmethod
    def of(cls, base: Any, options: OptionsT) -> Trainer[OptionsT]:
        """The trainer of a base: of this class, or of the one that its family has."""
        return cls(base, options)

    def fit(self, data: Any) -> Model[Any, Any, Any]:
        """Train on labelled data; returns the model, loaded from its bundle.

        Raises:
            UsageError: the base, the data or an option cannot be used.
            TrainingError: training cannot go on.
        """
        self.open()
        self.summary = self.read(data)
        with open_run(self.options.output, self.settings()) as self.run:
            if self.run.finished:
                self.terminal.say(f"{self.run.folder} is finished; nothing was trained.")
                model = load(self.run.folder)
            else:
                self.terminal.say(*self.summary.lines())
                self.train()
                self.calibrate()
                self.entry = self.describe()
                self.terminal.say(*self.results(), "compiling and checking the result")
                model = self.bundle()
            self.terminal.say(*self.usage())
            return model

    # The hooks of a task, in the order in which they are called.

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

    def settings(self) -> dict[str, Any]:
        """Everything that decides the result: the options, and what `identity` adds."""
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
        """Of the base within `network`, from the input on, for `freeze`."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Mark what is not trained."""
        if isinstance(self.options, FreezeOptions):
            freeze(self.network, self.blocks(), self.options.freeze)

    @abstractmethod
    def batches(self) -> Batches:
        """To train on."""

    def validation_batches(self) -> Batches | None:
        """Of the validation data, where Keras evaluates it."""
        return None

    def learner(self) -> keras.Model:
        """What is fitted, where it is not `network` itself."""
        return self.network

    @abstractmethod
    def loss(self) -> Any:
        """As `keras.Model.compile` takes it."""

    @abstractmethod
    def default_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """The optimizer of the recipe, for so many steps."""

    def callbacks(self, batches: Any) -> Sequence[keras.callbacks.Callback]:
        """Of the fit on these batches."""
        return self.options.callbacks

    def measure(self) -> Mapping[str, float]:
        """Figures on the validation data."""
        raise NotImplementedError

    def calibrate(self) -> None:
        """Fit what is fitted on validation data after training."""

    @abstractmethod
    def describe(self) -> Entry:
        """The entry of the result, with its metrics."""

    def sections(self) -> Sequence[Section]:
        """Of the report, on the validation data."""
        return ()

    def tiles(self) -> list[tuple[str, str]]:
        """The large figures of the report."""
        metrics = [(f"{metric.value:.4f}", metric.name) for metric in self.entry.metrics]
        return [*metrics, (str(self.fits[self.fit_name].best), "best epoch")]

    def details(self) -> Mapping[str, Any]:
        """More plain values for `training.json`."""
        return {}

    def card(self) -> str | None:
        """The model card; None: made from the entry."""
        return None

    # The steps that most tasks share.

    @property
    def base_name(self) -> str:
        """Of the base, for titles."""
        return self.model.name

    @property
    def validated(self) -> bool:
        """Whether there is validation data."""
        return self.summary.counts.get("validation", 0) > 0

    def train(self) -> None:
        """Build, freeze, compile and fit."""
        with seeded(self.options.seed):
            self.network = self.build()
        self.freeze()
        self.fit_network()

    def fit_network(self) -> None:
        """Compile and fit; `network` ends with the weights of its best epoch."""
        options = self.options
        batches = self.batches()
        measure = self.measure if self.measures and self.validated else None
        with seeded(options.seed):
            learner = self.learner()
            with learner.distribute_strategy.scope():
                optimizer = self.user_optimizer()
                if optimizer is None:
                    optimizer = self.default_optimizer(max(1, len(batches) * options.epochs))
                self.compile(learner, optimizer)
            if measure is not None and not self.summary.baseline:
                self.before = self.measured_before()
                baseline = f"before training: {in_words(self.before)}"
                self.summary = replace(self.summary, baseline=baseline)
                self.terminal.say(f"baseline: {baseline}")
            self.fits[self.fit_name] = self.fitted(
                learner,
                batches,
                name=self.state_name,
                epochs=options.epochs,
                validation=self.validation_batches(),
                measure=measure,
                patience=options.patience,
                keep_start=self.keep_start and self.validated,
                workers=self.workers,
            )

    def fitted(self, learner: keras.Model, batches: Batches, **options: Any) -> Fitted:
        """`fit` with what all fits of a run share."""
        return fit(
            learner,
            batches,
            monitor=self.monitor,
            clip_norm=self.clip_norm,
            callbacks=self.callbacks(batches),
            run=self.run,
            terminal=self.terminal,
            **options,
        )

    def compile(self, learner: keras.Model, optimizer: Any) -> None:
        """Compile what is fitted."""
        learner.compile(optimizer, self.loss(), jit_compile=self.jit_compile)

    def user_optimizer(self) -> Any:
        """The optimizer of the options, a copy of its own for each fit; None where there is none."""
        optimizer = self.options.optimizer
        if optimizer is None or isinstance(optimizer, str):
            return optimizer
        return type(optimizer).from_config(optimizer.get_config())

    def measured_before(self) -> Mapping[str, float]:
        """The figures before training; of an earlier process where it has measured them."""
        before = self.run.read("before")
        if before is None:
            before = dict(self.measure())
            self.run.write("before", before)
        return before

    def results(self) -> Iterable[str]:
        """The result in lines."""
        fitted = self.fits[self.fit_name]
        figures = {
            key.removeprefix("val_"): value
            for key, value in fitted.metrics.items()
            if key.startswith("val_")
        }
        where = f" on {self.summary.counts['validation']:,} {self.unit}" if figures else ""
        words = in_words(figures or {"loss": fitted.metrics["loss"]})
        yield f"result: {words}{where}; epoch {fitted.best} of {self.options.epochs} ({fitted.stopped})"

    def usage(self) -> list[str]:
        """Where the model is and how it is used."""
        folder = self.run.folder
        note = "" if self.run.resumable else "; deleted with this process, model.save(…) keeps it"
        return [
            f"written: {folder} (how good it is: {bundle.REPORT}{note})",
            f"  warmstart predict --model {folder} {self.example}",
            f"  ws.load({str(folder)!r})",
        ]

    def exported(self) -> tuple[keras.Model, Any]:
        """The network as the bundle holds it, and an adapter in place of its weights, or None."""
        return self.network, None

    def bundle(self) -> Model[Any, Any, Any]:
        """Write the report and the bundle; returns the model that is loaded from it."""
        settings = {
            key: value
            for key, value in self.run.settings.items()
            if not isinstance(value, dict | list)
        }
        report = page(
            self.entry.title,
            f"{self.base_name}, trained for {self.task}",
            self.tiles(),
            self.summary,
            self.fits,
            self.sections(),
            settings,
            self.usage(),
            f"ws.finetune({self.base_name!r}, …, task={self.task!r})",
        )
        network, adapter = self.exported()
        before = {"before": self.before} if self.before else {}
        return result.finish(
            self.run,
            network,
            self.entry,
            self.labels,
            fits=self.fits,
            report=report,
            details={**before, **self.details()},
            card=self.card(),
            folder=self.source_folder(),
            adapter=adapter,
        )

    def source_folder(self) -> Path | None:
        """Where the base has files that the result needs too, such as a tokenizer."""
        return self.model._folder
