"""A synthetic corpus of time series: what a forecaster of any series should have seen.

`series(random)` makes one: a frequency, a length, a level (random walk, trend, autoregressive,
cycle, or a Gaussian process whose kernel is mixed as KernelSynth does: Ansari et al., Chronos,
2024, arXiv:2403.07815, section 4.2), seasons that add or multiply and may change, noise of many
kinds, and then what happens to real ones: counts, intermittent demand, shifts of level, of trend
and of variation, outliers, rounding, a floor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from warmstart.series import frequency

Array = np.ndarray
Random = np.random.Generator

FREQUENCIES = {
    # share, shortest, longest past
    "MS": (0.18, 10, 400),
    "QS": (0.13, 8, 200),
    "YS": (0.11, 6, 200),
    "W-SUN": (0.13, 20, 800),
    "D": (0.15, 16, 1400),
    "B": (0.09, 16, 1300),
    "h": (0.15, 30, 1400),
    "30min": (0.03, 60, 1500),
    "15min": (0.03, 100, 1500),
}
PROCESSES = 0.12
"""Share of Gaussian processes."""
MOST_OF_A_PROCESS = 300
"""Points of a Gaussian process; longer ones are interpolated."""


@dataclass(frozen=True)
class Made:
    """One series.

    Attributes:
        values: float64 (T,), the last `horizon` steps of which are to be forecast.
        freq: pandas alias.
    """

    values: Array
    freq: str


def series(random: Random, horizon: int) -> Made:
    """One at random, with a past and `horizon` steps behind it."""
    names = list(FREQUENCIES)
    shares = np.array([FREQUENCIES[name][0] for name in names])
    freq = names[random.choice(len(names), p=shares / shares.sum())]
    _, shortest, longest = FREQUENCIES[freq]
    past = int(np.exp(random.uniform(np.log(shortest), np.log(longest))))
    count = past + horizon
    seasons = [season for season in frequency.seasons(freq) if season >= 4]
    make = process if random.random() < PROCESSES else composed
    values = make(random, count, seasons)
    values = changed(random, values, past)
    if random.random() < 0.16:
        values = counts(random, values)
    return Made(finished(random, values), freq)


def composed(random: Random, count: int, seasons: list[int]) -> Array:
    """Level, seasons and noise."""
    level = LEVELS[random.choice(len(LEVELS), p=LEVEL_SHARES)](random, count)
    spread = max(float(np.abs(level - np.median(level)).mean()), 0.05)
    height = np.exp(random.uniform(np.log(1.5), np.log(60.0)))
    base = height + level
    seasonal = np.zeros(count)
    if seasons and random.random() < 0.75:
        for season in seasons:
            if random.random() < (0.85 if season == seasons[0] else 0.55):
                seasonal += season_of(random, count, season)
    amplitude = np.exp(random.uniform(np.log(0.1), np.log(8.0))) * min(spread, 3.0)
    noise = noise_of(random, count) * np.exp(random.uniform(np.log(0.02), np.log(2.0)))
    is_relative = random.random() < 0.4
    relative = np.maximum(base / max(float(np.abs(base).mean()), 1e-6), 0.05)
    if is_relative:
        return base + relative * (amplitude * seasonal + noise)
    return base + amplitude * seasonal + noise


def walk(random: Random, count: int) -> Array:
    """A random walk, possibly with heavy tails and with noise upon it (simple smoothing)."""
    steps = random.standard_t(random.choice([3, 5, 30]), count) * np.sqrt(1 / 12)
    return np.asarray(np.cumsum(steps) * np.exp(random.uniform(np.log(0.05), np.log(1.5))))


def trend(random: Random, count: int) -> Array:
    """A trend whose slope changes slowly, and may be damped or exponential."""
    steps = np.arange(count) / count
    choice = random.random()
    size = random.normal() * 6
    if choice < 0.35:
        return np.asarray(size * steps + 0.3 * walk(random, count))
    if choice < 0.55:
        return np.asarray(size * (np.exp(random.uniform(0.3, 3) * steps) - 1) / 3)
    if choice < 0.7:
        return np.asarray(size * (1 - np.exp(-random.uniform(1, 8) * steps)))
    slopes = random.normal() * 0.05 + np.cumsum(random.normal(size=count)) * np.exp(
        random.uniform(np.log(0.001), np.log(0.03))
    )
    damping = random.choice([1.0, 0.98, 0.9])
    slope, level, values = 0.0, 0.0, np.empty(count)
    for step, change in enumerate(np.diff(slopes, prepend=0.0)):
        slope = damping * slope + change
        level += slope
        values[step] = level
    return np.asarray(values / max(np.abs(values).mean(), 1e-6) * np.exp(random.uniform(-1, 2)))


def autoregression(random: Random, count: int) -> Array:
    """It returns to its mean: AR(1), possibly slow."""
    return filtered(random.normal(size=count + 100), [1 - np.exp(random.uniform(-5, -0.2))])[100:]


def cycle(random: Random, count: int) -> Array:
    """A stochastic cycle: AR(2) with complex roots, and its asymmetric forms."""
    period = np.exp(random.uniform(np.log(4), np.log(60)))
    radius = random.uniform(0.85, 0.998)
    values = filtered(
        random.normal(size=count + 300), [2 * radius * np.cos(2 * np.pi / period), -(radius**2)]
    )[300:]
    values = values / max(values.std(), 1e-6) * np.exp(random.uniform(-1, 1))
    if random.random() < 0.3:
        values = np.exp(0.6 * values)
    return np.asarray(values)


def flat(random: Random, count: int) -> Array:
    """A level that stays."""
    return np.zeros(count)


LEVELS = (walk, trend, autoregression, cycle, flat)
LEVEL_SHARES = (0.32, 0.24, 0.16, 0.14, 0.14)


def filtered(noise: Array, weights: list[float]) -> Array:
    """An autoregression with these weights."""
    from scipy.signal import lfilter

    return np.asarray(lfilter([1.0], [1.0, *(-weight for weight in weights)], noise))


def season_of(random: Random, count: int, season: int) -> Array:
    """A season of about unit size, whose shape and size may change."""
    shape = profile(random, season)
    rounds = -(-count // season)
    table = np.tile(shape, (rounds, 1))
    change = random.random()
    if change < 0.3:
        drift = np.cumsum(random.normal(size=(rounds, season)), 0)
        table = table + drift * np.exp(random.uniform(np.log(0.01), np.log(0.3)))
    elif change < 0.5:
        sizes = np.exp(np.cumsum(random.normal(size=rounds)) * random.uniform(0.01, 0.15))
        table = table * sizes[:, None]
    elif change < 0.6 and rounds > 2:
        table[random.integers(1, rounds) :] = profile(random, season)
    values = table.reshape(-1)
    begin = random.integers(0, season)
    return np.asarray(np.resize(np.roll(values, -begin), count))


def profile(random: Random, season: int) -> Array:
    choice = random.random()
    phases = np.arange(season) / season
    if choice < 0.5:  # smooth
        values = np.zeros(season)
        for harmonic in range(1, min(season // 2, random.integers(1, 7)) + 1):
            turn = 2 * np.pi * (harmonic * phases + random.random())
            values += random.normal() / harmonic * np.sin(turn)
    elif choice < 0.75:  # each step its own
        values = random.normal(size=season)
    elif choice < 0.9:  # some steps are special, as weekends and December are
        values = np.where(random.random(season) < random.uniform(0.05, 0.4), random.normal(), 0.0)
        values = values + 0.1 * random.normal(size=season)
    else:  # a peak a day
        values = np.exp(-0.5 * ((phases - 0.5) / random.uniform(0.05, 0.2)) ** 2)
    if season % 7 == 0 and season > 7 and random.random() < 0.7:  # a week of hours
        days = np.repeat(random.normal(size=7), season // 7)
        values = days * (1 + 0.5 * values) if random.random() < 0.5 else days + 0.3 * values
    values = values - values.mean()
    return np.asarray(values / max(np.abs(values).mean(), 1e-6))


def noise_of(random: Random, count: int) -> Array:
    choice = random.random()
    noise = random.normal(size=count)
    if choice < 0.25:
        noise = random.standard_t(random.uniform(2.5, 8), count)
    elif choice < 0.4:  # volatility comes in clusters
        noise = noise * np.exp(0.7 * autoregression(random, count) / 2)
    elif choice < 0.5:
        noise = filtered(noise, [random.uniform(-0.5, 0.8)])
    elif choice < 0.58:
        noise = random.gamma(1.5, 1.0, count) - 1.5
    return np.asarray(noise)


def process(random: Random, count: int, seasons: list[int]) -> Array:
    """A Gaussian process whose kernel is a random sum and product of simple ones."""
    points = min(count, MOST_OF_A_PROCESS)
    times = np.linspace(0, count - 1, points)
    apart = np.abs(times[:, None] - times)
    kernel = simple(random, apart, times, count, seasons)
    for _ in range(random.integers(0, 5)):
        other = simple(random, apart, times, count, seasons)
        kernel = kernel + other if random.random() < 0.5 else kernel * other
    scale = max(float(np.diag(kernel).mean()), 1e-9)
    matrix = kernel / scale + 1e-5 * np.eye(points)
    values = np.linalg.cholesky(matrix) @ random.normal(size=points)
    values = np.interp(np.arange(count), times, values)
    return np.asarray(values * 3 + np.exp(random.uniform(0, 4)) + 0.02 * random.normal(size=count))


def simple(random: Random, apart: Array, times: Array, count: int, seasons: list[int]) -> Array:
    choice = random.random()
    if choice < 0.35:
        period = random.choice(seasons) if seasons else random.uniform(4, 30)
        return np.asarray(np.exp(-2 * np.sin(np.pi * apart / period) ** 2))
    if choice < 0.6:
        width = count * np.exp(random.uniform(np.log(0.01), np.log(1.0)))
        return np.asarray(np.exp(-0.5 * (apart / width) ** 2))
    if choice < 0.75:
        width, alpha = count * np.exp(random.uniform(np.log(0.01), 0)), random.choice([0.1, 1, 10])
        return np.asarray((1 + apart**2 / (2 * alpha * width**2)) ** -alpha)
    if choice < 0.87:
        centred = (times - times.mean()) / count
        return np.asarray(1 + 4 * np.outer(centred, centred))
    return np.asarray(random.uniform(0.02, 1.0) * np.eye(len(times)))


def changed(random: Random, values: Array, past: int) -> Array:
    """Shifts of the level, of the slope and of the variation; outliers."""
    size, count = max(float(np.abs(values - np.median(values)).mean()), 1e-3), len(values)
    values = values.copy()
    if random.random() < 0.12:
        for _ in range(random.integers(1, 4)):
            values[random.integers(1, count) :] += size * random.normal() * 3
    if random.random() < 0.06:
        first = int(random.integers(1, count))
        values[first:] += np.arange(count - first) * size * random.normal() * 4 / count
    if random.random() < 0.06:
        first = int(random.integers(1, count))
        middle = np.median(values)
        values[first:] = middle + (values[first:] - middle) * np.exp(random.normal() * 0.7)
    if random.random() < 0.12:
        is_outlier = random.random(count) < random.uniform(0.002, 0.03)
        values[is_outlier] += size * random.standard_t(2, int(is_outlier.sum())) * 4
    return values


def counts(random: Random, values: Array) -> Array:
    """Poisson, negative binomial or intermittent, around the values."""
    rate = np.maximum(values / max(float(np.abs(values).mean()), 1e-6), 0.02)
    rate = np.minimum(rate, 50) * np.exp(random.uniform(np.log(0.2), np.log(200.0)))
    choice = random.random()
    if choice < 0.4:
        return np.asarray(random.poisson(rate), float)
    if choice < 0.7:
        shape = np.exp(random.uniform(np.log(0.5), np.log(20.0)))
        return np.asarray(random.poisson(random.gamma(shape, rate / shape)), float)
    chance = random.uniform(0.05, 0.7)
    sizes = 1 + random.poisson(np.minimum(rate, 20))
    return np.asarray(np.where(random.random(len(rate)) < chance, sizes, 0), float)


def finished(random: Random, values: Array) -> Array:
    """Some are rounded, have a floor, are turned upside down."""
    chance = random.random()
    if chance < 0.1:
        values = np.round(values * random.choice([1, 2, 10])) * 1.0
    elif chance < 0.15:
        values = np.maximum(values, np.quantile(values, random.uniform(0.02, 0.3)))
    elif chance < 0.25:
        values = -values
    return values
