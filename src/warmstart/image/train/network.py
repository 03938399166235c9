"""The network of fine-tuning: a pretrained base and a head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras

from warmstart.checkpoints.naming import finalize_layers, slots
from warmstart.core.compiling import build_keras
from warmstart.core.model import Model
from warmstart.errors import UsageError
from warmstart.image.classification import ImageClassifier
from warmstart.models.image.transfer import network as transfer

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def base_config(model: Model[Any, Any, Any]) -> dict[str, Any]:
    """The architecture and config of a model, or of the base from which it was fine-tuned."""
    fields = model.entry.to_dict()
    if model.entry.architecture == "transfer":
        base: dict[str, Any] = fields["config"]["base"]
        return base
    return {"architecture": model.entry.architecture, "config": fields["config"]}


def resized(model: ImageClassifier, size: tuple[int, int]) -> ImageClassifier:
    """The same model for photos of another size.

    Raises:
        UsageError: the network needs larger photos, or equal sides.
    """
    entry, rules = model.entry, model.preprocessing
    config = entry.to_dict()["config"]
    own = config["base"]["config"] if entry.architecture == "transfer" else config
    if min(size) < entry.min_size:
        raise UsageError(
            f"{model.name} needs an image_size of {entry.min_size} or more, not {min(size)}."
        )
    if "input_size" in own:
        own["input_size"] = list(size)
    elif size[0] == size[1]:
        own["image_size"] = size[0]
    else:
        raise UsageError(f"{model.name} takes only square photos, not {size}.")
    entry = replace(entry, config=config, preprocessing=replace(rules, size=size))
    return type(model)(entry, model.weights, model.labels)


def build(model: Model[Any, Any, Any], config: Mapping[str, Any]) -> keras.Model:
    """Build the network of a config of `models.transfer`, with the weights of `model` in its base
    and a random head.
    """
    network = transfer.build(config)
    own = {id(v) for layer in base_layers(network) for v in layer.weights}
    values = {slot.name: slot.variable for slot in slots(build_keras(model.entry, model.weights))}
    for slot in slots(network):
        if id(slot.variable) in own:
            slot.variable.assign(values[slot.name].numpy())
    finalize_layers(network)
    return network


def head_model(config: Mapping[str, Any], shape: tuple[int, ...]) -> keras.Model:
    """The head as a model, features (B, *shape) -> probabilities, with the names of the network's
    layers.
    """
    features = keras.Input(shape, name="features")
    return keras.Model(features, transfer.add_head(config, features), name="head")


def copy_head(head: keras.Model, network: keras.Model) -> None:
    """Put the weights of a `head_model` into the network."""
    for layer in head.layers:
        if layer.weights:
            network.get_layer(layer.name).set_weights(layer.get_weights())
    finalize_layers(network)


def base_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """The layers of the base that have weights, in order."""
    return [layer for layer in network.layers if layer.weights and not transfer.is_head(layer.name)]


@contextmanager
def precision(name: str) -> Iterator[None]:
    """A context in which new layers compute in this precision, with float32 weights.

    Raises:
        UsageError: there is no such precision.
    """
    if name not in PRECISIONS:
        raise UsageError(f"precision is one of {', '.join(PRECISIONS)}, not {name!r}.")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def head_layers(head: Any) -> list[keras.layers.Layer]:
    """The layers of the option `head`.

    Raises:
        UsageError: it is not a layer, a list of layers or a Sequential.
    """
    if isinstance(head, keras.Sequential):
        return list(head.layers)
    layers = [head] if isinstance(head, keras.layers.Layer) else list(head)
    for layer in layers:
        if not isinstance(layer, keras.layers.Layer) or isinstance(layer, keras.Model):
            raise UsageError("head must be a Keras layer, a list of layers, or a Sequential.")
    return layers
