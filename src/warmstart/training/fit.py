"""The loop that every recipe uses: `keras.Model.fit`, with checkpoints, the best epoch restored, early stopping.

    fitted = fit(model, batches, epochs=10, validation=others, monitor="val_accuracy", patience=3, run=run)

Killed at any moment and called again, it goes on after the last whole epoch and ends with the same numbers: what
changes while training (weights, optimizer, the seeds of dropout) is stored per epoch, and batches depend on the epoch
alone. State inside `callbacks` of the user's is not stored.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from warmstart.errors import TrainingError, UsageError
from warmstart.training.batches import Batches
from warmstart.training.epochs import Begin, Epochs
from warmstart.training.memory import retained_memory
from warmstart.training.progress import Bar, Terminal
from warmstart.training.run import Run

UP = ("acc", "auc", "precision", "recall", "f1", "iou", "kappa", "r2", "top", "exact")
"""Parts of the names of metrics of which more is better; of all others less is."""


@dataclass(frozen=True)
class Fitted:
    """What a fit came to.

    Attributes:
        history: one record an epoch: `epoch` from 1 (0: before training), `seconds`,
            `learning_rate`, the loss and metrics, those of the validation data with `val_` before
            their name.
        best: the epoch whose weights the model has now.
        stopped: why it ended: `"all epochs"`, `"no better epoch"`, `"callback"` or `"loss is not
            finite"`.
    """

    history: tuple[Mapping[str, float], ...]
    best: int
    stopped: str

    @property
    def metrics(self) -> Mapping[str, float]:
        """The record of the best epoch."""
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
        epochs: at most so many.
        measure: called after each epoch; what it returns joins the metrics, with `val_` before each
            name.
        monitor: the metric that decides which epoch is best; among equals `val_loss` decides, then
            the earlier one. Without validation the last epoch counts as best, unless `monitor` is a
            metric of training.
        mode: `"min"`, `"max"`, or `"auto"`: by the name of the metric.
        patience: stop after so many epochs without a better one.
        clip_norm: the largest norm of all gradients together; an optimizer's own clipping is left
            alone.
        keep_start: whether the weights before training are a candidate too (epoch 0), so that the
            result is never worse than what it began with.
        callbacks: as `keras.Model.fit` takes them.
        run: where checkpoints go; None for none.
        name: of this fit among those of the run.
        workers: threads that make batches.
        terminal: where progress is shown; None: nowhere.

    Raises:
        TrainingError: the loss is not finite from the first epoch on, or a checkpoint cannot be
            written.
        UsageError: there is no metric of that name.
    """
    if keep_start and validation is None and measure is None:
        raise UsageError("keep_start needs validation data.")
    optimizer = model.optimizer
    if clip_norm and not (optimizer.clipnorm or optimizer.clipvalue or optimizer.global_clipnorm):
        optimizer.global_clipnorm = clip_norm
    with model.distribute_strategy.scope():
        optimizer.build(model.trainable_variables)
    bar = (terminal or Terminal(verbose=False)).bar(name, epochs, len(data))
    keeper = _Keeper(
        model, run if run and run.resumable else None, bar, epochs, monitor, mode, patience
    )
    keeper.resume()
    if not keeper.done:
        if keep_start and not keeper.history:
            with _uneven_parts(model, data):
                logs = _evaluated(model, validation) | _measured(measure)
            keeper.record({"epoch": 0, "seconds": 0.0, **logs})
        bar.epoch = keeper.epoch
        own: list[keras.callbacks.Callback] = [_Measure(measure)] if measure else []
        with bar, _uneven_parts(model, data), retained_memory() as retain:
            learned = Epochs(data, keeper.epoch, workers)
            others = [] if validation is None else [Epochs(validation, None, workers)]
            own = [Begin(learned, *others), retain, *own]
            model.fit(
                learned,
                epochs=epochs,
                initial_epoch=keeper.epoch,
                shuffle=False,
                validation_data=others[0] if others else None,
                callbacks=[*own, *callbacks, keeper],
                verbose=0,
            )
        keeper.end()
    keeper.restore_best()
    return Fitted(tuple(keeper.history), keeper.best, keeper.stopped)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, Keras layers and initialisers draw their seeds from this one; the caller's random
    state comes back.
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
    """On several devices: let batches fall into parts of different sizes.

    Keras builds the metrics from the mean of the first batch's parts, which needs equal ones; here
    they are built from a whole batch, and that step is left out.
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


def better_is_more(metric: str, mode: str = "auto") -> bool:
    """Whether a metric of this name is to grow."""
    if mode not in ("auto", "min", "max"):
        raise UsageError(f"mode is 'auto', 'min' or 'max', not {mode!r}.")
    name = metric.removeprefix("val_")
    grows = any(part in name for part in UP) or re.fullmatch(
        r"m?a[pr](\d+|_\w+)?", name
    )  # not "mape"
    return mode == "max" or (mode == "auto" and bool(grows) and "loss" not in name)


def changing_variables(model: keras.Model) -> list[Any]:
    """The variables that training can change: all but the weights of frozen layers."""
    frozen = {
        id(v) for layer in model._flatten_layers() if not layer.trainable for v in layer.weights
    }
    unique = {id(v): v for v in model.variables}
    return [v for key, v in unique.items() if key not in frozen]


class _Measure(keras.callbacks.Callback):
    """Puts the recipe's own metrics among those of Keras, before any other callback sees them."""

    def __init__(self, measure: Callable[[], Mapping[str, float]]):
        super().__init__()
        self.measure = measure

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs.update(_measured(self.measure))


class _Keeper(keras.callbacks.Callback):
    """Stores, compares and stops after each epoch; the last of the callbacks, so that it sees what
    they did.
    """

    def __init__(
        self,
        model: keras.Model,
        run: Run | None,
        bar: Bar,
        epochs: int,
        monitor: str,
        mode: str,
        patience: int | None,
    ):
        super().__init__()
        self.trained, self.run, self.bar, self.name, self.epochs = model, run, bar, bar.name, epochs
        self.monitor, self.up, self.patience = monitor, better_is_more(monitor, mode), patience
        self.history: list[dict[str, float]] = []
        self.best, self.epoch, self.done, self.stopped = 0, 0, False, "all epochs"
        self.best_arrays: dict[str, np.ndarray] | None = None
        self.files: dict[str, str] = {}
        self.started = time.monotonic()

    def resume(self) -> None:
        """Take up the state that an earlier process has stored."""
        state = self.run.read(self.name) if self.run else None
        if state is None or self.run is None:
            return
        self.history, self.best, self.epoch = state["history"], state["best"], state["epoch"]
        self.done, self.stopped, self.files = state["done"], state["stopped"], state["files"]
        if not self.done:
            self._assign(self.run.load_arrays(self.files["last"]), with_optimizer=True)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.bar.batch_done(batch + 1, lambda: logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        numbers = {key: float(value) for key, value in (logs or {}).items() if np.ndim(value) == 0}
        rate = float(_array(self.trained.optimizer.learning_rate))
        self.record(
            {
                "epoch": epoch + 1,
                "seconds": round(time.monotonic() - self.started, 3),
                "learning_rate": rate,
                **numbers,
            }
        )

    def record(self, record: dict[str, float]) -> None:
        """Add an epoch; decide whether it is the best, whether it is the last; store."""
        self.history.append(record)
        self.epoch = int(record["epoch"])
        self.bar.epoch_done(record)
        if not all(math.isfinite(record.get(key, 0.0)) for key in ("loss", "val_loss")):
            if self.best == 0 and self.best_arrays is None and "best" not in self.files:
                raise TrainingError(
                    "The loss is not a finite number in the first epoch: lower the learning rate, or "
                    "look for labels or inputs that are not numbers."
                )
            self.stopped, self.done = "loss is not finite", True
        elif self._is_best(record):
            self.best = self.epoch
            self._keep_best()
        if (
            not self.done
            and self.patience is not None
            and self.epoch - self.best >= max(self.patience, 1)
        ):
            self.stopped, self.done = "no better epoch", True
        elif not self.done and self.epoch and self.trained.stop_training:
            self.stopped, self.done = "callback", True
        self.done = self.done or self.epoch >= self.epochs
        self._store()
        if self.done:
            self.trained.stop_training = True

    def end(self) -> None:
        """After `fit`: a callback may have stopped it where no epoch had ended."""
        if not self.history:
            raise TrainingError("Training was stopped before its first epoch ended.")

    def restore_best(self) -> None:
        arrays = self.best_arrays
        if arrays is None and self.run is not None:
            arrays = self.run.load_arrays(self.files["best"])
        assert arrays is not None
        self._assign(arrays, with_optimizer=False)

    def _is_best(self, record: Mapping[str, float]) -> bool:
        first = self.best_arrays is None and "best" not in self.files
        if self.monitor not in record:
            if self.monitor.startswith("val_") and not any(
                key.startswith("val_") for key in record
            ):
                return True  # nothing to compare by: the last epoch
            metrics = ", ".join(
                key for key in record if key not in ("epoch", "seconds", "learning_rate")
            )
            raise UsageError(
                f"There is no metric {self.monitor!r} to choose the best epoch by; there are: {metrics}."
            )
        if not math.isfinite(record[self.monitor]):
            return False
        if first:
            return True
        best = next(r for r in self.history if r["epoch"] == self.best)
        return self._rank(record) > self._rank(best)

    def _rank(self, record: Mapping[str, float]) -> tuple[float, float]:
        value = record[self.monitor]
        return (value if self.up else -value), -record.get("val_loss", 0.0)

    def _keep_best(self) -> None:
        arrays = self._arrays(with_optimizer=False)
        if self.run is None:
            self.best_arrays = arrays
            return
        file = f"{self.name}-best-{self.epoch}.safetensors"
        self.run.save_arrays(file, arrays)
        self.files = {**self.files, "best": file}

    def _store(self) -> None:
        if self.run is None:
            return
        file = f"{self.name}-epoch-{self.epoch}.safetensors"
        self.run.save_arrays(file, self._arrays(with_optimizer=True))
        self.files = {**self.files, "last": file}
        self.run.write(
            self.name,
            {
                "epoch": self.epoch,
                "best": self.best,
                "done": self.done,
                "stopped": self.stopped,
                "files": self.files,
                "history": self.history,
            },
        )
        named = set(self.files.values())
        old = (path.name for path in self.run.state.glob(f"{self.name}-*.safetensors"))
        self.run.remove(*(file for file in old if file not in named))

    def _variables(self, with_optimizer: bool) -> dict[str, Any]:
        named = {f"model/{index}": v for index, v in enumerate(changing_variables(self.trained))}
        if with_optimizer:
            named |= {
                f"optimizer/{index}": v for index, v in enumerate(self.trained.optimizer.variables)
            }
        return named

    def _arrays(self, *, with_optimizer: bool) -> dict[str, np.ndarray]:
        return {name: _array(v) for name, v in self._variables(with_optimizer).items()}

    def _assign(self, arrays: Mapping[str, np.ndarray], *, with_optimizer: bool) -> None:
        variables = self._variables(with_optimizer)
        if {n: tuple(v.shape) for n, v in variables.items()} != {
            n: a.shape for n, a in arrays.items()
        }:
            raise TrainingError(
                "The checkpoint belongs to another model; start again with a new output folder."
            )
        for name, variable in variables.items():
            variable.assign(arrays[name])


def _array(variable: Any) -> np.ndarray:
    """A copy: on a CPU what `numpy` gives may be the memory that the next step changes."""
    return np.array(variable.numpy() if hasattr(variable, "numpy") else variable)


def _evaluated(model: keras.Model, validation: Batches | None) -> dict[str, float]:
    if validation is None:
        return {}
    data = Epochs(validation, None, 1)
    logs = model.evaluate(data, callbacks=[Begin(data)], verbose=0, return_dict=True)
    return {f"val_{key}": float(value) for key, value in logs.items()}


def _measured(measure: Callable[[], Mapping[str, float]] | None) -> dict[str, float]:
    return {f"val_{key}": float(value) for key, value in measure().items()} if measure else {}
