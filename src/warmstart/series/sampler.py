"""Ancestral sampling from a DeepAR program.

`project` multiplies what is known, `encode` reads the context, `step` is called once a step for all
samples. The random numbers of a series depend on the seed and its index only, not on which series
share its batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from warmstart.engines.base import Engine, TensorSpec
from warmstart.series.features import Past, Recipe
from warmstart.series.scaling import Scaling

ROWS = 1600  # series x samples in one call of `step`: more than that leaves the processor's caches
POLL_SECONDS = 0.05  # between two chances to stop while threads sample
POWERS = {"scale": 1.0, "mean": 1.0, "alpha": -0.5, "df": 0.0}
"""The parameters that are in units of a series' scale; the location has its own rule."""

Array: TypeAlias = "NDArray[Any]"
Sampled: TypeAlias = "tuple[Array, dict[str, Array]]"
"""Sample paths and, by name, the parameters that they were sampled with."""


def sample(
    engine: Engine,
    past: Past,
    recipe: Recipe,
    horizon: int,
    samples: int,
    names: Sequence[str],
    seeds: Sequence[Sequence[int]],
    *,
    keep: bool = False,
) -> Generator[None, None, Sampled]:
    """Draw sample paths; yields between steps, where the caller may stop.

    Args:
        engine: with `project`, `encode` and `step`; see `models.series.deepar.network.functions`.
        past: N series.
        recipe: of the network.
        horizon: steps of a path.
        samples: paths per series.
        names: of the distribution's parameters, in the order of the network.
        seeds: one per series.
        keep: also return the parameters that each step was sampled with.

    Returns:
        float64 (N, samples, horizon) in the series' units, finite; parameters by name, each as
        large, or none.
    """
    observed = past.observed[:, -recipe.context :]
    # Steps before the first of the series are not missing values: they are zeros, in training too.
    inside = np.maximum.accumulate(past.observed, axis=1)[:, -recipe.context :]
    has_gaps = (inside & ~observed).any(1)
    count = len(past)
    paths = np.empty((count, samples, horizon), np.float32)
    parameters = (
        {name: np.empty((count, samples, horizon), np.float32) for name in names} if keep else {}
    )
    size = max(1, ROWS // samples)
    for gaps, warm in ((False, 0), (True, recipe.context)):
        rows = np.flatnonzero(has_gaps == gaps)
        if not len(rows):
            continue
        known = _Known.of(engine, past.rows(rows), recipe, horizon, warm)
        parts = [slice(first, first + size) for first in range(0, len(rows), size)]

        def sample_part(
            worker: Engine, part: slice, rows: Array = rows, known: _Known = known
        ) -> Generator[None, None, None]:
            indices = rows[part]
            run = _Run(
                worker, known.rows(part), samples, names, [seeds[int(index)] for index in indices]
            )
            paths[indices], sampled_with = yield from run.steps(keep)
            for name, values in sampled_with.items():
                parameters[name][indices] = values

        yield from _distribute(engine.workers(), parts, sample_part)
    values = past.scaling.in_units(paths)
    if "mean" in names:
        # Counts; scaling and back leaves rounding errors.
        values = np.maximum(np.rint(values), 0)
    return values, _in_units(past.scaling, parameters)


def _in_units(scaling: Scaling, parameters: Mapping[str, Array]) -> dict[str, Array]:
    """Parameters of scaled values, (N, S, H) each, as those of the series."""
    scale = scaling.size[:, None, None]
    return {
        name: scaling.in_units(values) if name == "loc" else values * scale ** POWERS[name]
        for name, values in parameters.items()
    }


def _distribute(
    workers: Sequence[Engine],
    parts: Sequence[slice],
    run: Callable[[Engine, slice], Generator[None, None, None]],
) -> Generator[None, None, None]:
    """Run all parts, each worker its share of them in a thread of its own; closing the generator
    stops the threads.
    """
    workers = workers[: len(parts)]
    if len(workers) < 2:
        for part in parts:
            yield from run(workers[0], part)
        return
    from concurrent.futures import ThreadPoolExecutor, wait  # 30 ms with logging

    stopped = threading.Event()

    def run_parts(index: int) -> None:
        for part in parts[index :: len(workers)]:
            for _ in run(workers[index], part):
                if stopped.is_set():
                    return

    with ThreadPoolExecutor(len(workers)) as pool:
        futures = [pool.submit(run_parts, index) for index in range(len(workers))]
        try:
            while wait(futures, POLL_SECONDS).not_done:
                yield
        finally:
            stopped.set()
    for future in futures:
        future.result()


def states(engine: Engine, past: Past, recipe: Recipe) -> Array:
    """The network's states after the context: float32 (N, D)."""
    by_name = _Known.of(engine, past, recipe, 0, 0).states
    order = sorted(by_name, key=lambda name: (name[-1], name[0] == "c"))
    return np.concatenate([by_name[name] for name in order], 1)


def state_size(engine: Engine) -> int:
    """D of `states`."""
    return sum(int(spec.shape[-1]) for spec in _state_specs(engine))


def _state_specs(engine: Engine) -> list[TensorSpec]:
    return [
        spec
        for spec in engine.signatures["step"].inputs
        if spec.name.startswith(("hidden", "cell"))
    ]


@dataclass(frozen=True, eq=False)
class _Known:
    """Values that all samples of a series share, computed once.

    Attributes:
        past: N series.
        lags: in the order of the network.
        warm: steps of the context that each path walks through by itself, because values are
            missing there.
        fixed: (N, past - warm), values that are the same in all samples.
        projected: (N, warm + horizon, G), what each step knows beforehand.
        kernel: (L, G), what lags are multiplied by.
        states: by name, (N, hidden), where the samples begin.
    """

    past: Past
    lags: Array
    warm: int
    fixed: Array
    projected: Array
    kernel: Array
    states: Mapping[str, Array]

    @classmethod
    def of(cls, engine: Engine, past: Past, recipe: Recipe, horizon: int, warm: int) -> _Known:
        lags, context, length = np.array(recipe.lags), recipe.context, past.values.shape[1]
        fixed = past.values[:, : length - warm]
        indices = length - context + np.arange(context + horizon)[:, None] - lags
        # Lags that are not known yet are zero here: the last column.
        table = np.concatenate([fixed, np.zeros((len(fixed), 1), np.float32)], 1)
        arrays = {
            "lags": table[:, np.where(indices < fixed.shape[1], indices, -1)],
            "features": past.features,
            "log_scale": past.log_scale[:, None],
        }
        if past.static.shape[1]:
            arrays["static"] = past.static
        products = engine.run("project", **arrays)
        projected = products["projected"]
        if warm:
            states = {
                spec.name: np.zeros((len(fixed), int(spec.shape[-1])), np.float32)
                for spec in _state_specs(engine)
            }
        else:
            states = engine.run("encode", projected=np.ascontiguousarray(projected[:, :context]))
        return cls(
            past, lags, warm, fixed, projected[:, context - warm :], products["kernel"], states
        )

    def rows(self, part: slice) -> _Known:
        """The selected rows of the series."""
        return replace(
            self,
            past=self.past.rows(part),
            fixed=self.fixed[part],
            projected=self.projected[part],
            states={name: value[part] for name, value in self.states.items()},
        )


class _Run:
    """The loop over steps, for all samples of some series at once."""

    def __init__(
        self,
        engine: Engine,
        known: _Known,
        samples: int,
        names: Sequence[str],
        seeds: Sequence[Sequence[int]],
    ):
        self.engine, self.known, self.names = engine, known, names
        self.count, self.samples, self.length = len(known.fixed), samples, known.projected.shape[1]
        self.random = [np.random.default_rng(seed) for seed in seeds]
        if "mean" not in names:
            uniform = np.empty((self.count, 2, self.length, samples), np.float32)
            for row, random in enumerate(self.random):
                random.random(out=uniform[row], dtype=np.float32)
            # Box and Muller for the normal; Bailey (1994) for Student's t: exact, from two uniform
            # numbers.
            self.log = np.log(1.0 - uniform[:, 0])
            self.cosine = np.cos(np.float32(2 * np.pi) * uniform[:, 1])

    def steps(self, keep: bool) -> Generator[None, None, Sampled]:
        """Walk through all steps, yielding between them; the paths, and the parameters where `keep`
        says so, of scaled values.
        """
        known, past, warm = self.known, self.known.past, self.known.warm
        shape = (self.count, self.samples)
        states = {
            name: np.repeat(value[:, None], self.samples, 1) for name, value in known.states.items()
        }
        values = np.empty((self.length, *shape), np.float32)
        history = {name: np.empty_like(values) for name in self.names} if keep else {}
        near = np.flatnonzero(
            known.lags < max(self.length, 2)
        )  # no lag at all would be an empty array
        kernel = np.ascontiguousarray(known.kernel[near])
        recent = np.zeros((*shape, len(near)), np.float32)
        columns = list(enumerate(known.lags[near].tolist()))
        observed = past.observed[:, known.fixed.shape[1] :]
        for k in range(self.length):
            if k:
                yield
            for column, lag in columns:
                if lag <= k:
                    recent[..., column] = values[k - lag]
            states = self.engine.run(
                "step",
                recent=recent,
                kernel=kernel,
                projected=np.ascontiguousarray(known.projected[:, k : k + 1]),
                **states,
            )
            parameters = states.pop("parameters")
            values[k] = self._draw(parameters, k)
            if k < warm:
                is_known = observed[:, k]
                values[k, is_known] = past.values[is_known, known.fixed.shape[1] + k, None]
            for index, name in enumerate(history):
                history[name][k] = parameters[..., index]
        future = values[warm:].transpose(1, 2, 0)
        return future, {name: v[warm:].transpose(1, 2, 0) for name, v in history.items()}

    def _draw(self, parameters: Array, k: int) -> Array:
        if "mean" in self.names:
            return self._counts(parameters)
        if "df" in self.names:
            df = parameters[..., 2]
            radius = np.sqrt(df * np.expm1(self.log[:, k] * (-2.0 / df)))
        else:
            radius = np.sqrt(-2.0 * self.log[:, k])
        values: Array = parameters[..., 0] + parameters[..., 1] * radius * self.cosine[:, k]
        return values

    def _counts(self, parameters: Array) -> Array:
        """Negative binomial as a Poisson whose rate is a gamma, in the series' units, then scaled."""
        scale = self.known.past.scaling.size[:, None]
        mean, alpha = parameters[..., 0] * scale, parameters[..., 1] / np.sqrt(scale)
        counts: Array = np.empty(mean.shape)
        for row, random in enumerate(self.random):
            rate = random.gamma(1.0 / alpha[row], alpha[row] * mean[row])
            counts[row] = random.poisson(np.minimum(rate, 1e15))
        scaled: Array = counts / scale
        return scaled
