"""Training windows out of series: a context, in which the network finds its feet, and a horizon
behind it.
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
"""How windows are sampled -> the power of a series' scale that their chance is in proportion to."""
# share of windows whose categories are hidden, so that number 0 learns to stand for new ones
NEVER_SEEN = 0.05


class WindowBatches:
    """Random windows as batches for `fit`: the same epoch and index give the same batch in any
    process.

    x: `lags` (B, T, L), `features` (B, T, F), `log_scale` (B, 1), `static` int32 (B, C) if there
        are categories;
    y: (B, T, 3) of value, weight and scale; T = context + horizon.

    Args:
        many: the series, already cut to what may be trained on.
        recipe: of the network.
        horizon: steps behind the context.
        batch_size, batches: windows per batch, batches per epoch.
        seed: of the choice of windows.
        sampling: `"uniform"` over all windows; `"scale"`: a series comes up in proportion to its
            mean absolute value too (paper, section 3.3).
    """

    def __init__(
        self,
        many: Sequence[TimeSeries],
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
        self.lengths = np.array([len(one) for one in many])
        past, season = recipe.past, frequency.season(recipe.freq)
        # All series behind each other, each with `past` zeros before and `horizon` behind it.
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
        self.static = np.stack([recipe.static(one) for one in many])
        self.whole = np.empty(len(many))
        for index, one in enumerate(many):
            here = slice(self.starts[index], self.starts[index] + len(one))
            self.values[here], self.observed[here] = filled(one.target, season)
            self.is_inside[here] = True
            row = self.rows[index]
            known = min([len(one) + horizon, *(len(values) for values in one.known.values())])
            self.features[row : row + known] = recipe.features(one, 0, known)
            self.whole[index] = scale_of(self.values[here], self.observed[here], len(one))
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
        which = np.minimum(
            np.searchsorted(self.chances, random.random(self.batch_size)), len(self.chances) - 1
        )
        origins = 1 + (random.random(self.batch_size) * self.windows[which]).astype(np.int64)
        x, y = self.at(which, origins)
        if "static" in x:
            x["static"] = np.where(random.random((self.batch_size, 1)) < NEVER_SEEN, 0, x["static"])
        return x, y

    def at(
        self, which: np.ndarray, origins: np.ndarray
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Windows of the series `which`, their horizons beginning at the steps `origins`."""
        context, width = self.recipe.context, self.recipe.context + self.horizon
        steps = np.arange(-context, self.horizon)
        cells = (self.starts[which] + origins)[:, None] + steps  # (B, T)
        scaling = self.scaling(which, origins)
        earlier = cells[:, :, None] - np.array(self.recipe.lags)
        lags = scaling.scaled(np.take(self.values, earlier))
        if self.recipe.scaling != "mean":  # else zeros stay zeros
            lags *= np.take(self.is_inside, earlier)
        x = {
            "lags": lags,
            "features": self.features[(self.rows[which] + origins)[:, None] + steps],
            "log_scale": self.recipe.log_scales(scaling)[:, None],
        }
        if self.static.shape[1]:
            x["static"] = self.static[which]
        values, scale = self.values[cells], np.ones(len(which), np.float32)
        if self.recipe.scaling == "mean":  # counts are scored in their own units
            scale = scaling.size.astype(np.float32)
        else:
            values = scaling.scaled(values)
        scales = np.broadcast_to(scale[:, None], (len(which), width))
        y = np.stack([values.astype(np.float32), self.observed[cells], scales], -1)
        return x, y

    def scaling(self, which: np.ndarray, origins: np.ndarray) -> Scaling:
        """Of windows whose horizons begin at the steps `origins`; of the whole series, where a
        context has no scale.
        """
        is_mean = self.recipe.scaling == "mean"
        steps = np.arange(-(self.recipe.context if is_mean else self.recipe.past), 0)
        cells = (self.starts[which] + origins)[:, None] + steps
        values, observed = self.values[cells], self.observed[cells] > 0
        scaling = self.recipe.scales(values, observed)
        if not is_mean:
            return scaling
        is_empty = ~(np.abs(values) * observed).any(1)
        return replace(
            scaling, scale=np.where(is_empty, self.whole[which] / scaling.unit, scaling.scale)
        )


def power_of(sampling: str | float) -> float:
    """The power of a series' scale that the chance of its windows is in proportion to.

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
        many: whole series.
        recipe, horizon, batch_size: as for `WindowBatches`.
        windows: of each series; see `calibration.origins`.
        most: at most so many series, evenly spread.
    """

    def __init__(
        self,
        many: Sequence[TimeSeries],
        recipe: Recipe,
        horizon: int,
        *,
        batch_size: int = 64,
        windows: int = 1,
        most: int = 2000,
    ):
        chosen = [
            many[int(n)] for n in np.unique(np.linspace(0, len(many) - 1, most).round().astype(int))
        ]
        self.windows = WindowBatches(chosen, recipe, horizon)
        pairs = [
            (index, origin)
            for index, one in enumerate(chosen)
            for origin in origins(len(one), horizon, windows)
        ]
        self.parts = [
            np.array(pairs[first : first + batch_size])
            for first in range(0, len(pairs), batch_size)
        ]

    def __len__(self) -> int:
        return len(self.parts)

    def batch(self, epoch: int, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """One batch; the same in every epoch."""
        part = self.parts[index]
        # TensorFlow's LSTM is slow, and says so, where the number of windows is odd.
        which, first = np.concatenate([part, part[: len(part) % 2]]).T
        x, y = self.windows.at(which, first)
        y[:, : self.windows.recipe.context, 1] = 0.0
        y[len(part) :, :, 1] = 0.0
        return x, y


def refill(batches: WindowBatches, parameters: Any, distribution: str, seed: int) -> int:
    """Put the model's own samples where values are missing; returns how many were.

    Windows follow each other through every series that has holes; each hole is sampled from the
    distribution that the network gives there, seeing what was filled in so far.

    Args:
        batches: whose values are changed.
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
        here = slice(batches.starts[index], batches.starts[index] + length)
        if batches.observed[here].all():
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
            batches.values[here][steps[holes]] = _sampled(
                random, outputs[holes], distribution, scaling
            )
            filled_in += int(holes.sum())
    return filled_in


def _sampled(
    random: np.random.Generator, parameters: np.ndarray, distribution: str, scaling: Scaling
) -> np.ndarray:
    """Values in the series' units from parameters of scaled ones, (T, P); float64 (T,)."""
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
    """Before each epoch, puts new samples of the model where values are missing."""

    def __init__(self, batches: WindowBatches, distribution: str, seed: int):
        super().__init__()
        self.batches, self.distribution, self.seed = batches, distribution, seed

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch:
            predict = self.model.predict_on_batch
            refill(self.batches, predict, self.distribution, self.seed + epoch)


def without_effects(many: Sequence[TimeSeries], recipe: Recipe, windows: int) -> list[TimeSeries]:
    """The series without what their covariates add in the part that is trained on.

    Args:
        windows: of each series that are set aside; 0 for none.
    """
    if not recipe.effects:
        return list(many)
    season, series = frequency.season(recipe.freq), []
    for one in many:
        head = without_windows(one, recipe.horizon, windows) if windows else one
        effects = Effects.of(head, recipe.known, season)
        series.append(effects.removed(one) if effects else one)
    return series


def fingerprint(many: Sequence[TimeSeries]) -> str:
    """A digest of all that is trained on."""
    digest = hashlib.sha256()
    for one in many:
        digest.update(f"{one.name}|{one.start}|{one.freq}|{sorted(one.static.items())}|".encode())
        digest.update(np.ascontiguousarray(one.target).tobytes())
        for key in sorted(one.known):
            digest.update(np.ascontiguousarray(one.known[key]).tobytes())
    return digest.hexdigest()[:20]
