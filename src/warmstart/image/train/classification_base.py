"""The data, network, batches and loss of fine-tuning an image classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Label
from warmstart.core import prefetch
from warmstart.errors import UsageError
from warmstart.image.classification import ImageClassifier
from warmstart.image.train import network
from warmstart.image.train.augment import Augmentation
from warmstart.image.train.batches import LabelledBatches
from warmstart.image.train.data import Dataset, Examples, read
from warmstart.image.train.options import ImageClassificationOptions, sides_of
from warmstart.image.train.photos import Photos
from warmstart.models import family
from warmstart.models.image.transfer import network as transfer
from warmstart.training import devices
from warmstart.training.adamw import AdamW
from warmstart.training.batches import example_weights, is_sparse
from warmstart.training.fit import seeded
from warmstart.training.freeze import Block, freeze, grouped
from warmstart.training.schedules import warmup_cosine
from warmstart.training.summary import Summary
from warmstart.training.trainer import Trainer

RATE = 3e-5
RECIPE = (
    "views", "head_epochs", "head_rate", "rate", "warmup", "batch_size", "average", "label_smoothing",
    "weight_decay", "clip_norm", "patience", "monitor", "precision",
)  # fmt: skip
"""The options that are recorded as `recipe` in the run's settings."""
SHARES = (0.25, 0.5, 0.75)
"""The weights of phase 2 in averages of the network before and after it."""
EVALUATED = 32
"""Photos per batch for evaluation."""


class ClassificationBase(Trainer[ImageClassificationOptions]):
    """The data and the network.

    Attributes:
        dataset: the usable data.
        config: of `models.transfer`.
        learned: names of the layers of the base that were trained.
        logits: (N, classes) of validation and test, before the temperature.
        figures: the metrics of each split except training.
        seconds: of each phase.
    """

    task = ImageClassifier.task
    unit = "photos"
    example = "photo.jpg"
    fit_name = state_name = "network"
    keep_start = True
    measures = False
    workers = prefetch.default_workers()
    model: ImageClassifier
    derived = frozenset({
        "head", "multi_label", "learning_rate", "batch_size", "patience", *RECIPE,
    })  # fmt: skip
    learned: Sequence[str] = ()
    logits: dict[str, np.ndarray]
    figures: dict[str, dict[str, float]]

    def open(self) -> None:
        super().open()
        self.monitor, self.clip_norm = self.options.monitor, self.options.clip_norm
        self.averages = SHARES if self.options.average else ()
        if not isinstance(self.model, ImageClassifier):
            raise UsageError(
                f"{self.model.name} is a model for {self.model.entry.task}, not {self.task}."
            )
        if (size := sides_of(self.options.image_size)) is not None:
            self.model = network.resized(self.model, size)

    def read(self, data: Any) -> Summary:
        options = self.options
        self.seconds: dict[str, float] = {}
        self.photos = Photos()
        self.dataset: Dataset = read(
            data,
            validation=options.validation,
            seed=options.seed,
            multi_label=options.multi_label,
            photos=self.photos,
            **options.reading(),
        )
        classes = self.dataset.classes
        self.labels = [Label(index, name, name) for index, name in enumerate(classes)]
        if options.class_weight is not None and self.dataset.multi_label:
            raise UsageError("class_weight is for one label per photo.")
        self.weights()
        own = None if options.head is None else network.head_layers(options.head)
        default = [keras.layers.Normalization()]
        self.config: dict[str, Any] = {
            "base": network.base_config(self.model),
            "classes": len(classes),
            "multi_label": self.dataset.multi_label,
            "head": transfer.head_config(own, len(classes), default=default),
        }
        return self.dataset.summary()

    def verify(self) -> None:
        options = self.options
        names = [getattr(metric, "name", metric) for metric in options.metrics]
        available = {"loss", "accuracy", *map(str, names)}
        if options.monitor.removeprefix("val_") not in available:
            raise UsageError(
                f"monitor={options.monitor!r} is not a metric of this training: "
                f"{', '.join(f'val_{name}' for name in sorted(available))}."
            )
        if isinstance(options.augment, keras.layers.Layer):
            raise UsageError(
                "augment takes a function of (picture, random, size) that returns a PIL image, not a "
                "Keras layer."
            )
        if options.freeze not in (0, "none", "backbone", "encoder"):
            freeze(self.build(), self.blocks(), options.freeze)

    def identity(self) -> dict[str, Any]:
        return {
            "data": self.dataset.fingerprint(),
            "classes": self.dataset.classes,
            "config": self.config,
            "augment": self.augmentation,
            "recipe": self.recipe(),
        }

    def recipe(self) -> dict[str, Any]:
        """The options of the recipe."""
        return {
            name: self.rate if name == "rate" else getattr(self.options, name) for name in RECIPE
        }

    @property
    def rate(self) -> float:
        """The peak learning rate of phase 2."""
        return self.options.learning_rate or RATE

    @property
    def augmentation(self) -> Any:
        """The random changes of training photos, or None."""
        return Augmentation() if self.options.augment is True else self.options.augment or None

    def build(self) -> keras.Model:
        """The network with its base's weights; built once."""
        if not hasattr(self, "network"):
            precision = network.precision(self.options.precision)
            with seeded(self.options.seed), precision, devices.scope():
                self.network = network.build(self.model, self.config)
        return self.network

    def blocks(self) -> list[Block]:
        pattern = getattr(family(self.config["base"]["architecture"]), "BLOCK", None)
        return grouped(network.base_layers(self.network), pattern)

    def freeze(self) -> None:
        self.learned = freeze(self.network, self.blocks(), self.options.freeze)
        for layer in self.network.layers:
            if type(layer).__name__ == "Normalization":  # the head's
                layer.trainable = False

    def batches(self) -> LabelledBatches:
        train, options = self.dataset.train, self.options
        return self._photo_batches(
            "train",
            train,
            batch_size=options.batch_size,
            weights=self.weights(),
            augment=self.augmentation,
            seed=options.seed,
        )

    def validation_batches(self) -> LabelledBatches:
        return self.evaluated("validation", self.dataset.validation)

    def loss(self) -> Any:
        smoothing = self.options.label_smoothing
        if self.options.loss is not None:
            return self.options.loss
        if self.dataset.multi_label:
            return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
        return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)

    def default_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        return self.adamw(warmup_cosine(self.rate, steps, warmup=self.options.warmup))

    def adamw(self, rate: Any) -> AdamW:
        """The optimizer of both phases."""
        return AdamW(rate, weight_decay=self.options.weight_decay)

    def compile(self, learner: keras.Model, optimizer: Any) -> None:
        metrics = list(self.options.metrics)
        if not any(getattr(metric, "name", metric) in ("accuracy", "acc") for metric in metrics):
            metrics.append("accuracy")
        learner.compile(optimizer, self.loss(), metrics=metrics)

    def evaluated(self, name: str, split: Examples) -> LabelledBatches:
        """The photos of a split, in order and without augmentation."""
        return self._photo_batches(name, split, batch_size=EVALUATED, shuffle=False)

    def _photo_batches(self, name: str, split: Examples, **options: Any) -> LabelledBatches:
        base = self.photos, name, split.inputs, self.model.preprocessing
        return LabelledBatches(*base, targets=self.targets(split), keys=split.digests, **options)

    def vectors(self, split: Examples) -> np.ndarray:
        """The targets as float32 (N, classes)."""
        if self.dataset.multi_label:
            return split.targets
        identity = np.eye(len(self.dataset.classes), dtype=np.float32)
        return np.asarray(identity[split.targets])

    def targets(self, split: Examples) -> np.ndarray:
        """The targets as the loss takes them: class indices for a sparse loss, else vectors."""
        return split.targets if is_sparse(self.options.loss) else self.vectors(split)

    def weights(self) -> np.ndarray | None:
        """A weight per training example, or None."""
        weights, dataset = self.options.class_weight, self.dataset
        if weights is None:
            return None
        return example_weights(weights, dataset.train.targets, dataset.classes)

    def truth(self, split: str) -> tuple[np.ndarray, bool]:
        """The targets of a split, and whether an example may have several labels."""
        return getattr(self.dataset, split).targets, self.dataset.multi_label
