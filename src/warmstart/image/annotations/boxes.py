"""Reads photos with boxes in any layout, which is detected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from warmstart.core.records import is_table
from warmstart.core.records.columns import listed
from warmstart.core.records.values import class_name, is_missing
from warmstart.errors import UsageError
from warmstart.image.annotations import coco, labelme, table, voc, yolo
from warmstart.image.annotations.box_data import BoxData, LabelledBox
from warmstart.image.annotations.box_formats import RowBox, corners_of, uses_fractions
from warmstart.image.annotations.collector import Collector, name_of
from warmstart.image.arrays import PIXELS, as_uint8
from warmstart.image.photo_files import existing
from warmstart.image.split_folders import inner_folders, split_folders
from warmstart.image.split_tables import split_tables, tables_in

Reader = Callable[[Path, Collector, str | None], None]
LAYOUTS: tuple[tuple[str, Callable[[Path], bool], Reader], ...] = (
    ("Pascal VOC (Annotations/)", voc.is_voc, voc.read),
    ("YOLO (data.yaml, or images/ and labels/)", yolo.is_yolo, yolo.read),
    ("COCO (a .json file)", coco.is_coco, coco.read),
    ("XML files next to the photos", voc.has_xml, voc.read_folder),
    ("YOLO's text files next to the photos", yolo.has_texts, yolo.read_folder),
    ("labelme's JSON files", labelme.is_labelme, labelme.read),
)
"""Layouts of folders: name, test, reader."""
NEXT_TO_PHOTOS = tuple(name for name, *_ in LAYOUTS[3:])
"""Layouts whose readers ignore the folders in a folder."""
HELP = (
    "Pascal VOC has Annotations/ and JPEGImages/, or an .xml next to each photo; YOLO has images/ and "
    "labels/, a data.yaml, or a .txt next to each photo and a classes.txt; COCO is one .json file; "
    "labelme has a .json next to each photo; a table is one .csv file"
)


def read_boxes(
    source: Any,
    labels: Sequence[str] | None = None,
    *,
    strict: bool = False,
    **columns: str | None,
) -> BoxData:
    """Read photos with boxes in any layout.

    Args:
        source: a Pascal VOC folder (`Annotations/`, `JPEGImages/`), one of its lists
            (`ImageSets/Main/train.txt`), or XML files next to the photos; COCO's JSON, or its
            folder; a YOLO folder (`images/`, `labels/`, `data.yaml` or `classes.txt`), a split of it
            (`images/train`) or its `data.yaml`; labelme's JSON files next to the photos; a folder
            of splits (`train/`, `valid/`, `test/`), each of which is one of these; a CSV, TSV, JSONL
            or Parquet file, or a table in memory, with the columns image, label, xmin, ymin, xmax,
            ymax (or x, y, width, height); or a list of (photo, [(label, xmin, ymin, xmax, ymax),
            …]). Sides in a table or list are fractions of the photo if none is above 1.
        labels: the classes in order; default: those of the data.
        strict: whether boxes of other classes are an error; else they are listed and left out.
        **columns: `path_column`, `label_column`, `split_column`, `group_column`, `box_format`,
            `encoding` and `delimiter` of a table; see `table.read`.

    Raises:
        UsageError: the layout is unknown or ambiguous, or nothing in it can be used.
    """
    if isinstance(source, BoxData):
        return source
    collector = Collector(labels, strict)
    path = existing(source)
    if is_table(source) and (path is None or path.suffix.lower() != ".json"):
        table.read(source, collector, **columns)
        return collector.data("The table" if path is None else str(path))
    if path is None:
        _refuse(columns)
        _read_pairs(source, collector)
        return collector.data("The list")
    for reader, folder, split in _sources(path, collector):
        if reader is table.read:
            table.read(folder, collector, split, **columns)
        else:
            _refuse(columns)
            reader(folder, collector, split)
    return collector.data(str(path))


def _refuse(columns: dict[str, str | None]) -> None:
    if names := [name for name, value in columns.items() if value is not None]:
        raise UsageError(f"Only a table of boxes takes {', '.join(names)}.")


def _read_pairs(source: Any, collector: Collector) -> None:
    try:
        pairs = list(source)
    except TypeError:
        raise UsageError(
            f"Cannot read boxes from an object of type {type(source).__name__}; {HELP}."
        ) from None
    collector.repeats = True
    photos: list[Any] = []
    rows_of: list[list[RowBox]] = []
    for number, pair in enumerate(pairs, 1):
        try:
            photo, boxes = pair
            rows_of.append([_row(f"item {number}", *box) for box in boxes])
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(
                f"Item {number} of the data is not (photo, [(label, xmin, ymin, xmax, ymax), …])."
            ) from error
        photos.append(photo)
    if pixels := as_uint8({"data": photos}):
        collector.columns.append(f"{PIXELS}{pixels}")
    scale = uses_fractions([row for rows in rows_of for row in rows], "The list")
    if scale:
        collector.columns.append("boxes: fractions of the photo's size")
    for number, (photo, rows) in enumerate(zip(photos, rows_of, strict=True), 1):
        labelled = [LabelledBox(row.label, corners_of(row.numbers, "xyxy")) for row in rows]
        collector.add(photo, name_of(photo, f"item {number}"), labelled, scale=scale)


def _row(name: str, label: Any, *numbers: Any) -> RowBox:
    if is_missing(label):
        raise ValueError("no label")
    return RowBox(name, class_name(label), corners_of(tuple(map(float, numbers)), "xyxy"))


def _sources(
    path: Path, collector: Collector, split: str | None = None
) -> Iterator[tuple[Reader, Path, str | None]]:
    """The layouts in a file or folder: (reader, path, split).

    Args:
        path: of the data.
        collector: receives the photos outside the layouts, and the folders that are read.
        split: of the folder, if it is known.

    Raises:
        UsageError: there is no layout, or several are possible.
    """
    suffix, problems = path.suffix.lower(), collector.problems
    if path.is_file():
        readers: dict[str, Reader] = {".json": coco.read, ".yaml": yolo.read, ".yml": yolo.read}
        reader: Reader | None = voc.read if voc.is_voc(path) else readers.get(suffix)
        if reader is None:
            raise UsageError(f"{path} is not a known file of bounding boxes: {HELP}.")
        yield reader, path, None
        return
    layouts = _layouts(path)
    if len(layouts) > 1:
        names = " or ".join(name for name, _ in layouts)
        raise UsageError(
            f"{path} matches {len(layouts)} layouts: {names}. Keep the files of one and move the rest."
        )
    if layouts and layouts[0][0] in NEXT_TO_PHOTOS:
        _refuse_splits(path)
    if layouts:
        yield layouts[0][1], path, split
    elif splits := split_folders(path, _is_labelled, "boxes", problems):
        if tables := tables_in(path):
            names = listed([file.name for file in tables], 3)
            problems.append(f"{path}: {names} not read, because there are split folders")
        for name, child in splits.items():
            yield from _sources(child, collector, name)
    elif tables_by_split := split_tables(path, problems):
        for own, file in tables_by_split.items():
            yield table.read, file, split or own
    else:
        yield from _inner_sources(path, collector)


def _inner_sources(path: Path, collector: Collector) -> Iterator[tuple[Reader, Path, str | None]]:
    """The layouts in the folders of a folder that has none itself."""
    inner = inner_folders(path, _is_data_set, "boxes", collector.problems)
    if not inner:
        raise UsageError(f"{path} is not a known layout of bounding boxes: {HELP}.")
    collector.columns.append(f"folders: {listed(inner)}")
    for child in inner:
        yield from _sources(child, collector)


def _is_labelled(folder: Path) -> bool:
    return bool(_layouts(folder)) or bool(split_tables(folder, []))


def _is_data_set(folder: Path) -> bool:
    return _is_labelled(folder) or bool(split_folders(folder, _is_labelled, "boxes", []))


def _refuse_splits(folder: Path) -> None:
    """Refuse annotations next to photos together with annotated folders of splits.

    Raises:
        UsageError: the folder has both.
    """
    splits = split_folders(folder, _is_labelled, "boxes", [])
    if splits:
        names = ", ".join(f"{child.name}/" for child in splits.values())
        raise UsageError(
            f"{folder} has the splits {names} and annotated photos next to them; move these "
            "into a split, or elsewhere."
        )


def _layouts(folder: Path) -> list[tuple[str, Reader]]:
    """The layouts that a folder may have, besides tables: (name, reader)."""
    return [(name, read) for name, test, read in LAYOUTS if test(folder)]
