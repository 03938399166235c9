"""Figures of a wrapped model and of fine-tuning on Ray.

    python benchmarks/doors.py [wrapped] [ray] [--photos 100] [--json FILE]

| part | what | bar |
|---|---|---|
| wrapped | the largest difference of probabilities on 100 photos | 1e-5 |
| wrapped | one image's time, as a share of that of `keras.Model.predict` | 0.15 |
| ray | seconds of a step with 2 workers, as a share of those of one process with as many cores | 1.25 |

The weights are random. `wrapped` compares a MobileNetV2 with a user's head, and the statistics of
photos in its normalisations, with Keras: both take the same preprocessed arrays in turns; a time is
the median of a round, and the best round counts. `ray` fine-tunes all layers of MobileNetV2 on 80
photos of 224 x 224 in batches of 16: a step is the time from the end of one batch to the end of the
next, in all epochs but the first, which compiles; the median counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from measure import usable_cpus

DIFFERENCE, SHARE, STEP = 1e-5, 0.15, 1.25
ROUNDS, CALLS = 4, 25
PHOTOS, BATCH, EPOCHS, WORKERS = 80, 16, 4, 2
SPREAD = 2.0
"""Standard deviation of the logits of the class that varies most over photos."""


def layers_of_a_user() -> tuple[Any, Any, Any]:
    """(model, base, head): a classifier on MobileNetV2, as a user would build it."""
    import keras
    from keras import layers

    base = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(224, 224, 3)
    )
    photos = keras.Input((224, 224, 3))
    x = base(layers.Rescaling(1 / 127.5, -1)(photos), training=False)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    head = layers.Dense(5, activation="softmax", kernel_initializer="random_normal")
    return keras.Model(photos, head(x), name="flowers"), base, head


def network() -> Any:
    """The model with random weights, and normalisation statistics from photos."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    model, base, head = layers_of_a_user()
    sample = np.random.default_rng(1).uniform(-1, 1, (8, 224, 224, 3)).astype(np.float32)
    norms = [one for one in base.layers if isinstance(one, layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    base(sample, training=True)  # statistics of photos: else the outputs of all photos are equal
    pooled = layers.GlobalAveragePooling2D()(base(sample, training=False))
    logits = np.asarray(pooled) @ np.asarray(head.kernel)
    head.kernel.assign(head.kernel * (SPREAD / logits.std(axis=0).max()))
    return model


def exact(model: Any, photos: np.ndarray) -> np.ndarray:
    """The probabilities of the same network in double precision, to distinguish rounding from
    errors.
    """
    import keras

    keras.config.set_dtype_policy("float64")
    try:
        double, _, _ = layers_of_a_user()
        double.set_weights([value.astype(np.float64) for value in model.get_weights()])
        return np.asarray(double.predict(photos.astype(np.float64), verbose=0))
    finally:
        keras.config.set_dtype_policy("float32")


def median(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def steps(**options: Any) -> float:
    """Seconds of a step of fine-tuning, in all epochs but the first."""
    import keras

    import warmstart as ws

    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last, self.seconds = True, 0.0, []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            now = time.perf_counter()
            if batch and not self.first:
                self.seconds.append(now - self.last)
            self.last = now

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.first = False

    photos = np.random.default_rng(0).integers(0, 256, (PHOTOS, 224, 224, 3), np.uint8)
    clock = Clock()
    ws.finetune(
        ws.load("mobilenet_v2", weights=None),
        (photos, np.arange(PHOTOS) % 2),
        epochs=EPOCHS,
        batch_size=BATCH,
        patience=EPOCHS,
        views=0,
        verbose=False,
        callbacks=[clock],
        **options,
    )
    return statistics.median(clock.seconds)


def measure_ray() -> dict[str, float]:
    """The figures of Ray by name."""
    cpus = max(1, usable_cpus() // WORKERS)
    one = steps()
    several = steps(on="ray", address="local", workers=WORKERS, cpus=cpus)
    return {
        "one process, seconds a step": one,
        f"{WORKERS} workers, seconds a step": several,
        "ratio": several / one,
    }


def measure_wrapped(count: int) -> dict[str, float]:
    """The figures of a wrapped model by name."""
    import warmstart as ws

    model = network()
    with tempfile.TemporaryDirectory() as folder:
        own = ws.wrap(model, task="image-classification", output=Path(folder) / "flowers")
        random = np.random.default_rng(0)
        photos = random.integers(0, 256, (count, 224, 224, 3), np.uint8)
        expected = model.predict(photos.astype(np.float32), verbose=0)
        results = own(list(photos), top_k=5)
        scores = [[one.score for one in sorted(r, key=lambda one: one.index)] for r in results]
        rows = [own.prepare(own.input_kind.single(photo), own.options()) for photo in photos]
        actual = np.stack(
            [
                own.engine.run("forward", images=r.rows[0]["images"][None])["probabilities"][0]
                for r in rows
            ]
        )
        double = exact(model, photos)
        one, batch = photos[0], photos[:1].astype(np.float32)
        best = {"wrapped": float("inf"), "predict": float("inf")}
        for _ in range(ROUNDS):
            best["wrapped"] = min(best["wrapped"], median(lambda: own(one)))
            best["predict"] = min(best["predict"], median(lambda: model.predict(batch, verbose=0)))
        return {
            "largest difference": float(np.abs(actual - expected).max()),
            "largest difference of rounded scores": float(
                np.abs(np.array(scores) - expected).max()
            ),
            "from double precision, wrapped": float(np.abs(actual - double).max()),
            "from double precision, predict": float(np.abs(expected - double).max()),
            "spread of probabilities over photos": float(expected.std(axis=0).max()),
            "wrapped, ms": 1e3 * best["wrapped"],
            "predict, ms": 1e3 * best["predict"],
            "share": best["wrapped"] / best["predict"],
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="wrapped, ray; default: both")
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    parts = options.parts or ["wrapped", "ray"]
    if unknown := {*parts} - {"wrapped", "ray"}:
        parser.error(f"there is no part {min(unknown)!r}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    figures: dict[str, float] = {}
    if "wrapped" in parts:
        figures |= measure_wrapped(options.photos)
    if "ray" in parts:
        figures |= measure_ray()
    for name, value in figures.items():
        print(f"{name:<40} {value:.3g}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    bars = {"largest difference": DIFFERENCE, "share": SHARE, "ratio": STEP}
    missed = [name for name, bar in bars.items() if figures.get(name, 0.0) > bar]
    print(f"missed: {', '.join(missed)}" if missed else "reached")
    return int(bool(missed))


if __name__ == "__main__":
    raise SystemExit(main())
