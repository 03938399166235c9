"""Fine-tuning on Ray: the losses of one process, whoever dies on the way. One cluster for all tests."""

import os
import random
import signal
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from tests.photos import CIFAR

import warmstart as ws
from warmstart.errors import UsageError

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning",
        "ignore::FutureWarning",
        "ignore::ResourceWarning",
        "ignore::pytest.PytestUnraisableExceptionWarning",
    ),
]
TEXT = Path(__file__).parents[1] / "golden" / "text" / "bert_fill_mask"
TWO = {"on": "ray", "workers": 2, "cpus": 1}


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two processors."""
    os.environ.update(
        RAY_USAGE_STATS_ENABLED="0",
        RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
        RAY_BACKEND_LOG_LEVEL="fatal",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(
            num_cpus=2,
            object_store_memory=200 * 2**20,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    yield
    ray.shutdown()


class Killer(keras.callbacks.Callback):
    """Kills a worker after the third step."""

    def __init__(self):
        super().__init__()
        self.steps, self.killed = 0, []

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps == 3:
            here = os.getcwd()  # that of our workers too
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    name = (process / "cmdline").read_bytes()
                    is_ours = name.startswith(b"ray::GradientWorker")
                    if is_ours and os.readlink(process / "cwd") == here and not self.killed:
                        self.killed.append(int(process.name))
                        os.kill(self.killed[0], signal.SIGKILL)
                except OSError:
                    continue


def test_texts_end_as_in_one_process_though_a_worker_is_killed(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = random.Random(0)
    words = ["red", "blue", "green", "yes", "no", "up"]
    texts = [
        (" ".join(draw.choices(words, k=3 + n % 7)) + (" good" if n % 2 else " bad"), "ab"[n % 2])
        for n in range(60)
    ]
    options = {"task": "text-classification", "epochs": 2, "batch_size": 9, "verbose": False}
    one = ws.finetune(TEXT, texts, output="one", **options)
    killer = Killer()
    two = ws.finetune(TEXT, texts, output="two", callbacks=[killer], **options, **TWO)
    assert killer.killed
    for before, after in zip(one.history, two.history, strict=True):
        for name in before.keys() & {"loss", "val_loss", "val_accuracy"}:
            assert after[name] == pytest.approx(before[name], rel=0.01)


def test_photos_end_as_in_one_process(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for n in range(20):
        pixels = rng.integers(0, 120, (40, 40, 3), np.uint8)
        pixels[..., n % 2] += 100
        path = tmp_path / "photos" / "ab"[n % 2] / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    options = {"epochs": 2, "batch_size": 7, "views": 1, "verbose": False}
    one = ws.finetune(CIFAR, "photos", output="one", **options)
    two = ws.finetune(CIFAR, "photos", output="two", **options, **TWO)
    for before, after in zip(one.history, two.history, strict=True):
        for name in before.keys() & {"loss", "val_loss", "val_accuracy"}:
            assert after[name] == pytest.approx(before[name], rel=0.01)


def test_too_few_processors(cluster):
    with pytest.raises(UsageError, match="has 2 processors, too few for 2 workers of 4"):
        ws.finetune(TEXT, [("a", "b")], task="text-classification", on="ray", workers=2, cpus=4)


def test_what_belongs_to_ray():
    with pytest.raises(UsageError, match="workers belongs to on='ray'"):
        ws.finetune(TEXT, [("a", "b")], task="text-classification", workers=2)
    with pytest.raises(UsageError, match="takes no option 'on'"):
        ws.finetune("deepar", [], on="ray")
