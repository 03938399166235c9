"""The outputs of the programs of image architectures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from warmstart.models.image.features import pooled_features


def classifier_outputs(model: keras.Model) -> keras.Model:
    """The model with two named outputs.

    Args:
        model: (B, H, W, 3) -> probabilities (B, classes), or features (B, D) if it has no head.

    Returns:
        (B, H, W, 3) -> `{"probabilities": (B, classes), "features": (B, D)}`, where the features are
        the last feature map before the head, averaged over its pixels: what
        `ws.backbone(..., pooling="avg")` gives. Without a head there are features only.
    """
    features = pooled_features(model)
    if features is model.outputs[0]:
        return keras.Model(model.inputs, {"features": features})
    return keras.Model(model.inputs, {"probabilities": model.outputs[0], "features": features})


def with_features(
    model: keras.Model, outputs: Mapping[str, Any], feature_map: keras.KerasTensor
) -> keras.Model:
    """The model with named outputs and, as `features` (B, D), the mean of its backbone's last map
    (B, h, w, D).
    """
    features = keras.layers.GlobalAveragePooling2D(name="pooled_features")(feature_map)
    return keras.Model(model.inputs, {**outputs, "features": features})
