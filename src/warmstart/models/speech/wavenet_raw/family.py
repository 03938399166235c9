"""WaveNet as a recognizer of raw audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warmstart.errors import UsageError
from warmstart.models.configs import Config
from warmstart.models.speech.wavenet.family import WaveNetConfig

RUNNER = "warmstart.speech.ctc.recognizer"
FEATURE_RANGE = (0.0, 255.0)
"""The range of the inputs with which engines are compared: mu-law levels."""


@dataclass(frozen=True)
class WaveNetRawConfig(Config):
    """Sizes: `pooling` samples are a frame; `frame_layers` convolutions of width 3; the rest as
    `WaveNetConfig`.
    """

    symbols: int = 29
    pooling: int = 160
    frame_layers: int = 3
    levels: int = 256
    stacks: int = 4
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    filter_width: int = 2
    channels: int = 32
    residual: int = 32
    skip: int = 64

    @property
    def stack(self) -> WaveNetConfig:
        """The generator that it contains."""
        names = ("levels", "stacks", "dilations", "filter_width", "channels", "residual", "skip")
        return WaveNetConfig(**{name: getattr(self, name) for name in names})

    def check(self) -> None:
        sizes = (self.symbols, self.pooling, self.frame_layers)
        if any(not isinstance(n, int) or not 1 <= n <= 65536 for n in sizes):
            raise UsageError(
                "wavenet_raw: symbols, pooling and frame_layers must be whole numbers of 1 or more"
            )
        self.stack  # noqa: B018 (checks the rest)


def context(config: Mapping[str, Any]) -> int:
    """Frames on each side that the output for a frame depends on, at most."""
    c = WaveNetRawConfig.of(config)
    return -(-c.stack.receptive_field // c.pooling) + c.frame_layers
