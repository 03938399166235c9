"""Folders of class folders."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from warmstart.core.records import Labelled, abbreviated
from warmstart.core.records.columns import listed
from warmstart.core.records.split_names import split_of_name, splits_of_names
from warmstart.core.task import TASKS
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.image.annotations.split_lists import split_lists
from warmstart.image.photo_files import folders_of, has_photos, photos_in, photos_of

PHOTOS = ("images", "jpegimages", "img", "imgs", "image", "photos", "leftimg8bit")
ANNOTATIONS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "segmentationclass", "gtfine",
)  # fmt: skip
"""Names of the folders of photos and of their annotations, in lower case."""
_MASK = re.compile(r"(.+?)[_-](?:masks?|segmentation|seg)(?:_\d+)?", re.IGNORECASE)
"""The name of a mask, which includes that of its photo."""
_DIGITS = re.compile(r"\d+")
_NUMBERED = re.compile(r"(.*[^\W\d_])[\W_]*\d+")
"""The name of a photo that may start with its class: `cat.0.jpg`, `Abyssinian_100.jpg`."""


def class_folders(
    folder: Path,
    problems: list[str],
    columns: list[str] | None = None,
    *,
    outer: Path | None = None,
) -> Iterator[Labelled]:
    """The photos of a folder with one folder per class.

    Photos have splits if all class folders are divided into `train/`, `test/` and so on, or if lists
    such as `train.txt` and `test.txt` contain them.

    Args:
        folder: of class folders.
        problems: receives the numbers of photos in no class folder or list, and of files that may
            be photos but cannot be read.
        columns: receives a line on how the folder was read.
        outer: the folder of the data set, if its class folders are in an inner folder; it or one of
            its other folders may contain the lists.

    Raises:
        UsageError: there are no class folders, one of them is empty, the folders contain photos and
            their annotations, or the classes are ambiguous.
    """
    children = folders_of(folder)
    if not children:
        raise UsageError(
            f"{folder} contains no class folders: put the photos of each class into a folder of its "
            f"name, or pass a CSV file of paths and labels.{_by_name(folder)}"
        )
    if len(children) > 1 and len(_split_names(children)) == len(children):
        names = " and ".join(f"{child.name}/" for child in children)
        raise UsageError(
            f"{folder} has the splits {names}, which contain no class folders: put the photos "
            "of each class into a folder of its name. For boxes next to the photos, set "
            f"task={task_name('detect')!r}."
        )
    if len(children) == 1 and children[0].name.lower() in PHOTOS:
        raise UsageError(
            f"{folder} contains {children[0].name}/ and no class folders: put the photos of each class into "
            "a folder of its name, or pass a CSV file of paths and labels."
        )
    _refuse_annotations(folder, children)
    unread: list[str] = []
    photos = {
        child.name: _without_masks(child, photos_of(child, unread), problems) for child in children
    }
    problems += unread
    if loose := len(photos_in(folder)):
        problems.append(f"{folder}: {counted(loose, 'photo')} not used, in no class folder")
    if empty := [name for name, files in photos.items() if not files]:
        raise UsageError(
            f"{folder} has class folders without a photo ({abbreviated(empty)}): fill or remove them."
            + (f" {unread[0]}." if unread else "")
        )
    splits: Mapping[Path, str] = _splits_within(folder, photos)
    if not splits:
        others = [] if outer is None else [outer, *folders_of(outer)]
        splits = _splits_of_lists(folder, [folder, *others], photos, problems)
    if columns is not None and not splits and _are_deeper(folder, photos):
        columns.append(f"classes: the folders of {folder}; folders in them are not classes")
    for name, files in photos.items():
        for photo in files:
            if not splits or photo in splits:
                label = unicodedata.normalize("NFC", name)  # macOS writes NFD
                yield Labelled(str(photo), photo, label, splits.get(photo))


def has_classes(folder: Path, *, several: bool = False) -> bool:
    """Whether a folder has folders of photos.

    Args:
        folder: that may have class folders.
        several: whether it must have two or more, one of which is not named after a split.
    """
    children = folders_of(folder)
    if len(children) == 1 and children[0].name.lower() in PHOTOS:
        return not several and has_classes(children[0])
    splits = _split_names(children)
    others = False
    for count, child in enumerate(filter(has_photos, children), 1):
        others = others or child.name not in splits
        if not several or (count > 1 and others):
            return True
    return False


def _without_masks(folder: Path, photos: list[Path], problems: list[str]) -> list[Path]:
    """The photos without the masks next to them, such as `x_mask.png` of `x.png` in BUSI."""
    names = {(photo.parent, photo.stem) for photo in photos}
    masks = {
        photo
        for photo in photos
        if (match := _MASK.fullmatch(photo.stem)) and (photo.parent, match[1]) in names
    }
    if masks:
        problems.append(
            f"{folder}: {counted(len(masks), 'photo')} not used, named like masks of other photos, such as "
            f"{min(masks).name}"
        )
    return [photo for photo in photos if photo not in masks]


def is_numbered(folder: Path) -> bool:
    """Whether the names of folders of photos differ only in numbers: `images_1/` and `images_2/`."""
    names = [child.name for child in folders_of(folder) if has_photos(child)]
    stems = {_DIGITS.sub("", name) for name in names}
    return len(names) > 1 and len(stems) == 1 and stems != {""}


def _split_names(folders: Sequence[Path]) -> dict[str, str]:
    """The splits of folders by name, for the folders that are named after a split."""
    return splits_of_names([folder.name for folder in folders])


def task_name(verb: str) -> str:
    """The name of the task of a command."""
    return next(task.name for task in TASKS.values() if task.verb == verb)


def _are_deeper(folder: Path, photos: Mapping[str, Sequence[Path]]) -> bool:
    """Whether class folders have folders of photos."""
    return any(photo.parent.parent != folder for files in photos.values() for photo in files)


def _splits_within(folder: Path, photos: Mapping[str, Sequence[Path]]) -> dict[Path, str]:
    """The split of each photo by the folders in its class folder, such as `cat/train/`; empty unless
    all of these are splits.

    Args:
        folder: of the class folders.
        photos: by class folder.

    Raises:
        UsageError: the folders in the class folders have the same names, and may be the classes.
    """
    deep = {
        photo: photo.relative_to(folder).parts[1]
        for name, files in photos.items()
        for photo in files
        if photo.parent != folder / name
    }
    inner = {
        name: {deep[photo] for photo in files if photo in deep} for name, files in photos.items()
    }
    counts = Counter(name for names in inner.values() for name in names)
    splits = {name: split for name in counts if (split := split_of_name(name)) is not None}
    are_all = len(splits) == len(counts) and len(deep) == sum(map(len, photos.values()))
    if are_all and "train" in splits.values() and len({*splits.values()}) > 1 < len(photos):
        return {photo: splits[name] for photo, name in deep.items()}
    shared = [name for name in counts if counts[name] > len(inner) / 2]
    if len(shared) > 1 < len(photos):
        raise UsageError(
            f"{folder} can be read in two ways: the classes {listed([*inner], 5)}, or the "
            f"classes {listed(sorted(shared), 5)} in each of these folders. Pass a table "
            "with the columns path and label (and a group_column, if the folders are folds), "
            "or, in Python, a list of (photo, label)."
        )
    return {}


def _splits_of_lists(
    folder: Path,
    list_folders: Sequence[Path],
    photos: Mapping[str, Sequence[Path]],
    problems: list[str],
) -> Mapping[Path, str]:
    """The split of each photo by lists of paths; empty if there are none.

    Args:
        folder: of the class folders.
        list_folders: that may contain lists.
        photos: by class folder.
        problems: receives the numbers of photos in two lists or none.
    """
    every = [photo for files in photos.values() for photo in files]
    lists = split_lists(list_folders, every, folder.parent, problems)
    if lists is None:
        return {}
    if others := len(every) - len(lists.splits):
        problems.append(
            f"{folder}: {counted(others, 'photo')} not used, in none of the lists of {lists.folder}"
        )
    return lists.splits


def _refuse_annotations(folder: Path, children: Sequence[Path]) -> None:
    """Refuse folders of photos and of their masks, boxes or label files, which are not classes.

    Raises:
        UsageError: such folders contain files of the same names.
    """
    photos = next((child for child in children if child.name.lower() in PHOTOS), None)
    others = [child for child in children if child.name.lower() in ANNOTATIONS]
    if photos is None or not others:
        return
    stems = {_stem(file) for file in photos.rglob("*") if file.is_file()}
    for other in others:
        files = [file for file in other.rglob("*") if file.is_file()]
        if any(_stem(file).startswith(tuple(stems)) for file in files[:1000] if stems):
            masks = has_photos(other)
            what, task = (
                ("masks", task_name("segment")) if masks else ("boxes", task_name("detect"))
            )
            raise UsageError(
                f"{folder} contains {photos.name}/ and {other.name}/ with files of the same "
                f"names: these may be photos and their {what}, or two classes. For {what}, "
                f"set task={task!r}; for classes, rename a folder."
            )


def _stem(file: Path) -> str:
    return file.stem.lower()


def _by_name(folder: Path) -> str:
    """A hint for photos whose names start with their classes, for the end of a message."""
    matches = [_NUMBERED.fullmatch(photo.stem) for photo in photos_in(folder)]
    names = Counter(match[1] for match in matches if match is not None)
    if len(names) < 2 or sum(names.values()) < len(matches) or max(names.values()) < 2:
        return ""
    return (
        f" If the names of the photos begin with the classes ({abbreviated([*names], 3)}), pass a "
        "table, or, in Python, a list of (photo, label)."
    )
