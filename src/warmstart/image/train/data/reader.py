"""Reads class folders, tables, pairs and `tf.data` datasets into a `Dataset`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np

from warmstart.core import inputs as items
from warmstart.core import records
from warmstart.core.records import LABEL, PHOTO, Label, abbreviated
from warmstart.core.records.dialects import is_number
from warmstart.core.records.labels import label_reader, unique_names
from warmstart.core.records.values import class_name, one_of
from warmstart.counts import counted
from warmstart.errors import InputError, UsageError
from warmstart.image.arrays import PIXELS, as_uint8, labels_of_rows
from warmstart.image.labelled_photos import labelled_photos
from warmstart.image.train.data.checks import checked
from warmstart.image.train.data.examples import Dataset, Examples
from warmstart.image.train.data.split import split
from warmstart.image.train.photos import Photos
from warmstart.training.options import validation_fraction
from warmstart.training.summary import data_name


@dataclass(frozen=True)
class Labelled:
    """The inputs of a split with their labels: a tuple per input if there may be several."""

    inputs: list[Any]
    labels: list[Label]
    groups: list[str | None] = field(default_factory=list)


@dataclass(frozen=True)
class ReadContext:
    """Options of reading, and the lists that it adds messages to.

    Attributes:
        multi_label, class_names: see `read`.
        keywords: other arguments of `core.records.read_photos`.
        problems: receives unusable records.
        columns: receives lines on how the data was read.
    """

    multi_label: bool | None
    keywords: Mapping[str, Any]
    class_names: Sequence[str] | None
    problems: list[str]
    columns: list[str]


def read(
    data: Any,
    *,
    validation: Any = "auto",
    seed: int = 0,
    multi_label: bool | None = None,
    class_names: Sequence[str] | None = None,
    photos: Photos | None = None,
    **keywords: Any,
) -> Dataset:
    """Read labelled photos.

    Args:
        data: as for `image.labelled_photos`, or a `tf.data.Dataset`.
        validation: data in one of these forms; or the fraction of `data` that is set aside,
            stratified. "auto": the validation split of `data`, or a fifth.
        seed: of the split.
        multi_label: whether an example may have several labels; default: inferred from the data.
        class_names: all classes, in order; default: the labels of the data.
        photos: stores the photos that are read.
        **keywords: other keywords of `core.records.read_photos`: `path_column`, `group_column`, ….

    Raises:
        UsageError: there are no examples, a class is empty, there is only one class, or validation
            has classes that the training data lacks.
    """
    problems: list[str] = []
    context = ReadContext(multi_label, keywords, unique_names(class_names), problems, [])
    splits = _splits(data, context)
    columns = tuple(context.columns)
    fraction = validation_fraction(validation)
    if fraction == 0:
        raise UsageError(
            "Image classification needs validation data, or a fraction above 0, to select "
            "the best epoch and to calibrate."
        )
    if fraction is None:
        splits["validation"] = _validation_split(validation, context)
    train = splits.get("train")
    if train is None or not train.inputs:
        others = f"; it has only the splits {' and '.join(splits)}" if splits else ""
        raise UsageError(
            f"{data_name(data)} contains no training examples{others}{_first(problems)}."
        )
    if pixels := as_uint8({name: labelled.inputs for name, labelled in splits.items()}):
        columns = (*columns, f"{PIXELS}{pixels}")
    several = _several(splits.values()) if multi_label is None else multi_label
    classes = _classes(splits, several, context.class_names)
    examples: dict[str, Examples] = {}
    for name, labelled in splits.items():
        examples[name], bad = _examples(labelled, classes, several, photos or Photos(limit=0))
        problems += bad
        if bad and not len(examples[name]):
            raise UsageError(
                f"{data_name(data)}: no photo of the {name} split ({len(labelled.inputs):,}) "
                f"can be used; the first: {bad[0]}."
            )
        records.require_most(f"photos of the {name} split", len(examples[name]), bad)
    try:
        if fraction is not None and ("validation" not in examples or validation != "auto"):
            examples["train"], examples["validation"] = split(examples["train"], fraction, seed)
        return checked(
            Dataset(
                data_name(data),
                classes,
                several,
                examples["train"],
                examples["validation"],
                examples.get("test"),
                tuple(problems),
                columns=columns,
            )
        )
    except UsageError as error:
        if not problems:
            raise
        count = sum(len(labelled.inputs) for labelled in splits.values())
        raise UsageError(
            f"{error} Of {counted(count, 'photo')} {len(problems):,} cannot be used; the first: {problems[0]}."
        ) from error


def _splits(data: Any, context: ReadContext) -> dict[str, Labelled]:
    """The data by split; data without splits is "train"."""
    if hasattr(data, "as_numpy_iterator"):
        return {"train": _of_tf(data, context)}
    splits: dict[str, Labelled] = {}
    for example in labelled_photos(
        data,
        multi_label=context.multi_label,
        class_names=context.class_names,
        problems=context.problems,
        columns=context.columns,
        **context.keywords,
    ):
        labelled = splits.setdefault(example.split or "train", Labelled([], []))
        labelled.inputs.append(example.value)
        labelled.labels.append(example.label)
        labelled.groups.append(example.group)
    return splits


def _validation_split(data: Any, context: ReadContext) -> Labelled:
    splits = _splits(data, context)
    labelled = splits.get("validation") or splits.get("train") or splits.get("test")
    if labelled is None:
        raise UsageError(
            f"{data_name(data)} contains no validation examples{_first(context.problems)}."
        )
    return labelled


def _of_tf(dataset: Any, context: ReadContext) -> Labelled:
    """The elements of a `tf.data.Dataset` of photos and labels, batched or not."""
    keywords = {key: context.keywords.get(key) for key in ("path_column", "label_column")}
    reading = records.Reading(**keywords, multi_label=context.multi_label)
    table = records.read_table(dataset, (PHOTO, LABEL), reading=reading, example_rank=3)
    photo_column = table.column(PHOTO)
    labels = label_reader(table, LABEL, (photo_column,))
    pictures: list[Any] = []
    vectors: list[Any] = []
    for record in table.read():
        pictures.append(table.file(record, photo_column, "photo"))
        vectors.append(
            labels(record) if labels.column is None else np.asarray(record.values[labels.column])
        )
    if labels.column is None:  # 0 and 1 for each class
        return Labelled(pictures, vectors)

    def name(label: Any) -> str:
        return _class_name(table, labels.column, label, context.class_names)

    names = [
        tuple(map(name, label)) if isinstance(label, tuple) else name(label)
        for label in labels_of_rows(vectors)
    ]
    return Labelled(pictures, names)


def _class_name(
    table: records.Table, column: str | None, label: Any, class_names: Sequence[str] | None
) -> str:
    value = np.asarray(label).ravel()[0]
    names = None if column is None else table.class_names.get(column)
    try:
        name = class_name(value, names)
        return name if class_names is None else one_of(name, class_names)
    except (ValueError, IndexError) as error:
        raise UsageError(f"{table.name} has a label that {error}.") from None


def _several(splits: Iterable[Labelled]) -> bool:
    return any(isinstance(label, tuple) for labelled in splits for label in labelled.labels)


def _classes(
    splits: dict[str, Labelled], several: bool, class_names: Sequence[str] | None
) -> tuple[str, ...]:
    def names(labelled: Labelled) -> set[str]:
        return {
            name
            for label in labelled.labels
            for name in (label if isinstance(label, tuple) else (label,))
        }

    known = names(splits["train"])
    if (
        class_names is None
        and all(map(is_number, known))
        and any(float(name) % 1 for name in known)
    ):
        raise UsageError(
            f"The labels are numbers with fractions ({abbreviated(sorted(known))}), which image "
            "classification cannot predict. If they are classes, list them with class_names."
        )
    if class_names is not None:
        if unknown := sorted(set().union(*map(names, splits.values())) - set(class_names)):
            raise UsageError(
                f"The data has classes that class_names lacks: {abbreviated(unknown)}."
            )
        return tuple(class_names)
    for name, examples in splits.items():
        if unknown := sorted(names(examples) - known):
            raise UsageError(
                f"The {name} split has classes that are missing from the training data: "
                f"{abbreviated(unknown)}.{_similar(unknown, known)}"
            )
    if len(known) < (1 if several else 2):
        raise UsageError(
            f"There is only one class ({abbreviated(sorted(known))}): a classifier needs two or more."
        )
    return tuple(sorted(known, key=items.natural))


def _similar(unknown: Sequence[str], known: Iterable[str]) -> str:
    """A hint on a similar class of the training data, for the end of a message."""
    by_key = {name.strip().casefold(): name for name in known}
    pairs = [(name, by_key[key]) for name in unknown if (key := name.strip().casefold()) in by_key]
    return f" {pairs[0][0]!r} may be {pairs[0][1]!r}: spell both in the same way." if pairs else ""


def _examples(
    labelled: Labelled, classes: tuple[str, ...], several: bool, photos: Photos
) -> tuple[Examples, list[str]]:
    """The examples that can be read, with their digests; and the problems of the others."""
    index = {name: number for number, name in enumerate(classes)}
    with ThreadPoolExecutor(4) as pool:
        digests = list(pool.map(partial(_digest, photos), labelled.inputs))
    good = [row for row, digest in enumerate(digests) if isinstance(digest, str)]
    problems = [str(digest) for digest in digests if isinstance(digest, InputError)]
    if several:
        targets = np.zeros((len(good), len(classes)), np.float32)
        for row, example in enumerate(good):
            label = labelled.labels[example]
            names = label if isinstance(label, tuple) else (label,)
            targets[row, [index[name] for name in names]] = 1
    else:
        labels = [labelled.labels[row] for row in good]
        if any(isinstance(label, tuple) and len(label) != 1 for label in labels):
            raise UsageError(
                "An example has several labels, or none; multi_label=True allows that."
            )
        targets = np.array(
            [index[label[0] if isinstance(label, tuple) else label] for label in labels], np.int64
        )
    return Examples(
        tuple(labelled.inputs[row] for row in good),
        targets,
        tuple(str(digests[row]) for row in good),
        tuple(labelled.groups[row] for row in good) if labelled.groups else (),
    ), problems


def _digest(photos: Photos, value: Any) -> str | InputError:
    """The sha256 of a file's bytes or of a picture's pixels; an error if it cannot be read."""
    try:
        if isinstance(value, str | os.PathLike):
            return photos.digest(value)
        array = np.ascontiguousarray(np.asarray(value))
        return sha256(f"{array.shape}".encode() + array.tobytes()).hexdigest()
    except InputError as error:
        return error


def _first(problems: Sequence[str]) -> str:
    """The first problem, for the end of a message."""
    return f": {problems[0]}" if problems else ""
