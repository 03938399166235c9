"""The common part of the `build` functions of image families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any

import keras

from warmstart.errors import UsageError
from warmstart.models.image.classifier_head import check_pooling

Network = Callable[[Any, Any, bool, str | None], Any]


def image_builder(
    name: str, config_of: Callable[[Any], Any], *, known_size: bool = False
) -> Callable[[Network], Callable[..., keras.Model]]:
    """Decorator that makes the `build` of a family from its layers.

    The function below it takes pictures (B, H, W, 3), the family's config, `include_top` and
    `pooling`, and returns what the model does. `build` takes a config or its values and, by name,
    `include_top`, `input_shape`, `pooling` and `classes`, and returns the model.

    Args:
        name: of the model.
        config_of: the family's config of values; it has `classes` and `input_size`.
        known_size: whether height and width must be numbers.
    """

    def decorate(network: Network) -> Callable[..., keras.Model]:
        @wraps(network)
        def build(
            config: Any | Mapping[str, Any],
            *,
            include_top: bool = True,
            input_shape: tuple[int | None, int | None, int] | None = None,
            pooling: str | None = None,
            classes: int | None = None,
        ) -> keras.Model:
            c = config_of(config)
            c = c if classes is None else replace(c, classes=classes)
            check_pooling(pooling)
            shape = input_shape or (*c.input_size, 3)
            if known_size and None in shape:
                raise UsageError(
                    f"{name} needs a known height and width, such as input_shape=(512, 512, 3)."
                )
            images = keras.Input(shape, name="images")
            return keras.Model(images, network(images, c, include_top, pooling), name=name)

        return build

    return decorate
