"""Trackers: what they write, read back by what their users read it with."""

from __future__ import annotations

import csv

import pytest

from warmstart.errors import MissingPackageError, TrainingError, is_installed
from warmstart.training.run import Run
from warmstart.training.trackers import CSVTracker, Trackers

pytestmark = pytest.mark.tensorflow
EPOCHS = [{"loss": 0.5, "val_accuracy": 0.75}, {"loss": 0.25, "val_accuracy": 1.0}]


def tracked(run, *names):
    trackers = Trackers(names, run, "flowers")
    trackers.start({"seed": 1, "learning_rate": None})
    for epoch, metrics in enumerate(EPOCHS, 1):
        trackers.log("head", epoch, metrics)
    trackers.finish({"top1": 0.9}, run.folder / "report.html")
    return run.folder / "logs"


def test_a_table_has_a_row_for_each_metric(tmp_path):
    run = Run(tmp_path, {}, resumable=True)
    tracked(run, "csv")
    Trackers(["csv"], run, "flowers").log("network", 1, {"loss": 0.125})  # a resumed run goes on
    with (tmp_path / "logs" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["fit"], r["epoch"], r["name"], float(r["value"])) for r in rows] == [
        ("head", "1", "loss", 0.5),
        ("head", "1", "val_accuracy", 0.75),
        ("head", "2", "loss", 0.25),
        ("head", "2", "val_accuracy", 1.0),
        ("network", "1", "loss", 0.125),
    ]


def test_event_files_hold_scalars(tmp_path):
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    logs = tracked(Run(tmp_path, {}, resumable=True), "tensorboard", "csv")
    (path,) = (logs / "head").glob("events.*")
    scalars = []
    for record in tf.data.TFRecordDataset(str(path)):
        event = event_pb2.Event.FromString(record.numpy())
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            scalars.append((event.step, value.tag, float(tf.make_ndarray(value.tensor))))
    assert scalars == [(n, k, v) for n, epoch in enumerate(EPOCHS, 1) for k, v in epoch.items()]


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setattr("warmstart.errors.is_installed", lambda package: package != name)
    assert is_installed("csv")
    with pytest.raises(MissingPackageError, match=rf"warmstart\[{name}\]"):
        Trackers([name], Run(tmp_path, {}, resumable=True), "flowers")


def test_an_error_of_a_library_is_one_sentence(tmp_path, monkeypatch):
    class OwnError(Exception):
        """As MLflow's for a store that it no longer supports."""

    def fail(tracker, *arguments):
        raise OwnError("The store is in maintenance mode.\nMore on this.")

    monkeypatch.setattr(CSVTracker, "start", fail)
    trackers = Trackers(["csv"], Run(tmp_path, {}, resumable=True), "flowers")
    with pytest.raises(TrainingError, match=r"^CSV cannot log the run: The store .* mode\."):
        trackers.start({"seed": 1})
