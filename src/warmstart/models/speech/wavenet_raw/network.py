"""WaveNet as a recognizer of raw audio: samples in, symbols of frames out, trained to predict the next sample too.

Source: van den Oord et al., "WaveNet" (2016), arXiv:1609.03499, section 3.4: the causal dilated stack of the
generator, mean-pooling to frames of 10 ms, a few convolutions that see both sides, and two losses at once, one for the
next sample and one for the frames (their classes, or CTC if only the text is known).

    levels -> causal convolution -> stack -> Σ skips -+-> relu, 1x1, relu, 1x1 -> the next sample's levels
                                                      +-> relu, mean over a frame -> convolutions -> its symbol

| pooling | stack | residual / skip | parameters (29 symbols) | receptive field |
|---|---|---|--:|--:|
| 160 (10 ms at 16 kHz) | 4 x (1 … 512), width 2 | 32 / 64 | 312,157 | 4,094 samples, and 3 frames on each side |
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from warmstart.checkpoints.layout import load_by_name
from warmstart.errors import UsageError
from warmstart.models.speech.ctc import ctc_loss
from warmstart.models.speech.wavenet.network import WaveNet
from warmstart.models.speech.wavenet_raw.family import WaveNetRawConfig


def build(config: WaveNetRawConfig | Mapping[str, Any]) -> keras.Model:
    """Build the network.

    Returns:
        A `keras.Model` from `features` float32 (B, F, pooling), mu-law levels as whole numbers, to
        logits (B, F, symbols).

    Raises:
        UsageError: the config has an unknown key, or a size that is not possible.
    """
    c = WaveNetRawConfig.of(config)
    features = keras.Input((None, c.pooling), name="features")
    return keras.Model(features, RawWaveNet(c)(features)["logits"], name="wavenet_raw")


class RawWaveNet(layers.Layer):
    """The whole network as one layer: (B, F, pooling) -> a dict of `logits` (B, F, symbols),
    `hidden` (B, F, skip) and `next` (B, F * pooling, levels): the logits of each sample after the
    samples before it."""

    def __init__(self, config: WaveNetRawConfig, **options: Any):
        super().__init__(name="raw", **options)
        c = self.config = config
        self.wavenet = WaveNet(c.stack)
        self.convolutions = [
            layers.Conv1D(c.skip, 3, padding="same", activation="relu", name=f"frame{i}")
            for i in range(c.frame_layers)
        ]
        self.symbols = layers.Dense(c.symbols, name="symbols")

    def build(self, *_: Any) -> None:
        self.wavenet.build()
        for layer in (*self.convolutions, self.symbols):
            layer.build((None, None, self.config.skip))
        self.built = True

    def call(self, features: Any) -> dict[str, Any]:
        c = self.config
        batch, frames = ops.shape(features)[0], ops.shape(features)[1]
        samples = ops.reshape(ops.cast(features, "int32"), (batch, frames * c.pooling))
        skips = self.wavenet.stack(self.wavenet.first_convolution(samples))
        x = ops.mean(ops.reshape(ops.relu(skips), (batch, frames, c.pooling, c.skip)), axis=2)
        for layer in self.convolutions:
            x = layer(x)
        return {"logits": self.symbols(x), "hidden": x, "next": self.wavenet.after(skips)}

    def compute_output_spec(self, features: Any) -> dict[str, Any]:
        c, (batch, frames) = self.config, features.shape[:2]
        steps = None if frames is None else frames * c.pooling
        shapes = {
            "logits": (batch, frames, c.symbols),
            "hidden": (batch, frames, c.skip),
            "next": (batch, steps, c.levels),
        }
        return {
            name: keras.KerasTensor(shape, dtype=self.compute_dtype)
            for name, shape in shapes.items()
        }

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.to_dict()}


def recognizer_outputs(model: keras.Model) -> keras.Model:
    """(B, F, pooling) -> `{"log_probs": (B, F, symbols), "hidden": (B, F, skip)}`."""
    outputs = model.get_layer("raw")(model.inputs[0])
    return keras.Model(
        model.inputs,
        {"log_probs": ops.log_softmax(outputs["logits"], axis=-1), "hidden": outputs["hidden"]},
    )


def joint(model: keras.Model, *, frames: str = "ctc") -> tuple[keras.Model, dict[str, Any]]:
    """The model for training, with both outputs and their losses.

    Args:
        model: from `build`; it shares its weights with the result.
        frames: "ctc": the text of each recording is known; "classes": the class of each frame.

    Returns:
        (B, F, pooling) -> `{"logits": (B, F, symbols), "next": (B, F * pooling, levels)}`, and the loss of each, as
        `keras.Model.compile` takes them. The targets are, for "logits", int32 symbols (B, L) filled
        up with zeros, or classes (B, F); for "next" the samples' levels (B, F * pooling).

    Raises:
        UsageError: `frames` is neither.
    """
    if frames not in ("ctc", "classes"):
        raise UsageError(f"frames is 'ctc' or 'classes', not {frames!r}.")
    outputs = model.get_layer("raw")(model.inputs[0])
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return (
        keras.Model(model.inputs, {name: outputs[name] for name in ("logits", "next")}),
        {"logits": ctc_loss if frames == "ctc" else entropy, "next": entropy},
    )


load = load_by_name
