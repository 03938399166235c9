"""How good forecasts are: the metrics of `gluonts.evaluation`, computed alike, and the CRPS of
samples.

| metric | of one window | over windows |
|---|---|---|
| wQL at level q | 2 * sum of the quantile loss | sum / sum of absolute actual values |
| ND | sum of absolute errors of the median | sum / the same |
| MASE | mean absolute error of the median / mean absolute change over a season in the past | mean |
| sMAPE | mean of 2 |y - f| / (|y| + |f|), f the median | mean |
| coverage of an interval | share of actual values in it | mean |
| CRPS | sum over steps of E|X - y| - E|X - X'| / 2 over the samples | sum / sum of absolute actual values |

Missing actual values are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
COVERED = {"coverage_80": (0.1, 0.9), "coverage_60": (0.2, 0.8)}


@dataclass
class Scores:
    """Collects windows; `result` is what they come to."""

    season: int
    losses: dict[float, float] = field(default_factory=lambda: dict.fromkeys(LEVELS, 0.0))
    errors: float = 0.0
    actual: float = 0.0
    crps: float | None = 0.0
    mase: list[float] = field(default_factory=list)
    smape: list[float] = field(default_factory=list)
    below: dict[float, list[float]] = field(default_factory=lambda: {level: [] for level in LEVELS})

    def add(
        self,
        actual: np.ndarray,
        past: np.ndarray,
        quantile: Callable[[float], np.ndarray],
        samples: np.ndarray | None = None,
    ) -> None:
        """One window.

        Args:
            actual: (H,); NaN where unknown.
            past: the series before it, (T,).
            quantile: level -> (H,).
            samples: (S, H), for the CRPS.
        """
        seen = np.isfinite(actual)
        if not seen.any():
            return
        truth = actual[seen].astype(np.float64)
        quantiles = {level: quantile(level)[seen] for level in LEVELS}
        for level, value in quantiles.items():
            self.losses[level] += 2 * float(
                np.abs((value - truth) * ((truth <= value) - level)).sum()
            )
            self.below[level].append(float((truth <= value).mean()))
        median = quantiles[0.5]
        wrong = np.abs(truth - median)
        self.errors += float(wrong.sum())
        self.actual += float(np.abs(truth).sum())
        usual = seasonal_error(past, self.season)
        if usual > 0:  # a constant past says nothing; GluonTS' mean would be infinite
            self.mase.append(float(wrong.mean()) / usual)
        with np.errstate(invalid="ignore", divide="ignore"):
            symmetric = 2 * float(np.mean(wrong / (np.abs(truth) + np.abs(median))))
        if np.isfinite(symmetric):
            self.smape.append(symmetric)
        if samples is None or self.crps is None:
            self.crps = None
        else:
            self.crps += float(crps(truth, samples[:, seen]).sum())

    def result(self) -> dict[str, float]:
        """Metrics by name; NaN where nothing could be measured."""
        base = self.actual or float("nan")
        weighted = {f"wQL_{level:g}": loss / base for level, loss in self.losses.items()}
        metrics = {
            "mean_wQL": float(np.mean(list(weighted.values()))),
            "ND": self.errors / base,
            "MASE": _mean(self.mase),
            "sMAPE": _mean(self.smape),
        }
        if self.crps is not None:
            metrics["CRPS"] = self.crps / base
        for name, (low, high) in COVERED.items():
            metrics[name] = _mean(self.below[high]) - _mean(self.below[low])
        return metrics | weighted

    def calibration(self) -> Mapping[float, float]:
        """Share of actual values at or below each quantile."""
        return {level: _mean(shares) for level, shares in self.below.items()}


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def seasonal_error(past: np.ndarray, season: int) -> float:
    """Mean absolute change over a season; over one step where the past is shorter than a season; 0
    where unknown.
    """
    step = season if season < len(past) else 1
    changes = np.abs(past[step:] - past[:-step])
    changes = changes[np.isfinite(changes)]
    return float(changes.mean()) if len(changes) else 0.0


def seasonal_naive(past: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """The last season again and again, holes in it filled as for a network: float64 (horizon,)."""
    from warmstart.series.features import filled

    values = filled(past, season)[0]
    last = values[-season:] if len(values) >= season else values[-1:]
    return np.resize(last, horizon)


def quantiles_of(samples: np.ndarray) -> Callable[[float], np.ndarray]:
    """level -> (H,), of sample paths (S, H), as GluonTS takes them; see `Forecast.quantile`."""
    ordered = np.sort(samples, 0)
    return lambda level: ordered[round((len(ordered) - 1) * level)]


def crps(truth: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of samples (S, H) at each step: float64 (H,)."""
    ordered = np.sort(samples.astype(np.float64), axis=0)
    count = len(ordered)
    weights = 2 * np.arange(1, count + 1) - count - 1  # E|X - X'| from the order statistics
    spread = (weights[:, None] * ordered).sum(0) / count**2
    scores: np.ndarray = np.abs(ordered - truth).mean(0) - spread
    return scores
