"""Fine-tuning on Ray ends as in one process, though a worker dies and the run is stopped.

scripts/check_ray_training.py compares other data, precisions and bases in the same way.
"""

import os
import random
import signal
from pathlib import Path

import keras
import pytest
from tests import ray_cluster

import warmstart as ws
from warmstart.errors import BatchError, UsageError
from warmstart.training.result import record

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    ray_cluster.OWN_WARNINGS,
]
TEXT = Path(__file__).parents[1] / "golden" / "text" / "bert_fill_mask"
WORDS = ("red", "blue", "green", "yes", "no", "up")


def kill_worker() -> int:
    """Kill one of the workers of this folder; returns its process."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_worker = (process / "cmdline").read_bytes().startswith(b"ray::GradientWorker")
            if is_worker and os.readlink(process / "cwd") == os.getcwd():
                os.kill(int(process.name), signal.SIGKILL)
                return int(process.name)
        except OSError:
            continue
    raise AssertionError("there is no worker")


class Disturbance(keras.callbacks.Callback):
    """Kills a worker after the third step, and stops the run after the first epoch."""

    killed = 0

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2 and not self.killed:
            self.killed = kill_worker()

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def test_no_cluster_at_the_address():
    options = {"task": "text-classification", "on": "ray", "address": "127.0.0.1:1"}
    with pytest.raises(
        BatchError, match=r"cannot be reached at 127\.0\.0\.1:1: Connection refused"
    ):
        ws.finetune(TEXT, [("a", "b")], **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 2}, "workers needs on='ray'"),
        ({"address": "head:6379"}, "address needs on='ray'"),
        ({"on": "ray", "cpus": 0}, "cpus must be 1 or more"),
    ],
)
def test_options_of_ray(options, message):
    with pytest.raises(UsageError, match=message):
        ws.finetune(TEXT, [("a", "b")], task="text-classification", **options)


def test_a_task_without_ray():
    with pytest.raises(UsageError, match="has no option 'on'"):
        ws.finetune("deepar", [], on="ray")


def test_a_worker_is_killed_and_the_run_resumes_in_one_process(
    cluster, tmp_path, monkeypatch, unwritten
):
    """The bundle is left out: it is made in the same way wherever the gradients come from."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(0)
    texts = [
        (" ".join(draw.choices(WORDS, k=6)) + (" good" if n % 2 else " bad"), "ab"[n % 2])
        for n in range(50)
    ]
    options = {"task": "text-classification", "epochs": 2, "batch_size": 10, "verbose": False}
    ws.finetune(TEXT, texts, output="one", **options)
    one = record(unwritten.run, unwritten.fits)["history"]
    disturbance = Disturbance()
    with pytest.raises(KeyboardInterrupt):
        ws.finetune(
            TEXT, texts, output="two", callbacks=[disturbance], **options, on="ray", workers=2
        )
    assert disturbance.killed
    ws.finetune(TEXT, texts, output="two", **options)
    two = record(unwritten.run, unwritten.fits)["history"]
    assert len(one) == len(two) == 3
    for expected, actual in zip(one, two, strict=True):
        for name in expected.keys() & {"loss", "val_loss", "val_accuracy"}:
            assert actual[name] == pytest.approx(expected[name], rel=0.01)
