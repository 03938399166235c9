"""A column with all boxes of a photo, as in datasets of Hugging Face:
`objects: {"bbox": [[x, y, width, height], …], "category": [0, …]}`, or a list of such mappings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from warmstart.core import records
from warmstart.core.records.values import as_list, class_name, is_missing, structure
from warmstart.image.annotations.box_formats import RowBox

NAMES = ("objects", "annotations")
"""Names of the column."""
BOXES = ("bbox", "bboxes", "boxes", "box")
CLASSES = ("category", "categories", "label", "labels", "class", "classes", "category_id")
FORMATS = ("xywh", "xyxy")
"""Formats of boxes: COCO's, which is the most common, or two corners."""


def objects_column(table: records.Table) -> str | None:
    """The column whose cells contain boxes, or None."""
    for column in [name for name in table.columns if name.casefold() in NAMES]:
        cells = table.cells()[column]
        cell = next((_parsed(cell) for cell in cells if not _is_empty(cell)), None)
        if isinstance(cell, list):
            cell = cell[0]
        if isinstance(cell, Mapping) and _key(cell, BOXES):
            return column
    return None


def boxes_of(table: records.Table, record: records.Record, column: str) -> Iterator[RowBox]:
    """The boxes of a record.

    Raises:
        RecordError: the cell has another form.
    """
    cell = _parsed(record.values.get(column))
    if _is_empty(cell):
        return
    for number, (box, label) in enumerate(_pairs(record, column, cell), 1):
        numbers = as_list(box)
        what = f"box {number} of the column {column!r}"
        try:
            values = tuple(float(value) for value in numbers or ())
        except (TypeError, ValueError, OverflowError):
            values = ()
        if len(values) != 4:
            raise record.error(f"{what} is {box!r:.60}, not four numbers")
        if is_missing(label):
            raise record.error(f"{what} has no class")
        try:
            name = class_name(label, _class_names(table, column, cell))
        except ValueError as error:
            raise record.error(f"{what} has a class that {error}") from None
        yield RowBox(f"{record.name}, box {number}", name, values)


def _pairs(record: records.Record, column: str, cell: Any) -> list[tuple[Any, Any]]:
    """(box, class) of each object."""
    if isinstance(cell, Mapping):
        boxes, labels = (as_list(cell.get(_key(cell, keys))) for keys in (BOXES, CLASSES))
        if boxes is None or labels is None or len(boxes) != len(labels):
            raise record.error(
                f"the column {column!r} must have as many boxes (bbox) as classes (category); its keys "
                f"are {', '.join(map(str, cell))}"
            )
        return list(zip(boxes, labels, strict=True))
    if not isinstance(cell, list) or not all(isinstance(item, Mapping) for item in cell):
        raise record.error(
            f"the column {column!r} contains {cell!r:.60}, not boxes and their classes"
        )
    return [(item.get(_key(item, BOXES)), item.get(_key(item, CLASSES))) for item in cell]


def _class_names(table: records.Table, column: str, cell: Any) -> Sequence[str] | None:
    key = _key(cell[0] if isinstance(cell, list) else cell, CLASSES)
    return table.class_names.get(f"{column}.{key}")


def _key(cell: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of these keys in a cell, or ""."""
    return next((name for name in names if name in cell), "")


def _parsed(cell: Any) -> Any:
    """The value of a cell: parsed if it is JSON, as in a CSV file; arrays as lists."""
    if isinstance(cell, str):
        try:
            return structure(cell) or cell
        except ValueError:
            return cell
    return cell if isinstance(cell, Mapping) else (as_list(cell) or cell)


def _is_empty(cell: Any) -> bool:
    return is_missing(cell) or (isinstance(cell, str | list | tuple | Mapping) and not len(cell))
