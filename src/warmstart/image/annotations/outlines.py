"""Masks from outlines: COCO's polygons and run lengths, labelme's shapes, YOLO's
polygons.
"""

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
from warmstart.image.annotations.mask_values import NOT_COUNTED
from warmstart.image.annotations.polygons import polygon_mask, run_length_mask
from warmstart.image.annotations.yolo_config import SUFFIXES as YAML

BACKGROUND = "background"
Shape = tuple[int, Any, str]
"""Value of its pixels, polygons or run lengths, name for messages."""


@dataclass(frozen=True)
class RawMaskedPhoto:
    """A photo whose mask has not been checked yet; `values()` reads it: (H, W) whole numbers."""

    photo: Any
    name: str
    values: Callable[[], np.ndarray]
    part: str | None = None
    group: str | None = None


def of_coco(
    files: Sequence[tuple[Path, str | None]],
    path: Path,
    labels: Sequence[str] | None,
    problems: list[str],
) -> tuple[list[RawMaskedPhoto], tuple[str, ...]]:
    """The photos of COCO's files, and the classes: the background and the categories."""
    if not files:
        raise UsageError(f"{path} is not a file of masks; {mask_files.HELP}.")
    raw_photos: list[RawMaskedPhoto] = []
    known = None if labels is None else tuple(labels)
    for file, part in files:
        data = coco.load(file)
        names = coco.category_names(data, file)
        known = known or (BACKGROUND, *(names[key] for key in sorted(names)))
        shapes: dict[Any, list[Shape]] = defaultdict(list)
        for position, record in enumerate(data["annotations"], 1):
            what = f"{file}: annotation {record.get('id', position)!r:.40}"
            name = names.get(coco.key_of(record.get("category_id")))
            if name not in known:
                problems.append(f"{what}: the category is unknown")
                continue
            image = coco.key_of(record.get("image_id"))
            shapes[image].append((known.index(name), record.get("segmentation"), what))
        for record, photo in coco.photos(data, file, problems):
            key = coco.key_of(record.get("id"))
            _add_painted(raw_photos, photo, str(photo), shapes.get(key, []), part, problems)
    assert known is not None
    return raw_photos, known


def of_labelme(
    path: Path, labels: Sequence[str] | None, problems: list[str]
) -> tuple[list[RawMaskedPhoto], tuple[str, ...]]:
    """The photos of labelme's files, and the classes: the background and the labels."""
    records = list(labelme.outlines(path, problems))
    named = {shape.label for *_, shapes, _ in records for shape in shapes}
    named -= {labelme.IGNORED, labelme.BACKGROUND}
    known = (BACKGROUND, *sorted(named)) if labels is None else tuple(labels)
    value = {name: index for index, name in enumerate(known)}
    value |= {labelme.IGNORED: NOT_COUNTED, labelme.BACKGROUND: 0}
    raw_photos: list[RawMaskedPhoto] = []
    for file, photo, outlines, faults in records:
        unknown = {shape.label for shape in outlines} - value.keys()
        faults += [f"{file}: the label {label!r:.40} is unknown" for label in sorted(unknown)]
        if faults:
            problems += faults
            continue
        shapes: list[Shape] = [
            (value[shape.label], [[n for point in shape.points for n in point]], str(file))
            for shape in outlines
        ]
        name = str(file) if isinstance(photo, bytes) else str(photo)
        _add_painted(raw_photos, photo, name, shapes, None, problems)
    return raw_photos, known


def of_yolo(
    path: Path, labels: Sequence[str] | None, problems: list[str]
) -> tuple[list[RawMaskedPhoto], tuple[str, ...]]:
    """The photos of a YOLO folder with polygons, and the classes: the background and the names.

    Raises:
        UsageError: the lines are boxes.
    """
    config, photos = yolo.photos_of(path)
    known = (BACKGROUND, *config.names.values()) if labels is None else tuple(labels)
    raw_photos: list[RawMaskedPhoto] = []
    boxes = polygons = 0
    for photo, part, outlines, faults in yolo.shapes_of(photos, config, problems):
        shapes: list[Shape] = []
        for label, numbers in outlines:
            name = config.names[label]
            if len(numbers) == yolo.BOX:
                boxes += 1
                faults.append(f"{photo}: has a box and no outline of {name!r}; it is left out")
            elif name not in known:
                faults.append(f"{photo}: the class {name!r} is unknown; it is left out")
            else:
                polygons += 1
                shapes.append((known.index(name), numbers, str(photo)))
        if faults:
            problems += faults
            continue
        _add_painted(raw_photos, photo, str(photo), shapes, part, problems, scale=True)
    if boxes and not polygons:
        raise UsageError(
            f"{path}: the text files hold boxes and no polygons; train a detector on them "
            "(task='object-detection'), or give polygons."
        )
    return raw_photos, known


def has_polygons(path: Path) -> bool:
    """Whether this is a YOLO folder, or its `data.yaml`."""
    return (path.is_dir() or path.suffix.lower() in YAML) and yolo.is_yolo(path)


def _add_painted(
    raw_photos: list[RawMaskedPhoto],
    photo: Any,
    name: str,
    shapes: Sequence[Shape],
    part: str | None,
    problems: list[str],
    *,
    scale: bool = False,
) -> None:
    """Add a photo with the mask that its shapes draw; `scale`: polygons are shares of the photo."""
    try:
        size = decoder.size(photo, name=name)
        if scale:
            shapes = [(value, _in_pixels(points, size), what) for value, points, what in shapes]
        mask = _painted(shapes, size)
    except (InputError, UsageError) as error:
        problems.append(str(error))
        return
    raw_photos.append(RawMaskedPhoto(photo, name, lambda: mask, part))


def _in_pixels(points: Sequence[float], size: tuple[int, int]) -> list[list[float]]:
    return [[share * size[index % 2] for index, share in enumerate(points)]]


def _painted(shapes: Sequence[Shape], size: tuple[int, int]) -> np.ndarray:
    """The shapes of one photo, one after the other: later ones lie above; uint8 (H, W).

    Raises:
        UsageError: a shape is damaged; the photo is then left out.
    """
    mask = np.zeros(size[::-1], np.uint8)
    for value, shape, what in shapes:
        try:
            if isinstance(shape, list) and shape:
                mask[polygon_mask(shape, size)] = value
            elif isinstance(shape, Mapping):
                mask[run_length_mask(shape, size)] = value
            else:
                raise UsageError("it has no segmentation")
        except UsageError as error:
            raise UsageError(f"{what}: {error}; its photo is left out") from None
    return mask
