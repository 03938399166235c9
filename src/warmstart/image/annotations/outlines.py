"""Masks from outlines: COCO's polygons and run lengths, labelme's shapes, and YOLO's polygons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.errors import InputError, UsageError
from warmstart.image import decoder
from warmstart.image.annotations import coco, labelme, mask_files, yolo
from warmstart.image.annotations.collector import class_of, unknown_classes
from warmstart.image.annotations.mask_encoding import BACKGROUND, BACKGROUNDS, with_background
from warmstart.image.annotations.mask_values import NOT_COUNTED
from warmstart.image.annotations.numbers import size_fault
from warmstart.image.annotations.polygons import (
    polygon_mask,
    refuse_outside,
    run_length_mask,
)
from warmstart.image.annotations.yolo_config import SUFFIXES as YAML

Shape = tuple[int, Any, str]
"""(value of its pixels, polygons or run lengths, name for messages)."""


@dataclass(frozen=True)
class RawMaskedPhoto:
    """A photo whose mask has not been checked yet.

    Attributes:
        photo: as for `decoder.decode`.
        name: for messages.
        values: reads the mask, int (H, W).
        mask: the picture or file whose palette is compared, if there is one.
        split: "train", "validation" or "test", if the data has splits.
        group: photos of a group stay in one split.
    """

    photo: Any
    name: str
    values: Callable[[], np.ndarray]
    mask: Any = None
    split: str | None = None
    group: str | None = None


class Classes:
    """The indices of the classes of outlines, which are the values of their pixels.

    Args:
        name: of the data, for messages.
        labels: the classes in order, including the background; None: those of the data.
        strict: whether other classes are an error.

    Attributes:
        background: the index of the pixels outside all outlines.
    """

    def __init__(self, name: str, labels: Sequence[str] | None, strict: bool):
        self.name, self.strict = name, strict
        self.labels = () if labels is None else tuple(labels)
        self.background = 0
        self.unknown: dict[str, int] = {}

    def set_default(self, names: Sequence[str]) -> None:
        """Use the classes of the data, in order, if there are no labels.

        Raises:
            UsageError: the background is not among the labels.
        """
        self.labels = self.labels or with_background(names)
        labels = [label.casefold() for label in self.labels]
        background = next((name for name in BACKGROUNDS if name in labels), None)
        if background is None:
            raise UsageError(
                f"{self.name}: pixels outside all outlines are {BACKGROUND!r}, which is "
                f"not one of the classes {', '.join(map(repr, self.labels[:20]))}."
            )
        self.background = labels.index(background)

    def value(self, name: str) -> int | None:
        """The index of a class; None if it is unknown, which is counted."""
        label = class_of(name, self.labels)
        if label is None:
            self.unknown[name] = self.unknown.get(name, 0) + 1
            return None
        return self.labels.index(label)

    def refuse_unknown(self) -> None:
        """Refuse unknown classes if `strict`.

        Raises:
            UsageError: the data has unknown classes.
        """
        if self.strict and self.unknown:
            raise UsageError(f"{self.name} has {unknown_classes(self.unknown, self.labels)}")


def of_coco(
    files: Sequence[tuple[Path, str | None]], path: Path, classes: Classes, problems: list[str]
) -> list[RawMaskedPhoto]:
    """The photos of COCO's files; the classes are the background and the categories."""
    if not files:
        raise UsageError(f"{path} is not a file of masks; {mask_files.HELP}.")
    raw_photos: list[RawMaskedPhoto] = []
    for file, split in files:
        data = coco.load(file)
        names = coco.category_names(data, file)
        classes.set_default([names[key] for key in sorted(names)])
        shapes: dict[Any, list[Shape]] = defaultdict(list)
        faults: dict[Any, list[str]] = defaultdict(list)
        for position, record in enumerate(data["annotations"], 1):
            what = f"{file}: annotation {record.get('id', position)!r:.40}"
            image = coco.key_of(record.get("image_id"))
            name = names.get(coco.key_of(record.get("category_id")))
            value = None if name is None else classes.value(name)
            if value is None:
                faults[image].append(f"{what}: the category is unknown; its photo is left out")
            else:
                shapes[image].append((value, record.get("segmentation"), what))
        for image in coco.photos(data, file, problems):
            problems += faults.get(image.key, ())
            if image.key not in faults:
                own = shapes.get(image.key, [])
                _add_painted(raw_photos, image.path, own, classes, problems, split, image.size)
        coco.list_unmatched(data, file, problems)
    classes.refuse_unknown()
    return raw_photos


def of_labelme(
    folders: Sequence[tuple[Path, str | None]], classes: Classes, problems: list[str]
) -> list[RawMaskedPhoto]:
    """The photos of labelme's files; the classes are the background and the labels.

    Args:
        folders: with their splits.
        classes: of the data.
        problems: receives the faults of photos, which are left out.
    """
    records = [
        (record, split)
        for folder, split in folders
        for record in labelme.outlines(folder, problems)
    ]
    named = {shape.label for record, _ in records for shape in record.shapes}
    classes.set_default(sorted(named - {labelme.IGNORED, labelme.BACKGROUND}))
    special = {labelme.IGNORED: NOT_COUNTED, labelme.BACKGROUND: classes.background}
    raw_photos: list[RawMaskedPhoto] = []
    for record, split in records:
        shapes: list[Shape] = []
        faults = list(record.faults)
        for shape in record.shapes:
            value = special.get(shape.label)
            if value is None:
                value = classes.value(shape.label)
            if value is None:
                faults.append(f"{record.file}: the label {shape.label!r:.40} is unknown")
                continue
            points = [[number for point in shape.points for number in point]]
            shapes.append((value, points, str(record.file)))
        problems += faults
        if not faults:
            _add_painted(
                raw_photos, record.photo, shapes, classes, problems, split, record.size, record.name
            )
    classes.refuse_unknown()
    return raw_photos


def of_yolo(
    path: Path, classes: Classes, problems: list[str], notes: list[str]
) -> list[RawMaskedPhoto]:
    """The photos of a YOLO folder with polygons; the classes are the background and the names.

    Raises:
        UsageError: the lines are boxes.
    """
    config, photos = yolo.config_and_photos(path, problems)
    classes.set_default(list(config.names.values()))
    raw_photos: list[RawMaskedPhoto] = []
    boxes = polygons = 0
    for photo, split, outlines, faults in yolo.shapes_of(photos, config, problems, notes):
        shapes: list[Shape] = []
        for label, numbers in outlines:
            name = config.names[label]
            if len(numbers) == yolo.BOX:
                boxes += 1
                faults.append(f"{photo}: has a box but no outline of {name!r}; it is left out")
            elif (value := classes.value(name)) is None:
                faults.append(f"{photo}: the class {name!r} is unknown; it is left out")
            else:
                polygons += 1
                shapes.append((value, numbers, str(photo)))
        problems += faults
        if not faults:
            _add_painted(raw_photos, photo, shapes, classes, problems, split, scale=True)
    if boxes and not polygons:
        raise UsageError(
            f"{path}: the text files contain boxes and no polygons; train a detector on them "
            "(task='object-detection'), or provide polygons."
        )
    classes.refuse_unknown()
    return raw_photos


def has_polygons(path: Path) -> bool:
    """Whether a path is a YOLO folder, or its `data.yaml`."""
    return (path.is_dir() or path.suffix.lower() in YAML) and yolo.is_yolo(path)


def _add_painted(
    raw_photos: list[RawMaskedPhoto],
    photo: Any,
    shapes: Sequence[Shape],
    classes: Classes,
    problems: list[str],
    split: str | None,
    recorded: tuple[int, int] | None = None,
    name: str | None = None,
    *,
    scale: bool = False,
) -> None:
    """Add a photo with the mask of its shapes.

    Args:
        raw_photos: receives the photo.
        photo: to add.
        shapes: on the photo.
        classes: of the data.
        problems: receives the fault of a photo that cannot be used.
        split: of the photo.
        recorded: (width, height) of the photo in the annotation, or None.
        name: for messages; default: the path.
        scale: whether polygons are fractions of the photo.
    """
    name = str(photo) if name is None else name
    try:
        size, is_rotated = decoder.upright_size(photo, name=name)
        if fault := size_fault(name, recorded, size, is_rotated):
            raise UsageError(fault)
        if scale:
            shapes = [(value, _in_pixels(points, size), what) for value, points, what in shapes]
        mask = _painted(shapes, size, classes.background, in_pixels=not scale)
    except (InputError, UsageError) as error:
        problems.append(str(error))
        return
    raw_photos.append(RawMaskedPhoto(photo, name, lambda: mask, split=split))


def _in_pixels(points: Sequence[float], size: tuple[int, int]) -> list[list[float]]:
    return [[fraction * size[index % 2] for index, fraction in enumerate(points)]]


def _painted(
    shapes: Sequence[Shape], size: tuple[int, int], background: int, *, in_pixels: bool
) -> np.ndarray:
    """The mask of shapes, uint8 (H, W), in which later shapes cover earlier ones.

    Args:
        shapes: on the photo.
        size: (width, height).
        background: the value of the other pixels.
        in_pixels: whether the data has pixels, and not fractions that were scaled.

    Raises:
        UsageError: a shape is damaged; the photo is then left out.
    """
    mask = np.full(size[::-1], background, np.uint8)
    for value, shape, what in shapes:
        try:
            if isinstance(shape, list) and shape:
                mask[polygon_mask(shape, size)] = value
                if in_pixels:
                    refuse_outside(shape, size)
            elif isinstance(shape, Mapping):
                mask[run_length_mask(shape, size)] = value
            else:
                raise UsageError("it has no segmentation")
        except UsageError as error:
            raise UsageError(f"{what}: {error}; its photo is left out") from None
    return mask
