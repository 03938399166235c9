"""Fine-tuning: `Trainer.fit` runs the steps, and each task implements its hooks.

read → split → report the data → build → freeze → compile → fit → measure → calibrate → report → refit → bundle
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import keras

from warmstart.core import bundle
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.core.task import task_of
from warmstart.counts import counted, singular
from warmstart.engines.keras import use_device
from warmstart.hub.huggingface import repository_of
from warmstart.training import result
from warmstart.training.batches import Batches
from warmstart.training.checkpointing import higher_is_better
from warmstart.training.checks import check_keras_options
from warmstart.training.fit import Fitted, fit, seeded
from warmstart.training.hooks import OptionsT, TrainerHooks
from warmstart.training.page import page
from warmstart.training.run import open_run
from warmstart.training.summary import hub_dataset, in_words
from warmstart.training.trackers import Trackers

SOURCE = "measured when it was fine-tuned"
"""The source of the metrics in a result's entry."""


class Trainer(TrainerHooks[OptionsT]):
    """One fine-tuning run; arguments and attributes are those of `TrainerHooks`."""

    @classmethod
    def of(cls, base: Any, options: OptionsT) -> Trainer[OptionsT]:
        """The trainer for a base: of this class, or of the class of the base's family."""
        return cls(base, options)

    def fit(self, data: Any) -> Model[Any, Any, Any]:
        """Train on labelled data; returns the model, loaded from its bundle.

        Raises:
            UsageError: the base, the data or an option cannot be used.
            TrainingError: training cannot continue.
        """
        check_keras_options(self.options)
        use_device(self.options.device)
        self.open()
        with self.cluster():
            return self._fit(data)

    @property
    def is_distributed(self) -> bool:
        """Whether the network is trained by the workers of a cluster."""
        return getattr(self.options, "on", "local") == "ray"

    def cluster(self) -> AbstractContextManager[None]:
        """A connection to the cluster that the options name, if they name one."""
        if not self.is_distributed:
            return nullcontext()
        from warmstart.training.ray_learning import connected

        return connected(self.options, self.model.entry.parameters)

    def _fit(self, data: Any) -> Model[Any, Any, Any]:
        self.dataset_source = hub_dataset(data)
        self.summary = self.read(data)
        output = self.options.output
        if output is None or not bundle.is_bundle(Path(output).expanduser()):
            self.verify()
        with open_run(self.options.output, self.settings()) as self.run, self.resumable():
            if self.run.finished:
                self.terminal.write_lines(f"{self.run.folder} is finished; nothing was trained.")
                model = load(self.run.folder)
            else:
                self.terminal.write_lines(*self.summary.lines())
                self.trackers = Trackers(
                    self.options.track, self.run, self.options.name or self.base_name
                )
                self.trackers.start(self.parameters())
                self.train()
                self.calibrate()
                self.entry = self.describe()
                lines = (*self.results(), *self.result_warnings())
                self.terminal.write_lines(*lines)
                report = self.report()
                self.refit()
                self.terminal.write_lines("compiling and checking the result")
                model = self.bundle(report)
                figures = {metric.name: metric.value for metric in self.entry.metrics}
                self.trackers.finish(figures, self.run.folder / bundle.REPORT)
            self.terminal.write_lines(*self.usage())
            return model

    @contextmanager
    def resumable(self) -> Iterator[None]:
        """Print how to resume when the user stops the training."""
        try:
            yield
        except KeyboardInterrupt:
            if self.run.resumable:
                self.terminal.write_lines(
                    f"stopped; the same call with {self.run.folder} as its output resumes"
                )
            raise

    # The steps that most tasks share.

    @property
    def base_name(self) -> str:
        """The base's name in titles."""
        return self.model.name

    @property
    def validated(self) -> bool:
        """Whether there is validation data."""
        return self.summary.counts.get("validation", 0) > 0

    def verify(self) -> None:
        if getattr(self.options, "freeze", "none") not in ("none", 0):
            self.prepare()

    def prepare(self) -> None:
        """Build the network and freeze layers, once; called before the run starts if an option may
        not fit the network.
        """
        if not self.is_prepared:
            with seeded(self.options.seed):
                self.network = self.build()
            self.freeze()
            self.is_prepared = True

    def train(self) -> None:
        """Build, freeze, compile and fit."""
        self.prepare()
        self.fit_network()

    def initialise(self, batches: Any) -> None:
        """Prepare the weights from which the fit on these batches starts."""

    def epochs(self, batches: Batches) -> int:
        """The largest number of epochs."""
        epochs: int = self.options.epochs
        return epochs

    def fit_network(self) -> None:
        """Compile and fit; `network` ends with the weights of its best epoch."""
        options = self.options
        batches = self.batches()
        epochs = self.epochs(batches)
        measure = self.measure if self.measures and self.validated else None
        with seeded(options.seed):
            self.initialise(batches)
            keep_start = self.keep_start and self.validated
            learner = self.compiled(len(batches) * epochs)
            if measure is not None and not self.summary.baseline:
                self.before = self.measured_before()
                baseline = f"{in_words(self.before)}, before training"
                self.summary = replace(self.summary, baseline=baseline, figures=self.before)
                self.terminal.write_lines(f"baseline: {baseline}")
            self.fits[self.fit_name] = self.fitted(
                learner,
                batches,
                name=self.state_name,
                epochs=epochs,
                validation=self.validation_batches(),
                measure=measure,
                patience=options.patience,
                keep_start=keep_start,
                averages=self.averages if keep_start else (),
                restart=self.restart,
                prefer_trained=self.prefer_trained,
                workers=self.workers,
            )

    def compiled(self, steps: int) -> keras.Model:
        """The model to fit, compiled with an optimizer for this many steps."""
        learner = self.learner()
        with learner.distribute_strategy.scope():
            optimizer = self.user_optimizer()
            if optimizer is None:
                optimizer = self.default_optimizer(max(1, steps))
            self.compile(learner, optimizer)
        return learner

    def fitted(self, learner: keras.Model, batches: Batches, **options: Any) -> Fitted:
        """`fit` with the options that all fits of a run have; with on="ray" the main one runs on
        the workers.
        """
        name = options["name"]
        source: AbstractContextManager[Batches] = nullcontext(batches)
        if name == self.state_name and self.is_distributed:
            from warmstart.training.ray_learning import distributed

            source = distributed(self, learner, batches)
        with source as data:
            return fit(
                learner,
                data,
                monitor=self.monitor,
                clip_norm=self.clip_norm,
                callbacks=[*self.callbacks(batches), *self.trackers.callbacks(name)],
                run=self.run,
                terminal=self.terminal,
                **options,
            )

    def compile(self, learner: keras.Model, optimizer: Any) -> None:
        """Compile the model to fit."""
        learner.compile(optimizer, self.loss(), jit_compile=self.jit_compile)

    def user_optimizer(self) -> Any:
        """A new copy of the optimizer of the options, or its name; None if there is none."""
        optimizer = self.options.optimizer
        if optimizer is None or isinstance(optimizer, str):
            return optimizer
        return type(optimizer).from_config(optimizer.get_config())

    def measured_before(self) -> Mapping[str, float]:
        """The metrics before training; those of an earlier process if it measured them."""
        before = self.run.read("before")
        if before is None:
            before = dict(self.measure())
            self.run.write("before", before)
        return before

    def results(self) -> Iterable[str]:
        """The lines that show the result."""
        fitted = self.fits[self.fit_name]
        figures = {
            key.removeprefix("val_"): value
            for key, value in fitted.metrics.items()
            if key.startswith("val_")
        }
        count = self.summary.counts["validation"]
        where = f" on {counted(count, singular(self.unit), self.unit)}" if figures else ""
        words = in_words(figures or {"loss": fitted.metrics["loss"]})
        epochs = fitted.history[-1]["epoch"]
        yield f"result: {words}{where}; epoch {fitted.best} of {epochs} ({fitted.stopped})"

    def result_warnings(self) -> Iterable[str]:
        """Warnings if the result is no better than the baseline."""
        *_, last = self.fits.values()
        metrics = last.metrics
        for name, baseline in self.summary.figures.items():
            value = metrics.get(f"val_{name}", math.nan)
            better = value > baseline if higher_is_better(name) else value < baseline
            if name == self.monitor.removeprefix("val_") and not better:
                yield (
                    f"warning: the model is no better than the baseline: {name} "
                    f"{baseline:.4g}, and {value:.4g} after training; more data, more epochs "
                    "or another base may help"
                )

    def usage(self) -> list[str]:
        """Lines that say where the model is and how to use it."""
        folder = self.run.folder
        note = "" if self.run.resumable else "; deleted with this process, model.save(…) keeps it"
        shell = quote(str(folder))
        return [
            f"written: {folder} (report: {bundle.REPORT}{note})",
            f"  warmstart {task_of(self.task).verb} {self.example} --model {shell}",
            f"  warmstart serve {shell}",
            f"  warmstart export {shell} {quote(folder.name)}.tflite",
            f"  ws.load({str(folder)!r})",
        ]

    def parameters(self) -> dict[str, Any]:
        """The settings of the run, as trackers log them: plain values by name."""
        return {
            key: value
            for key, value in self.run.settings.items()
            if not isinstance(value, dict | list)
        }

    def exported(self) -> tuple[keras.Model, Any]:
        """The network of the bundle, and the adapter that replaces its weights there, or None."""
        return self.network, None

    def report(self) -> str:
        """The HTML report on the network as it was measured, before any refit."""
        return page(
            self.entry.title,
            f"{self.base_name}, trained for {self.task}",
            self.tiles(),
            self.summary,
            self.fits,
            self.sections(),
            self.parameters(),
            self.usage(),
            f"ws.finetune({self.base_name!r}, …, task={self.task!r})",
        )

    def bundle(self, report: str) -> Model[Any, Any, Any]:
        """Write the bundle with this report, and load the model from it."""
        network, adapter = self.exported()
        before = {"before": self.before} if self.before else {}
        return result.finish(
            self.run,
            network,
            self.entry,
            self.labels,
            fits=self.fits,
            report=report,
            details={**before, **self.origin(), **self.details()},
            card=self.card(),
            folder=self.source_folder(),
            adapter=adapter,
        )

    def origin(self) -> dict[str, str]:
        """The repositories of the data and of the base, if they have one, for `training.json`."""
        model = getattr(self, "model", None)  # a forecaster may be trained from scratch
        base = model and model.folder and repository_of(model.folder)
        sources = {"dataset": self.dataset_source, "base_source": base}
        return {name: value for name, value in sources.items() if value}

    def source_folder(self) -> Path | None:
        """The folder of the base's files that the result needs too, such as a tokenizer."""
        return self.model._folder
