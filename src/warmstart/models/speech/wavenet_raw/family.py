"""WaveNet as a recognizer of raw audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warmstart.errors import UsageError
from warmstart.models.speech.wavenet.family import WaveNetConfig
from warmstart.models.speech.wavenet.family import configured as generator

RUNNER = "warmstart.speech.ctc.recognizer"
FEATURE_RANGE = (0.0, 255.0)
"""Of the inputs with which engines are compared: mu-law levels."""


@dataclass(frozen=True)
class WaveNetRawConfig:
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
        return generator({name: getattr(self, name) for name in names})


def configured(config: WaveNetRawConfig | Mapping[str, Any]) -> WaveNetRawConfig:
    """The config as a dataclass, checked."""
    if not isinstance(config, WaveNetRawConfig):
        try:
            dilations = config.get("dilations", WaveNetRawConfig.dilations)
            config = WaveNetRawConfig(**{**config, "dilations": tuple(dilations)})
        except TypeError as error:
            raise UsageError(f"wavenet_raw: {error}") from None
    sizes = (config.symbols, config.pooling, config.frame_layers)
    if any(not isinstance(n, int) or not 1 <= n <= 65536 for n in sizes):
        raise UsageError(
            "wavenet_raw: symbols, pooling and frame_layers must be whole numbers of 1 or more"
        )
    config.stack  # noqa: B018 (checks the rest)
    return config


def context(config: Mapping[str, Any]) -> int:
    """Frames on each side that the output for a frame depends on, at most."""
    c = configured(config)
    return -(-c.stack.receptive_field // c.pooling) + c.frame_layers
