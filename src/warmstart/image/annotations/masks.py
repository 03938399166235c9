"""Photos with masks: a class for every pixel, from pictures with a palette, of grey levels or of
colours, or from outlines.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.core import records
from warmstart.core.records.columns import MASK, PHOTO, listed
from warmstart.core.records.table import Record
from warmstart.errors import InputError, UsageError
from warmstart.image import decoder
from warmstart.image.annotations import cityscapes, coco, labelme, mask_files, mask_values
from warmstart.image.annotations.collector import check_names, few_of, name_of
from warmstart.image.annotations.mask_values import NOT_COUNTED, Colours, Encoding, read_values
from warmstart.image.annotations.outlines import (
    RawMaskedPhoto,
    has_polygons,
    of_coco,
    of_labelme,
    of_yolo,
)
from warmstart.image.arrays import as_uint8

NAMES = ("labels.txt", "classes.txt")


@dataclass(frozen=True, eq=False)
class MaskedPhoto:
    """One photo; `mask()` reads its classes: (H, W) uint8, `NOT_COUNTED` where a pixel belongs to
    none.

    Attributes:
        photo: what `image.decode` takes.
        name: for messages.
        part: "train", "validation" or "test", where the data names parts.
        group: photos of the same group stay in one part.
    """

    photo: Any
    name: str
    mask: Callable[[], np.ndarray]
    part: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class MaskData:
    """Photos with masks.

    Attributes:
        photos: those that can be used.
        labels: the names of the classes in order.
        problems: what is wrong with the data, one line each.
        encoding: what the values of the masks mean.
        columns: how the data was read, such as "pixels: uint8 from 0 (black) to 255 (white)".
    """

    photos: tuple[MaskedPhoto, ...]
    labels: tuple[str, ...]
    problems: tuple[str, ...] = ()
    encoding: Encoding | None = None
    columns: tuple[str, ...] = ()


def read_masks(
    source: Any,
    labels: Sequence[str] | None = None,
    colours: Colours | None = None,
    *,
    mask_encoding: Encoding | None = None,
    **reading: str | None,
) -> MaskData:
    """Photos with masks of any layout; every mask is looked at once.

    Args:
        source: a folder with `images/` and `masks/` (files pair by name: `x.jpg` and `x.png` or
            `x_mask.png`), also in `train/`, `val/` and `test/`, or as Cityscapes names them;
            COCO's JSON (polygons, run lengths; pixels of no annotation are "background");
            labelme's JSON files next to the photos; a YOLO folder or `data.yaml` with polygons; a
            table with the columns image and mask; or a list of (photo, mask), a mask being a path,
            a PIL image or an array (H, W).
        labels: the classes in order; default: `labels.txt` of the folder, one name per line, else
            "class 0" on; "background" and "object" for masks of two values.
        colours: for masks in RGB: the colour of each class; then `labels` are its keys.
        mask_encoding: what the values mean, as similar data has shown.
        **reading: `path_column`, `mask_column`, `split_column`, `group_column`, `encoding` and
            `delimiter` of a table.

    Raises:
        UsageError: the layout is not known, nothing in it can be used, or a value of a mask is not
            explained by a class.
    """
    if isinstance(source, MaskData):
        return source
    if colours is not None:
        labels = tuple(colours)
    problems: list[str] = []
    path = Path(source).expanduser() if isinstance(source, str | os.PathLike) else None
    if path is not None and not path.exists():
        raise UsageError(f"There is no file or folder {path}.")
    if records.is_table(source) and (path is None or path.suffix.lower() != ".json"):
        name = "The table" if path is None else str(path)
        raw_photos, columns = _of_table(source, colours, problems, **reading)
        data = _checked(name, raw_photos, labels, problems, mask_encoding)
        return replace(data, columns=tuple(columns))
    if named := [name for name, value in reading.items() if value is not None]:
        raise UsageError(f"Only a table of masks takes {listed(named)}.")
    if path is None:
        raw_photos, columns = _of_pairs(source, colours)
        data = _checked("The list", raw_photos, labels, problems, mask_encoding)
        return replace(data, columns=tuple(columns))
    is_json = path.suffix.lower() == ".json"
    files = coco.files_of(path) if path.is_dir() or is_json else []
    if files or (path.is_file() and not has_polygons(path)):
        raw_photos, names = of_coco(files, path, labels, problems)
        return _checked(str(path), raw_photos, names, problems, Encoding(names))
    if labelme.is_labelme(path):
        raw_photos, names = of_labelme(path, labels, problems)
        return _checked(str(path), raw_photos, names, problems, Encoding(names))
    if has_polygons(path) and not mask_files.has_masks(path):
        raw_photos, names = of_yolo(path, labels, problems)
        return _checked(str(path), raw_photos, names, problems, Encoding(names))
    raw_photos, listed_names = _of_folder(path, colours, problems)
    return _checked(str(path), raw_photos, labels or listed_names, problems, mask_encoding)


def _of_pairs(source: Any, colours: Colours | None) -> tuple[list[RawMaskedPhoto], list[str]]:
    raw_photos = []
    for number, pair in enumerate(source, 1):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise UsageError(f"Item {number} of the data is not (photo, mask).")
        photo, mask = pair
        raw_photos.append(
            RawMaskedPhoto(photo, name_of(photo, f"item {number}"), _reader(mask, colours))
        )
    return _in_one_range(raw_photos)


def _in_one_range(raw_photos: Sequence[RawMaskedPhoto]) -> tuple[list[RawMaskedPhoto], list[str]]:
    """The same with arrays of photos as uint8, and the range that these had, in words."""
    photos = [one.photo for one in raw_photos]
    pixels = as_uint8([photos])
    scaled = [replace(one, photo=photo) for one, photo in zip(raw_photos, photos, strict=True)]
    return scaled, [f"pixels: {pixels}"] if pixels else []


def _of_table(
    source: Any,
    colours: Colours | None,
    problems: list[str],
    *,
    path_column: str | None = None,
    mask_column: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> tuple[list[RawMaskedPhoto], list[str]]:
    table = records.read_table(
        source,
        (PHOTO, MASK),
        named=(path_column, mask_column, split_column, group_column),
        encoding=encoding,
        delimiter=delimiter,
        example_rank=3,
    )
    photo, mask = table.column(PHOTO, path_column), table.column(MASK, mask_column)
    split = table.split_columns(split_column, group_column)
    columns: list[str] = []
    table.describe(columns, {"photo": photo, "mask": mask}, split)

    def row(record: Record) -> RawMaskedPhoto:
        picture = table.file(record, photo, "photo")
        return RawMaskedPhoto(
            picture,
            name_of(picture, record.name),
            _reader(table.file(record, mask, "mask"), colours),
            *table.split(record, split),
        )

    raw_photos, pixels = _in_one_range(list(table.map(row, problems)))
    return raw_photos, columns + pixels


def _reader(mask: Any, colours: Colours | None) -> Callable[[], np.ndarray]:
    return lambda: read_values(mask, colours)


def _of_folder(
    path: Path, colours: Colours | None, problems: list[str]
) -> tuple[list[RawMaskedPhoto], Sequence[str] | None]:
    pairs = mask_files.pairs_of(path, problems)
    if colours is None and cityscapes.are_masks([pair.mask for pair in pairs]):
        readers = [_cityscapes_reader(pair.mask) for pair in pairs]
        names: Sequence[str] | None = cityscapes.CLASSES
    else:
        readers = [_reader(pair.mask, colours) for pair in pairs]
        names = _names(path)
    raw_photos = [
        RawMaskedPhoto(pair.photo, str(pair.photo), values, pair.part)
        for pair, values in zip(pairs, readers, strict=True)
    ]
    return raw_photos, names


def _cityscapes_reader(mask: Path) -> Callable[[], np.ndarray]:
    return lambda: cityscapes.trained(read_values(mask), mask)


def _names(path: Path) -> Sequence[str] | None:
    file = next((path / name for name in NAMES if (path / name).is_file()), None)
    if file is None:
        return None
    lines = file.read_text("utf-8-sig", "replace").splitlines()
    return [line.strip() for line in lines if line.strip()] or None


def _checked(
    what: str,
    raw_photos: Sequence[RawMaskedPhoto],
    labels: Sequence[str] | None,
    problems: list[str],
    encoding: Encoding | None,
) -> MaskData:
    counts: Counter[int] = Counter()
    usable = []
    for raw in raw_photos:
        try:
            values = raw.values()
            width, height = decoder.size(raw.photo, name=raw.name)
            if values.shape != (height, width):
                raise UsageError(
                    f"{raw.name}: its mask has {values.shape[1]}x{values.shape[0]} pixels, the "
                    f"photo {width}x{height}"
                )
        except (InputError, UsageError) as error:
            problems.append(str(error))
            continue
        distinct, pixels = np.unique(values, return_counts=True)
        counts.update(dict(zip(distinct.tolist(), pixels.tolist(), strict=True)))
        usable.append(raw)
    if not usable:
        raise UsageError(f"{what} holds no photo with a mask that can be used{few_of(problems)}.")
    mask_values.unknown_colours(counts, what)
    if encoding is None:
        encoding = mask_values.decide(counts, labels, what)
    else:
        mask_values.check(encoding, counts, what)
    check_names(encoding.labels, what)
    if len(encoding.labels) > NOT_COUNTED:
        raise UsageError(f"{what} has {len(encoding.labels):,} classes; masks have 255 at most.")
    photos = tuple(
        MaskedPhoto(one.photo, one.name, _indices(one.values, encoding), one.part, one.group)
        for one in usable
    )
    return MaskData(photos, encoding.labels, tuple(problems), encoding)


def _indices(values: Callable[[], np.ndarray], encoding: Encoding) -> Callable[[], np.ndarray]:
    return lambda: encoding.indices(values())
