"""Infer the task from a folder or table of labelled data, if no task is named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import click

from warmstart.cli.parameters import options_with_values
from warmstart.core.reading import check_exists
from warmstart.core.records import LABEL, PHOTO, SUFFIXES, TEXT, Table, content, read_table
from warmstart.core.records.columns import CONTEXT, QUESTION, RECORDING, SIDES, TAGS, TOKENS, Field
from warmstart.core.records.options import (
    BoxTable,
    MaskTable,
    PhotoTable,
    QuestionTable,
    RecordingTable,
    TableOptions,
    TextTable,
    TokenTable,
)
from warmstart.core.records.split_names import splits_of_names
from warmstart.core.records.values import is_missing
from warmstart.core.task import TASKS, Task
from warmstart.errors import UsageError

JSON_HEAD = 65_536
"""Bytes of a JSON file that are searched for its keys."""
MAX_FILES = 200
"""Maximum number of files of a folder that are examined."""
ANNOTATION_FOLDERS = {
    "images",
    "masks",
    "labels",
    "annotations",
    "jpegimages",
    "imagesets",
    "segmentationclass",
}
"""Names of folders in data sets of boxes and masks, in lower case; they are not classes."""
FIELDS: dict[type[TableOptions], tuple[Field, ...]] = {
    QuestionTable: (QUESTION, CONTEXT),
    TokenTable: (TOKENS, TAGS),
    TextTable: (TEXT, LABEL),
}
"""Table options of a task -> the columns of such a table; the first match counts."""


def data_argument(args: Sequence[str], parameters: Sequence[click.Parameter]) -> str | None:
    """The first argument that is neither an option nor the value of one."""
    with_values = options_with_values(parameters)
    rest = iter(args)
    for arg in rest:
        if arg in with_values:
            next(rest, None)
        elif not arg.startswith("-"):
            return arg
    return None


def task_of_data(data: str) -> Task:
    """The task that labelled data is for.

    Raises:
        UsageError: the data does not exist, has no class folders, or fits several tasks, which the
            message lists.
    """
    check_exists(data)
    path = Path(data).expanduser()
    options_class = _of_folder(path) if path.is_dir() else _of_file(path)
    if options_class is None and path.is_dir():
        _check_classes(path, data)
    if options_class is None:
        tables = (BoxTable, MaskTable) if _is_annotated(path) else (object,)
        names = ", ".join(
            name
            for name, task in TASKS.items()
            if task.trainer and issubclass(task.train_options_class(), tables)
        )
        raise UsageError(f"{data} may be for several tasks; name one with --task: {names}.")
    return _task_that_reads(options_class)


def _is_annotated(path: Path) -> bool:
    """Whether data has boxes or masks: `data.yaml`, COCO's JSON, or folders such as `masks/`."""
    if path.is_dir():
        names = {child.name.lower() for child in path.iterdir()}
        return bool(names & {*ANNOTATION_FOLDERS, "data.yaml"})
    if path.suffix.lower() == ".json":
        with path.open("rb") as file:
            head = file.read(JSON_HEAD)
        return b'"images"' in head or b'"categories"' in head
    return path.suffix.lower() in (".yaml", ".yml")


def _task_that_reads(table: type[TableOptions]) -> Task:
    """The task whose fine-tuning reads such tables, and no more specific ones."""
    special = BoxTable if table is PhotoTable else ()
    return next(
        task
        for task in TASKS.values()
        if task.trainer
        and issubclass(task.train_options_class(), table)
        and not issubclass(task.train_options_class(), special)
    )


def _of_folder(folder: Path) -> type[TableOptions] | None:
    """Photos or texts with classes, if all files in class folders are pictures, or all are .txt files;
    else None.
    """
    children = _folders(folder)
    names = {child.name.lower() for child in children}
    splits = splits_of_names([child.name for child in children])
    if splits and len(splits) == len(children):
        options_classes = {_of_folder(child) for child in children}
        return options_classes.pop() if len(options_classes) == 1 else None
    if len(children) < 2 or names & ANNOTATION_FOLDERS:
        return None
    return _of_files(file for child in children for file in islice(_files(child), MAX_FILES))


def _of_files(names: Iterable[str]) -> type[TableOptions] | None:
    """Photos, if all files are pictures; texts, if all are .txt files; else None."""
    suffixes = {Path(name).suffix.lower() for name in names}
    if suffixes and suffixes <= _task_that_reads(PhotoTable).input_kind().suffixes:
        return PhotoTable
    return TextTable if suffixes == {".txt"} else None


def _check_classes(folder: Path, name: str) -> None:
    """Refuse photos or texts of one class, or without class folders.

    Args:
        folder: of data that fits no task by itself.
        name: of the folder, for messages.

    Raises:
        UsageError: the folder has only such files.
    """
    children = _folders(folder)
    splits = splits_of_names([child.name for child in children])
    if splits and len(splits) == len(children):
        for child in children:
            _check_classes(child, str(child))
        return
    if len(children) > 1 or any(child.name.lower() in ANNOTATION_FOLDERS for child in children):
        return
    options_class = _of_files(islice(_files(folder), MAX_FILES))
    if options_class is None:
        return
    if children and _of_folder(children[0]) is not None:
        raise UsageError(f"{name} has no class folders, but {children[0]} has: pass that folder.")
    plural = _task_that_reads(options_class).input_kind().plural
    what = f"one class folder, {children[0].name}" if children else "no class folders"
    raise UsageError(
        f"{name} has {what}: for two or more classes, put the {plural} of each class into a folder of "
        "its name; for another task, name it with --task."
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def _files(folder: Path) -> Iterator[str]:
    for _, _, names in os.walk(folder):
        yield from (name for name in names if name[0] != ".")


def _of_file(path: Path) -> type[TableOptions] | None:
    if path.suffix.lower() not in SUFFIXES:
        return None
    fields: list[Field] = [PHOTO, LABEL, *SIDES, RECORDING, TEXT, QUESTION, CONTEXT, TOKENS, TAGS]
    try:
        table = read_table(path, (PHOTO, LABEL), (TEXT, LABEL), optional=fields)
    except UsageError:
        if path.suffix.lower() == ".json":  # of COCO or SQuAD, perhaps
            return None
        raise
    if table.positional:
        return None
    columns = {column.casefold() for column in table.columns}

    def has(*needed: Field) -> bool:
        return all(columns & field.usual_names for field in needed)

    files = _files_of(table)
    if files is PhotoTable and has(*SIDES):
        return BoxTable
    if files is not None:
        return files
    for options_class, needed in FIELDS.items():
        if has(*needed):
            return options_class
    texts = content.columns_that(content.are_texts, table.cells(), ())
    return TextTable if len(texts) == 1 else None


def _files_of(table: Table) -> type[TableOptions] | None:
    """The options of tables of photos or recordings, if a column names such files; else None."""
    for cells in table.cells().values():
        names = [cell for cell in cells if isinstance(cell, str) and not is_missing(cell)]
        suffixes = {Path(name).suffix.lower() for name in names}
        for options_class in (PhotoTable, RecordingTable):
            known = _task_that_reads(options_class).input_kind().suffixes
            if names and len(names) == len(cells) and suffixes <= known:
                return options_class
    return None
