"""EfficientNet and MobileNetV3 as timm has them: sizes, and the names of their arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.checkpoints.layout import Layout
from warmstart.errors import BundleError
from warmstart.models.image import keras_hub, timm
from warmstart.models.image.classifiers import array_shapes, check_task, repository_entry
from warmstart.models.image.efficientnet import presets
from warmstart.models.image.efficientnet.config import EfficientNetConfig
from warmstart.models.keras_hub import Preset
from warmstart.models.repository import CONFIG

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
"""Of the first block of each stage, which the arrays do not say."""
RECTIFIED = {"mobilenetv3_large": 3, "mobilenetv3_small": 2}
"""First stages of MobileNetV3 whose activation is ReLU (tables 1 and 2 of its paper)."""


def read_timm(
    config: Mapping[str, Any], folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    path, name = folder / CONFIG, str(config["architecture"])
    check_task(folder, task)
    timm.check_arguments(config, path, ("channel_multiplier", "depth_multiplier"))
    labels, rules = timm.labels_of(config, path), timm.preprocessing(config, path)
    shapes = array_shapes(folder)
    timm.check_classes(shapes, "classifier.weight", len(labels), path)
    try:
        made = _from_shapes(name, shapes)
    except (KeyError, ValueError) as error:
        raise BundleError(
            f"{path.parent}: the weights are not those of {name} ({error} is missing or has "
            "another shape)."
        ) from error
    values = asdict(made) | {"classes": len(labels), "input_size": list(rules.size)}
    entry = timm.entry(
        folder,
        config,
        family=name.removeprefix("tf_").partition("_")[0],
        architecture="efficientnet",
        values=values,
        rules=rules,
        paper=PAPER_MOBILE if made.mobile else PAPER,
        parameters=parameters(values),
    )
    return entry, labels


def read_keras_hub(
    preset: Preset, folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    check_task(folder, task)
    classes = keras_hub.classes_of(preset)
    rules = keras_hub.preprocessing(folder)
    made = presets.config_of(preset)
    values = asdict(made) | {"classes": classes, "input_size": list(rules.size)}
    entry = repository_entry(
        folder,
        family="mobilenetv3" if made.mobile else "efficientnet",
        architecture="efficientnet",
        config=values,
        rules=rules,
        licence="NOASSERTION",
        paper=PAPER_MOBILE if made.mobile else PAPER,
        parameters=parameters(values),
    )
    return entry, keras_hub.labels(classes, folder)


def _from_shapes(name: str, shapes: Mapping[str, tuple[int, ...]]) -> EfficientNetConfig:
    bare = name.removeprefix("tf_")
    variant = next(start for start in STRIDES if bare.startswith(start))
    is_mobile = variant.startswith("mobilenetv3")
    usual = "relu" if "minimal" in name else "hard_silu" if is_mobile else "silu"
    stages = []
    for stage, stride in enumerate(STRIDES[variant]):
        activation = "relu" if stage < RECTIFIED.get(variant, 0) else usual
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
    return EfficientNetConfig.of(
        EfficientNetConfig(
            stem=shapes["conv_stem.weight"][0],
            stages=tuple(stages),
            top=shapes[last][0],
            mobile=is_mobile,
            hidden=shapes["conv_head.weight"][0] if is_mobile else 0,
            activation=usual,
            same=name.startswith("tf_"),
            epsilon=1e-3 if name.startswith("tf_") else 1e-5,
        )
    )


def _block(
    shapes: Mapping[str, tuple[int, ...]], name: str, stride: int, activation: str
) -> list[Any]:
    width, _, kernel, _ = shapes[f"{name}.conv_dw.weight"]
    widens = f"{name}.conv_pwl.weight" in shapes
    channels = shapes[f"{name}.{'conv_pwl' if widens else 'conv_pw'}.weight"][0]
    squeeze = shapes.get(f"{name}.se.conv_reduce.weight", (0,))[0]
    return [kernel, stride, width if widens else 0, channels, squeeze, activation]


def parameters(config: Mapping[str, Any]) -> int:
    """The number of parameters of a network, moving statistics included."""
    c = EfficientNetConfig.of(config)
    count, before = 31 * c.stem, c.stem
    for kernel, _, width, channels, squeeze, _ in (block for stage in c.stages for block in stage):
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
