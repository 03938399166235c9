"""The ends of image classifiers, with and without their top."""

from __future__ import annotations

from typing import Any

from keras import layers

from warmstart.errors import UsageError


def classifier_head(features: Any, classes: int, name: str) -> Any:
    """Features (B, D) -> probabilities (B, classes), as a layer of this name and `probabilities`;
    the features themselves if there are no classes.
    """
    if not classes:
        return features
    logits = layers.Dense(classes, name=name)(features)
    return layers.Activation("softmax", dtype="float32", name="probabilities")(logits)


def pooled_top(x: Any, pooling: str | None) -> Any:
    """A map (B, h, w, D) as it is (None), or its average ("avg") or maximum ("max"), (B, D).

    Raises:
        UsageError: there is no such pooling.
    """
    check_pooling(pooling)
    if pooling == "avg":
        return layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return x if pooling is None else layers.GlobalMaxPooling2D(name="max_pool")(x)


def check_pooling(pooling: str | None) -> None:
    """Raise a `UsageError` if `pooled_top` has no such pooling."""
    if pooling not in (None, "avg", "max"):
        raise UsageError(f"pooling must be None, 'avg' or 'max', not {pooling!r}")
