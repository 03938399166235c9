"""Tables with a box in each row: image, label, xmin, ymin, xmax, ymax."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from warmstart.core import records
from warmstart.core.records.columns import BOX_LABEL, PHOTO, SIDES, choose_column, listed
from warmstart.core.records.values import class_name, is_missing
from warmstart.errors import RecordError, UsageError
from warmstart.image.annotations.collector import BoxData, Collector, Thing

FIELDS = (PHOTO, BOX_LABEL, *SIDES)


def read(
    data: Any,
    collector: Collector,
    *,
    path_column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> BoxData:
    """All photos that a table names; a row without a label and sides is a photo without boxes.

    Args:
        data: a CSV, TSV, JSONL or Parquet file, or a table in memory; see
            `core.records.read_table`. Paths are relative to the file, or to `images/` next to it.
        collector: takes the photos, and what is wrong with rows.
        path_column, label_column: where their names are not the usual ones.
        encoding, delimiter: of a file, where they are not recognised.

    Raises:
        UsageError: a column is missing, or nothing can be used.
    """
    table = records.read_table(
        data,
        FIELDS,
        named=(path_column, label_column),
        encoding=encoding,
        delimiter=delimiter,
        example_rank=3,
    )
    table.check_names((PHOTO, path_column), (BOX_LABEL, label_column))
    named = [path_column, label_column, *[None] * len(SIDES)]
    chosen = [
        choose_column(table.columns, field, name, table.name)
        for field, name in zip(FIELDS, named, strict=True)
    ]
    columns = [column for column in chosen if column is not None]
    if len(columns) < len(FIELDS):
        missing = [
            field.name for field, column in zip(FIELDS, chosen, strict=True) if column is None
        ]
        raise UsageError(
            f"{table.name}: the table lacks the columns {listed(missing)}; it has {listed(table.columns)}."
        )
    photo_column, label, *sides = columns
    boxes: dict[str, tuple[Any, list[Thing]]] = {}
    for record in table.read(collector.problems):
        try:
            photo = table.file(record, photo_column, "photo")
            name = photo if isinstance(photo, str) else record.name
            _, things = boxes.setdefault(name, (photo, []))
            thing = _box(table, record, label, sides)
        except RecordError as error:
            collector.problems.append(str(error))
            continue
        if thing is not None:
            things.append(thing)
    for name, (photo, things) in boxes.items():
        path = _path(photo, table.folder)
        if path is None:
            collector.problems.append(f"{table.name}: the photo {name!r} is missing")
        else:
            collector.add(path, name if path is photo else str(path), things)
    return collector.data(table.name)


def _box(
    table: records.Table, record: records.Record, label: str, sides: list[str]
) -> Thing | None:
    """The box of a row; None where the row only names a photo.

    Raises:
        RecordError: the label or a side is missing, or a side is not a number.
    """
    if all(is_missing(record.values.get(column)) for column in (label, *sides)):
        return None
    name = class_name(table.cell(record, label, "label"), table.class_names.get(label))
    try:
        xmin, ymin, xmax, ymax = (float(table.cell(record, side, side)) for side in sides)
    except (TypeError, ValueError) as error:
        if isinstance(error, RecordError):
            raise
        raise record.error("has no four numbers") from None
    return name, xmin, ymin, xmax, ymax


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
