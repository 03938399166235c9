"""Forecasting with a DeepAR: from series to sample paths."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.catalog import Entry
from warmstart.counts import counted
from warmstart.engines.base import Engine, TensorSpec
from warmstart.errors import InputError, UsageError
from warmstart.models.series.deepar.family import PARAMETERS, DeepARConfig, state_names
from warmstart.series import frequency, universal
from warmstart.series.adjustment import Adjustment
from warmstart.series.baselines import SeasonalNaive, best_season
from warmstart.series.effects import Effects
from warmstart.series.features import Past, Recipe
from warmstart.series.pooling import calibrated
from warmstart.series.sampler import Array, sample, state_size, states
from warmstart.series.scaling import LARGEST, power_of_two
from warmstart.series.time_series import TimeSeries

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

BATCH = 6400  # series x samples that are prepared together


class DeepAR:
    """One model; see `series.method.Method`."""

    sampled = True

    def __init__(self, entry: Entry):
        self.recipe = Recipe.from_dict(entry.processing)
        if self.recipe.universal and (others := set(self.recipe.known) - set(universal.INPUTS)):
            raise UsageError(
                f"processing.known has {min(others)!r}, which no universal network takes."
            )
        config = DeepARConfig.of(entry.config)
        self.shortcut, self.names = config.shortcut, PARAMETERS[config.distribution]
        self.horizon, self.freq, self.known = (
            self.recipe.horizon,
            self.recipe.freq,
            () if self.recipe.universal else self.recipe.known,
        )
        self.any_freq = self.recipe.universal
        self.columns = self.recipe.columns
        self.validation = self.recipe.validation
        self.static = tuple(name for name in self.recipe.categories if name != self.recipe.item)

    def check(self, series: TimeSeries, horizon: int) -> None:
        self.recipe.check(series, horizon)
        if "mean" in self.names and (low := np.nanmin(series.target)) < 0:
            raise InputError(
                f"{series.name}: it contains {low:g}, but the model forecasts counts; use a "
                "model with distribution='student_t'.",
                series.name,
            )

    def batch_size(self, samples: int) -> int:
        return max(1, BATCH // samples)

    def forecast(
        self,
        engine: Engine,
        series: Sequence[TimeSeries],
        horizon: int,
        samples: int,
        seeds: Sequence[Sequence[int]],
        keep: bool,
    ) -> Generator[None, None, list[dict[str, Any]]]:
        """Samples of each series, and with `keep` the parameters of their distributions."""
        reasons = [self.too_short(item) for item in series]
        results: list[dict[str, Any]] = [{} for _ in series]
        for index, reason in enumerate(reasons):
            if reason:
                results[index] = self._baseline(
                    series[index], horizon, samples, seeds[index], reason
                )
        rows = [index for index, reason in enumerate(reasons) if not reason]
        if self.recipe.universal:
            series = [universal.with_frequency(item) for item in series]
        for group in self._groups(series, rows):
            forecasts = yield from self._sampled(
                engine,
                [series[row] for row in group],
                horizon,
                samples,
                [seeds[row] for row in group],
                keep,
            )
            for row, result in zip(group, forecasts, strict=True):
                results[row] = result
        return results

    def _groups(self, series: Sequence[TimeSeries], rows: Sequence[int]) -> list[list[int]]:
        """Rows that the network forecasts together: those of one frequency."""
        groups: dict[str, list[int]] = {}
        for row in rows:
            groups.setdefault(series[row].freq if self.recipe.universal else "", []).append(row)
        return list(groups.values())

    def _sampled(
        self,
        engine: Engine,
        series: Sequence[TimeSeries],
        horizon: int,
        samples: int,
        seeds: Sequence[Sequence[int]],
        keep: bool,
    ) -> Generator[None, None, list[dict[str, Any]]]:
        """The forecasts of the network."""
        recipe, effects, chosen, adjustments = self._prepared(series, horizon)
        past = Past.of(chosen, recipe, horizon)
        # Parameters belong to the network's own samples, so with them there are no others.
        others = 0 if keep else round(samples * recipe.smoothing)
        paths, parameters = yield from sample(
            engine, past, recipe, horizon, samples - others, self.names, seeds, keep=keep
        )
        if others:
            yield
            smoothed = universal.smoothed(chosen, past.scaling, horizon, others, seeds)
            paths = universal.mixed(paths, smoothed, seeds)
        paths = calibrated(paths, recipe, chosen, seeds, counts="mean" in self.names)
        results = []
        for index, (item, fits) in enumerate(zip(series, _fits_float32(past), strict=True)):
            path, notes = paths[index], self.recipe.notes(item)
            adjustment, effect = adjustments[index], effects[index]
            if adjustment is not None and adjustment.seasons:
                path = adjustment.added(path)
                notes.append(f"adjusted for {adjustment}")
            if weight := others / samples if others else recipe.pooled:
                notes.append(f"exponential smoothing has a weight of {weight:.0%}")
            if effect:
                path = effect.added(path, item)
            if recipe.universal:
                path = universal.above_floor(path, item)
            fits &= np.abs(path).max() < LARGEST_FLOAT32  # the added components may be large
            results.append(
                {
                    "samples": path.astype(np.float32) if fits else path,
                    "parameters": {name: values[index] for name, values in parameters.items()},
                    "notes": notes,
                }
            )
        return results

    def _prepared(
        self, series: Sequence[TimeSeries], horizon: int
    ) -> tuple[Recipe, list[Effects | None], list[TimeSeries], list[Adjustment | None]]:
        """The recipe for series of one frequency, their effects, the series as inputs of the
        network, and their adjustments.
        """
        if self.recipe.universal:
            recipe = universal.recipe_of(self.recipe, series[0].freq)
            pairs = [universal.prepared(item, horizon) for item in series]
            no_effects: list[Effects | None] = [None] * len(series)
            return recipe, no_effects, [item for item, _ in pairs], [a for _, a in pairs]
        effects = [self.effects(item) for item in series]
        prepared = [
            effect.removed(item) if effect else item
            for item, effect in zip(series, effects, strict=True)
        ]
        adjustments = [self._adjustment(item) for item in prepared]
        prepared = [
            replace(item, target=adjustment.removed(item.target)) if adjustment else item
            for item, adjustment in zip(prepared, adjustments, strict=True)
        ]
        return self.recipe, effects, prepared, adjustments

    def effects(self, series: TimeSeries) -> Effects | None:
        """The effects of the covariates on a series; None if they are not removed beforehand."""
        if not self.recipe.effects:
            return None
        return Effects.of(series, self.recipe.known, frequency.season(self.recipe.freq))

    def _adjustment(self, series: TimeSeries) -> Adjustment | None:
        return Adjustment.of(series.target, series.freq) if self.recipe.adjusted else None

    def too_short(self, series: TimeSeries) -> str:
        """Why the network cannot forecast a series; "" if it can."""
        if self.recipe.universal and len(series) < universal.SHORTEST:
            return (
                f"it has {counted(len(series), 'step')}, and the model needs {universal.SHORTEST}"
            )
        if self.recipe.baseline:
            return "the series that the model was trained on were too short to learn from"
        if len(series) < self.shortcut:
            return (
                f"it has {counted(len(series), 'step')}, and the model looks back {self.shortcut}"
            )
        return ""

    def _baseline(
        self, series: TimeSeries, horizon: int, samples: int, seed: Sequence[int], reason: str
    ) -> dict[str, Any]:
        """The forecast of seasonal naive."""
        largest = np.nanmax(np.abs(series.target), initial=1.0)
        unit = power_of_two(largest) if largest > 1e300 else 1.0  # differences may overflow
        target = series.target / unit
        naive = SeasonalNaive(best_season(target, series.freq))
        paths = naive.samples(target, horizon, samples, np.random.default_rng(seed))
        paths = np.clip(paths, -LARGEST / unit, LARGEST / unit) * unit
        if "mean" in self.names:
            paths = np.maximum(np.rint(paths), 0)
        return {"samples": paths, "notes": [f"the forecast of {naive.name}: {reason}"]}

    def states(self, engine: Engine, series: Sequence[TimeSeries]) -> Array:
        """The network's states after the context: float32 (N, D)."""
        if self.recipe.universal:
            series = [universal.with_frequency(item) for item in series]
        rows = np.empty((len(series), self.state_size(engine)), np.float32)
        for group in self._groups(series, range(len(series))):
            recipe, _, chosen, _ = self._prepared([series[row] for row in group], 0)
            rows[group] = states(engine, Past.of(chosen, recipe, 0), recipe)
        return rows

    def state_size(self, engine: Engine) -> int:
        return state_size(engine)

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`project`, `encode` and `step`; see `models.series.deepar.network.functions`."""
        from warmstart.engines.keras import Function, Program
        from warmstart.models.series.deepar import network as deepar

        config = DeepARConfig.of(entry.config)
        specs = program_specs(
            Recipe.from_dict(entry.processing),
            config.hidden,
            bool(config.shortcut),
            state_names(config.layers),
        )
        functions = zip(specs, deepar.functions(model, config), strict=True)
        return Program({name: Function(call, specs[name]) for name, call in functions}, model)


LARGEST_FLOAT32 = 1e30
"""The largest sample of a forecast; far below the limit of float32."""


def _fits_float32(past: Past) -> Array:
    """Whether float32 can represent each series: it is not near the limits of float32, and not far
    from zero compared with its variation.
    """
    scaling = past.scaling
    is_usual = (scaling.unit == 1) & (np.abs(scaling.log_scale) < 70)
    is_near: Array = is_usual & (np.abs(scaling.loc) < 1000 * scaling.scale)
    return is_near & (np.abs(scaling.loc) < LARGEST_FLOAT32)


def program_specs(
    recipe: Recipe, hidden: int, shortcut: bool, states: Sequence[str]
) -> dict[str, Any]:
    """Input specs of the functions of a `Program`."""
    lags, width = len(recipe.lags), 4 * hidden + shortcut
    project = [
        TensorSpec("lags", "float32", ("batch", "time", lags)),
        TensorSpec("features", "float32", ("batch", "time", recipe.width), -0.5, 0.5),
        TensorSpec("log_scale", "float32", ("batch", 1), -2.0, 8.0),
    ]
    if recipe.categories:
        most = min(len(values) for values in recipe.categories.values())
        project.append(TensorSpec("static", "int32", ("batch", len(recipe.categories)), 0, most))
    step = [
        TensorSpec("recent", "float32", ("batch", "samples", "recent")),
        TensorSpec("kernel", "float32", ("recent", width), -0.5, 0.5),
        TensorSpec("projected", "float32", ("batch", 1, width), -1.0, 1.0),
        *(TensorSpec(name, "float32", ("batch", "samples", hidden), -1.0, 1.0) for name in states),
    ]
    encode = [TensorSpec("projected", "float32", ("batch", "time", width), -1.0, 1.0)]
    return {"project": tuple(project), "encode": tuple(encode), "step": tuple(step)}
