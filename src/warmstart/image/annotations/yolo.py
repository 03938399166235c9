"""YOLO: a text file a photo; each line a class number and centre x, centre y, width, height as
shares of the photo.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from warmstart.errors import UsageError
from warmstart.image.annotations.collector import BoxData, Collector
from warmstart.image.inputs import iter_photos

NAMES = ("classes.txt", "obj.names", "labels.txt")
_MAPPED = re.compile(r"^\s+(\d+)\s*:\s*(.+?)\s*$")
_LISTED = re.compile(r"^\s*-\s*(.+?)\s*$")


def is_yolo(path: Path) -> bool:
    """Whether the folder has `images/` and `labels/`, or is a part of such `images/`."""
    return path.is_dir() and _folders(path) is not None


def _folders(path: Path) -> tuple[Path, Path, Path] | None:
    """(root, photos, labels)."""
    if (path / "images").is_dir() and (path / "labels").is_dir():
        return path, path / "images", path / "labels"
    for root in list(path.parents)[:3]:
        if (root / "labels").is_dir() and path.is_relative_to(root / "images"):
            return root, path, root / "labels" / path.relative_to(root / "images")
    return None


def read(path: Path, collector: Collector) -> BoxData:
    """All photos; one without a text file has no boxes.

    Raises:
        UsageError: nothing can be used, or classes have no names.
    """
    folders = _folders(path)
    assert folders is not None
    root, photos, labels = folders
    names = class_names(root)
    known = collector.labels
    if known is None:
        collector.labels = names
    for item in iter_photos(photos):
        photo = Path(str(item.value))
        if not photo.is_file():
            collector.problems.append(str(item.value))
            continue
        file = (labels / photo.relative_to(photos)).with_suffix(".txt")
        things = []
        lines = file.read_text("utf-8", "replace").splitlines() if file.is_file() else []
        for number, line in enumerate(lines, 1):
            words = line.split()
            if not words:
                continue
            try:
                kind, x, y, width, height = int(words[0]), *map(float, words[1:5])
            except ValueError:
                collector.problems.append(
                    f"{file}: line {number} is not a class and four numbers ({line[:60]!r})"
                )
                continue
            if not 0 <= kind < len(names):
                collector.problems.append(
                    f"{file}: line {number}: the class {kind} is none of the {len(names)} names"
                )
                continue
            things.append(
                (names[kind], x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            )
        collector.add(photo, str(photo), things, scale=True)
    return collector.data(str(path))


def class_names(root: Path) -> Sequence[str]:
    """The names of `data.yaml` (a list or a mapping, as YOLO's tools write it) or `classes.txt`.

    Raises:
        UsageError: there is neither, or they hold no names.
    """
    for name in NAMES:
        if (root / name).is_file():
            return [
                line.strip()
                for line in (root / name).read_text("utf-8").splitlines()
                if line.strip()
            ]
    for file in sorted(root.glob("*.yaml")) + sorted(root.glob("*.yml")):
        if names := _from_yaml(file.read_text("utf-8")):
            return names
    raise UsageError(
        f"{root} has no class names: put a data.yaml with `names`, or a classes.txt, one name a line."
    )


def _from_yaml(text: str) -> list[str]:
    lines = text.splitlines()
    for place, line in enumerate(lines):
        if not line.startswith("names:"):
            continue
        rest = line.partition(":")[2].strip()
        if rest.startswith("["):
            return [_plain(word) for word in rest.strip("[]").split(",") if word.strip()]
        names: dict[int, str] = {}
        for below in lines[place + 1 :]:
            if match := _MAPPED.match(below):
                names[int(match[1])] = _plain(match[2])
            elif match := _LISTED.match(below):
                names[len(names)] = _plain(match[1])
            elif below.strip() and not below.startswith((" ", "#")):
                break
        return [names[key] for key in sorted(names)]
    return []


def _plain(word: str) -> str:
    return word.split(" #")[0].strip().strip("'\"")
