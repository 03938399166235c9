"""Train the embedded model `deepar`, which forecasts series of any frequency, and write its bundle.

    python scripts/train_embedded_deepar.py SERIES --work work/deepar

SERIES is a folder with m4/Hourly-train.csv, m4/Weekly-train.csv, ETTh1.csv, exchange_rate.csv and
the small files that `universal_windows.real_series` names. Windows are made first and stored in
`work/deepar/parts`; then the network is trained on them. Both go on after a kill. The bundle lies
in `work/deepar/bundle` afterwards; the package ships a copy of it in
src/warmstart/embedded/deepar, whose card is written by `scripts/card_embedded_deepar.py`.

Needs `warmstart[tensorflow]`; takes about an hour on one core.
"""

import argparse
import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import warmstart as ws
from resumable import Triangle, finished_epochs, keepers
from universal_windows import CONTEXT, HORIZON, RECIPE, Window, read_part, write_part
from warmstart.catalog import Entry, WeightFile
from warmstart.checkpoints.naming import model_arrays
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.core import bundle
from warmstart.core.weights import Weights
from warmstart.models.series.deepar import network as deepar
from warmstart.models.series.deepar.family import DeepARConfig
from warmstart.series.train.forecasting import PAPER
from warmstart.series.universal import INPUTS

PARTS, WINDOWS = 16, 4000
VALIDATION = 0
"""The part that is not trained on."""
BATCH, PEAK = 32, 4e-3
AVERAGED = 0.997
"""Of the weights, from one step to the next: what is stored is their moving average."""
JITTER = 0.01
"""Noise on what is to be forecast, so that no density grows without bounds."""
SMOOTHING = 0.5
"""Share of the sample paths that are those of exponential smoothing."""
TURNED = 0.25
LONG_SHARE, SHORT_HORIZON = 0.25, 24
"""Most batches end before the whole horizon: more of them fit into an hour."""
FLOOR = RECIPE.width - len(INPUTS) + INPUTS.index("floor")
CONFIG = DeepARConfig(RECIPE.lags, RECIPE.width, hidden=40, layers=2, dropout=0.0, shortcut=1)


def batch_of(part: Window, rows: np.ndarray, random: np.random.Generator) -> tuple:
    inputs = {
        "lags": part["lags"][rows].astype(np.float32),
        "features": part["features"][rows].astype(np.float32),
        "log_scale": part["log_scale"][rows].astype(np.float32),
    }
    values = part["values"][rows] + np.float32(JITTER) * random.standard_normal(
        part["values"][rows].shape, np.float32
    )
    # A series turned upside down is one, too, unless it often lies at its floor.
    has_floor = inputs["features"][:, -1, FLOOR] > 0.1
    sign = np.where((random.random(len(rows)) < TURNED) & ~has_floor, -1, 1).astype(np.float32)
    inputs["lags"] *= sign[:, None, None]
    values = values * sign[:, None]
    weights = part["weights"][rows]
    return inputs, np.stack([values, weights, np.ones_like(values)], -1)


def batches(parts: Path, epoch: int):
    """Of one part, shuffled."""
    ready = [n for n in range(PARTS) if n != VALIDATION and (parts / f"{n}.npz").exists()]
    part = read_part(parts / f"{ready[epoch % len(ready)]}.npz")
    random = np.random.default_rng((1, epoch))
    order = random.permutation(len(part["values"]))
    for first in range(0, len(order) - BATCH + 1, BATCH):
        inputs, truth = batch_of(part, order[first : first + BATCH], random)
        steps = CONTEXT + (HORIZON if random.random() < LONG_SHARE else SHORT_HORIZON)
        inputs["lags"], inputs["features"] = (
            inputs["lags"][:, :steps],
            inputs["features"][:, :steps],
        )
        yield inputs, truth[:, :steps]


class Stored(keras.callbacks.Callback):
    """Writes the averaged weights after each epoch."""

    def __init__(self, work: Path):
        super().__init__()
        self.work = work

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        optimizer = self.model.optimizer
        averages = optimizer._model_variables_moving_average
        variables = self.model.trainable_variables
        np.savez(
            self.work / "averaged.npz",
            **{v.path: np.array(average) for v, average in zip(variables, averages, strict=True)},
        )


def train(parts: Path, work: Path, epochs: int) -> keras.Model:
    model = deepar.build(CONFIG)
    steps = WINDOWS // BATCH
    rate = Triangle(PEAK, 2 * steps, epochs * steps)
    model.compile(
        keras.optimizers.Adam(rate, clipnorm=5.0, use_ema=True, ema_momentum=AVERAGED),
        deepar.negative_log_likelihood("student_t"),
    )
    held_out = read_part(parts / f"{VALIDATION}.npz")
    random = np.random.default_rng(0)
    validation = list(
        itertools.starmap(
            lambda first: batch_of(held_out, np.arange(first, first + BATCH), random),
            [(first,) for first in range(0, WINDOWS - BATCH, BATCH)],
        )
    )
    first = finished_epochs(work)

    def stream():
        for epoch in itertools.count(first):
            yield from batches(parts, epoch)

    x, y = validation[0]
    signature = (
        {name: tf.TensorSpec(_shape(array)) for name, array in x.items()},
        tf.TensorSpec(_shape(y)),
    )
    data = tf.data.Dataset.from_generator(stream, output_signature=signature).prefetch(4)
    check = tf.data.Dataset.from_generator(lambda: iter(validation), output_signature=signature)
    model.fit(
        data,
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=check,
        validation_freq=8,
        verbose=2,
        callbacks=[*keepers(work), Stored(work)],
    )
    return model


def _shape(array: np.ndarray) -> tuple:
    return (BATCH, None, array.shape[2]) if array.ndim == 3 else array.shape


def entry_of(parameters: int) -> Entry:
    return Entry(
        name="deepar",
        task="forecasting",
        family="deepar",
        title="DeepAR for series of any frequency",
        architecture="deepar",
        config=CONFIG.to_dict(),
        weights={"top": WeightFile(f"embedded:deepar/{bundle.IN_PROGRAM}", layout="tflite")},
        preprocessing=None,
        labels="",
        licence="Apache-2.0",
        parameters=parameters,
        gflops=None,
        min_size=0,
        metrics=(),
        paper=PAPER,
        aliases=("deepar_hourly",),
        processing=replace(RECIPE, smoothing=SMOOTHING).to_dict(),
    )


def write_bundle(network: keras.Model, work: Path) -> None:
    """The bundle of the package, without figures: those need its program, and come afterwards."""
    entry, arrays = entry_of(network.count_params()), model_arrays(network)
    checkpoint = work / "network.safetensors"
    save_safetensors(checkpoint, arrays)
    model = ws.Forecaster(entry, Weights.of(checkpoint), ())
    folder = work / "bundle"
    shutil.rmtree(folder, ignore_errors=True)
    bundle.write(folder, entry, arrays, (), model.artifact.copy_to, weights=bundle.IN_PROGRAM)


def average(network: keras.Model, run: Path) -> None:
    """Fill a network with the averaged weights."""
    with np.load(run / "averaged.npz") as arrays:
        for variable in network.trainable_variables:
            variable.assign(arrays[variable.path])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("series", type=Path, help="folder of the series")
    parser.add_argument("--work", type=Path, required=True, help="folder of checkpoints and result")
    parser.add_argument("--epochs", type=int, default=160, help="of 62 batches")
    options = parser.parse_args()
    parts, run = options.work / "parts", options.work / "run"
    parts.mkdir(parents=True, exist_ok=True)
    run.mkdir(parents=True, exist_ok=True)
    for number in range(PARTS):
        if not (parts / f"{number}.npz").exists():
            write_part(parts / f"{number}.npz", options.series, number, WINDOWS)
    network = train(parts, run, options.epochs)
    average(network, run)
    write_bundle(network, options.work)


if __name__ == "__main__":
    main()
