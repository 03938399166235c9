"""Photos with masks: a class for every pixel, from pictures with a palette, of grey levels or of
colours, from COCO or labelme.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.errors import InputError, UsageError
from warmstart.image import decoder
from warmstart.image.annotations import cityscapes, coco, labelme, mask_files, mask_values
from warmstart.image.annotations.collector import check_names, few_of, name_of
from warmstart.image.annotations.mask_values import NOT_COUNTED, Colours, Encoding, read_values
from warmstart.image.annotations.polygons import polygon_mask, run_length_mask
from warmstart.image.arrays import as_uint8

NAMES = ("labels.txt", "classes.txt")
BACKGROUND = "background"
Shape = tuple[int, Any, str]
"""Value of its pixels, polygons or run lengths, name for messages."""


@dataclass(frozen=True, eq=False)
class MaskedPhoto:
    """One photo; `mask()` reads its classes: (H, W) uint8, `NOT_COUNTED` where a pixel belongs to
    none. `part` is "train", "validation" or "test", where the data names parts.
    """

    photo: Any
    name: str
    mask: Callable[[], np.ndarray]
    part: str | None = None


@dataclass(frozen=True)
class MaskData:
    """Photos with masks, the names of the classes in order, and what is wrong with the data, one
    line each; `encoding` is what the values of the masks mean.
    """

    photos: tuple[MaskedPhoto, ...]
    labels: tuple[str, ...]
    problems: tuple[str, ...] = ()
    encoding: Encoding | None = None


@dataclass(frozen=True)
class _Source:
    """A photo whose mask was not looked at yet; `values()` reads it: (H, W) whole numbers."""

    photo: Any
    name: str
    values: Callable[[], np.ndarray]
    part: str | None = None


def read_masks(
    source: Any,
    labels: Sequence[str] | None = None,
    colours: Colours | None = None,
    *,
    encoding: Encoding | None = None,
) -> MaskData:
    """Photos with masks of any layout; every mask is looked at once.

    Args:
        source: a folder with `images/` and `masks/` (files pair by name: `x.jpg` and `x.png` or
            `x_mask.png`), also in `train/`, `val/` and `test/`, or as Cityscapes names them;
            COCO's JSON (polygons, run lengths; pixels of no annotation are "background");
            labelme's JSON files next to the photos; or a list of (photo, mask), a mask being a
            path or array (H, W).
        labels: the classes in order; default: `labels.txt` of the folder, one name a line, else
            "class 0" on; "background" and "object" for masks of two values.
        colours: for masks in RGB: the colour of each class; then `labels` are its keys.
        encoding: what the values mean, as other data of the same kind has shown.

    Raises:
        UsageError: the layout is not known, nothing in it can be used, or a value of a mask is not
            explained by a class.
    """
    if isinstance(source, MaskData):
        return source
    if colours is not None:
        labels = tuple(colours)
    problems: list[str] = []
    if not isinstance(source, str | os.PathLike):
        return _checked("The list", _of_pairs(source, colours), labels, problems, encoding)
    path = Path(source).expanduser()
    if not path.exists():
        raise UsageError(f"There is no file or folder {path}.")
    files = coco.files_of(path) if path.is_dir() or path.suffix.lower() == ".json" else []
    if files or path.is_file():
        sources, names = _of_coco(files, path, labels, problems)
        return _checked(str(path), sources, names, problems, Encoding(names))
    if labelme.is_labelme(path):
        sources, names = _of_labelme(path, labels, problems)
        return _checked(str(path), sources, names, problems, Encoding(names))
    sources, named = _of_folder(path, colours, problems)
    return _checked(str(path), sources, labels or named, problems, encoding)


def _of_pairs(source: Any, colours: Colours | None) -> list[_Source]:
    photos, masks = [], []
    for number, pair in enumerate(source, 1):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise UsageError(f"Item {number} of the data is not (photo, mask).")
        photos.append(pair[0])
        masks.append(pair[1])
    as_uint8([photos])
    return [
        _Source(photo, name_of(photo, f"item {number}"), _reader(mask, colours))
        for number, (photo, mask) in enumerate(zip(photos, masks, strict=True), 1)
    ]


def _reader(mask: Any, colours: Colours | None) -> Callable[[], np.ndarray]:
    return lambda: read_values(mask, colours)


def _of_folder(
    path: Path, colours: Colours | None, problems: list[str]
) -> tuple[list[_Source], Sequence[str] | None]:
    pairs = mask_files.pairs_of(path, problems)
    if colours is None and cityscapes.are_masks([pair.mask for pair in pairs]):
        readers = [_cityscapes_reader(pair.mask) for pair in pairs]
        names: Sequence[str] | None = cityscapes.CLASSES
    else:
        readers = [_reader(pair.mask, colours) for pair in pairs]
        names = _names(path)
    sources = [
        _Source(pair.photo, str(pair.photo), values, pair.part)
        for pair, values in zip(pairs, readers, strict=True)
    ]
    return sources, names


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
    sources: Sequence[_Source],
    labels: Sequence[str] | None,
    problems: list[str],
    encoding: Encoding | None,
) -> MaskData:
    counts: Counter[int] = Counter()
    usable = []
    for source in sources:
        try:
            values = source.values()
            width, height = decoder.size(source.photo, name=source.name)
            if values.shape != (height, width):
                raise UsageError(
                    f"{source.name}: its mask has {values.shape[1]}x{values.shape[0]} pixels, the "
                    f"photo {width}x{height}"
                )
        except (InputError, UsageError) as error:
            problems.append(str(error))
            continue
        distinct, pixels = np.unique(values, return_counts=True)
        counts.update(dict(zip(distinct.tolist(), pixels.tolist(), strict=True)))
        usable.append(source)
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
        MaskedPhoto(one.photo, one.name, _indices(one.values, encoding), one.part) for one in usable
    )
    return MaskData(photos, encoding.labels, tuple(problems), encoding)


def _indices(values: Callable[[], np.ndarray], encoding: Encoding) -> Callable[[], np.ndarray]:
    return lambda: encoding.indices(values())


def _of_coco(
    files: Sequence[tuple[Path, str | None]],
    path: Path,
    labels: Sequence[str] | None,
    problems: list[str],
) -> tuple[list[_Source], tuple[str, ...]]:
    """The photos of COCO's files, and the classes: the background and the categories."""
    if not files:
        raise UsageError(f"{path} is not a file of masks; {mask_files.HELP}.")
    sources: list[_Source] = []
    known = None if labels is None else tuple(labels)
    for file, part in files:
        data = coco.load(file)
        names = coco.category_names(data, file)
        known = known or (BACKGROUND, *(names[key] for key in sorted(names)))
        shapes: dict[Any, list[Shape]] = defaultdict(list)
        for position, record in enumerate(data["annotations"], 1):
            what = f"{file}: annotation {record.get('id', position)!r:.40}"
            name = names.get(coco.key_of(record.get("category_id")))
            if name not in known:
                problems.append(f"{what}: the category is unknown")
                continue
            image = coco.key_of(record.get("image_id"))
            shapes[image].append((known.index(name), record.get("segmentation"), what))
        for record, photo in coco.photos(data, file, problems):
            key = coco.key_of(record.get("id"))
            _add_painted(sources, photo, str(photo), shapes.get(key, []), part, problems)
    assert known is not None
    return sources, known


def _of_labelme(
    path: Path, labels: Sequence[str] | None, problems: list[str]
) -> tuple[list[_Source], tuple[str, ...]]:
    """The photos of labelme's files, and the classes: the background and the labels."""
    records = list(labelme.outlines(path, problems))
    named = {shape.label for *_, shapes, _ in records for shape in shapes}
    named -= {labelme.IGNORED, labelme.BACKGROUND}
    known = (BACKGROUND, *sorted(named)) if labels is None else tuple(labels)
    value = {name: index for index, name in enumerate(known)}
    value |= {labelme.IGNORED: NOT_COUNTED, labelme.BACKGROUND: 0}
    sources: list[_Source] = []
    for file, photo, outlines, faults in records:
        unknown = {shape.label for shape in outlines} - value.keys()
        faults += [f"{file}: the label {label!r:.40} is unknown" for label in sorted(unknown)]
        if faults:
            problems += faults
            continue
        shapes: list[Shape] = [
            (value[shape.label], [[n for point in shape.points for n in point]], str(file))
            for shape in outlines
        ]
        name = str(file) if isinstance(photo, bytes) else str(photo)
        _add_painted(sources, photo, name, shapes, None, problems)
    return sources, known


def _add_painted(
    sources: list[_Source],
    photo: Any,
    name: str,
    shapes: Sequence[Shape],
    part: str | None,
    problems: list[str],
) -> None:
    """Add a photo with the mask that its shapes draw."""
    try:
        mask = _painted(shapes, decoder.size(photo, name=name))
    except (InputError, UsageError) as error:
        problems.append(str(error))
        return
    sources.append(_Source(photo, name, lambda: mask, part))


def _painted(shapes: Sequence[Shape], size: tuple[int, int]) -> np.ndarray:
    """The shapes of one photo, one after the other: later ones lie above; uint8 (H, W).

    Raises:
        UsageError: a shape is damaged; the photo is then left out.
    """
    mask = np.zeros(size[::-1], np.uint8)
    for value, shape, what in shapes:
        try:
            if isinstance(shape, list) and shape:
                mask[polygon_mask(shape, size)] = value
            elif isinstance(shape, Mapping):
                mask[run_length_mask(shape, size)] = value
            else:
                raise UsageError("it has no segmentation")
        except UsageError as error:
            raise UsageError(f"{what}: {error}; its photo is left out") from None
    return mask
