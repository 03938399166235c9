"""DeepLabV3 and DeepLabV3+ on ResNet, as KerasHub builds them: sizes, and names of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from warmstart.checkpoints.layout import Layout
from warmstart.errors import UsageError
from warmstart.models.checks import Described
from warmstart.models.configs import Config
from warmstart.models.image import keras_hub
from warmstart.models.image.deeplabv3_resnet import presets
from warmstart.models.image.resnet.family import ResNetConfig
from warmstart.models.keras_hub import Preset

PAPER = (
    "Chen, Zhu, Papandreou, Schroff, Adam: Encoder-Decoder with Atrous Separable Convolution for "
    "Semantic Image Segmentation, 2018, arXiv:1802.02611"
)
LAYOUT = Layout(keras_hub=presets.arrays)
SEGMENTATION = True


@dataclass(frozen=True)
class DeepLabConfig(Config):
    """Sizes of one network.

    Attributes:
        backbone: the config of the ResNet.
        pyramid_stage: the stage whose map enters the pyramid, counted from 0.
        rates: of the dilated convolutions of the pyramid.
        width: channels of each branch of the pyramid, and of the convolution before the classes.
        upsampling: how many times larger the pyramid's map becomes.
        detail_stage: the stage whose map is joined to it (DeepLabV3+); None: none (DeepLabV3).
        detail_width: channels of that map's projection.
        classes: outputs.
        input_size: (height, width) in pixels.
    """

    backbone: Mapping[str, Any] = field(default_factory=dict)
    pyramid_stage: int = 3
    rates: tuple[int, ...] = (6, 12, 18)
    width: int = 256
    upsampling: int = 8
    detail_stage: int | None = 0
    detail_width: int = 48
    classes: int = 21
    input_size: tuple[int, int] = (512, 512)

    def check(self) -> None:
        self.check_size(*self.input_size)

    @property
    def resnet(self) -> ResNetConfig:
        return ResNetConfig.of({**self.backbone, "classes": 0})

    def stride(self) -> int:
        """The stride of the pyramid's map, in pixels of the input."""
        return 4 * self.resnet.first_stride << self.pyramid_stage

    def check_size(self, height: int, width: int) -> None:
        """Check that the maps to be joined have the same size.

        Raises:
            UsageError: the height or width is not a multiple of the stride.
        """
        if height % self.stride() or width % self.stride():
            raise UsageError(
                f"deeplabv3_resnet: the height and width of the input must be multiples of "
                f"{self.stride()}, not {height} and {width}."
            )

    def parameters(self) -> int:
        c = self
        resnet, width = c.resnet, c.width
        stages = c.pyramid_stage + 1
        used = {
            **c.backbone,
            **{key: getattr(resnet, key)[:stages] for key in ("depths", "channels", "widths")},
            "classes": 0,
        }
        deep = resnet.channels[c.pyramid_stage]
        count = ResNetConfig.of(used).parameters()
        count += (2 + 9 * len(c.rates)) * (deep * width)
        count += (2 + len(c.rates)) * (width * width + 4 * width)
        joined = width
        if c.detail_stage is not None:
            count += resnet.channels[c.detail_stage] * c.detail_width + 4 * c.detail_width
            joined += c.detail_width
        return count + 4 * width + joined * width + 4 * width + width * c.classes


def read_keras_hub(preset: Preset) -> Described:
    """See `models.repository.read`."""
    values = presets.sizes_of(preset)
    return keras_hub.read_segmenter(preset, "deeplabv3", DeepLabConfig, values, PAPER)
