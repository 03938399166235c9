"""The dilated gated residual stack of WaveNet, for synthesis and recognition.

Source: van den Oord et al., "WaveNet: A Generative Model for Raw Audio" (2016), arXiv:1609.03499: dilated
convolutions (section 2.1), gated activation units (2.3), residual and skip connections (2.4), global and local
conditioning (2.5).

    z = tanh(Wf * x + Vf h) ⊙ σ(Wg * x + Vg h);   out = x + Wr z;   skip = Ws z

A stack of filter width k sees 1 + (k - 1) Σ dilations steps: its receptive field. Causal stacks see only the past;
the others half of it on each side.
"""

from collections.abc import Sequence
from typing import Any

from keras import layers, ops


class ResidualLayer(layers.Layer):
    """One gated residual layer.

    Args:
        channels: of the gated unit.
        residual: channels of the input and the output.
        skip: channels of the skip output; 0: the residual branch itself is the skip (one 1x1
            convolution, then tanh, for both, as speech-to-text recipes have it).
        filter_width, dilation: of the convolution.
        causal: whether it sees only the past.
        use_bias: of all convolutions.
        batch_norm: after each convolution, before its activation.
        global_channels, local_channels: of the conditioning vectors; 0: none.
        local_hold: steps that share one local vector.
        last: whether no layer follows: then there is only the skip output (where there is one).

    Weights have the shapes of Keras' convolutions: kernels (filter_width, in, out), 1x1
    convolutions (in, out).
    """

    def __init__(
        self,
        channels: int,
        *,
        residual: int,
        skip: int,
        filter_width: int,
        dilation: int,
        causal: bool,
        use_bias: bool = True,
        batch_norm: bool = False,
        global_channels: int = 0,
        local_channels: int = 0,
        local_hold: int = 1,
        last: bool = False,
        **options: Any,
    ):
        super().__init__(**options)
        self.channels, self.residual, self.skip = channels, residual, skip
        self.filter_width, self.dilation, self.causal = filter_width, dilation, causal
        self.use_bias, self.batch_norm = use_bias, batch_norm
        self.global_channels, self.local_channels = global_channels, local_channels
        self.local_hold = local_hold
        self.last = last and skip > 0
        if batch_norm:
            self.gate_norm = layers.BatchNormalization(name="gate_norm")
            self.out_norm = layers.BatchNormalization(name="out_norm")

    @property
    def reach(self) -> int:
        """Steps of the past (of both sides together, if it is not causal) that it sees besides
        the present.
        """
        return (self.filter_width - 1) * self.dilation

    def build(self, input_shape: Any) -> None:
        def weight(name: str, *shape: int) -> Any:
            initializer = "zeros" if name.endswith("bias") else "glorot_uniform"
            return self.add_weight(name=name, shape=shape, initializer=initializer)

        taps, inputs, out = self.filter_width, int(input_shape[-1]), self.channels
        self.filter_kernel = weight("filter_kernel", taps, inputs, out)
        self.gate_kernel = weight("gate_kernel", taps, inputs, out)
        if not self.last:
            self.residual_kernel = weight("residual_kernel", out, self.residual)
        if self.skip:
            self.skip_kernel = weight("skip_kernel", out, self.skip)
        if self.use_bias:
            self.filter_bias, self.gate_bias = weight("filter_bias", out), weight("gate_bias", out)
            if not self.last:
                self.residual_bias = weight("residual_bias", self.residual)
            if self.skip:
                self.skip_bias = weight("skip_bias", self.skip)
        for part, size in (("global", self.global_channels), ("local", self.local_channels)):
            if size:
                setattr(self, f"filter_{part}", weight(f"filter_{part}", size, out))
                setattr(self, f"gate_{part}", weight(f"gate_{part}", size, out))
        if self.batch_norm:
            self.gate_norm.build((*input_shape[:-1], 2 * out))
            self.out_norm.build((*input_shape[:-1], self.residual))
        self.built = True

    def call(
        self, x: Any, globals_: Any = None, locals_: Any = None, training: bool | None = None
    ) -> Any:
        """x: (B, T, C), globals_: (B, G), locals_: (B, at least T / hold, L) -> (output (B, T, C),
        skip (B, T, S)).
        """
        left = self.reach if self.causal else self.reach // 2
        padded = ops.pad(x, ((0, 0), (left, self.reach - left), (0, 0)))
        kernel = ops.concatenate([self.filter_kernel, self.gate_kernel], axis=-1)
        y = ops.conv(padded, kernel, strides=1, padding="valid", dilation_rate=self.dilation)
        if self.batch_norm:
            y = self.gate_norm(y, training=training)
        if self.use_bias or self.global_channels:
            y = y + ops.expand_dims(self.offset(globals_), 1)
        if self.local_channels:
            repeated = ops.repeat(ops.matmul(locals_, self.both("local")), self.local_hold, axis=1)
            y = y + ops.slice(
                repeated, (0, 0, 0), ops.shape(y)
            )  # its gradient is a quick one, that of [] is not
        return self.gated(x, y, training)

    def both(self, part: str) -> Any:
        """The filter's and the gate's weights side by side."""
        return ops.concatenate(
            [getattr(self, f"filter_{part}"), getattr(self, f"gate_{part}")], axis=-1
        )

    def offset(self, globals_: Any = None) -> Any:
        """The part that is the same at every step of a sequence: (B or 1, 2 * channels)."""
        bias = ops.expand_dims(self.both("bias"), 0) if self.use_bias else 0.0
        return bias + ops.matmul(globals_, self.both("global")) if self.global_channels else bias

    def gated(self, x: Any, y: Any, training: bool | None = None) -> Any:
        """From the convolution's result (…, 2 * channels) to (output, skip)."""
        value, gate = ops.split(y, 2, axis=-1)
        z = ops.tanh(value) * ops.sigmoid(gate)
        skip = None
        if self.skip:
            skip = ops.matmul(z, self.skip_kernel)
            skip = skip + self.skip_bias if self.use_bias else skip
            if self.last:
                return x, skip
        out = ops.matmul(z, self.residual_kernel)
        if self.batch_norm:
            out = self.out_norm(out, training=training)
        if self.use_bias:
            out = out + self.residual_bias
        if skip is None:
            out = skip = ops.tanh(out)
        return x + out, skip

    def get_config(self) -> dict[str, Any]:
        names = (
            "channels",
            "residual",
            "skip",
            "filter_width",
            "dilation",
            "causal",
            "use_bias",
            "batch_norm",
            "global_channels",
            "local_channels",
            "local_hold",
            "last",
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class Stack(layers.Layer):
    """Residual layers one after the other; the sum of their skips is the result.

    Args:
        dilations: one per layer.
        **options: those of `ResidualLayer`.
    """

    def __init__(
        self,
        dilations: Sequence[int],
        *,
        name: str = "stack",
        trainable: bool = True,
        dtype: Any = None,
        **options: Any,
    ):
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.dilations, self.options = tuple(dilations), options
        self.units = [
            ResidualLayer(
                dilation=d, name=f"layer{i}", last=i == len(self.dilations) - 1, **options
            )
            for i, d in enumerate(self.dilations)
        ]

    def build(self, input_shape: Any) -> None:
        for unit in self.units:
            unit.build(input_shape)
        self.built = True

    def call(
        self, x: Any, globals_: Any = None, locals_: Any = None, training: bool | None = None
    ) -> Any:
        """x: (B, T, C) -> the sum of the skips (B, T, S)."""
        total = None
        for unit in self.units:
            x, skip = unit(x, globals_, locals_, training=training)
            total = skip if total is None else total + skip
        return total

    def compute_output_shape(self, input_shape: Any, *_: Any, **__: Any) -> Any:
        unit = self.units[0]
        return (*input_shape[:-1], unit.skip or unit.residual)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dilations": self.dilations, **self.options}


def conv_norm(x: Any, channels: int, *, batch_norm: bool, name: str) -> Any:
    """A 1x1 convolution, and a batch normalisation instead of its bias."""
    x = layers.Dense(channels, name=name)(x)
    return layers.BatchNormalization(name=f"{name}_norm")(x) if batch_norm else x
