"""A pretrained image network with a head of its own: what fine-tuning makes.

    images -> base (without its top) -> [pooled, or the feature map] -> head layers -> logits -> /
           temperature -> softmax, or a sigmoid per class

The config is plain JSON: the base's architecture and config, the head's layers, and the
temperature. A head is made of Keras' own layers in `HEAD_LAYERS`, each with plain values for
arguments; nothing in a file can name anything else, so that opening one never runs code.

Temperature scaling: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks"
(2017), arXiv:1706.04599, section 4.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.naming import finalize_layers
from warmstart.errors import MismatchError, UsageError
from warmstart.json_values import is_integer
from warmstart.models import architecture
from warmstart.models.image.transfer import saved
from warmstart.models.image.transfer.family import ACTIVATIONS, HEAD_LAYERS, MAP_LAYERS

MAX_LAYERS, MAX_UNITS = 64, 2**20
HEAD = ("head_*", "logits/*")
"""The names of the head's arrays in a checkpoint."""


def build(
    config: Mapping[str, Any],
    *,
    include_top: bool = True,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
) -> keras.Model:
    """Build the network with random weights.

    Args:
        config: `base` (`{"architecture", "config"}` of the pretrained network), `head` (see
            `head_config`), `classes`, `multi_label` (a sigmoid for each class in place of the
            softmax), `temperature`.
        include_top: whether the head is part of it; without, it is the base.
        input_shape: (H, W, 3); default: the base's own.
        pooling: without the top: `None`, `"avg"` or `"max"`, as the base takes it.
        classes: with the top: the number of outputs; default: the config's.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3) to probabilities (B, classes), or to features.

    Raises:
        UsageError: the config is not what `head_config` and fine-tuning write.
    """
    base = config.get("base")
    if not isinstance(base, Mapping) or base.get("architecture") == "transfer":
        raise UsageError(
            "transfer: the config must name the base network, which is not a fine-tuned one itself"
        )
    module = architecture(str(base.get("architecture")))
    if not include_top:
        return module.build(
            base["config"], include_top=False, input_shape=input_shape, pooling=pooling
        )
    takes_map = wants_map(config.get("head", ()))
    network = module.build(
        base["config"],
        include_top=False,
        input_shape=input_shape,
        pooling=None if takes_map else "avg",
    )
    if reserved := [layer.name for layer in network.layers if is_head(layer.name)]:
        raise UsageError(
            f"transfer: the base has a layer called {reserved[0]!r}, a name that the head uses; "
            "rename the layer"
        )
    outputs = add_head({**config, "classes": classes or config.get("classes")}, network.output)
    return keras.Model(network.inputs, outputs, name="transfer")


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint with the names of its variables, or from the Keras file of a
    classifier on the same base; one without a head ignores the head's.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    from warmstart.checkpoints.assign import assign

    head = [layer for layer in model.layers if is_head(layer.name)]
    try:
        assign(model, checkpoint, ignore=() if head else HEAD)
    except MismatchError:
        classifier = saved.read(checkpoint, config["base"])
        if classifier is None:
            raise
        _load_saved(model, head, checkpoint, config, classifier)


def _load_saved(
    model: keras.Model,
    head: Sequence[keras.layers.Layer],
    checkpoint: Checkpoint,
    config: Mapping[str, Any],
    classifier: saved.SavedClassifier,
) -> None:
    """Fill base and head from the parts of a Keras file."""
    base = config["base"]
    network = keras.Model(model.inputs, head[0].input) if head else model
    architecture(base["architecture"]).load(network, checkpoint, base["config"])
    layers_with_weights = [layer for layer in head if layer.weights]
    for layer, names in zip(layers_with_weights, classifier.arrays, strict=bool(head)):
        values = [checkpoint.read(name) for name in names]
        if layer.name == "logits" and classifier.units == 1:
            values = [np.stack([np.zeros_like(v[..., 0]), v[..., 0]], axis=-1) for v in values]
        if layer.name == "logits" and len(values) == 1:  # without a bias
            values.append(np.zeros(values[0].shape[-1:], np.float32))
        expected = [tuple(variable.shape) for variable in layer.weights]
        if [value.shape for value in values] != expected:
            raise MismatchError(
                f"{checkpoint.path}: the arrays {', '.join(names)} have the shapes "
                f"{[value.shape for value in values]}, but {layer.name!r} of the model has {expected}."
            )
        layer.set_weights(values)
    finalize_layers(model)


def is_head(name: str) -> bool:
    """Whether a layer of this name belongs to the head."""
    return name.startswith("head_") or name in ("logits", "calibration", "probabilities")


def add_head(config: Mapping[str, Any], features: keras.KerasTensor) -> keras.KerasTensor:
    """Put the head on features (B, D) or a map (B, h, w, C); returns probabilities (B, classes).

    The layers are called `head_0_…`, `head_1_…`, then `logits`, `calibration` (logits /
    temperature) and `probabilities`.
    """
    specs, classes = config.get("head", ()), config.get("classes")
    temperature = config.get("temperature", 1.0)
    if not isinstance(specs, Sequence) or isinstance(specs, str) or len(specs) > MAX_LAYERS:
        raise UsageError(f"transfer: head must be a list of at most {MAX_LAYERS} layers")
    if (
        not is_integer(classes, 1, MAX_UNITS)
        or not isinstance(temperature, int | float)
        or not 0 < temperature < math.inf
    ):
        raise UsageError(
            "transfer: classes must be a whole number of 1 or more, temperature a number above 0"
        )
    x = features
    for index, spec in enumerate(specs):
        x = _layer(spec, index)(x)
    if len(x.shape) != 2:
        raise UsageError(
            f"The head returns the shape {x.shape[1:]}, not a vector: end it with a pooling "
            "layer or with Flatten."
        )
    x = layers.Dense(classes, name="logits")(x)
    x = layers.Rescaling(1.0 / temperature, name="calibration", dtype="float32")(x)
    last = "sigmoid" if config.get("multi_label") else "softmax"
    return layers.Activation(last, name="probabilities", dtype="float32")(x)


def wants_map(specs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a head takes the feature map (B, h, w, C) and not pooled features (B, D)."""
    return bool(specs) and specs[0].get("class_name") in MAP_LAYERS


def head_config(
    head: Sequence[keras.layers.Layer] | None,
    classes: int,
    *,
    default: Sequence[keras.layers.Layer] = (),
) -> list[dict[str, Any]]:
    """The config of a head of Keras layers.

    Args:
        head: layers in their order. A first GlobalAveragePooling2D is dropped, for pooling is what
            the base does. A last Dense with one unit a class, softmax or not, is dropped too: it is
            the network's own last layer. The layers' initialisers and regularisers are dropped.
        classes: of the network.
        default: in place of None.

    Raises:
        UsageError: a layer is not one of `HEAD_LAYERS`, or has arguments of its own making.
    """
    chosen = list(default if head is None else head)
    if chosen and type(chosen[0]) is layers.GlobalAveragePooling2D:
        chosen = chosen[1:]
    chosen = [layer for layer in chosen if not isinstance(layer, layers.InputLayer)]
    while chosen and isinstance(chosen[-1], layers.Softmax | layers.Activation):
        chosen = chosen[:-1]
    if chosen and type(chosen[-1]) is layers.Dense and chosen[-1].units == classes:
        chosen = chosen[:-1]
    return [_spec(layer) for layer in chosen]


def _spec(layer: keras.layers.Layer) -> dict[str, Any]:
    class_name = type(layer).__name__
    if class_name not in HEAD_LAYERS or type(layer) is not getattr(layers, class_name):
        raise UsageError(
            f"A head may contain only Keras' own layers ({', '.join(sorted(HEAD_LAYERS))}), "
            f"not {class_name}: a model folder never contains code. For other layers, train "
            "`ws.backbone(…)` yourself."
        )
    config = {}
    for key, value in layer.get_config().items():
        if key == "activation" and not _is_activation(value):
            raise UsageError(
                f"The head's {class_name} has a custom activation; use one of Keras by its name."
            )
        if key not in ("name", "trainable", "dtype", "build_config", "seed") and _is_plain(value):
            config[key] = value
    if class_name == "Normalization":
        config = {"axis": config.get("axis", -1)}  # its numbers are weights
    return {"class_name": class_name, "config": config}


def _layer(spec: Any, index: int) -> keras.layers.Layer:
    """The layer of one entry of a head's config, which may come from anywhere."""
    class_name = spec.get("class_name") if isinstance(spec, Mapping) else None
    config = spec.get("config", {}) if isinstance(spec, Mapping) else None
    if (
        not isinstance(class_name, str)
        or class_name not in HEAD_LAYERS
        or not isinstance(config, Mapping)
    ):
        raise UsageError(
            f"transfer: layer {index} of the head is not one of {', '.join(sorted(HEAD_LAYERS))}"
        )
    if not _is_activation(config.get("activation", "linear")) or not all(
        map(_is_plain, config.values())
    ):
        raise UsageError(
            f"transfer: layer {index} of the head, {class_name}, has arguments that are not plain values"
        )
    if not all(
        is_integer(config[key], 1, MAX_UNITS) for key in ("units", "filters") if key in config
    ):
        raise UsageError(
            f"transfer: layer {index} of the head, {class_name}, has an impossible size"
        )
    try:
        return getattr(layers, class_name)(**config, name=f"head_{index}_{class_name.lower()}")
    except (TypeError, ValueError) as error:
        raise UsageError(f"transfer: layer {index} of the head, {class_name}: {error}") from error


def _is_activation(value: Any) -> bool:
    return isinstance(value, str) and value in ACTIVATIONS


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) <= 8 and all(isinstance(item, bool | int | float) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
