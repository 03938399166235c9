"""Folders of class folders, tables, pairs and `tf.data` datasets become a `Dataset`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.core import inputs as items
from warmstart.core import records
from warmstart.core.records import LABEL, PARTS, PHOTO, SUFFIXES, Label, few
from warmstart.core.records.labels import label_reader
from warmstart.core.records.values import class_name
from warmstart.errors import UsageError
from warmstart.image.arrays import are_arrays, as_uint8, labels_of_rows, pairs
from warmstart.image.class_folders import class_folders, folders_of, photos_of
from warmstart.image.train.data.examples import Dataset, Examples
from warmstart.image.train.data.split import split
from warmstart.image.train.photos import Photos
from warmstart.training.options import share_of
from warmstart.training.summary import data_name


@dataclass(frozen=True)
class Labelled:
    """Inputs of a part, each with its label (a tuple where there may be several)."""

    inputs: list[Any]
    labels: list[Label]


@dataclass(frozen=True)
class Source:
    """How records are read.

    Attributes:
        path_column, label_column: named by the caller.
        multi_label: whether an example may have several labels; None: what the data looks like.
        encoding, delimiter: of files.
        problems: takes what is wrong with unusable records.
    """

    path_column: str | None
    label_column: str | None
    multi_label: bool | None
    encoding: str | None
    delimiter: str | None
    problems: list[str]


def read(
    data: Any,
    *,
    validation: Any = "auto",
    seed: int = 0,
    multi_label: bool | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    photos: Photos | None = None,
) -> Dataset:
    """Read labelled photos.

    Args:
        data: a folder of class folders, or of `train`, `val` and `test` that are; a CSV, TSV,
            JSONL, JSON or Parquet file, or a folder with one such file; a table or dataset in
            memory, or (photo, label) pairs, see `core.records.read_table`; arrays (x, y); a
            `tf.data.Dataset`.
        validation: data in one of these forms; or the share of `data` that is split off,
            stratified. "auto": what `data` says itself, or a fifth.
        seed: of the split.
        multi_label: whether an example may have several labels; default: what the data looks like.
        path_column, label_column: of tables, where their names are not the usual ones.
        encoding, delimiter: of files, where they are not recognised.
        photos: keeps what is read.

    Raises:
        UsageError: nothing is there, a class is empty, there is one class only, or validation has
        classes of its own.
    """
    problems: list[str] = []
    source = Source(path_column, label_column, multi_label, encoding, delimiter, problems)
    parts = _parts(data, source)
    share = share_of(validation)
    if share == 0:
        raise UsageError(
            "Image classification needs validation data, or a share above 0: it chooses the best epoch "
            "and calibrates."
        )
    if share is None:
        parts["validation"] = _only(validation, source)
    train = parts.get("train")
    if train is None or not train.inputs:
        raise UsageError(f"{data_name(data)} holds nothing to train on{_first(problems)}.")
    as_uint8(part.inputs for part in parts.values())
    several = _several(parts.values()) if multi_label is None else multi_label
    classes = _classes(parts, several)
    examples: dict[str, Examples] = {}
    for name, part in parts.items():
        examples[name], bad = _examples(part, classes, several, photos or Photos(room=0))
        problems += bad
    if share is not None and ("validation" not in examples or validation != "auto"):
        examples["train"], examples["validation"] = split(examples["train"], share, seed)
    return checked(
        Dataset(
            data_name(data),
            classes,
            several,
            examples["train"],
            examples["validation"],
            examples.get("test"),
            tuple(problems),
        )
    )


def checked(dataset: Dataset) -> Dataset:
    """The dataset with its warnings.

    Raises:
        UsageError: a class has no example to train on, or there is nothing to validate with.
    """
    counts = dataset.counts(dataset.train)
    if empty := [name for name, count in zip(dataset.classes, counts, strict=True) if not count]:
        raise UsageError(
            f"There is nothing to train on for {few(empty)}: add examples, or remove the class."
        )
    if not len(dataset.validation):
        raise UsageError("The validation part is empty; give other data, or validation=0.2.")
    warnings = list(_repeats(dataset))
    missing = [
        n for n, c in zip(dataset.classes, dataset.counts(dataset.validation), strict=True) if not c
    ]
    if missing:
        warnings.append(
            f"validation has no example of {few(missing)}, so nothing is known of how well it is learned"
        )
    if not dataset.multi_label and counts.max() > 10 * counts.min():
        names = dataset.classes[int(counts.argmax())], dataset.classes[int(counts.argmin())]
        warnings.append(
            f"{names[0]!r} has {counts.max():,} examples and {names[1]!r} {counts.min():,}; "
            "class_weight='balanced' makes them count alike"
        )
    return replace(dataset, warnings=tuple(warnings))


def _parts(data: Any, source: Source) -> dict[str, Labelled]:
    """What the data holds, by part; all of it is "train" where it names no parts."""
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser()
        if not path.exists():
            raise UsageError(f"There is no folder or file {path}.")
        return _of_folder(path, source) if path.is_dir() else _of_records(path, source)
    if hasattr(data, "as_numpy_iterator"):
        return {"train": _of_tf(data, source)}
    return _of_records(pairs(data) if are_arrays(data) else data, source)


def _only(data: Any, source: Source) -> Labelled:
    parts = _parts(data, source)
    part = parts.get("validation") or parts.get("train")
    if part is None:
        raise UsageError(
            f"{data_name(data)} holds nothing to validate with{_first(source.problems)}."
        )
    return part


def _of_folder(folder: Path, source: Source) -> dict[str, Labelled]:
    tables = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    if len(tables) == 1 and not any(map(photos_of, folders_of(folder)[:1])):
        return _of_records(tables[0], source)
    return {
        part or "train": Labelled([photo for photo, _ in some], [name for _, name in some])
        for part, some in class_folders(folder).items()
    }


def _of_records(data: Any, source: Source) -> dict[str, Labelled]:
    parts: dict[str, Labelled] = {}
    for one in records.read_photos(
        data,
        path_column=source.path_column,
        label_column=source.label_column,
        multi_label=source.multi_label,
        problems=source.problems,
        encoding=source.encoding,
        delimiter=source.delimiter,
    ):
        name = "train" if one.part is None else PARTS.get(one.part.lower(), one.part)
        if name not in ("train", "validation", "test"):
            raise UsageError(
                f"{one.name}: {one.part!r} is none of the parts train, validation and test."
            )
        part = parts.setdefault(name, Labelled([], []))
        part.inputs.append(one.value)
        part.labels.append(one.label)
    return parts


def _of_tf(dataset: Any, source: Source) -> Labelled:
    """The elements of a `tf.data.Dataset` of photos and labels, batched or not."""
    table = records.read_table(dataset, (PHOTO, LABEL), example_rank=3)
    photo_column = table.column(PHOTO, source.path_column)
    labels = label_reader(table, LABEL, source.label_column, (photo_column,), source.multi_label)
    label_column = labels.column
    pictures: list[Any] = []
    vectors: list[Any] = []
    for record in table.read():
        pictures.append(table.file(record, photo_column, "photo"))
        vectors.append(
            labels(record) if label_column is None else np.asarray(record.values[label_column])
        )
    if label_column is None:  # 0 and 1 for each class
        return Labelled(pictures, vectors)
    names = [
        tuple(_class_name(table, label_column, one) for one in label)
        if isinstance(label, tuple)
        else _class_name(table, label_column, label)
        for label in labels_of_rows(vectors)
    ]
    return Labelled(pictures, names)


def _class_name(table: records.Table, column: str, label: Any) -> str:
    value = np.asarray(label).ravel()[0]
    return class_name(
        int(value) if isinstance(value, np.floating) else value, table.class_names.get(column)
    )


def _several(parts: Iterable[Labelled]) -> bool:
    return any(isinstance(label, tuple) for part in parts for label in part.labels)


def _classes(parts: dict[str, Labelled], several: bool) -> tuple[str, ...]:
    def names(part: Labelled) -> set[str]:
        return {
            name
            for label in part.labels
            for name in (label if isinstance(label, tuple) else (label,))
        }

    known = names(parts["train"])
    for part, held in parts.items():
        if unknown := sorted(names(held) - known):
            raise UsageError(f"The {part} part has classes that training has not: {few(unknown)}.")
    if len(known) < (1 if several else 2):
        raise UsageError(
            f"There is one class only ({few(sorted(known))}): a classifier needs two or more."
        )
    return tuple(sorted(known, key=items.natural))


def _examples(
    part: Labelled, classes: tuple[str, ...], several: bool, photos: Photos
) -> tuple[Examples, list[str]]:
    """The examples whose content can be read, each with its digest; and what is wrong with the
    others.
    """
    index = {name: place for place, name in enumerate(classes)}
    with ThreadPoolExecutor(4) as pool:
        digests = list(pool.map(partial(_digest, photos), part.inputs))
    good = [place for place, digest in enumerate(digests) if not isinstance(digest, OSError)]
    problems = [
        f"{part.inputs[place]}: {digest.strerror or digest}"
        for place, digest in enumerate(digests)
        if isinstance(digest, OSError)
    ]
    if several:
        targets = np.zeros((len(good), len(classes)), np.float32)
        for row, place in enumerate(good):
            label = part.labels[place]
            targets[
                row, [index[name] for name in (label if isinstance(label, tuple) else (label,))]
            ] = 1
    else:
        told = [part.labels[place] for place in good]
        if any(isinstance(label, tuple) and len(label) != 1 for label in told):
            raise UsageError(
                "An example has several labels, or none; multi_label=True allows that."
            )
        targets = np.array(
            [index[label[0] if isinstance(label, tuple) else label] for label in told], np.int64
        )
    return Examples(
        tuple(part.inputs[p] for p in good), targets, tuple(str(digests[p]) for p in good)
    ), problems


def _digest(photos: Photos, value: Any) -> str | OSError:
    """The sha256 of a file's bytes or of a picture's pixels; the error where the file cannot be
    read.
    """
    try:
        if isinstance(value, str | os.PathLike):
            return photos.digest(value)
        array = np.ascontiguousarray(np.asarray(value))
        return sha256(f"{array.shape}".encode() + array.tobytes()).hexdigest()
    except OSError as error:
        return error


def _repeats(dataset: Dataset) -> Iterable[str]:
    """Warnings of contents that are in two parts, or twice with different labels."""
    seen: dict[str, tuple[str, Any, Any]] = {}
    across: list[str] = []
    torn: list[str] = []
    for name, part in dataset.parts():
        for value, target, digest in zip(part.inputs, part.targets, part.digests, strict=True):
            before = seen.setdefault(digest, (name, target, value))
            if before[0] != name:
                across.append(_file(value))
            elif not np.array_equal(before[1], target):
                torn.append(_file(value))
    if across:
        yield (
            f"{len(across):,} examples are in two parts, which makes the figures look better than they are: "
            f"{few(across)}"
        )
    if torn:
        yield f"{len(torn):,} examples are there twice with different labels: {few(torn)}"


def _file(value: Any) -> str:
    return str(value) if isinstance(value, str | os.PathLike) else "a picture in memory"


def _first(problems: Sequence[str]) -> str:
    """The first problem, for the end of a message."""
    return f": {problems[0]}" if problems else ""
