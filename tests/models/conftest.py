"""Files in the layout of Keras' official weights, written from a model with random weights."""

import re

import numpy as np
import pytest


def official_names(model):
    """(layer, weight) names as TensorFlow's Keras 2 wrote them in a process that had made other
    layers before.
    """
    import keras

    automatic = {}
    for layer in model.layers:
        stem = re.sub(r"_\d+$", "", layer.name)
        if stem == keras.src.utils.naming.to_snake_case(type(layer).__name__):
            number = int(layer.name[len(stem) + 1 :] or 0) + 7
            automatic[layer.name] = f"{stem}_{number}"
    renamed = {"variable": "Variable"}
    for layer in model.layers:
        name = automatic.get(layer.name, layer.name)
        weights = []
        for variable in layer.trainable_weights + layer.non_trainable_weights:
            *outer, last = variable.path.split("/")
            if isinstance(layer, keras.layers.DepthwiseConv2D) and last == "kernel":
                last = "depthwise_kernel"
            inner = outer[-1] if outer and outer[-1] != layer.name else name
            weights.append((f"{inner}/{renamed.get(last, last)}:0", variable))
        yield name, weights


@pytest.fixture
def write_official():
    """(path, model) -> an .h5 of the model's weights in the layout of Keras' published files."""

    def write(path, model):
        import h5py

        with h5py.File(path, "w") as file:
            groups = list(official_names(model))
            file.attrs["layer_names"] = [np.bytes_(name) for name, _ in groups]
            file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.9.0"
            for name, weights in groups:
                group = file.create_group(name)
                group.attrs["weight_names"] = [np.bytes_(weight) for weight, _ in weights]
                for weight, variable in weights:
                    group[weight] = variable.numpy()
        return path

    return write


@pytest.fixture
def not_drawn(monkeypatch):
    """Kernels begin as zeros: what is filled afterwards need not be drawn at random, which takes
    half of building.
    """
    import keras
    import tensorflow as tf

    def zeros(self, shape, dtype="float32", **options):
        return tf.zeros(shape, dtype)

    for initialiser in (keras.initializers.VarianceScaling, keras.initializers.TruncatedNormal):
        monkeypatch.setattr(initialiser, "__call__", zeros)


@pytest.fixture
def randomise():
    """Random numbers into a model, none of whose vectors are all one or all zero then."""

    def fill(model):
        random = np.random.default_rng(3)
        for variable in model.weights:
            if "int" in str(variable.dtype):
                continue
            middle = 1 if variable.name in ("gamma", "moving_variance", "variance") else 0
            width = (
                0.6 if len(variable.shape) == 1 else 2 * (3 / np.prod(variable.shape[:-1])) ** 0.5
            )
            numbers = random.random(variable.shape, np.float32)
            variable.assign((numbers - np.float32(0.5)) * np.float32(width) + np.float32(middle))
        for layer in model.layers:
            if hasattr(layer, "finalize_state") and layer.weights:
                layer.finalize_state()

    return fill
