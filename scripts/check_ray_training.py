"""Compare fine-tuning with two workers on Ray with one process: metrics of each epoch, side by side.

    pip install 'warmstart[tensorflow,ray]'
    python scripts/check_ray_training.py [CASE ...]

The cases are photos, arrays, half (mixed_float16), wrapped, texts, weights, regression, lora, nodes
(two nodes that ask for a token) and killed (kill -9 of the run itself, which is then resumed). Fails
where a loss differs by more than 1 %: workers have random numbers of their own for dropout.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = 64 * "a"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras

import warmstart as ws

ROOT = Path(__file__).parents[1]
TEXT = ROOT / "tests" / "golden" / "text" / "bert_fill_mask"
PHOTO = ROOT / "tests" / "data" / "cifar10_resnet20"
TWO = {"on": "ray", "workers": 2, "cpus": 1}
STORE = 200 * 2**20
WORDS = ("red", "blue", "green", "yes", "no", "up")
PHOTOS = {"epochs": 2, "batch_size": 8, "views": 1, "verbose": False}
TEXTS = {"task": "text-classification", "epochs": 2, "batch_size": 9, "verbose": False}
CLOSE = 0.01


def images() -> np.ndarray:
    """Photos (20, 40, 40, 3): red or green."""
    pixels = np.random.default_rng(0).integers(0, 120, (20, 40, 40, 3), np.uint8)
    for index, photo in enumerate(pixels):
        photo[..., index % 2] += 100
    return pixels


def folder() -> Path:
    """The same as files in folders of classes."""
    root = Path("photos")
    for index, photo in enumerate(images()):
        path = root / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(path)
    return root


def sentences() -> list[tuple[str, str]]:
    """Texts of two classes."""
    draw = random.Random(0)
    return [
        (" ".join(draw.choices(WORDS, k=3 + n % 7)) + (" good" if n % 2 else " bad"), "ab"[n % 2])
        for n in range(60)
    ]


def small_network() -> Any:
    """A wrapped network of a user's."""
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return ws.wrap(network, task="image-classification", output="wrapped")


class Kill(keras.callbacks.Callback):
    """Kills this process after the first epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(address: str) -> tuple[ws.Model, ws.Model]:
    """A run that is killed in its second epoch, and the same call again."""
    one = ws.finetune(TEXT, sentences(), **TEXTS)
    command = [sys.executable, __file__, "--until-killed", address]
    code = subprocess.run(command, check=False).returncode
    if code != -signal.SIGKILL:
        raise SystemExit(f"the run ended with {code} before it was killed")
    return one, ws.finetune(TEXT, sentences(), output="killed", address=address, **TEXTS, **TWO)


def pair(base: Any, data: Any, **options: Any) -> tuple[ws.Model, ws.Model]:
    """The models of one process, and of two workers."""
    return ws.finetune(base, data, **options), ws.finetune(base, data, **options, **TWO)


CASES: dict[str, Callable[[], tuple[ws.Model, ws.Model]]] = {
    "photos": lambda: pair(PHOTO, folder(), **PHOTOS),
    "arrays": lambda: pair(PHOTO, (images(), np.arange(20) % 2), **PHOTOS),
    "half": lambda: pair(PHOTO, folder(), precision="mixed_float16", **PHOTOS),
    "wrapped": lambda: pair(small_network(), folder(), **PHOTOS),
    "texts": lambda: pair(TEXT, sentences(), **TEXTS),
    "weights": lambda: pair(TEXT, sentences(), class_weight={"a": 3.0}, **TEXTS),
    "regression": lambda: pair(
        TEXT, [(text, len(text) / 40) for text, _ in sentences()], problem="regression", **TEXTS
    ),
    "lora": lambda: pair(TEXT, sentences(), lora=4, **TEXTS),
    "nodes": lambda: pair(TEXT, sentences(), **TEXTS),
    "killed": lambda: killed(ADDRESS[0]),
}
ADDRESS: list[str] = []
"""That of the cluster."""


@contextmanager
def cluster(*processors: int) -> Iterator[None]:
    """A cluster with a node for each of these."""
    from ray.cluster_utils import Cluster

    first, *others = processors
    head = {"num_cpus": first, "include_dashboard": False, "object_store_memory": STORE}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        for count in others:
            nodes.add_node(num_cpus=count, object_store_memory=STORE)
        nodes.wait_for_nodes()
        ADDRESS[:] = [nodes.address]
        os.environ["RAY_ADDRESS"] = nodes.address
        yield
    finally:
        nodes.shutdown()


def differences(one: ws.Model, two: ws.Model) -> float:
    """Print the metrics of each epoch; returns the largest relative difference of a loss."""
    largest = 0.0
    for expected, record in zip(one.history, two.history, strict=True):
        names = sorted(name for name in expected if name.startswith(("loss", "val_")))
        values = (f"{name} {expected[name]:.5g} / {record[name]:.5g}" for name in names)
        print(f"  epoch {expected['epoch']}: " + ", ".join(values))
        losses = [name for name in names if name.endswith("loss")]
        gaps = (abs(record[name] / expected[name] - 1) for name in losses)
        largest = max(largest, *gaps)
    return largest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--until-killed", metavar="ADDRESS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of Ray's own code
    if options.until_killed:
        one = {"output": "killed", "address": options.until_killed, "callbacks": [Kill()]}
        ws.finetune(TEXT, sentences(), **TEXTS, **TWO, **one)
        return 1
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        for name in options.cases or CASES:
            with cluster(1, 1) if name == "nodes" else cluster(2):
                start = time.perf_counter()
                print(f"{name}:", flush=True)
                gap = differences(*CASES[name]())
                seconds = time.perf_counter() - start
                print(f"  largest difference of a loss: {gap:.2%}; {seconds:.0f} s", flush=True)
                failed += [name] if gap > CLOSE else []
    print(f"more than {CLOSE:.0%} apart: {', '.join(failed)}" if failed else "all agree")
    return len(failed)


if __name__ == "__main__":
    raise SystemExit(main())
