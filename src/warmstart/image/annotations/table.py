"""Tables with one box per row: image, label, and four numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from warmstart.core import records
from warmstart.core.reading import scheme
from warmstart.core.records.columns import (
    BOX_LABEL,
    PHOTO,
    SIDES,
    choose_column,
    listed,
)
from warmstart.core.records.file_columns import optional_file_column
from warmstart.core.records.membership import Membership
from warmstart.core.records.values import class_name, is_missing
from warmstart.errors import RecordError, UsageError
from warmstart.image.annotations.box_data import LabelledBox
from warmstart.image.annotations.box_formats import (
    MEANING,
    RowBox,
    columns_of,
    corners_of,
    decide,
    size_columns,
)
from warmstart.image.annotations.collector import Collector
from warmstart.image.annotations.numbers import flag, size_of
from warmstart.image.annotations.objects import FORMATS as OBJECT_FORMATS
from warmstart.image.annotations.objects import boxes_of, objects_column
from warmstart.image.arrays import PIXELS, as_uint8

CROWD, DIFFICULT = ("iscrowd", "isgroupof"), ("difficult", "isdifficult")
"""Columns of flags in lower case without underscores, as in COCO, Open Images and Pascal VOC."""
LAYOUTS = ((PHOTO, BOX_LABEL, *SIDES), (PHOTO, *SIDES, BOX_LABEL))
"""Columns of files without a header."""


def read(data: Any, collector: Collector, split: str | None = None, **keywords: Any) -> None:
    """Read all photos of a table.

    A row is a box, or a photo with all its boxes in a column `objects`, as in datasets of Hugging
    Face. A row without a label and sides is a photo without boxes.

    Args:
        data: a CSV, TSV, JSONL or Parquet file, or a table in memory; see
            `core.records.read_table`. Paths are relative to the file, or to `images/` next to it.
        collector: receives the photos, and the problems of rows.
        split: of all photos; default: that in a column of splits.
        **keywords: see `core.records.Reading`.

    Raises:
        UsageError: a column is missing, the format of boxes is ambiguous, or nothing can be used.
    """
    reading = records.Reading(**keywords, problems=collector.problems, columns=collector.columns)
    table = records.read_table(data, *LAYOUTS, reading=reading, example_rank=3)
    table.check_names(PHOTO, BOX_LABEL)
    photo_column = optional_file_column(table, PHOTO)
    table.find_split()
    objects = objects_column(table)
    used = () if reading.label_column else (photo_column, *table.split_columns)
    columns = [column for column in table.columns if column not in used]
    named = reading.label_column
    label = None if objects else choose_column(columns, BOX_LABEL, named, table.name)
    table.describe({"photo": photo_column, "label": label, "objects": objects})
    if split is not None:
        table.split_columns = table.split_columns._replace(split=None)
    if objects is not None and photo_column is not None:
        photos = _Photos(split, photo_column, size_columns(table.columns, ()))
        for record in table.read():
            if (name := photos.add(table, record)) is None:
                continue
            try:
                photos.boxes[name] += boxes_of(table, record, objects)
            except RecordError as error:
                photos.faults[name].append(f"{error}; the photo is left out")
        _collect(photos, table, collector, OBJECT_FORMATS)
        return
    sides, formats = columns_of(table.columns, positional=table.positional)
    missing = [] if photo_column else [PHOTO.name]
    missing += [] if label else [BOX_LABEL.name]
    missing += [] if sides else ["xmin, ymin, xmax, ymax (or x, y, width, height)"]
    if photo_column is None or label is None or sides is None:
        raise UsageError(
            f"{table.name}: the table has no {'column' if len(missing) == 1 else 'columns'} {listed(missing)}; it has "
            f"{listed(table.columns)}."
        )
    photos = _Photos(split, photo_column, size_columns(table.columns, sides))
    flags = [_flag_column(table, names) for names in (CROWD, DIFFICULT)]
    for record in table.read():
        if (name := photos.add(table, record)) is None:
            continue
        try:
            if (box := _box(table, record, label, sides, collector.labels)) is not None:
                crowd, difficult = (_flag(record, column) for column in flags)
                photos.boxes[name].append(replace(box, crowd=crowd, difficult=difficult))
        except RecordError as error:
            photos.faults[name].append(f"{error}; the photo {name} is left out")
    _collect(photos, table, collector, formats)


class _Photos:
    """The photos of a table by name, with their rows.

    Args:
        split: of all photos; None: as in the table.
        column: of the photos.
        size_columns: of the width and height of a photo.
    """

    def __init__(self, split: str | None, column: str, size_columns: tuple[str, str] | None):
        self.split, self.column, self.size_columns = split, column, size_columns
        self.sizes: dict[str, list[tuple[int, int]]] = {}
        self.files: dict[str, Any] = {}
        self.memberships: dict[str, Membership] = {}
        self.boxes: dict[str, list[RowBox]] = {}
        self.faults: dict[str, list[str]] = {}
        self.first_rows: dict[str, str] = {}

    def add(self, table: records.Table, record: records.Record) -> str | None:
        """Add the photo of a record, and return its name; None, and a problem, if it has no photo.

        Raises:
            UsageError: the photo is in two splits or groups.
        """
        try:
            photo = table.file(record, self.column, "photo")
        except RecordError as error:
            records.report(error, table.reading.problems)
            return None
        name = photo if isinstance(photo, str) else record.name
        membership = table.membership(record)
        membership = membership._replace(split=self.split or membership.split)
        if name not in self.files:
            self.files[name], self.boxes[name], self.faults[name] = photo, [], []
            self.first_rows[name] = record.name
            self.memberships[name] = membership
        for what, first, other in zip(
            ("splits", "groups"), self.memberships[name], membership, strict=True
        ):
            if first != other:
                raise UsageError(f"The photo {name} is in two {what}: {first} and {other}.")
        if self.size_columns is not None:
            width, height = (record.values.get(column) for column in self.size_columns)
            missing = is_missing(width) or is_missing(height)
            with suppress(ValueError):  # the columns may have another meaning
                if not missing and (size := size_of(_plain(width), _plain(height))) is not None:
                    self.sizes.setdefault(name, []).append(size)
        return name

    def size_of(self, name: str, boxes: Iterable[LabelledBox]) -> tuple[int, int] | None:
        """(width, height) of a photo in its rows; None if they have none, or those of the boxes."""
        sizes = self.sizes.get(name, [])
        of_boxes = [(round(b.sides[2] - b.sides[0]), round(b.sides[3] - b.sides[1])) for b in boxes]
        return None if not sizes or sizes == of_boxes else sizes[0]


def _flag_column(table: records.Table, names: Sequence[str]) -> str | None:
    """The column of a flag, or None."""
    return next((name for name in table.columns if name.lower().replace("_", "") in names), None)


def _flag(record: records.Record, column: str | None) -> bool:
    """Whether the flag in a column is set; False without a column or value.

    Raises:
        RecordError: the value is neither 0 nor 1.
    """
    value = None if column is None else record.values.get(column)
    try:
        return not is_missing(value) and flag(_plain(value))
    except ValueError as error:
        raise record.error(f"has a value in the column {column!r} that {error}") from None


def _box(
    table: records.Table,
    record: records.Record,
    label: str,
    sides: tuple[str, ...],
    class_names: Sequence[str] | None,
) -> RowBox | None:
    """The box of a row; None if the row has only a photo.

    Raises:
        RecordError: the label or a side is missing, or a side is not a finite number.
    """
    if all(is_missing(record.values.get(column)) for column in (label, *sides)):
        return None
    name = class_name(table.cell(record, label, "label"), table.class_names.get(label))
    record.require_name(name, class_names)
    numbers = tuple(_side(table, record, side) for side in sides)
    return RowBox(record.name, name, numbers)


def _side(table: records.Table, record: records.Record, column: str) -> float:
    """A coordinate of a box, or its width or height.

    Raises:
        RecordError: it is missing, or not a finite number.
    """
    value = _plain(table.cell(record, column, column))
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise record.error(f"the column {column!r} has {value!r:.40}, not a finite number")
    return number


def _collect(
    photos: _Photos,
    table: records.Table,
    collector: Collector,
    formats: tuple[str, ...],
) -> None:
    """Detect the format of boxes, and add all photos to the collector."""
    files = list(photos.files.values())
    if pixels := as_uint8({"data": files}):
        collector.columns.append(f"{PIXELS}{pixels}")
    paths = {
        name: _path(photo, table.folder) for name, photo in zip(photos.files, files, strict=True)
    }
    missing = [name for name, path in paths.items() if path is None]
    if missing and len(missing) == len(paths):
        raise UsageError(
            f"{table.name}: none of its photos ({len(missing):,}) exists; the first is "
            f"{missing[0]}; paths are relative to the table, or to images/ next to it."
        )
    located = [
        (paths[name], rows) for name, rows in photos.boxes.items() if paths[name] is not None
    ]
    scaled, numbers = decide(located, formats, table.reading.box_format, table.name)
    unit = "fractions of the photo's size" if scaled else "pixels"
    collector.columns.append(f"boxes: {MEANING[numbers]}, in {unit}")
    for name, path in paths.items():
        if path is None:
            collector.leave_out(f"{photos.first_rows[name]}: the photo {name!r} is missing")
            continue
        boxes = [
            LabelledBox(row.label, corners_of(row.numbers, numbers), row.crowd, row.difficult)
            for row in photos.boxes[name]
        ]
        collector.add(
            path,
            str(path) if isinstance(path, Path) else name,
            boxes,
            photos.size_of(name, boxes),
            scale=scaled,
            **photos.memberships[name]._asdict(),
            faults=photos.faults[name],
        )


def _plain(value: Any) -> Any:
    """A NumPy scalar as a Python number."""
    return value.item() if hasattr(value, "item") else value


def _path(photo: Any, folder: Path | None) -> Any:
    """The path of a photo, or None if it does not exist; URLs and photos in memory unchanged."""
    if not isinstance(photo, str) or scheme(photo) is not None:
        return photo
    path = Path(photo)
    if path.is_file():
        return path
    if folder is not None and path.is_relative_to(folder):
        inside = folder / "images" / path.relative_to(folder)
        return inside if inside.is_file() else None
    return None
