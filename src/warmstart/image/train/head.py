"""Phase 1 of fine-tuning an image classifier: the head, on features that are computed once."""

from __future__ import annotations

import time
from collections.abc import Mapping

import keras
import numpy as np

from warmstart.checkpoints.naming import finalize_layers
from warmstart.core.metrics import calibration, linear
from warmstart.errors import UsageError
from warmstart.image.train import network
from warmstart.image.train.augment import Augmentation, ViewTransform
from warmstart.image.train.batches import LabelledBatches
from warmstart.image.train.classification_base import ClassificationBase
from warmstart.image.train.data import Examples
from warmstart.image.train.feature_cache import FeatureCache
from warmstart.image.train.feature_extractor import CLEAN
from warmstart.image.train.features import Features, photo_features
from warmstart.models.image.transfer import network as transfer
from warmstart.training.batches import ArrayBatches
from warmstart.training.fit import Fitted, seeded
from warmstart.training.schedules import warmup_cosine

Vectors = Mapping[str, np.ndarray]
"""Features of each split: float32 (N, views, D), or maps (N, 1, h, w, C)."""
LARGEST_MAPS = 2 * 2**30
"""Bytes of feature maps in memory, for heads that begin on the map."""
EVALUATED, PREDICTED = 256, 4096
"""Features per batch that is not trained on."""
SOLVED = "head.safetensors"


def features(trainer: ClassificationBase) -> dict[str, Features]:
    """The features of each split; several views of training photos, unless the head takes maps."""
    options, augment = trainer.options, trainer.augmentation
    pooled = not transfer.wants_map(trainer.config["head"])
    count = options.views if pooled and augment is not None else 0
    views = [CLEAN, *(f"view {n} of seed {options.seed}: {augment}" for n in range(count))]
    # views of a user's function have no name that identifies them
    is_cached = isinstance(augment, Augmentation) or not count
    return {
        name: photo_features(
            trainer.model,
            split.inputs,
            views=views if name == "train" else [CLEAN],
            cache=None if is_cached else FeatureCache(limit=0),
            transform=ViewTransform(augment, trainer.model.preprocessing.size),
            on=options.features_on,
            in_memory=trainer.photos,
        )
        for name, split in trainer.dataset.splits()
    }


def usable(features: Features) -> np.ndarray:
    """The vectors of the photos that could be read."""
    rows = [row for row in range(len(features.vectors)) if row not in features.failed]
    return np.asarray(features.vectors[rows])


def train(
    trainer: ClassificationBase, vectors: Vectors
) -> tuple[keras.Model, Fitted, dict[str, np.ndarray]]:
    """The head, its fit, and its logits of validation and test."""
    options = trainer.options
    count, views, width = vectors["train"].shape
    solvable = linear.fits_in_time(count * views, width, len(trainer.dataset.classes))
    own = options.head is not None or options.optimizer is not None or options.loss is not None
    if transfer.wants_map(trainer.config["head"]):
        vectors = {name: _maps(trainer, name, split) for name, split in trainer.dataset.splits()}
    with seeded(options.seed):
        head = network.head_model(trainer.config, vectors["train"].shape[2:])
    fitted = (_fit if own or not solvable else _solve)(trainer, head, vectors)
    logits = {
        name: _logits(head, split[:, 0]) for name, split in vectors.items() if name != "train"
    }
    return head, fitted, logits


def _solve(trainer: ClassificationBase, head: keras.Model, vectors: Vectors) -> Fitted:
    """The default head, a linear layer on standardised features, at its optimum."""
    run, dataset = trainer.run, trainer.dataset
    record = run.read("head")
    if record is not None:
        arrays = run.load_arrays(SOLVED)
        head.set_weights([arrays[str(index)] for index in range(len(arrays))])
        finalize_layers(head)
        return Fitted((record,), 1, "solved")
    start = time.monotonic()
    features, weights = vectors["train"], trainer.weights()
    views = features.shape[1]
    solved = linear.solve(
        features.reshape(-1, features.shape[2]),
        np.repeat(trainer.vectors(dataset.train), views, 0),
        None if weights is None else np.repeat(weights, views),
        multi_label=dataset.multi_label,
        label_smoothing=trainer.options.label_smoothing,
        examples=len(features),
    )
    _standardise(head.get_layer("head_0_normalization"), solved.mean, solved.variance)
    head.get_layer("logits").set_weights([solved.kernel, solved.bias])
    logits, truth = solved.logits(vectors["validation"][:, 0]), trainer.truth("validation")
    probabilities = calibration.probabilities(logits, dataset.multi_label)
    record = {
        "epoch": 1,
        "seconds": round(time.monotonic() - start, 3),
        "loss": solved.loss,
        "val_loss": calibration.negative_log_likelihood(logits, *truth),
        "val_accuracy": float(calibration.decisions(probabilities, *truth)[1].mean()),
    }
    if run.resumable:
        arrays = {str(index): value for index, value in enumerate(head.get_weights())}
        run.save_arrays(SOLVED, arrays)
        run.write("head", record)
    return Fitted((record,), 1, "solved")


def _fit(trainer: ClassificationBase, head: keras.Model, vectors: Vectors) -> Fitted:
    """Train a user's head, or one that is too large for `_solve`, on batches of features."""
    features, options, dataset = vectors["train"], trainer.options, trainer.dataset
    for layer in head.layers:
        if type(layer).__name__ == "Normalization" and layer.name == "head_0_normalization":
            _standardise(layer, *linear.moments(features.reshape(-1, features.shape[-1])))
            layer.trainable = False
    data = ArrayBatches(
        features,
        trainer.targets(dataset.train),
        batch_size=options.batch_size,
        weights=trainer.weights(),
        seed=options.seed,
        augment=_one_view,
    )
    validation, truth = vectors["validation"][:, 0], trainer.targets(dataset.validation)
    schedule = warmup_cosine(options.head_rate, options.head_epochs * len(data))
    trainer.compile(head, trainer.user_optimizer() or trainer.adamw(schedule))
    return trainer.fitted(
        head,
        data,
        name="head",
        epochs=options.head_epochs,
        validation=ArrayBatches(validation, truth, batch_size=EVALUATED, shuffle=False),
    )


def _standardise(layer: keras.layers.Layer, mean: np.ndarray, variance: np.ndarray) -> None:
    layer.set_weights([mean, variance, *layer.get_weights()[2:]])
    layer.finalize_state()


def _maps(trainer: ClassificationBase, name: str, split: Examples) -> np.ndarray:
    """The base's feature maps (N, 1, h, w, C), for heads that take them."""
    net = trainer.build()
    first = next(layer for layer in net.layers if layer.name.startswith("head_0_"))
    maps = keras.Model(net.input, first.input)
    if len(split) * 4 * float(np.prod(maps.output.shape[1:])) > LARGEST_MAPS:
        raise UsageError(
            "The feature maps do not fit into memory; start the head with GlobalAveragePooling2D."
        )
    return predicted(maps, trainer.evaluated(name, split))[:, None]


def _logits(head: keras.Model, features: np.ndarray) -> np.ndarray:
    model = keras.Model(head.input, head.get_layer("logits").output)
    rows = range(0, len(features), PREDICTED)
    batches = (model(features[row : row + PREDICTED], training=False) for row in rows)
    return np.concatenate([np.asarray(batch.numpy(), np.float64) for batch in batches])


def predicted(model: keras.Model, photos: LabelledBatches) -> np.ndarray:
    """The outputs for photos, float32."""
    batches = [model.predict_on_batch(photos.batch(0, index)[0]) for index in range(len(photos))]
    return np.concatenate(batches).astype(np.float32)


def _one_view(
    x: np.ndarray, y: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A random view of each example: (B, views, …) -> (B, …)."""
    return x[np.arange(len(x)), random.integers(0, x.shape[1], len(x))], y
