"""ResNet as PyTorch has it (version 1.5): sizes, and the names of its arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from warmstart.checkpoints.layout import Layout
from warmstart.errors import UsageError
from warmstart.models.checks import Described, Repository
from warmstart.models.configs import Config
from warmstart.models.image import keras_hub, timm
from warmstart.models.image.classifiers import (
    Shapes,
    classifier_preprocessing,
    head_of,
    repository_entry,
)
from warmstart.models.image.repository import IMAGENET
from warmstart.models.image.resnet import presets
from warmstart.models.image.resnet.presets import BLOCK_TYPES, MOST_BLOCKS, STAGES, WIDEST
from warmstart.models.keras_hub import Preset
from warmstart.models.repository import licence_of

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
class ResNetConfig(Config):
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

    def check(self) -> None:
        if self.block not in BLOCK_TYPES:
            raise UsageError(f"resnet: block must be basic or bottleneck, not {self.block!r}")
        if len({len(self.depths), len(self.channels), len(self.widths)}) != 1 or not self.depths:
            raise UsageError(
                "resnet: depths, channels and widths must have one number per stage each"
            )
        if len(self.stem) not in (1, 3):
            raise UsageError("resnet: stem must be one or three numbers")

    def stride(self, stage: int) -> int:
        """The stride of the first block of a stage (counted from 0)."""
        return 2 if stage else self.first_stride

    def parameters(self) -> int:
        c = self
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


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    _, labels = head_of(repo, HEADS)
    block = repo.one_of("layer_type", BLOCK_TYPES, "bottleneck")
    repo.one_of("hidden_act", ("relu",))
    stages = len(repo.get("depths", [3, 4, 6, 3]))
    channels = repo.integers("hidden_sizes", [256, 512, 1024, 2048], 4, WIDEST, min(stages, STAGES))
    downsample = repo.one_of("downsample_in_first_stage", (True, False), False)
    rules = classifier_preprocessing(repo.folder, 224, IMAGENET)
    config = ResNetConfig(
        block=block,
        depths=tuple(repo.integers("depths", [3, 4, 6, 3], 1, MOST_BLOCKS, min(stages, STAGES))),
        channels=tuple(channels),
        widths=tuple(n // 4 for n in channels) if block == "bottleneck" else tuple(channels),
        stem=(repo.integer("embedding_size", 64, 1, WIDEST),),
        first_stride=2 if downsample else 1,
        stride_first=repo.one_of("downsample_in_bottleneck", (True, False), False),
        classes=len(labels),
        input_size=rules.size,
    )
    entry = repository_entry(
        repo, config, rules, family="resnet", licence=licence_of(repo), paper=PAPER
    )
    return entry, labels


def read_timm(repo: Repository) -> Described:
    """See `models.repository.read`."""
    return timm.read(
        repo,
        _from_shapes,
        arguments=("layers", "channels", "stem_width"),
        head="fc.weight",
        paper=lambda *_: PAPER,
        family="resnet",
    )


def read_keras_hub(preset: Preset) -> Described:
    """See `models.repository.read`."""
    config = ResNetConfig.of(presets.sizes_of(preset.values))
    return keras_hub.read_classifier(preset, config, family="resnet", paper=PAPER)


def _from_shapes(repo: Repository, shapes: Shapes, **outputs: Any) -> ResNetConfig:
    stages = timm.depths(shapes, r"layer(\d+)\.(\d+)\.conv1\.weight")
    stems = [f"conv1{end}.weight" for end in ("", ".0", ".3", ".6")]
    is_bottleneck = "layer1.0.conv3.weight" in shapes
    last, middle = ("conv3", "conv2") if is_bottleneck else ("conv2", "conv1")
    return ResNetConfig(
        block="bottleneck" if is_bottleneck else "basic",
        depths=tuple(stages.values()),
        channels=tuple(shapes[f"layer{n}.0.{last}.weight"][0] for n in stages),
        widths=tuple(shapes[f"layer{n}.0.{middle}.weight"][0] for n in stages),
        stem=tuple(shapes[name][0] for name in stems if name in shapes),
        pooled_shortcut="layer2.0.downsample.2.weight" in shapes,
        **outputs,
    )
