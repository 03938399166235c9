"""What the trainers of detection and segmentation share: sizes, the backbone, what is not trained,
the split.
"""

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
from warmstart.errors import UsageError
from warmstart.image.annotations.parts import of_part
from warmstart.image.arrays import require_same_range
from warmstart.image.train.backbone import fill, is_added
from warmstart.image.train.dense_augment import Variation
from warmstart.image.train.options import MULTIPLE, DenseOptions
from warmstart.image.train.photos import Photos
from warmstart.models import architecture
from warmstart.training.adamw import AdamW
from warmstart.training.freeze import Block, freeze
from warmstart.training.options import share_of
from warmstart.training.schedules import warmup_cosine
from warmstart.training.split import group_keys, split_rows
from warmstart.training.summary import Summary, class_counts, data_name
from warmstart.training.trainer import SOURCE, Trainer

SHORTER = 384
STEM = 4
"""The stem is what comes before the maps of this stride. It sees edges and colours, which photos of
all of these tasks share, on the largest maps: frozen, a step of a small network takes two thirds of
the time."""
BASE_RATE, SMALL = 0.1, 1_000_000
"""The learning rate of a pretrained base, as a share of that of the layers on top, and the
parameters below which a base learns as fast as they do. Measured on blood cells: at the full rate
the last map of EfficientNet-Lite0 (3.4 million) ends saturated, so that the program strays from
Keras; MobileNet 0.25 (0.2 million) has an AP of 0.34 at the full one and of 0.30 at a tenth."""

DenseOptionsT = TypeVar("DenseOptionsT", bound=DenseOptions)
DataT = TypeVar("DataT")
Predictor = Callable[[np.ndarray], Any]


class DenseTrainer(Trainer[DenseOptionsT], Generic[DenseOptionsT, DataT]):
    """Detection and segmentation.

    Attributes:
        figures: names of the metrics of history and entry; the first chooses the best epoch.
        counted_things: what the metrics count, for messages.
        rate: the highest learning rate, by default.
        variation: of training photos, by default.
        training, others: labelled photos to train on, and to validate on.
        predictor: the network for predicting, traced once.
    """

    unit = "photos"
    example = "photo.jpg"
    fit_name = "network"
    figures: ClassVar[tuple[str, ...]]
    counted_things: ClassVar[str]
    rate: ClassVar[float]
    variation: ClassVar[Variation]
    derived = frozenset({"labels", "image_size", "width", "depth", "colours", "box_format"})
    training: DataT
    others: DataT
    predictor: Predictor
    validation_photos: Any

    @abstractmethod
    def read_photos(
        self, source: Any, labels: Sequence[str] | None, *, strict: bool = False
    ) -> DataT:
        """Labelled photos: `photos`, `labels` and `problems`; `strict`: other labels are an error."""

    @abstractmethod
    def labels_of(self, photo: Any) -> Sequence[str]:
        """Names of the classes on a photo, each once."""

    @abstractmethod
    def network_config(self, data: DataT) -> tuple[str, dict[str, Any]]:
        """Architecture and config of the network."""

    @abstractmethod
    def digest(self, data: DataT) -> str:
        """Fingerprint of photos and annotations."""

    @abstractmethod
    def photo_batches(self, data: DataT, part: str) -> Any:
        """Batches of the photos of a part."""

    @abstractmethod
    def prediction(self) -> keras.Model:
        """The network for predicting."""

    @abstractmethod
    def evaluate(self) -> dict[str, Any]:
        """Figures on the validation photos, in their own pixels."""

    @abstractmethod
    def own_entry(self, module: str) -> dict[str, Any]:
        """Name, family, title and processing of the result."""

    def trivial(self) -> str:
        """What a trivial model scores; "" where it is measured."""
        return ""

    def read(self, data: Any) -> Summary:
        options = self.options
        share = share_of(options.validation)
        if share == 0:
            raise UsageError(f"{self.task} needs validation data, or a fraction above 0.")
        everything: Any = self.read_photos(data, options.labels)
        photos = of_part(everything.photos, "train")
        validation = of_part(everything.photos, "validation")
        if share is None:
            self.others = self.read_validation(options.validation, everything)
        else:
            if not validation or options.validation != "auto":
                photos, validation = self.split(photos, share)
            self.others = replace(everything, photos=validation, problems=())
        if not any(map(self.labels_of, photos)):
            raise UsageError(f"{data_name(data)} has no training photo with {self.counted_things}.")
        self.training = replace(everything, photos=photos)
        warnings = [] if self.is_measurable() else [self._blind()]
        if test := of_part(everything.photos, "test"):
            warnings.append(
                f"{len(test):,} test photos are not used; `evaluate` with the same data uses them"
            )
        self.module, self.config = self.network_config(self.training)
        self.photos = Photos()
        parts: dict[str, Any] = {"train": self.training, "validation": self.others}
        counts = {part: len(some.photos) for part, some in parts.items()}
        labels = {
            part: [self.labels_of(photo) for photo in some.photos] for part, some in parts.items()
        }
        problems = [problem for some in parts.values() for problem in some.problems]
        self.labels = [Label(index, name, name) for index, name in enumerate(parts["train"].labels)]
        classes = class_counts(parts["train"].labels, labels)
        name, columns = data_name(data), everything.columns
        return Summary(
            name, self.unit, counts, classes, self.trivial(), warnings, problems, columns
        )

    def read_validation(self, source: Any, training: DataT) -> DataT:
        """Validation data of its own; of data with parts, the one to validate with.

        Raises:
            UsageError: it has classes that the training data has not.
        """
        strict = self.options.labels is None
        data: Any = self.read_photos(source, cast("Any", training).labels, strict=strict)
        require_same_range(cast("Any", training).columns, data.columns)
        return cast(
            "DataT", replace(data, photos=of_part(data.photos, "validation") or data.photos)
        )

    def split(self, photos: Sequence[Any], share: float) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Training and validation photos, stratified by the rarest class that two photos have."""
        strata = rarest_shared([self.labels_of(photo) for photo in photos])
        groups = group_keys([photo.group for photo in photos])
        rows = split_rows(len(photos), share, self.options.seed, strata=strata, groups=groups)
        train, validation = (tuple(photos[row] for row in part) for part in rows)
        return train, validation

    def is_measurable(self) -> bool:
        """Whether the validation photos have anything of a class."""
        return any(self.labels_of(photo) for photo in cast("Any", self.others).photos)

    def _blind(self) -> str:
        """Choose the best epoch by the training loss; returns the warning."""
        self.monitor = "loss"
        return (
            f"no validation photo has {self.counted_things}, so {self.figures[0]} is not "
            "defined; the epoch with the lowest training loss is selected"
        )

    def identity(self) -> dict[str, Any]:
        return {
            "config": self.config,
            "data": [self.digest(self.training), self.digest(self.others)],
            "classes": [label.name for label in self.labels],
            "augment": self.vary,
            "learning_rate": self.options.learning_rate or self.rate,
        }

    @property
    def vary(self) -> Variation | None:
        """How training photos are varied."""
        augment = self.options.augment
        return self.variation if augment is True else cast("Variation | None", augment or None)

    @property
    def rules(self) -> ImagePreprocessing:
        """Preprocessing of the result."""
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
        fine = self.network.input.shape[1] / STEM
        stem = sum(block[0].output.shape[1] > fine for block in blocks)
        words = {"stem": stem, "backbone": len(blocks)}
        pretrained = self.model.weights.path is not None
        freeze(self.network, blocks, self.options.freeze, words=words, statistics=pretrained)

    def batches(self) -> Any:
        predict = self.prediction()
        self.predictor = compiled(predict)
        self.validation_photos = self.photo_batches(self.others, "validation")
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
        """(row, what the network says), for each validation photo."""
        photos = self.validation_photos
        for part in photos.parts:
            rows = range(part.start, part.stop)
            outputs = self.predictor(np.stack([photos.plain(row) for row in rows]))
            arrays = keras.tree.map_structure(np.asarray, outputs)
            for index, row in enumerate(rows):
                yield row, keras.tree.map_structure(lambda array, n=index: array[n], arrays)

    def measure(self) -> dict[str, float]:
        figures = self.evaluate()
        return {key: figures[key] for key in self.figures}

    def describe(self) -> Entry:
        self.result_figures = self.evaluate()
        data = f"{self.summary.counts['validation']} validation photos"
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
        """The figures that `training.json` holds."""
        return self.result_figures


def sized(size: Any, photos: Sequence[tuple[int, int]]) -> list[int]:
    """(height, width) of the network's input: as asked for, or 384 on the shorter side of a usual
    photo.

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
    """(height, width)."""
    height, width = config["input_size"]
    return int(height), int(width)


def compiled(network: keras.Model) -> Predictor:
    """The network for predicting: batches of arrays in, its outputs out."""
    import tensorflow as tf

    predict: Predictor = tf.function(
        lambda images: network(images, training=False), reduce_retracing=True
    )
    return predict


def rarest_shared(labels: Sequence[Sequence[str]]) -> np.ndarray:
    """The stratum of each photo: its rarest class that two photos or more have; a stratum of their
    own for other photos with classes, and one for those without any; int (N,).
    """
    counts = Counter(label for some in labels for label in some)
    numbers = {label: number for number, label in enumerate(sorted(counts))}
    strata = []
    for some in labels:
        shared = [label for label in some if counts[label] > 1]
        single = len(numbers) if some else -1
        strata.append(
            numbers[min(shared, key=lambda one: (counts[one], one))] if shared else single
        )
    return np.array(strata, int)


def count_pixels(mask: np.ndarray) -> Counter[int]:
    """Pixels of each class."""
    values, counts = np.unique(mask, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))
