"""One small compiled program for all engine tests of a worker."""

import shutil

import numpy as np
import pytest

from warmstart.engines import choose
from warmstart.engines.base import TensorSpec
from warmstart.engines.store import Artifact, write_record
from warmstart.hub.json_file import JsonFile


@pytest.fixture(autouse=True)
def _timed_in_each_test(monkeypatch):
    monkeypatch.setattr(choose, "MEASURED", JsonFile("engines.json"))


def make_program(*, half: bool = False):
    """A convolution, a normalisation and a softmax, with weights that give differing answers.

    `half`: all numbers are float16's, and the normalisation changes nothing.
    """
    import keras

    from warmstart.engines.keras import Function, Program

    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(64, 3, activation="relu", name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = {
        "probabilities": keras.layers.Dense(7, activation="softmax", name="top")(x),
        "features": x,
    }
    model = keras.Model(inputs, outputs)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if not (half and layer.name == "bn"):
            layer.set_weights(
                [random.uniform(-0.2, 0.6, w.shape).astype(np.float16) for w in layer.get_weights()]
            )
    gamma, beta, mean, variance = model.get_layer("bn").get_weights()
    variance = 1 - np.float32(1e-3) + 0 * variance if half else np.abs(variance) + 0.1
    model.get_layer("bn").set_weights([gamma, beta, mean, variance])
    images = TensorSpec("images", "float32", ("batch", 32, 32, 3), -1.0, 1.0)
    return Program(
        {"forward": Function(lambda images: model(images, training=False), (images,))}, model
    )


@pytest.fixture(scope="session")
def program():
    return make_program()


@pytest.fixture(scope="session")
def half_program():
    return make_program(half=True)


@pytest.fixture(scope="session")
def compiled_folder(program, tmp_path_factory):
    from warmstart.engines.compile import compile_program

    folder = tmp_path_factory.mktemp("artifact")
    write_record(folder, "float32", compile_program(program, folder, "float32", lambda stage: None))
    return folder


@pytest.fixture
def artifact(compiled_folder, tmp_path) -> Artifact:
    """A copy of its own for each test: some damage it."""
    folder = tmp_path / "artifact"
    shutil.copytree(compiled_folder, folder)
    return Artifact.load(folder)
