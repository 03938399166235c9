"""COCO's JSON: photos, categories and annotations in one file, and boxes as x, y, width, height."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.errors import UsageError
from warmstart.image.annotations.collector import BoxData, Collector

LARGEST_JSON = 2**31


def read(path: Path, collector: Collector) -> BoxData:
    """All photos of the file, also those without a box.

    Raises:
        UsageError: it is no such file, or nothing in it can be used.
    """
    data = load(path)
    names = category_names(data, path)
    if collector.labels is None:
        collector.labels = [names[key] for key in sorted(names)]
    things: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    for place, record in enumerate(data["annotations"], 1):
        category, box = record.get("category_id"), record.get("bbox")
        what = f"{path}: annotation {record.get('id', place)}"
        if category not in names:
            collector.problems.append(
                f"{what}: the category {category!r} is not among the categories"
            )
        elif (
            not isinstance(box, list)
            or len(box) != 4
            or not all(isinstance(v, int | float) for v in box)
        ):
            collector.problems.append(f"{what}: has no bbox of four numbers")
        else:
            x, y, width, height = box
            area = record.get("area")
            things[record.get("image_id")].append(
                (
                    names[category],
                    x,
                    y,
                    x + width,
                    y + height,
                    bool(record.get("iscrowd")),
                    area if isinstance(area, int | float) else None,
                )
            )
    known = set()
    for record, photo in photos(data, path, collector.problems):
        known.add(record["id"])
        size = (record.get("width", 0), record.get("height", 0))
        collector.add(photo, str(photo), things.get(record["id"], ()), size)
    for missing in sorted(things.keys() - known - {r.get("id") for r in data["images"]}, key=str):
        collector.problems.append(
            f"{path}: {len(things[missing])} annotations belong to the image {missing!r}, which "
            "is not among the images"
        )
    return collector.data(str(path))


def load(path: Path) -> Mapping[str, Any]:
    """The JSON with its three lists.

    Raises:
        UsageError: it is no such file.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise UsageError(f"{path} is larger than {LARGEST_JSON >> 30} GiB.")
        data: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} cannot be read as JSON: {error}") from error
    for key in ("images", "annotations", "categories"):
        records = data.get(key) if isinstance(data, dict) else None
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise UsageError(f"{path} is no COCO file: it has no list {key!r} of records.")
    return data


def category_names(data: Mapping[str, Any], path: Path) -> dict[int, str]:
    """Name of each category by its id.

    Raises:
        UsageError: ids or names are missing or come twice.
    """
    names: dict[int, str] = {}
    for record in data["categories"]:
        key, name = record.get("id"), record.get("name")
        if not isinstance(key, int) or not isinstance(name, str):
            raise UsageError(f"{path}: a category has no integer id or no name.")
        if key in names or name in names.values():
            raise UsageError(f"{path}: the category {key} ({name!r}) is there twice.")
        names[key] = name
    return names


def photos(
    data: Mapping[str, Any], path: Path, problems: list[str]
) -> list[tuple[Mapping[str, Any], Path]]:
    """The images whose file is there; duplicate ids and missing files are listed."""
    found, seen = [], set()
    for record in data["images"]:
        key, name = record.get("id"), record.get("file_name")
        if key in seen:
            problems.append(
                f"{path}: the image id {key!r} is there twice; the second ({name!r}) is left out"
            )
            continue
        seen.add(key)
        photo = _file(path, str(name or ""))
        if photo is None:
            problems.append(f"{path}: the photo {name!r} of image {key!r} is missing")
        else:
            found.append((record, photo))
    return found


def _file(path: Path, name: str) -> Path | None:
    """Beside the JSON, in `images/`, or in a folder called as the JSON ends (instances_train2017 ->
    train2017).
    """
    if not name or ".." in Path(name).parts:
        return None
    folders = [
        path.parent,
        path.parent / "images",
        path.parent.parent / "images",
        path.parent.parent,
    ]
    folders += [
        folder / path.stem.rpartition("_")[2] for folder in (path.parent, path.parent.parent)
    ]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)
