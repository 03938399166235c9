"""Photos with masks, a class per pixel: from pictures with a palette, grey levels or colours, or
from outlines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from warmstart.core import records
from warmstart.errors import InputError, UsageError
from warmstart.image import decoder
from warmstart.image.annotations.collector import check_names, few_of
from warmstart.image.annotations.mask_encoding import (
    Encoding,
    Values,
    check,
    decide,
    refuse_objects_of_255,
    translation,
    with_background,
)
from warmstart.image.annotations.mask_layouts import MaskLayout, layout_of
from warmstart.image.annotations.mask_palettes import Palettes
from warmstart.image.annotations.mask_values import NOT_COUNTED, Colours, unknown_colours
from warmstart.image.annotations.numbers import upright
from warmstart.image.annotations.outlines import RawMaskedPhoto


@dataclass(frozen=True, eq=False)
class MaskedPhoto:
    """A photo with a mask.

    Attributes:
        photo: as for `decoder.decode`.
        name: for messages.
        mask: reads the classes, uint8 (H, W); `NOT_COUNTED` for pixels without a class.
        split: "train", "validation" or "test", if the data has splits.
        group: photos of a group stay in one split.
    """

    photo: Any
    name: str
    mask: Callable[[], np.ndarray]
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class MaskData:
    """Photos with masks.

    Attributes:
        photos: without those that cannot be used.
        labels: the names of the classes in order.
        problems: one line per problem.
        encoding: the meaning of the values of masks.
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
    """Read photos with masks in any layout; all masks are read once.

    Args:
        source: a folder with `images/` and `masks/` (files pair by name: `x.jpg` and `x.png` or
            `x_mask.png`), also in `train/`, `val/` and `test/`, or as Cityscapes names them;
            COCO's JSON (polygons, run lengths; pixels of no annotation are "background") or
            labelme's JSON files next to the photos, also in each split; a YOLO folder or
            `data.yaml` with polygons; a folder around one of these; a table with the columns image
            and mask; or a list of (photo, mask), a mask being a path, a PIL image or an array
            (H, W).
        labels: the classes in order; default: those of `labels.txt` and other files, see
            `mask_classes`, else "class 0" and so on; "background" and "object" for masks of two
            values. If the data names its classes, they are matched by name.
        colours: the colour of each class, for masks in RGB; its keys then replace `labels`.
        strict: whether outlines of other classes are an error; else their photos are listed and
            left out.
        mask_encoding: the meaning of the values, from similar data.
        **reading: `path_column`, `mask_column`, `split_column`, `group_column`, `encoding` and
            `delimiter` of a table.

    Raises:
        UsageError: the layout is unknown, nothing in it can be used, a value of a mask has no
            class, or a class with pixels is not among the labels.
    """
    if isinstance(source, MaskData):
        return source
    problems: list[str] = []
    layout = layout_of(source, labels, colours, problems, strict, reading)
    if colours is not None:
        layout = replace(layout, names=tuple(colours), exact=True)
        labels = None
    return _checked(layout, labels, problems, mask_encoding)


def _checked(
    layout: MaskLayout,
    labels: Sequence[str] | None,
    problems: list[str],
    encoding: Encoding | None,
) -> MaskData:
    usable, values = _read_once(layout, problems)
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
        raise UsageError(
            f"{name} has {len(encoding.labels):,} classes; masks can have at most 255."
        )
    table = translation(encoding, labels, values, name)
    photos = tuple(
        MaskedPhoto(
            raw.photo, raw.name, _indices(raw.values, encoding, table), raw.split, raw.group
        )
        for raw in usable
    )
    return MaskData(photos, tuple(labels), tuple(problems), encoding, tuple(layout.columns))


def _read_once(layout: MaskLayout, problems: list[str]) -> tuple[list[RawMaskedPhoto], Values]:
    """The photos that can be used, and the values of their masks."""
    values, palettes = Values(), Palettes()
    usable = []
    unusable: list[str] = []
    for raw in layout.raw_photos:
        try:
            mask = raw.values()
            (width, height), is_rotated = decoder.upright_size(raw.photo, name=raw.name)
            if mask.shape != (height, width):
                raise UsageError(
                    f"{raw.name}: its mask has {mask.shape[1]}x{mask.shape[0]} pixels, the "
                    f"photo {width}x{height}{upright(is_rotated and mask.shape == (width, height))}"
                )
        except (InputError, UsageError) as error:
            problem = str(error)
            if not problem.startswith((raw.name, str(raw.mask))):  # a mask in memory has no name
                problem = f"{raw.name}: {problem}"
            problems.append(problem)
            unusable.append(problem)
            continue
        values.add(mask, raw.name)
        palettes.add(raw.mask, raw.name, np.unique(mask).tolist())
        usable.append(raw)
    if not usable:
        raise UsageError(f"{layout.name} contains no photo with a usable mask{few_of(problems)}.")
    records.require_most("photos", len(usable), unusable)
    return usable, values


def _indices(
    values: Callable[[], np.ndarray], encoding: Encoding, table: np.ndarray | None
) -> Callable[[], np.ndarray]:
    if table is None:
        return lambda: encoding.indices(values())
    return lambda: table[encoding.indices(values())]
