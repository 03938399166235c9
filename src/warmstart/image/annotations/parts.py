"""The parts of data: training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from warmstart.core.records.part_names import parts_of_names, require_single
from warmstart.core.records.readers import PartT
from warmstart.counts import counted
from warmstart.errors import UsageError


def of_part(photos: Sequence[PartT], part: str) -> tuple[PartT, ...]:
    """The photos of a part; photos without a part are "train"."""
    return tuple(photo for photo in photos if (photo.part or "train") == part)


def parts_of_photos(photos: Sequence[Path], folder: Path) -> list[str | None]:
    """The part of each photo below a folder, by the outermost folder: `images/train2017/…`.

    Raises:
        UsageError: a part has two folders, or some of the photos are in none of the parts.
    """
    inside = [photo.relative_to(folder).parts[:-1] for photo in photos]
    names = parts_of_names(list(dict.fromkeys(path[0] for path in inside if path)))
    require_single({f"{name}/": part for name, part in names.items()}, str(folder))
    parts = [names.get(path[0]) if path else None for path in inside]
    others = [photo for photo, part in zip(photos, parts, strict=True) if part is None]
    if names and others:
        raise UsageError(
            f"{folder} has the splits {', '.join(f'{name}/' for name in names)}, and "
            f"{counted(len(others), 'photo')} in none of them, such as {others[0]}; move "
            "them into a split, or elsewhere."
        )
    return parts
