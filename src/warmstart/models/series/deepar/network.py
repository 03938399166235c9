"""DeepAR: an autoregressive LSTM that predicts the distribution of a series' next value.

Source: Salinas, Flunkert, Gasthaus: DeepAR: Probabilistic Forecasting with Autoregressive Recurrent
Networks (2017), arXiv:1704.04110. At each step the network sees earlier values of the series,
scaled, and covariates; its output are the parameters of the distribution of the present value. One
network is trained on all series.

| | here | after |
|---|---|---|
| LSTM layers, the likelihood over the whole window, ancestral sampling | section 3 | paper |
| scale of a series | mean absolute value of its observed context; its log is an input | GluonTS (paper: 1 + mean) |
| earlier values seen | those at the lags of the frequency | GluonTS (paper: the last one) |
| covariates | calendar at -0.5..0.5, age log10(2 + t), known ones, an embedding per static category | both |
| categories | embedding of min(50, (n + 1) // 2); number 0 is "never seen" | GluonTS; the 0 is ours |
| Gaussian, negative binomial | mean, softplus; shape divided by the root of the scale | paper, section 3.1 |
| a straight path from the lags to the location, beginning as seasonal naive | `shortcut` | ours |
| Student-t | location, scale, degrees of freedom above 2 | GluonTS |
| missing values | left out of the loss; the model's own samples stand for them | paper, section 4 |
| training windows | uniform, or in proportion to the scale | paper, section 3.3 |

The network computes on scaled values; whoever runs it divides by the scale before and multiplies
after.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers, ops

from warmstart.checkpoints.layout import load_by_name
from warmstart.models.series.deepar.family import PARAMETERS, DeepARConfig, state_names
from warmstart.models.series.lstm import LSTM


def build(config: DeepARConfig | Mapping[str, Any], *, fused: bool = True) -> keras.Model:
    """Build the network.

    Args:
        config: its sizes.
        fused: see `LSTM`; the weights are the same.

    Returns:
        A `keras.Model` from `lags` float32 (B, T, L) (scaled), `features` float32 (B, T, F),
        `log_scale` float32 (B, 1) and, with categories, `static` int32 (B, C), to the
        distribution's parameters on the scaled series, float32 (B, T, P) in the order of
        `PARAMETERS`.
    """
    config = DeepARConfig.of(config)
    lags = keras.Input((None, len(config.lags)), name="lags")
    features = keras.Input((None, config.features), name="features")
    log_scale = keras.Input((1,), name="log_scale")
    inputs = {"lags": lags, "features": features, "log_scale": log_scale}
    if config.cardinalities:
        inputs["static"] = keras.Input((len(config.cardinalities),), dtype="int32", name="static")
    x = Inputs(config, name="inputs")(inputs)
    for n in range(config.layers):
        x = LSTM(config.hidden, fused=fused, name=f"lstm_{n + 1}")(x)
        x = layers.Dropout(config.dropout, name=f"dropout_{n + 1}")(x)
    # With a shortcut the head begins with zeros: the first forecasts are then those of seasonal
    # naive.
    head = "zeros" if config.shortcut else "glorot_uniform"
    raw = layers.Dense(
        len(PARAMETERS[config.distribution]),
        kernel_initializer=head,
        name="parameters",
        dtype="float32",
    )(x)
    if config.shortcut:
        begin = _one_at(config.lags.index(config.shortcut))
        raw = _shifted(
            raw, layers.Dense(1, use_bias=False, kernel_initializer=begin, name="shortcut")(lags)
        )
    return keras.Model(inputs, Domain(config.distribution, name="domain")(raw), name="deepar")


def _one_at(index: int) -> Any:
    def values(shape: tuple[int, ...], dtype: Any = None) -> Any:
        return ops.cast(ops.expand_dims(ops.arange(shape[0]) == index, -1), dtype or "float32")

    return values


def _shifted(raw: Any, straight: Any) -> Any:
    """The first parameter, the location, moved by (…, 1)."""
    return ops.concatenate([raw[..., :1] + straight, raw[..., 1:]], -1)


class Inputs(layers.Layer):
    """Lags, features, log of the scale and embeddings side by side: (B, T, D)."""

    def __init__(self, config: DeepARConfig, **options: Any):
        super().__init__(**options)
        self.embeddings = [
            layers.Embedding(n + 1, min(50, (n + 1) // 2), name=f"embedding_{index + 1}")
            for index, n in enumerate(config.cardinalities)
        ]
        self.width = (
            len(config.lags) + config.features + 1 + sum(e.output_dim for e in self.embeddings)
        )

    def build(self, input_shape: Any) -> None:
        for embedding in self.embeddings:
            embedding.build((None,))

    def static(self, log_scale: Any, static: Any = None) -> Any:
        """The inputs that are the same at every step: (B, S)."""
        return ops.concatenate(
            [log_scale, *(e(static[:, n]) for n, e in enumerate(self.embeddings))], -1
        )

    def call(self, inputs: Mapping[str, Any]) -> Any:
        static = self.static(inputs["log_scale"], inputs.get("static"))
        everywhere = ops.repeat(static[:, None, :], ops.shape(inputs["lags"])[1], axis=1)
        return ops.concatenate([inputs["lags"], inputs["features"], everywhere], -1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape["lags"][:-1], self.width)


class Domain(layers.Layer):
    """Map raw outputs to the domain of the distribution's parameters."""

    def __init__(self, distribution: str, **options: Any):
        super().__init__(**options)
        self.distribution = distribution

    def call(self, raw: Any) -> Any:
        columns = ops.split(raw, raw.shape[-1], axis=-1)
        if self.distribution == "student_t":
            done = [columns[0], _positive(columns[1]), 2.0 + _positive(columns[2])]
        elif self.distribution == "gaussian":
            done = [columns[0], _positive(columns[1])]
        else:
            done = [_positive(columns[0]), _positive(columns[1])]
        return ops.concatenate(done, -1)


def _positive(x: Any) -> Any:
    """softplus, which stays above zero even if float32 would round it to zero."""
    return ops.softplus(x) + 1e-6


def log_gamma(x: Any) -> Any:
    """Logarithm of the gamma function for x > 0, within 1e-6: Stirling's series eight steps further
    on.
    """
    shifted = x + 8.0
    below = sum(ops.log(x + float(n)) for n in range(8))  # of their product float32 would overflow
    series = 1 / (12 * shifted) - 1 / (360 * shifted**3) + 1 / (1260 * shifted**5)
    return (
        (shifted - 0.5) * ops.log(shifted) - shifted + 0.5 * math.log(2 * math.pi) + series - below
    )


def negative_log_likelihood(distribution: str) -> Any:
    """The loss: `truth` float32 (B, T, 3) is (value, weight, scale), in the series' own units; see
    `build` for the parameters. Returns (B, T) whose mean is the mean over the weights."""

    def loss(truth: Any, parameters: Any) -> Any:
        value, weight, scale = truth[..., 0], truth[..., 1], truth[..., 2]
        if distribution == "negative_binomial":
            # alpha / sqrt(scale): paper, section 3.3
            each = _negative_binomial(
                value, parameters[..., 0] * scale, parameters[..., 1] / ops.sqrt(scale)
            )
        else:
            z = (value / scale - parameters[..., 0]) / parameters[..., 1]
            each = ops.log(parameters[..., 1]) + ops.log(scale)
            if distribution == "gaussian":
                each = each + 0.5 * z**2 + 0.5 * math.log(2 * math.pi)
            else:
                df = parameters[..., 2]
                each = (
                    each
                    + 0.5 * ops.log(df * math.pi)
                    + log_gamma(df / 2)
                    - log_gamma((df + 1) / 2)
                    + (df + 1) / 2 * ops.log(1.0 + z**2 / df)
                )
        size = ops.cast(ops.size(weight), weight.dtype)
        return each * weight * (size / ops.maximum(ops.sum(weight), 1.0))

    return loss


def _negative_binomial(count: Any, mean: Any, alpha: Any) -> Any:
    """In float64: of counts in the millions, float32 leaves nothing of differences of logarithms."""
    count, mean, alpha = (ops.cast(value, "float64") for value in (count, mean, alpha))
    shape = 1.0 / alpha
    log_rate = ops.log1p(alpha * mean)
    likelihood = (
        log_gamma(count + 1.0)
        + log_gamma(shape)
        - log_gamma(count + shape)
        + shape * log_rate
        + count * (log_rate - ops.log(alpha * mean))
    )
    return ops.cast(likelihood, "float32")


def functions(model: keras.Model, config: DeepARConfig | Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """`project`, `encode` and `step` for engines, on the model's weights.

    What is known before sampling is multiplied once per series: G = 4 * hidden numbers per
    step that the first layer's gates begin with, and one more if there is a shortcut.

    Returns:
        project(lags (B, T, L), features (B, T, F), log_scale (B, 1), static int32 (B, C), if any)
        -> dict of `projected` (B, T, G), of all steps, zeros standing for lags that are not known
        yet, and `kernel` (L, G), what the lags are multiplied by; encode(projected (B, T, G)) ->
        dict of the states after the last step, `hidden_1` (B, hidden), `cell_1`, … of each layer;
        step(recent (B, S, M), kernel (M, G), projected (B, 1, G), hidden_1 (B, S, hidden), cell_1,
        …) -> dict of `parameters` (B, S, P) and the new states, for S samples of each series;
        `recent` are the lags that differ between samples, `kernel` are their rows.
    """
    import tensorflow as tf

    config = DeepARConfig.of(config)
    inputs, head, domain = (model.get_layer(name) for name in ("inputs", "parameters", "domain"))
    stack = [model.get_layer(f"lstm_{n + 1}") for n in range(config.layers)]
    straight = model.get_layer("shortcut") if config.shortcut else None
    names = state_names(config.layers)
    width, lags_end = 4 * config.hidden, len(config.lags)
    features_end = lags_end + config.features

    def advance(projected: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        x, cell = stack[0].step(projected[..., :width], states[0], states[1])
        pieces = [x, cell]
        for n, layer in enumerate(stack[1:], 1):
            x, cell = layer.step_of(x, states[2 * n], states[2 * n + 1])
            pieces += [x, cell]
        return x, pieces

    def project(lags: Any, features: Any, log_scale: Any, static: Any = None) -> dict[str, Any]:
        first = tf.convert_to_tensor(stack[0].kernel)
        same = tf.matmul(inputs.static(log_scale, static), first[features_end:]) + stack[0].bias
        projected = tf.matmul(lags, first[:lags_end]) + tf.matmul(
            features, first[lags_end:features_end]
        )
        projected, kernel = projected + tf.expand_dims(same, 1), first[:lags_end]
        if straight is not None:
            projected = tf.concat([projected, straight(lags)], -1)
            kernel = tf.concat([kernel, tf.convert_to_tensor(straight.kernel)], -1)
        return {"projected": projected, "kernel": kernel}

    def encode(projected: Any) -> dict[str, Any]:
        zeros = tf.zeros((tf.shape(projected)[0], config.hidden))
        steps = tf.shape(projected)[1]

        def body(t: Any, *states: Any) -> list[Any]:
            return [t + 1, *advance(tf.gather(projected, t, axis=1), states)[1]]

        _, *states = tf.while_loop(
            lambda t, *states: t < steps, body, [tf.constant(0), *[zeros] * len(names)]
        )
        return dict(zip(names, states, strict=True))

    def step(recent: Any, kernel: Any, projected: Any, *states: Any) -> dict[str, Any]:
        projected = projected + tf.matmul(recent, kernel)
        x, after = advance(projected, states)
        raw = head(x) if straight is None else _shifted(head(x), projected[..., width:])
        return {"parameters": domain(raw), **dict(zip(names, after, strict=True))}

    return project, encode, step


load = load_by_name
