"""Image classification: from photos to `Classification`s."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, overload

import numpy as np

from warmstart.catalog import Entry
from warmstart.core import records
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import Several
from warmstart.core.inputs import Item, single_items
from warmstart.core.metrics.classification import ClassificationFigures, DecisionFigures
from warmstart.core.model import Prepared
from warmstart.core.options import Option, takes
from warmstart.core.records.classes import ClassIndex
from warmstart.core.records.options import EvaluateOptions, PhotoTable, SplitTable
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Classification, Failed
from warmstart.core.task import task_of
from warmstart.core.types import Data
from warmstart.engines.agreement import Measure, Rule
from warmstart.errors import UsageError, documented_in
from warmstart.image import preprocessing
from warmstart.image.arrays import as_uint8
from warmstart.image.inputs import Photo
from warmstart.image.model import FEATURE_NOTES, PhotoModel, PhotoOptions, image_program

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program


@dataclass(frozen=True, kw_only=True)
class ClassifyOptions(PhotoOptions):
    """Options of image classification."""

    top_k: Annotated[
        int, Option("Number of classes in a result, best first.", ge=1, short="-k")
    ] = 5


@dataclass(frozen=True, kw_only=True)
class EvaluatePhotosOptions(PhotoTable, SplitTable, EvaluateOptions):
    """Options of evaluating an image classifier."""


class ImageClassifier(PhotoModel[Classification, ClassifyOptions]):
    """Classifies photos.

    Example:
        >>> model = ws.load("efficientnet_lite0")
        >>> for prediction in model("photos/cat.jpg", top_k=2):
        ...     print(prediction.label, round(prediction.score, 2))
        tiger cat 0.39
        Egyptian cat 0.36
        >>> model.features(["photos/cat.jpg", "photos/rocket.jpg"]).shape, model.feature_size
        ((2, 1280), 1280)
        >>> next(model.stream_features("photos")).shape
        (1280,)
        >>> model.preprocess("photos/cat.jpg").shape, model.preprocessing.size
        ((224, 224, 3), (224, 224))
    """

    task = "image-classification"
    class_output = "probabilities"
    options = ClassifyOptions
    evaluate_options = EvaluatePhotosOptions
    result = Classification
    output_notes: ClassVar = {
        "probabilities": (
            "(batch, classes): 0 to 1, in the order of `labels`; their sum is 1, unless a photo "
            "may have several labels"
        ),
        **FEATURE_NOTES,
    }

    @property
    def agreement_rule(self) -> Rule:
        if not self.labels:
            return Rule("vectors", ("features",))
        measure: Measure = "labels" if self.entry.processing.get("multi_label") else "classes"
        return Rule(measure, ("probabilities",), above=0.5)

    @overload
    @takes(ClassifyOptions)
    def __call__(self, photo: Photo, options: ClassifyOptions) -> Classification: ...
    @overload
    @takes(ClassifyOptions)
    def __call__(
        self, photo: Several[Photo], options: ClassifyOptions
    ) -> Results[Classification | Failed]: ...
    @takes(ClassifyOptions)
    def __call__(self, photo: Any, options: ClassifyOptions) -> Any:
        """Classify a photo, or a list of photos.

        Returns:
            One `Classification`; for a list a list, in which an unusable photo is a `Failed` at its
            index.

        Raises:
            InputError: the one photo is unusable.
            UsageError: an option is wrong, or `photo` is a folder or pattern.
        """
        return self.predict(photo, options)

    @takes(ClassifyOptions)
    def stream(
        self, photos: Iterable[Photo] | Photo, options: ClassifyOptions
    ) -> ResultStream[Classification | Failed]:
        """Classify the photos of an iterator, a folder or a pattern (`"photos/*.jpg"`), in order,
        in constant memory.

        Returns:
            An iterator with a `Classification` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of photos.
        """
        return self.predict_stream(photos, options)

    def prepare(self, item: Item, options: ClassifyOptions) -> Prepared:
        rules, value = self.preprocessing, item.value
        fits = (
            type(value) is np.ndarray
            and value.dtype == np.uint8
            and value.shape == (*rules.size, 3)
        )
        if fits and options.value_range is None:  # decoding would give the same in more time
            array = preprocessing.scale(value, rules)
        else:
            array = preprocessing.preprocess(self._decoded(item, options.value_range), rules)
        return Prepared(item.name, [{"images": array}], index=item.index)

    def results(self, *arguments: Any, **options: Any) -> Iterator[Classification | Failed]:
        self.require_classes()
        return super().results(*arguments, **options)

    def predict(self, inputs: Any, options: ClassifyOptions) -> Any:
        self.require_classes()
        return super().predict(inputs, options)

    def require_classes(self) -> None:
        """Raise `UsageError` for a network without a head, such as DINOv2's."""
        if not self.labels:
            raise UsageError(
                f"{self.name} was trained without classes. `features` returns vectors of "
                "photos; ws.finetune turns it into a classifier."
            )

    def decode(self, prepared: Prepared, outputs: Any, options: ClassifyOptions) -> Classification:
        probabilities = outputs[0]["probabilities"]
        return Classification.of(
            prepared.name, self.name, probabilities, self.labels, options.top_k
        )

    @takes(EvaluatePhotosOptions)
    @documented_in(task_of(task).guide)
    def evaluate(self, data: Data, options: EvaluatePhotosOptions) -> Evaluation:
        """Measure the model on labelled photos.

        Args:
            data: pairs (photo, label), a folder of class folders, a table of paths and labels, in a
                file or in memory (see `core.records.read_table`), or arrays (x, y); if the data has
                splits, the test split is used, or else the validation split. A label is an id or
                name of `labels`, or an index, unless class names are numbers; for a model with
                several labels per photo, a tuple of them.
            options: how a table is read, and photos per call of the engine.

        Returns:
            The figures of `core.metrics.classification.ClassificationFigures.result` (`top1`,
            `top5`, `per_class`, `confusions`, `calibration_error`, …; accuracies 0 to 1), or for
            several labels per photo those of `DecisionFigures.result`; and `errors`, the problems
            of photos that could not be read.

        Raises:
            UsageError: no photos, or a label that the model does not have.
        """
        self.require_classes()
        class_names = [label.name for label in self.labels]
        multi_label = bool(self.entry.processing.get("multi_label"))
        errors: list[str] = []
        reading = {
            **options.reading(),
            "multi_label": multi_label,
            "model_classes": self.class_index.names,
            "problems": errors,
        }
        examples = _examples(data, reading)
        if not examples:
            first = f"; the first problem: {errors[0]}" if errors else ""
            raise UsageError(f"There are no photos to evaluate on{first}.")
        truth = [self._truth(example, multi_label) for example in examples]
        figures: Any = (
            DecisionFigures(class_names) if multi_label else ClassificationFigures(class_names)
        )
        call = ClassifyOptions(batch_size=options.batch_size)
        count = 0

        def decode(prepared: Prepared, outputs: Any, _: ClassifyOptions) -> tuple[str, Any]:
            return prepared.name, outputs[0]["probabilities"]

        photos = single_items(example.value for example in examples)
        answers = self.run(photos, call, (self.compute, decode))
        for target, (name, scores) in records.usable_results(
            self.name, truth, answers, errors, options.progress
        ):
            if multi_label:
                figures.add(scores, np.isin(np.arange(len(class_names)), target))
            else:
                figures.add(name, scores, target[0])
            count += 1
        records.require_usable("photo", count, errors)
        return Evaluation.of(self, {**figures.result(), "errors": errors})

    @cached_property
    def class_index(self) -> ClassIndex:
        """Finds the index in `labels` of a label of the data."""
        return ClassIndex(self.labels, self.name)

    def _truth(self, example: records.Labelled, multi_label: bool) -> list[int]:
        """The indices of an example's labels.

        Raises:
            UsageError: the model lacks a label, or predicts one label per photo and there are more.
        """
        labels = example.label if isinstance(example.label, tuple) else (example.label,)
        if not multi_label and len(labels) != 1:
            raise UsageError(
                f"{example.name} has {len(labels)} labels, and {self.name} predicts one "
                "label per photo."
            )
        return [self.class_index(label, example.name) for label in labels]

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: images float32 (batch, H, W, 3) → probabilities (batch, classes), features
        (batch, D).
        """
        from warmstart.models import architecture
        from warmstart.models.image.outputs import classifier_outputs

        own = getattr(architecture(entry.architecture), "classifier_outputs", None)
        outputs = own(model, entry.config) if own else classifier_outputs(model)
        return image_program(entry, outputs, files=True)


def _examples(data: Any, reading: Mapping[str, Any]) -> list[records.Labelled]:
    """The labelled photos; of data with splits those of the test split, or else of validation."""
    # Predicting needs no reader of data.
    from warmstart.image.labelled_photos import labelled_photos

    examples = records.evaluation_split(labelled_photos(data, **reading))
    photos = [example.value for example in examples]
    as_uint8({"data": photos})
    return [replace(example, value=photo) for example, photo in zip(examples, photos, strict=True)]
