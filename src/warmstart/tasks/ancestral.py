"""Ancestral sampling from a DeepAR program: `encode` reads the context, `step` is called once a step for all samples.

The random numbers of a series depend on the seed and its place only, not on which series share its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.catalog import Entry
from warmstart.engines.base import Engine, TensorSpec
from warmstart.inputs.series import TimeSeries
from warmstart.inputs.windows import Past, Recipe

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

ROWS = 3200  # series x samples in one call of the engine: more than that only leaves the processor's caches
PARAMETERS = {"student_t": ("loc", "scale", "df"), "gaussian": ("loc", "scale"), "negative_binomial": ("mean", "alpha")}

Sampled = tuple[np.ndarray, dict[str, np.ndarray]]


def sample(engine: Engine, past: Past, recipe: Recipe, horizon: int, samples: int, names: Sequence[str],
           seeds: Sequence[Sequence[int]], *, keep: bool = False) -> Sampled:
    """Draw futures.

    Args:
        engine: with `encode` and `step`.
        past: N series.
        recipe: of the network.
        horizon: steps to draw.
        samples: per series.
        names: of the distribution's parameters, in the order of the network.
        seeds: one per series.
        keep: also return the parameters that each step was drawn with.

    Returns:
        float32 (N, samples, horizon) in the series' units; parameters by name, each as large, or none.
    """
    whole = past.observed[:, -recipe.context:]
    # Steps before the first of the series are no missing values: they are zeros, in training too.
    inside = np.maximum.accumulate(past.observed, axis=1)[:, -recipe.context:]
    holes = (inside & ~whole).any(1)
    count = len(past.scale)
    drawn = np.empty((count, samples, horizon), np.float32)
    kept = {name: np.empty((count, samples, horizon), np.float32) for name in names} if keep else {}
    for hollow, warm in ((False, 0), (True, recipe.context)):
        rows = np.flatnonzero(holes == hollow)
        if len(rows):
            part = Past(*(getattr(past, key)[rows] for key in ("values", "observed", "features", "static", "scale")))
            run = _Run(engine, part, recipe, horizon, samples, names, [seeds[int(row)] for row in rows], warm)
            drawn[rows], parameters = run.all(keep)
            for name, values in parameters.items():
                kept[name][rows] = values
    return drawn, kept


def states(engine: Engine, past: Past, recipe: Recipe) -> np.ndarray:
    """What the network knows behind the context: float32 (N, D)."""
    run = _Run(engine, past, recipe, 0, 1, ("loc",), [(0,)] * len(past.scale), 0)
    return run.encoded()[0].reshape(len(past.scale), -1)


class _Run:
    """The loop over one batch; with `warm` steps of the context walked through per sample, because of holes in it."""

    def __init__(self, engine: Engine, past: Past, recipe: Recipe, horizon: int, samples: int, names: Sequence[str],
                 seeds: Sequence[Sequence[int]], warm: int):
        self.engine, self.past, self.names, self.warm = engine, past, names, warm
        self.count, self.samples, self.steps = len(past.scale), samples, warm + horizon
        self.lags = np.array(recipe.lags)
        self.context = recipe.context
        self.fixed = past.values[:, : past.values.shape[1] - warm]  # what is the same in all samples
        self.random = [np.random.default_rng(seed) for seed in seeds]
        self.uniform = np.empty((self.count, 2, self.steps, samples), np.float32)
        if "mean" not in names:
            for row, random in enumerate(self.random):
                random.random(out=self.uniform[row], dtype=np.float32)

    def all(self, keep: bool) -> Sampled:
        past, rows = self.past, self.count * self.samples
        states, context = self.encoded()
        states, context = np.repeat(states, self.samples, 0), np.repeat(context, self.samples, 0)
        values = np.empty((self.steps, self.count, self.samples), np.float32)
        kept = {name: np.empty_like(values) for name in self.names} if keep else {}
        lags = np.empty((self.count, self.samples, len(self.lags)), np.float32)
        width, first = self.fixed.shape[1], self.context - self.warm
        observed = past.observed[:, width:]
        for k in range(self.steps):
            for column, lag in enumerate(self.lags):
                lags[..., column] = values[k - lag] if lag <= k else self.fixed[:, width + k - lag, None]
            features = np.repeat(past.features[:, first + k], self.samples, 0)
            out = self.engine.run("step", lags=lags.reshape(rows, -1), features=features, context=context,
                                  states=states)
            states = out["states"]
            parameters = out["parameters"].reshape(self.count, self.samples, -1)
            values[k] = self._drawn(parameters, k)
            if k < self.warm:
                seen = observed[:, k]
                values[k, seen] = past.values[seen, width + k, None]
            for place, name in enumerate(kept):
                kept[name][k] = parameters[..., place]
        scale = past.scale[:, None, None]
        powers = {"loc": 1.0, "scale": 1.0, "mean": 1.0, "alpha": -0.5, "df": 0.0}
        future = values[self.warm:].transpose(1, 2, 0) * scale
        if "mean" in self.names:
            future = np.rint(future)  # counts; scaling and back leaves rounding errors
        return future, {name: v[self.warm:].transpose(1, 2, 0) * scale ** powers[name] for name, v in kept.items()}

    def encoded(self) -> tuple[np.ndarray, np.ndarray]:
        """States and context of the network behind the part of the context that all samples share."""
        past, width = self.past, self.fixed.shape[1]
        steps = self.context - self.warm
        if steps == 0:  # a single step makes the context; its states are not used
            steps = 1
        places = width - self.context + self.warm + np.arange(steps)[:, None] - self.lags
        arrays = {"lags": past.values[:, places], "features": past.features[:, :steps],
                  "log_scale": np.log(past.scale)[:, None]}
        if past.static.shape[1]:
            arrays["static"] = past.static
        out = self.engine.run("encode", **arrays)
        return np.zeros_like(out["states"]) if self.warm else out["states"], out["context"]

    def _drawn(self, parameters: np.ndarray, k: int) -> np.ndarray:
        if "mean" in self.names:
            return self._counts(parameters)
        # Box and Muller for the normal; Bailey (1994) for Student's t: exact, from two uniform numbers.
        u, v = 1.0 - self.uniform[:, 0, k], self.uniform[:, 1, k]
        if "df" in self.names:
            df = parameters[..., 2]
            radius = np.sqrt(df * np.expm1(np.log(u) * (-2.0 / df)))
        else:
            radius = np.sqrt(-2.0 * np.log(u))
        return parameters[..., 0] + parameters[..., 1] * radius * np.cos(np.float32(2 * np.pi) * v)

    def _counts(self, parameters: np.ndarray) -> np.ndarray:
        """Negative binomial as a Poisson whose rate is a gamma, in the series' units, then scaled."""
        scale = self.past.scale[:, None]
        mean, alpha = parameters[..., 0] * scale, parameters[..., 1] / np.sqrt(scale)
        drawn = np.empty(mean.shape)
        for row, random in enumerate(self.random):
            rate = random.gamma(1.0 / alpha[row], alpha[row] * mean[row])
            drawn[row] = random.poisson(np.minimum(rate, 1e15))
        return drawn / scale


class DeepAR:
    """One model; see `tasks.forecasting.Method`."""

    def __init__(self, entry: Entry):
        self.recipe = Recipe.from_dict(entry.processing)
        self.names = PARAMETERS[entry.config.get("distribution", "student_t")]
        self.horizon, self.freq, self.known = self.recipe.horizon, self.recipe.freq, self.recipe.known
        self.static = tuple(name for name in self.recipe.categories if name != self.recipe.item)

    def check(self, series: TimeSeries, horizon: int) -> None:
        self.recipe.check(series, horizon)

    def batch_size(self, samples: int) -> int:
        return max(1, ROWS // samples)

    def answer(self, engine: Engine, many: Sequence[TimeSeries], horizon: int, samples: int,
               seeds: Sequence[Sequence[int]], keep: bool) -> list[dict[str, Any]]:
        """Samples of each series, and parameters if they are to be kept."""
        drawn, kept = sample(engine, Past.of(many, self.recipe, horizon), self.recipe, horizon, samples, self.names,
                             seeds, keep=keep)
        return [{"samples": row, "parameters": {name: values[place] for name, values in kept.items()}}
                for place, row in enumerate(drawn)]

    def states(self, engine: Engine, many: Sequence[TimeSeries]) -> np.ndarray:
        """What the network knows behind the context: float32 (N, D)."""
        return states(engine, Past.of(many, self.recipe, 0), self.recipe)

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`encode` and `step`; see `warmstart.models.deepar.functions`."""
        from warmstart.engines.keras import Function, Program
        from warmstart.models import deepar

        config = deepar.config_of(entry.config)
        encode, step = deepar.functions(model, config)
        width = 1 + sum(embedding.output_dim for embedding in model.get_layer("inputs").embeddings)
        first, second = program_specs(Recipe.from_dict(entry.processing), config.hidden, config.layers, width)
        return Program({"encode": Function(encode, first), "step": Function(step, second)}, model)


def program_specs(recipe: Recipe, hidden: int, layers: int, context: int) -> Any:
    """Input specs of `encode` and `step`, for `Program`."""
    lags, width = len(recipe.lags), recipe.width
    encode = [TensorSpec("lags", "float32", ("batch", "time", lags)),
              TensorSpec("features", "float32", ("batch", "time", width), -0.5, 0.5),
              TensorSpec("log_scale", "float32", ("batch", 1), -2.0, 8.0)]
    if recipe.categories:
        most = min(len(values) for values in recipe.categories.values())
        encode.append(TensorSpec("static", "int32", ("batch", len(recipe.categories)), 0, most))
    step = (TensorSpec("lags", "float32", ("batch", lags)),
            TensorSpec("features", "float32", ("batch", width), -0.5, 0.5),
            TensorSpec("context", "float32", ("batch", context), -1.0, 1.0),
            TensorSpec("states", "float32", ("batch", 2 * layers, hidden), -1.0, 1.0))
    return tuple(encode), step
