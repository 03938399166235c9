"""What the recipes of detection and segmentation share: sizes, splits, the backbone, what may change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import keras
import numpy as np

from warmstart.checkpoints.naming import slots
from warmstart.errors import UsageError
from warmstart.tasks.base import Model
from warmstart.tasks.building import build_keras

SHORTER, MULTIPLE = 384, 32
SHARE = 0.15
BACKBONES = ("keras_applications", "cifar_resnet")

D = TypeVar("D")
Predictor = Callable[[np.ndarray], Any]


def base_of(model: Model) -> dict[str, Any]:
    """Architecture and config of a classifier's network.

    Raises:
        UsageError: it is no classifier of the catalogue.
    """
    told = model.entry.to_dict()
    if told["architecture"] == "transfer":  # fine-tuned before: its base
        told = told["config"]["base"]
    if told["architecture"] not in BACKBONES:
        raise UsageError(f"{model.name} cannot be a backbone; take a classifier such as mobilenet_v2.")
    return {"architecture": told["architecture"], "config": dict(told["config"])}


def fresh(model: Model, config: Mapping[str, Any]) -> Callable[[keras.Model], None]:
    """A function that copies into a new network what the base has: all weights of the same name and shape.

    A base without weights (random initialisation) leaves the network as it is.
    """
    def fill(network: keras.Model) -> None:
        if model.weights.path is None:
            return
        known = {slot.name: slot.variable for slot in slots(build_keras(model.entry, model.weights))}
        count = 0
        for slot in slots(network):
            value = known.get(slot.name)
            if value is not None and tuple(value.shape) == slot.shape:
                slot.variable.assign(value.numpy())
                count += 1
        if not count:
            raise UsageError(f"Nothing of {model.name} fits the new network.")
        for layer in network._flatten_layers():
            if hasattr(layer, "finalize_state") and layer.weights:
                layer.finalize_state()

    return fill


def learning(network: keras.Model, freeze: str, *, pretrained: bool) -> None:
    """Set what may change: the backbone's BatchNormalization never where it is pretrained.

    Raises:
        UsageError: `freeze` is neither "none" nor "backbone".
    """
    if freeze not in ("none", "backbone"):
        raise UsageError(f"freeze is 'none' or 'backbone', not {freeze!r}.")
    for layer in network.layers:
        if not layer.weights or is_head(layer.name):
            continue
        normal = isinstance(layer, keras.layers.BatchNormalization | keras.layers.Normalization)
        if freeze == "backbone" or (normal and pretrained):
            layer.trainable = False


def is_head(name: str) -> bool:
    """Whether a layer of this name was added to the backbone."""
    return name.startswith(("fpn_", "class_", "box_", "aspp_", "decoder_", "details", "deep", "middle",
                            "segmentation_logits")) and not name.startswith("block")


def sized(size: Any, photos: Sequence[tuple[int, int]]) -> list[int]:
    """(height, width) of the network's input: what is wished, or 384 on the shorter side of a usual photo.

    Raises:
        UsageError: it is not two multiples of 32.
    """
    if size is None:
        width, height = np.median(np.asarray(photos, float), axis=0)
        scale = SHORTER / min(width, height)
        size = [max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (height, width)]
        size = [min(side, 2 * SHORTER) for side in size]
    elif isinstance(size, int):
        size = [size, size]
    size = [int(side) for side in size]
    if len(size) != 2 or any(side < MULTIPLE or side % MULTIPLE for side in size):
        raise UsageError(f"image_size must be (height, width) in multiples of {MULTIPLE}, not {tuple(size)}.")
    return size


def told_size(config: Mapping[str, Any]) -> tuple[int, int]:
    height, width = config["input_size"]
    return int(height), int(width)


def split(data: D, validation: Any, seed: int, read: Callable[[Any, Sequence[str]], D]) -> tuple[D, D]:
    """Training and validation data; without validation data a share of the training data is kept for it.

    Raises:
        UsageError: there are too few photos, or the share is none.
    """
    if validation is not None and not isinstance(validation, float):
        return data, read(validation, data.labels)  # type: ignore[attr-defined]
    share = SHARE if validation is None else validation
    photos = data.photos  # type: ignore[attr-defined]
    count = round(len(photos) * share)
    if not 0 < share < 1 or not 0 < count < len(photos):
        raise UsageError(f"{len(photos)} photos cannot be split with validation={share:g}; give more photos or a "
                         "validation set.")
    order = np.random.default_rng(seed).permutation(len(photos))
    held = set(order[:count].tolist())
    return (replace(data, photos=tuple(p for i, p in enumerate(photos) if i not in held)),  # type: ignore[type-var]
            replace(data, photos=tuple(p for i, p in enumerate(photos) if i in held), problems=()))  # type: ignore


def compiled(network: keras.Model) -> Predictor:
    """The network for predicting: batches of arrays in, its outputs out."""
    import tensorflow as tf

    return tf.function(lambda images: network(images, training=False), reduce_retracing=True)


def said(verbose: bool, lines: Iterable[str]) -> None:
    """Tell what is going on, on standard error."""
    if verbose:
        for line in lines:
            print(line, file=sys.stderr, flush=True)
