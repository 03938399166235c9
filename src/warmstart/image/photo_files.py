"""The photos of a folder of labelled data, by suffix or else by content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from warmstart.core.inputs import iter_items, natural
from warmstart.core.records import SUFFIXES as TABLES
from warmstart.core.records.columns import listed
from warmstart.counts import counted
from warmstart.errors import InputError, UsageError
from warmstart.image import formats

NOT_PHOTOS = frozenset(
    {*TABLES, ".txt", ".xml", ".yaml", ".yml", ".md", ".html", ".htm", ".ini", ".db", ".log", ".cache",
     ".py", ".ipynb", ".pdf", ".mat", ".doc", ".docx", ".xls", ".xlsx", ".names",
     ".labels", ".data", ".cfg"}
)  # fmt: skip
"""Suffixes of files that are often next to photos, and are not photos."""
CONTAINERS = ("TIFF",)
"""Formats that do not identify a photo with another suffix, such as a camera's raw picture."""


def existing(source: Any) -> Path | None:
    """The path of a source, with `~` expanded; None for a source that is not a path.

    Raises:
        UsageError: the file or folder does not exist.
    """
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source).expanduser()
    if not path.exists():
        raise UsageError(f"The file or folder {path} does not exist.")
    return path


def folders_of(folder: Path) -> list[Path]:
    """The folders in a folder in natural order, without hidden ones and those that macOS adds to
    archives.
    """
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]
    names = [name for name in names if name != "__MACOSX"]
    return [folder / name for name in sorted(names, key=natural)]


def folders_called(folder: Path, names: Sequence[str]) -> list[Path]:
    """The folders in a folder with one of these names, in the order of the names, regardless of
    case.
    """
    order = {name.lower(): index for index, name in enumerate(names)}
    folders = [child for child in folders_of(folder) if child.name.lower() in order]
    return sorted(folders, key=lambda child: order[child.name.lower()])


def photos_of(folder: Path, problems: list[str] | None = None) -> list[Path]:
    """All photos below a folder, in natural order, without hidden ones.

    A file with another suffix, such as `cat` or `cat.jpg_large`, is a photo if its content is.

    Args:
        folder: to search recursively.
        problems: receives a line on files that may be photos but cannot be read.
    """
    return _photos(_files(folder, problems), folder, problems)


def has_photos(folder: Path) -> bool:
    """Whether there is a photo below a folder; faster than `photos_of`."""
    return any(file.suffix.lower() in formats.SUFFIXES for file in _files(folder, None)) or bool(
        photos_of(folder)
    )


def photos_in(folder: Path, problems: list[str] | None = None) -> list[Path]:
    """The photos in a folder, without those in its folders; see `photos_of`."""
    files = (file for file in folder.iterdir() if file.name[0] != "." and not file.is_dir())
    return _photos(sorted(files, key=lambda file: natural(file.name)), folder, problems)


def _files(folder: Path, problems: list[str] | None) -> Iterator[Path]:
    """All files below a folder; a folder that cannot be read is a problem."""
    try:
        for item in iter_items(folder, suffixes=None, what="file"):
            if not isinstance(item.value, InputError):
                yield Path(item.value)
            elif problems is not None:
                problems.append(str(item.value))
    except UsageError:  # the folder is empty
        pass


def _photos(files: Iterable[Path], folder: Path, problems: list[str] | None) -> list[Path]:
    photos: list[Path] = []
    others: list[Path] = []
    for file in files:
        if file.suffix.lower() in formats.SUFFIXES or _is_photo(file):
            photos.append(file)
        elif file.suffix.lower() not in NOT_PHOTOS:
            others.append(file)
    if others and problems is not None:
        names = listed((file.relative_to(folder) for file in others), 3)
        problems.append(
            f"{folder}: {counted(len(others), 'file')} not read, because they are not "
            f"{formats.NAMES}: {names}; convert or remove them"
        )
    return photos


def _is_photo(file: Path) -> bool:
    """Whether a file is a photo by its content."""
    if file.suffix.lower() in NOT_PHOTOS:
        return False
    try:
        with open(os.fspath(file), "rb") as opened:
            format_name = formats.format_of(opened.read(formats.HEAD), str(file))
    except (OSError, InputError):
        return False
    return format_name not in CONTAINERS or not file.suffix
