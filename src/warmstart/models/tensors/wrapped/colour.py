"""Let models of grey photos take photos in colour as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the grey of a photo (ITU-R BT.601)."""


def in_colour(model: keras.Model, outputs: Mapping[str, Any], features: Any) -> keras.Model:
    """A model of one photo with named outputs and, unless it is None, `features` (B, D). It takes
    (B, H, W, 3), even if `model` takes (B, H, W, 1).
    """
    named = dict(outputs) if features is None else {**outputs, "features": features}
    if model.inputs[0].shape[-1] != 1:
        return keras.Model(model.inputs, named, name=model.name)
    photos = keras.Input((*model.inputs[0].shape[1:3], 3), name="photos")
    grey = ops.sum(photos * ops.convert_to_tensor(LUMA), axis=-1, keepdims=True)
    return keras.Model(photos, keras.Model(model.inputs, named)(grey), name=model.name)
