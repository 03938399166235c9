"""Class folders of texts: a folder for each class, with one text per file.

aclImdb/train/pos/0_9.txt    splits, classes, texts (Maas et al. 2011)
20_newsgroup/sci.space/59848 classes and texts; where no file is a .txt file, those without a
                             suffix
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from warmstart.core.inputs import natural
from warmstart.core.records import SUFFIXES, abbreviated
from warmstart.core.records.encodings import decoded_lines
from warmstart.core.records.record import Record
from warmstart.core.records.split_names import require_single, splits_of_names
from warmstart.core.records.table import Table
from warmstart.counts import counted
from warmstart.errors import RecordError, UsageError

UNLABELLED = frozenset({"unsup", "unsupervised", "unlabeled", "unlabelled"})
"""Names, in lower case, of folders of texts without a class."""
TEXT, LABEL, SPLIT = "text", "label", "split"
"""Columns of the table that a folder becomes."""


def read(folder: Path, problems: list[str] | None, encoding: str | None) -> Table:
    """The texts of a folder as a table.

    Args:
        folder: with a folder for each class, or for each split with its classes.
        problems: takes texts that are not used, counted.
        encoding: of the files; default: UTF-8, or what a byte order mark says.

    Raises:
        UsageError: there are no class folders with texts, or it is not clear which folders are the
            splits.
    """
    names = splits_of_names([child.name for child in _folders(folder)])
    splits = {name: split for name, split in names.items() if _classes(folder / name)}
    if not splits:
        return _table(folder, {None: folder}, problems, encoding)
    require_single({f"{name}/": split for name, split in splits.items()}, str(folder))
    others = [child.name for child in _folders(folder) if child.name not in splits]
    if others:
        raise UsageError(
            f"{folder} has the splits {', '.join(f'{name}/' for name in splits)} and also "
            f"{abbreviated(others)}: rename splits to train/, val/ or test/, and move everything "
            "else elsewhere."
        )
    return _table(
        folder, {split: folder / name for name, split in splits.items()}, problems, encoding
    )


def _table(
    folder: Path,
    splits: dict[str | None, Path],
    problems: list[str] | None,
    encoding: str | None,
) -> Table:
    files: list[tuple[Path, str, str | None]] = []
    for split, parent in splits.items():
        for name, texts in _classes(parent).items():
            if name.casefold() not in UNLABELLED:
                files += [(file, name, split) for file in texts]
            elif problems is not None:
                problems.append(
                    f"{parent / name}: {counted(len(texts), 'text')} not used, without a class"
                )
        if (loose := _texts(parent)) and problems is not None:
            problems.append(
                f"{parent}: {abbreviated([file.name for file in loose])} not used, in no class folder"
            )
    if len({name for _, name, _ in files}) < 2:
        raise UsageError(_refusal(folder))
    columns = (TEXT, LABEL) if [*splits] == [None] else (TEXT, LABEL, SPLIT)
    return Table(str(folder), columns, _records(files, columns, encoding), folder)


def _records(
    files: Sequence[tuple[Path, str, str | None]], columns: Sequence[str], encoding: str | None
) -> Iterator[Record | RecordError]:
    for path, label, split in files:
        name = str(path)
        try:
            with path.open("rb") as file:
                text = "".join(decoded_lines(file, name, encoding)).strip()
        except RecordError as error:
            yield error
        except OSError as error:
            yield RecordError(f"{name}: cannot be opened ({error.strerror or error})", name)
        else:
            yield Record(name, dict(zip(columns, (text, label, split), strict=False)))


def _refusal(folder: Path) -> str:
    tables = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if tables:
        return f"{folder} is a folder; pass the path of the table to read: {abbreviated(tables)}."
    return (
        f"{folder} contains no class folders: put the texts of each class into a folder of its name, one .txt "
        f"file each, or name a table ({', '.join(SUFFIXES)})."
    )


def _classes(folder: Path) -> dict[str, list[Path]]:
    """The texts of the folders of a folder, without those that have none."""
    every = {child.name: _texts(child) for child in _folders(folder)}
    return {name: texts for name, texts in every.items() if texts}


def _texts(folder: Path) -> list[Path]:
    files = [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    texts = [path for path in files if path.suffix.lower() == ".txt"]
    texts = texts or [path for path in files if not path.suffix]
    return sorted(texts, key=lambda path: natural(path.name))


def _folders(folder: Path) -> list[Path]:
    folders = [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    return sorted(folders, key=lambda path: natural(path.name))
