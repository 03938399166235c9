"""Folders of the splits of data, such as `train/`, `val/` and `test/`, for all layouts."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Callable
from pathlib import Path

from warmstart.core.records.split_names import require_single, splits_of_names
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.image.photo_files import folders_of, photos_in, photos_of

COMPARED = 100
"""Photos whose content is compared to find out that a folder is a copy of another."""
DEEPEST = 3
"""The largest number of folders around labelled data, such as `VOCtrainval/VOCdevkit/VOC2007/`."""
_YEAR = re.compile(r"(?<!\d)(19|20)\d\d(?!\d)")


def split_folders(
    folder: Path, is_labelled: Callable[[Path], bool], what: str, problems: list[str]
) -> dict[str, Path]:
    """The folders in a folder that are splits of labelled data, by "train", "validation" and "test";
    empty if none is.

    Args:
        folder: that may have splits.
        is_labelled: whether a folder contains photos with labels.
        what: the labels, for messages, such as "class folders".
        problems: receives the number of unlabelled photos that are left out, and a copy of the
            folder within it, as in some archives.

    Raises:
        UsageError: a split has two folders or, unless it is the test split, no labels; or a folder
            next to the splits contains labelled photos.
    """
    children = {child.name: _unpacked(child) for child in folders_of(folder)}
    names = splits_of_names(list(children))
    if not any(is_labelled(children[name]) for name in names):
        return {}
    require_single({f"{name}/": split for name, split in names.items()}, str(folder))
    splits: dict[str, Path] = {}
    for name, child in children.items():
        split = names.get(name)
        if split is None and name == folder.name and _is_copy(child, folder):
            problems.append(f"{child}: not used, a copy of {folder}")
        elif is_labelled(child):
            if split is None:
                listed = ", ".join(f"{split_name}/" for split_name in names)
                raise UsageError(
                    f"{folder} has the splits {listed} and also {name}/ with {what}: it may "
                    "be another split, or data that does not belong here. Rename it to "
                    "train/, val/ or test/, or move it elsewhere."
                )
            splits[split] = child
        else:
            require_labels(child, split, what, problems)
    if count := len(photos_in(folder)):
        listed = ", ".join(f"{name}/" for name in names)
        problems.append(
            f"{folder}: {counted(count, 'photo')} not used, in none of the splits {listed}"
        )
    return splits


def _unpacked(folder: Path) -> Path:
    """The folder of the same name in a folder, if it is the only content: `seg_train/seg_train/`
    from some archives. Else the folder itself.
    """
    inside = folder / folder.name
    return inside if inside.is_dir() and [*folder.iterdir()] == [inside] else folder


def _is_copy(inner: Path, folder: Path) -> bool:
    """Whether all photos of an inner folder are also in the folder around it: with the same names
    and sizes, and the first ones with the same content.
    """
    photos = [(photo, folder / photo.relative_to(inner)) for photo in photos_of(inner)]
    if not photos or not all(other.is_file() for _, other in photos):
        return False
    return all(photo.stat().st_size == other.stat().st_size for photo, other in photos) and all(
        filecmp.cmp(photo, other, shallow=False) for photo, other in photos[:COMPARED]
    )


def require_labels(folder: Path, split: str | None, what: str, problems: list[str]) -> None:
    """Refuse a training or validation split without labels; of another folder, add the number of
    photos to `problems`.

    Raises:
        UsageError: it is the training or validation split.
    """
    count = len(photos_of(folder))
    if split in ("train", "validation"):
        raise UsageError(
            f"{folder} is the {split} split and has no {what}, which its "
            f"{counted(count, 'photo')} need."
        )
    if count:
        problems.append(f"{folder}: {counted(count, 'photo')} not used, without {what}")


def inner_folders(
    folder: Path,
    is_labelled: Callable[[Path], bool],
    what: str,
    problems: list[str],
    depth: int = DEEPEST,
) -> list[Path]:
    """The folders of labelled data in a folder that has none itself: a single one, as from
    archives, or one per year, such as `VOC2007/` and `VOC2012/`. Empty if there is none.

    Args:
        folder: around labelled data.
        is_labelled: whether a folder contains photos with labels, or splits of these.
        what: the labels, for messages, such as "boxes".
        problems: receives the number of unlabelled photos that are left out.
        depth: the number of levels to search.

    Raises:
        UsageError: several folders contain labelled data.
    """
    inner: dict[Path, list[Path]] = {}
    for child in folders_of(folder):
        if is_labelled(child):
            inner[child] = [child]
        elif depth > 1 and (deeper := inner_folders(child, is_labelled, what, [], depth - 1)):
            inner[child] = deeper
    if len(inner) > 1 and len({_YEAR.sub("", child.name) for child in inner}) > 1:
        names = " and ".join(f"{child.name}/" for child in [*inner][:5])
        raise UsageError(
            f"{folder} contains {names} with {what}: name the one to read, or rename them to "
            "train/, val/ and test/, if they are splits."
        )
    for child in folders_of(folder) if inner else ():
        if child not in inner:
            require_labels(child, None, what, problems)
    return [path for paths in inner.values() for path in paths]
