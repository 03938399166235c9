"""The entry of a classifier that somebody trained with Keras on a network of the catalogue."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from warmstart.catalog import Entry, ImagePreprocessing, Label
from warmstart.checkpoints.assign import is_weight
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.counts import counted
from warmstart.errors import InputError
from warmstart.models import family
from warmstart.models.image.transfer import saved

LABELS = "labels.txt"
"""Next to the weights: a class on each line, "0 Name" or "Name"."""
LARGEST_LABELS = 4 << 20


def read(
    entry: Entry, labels: Sequence[Label], weights: Path
) -> tuple[Entry, tuple[Label, ...]] | None:
    """The entry and the classes of a classifier in a file; None if the file contains the network
    of the entry itself, or weights only.

    Args:
        entry: of its backbone.
        labels: of that entry.
        weights: a checkpoint.

    Raises:
        UsageError: the model of the file cannot be read.
        InputError: `labels.txt` has another number of classes.
    """
    if entry.preprocessing is None or not getattr(family(entry.architecture), "BACKBONE", False):
        return None
    base = {"architecture": entry.architecture, "config": dict(entry.config)}
    with open_checkpoint(weights) as checkpoint:
        if saved.is_plain(checkpoint, base, len(labels)):
            return None
        classifier = saved.read(checkpoint, base)
        assert classifier is not None
        shapes = [checkpoint.shape(n) for n in checkpoint.names() if is_weight(checkpoint, n)]
    names, numbered = _names(weights.with_name(LABELS), classifier.classes, labels)
    rules = _rules(entry.preprocessing, classifier, numbered)
    size_key = "input_size" if "input_size" in base["config"] else "image_size"
    size = list(rules.size) if size_key == "input_size" else rules.size[0]
    base["config"] = {**entry.config, size_key: size}
    entry = replace(
        entry,
        title=f"{weights.name} on {entry.title}",
        architecture="transfer",
        config={
            "base": base,
            "head": classifier.head,
            "classes": classifier.classes,
            "multi_label": classifier.sigmoid,
            "temperature": classifier.temperature,
        },
        weights={},
        labels="",
        metrics=(),
        parameters=sum(math.prod(shape) for shape in shapes),
        gflops=None,
        preprocessing=rules,
    )
    return entry, tuple(Label(index, name, name) for index, name in enumerate(names))


def _rules(
    base: ImagePreprocessing, classifier: saved.SavedClassifier, numbered: bool
) -> ImagePreprocessing:
    """The preprocessing: Teachable Machine, which numbers its labels, crops photos to a square;
    `keras.utils.image_dataset_from_directory` squashes them.
    """
    rules = replace(base, size=classifier.size or base.size)
    if numbered:
        rules = replace(rules, resize="crop", crop_ratio=1.0, interpolation="bicubic")
    else:
        rules = replace(rules, resize="squash", interpolation="bilinear")
    return classifier.front.rules(rules)


def _names(path: Path, classes: int, labels: Sequence[Label]) -> tuple[list[str], bool]:
    """The names of the classes, and whether the file numbers them as Teachable Machine does."""
    if path.is_file():
        return names_of_file(path, classes)
    if len(labels) == classes:
        return [label.name for label in labels], False
    return [f"LABEL_{index}" for index in range(classes)], False


def names_of_file(path: Path, classes: int | None = None) -> tuple[list[str], bool]:
    """The names of the classes in a file with one per line, "0 Name" or "Name", and whether it
    numbers them.

    Args:
        path: of the file.
        classes: their number, if it is known.

    Raises:
        InputError: it has another number of lines, names a class twice, or is not text.
    """
    if path.stat().st_size > LARGEST_LABELS:
        raise InputError(f"{path} is not a list of class names: it is too large.", str(path))
    try:
        lines = [line for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8.", str(path)
        ) from error
    if len(lines) != (len(lines) if classes is None else classes):
        raise InputError(
            f"{path} names {counted(len(lines), 'class', 'classes')}, but the model has {classes}.",
            str(path),
        )
    numbers = [line.split(" ", 1)[0] for line in lines]
    ordered = [str(index) for index in range(len(lines))]
    numbered = numbers == ordered
    if not numbered and sorted(numbers) == sorted(ordered):
        raise InputError(
            f"{path} numbers its lines from 0, but not in order: sort them, or leave the numbers out.",
            str(path),
        )
    names = [line.split(" ", 1)[-1].strip() if numbered else line.strip() for line in lines]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path} names the class {repeated[0][:100]!r} twice.", str(path))
    return names, numbered
