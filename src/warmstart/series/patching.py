"""Chronos-Bolt around its network: scale and cut a series into patches; quantiles back; horizons
beyond its own.

Source: the reference implementation, chronos-forecasting (`ChronosBoltPipeline.predict`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Entry
from warmstart.engines.base import Engine, TensorSpec
from warmstart.series.time_series import TimeSeries

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

BATCH = 64
SMALLEST_SCALE = 1e-5  # of a constant series
DEFAULT_FREQ = "D"  # of series without timestamps


class ChronosBolt:
    """One model; see `series.method.Method`."""

    sampled = False
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    columns: ClassVar[Mapping[str, Any]] = {}
    validation: ClassVar[Mapping[str, Mapping[str, float]]] = {}
    freq = DEFAULT_FREQ
    any_freq = True

    def __init__(self, entry: Entry):
        sizes = entry.processing
        self.horizon, self.context, self.patch = (
            int(sizes[key]) for key in ("horizon", "context", "patch")
        )
        self.levels = tuple(float(level) for level in sizes["quantiles"])

    def check(self, series: TimeSeries, horizon: int) -> None:
        """Any series will do."""

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
        """Quantiles of each series; nothing is random."""
        context = padded([item.target[-self.context :] for item in series])
        quantiles = yield from self.quantiles(engine, context, horizon)
        low, high = self.levels[0], self.levels[-1]
        notes = [f"quantiles below {low:g} and above {high:g} are those of {low:g} and {high:g}"]
        return [
            {"quantile_values": dict(zip(self.levels, row, strict=True)), "notes": notes}
            for row in quantiles
        ]

    def states(self, engine: Engine, series: Sequence[TimeSeries]) -> NDArray[Any]:
        """Mean of the encoder's states over the patches that were observed: float32 (N, D)."""
        context = padded([item.target[-self.context :] for item in series])
        patches, mask, _, _ = self.prepare(context)
        states = engine.run("forward", patches=patches, mask=mask)["states"][:, : mask.shape[1]]
        mean: NDArray[Any] = (states * mask[..., None]).sum(1) / np.maximum(mask.sum(1), 1)[:, None]
        return mean

    def state_size(self, engine: Engine) -> int:
        (spec,) = (spec for spec in engine.signatures["forward"].outputs if spec.name == "states")
        return int(spec.shape[-1])

    def quantiles(
        self, engine: Engine, context: NDArray[Any], horizon: int
    ) -> Generator[None, None, NDArray[Any]]:
        """Quantiles of the next steps: float32 (N, Q, horizon); yields between calls of the engine.

        Beyond the network's own horizon each quantile is put behind the context as if it had been
        observed; of the Q x Q forecasts that this gives, the quantiles are taken.

        Args:
            context: float32 (N, T), NaN where nothing was observed.
        """
        parts = [(yield from self._once(engine, context))]
        count, levels = len(context), len(self.levels)
        if horizon > self.horizon:
            context = np.repeat(context[:, None], levels, 1)  # (N, Q, T)
        while sum(part.shape[-1] for part in parts) < horizon:
            yield
            context = np.concatenate([context, parts[-1]], -1)[..., -self.context :]
            rows = yield from self._once(engine, context.reshape(count * levels, -1))
            spread = rows.reshape(count, levels * levels, -1)
            parts.append(
                np.quantile(spread, self.levels, axis=1).transpose(1, 0, 2).astype(np.float32)
            )
        return np.concatenate(parts, -1)[..., :horizon]

    def _once(self, engine: Engine, context: NDArray[Any]) -> Generator[None, None, NDArray[Any]]:
        """Quantiles over the network's own horizon: float32 (N, Q, horizon)."""
        patches, mask, loc, scale = self.prepare(context)
        parts = []
        for first in range(0, len(context), BATCH):
            if first:
                yield
            rows = slice(first, first + BATCH)
            parts.append(engine.run("forward", patches=patches[rows], mask=mask[rows])["quantiles"])
        quantiles: NDArray[Any] = np.concatenate(parts) * scale[..., None] + loc[..., None]
        return quantiles

    def prepare(
        self, context: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """(patches (N, P, 2 * patch), mask (N, P), location (N, 1), scale (N, 1)), all float32."""
        context = context[:, -self.context :].astype(np.float32)
        is_observed = np.isfinite(context)
        count = np.maximum(is_observed.sum(1, keepdims=True), 1)
        filled = np.where(is_observed, context, 0)
        loc = (filled.sum(1, keepdims=True, dtype=np.float64) / count).astype(np.float32)
        centred = np.where(is_observed, context - loc, 0)
        scale = np.sqrt(np.square(centred).sum(1, keepdims=True, dtype=np.float64) / count).astype(
            np.float32
        )
        scale = np.where(scale == 0, np.float32(SMALLEST_SCALE), scale)
        scale = np.where(is_observed.any(1, keepdims=True), scale, 1)
        scaled = (centred / scale).astype(np.float32)
        lead = -context.shape[1] % self.patch
        shape = (len(context), -1, self.patch)
        values = np.pad(scaled, ((0, 0), (lead, 0))).reshape(shape)
        observed = np.pad(is_observed.astype(np.float32), ((0, 0), (lead, 0))).reshape(shape)
        mask = (observed.sum(-1) > 0).astype(np.float32)
        return np.concatenate([values, observed], -1), mask, loc, scale.astype(np.float32)

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: patches (batch, patches, 2 * patch), mask (batch, patches) -> quantiles,
        states.
        """
        from warmstart.engines.keras import Function, Program

        patches = TensorSpec(
            "patches", "float32", ("batch", "patches", 2 * int(entry.config["patch"]))
        )
        mask = TensorSpec("mask", "float32", ("batch", "patches"), 1.0, 1.0)

        def forward(patches: Any, mask: Any) -> Mapping[str, Any]:
            outputs: Mapping[str, Any] = model({"patches": patches, "mask": mask}, training=False)
            return outputs

        return Program({"forward": Function(forward, (patches, mask))}, model)


def padded(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Rows of different lengths as one array, NaN before the shorter ones: float32 (N, T)."""
    width = max(len(row) for row in rows)
    table = np.full((len(rows), width), np.nan, np.float32)
    for index, row in enumerate(rows):
        table[index, width - len(row) :] = row
    return table
