"""The parts of data that names them: to train on, to validate, to test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from warmstart.core.records import PARTS
from warmstart.core.records.readers import PartT


def of_part(photos: Sequence[PartT], part: str) -> tuple[PartT, ...]:
    """The photos of a part; those without one are "train"."""
    return tuple(photo for photo in photos if (photo.part or "train") == part)


def listed(path: Path) -> list[str]:
    """The names in one of Pascal VOC's lists: the first word of each line."""
    lines = path.read_text("utf-8", "replace").splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def parts_of_lists(folder: Path) -> dict[str, str]:
    """The part of each photo by the lists `train.txt`, `val.txt` and `test.txt` of a folder; empty
    where there are not two of them.
    """
    lists = {PARTS[file.stem]: file for file in sorted(folder.glob("*.txt")) if file.stem in PARTS}
    if "train" not in lists or len(lists) < 2:
        return {}
    return {name: part for part, file in lists.items() for name in listed(file)}
