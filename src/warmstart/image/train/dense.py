"""The base of the trainers of detection and segmentation."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar, cast

import keras
import numpy as np

from warmstart.catalog import Entry, ImagePreprocessing, Label, Metric
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.image.annotations.splits import of_split
from warmstart.image.arrays import require_same_range
from warmstart.image.train.backbone import fill, is_added
from warmstart.image.train.dense_augment import Variation
from warmstart.image.train.options import MULTIPLE, DenseOptions
from warmstart.image.train.photos import Photos
from warmstart.models import architecture
from warmstart.training.adamw import AdamW
from warmstart.training.freeze import Block, freeze
from warmstart.training.options import validation_fraction
from warmstart.training.schedules import warmup_cosine
from warmstart.training.split import group_keys, split_rows
from warmstart.training.summary import Summary, class_counts, data_name
from warmstart.training.trainer import SOURCE, Trainer

SHORTER = 384
STEM = 4
"""The stem ends before the maps of this stride. It detects edges and colours, which all photos have
in common, on the largest maps: if it is frozen, a step of a small network takes two thirds of the
time.
"""
BASE_RATE, SMALL = 0.1, 1_000_000
"""The factor of the learning rate of a pretrained base, and the parameters below which it is 1.
Measured on blood cells: at the full rate the last map of EfficientNet-Lite0 (3.4 million) becomes
saturated, so that the program's outputs differ from those of Keras; MobileNet 0.25 (0.2 million)
has an AP of 0.34 at the full rate and of 0.30 at a tenth.
"""

DenseOptionsT = TypeVar("DenseOptionsT", bound=DenseOptions)
DataT = TypeVar("DataT")
Predictor = Callable[[np.ndarray], Any]


class DenseTrainer(Trainer[DenseOptionsT], Generic[DenseOptionsT, DataT]):
    """The trainer of detection or segmentation.

    Attributes:
        figures: names of the metrics of history and entry; the first selects the best epoch.
        annotation_name: what the metrics count, for messages.
        rate: the default of the peak learning rate.
        variation: the default augmentation.
        training, validation: labelled photos.
        predictor: the network for predicting, traced once.
    """

    unit = "photos"
    example = "photo.jpg"
    fit_name = "network"
    figures: ClassVar[tuple[str, ...]]
    annotation_name: ClassVar[str]
    rate: ClassVar[float]
    variation: ClassVar[Variation]
    derived = frozenset({"labels", "image_size", "width", "depth", "colours", "box_format"})
    training: DataT
    validation: DataT
    predictor: Predictor
    validation_photos: Any

    @abstractmethod
    def read_photos(
        self, source: Any, labels: Sequence[str] | None, *, strict: bool = False
    ) -> DataT:
        """Read labelled photos; `strict`: other labels are an error."""

    @abstractmethod
    def labels_of(self, photo: Any) -> Sequence[str]:
        """The names of the classes on a photo, each once."""

    @abstractmethod
    def network_config(self, data: DataT) -> tuple[str, dict[str, Any]]:
        """The architecture and config of the network."""

    @abstractmethod
    def digest(self, data: DataT) -> str:
        """A fingerprint of the photos and annotations."""

    @abstractmethod
    def photo_batches(self, data: DataT, split: str) -> Any:
        """The batches of a split's photos."""

    @abstractmethod
    def prediction(self) -> keras.Model:
        """The network for predicting."""

    @abstractmethod
    def evaluate(self) -> dict[str, Any]:
        """The metrics on the validation photos, at their full size."""

    @abstractmethod
    def own_entry(self, module: str) -> dict[str, Any]:
        """The name, family, title and processing of the result."""

    def baseline_sentence(self) -> str:
        """The scores of a trivial model; "" if they are measured."""
        return ""

    def read(self, data: Any) -> Summary:
        options = self.options
        fraction = validation_fraction(options.validation)
        if fraction == 0:
            raise UsageError(f"{self.task} needs validation data, or a fraction above 0.")
        everything: Any = self.read_photos(data, options.labels)
        photos = of_split(everything.photos, "train")
        validation = of_split(everything.photos, "validation")
        if fraction is None:
            self.validation = self.read_validation(options.validation, everything)
        else:
            if not validation or options.validation != "auto":
                photos, validation = self.split(photos, fraction)
            self.validation = replace(everything, photos=validation, problems=())
        if not any(map(self.labels_of, photos)):
            raise UsageError(
                f"{data_name(data)} has no training photo with {self.annotation_name}; check its splits."
            )
        self.training = replace(everything, photos=photos)
        warnings = [] if self.is_measurable() else [self._monitor_loss()]
        if test := of_split(everything.photos, "test"):
            left = counted(len(test), "test photo")
            warnings.append(f"{left} left for `evaluate` with the same data")
        self.module, self.config = self.network_config(self.training)
        self.photos = Photos()
        splits: dict[str, Any] = {"train": self.training, "validation": self.validation}
        counts = {name: len(data.photos) for name, data in splits.items()}
        labels = {
            name: [self.labels_of(photo) for photo in data.photos] for name, data in splits.items()
        }
        problems = [problem for data in splits.values() for problem in data.problems]
        self.labels = [Label(index, name, name) for index, name in enumerate(everything.labels)]
        classes = class_counts(everything.labels, labels)
        name, columns = data_name(data), everything.columns
        return Summary(
            name, self.unit, counts, classes, self.baseline_sentence(), warnings, problems, columns
        )

    def read_validation(self, source: Any, training: DataT) -> DataT:
        """Read separate validation data; if it has splits, the validation split.

        Raises:
            UsageError: it has classes that the training data lacks.
        """
        strict = self.options.labels is None
        data: Any = self.read_photos(source, cast("Any", training).labels, strict=strict)
        require_same_range(cast("Any", training).columns, data.columns)
        return cast(
            "DataT", replace(data, photos=of_split(data.photos, "validation") or data.photos)
        )

    def split(self, photos: Sequence[Any], fraction: float) -> tuple[tuple[Any, ...], ...]:
        """Training and validation photos, stratified by the rarest class that two photos have."""
        strata = rarest_shared([self.labels_of(photo) for photo in photos])
        groups = group_keys([photo.group for photo in photos])
        rows = split_rows(len(photos), fraction, self.options.seed, strata=strata, groups=groups)
        train, validation = (tuple(photos[row] for row in indices) for indices in rows)
        return train, validation

    def is_measurable(self) -> bool:
        """Whether a validation photo has a class."""
        return any(self.labels_of(photo) for photo in cast("Any", self.validation).photos)

    def _monitor_loss(self) -> str:
        """Select the best epoch by the training loss; returns the warning."""
        self.monitor = "loss"
        return (
            f"no validation photo has {self.annotation_name}, so {self.figures[0]} is not "
            "defined; the epoch with the lowest training loss is selected"
        )

    def identity(self) -> dict[str, Any]:
        return {
            "config": self.config,
            "data": [self.digest(self.training), self.digest(self.validation)],
            "classes": [label.name for label in self.labels],
            "augment": self.augmentation,
            "learning_rate": self.options.learning_rate or self.rate,
        }

    @property
    def augmentation(self) -> Variation | None:
        """The random changes of training photos, or None."""
        augment = self.options.augment
        return self.variation if augment is True else cast("Variation | None", augment or None)

    @property
    def rules(self) -> ImagePreprocessing:
        """The preprocessing of the result."""
        rules = self.model.entry.preprocessing
        assert rules is not None
        return replace(
            rules,
            size=input_size(self.config),
            resize="squash",
            interpolation="bilinear",
            crop_ratio=0.875,
        )

    def verify(self) -> None:
        self.prepare()  # image_size and freeze may not fit

    def build(self) -> keras.Model:
        network = architecture(self.module).build(self.config)
        fill(network, self.model)
        return network

    def blocks(self) -> list[Block]:
        return [
            [layer] for layer in self.network.layers if layer.weights and not is_added(layer.name)
        ]

    def freeze(self) -> None:
        blocks = self.blocks()
        limit = self.network.input.shape[1] / STEM
        stem = sum(block[0].output.shape[1] > limit for block in blocks)
        words = {"stem": stem, "backbone": len(blocks)}
        pretrained = self.model.weights.path is not None
        freeze(self.network, blocks, self.options.freeze, words=words, statistics=pretrained)

    def batches(self) -> Any:
        predict = self.prediction()
        self.predictor = compiled(predict)
        self.validation_photos = self.photo_batches(self.validation, "validation")
        return self.photo_batches(self.training, "train")

    def default_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        rate = warmup_cosine(self.options.learning_rate or self.rate, steps, warmup=0.05)
        optimizer = AdamW(rate, weight_decay=1e-3)
        base = [variable for block in self.blocks() for variable in block[0].variables]
        size = sum(math.prod(variable.shape) for variable in base)
        if self.model.weights.path is not None and size >= SMALL:
            optimizer.slow_down(base, BASE_RATE)
        return optimizer

    def outputs(self) -> Iterator[tuple[int, Any]]:
        """(row, outputs of the network) of each validation photo."""
        photos = self.validation_photos
        for batch in photos.slices:
            rows = range(batch.start, batch.stop)
            outputs = self.predictor(np.stack([photos.unaugmented(row) for row in rows]))
            arrays = keras.tree.map_structure(np.asarray, outputs)
            for index, row in enumerate(rows):
                yield row, keras.tree.map_structure(lambda array, n=index: array[n], arrays)

    def measure(self) -> dict[str, float]:
        figures = self.evaluate()
        return {key: figures[key] for key in self.figures}

    def describe(self) -> Entry:
        self.result_figures = self.evaluate()
        data = counted(self.summary.counts["validation"], "validation photo")
        metrics = [
            Metric(key, round(self.result_figures[key], 4), data, SOURCE)
            for key in self.figures
            if np.isfinite(self.result_figures[key])
        ]
        entry = {
            "weights": {},
            "preprocessing": self.rules,
            "labels": "",
            "gflops": None,
            "aliases": (),
            "parameters": self.network.count_params(),
            "metrics": tuple(metrics),
            **self.own_entry(self.module),
        }
        if self.options.name:
            entry["name"] = self.options.name
        return replace(
            self.model.entry,
            task=self.task,
            architecture=self.module,
            config=dict(self.config),
            **entry,
        )

    def details(self) -> dict[str, Any]:
        return {"figures": self.recorded_figures(), "problems": list(self.summary.problems)}

    def recorded_figures(self) -> Mapping[str, Any]:
        """The figures in `training.json`."""
        return self.result_figures


def sized(size: Any, photos: Sequence[tuple[int, int]]) -> list[int]:
    """The (height, width) of the network's input: `size`, or for None 384 on the shorter side of a
    photo of median size.

    Args:
        size: one number, two numbers, or None.
        photos: (width, height) of photos.
    """
    if size is not None:
        return [int(side) for side in ([size, size] if isinstance(size, int) else size)]
    width, height = np.median(np.asarray(photos, float), axis=0)
    scale = SHORTER / min(width, height)
    sides = (max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (height, width))
    return [min(side, 2 * SHORTER) for side in sides]


def input_size(config: Mapping[str, Any]) -> tuple[int, int]:
    """The (height, width) of a network's input."""
    height, width = config["input_size"]
    return int(height), int(width)


def compiled(network: keras.Model) -> Predictor:
    """A function from batches of photos to the outputs of the network."""
    import tensorflow as tf

    predict: Predictor = tf.function(
        lambda images: network(images, training=False), reduce_retracing=True
    )
    return predict


def rarest_shared(labels: Sequence[Sequence[str]]) -> np.ndarray:
    """The stratum of each photo, int (N,): its rarest class among those of two or more photos.
    Photos with only other classes are one stratum, and photos without classes another.
    """
    counts = Counter(name for names in labels for name in names)
    numbers = {name: number for number, name in enumerate(sorted(counts))}
    strata = []
    for names in labels:
        shared = [name for name in names if counts[name] > 1]
        single = len(numbers) if names else -1
        strata.append(
            numbers[min(shared, key=lambda name: (counts[name], name))] if shared else single
        )
    return np.array(strata, int)


def count_pixels(mask: np.ndarray) -> Counter[int]:
    """The number of pixels by class."""
    values, counts = np.unique(mask, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))
