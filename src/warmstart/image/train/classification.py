"""Fine-tuning an image classifier: photos -> features -> head (phase 1) -> network (phase 2) -> calibrated bundle."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry, Label
from warmstart.core import prefetch
from warmstart.core.metrics import calibration, linear
from warmstart.errors import UsageError
from warmstart.image.classification import ImageClassifier
from warmstart.image.train import network, result
from warmstart.image.train.augment import Augmentation, Varied
from warmstart.image.train.batches import LabelledBatches
from warmstart.image.train.data import Dataset, Examples, read
from warmstart.image.train.data.examples import without
from warmstart.image.train.data.reader import checked
from warmstart.image.train.feature_cache import FeatureCache
from warmstart.image.train.feature_extractor import CLEAN
from warmstart.image.train.features import Features, photo_features
from warmstart.image.train.options import ImageClassificationOptions
from warmstart.image.train.photos import Photos
from warmstart.models import transfer
from warmstart.training import devices
from warmstart.training.adamw import AdamW
from warmstart.training.batches import ArrayBatches, example_weights
from warmstart.training.fit import Fitted, fit, seeded
from warmstart.training.freeze import Block, freeze
from warmstart.training.page import Section
from warmstart.training.schedules import warmup_cosine
from warmstart.training.summary import Summary
from warmstart.training.trainer import Trainer

RATE = 3e-5
LARGEST_MAPS = 2 * 2**30
"""Bytes of feature maps in memory, for heads that begin on the map."""
EVALUATED, HEAD_EVALUATED, HEAD_PREDICTED = 32, 256, 4096
"""Sizes of batches that are not trained on."""
SOLVED = "head.safetensors"


class ImageClassificationTrainer(Trainer[ImageClassificationOptions]):
    """Phase 1 trains the head on features that are computed once, phase 2 head and base together.

    Attributes:
        dataset: what can be used of the data.
        config: of `models.transfer`.
        learned: layers of the base that were trained.
        logits: (N, classes) of validation and test, before the temperature.
        figures: of each part but training.
    """

    task = "image-classification"
    unit = "photos"
    example = "photo.jpg"
    fit_name = state_name = "network"
    keep_start = True
    measures = False
    workers = prefetch.default_workers()
    model: ImageClassifier
    derived = frozenset({
        "head", "multi_label", "learning_rate", "batch_size", "patience", *result.RECIPE,
    })  # fmt: skip
    learned: Sequence[str] = ()

    def open(self) -> None:
        super().open()
        self.monitor, self.clip_norm = self.options.monitor, self.options.clip_norm
        if not isinstance(self.model, ImageClassifier):
            raise UsageError(f"{self.model.name} does {self.model.entry.task}, not {self.task}.")

    def read(self, data: Any) -> Summary:
        options = self.options
        self.photos = Photos()
        self.dataset: Dataset = read(
            data,
            validation=options.validation,
            seed=options.seed,
            multi_label=options.multi_label,
            path_column=options.path_column,
            label_column=options.label_column,
            photos=self.photos,
        )
        classes = self.dataset.classes
        self.labels = [Label(index, name, name) for index, name in enumerate(classes)]
        if options.class_weight is not None and self.dataset.multi_label:
            raise UsageError("class_weight is for one label per photo.")
        self._weights()
        own = None if options.head is None else _layers(options.head)
        default = [keras.layers.Normalization()]
        self.config: dict[str, Any] = {
            "base": network.base_config(self.model),
            "classes": len(classes),
            "multi_label": self.dataset.multi_label,
            "head": transfer.head_config(own, len(classes), default=default),
        }
        return self.dataset.summary()

    def identity(self) -> dict[str, Any]:
        return {
            "data": self.dataset.fingerprint(),
            "classes": self.dataset.classes,
            "config": self.config,
            "augment": self.vary,
            "recipe": result.recipe(self.options, self.rate),
        }

    @property
    def rate(self) -> float:
        """The highest learning rate of phase 2."""
        return self.options.learning_rate or RATE

    @property
    def vary(self) -> Any:
        """How training photos are varied; None: not at all."""
        return Augmentation() if self.options.augment is True else self.options.augment or None

    def train(self) -> None:
        self.train_head()
        network.copy_head(self.head, self.build())
        if self.options.freeze != "backbone" and self.options.epochs:
            self.train_network()

    # Phase 1

    def train_head(self) -> None:
        """Train the head on features that are computed once."""
        on_map = transfer.wants_map(self.config["head"])
        with self.timed("features"):
            features = self._features(with_views=not on_map)
        self._leave_out({name: part.failed for name, part in features.items()})
        vectors = {name: _usable(part) for name, part in features.items()}
        count, views, width = vectors["train"].shape
        solvable = linear.fits_in_time(count * views, width, len(self.dataset.classes))
        options = self.options
        own = options.head is not None or options.optimizer is not None or options.loss is not None
        with self.timed("head"):
            if on_map:
                vectors = {name: self._maps(name, part) for name, part in self.dataset.parts()}
            if own or not solvable:
                self._fit_head(vectors)
            else:
                self._solve_head(vectors)
            self.logits = {
                name: self._head_logits(some[:, 0])
                for name, some in vectors.items()
                if name != "train"
            }
        self.terminal.say(f"head: {self._accuracy_in_words('head')}")

    def _leave_out(self, failed: Mapping[str, Mapping[int, Exception]]) -> None:
        known = len(self.dataset.problems)
        self.dataset = checked(without(self.dataset, failed))
        self.summary = self.dataset.summary()
        problems = self.dataset.problems[known:]
        self.terminal.say(*(f"left out: {problem}" for problem in problems))

    def _features(self, with_views: bool) -> dict[str, Features]:
        options, vary = self.options, self.vary
        count = options.views if with_views and vary is not None else 0
        views = [CLEAN, *(f"view {n} of seed {options.seed}: {vary}" for n in range(count))]
        # views that a function of the user makes have no name by which they could be found again
        named = isinstance(vary, Augmentation) or not count
        return {
            name: photo_features(
                self.model,
                part.inputs,
                views=views if name == "train" else [CLEAN],
                cache=None if named else FeatureCache(limit=0),
                transform=Varied(vary, self.model.preprocessing.size),
                on=options.features_on,
                in_memory=self.photos,
            )
            for name, part in self.dataset.parts()
        }

    def _solve_head(self, vectors: Mapping[str, np.ndarray]) -> None:
        """The usual head: one linear layer on standardised features, at its optimum."""
        features = vectors["train"]  # (N, views, D)
        head = self._head_model(features.shape[2:])
        record = self.run.read("head")
        if record is None:
            start = time.monotonic()
            views, weights = features.shape[1], self._weights()
            solved = linear.solve(
                features.reshape(-1, features.shape[2]),
                np.repeat(self._vectors(self.dataset.train), views, 0),
                None if weights is None else np.repeat(weights, views),
                multi_label=self.dataset.multi_label,
                label_smoothing=self.options.label_smoothing,
                examples=len(features),
            )
            normal, last = head.get_layer("head_0_normalization"), head.get_layer("logits")
            normal.set_weights([solved.mean, solved.variance, *normal.get_weights()[2:]])
            normal.finalize_state()
            last.set_weights([solved.kernel, solved.bias])
            logits = solved.logits(vectors["validation"][:, 0])
            truth = self.truth("validation")
            record = {
                "epoch": 1,
                "seconds": round(time.monotonic() - start, 3),
                "loss": solved.loss,
                "val_loss": calibration.negative_log_likelihood(logits, *truth),
                "val_accuracy": _accuracy(logits, *truth),
            }
            if self.run.resumable:
                arrays = {str(index): value for index, value in enumerate(head.get_weights())}
                self.run.save_arrays(SOLVED, arrays)
                self.run.write("head", record)
        else:
            arrays = self.run.load_arrays(SOLVED)
            head.set_weights([arrays[str(index)] for index in range(len(arrays))])
            network.finalize(head)
        self.head, self.fits["head"] = head, Fitted((record,), 1, "solved")

    def _fit_head(self, vectors: Mapping[str, np.ndarray]) -> None:
        """A head of the user's, or one that is too large to be solved: trained in batches of cached features."""
        features, options = vectors["train"], self.options
        head = self._head_model(features.shape[2:])
        for layer in head.layers:
            if type(layer).__name__ == "Normalization" and layer.name == "head_0_normalization":
                mean, variance = linear.moments(features.reshape(-1, features.shape[-1]))
                layer.set_weights([mean, variance, *layer.get_weights()[2:]])
                layer.finalize_state()
                layer.trainable = False
        data = ArrayBatches(
            features,
            self._targets(self.dataset.train),
            batch_size=options.batch_size,
            weights=self._weights(),
            seed=options.seed,
            change=_one_view,
        )
        validation = ArrayBatches(
            vectors["validation"][:, 0],
            self._targets(self.dataset.validation),
            batch_size=HEAD_EVALUATED,
            shuffle=False,
        )
        schedule = warmup_cosine(options.head_rate, options.head_epochs * len(data))
        self.compile(head, self.user_optimizer() or self._adamw(schedule))
        self.fits["head"] = fit(
            head,
            data,
            epochs=options.head_epochs,
            validation=validation,
            monitor=options.monitor,
            clip_norm=options.clip_norm,
            callbacks=options.callbacks,
            run=self.run,
            name="head",
            terminal=self.terminal,
        )
        self.head = head

    def _head_model(self, shape: tuple[int, ...]) -> keras.Model:
        with seeded(self.options.seed):
            return network.head_model(self.config, shape)

    def _maps(self, name: str, part: Examples) -> np.ndarray:
        """The base's feature maps (N, 1, h, w, C), for heads that begin on them."""
        net = self.build()
        first = next(layer for layer in net.layers if layer.name.startswith("head_0_"))
        maps = keras.Model(net.input, first.input)
        if len(part) * 4 * float(np.prod(maps.output.shape[1:])) > LARGEST_MAPS:
            raise UsageError(
                "The feature maps do not fit into memory; begin the head with "
                "GlobalAveragePooling2D."
            )
        return _predicted(maps, self._evaluated(name, part))[:, None]

    def _head_logits(self, features: np.ndarray) -> np.ndarray:
        logits = keras.Model(self.head.input, self.head.get_layer("logits").output)
        rows = range(0, len(features), HEAD_PREDICTED)
        batches = (logits(features[row : row + HEAD_PREDICTED], training=False) for row in rows)
        return np.concatenate([np.asarray(batch.numpy(), np.float64) for batch in batches])

    # Phase 2

    def train_network(self) -> None:
        """Train head and base together, gently; the result is never worse than phase 1's."""
        with self.timed("network"):
            self.freeze()
            self.fit_network()
            net = self.network
            logits = keras.Model(net.input, net.get_layer("logits").output)
            self.logits = {
                name: _predicted(logits, self._evaluated(name, part))
                for name, part in self.dataset.parts()
                if name != "train"
            }
        self.terminal.say(f"network: {self._accuracy_in_words('network')}")

    def build(self) -> keras.Model:
        """The network with its base's weights; built once."""
        if not hasattr(self, "network"):
            precision = network.precision(self.options.precision)
            with seeded(self.options.seed), precision, devices.scope():
                self.network = network.build(self.model, self.config)
        return self.network

    def blocks(self) -> list[Block]:
        return [[layer] for layer in network.base_layers(self.network)]

    def freeze(self) -> None:
        self.learned = freeze(self.network, self.blocks(), self.options.freeze)
        for layer in self.network.layers:
            if type(layer).__name__ == "Normalization":  # that of the head
                layer.trainable = False

    def batches(self) -> LabelledBatches:
        train, options = self.dataset.train, self.options
        more = {"weights": self._weights(), "vary": self.vary, "seed": options.seed}
        return self._photo_batches("train", train, batch_size=options.batch_size, **more)

    def validation_batches(self) -> LabelledBatches:
        return self._evaluated("validation", self.dataset.validation)

    def loss(self) -> Any:
        smoothing = self.options.label_smoothing
        if self.options.loss is not None:
            return self.options.loss
        if self.dataset.multi_label:
            return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
        return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)

    def default_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        return self._adamw(warmup_cosine(self.rate, steps, warmup=self.options.warmup))

    def _adamw(self, rate: Any) -> AdamW:
        return AdamW(rate, weight_decay=self.options.weight_decay)

    def compile(self, learner: keras.Model, optimizer: Any) -> None:
        metrics = list(self.options.metrics)
        if not any(getattr(metric, "name", metric) in ("accuracy", "acc") for metric in metrics):
            metrics.append("accuracy")
        learner.compile(optimizer, self.loss(), metrics=metrics)

    def _evaluated(self, name: str, part: Examples) -> LabelledBatches:
        return self._photo_batches(name, part, batch_size=EVALUATED, shuffle=False)

    def _photo_batches(self, name: str, part: Examples, **options: Any) -> LabelledBatches:
        base = self.photos, name, part.inputs, self.model.preprocessing
        return LabelledBatches(*base, targets=self._targets(part), keys=part.digests, **options)

    def _vectors(self, part: Examples) -> np.ndarray:
        """Targets as float32 (N, classes)."""
        if self.dataset.multi_label:
            return part.targets
        identity = np.eye(len(self.dataset.classes), dtype=np.float32)
        return np.asarray(identity[part.targets])

    def _targets(self, part: Examples) -> np.ndarray:
        """Targets as the loss takes them: class numbers for a sparse one, else vectors."""
        loss = self.options.loss
        name = loss if isinstance(loss, str) else type(loss).__name__
        return part.targets if "sparse" in name.lower() else self._vectors(part)

    def _weights(self) -> np.ndarray | None:
        """A weight per training example, or None."""
        weights, dataset = self.options.class_weight, self.dataset
        if weights is None:
            return None
        return example_weights(weights, dataset.train.targets, dataset.classes)

    # What comes after training

    def calibrate(self) -> None:
        temperature = calibration.temperature(self.logits["validation"], *self.truth("validation"))
        self.config = {**self.config, "temperature": temperature}
        self.figures = {name: result.figures(self, name) for name in self.logits}

    def truth(self, part: str) -> tuple[np.ndarray, bool]:
        """Targets of a part, and whether an example may have several labels."""
        return getattr(self.dataset, part).targets, self.dataset.multi_label

    def _accuracy_in_words(self, name: str) -> str:
        accuracy = self.fits[name].metrics["val_accuracy"]
        what = "decisions" if self.dataset.multi_label else "examples"
        return f"{accuracy:.1%} of the validation {what} right, after {self.seconds[name]:.1f} s"

    def describe(self) -> Entry:
        return result.entry(self)

    def results(self) -> Iterator[str]:
        return result.lines(self)

    def tiles(self) -> list[tuple[str, str]]:
        return result.tiles(self)

    def sections(self) -> list[Section]:
        return result.sections(self)

    def details(self) -> dict[str, Any]:
        return result.details(self)

    def card(self) -> str:
        return result.card(self)


def _usable(features: Features) -> np.ndarray:
    rows = [row for row in range(len(features.vectors)) if row not in features.failed]
    usable: np.ndarray = features.vectors[rows]
    return usable


def _predicted(model: keras.Model, photos: LabelledBatches) -> np.ndarray:
    batches = [model.predict_on_batch(photos.batch(0, index)[0]) for index in range(len(photos))]
    return np.concatenate(batches).astype(np.float32)


def _accuracy(logits: np.ndarray, targets: np.ndarray, several: bool) -> float:
    probabilities = calibration.probabilities(logits, several)
    return float(calibration.decisions(probabilities, targets, several)[1].mean())


def _one_view(
    x: np.ndarray, y: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(B, views, …) -> (B, …): a view each."""
    return x[np.arange(len(x)), random.integers(0, x.shape[1], len(x))], y


def _layers(head: Any) -> list[keras.layers.Layer]:
    if isinstance(head, keras.Sequential):
        return list(head.layers)
    layers = [head] if isinstance(head, keras.layers.Layer) else list(head)
    for layer in layers:
        if not isinstance(layer, keras.layers.Layer) or isinstance(layer, keras.Model):
            raise UsageError("head must be a Keras layer, a list of layers, or a Sequential.")
    return layers
