"""ResNet as PyTorch has it (version 1.5): sizes, and the names of its arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.checkpoints.layout import Layout
from warmstart.errors import BundleError, UsageError
from warmstart.models.checks import integer, integers, one_of
from warmstart.models.configs import sizes
from warmstart.models.image import keras_hub, timm
from warmstart.models.image.classifiers import (
    array_shapes,
    check_task,
    classifier_preprocessing,
    head_of,
    repository_entry,
)
from warmstart.models.image.repository import IMAGENET
from warmstart.models.image.resnet import presets
from warmstart.models.image.resnet.presets import BLOCK_TYPES, MOST_BLOCKS, STAGES, WIDEST
from warmstart.models.keras_hub import Preset
from warmstart.models.repository import CONFIG, licence_of

PAPER = "He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2015, arXiv:1512.03385"
BACKBONE = True
HEADS = {"ResNetForImageClassification": True, "ResNetModel": False}

LAYOUT = Layout(
    keras_hub=presets.arrays,
    aliases=(
        (r"^resnet\.", ""),
        (r"^embedder\.embedder\.convolution\.", "conv1."),
        (r"^embedder\.embedder\.normalization\.", "bn1."),
        *((rf"^encoder\.stages\.{n}\.layers\.", f"layer{n + 1}.") for n in range(STAGES)),
        *((rf"^(layer\d+\.\d+)\.layer\.{n}\.convolution\.", rf"\1.conv{n + 1}.") for n in range(3)),
        *((rf"^(layer\d+\.\d+)\.layer\.{n}\.normalization\.", rf"\1.bn{n + 1}.") for n in range(3)),
        (r"\.shortcut\.convolution\.", ".downsample.0."),
        (r"\.shortcut\.normalization\.", ".downsample.1."),
        (r"^classifier\.1\.", "fc."),
    ),
)
"""The names of torchvision and timm; the aliases are those of Hugging Face."""


@dataclass(frozen=True)
class ResNetConfig:
    """Sizes of one network; tuples have one number per stage, except `stem`.

    Attributes:
        block: "basic" (two 3x3 convolutions) or "bottleneck" (1x1, 3x3, 1x1).
        depths: blocks.
        channels: of the output.
        widths: of the 3x3 convolutions.
        stem: channels of the convolutions before the first stage: one of 7x7, or three of 3x3.
        pooled_shortcut: whether a shortcut of stride 2 averages before its convolution.
        first_stride: of the first stage.
        stride_first: whether the stride of a bottleneck is in its first 1x1 convolution.
        classes: outputs; 0: no head.
        input_size: (height, width) in pixels.
    """

    block: str = "bottleneck"
    depths: tuple[int, ...] = (3, 4, 6, 3)
    channels: tuple[int, ...] = (256, 512, 1024, 2048)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem: tuple[int, ...] = (64,)
    pooled_shortcut: bool = False
    first_stride: int = 1
    stride_first: bool = False
    classes: int = 1000
    input_size: tuple[int, int] = (224, 224)

    @classmethod
    def of(cls, config: ResNetConfig | Mapping[str, Any]) -> ResNetConfig:
        """From the values of an entry.

        Raises:
            UsageError: a key is unknown, or stages have no size.
        """
        made = sizes(cls, config, "resnet")
        if made.block not in BLOCK_TYPES:
            raise UsageError(f"resnet: block must be basic or bottleneck, not {made.block!r}")
        if len({len(made.depths), len(made.channels), len(made.widths)}) != 1 or not made.depths:
            raise UsageError(
                "resnet: depths, channels and widths must have one number per stage each"
            )
        if len(made.stem) not in (1, 3):
            raise UsageError("resnet: stem must be one or three numbers")
        return made

    def stride(self, stage: int) -> int:
        """Of the first block of a stage (counted from 0)."""
        return 2 if stage else self.first_stride


def read(
    config: Mapping[str, Any], folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    path = folder / CONFIG
    _, labels = head_of(config, folder, task, HEADS)
    block = one_of(config, "layer_type", path, "bottleneck", BLOCK_TYPES)
    one_of(config, "hidden_act", path, "relu", ("relu",))
    stages = len(config.get("depths", [3, 4, 6, 3]))
    channels = integers(
        config, "hidden_sizes", path, [256, 512, 1024, 2048], 4, WIDEST, min(stages, STAGES)
    )
    downsample = one_of(config, "downsample_in_first_stage", path, False, (True, False))
    rules = classifier_preprocessing(folder, 224, IMAGENET)
    made = ResNetConfig(
        block=block,
        depths=tuple(
            integers(config, "depths", path, [3, 4, 6, 3], 1, MOST_BLOCKS, min(stages, STAGES))
        ),
        channels=tuple(channels),
        widths=tuple(n // 4 for n in channels) if block == "bottleneck" else tuple(channels),
        stem=(integer(config, "embedding_size", path, 64, 1, WIDEST),),
        first_stride=2 if downsample else 1,
        stride_first=one_of(config, "downsample_in_bottleneck", path, False, (True, False)),
        classes=len(labels),
        input_size=rules.size,
    )
    values = _values(made)
    entry = repository_entry(
        folder,
        family="resnet",
        architecture="resnet",
        config=values,
        rules=rules,
        licence=licence_of(config),
        paper=PAPER,
        parameters=parameters(values),
    )
    return entry, labels


def read_timm(
    config: Mapping[str, Any], folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    path = folder / CONFIG
    check_task(folder, task)
    timm.check_arguments(config, path, ("layers", "channels", "stem_width"))
    labels, rules = timm.labels_of(config, path), timm.preprocessing(config, path)
    shapes = array_shapes(folder)
    timm.check_classes(shapes, "fc.weight", len(labels), path)
    values = _values(_from_shapes(shapes, path, len(labels), rules.size))
    entry = timm.entry(
        folder,
        config,
        family="resnet",
        architecture="resnet",
        values=values,
        rules=rules,
        paper=PAPER,
        parameters=parameters(values),
    )
    return entry, labels


def read_keras_hub(
    preset: Preset, folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    check_task(folder, task)
    network = presets.sizes_of(preset.config, preset.path)
    classes = keras_hub.classes_of(preset)
    names = keras_hub.labels(classes, folder)
    rules = keras_hub.preprocessing(folder)
    values = _values(
        ResNetConfig.of({**network, "classes": classes, "input_size": list(rules.size)})
    )
    entry = repository_entry(
        folder,
        family="resnet",
        architecture="resnet",
        config=values,
        rules=rules,
        licence="NOASSERTION",
        paper=PAPER,
        parameters=parameters(values),
    )
    return entry, names


def _from_shapes(
    shapes: Mapping[str, tuple[int, ...]], path: Path, classes: int, size: tuple[int, int]
) -> ResNetConfig:
    stages: dict[int, set[str]] = {}
    for name in shapes:
        if match := re.match(r"layer(\d+)\.(\d+)\.conv1\.weight", name):
            stages.setdefault(int(match[1]), set()).add(match[2])
    stems = [f"conv1{end}.weight" for end in ("", ".0", ".3", ".6")]
    if not stages:
        raise BundleError(f"{path.parent}: the weights are not those of a ResNet.")
    is_bottleneck = "layer1.0.conv3.weight" in shapes
    last, middle = ("conv3", "conv2") if is_bottleneck else ("conv2", "conv1")
    try:
        numbers = sorted(stages)
        return ResNetConfig.of(
            ResNetConfig(
                block="bottleneck" if is_bottleneck else "basic",
                depths=tuple(len(stages[n]) for n in numbers),
                channels=tuple(shapes[f"layer{n}.0.{last}.weight"][0] for n in numbers),
                widths=tuple(shapes[f"layer{n}.0.{middle}.weight"][0] for n in numbers),
                stem=tuple(shapes[name][0] for name in stems if name in shapes),
                pooled_shortcut="layer2.0.downsample.2.weight" in shapes,
                classes=classes,
                input_size=size,
            )
        )
    except KeyError as error:
        raise BundleError(
            f"{path.parent}: the weights are not those of a ResNet ({error} is missing)."
        ) from error


def parameters(config: Mapping[str, Any]) -> int:
    """The number of parameters of a network, moving statistics included."""
    c = ResNetConfig.of(config)
    before = c.stem[-1]
    kernels = [49] if len(c.stem) == 1 else [9, 9, 9]
    count = sum(
        kernel * inputs * outputs + 4 * outputs
        for kernel, inputs, outputs in zip(kernels, (3, *c.stem), c.stem, strict=False)
    )
    for stage, (depth, channels, width) in enumerate(
        zip(c.depths, c.channels, c.widths, strict=True)
    ):
        for block in range(depth):
            stride = 1 if block else c.stride(stage)
            if c.block == "basic":
                count += 9 * before * width + 9 * width * channels + 4 * (width + channels)
            else:
                count += before * width + 9 * width * width + width * channels
                count += 4 * (2 * width + channels)
            if stride != 1 or before != channels:
                count += before * channels + 4 * channels
            before = channels
    return count + (before + 1) * c.classes


def _values(config: ResNetConfig) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(config).items()
    }
