"""What the recipes of detection and segmentation share: the loop, sizes, splits, the backbone, what may change."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import keras
import numpy as np

from warmstart.catalog import Entry, ImagePreprocessing, Label, Metric
from warmstart.checkpoints.naming import slots
from warmstart.core.compiling import build_keras
from warmstart.core.model import Model
from warmstart.errors import UsageError
from warmstart.image.train.dense_augment import Variation
from warmstart.models import architecture, family
from warmstart.training import open_base, result
from warmstart.training.adamw import AdamW
from warmstart.training.fit import Fitted, fit, seeded
from warmstart.training.run import open_run
from warmstart.training.schedules import warmup_cosine

SHORTER, MULTIPLE = 384, 32
SHARE = 0.15
FREEZE = ("none", "stem", "backbone")
STEM = 4
"""The stem is what comes before the maps of this stride. It sees edges and colours, which photos of all kinds share, on
the largest maps: left as it is, a step of a small network takes two thirds of the time."""
SOURCE = "measured when it was fine-tuned"

D = TypeVar("D")
Predictor = Callable[[np.ndarray], Any]


@dataclass(frozen=True)
class Judged:
    """A trained network's figures on validation data, and what the report shows."""

    entry: Entry
    call: Predictor
    held: Any
    fitted: Fitted
    figures: Mapping[str, Any]


class DenseRecipe(ABC, Generic[D]):
    """What detection and segmentation do each in their own way; `finetune` does the rest.

    Attributes:
        task: as in the catalogue.
        what: its name in messages.
        figures: names of the figures that history and entry tell; the first chooses the best epoch.
        clip_norm: as for `fit`.
        variation: of training photos, where the caller leaves it open.
    """

    task: str
    what: str
    figures: tuple[str, ...]
    clip_norm: float
    variation: Variation

    @abstractmethod
    def read(self, source: Any, labels: Sequence[str] | None) -> D:
        """Labelled photos: `photos`, `labels` and `problems`."""

    @abstractmethod
    def told(self, training: D, others: D) -> list[str]:
        """What was read, in lines."""

    @abstractmethod
    def digest(self, data: D) -> str:
        """Photos and annotations as a fingerprint."""

    @abstractmethod
    def config(self, model: Model, data: D, image_size: Any) -> tuple[str, dict[str, Any]]:
        """Architecture and config of the network."""

    @abstractmethod
    def trained(self, network: keras.Model, data: D, config: Mapping[str, Any]) -> tuple[keras.Model, Any]:
        """The model that is fitted, and its loss."""

    @abstractmethod
    def batches(self, data: D, rules: ImagePreprocessing, batch_size: int, seed: int, vary: Variation | None, *,
                learn: bool) -> Any:
        """Batches to learn from, or photos to measure on."""

    @abstractmethod
    def predictor(self, network: keras.Model) -> Predictor:
        """The network for predicting, traced once."""

    @abstractmethod
    def measured(self, call: Predictor, held: Any) -> dict[str, Any]:
        """Figures on photos, in the pixels of the photos."""

    @abstractmethod
    def entry(self, model: Model, module: str) -> dict[str, Any]:
        """Name, family, title and processing of the result."""

    @abstractmethod
    def report(self, judged: Judged, training: D, others: D) -> str:
        """The HTML page."""

    @abstractmethod
    def kept(self, figures: Mapping[str, Any]) -> dict[str, Any]:
        """The figures that `training.json` holds."""


def finetune(recipe: DenseRecipe[Any], base: str | Path | Model, data: Any, *, learning_rate: float,
             validation: Any = None, epochs: int = 40, freeze: str = "none", optimizer: Any = None,
             augment: Variation | bool = True, seed: int = 0, output: str | Path | None = None,
             callbacks: Sequence[Any] = (), labels: Sequence[str] | None = None, image_size: Any = None,
             batch_size: int = 8, patience: int | None = None, verbose: bool = True, **options: Any) -> Model:
    """Fine-tune a detector or a segmenter; see `warmstart.finetune` for what all tasks share.

    Args:
        recipe: of the task.
        base: a classifier whose network becomes the backbone, or a model that was fine-tuned before.
        data: labelled photos as the recipe reads them.
        learning_rate: the highest; it rises for a twentieth of the steps and falls along a cosine.
        validation: such data, or the share of `data` that is kept for it (default 0.15).
        epochs: at most.
        freeze: `"none"`; `"backbone"`: only the added layers learn; `"stem"`: all but the backbone's layers on maps of
            stride 1 and 2. BatchNormalization of a pretrained backbone stays as it is in any case.
        optimizer: as `keras.Model.compile` takes it; default: AdamW.
        augment: True, False, or a `Variation`.
        labels: the classes in order; default: those of the data.
        image_size: (height, width) of the network's input, multiples of 32; default: 384 on the shorter side.
        batch_size: photos a step.
        patience: stop after so many epochs without a better one: of AP, or mean IoU.
        verbose: whether counts, faults of the data and results are told on standard error.

    Raises:
        UsageError: the data or an option cannot be used.
        TrainingError: training cannot go on.
    """
    if options:
        raise UsageError(f"Fine-tuning a {recipe.what} takes no option {next(iter(options))!r}.")
    if epochs < 1 or batch_size < 1:
        raise UsageError(f"epochs and batch_size are 1 or more, not {epochs} and {batch_size}.")
    model = open_base(base)
    training, others = split(recipe.read(data, labels), validation, seed, recipe.read)
    module, config = recipe.config(model, training, image_size)
    vary = recipe.variation if augment is True else augment or None
    settings = {"task": recipe.task, "base": model.name, "weights": model.weights.digest, "config": config,
                "data": [recipe.digest(training), recipe.digest(others)], "classes": training.labels, "epochs": epochs,
                "freeze": freeze, "optimizer": optimizer, "augment": vary, "seed": seed, "batch_size": batch_size,
                "learning_rate": learning_rate, "patience": patience}
    with open_run(output, settings) as run:
        if run.finished:
            said(verbose, [f"{run.folder} is finished; nothing was trained."])
            from warmstart.core.loading import load

            return load(run.folder)
        problems = [*training.problems, *others.problems]
        said(verbose, [*recipe.told(training, others), *(f"left out or changed: {one}" for one in problems[:20])])
        with seeded(seed):
            network = architecture(module).build(config)
        fill(network, model)
        learning(network, freeze, pretrained=model.weights.path is not None)
        rules = _rules(model, config)
        fitting, loss = recipe.trained(network, training, config)
        batches = recipe.batches(training, rules, batch_size, seed, vary, learn=True)
        held = recipe.batches(others, rules, batch_size, seed, None, learn=False)
        rate = warmup_cosine(learning_rate, epochs * len(batches), warmup=0.05)
        fitting.compile(optimizer or AdamW(rate, weight_decay=1e-3), loss=loss)
        call = recipe.predictor(network)

        def measure() -> dict[str, float]:
            figures = recipe.measured(call, held)
            return {key: figures[key] for key in recipe.figures}

        fitted = fit(fitting, batches, epochs=epochs, measure=measure, monitor=f"val_{recipe.figures[0]}",
                     patience=patience, clip_norm=recipe.clip_norm, callbacks=callbacks, run=run)
        figures = recipe.measured(call, held)
        entry = _entry(recipe, model, module, config, network, rules, figures, len(others.photos))
        said(verbose, [", ".join(f"{key} {figures[key]:.3f}" for key in recipe.figures)
                       + f" on {len(others.photos)} photos; compiling and checking the result"])
        return result.finish(run, network, entry, [Label(i, n, n) for i, n in enumerate(training.labels)],
                             fits={"network": fitted},
                             report=recipe.report(Judged(entry, call, held, fitted, figures), training, others),
                             told={"figures": recipe.kept(figures), "problems": problems})


def _rules(model: Model, config: Mapping[str, Any]) -> ImagePreprocessing:
    assert model.entry.preprocessing is not None
    return replace(model.entry.preprocessing, size=told_size(config), resize="squash", interpolation="bilinear",
                   crop_ratio=0.875)


def _entry(recipe: DenseRecipe[Any], model: Model, module: str, config: Mapping[str, Any], network: keras.Model,
           rules: ImagePreprocessing, figures: Mapping[str, Any], count: int) -> Entry:
    return replace(
        model.entry, task=recipe.task, architecture=module, config=dict(config), weights={}, preprocessing=rules,
        labels="", gflops=None, aliases=(), parameters=network.count_params(),
        metrics=tuple(Metric(key, round(figures[key], 4), f"{count} validation photos", SOURCE)
                      for key in recipe.figures), **recipe.entry(model, module))


def base_of(model: Model) -> dict[str, Any]:
    """Architecture and config of a classifier's network.

    Raises:
        UsageError: it is no classifier of the catalogue.
    """
    told = model.entry.to_dict()
    if told["architecture"] == "transfer":  # fine-tuned before: its base
        told = told["config"]["base"]
    if not getattr(family(told["architecture"]), "BACKBONE", False):
        raise UsageError(f"{model.name} cannot be a backbone; take a classifier such as mobilenet_v2.")
    return {"architecture": told["architecture"], "config": dict(told["config"])}


def fill(network: keras.Model, model: Model) -> None:
    """Copy into a new network what the base has: all weights of the same name and shape.

    A base without weights (random initialisation) leaves the network as it is.

    Raises:
        UsageError: nothing fits.
    """
    if model.weights.path is None:
        return
    known = {slot.name: slot.variable for slot in slots(build_keras(model.entry, model.weights))}
    count = 0
    for slot in slots(network):
        value = known.get(slot.name)
        if value is not None and tuple(value.shape) == slot.shape:
            slot.variable.assign(value.numpy())
            count += 1
    if not count:
        raise UsageError(f"Nothing of {model.name} fits the new network.")
    for layer in network._flatten_layers():
        if hasattr(layer, "finalize_state") and layer.weights:
            layer.finalize_state()


def learning(network: keras.Model, freeze: str, *, pretrained: bool) -> None:
    """Set what may change: the backbone's BatchNormalization never where it is pretrained.

    Raises:
        UsageError: `freeze` is none of `FREEZE`.
    """
    if freeze not in FREEZE:
        raise UsageError(f"freeze is one of {', '.join(map(repr, FREEZE))}, not {freeze!r}.")
    fine = network.input.shape[1] / STEM
    for layer in network.layers:
        if not layer.weights or is_head(layer.name):
            continue
        normal = isinstance(layer, keras.layers.BatchNormalization | keras.layers.Normalization)
        stem = freeze == "stem" and layer.output.shape[1] > fine
        if freeze == "backbone" or stem or (normal and pretrained):
            layer.trainable = False


def is_head(name: str) -> bool:
    """Whether a layer of this name was added to the backbone."""
    return name.startswith(("fpn_", "class_", "box_", "aspp_", "decoder_", "details", "deep", "middle",
                            "segmentation_logits")) and not name.startswith("block")


def sized(size: Any, photos: Sequence[tuple[int, int]]) -> list[int]:
    """(height, width) of the network's input: what is wished, or 384 on the shorter side of a usual photo.

    Raises:
        UsageError: it is not two multiples of 32.
    """
    if size is None:
        width, height = np.median(np.asarray(photos, float), axis=0)
        scale = SHORTER / min(width, height)
        size = [max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (height, width)]
        size = [min(side, 2 * SHORTER) for side in size]
    elif isinstance(size, int):
        size = [size, size]
    size = [int(side) for side in size]
    if len(size) != 2 or any(side < MULTIPLE or side % MULTIPLE for side in size):
        raise UsageError(f"image_size must be (height, width) in multiples of {MULTIPLE}, not {tuple(size)}.")
    return size


def told_size(config: Mapping[str, Any]) -> tuple[int, int]:
    height, width = config["input_size"]
    return int(height), int(width)


def split(data: D, validation: Any, seed: int,
          read: Callable[[Any, Sequence[str] | None], D]) -> tuple[D, D]:
    """Training and validation data; without validation data a share of the training data is kept for it.

    Raises:
        UsageError: there are too few photos, or the share is none.
    """
    if validation is not None and not isinstance(validation, float):
        return data, read(validation, data.labels)  # type: ignore[attr-defined]
    share = SHARE if validation is None else validation
    photos = data.photos  # type: ignore[attr-defined]
    count = round(len(photos) * share)
    if not 0 < share < 1 or not 0 < count < len(photos):
        raise UsageError(f"{len(photos)} photos cannot be split with validation={share:g}; give more photos or a "
                         "validation set.")
    order = np.random.default_rng(seed).permutation(len(photos))
    held = set(order[:count].tolist())
    return (replace(data, photos=tuple(p for i, p in enumerate(photos) if i not in held)),  # type: ignore[type-var]
            replace(data, photos=tuple(p for i, p in enumerate(photos) if i in held), problems=()))  # type: ignore


def compiled(network: keras.Model) -> Predictor:
    """The network for predicting: batches of arrays in, its outputs out."""
    import tensorflow as tf

    return tf.function(lambda images: network(images, training=False), reduce_retracing=True)


def said(verbose: bool, lines: Iterable[str]) -> None:
    """Tell what is going on, on standard error."""
    if verbose:
        for line in lines:
            print(line, file=sys.stderr, flush=True)
