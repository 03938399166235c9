"""The classes of masks from files next to them: names in order, or a colour per class."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from warmstart.errors import UsageError
from warmstart.image.annotations import name_files
from warmstart.image.annotations.mask_values import Colours
from warmstart.image.split_tables import CLASSES

NAMES = ("labels.txt", "classes.txt", "codes.txt")
COLOURS = ("class_dict.csv", "labelmap.txt")
"""CamVid's file has a row `name,r,g,b` per class, and CVAT's a line `name:r,g,b::`."""


@dataclass(frozen=True)
class MaskClasses:
    """The classes of masks.

    Attributes:
        names: in the order of the values, or None.
        colours: of the classes in masks of colours, or None.
    """

    names: Sequence[str] | None = None
    colours: Colours | None = None


def classes_of(folders: Sequence[Path]) -> MaskClasses:
    """The classes of the masks in these folders.

    Raises:
        UsageError: a file is damaged, or two of them disagree.
    """
    lists = [(file, name_files.read_names(file)) for file in _files(folders, NAMES)]
    lists += [(file, _numbered(file)) for file in _files(folders, (CLASSES,))]
    name_files.refuse_two_lists([(file, dict(enumerate(names))) for file, names in lists])
    names = lists[0][1] if lists else None
    colours = [_colours(file) for file in _files(folders, COLOURS)]
    return MaskClasses(names or [*colours[0]], colours[0]) if colours else MaskClasses(names)


def _files(folders: Sequence[Path], names: Sequence[str]) -> list[Path]:
    return [folder / name for folder in folders for name in names if (folder / name).is_file()]


def _numbered(file: Path) -> list[str]:
    """The names of Roboflow's `_classes.csv`: pixel values and classes.

    Raises:
        UsageError: the values are not 0, 1, 2, ….
    """
    _, *rows = _rows(file) or [[]]
    try:
        names = {int(value): name for value, name in rows}
    except ValueError:
        names = {}
    if not rows or sorted(names) != [*range(len(rows))]:
        raise UsageError(
            f"{file} does not list the pixel values 0, 1, 2, … and their classes, one per row."
        )
    return [names[value] for value in range(len(rows))]


def _colours(file: Path) -> dict[str, tuple[int, int, int]]:
    """The colours of the classes of a file.

    Raises:
        UsageError: a row is not a name and three numbers, or a name or colour is repeated.
    """
    rows = _rows(file)[1:] if file.suffix == ".csv" else _of_cvat(file)
    colours: dict[str, tuple[int, int, int]] = {}
    for row in rows:
        try:
            name, *levels = row[:4]
            red, green, blue = map(int, levels)
        except ValueError:
            raise UsageError(
                f"{file}: {','.join(row)!r:.60} is not a row with a class and its colour."
            ) from None
        if name in colours or (red, green, blue) in colours.values():
            raise UsageError(f"{file}: the class {name!r} or its colour occurs twice.")
        colours[name] = red, green, blue
    if not colours:
        raise UsageError(f"{file} has no classes.")
    return colours


def _of_cvat(file: Path) -> list[list[str]]:
    lines = file.read_text("utf-8-sig", "replace").splitlines()
    fields = [line.split(":") for line in lines if line.strip() and not line.startswith("#")]
    return [[name, *(colour[0].split(",") if colour else ())] for name, *colour in fields]


def _rows(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as opened:
        rows = [[cell.strip() for cell in row] for row in csv.reader(opened)]
    return [row for row in rows if any(row)]
