"""Tables with a box in each row: image, label, and four numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from warmstart.core import records
from warmstart.core.records.columns import BOX_LABEL, PHOTO, SIDES, choose_column, listed
from warmstart.core.records.values import class_name, is_missing
from warmstart.errors import RecordError, UsageError
from warmstart.image.annotations.box_formats import RowBox, columns_of, decide
from warmstart.image.annotations.collector import Collector, LabelledBox

LAYOUTS = ((PHOTO, BOX_LABEL, *SIDES), (PHOTO, *SIDES, BOX_LABEL))
"""Of a file without a header."""


def read(
    data: Any,
    collector: Collector,
    part: str | None = None,
    *,
    path_column: str | None = None,
    label_column: str | None = None,
    box_format: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> None:
    """All photos that a table names; a row without a label and sides is a photo without boxes.

    Args:
        data: a CSV, TSV, JSONL or Parquet file, or a table in memory; see
            `core.records.read_table`. Paths are relative to the file, or to `images/` next to it.
        collector: takes the photos, and what is wrong with rows.
        part: of all photos; default: what a column of splits says.
        path_column, label_column: where their names are not the usual ones.
        box_format: "xyxy", "xywh" or "cxcywh", where names and numbers leave it open.
        encoding, delimiter: of a file, where they are not recognised.

    Raises:
        UsageError: a column is missing, the numbers can be read in two ways, or nothing can be
            used.
    """
    table = records.read_table(
        data,
        *LAYOUTS,
        named=(path_column, label_column),
        encoding=encoding,
        delimiter=delimiter,
        example_rank=3,
    )
    table.check_names((PHOTO, path_column), (BOX_LABEL, label_column))
    photo_column = choose_column(table.columns, PHOTO, path_column, table.name)
    label = choose_column(table.columns, BOX_LABEL, label_column, table.name)
    sides, formats = columns_of(table.columns, positional=table.positional)
    missing = [] if photo_column else [PHOTO.name]
    missing += [] if label else [BOX_LABEL.name]
    missing += [] if sides else ["xmin, ymin, xmax, ymax (or x, y, width, height)"]
    if photo_column is None or label is None or sides is None:
        raise UsageError(
            f"{table.name}: the table lacks the columns {listed(missing)}; it has "
            f"{listed(table.columns)}."
        )
    split = table.part_column()
    photos = _Photos(part)
    for record in table.read(collector.problems):
        try:
            photo = table.file(record, photo_column, "photo")
            name = photo if isinstance(photo, str) else record.name
            photos.add(name, photo, table.part(record, split))
        except RecordError as error:
            collector.problems.append(str(error))
            continue
        try:
            photos.add_box(name, _box(table, record, label, sides))
        except RecordError as error:
            photos.faults[name].append(f"{error}; the photo {name} is left out")
    _collect(photos, table, collector, formats, box_format)


class _Photos:
    """The photos of a table by name, with their rows."""

    def __init__(self, part: str | None):
        self.part = part
        self.files: dict[str, Any] = {}
        self.parts: dict[str, str | None] = {}
        self.boxes: dict[str, list[RowBox]] = {}
        self.faults: dict[str, list[str]] = {}

    def add(self, name: str, photo: Any, part: str | None) -> None:
        if name not in self.files:
            self.files[name], self.boxes[name], self.faults[name] = photo, [], []
            self.parts[name] = self.part or part
        elif (self.part or part) != self.parts[name]:
            raise UsageError(f"The photo {name} is in two parts: {self.parts[name]} and {part}.")

    def add_box(self, name: str, box: RowBox | None) -> None:
        if box is not None:
            self.boxes[name].append(box)


def _box(
    table: records.Table, record: records.Record, label: str, sides: tuple[str, ...]
) -> RowBox | None:
    """The box of a row; None where the row only names a photo.

    Raises:
        RecordError: the label or a side is missing, or a side is not a number.
    """
    if all(is_missing(record.values.get(column)) for column in (label, *sides)):
        return None
    name = class_name(table.cell(record, label, "label"), table.class_names.get(label))
    try:
        numbers = tuple(float(table.cell(record, side, side)) for side in sides)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, RecordError):
            raise
        raise record.error("has no four numbers") from None
    return RowBox(record.name, name, numbers)


def _collect(
    photos: _Photos,
    table: records.Table,
    collector: Collector,
    formats: tuple[str, ...],
    box_format: str | None,
) -> None:
    """Decide what the numbers mean, and add all photos to the collector."""
    paths = {name: _path(photo, table.folder) for name, photo in photos.files.items()}
    missing = [name for name, path in paths.items() if path is None]
    if missing and len(missing) == len(paths):
        raise UsageError(
            f"{table.name}: none of its {len(missing):,} photos is there, the first is {missing[0]}; "
            "paths are relative to the table, or to images/ next to it."
        )
    boxes = {paths[name]: rows for name, rows in photos.boxes.items() if _usable(paths[name])}
    scaled, convert = decide(boxes, formats, box_format, table.name)
    for name, path in paths.items():
        if path is None:
            collector.problems.append(f"{table.name}: the photo {name!r} is missing")
            continue
        collector.add(
            path,
            name if path is photos.files[name] else str(path),
            [LabelledBox(row.label, convert(row.numbers)) for row in photos.boxes[name]],
            scale=scaled,
            part=photos.parts[name],
            faults=photos.faults[name],
        )


def _usable(path: Any) -> bool:
    return isinstance(path, str | Path | bytes)


def _path(photo: Any, folder: Path | None) -> Any:
    """The path of a photo that exists; photos in memory as they are; None for a missing file."""
    if not isinstance(photo, str):
        return photo
    path = Path(photo)
    if path.is_file():
        return path
    if folder is not None and path.is_relative_to(folder):
        inside = folder / "images" / path.relative_to(folder)
        return inside if inside.is_file() else None
    return None
