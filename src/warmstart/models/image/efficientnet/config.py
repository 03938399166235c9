"""Sizes of EfficientNet and MobileNetV3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from warmstart.errors import UsageError
from warmstart.models.configs import Config

ACTIVATIONS = ("silu", "hard_silu", "relu")


@dataclass(frozen=True)
class EfficientNetConfig(Config):
    """Sizes of one network.

    Attributes:
        stem: channels of the first convolution.
        stages: blocks of each stage, as (kernel, stride, width, channels, squeeze, activation):
            `width`: channels of the depthwise convolution; 0 if no convolution before it widens
            the input; `squeeze`: channels inside the squeeze-and-excitation part; 0 without one.
        top: channels of the convolution after the last stage.
        mobile: whether the head is that of MobileNetV3, with another layer between pooling and
            classes.
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

    def check(self) -> None:
        blocks = [block for stage in self.stages for block in stage]
        used = {self.activation, *(block[-1] for block in blocks if len(block) == 6)}
        if not blocks or any(len(block) != 6 for block in blocks) or used - {*ACTIVATIONS}:
            raise UsageError(
                "efficientnet: a block is (kernel, stride, width, channels, squeeze, activation)"
            )

    def parameters(self) -> int:
        c = self
        count, before = 31 * c.stem, c.stem
        for kernel, _, width, channels, squeeze, _ in (
            block for stage in c.stages for block in stage
        ):
            inner = width or before
            count += (before * width + 4 * width) if width else 0
            count += kernel * kernel * inner + 4 * inner
            count += (2 * inner * squeeze + squeeze + inner) if squeeze else 0
            count += inner * channels + 4 * channels
            before = channels
        count += before * c.top + 4 * c.top
        last = c.top
        if c.mobile:
            count, last = count + (c.top + 1) * c.hidden, c.hidden
        return int(count + (last + 1) * c.classes)
