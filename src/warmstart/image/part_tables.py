"""The tables next to photos: one for all of them, or one for each part, such as `train.csv`."""

from __future__ import annotations

from pathlib import Path

from warmstart.core import records
from warmstart.core.records import SUFFIXES
from warmstart.core.records.columns import LABEL, PHOTO, PHOTO_ID, listed
from warmstart.core.records.part_names import parts_of_names, require_single
from warmstart.errors import UsageError

CLASSES = "_classes.csv"
"""Roboflow's file of class names; of photos with several classes each, a column of 0 and 1 for each
class.
"""


OTHERS = (CLASSES, "sample_submission.csv", "sampleSubmission.csv")
"""Files next to tables of labels, of Roboflow and Kaggle."""


def tables_in(folder: Path) -> list[Path]:
    """The tables of a folder; of several, those of labels."""
    files = sorted(file for file in folder.iterdir() if file.name[0] != "." and file.is_file())
    tables = [file for file in files if file.suffix.lower() in SUFFIXES]
    return tables if len(tables) == 1 else [file for file in tables if file.name not in OTHERS]


def part_tables(folder: Path, problems: list[str]) -> dict[str | None, Path]:
    """The tables of a folder by part; a single one belongs to the part None.

    Of several tables those count that are named after parts. A table to test without all columns
    of the one to train on has no labels, as in Kaggle's competitions.

    Args:
        folder: of photos and tables.
        problems: takes tables that are not read.

    Returns:
        Empty if there is no table, or several and none to train on.

    Raises:
        UsageError: there are two tables for one part.
    """
    tables = tables_in(folder)
    if len(tables) == 1:
        return {None: tables[0]}
    named = parts_of_names([table.stem for table in tables])
    if "train" not in named.values():
        return {}
    by_name = {table.name: named[table.stem] for table in tables if table.stem in named}
    require_single(by_name, str(folder))
    parts: dict[str | None, Path] = {part: folder / name for name, part in by_name.items()}
    others = [table.name for table in tables if table.name not in by_name]
    if others:
        problems.append(
            f"{folder}: {listed(others)} not read, because they are not named after a split"
        )
    if "test" in parts:
        missing = [name for name in _columns(parts["train"]) if name not in _columns(parts["test"])]
        if missing:
            test = parts.pop("test")
            problems.append(
                f"{test}: not read, because it lacks the "
                f"{'column' if len(missing) == 1 else 'columns'} {listed(missing)} of "
                f"{parts['train'].name}"
            )
    return parts


def _columns(table: Path) -> tuple[str, ...]:
    """The columns of a table; of a damaged one none."""
    layouts = (PHOTO, LABEL), (PHOTO,)
    try:
        return records.read_table(table, *layouts, optional=(PHOTO_ID,)).columns
    except UsageError:
        return ()
