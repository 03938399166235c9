"""labelme: one JSON file per photo, with polygons, rectangles and circles in pixels."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.core.inputs import natural
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.image.annotations.annotated_photos import AnnotatedPhotos, files_in
from warmstart.image.annotations.box_data import LabelledBox
from warmstart.image.annotations.coco import load_json
from warmstart.image.annotations.collector import Collector
from warmstart.image.annotations.numbers import number, size_of

IGNORED, BACKGROUND = "__ignore__", "_background_"
"""labelme's special labels of ignored pixels and of the background."""
SUFFIXES = (".json",)
_CIRCLE_POINTS = 64


@dataclass(frozen=True)
class Shape:
    """A labelled outline: points (x, y) in pixels; `group` joins several outlines of one object."""

    label: str
    points: Sequence[tuple[float, float]]
    group: Any = None


@dataclass(frozen=True)
class Record:
    """The annotation of a photo.

    Attributes:
        file: the JSON.
        photo: its path, or the content of the embedded photo.
        shapes: on the photo.
        faults: of malformed shapes.
        size: (width, height) of the photo in the file, or None.
    """

    file: Path
    photo: Any
    shapes: Sequence[Shape]
    faults: Sequence[str]
    size: tuple[int, int] | None

    @property
    def name(self) -> str:
        """The name in messages."""
        return str(self.file if isinstance(self.photo, bytes) else self.photo)


def is_labelme(folder: Path) -> bool:
    """Whether a folder has JSON files of labelme, which are next to the photos."""
    return any(_is_file(file) for file in sorted(files_in(folder, SUFFIXES))[:3])


def _is_file(file: Path) -> bool:
    try:
        return isinstance(load_json(file).get("shapes"), list)
    except UsageError:
        return False


def read(path: Path, collector: Collector, split: str | None) -> None:
    """Read all photos of a folder; the outlines of a group are one box."""
    for record in outlines(path, collector.problems):
        boxes = _boxes(record.shapes)
        collector.add(
            record.photo, record.name, boxes, record.size, split=split, faults=record.faults
        )


def outlines(folder: Path, problems: list[str]) -> Iterator[Record]:
    """The annotations of a folder; missing photos are added to the problems."""
    files = sorted(files_in(folder, SUFFIXES), key=lambda file: natural(file.name))
    stems = {file.stem for file in files}
    photos = AnnotatedPhotos()
    photos.by_stem(folder)
    for file in files:
        try:
            data = load_json(file)
            records = data.get("shapes")
            if not isinstance(records, list):
                raise UsageError(f"{file} is not a file of labelme: it has no list 'shapes'")
        except UsageError as error:
            problems.append(str(error))
            photos.mark(file.stem, [folder])
            continue
        path = str(data.get("imagePath") or "").replace("\\", "/")
        names = [path, path.rpartition("/")[2]]
        try:
            photo: Any = photos.photo_of(file, [folder], names, stems, problems)
            size = size_of(data.get("imageWidth"), data.get("imageHeight"))
        except ValueError as error:
            problems.append(f"{file}: {error}; it is left out")
            continue
        photo = photo or _embedded(data)
        if photo is None:
            problems.append(f"{file}: its photo {data.get('imagePath')!r:.80} is missing")
            continue
        shapes, faults = [], []
        for position, record in enumerate(records, 1):
            try:
                shapes.append(_shape(record))
            except ValueError as error:
                faults.append(f"{file}: shape {position} {error}; the photo is left out")
        yield Record(file, photo, shapes, faults, size)
    problems += [
        f"{photo}: has no .json with its name, so it is left out" for photo in photos.unused()
    ]


def _embedded(data: Mapping[str, Any]) -> bytes | None:
    embedded = data.get("imageData")
    try:
        return base64.b64decode(embedded, validate=True) if embedded else None
    except (TypeError, ValueError):
        return None


def _shape(record: Any) -> Shape:
    """Read a shape.

    Raises:
        ValueError: it is malformed; the message completes "shape 3 …".
    """
    if not isinstance(record, dict) or not isinstance(record.get("label"), str):
        raise ValueError("has no label")
    label, form = record["label"].strip(), record.get("shape_type") or "polygon"
    try:
        points = [(number(x), number(y)) for x, y in record["points"]]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"({label!r:.40}) has no points of two numbers") from None
    if not label:
        raise ValueError("has no label")
    if form == "rectangle" and len(points) == 2:
        (left, top), (right, bottom) = points
        points = [(left, top), (right, top), (right, bottom), (left, bottom)]
    elif form == "circle" and len(points) == 2:
        points = _circle(*points)
    elif form not in ("polygon", "rectangle", "rotation") or len(points) < 3:
        raise ValueError(
            f"({label!r:.40}) is a {form!r:.40} of {counted(len(points), 'point')}; polygons, rectangles, rotated "
            "rectangles (rotation) and circles are read"
        )
    return Shape(label, points, record.get("group_id"))


def _circle(centre: tuple[float, float], edge: tuple[float, float]) -> list[tuple[float, float]]:
    radius = math.dist(centre, edge)
    angles = (2 * math.pi * step / _CIRCLE_POINTS for step in range(_CIRCLE_POINTS))
    return [(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in angles]


def _boxes(shapes: Sequence[Shape]) -> list[LabelledBox]:
    objects: dict[Any, tuple[str, list[tuple[float, float]]]] = {}
    for position, shape in enumerate(shapes):
        if shape.label in (IGNORED, BACKGROUND):
            continue
        key = position if shape.group is None else (shape.label, repr(shape.group))
        objects.setdefault(key, (shape.label, []))[1].extend(shape.points)
    boxes = []
    for label, points in objects.values():
        x, y = zip(*points, strict=True)
        boxes.append(LabelledBox(label, (min(x), min(y), max(x), max(y))))
    return boxes
