"""Sizes of EfficientNet and MobileNetV3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warmstart.errors import UsageError
from warmstart.models.configs import sizes

ACTIVATIONS = ("silu", "hard_silu", "relu")


@dataclass(frozen=True)
class EfficientNetConfig:
    """Sizes of one network.

    Attributes:
        stem: channels of the first convolution.
        stages: blocks of each stage, as (kernel, stride, width, channels, squeeze, activation):
            `width`: channels of the depthwise convolution; 0 if no convolution before it widens
            the input; `squeeze`: channels inside the squeeze-and-excitation part; 0 without one.
        top: channels of the convolution after the last stage.
        mobile: whether the head is that of MobileNetV3, with another layer between pooling and classes.
        hidden: width of that layer.
        activation: of stem and head.
        same: whether padding is TensorFlow's "same" instead of symmetric.
        epsilon: of the normalisations.
        classes: outputs; 0: no head.
        input_size: (height, width) in pixels.
    """

    stem: int
    stages: tuple[Any, ...]
    top: int
    mobile: bool = False
    hidden: int = 0
    activation: str = "silu"
    same: bool = False
    epsilon: float = 1e-5
    classes: int = 1000
    input_size: tuple[int, int] = (224, 224)

    @classmethod
    def of(cls, config: EfficientNetConfig | Mapping[str, Any]) -> EfficientNetConfig:
        """From the values of an entry.

        Raises:
            UsageError: a key is unknown, or a block has other values.
        """
        made = sizes(cls, config, "efficientnet")
        blocks = [block for stage in made.stages for block in stage]
        used = {made.activation, *(block[-1] for block in blocks if len(block) == 6)}
        if not blocks or any(len(block) != 6 for block in blocks) or used - {*ACTIVATIONS}:
            raise UsageError(
                "efficientnet: a block is (kernel, stride, width, channels, squeeze, activation)"
            )
        return made
