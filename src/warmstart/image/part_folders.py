"""Folders of the parts of data, such as `train/`, `val/` and `test/`: one rule for all layouts."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Callable
from pathlib import Path

from warmstart.core.records.part_names import parts_of_names, require_single
from warmstart.core.terminal import counted
from warmstart.errors import UsageError
from warmstart.image.photo_files import folders_of, photos_in, photos_of

COMPARED = 100
"""Photos whose content shows that a folder is a copy of another."""
DEEPEST = 3
"""Levels of folders around labelled data, such as `VOCtrainval/VOCdevkit/VOC2007/`."""
_YEAR = re.compile(r"(?<!\d)(19|20)\d\d(?!\d)")


def part_folders(
    folder: Path, is_labelled: Callable[[Path], bool], what: str, problems: list[str]
) -> dict[str, Path]:
    """The folders of a folder that are a part of labelled data, by "train", "validation" and
    "test"; empty where none is.

    Args:
        folder: that may have parts.
        is_labelled: whether a folder holds photos with labels.
        what: the labels, for messages, such as "class folders".
        problems: takes unlabelled photos that are left out, counted, and a copy of the folder in
            it, as in some archives.

    Raises:
        UsageError: a part has two folders or, unless it is the test part, no labels; or another
            folder next to the parts holds labelled photos.
    """
    children = {child.name: _unpacked(child) for child in folders_of(folder)}
    names = parts_of_names(list(children))
    if not any(is_labelled(children[name]) for name in names):
        return {}
    require_single({f"{name}/": part for name, part in names.items()}, str(folder))
    parts: dict[str, Path] = {}
    for name, child in children.items():
        part = names.get(name)
        if part is None and name == folder.name and _is_copy(child, folder):
            problems.append(f"{child}: not used, a copy of {folder}")
        elif is_labelled(child):
            if part is None:
                listed = ", ".join(f"{known}/" for known in names)
                raise UsageError(
                    f"{folder} has the splits {listed} and also {name}/ with {what}: it may "
                    "be another split, or data that does not belong here. Rename it to "
                    "train/, val/ or test/, or move it elsewhere."
                )
            parts[part] = child
        else:
            require_labels(child, part, what, problems)
    if count := len(photos_in(folder)):
        listed = ", ".join(f"{name}/" for name in names)
        problems.append(
            f"{folder}: {counted(count, 'photo')} not used, in none of the splits {listed}"
        )
    return parts


def _unpacked(folder: Path) -> Path:
    """The folder of the same name within, where it is all there is: `seg_train/seg_train/`, as
    archives unpack.
    """
    inside = folder / folder.name
    return inside if inside.is_dir() and [*folder.iterdir()] == [inside] else folder


def _is_copy(inner: Path, folder: Path) -> bool:
    """Whether all photos of an inner folder are in the folder around it, too: of the same names and
    sizes, and the first ones with the same content.
    """
    photos = [(one, folder / one.relative_to(inner)) for one in photos_of(inner)]
    if not photos or not all(other.is_file() for _, other in photos):
        return False
    return all(one.stat().st_size == other.stat().st_size for one, other in photos) and all(
        filecmp.cmp(one, other, shallow=False) for one, other in photos[:COMPARED]
    )


def require_labels(folder: Path, part: str | None, what: str, problems: list[str]) -> None:
    """Refuse a part without labels, unless it is the test part or none: then its photos are listed.

    Raises:
        UsageError: it is the part to train on, or to validate.
    """
    count = len(photos_of(folder))
    if part in ("train", "validation"):
        raise UsageError(
            f"{folder} is the {part} split and has no {what}, which its "
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
    """The folders in a folder that hold its labelled data, where it holds none itself: a single one,
    as archives unpack into, or one for each year, such as `VOC2007/` and `VOC2012/`. Empty where
    there is none.

    Args:
        folder: around labelled data.
        is_labelled: whether a folder holds photos with labels, or parts of these.
        what: the labels, for messages, such as "boxes".
        problems: takes unlabelled photos that are left out, counted.
        depth: of the folders that are looked into.

    Raises:
        UsageError: several folders hold labelled data.
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
            f"{folder} holds {names} with {what}: name the one to read, or rename them to "
            "train/, val/ and test/, if they are splits."
        )
    for child in folders_of(folder) if inner else ():
        if child not in inner:
            require_labels(child, None, what, problems)
    return [one for some in inner.values() for one in some]
