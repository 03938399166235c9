"""Photos with masks: a class for every pixel, from pictures with a palette, of grey levels or of
colours, or from outlines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.core import records
from warmstart.core.records.columns import MASK, PHOTO, listed
from warmstart.core.records.record import Record
from warmstart.errors import InputError, UsageError
from warmstart.image import decoder
from warmstart.image.annotations import cityscapes, coco, labelme, mask_files, name_files
from warmstart.image.annotations.collector import check_names, few_of, name_of
from warmstart.image.annotations.mask_encoding import (
    Encoding,
    Values,
    check,
    decide,
    refuse_objects_of_255,
    translation,
    with_background,
)
from warmstart.image.annotations.mask_palettes import Palettes
from warmstart.image.annotations.mask_values import (
    NOT_COUNTED,
    Colours,
    read_values,
    unknown_colours,
)
from warmstart.image.annotations.outlines import (
    Classes,
    RawMaskedPhoto,
    has_polygons,
    of_coco,
    of_labelme,
    of_yolo,
)
from warmstart.image.arrays import PIXELS, as_uint8

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
    strict: bool = False,
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
            "class 0" on; "background" and "object" for masks of two values. Where the data names
            its classes, these are mapped by name.
        colours: for masks in RGB: the colour of each class; then `labels` are its keys.
        strict: whether outlines of other classes are an error; else their photos are listed and
            left out.
        mask_encoding: what the values mean, as similar data has shown.
        **reading: `path_column`, `mask_column`, `split_column`, `group_column`, `encoding` and
            `delimiter` of a table.

    Raises:
        UsageError: the layout is not known, nothing in it can be used, a value of a mask is not
            explained by a class, or a class that has pixels is none of the labels.
    """
    if isinstance(source, MaskData):
        return source
    problems: list[str] = []
    layout = _layout(source, labels, colours, problems, strict, reading)
    if colours is not None:
        layout = replace(layout, names=tuple(colours), exact=True)
        labels = None
    return _checked(layout, labels, problems, mask_encoding)


@dataclass(frozen=True)
class _Layout:
    """Photos whose masks were not looked at yet.

    Attributes:
        name: for messages.
        raw_photos: the photos.
        names: the classes as the data numbers them; None: it does not say.
        exact: whether values of the masks are indices of these, with no need to decide.
        columns: how the data was read.
    """

    name: str
    raw_photos: Sequence[RawMaskedPhoto]
    names: Sequence[str] | None = None
    exact: bool = False
    columns: Sequence[str] = ()


def _layout(
    source: Any,
    labels: Sequence[str] | None,
    colours: Colours | None,
    problems: list[str],
    strict: bool,
    reading: Mapping[str, str | None],
) -> _Layout:
    path = Path(source).expanduser() if isinstance(source, str | os.PathLike) else None
    if path is not None and not path.exists():
        raise UsageError(f"There is no file or folder {path}.")
    if records.is_table(source) and (path is None or path.suffix.lower() != ".json"):
        name = "The table" if path is None else str(path)
        raw_photos, columns = _of_table(source, colours, problems, **reading)
        return _Layout(name, raw_photos, columns=columns)
    if named := [name for name, value in reading.items() if value is not None]:
        raise UsageError(f"Only a table of masks takes {listed(named)}.")
    if path is None:
        raw_photos, columns = _of_pairs(source, colours)
        return _Layout("The list", raw_photos, columns=columns)
    known = None if labels is None else with_background(labels) if len(labels) == 1 else labels
    classes = Classes(str(path), known, strict)
    notes: list[str] = []
    is_json = path.suffix.lower() == ".json"
    files = coco.files_of(path) if path.is_dir() or is_json else []
    if files or (path.is_file() and not has_polygons(path)):
        raw_photos = of_coco(files, path, classes, problems)
    elif labelme.is_labelme(path):
        raw_photos = of_labelme(path, classes, problems)
    elif has_polygons(path) and not mask_files.has_masks(path):
        raw_photos = of_yolo(path, classes, problems, notes)
    else:
        return _of_folder(path, colours, problems)
    return _Layout(str(path), raw_photos, classes.labels, True, notes)


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
    """The raw_photos with arrays of photos as uint8, and the range that they had, in words."""
    photos = [one.photo for one in raw_photos]
    pixels = as_uint8({"data": photos})
    scaled = [replace(one, photo=photo) for one, photo in zip(raw_photos, photos, strict=True)]
    return scaled, [f"{PIXELS}{pixels}"] if pixels else []


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
            *_reading(table.file(record, mask, "mask"), colours),
            *table.split(record, split),
        )

    raw_photos, pixels = _in_one_range(list(table.map(row, problems)))
    return raw_photos, columns + pixels


def _reading(mask: Any, colours: Colours | None) -> tuple[Callable[[], np.ndarray], Any]:
    """What reads a mask, and the picture whose palette counts."""
    return lambda: read_values(mask, colours), None if colours else mask


def _of_folder(path: Path, colours: Colours | None, problems: list[str]) -> _Layout:
    pairs = mask_files.pairs_of(path, problems)
    if colours is None and cityscapes.are_masks([pair.mask for pair in pairs]):
        raw_photos = [
            RawMaskedPhoto(
                pair.photo, str(pair.photo), _cityscapes_reader(pair.mask), part=pair.part
            )
            for pair in pairs
        ]
        return _Layout(str(path), raw_photos, cityscapes.CLASSES, exact=True)
    raw_photos = [
        RawMaskedPhoto(pair.photo, str(pair.photo), *_reading(pair.mask, colours), part=pair.part)
        for pair in pairs
    ]
    names = name_files.one_list(path, NAMES) if colours is None else None
    return _Layout(str(path), raw_photos, names)


def _cityscapes_reader(mask: Path) -> Callable[[], np.ndarray]:
    return lambda: cityscapes.trained(read_values(mask), mask)


def _checked(
    layout: _Layout,
    labels: Sequence[str] | None,
    problems: list[str],
    encoding: Encoding | None,
) -> MaskData:
    usable, values = _looked_at(layout, problems)
    name = layout.name
    unknown_colours(values.pixels, name)
    if layout.names is not None and layout.exact:
        encoding = Encoding(tuple(layout.names))
        check(encoding, values, name)
    elif layout.names is not None:
        encoding = decide(values, layout.names, name)
    elif encoding is None:
        encoding = decide(values, labels, name)
        labels = encoding.labels
    else:
        check(encoding, values, name)
        refuse_objects_of_255(encoding, values, name)
    if labels is None:
        labels = encoding.labels
    elif len(labels) == 1:
        labels = with_background(labels)
    check_names(labels, name)
    if max(len(labels), len(encoding.labels)) > NOT_COUNTED:
        raise UsageError(f"{name} has {len(encoding.labels):,} classes; masks have 255 at most.")
    table = translation(encoding, labels, values, name)
    photos = tuple(
        MaskedPhoto(one.photo, one.name, _indices(one.values, encoding, table), one.part, one.group)
        for one in usable
    )
    return MaskData(photos, tuple(labels), tuple(problems), encoding, tuple(layout.columns))


def _looked_at(layout: _Layout, problems: list[str]) -> tuple[list[RawMaskedPhoto], Values]:
    """The photos that can be used, and the values of their masks."""
    values, palettes = Values(), Palettes()
    usable = []
    unusable: list[str] = []
    for raw in layout.raw_photos:
        try:
            mask = raw.values()
            width, height = decoder.size(raw.photo, name=raw.name)
            if mask.shape != (height, width):
                raise UsageError(
                    f"{raw.name}: its mask has {mask.shape[1]}x{mask.shape[0]} pixels, the "
                    f"photo {width}x{height}"
                )
        except (InputError, UsageError) as error:
            problems.append(str(error))
            unusable.append(str(error))
            continue
        values.add(mask, raw.name)
        palettes.add(raw.mask, raw.name, np.unique(mask).tolist())
        usable.append(raw)
    if not usable:
        raise UsageError(
            f"{layout.name} holds no photo with a mask that can be used{few_of(problems)}."
        )
    records.require_most("photos", len(usable), unusable)
    return usable, values


def _indices(
    values: Callable[[], np.ndarray], encoding: Encoding, table: np.ndarray | None
) -> Callable[[], np.ndarray]:
    if table is None:
        return lambda: encoding.indices(values())
    return lambda: table[encoding.indices(values())]
