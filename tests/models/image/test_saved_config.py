"""The configs of saved classifiers, read as data: what Keras 2 and 3 write, and damaged ones."""

import contextlib
import copy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmstart.checkpoints.base import Checkpoint
from warmstart.errors import UsageError, WarmstartError
from warmstart.models.image.transfer import saved

BASE = {"architecture": "keras_applications", "config": {"function": "MobileNetV2"}}


def layer(class_name, name, *sources, **config):
    calls = [[[source, 0, 0, {}] for source in sources]] if sources else []
    config = {"name": name, **config}
    return {"class_name": class_name, "name": name, "config": config, "inbound_nodes": calls}


def functional(name, layers):
    ends = {
        "input_layers": [[layers[0]["name"], 0, 0]],
        "output_layers": [[layers[-1]["name"], 0, 0]],
    }
    return {
        "class_name": "Functional",
        "name": name,
        "config": {"name": name, "layers": layers, **ends},
    }


BACKBONE = functional("backbone", [
    layer("InputLayer", "pixels", batch_input_shape=[None, 96, 96, 3]),
    layer("Conv2D", "conv", "pixels", filters=8),
    layer("BatchNormalization", "norm", "conv"),
    layer("Conv2D", "conv2", "norm", filters=8),
    layer("Add", "add", "norm", "conv2"),
    layer("DepthwiseConv2D", "depthwise", "add"),
    layer("ReLU", "relu", "depthwise"),
])  # fmt: skip
WHOLE = functional("whole", [
    layer("InputLayer", "photo", batch_input_shape=[None, 96, 96, 3]),
    layer("RandomFlip", "flip", "photo"),
    layer("Rescaling", "scale", "flip", scale=1 / 255, offset=0.0),
    {**BACKBONE, "inbound_nodes": [[["scale", 0, 0, {}]]]},
    layer("GlobalAveragePooling2D", "pool", "backbone"),
    layer("Dense", "hidden", "pool", units=16, activation="relu"),
    layer("Dense", "classes", "hidden", units=3, activation="softmax"),
])  # fmt: skip


class File(Checkpoint):
    """A legacy file of Keras with a config."""

    layout, path = "keras-h5", Path("model.h5")

    def __init__(self, config):
        self._config = config

    def config(self):
        return self._config

    def names(self):
        return [name for names in self.layers().values() for name in names]

    def shape(self, name):
        return (3,)

    def dtype(self, name):
        return "float32"

    def read(self, name):
        return np.ones(3, np.float32)

    def layers(self):
        return {"hidden": ["hidden/kernel:0"], "classes": ["classes/kernel:0", "classes/bias:0"]}

    def close(self):
        pass


def test_what_a_config_says():
    classifier = saved.read(File(WHOLE), BASE)
    assert classifier.size == (96, 96)
    assert classifier.classes == classifier.units == 3
    assert classifier.head == [
        {"class_name": "Dense", "config": {"units": 16, "activation": "relu"}}
    ]
    assert classifier.arrays == [["hidden/kernel:0"], ["classes/kernel:0", "classes/bias:0"]]
    np.testing.assert_allclose(classifier.front.scale, 1 / 255)


def test_a_network_with_small_models_inside_is_itself():
    """As ConvNeXt, whose stem is a Sequential."""
    stem = {"class_name": "Sequential", "name": "stem", "config": {"name": "stem", "layers": [
        layer("Conv2D", "conv", filters=8), layer("LayerNormalization", "norm"),
    ]}}  # fmt: skip
    for part in stem["config"]["layers"]:
        del part["inbound_nodes"]
    network = functional("convnext", [
        layer("InputLayer", "photo", batch_input_shape=[None, 96, 96, 3]),
        {**stem, "inbound_nodes": [[["photo", 0, 0, {}]]]},
        layer("DepthwiseConv2D", "depthwise", "stem"),
        layer("Add", "add", "stem", "depthwise"),
        layer("GlobalAveragePooling2D", "pool", "add"),
        layer("Dense", "classes", "pool", units=1000, activation="softmax"),
    ])  # fmt: skip
    assert saved.is_plain(File(network), BASE, 1000)
    assert not saved.is_plain(File(network), BASE, 10)
    assert not saved.is_plain(File(WHOLE), BASE, 3)


def changed(**parts):
    """The config with other values in its layers."""
    config = copy.deepcopy(WHOLE)
    for part in config["config"]["layers"]:
        part["config"].update(parts.get(part["name"], {}))
    return config


@pytest.mark.parametrize(("config", "message"), [
    ({**WHOLE, "class_name": "MyModel"}, "custom code"),
    (changed(classes={"activation": "relu"}), "is not a classifier"),
    (changed(classes={"units": 1}), "a single class"),
    (changed(classes={"units": "3"}), "has '3' units"),
    (changed(hidden={"activation": {"class_name": "function"}}), "not one of Keras"),
    (changed(scale={"scale": [1, 2]}), "'scale' .* cannot be read"),
    (changed(photo={"batch_input_shape": [None, 10**9, 96, 3]}), "its input has the shape"),
    (changed(classes={"activation": "linear"}), "ends with a linear layer"),
])  # fmt: skip
def test_what_is_refused(config, message):
    with pytest.raises(UsageError, match=message):
        saved.read(File(config), BASE)


def test_a_model_inside_itself_ends():
    config = copy.deepcopy(WHOLE)
    for _ in range(40):
        config = functional(
            "outer", [layer("InputLayer", "x"), {**config, "inbound_nodes": [[["x", 0, 0]]]}]
        )
    with pytest.raises(UsageError, match="too many layers"):
        saved.read(File(config), BASE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["Dense", "Functional", "Rescaling", "__keras_tensor__", "photo"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def places(value, path=()):
    """The paths to all values inside."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


PLACES = [path for path in places(WHOLE) if path]


@given(data=st.data())
@settings(max_examples=400)
def test_damaged_configs_are_typed_errors(data):
    config = copy.deepcopy(WHOLE)
    for path in data.draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)):
        with contextlib.suppress(LookupError, TypeError):
            inner = config
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = data.draw(JSON)
    with contextlib.suppress(WarmstartError):
        saved.read(File(config), BASE)
    with contextlib.suppress(WarmstartError):
        saved.is_plain(File(config), BASE, 1000)
