"""A layer that ViT and ConvNeXt share."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


@keras.saving.register_keras_serializable("warmstart")
class Scale(layers.Layer):
    """x * scale, one number for each entry of the last axis (Touvron et al. 2021,
    arXiv:2103.17239, section 2).
    """

    def __init__(self, initial: float = 1e-5, **options: Any):
        super().__init__(**options)
        self.initial = initial

    def build(self, shape: tuple[int | None, ...]) -> None:
        start = keras.initializers.Constant(self.initial)
        self.scale = self.add_weight(shape=(shape[-1],), initializer=start, name="scale")

    def call(self, x: Any) -> Any:
        return x * self.scale

    def compute_output_spec(self, x: Any) -> keras.KerasTensor:
        return keras.KerasTensor(x.shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "initial": self.initial}
