"""WaveNet as a generator of raw audio, sample by sample.

Sources: van den Oord et al., "WaveNet: A Generative Model for Raw Audio" (2016), arXiv:1609.03499:
causal dilated stack, 8-bit mu-law softmax, global conditioning (a class, a speaker) and local
conditioning (mel frames: the vocoder's role) with learned upsampling; Salimans et al., "PixelCNN++"
(2017), arXiv:1701.05517, for the mixture of logistics. Names of the public TensorFlow layout:
`family`. Cached generation: `generation`.

    samples < t -> causal convolution -> stack -> Σ skips -> relu, 1x1, relu, 1x1 -> distribution of
    sample t classes -> embeddings, summed -----------^ frames -> frame network -> upsampled ----^

| stack | residual / skip | layers | receptive field | parameters without conditioning |
|---|---|--:|--:|--:|
| 2 x (1 … 128) | 32 / 64 | 16 | 512 | 149,248 |
| 5 x (1 … 512) | 32 / 512 | 50 | 5,117 | 1,548,320 |
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from warmstart.checkpoints.assign import assign
from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.layout import fill
from warmstart.models.speech.dilated_stack import Stack
from warmstart.models.speech.wavenet import family
from warmstart.models.speech.wavenet.family import WaveNetConfig


def build(config: WaveNetConfig | Mapping[str, Any]) -> keras.Model:
    """Build the network.

    Returns:
        A `keras.Model` from `{"samples": int32 levels (B, T), "classes": int32 (B, K), "frames":
        float32 (B, F, frame_features)}`, the last two if the config has them and F * frame_hop
        >= T, to logits (B, T, levels) of each sample after those before it; or, for logistics, to
        their parameters (B, T, 3 * mixtures): mixture logits, means on -1..1, logarithms of scales.

    Raises:
        UsageError: the config has an unknown key, or a size that is not possible.
    """
    c = WaveNetConfig.of(config)
    inputs = {"samples": keras.Input((None,), dtype="int32", name="samples")}
    if c.classes:
        inputs["classes"] = keras.Input((len(c.classes),), dtype="int32", name="classes")
    if c.frame_features:
        inputs["frames"] = keras.Input((None, c.frame_features), name="frames")
    network = WaveNet(c)
    return keras.Model(
        inputs,
        network(inputs["samples"], inputs.get("classes"), inputs.get("frames")),
        name="wavenet",
    )


class WaveNet(layers.Layer):
    """The whole network as one layer, whose parts cached generation uses one by one."""

    def __init__(self, config: WaveNetConfig, **options: Any):
        super().__init__(name="wavenet", **options)
        c = self.config = config
        self.stack = Stack(
            c.all_dilations,
            channels=c.channels,
            residual=c.residual,
            skip=c.skip,
            filter_width=c.filter_width,
            causal=True,
            use_bias=c.use_bias,
            global_channels=c.global_channels if c.classes else 0,
            local_channels=c.frame_channels if c.frame_features else 0,
            local_hold=c.hold,
        )
        self.post1 = layers.Dense(c.skip, use_bias=c.use_bias, name="post1")
        self.post2 = layers.Dense(c.outputs, use_bias=c.use_bias, name="post2")
        self.embeddings = [
            layers.Embedding(n, c.global_channels, name=f"embedding{i}")
            for i, n in enumerate(c.classes)
        ]
        self.frame_layers: list[Any] = []
        if c.frame_features:
            width = c.frame_channels
            self.frame_layers = [
                layers.Conv1D(width, 3, padding="same", activation="relu", name="frame1"),
                layers.Conv1D(width, 3, padding="same", activation="relu", name="frame2"),
                *(
                    layers.Conv1DTranspose(
                        width, 2 * s, strides=s, padding="same", activation="relu", name=f"up{i}"
                    )
                    for i, s in enumerate(c.upsampling)
                ),
            ]

    def build(self, *_: Any) -> None:
        c = self.config
        rows = c.levels if c.output == "mu_law" else 1
        self.first = self.add_weight(
            name="causal_kernel",
            shape=(c.filter_width, rows, c.residual),
            initializer="glorot_uniform",
        )
        self.stack.build((None, None, c.residual))
        self.post1.build((None, None, c.skip))
        self.post2.build((None, None, c.skip))
        for embedding in self.embeddings:
            embedding.build(())
        width = c.frame_features + (c.global_channels if c.classes else 0)
        for layer in self.frame_layers:
            layer.build((None, None, width))
            width = c.frame_channels
        self.built = True

    def call(self, samples: Any, classes: Any = None, frames: Any = None) -> Any:
        """See `build`."""
        globals_ = self.globals_of(classes)
        x = self.first_convolution(samples)
        return self.after(self.stack(x, globals_, self.locals_of(frames, globals_)))

    def compute_output_shape(self, samples: Any, *_: Any) -> Any:
        return (*samples, self.config.outputs)

    def compute_output_spec(self, samples: Any, *_: Any, **__: Any) -> Any:
        return keras.KerasTensor((*samples.shape, self.config.outputs), dtype=self.compute_dtype)

    def first_convolution(self, samples: Any) -> Any:
        """The causal convolution of the samples before each one: (B, T) -> (B, T, residual)."""
        width, length = self.config.filter_width, ops.shape(samples)[1]
        if self.config.output == "mu_law":
            # A convolution of one-hot vectors is a sum of rows. Before the first sample there is
            # nothing: zeros.
            total = 0.0
            for tap in range(width):
                rows = ops.take(self.first[tap], samples, axis=0)
                total = total + ops.pad(rows, ((0, 0), (width - tap, 0), (0, 0)))[:, :length]
            return total
        values = ops.expand_dims(self.values_of(samples), -1)
        padded = ops.pad(values, ((0, 0), (width, 0), (0, 0)))[:, :-1]
        return ops.conv(padded, self.first, strides=1, padding="valid")

    def values_of(self, samples: Any) -> Any:
        """Levels as numbers on -1..1."""
        return ops.cast(samples, "float32") * (2.0 / (self.config.levels - 1)) - 1.0

    def globals_of(self, classes: Any) -> Any:
        """The sum of the embeddings: (B, K) -> (B, global_channels)."""
        if not self.embeddings:
            return None
        vectors = [embedding(classes[:, i]) for i, embedding in enumerate(self.embeddings)]
        return sum(vectors[1:], vectors[0])

    def locals_of(self, frames: Any, globals_: Any = None) -> Any:
        """The upsampled frames, one vector for `hold` samples: (B, F * hop / hold, frame_channels)."""
        if not self.frame_layers:
            return None
        x = frames
        if globals_ is not None:
            shape = (ops.shape(frames)[0], ops.shape(frames)[1], self.config.global_channels)
            x = ops.concatenate([x, ops.broadcast_to(ops.expand_dims(globals_, 1), shape)], axis=-1)
        for layer in self.frame_layers:
            x = layer(x)
        return x

    def after(self, skips: Any) -> Any:
        """The layers after the stack: (…, skip) -> (…, outputs)."""
        return self.post2(ops.relu(self.post1(ops.relu(skips))))

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.to_dict()}


def mixture_loss(levels: int, mixtures: int, samples: Any, parameters: Any) -> Any:
    """The negative log likelihood in nats of each sample under a mixture of discretised logistics.

    Args:
        levels, mixtures: of the config.
        samples: int levels (B, T).
        parameters: (B, T, 3 * mixtures).

    Returns:
        float32 (B, T). PixelCNN++ (2017), section 2.1: the first and the last level take the tails.
    """
    values = ops.expand_dims(ops.cast(samples, "float32") * (2.0 / (levels - 1)) - 1.0, -1)
    weights, means, scales = ops.split(parameters, 3, axis=-1)
    inverse = ops.exp(-ops.maximum(scales, -9.0))
    half = 1.0 / (levels - 1)
    upper, lower = (values - means + half) * inverse, (values - means - half) * inverse
    # log(σ(u) - σ(l)) without cancellation: σ(u) - σ(l) = σ(u) σ(-l) (1 - e^(l - u)).
    middle = ops.log_sigmoid(upper) + ops.log_sigmoid(-lower) + ops.log1p(-ops.exp(lower - upper))
    likelihood = ops.where(
        values < -0.9999,
        ops.log_sigmoid(upper),
        ops.where(values > 0.9999, ops.log_sigmoid(-lower), middle),
    )
    return -ops.logsumexp(likelihood + ops.log_softmax(weights, axis=-1), axis=-1)


def load(
    model: keras.Model, checkpoint: Checkpoint, config: WaveNetConfig | Mapping[str, Any]
) -> None:
    """Fill the model: from arrays named as its variables, or as the public TensorFlow layout names
    them.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    if any(name.removesuffix(":0") == family.PUBLIC for name in checkpoint.names()):
        fill(model, checkpoint, family.LAYOUT)
    else:
        assign(model, checkpoint)
