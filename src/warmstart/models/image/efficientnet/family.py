"""EfficientNet and MobileNetV3 as timm has them: sizes, and the names of their arrays."""

from __future__ import annotations

import re
from typing import Any

from warmstart.checkpoints.layout import Layout
from warmstart.models.checks import Described, Repository
from warmstart.models.image import keras_hub, timm
from warmstart.models.image.classifiers import Shapes
from warmstart.models.image.efficientnet import presets
from warmstart.models.image.efficientnet.config import EfficientNetConfig
from warmstart.models.keras_hub import Preset

PAPER = (
    "Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019, "
    "arXiv:1905.11946"
)
PAPER_MOBILE = "Howard et al.: Searching for MobileNetV3, 2019, arXiv:1905.02244"
BACKBONE = True
LAYOUT = Layout()
"""The names of timm."""
STRIDES = {
    "efficientnet": (1, 2, 2, 2, 1, 2, 1),
    "mobilenetv3_large": (1, 2, 2, 2, 1, 2),
    "mobilenetv3_small": (2, 2, 2, 1, 2),
}
"""The strides of the first block of each stage, which the arrays do not determine."""
RECTIFIED = {"mobilenetv3_large": 3, "mobilenetv3_small": 2}
"""First stages of MobileNetV3 whose activation is ReLU (tables 1 and 2 of its paper)."""


def read_timm(repo: Repository) -> Described:
    """See `models.repository.read`."""
    return timm.read(
        repo,
        _from_shapes,
        arguments=("channel_multiplier", "depth_multiplier"),
        head="classifier.weight",
        paper=lambda _, config: paper_of(config),
    )


def read_keras_hub(preset: Preset) -> Described:
    """See `models.repository.read`."""
    config = presets.config_of(preset)
    family = "mobilenetv3" if config.mobile else "efficientnet"
    return keras_hub.read_classifier(preset, config, family=family, paper=paper_of(config))


def paper_of(config: EfficientNetConfig) -> str:
    """The paper of a network."""
    return PAPER_MOBILE if config.mobile else PAPER


def _from_shapes(repo: Repository, shapes: Shapes, **outputs: Any) -> EfficientNetConfig:
    name = str(repo.config["architecture"])
    bare = name.removeprefix("tf_")
    variant = next(start for start in STRIDES if bare.startswith(start))
    is_mobile = variant.startswith("mobilenetv3")
    default = "relu" if "minimal" in name else "hard_silu" if is_mobile else "silu"
    stages = []
    for stage, stride in enumerate(STRIDES[variant]):
        activation = "relu" if stage < RECTIFIED.get(variant, 0) else default
        numbers = {
            int(match[1])
            for key in shapes
            if (match := re.match(rf"blocks\.{stage}\.(\d+)\.conv_dw\.weight", key))
        }
        if numbers != set(range(len(numbers))) or not numbers:
            raise KeyError(f"blocks.{stage}")
        stages.append(
            [
                _block(shapes, f"blocks.{stage}.{n}", 1 if n else stride, activation)
                for n in range(len(numbers))
            ]
        )
    last = f"blocks.{len(stages)}.0.conv.weight" if is_mobile else "conv_head.weight"
    return EfficientNetConfig(
        stem=shapes["conv_stem.weight"][0],
        stages=tuple(stages),
        top=shapes[last][0],
        mobile=is_mobile,
        hidden=shapes["conv_head.weight"][0] if is_mobile else 0,
        activation=default,
        same=name.startswith("tf_"),
        epsilon=1e-3 if name.startswith("tf_") else 1e-5,
        **outputs,
    )


def _block(shapes: Shapes, name: str, stride: int, activation: str) -> list[Any]:
    width, _, kernel, _ = shapes[f"{name}.conv_dw.weight"]
    widens = f"{name}.conv_pwl.weight" in shapes
    channels = shapes[f"{name}.{'conv_pwl' if widens else 'conv_pw'}.weight"][0]
    squeeze = shapes.get(f"{name}.se.conv_reduce.weight", (0,))[0]
    return [kernel, stride, width if widens else 0, channels, squeeze, activation]
