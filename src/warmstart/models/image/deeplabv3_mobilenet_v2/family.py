"""DeepLabV3 on MobileNetV2, as Google published it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.checkpoints.layout import Layout
from warmstart.models.checks import integer, number, one_of
from warmstart.models.configs import sizes
from warmstart.models.image.repository import HALF, check_task, labels_of, make_entry, preprocessing
from warmstart.models.repository import CONFIG

PAPER = (
    "Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018, "
    "arXiv:1801.04381"
)
LAYOUT = Layout()
UNUSED = ("mobilenet_v2.conv_1x1.*",)
"""The classifier's last layer, which segmentation does not run."""
SEGMENTATION = True


@dataclass(frozen=True)
class MobileNetV2Config:
    """Sizes of one network; the names are those of the reference's config."""

    depth_multiplier: float = 1.0
    depth_divisible_by: int = 8
    min_depth: int = 8
    expand_ratio: float = 6.0
    output_stride: int = 8
    first_layer_is_expansion: bool = True
    tf_padding: bool = True
    hidden_act: str = "relu6"
    layer_norm_eps: float = 1e-3
    dropout: float = 0.8
    classes: int = 21
    input_size: tuple[int, int] = (513, 513)

    @classmethod
    def of(cls, config: MobileNetV2Config | Mapping[str, Any]) -> MobileNetV2Config:
        """From the values of an entry.

        Raises:
            UsageError: a key is unknown.
        """
        return sizes(cls, config, "deeplabv3_mobilenet_v2")

    def divisible(self, value: float) -> int:
        """Round to a multiple of `depth_divisible_by`, but not down by more than a tenth."""
        divisor = self.depth_divisible_by
        new = max(self.min_depth, int(value + divisor / 2) // divisor * divisor)
        return new + divisor if new < 0.9 * value else new

    def channels(self, count: int) -> int:
        return self.divisible(round(count * self.depth_multiplier))


def read(
    config: Mapping[str, Any], folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    path = folder / CONFIG
    check_task(config, folder, task, "image-segmentation", "MobileNetV2ForSemanticSegmentation")
    labels = labels_of(config, folder)
    side = config.get("image_size", 513)
    side = side if isinstance(side, int) else 513
    booleans = (True, False)
    values: dict[str, Any] = {
        "depth_multiplier": number(config, "depth_multiplier", path, 1.0, 0.01, 16.0),
        "depth_divisible_by": integer(config, "depth_divisible_by", path, 8, 1, 64),
        "min_depth": integer(config, "min_depth", path, 8, 1, 1024),
        "expand_ratio": number(config, "expand_ratio", path, 6.0, 0.1, 64.0),
        "output_stride": one_of(config, "output_stride", path, 32, (2, 4, 8, 16, 32)),
        "first_layer_is_expansion": one_of(
            config, "first_layer_is_expansion", path, True, booleans
        ),
        "tf_padding": one_of(config, "tf_padding", path, True, booleans),
        "hidden_act": one_of(config, "hidden_act", path, "relu6", ("relu6", "relu", "silu")),
        "layer_norm_eps": number(config, "layer_norm_eps", path, 1e-3, 0.0, 1.0),
    }
    integer(config, "num_channels", path, 3, 3, 3)
    rules = preprocessing(folder, (side, side), HALF)
    values |= {"classes": len(labels), "input_size": list(rules.size)}
    entry = make_entry(
        "mobilenet_v2",
        "image-segmentation",
        "deeplabv3_mobilenet_v2",
        values,
        rules,
        "Apache-2.0",
        PAPER,
    )
    return entry, labels
