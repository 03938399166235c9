"""Ancestral sampling from a DeepAR program: `project` multiplies what is known, `encode` reads the context, `step` is
called once a step for all samples.

The random numbers of a series depend on the seed and its place only, not on which series share its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.catalog import Entry
from warmstart.engines.base import Engine, TensorSpec
from warmstart.models.series.deepar.family import PARAMETERS
from warmstart.series.features import Past, Recipe
from warmstart.series.time_series import TimeSeries

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

ROWS = 1600  # series x samples in one call of `step`: more than that leaves the processor's caches
BATCH = 6400  # series x samples that are prepared together
POWERS = {"loc": 1.0, "scale": 1.0, "mean": 1.0, "alpha": -0.5, "df": 0.0}  # of a series' scale, in its parameters

Sampled = tuple[np.ndarray, dict[str, np.ndarray]]


def sample(engine: Engine, past: Past, recipe: Recipe, horizon: int, samples: int, names: Sequence[str],
           seeds: Sequence[Sequence[int]], *, keep: bool = False) -> Sampled:
    """Draw futures.

    Args:
        engine: with `project`, `encode` and `step`; see `models.series.deepar.network.functions`.
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
    size = max(1, ROWS // samples)
    for hollow, warm in ((False, 0), (True, recipe.context)):
        rows = np.flatnonzero(holes == hollow)
        if not len(rows):
            continue
        known = _Known.of(engine, past.rows(rows), recipe, horizon, warm)
        parts = [slice(first, first + size) for first in range(0, len(rows), size)]

        def one(worker: Engine, part: slice, rows: np.ndarray = rows, known: _Known = known) -> None:
            here = rows[part]
            run = _Run(worker, known.rows(part), samples, names, [seeds[int(row)] for row in here])
            drawn[here], parameters = run.all(keep)
            for name, values in parameters.items():
                kept[name][here] = values

        _share_out(engine.workers(), parts, one)
    return drawn, kept


def _share_out(workers: Sequence[Engine], parts: Sequence[slice], one: Callable[[Engine, slice], None]) -> None:
    """Call `one` with every part, each worker with every so-manieth of them."""
    workers = workers[:len(parts)]

    def several(place: int) -> None:
        for part in parts[place::len(workers)]:
            one(workers[place], part)

    if len(workers) < 2:
        several(0)
        return
    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(several, range(len(workers))))


def states(engine: Engine, past: Past, recipe: Recipe) -> np.ndarray:
    """What the network knows behind the context: float32 (N, D)."""
    found = _Known.of(engine, past, recipe, 0, 0).states
    return np.concatenate([found[name] for name in sorted(found, key=lambda name: (name[-1], name[0] == "c"))], 1)


@dataclass(frozen=True, eq=False)
class _Known:
    """What all samples of a series share, computed once for it.

    Attributes:
        past: N series.
        lags: in the order of the network.
        warm: steps of the context that each sample walks through by itself, because of holes in it.
        fixed: (N, past - warm), values that are the same in all samples.
        projected: (N, warm + horizon, G), what each step knows beforehand.
        kernel: (L, G), what lags are multiplied by.
        states: by name, (N, hidden), where the samples begin.
    """

    past: Past
    lags: np.ndarray
    warm: int
    fixed: np.ndarray
    projected: np.ndarray
    kernel: np.ndarray
    states: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, engine: Engine, past: Past, recipe: Recipe, horizon: int, warm: int) -> _Known:
        lags, context, length = np.array(recipe.lags), recipe.context, past.values.shape[1]
        fixed = past.values[:, : length - warm]
        places = length - context + np.arange(context + horizon)[:, None] - lags
        # Lags that are not known yet are zero here: the last column.
        table = np.concatenate([fixed, np.zeros((len(fixed), 1), np.float32)], 1)
        arrays = {"lags": table[:, np.where(places < fixed.shape[1], places, -1)], "features": past.features,
                  "log_scale": np.log(past.scale)[:, None]}
        if past.static.shape[1]:
            arrays["static"] = past.static
        out = engine.run("project", **arrays)
        projected = out["projected"]
        if warm:
            states = {spec.name: np.zeros((len(fixed), int(spec.shape[-1])), np.float32)
                      for spec in engine.signatures["step"].inputs if spec.name.startswith(("hidden", "cell"))}
        else:
            states = engine.run("encode", projected=np.ascontiguousarray(projected[:, :context]))
        return cls(past, lags, warm, fixed, projected[:, context - warm:], out["kernel"], states)

    def rows(self, part: slice) -> _Known:
        """Some of the series."""
        return replace(self, past=self.past.rows(part), fixed=self.fixed[part], projected=self.projected[part],
                       states={name: value[part] for name, value in self.states.items()})


class _Run:
    """The loop over steps, for all samples of some series at once."""

    def __init__(self, engine: Engine, known: _Known, samples: int, names: Sequence[str],
                 seeds: Sequence[Sequence[int]]):
        self.engine, self.known, self.names = engine, known, names
        self.count, self.samples, self.steps = len(known.fixed), samples, known.projected.shape[1]
        self.random = [np.random.default_rng(seed) for seed in seeds]
        if "mean" not in names:
            uniform = np.empty((self.count, 2, self.steps, samples), np.float32)
            for row, random in enumerate(self.random):
                random.random(out=uniform[row], dtype=np.float32)
            # Box and Muller for the normal; Bailey (1994) for Student's t: exact, from two uniform numbers.
            self.log = np.log(1.0 - uniform[:, 0])
            self.cosine = np.cos(np.float32(2 * np.pi) * uniform[:, 1])

    def all(self, keep: bool) -> Sampled:
        known, past, warm = self.known, self.known.past, self.known.warm
        shape = (self.count, self.samples)
        states = {name: np.repeat(value[:, None], self.samples, 1) for name, value in known.states.items()}
        values = np.empty((self.steps, *shape), np.float32)
        kept = {name: np.empty_like(values) for name in self.names} if keep else {}
        near = np.flatnonzero(known.lags < max(self.steps, 2))  # no lag at all would be an empty array
        kernel = np.ascontiguousarray(known.kernel[near])
        recent = np.zeros((*shape, len(near)), np.float32)
        columns = list(enumerate(known.lags[near].tolist()))
        observed = past.observed[:, known.fixed.shape[1]:]
        for k in range(self.steps):
            for column, lag in columns:
                if lag <= k:
                    recent[..., column] = values[k - lag]
            states = self.engine.run("step", recent=recent, kernel=kernel,
                                     projected=np.ascontiguousarray(known.projected[:, k:k + 1]), **states)
            parameters = states.pop("parameters")
            values[k] = self._drawn(parameters, k)
            if k < warm:
                seen = observed[:, k]
                values[k, seen] = past.values[seen, known.fixed.shape[1] + k, None]
            for place, name in enumerate(kept):
                kept[name][k] = parameters[..., place]
        scale = past.scale[:, None, None]
        future = values[warm:].transpose(1, 2, 0) * scale
        if "mean" in self.names:
            future = np.rint(future)  # counts; scaling and back leaves rounding errors
        return future, {name: v[warm:].transpose(1, 2, 0) * scale ** POWERS[name] for name, v in kept.items()}

    def _drawn(self, parameters: np.ndarray, k: int) -> np.ndarray:
        if "mean" in self.names:
            return self._counts(parameters)
        if "df" in self.names:
            df = parameters[..., 2]
            radius = np.sqrt(df * np.expm1(self.log[:, k] * (-2.0 / df)))
        else:
            radius = np.sqrt(-2.0 * self.log[:, k])
        return parameters[..., 0] + parameters[..., 1] * radius * self.cosine[:, k]

    def _counts(self, parameters: np.ndarray) -> np.ndarray:
        """Negative binomial as a Poisson whose rate is a gamma, in the series' units, then scaled."""
        scale = self.known.past.scale[:, None]
        mean, alpha = parameters[..., 0] * scale, parameters[..., 1] / np.sqrt(scale)
        drawn = np.empty(mean.shape)
        for row, random in enumerate(self.random):
            rate = random.gamma(1.0 / alpha[row], alpha[row] * mean[row])
            drawn[row] = random.poisson(np.minimum(rate, 1e15))
        return drawn / scale


class DeepAR:
    """One model; see `series.forecasting.Method`."""

    def __init__(self, entry: Entry):
        self.recipe = Recipe.from_dict(entry.processing)
        self.names = PARAMETERS[entry.config.get("distribution", "student_t")]
        self.horizon, self.freq, self.known = self.recipe.horizon, self.recipe.freq, self.recipe.known
        self.static = tuple(name for name in self.recipe.categories if name != self.recipe.item)

    def check(self, series: TimeSeries, horizon: int) -> None:
        self.recipe.check(series, horizon)

    def batch_size(self, samples: int) -> int:
        return max(1, BATCH // samples)

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
        """`project`, `encode` and `step`; see `models.series.deepar.network.functions`."""
        from warmstart.engines.keras import Function, Program
        from warmstart.models.series.deepar import network as deepar

        config = deepar.config_of(entry.config)
        specs = program_specs(Recipe.from_dict(entry.processing), config.hidden, bool(config.shortcut),
                              deepar.state_names(config.layers))
        functions = zip(specs, deepar.functions(model, config), strict=True)
        return Program({name: Function(call, specs[name]) for name, call in functions}, model)


def program_specs(recipe: Recipe, hidden: int, shortcut: bool, states: Sequence[str]) -> dict[str, Any]:
    """Input specs of the functions of a `Program`."""
    lags, width = len(recipe.lags), 4 * hidden + shortcut
    project = [TensorSpec("lags", "float32", ("batch", "time", lags)),
               TensorSpec("features", "float32", ("batch", "time", recipe.width), -0.5, 0.5),
               TensorSpec("log_scale", "float32", ("batch", 1), -2.0, 8.0)]
    if recipe.categories:
        most = min(len(values) for values in recipe.categories.values())
        project.append(TensorSpec("static", "int32", ("batch", len(recipe.categories)), 0, most))
    step = [TensorSpec("recent", "float32", ("batch", "samples", "recent")),
            TensorSpec("kernel", "float32", ("recent", width), -0.5, 0.5),
            TensorSpec("projected", "float32", ("batch", 1, width), -1.0, 1.0),
            *(TensorSpec(name, "float32", ("batch", "samples", hidden), -1.0, 1.0) for name in states)]
    encode = [TensorSpec("projected", "float32", ("batch", "time", width), -1.0, 1.0)]
    return {"project": tuple(project), "encode": tuple(encode), "step": tuple(step)}
