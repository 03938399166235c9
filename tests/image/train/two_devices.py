"""Phase 2 on two logical CPU devices and on one: `python two_devices.py` prints what differs."""

import json
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

import keras  # noqa: E402 (after the devices are made)

import warmstart as ws  # noqa: E402
from warmstart.core.options import make  # noqa: E402
from warmstart.image.train.classification import ImageClassificationTrainer  # noqa: E402
from warmstart.image.train.options import ImageClassificationOptions  # noqa: E402
from warmstart.training import devices  # noqa: E402
from warmstart.training.run import open_run  # noqa: E402
from warmstart.training.trackers import Trackers  # noqa: E402

CIFAR = Path(__file__).parents[2] / "data" / "cifar10_resnet20"


def train(names: list[str]) -> tuple[keras.Model, np.ndarray]:
    """The network after two epochs, and its logits of the validation part."""
    devices.visible = lambda: names
    random = np.random.default_rng(0)
    pairs = [
        (random.integers(0, 120, (32, 32, 3)).astype(np.uint8) + 120 * (n % 2), n % 2)
        for n in range(23)
    ]
    # without clipping, which is done on the gradient of each device before they are added;
    # the third stage is trained: tracing it takes half the time
    options = {
        "validation": pairs[18:],
        "batch_size": 6,
        "learning_rate": 2e-5,
        "clip_norm": 0.0,
        "epochs": 2,
        "freeze": "stage2_block3_add",
        "augment": False,
        "verbose": False,
    }
    trainer = ImageClassificationTrainer(
        CIFAR, make(ImageClassificationOptions, options, "the test")
    )
    trainer.open()
    trainer.summary = trainer.read(pairs[:18])
    with open_run(None, {}) as trainer.run:
        trainer.trackers = Trackers((), trainer.run, "the test")
        trainer.train()
    return trainer.network, trainer.logits["validation"]


if __name__ == "__main__":
    before = {v.path: v.numpy() for v in ws.load(CIFAR).keras.weights}
    (one, a), (two, b) = train(["CPU:0"]), train(["CPU:0", "CPU:1"])
    kernel = two.get_layer("stage3_block3_2_conv").kernel
    moving = [v for v in two.weights if "moving_" in v.path]
    print(
        json.dumps(
            {
                "values": len(kernel.value.values),
                "one": hasattr(one.get_layer("stem_conv").kernel.value, "values"),
                "difference": float(np.abs(a - b).max()),
                "scale": float(np.abs(a).max()),
                "learned": float(np.abs(kernel.numpy() - before[kernel.path]).max()),
                "statistics": float(max(np.abs(v.numpy() - before[v.path]).max() for v in moving)),
            }
        ),
        flush=True,
    )
    os._exit(0)  # TensorFlow's threads may wait for a Python that is about to end
