"""Photos in class folders, made here, and the model inside the package: no TensorFlow needed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import warmstart as ws


@pytest.fixture(scope="session")
def cifar():
    """The embedded model; it predicts from its own artifact, whatever the cache."""
    return ws.load("cifar10_resnet20", engine="litert")


def write_photos(folder: Path, count: int, seed: int = 0, tint: int = 0) -> list[Path]:
    """Blocks of colour, all different; `tint` (0..255) reddens them."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for n in range(count):
        blocks = random.integers(0, 256, (4, 4, 3), np.uint8)
        blocks[..., 0] = np.maximum(blocks[..., 0], tint)
        paths.append(folder / f"photo{n}.png")
        Image.fromarray(blocks).resize((40, 36), Image.Resampling.BICUBIC).save(paths[-1])
    return paths


@pytest.fixture
def begun():
    """A callback that counts: `begun.epochs` are those that have begun."""
    import keras

    class Begun(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.epochs = []

        def on_epoch_begin(self, epoch, logs=None):
            self.epochs.append(epoch)

    return Begun()


@pytest.fixture(scope="session")
def as_killed():
    """(run, copy) -> a callback that leaves in `copy` what a kill in the second epoch would leave in `run`."""
    import keras

    class Copy(keras.callbacks.Callback):
        def __init__(self, run, copy):
            super().__init__()
            self.run, self.copy = run, copy

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (1, 1):
                shutil.copytree(self.run, self.copy)

    return Copy
