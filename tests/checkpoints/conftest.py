"""Small files of every layout, and a small model with every kind of weight."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def write_h5(tmp_path) -> Callable[..., Path]:
    """Write an HDF5 file with h5py: `write_h5(fill)`, where fill(file) makes its content."""
    import h5py

    def write(fill, name="file.h5", **options) -> Path:
        path = tmp_path / name
        with h5py.File(path, "w", **options) as file:
            fill(file)
        return path

    return write


@pytest.fixture
def legacy_h5(write_h5) -> Callable[..., Path]:
    """Write a legacy Keras file of the given layers: {layer: {weight name: array}}; `extra(group)`
    adds more.
    """

    def write(layers, *, extra=None, group=None, full_model=False, **options) -> Path:
        def fill(file):
            root = file.create_group("model_weights") if full_model else file
            if full_model:
                file.attrs["model_config"] = b"{never read"
                file.create_group("optimizer_weights").create_dataset("m", data=np.ones(3))
            root.attrs["layer_names"] = [name.encode() for name in layers]
            for name, weights in layers.items():
                inner = root.create_group(name)
                inner.attrs["weight_names"] = [weight.encode() for weight in weights]
                for weight, value in weights.items():
                    inner.create_dataset(weight, data=value, **options)
            if extra:
                extra(root)

        return write_h5(fill)

    return write


@pytest.fixture(scope="session")
def small_h5_bytes() -> bytes:
    """A valid legacy file with contiguous, compressed and half-precision arrays, 10 kB."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["layer_names"] = [b"a", b"b"]
        file.attrs["backend"] = "tensorflow"
        for name, options in (
            ("a", {}),
            ("b", {"chunks": (16,), "compression": "gzip", "shuffle": True}),
        ):
            group = file.create_group(name)
            group.attrs["weight_names"] = [
                f"{name}/kernel:0",
                f"{name}/half:0",
            ]  # text of variable length
            group.create_dataset(f"{name}/kernel:0", data=np.arange(50, dtype="f4"), **options)
            group.create_dataset(f"{name}/half:0", data=np.arange(6, dtype="f2"))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def safetensors_bytes() -> Callable[..., bytes]:
    """Put a safetensors file together from any header (text, bytes or dict) and data."""

    def build(header, data=b"", length=None) -> bytes:
        if isinstance(header, dict):
            header = json.dumps(header)
        if isinstance(header, str):
            header = header.encode()
        return (len(header) if length is None else length).to_bytes(8, "little") + header + data

    return build


@pytest.fixture(scope="session")
def make_model() -> Callable:
    """Build a model with Normalization, Conv, BatchNorm, DepthwiseConv, a nested Sequential,
    attention and Dense.

    The weights are random, also the statistics; layer names are Keras' automatic ones where `named`
    is false.
    """
    import keras
    from keras import layers

    def make(seed=0, *, named=True, top=True):
        def name(text):
            return {"name": text} if named else {}

        random = np.random.default_rng(seed)
        normalization = layers.Normalization(**name("normalization"))
        inputs = keras.Input((8, 8, 3), **name("images"))
        x = normalization(inputs)
        x = layers.Conv2D(4, 3, **name("conv"))(x)
        x = layers.BatchNormalization(**name("bn"))(x)
        x = layers.DepthwiseConv2D(3, **name("depthwise"))(x)
        x = layers.SeparableConv2D(4, 3, padding="same", use_bias=False, **name("separable"))(x)
        x = keras.Sequential(
            [
                layers.Input((4, 4, 4)),
                layers.Conv2D(4, 1, **name("inner_conv")),
                layers.BatchNormalization(scale=False, **name("inner_bn")),
                keras.Sequential([layers.Conv2D(2, 1, **name("deep_conv"))], **name("deep")),
            ],
            **name("block"),
        )(x)
        x = layers.Conv2D(4, 1, **name("conv_2"))(x)
        x = layers.Dropout(0.5)(x)
        x = layers.Reshape((16, 4))(x)
        x = layers.MultiHeadAttention(2, 3, **name("attention"))(x, x)
        x = layers.Bidirectional(layers.LSTM(3), **name("rnn"))(x)
        if top:
            x = layers.Dense(2, **name("predictions"))(x)
        model = keras.Model(inputs, x, name="small")
        for variable in model.weights:
            if variable.dtype == "float32":
                variable.assign(random.uniform(0.5, 1.5, variable.shape))
            else:
                variable.assign(random.integers(1, 9, variable.shape))
        normalization.finalize_state()
        return model

    return make


@pytest.fixture(scope="session")
def outputs() -> Callable:
    """Outputs of such a model for fixed inputs."""
    images = np.random.default_rng(9).uniform(0, 1, (3, 8, 8, 3)).astype("float32")
    return lambda model: np.asarray(model(images, training=False))
