"""Labelled photos from all sources that fine-tuning and `evaluate` take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from warmstart.core import records
from warmstart.core.records import LABEL, PHOTO, Labelled, Reading
from warmstart.core.records.columns import PHOTO_ID, listed
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.image.annotations import coco, labelme
from warmstart.image.annotations.box_formats import columns_of
from warmstart.image.arrays import are_arrays, pairs
from warmstart.image.class_folders import class_folders, has_classes, is_numbered, task_name
from warmstart.image.photo_files import existing, folders_of, has_photos, photos_in
from warmstart.image.split_folders import split_folders
from warmstart.image.split_tables import CLASSES, split_tables, tables_in

COMPARED = 500
"""Rows of a table that are compared with the class folders next to it."""


def labelled_photos(data: Any, **keywords: Any) -> Iterator[Labelled]:
    """The labelled photos of a source.

    Args:
        data: a folder of class folders; a folder of photos with a table, or a table per split; a
            folder of splits, such as `train/` and `val/`, each of which is one of these; a table,
            dataset or pairs (photo, label), see `core.records.read_table`; or arrays (x, y).
        **keywords: see `core.records.Reading`; `problems` also receives what is not read.

    Raises:
        UsageError: see `core.records.read_photos`; or a folder is ambiguous or has no labels.
    """
    reading = records.Reading(**keywords)
    path = existing(data)
    if path is None:
        yield from _of_table(pairs(data) if are_arrays(data) else data, reading)
    elif path.is_dir():
        yield from _of_folder(path, reading)
    else:
        if path.suffix.lower() == ".json" and coco.has_lists(path):
            raise UsageError(
                f"{path} has the annotations of COCO, which are not classes of photos. Set "
                f"task={task_name('detect')!r} for its boxes, or {task_name('segment')!r} for its masks."
            )
        yield from _of_table(path, reading)


def _of_folder(folder: Path, reading: Reading, outer: Path | None = None) -> Iterator[Labelled]:
    """The photos of a folder; `outer`: the user's folder, if it is another."""
    assert reading.problems is not None
    problems = reading.problems
    splits = split_folders(folder, _is_labelled, "class folders", problems)
    if splits:
        _list_unread(folder, "folders of splits", problems)
        for split, child in splits.items():
            for example in _of_folder(child, reading):
                yield replace(example, split=split)
    elif not _tables(folder) and (inner := _inner_folder(folder)) is not None:
        if reading.columns is not None:
            reading.columns.append(f"folder: {inner}")
        if loose := len(photos_in(folder)):
            problems.append(f"{folder}: {counted(loose, 'photo')} not used, next to {inner.name}/")
        yield from _of_folder(inner, reading, folder)
    else:
        yield from _of_split(folder, reading, problems, outer)


def _inner_folder(folder: Path) -> Path | None:
    """The only folder with photos in a folder, if its photos are labelled: `images/`, as in
    Food-101 and CUB-200, or the folder of an archive. None for any other folder.
    """
    children = list(islice(filter(has_photos, folders_of(folder)), 2))
    if len(children) != 1:
        return None
    (child,) = children
    is_data_set = (
        bool(_tables(child))
        or has_classes(child, several=True)
        or bool(split_folders(child, _is_labelled, "class folders", []))
        or _inner_folder(child) is not None
    )
    return child if is_data_set else None


def _is_labelled(folder: Path) -> bool:
    return bool(_tables(folder)) or has_classes(folder)


def _tables(folder: Path) -> list[Path]:
    """The tables of a folder, without other JSON files, such as those of boxes."""
    if coco.is_coco(folder) or labelme.is_labelme(folder):
        return []
    return [
        file
        for file in tables_in(folder)
        if file.suffix.lower() != ".json" or _is_table(file, file.stat().st_mtime_ns)
    ]


@lru_cache(maxsize=64)
def _is_table(file: Path, changed: int) -> bool:
    """Whether a JSON file contains records of two columns or more; `changed`: its modification
    time.
    """
    try:
        return len(records.read_table(file, (PHOTO, LABEL)).columns) > 1
    except UsageError:
        return False


def _list_unread(folder: Path, what: str, problems: list[str]) -> None:
    """Add the tables of a folder, which are not read, to `problems`."""
    if tables := _tables(folder):
        names = listed([table.name for table in tables], 3)
        problems.append(
            f"{folder}: {names} not read, because there are {what}; to use a table, pass its path"
        )


def _of_split(
    folder: Path, reading: Reading, problems: list[str], outer: Path | None = None
) -> Iterator[Labelled]:
    """The photos of a folder that has no folders of splits."""
    tables = _tables(folder)
    of_files = [name for name in ("encoding", "delimiter") if getattr(reading, name) is not None]
    named = [*reading.named, *of_files]  # options for tables
    if not tables and named:
        raise UsageError(
            f"{folder} is read without a table, and only a table takes {listed(named)}."
        )
    if not tables or (not named and has_classes(folder, several=True) and not is_numbered(folder)):
        for table in tables:
            _refuse_other_labels(folder, table, reading)
        _list_unread(folder, "class folders", problems)
        yield from class_folders(folder, problems, reading.columns, outer=outer)
        return
    by_split = split_tables(folder, problems)
    if not by_split:
        names = " and ".join(table.name for table in tables_in(folder)[:3])
        raise UsageError(
            f"{folder} contains the tables {names} and no class folders; pass the path of the "
            "one to read."
        )
    for split, table in by_split.items():
        for example in _of_table(table, reading):
            yield example if split is None else replace(example, split=split)


def _refuse_other_labels(folder: Path, table: Path, reading: Reading) -> None:
    """Refuse class folders whose photos have other labels in a table.

    Raises:
        UsageError: the folders and the labels of the table do not correspond one to one.
    """
    names: set[tuple[str, Any]] = set()
    try:
        examples = _of_table(table, replace(reading, problems=[], columns=[]))
        for example in islice(examples, COMPARED):
            photo = Path(example.value) if isinstance(example.value, str) else folder
            if photo != folder and photo.is_relative_to(folder) and photo.is_file():
                names.add((photo.relative_to(folder).parts[0], example.label))
    except UsageError:  # the table has no labels
        return
    if not len(names) == len({class_ for class_, _ in names}) == len({label for _, label in names}):
        class_, label = min(names, key=str)
        raise UsageError(
            f"{folder} can be read in two ways: as class folders, or by {table.name}, which "
            f"gives their photos other labels, such as {label!r:.40} in {class_}/. To use "
            "the table, pass its path or label_column; otherwise move it elsewhere."
        )


def _of_table(data: Any, reading: Reading) -> Iterator[Labelled]:
    several = reading.multi_label
    if isinstance(data, Path) and data.name == CLASSES and several is None:
        several = True
    if records.is_table(data) and reading.label_column is None:
        data = _table_of_photos(data, reading)
    lines: list[str] = []
    yield from records.read_photos(
        data, **vars(replace(reading, multi_label=several, columns=lines))
    )
    if (columns := reading.columns) is not None:
        columns += [line for line in lines if line not in columns]


def _table_of_photos(data: Any, reading: Reading) -> records.Table:
    """Read a table, and refuse one of boxes, whose labels are not those of photos.

    Raises:
        UsageError: the table has the columns of boxes.
    """
    table = records.read_table(data, (PHOTO, LABEL), reading=reading, optional=(PHOTO_ID,))
    sides, _ = columns_of(table.columns, positional=False)
    if sides is not None and not table.positional:
        raise UsageError(
            f"{table.name} has the columns {listed(sides)}, so a row is a box, or a photo. For boxes, "
            f"set task={task_name('detect')!r}; for photos, name the column of classes with "
            "label_column."
        )
    return table
