"""Train DeepAR on series of your own: from scratch, or from a pretrained one.

    model = ws.finetune("deepar", "sales.csv", horizon=28)
    model = ws.finetune("deepar_hourly", load, horizon=24, epochs=10)     # transfer

The network is `models.series.deepar`; `transfer` says what a base gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry, Metric
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.counts import counted
from warmstart.errors import InputError, UsageError
from warmstart.models.series.deepar import network as deepar
from warmstart.models.series.deepar.family import DeepARConfig
from warmstart.series import frequency
from warmstart.series.features import Recipe
from warmstart.series.layout import Layout
from warmstart.series.time_series import TimeSeries, iter_series
from warmstart.series.train import calibration, report
from warmstart.series.train.options import ForecastingOptions
from warmstart.series.train.prepared_windows import PreparedWindows
from warmstart.series.train.recipe import planned_config, planned_recipe
from warmstart.series.train.transfer import transfer
from warmstart.series.train.validation_windows import (
    planned_windows,
    windows_before,
    without_windows,
)
from warmstart.series.train.windows import (
    Refill,
    ValidationWindows,
    WindowBatches,
    fingerprint,
    without_effects,
)
from warmstart.training.page import Section
from warmstart.training.schedules import warmup_cosine
from warmstart.training.summary import Summary, data_name
from warmstart.training.trainer import SOURCE, Trainer

SCRATCH = "deepar"
PAPER = (
    "Salinas, Flunkert, Gasthaus: DeepAR: Probabilistic Forecasting with Autoregressive Recurrent "
    "Networks, 2017, arXiv:1704.04110"
)
RATE, SCRATCH_RATE = 1e-3, 5e-3
"""Highest learning rates: with a base, and without."""


class ForecastingTrainer(Trainer[ForecastingOptions]):
    """DeepAR.

    Attributes:
        start: the base; None from scratch.
        recipe, config: of the network.
        series: what is trained on, whole.
        errors: of the series that are left out.
    """

    task = "forecasting"
    unit = "series"
    example = "series.csv"
    jit_compile = False
    clip_norm = 10.0
    measures = False
    derived = frozenset(
        {
            "horizon",
            "context",
            "distribution",
            "hidden",
            "layers",
            "dropout",
            "shortcut",
            "scaling",
            "items",
            "freq",
            "target",
            "item",
            "timestamp",
            "date_format",
            "decimal",
            "known_covariates",
            "static_covariates",
            "holidays",
            "duplicates",
        }
    )
    start: Any

    def open(self) -> None:
        self.start = None
        if self.base == SCRATCH:
            return
        self.model = self.base if isinstance(self.base, Model) else load(self.base, task=self.task)
        if self.model.entry.architecture != "deepar":
            raise UsageError(
                f"{self.model.name} is not a DeepAR and cannot be fine-tuned; pass "
                "base='deepar' to train one from scratch."
            )
        self.start = self.model

    @property
    def base_name(self) -> str:
        return self.model.name if self.start else SCRATCH

    def read(self, data: Any) -> Summary:
        options = self.options
        old: Recipe | None = self.start.method.recipe if self.start else None
        self.layout = Layout(
            freq=options.freq,
            target=options.target,
            item=options.item,
            timestamp=options.timestamp,
            date_format=options.date_format,
            decimal=options.decimal,
            known=tuple(options.known_covariates or (self.start.method.known if old else ())),
            static=tuple(options.static_covariates),
            duplicates=options.duplicates,
            expected=old.freq if old and not old.universal else None,
            undated=old.freq if old else None,
            is_training=True,
            remembered=old.columns if old else {},
        )
        self.errors: list[str] = []
        series = self._read(data)
        self.recipe = planned_recipe(series, options, self.layout, old)
        before = DeepARConfig.of(self.start.entry.config) if self.start else None
        self.config = planned_config(series, self.recipe, options, before)
        self._check(series)
        self.series = self._usable(series)
        self.windows = planned_windows(self.series, self.recipe.horizon) if options.validates else 0
        horizon = self.recipe.horizon
        validated = (
            len(windows_before(self.series, horizon, self.windows)[0]) if self.windows else 0
        )
        counts = {"train": len(self.series), "validation": validated}
        return Summary(data_name(data), self.unit, counts, {}, problems=self.errors)

    def _read(self, data: Any) -> list[TimeSeries]:
        series = []
        for _, value in iter_series(data, self.layout):
            if isinstance(value, InputError):
                self.errors.append(str(value))
            else:
                series.append(value)
        return self._require_any(series)

    def _check(self, series: Sequence[TimeSeries]) -> None:
        """Refuse data that the network cannot learn at all.

        Raises:
            UsageError: there are negative counts, or no series is longer than the horizon.
        """
        horizon, longest = self.recipe.horizon, max(map(len, series))
        if longest <= horizon:
            raise UsageError(
                f"The horizon of {counted(horizon, 'step')} is longer than the data: the longest series "
                f"has {counted(longest, 'step')}; use a shorter horizon= or more history."
            )
        if self.config.distribution != "negative_binomial":
            return
        for item in series:
            if (low := np.nanmin(item.target)) < 0:
                raise UsageError(
                    f"{item.name} contains {low:g}, but negative_binomial is for counts of 0 "
                    "or more; pass distribution='student_t'."
                )

    def _usable(self, series: Sequence[TimeSeries]) -> list[TimeSeries]:
        usable = []
        for item in series:
            try:
                self.recipe.check(item, 0)
                if len(item) < 2:
                    reason = "one step is too short to learn from; it can still be forecast."
                    raise InputError(f"{item.name}: {reason}", item.name)
                usable.append(item)
            except InputError as error:
                self.errors.append(str(error))
        return self._require_any(usable)

    def _require_any(self, series: list[TimeSeries]) -> list[TimeSeries]:
        if not series:
            first = f" The first error: {self.errors[0]}" if self.errors else ""
            raise UsageError(f"No series can be used to train on.{first}")
        return series

    def settings(self) -> dict[str, Any]:
        options = self.options.recorded(without=self.derived)
        return {"task": self.task, **options, **self.identity()}

    def identity(self) -> dict[str, Any]:
        recipe = self.recipe.to_dict()
        return {
            "base": self.start.weights.digest if self.start else SCRATCH,
            "data": fingerprint(self.series),
            "recipe": {
                key: value for key, value in recipe.items() if key not in ("categories", "columns")
            },
            "config": self.config.to_dict(),
            "validation": self.windows,
        }

    def build(self) -> keras.Model:
        network = deepar.build(self.config)
        if self.start is not None:
            before, old = DeepARConfig.of(self.start.entry.config), self.start.method.recipe
            transfer(self.start.keras, before, old, network, self.config, self.recipe)
        return network

    def batches(self) -> WindowBatches | PreparedWindows:
        options, horizon = self.options, self.recipe.horizon
        series = without_effects(self.series, self.recipe, self.windows)
        if self.windows:
            series = [without_windows(item, horizon, self.windows) for item in series]
        windows = PreparedWindows if self.recipe.universal else WindowBatches
        return windows(
            series,
            self.recipe,
            horizon,
            batch_size=options.batch_size,
            batches=options.batches_per_epoch,
            seed=options.seed,
            sampling=options.sampling,
        )

    def validation_batches(self) -> ValidationWindows | PreparedWindows | None:
        if not self.options.validates:
            return None
        if self.recipe.universal:
            return PreparedWindows(
                self.series, self.recipe, self.recipe.horizon, windows=self.windows
            )
        return ValidationWindows(
            without_effects(self.series, self.recipe, self.windows),
            self.recipe,
            self.recipe.horizon,
            windows=self.windows,
        )

    def callbacks(self, batches: Any) -> list[keras.callbacks.Callback]:
        """The callbacks of the user, and one that fills missing values with new samples of the
        model before each epoch but the first.
        """
        own = [Refill(batches, self.config.distribution, self.options.seed)]
        return [*(own if batches.has_holes else ()), *self.options.callbacks]

    def loss(self) -> Any:
        return deepar.negative_log_likelihood(self.config.distribution)

    def default_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        peak = self.options.learning_rate or (RATE if self.start else SCRATCH_RATE)
        return keras.optimizers.Adam(warmup_cosine(peak, steps, warmup=0.05, final=0.01))

    def describe(self) -> Entry:
        recipe, config = self.recipe, self.config
        unit = frequency.unit_of(recipe.freq)[0].replace(" ", "_")
        entry = Entry(
            name=self.options.name or f"deepar_{unit}",
            task=self.task,
            family="deepar",
            title=f"DeepAR, {recipe.freq}",
            architecture="deepar",
            config=config.to_dict(),
            weights={},
            preprocessing=None,
            labels="",
            licence=self.start.entry.licence if self.start else "Apache-2.0",
            parameters=self.network.count_params(),
            gflops=None,
            min_size=0,
            metrics=(),
            paper=PAPER,
            processing=recipe.to_dict(),
        )
        self.recipe = recipe = calibration.calibrated(
            entry, self.network, self.series, self.windows, is_pretrained=self.start is not None
        )
        entry = replace(entry, processing=recipe.to_dict())
        self.backtest = None
        if self.windows:
            self.backtest = report.backtest(entry, self.network, self.series, self.windows)
        if self.backtest is None:
            return entry
        self.recipe = recipe = replace(recipe, validation=report.validation(self.backtest))
        entry = replace(entry, processing=recipe.to_dict())
        words = "; ".join(report.figures(self.backtest))
        self.summary = replace(self.summary, baseline=words)
        windows = counted(self.backtest.count, "window")
        data = f"{windows} of {counted(recipe.horizon, 'step')}, set aside while training"
        return replace(
            entry,
            metrics=tuple(
                Metric(key, round(self.backtest.metrics[key], 5), data, SOURCE)
                for key in METRICS
                if np.isfinite(self.backtest.metrics[key])
            ),
        )

    def results(self) -> list[str]:
        backtest = self.backtest
        lines = [*super().results(), *report.warnings(self.recipe, backtest)]
        if backtest is None:
            return lines
        metrics = ", ".join(f"{metric.name} {metric.value:.4g}" for metric in self.entry.metrics)
        covered = f"coverage of the 80 % interval {backtest.metrics['coverage_80']:.0%}"
        where = f"in {counted(backtest.count, 'window')} of {counted(self.recipe.horizon, 'step')}"
        lines.append(f"result: {metrics}, {covered}, {where}")
        if self.recipe.pooled:
            lines.append(f"exponential smoothing has a weight of {self.recipe.pooled:.0%}")
        lines += [f"baseline: {words}" for words in report.figures(backtest)]
        return lines

    def tiles(self) -> list[tuple[str, str]]:
        return report.tiles(self.backtest)

    def sections(self) -> list[Section]:
        return report.sections(self.recipe, self.backtest)

    def details(self) -> dict[str, Any]:
        backtest = self.backtest
        metrics = {}
        if backtest is not None:
            metrics = {
                "metrics": backtest.metrics,
                "seasonal_naive": backtest.naive,
                "baselines": backtest.baselines,
            }
        return {**metrics, "errors": list(self.errors)}

    def card(self) -> str:
        return report.card(self.entry, self.recipe, self.backtest)

    def source_folder(self) -> Path | None:
        return None


METRICS = ("mean_wQL", "ND", "MASE")
