"""Trackers, which log the parameters, metrics and report of a fine-tuning run.

    csv            OUTPUT/logs/metrics.csv: fit, epoch, name, value
    tensorboard    OUTPUT/logs/FIT: scalars for `tensorboard --logdir OUTPUT/logs`
    mlflow         a run of the experiment `warmstart`, at MLFLOW_TRACKING_URI or MLflow's default
    wandb          a run of the project `warmstart`, or of WANDB_PROJECT

A resumed run continues its logs. The libraries are imported here only.
"""

from __future__ import annotations

import contextlib
import csv
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from warmstart.errors import TrainingError, WarmstartError, first_line, require
from warmstart.training.run import Run

LOGS = "logs"
PROJECT = "warmstart"
LONGEST_PARAMETER = 500
"""Characters of a parameter that MLflow accepts."""


class Tracker(ABC):
    """Logs a run."""

    def __init__(self, run: Run, name: str):
        self.run, self.name = run, name

    def start(self, parameters: Mapping[str, Any]) -> None:  # noqa: B027 (files need no start)
        """Log the settings that decide the result."""

    @abstractmethod
    def log(self, fit: str, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of an epoch, counted from 1."""

    def finish(self, metrics: Mapping[str, float], report: Path) -> None:  # noqa: B027
        """Log the metrics and the report of the result, and close."""


class CSVTracker(Tracker):
    """A table with a row for each metric of each epoch."""

    def log(self, fit: str, epoch: int, metrics: Mapping[str, float]) -> None:
        path = self.run.folder / LOGS / "metrics.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if is_new:
                writer.writerow(("fit", "epoch", "name", "value"))
            writer.writerows((fit, epoch, name, f"{value:.9g}") for name, value in metrics.items())


class TensorBoardTracker(Tracker):
    """Event files, written by TensorFlow itself."""

    def __init__(self, run: Run, name: str):
        super().__init__(run, name)
        self._writers: dict[str, Any] = {}

    def log(self, fit: str, epoch: int, metrics: Mapping[str, float]) -> None:
        import tensorflow as tf
        from tensorflow.core.framework import summary_pb2

        if fit not in self._writers:
            folder = self.run.folder / LOGS / fit
            self._writers[fit] = tf.summary.create_file_writer(str(folder))
        scalar = summary_pb2.SummaryMetadata(
            plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="scalars"),
            data_class=summary_pb2.DATA_CLASS_SCALAR,
        )
        with self._writers[fit].as_default():
            for name, value in metrics.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step=epoch, metadata=scalar)
        self._writers[fit].flush()

    def finish(self, metrics: Mapping[str, float], report: Path) -> None:
        for writer in self._writers.values():
            writer.close()


class MLflowTracker(Tracker):
    """A run of MLflow."""

    def __init__(self, run: Run, name: str):
        require("mlflow", extra="mlflow", purpose="for track='mlflow'")
        super().__init__(run, name)
        import mlflow

        self._client = mlflow.MlflowClient()

    def start(self, parameters: Mapping[str, Any]) -> None:
        if earlier := self.run.read("mlflow"):
            self._id = str(earlier["run"])
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        experiment = self._client.get_experiment_by_name(name)
        key = experiment.experiment_id if experiment else self._client.create_experiment(name)
        self._id = self._client.create_run(key, run_name=self.name).info.run_id
        for parameter, value in parameters.items():
            self._client.log_param(self._id, parameter, str(value)[:LONGEST_PARAMETER])
        if self.run.resumable:
            self.run.write("mlflow", {"run": self._id})

    def log(self, fit: str, epoch: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._client.log_metric(self._id, f"{fit}/{name}", value, step=epoch)

    def finish(self, metrics: Mapping[str, float], report: Path) -> None:
        for name, value in metrics.items():
            self._client.log_metric(self._id, name, value)
        if report.is_file():
            self._client.log_artifact(self._id, str(report))
        self._client.set_terminated(self._id)


class WandbTracker(Tracker):
    """A run of Weights & Biases."""

    def __init__(self, run: Run, name: str):
        require("wandb", extra="wandb", purpose="for track='wandb'")
        super().__init__(run, name)

    def start(self, parameters: Mapping[str, Any]) -> None:
        import wandb

        earlier = self.run.read("wandb") or {}
        project = os.environ.get("WANDB_PROJECT") or PROJECT
        self._run = wandb.init(
            project=project,
            name=self.name,
            config=dict(parameters),
            id=earlier.get("run"),
            resume="allow",
        )
        if self.run.resumable:
            self.run.write("wandb", {"run": self._run.id})

    def log(self, fit: str, epoch: int, metrics: Mapping[str, float]) -> None:
        values = {f"{fit}/{name}": value for name, value in metrics.items()}
        self._run.log({**values, f"{fit}/epoch": epoch})

    def finish(self, metrics: Mapping[str, float], report: Path) -> None:
        self._run.summary.update(dict(metrics))
        if report.is_file():
            self._run.save(str(report), base_path=str(report.parent), policy="now")
        self._run.finish()


TRACKERS: Mapping[str, Callable[[Run, str], Tracker]] = {
    "tensorboard": TensorBoardTracker,
    "mlflow": MLflowTracker,
    "wandb": WandbTracker,
    "csv": CSVTracker,
}


class Trackers:
    """All trackers of a run.

    Args:
        names: of `TRACKERS`.
        run: to log.
        title: of the run, for trackers that show one.

    Raises:
        MissingPackageError: the library of a tracker is not installed.
    """

    def __init__(self, names: Sequence[str], run: Run, title: str):
        self._trackers: list[Tracker] = []
        for name in dict.fromkeys(names):
            with _failures(name):
                self._trackers.append(TRACKERS[name](run, title))

    def start(self, parameters: Mapping[str, Any]) -> None:
        flat = {key: value for key, value in parameters.items() if value is not None}
        self._each(lambda tracker: tracker.start(flat))

    def finish(self, metrics: Mapping[str, float], report: Path) -> None:
        self._each(lambda tracker: tracker.finish(metrics, report))

    def callbacks(self, fit: str) -> list[keras.callbacks.Callback]:
        """Callbacks that log the epochs of a fit."""
        return [_LogEpochs(self, fit)] if self._trackers else []

    def log(self, fit: str, epoch: int, metrics: Mapping[str, float]) -> None:
        self._each(lambda tracker: tracker.log(fit, epoch, metrics))

    def _each(self, act: Callable[[Tracker], None]) -> None:
        for tracker in self._trackers:
            with _failures(type(tracker).__name__.removesuffix("Tracker")):
                act(tracker)


@contextlib.contextmanager
def _failures(name: str) -> Iterator[None]:
    """Name the tracker in errors; the libraries raise classes of their own.

    Raises:
        TrainingError: the tracker failed.
    """
    try:
        yield
    except WarmstartError:
        raise
    except Exception as error:
        raise TrainingError(
            f"{name} cannot log the run: {first_line(error).rstrip('.')}."
        ) from error


class _LogEpochs(keras.callbacks.Callback):
    """Passes the metrics of each epoch to the trackers."""

    def __init__(self, trackers: Trackers, fit: str):
        super().__init__()
        self._trackers, self._fit = trackers, fit

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        with contextlib.suppress(AttributeError, TypeError):  # an optimizer without a rate
            metrics.setdefault("learning_rate", float(self.model.optimizer.learning_rate))
        self._trackers.log(self._fit, epoch + 1, metrics)
