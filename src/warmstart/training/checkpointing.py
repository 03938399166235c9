"""After each epoch: its record, its checkpoint, and whether it is the best."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from warmstart.errors import TrainingError, UsageError
from warmstart.training.progress import Bar
from warmstart.training.run import Run

UP = ("acc", "auc", "precision", "recall", "f1", "iou", "kappa", "r2", "top", "exact")
"""Parts of the names of metrics whose higher values are better; all others are better when lower."""


def higher_is_better(metric: str, mode: str = "auto") -> bool:
    """Whether higher values of a metric are better, by its name or by `mode`."""
    if mode not in ("auto", "min", "max"):
        raise UsageError(f"mode must be 'auto', 'min' or 'max', not {mode!r}.")
    name = metric.removeprefix("val_")
    is_up = any(part in name for part in UP) or re.fullmatch(
        r"m?a[pr](\d+|_\w+)?", name
    )  # not "mape"
    return mode == "max" or (mode == "auto" and bool(is_up) and "loss" not in name)


def changing_variables(model: keras.Model) -> list[Any]:
    """The variables that training can change: all but the weights of frozen layers."""
    frozen = {
        id(v) for layer in model._flatten_layers() if not layer.trainable for v in layer.weights
    }
    unique = {id(v): v for v in model.variables}
    return [v for key, v in unique.items() if key not in frozen]


class EpochCheckpoints(keras.callbacks.Callback):
    """Stores and compares each epoch, and stops training; the last of the callbacks, so that it
    sees what the others did.
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
        prefer_trained: bool,
        shares: Sequence[float],
    ):
        super().__init__()
        self.trained, self.run, self.bar, self.name, self.epochs = model, run, bar, bar.name, epochs
        self.monitor, self.up, self.patience = monitor, higher_is_better(monitor, mode), patience
        self.history: list[dict[str, float]] = []
        self.best, self.epoch, self.done, self.stopped = 0, 0, False, "all epochs"
        self.best_arrays: dict[str, np.ndarray] | None = None
        self.files: dict[str, str] = {}
        self.started = time.monotonic()
        self.undefined = False
        self.prefer_trained, self.shares = prefer_trained, shares
        self.first_arrays: dict[str, np.ndarray] | None = None
        self.averages: list[dict[str, float]] = []
        self.share: float | None = None

    def resume(self) -> None:
        """Restore the state that an earlier process stored."""
        state = self.run.read(self.name) if self.run else None
        if state is None or self.run is None:
            return
        self.history, self.best, self.epoch = state["history"], state["best"], state["epoch"]
        self.done, self.stopped, self.files = state["done"], state["stopped"], state["files"]
        self.averages, self.share = state.get("averages", []), state.get("share")
        if not self.done or (self.shares and not self.averages):
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
        """Add an epoch, decide whether it is the best and whether it is the last, and store it."""
        self.history.append(record)
        self.epoch = int(record["epoch"])
        self.bar.epoch_done(record)
        if not all(math.isfinite(record.get(key, 0.0)) for key in ("loss", "val_loss")):
            if self.best == 0 and self.best_arrays is None and "best" not in self.files:
                raise TrainingError(
                    "The loss is not finite in the first epoch: lower the learning rate, or look for "
                    "labels or inputs that are not numbers."
                )
            self.stopped, self.done = "loss is not finite", True
        elif self._is_best(record):
            self.best = self.epoch
            self._keep_best(self._arrays(with_optimizer=False))
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
        """Check, after `fit`, that a callback has not stopped it before the first epoch ended."""
        if not self.history:
            raise TrainingError("Training was stopped before its first epoch ended.")

    def average(self, evaluate: Callable[[], Mapping[str, float]]) -> None:
        """Measure averages of the weights before and after training; the best of them becomes the
        result if it is better than the best epoch.

        Args:
            evaluate: measures the present weights on the validation data.
        """
        if self.averages or self.stopped == "loss is not finite":
            return
        last, best = self._arrays(with_optimizer=False), None
        for share in self.shares:
            arrays = self._average(share, last)
            self._assign(arrays, with_optimizer=False)
            record = {"share": share, **evaluate()}
            if self._is_best(record):
                self.share, best = share, arrays
            self.averages.append(record)
        if best is not None:
            self._keep_best(best)
        self._write()

    def _average(self, share: float, last: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        first = self.first_arrays
        if first is None:
            assert self.run is not None
            first = self.run.load_arrays(self.files["first"])
        return {
            name: (array + share * (last[name] - array)).astype(array.dtype)
            if np.issubdtype(array.dtype, np.floating)
            else last[name]
            for name, array in first.items()
        }

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
                return True  # without a metric to compare, the last epoch is the best
            metrics = ", ".join(
                key for key in record if key not in ("epoch", "seconds", "learning_rate")
            )
            raise UsageError(
                f"There is no metric {self.monitor!r} to select the best epoch; available: "
                f"{metrics}."
            )
        if not math.isfinite(record[self.monitor]):
            self._warn_undefined()
        if first:
            return True
        best = self.best_record
        rank, best_rank = self._rank(record), self._rank(best)
        if self.prefer_trained and best.get("epoch") == 0:
            return rank[:2] >= best_rank[:2]
        return rank > best_rank

    @property
    def best_record(self) -> Mapping[str, float]:
        """The record of the best epoch, or of the average that is better."""
        if self.share is not None:
            return next(r for r in self.averages if r["share"] == self.share)
        return next(r for r in self.history if r["epoch"] == self.best)

    def _rank(self, record: Mapping[str, float]) -> tuple[bool, float, float]:
        """Sorts records, the best last; one whose metric is undefined is ranked by its loss."""
        value = record[self.monitor]
        if math.isfinite(value):
            return True, (value if self.up else -value), -record.get("val_loss", 0.0)
        loss = record.get("val_loss", record.get("loss", math.inf))
        return False, (-loss if math.isfinite(loss) else -math.inf), 0.0

    def _warn_undefined(self) -> None:
        if not self.undefined:
            self.undefined = True
            self.bar.terminal.write_lines(
                f"warning: {self.monitor.removeprefix('val_')} is undefined on the "
                "validation data; the best epoch is selected by the loss"
            )

    def _keep_best(self, arrays: dict[str, np.ndarray]) -> None:
        if self.run is None:
            self.best_arrays = arrays
        else:
            name = self.epoch if self.share is None else "average"
            file = f"{self.name}-best-{name}.safetensors"
            self.run.save_arrays(file, arrays)
            self.files = {**self.files, "best": file}
        if self.epoch == 0 and self.shares:
            self.first_arrays = self.best_arrays
            self.files |= {"first": self.files["best"]} if self.run else {}

    def _store(self) -> None:
        if self.run is None:
            return
        file = f"{self.name}-epoch-{self.epoch}.safetensors"
        self.run.save_arrays(file, self._arrays(with_optimizer=True))
        self.files = {**self.files, "last": file}
        self._write()

    def _write(self) -> None:
        """Write the state, and remove files that it does not name."""
        if self.run is None:
            return
        averages = {"averages": self.averages, "share": self.share} if self.averages else {}
        self.run.write(
            self.name,
            {
                "epoch": self.epoch,
                "best": self.best,
                "done": self.done,
                "stopped": self.stopped,
                "files": self.files,
                "history": self.history,
                **averages,
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
    """A copy of the value: on a CPU, `numpy` may return the memory that the next step changes."""
    return np.array(variable.numpy() if hasattr(variable, "numpy") else variable)
