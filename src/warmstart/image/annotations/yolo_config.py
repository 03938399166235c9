"""YOLO's `data.yaml`: the names of classes, and the paths of the photos of each split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.core.records.split_names import split_of_name
from warmstart.counts import counted
from warmstart.errors import UsageError, require
from warmstart.image.annotations.name_files import read_names, refuse_two_lists

SUFFIXES = (".yaml", ".yml")
NAMES = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt")
NESTED_NAMES = ("labels/classes.txt", "labels/*/classes.txt")
"""Paths of LabelImg's files of names."""
LARGEST_YAML = 16 * 2**20


@dataclass(frozen=True)
class Config:
    """The content of the file.

    Attributes:
        names: of the classes by number.
        splits: folders or lists of photos by "train", "validation" and "test".
        keypoints: the count of numbers of key points after the box in a line.
        problems: missing folders of the test split.
    """

    names: dict[int, str]
    splits: dict[str, list[Path]]
    keypoints: int = 0
    problems: tuple[str, ...] = ()


def config_of(folder: Path) -> Path | None:
    """The `data.yaml` of a folder: its only YAML file with `names`.

    Raises:
        UsageError: several files have `names`.
    """
    files = [file for suffix in SUFFIXES for file in sorted(folder.glob(f"*{suffix}"))]
    files = [file for file in files if "names" in _mapping(file)]
    if len(files) > 1:
        raise UsageError(
            f"{folder} has several files of class names ({', '.join(file.name for file in files)});"
            " pass the path of one."
        )
    return files[0] if files else None


def read_config(file: Path) -> Config:
    """Read a `data.yaml`.

    Raises:
        UsageError: it is damaged, has no names, or has folders that do not exist.
    """
    content = _mapping(file)
    if "names" not in content:
        raise UsageError(f"{file} has no `names` of classes.")
    names = _names(content["names"], file)
    count = content.get("nc")
    if count is not None and count != str(len(names)):
        raise UsageError(
            f"{file}: nc is {count!r:.40}, and the data has {counted(len(names), 'name')}."
        )
    splits, problems = _splits(content, file)
    return Config(names, splits, _keypoints(content, file), problems)


def class_names(root: Path, above: Path | None = None) -> Config:
    """The classes of a folder from its `data.yaml`, or from `classes.txt`, one name per line.

    Args:
        root: the folder.
        above: a folder that is used if `root` has neither.

    Raises:
        UsageError: there is neither, they have no names, or two of them disagree.
    """
    file, lists = config_of(root), _lists(root)
    if file is None and not lists and above is not None:
        file, lists = config_of(above), _lists(above)
    config = None if file is None else read_config(file)
    if file is not None and config is not None:
        lists = [(file, config.names), *lists]
    refuse_two_lists(lists)
    if config is not None:
        return config
    if lists:
        return Config(lists[0][1], {})
    raise UsageError(
        f"{root} has no class names: add a data.yaml with `names`, or a classes.txt with one "
        "name per line."
    )


def _lists(root: Path) -> list[tuple[Path, dict[int, str]]]:
    """The files of class names of a folder, with the names by number."""
    paths = [root / name for name in NAMES]
    paths += [path for pattern in NESTED_NAMES for path in sorted(root.glob(pattern))]
    return [(path, dict(enumerate(read_names(path)))) for path in paths if path.is_file()]


def _mapping(file: Path) -> dict[str, Any]:
    """The content of a YAML file, with all scalars as strings: in YAML 1.1, class names such as
    `no` and `1.0` would become false and a number.
    """
    require("yaml", extra="yaml", purpose=f"to read {file}")
    import yaml

    try:
        if file.stat().st_size > LARGEST_YAML:
            raise UsageError(f"{file} is larger than {LARGEST_YAML >> 20} MiB.")
        content = yaml.load(file.read_text("utf-8-sig"), Loader=yaml.BaseLoader)  # strings only
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{file} cannot be read as YAML: {reason:.200}") from error
    return content if isinstance(content, dict) else {}


def _names(names: Any, file: Path) -> dict[int, str]:
    if isinstance(names, list):
        numbered: dict[int, Any] = dict(enumerate(names))
    elif isinstance(names, dict):
        try:
            numbered = {int(key): name for key, name in names.items()}
        except (TypeError, ValueError):
            raise UsageError(f"{file}: the keys of `names` must be class numbers.") from None
    else:
        raise UsageError(f"{file}: `names` must be a list, or a mapping of numbers to names.")
    for number, name in numbered.items():
        if not isinstance(name, str) or not name.strip() or number < 0:
            raise UsageError(f"{file}: the name of class {number} is {name!r:.40}.")
    values = list(numbered.values())
    if twice := sorted({name for name in values if values.count(name) > 1}):
        raise UsageError(f"{file}: the name {twice[0]!r} occurs twice.")
    if not values:
        raise UsageError(f"{file} has no class names.")
    return dict(sorted(numbered.items()))


def _keypoints(content: dict[str, Any], file: Path) -> int:
    shape = content.get("kpt_shape")
    if shape is None:
        return 0
    try:
        points, numbers = map(int, shape)
    except (TypeError, ValueError):
        raise UsageError(f"{file}: kpt_shape must be two numbers, not {shape!r:.40}.") from None
    return points * numbers


def _splits(content: dict[str, Any], file: Path) -> tuple[dict[str, list[Path]], tuple[str, ...]]:
    """Folders and lists by split, and problems with `test`, which may not exist: many exports have
    the key without the folder.
    """
    splits: dict[str, list[Path]] = {}
    problems = []
    for key, value in content.items():
        split = split_of_name(str(key))
        if split is None or not value:
            continue
        paths = value if isinstance(value, list) else [value]
        if split in splits or not all(isinstance(path, str) and "\0" not in path for path in paths):
            raise UsageError(f"{file}: {key!r} must be one path or a list, and occur once.")
        existing = [_find(path, content.get("path"), file) for path in paths]
        if None not in existing:
            splits[split] = [path for path in existing if path is not None]
            continue
        missing = f"{file}: {key} is {paths[existing.index(None)]!r}, which is not in {file.parent}"
        if split != "test":
            raise UsageError(f"{missing}; correct the path.")
        problems.append(f"{missing}, so there are no photos to test")
    return splits, tuple(problems)


def _find(path: str, root: Any, file: Path) -> Path | None:
    """The existing path relative to `path`, or else to the file. Roboflow writes `../train/images`
    for `train/images`.
    """
    bases = [file.parent]
    if isinstance(root, str) and root and "\0" not in root:
        bases.insert(0, file.parent / root)
        bases.append(file.parent / Path(root).name)
    names = [path, path.removeprefix("../")]
    candidates = (base / name for name in names for base in bases)
    return next((each.resolve() for each in candidates if each.exists()), None)
