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
from warmstart.core.records import SUFFIXES, read_table
from warmstart.errors import UsageError
from warmstart.image.inputs import iter_photos
from warmstart.image.train.data.examples import Dataset, Examples
from warmstart.image.train.data.split import split
from warmstart.image.train.photos import Photos
from warmstart.training.options import share_of
from warmstart.training.summary import data_name

PARTS = {"train": "train", "training": "train", "val": "validation", "valid": "validation",
         "validation": "validation", "dev": "validation", "test": "test", "testing": "test"}
FEW = 5  # names that a message lists
Label = str | tuple[str, ...]


@dataclass(frozen=True)
class Labelled:
    """What a source says: inputs, each with its label (a tuple where there may be several)."""

    inputs: list[Any]
    labels: list[Label]


def read(data: Any, *, validation: Any = "auto", seed: int = 0, multi_label: bool | None = None,
         path_column: str | None = None, label_column: str | None = None, photos: Photos | None = None) -> Dataset:
    """Read labelled photos.

    Args:
        data: a folder of class folders, or of `train`, `val` and `test` that are; a CSV, TSV, JSONL or Parquet file
            (see `core.records`), or a folder with one such file; a list of (photo, label) pairs; a
            `tf.data.Dataset`.
        validation: data of the same kinds; or the share of `data` that is set aside, stratified. "auto": what
            `data` says itself, or a fifth.
        seed: of the split.
        multi_label: whether an example may have several labels; default: what the data looks like.
        path_column, label_column: of tables, where their names are not the usual ones.
        photos: keeps what is read.

    Raises:
        UsageError: nothing is there, a class is empty, there is one class only, or validation has classes of its own.
    """
    columns = (path_column, label_column)
    parts = _parts(data, columns)
    share = share_of(validation)
    if share == 0:
        raise UsageError("image-classification needs validation data, or a share above 0: it chooses the best epoch "
                         "and calibrates.")
    if share is None:
        parts["validation"] = _only(validation, columns)
    train = parts.get("train")
    if train is None or not train.inputs:
        raise UsageError(f"{data_name(data)} holds nothing to train on.")
    several = _several(parts.values()) if multi_label is None else multi_label
    classes = _classes(parts, several)
    examples: dict[str, Examples] = {}
    problems: list[str] = []
    for name, part in parts.items():
        examples[name], bad = _examples(part, classes, several, photos or Photos(room=0))
        problems += bad
    if share is not None and ("validation" not in examples or validation != "auto"):
        examples["train"], examples["validation"] = split(examples["train"], share, seed)
    return checked(Dataset(data_name(data), classes, several, examples["train"], examples["validation"],
                           examples.get("test"), tuple(problems)))


def checked(dataset: Dataset) -> Dataset:
    """The dataset with its warnings.

    Raises:
        UsageError: a class has no example to train on, or there is nothing to validate with.
    """
    counts = dataset.counts(dataset.train)
    if empty := [name for name, count in zip(dataset.classes, counts, strict=True) if not count]:
        raise UsageError(f"There is nothing to train on for {_few(empty)}: add examples, or remove the class.")
    if not len(dataset.validation):
        raise UsageError("The validation part is empty; give other data, or validation=0.2.")
    warnings = list(_repeats(dataset))
    missing = [n for n, c in zip(dataset.classes, dataset.counts(dataset.validation), strict=True) if not c]
    if missing:
        warnings.append(f"validation has no example of {_few(missing)}, so nothing is known of how well it is learned")
    if not dataset.multi_label and counts.max() > 10 * counts.min():
        names = dataset.classes[int(counts.argmax())], dataset.classes[int(counts.argmin())]
        warnings.append(f"{names[0]!r} has {counts.max():,} examples and {names[1]!r} {counts.min():,}; "
                        "class_weight='balanced' makes them count alike")
    return replace(dataset, warnings=tuple(warnings))


def _parts(data: Any, columns: tuple[str | None, str | None]) -> dict[str, Labelled]:
    """What a source holds, by part; all of it is "train" where it names no parts."""
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser()
        if not path.exists():
            raise UsageError(f"There is no folder or file {path}.")
        return _from_folder(path, columns) if path.is_dir() else _from_table(path, columns)
    if hasattr(data, "as_numpy_iterator"):
        return {"train": _from_tf(data)}
    if not isinstance(data, Iterable):
        raise UsageError(f"Cannot learn from {type(data).__name__}; give a folder, a table's path, a list of (photo, "
                         "label) pairs or a tf.data.Dataset.")
    return {"train": _from_pairs(list(data))}


def _only(data: Any, columns: tuple[str | None, str | None]) -> Labelled:
    parts = _parts(data, columns)
    return parts.get("validation") or parts["train"]


def _from_folder(folder: Path, columns: tuple[str | None, str | None]) -> dict[str, Labelled]:
    children = sorted((c for c in folder.iterdir() if c.is_dir() and not c.name.startswith(".")),
                      key=lambda child: items.natural(child.name))
    named = {PARTS[child.name.lower()]: child for child in children if child.name.lower() in PARTS}
    if "train" in named and any(child.is_dir() for child in named["train"].iterdir()):
        return {part: _class_folders(child) for part, child in named.items()}
    tables = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    if len(tables) == 1 and not any(_photos(child) for child in children[:1]):
        return _from_table(tables[0], columns)
    if not children:
        raise UsageError(f"{folder} holds no class folders: put the photos of each class into a folder of its name, or "
                         "name a CSV file of paths and labels.")
    return {"train": _class_folders(folder)}


def _class_folders(folder: Path) -> Labelled:
    found, labels, empty = [], [], []
    for child in sorted(folder.iterdir(), key=lambda child: items.natural(child.name)):
        if not child.is_dir() or child.name.startswith("."):
            continue
        photos = _photos(child)
        if not photos:
            empty.append(child.name)
        found += photos
        labels += [child.name] * len(photos)
    if empty:
        raise UsageError(f"{folder} has class folders without a photo ({_few(empty)}): fill or remove them.")
    return Labelled(found, list(labels))


def _photos(folder: Path) -> list[Path]:
    try:
        return [Path(item.value) for item in iter_photos(folder)]
    except UsageError:
        return []


def _from_table(path: Path, columns: tuple[str | None, str | None]) -> dict[str, Labelled]:
    parts: dict[str, Labelled] = {}
    for value, label, part in read_table(path, *columns):
        name = PARTS.get(str(part).lower(), str(part)) if part is not None else "train"
        if name not in ("train", "validation", "test"):
            raise UsageError(f"{path}: {part!r} is none of the parts train, validation and test.")
        target = parts.setdefault(name, Labelled([], []))
        target.inputs.append(value)
        target.labels.append(label)
    return parts


def _from_pairs(pairs: Sequence[Any]) -> Labelled:
    for place, pair in enumerate(pairs, 1):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise UsageError(f"Item {place} of the data is not a (photo, label) pair.")
    return Labelled([pair[0] for pair in pairs], [_label(pair[1]) for pair in pairs])


def _label(value: Any) -> Label:
    if isinstance(value, tuple | list | set | frozenset):
        return tuple(str(item) for item in value)
    return str(int(value)) if isinstance(value, np.integer) else str(value)


def _from_tf(dataset: Any) -> Labelled:
    """The elements of a `tf.data.Dataset` of (image, label), batched or not, as uint8 pictures."""
    if int(dataset.cardinality()) == -1:
        raise UsageError("The tf.data.Dataset never ends; give it without repeat().")
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise UsageError("The tf.data.Dataset must have elements (image, label).")
    names = getattr(dataset, "class_names", None)
    if spec[0].shape.rank == 4:
        dataset = dataset.unbatch()
    pictures: list[Any] = []
    labels: list[Any] = []
    for picture, label in dataset.as_numpy_iterator():
        if picture.dtype != np.uint8:
            top = 1.0 if picture.max(initial=0) <= 1.0 else 255.0
            picture = np.clip(np.rint(picture * (255.0 / top)), 0, 255).astype(np.uint8)
        pictures.append(picture)
        labels.append(np.asarray(label))
    vectors = bool(labels) and labels[0].ndim == 1 and labels[0].size > 1
    if vectors and all(label.sum() == 1 for label in labels):
        labels, vectors = [label.argmax() for label in labels], False

    def named(index: Any) -> str:
        return str(names[int(index)]) if names else str(int(index))

    told = [tuple(named(i) for i in np.flatnonzero(label)) if vectors else named(label) for label in labels]
    return Labelled(pictures, list(told))


def _several(parts: Iterable[Labelled]) -> bool:
    return any(isinstance(label, tuple) for part in parts for label in part.labels)


def _classes(parts: dict[str, Labelled], several: bool) -> tuple[str, ...]:
    def names(part: Labelled) -> set[str]:
        return {name for label in part.labels for name in (label if isinstance(label, tuple) else (label,))}

    known = names(parts["train"])
    for part, held in parts.items():
        if unknown := sorted(names(held) - known):
            raise UsageError(f"The {part} part has classes that training has not: {_few(unknown)}.")
    if len(known) < (1 if several else 2):
        raise UsageError(f"There is one class only ({_few(sorted(known))}): a classifier needs two or more.")
    return tuple(sorted(known, key=items.natural))


def _examples(part: Labelled, classes: tuple[str, ...], several: bool,
              photos: Photos) -> tuple[Examples, list[str]]:
    """The examples whose content can be read, each with its digest; and what is wrong with the others."""
    index = {name: place for place, name in enumerate(classes)}
    with ThreadPoolExecutor(4) as pool:
        digests = list(pool.map(partial(_digest, photos), part.inputs))
    good = [place for place, digest in enumerate(digests) if not isinstance(digest, OSError)]
    problems = [f"{part.inputs[place]}: {digest.strerror or digest}" for place, digest in enumerate(digests)
                if isinstance(digest, OSError)]
    if several:
        targets = np.zeros((len(good), len(classes)), np.float32)
        for row, place in enumerate(good):
            label = part.labels[place]
            targets[row, [index[name] for name in (label if isinstance(label, tuple) else (label,))]] = 1
    else:
        told = [part.labels[place] for place in good]
        if any(isinstance(label, tuple) and len(label) != 1 for label in told):
            raise UsageError("An example has several labels, or none; multi_label=True allows that.")
        targets = np.array([index[label[0] if isinstance(label, tuple) else label] for label in told], np.int64)
    return Examples(tuple(part.inputs[p] for p in good), targets, tuple(str(digests[p]) for p in good)), problems


def _digest(photos: Photos, value: Any) -> str | OSError:
    """The sha256 of a file's bytes or of a picture's pixels; the error where the file cannot be read."""
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
        yield (f"{len(across):,} examples are in two parts, which makes the figures look better than they are: "
               f"{_few(across)}")
    if torn:
        yield f"{len(torn):,} examples are there twice with different labels: {_few(torn)}"


def _file(value: Any) -> str:
    return str(value) if isinstance(value, str | os.PathLike) else "a picture in memory"


def _few(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:FEW])) + (f" and {len(names) - FEW:,} more" if len(names) > FEW else "")
