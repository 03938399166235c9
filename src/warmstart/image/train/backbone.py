"""Classifiers as backbones of detectors and segmenters."""

from __future__ import annotations

from typing import Any

import keras

from warmstart.checkpoints.naming import slots
from warmstart.core.compiling import build_keras
from warmstart.core.model import Model
from warmstart.errors import UsageError
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
"""Beginnings of the names of layers that are added to a backbone."""


def base_of(model: Model[Any, Any, Any]) -> dict[str, Any]:
    """Architecture and config of a classifier's network.

    Raises:
        UsageError: it is not a classifier of the catalogue.
    """
    entry = model.entry.to_dict()
    if entry["architecture"] == "transfer":  # fine-tuned before: its base
        entry = entry["config"]["base"]
    if not getattr(family(entry["architecture"]), "BACKBONE", False):
        raise UsageError(
            f"{model.name} cannot be a backbone; take a classifier such as mobilenet_v2."
        )
    return {"architecture": entry["architecture"], "config": dict(entry["config"])}


def fill(network: keras.Model, model: Model[Any, Any, Any]) -> None:
    """Copy into a new network what the base has: all weights of the same name and shape.

    A base without weights (random initialisation) leaves the network as it is.

    Raises:
        UsageError: nothing fits.
    """
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
        raise UsageError(f"No weights of {model.name} fit the new network.")
    for layer in network._flatten_layers():
        if hasattr(layer, "finalize_state") and layer.weights:
            layer.finalize_state()


def is_added(name: str) -> bool:
    """Whether a layer of this name was added to the backbone."""
    return name.startswith(ADDED) and not name.startswith("block")
