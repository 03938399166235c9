"""WaveNet as a recognizer: frames of features in, characters out, trained with CTC.

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
from typing import Any

import keras
from keras import layers

from warmstart.checkpoints.layout import load_by_name
from warmstart.models.speech.dilated_stack import Stack, conv_norm
from warmstart.models.speech.wavenet_asr.family import WaveNetASRConfig


def build(config: WaveNetASRConfig | Mapping[str, Any]) -> keras.Model:
    """Build the network.

    Returns:
        A `keras.Model` from `features` float32 (B, T, features) to logits (B, T, symbols), of any
        T.

    Raises:
        UsageError: the config has an unknown key, or a size that is not possible.
    """
    c = WaveNetASRConfig.of(config)
    inputs = keras.Input((None, c.features), name="features")
    x = layers.Activation("tanh", name="front_tanh")(
        conv_norm(inputs, c.channels, batch_norm=c.batch_norm, name="front")
    )
    x = Stack(
        tuple(c.dilations) * c.blocks,
        channels=c.channels,
        residual=c.channels,
        skip=0,
        filter_width=c.filter_width,
        causal=False,
        use_bias=not c.batch_norm,
        batch_norm=c.batch_norm,
    )(x)
    x = layers.Activation("tanh", name="head_tanh")(
        conv_norm(x, c.channels, batch_norm=c.batch_norm, name="head")
    )
    return keras.Model(inputs, layers.Dense(c.symbols, name="symbols")(x), name="wavenet_asr")


def recognizer_outputs(model: keras.Model) -> keras.Model:
    """The model with two named outputs.

    Args:
        model: (B, frames, size) -> logits (B, frames, symbols).

    Returns:
        (B, frames, size) -> `{"log_probs": (B, frames, symbols), "hidden": (B, frames, channels)}`.
    """
    return keras.Model(
        model.inputs,
        {
            "log_probs": keras.ops.log_softmax(model.outputs[0], axis=-1),
            "hidden": model.get_layer("head_tanh").output,
        },
    )


load = load_by_name
