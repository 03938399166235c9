"""Train DeepAR on series of your own: from scratch, or from a pretrained one.

    model = ws.finetune("deepar", "sales.csv", horizon=28)
    model = ws.finetune("deepar_hourly", load, horizon=24, epochs=10)     # transfer

The network is `models.series.deepar`. Transfer keeps the weights of everything the base knows; what is new (items,
covariates, holidays) comes in with weights of zero, so that training begins with the base's own forecasts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry, Metric
from warmstart.core.model import Model
from warmstart.errors import InputError, UsageError, require
from warmstart.models.series.deepar import network as deepar
from warmstart.series import frequency
from warmstart.series.features import Recipe
from warmstart.series.layout import Layout
from warmstart.series.time_series import TimeSeries, iter_series
from warmstart.series.train import report
from warmstart.series.train.windows import HeldOut, WindowBatches, refill
from warmstart.training.fit import fit, seeded
from warmstart.training.result import finish
from warmstart.training.run import Run, open_run
from warmstart.training.schedules import warmup_cosine

SCRATCH = "deepar"
PAPER = ("Salinas, Flunkert, Gasthaus: DeepAR: Probabilistic Forecasting with Autoregressive Recurrent Networks, 2017, "
         "arXiv:1704.04110")
RATES = {True: 1e-3, False: 5e-3}  # by whether there is a base
MOST_ITEMS = 100_000


def finetune(base: str | Path | Model, data: Any, *, horizon: int | None = None, context: int | None = None,
             epochs: int = 30, batches_per_epoch: int = 50, batch_size: int = 32, learning_rate: float | None = None,
             validation: bool = True, patience: int | None = 10, distribution: str | None = None, hidden: int = 40,
             layers: int = 2, dropout: float = 0.1, shortcut: bool | None = None, sampling: str | float = "uniform",
             items: bool | None = None, freq: str | None = None, target: str | None = None, item: str | None = None,
             timestamp: str | None = None, known: Sequence[str] | None = None, static: Sequence[str] = (),
             holidays: Sequence[str] | None = None, duplicates: str = "error", optimizer: Any = None, seed: int = 0,
             output: str | Path | None = None, callbacks: Sequence[Any] = (), name: str | None = None) -> Model:
    """Train a forecaster.

    Args:
        base: `"deepar"` (from scratch), or a pretrained DeepAR as `ws.load` takes or returns it.
        data: series; see `warmstart.series.time_series`.
        horizon: steps to forecast; default: the base's, else 24.
        context: observed steps that the network reads first; default: the base's, else the horizon, at least one
            season.
        epochs, batches_per_epoch, batch_size: how long; windows are drawn at random, so an epoch is only a count.
        learning_rate: the highest; it rises, then falls along a cosine.
        validation: whether the last `horizon` steps of each series are held out, for the choice of the best epoch
            and the figures of the report. False trains on everything.
        patience: stop after so many epochs without a better one; None never does.
        distribution: `"student_t"`, `"gaussian"` or `"negative_binomial"` (counts); default: the base's, else
            Student-t.
        hidden, layers, dropout: of a network from scratch.
        shortcut: whether a network from scratch has a straight path from the lags to the location, which begins as
            the value one season ago: what it learns is better than seasonal naive from the first steps on. Default:
            where the distribution has a location.
        sampling: of windows: `"uniform"`, or `"scale"`: large series more often (paper, section 3.3);
            a number between the two, from 0 to 1: in proportion to that power of the scale.
        items: whether each series has an embedding of its own; default: where there are 2 to 100,000 of them.
        freq, target, item, timestamp, duplicates: how to read tables; as for forecasting.
        known, static: columns of covariates known in advance, and of categories.
        holidays: dates that get a feature of their own.
        optimizer: an optimizer of Keras in place of Adam with the schedule above.
        seed: of everything random.
        output, callbacks: see `ws.finetune`.
        name: of the result; default: `deepar_` and the unit of the frequency.

    Raises:
        UsageError: an option is wrong, the base is no DeepAR or of another frequency, or no series can be used.
        MissingPackageError: pandas is not installed.
    """
    require("pandas", extra="series", purpose="to train a forecaster")
    start = None if base == SCRATCH else _deepar(base)
    old: Recipe | None = start.method.recipe if start else None
    layout = Layout(freq, target, item, timestamp, tuple(known or (old.known if old else ())), tuple(static),
                    duplicates, old.freq if old else None)
    many, errors = _read(data, layout)
    recipe = _recipe(many, old, horizon, context, layout, holidays, items)
    config = _config(recipe, start, distribution, hidden, layers, dropout, shortcut)
    usable, errors = _checked(many, recipe, errors)
    settings = {"base": start.weights.digest if start else SCRATCH, "data": _fingerprint(usable), "name": name,
                "recipe": {k: v for k, v in recipe.to_dict().items() if k != "categories"}, "config": config.to_dict(),
                "epochs": epochs, "batches_per_epoch": batches_per_epoch, "batch_size": batch_size,
                "learning_rate": learning_rate, "validation": validation, "patience": patience, "sampling": sampling,
                "optimizer": optimizer, "seed": seed}
    with open_run(output, settings) as run:
        if run.finished:
            from warmstart.core.loading import load

            return load(run.folder)
        with seeded(seed):
            network = deepar.build(config)
        if start is not None and old is not None:
            transfer(start.keras, deepar.config_of(start.entry.config), old, network, config, recipe)
        peak = learning_rate or RATES[start is not None]
        rate = warmup_cosine(peak, epochs * batches_per_epoch, warmup=0.05, final=0.01)
        network.compile(optimizer or keras.optimizers.Adam(rate),
                        deepar.negative_log_likelihood(config.distribution), jit_compile=False)
        trained_on = [_cut(one, recipe.horizon) for one in usable] if validation else usable
        batches = WindowBatches(trained_on, recipe, recipe.horizon, batch_size=batch_size, batches=batches_per_epoch,
                                seed=seed, sampling=sampling)
        held = HeldOut(usable, recipe, recipe.horizon) if validation else None
        fitted = fit(network, batches, epochs=epochs, validation=held, patience=patience if validation else None,
                     clip_norm=10.0, run=run, callbacks=[*_refilling(batches, config, seed), *callbacks])
        return _finished(run, network, usable, recipe, config, fitted, start, name, validation, errors)


def _deepar(base: str | Path | Model) -> Any:
    from warmstart.training import open_base

    model = open_base(base, "forecasting")
    if model.entry.architecture != "deepar":
        raise UsageError(f"{model.name} is no DeepAR and cannot be fine-tuned; give base='deepar' to train one from "
                         "scratch.")
    return model


def _read(data: Any, layout: Layout) -> tuple[list[TimeSeries], list[str]]:
    many, errors = [], []
    for _, value in iter_series(data, layout):
        if isinstance(value, InputError):
            errors.append(str(value))
        else:
            many.append(value)
    if not many:
        raise UsageError("No series can be used to train on." + (f" The first error: {errors[0]}" if errors else ""))
    return many, errors


def _recipe(many: Sequence[TimeSeries], old: Recipe | None, horizon: int | None, context: int | None, layout: Layout,
            holidays: Sequence[str] | None, items: bool | None) -> Recipe:
    freq = many[0].freq
    if old is not None and frequency.kind(freq) != frequency.kind(old.freq):
        raise UsageError(f"The series have the frequency {freq}, the base forecasts {old.freq}; give base='deepar' to "
                         "train from scratch.")
    horizon = horizon or (old.horizon if old else 24)
    season = frequency.season(freq)
    context = context or (old.context if old else max(horizon, season if season <= 366 else 1))
    if not (1 <= horizon <= 10_000 and 1 <= context <= 10_000):
        raise UsageError(f"horizon and context are 1 to 10,000, not {horizon} and {context}.")
    names = list(dict.fromkeys(one.name for one in many))
    if items is None:
        items = 2 <= len(names) <= MOST_ITEMS
    categories: dict[str, list[str]] = {"item": names} if items else {}
    for column in layout.static:
        categories[column] = sorted({one.static[column] for one in many if column in one.static})
    days = tuple(str(day)[:10] for day in (holidays if holidays is not None else old.holidays if old else ()))
    return Recipe(freq, horizon, context, old.lags if old else tuple(frequency.lags(freq)), tuple(layout.known),
                  categories, days, "item" if items else None, old.calendar if old else all(one.dated for one in many))


def _config(recipe: Recipe, start: Any, distribution: str | None, hidden: int, layers: int, dropout: float,
            shortcut: bool | None) -> deepar.DeepARConfig:
    before = deepar.config_of(start.entry.config) if start is not None else None
    distribution = distribution or (before.distribution if before else "student_t")
    if before is None:
        if shortcut is None:
            shortcut = distribution != "negative_binomial"
        season = frequency.season(recipe.freq)
        lag = season if season in recipe.lags else min(recipe.lags)
        sizes = {"hidden": hidden, "layers": layers, "shortcut": lag if shortcut else 0}
    elif distribution != before.distribution:
        raise UsageError(f"The base gives {before.distribution}; another distribution needs base='deepar'.")
    else:
        sizes = {"hidden": before.hidden, "layers": before.layers, "shortcut": before.shortcut}
    return deepar.DeepARConfig(recipe.lags, recipe.width, tuple(len(v) for v in recipe.categories.values()),
                               distribution, dropout=dropout, **sizes)


def _checked(many: Sequence[TimeSeries], recipe: Recipe, errors: list[str]) -> tuple[list[TimeSeries], list[str]]:
    usable, found = [], list(errors)
    for one in many:
        try:
            recipe.check(one, 0)
            if len(one) < 2:
                raise InputError(f"{one.name}: one step is too short to learn from; it can still be forecast.",
                                 one.name)
            usable.append(one)
        except InputError as error:
            found.append(str(error))
    if not usable:
        raise UsageError(f"No series can be used to train on. The first error: {found[0]}")
    return usable, found


def _fingerprint(many: Sequence[TimeSeries]) -> str:
    digest = hashlib.sha256()
    for one in many:
        digest.update(f"{one.name}|{one.start}|{one.freq}|{sorted(one.static.items())}|".encode())
        digest.update(np.ascontiguousarray(one.target).tobytes())
        for key in sorted(one.known):
            digest.update(np.ascontiguousarray(one.known[key]).tobytes())
    return digest.hexdigest()[:20]


def _cut(one: TimeSeries, horizon: int) -> TimeSeries:
    """Without the held-out end; a series too short for one keeps all but its last step."""
    kept = one.head(max(len(one) - horizon, 1))
    return kept if np.isfinite(kept.target).any() else one


def transfer(source: keras.Model, before: deepar.DeepARConfig, old: Recipe, target: keras.Model,
             config: deepar.DeepARConfig, recipe: Recipe) -> None:
    """Copy what both networks know; rows of the first kernel for inputs that only the target has become zero."""
    first = source.get_layer("lstm_1").get_weights()[0]
    rows = {name: first[place] for place, name in enumerate(_input_names(old, before))}
    kernel = [rows.get(name, np.zeros(first.shape[1], np.float32)) for name in _input_names(recipe, config)]
    for n in range(1, config.layers + 1):
        layer = target.get_layer(f"lstm_{n}")
        layer.set_weights(source.get_layer(layer.name).get_weights() if n > 1
                          else [np.stack(kernel), *source.get_layer(layer.name).get_weights()[1:]])
    for name in ("parameters", "shortcut")[:1 + bool(config.shortcut)]:
        target.get_layer(name).set_weights(source.get_layer(name).get_weights())
    known = {name: (embedding, values) for embedding, (name, values)
             in zip(source.get_layer("inputs").embeddings, old.categories.items(), strict=True)}
    for embedding, (name, values) in zip(target.get_layer("inputs").embeddings, recipe.categories.items(), strict=True):
        if name in known and known[name][0].output_dim == embedding.output_dim:
            table, learned = embedding.get_weights()[0], known[name][0].get_weights()[0]
            places = {str(value): place for place, value in enumerate(known[name][1], 1)}
            table[0] = learned[0]
            for place, value in enumerate(values, 1):
                table[place] = learned[places.get(str(value), 0)]  # a new item begins as one never seen
            embedding.set_weights([table])


def _input_names(recipe: Recipe, config: deepar.DeepARConfig) -> list[str]:
    """A name for each row of the first kernel, in order."""
    names = [f"lag {lag}" for lag in config.lags]
    names += [*recipe.calendar_names, "age"]
    names += ["holiday"] if recipe.holidays else []
    names += [f"known {name}" for name in recipe.known] + ["log scale"]
    for name, count in zip(recipe.categories, config.cardinalities, strict=True):
        width = min(50, (count + 1) // 2)
        names += [f"category {name} of {width}: {place}" for place in range(width)]
    return names


def _refilling(batches: WindowBatches, config: deepar.DeepARConfig, seed: int) -> list[keras.callbacks.Callback]:
    """Where values are missing, the model's own samples take their place anew before each epoch but the first."""
    if not batches.has_holes:
        return []

    class Refill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch:
                refill(batches, self.model.predict_on_batch, config.distribution, seed + epoch)

    return [Refill()]


def _finished(run: Run, network: keras.Model, many: Sequence[TimeSeries], recipe: Recipe, config: deepar.DeepARConfig,
              fitted: Any, start: Any, name: str | None, validation: bool, errors: Sequence[str]) -> Model:
    unit = frequency.kind(recipe.freq)[0].replace(" ", "_")
    entry = Entry(
        name=name or f"deepar_{unit}", task="forecasting", family="deepar", title=f"DeepAR, {recipe.freq}",
        architecture="deepar", config=config.to_dict(), weights={}, preprocessing=None, labels="",
        licence=start.entry.licence if start else "Apache-2.0", parameters=network.count_params(), gflops=None,
        min_size=0, metrics=(), paper=PAPER, processing=recipe.to_dict())
    backtest = report.backtest(entry, network, many) if validation else None
    if backtest is not None:
        data = f"the last {recipe.horizon} steps of {backtest.count} series, held out"
        metrics = tuple(Metric(key, round(backtest.metrics[key], 5), data, "the training run")
                        for key in ("mean_wQL", "ND", "MASE") if np.isfinite(backtest.metrics[key]))
        entry = Entry.from_dict({**entry.to_dict(), "metrics": [vars(metric) for metric in metrics]})
    page = report.page(entry, recipe, fitted, backtest, errors, run.settings)
    told = {"metrics": backtest.metrics, "seasonal_naive": backtest.naive} if backtest else {}
    return finish(run, network, entry, (), fits={"fit": fitted}, report=page, told={**told, "errors": list(errors)},
                  card=report.card(entry, recipe, backtest))
