"""Photos with boxes, from any layout: finding out which one it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from warmstart.core.records import is_table
from warmstart.errors import UsageError
from warmstart.image.annotations import coco, table, voc, yolo
from warmstart.image.annotations.collector import BoxData, Collector


def read_boxes(source: Any, labels: Sequence[str] | None = None, **columns: str | None) -> BoxData:
    """Labelled photos of any layout.

    Args:
        source: a Pascal VOC folder (`Annotations/`, `JPEGImages/`) or one of its lists
            (`ImageSets/Main/train.txt`); COCO's JSON; a YOLO folder (`images/`, `labels/`,
            `data.yaml` or `classes.txt`) or a part of it (`images/train`); a CSV, TSV, JSONL or
            Parquet file, or a table in memory, with the columns image, label, xmin, ymin, xmax,
            ymax; or a list of (photo, [(label, xmin, ymin, xmax, ymax), …]).
        labels: the classes in order; boxes of others are listed and left out. Default: what the
            data names.
        **columns: `path_column`, `label_column`, `encoding` and `delimiter` of a table; see
          `table.read`.

    Raises:
        UsageError: the layout is not known, or nothing in it can be used.
    """
    if isinstance(source, BoxData):
        return source
    collector = Collector(labels)
    path = Path(source) if isinstance(source, str | os.PathLike) else None
    if path is not None and not path.exists():
        raise UsageError(f"There is no file or folder {path}.")
    if is_table(source) and (path is None or path.suffix.lower() != ".json"):
        return table.read(source, collector, **columns)
    if names := [name for name, value in columns.items() if value is not None]:
        raise UsageError(f"{', '.join(names)} belong to a table of boxes, which this is not.")
    return _pairs(source, collector) if path is None else _reader(path)(path, collector)


def _pairs(source: Any, collector: Collector) -> BoxData:
    for place, pair in enumerate(source, 1):
        try:
            photo, things = pair
            things = [(str(label), *map(float, sides)) for label, *sides in things]
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"Item {place} of the data is not (photo, [(label, xmin, ymin, xmax, ymax), …])."
            ) from error
        name = os.fspath(photo) if isinstance(photo, str | os.PathLike) else f"item {place}"
        collector.add(photo, name, things)
    return collector.data("The list")


def _reader(path: Path) -> Callable[[Path, Collector], BoxData]:
    suffix = path.suffix.lower()
    if suffix == ".json":
        return coco.read
    if voc.is_voc(path):
        return voc.read
    if yolo.is_yolo(path):
        return yolo.read
    raise UsageError(
        f"{path} is not a known layout of bounding boxes: a Pascal VOC folder has Annotations/ and "
        "JPEGImages/, a YOLO folder images/ and labels/; COCO is one .json file, a table one .csv file."
    )
