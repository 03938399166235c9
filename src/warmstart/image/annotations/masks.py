"""Photos with masks: a class for every pixel, from pictures with a palette, of grey levels or of
colours, or COCO.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.errors import InputError, UsageError
from warmstart.image import decoder
from warmstart.image.annotations import coco
from warmstart.image.annotations.collector import few_of
from warmstart.image.annotations.polygons import polygon_mask, run_length_mask
from warmstart.image.inputs import iter_photos

NOT_COUNTED = 255
PHOTOS, MASKS = (
    ("images", "JPEGImages", "img"),
    ("masks", "SegmentationClass", "labels", "annotations", "mask"),
)
NAMES = ("labels.txt", "classes.txt")
Colours = Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True, eq=False)
class MaskedPhoto:
    """One photo; `mask()` reads its classes: (H, W) uint8, `NOT_COUNTED` where a pixel belongs to
    none.
    """

    photo: Any
    name: str
    mask: Callable[[], np.ndarray]


@dataclass(frozen=True)
class MaskData:
    """Photos with masks, the names of the classes in order, and what is wrong with the data, one
    line each.
    """

    photos: tuple[MaskedPhoto, ...]
    labels: tuple[str, ...]
    problems: tuple[str, ...] = ()


def read_masks(
    source: Any, labels: Sequence[str] | None = None, colours: Colours | None = None
) -> MaskData:
    """Photos with masks of any layout; every mask is looked at once.

    Args:
        source: a folder with `images/` and `masks/` (files pair by name); COCO's JSON (polygons,
            run lengths; pixels of no annotation are "background"); or a list of (photo, mask), a
            mask being a path or array (H, W).
        labels: the classes in order; default: `labels.txt` of the folder, one name a line, else
            "class 0" on.
        colours: for masks in RGB: the colour of each class; then `labels` are its keys.

    Raises:
        UsageError: the layout is not known, or nothing in it can be used.
    """
    if isinstance(source, MaskData):
        return source
    if colours is not None:
        labels = tuple(colours)
    if not isinstance(source, str | os.PathLike):
        pairs = []
        for place, pair in enumerate(source, 1):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise UsageError(f"Item {place} of the data is not (photo, mask).")
            name = os.fspath(pair[0]) if isinstance(pair[0], str | os.PathLike) else f"item {place}"
            pairs.append((pair[0], name, pair[1]))
        return _checked("The list", pairs, labels, colours, [])
    path = Path(source)
    if not path.exists():
        raise UsageError(f"There is no file or folder {path}.")
    if path.suffix.lower() == ".json":
        return _coco(path, labels)
    return _folder(path, labels, colours)


def _folder(path: Path, labels: Sequence[str] | None, colours: Colours | None) -> MaskData:
    photos = next((path / name for name in PHOTOS if (path / name).is_dir()), None)
    masks = next((path / name for name in MASKS if (path / name).is_dir()), None)
    if photos is None or masks is None:
        raise UsageError(
            f"{path} is not a known layout of masks: it needs the folders images/ and masks/, whose "
            "files have the same names; or give COCO's .json file."
        )
    if labels is None:
        file = next((path / name for name in NAMES if (path / name).is_file()), None)
        labels = (
            [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
            if file
            else None
        )
    by_name = {
        item.relative_to(masks).with_suffix(""): item
        for item in sorted(masks.rglob("*"))
        if item.is_file()
    }
    problems, pairs = [], []
    for item in iter_photos(photos):
        photo = Path(str(item.value))
        mask = (
            by_name.pop(photo.relative_to(photos).with_suffix(""), None)
            if photo.is_file()
            else None
        )
        if mask is None:
            problems.append(f"{photo}: has no mask in {masks}")
        else:
            pairs.append((photo, str(photo), mask))
    problems += [
        f"{mask}: has no photo in {photos}"
        for mask in by_name.values()
        if not mask.name.startswith(".")
    ]
    return _checked(str(path), pairs, labels, colours, problems)


def _checked(
    what: str,
    pairs: Sequence[tuple[Any, str, Any]],
    labels: Sequence[str] | None,
    colours: Colours | None,
    problems: list[str],
) -> MaskData:
    photos, highest = [], -1
    for photo, name, mask in pairs:
        try:
            indices = read_mask(mask, colours)
            width, height = decoder.size(photo, name=name)
            if indices.shape != (height, width):
                raise UsageError(
                    f"{name}: its mask has {indices.shape[1]}x{indices.shape[0]} pixels, the photo "
                    f"{width}x{height}"
                )
            top = max(
                (int(value) for value in np.unique(indices) if value != NOT_COUNTED), default=-1
            )
            if labels is not None and top >= len(labels):
                raise UsageError(
                    f"{name}: its mask holds the class {top}, but there are {len(labels)} classes"
                )
        except (InputError, UsageError) as error:
            problems.append(str(error))
            continue
        highest = max(highest, top)
        photos.append(MaskedPhoto(photo, name, _later(mask, colours)))
    if not photos:
        raise UsageError(f"{what} holds no photo with a mask that can be used{few_of(problems)}.")
    names = tuple(labels) if labels is not None else tuple(f"class {n}" for n in range(highest + 1))
    if not names:
        raise UsageError(f"{what}: no pixel of any mask belongs to a class.")
    return MaskData(tuple(photos), names, tuple(problems))


def _later(mask: Any, colours: Colours | None) -> Callable[[], np.ndarray]:
    return lambda: read_mask(mask, colours)


def read_mask(mask: Any, colours: Colours | None = None) -> np.ndarray:
    """Class indices (H, W) uint8 of a path, a PIL image (palette, grey, RGB with `colours`) or an
    array (H, W).

    Raises:
        UsageError: it is no such mask, or a colour is unknown.
    """
    from PIL import Image

    if isinstance(mask, str | os.PathLike):
        try:
            with Image.open(mask) as opened:
                return _indices(opened, str(mask), colours)
        except UsageError:
            raise
        except Exception as error:  # Pillow's parsers raise a dozen kinds on damaged files
            raise UsageError(f"{mask}: the mask cannot be read ({error})") from error
    if isinstance(mask, Image.Image):
        return _indices(mask, "the mask", colours)
    array = np.asarray(mask)
    if (
        array.ndim != 2
        or array.dtype.kind not in "uib"
        or (array.size and not 0 <= array.min() <= array.max() <= 255)
    ):
        raise UsageError(
            f"a mask is an array (H, W) of whole numbers from 0 to 255, not {array.dtype} {array.shape}"
        )
    return array.astype(np.uint8)


def _indices(picture: Any, name: str, colours: Colours | None) -> np.ndarray:
    if picture.mode in ("P", "L", "1") and colours is None:
        return np.array(picture, np.uint8)
    if picture.mode.startswith("I") and colours is None:
        wide = np.array(picture)
        if wide.size and wide.max() <= 255:
            return wide.astype(np.uint8)
        raise UsageError(
            f"{name}: the mask holds the value {int(wide.max())}; there are 256 classes at most"
        )
    if colours is None:
        raise UsageError(
            f"{name}: the mask is a picture of colours ({picture.mode}); say what they mean with "
            "colours={label: (red, green, blue), …}"
        )
    return _from_colours(np.array(picture.convert("RGB"), np.int64), name, colours)


def _from_colours(pixels: np.ndarray, name: str, colours: Colours) -> np.ndarray:
    codes = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    known = {(r << 16) | (g << 8) | b: index for index, (r, g, b) in enumerate(colours.values())}
    met, places = np.unique(codes, return_inverse=True)
    unknown = [int(code) for code in met if int(code) not in known]
    if unknown:
        told = ", ".join(f"({code >> 16}, {code >> 8 & 255}, {code & 255})" for code in unknown[:3])
        raise UsageError(f"{name}: the mask has {len(unknown)} colours that are no class: {told}")
    return np.array([known[int(code)] for code in met], np.uint8)[places].reshape(codes.shape)


def _coco(path: Path, labels: Sequence[str] | None) -> MaskData:
    data = coco.load(path)
    names = coco.category_names(data, path)
    known = (
        tuple(labels)
        if labels is not None
        else ("background", *(names[key] for key in sorted(names)))
    )
    problems: list[str] = []
    shapes: dict[Any, list[tuple[int, Any, Any]]] = defaultdict(list)
    for place, record in enumerate(data["annotations"], 1):
        name = names.get(record.get("category_id", -1))
        if name not in known:
            problems.append(
                f"{path}: annotation {record.get('id', place)}: the category is unknown"
            )
            continue
        shapes[record.get("image_id")].append(
            (known.index(name), record.get("segmentation"), record.get("id", place))
        )
    pairs = []
    for record, photo in coco.photos(data, path, problems):
        try:
            size = decoder.size(photo)
            pairs.append(
                (photo, str(photo), _drawn(shapes.get(record["id"], []), size, problems, path))
            )
        except InputError as error:
            problems.append(str(error))
    return _checked(str(path), pairs, known, None, problems)


def _drawn(
    shapes: Sequence[tuple[int, Any, Any]], size: tuple[int, int], problems: list[str], path: Path
) -> np.ndarray:
    """The shapes of one photo, one after the other: later ones lie above."""
    mask = np.zeros(size[::-1], np.uint8)
    for kind, shape, key in shapes:
        try:
            if isinstance(shape, list) and shape:
                mask[polygon_mask(shape, size)] = kind
            elif isinstance(shape, dict):
                mask[run_length_mask(shape, size)] = kind
            else:
                raise UsageError("it has no segmentation")
        except UsageError as error:
            problems.append(f"{path}: annotation {key}: {error}")
    return mask
