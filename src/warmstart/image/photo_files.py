"""The photos of a folder of labelled data: by their names, and by their content where a name says
nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from warmstart.core.inputs import iter_items, natural
from warmstart.core.records import SUFFIXES as TABLES
from warmstart.core.terminal import counted
from warmstart.errors import InputError, UsageError
from warmstart.image import formats

NOT_PHOTOS = frozenset(
    {*TABLES, ".txt", ".xml", ".yaml", ".yml", ".md", ".html", ".htm", ".ini", ".db", ".log", ".cache",
     ".py", ".ipynb", ".pdf", ".mat", ".doc", ".docx", ".xls", ".xlsx", ".names",
     ".labels", ".data", ".cfg"}
)  # fmt: skip
"""Suffixes of files that people keep next to photos, and that nobody takes for one."""
CONTAINERS = ("TIFF",)
"""Formats whose files under other names are something else, such as a camera's raw picture with a
small preview."""


def existing(source: Any) -> Path | None:
    """The path that a source is, with `~` expanded; None for other sources.

    Raises:
        UsageError: nothing is there.
    """
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source).expanduser()
    if not path.exists():
        raise UsageError(f"The file or folder {path} does not exist.")
    return path


def folders_of(folder: Path) -> list[Path]:
    """The folders in a folder that are not hidden, in natural order; without what macOS adds to an
    archive.
    """
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]
    names = [name for name in names if name != "__MACOSX"]
    return [folder / name for name in sorted(names, key=natural)]


def folders_called(folder: Path, names: Sequence[str]) -> list[Path]:
    """The folders in a folder that have one of these names, in the order of the names; case does not
    count.
    """
    order = {name.lower(): index for index, name in enumerate(names)}
    known = [child for child in folders_of(folder) if child.name.lower() in order]
    return sorted(known, key=lambda child: order[child.name.lower()])


def photos_of(folder: Path, problems: list[str] | None = None) -> list[Path]:
    """All photos below a folder, in natural order; hidden ones are left out.

    A file whose suffix is not one of a photo is read where its content is one: `cat`,
    `cat.jpg_large`.

    Args:
        folder: is searched to its end.
        problems: takes a line with the files that may be photos and cannot be read.
    """
    return _photos(_files(folder, problems), folder, problems)


def has_photos(folder: Path) -> bool:
    """Whether there is a photo below a folder; faster than `photos_of`."""
    return any(file.suffix.lower() in formats.SUFFIXES for file in _files(folder, None)) or bool(
        photos_of(folder)
    )


def photos_in(folder: Path, problems: list[str] | None = None) -> list[Path]:
    """As `photos_of`, without those of the folders in it."""
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
    except UsageError:  # it is empty
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
        names = ", ".join(str(file.relative_to(folder)) for file in others[:3])
        more = f" and {len(others) - 3:,} more" if len(others) > 3 else ""
        problems.append(
            f"{folder}: {counted(len(others), 'file')} not read, because they are not "
            f"{formats.NAMES}: {names}{more}; convert or remove them"
        )
    return photos


def _is_photo(file: Path) -> bool:
    """Whether the content of a file is a photo, whatever its name."""
    if file.suffix.lower() in NOT_PHOTOS:
        return False
    try:
        with open(os.fspath(file), "rb") as opened:
            known = formats.format_of(opened.read(formats.HEAD), str(file))
    except (OSError, InputError):
        return False
    return known not in CONTAINERS or not file.suffix
