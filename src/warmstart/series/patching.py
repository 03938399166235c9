"""Chronos-Bolt around its network: scale and cut a series into patches; quantiles back; horizons beyond its own.

Source: the reference implementation, chronos-forecasting (`ChronosBoltPipeline.predict`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.catalog import Entry
from warmstart.engines.base import Engine, TensorSpec
from warmstart.series.time_series import TimeSeries

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

BATCH = 64
SMALLEST_SCALE = 1e-5  # of a constant series
COUNTED = "D"  # what series without timestamps are counted in


class ChronosBolt:
    """One model; see `series.forecasting.Method`."""

    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    freq = COUNTED

    def __init__(self, entry: Entry):
        told = entry.processing
        self.horizon, self.context, self.patch = (int(told[key]) for key in ("horizon", "context", "patch"))
        self.levels = tuple(float(level) for level in told["quantiles"])

    def check(self, series: TimeSeries, horizon: int) -> None:
        """Any series will do."""

    def batch_size(self, samples: int) -> int:
        return BATCH

    def answer(self, engine: Engine, many: Sequence[TimeSeries], horizon: int, samples: int,
               seeds: Sequence[Sequence[int]], keep: bool) -> list[dict[str, Any]]:
        """Quantiles of each series; nothing is drawn at random."""
        context = padded([series.target[-self.context:] for series in many])
        found = self.quantiles(engine, context, horizon)
        return [{"given": dict(zip(self.levels, row, strict=True))} for row in found]

    def states(self, engine: Engine, many: Sequence[TimeSeries]) -> np.ndarray:
        """Mean of the encoder's states over the patches that were observed: float32 (N, D)."""
        context = padded([series.target[-self.context:] for series in many])
        patches, mask, _, _ = self.prepare(context)
        states = engine.run("forward", patches=patches, mask=mask)["states"][:, :mask.shape[1]]
        return (states * mask[..., None]).sum(1) / np.maximum(mask.sum(1), 1)[:, None]

    def quantiles(self, engine: Engine, context: np.ndarray, horizon: int) -> np.ndarray:
        """Quantiles of the next steps: float32 (N, Q, horizon).

        Beyond the network's own horizon each quantile is put behind the context as if it had been observed; of the
        Q x Q forecasts that this gives, the quantiles are taken.

        Args:
            context: float32 (N, T), NaN where nothing was observed.
        """
        found = [self._once(engine, context)]
        count, levels = len(context), len(self.levels)
        if horizon > self.horizon:
            context = np.repeat(context[:, None], levels, 1)  # (N, Q, T)
        while sum(part.shape[-1] for part in found) < horizon:
            context = np.concatenate([context, found[-1]], -1)[..., -self.context:]
            spread = self._once(engine, context.reshape(count * levels, -1)).reshape(count, levels * levels, -1)
            found.append(np.quantile(spread, self.levels, axis=1).transpose(1, 0, 2).astype(np.float32))
        return np.concatenate(found, -1)[..., :horizon]

    def _once(self, engine: Engine, context: np.ndarray) -> np.ndarray:
        patches, mask, loc, scale = self.prepare(context)
        parts = [engine.run("forward", patches=patches[n:n + BATCH], mask=mask[n:n + BATCH])["quantiles"]
                 for n in range(0, len(context), BATCH)]
        return np.concatenate(parts) * scale[..., None] + loc[..., None]

    def prepare(self, context: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(patches (N, P, 2 * patch), mask (N, P), location (N, 1), scale (N, 1)), all float32."""
        context = context[:, -self.context:].astype(np.float32)
        seen = np.isfinite(context)
        count = np.maximum(seen.sum(1, keepdims=True), 1)
        filled = np.where(seen, context, 0)
        loc = (filled.sum(1, keepdims=True, dtype=np.float64) / count).astype(np.float32)
        centred = np.where(seen, context - loc, 0)
        scale = np.sqrt(np.square(centred).sum(1, keepdims=True, dtype=np.float64) / count).astype(np.float32)
        scale = np.where(seen.any(1, keepdims=True), np.where(scale == 0, np.float32(SMALLEST_SCALE), scale), 1)
        scaled = (centred / scale).astype(np.float32)
        lead = -context.shape[1] % self.patch
        shape = (len(context), -1, self.patch)
        values = np.pad(scaled, ((0, 0), (lead, 0))).reshape(shape)
        observed = np.pad(seen.astype(np.float32), ((0, 0), (lead, 0))).reshape(shape)
        mask = (observed.sum(-1) > 0).astype(np.float32)
        return np.concatenate([values, observed], -1), mask, loc, scale.astype(np.float32)

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: patches (batch, patches, 2 * patch), mask (batch, patches) -> quantiles, states."""
        from warmstart.engines.keras import Function, Program

        patches = TensorSpec("patches", "float32", ("batch", "patches", 2 * int(entry.config["patch"])))
        mask = TensorSpec("mask", "float32", ("batch", "patches"), 1.0, 1.0)

        def forward(patches: Any, mask: Any) -> Mapping[str, Any]:
            return model({"patches": patches, "mask": mask}, training=False)

        return Program({"forward": Function(forward, (patches, mask))}, model)


def padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of different lengths as one array, NaN before the shorter ones: float32 (N, T)."""
    width = max(len(row) for row in rows)
    table = np.full((len(rows), width), np.nan, np.float32)
    for place, row in enumerate(rows):
        table[place, width - len(row):] = row
    return table
