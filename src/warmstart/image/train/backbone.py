"""Classifiers as backbones of detectors and segmenters."""

from __future__ import annotations

from typing import Any

import keras

from warmstart.checkpoints.naming import finalize_layers, slots
from warmstart.core.compiling import build_keras
from warmstart.core.model import Model
from warmstart.errors import UsageError
from warmstart.image.train.network import base_config
from warmstart.models import family

ADDED = (
    "fpn_",
    "class_",
    "box_",
    "aspp_",
    "decoder_",
    "details",
    "deep",
    "middle",
    "segmentation_logits",
)
"""Prefixes of the names of layers that are added to a backbone."""


def base_of(model: Model[Any, Any, Any]) -> dict[str, Any]:
    """The architecture and config of a classifier, for a backbone.

    Raises:
        UsageError: the model cannot be a backbone.
    """
    base = base_config(model)
    if not getattr(family(base["architecture"]), "BACKBONE", False):
        raise UsageError(
            f"{model.name} cannot be a backbone; take a classifier such as mobilenet_v2."
        )
    return base


def fill(network: keras.Model, model: Model[Any, Any, Any]) -> None:
    """Copy the base's weights with the same name and shape into a new network.

    Nothing is copied from a base without weights (random initialisation).

    Raises:
        UsageError: no weights fit.
    """
    if model.weights.path is None:
        return
    values = {slot.name: slot.variable for slot in slots(build_keras(model.entry, model.weights))}
    count = 0
    for slot in slots(network):
        value = values.get(slot.name)
        if value is not None and tuple(value.shape) == slot.shape:
            slot.variable.assign(value.numpy())
            count += 1
    if not count:
        raise UsageError(f"No weights of {model.name} fit the new network.")
    finalize_layers(network)


def is_added(name: str) -> bool:
    """Whether a layer of this name was added to the backbone."""
    return name.startswith(ADDED) and not name.startswith("block")
