"""Folders of class folders, with or without parts to train on, to validate and to test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from warmstart.core.records import SUFFIXES, few
from warmstart.core.records.part_names import parts_of_names
from warmstart.core.task import TASKS
from warmstart.core.terminal import counted
from warmstart.errors import UsageError
from warmstart.image.part_folders import part_folders
from warmstart.image.photo_files import folders_of, photos_in, photos_of

PHOTOS = ("images", "jpegimages", "img", "imgs", "image", "photos", "leftimg8bit")
ANNOTATIONS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "segmentationclass", "gtfine",
)  # fmt: skip
"""Names of folders, in lower case, that hold photos and what is on them."""
Labelled = tuple[Path, str]
"""A photo, and the name of its class folder."""


def class_folders(folder: Path, problems: list[str]) -> dict[str | None, list[Labelled]]:
    """The photos of a folder by part; all are of the part None where it names none.

    Args:
        folder: with a folder for each class, or for each part with its classes.
        problems: takes photos that are in no class folder, and files that may be photos and cannot
            be read, counted.

    Raises:
        UsageError: there are no class folders, one of them is empty, the folders hold photos and
            their annotations, or it is not clear which folders are the parts.
    """
    if parts := part_folders(folder, _has_classes, "class folders", problems):
        return {part: _labelled(child, problems) for part, child in parts.items()}
    children = folders_of(folder)
    if len(children) > 1 and len(parts_of_names([child.name for child in children])) == len(
        children
    ):
        names = " and ".join(f"{child.name}/" for child in children)
        raise UsageError(
            f"{folder} has the parts {names}, which hold no class folders: put the photos of each "
            f"class into a folder of its name. For boxes next to the photos, set "
            f"task={_task('detect')!r}."
        )
    if not children:
        raise UsageError(
            f"{folder} holds no class folders: put the photos of each class into a folder of its "
            "name, or name a CSV file of paths and labels."
        )
    return {None: _labelled(folder, problems)}


def table_of(folder: Path, problems: list[str]) -> Path | None:
    """The table of photos and labels in a folder that has no class folders; None where there is none.

    Args:
        folder: with one table, and the photos anywhere or in one folder.
        problems: takes tables next to class folders, which are not read.

    Raises:
        UsageError: there are several tables.
    """
    tables = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    if not tables:
        return None
    names = " and ".join(path.name for path in tables[:3])
    if part_folders(folder, _has_classes, "class folders", []) or _is_several(folder):
        problems.append(
            f"{folder}: {names} not read, as there are class folders; to use a table, give its path"
        )
        return None
    if len(tables) > 1:
        raise UsageError(
            f"{folder} holds the tables {names} and no class folders; give the path of the one to read."
        )
    return tables[0]


def _is_several(folder: Path) -> bool:
    """Whether two or more folders hold photos."""
    return sum(bool(photos_of(child)) for child in folders_of(folder)) > 1


def _has_classes(folder: Path) -> bool:
    return any(map(photos_of, folders_of(folder)))


def _labelled(folder: Path, problems: list[str]) -> list[Labelled]:
    children = folders_of(folder)
    _refuse_annotations(folder, children)
    photos = {child.name: photos_of(child, problems) for child in children}
    if loose := len(photos_in(folder)):
        problems.append(f"{folder}: {counted(loose, 'photo')} not used, in no class folder")
    if empty := [name for name, some in photos.items() if not some]:
        raise UsageError(
            f"{folder} has class folders without a photo ({few(empty)}): fill or remove them."
        )
    return [(photo, name) for name, some in photos.items() for photo in some]


def _refuse_annotations(folder: Path, children: Sequence[Path]) -> None:
    """Refuse folders of photos and of their masks, boxes or label files, which are not classes.

    Raises:
        UsageError: there are such, with files of the same names.
    """
    photos = next((child for child in children if child.name.lower() in PHOTOS), None)
    others = [child for child in children if child.name.lower() in ANNOTATIONS]
    if photos is None or not others:
        return
    stems = {_stem(file) for file in photos.rglob("*") if file.is_file()}
    for other in others:
        files = [file for file in other.rglob("*") if file.is_file()]
        if any(_stem(file).startswith(tuple(stems)) for file in files[:1000] if stems):
            masks = bool(photos_of(other))
            what, task = ("masks", _task("segment")) if masks else ("boxes", _task("detect"))
            raise UsageError(
                f"{folder} holds {photos.name}/ and {other.name}/ with files of the same names: these "
                f"are photos and their {what}, or two classes. For {what}, set task={task!r}; for "
                "classes, rename a folder."
            )


def _task(verb: str) -> str:
    return next(task.name for task in TASKS.values() if task.verb == verb)


def _stem(file: Path) -> str:
    return file.stem.lower()
