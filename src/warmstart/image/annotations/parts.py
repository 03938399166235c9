"""The parts of data that names them: to train on, to validate, to test."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from warmstart.core.records.part_names import part_of_name, parts_of_names, require_single
from warmstart.core.records.readers import PartT
from warmstart.core.terminal import counted
from warmstart.errors import UsageError
from warmstart.image.decoder import SUFFIXES

TRAIN_AND_VALIDATION = "trainval.txt"
"""The list of data sets that leave it to the user what to validate with."""


def of_part(photos: Sequence[PartT], part: str) -> tuple[PartT, ...]:
    """The photos of a part; those without one are "train"."""
    return tuple(photo for photo in photos if (photo.part or "train") == part)


def listed(path: Path, names: Collection[str] = ()) -> list[str]:
    """The names in a list: the first word of each line, without the suffix of a photo or an
    annotation.

    Args:
        path: of the list.
        names: that a whole line may be, spaces included.
    """
    lines = (line.strip() for line in path.read_text("utf-8-sig", "replace").splitlines())
    return [
        whole if (whole := _plain(line)) in names else _plain(line.split()[0])
        for line in lines
        if line
    ]


def _plain(name: str) -> str:
    name = name.replace("\\", "/").removeprefix("./")
    suffix = Path(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in (".xml", *SUFFIXES) else name


def parts_of_lists(
    folder: Path, problems: list[str], names: Collection[str] = ()
) -> dict[str, str]:
    """The part of each photo by the lists `train.txt`, `val.txt` and `test.txt` of a folder; empty
    if there are not two of them. Without a `train.txt`, `trainval.txt` is the one to train on.

    Args:
        folder: with the lists.
        problems: takes photos in two lists.
        names: of photos, where lists may hold more than these.

    Raises:
        UsageError: there are two lists for a part.
    """
    files = sorted(folder.glob("*.txt")) if folder.is_dir() else []
    parts = {file.name: part for file in files if (part := part_of_name(file.stem))}
    if "train" not in parts.values() and any(file.name == TRAIN_AND_VALIDATION for file in files):
        parts[TRAIN_AND_VALIDATION] = "train"
    if "train" not in parts.values() or len(parts) < 2:
        return {}
    lists = {file: listed(folder / file, names) for file in parts}
    if names and not any(name in names for some in lists.values() for name in some):
        return {}
    require_single(parts, str(folder))
    part_of: dict[str, str] = {}
    twice: list[str] = []
    for file, part in parts.items():
        twice += [name for name in lists[file] if part_of.setdefault(name, part) != part]
    if twice:
        problems.append(
            f"{folder}: {counted(len(twice), 'photo')} in two of the lists {', '.join(parts)}, such as "
            f"{twice[0]}; the first of these lists counts"
        )
    return part_of


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
