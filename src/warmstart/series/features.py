"""The inputs of an autoregressive network: scaled lagged values, features per step, categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.counts import counted
from warmstart.errors import InputError, UsageError, documented_in
from warmstart.json_values import check
from warmstart.series import frequency
from warmstart.series.scaling import SCALINGS, Scaling
from warmstart.series.time_series import TimeSeries

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 40.0
"""Scaled values are clipped to this for a universal network."""


@dataclass(frozen=True)
class Recipe:
    """The inputs of a network and the settings of its forecasts; stored in `Entry.processing`.

    Attributes:
        freq: pandas alias of the series it was trained on.
        horizon: steps that it forecasts by default.
        context: observed steps that it reads first.
        lags: of the earlier values that are inputs at each step.
        known: names of covariates, known in advance.
        categories: known values of each static category; any other value is unknown.
        holidays: dates (`2024-12-25`) whose steps get a feature of their own; () for none.
        item: the category that is the series' own name, or None.
        calendar: whether there are calendar features; not where the training series had no
            timestamps.
        columns: of the tables that it was trained on, by role; see `Layout.remembered`.
        scaling, level: `"mean"` or `"robust"`; see `scaling.Scaling`.
        log_scale: lower and upper bound of the natural logarithm of a scale as an input; () for no
            bounds.
        covariates: mean and standard deviation of each covariate; one without is not standardised.
        spread: factor of the samples' distances from their median; calibrated on the validation
            windows.
        pooled: weight of exponential smoothing in the forecasts, from 0 to 1; see `pooling`.
        baseline: whether the series were too short to learn from, and forecasts are those of
            `baselines.SeasonalNaive`.
        adjusted: whether the seasons are removed beforehand; see `adjustment.Adjustment`.
        effects: whether the effects of covariates are removed beforehand; see `effects.Effects`.
        validation: metrics on the validation windows, of the model and of each baseline.
        universal: whether it forecasts every frequency; see `universal`.
        smoothing: share of the sample paths that come from exponential smoothing, from 0 to 1; of
            universal networks; see `smoothing_fit`.
    """

    freq: str
    horizon: int
    context: int
    lags: tuple[int, ...]
    known: tuple[str, ...] = ()
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    holidays: tuple[str, ...] = ()
    item: str | None = None
    calendar: bool = True
    columns: Mapping[str, Any] = field(default_factory=dict)
    scaling: str = "mean"
    level: float = 0.0
    log_scale: tuple[float, ...] = ()
    covariates: Mapping[str, Sequence[float]] = field(default_factory=dict)
    spread: float = 1.0
    pooled: float = 0.0
    baseline: bool = False
    adjusted: bool = False
    effects: bool = False
    validation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    universal: bool = False
    smoothing: float = 0.0

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        try:
            check(data, cls, "processing")
        except ValueError as error:
            raise UsageError(
                f"The model's processing does not describe a forecaster: {error}."
            ) from None
        names = ("lags", "known", "holidays", "log_scale")
        recipe = cls(**{**data, **{key: tuple(data[key]) for key in names if key in data}})
        recipe.check_ranges()
        if recipe.scaling not in SCALINGS:
            raise UsageError(
                f"scaling must be one of {', '.join(SCALINGS)}, not {recipe.scaling!r}."
            )
        return recipe

    def check_ranges(self) -> None:
        """Raise `UsageError` unless all numbers are possible."""
        for key in ("horizon", "context", "pooled", "smoothing"):
            low, high = (1, 1_000_000) if key in ("horizon", "context") else (0, 1)
            if not low <= getattr(self, key) <= high:
                raise UsageError(f"processing.{key} must be from {low} to {high}.")
        if not self.lags or min(self.lags) < 1:
            raise UsageError("processing.lags must be numbers of 1 or more.")

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "freq": self.freq,
            "horizon": self.horizon,
            "context": self.context,
            "lags": list(self.lags),
            "known": list(self.known),
            "categories": {k: list(v) for k, v in self.categories.items()},
            "holidays": list(self.holidays),
            "item": self.item,
            "calendar": self.calendar,
        }
        new = {
            "columns": dict(self.columns),
            "scaling": self.scaling,
            "level": self.level,
            "log_scale": list(self.log_scale),
            "covariates": {key: list(value) for key, value in self.covariates.items()},
            "spread": self.spread,
            "pooled": self.pooled,
            "baseline": self.baseline,
            "adjusted": self.adjusted,
            "effects": self.effects,
            "universal": self.universal,
            "smoothing": self.smoothing,
            "validation": {key: dict(value) for key, value in self.validation.items()},
        }
        usual = {"scaling": "mean", "spread": 1.0}
        return data | {
            key: value for key, value in new.items() if value and value != usual.get(key)
        }

    @property
    def past(self) -> int:
        """Steps of history that matter: the context and, before it, the longest lag."""
        return self.context + max(self.lags)

    @property
    def width(self) -> int:
        """Features per step: calendar, age, holidays, covariates."""
        return len(self.calendar_names) + 1 + bool(self.holidays) + len(self.known)

    @property
    def calendar_names(self) -> tuple[str, ...]:
        """The names of the calendar features."""
        return frequency.feature_names(self.freq) if self.calendar else ()

    @documented_in("forecasting.md#values")
    def check(self, series: TimeSeries, future: int) -> None:
        """Raise `InputError` unless the series has this frequency and all covariates."""
        if self.universal:
            return
        if frequency.unit_of(series.freq) != frequency.unit_of(self.freq):
            resample = f"resample it (`series.resample({self.freq!r}).sum()` or `.mean()`), "
            if frequency.seconds(series.freq) >= frequency.seconds(self.freq):
                resample = ""  # coarse series cannot be made finer
            raise InputError(
                f"{series.name}: its frequency is {series.freq}, but the model was trained "
                f"on {self.freq}; {resample}fine-tune a model for it, or use one for all "
                "frequencies (chronos_bolt_small).",
                series.name,
            )
        for name in self.known:
            if name not in series.known:
                raise InputError(
                    f"{series.name}: the model needs the covariate {name!r}; pass a table with "
                    "this column.",
                    series.name,
                )
            if len(series.known[name]) < len(series) + future:
                short = len(series) + future - len(series.known[name])
                raise InputError(
                    f"{series.name}: the covariate {name!r} is not known for the last {counted(short, 'step')} of "
                    "the forecast; add rows with it and an empty target.",
                    series.name,
                )

    def notes(self, series: TimeSeries) -> list[str]:
        """Sentences about the assumptions of a forecast of the series."""
        if self.calendar_names and not series.dated:
            start = f"{series.start:%Y-%m-%d}"
            return [f"the model uses the calendar; without timestamps it counts from {start}"]
        return []

    def features(self, series: TimeSeries, first: int, steps: int) -> np.ndarray:
        """Features of `steps` steps from index `first` on, which may be negative (zeros): float32
        (steps, width).
        """
        table = np.zeros((steps, self.width), np.float32)
        lead = max(-first, 0)
        begin, count = max(first, 0), steps - lead
        wide = len(self.calendar_names)
        if wide:  # one table from the start of the series serves all series that begin together
            whole = frequency.calendar(series.freq, series.start, _rounded(begin + count))
            table[lead:, :wide] = whole[begin : begin + count]
        table[lead:, wide] = np.log10(2.0 + np.arange(begin, begin + count))
        column = wide + 1
        if self.holidays:
            off = _holidays(series.freq, series.start, _rounded(begin + count), self.holidays)
            table[lead:, column] = off[begin : begin + count]
            column += 1
        for name in self.known:
            middle, size = self.covariates.get(name, (0.0, 1.0))
            table[lead:, column] = (series.known[name][begin : begin + count] - middle) / size
            column += 1
        return table

    def log_scales(self, scaling: Scaling) -> np.ndarray:
        """The scales as an input of the network, float32 (N,). If the scaling has a location, this
        is the variation of the context compared with the past, which does not depend on units.
        """
        logarithm = scaling.log_scale if self.scaling == "mean" else scaling.volatility
        if self.log_scale:
            low, high = self.log_scale
            logarithm = np.clip(logarithm, low, high)
        return logarithm.astype(np.float32)

    def scales(self, values: np.ndarray, observed: np.ndarray) -> Scaling:
        """The scaling of pasts, (N, T) each, that end with the context."""
        return Scaling.of(values, observed, self.context, self.scaling, self.level)

    def static(self, series: TimeSeries) -> np.ndarray:
        """Indices of the categories: int32 (C,), 0 for an unknown value."""
        values = [
            series.name if name == self.item else series.static.get(name, "")
            for name in self.categories
        ]
        return np.array(
            [
                self._numbers[name].get(value, 0)
                for name, value in zip(self.categories, values, strict=True)
            ],
            np.int32,
        )

    @property
    def _numbers(self) -> Mapping[str, Mapping[str, int]]:
        if "_cached" not in self.__dict__:  # a frozen dataclass has a dict, too
            object.__setattr__(
                self,
                "_cached",
                {
                    name: {str(value): n for n, value in enumerate(values, 1)}
                    for name, values in self.categories.items()
                },
            )
        numbers: Mapping[str, Mapping[str, int]] = self.__dict__["_cached"]
        return numbers


def _rounded(steps: int) -> int:
    """A power of two from 256 up, so that neighbouring lengths share one cached table."""
    return max(256, 1 << (steps - 1).bit_length())


@lru_cache(maxsize=32)
def _holidays(freq: str, start: pd.Timestamp, steps: int, holidays: tuple[str, ...]) -> np.ndarray:
    import pandas as pd

    days = frequency.dates(freq, start, steps).tz_localize(None).normalize()
    return np.asarray(days.isin(pd.to_datetime(list(holidays))), np.float32)


def filled(target: np.ndarray, season: int) -> tuple[np.ndarray, np.ndarray]:
    """(values, observed): a missing value is replaced by that of one season before, or else by the
    last or the next observed one.

    Args:
        target: float64 (T,) with at least one observed value.
        season: in steps.
    """
    observed = np.isfinite(target)
    if observed.all():
        return target, observed
    values = target.copy()
    known = np.flatnonzero(observed)
    values[: known[0]] = values[known[0]]
    for index in np.flatnonzero(~np.isfinite(values)):
        values[index] = values[index - season] if index >= season else values[index - 1]
    return values, observed


@dataclass(frozen=True, eq=False)
class Past:
    """The inputs that are known of N series when they are forecast.

    Attributes:
        values: float32 (N, past), scaled, zeros before the first step.
        observed: bool (N, past).
        features: float32 (N, context + future, F).
        static: int32 (N, C).
        log_scale: float32 (N,), the scales as an input of the network.
        scaling: of the N series.
    """

    values: np.ndarray
    observed: np.ndarray
    features: np.ndarray
    static: np.ndarray
    log_scale: np.ndarray
    scaling: Scaling

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, all_series: Sequence[TimeSeries], recipe: Recipe, future: int) -> Past:
        """The inputs of series that passed `Recipe.check`."""
        count, past = len(all_series), recipe.past
        values, observed = np.zeros((count, past)), np.zeros((count, past), bool)
        is_inside = np.zeros((count, past), bool)
        features = np.empty((count, recipe.context + future, recipe.width), np.float32)
        static = np.empty((count, len(recipe.categories)), np.int32)
        season = frequency.season(recipe.freq)
        for row, series in enumerate(all_series):
            recent, is_observed = filled(series.target[-(past + season) :], season)
            size = min(past, len(series))
            values[row, past - size :] = recent[-size:]
            observed[row, past - size :] = is_observed[-size:]
            is_inside[row, past - size :] = True
            features[row] = recipe.features(
                series, len(series) - recipe.context, recipe.context + future
            )
            static[row] = recipe.static(series)
        scaling = recipe.scales(values, observed)
        scaled = np.where(is_inside, scaling.scaled(values), np.float32(0))
        if recipe.universal:
            scaled = np.clip(scaled, -LIMIT, LIMIT)
        log_scale = recipe.log_scales(scaling)
        return cls(scaled, observed, features, static, log_scale, scaling)

    def rows(self, part: np.ndarray | slice) -> Past:
        """The selected rows of the series."""
        return Past(
            self.values[part],
            self.observed[part],
            self.features[part],
            self.static[part],
            self.log_scale[part],
            self.scaling.rows(part),
        )
