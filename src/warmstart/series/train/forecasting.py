"""Train DeepAR on series of your own: from scratch, or from a pretrained one.

    model = ws.finetune("deepar", "sales.csv", horizon=28)
    model = ws.finetune("deepar_hourly", load, horizon=24, epochs=10)     # transfer

The network is `models.series.deepar`; `transfer` says what a base gives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry, Metric
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.errors import InputError, UsageError
from warmstart.models.series.deepar import network as deepar
from warmstart.models.series.deepar.family import DeepARConfig, config_of
from warmstart.series import frequency
from warmstart.series.features import Recipe
from warmstart.series.layout import Layout
from warmstart.series.time_series import TimeSeries, iter_series
from warmstart.series.train import report
from warmstart.series.train.options import ForecastingOptions
from warmstart.series.train.transfer import transfer
from warmstart.series.train.windows import ValidationWindows, WindowBatches, refill
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
MOST_ITEMS = 100_000


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
            "items",
            "freq",
            "target",
            "item",
            "timestamp",
            "known",
            "static",
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
                f"{self.model.name} is not a DeepAR and cannot be fine-tuned; give base='deepar' to "
                "train one from scratch."
            )
        self.start = self.model

    @property
    def base_name(self) -> str:
        return self.model.name if self.start else SCRATCH

    def read(self, data: Any) -> Summary:
        options = self.options
        old: Recipe | None = self.start.method.recipe if self.start else None
        self.layout = Layout(
            options.freq,
            options.target,
            options.item,
            options.timestamp,
            tuple(options.known or (old.known if old else ())),
            tuple(options.static),
            options.duplicates,
            old.freq if old else None,
        )
        self.errors: list[str] = []
        many = self._read(data)
        self.recipe = self._recipe(many, old)
        self.config = self._config()
        self.series = self._usable(many)
        validated = len(self.series) if options.validates else 0
        counts = {"train": len(self.series), "validation": validated}
        return Summary(data_name(data), self.unit, counts, {}, problems=self.errors)

    def _read(self, data: Any) -> list[TimeSeries]:
        many = []
        for _, value in iter_series(data, self.layout):
            if isinstance(value, InputError):
                self.errors.append(str(value))
            else:
                many.append(value)
        return self._some(many)

    def _usable(self, many: Sequence[TimeSeries]) -> list[TimeSeries]:
        usable = []
        for one in many:
            try:
                self.recipe.check(one, 0)
                if len(one) < 2:
                    reason = "one step is too short to learn from; it can still be forecast."
                    raise InputError(f"{one.name}: {reason}", one.name)
                usable.append(one)
            except InputError as error:
                self.errors.append(str(error))
        return self._some(usable)

    def _some(self, many: list[TimeSeries]) -> list[TimeSeries]:
        if not many:
            first = f" The first error: {self.errors[0]}" if self.errors else ""
            raise UsageError(f"No series can be used to train on.{first}")
        return many

    def _recipe(self, many: Sequence[TimeSeries], old: Recipe | None) -> Recipe:
        options, freq = self.options, many[0].freq
        if old is not None and frequency.kind(freq) != frequency.kind(old.freq):
            raise UsageError(
                f"The series have the frequency {freq}, the base forecasts {old.freq}; give "
                "base='deepar' to train from scratch."
            )
        horizon = options.horizon or (old.horizon if old else 24)
        season = frequency.season(freq)
        usual = old.context if old else max(horizon, season if season <= 366 else 1)
        names = list(dict.fromkeys(one.name for one in many))
        items = 2 <= len(names) <= MOST_ITEMS if options.items is None else options.items
        categories: dict[str, list[str]] = {"item": names} if items else {}
        for column in self.layout.static:
            values = {one.static[column] for one in many if column in one.static}
            categories[column] = sorted(values)
        holidays = options.holidays
        if holidays is None:
            holidays = old.holidays if old else ()
        return Recipe(
            freq,
            horizon,
            options.context or usual,
            old.lags if old else tuple(frequency.lags(freq)),
            tuple(self.layout.known),
            categories,
            tuple(str(day)[:10] for day in holidays),
            "item" if items else None,
            old.calendar if old else all(one.dated for one in many),
        )

    def _config(self) -> DeepARConfig:
        options, recipe = self.options, self.recipe
        before = config_of(self.start.entry.config) if self.start else None
        distribution = options.distribution or (before.distribution if before else "student_t")
        if before is None:
            shortcut = options.shortcut
            if shortcut is None:
                shortcut = distribution != "negative_binomial"
            season = frequency.season(recipe.freq)
            lag = season if season in recipe.lags else min(recipe.lags)
            hidden, layers, lag = options.hidden, options.layers, lag if shortcut else 0
        elif distribution != before.distribution:
            raise UsageError(
                f"The base gives {before.distribution}; another distribution needs base='deepar'."
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

    def settings(self) -> dict[str, Any]:
        options = self.options.recorded(without=self.derived)
        return {"task": self.task, **options, **self.identity()}

    def identity(self) -> dict[str, Any]:
        recipe = self.recipe.to_dict()
        return {
            "base": self.start.weights.digest if self.start else SCRATCH,
            "data": _fingerprint(self.series),
            "recipe": {key: value for key, value in recipe.items() if key != "categories"},
            "config": self.config.to_dict(),
            "validation": self.options.validates,
        }

    def build(self) -> keras.Model:
        network = deepar.build(self.config)
        if self.start is not None:
            before, old = config_of(self.start.entry.config), self.start.method.recipe
            transfer(self.start.keras, before, old, network, self.config, self.recipe)
        return network

    def batches(self) -> WindowBatches:
        options, horizon = self.options, self.recipe.horizon
        series = self.series
        if options.validates:
            series = [_without_end(one, horizon) for one in series]
        return WindowBatches(
            series,
            self.recipe,
            horizon,
            batch_size=options.batch_size,
            batches=options.batches_per_epoch,
            seed=options.seed,
            sampling=options.sampling,
        )

    def validation_batches(self) -> ValidationWindows | None:
        if not self.options.validates:
            return None
        return ValidationWindows(self.series, self.recipe, self.recipe.horizon)

    def callbacks(self, batches: Any) -> list[keras.callbacks.Callback]:
        """Where values are missing, the model's own samples take their place anew before each epoch
        but the first.
        """
        own = [_Refill(batches, self.config.distribution, self.options.seed)]
        return [*(own if batches.has_holes else ()), *self.options.callbacks]

    def loss(self) -> Any:
        return deepar.negative_log_likelihood(self.config.distribution)

    def default_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        peak = self.options.learning_rate or (RATE if self.start else SCRATCH_RATE)
        return keras.optimizers.Adam(warmup_cosine(peak, steps, warmup=0.05, final=0.01))

    def describe(self) -> Entry:
        recipe, config = self.recipe, self.config
        unit = frequency.kind(recipe.freq)[0].replace(" ", "_")
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
        self.backtest = None
        if self.options.validates:
            self.backtest = report.backtest(entry, self.network, self.series)
        if self.backtest is None:
            return entry
        naive = {key: self.backtest.naive[key] for key in METRICS if key in self.backtest.naive}
        words = ", ".join(f"{key} {value:.4g}" for key, value in naive.items())
        self.summary = replace(self.summary, baseline=f"seasonal naive: {words}")
        data = f"the last {recipe.horizon} steps of {self.backtest.count} series"
        return replace(
            entry,
            metrics=tuple(
                Metric(key, round(self.backtest.metrics[key], 5), data, SOURCE)
                for key in METRICS
                if np.isfinite(self.backtest.metrics[key])
            ),
        )

    def results(self) -> list[str]:
        lines = list(super().results())
        if self.backtest is not None:
            figures = ", ".join(f"{one.name} {one.value:.4g}" for one in self.entry.metrics)
            lines.append(f"result: {figures} on the last {self.recipe.horizon} steps")
            lines.append(f"baseline: {self.summary.baseline}")
        return lines

    def tiles(self) -> list[tuple[str, str]]:
        return report.tiles(self.backtest)

    def sections(self) -> list[Section]:
        return report.sections(self.recipe, self.backtest)

    def details(self) -> dict[str, Any]:
        backtest = self.backtest
        figures = {}
        if backtest is not None:
            figures = {"metrics": backtest.metrics, "seasonal_naive": backtest.naive}
        return {**figures, "errors": list(self.errors)}

    def card(self) -> str:
        return report.card(self.entry, self.recipe, self.backtest)

    def source_folder(self) -> Path | None:
        return None


METRICS = ("mean_wQL", "ND", "MASE")


class _Refill(keras.callbacks.Callback):
    def __init__(self, batches: WindowBatches, distribution: str, seed: int):
        super().__init__()
        self.batches, self.distribution, self.seed = batches, distribution, seed

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch:
            predict = self.model.predict_on_batch
            refill(self.batches, predict, self.distribution, self.seed + epoch)


def _fingerprint(many: Sequence[TimeSeries]) -> str:
    digest = hashlib.sha256()
    for one in many:
        digest.update(f"{one.name}|{one.start}|{one.freq}|{sorted(one.static.items())}|".encode())
        digest.update(np.ascontiguousarray(one.target).tobytes())
        for key in sorted(one.known):
            digest.update(np.ascontiguousarray(one.known[key]).tobytes())
    return digest.hexdigest()[:20]


def _without_end(one: TimeSeries, horizon: int) -> TimeSeries:
    """Without its last horizon; a series too short for one keeps all but its last step."""
    head = one.head(max(len(one) - horizon, 1))
    return head if np.isfinite(head.target).any() else one
