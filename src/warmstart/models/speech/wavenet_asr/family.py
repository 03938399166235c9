"""WaveNet as a recognizer of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warmstart.errors import UsageError
from warmstart.models.configs import Config
from warmstart.models.speech.receptive_field import receptive_field

RUNNER = "warmstart.speech.ctc.recognizer"
FEATURE_RANGE = (-2.0, 2.0)
"""The range of the random inputs with which engines are compared."""


@dataclass(frozen=True)
class WaveNetASRConfig(Config):
    """Sizes: `features` numbers a frame in, `symbols` out (the blank first).

    `batch_norm` False: convolutions have biases instead, as after folding.
    """

    features: int = 20
    symbols: int = 29
    channels: int = 128
    blocks: int = 3
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    filter_width: int = 7
    batch_norm: bool = True

    @property
    def receptive_field(self) -> int:
        """Frames that one frame of the output depends on: half of them before it, half after."""
        return receptive_field(self.filter_width, tuple(self.dilations) * self.blocks)

    def check(self) -> None:
        sizes = (
            self.features,
            self.symbols,
            self.channels,
            self.blocks,
            self.filter_width,
            *self.dilations,
        )
        if not self.dilations or any(not isinstance(n, int) or not 1 <= n <= 4096 for n in sizes):
            raise UsageError(
                "wavenet_asr: every size and dilation must be a whole number of 1 to 4096"
            )
        if self.filter_width % 2 == 0:
            raise UsageError(
                "wavenet_asr: filter_width must be odd to see both sides alike, not "
                f"{self.filter_width}"
            )


def context(config: Mapping[str, Any]) -> int:
    """Frames on each side that the output for a frame depends on, at most."""
    return WaveNetASRConfig.of(config).receptive_field // 2
