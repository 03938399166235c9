"""WaveNet as a recogniser: frames of features in, characters out, trained with CTC.

Sources: van den Oord et al., "WaveNet" (2016), arXiv:1609.03499, section 3.4 (recognition with a WaveNet); the
speech-to-text recipe that is known for it: 20 MFCCs -> 128 channels, 3 blocks of dilations 1, 2, 4, 8, 16 with
filter width 7 that see both sides, batch normalisation, tanh after each 1x1 convolution, the sum of all layers'
outputs, two 1x1 convolutions to characters; CTC after Graves et al. (2006), the blank first.

| channels | layers | parameters (20 MFCCs, 29 characters) | receptive field |
|---------:|-------:|-----------:|-----------------|
|      128 |     15 |  3,743,389 | 559 frames      |
|       48 |     15 |    533,725 | 559 frames      |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from warmstart.errors import UsageError
from warmstart.models.by_name import load as load
from warmstart.models.speech.dilated_stack import Stack, conv_norm, receptive_field


@dataclass(frozen=True)
class WaveNetASRConfig:
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


def build(config: WaveNetASRConfig | Mapping[str, Any]) -> keras.Model:
    """Build the network.

    Returns:
        A `keras.Model` from `features` float32 (B, T, features) to logits (B, T, symbols), of any T.

    Raises:
        UsageError: the config has an unknown key, or a size that is not possible.
    """
    c = configured(config)
    inputs = keras.Input((None, c.features), name="features")
    x = layers.Activation("tanh", name="front_tanh")(
        conv_norm(inputs, c.channels, batch_norm=c.batch_norm, name="front"))
    x = Stack(tuple(c.dilations) * c.blocks, channels=c.channels, residual=c.channels, skip=0,
              filter_width=c.filter_width, causal=False, use_bias=not c.batch_norm, batch_norm=c.batch_norm)(x)
    x = layers.Activation("tanh", name="head_tanh")(conv_norm(x, c.channels, batch_norm=c.batch_norm, name="head"))
    return keras.Model(inputs, layers.Dense(c.symbols, name="symbols")(x), name="wavenet_asr")


def configured(config: WaveNetASRConfig | Mapping[str, Any]) -> WaveNetASRConfig:
    """The config as a dataclass, checked."""
    if not isinstance(config, WaveNetASRConfig):
        try:
            config = WaveNetASRConfig(**{**config, "dilations": tuple(config.get("dilations", (1, 2, 4, 8, 16)))})
        except TypeError as error:
            raise UsageError(f"wavenet_asr: {error}") from None
    sizes = (config.features, config.symbols, config.channels, config.blocks, config.filter_width, *config.dilations)
    if not config.dilations or any(not isinstance(n, int) or not 1 <= n <= 4096 for n in sizes):
        raise UsageError("wavenet_asr: every size and dilation must be a whole number of 1 to 4096")
    if config.filter_width % 2 == 0:
        raise UsageError(f"wavenet_asr: filter_width must be odd to see both sides alike, not {config.filter_width}")
    return config


def recogniser_outputs(model: keras.Model) -> keras.Model:
    """The model with two named outputs.

    Args:
        model: (B, frames, size) -> logits (B, frames, symbols).

    Returns:
        (B, frames, size) -> `{"log_probs": (B, frames, symbols), "hidden": (B, frames, channels)}`.
    """
    return keras.Model(model.inputs, {"log_probs": keras.ops.log_softmax(model.outputs[0], axis=-1),
                                      "hidden": model.get_layer("head_tanh").output})
