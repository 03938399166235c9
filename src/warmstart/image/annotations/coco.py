"""COCO's JSON: photos, categories and annotations in one file, and boxes as x, y, width, height."""

from __future__ import annotations

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.core.records.split_names import split_and_rest
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.image.annotations.box_data import LabelledBox
from warmstart.image.annotations.collector import Collector
from warmstart.image.annotations.numbers import flag, integer, number, size_of

LARGEST_JSON = 2**31
BEYOND, FEWEST_BEYOND = 1.02, 0.2
"""A box whose side exceeds this multiple of the photo's size reaches beyond it by more than
rounding; and the fraction of such boxes from which a file is refused.
"""
_NUMBER = re.compile(r"(0|-?[1-9][0-9]*)(\.0+)?")
_LISTS = ("images", "annotations", "categories")
MAX_SPLITS = 3


def is_coco(path: Path) -> bool:
    """Whether a folder has COCO's `annotations/instances_*.json`, or a file of that format."""
    return bool(files_of(path))


def files_of(path: Path) -> list[tuple[Path, str | None]]:
    """COCO's files in a folder, with the splits at the end of their names; empty if there are none.

    Raises:
        UsageError: there are several, and they are not different splits.
    """
    if path.is_file():
        return [(path, None)]
    files = sorted((path / "annotations").glob("instances*.json"))
    files = files or sorted(path.glob("instances*.json")) or sorted(path.glob("*coco*.json"))
    files = files or _by_content(path / "annotations") or _by_content(path)
    splits = [_split(file) for file in files]
    if len(files) > 1 and (None in splits or len({*splits}) < len(splits)):
        named = ", ".join(
            f"{file.name} ({split or 'no split'})"
            for file, split in zip(files, splits, strict=True)
        )
        raise UsageError(
            f"{files[0].parent} has several of COCO's files, but they are not different "
            f"splits: {named}. Move those that are not needed, or pass the path of one."
        )
    return list(zip(files, splits, strict=True))


def _by_content(folder: Path) -> list[Path]:
    """The JSON files of a folder, at most one per split, if all have COCO's three lists."""
    files = sorted(folder.glob("*.json"))
    few = 0 < len(files) <= MAX_SPLITS
    return files if few and all(map(has_lists, files)) else []


def has_lists(file: Path) -> bool:
    """Whether a JSON file has the lists of COCO's annotations."""
    try:
        content = file.read_bytes() if file.stat().st_size <= LARGEST_JSON else b""
    except OSError:
        return False
    return all(f'"{key}"'.encode() in content for key in _LISTS)


def _split(file: Path) -> str | None:
    """The split of a file such as `instances_train2017.json`."""
    return split_and_rest(file.stem)[0]


def read(path: Path, collector: Collector, split: str | None) -> None:
    """Read all photos of a file or of the files of a folder, including those without boxes.

    Raises:
        UsageError: a file is not a COCO file.
    """
    for file, own in files_of(path):
        _read_file(file, collector, split or own)


@dataclass(frozen=True)
class Image:
    """An image whose file exists: its id, its path, and (width, height) in the JSON or None."""

    key: Any
    path: Path
    size: tuple[int, int] | None


def _read_file(path: Path, collector: Collector, split: str | None) -> None:
    data = load(path)
    names = category_names(data, path)
    if collector.labels is None:
        collector.labels = [names[key] for key in sorted(names)]
    boxes: dict[Any, list[LabelledBox]] = defaultdict(list)
    faults: dict[Any, list[str]] = defaultdict(list)
    for position, record in enumerate(data["annotations"], 1):
        image = key_of(record.get("image_id"))
        try:
            boxes[image].append(_box(record, names))
        except ValueError as error:
            what = f"{path}: annotation {record.get('id', position)!r:.40}"
            faults[image].append(f"{what} {error}; its photo is left out")
    images = list(photos(data, path, collector.problems))
    _refuse_corners(path, images, boxes)
    for image in images:
        own, wrong = boxes[image.key], faults.pop(image.key, ())
        collector.add(image.path, str(image.path), own, image.size, split=split, faults=wrong)
    list_unmatched(data, path, collector.problems)


def list_unmatched(data: Mapping[str, Any], path: Path, problems: list[str]) -> None:
    """Add annotations of unknown images to the problems.

    Raises:
        UsageError: the `image_id` has another type than the ids of all images, so any photo may
            lack the annotation.
    """
    keys = {key_of(record.get("id")) for record in data["images"]}
    types = {type(key) for key in keys}
    unmatched: Counter[Any] = Counter()
    for position, record in enumerate(data["annotations"], 1):
        key = key_of(record.get("image_id"))
        if key in keys:
            continue
        if keys and type(key) not in types:
            value = record.get("image_id")
            raise UsageError(
                f"{path}: annotation {record.get('id', position)!r:.40} has the image_id "
                f"{value!r:.40} ({type(value).__name__}), but the ids of images are "
                f"{', '.join(f'{known!r:.40}' for known in sorted(keys, key=str)[:3])}; correct it, "
                "or remove the annotation."
            )
        unmatched[key] += 1
    problems += [
        f"{path}: {counted(unmatched[key], 'annotation')} of the image {key!r:.40}, which is not among "
        "the images"
        for key in sorted(unmatched, key=str)
    ]


def _refuse_corners(
    path: Path, images: Sequence[Image], boxes: Mapping[Any, Sequence[LabelledBox]]
) -> None:
    """Refuse boxes that are two corners instead of COCO's x, y, width, height.

    Raises:
        UsageError: a fifth of the boxes reach beyond their photos as x, y, width, height, and all
            boxes fit as xmin, ymin, xmax, ymax.
    """
    beyond = count = 0
    for image in images:
        if image.size is None:
            continue
        width, height = image.size
        for box in boxes.get(image.key, ()):
            x, y, right, low = box.sides
            if not (x < right - x <= width + 1 and y < low - y <= height + 1):
                return
            count += 1
            beyond += right > BEYOND * width or low > BEYOND * height
    if count and beyond >= FEWEST_BEYOND * count:
        raise UsageError(
            f"{path}: {beyond:,} of {count:,} boxes reach beyond their photos. COCO's bbox "
            "is x, y, width, height, but these fit as xmin, ymin, xmax, ymax; write width "
            "and height instead of the second corner."
        )


def key_of(value: Any) -> Any:
    """An id as a key of a mapping: a float or text of an integer equals the integer, because some
    tools mix them; other values match nothing.
    """
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return value  # also "013", which may differ from 13
    try:
        return integer(value)
    except ValueError:
        return value if isinstance(value, str) else repr(value)


def _box(record: Mapping[str, Any], names: Mapping[int, str]) -> LabelledBox:
    """The box of an annotation.

    Raises:
        ValueError: it is malformed; the message completes "annotation 3 …".
    """
    category, box = record.get("category_id"), record.get("bbox")
    if key_of(category) not in names:
        raise ValueError(f"has the category {category!r:.40}, which is not among the categories")
    try:
        if not isinstance(box, list):
            raise ValueError
        x, y, width, height = map(number, box)
        area = record.get("area")
        outline = None if area is None else number(area)
    except ValueError:
        raise ValueError("has no bbox of four numbers, or an area that is not a number") from None
    try:
        crowd = flag(record.get("iscrowd"))
    except ValueError as error:
        raise ValueError(f"has an iscrowd that {error}") from None
    sides = (x, y, x + width, y + height)
    return LabelledBox(names[key_of(category)], sides, crowd, area=outline)


def load(path: Path) -> Mapping[str, Any]:
    """The JSON with its three lists.

    Raises:
        UsageError: the file cannot be read, or is not a COCO file.
    """
    data = load_json(path)
    for key in _LISTS:
        records = data.get(key)
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise UsageError(f"{path} is not a COCO file: it has no list {key!r} of records.")
    return data


def load_json(path: Path) -> Mapping[str, Any]:
    """A JSON object.

    Raises:
        UsageError: the file cannot be read, or contains something else.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise UsageError(f"{path} is larger than {LARGEST_JSON >> 30} GiB.")
        data = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} cannot be read as JSON: {error}") from error
    return data if isinstance(data, dict) else {}


def category_names(data: Mapping[str, Any], path: Path) -> dict[int, str]:
    """The names of categories by id, without those that only group others and have no boxes.

    Roboflow writes such a group as the first category; it is the supercategory of the others.

    Raises:
        UsageError: ids or names are missing or repeated.
    """
    used = {key_of(record.get("category_id")) for record in data["annotations"]}
    names: dict[int, str] = {}
    for index, record in enumerate(data["categories"]):
        key, name = key_of(record.get("id")), record.get("name")
        if not isinstance(key, int) or not isinstance(name, str):
            raise UsageError(
                f"{path}: a category has no integer id or no name: {record.get('id')!r:.40} "
                f"({type(record.get('id')).__name__}), {name!r:.40}."
            )
        name = name.strip()
        others = (other for row, other in enumerate(data["categories"]) if row != index)
        if key not in used and any(other.get("supercategory") == name for other in others):
            continue
        if key in names or name in names.values():
            raise UsageError(f"{path}: the category {key} ({name!r}) occurs twice.")
        names[key] = name
    return names


def photos(data: Mapping[str, Any], path: Path, problems: list[str]) -> Iterator[Image]:
    """The images whose files exist; the others are added to the problems."""
    seen = set()
    files: dict[Path, list[Image]] = defaultdict(list)
    for record in data["images"]:
        key, name = record.get("id"), record.get("file_name")
        if key_of(key) in seen:
            problems.append(
                f"{path}: the image id {key!r:.40} occurs twice; the second ({name!r:.80}) "
                "is left out"
            )
            continue
        seen.add(key_of(key))
        try:
            photo = _file(path, str(name or ""))
            size = size_of(record.get("width"), record.get("height"))
        except ValueError as error:
            problems.append(f"{path}: image {key!r:.40} ({name!r:.80}): {error}; it is left out")
            continue
        if photo is None:
            problems.append(f"{path}: the photo {name!r:.80} of image {key!r:.40} is missing")
        else:
            files[photo].append(Image(key_of(key), photo, size))
    for photo, images in files.items():
        if len(images) == 1:
            yield images[0]
            continue
        keys = ", ".join(f"{image.key!r:.40}" for image in images[:5])
        problems.append(
            f"{path}: the photo {photo} belongs to {len(images)} images ({keys}), each with a part of "
            "the annotations; give it one id. It is left out"
        )


def _file(path: Path, name: str) -> Path | None:
    """The file of an image in the folder of the JSON, in `images/`, or in a folder of one of these
    with the name at the end of the JSON's (instances_train2017 -> train2017).

    Raises:
        ValueError: the name leads out of the folder of the JSON.
    """
    if not name or "\0" in name:
        return None
    name = name.replace("\\", "/") if not _is_file(path.parent / name) else name
    if ".." in Path(name).parts:
        inside = Path(os.path.normpath(path.parent / name))
        if not inside.is_relative_to(os.path.normpath(path.parent)):
            raise ValueError(
                f"its file_name leads out of {path.parent}; move the photo there, or into images/, and "
                "write the name without '..'"
            )
        return inside if _is_file(inside) else None
    folders = [
        path.parent,
        path.parent / "images",
        path.parent.parent / "images",
        path.parent.parent,
    ]
    folders += [folder / path.stem.rpartition("_")[2] for folder in [*folders]]
    return next((folder / name for folder in folders if _is_file(folder / name)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False
