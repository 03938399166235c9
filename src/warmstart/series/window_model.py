"""A wrapped forecaster: takes a window of past values, and returns the next steps."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Entry
from warmstart.counts import counted
from warmstart.engines.base import Engine, TensorSpec
from warmstart.errors import InputError, UsageError
from warmstart.series.time_series import TimeSeries

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

BATCH = 64
MEDIAN = 0.5
SMALLEST_SCALE = 1e-8
"""The scale of a constant window."""


class WindowModel:
    """One model; see `series.method.Method`.

    The `processing` of its entry has: `context` and `horizon` in steps, `levels` of quantiles (only
    0.5 for a model that makes point forecasts), `scaling` of windows ("none"; "standard", by their
    mean and standard deviation; "mean", by the mean of their absolute values; or two numbers), and
    `freq`, the frequency of series without timestamps.
    """

    sampled = False
    any_freq = True
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    columns: ClassVar[Mapping[str, Any]] = {}
    validation: ClassVar[Mapping[str, Mapping[str, float]]] = {}

    def __init__(self, entry: Entry):
        rules = entry.processing
        self.name = entry.name
        self.context, self.horizon = int(rules["context"]), int(rules["horizon"])
        self.levels = tuple(float(level) for level in rules["levels"])
        self.scaling, self.freq = rules["scaling"], str(rules["freq"])

    def check(self, series: TimeSeries, horizon: int) -> None:
        if len(series) < self.context:
            raise InputError(
                f"{series.name}: has {counted(len(series), 'step')}, but {self.name} needs {self.context}",
                series.name,
            )
        if not np.isfinite(series.target[-self.context :]).any():
            raise InputError(
                f"{series.name}: the last {self.context} steps have no values", series.name
            )

    def batch_size(self, samples: int) -> int:
        return BATCH

    def forecast(
        self,
        engine: Engine,
        series: Sequence[TimeSeries],
        horizon: int,
        samples: int,
        seeds: Sequence[Sequence[int]],
        keep: bool,
    ) -> Generator[None, None, list[dict[str, Any]]]:
        """Quantiles of each series; beyond the model's own horizon, its medians are used as past
        values.
        """
        context = np.stack([filled(item.target[-self.context :]) for item in series])
        parts: list[NDArray[Any]] = []
        while sum(part.shape[-1] for part in parts) < horizon:
            if parts:
                yield
                context = np.concatenate([context, self._medians(parts[-1])], -1)
                context = context[:, -self.context :]
            parts.append(self._once(engine, context))
        quantiles = np.concatenate(parts, -1)[..., :horizon]
        notes = self._notes(horizon)
        gaps = [int((~np.isfinite(item.target[-self.context :])).sum()) for item in series]
        interpolated = [
            [f"{counted(count, 'missing value')} interpolated"] if count else [] for count in gaps
        ]
        return [
            {"quantile_values": dict(zip(self.levels, row, strict=True)), "notes": [*notes, *own]}
            for row, own in zip(quantiles, interpolated, strict=True)
        ]

    def _notes(self, horizon: int) -> list[str]:
        notes = []
        if len(self.levels) == 1:
            notes.append("the model makes point forecasts: all quantiles are equal")
        if horizon > self.horizon:
            notes.append(f"steps beyond {self.horizon} are based on forecasts")
        return notes

    def _medians(self, quantiles: NDArray[Any]) -> NDArray[Any]:
        nearest = int(np.argmin(np.abs(np.array(self.levels) - MEDIAN)))
        medians: NDArray[Any] = quantiles[:, nearest]
        return medians

    def _once(self, engine: Engine, context: NDArray[np.float64]) -> NDArray[np.float32]:
        """Quantiles of the next steps: float32 (N, levels, horizon)."""
        mean, scale = self._statistics(context)
        scaled = ((context - mean) / scale).astype(np.float32)
        rows = engine.signatures["forward"].inputs[0].shape[0]
        step = rows if isinstance(rows, int) else len(scaled)
        parts = [
            engine.run("forward", context=scaled[first : first + step])["quantiles"]
            for first in range(0, len(scaled), step)
        ]
        outputs = np.concatenate(parts).astype(np.float64)
        quantiles: NDArray[np.float32] = (outputs * scale[..., None] + mean[..., None]).astype(
            np.float32
        )
        return quantiles

    def _statistics(self, context: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """(offset, divisor) of windows, (N, 1) each."""
        zeros = np.zeros((len(context), 1))
        if self.scaling == "standard":
            scale = context.std(1, keepdims=True)
            return context.mean(1, keepdims=True), np.where(scale < SMALLEST_SCALE, 1.0, scale)
        if self.scaling == "mean":
            scale = np.abs(context).mean(1, keepdims=True)
            return zeros, np.where(scale < SMALLEST_SCALE, 1.0, scale)
        if self.scaling == "none":
            return zeros, zeros + 1.0
        mean, deviation = map(float, self.scaling)
        return zeros + mean, zeros + deviation

    def states(self, engine: Engine, series: Sequence[TimeSeries]) -> NDArray[np.float32]:
        raise UsageError(f"{self.name} has no features of series.")

    def state_size(self, engine: Engine) -> int:
        raise UsageError(f"{self.name} has no features of series.")

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: context (batch, T) -> quantiles (batch, levels, horizon), both float32."""
        from warmstart.engines.keras import Function, Program
        from warmstart.models import architecture

        config = entry.config
        outputs = architecture(entry.architecture).series_outputs(model, config)
        rows = config.get("batch", "batch")
        spec = TensorSpec("context", "float32", (rows, int(config["context"])), -1.0, 1.0)

        def forward(context: Any) -> Mapping[str, Any]:
            named: Mapping[str, Any] = outputs(context, training=False)
            return named

        return Program({"forward": Function(forward, (spec,))}, outputs)


def filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A window without gaps: missing values are interpolated, and repeated at the ends."""
    observed = np.flatnonzero(np.isfinite(values))
    if len(observed) == len(values):
        return values
    return np.interp(np.arange(len(values)), observed, values[observed])
