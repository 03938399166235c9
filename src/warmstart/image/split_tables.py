"""The tables next to photos: one for all of them, or one per split, such as `train.csv`."""

from __future__ import annotations

from pathlib import Path

from warmstart.core import records
from warmstart.core.records import SUFFIXES
from warmstart.core.records.columns import LABEL, PHOTO, PHOTO_ID, listed
from warmstart.core.records.split_names import require_single, splits_of_names
from warmstart.errors import UsageError

CLASSES = "_classes.csv"
"""Roboflow's file of classes: a list of names, or for several classes per photo one column of 0 and
1 per class.
"""


OTHERS = (CLASSES, "sample_submission.csv", "sampleSubmission.csv")
"""Files of Roboflow and Kaggle next to tables of labels."""


def tables_in(folder: Path) -> list[Path]:
    """The tables of a folder; if there are several, those of labels."""
    files = sorted(file for file in folder.iterdir() if file.name[0] != "." and file.is_file())
    tables = [file for file in files if file.suffix.lower() in SUFFIXES]
    return tables if len(tables) == 1 else [file for file in tables if file.name not in OTHERS]


def split_tables(folder: Path, problems: list[str]) -> dict[str | None, Path]:
    """The tables of a folder by split; a single one has the split None.

    Of several tables, those named after splits are read. A test table that lacks columns of the
    training table has no labels, as in Kaggle's competitions, and is not read.

    Args:
        folder: of photos and tables.
        problems: receives a line on tables that are not read.

    Returns:
        Empty if there is no table, or several without a training table.

    Raises:
        UsageError: a split has two tables.
    """
    tables = tables_in(folder)
    if len(tables) == 1:
        return {None: tables[0]}
    named = splits_of_names([table.stem for table in tables])
    if "train" not in named.values():
        return {}
    by_name = {table.name: named[table.stem] for table in tables if table.stem in named}
    require_single(by_name, str(folder))
    splits: dict[str | None, Path] = {split: folder / name for name, split in by_name.items()}
    others = [table.name for table in tables if table.name not in by_name]
    if others:
        problems.append(
            f"{folder}: {listed(others)} not read, because they are not named after a split"
        )
    if "test" in splits:
        missing = [
            name for name in _columns(splits["train"]) if name not in _columns(splits["test"])
        ]
        if missing:
            test = splits.pop("test")
            problems.append(
                f"{test}: not read, because it lacks the "
                f"{'column' if len(missing) == 1 else 'columns'} {listed(missing)} of "
                f"{splits['train'].name}"
            )
    return splits


def _columns(table: Path) -> tuple[str, ...]:
    """The columns of a table; none if it is damaged."""
    layouts = (PHOTO, LABEL), (PHOTO,)
    try:
        return records.read_table(table, *layouts, optional=(PHOTO_ID,)).columns
    except UsageError:
        return ()
