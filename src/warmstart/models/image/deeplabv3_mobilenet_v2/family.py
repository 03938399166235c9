"""DeepLabV3 on MobileNetV2, as Google published it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from warmstart.checkpoints.layout import Layout
from warmstart.models.checks import Described, Repository
from warmstart.models.configs import Config
from warmstart.models.image.repository import (
    HALF,
    divisible,
    labels_of,
    make_entry,
    preprocessing,
    require_head,
)

PAPER = (
    "Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018, "
    "arXiv:1801.04381"
)
LAYOUT = Layout()
UNUSED = ("mobilenet_v2.conv_1x1.*",)
"""The classifier's last layer, which segmentation does not run."""
SEGMENTATION = True


@dataclass(frozen=True)
class MobileNetV2Config(Config):
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

    def divisible(self, value: float) -> int:
        """A number of channels, rounded as the config says."""
        return divisible(value, self.depth_divisible_by, self.min_depth)

    def channels(self, count: int) -> int:
        return self.divisible(round(count * self.depth_multiplier))


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    require_head(repo, "MobileNetV2ForSemanticSegmentation", "image-segmentation")
    labels = labels_of(repo)
    side = repo.get("image_size", 513)
    side = side if isinstance(side, int) else 513
    values: dict[str, Any] = {
        "depth_multiplier": repo.number("depth_multiplier", 1.0, 0.01, 16.0),
        "depth_divisible_by": repo.integer("depth_divisible_by", 8, 1, 64),
        "min_depth": repo.integer("min_depth", 8, 1, 1024),
        "expand_ratio": repo.number("expand_ratio", 6.0, 0.1, 64.0),
        "output_stride": repo.one_of("output_stride", (2, 4, 8, 16, 32), 32),
        "first_layer_is_expansion": repo.one_of("first_layer_is_expansion", (True, False)),
        "tf_padding": repo.one_of("tf_padding", (True, False)),
        "hidden_act": repo.one_of("hidden_act", ("relu6", "relu", "silu")),
        "layer_norm_eps": repo.number("layer_norm_eps", 1e-3, 0.0, 1.0),
    }
    repo.integer("num_channels", 3, 3, 3)
    rules = preprocessing(repo.folder, (side, side), HALF)
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
