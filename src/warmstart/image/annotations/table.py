"""A CSV or TSV with one box a line: image, label, xmin, ymin, xmax, ymax."""

from __future__ import annotations

import csv
from pathlib import Path

from warmstart.errors import UsageError
from warmstart.image.annotations.collector import BoxData, Collector, Thing

COLUMNS = {"image": ("image", "filename", "file", "path", "photo", "image_path"), "label": ("label", "class", "name"),
           "xmin": ("xmin", "x1", "left"), "ymin": ("ymin", "y1", "top"), "xmax": ("xmax", "x2", "right"),
           "ymax": ("ymax", "y2", "bottom")}


def read(path: Path, collector: Collector) -> BoxData:
    """All photos that the table names; a line with an empty label is a photo without boxes.

    Raises:
        UsageError: a column is missing, or nothing can be used.
    """
    things: dict[str, list[Thing]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            places = _places(next(rows, []), path)
            for number, row in enumerate(rows, 2):
                if not any(cell.strip() for cell in row):
                    continue
                cells = {key: row[place].strip() if place < len(row) else "" for key, place in places.items()}
                boxes = things.setdefault(cells["image"], [])
                if not cells["label"] and not cells["xmin"]:
                    continue
                try:
                    x, y, right, bottom = (float(cells[key]) for key in ("xmin", "ymin", "xmax", "ymax"))
                except ValueError:
                    collector.problems.append(f"{path}: line {number} has no four numbers")
                    continue
                boxes.append((cells["label"], x, y, right, bottom))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as a table: {error}") from error
    for name, boxes in things.items():
        photo = Path(name) if Path(name).is_absolute() else path.parent / name
        if not photo.is_file() and (path.parent / "images" / name).is_file():
            photo = path.parent / "images" / name
        if photo.is_file():
            collector.add(photo, str(photo), boxes)
        else:
            collector.problems.append(f"{path}: the photo {name!r} is missing")
    return collector.data(str(path))


def _places(head: list[str], path: Path) -> dict[str, int]:
    named = [cell.strip().lower() for cell in head]
    places = {key: next((named.index(name) for name in names if name in named), -1) for key, names in COLUMNS.items()}
    missing = [key for key, place in places.items() if place < 0]
    if missing:
        raise UsageError(f"{path}: the table's first line lacks the columns {', '.join(missing)}; it has "
                         f"{', '.join(head) or 'nothing'}.")
    return places
