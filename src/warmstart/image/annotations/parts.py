"""The parts of data that names them: to train on, to validate, to test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from warmstart.core.records.part_names import part_of_name, parts_of_names, require_single
from warmstart.core.records.readers import PartT
from warmstart.core.terminal import counted
from warmstart.errors import UsageError
from warmstart.image.decoder import SUFFIXES


def of_part(photos: Sequence[PartT], part: str) -> tuple[PartT, ...]:
    """The photos of a part; those without one are "train"."""
    return tuple(photo for photo in photos if (photo.part or "train") == part)


def listed(path: Path) -> list[str]:
    """The names in one of Pascal VOC's lists: the first word of each line, without the suffix of a
    photo or an annotation.
    """
    lines = path.read_text("utf-8-sig", "replace").splitlines()
    names = (line.split()[0] for line in lines if line.strip())
    return [str(Path(name).with_suffix("")) if _is_file_name(name) else name for name in names]


def _is_file_name(name: str) -> bool:
    return Path(name).suffix.lower() in (".xml", *SUFFIXES)


def parts_of_lists(folder: Path, problems: list[str]) -> dict[str, str]:
    """The part of each photo by the lists `train.txt`, `val.txt` and `test.txt` of a folder; empty
    where there are not two of them. Photos in two lists are listed.

    Raises:
        UsageError: there are two lists for a part.
    """
    files = sorted(folder.glob("*.txt"))
    parts = {file.name: part for file in files if (part := part_of_name(file.stem))}
    if "train" not in parts.values() or len(parts) < 2:
        return {}
    require_single(parts, str(folder))
    names: dict[str, str] = {}
    twice: list[str] = []
    for file, part in parts.items():
        twice += [name for name in listed(folder / file) if names.setdefault(name, part) != part]
    if twice:
        problems.append(
            f"{folder}: {counted(len(twice), 'photo')} in two of the lists {', '.join(parts)}, such as "
            f"{twice[0]}; the first of these lists counts"
        )
    return names


def parts_of_photos(photos: Sequence[Path], folder: Path) -> list[str | None]:
    """The part of each photo below a folder, by its first folder: `images/train2017/…`.

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
            f"{folder} has the parts {', '.join(f'{name}/' for name in names)}, and "
            f"{counted(len(others), 'photo')} in none of them, such as {others[0]}; move them into a "
            "part, or away."
        )
    return parts
