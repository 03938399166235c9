"""DeepAR: an autoregressive LSTM that gives the distribution of a series' next value.

Source: Salinas, Flunkert, Gasthaus: DeepAR: Probabilistic Forecasting with Autoregressive Recurrent Networks (2017),
arXiv:1704.04110. At each step the network sees earlier values of the series, scaled, and covariates; its output are
the parameters of the distribution of the present value. One network is trained on all series.

| | here | after |
|---|---|---|
| LSTM layers, the likelihood over the whole window, ancestral sampling | section 3 | paper |
| scale of a series | mean absolute value of its observed context; its log is an input | GluonTS (paper: 1 + mean) |
| earlier values seen | those at the lags of the frequency | GluonTS (paper: the last one) |
| covariates | calendar at -0.5..0.5, age log10(2 + t), known ones, an embedding per static category | both |
| categories | embedding of min(50, (n + 1) // 2); number 0 is "never seen" | GluonTS; the 0 is ours |
| Gaussian, negative binomial | mean, softplus; shape divided by the root of the scale | paper, section 3.1 |
| Student-t | location, scale, degrees of freedom above 2 | GluonTS |
| missing values | left out of the loss; the model's own samples stand for them | paper, section 4 |
| training windows | uniform, or in proportion to the scale | paper, section 3.3 |

The network computes on scaled values; whoever runs it divides by the scale before and multiplies after.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from warmstart.errors import UsageError
from warmstart.models.lstm import LSTM

if TYPE_CHECKING:
    from warmstart.checkpoints import Checkpoint

PARAMETERS = {"student_t": ("loc", "scale", "df"), "gaussian": ("loc", "scale"), "negative_binomial": ("mean", "alpha")}
LARGEST = {"lags": 4096, "features": 4096, "hidden": 8192, "layers": 64, "categories": 64}


@dataclass(frozen=True)
class DeepARConfig:
    """Sizes of one network.

    Attributes:
        lags: of the earlier values it sees, in steps.
        features: calendar, age and covariates per step.
        cardinalities: number of known values of each static category.
        distribution: `"student_t"`, `"gaussian"` or `"negative_binomial"`.
        hidden, layers: of the LSTM.
        dropout: between its layers and before the output, while training.
    """

    lags: tuple[int, ...]
    features: int
    cardinalities: tuple[int, ...] = ()
    distribution: str = "student_t"
    hidden: int = 40
    layers: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "lags", tuple(int(lag) for lag in self.lags))
        object.__setattr__(self, "cardinalities", tuple(int(n) for n in self.cardinalities))
        if self.distribution not in PARAMETERS:
            raise UsageError(f"distribution is one of {', '.join(PARAMETERS)}, not {self.distribution!r}.")
        sizes = {"lags": len(self.lags), "features": self.features, "hidden": self.hidden, "layers": self.layers,
                 "categories": len(self.cardinalities) + 1}
        for key, size in sizes.items():
            if not 1 <= size <= LARGEST[key]:
                raise UsageError(f"deepar: {key} must be 1 to {LARGEST[key]}, not {size}.")
        if min(self.lags) < 1 or max(self.cardinalities, default=0) > 10_000_000:
            raise UsageError("deepar: lags are 1 or more, cardinalities at most 10,000,000.")

    def to_dict(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def config_of(config: DeepARConfig | Mapping[str, Any]) -> DeepARConfig:
    """The config from JSON values.

    Raises:
        UsageError: a key is unknown or missing, or a size is absurd.
    """
    if isinstance(config, DeepARConfig):
        return config
    known = {field.name for field in fields(DeepARConfig)}
    try:
        return DeepARConfig(**config)
    except TypeError as error:
        unknown = sorted(set(config) - known)
        raise UsageError(f"deepar: {f'unknown key {unknown[0]!r}' if unknown else error}") from None


def build(config: DeepARConfig | Mapping[str, Any], *, fused: bool = True) -> keras.Model:
    """Build the network.

    Args:
        config: its sizes.
        fused: see `LSTM`; the weights are the same.

    Returns:
        A `keras.Model` from `lags` float32 (B, T, L) (scaled), `features` float32 (B, T, F), `log_scale` float32
        (B, 1) and, with categories, `static` int32 (B, C), to the distribution's parameters on the scaled series,
        float32 (B, T, P) in the order of `PARAMETERS`.
    """
    config = config_of(config)
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
    raw = layers.Dense(len(PARAMETERS[config.distribution]), name="parameters", dtype="float32")(x)
    return keras.Model(inputs, Domain(config.distribution, name="domain")(raw), name="deepar")


class Inputs(layers.Layer):
    """Lags, features, log of the scale and embeddings side by side: (B, T, D)."""

    def __init__(self, config: DeepARConfig, **options: Any):
        super().__init__(**options)
        self.embeddings = [layers.Embedding(n + 1, min(50, (n + 1) // 2), name=f"embedding_{place + 1}")
                           for place, n in enumerate(config.cardinalities)]
        self.width = len(config.lags) + config.features + 1 + sum(e.output_dim for e in self.embeddings)

    def build(self, input_shape: Any) -> None:
        for embedding in self.embeddings:
            embedding.build((None,))

    def static(self, log_scale: Any, static: Any = None) -> Any:
        """What is the same at every step: (B, S)."""
        return ops.concatenate([log_scale, *(e(static[:, n]) for n, e in enumerate(self.embeddings))], -1)

    def call(self, inputs: Mapping[str, Any]) -> Any:
        static = self.static(inputs["log_scale"], inputs.get("static"))
        everywhere = ops.repeat(static[:, None, :], ops.shape(inputs["lags"])[1], axis=1)
        return ops.concatenate([inputs["lags"], inputs["features"], everywhere], -1)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return (*input_shape["lags"][:-1], self.width)


class Domain(layers.Layer):
    """Bring raw outputs to where the distribution's parameters live."""

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
    """softplus, kept off zero where float32 would round it there."""
    return ops.softplus(x) + 1e-6


def log_gamma(x: Any) -> Any:
    """Logarithm of the gamma function for x > 0, within 1e-6: Stirling's series eight steps further on."""
    shifted = x + 8.0
    below = sum(ops.log(x + float(n)) for n in range(8))  # of their product float32 would overflow
    series = 1 / (12 * shifted) - 1 / (360 * shifted**3) + 1 / (1260 * shifted**5)
    return (shifted - 0.5) * ops.log(shifted) - shifted + 0.5 * math.log(2 * math.pi) + series - below


def negative_log_likelihood(distribution: str) -> Any:
    """The loss: `truth` float32 (B, T, 3) is (value, weight, scale), in the series' own units; see `build` for the
    parameters. Returns (B, T) whose mean is the mean over the weights."""

    def loss(truth: Any, parameters: Any) -> Any:
        value, weight, scale = truth[..., 0], truth[..., 1], truth[..., 2]
        if distribution == "negative_binomial":
            # alpha / sqrt(scale): paper, section 3.3
            each = _negative_binomial(value, parameters[..., 0] * scale, parameters[..., 1] / ops.sqrt(scale))
        else:
            z = (value / scale - parameters[..., 0]) / parameters[..., 1]
            each = ops.log(parameters[..., 1]) + ops.log(scale)
            if distribution == "gaussian":
                each = each + 0.5 * z**2 + 0.5 * math.log(2 * math.pi)
            else:
                df = parameters[..., 2]
                each = (each + 0.5 * ops.log(df * math.pi) + log_gamma(df / 2) - log_gamma((df + 1) / 2)
                        + (df + 1) / 2 * ops.log(1.0 + z**2 / df))
        size = ops.cast(ops.size(weight), weight.dtype)
        return each * weight * (size / ops.maximum(ops.sum(weight), 1.0))

    return loss


def _negative_binomial(count: Any, mean: Any, alpha: Any) -> Any:
    shape = 1.0 / alpha
    log_rate = ops.log1p(alpha * mean)
    return (log_gamma(count + 1.0) + log_gamma(shape) - log_gamma(count + shape) + shape * log_rate
            + count * (log_rate - ops.log(alpha * mean)))


def load(model: keras.Model, checkpoint: Checkpoint, config: DeepARConfig | Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint, whose arrays have the names of its variables: all of it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    from warmstart.checkpoints import assign

    assign(model, checkpoint)


def functions(model: keras.Model, config: DeepARConfig | Mapping[str, Any]) -> tuple[Any, Any]:
    """`encode` and `step` for engines, on the model's weights; states are (B, 2 * layers, hidden).

    Returns:
        encode(lags (B, T, L), features (B, T, F), log_scale (B, 1), static int32 (B, C), if any) -> dict of
        `states` after the last step and `context` (B, S), what is the same at every step;
        step(lags (B, L), features (B, F), context (B, S), states) -> dict of `parameters` (B, P) and new `states`.
    """
    import tensorflow as tf

    config = config_of(config)
    inputs, head, domain = (model.get_layer(name) for name in ("inputs", "parameters", "domain"))
    stack = [model.get_layer(f"lstm_{n + 1}") for n in range(config.layers)]

    def advance(x: Any, states: Any) -> tuple[Any, Any]:
        pieces = []
        for n, layer in enumerate(stack):
            x, cell = layer.step(layer.project(x), states[:, 2 * n], states[:, 2 * n + 1])
            pieces += [x, cell]
        return x, tf.stack(pieces, 1)

    def encode(lags: Any, features: Any, log_scale: Any, static: Any = None) -> dict[str, Any]:
        context = inputs.static(log_scale, static)
        zeros = tf.zeros((tf.shape(lags)[0], 2 * config.layers, config.hidden))
        steps = tf.shape(lags)[1]

        def body(t: Any, states: Any) -> tuple[Any, Any]:
            x = tf.concat([tf.gather(lags, t, axis=1), tf.gather(features, t, axis=1), context], -1)
            return t + 1, advance(x, states)[1]

        _, states = tf.while_loop(lambda t, states: t < steps, body, (tf.constant(0), zeros))
        return {"states": states, "context": context}

    def step(lags: Any, features: Any, context: Any, states: Any) -> dict[str, Any]:
        x, states = advance(tf.concat([lags, features, context], -1), states)
        return {"parameters": domain(head(x)), "states": states}

    return encode, step
