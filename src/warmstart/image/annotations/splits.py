"""The splits of data: training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from warmstart.core.records.readers import SplitT
from warmstart.core.records.split_names import require_single, splits_of_names
from warmstart.counts import counted
from warmstart.errors import UsageError


def of_split(photos: Sequence[SplitT], split: str) -> tuple[SplitT, ...]:
    """The photos of a split; photos without a split are "train"."""
    return tuple(photo for photo in photos if (photo.split or "train") == split)


def splits_of_photos(photos: Sequence[Path], folder: Path) -> list[str | None]:
    """The split of each photo below a folder, by the outermost folder: `images/train2017/…`.

    Raises:
        UsageError: a split has two folders, or some of the photos are in none of the splits.
    """
    inside = [photo.relative_to(folder).parts[:-1] for photo in photos]
    names = splits_of_names(list(dict.fromkeys(path[0] for path in inside if path)))
    require_single({f"{name}/": split for name, split in names.items()}, str(folder))
    splits = [names.get(path[0]) if path else None for path in inside]
    others = [photo for photo, split in zip(photos, splits, strict=True) if split is None]
    if names and others:
        raise UsageError(
            f"{folder} has the splits {', '.join(f'{name}/' for name in names)}, and "
            f"{counted(len(others), 'photo')} in none of them, such as {others[0]}; move "
            "them into a split, or elsewhere."
        )
    return splits
