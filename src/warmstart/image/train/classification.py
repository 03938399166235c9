"""Fine-tuning an image classifier: data -> features -> head (phase 1) -> network (phase 2) -> calibrated bundle."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.core import prefetch
from warmstart.core.loading import load
from warmstart.core.metrics import calibration, linear
from warmstart.core.model import Model
from warmstart.errors import UsageError
from warmstart.image.classification import ImageClassifier
from warmstart.image.train import network
from warmstart.image.train.augment import Augmentation, Varied
from warmstart.image.train.batches import PhotoBatches
from warmstart.image.train.data import Dataset, Examples, read
from warmstart.image.train.data.examples import without
from warmstart.image.train.data.reader import checked
from warmstart.image.train.feature_cache import FeatureCache
from warmstart.image.train.feature_extractor import CLEAN
from warmstart.image.train.features import Features, photo_features
from warmstart.image.train.recipe import Recipe
from warmstart.image.train.result import Outcome, bundled
from warmstart.models.image.transfer import network as transfer
from warmstart.training import devices, open_base
from warmstart.training.adamw import AdamW
from warmstart.training.batches import ArrayBatches, class_weights
from warmstart.training.fit import Fitted, fit, seeded
from warmstart.training.run import Run, open_run, plain
from warmstart.training.schedules import warmup_cosine

LARGEST_MAPS = 2 * 2**30  # bytes of feature maps in memory, for heads that begin on the map


def finetune(base: str | Path | Model, data: Any, *, validation: Any = None, epochs: int = 10, head: Any = None,
             freeze: str | int = "none", optimizer: Any = None, loss: Any = None, metrics: Sequence[Any] | None = None,
             augment: Any = True, seed: int = 0, output: str | Path | None = None, callbacks: Sequence[Any] = (),
             class_weight: str | Mapping[str, float] | None = None, multi_label: bool | None = None,
             path_column: str | None = None, label_column: str | None = None, recipe: Recipe | None = None,
             features_on: str = "local", verbose: bool = True) -> Model:
    """Fine-tune an image classifier; see `warmstart.finetune` for what all tasks share.

    Args:
        base: a classifier, pretrained or fine-tuned before.
        data, validation, multi_label, path_column, label_column: see `warmstart.image.train.data.read`.
        epochs: of phase 2, at most.
        head: Keras layers (a list, a Sequential, or one) in place of the single linear layer.
        freeze: what of the base stays as it is: `"backbone"` (all: phase 1 only), `"none"`, the number of its first
            layers, or the name of the last layer that stays. BatchNormalization always stays.
        optimizer, loss, metrics: as `keras.Model.compile` takes them. An optimizer works in both phases, with its own
            learning rate.
        augment: True, False, an `Augmentation`, or a function (picture, random generator, size) -> picture.
        class_weight: `"balanced"`, or a weight by class name.
        recipe: the numbers of the recipe.
        features_on: `"local"`, or `"ray"`: the frozen base's features are computed by a Ray cluster.
        verbose: whether counts, warnings and results are told on standard error.

    Raises:
        UsageError: the data or an option cannot be used.
        TrainingError: training cannot go on.
    """
    model = open_base(base)
    if not isinstance(model, ImageClassifier):
        raise UsageError(f"{model.name} does {model.entry.task}, not image-classification.")
    if epochs < 0:
        raise UsageError(f"epochs is 0 or more, not {epochs}.")
    recipe = recipe or Recipe()
    dataset = read(data, validation=validation, seed=seed, multi_label=multi_label, path_column=path_column,
                   label_column=label_column)
    given = None if head is None else _layers(head)
    config = {"base": network.base_config(model), "classes": len(dataset.classes), "multi_label": dataset.multi_label,
              "head": transfer.head_config(given, len(dataset.classes), default=[keras.layers.Normalization()])}
    vary = Augmentation() if augment is True else augment or None
    settings = {"task": "image-classification", "base": model.name, "weights": model.weights.digest,
                "data": dataset.fingerprint(), "classes": dataset.classes, "config": config, "epochs": epochs,
                "freeze": freeze, "optimizer": optimizer, "loss": loss, "metrics": metrics, "augment": vary,
                "seed": seed, "class_weight": class_weight, "recipe": recipe}
    with open_run(output, settings) as run:
        if run.finished:
            _say(verbose, [f"{run.folder} is finished; nothing was trained."])
            return load(run.folder)
        _say(verbose, dataset.lines())
        job = _Job(run, model, dataset, config, recipe, vary, seed, class_weight, optimizer, loss, metrics,
                   given is not None, tuple(callbacks), verbose, features_on)
        job.phase_1()
        if freeze != "backbone" and epochs:
            job.phase_2(freeze, epochs)
        return job.finish()


@dataclass
class _Job:
    """One fine-tuning; its methods are called in their order."""

    run: Run
    model: ImageClassifier
    dataset: Dataset
    config: dict[str, Any]
    recipe: Recipe
    vary: Any
    seed: int
    class_weight: str | Mapping[str, float] | None
    optimizer: Any
    loss: Any
    metrics: Sequence[Any] | None
    own_head: bool
    callbacks: tuple[Any, ...]
    verbose: bool
    features_on: str
    fits: dict[str, Fitted] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    learned: tuple[str, ...] = ()

    def phase_1(self) -> None:
        """Train the head on features that are computed once."""
        before = len(self.dataset.problems)
        with self._timed("features"):
            on_map = transfer.wants_map(self.config["head"])
            features = self._features(with_views=not on_map)
        self.dataset = checked(without(self.dataset, {name: part.failed for name, part in features.items()}))
        _say(self.verbose, (f"left out: {problem}" for problem in self.dataset.problems[before:]))
        vectors = {name: part.vectors[[i for i in range(len(part.vectors)) if i not in part.failed]]
                   for name, part in features.items()}
        rows = vectors["train"].shape[0] * vectors["train"].shape[1]
        solvable = linear.fits_in_time(rows, vectors["train"].shape[2], len(self.dataset.classes))
        with self._timed("head"):
            if on_map:
                self._build()
                vectors = {name: self._maps(part) for name, part in self.dataset.parts()}
            if self.own_head or self.optimizer is not None or self.loss is not None or not solvable:
                self._fit_head(vectors)
            else:
                self._solve_head(vectors)
            self.logits = {name: self._head_logits(x[:, 0]) for name, x in vectors.items() if name != "train"}
        _say(self.verbose, [f"head: {self._told('head')}"])

    def _features(self, with_views: bool) -> dict[str, Features]:
        count = self.recipe.views if with_views and self.vary is not None else 0
        views = [CLEAN, *(f"view {n} of seed {self.seed}: {self.vary}" for n in range(count))]
        size = self.model.preprocessing.size
        # what a function of the user's makes has no name to find it again by
        cache = None if isinstance(self.vary, Augmentation) or not count else FeatureCache(limit=0)
        found = {}
        for name, part in self.dataset.parts():
            found[name] = photo_features(
                self.model, part.inputs, views=views if name == "train" else [CLEAN], cache=cache,
                transform=Varied(self.vary, size), on=self.features_on)
        return found

    def _solve_head(self, vectors: Mapping[str, np.ndarray]) -> None:
        """The usual head: one linear layer on standardised features, at its optimum."""
        x = vectors["train"]  # (N, views, D)
        head = self._head_model(x.shape[2:])
        kept = self.run.read("head")
        if kept is None:
            start = time.monotonic()
            views, weights = x.shape[1], self._weights()
            solved = linear.solve(
                x.reshape(-1, x.shape[2]), np.repeat(self._vectors(self.dataset.train), views, 0),
                None if weights is None else np.repeat(weights, views), multi_label=self.dataset.multi_label,
                label_smoothing=self.recipe.label_smoothing, examples=len(x))
            normal, last = head.get_layer("head_0_normalization"), head.get_layer("logits")
            normal.set_weights([solved.mean, solved.variance, *normal.get_weights()[2:]])
            normal.finalize_state()
            last.set_weights([solved.kernel, solved.bias])
            logits = solved.logits(vectors["validation"][:, 0])
            kept = {"epoch": 1, "seconds": round(time.monotonic() - start, 3), "loss": solved.loss,
                    "val_loss": calibration.negative_log_likelihood(logits, *self._truth("validation")),
                    "val_accuracy": self._accuracy(logits, "validation")}
            if self.run.resumable:
                self.run.save_arrays("head.safetensors", {str(n): w for n, w in enumerate(head.get_weights())})
                self.run.write("head", kept)
        else:
            arrays = self.run.load_arrays("head.safetensors")
            head.set_weights([arrays[str(n)] for n in range(len(arrays))])
            network.finalize(head)
        self.head, self.fits["head"] = head, Fitted((kept,), 1, "solved")

    def _fit_head(self, vectors: Mapping[str, np.ndarray]) -> None:
        """A head of the user's, or one that is too large to be solved: trained in batches of cached features."""
        x, size = vectors["train"], self.recipe.batch_size
        head = self._head_model(x.shape[2:])
        for layer in head.layers:
            if type(layer).__name__ == "Normalization" and layer.name == "head_0_normalization":
                mean, variance = linear.moments(x.reshape(-1, x.shape[-1]))
                layer.set_weights([mean, variance, *layer.get_weights()[2:]])
                layer.finalize_state()
                layer.trainable = False
        data = ArrayBatches(x, self._targets(self.dataset.train), batch_size=size, weights=self._weights(),
                            seed=self.seed, change=_one_view)
        others = ArrayBatches(vectors["validation"][:, 0], self._targets(self.dataset.validation), batch_size=256,
                              shuffle=False)
        epochs = self.recipe.head_epochs
        self._compile(head, warmup_cosine(self.recipe.head_rate, epochs * len(data)))
        self.fits["head"] = fit(head, data, epochs=epochs, validation=others, monitor=self.recipe.monitor,
                                clip_norm=self.recipe.clip_norm, callbacks=self.callbacks, run=self.run, name="head")
        self.head = head

    def phase_2(self, freeze: str | int, epochs: int) -> None:
        """Train head and base together, gently; the result is never worse than phase 1's."""
        with self._timed("network"):
            net = self._build()
            network.copy_head(self.head, net)
            self.learned = tuple(network.freeze(net, freeze))
            train, rules, size = self.dataset.train, self.model.preprocessing, self.recipe.batch_size
            data = PhotoBatches(train.inputs, self._targets(train), rules, batch_size=size, weights=self._weights(),
                                vary=self.vary, seed=self.seed)
            others = self._photos(self.dataset.validation)
            with net.distribute_strategy.scope():
                self._compile(net, warmup_cosine(self.recipe.rate, epochs * len(data), warmup=self.recipe.warmup))
            self.fits["network"] = fit(
                net, data, epochs=epochs, validation=others, monitor=self.recipe.monitor, patience=self.recipe.patience,
                clip_norm=self.recipe.clip_norm, keep_start=True, callbacks=self.callbacks, run=self.run,
                name="network", workers=prefetch.default_workers())
            self.logits = {name: self._network_logits(self._photos(part)) for name, part in self.dataset.parts()
                           if name != "train"}
        _say(self.verbose, [f"network: {self._told('network')}"])

    def finish(self) -> Model:
        """Calibrate, write bundle and report, load what was written."""
        net = self._build()
        if "network" not in self.fits:
            network.copy_head(self.head, net)
        temperature = calibration.temperature(self.logits["validation"], *self._truth("validation"))
        outcome = Outcome(self.run, self.model, self.dataset, {**self.config, "temperature": temperature}, net,
                          self.logits, self.fits, self.learned, plain(self.seconds))
        _say(self.verbose, ["compiling and checking the result"])
        result = bundled(outcome)
        _say(self.verbose, outcome.lines())
        return result

    def _build(self) -> keras.Model:
        """The network with its base's weights; built once."""
        if not hasattr(self, "net"):
            with seeded(self.seed), network.precision(self.recipe.precision), devices.scope():
                self.net = network.build(self.model, self.config)
        return self.net

    def _head_model(self, shape: tuple[int, ...]) -> keras.Model:
        with seeded(self.seed):
            return network.head_model(self.config, shape)

    def _compile(self, model: keras.Model, rate: Any) -> None:
        optimizer = self.optimizer
        if optimizer is None:
            optimizer = AdamW(rate, weight_decay=self.recipe.weight_decay)
        elif not isinstance(optimizer, str):
            optimizer = type(optimizer).from_config(optimizer.get_config())  # each phase its own, of the same settings
        loss, smoothing = self.loss, self.recipe.label_smoothing
        if loss is None:
            loss = (keras.losses.BinaryCrossentropy(label_smoothing=smoothing) if self.dataset.multi_label
                    else keras.losses.CategoricalCrossentropy(label_smoothing=smoothing))
        metrics: list[Any] = list(self.metrics or ())
        if not any(getattr(metric, "name", metric) in ("accuracy", "acc") for metric in metrics):
            metrics.append("accuracy")
        model.compile(optimizer, loss, metrics=metrics)

    def _photos(self, part: Examples) -> PhotoBatches:
        return PhotoBatches(part.inputs, self._targets(part), self.model.preprocessing, batch_size=32, shuffle=False)

    def _maps(self, part: Examples) -> np.ndarray:
        """The base's feature maps (N, 1, h, w, C), for heads that begin on them."""
        first = next(layer for layer in self.net.layers if layer.name.startswith("head_0_"))
        maps = keras.Model(self.net.input, first.input)
        if len(part) * 4 * float(np.prod(maps.output.shape[1:])) > LARGEST_MAPS:
            raise UsageError("The feature maps do not fit into memory; begin the head with GlobalAveragePooling2D.")
        return self._predicted(maps, self._photos(part))[:, None]

    def _head_logits(self, features: np.ndarray) -> np.ndarray:
        logits = keras.Model(self.head.input, self.head.get_layer("logits").output)
        return np.concatenate([np.asarray(logits(features[i : i + 4096], training=False).numpy(), np.float64)
                               for i in range(0, len(features), 4096)])

    def _network_logits(self, photos: PhotoBatches) -> np.ndarray:
        return self._predicted(keras.Model(self.net.input, self.net.get_layer("logits").output), photos)

    def _predicted(self, model: keras.Model, photos: PhotoBatches) -> np.ndarray:
        return np.concatenate([model.predict_on_batch(photos.batch(0, i)[0]) for i in range(len(photos))]).astype(
            np.float32)

    def _vectors(self, part: Examples) -> np.ndarray:
        """Targets as float32 (N, classes)."""
        if self.dataset.multi_label:
            return part.targets
        return np.eye(len(self.dataset.classes), dtype=np.float32)[part.targets]

    def _targets(self, part: Examples) -> np.ndarray:
        """Targets as the loss takes them: class numbers for a sparse one, else vectors."""
        told = self.loss if isinstance(self.loss, str) else type(self.loss).__name__ if self.loss is not None else ""
        return part.targets if "sparse" in told.lower() else self._vectors(part)

    def _weights(self) -> np.ndarray | None:
        """A weight per training example, or None."""
        if self.class_weight is None:
            return None
        if self.dataset.multi_label:
            raise UsageError("class_weight is for one label an example.")
        labels, classes = self.dataset.train.targets, self.dataset.classes
        if self.class_weight == "balanced":
            return class_weights(labels, len(classes))
        if not isinstance(self.class_weight, Mapping) or (set(self.class_weight) - set(classes)):
            raise UsageError(f"class_weight is 'balanced' or weights by class name ({', '.join(classes[:5])}, …).")
        weights = np.array([self.class_weight.get(name, 1.0) for name in classes], np.float32)[labels]
        return weights / weights.mean()

    def _truth(self, part: str) -> tuple[np.ndarray, bool]:
        return getattr(self.dataset, part).targets, self.dataset.multi_label

    def _accuracy(self, logits: np.ndarray, part: str) -> float:
        targets, several = self._truth(part)
        return float(calibration.decisions(calibration.probabilities(logits, several), targets, several)[1].mean())

    def _told(self, name: str) -> str:
        best = self.fits[name].metrics
        what = "decisions" if self.dataset.multi_label else "examples"
        return f"{best['val_accuracy']:.1%} of the validation {what} right, after {self.seconds[name]:.1f} s"

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 3)


def _one_view(x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(B, views, …) -> (B, …): a view each."""
    return x[np.arange(len(x)), random.integers(0, x.shape[1], len(x))], y


def _layers(head: Any) -> list[keras.layers.Layer]:
    if isinstance(head, keras.Sequential):
        return list(head.layers)
    layers = [head] if isinstance(head, keras.layers.Layer) else list(head)
    if not all(isinstance(layer, keras.layers.Layer) and not isinstance(layer, keras.Model) for layer in layers):
        raise UsageError("head is a Keras layer, a list of layers, or a Sequential.")
    return layers


def _say(verbose: bool, lines: Any) -> None:
    for line in lines if verbose else ():
        print(line, file=sys.stderr, flush=True)
