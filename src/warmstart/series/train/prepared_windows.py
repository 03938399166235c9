"""Training windows of a universal network: the past of each is prepared as for a forecast.

The horizon is adjusted by the seasons, the level and the scale of that past, so that the network
learns how reliable they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from warmstart.series import universal
from warmstart.series.features import LIMIT, Past, Recipe
from warmstart.series.scaling import scale_of
from warmstart.series.time_series import TimeSeries
from warmstart.series.train.validation_windows import origins
from warmstart.series.train.windows import power_of

Window = dict[str, NDArray[np.float32]]

UNSCORED, IN_CONTEXT = 16, 0.15
"""Steps at the start of a context that do not count in the loss, and the weight of the others."""
MOST = 640
"""Number of windows that are prepared; batches are sampled from them."""
EARLIEST = 0.25
"""Minimum share of a series before each window, if it is long enough."""


def window(whole: TimeSeries, origin: int, recipe: Recipe, horizon: int) -> Window:
    """The window of a series whose horizon begins at step `origin`.

    Returns:
        `lags` (T, L), `features` (T, F), `log_scale` (1,), `values` and `weights` (T,), T being
        context + horizon; steps after the end have no weight.
    """
    past = universal.with_frequency(whole.head(origin))
    prepared, adjustment = universal.prepared(past, horizon)
    recipe = universal.recipe_of(recipe, past.freq)
    known = Past.of([prepared], recipe, horizon)
    ahead = min(len(whole) - origin, horizon)
    future = np.full(horizon, np.nan)
    future[:ahead] = adjustment.removed(whole.target[: origin + ahead], ahead)[origin:]
    is_known = np.isfinite(future)
    scaled = np.where(is_known, known.scaling.scaled(np.nan_to_num(future)[None])[0], 0)
    values = np.clip(np.concatenate([known.values[0], scaled]), -LIMIT, LIMIT)
    context = recipe.context
    first = recipe.past - context
    cells = first + np.arange(context + horizon)[:, None] - np.array(recipe.lags)
    weights = np.concatenate([IN_CONTEXT * known.observed[0, -context:], is_known])
    weights[: min(UNSCORED, context)] = 0
    return {
        "lags": values[cells].astype(np.float32),
        "features": known.features[0],
        "log_scale": known.log_scale[:1],
        "values": values[first:].astype(np.float32),
        "weights": weights.astype(np.float32),
    }


class PreparedWindows:
    """Random windows as batches for `fit`: x and y as of `windows.WindowBatches`.

    Args:
        series: the training series, without validation windows.
        recipe: of the network.
        horizon: steps after the context.
        batch_size, batches: windows per batch, batches per epoch.
        seed, sampling: of the random choice of windows; see `windows.WindowBatches`.
        windows: number of validation windows of each series: use these, in order, and score only
            their horizons; 0 for random windows.
    """

    has_holes = False

    def __init__(
        self,
        series: Sequence[TimeSeries],
        recipe: Recipe,
        horizon: int,
        *,
        batch_size: int = 32,
        batches: int = 50,
        seed: int = 0,
        sampling: str | float = "uniform",
        windows: int = 0,
    ):
        self.batch_size, self.seed = batch_size, seed
        random = np.random.default_rng(seed)
        usable = [item for item in series if len(item) > universal.SHORTEST]
        if windows:
            usable = usable[:: -(-len(usable) // MOST)]
            pairs = [
                (item, max(origin, universal.SHORTEST))
                for item in usable
                for origin in origins(len(item), horizon, windows)
            ]
            batches = -(-len(pairs) // batch_size)
        else:
            count = min(MOST, batches * batch_size)
            weights = [len(item) * _size(item) ** power_of(sampling) for item in usable]
            rows = random.choice(len(usable), count, p=np.array(weights) / np.sum(weights))
            pairs = [(usable[row], _origin(usable[row], horizon, random)) for row in rows]
        self.batches, self.in_order = batches, bool(windows)
        prepared = [window(item, origin, recipe, horizon) for item, origin in pairs]
        self.windows = {key: np.stack([item[key] for item in prepared]) for key in prepared[0]}
        if windows:
            self.windows["weights"][:, : recipe.context] = 0

    def __len__(self) -> int:
        return self.batches

    def batch(self, epoch: int, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """One batch, which is the same for the same epoch and index."""
        count = len(self.windows["values"])
        if self.in_order:
            rows = np.arange(index * self.batch_size, min((index + 1) * self.batch_size, count))
            rows = np.append(rows, rows[: len(rows) % 2])  # see `windows.ValidationWindows`
        else:
            random = np.random.default_rng((self.seed, epoch, index))
            rows = random.integers(0, count, self.batch_size)
        x = {key: self.windows[key][rows] for key in ("lags", "features", "log_scale")}
        values, weights = self.windows["values"][rows], self.windows["weights"][rows]
        return x, np.stack([values, weights, np.ones_like(values)], -1)


def _latest(series: TimeSeries, horizon: int) -> int:
    return max(len(series) - horizon, universal.SHORTEST)


def _size(series: TimeSeries) -> float:
    return float(scale_of(np.nan_to_num(series.target), np.isfinite(series.target), len(series)))


def _origin(series: TimeSeries, horizon: int, random: np.random.Generator) -> int:
    latest = _latest(series, horizon)
    earliest = min(max(int(EARLIEST * len(series)), universal.SHORTEST), latest)
    return int(random.integers(earliest, latest + 1))
