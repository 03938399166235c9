"""The loop that every recipe uses: `keras.Model.fit`, with checkpoints, the best epoch restored, early stopping.

    fitted = fit(model, batches, epochs=10, validation=others, monitor="val_accuracy", patience=3, run=run)

Killed at any moment and called again, it resumes after the last complete epoch and ends with the same numbers: what
training changes (weights, optimizer, the seeds of dropout) is stored per epoch, and batches depend on nothing but
the epoch. State inside the user's `callbacks` is not stored.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from warmstart.errors import UsageError
from warmstart.training.batches import Batches
from warmstart.training.checkpointing import EpochCheckpoints
from warmstart.training.epochs import Epochs, MarkStarted
from warmstart.training.memory import retained_memory
from warmstart.training.progress import Terminal
from warmstart.training.run import Run


@dataclass(frozen=True)
class Fitted:
    """The result of a fit.

    Attributes:
        history: one record per epoch: `epoch` from 1 (0: before training), `seconds`,
            `learning_rate`, the loss and metrics; those of the validation data start with `val_`.
        best: the epoch whose weights the model has now.
        stopped: why it ended: `"all epochs"`, `"no better epoch"`, `"callback"` or `"loss is not
            finite"`.
        averages: one record per average of the weights before and after training: `share` of the
            latter, and the metrics of the validation data.
        share: of the average that the model has now; None: it has the weights of the best epoch.
    """

    history: tuple[Mapping[str, float], ...]
    best: int
    stopped: str
    averages: tuple[Mapping[str, float], ...] = ()
    share: float | None = None

    @property
    def metrics(self) -> Mapping[str, float]:
        """The record of the weights that the model has now."""
        if self.share is not None:
            return next(record for record in self.averages if record["share"] == self.share)
        return next(record for record in self.history if record["epoch"] == self.best)


def fit(
    model: keras.Model,
    data: Batches,
    *,
    epochs: int,
    validation: Batches | None = None,
    measure: Callable[[], Mapping[str, float]] | None = None,
    monitor: str = "val_loss",
    mode: str = "auto",
    patience: int | None = None,
    clip_norm: float | None = None,
    keep_start: bool = False,
    restart: Callable[[], None] | None = None,
    prefer_trained: bool = False,
    averages: Sequence[float] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    run: Run | None = None,
    name: str = "fit",
    workers: int = 1,
    terminal: Terminal | None = None,
) -> Fitted:
    """Train a compiled model; it ends with the weights of its best epoch.

    Args:
        model: built and compiled.
        data, validation: batches; see `warmstart.training.batches`.
        epochs: the largest number of epochs.
        measure: called after each epoch; its result is added to the metrics, with `val_` before
            each name.
        monitor: the metric that decides which epoch is best; among equals `val_loss` decides, then
            the earlier one. Where it is undefined on the validation data, the loss decides. Without
            validation the last epoch counts as best, unless `monitor` is a metric of training.
        mode: `"min"`, `"max"`, or `"auto"`: by the name of the metric.
        patience: epochs without a better one after which training stops.
        clip_norm: the global norm to which gradients are clipped; an optimizer's own clipping
            takes precedence.
        keep_start: whether the weights before training are a candidate too (epoch 0), so that the
            result is never worse than those.
        restart: called before the first epoch, after the weights before training were measured;
            may set those from which training starts.
        prefer_trained: whether an epoch whose metric equals that before training is better, whatever
            its loss: that of a linear probe is at its minimum, also where it generalises worse.
        averages: shares of the last weights in averages of those before and after training, which
            are candidates after the last epoch (Wortsman et al., "Robust fine-tuning of zero-shot
            models" (2022), arXiv:2109.01903); needs `keep_start`.
        callbacks: as `keras.Model.fit` takes them.
        run: stores the checkpoints; None: nothing is stored.
        name: of this fit within the run.
        workers: threads that make batches.
        terminal: where progress is shown; None: nowhere.

    Raises:
        TrainingError: the loss is not finite from the first epoch on, or a checkpoint cannot be
            written.
        UsageError: there is no metric of that name.
    """
    if keep_start and validation is None and measure is None:
        raise UsageError("keep_start needs validation data.")
    if averages and not keep_start:
        raise UsageError("averages need keep_start.")
    optimizer = model.optimizer
    if clip_norm and not (optimizer.clipnorm or optimizer.clipvalue or optimizer.global_clipnorm):
        optimizer.global_clipnorm = clip_norm
    with model.distribute_strategy.scope():
        optimizer.build(model.trainable_variables)
    bar = (terminal or Terminal(verbose=False)).bar(name, epochs, len(data))
    checkpoints = EpochCheckpoints(
        model,
        run if run and run.resumable else None,
        bar,
        epochs,
        monitor,
        mode,
        patience,
        prefer_trained,
        averages,
    )
    checkpoints.resume()

    def evaluate() -> dict[str, float]:
        with _uneven_parts(model, data):
            logs = _measured(measure)
            return logs if validation is None else _evaluated(model, validation) | logs

    if not checkpoints.done:
        if keep_start and not checkpoints.history:
            checkpoints.record({"epoch": 0, "seconds": 0.0, **evaluate()})
        if restart is not None and checkpoints.epoch == 0:
            restart()
        bar.epoch = checkpoints.epoch
        own: list[keras.callbacks.Callback] = [_Measure(measure)] if measure else []
        with bar, _uneven_parts(model, data), retained_memory() as retain:
            training_data = Epochs(data, checkpoints.epoch, workers)
            validation_data = [] if validation is None else [Epochs(validation, None, workers)]
            own = [MarkStarted(training_data, *validation_data), retain, *own]
            model.fit(
                training_data,
                epochs=epochs,
                initial_epoch=checkpoints.epoch,
                shuffle=False,
                validation_data=validation_data[0] if validation_data else None,
                callbacks=[*own, *callbacks, checkpoints],
                verbose=0,
            )
        checkpoints.end()
    if averages:
        checkpoints.average(evaluate)
    checkpoints.restore_best()
    return Fitted(
        tuple(checkpoints.history),
        checkpoints.best,
        checkpoints.stopped,
        tuple(checkpoints.averages),
        checkpoints.share,
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, Keras layers and initialisers draw their seeds from this one; afterwards the caller's
    random state is restored.
    """
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 (restored below)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


@contextmanager
def _uneven_parts(model: keras.Model, data: Batches) -> Iterator[None]:
    """Allow batches whose parts for several devices differ in size.

    Keras builds the metrics from the mean of the first batch's parts, which must then have the same
    size; here they are built from the whole batch, and that step is skipped.
    """
    if model.distribute_strategy.num_replicas_in_sync == 1:
        yield
        return
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=data.batch(0, 0))
    model.__dict__["_maybe_symbolic_build"] = lambda **_: None
    try:
        yield
    finally:
        del model.__dict__["_maybe_symbolic_build"]


class _Measure(keras.callbacks.Callback):
    """Adds the recipe's own metrics to those of Keras, before any other callback sees them."""

    def __init__(self, measure: Callable[[], Mapping[str, float]]):
        super().__init__()
        self.measure = measure

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs.update(_measured(self.measure))


def _evaluated(model: keras.Model, validation: Batches) -> dict[str, float]:
    data = Epochs(validation, None, 1)
    logs = model.evaluate(data, callbacks=[MarkStarted(data)], verbose=0, return_dict=True)
    return {f"val_{key}": float(value) for key, value in logs.items()}


def _measured(measure: Callable[[], Mapping[str, float]] | None) -> dict[str, float]:
    return {f"val_{key}": float(value) for key, value in measure().items()} if measure else {}
