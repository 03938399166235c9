"""Heads of Keras layers as plain data, what is frozen, and several devices."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.errors import UsageError

pytestmark = pytest.mark.tensorflow


def config(head=(), **options):
    base = ws.load(CIFAR).entry
    return {
        "base": {"architecture": base.architecture, "config": dict(base.config)},
        "head": list(head),
        "classes": 3,
        **options,
    }


def test_the_textbook_head_becomes_plain_data():
    from keras import layers

    from warmstart.models.image.transfer.network import add_head, head_config, wants_map

    given = [
        layers.GlobalAveragePooling2D(),
        layers.Dense(16, "relu", kernel_regularizer="l2"),
        layers.Dropout(0.2),
        layers.Dense(3, activation="softmax"),
    ]
    told = json.loads(json.dumps(head_config(given, 3)))
    assert [spec["class_name"] for spec in told] == ["Dense", "Dropout"]
    assert told[0]["config"] == {"units": 16, "activation": "relu", "use_bias": True} | {
        key: told[0]["config"][key] for key in told[0]["config"] if told[0]["config"][key] is None
    }
    assert not wants_map(told)
    import keras

    features = keras.Input((8,))
    net = keras.Model(
        features, add_head({"head": told, "classes": 3, "temperature": 2.0}, features)
    )
    x = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
    logits = keras.Model(features, net.get_layer("logits").output).predict_on_batch(x)
    expected = np.exp(logits / 2) / np.exp(logits / 2).sum(1, keepdims=True)
    np.testing.assert_allclose(net.predict_on_batch(x), expected, atol=1e-6)


def test_a_head_on_the_feature_map():
    from keras import layers

    from warmstart.models.image.transfer.network import build, head_config

    told = head_config([layers.Conv2D(4, 3, activation="relu"), layers.Flatten()], 3)
    assert build(config(told)).output_shape == (None, 3)
    with pytest.raises(UsageError, match="not a vector"):
        build(config(told[:1]))
    several = build(config(multi_label=True))
    assert several.predict_on_batch(np.zeros((1, 32, 32, 3), np.float32)).sum() == pytest.approx(
        1.5, abs=0.3
    )


def test_no_code_in_a_head():
    import keras
    from keras import layers

    from warmstart.models.image.transfer.network import build, head_config

    class Mine(layers.Dense):
        pass

    def own(x):
        return x

    for layer in (
        layers.Lambda(own),
        Mine(4),
        layers.Dense(4, activation=own),
        keras.Sequential([layers.Dense(4)]),
    ):
        with pytest.raises(UsageError, match="head"):
            head_config([layer], 3)
    dense = {"class_name": "Dense", "config": {"units": 4}}
    evil = {"module": "os", "class_name": "system", "config": "x"}
    for spec in (
        {"class_name": "Lambda", "config": {}},
        {"class_name": "__init__", "config": {}},
        "Dense",
        3,
        {"class_name": "Dense", "config": {"units": 4, "kernel_initializer": evil}},
        {"class_name": "Dense", "config": {"units": 4, "activation": "keras.ops.relu"}},
        {"class_name": "Dense", "config": {"units": 2**40}},
        {"class_name": "Dense", "config": {"units": 4, "colour": 1}},
    ):
        with pytest.raises(UsageError):
            build(config([dense, spec]))
    for wrong in (
        {"classes": 0},
        {"classes": True},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"base": {"architecture": "transfer", "config": config()}},
        {"base": None},
    ):
        with pytest.raises(UsageError):
            build(config() | wrong)


def test_what_is_frozen():
    """Each call begins with a new network; batch normalisation is never trained."""
    from warmstart.image.train.network import base_layers
    from warmstart.models.image.transfer import network as transfer
    from warmstart.training.freeze import freeze

    net = transfer.build(config())
    names = [layer.name for layer in base_layers(net)]
    convs = [name for name in names if name.endswith("conv")]
    assert len(names) == 38

    def trained(how):
        net = transfer.build(config())
        return net, freeze(net, [[layer] for layer in base_layers(net)], how)

    assert trained("none")[1] == trained(0)[1] == convs
    net, learned = trained("backbone")
    assert learned == []
    assert [v.path for v in net.trainable_variables] == ["logits/kernel", "logits/bias"]
    assert trained(30)[1] == [name for name in names[30:] if name.endswith("conv")]
    assert trained("stage2_block3_add")[1] == [name for name in convs if name.startswith("stage3")]
    for wrong in ("no_such_layer", 99, -1, True):
        with pytest.raises(UsageError, match="freeze"):
            trained(wrong)


def test_mixed_precision_keeps_weights_and_answers_in_float32():
    import keras

    from warmstart.image.train.network import precision
    from warmstart.models.image.transfer import network as transfer

    with precision("mixed_bfloat16"):
        net = transfer.build(config())
    assert keras.config.dtype_policy().name == "float32"
    assert net.get_layer("stem_conv").compute_dtype == "bfloat16"
    assert {str(v.dtype) for v in net.weights} == {"float32"}
    assert net.output.dtype == "float32"
    with pytest.raises(UsageError, match="precision is one of"), precision("int4"):
        pass


def test_two_devices_give_what_one_gives():
    script = Path(__file__).with_name("two_devices.py")
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["values"] == 2  # a copy on each device
    assert not told["one"]
    assert told["learned"] > 1e-5
    assert told["difference"] < 1e-3 * told["scale"]
    assert told["statistics"] == 0


def test_a_base_with_a_layer_named_as_the_head_is_refused(monkeypatch):
    import keras

    from warmstart.models.image.transfer import network

    class Base:
        @staticmethod
        def build(config, **options):
            inputs = keras.Input((8,))
            return keras.Model(inputs, keras.layers.Dense(4, name="logits")(inputs))

    monkeypatch.setattr(network, "architecture", lambda name: Base)
    config = {"base": {"architecture": "cifar_resnet", "config": {}}, "head": [], "classes": 2}
    with pytest.raises(UsageError, match="a layer called 'logits'"):
        network.build(config)
