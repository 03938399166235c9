"""Training windows of series: a context, which sets the state of the network, and a horizon
after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from warmstart.errors import UsageError
from warmstart.series import frequency
from warmstart.series.effects import Effects
from warmstart.series.features import Recipe, filled
from warmstart.series.scaling import Scaling, scale_of
from warmstart.series.time_series import TimeSeries
from warmstart.series.train.validation_windows import origins, without_windows

SAMPLINGS = {"uniform": 0.0, "scale": 1.0}
"""Sampling -> the power of a series' scale to which a window's probability is proportional."""
NEVER_SEEN = 0.05
"""Share of windows whose categories are masked, to train the embedding 0 of new categories."""


class WindowBatches:
    """Random windows as batches for `fit`: the same epoch and index give the same batch in any
    process.

    x: `lags` (B, T, L), `features` (B, T, F), `log_scale` (B, 1), `static` int32 (B, C) if there
        are categories;
    y: (B, T, 3) of value, weight and scale; T = context + horizon.

    Args:
        series: the training series, without validation windows.
        recipe: of the network.
        horizon: steps after the context.
        batch_size, batches: windows per batch, batches per epoch.
        seed: of the random choice of windows.
        sampling: `"uniform"` over all windows; `"scale"`: the probability is also proportional to
            the mean absolute value of the series (paper, section 3.3).
    """

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
    ):
        power = power_of(sampling)
        self.recipe, self.horizon, self.batches = recipe, horizon, batches
        self.batch_size, self.seed = batch_size, seed
        self.lengths = np.array([len(item) for item in series])
        past, season = recipe.past, frequency.season(recipe.freq)
        # All series in one array, each with `past` zeros before it and `horizon` zeros after it.
        self.starts = np.concatenate([[0], np.cumsum(self.lengths + past + horizon)[:-1]]) + past
        size = int((self.lengths + past + horizon).sum())
        self.values, self.observed = np.zeros(size), np.zeros(size, np.float32)
        self.is_inside = np.zeros(size, bool)
        self.rows = (
            np.concatenate([[0], np.cumsum(self.lengths + recipe.context + horizon)[:-1]])
            + recipe.context
        )
        self.features = np.zeros(
            (int((self.lengths + recipe.context + horizon).sum()), recipe.width), np.float32
        )
        self.static = np.stack([recipe.static(item) for item in series])
        self.whole = np.empty(len(series))
        for index, item in enumerate(series):
            cells = slice(self.starts[index], self.starts[index] + len(item))
            self.values[cells], self.observed[cells] = filled(item.target, season)
            self.is_inside[cells] = True
            row = self.rows[index]
            known = min([len(item) + horizon, *(len(values) for values in item.known.values())])
            self.features[row : row + known] = recipe.features(item, 0, known)
            self.whole[index] = scale_of(self.values[cells], self.observed[cells], len(item))
        self.guesses = self.values.copy() if self.has_holes else self.values
        windows = np.maximum(self.lengths - horizon, 1)
        weights = windows * self.whole**power
        self.chances = np.cumsum(weights / weights.sum())
        self.windows = windows

    @property
    def has_holes(self) -> bool:
        """Whether values are missing within series."""
        return int(self.observed.sum()) < int(self.lengths.sum())

    def __len__(self) -> int:
        return self.batches

    def batch(self, epoch: int, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """One batch of random windows."""
        random = np.random.default_rng((self.seed, epoch, index))
        indices = np.minimum(
            np.searchsorted(self.chances, random.random(self.batch_size)), len(self.chances) - 1
        )
        origins = 1 + (random.random(self.batch_size) * self.windows[indices]).astype(np.int64)
        x, y = self.at(indices, origins)
        if "static" in x:
            x["static"] = np.where(random.random((self.batch_size, 1)) < NEVER_SEEN, 0, x["static"])
        return x, y

    def at(
        self, indices: np.ndarray, origins: np.ndarray
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Windows of the series with these indices, whose horizons begin at the steps `origins`."""
        context, width = self.recipe.context, self.recipe.context + self.horizon
        steps = np.arange(-context, self.horizon)
        cells = (self.starts[indices] + origins)[:, None] + steps  # (B, T)
        scaling = self.scaling(indices, origins)
        earlier = cells[:, :, None] - np.array(self.recipe.lags)
        lags = scaling.scaled(np.take(self.values, earlier))
        if self.recipe.scaling != "mean":  # else zeros stay zeros
            lags *= np.take(self.is_inside, earlier)
        x = {
            "lags": lags,
            "features": self.features[(self.rows[indices] + origins)[:, None] + steps],
            "log_scale": self.recipe.log_scales(scaling)[:, None],
        }
        if self.static.shape[1]:
            x["static"] = self.static[indices]
        values, scale = self.values[cells], np.ones(len(indices), np.float32)
        if self.recipe.scaling == "mean":  # counts are scored in their own units
            scale = scaling.size.astype(np.float32)
        else:
            values = scaling.scaled(values)
        scales = np.broadcast_to(scale[:, None], (len(indices), width))
        y = np.stack([values.astype(np.float32), self.observed[cells], scales], -1)
        return x, y

    def scaling(self, indices: np.ndarray, origins: np.ndarray) -> Scaling:
        """The scaling of windows whose horizons begin at the steps `origins`; that of the whole
        series if a context has no scale.
        """
        is_mean = self.recipe.scaling == "mean"
        steps = np.arange(-(self.recipe.context if is_mean else self.recipe.past), 0)
        cells = (self.starts[indices] + origins)[:, None] + steps
        values, observed = self.values[cells], self.observed[cells] > 0
        scaling = self.recipe.scales(values, observed)
        if not is_mean:
            return scaling
        is_empty = ~(np.abs(values) * observed).any(1)
        return replace(
            scaling, scale=np.where(is_empty, self.whole[indices] / scaling.unit, scaling.scale)
        )


def power_of(sampling: str | float) -> float:
    """The power of a series' scale to which the probability of its windows is proportional.

    Raises:
        UsageError: it is not from 0 to 1.
    """
    power = SAMPLINGS.get(sampling, -1.0) if isinstance(sampling, str) else float(sampling)
    if not 0 <= power <= 1:
        raise UsageError(
            f"sampling must be one of {', '.join(SAMPLINGS)}, or a power from 0 to 1, not "
            f"{sampling!r}."
        )
    return power


class ValidationWindows:
    """The windows at the end of each series that are set aside, in batches: only their horizons
    count in the loss.

    Args:
        series: whole series.
        recipe, horizon, batch_size: as for `WindowBatches`.
        windows: number of windows of each series; see `validation_windows.origins`.
        max_series: maximum number of series, which are evenly spaced.
    """

    def __init__(
        self,
        series: Sequence[TimeSeries],
        recipe: Recipe,
        horizon: int,
        *,
        batch_size: int = 64,
        windows: int = 1,
        max_series: int = 2000,
    ):
        indices = np.unique(np.linspace(0, len(series) - 1, max_series).round().astype(int))
        chosen = [series[index] for index in indices]
        self.windows = WindowBatches(chosen, recipe, horizon)
        pairs = [
            (index, origin)
            for index, item in enumerate(chosen)
            for origin in origins(len(item), horizon, windows)
        ]
        self.batches = [
            np.array(pairs[first : first + batch_size])
            for first in range(0, len(pairs), batch_size)
        ]

    def __len__(self) -> int:
        return len(self.batches)

    def batch(self, epoch: int, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """One batch; the same in every epoch."""
        pairs = self.batches[index]
        # TensorFlow's LSTM is slow, and warns, if the number of windows is odd.
        indices, first = np.concatenate([pairs, pairs[: len(pairs) % 2]]).T
        x, y = self.windows.at(indices, first)
        y[:, : self.windows.recipe.context, 1] = 0.0
        y[len(pairs) :, :, 1] = 0.0
        return x, y


def refill(batches: WindowBatches, parameters: Any, distribution: str, seed: int) -> int:
    """Replace missing values by samples of the model; returns their number.

    Consecutive windows cover every series with gaps. Each missing value is sampled from the
    distribution that the network predicts after the values that were filled in before.

    Args:
        batches: the batches whose values are changed.
        parameters: called with x as `WindowBatches` makes it; returns (B, T, P).
        distribution: of the network.
        seed: of the samples.
    """
    random = np.random.default_rng(seed)
    filled_in = 0
    batches.values[:] = (
        batches.guesses
    )  # so that the result depends on the network and the seed only
    width = batches.recipe.context + batches.horizon
    for index, length in enumerate(batches.lengths):
        cells = slice(batches.starts[index], batches.starts[index] + length)
        if batches.observed[cells].all():
            continue
        for origin in range(batches.horizon, length + batches.horizon, width):
            origin = min(max(origin, 1), int(length))
            x, y = batches.at(
                np.array([index, index]), np.array([origin, origin])
            )  # two: see `ValidationWindows`
            outputs = parameters(x)[0]
            steps = origin + np.arange(-batches.recipe.context, batches.horizon)
            holes = (steps >= 0) & (steps < length) & (y[0, :, 1] == 0)
            scaling = batches.scaling(np.array([index]), np.array([origin]))
            batches.values[cells][steps[holes]] = _sampled(
                random, outputs[holes], distribution, scaling
            )
            filled_in += int(holes.sum())
    return filled_in


def _sampled(
    random: np.random.Generator, parameters: np.ndarray, distribution: str, scaling: Scaling
) -> np.ndarray:
    """Samples in the series' units, float64 (T,), from parameters of scaled values, (T, P)."""
    columns = parameters.astype(np.float64).T
    if distribution == "student_t":
        values = columns[0] + columns[1] * random.standard_t(columns[2])
        return np.asarray(scaling.in_units(values[None])[0])
    if distribution == "gaussian":
        return np.asarray(scaling.in_units(random.normal(columns[0], columns[1])[None])[0])
    scale = float(scaling.size[0])
    alpha = columns[1] / np.sqrt(scale)
    rates = np.minimum(random.gamma(1 / alpha, alpha * columns[0] * scale), 1e15)
    return np.asarray(random.poisson(rates), np.float64)


class Refill(keras.callbacks.Callback):
    """Replaces missing values by new samples of the model before each epoch but the first."""

    def __init__(self, batches: WindowBatches, distribution: str, seed: int):
        super().__init__()
        self.batches, self.distribution, self.seed = batches, distribution, seed

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch:
            predict = self.model.predict_on_batch
            refill(self.batches, predict, self.distribution, self.seed + epoch)


def without_effects(series: Sequence[TimeSeries], recipe: Recipe, windows: int) -> list[TimeSeries]:
    """The series without the effects of their covariates, estimated on the training part.

    Args:
        windows: number of windows of each series that are set aside; 0 for none.
    """
    if not recipe.effects:
        return list(series)
    season, adjusted = frequency.season(recipe.freq), []
    for item in series:
        head = without_windows(item, recipe.horizon, windows) if windows else item
        effects = Effects.of(head, recipe.known, season)
        adjusted.append(effects.removed(item) if effects else item)
    return adjusted


def fingerprint(series: Sequence[TimeSeries]) -> str:
    """A digest of all training data."""
    digest = hashlib.sha256()
    for item in series:
        static = sorted(item.static.items())
        digest.update(f"{item.name}|{item.start}|{item.freq}|{static}|".encode())
        digest.update(np.ascontiguousarray(item.target).tobytes())
        for key in sorted(item.known):
            digest.update(np.ascontiguousarray(item.known[key]).tobytes())
    return digest.hexdigest()[:20]
