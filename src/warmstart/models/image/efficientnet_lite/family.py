"""EfficientNet-Lite: sizes, and the names of public checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from warmstart.checkpoints.layout import Layout, Rules
from warmstart.errors import UsageError
from warmstart.models.configs import Config

BACKBONE = True

LAYOUT = Layout(
    modules=(
        (r"^stem_conv$", "_conv_stem"),
        (r"^stem_norm$", "_bn0"),
        (r"^block(\d+)_(expand|depthwise|project)_conv$", r"_blocks.\1._\2_conv"),
        (r"^block(\d+)_expand_norm$", r"_blocks.\1._bn0"),
        (r"^block(\d+)_depthwise_norm$", r"_blocks.\1._bn1"),
        (r"^block(\d+)_project_norm$", r"_blocks.\1._bn2"),
        (r"^top_conv$", "_conv_head"),
        (r"^top_norm$", "_bn1"),
        (r"^predictions$", "_fc"),
    ),
)
"""The names of EfficientNet-PyTorch, in which the PyTorch checkpoints are published."""


class Stage(NamedTuple):
    """A row of table 1 of the paper: blocks of one shape; the first has the stride."""

    kernel: int
    blocks: int
    channels: int
    expansion: int
    stride: int


STAGES = (
    Stage(kernel=3, blocks=1, channels=16, expansion=1, stride=1),
    Stage(kernel=3, blocks=2, channels=24, expansion=6, stride=2),
    Stage(kernel=5, blocks=2, channels=40, expansion=6, stride=2),
    Stage(kernel=3, blocks=3, channels=80, expansion=6, stride=2),
    Stage(kernel=5, blocks=3, channels=112, expansion=6, stride=1),
    Stage(kernel=5, blocks=4, channels=192, expansion=6, stride=2),
    Stage(kernel=3, blocks=1, channels=320, expansion=6, stride=1),
)


@dataclass(frozen=True)
class EfficientNetLiteConfig(Config):
    """Sizes of one network.

    Attributes:
        width: factor of the channels of all stages; the stem and the head keep theirs.
        depth: factor of the blocks of a stage; the first and the last stage keep theirs.
        dropout: before the classes, while training.
        classes: outputs.
        image_size: height and width in pixels.
    """

    width: float = 1.0
    depth: float = 1.0
    dropout: float = 0.2
    classes: int = 1000
    image_size: int = 224

    def check(self) -> None:
        if not (0 < self.width <= 8 and 0 < self.depth <= 8 and 0 <= self.dropout < 1):
            raise UsageError(
                "efficientnet_lite: width and depth must be in (0, 8], dropout in [0, 1)"
            )
        if min(self.classes, self.image_size) < 1:
            raise UsageError("efficientnet_lite: classes and image_size must be 1 or more")

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image_size, self.image_size

    @property
    def blocks(self) -> tuple[int, ...]:
        """The blocks of each stage."""
        inner = (math.ceil(stage.blocks * self.depth) for stage in STAGES[1:-1])
        return (STAGES[0].blocks, *inner, STAGES[-1].blocks)


def timm_names(config: EfficientNetLiteConfig) -> Rules:
    """Rules from the names of timm, which counts the blocks of each stage, to those of `LAYOUT`."""
    rules = [
        (r"^conv_stem\.", "_conv_stem."),
        (r"^bn1\.", "_bn0."),
        (r"^conv_head\.", "_conv_head."),
        (r"^bn2\.", "_bn1."),
        (r"^classifier\.", "_fc."),
    ]
    index = 0
    for stage, blocks in enumerate(config.blocks):
        parts = (
            {
                "conv_pw": "_expand_conv",
                "bn1": "_bn0",
                "conv_dw": "_depthwise_conv",
                "bn2": "_bn1",
                "conv_pwl": "_project_conv",
                "bn3": "_bn2",
            }
            if STAGES[stage].expansion > 1
            else {
                "conv_dw": "_depthwise_conv",
                "bn1": "_bn1",
                "conv_pw": "_project_conv",
                "bn2": "_bn2",
            }
        )
        for block in range(blocks):
            rules += [
                (rf"^blocks\.{stage}\.{block}\.{theirs}\.", f"_blocks.{index}.{ours}.")
                for theirs, ours in parts.items()
            ]
            index += 1
    return tuple(rules)
