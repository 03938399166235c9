"""Finds photos and their masks in any layout, without reading the masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.core import records
from warmstart.core.records.columns import MASK, PHOTO, listed
from warmstart.core.records.record import Record
from warmstart.errors import UsageError
from warmstart.image.annotations import cityscapes, coco, labelme, mask_files
from warmstart.image.annotations.collector import name_of
from warmstart.image.annotations.mask_classes import MaskClasses, classes_of
from warmstart.image.annotations.mask_encoding import with_background
from warmstart.image.annotations.mask_values import Colours, has_colours, read_values
from warmstart.image.annotations.outlines import (
    Classes,
    RawMaskedPhoto,
    has_polygons,
    of_coco,
    of_labelme,
    of_yolo,
)
from warmstart.image.arrays import PIXELS, as_uint8
from warmstart.image.photo_files import existing
from warmstart.image.split_folders import inner_folders, split_folders


@dataclass(frozen=True)
class MaskLayout:
    """Photos whose masks have not been read yet.

    Attributes:
        name: for messages.
        raw_photos: the photos.
        names: the classes in the order of the data's numbers, or None.
        exact: whether the values of masks are indices of `names`.
        columns: how the data was read.
    """

    name: str
    raw_photos: Sequence[RawMaskedPhoto]
    names: Sequence[str] | None = None
    exact: bool = False
    columns: Sequence[str] = ()


def layout_of(
    source: Any,
    labels: Sequence[str] | None,
    colours: Colours | None,
    problems: list[str],
    strict: bool,
    reading: Mapping[str, Any],
) -> MaskLayout:
    """The photos of a source; arguments as those of `read_masks`.

    Args:
        problems: receives photos and masks that are left out.
        reading: options of a table.

    Raises:
        UsageError: the layout is unknown or ambiguous.
    """
    path = existing(source)
    if records.is_table(source) and (path is None or path.suffix.lower() != ".json"):
        name = "The table" if path is None else str(path)
        raw_photos, columns = _of_table(source, colours, problems, reading)
        return MaskLayout(name, raw_photos, columns=columns)
    if named := [name for name, value in reading.items() if value is not None]:
        raise UsageError(f"Only a table of masks takes {listed(named)}.")
    if path is None:
        raw_photos, columns = _of_pairs(source, colours)
        return MaskLayout("The list", raw_photos, columns=columns)
    if labels is not None and len(labels) == 1:
        labels = with_background(labels)
    classes = Classes(str(path), labels, strict)
    notes: list[str] = []
    is_json = path.suffix.lower() == ".json"
    sources: Sequence[tuple[Path, str | None]] = [(path, None)]
    if path.is_dir() and not mask_files.has_masks(path) and not has_polygons(path):
        sources = _sources(path, problems)
        if sources != [(path, None)]:
            notes.append(f"folders: {listed([str(folder) for folder, _ in sources])}")
    folders = [folder for folder, _ in sources]
    files = [
        (file, own or split)
        for folder, split in sources
        if folder.is_dir() or is_json
        for file, own in coco.files_of(folder)
    ]
    if files or (path.is_file() and not has_polygons(path)):
        raw_photos = of_coco(files, path, classes, problems)
    elif any(map(labelme.is_labelme, folders)):
        raw_photos = of_labelme(sources, classes, problems)
    elif has_polygons(folders[0]) and not mask_files.has_masks(folders[0]):
        raw_photos = of_yolo(folders[0], classes, problems, notes)
    else:
        return _of_folders(path, folders, colours, problems, notes)
    return MaskLayout(str(path), raw_photos, classes.labels, True, notes)


def _sources(path: Path, problems: list[str]) -> list[tuple[Path, str | None]]:
    """The folders with outlines or masks, and their splits: the folder itself, its folders of splits
    with outlines, or inner folders.
    """
    if _has_outlines(path):
        return [(path, None)]
    if splits := split_folders(path, _has_outlines, "outlines", problems):
        return [(folder, split) for split, folder in splits.items()]
    inner = inner_folders(path, _is_data_set, "masks", problems)
    if len(inner) == 1 and not mask_files.has_masks(inner[0]) and not has_polygons(inner[0]):
        return _sources(inner[0], problems)
    return [(folder, None) for folder in inner] or [(path, None)]


def _has_outlines(folder: Path) -> bool:
    return coco.is_coco(folder) or labelme.is_labelme(folder)


def _is_data_set(folder: Path) -> bool:
    return (
        _has_outlines(folder)
        or has_polygons(folder)
        or mask_files.has_masks(folder)
        or bool(split_folders(folder, _has_outlines, "outlines", []))
    )


def _of_pairs(source: Any, colours: Colours | None) -> tuple[list[RawMaskedPhoto], list[str]]:
    raw_photos = []
    for number, pair in enumerate(source, 1):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise UsageError(f"Item {number} of the data is not (photo, mask).")
        photo, mask = pair
        name = name_of(photo, f"item {number}")
        raw_photos.append(RawMaskedPhoto(photo, name, *_reading(mask, colours)))
    return _in_one_range(raw_photos)


def _in_one_range(raw_photos: Sequence[RawMaskedPhoto]) -> tuple[list[RawMaskedPhoto], list[str]]:
    """The photos with arrays as uint8, and a line on the range that they had."""
    photos = [raw.photo for raw in raw_photos]
    pixels = as_uint8({"data": photos})
    scaled = [replace(raw, photo=photo) for raw, photo in zip(raw_photos, photos, strict=True)]
    return scaled, [f"{PIXELS}{pixels}"] if pixels else []


def _of_table(
    source: Any, colours: Colours | None, problems: list[str], reading: Mapping[str, Any]
) -> tuple[list[RawMaskedPhoto], list[str]]:
    columns: list[str] = []
    table = records.read_table(
        source,
        (PHOTO, MASK),
        reading=records.Reading(**reading, problems=problems, columns=columns),
        example_rank=3,
    )
    photo, mask = table.recognise(PHOTO, MASK)

    def row(record: Record) -> RawMaskedPhoto:
        picture = table.file(record, photo, "photo")
        return RawMaskedPhoto(
            picture,
            name_of(picture, record.name),
            *_reading(table.file(record, mask, "mask"), colours),
            *table.membership(record),
        )

    raw_photos, pixels = _in_one_range(list(table.map(row)))
    return raw_photos, columns + pixels


def _reading(mask: Any, colours: Colours | None) -> tuple[Callable[[], np.ndarray], Any]:
    """The function that reads a mask, and the picture whose palette is compared."""
    return lambda: read_values(mask, colours), None if colours else mask


def _of_folders(
    path: Path,
    folders: Sequence[Path],
    colours: Colours | None,
    problems: list[str],
    notes: Sequence[str],
) -> MaskLayout:
    """The photos and masks of folders; `path`: the user's folder."""
    pairs = [pair for folder in folders for pair in mask_files.pairs_of(folder, problems)]
    if colours is None and cityscapes.are_masks([pair.mask for pair in pairs]):
        raw_photos = [
            RawMaskedPhoto(
                pair.photo, str(pair.photo), _cityscapes_reader(pair.mask), split=pair.split
            )
            for pair in pairs
        ]
        return MaskLayout(str(path), raw_photos, cityscapes.CLASSES, True, notes)
    classes = MaskClasses()
    if colours is None:
        mask_folders = (pair.mask.parent for pair in pairs)
        classes = classes_of([*dict.fromkeys([path, *folders, *mask_folders])])
        if classes.colours is not None and pairs and has_colours(pairs[0].mask):
            colours = classes.colours
    raw_photos = [
        RawMaskedPhoto(pair.photo, str(pair.photo), *_reading(pair.mask, colours), split=pair.split)
        for pair in pairs
    ]
    return MaskLayout(str(path), raw_photos, classes.names, colours is not None, notes)


def _cityscapes_reader(mask: Path) -> Callable[[], np.ndarray]:
    return lambda: cityscapes.train_ids(read_values(mask), mask)
