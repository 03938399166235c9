"""The inputs and the sizes of a network, derived from the series and the options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from warmstart.errors import UsageError
from warmstart.models.series.deepar.family import DeepARConfig
from warmstart.series import baselines, frequency
from warmstart.series.features import Recipe
from warmstart.series.layout import Layout
from warmstart.series.time_series import TimeSeries
from warmstart.series.train.options import ForecastingOptions
from warmstart.series.train.validation_windows import planned_windows

MOST_ITEMS = 100_000
LEAST_SEASONS, LEAST_STEPS = 3, 60
"""Minimum number of seasons, and of steps of all series, that a network can learn from."""
LONGEST_CONTEXT = 366
"""The longest season that determines the context; longer ones are only among the lags."""


def planned_recipe(
    series: Sequence[TimeSeries], options: ForecastingOptions, layout: Layout, old: Recipe | None
) -> Recipe:
    """The recipe of a network for the series; `old` is that of the base.

    Raises:
        UsageError: the base forecasts another frequency, or has another scaling.
    """
    freq = series[0].freq
    if old is not None and old.universal:
        return _universal(old, series, options, layout)
    if old is not None and frequency.unit_of(freq) != frequency.unit_of(old.freq):
        raise UsageError(
            f"The frequency of the series is {freq}, but the base forecasts {old.freq}; pass "
            "base='deepar' to train from scratch."
        )
    if old is not None and options.scaling not in (None, old.scaling):
        raise UsageError(
            f"The base has the scaling {old.scaling}; another one needs base='deepar'."
        )
    horizon = options.horizon or (old.horizon if old else 24)
    season = frequency.season(freq)
    context = old.context if old else max(horizon, season if season <= LONGEST_CONTEXT else 1)
    names = list(dict.fromkeys(item.name for item in series))
    has_items = 2 <= len(names) <= MOST_ITEMS if options.items is None else options.items
    categories: dict[str, list[str]] = {"item": names} if has_items else {}
    for column in layout.static:
        values = {item.static[column] for item in series if column in item.static}
        categories[column] = sorted(values)
    holidays: Sequence[str] = old.holidays if old else ()
    if options.holidays is not None:
        holidays = [_iso_date(day) for day in options.holidays]
    is_count = options.distribution == "negative_binomial"
    known = tuple(layout.known)
    return Recipe(
        freq,
        horizon,
        options.context or context,
        old.lags if old else _lags(freq, series, horizon, options),
        known,
        categories,
        tuple(holidays),
        "item" if has_items else None,
        old.calendar if old else all(item.dated for item in series),
        columns=_columns(series, options),
        scaling=options.scaling or (old.scaling if old else "mean" if is_count else "robust"),
        level=old.level if old else 0.0,
        log_scale=old.log_scale if old else (),
        covariates=_covariates(series, known, old),
        effects=old.effects if old else bool(known) and not is_count,
    )


def _iso_date(day: object) -> str:
    """A date in ISO 8601, `2024-12-25`, from such a text, a date or a timestamp.

    Raises:
        UsageError: it is none of these.
    """
    try:
        return datetime.fromisoformat(str(day)).date().isoformat()
    except ValueError:
        raise UsageError(
            f"holidays must be dates such as 2024-12-25, not {str(day)[:40]!r}."
        ) from None


def _universal(
    old: Recipe, series: Sequence[TimeSeries], options: ForecastingOptions, layout: Layout
) -> Recipe:
    """The recipe of a network for every frequency, trained further.

    Raises:
        UsageError: an option needs an input that such a network does not have.
    """
    requested = {
        "known_covariates": layout.known,
        "static_covariates": layout.static,
        "holidays": options.holidays,
        "items": options.items,
        "context": options.context not in (None, old.context),
        "scaling": options.scaling not in (None, old.scaling),
    }
    if wrong := [name for name, value in requested.items() if value]:
        raise UsageError(
            f"The base forecasts every frequency from the values alone, without {wrong[0]}=; "
            "base='deepar' trains a network that supports it."
        )
    return replace(
        old,
        horizon=options.horizon or old.horizon,
        freq=series[0].freq,
        columns=_columns(series, options),
        spread=1.0,
    )


def _lags(
    freq: str, series: Sequence[TimeSeries], horizon: int, options: ForecastingOptions
) -> tuple[int, ...]:
    """The lags that training uses: longer ones would be zero in training and not in forecasts."""
    windows = planned_windows(series, horizon) if options.validates else 0
    trained = max(map(len, series)) - windows * horizon
    return tuple(lag for lag in frequency.lags(freq) if lag < max(trained, 2))


def _covariates(
    series: Sequence[TimeSeries], known: Sequence[str], old: Recipe | None
) -> dict[str, Sequence[float]]:
    """Mean and standard deviation of each covariate; those of the base stay."""
    scales: dict[str, Sequence[float]] = {}
    for name in known:
        if old is not None and name in old.known:
            if name in old.covariates:
                scales[name] = old.covariates[name]
            continue
        values = np.concatenate(
            [item.known[name] for item in series if name in item.known] or [np.zeros(1)]
        )
        size = float(values.std())
        scales[name] = (float(values.mean()), size if size > 0 else 1.0)
    return scales


def _columns(series: Sequence[TimeSeries], options: ForecastingOptions) -> dict[str, Any]:
    """The columns of the tables that are the same in all of them."""
    chosen = {"date_format": options.date_format, "decimal": options.decimal}
    columns = {role: value for role, value in chosen.items() if value is not None}
    return columns | {
        role: value
        for role, value in series[0].columns.items()
        if all(item.columns.get(role) == value for item in series)
    }


def planned_config(
    series: Sequence[TimeSeries],
    recipe: Recipe,
    options: ForecastingOptions,
    before: DeepARConfig | None,
) -> DeepARConfig:
    """The sizes of the network; `before` is the config of the base.

    Raises:
        UsageError: the base has another distribution.
    """
    distribution = options.distribution or (before.distribution if before else "student_t")
    if before is None:
        lag = _shortcut(series, recipe, options, distribution)
        hidden, layers = options.hidden, options.layers
    elif distribution != before.distribution:
        raise UsageError(
            f"The base has the distribution {before.distribution}; another one needs base='deepar'."
        )
    else:
        hidden, layers, lag = before.hidden, before.layers, before.shortcut
    return DeepARConfig(
        recipe.lags,
        recipe.width,
        tuple(len(values) for values in recipe.categories.values()),
        distribution,
        hidden=hidden,
        layers=layers,
        dropout=options.dropout,
        shortcut=lag,
    )


def _shortcut(
    series: Sequence[TimeSeries], recipe: Recipe, options: ForecastingOptions, distribution: str
) -> int:
    """The lag that the shortcut begins with: the season over which the series change least, among
    those that training uses; 0 for none.
    """
    uses_shortcut = options.shortcut
    if uses_shortcut is None:
        uses_shortcut = distribution != "negative_binomial"
    if not uses_shortcut:
        return 0
    longest = max(series, key=len)
    trained = longest.target[: -recipe.horizon] if options.validates else longest.target
    best = baselines.best_season(trained, recipe.freq)
    close = [lag for lag in recipe.lags if abs(lag - best) <= best // 50]
    return min(close, key=lambda lag: abs(lag - best)) if close else min(recipe.lags)


def can_learn(freq: str, longest: int, steps: int) -> bool:
    """Whether series are long enough for a network to learn from.

    Args:
        longest: steps of the longest series that are trained on.
        steps: of all series together.
    """
    season = frequency.season(freq)
    if season == 1:  # GluonTS knows no week of days, and no year of weeks
        season = min(frequency.seasons(freq), default=1)
    return longest > LEAST_SEASONS * season and steps >= LEAST_STEPS
