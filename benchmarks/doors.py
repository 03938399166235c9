"""Figures of a wrapped model, and of fine-tuning on Ray.

    python benchmarks/doors.py [--only 1] [--photos FOLDER --weights FILE]

Part 1: a MobileNetV2 with a user's head, wrapped, against `keras.Model.predict`: the largest
difference of probabilities on photos, and one image's time. The head is trained on the photos of
`FOLDER/train`, which holds class folders, with ImageNet's weights from the file; the answers are
those to photos of `FOLDER/val`. Without these, weights and photos are random. Both sides take the
same arrays of pixels, in turns; a time is the median of a round, and the best round counts.

Part 2: all layers of MobileNetV2 are fine-tuned on 80 photos of 224 x 224 in batches of 16, with
two workers on Ray and with one process that has as many cores. A step is the time from the end of
one batch to the end of the next, in all epochs but the first, which compiles; the median counts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import results
from figures import Figure, text_table
from measure import machine, usable_cpus, versions
from settings import log

SIDE = 224
ROUNDS, CALLS = 4, 25
PHOTOS, BATCH, EPOCHS, WORKERS = 80, 16, 4, 2
SPREAD = 2.0
"""Standard deviation of the logits of the class that varies most over photos, of random weights."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="a folder with train/ and val/")
    parser.add_argument("--weights", type=Path, help="ImageNet's weights of mobilenet_v2")
    parser.add_argument("--count", type=int, default=100, help="photos to compare answers on")
    parts = {1: wrapped, 2: ray_steps}
    results.add_parts(parser, parts)
    results.add_option(parser)
    options = parser.parse_args()
    if (options.photos is None) != (options.weights is None):
        parser.error("--photos and --weights go together")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    facts, figures = machine(), list(results.run_parts(parts, options, options))
    print(text_table(figures))
    ray = {} if options.only == [1] else {"ray": version("ray")}
    results.save(options, "doors", figures, facts, {**versions(), **ray})
    return int(any(figure.verdict == "MISSED" for figure in figures))


def layers_of_a_user(classes: int) -> tuple[Any, Any, Any]:
    """(model, base, head): a classifier on MobileNetV2, as a user would build it."""
    import keras
    from keras import layers

    base = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(SIDE, SIDE, 3)
    )
    photos = keras.Input((SIDE, SIDE, 3))
    x = base(layers.Rescaling(1 / 127.5, -1)(photos), training=False)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    head = layers.Dense(classes, activation="softmax", kernel_initializer="random_normal")
    return keras.Model(photos, head(x), name="flowers"), base, head


def trained(photos: Path, weights: Path) -> Any:
    """The model with ImageNet's weights, and a head that is trained on photos."""
    import keras
    from keras import layers

    import warmstart as ws

    keras.utils.set_random_seed(0)
    paths = sorted((photos / "train").glob("*/*"))
    names = sorted({path.parent.name for path in paths})
    model, base, head = layers_of_a_user(len(names))
    base.set_weights(ws.backbone("mobilenet_v2", weights=str(weights)).get_weights())
    pooled = keras.Sequential([base, layers.GlobalAveragePooling2D()])
    features = pooled.predict(pixels(paths) / 127.5 - 1, verbose=0)
    classifier = keras.Sequential([keras.Input(features.shape[1:]), head])
    classifier.compile("adam", "sparse_categorical_crossentropy")
    targets = np.array([names.index(path.parent.name) for path in paths])
    classifier.fit(features, targets, epochs=20, verbose=0)
    return model


def pixels(paths: list[Path]) -> np.ndarray:
    """Photos as float32 (N, 224, 224, 3), 0..255."""
    from PIL import Image

    photos = [Image.open(path).convert("RGB").resize((SIDE, SIDE)) for path in paths]
    return np.stack([np.asarray(photo) for photo in photos]).astype(np.float32)


def untrained() -> Any:
    """The model with random weights, and normalisation statistics from random photos."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    model, base, head = layers_of_a_user(5)
    sample = np.random.default_rng(1).uniform(-1, 1, (8, SIDE, SIDE, 3)).astype(np.float32)
    for layer in base.layers:
        if isinstance(layer, layers.BatchNormalization):
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
        double, _, _ = layers_of_a_user(model.output.shape[-1])
        double.set_weights([value.astype(np.float64) for value in model.get_weights()])
        return np.asarray(double.predict(photos.astype(np.float64), verbose=0))
    finally:
        keras.config.set_dtype_policy("float32")


def wrapped(options: argparse.Namespace) -> list[Figure]:
    import warmstart as ws

    if options.photos is None:
        model = untrained()
        random = np.random.default_rng(0)
        shape = (options.count, SIDE, SIDE, 3)
        photos = random.integers(0, 256, shape).astype(np.float32)
    else:
        log("the head is trained")
        model = trained(options.photos, options.weights)
        paths = sorted((options.photos / "val").glob("*/*"))
        photos = pixels(paths[:: max(len(paths) // options.count, 1)][: options.count])
    with tempfile.TemporaryDirectory() as folder:
        log("the model is wrapped")
        own = ws.wrap(model, task="image-classification", output=Path(folder) / "flowers")
        log("answers are compared")
        expected, double = model.predict(photos, verbose=0), exact(model, photos)
        answers = [own(photo.astype(np.uint8), top_k=len(own.labels)) for photo in photos]
        actual = np.zeros_like(expected)
        for row, answer in zip(actual, answers, strict=True):
            row[[prediction.index for prediction in answer]] = [
                prediction.score for prediction in answer
            ]
        log("one image is timed")
        one, batch = photos[0].astype(np.uint8), photos[:1]
        best = {"wrapped": float("inf"), "predict": float("inf")}
        for _ in range(ROUNDS):
            best["wrapped"] = min(best["wrapped"], median(lambda: own(one)))
            best["predict"] = min(best["predict"], median(lambda: model.predict(batch, verbose=0)))
        difference, of_predict = (np.abs(each - expected).max() for each in (actual, double))
        weights = "ImageNet's weights" if options.weights else "random weights"
        return [
            Figure(
                1,
                f"a wrapped MobileNetV2 with a user's head, {weights}: largest difference of "
                f"probabilities from `keras.Model.predict` on {len(photos)} photos",
                float(difference),
                "difference",
                bar=1e-5,
                note=f"{of_predict:.1e} between `predict` and the same network in double precision, "
                f"{np.abs(actual - double).max():.1e} for the wrapped one",
            ),
            Figure(
                1,
                "one image, against `keras.Model.predict`",
                best["wrapped"] / best["predict"],
                bar=0.15,
                note=f"{1e3 * best['wrapped']:.2f} and {1e3 * best['predict']:.1f} ms",
            ),
        ]


def median(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def ray_steps(options: argparse.Namespace) -> list[Figure]:
    cpus = max(1, usable_cpus() // WORKERS)
    log("fine-tuning in one process")
    single = seconds_of_a_step()
    log(f"fine-tuning with {WORKERS} workers")
    several = seconds_of_a_step(on="ray", address="local", workers=WORKERS, cpus=cpus)
    return [
        Figure(
            2,
            f"a step of fine-tuning mobilenet_v2 on Ray with {WORKERS} workers, against one "
            "process with as many cores",
            several / single,
            bar=1.25,
            note=f"{several:.2f} and {single:.2f} s",
        )
    ]


def seconds_of_a_step(**options: Any) -> float:
    """The median over all epochs but the first."""
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

    photos = np.random.default_rng(0).integers(0, 256, (PHOTOS, SIDE, SIDE, 3), np.uint8)
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


if __name__ == "__main__":
    sys.exit(main())
