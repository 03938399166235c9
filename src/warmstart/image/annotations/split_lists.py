"""Text files that list the photos of each split: `train.txt`, `val.txt`, `test.txt`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warmstart.core.records.split_names import require_single, split_of_name
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.image.decoder import SUFFIXES

NUMBERS, FLAGS = "images.txt", "train_test_split.txt"
"""CUB-200's lists: the number and path of each photo; the number and 1 for training photos."""
TRAIN_AND_VALIDATION = "trainval.txt"
"""The list of data sets without a validation split."""


@dataclass(frozen=True)
class SplitLists:
    """The splits that lists assign to files.

    Attributes:
        folder: of the lists.
        splits: of the files that are in a list.
        missing: names in the lists without a file.
    """

    folder: Path
    splits: Mapping[Path, str]
    missing: Sequence[str]


def names_in(path: Path) -> list[str]:
    """The names in a list: the first word of each line, without the suffix of a photo or an
    annotation.
    """
    return [_plain(line.split()[0]) for line in _lines(path)]


def split_lists(
    folders: Sequence[Path],
    files: Sequence[Path],
    root: Path,
    problems: list[str],
    *,
    required: bool = False,
) -> SplitLists | None:
    """The lists of the first folder whose lists contain any of the files; None if there are none.

    A line starts with a path or the end of one, with or without suffix: `1`, `cat/1.jpg 0`,
    `/data/images/1.jpg`. Without a `train.txt`, `trainval.txt` is used; without both, files in none
    of the lists are for training. A `train.txt` without other lists is ignored.
    `train_test_split.txt` needs `images.txt`.

    Args:
        folders: that may have lists.
        files: photos or annotations.
        root: a folder above the files.
        problems: receives the number of files in two lists.
        required: whether lists that contain none of the files are an error.

    Raises:
        UsageError: a split has two lists.
    """
    index: dict[str, Path | None] = {}
    for folder in folders:
        if (folder / FLAGS).is_file():
            index = index or _index(files, root)
            if (flagged := _flagged(folder, index)) is not None:
                return flagged
            problems.append(
                f"{folder}: {FLAGS} not used, because no {NUMBERS} maps its numbers to these photos"
            )
        lists = _lists_in(folder)
        if not {*lists.values()} - {"train"}:
            continue
        index = index or _index(files, root)
        matches = {file: _matches(folder / file, index) for file in lists}
        if any(path for names in matches.values() for _, path in names):
            require_single(lists, str(folder))
            return _assigned(folder, lists, matches, files, problems)
        if required:
            raise UsageError(
                f"{folder}: the lists {', '.join(lists)} name none of the {counted(len(files), 'file')} "
                f"in {root}; correct or remove them."
            )
    return None


def _flagged(folder: Path, index: Mapping[str, Path | None]) -> SplitLists | None:
    """The splits in CUB-200's lists; None if they contain none of the files."""
    numbers = folder / NUMBERS
    names = [line.split(maxsplit=1) for line in _lines(numbers)] if numbers.is_file() else []
    files = {
        words[0]: next((index[end] for end in _ends(_plain(words[-1])) if end in index), None)
        for words in names
    }
    splits: dict[Path, str] = {}
    missing: list[str] = []
    for line in _lines(folder / FLAGS):
        number, flag = line.split()[0], line.split()[-1]
        file = files.get(number)
        if file is None:
            missing.append(number)
        else:
            splits[file] = "train" if flag == "1" else "test"
    return SplitLists(folder, splits, missing) if splits else None


def _lists_in(folder: Path) -> dict[str, str]:
    """The splits of the lists in a folder, by file name."""
    files = sorted(folder.glob("*.txt")) if folder.is_dir() else []
    splits = {file.name: split for file in files if (split := split_of_name(file.stem))}
    if "train" not in splits.values() and any(file.name == TRAIN_AND_VALIDATION for file in files):
        splits[TRAIN_AND_VALIDATION] = "train"
    return splits


def _assigned(
    folder: Path,
    lists: Mapping[str, str],
    matches: Mapping[str, Sequence[tuple[str, Path | None]]],
    files: Sequence[Path],
    problems: list[str],
) -> SplitLists:
    splits: dict[Path, str] = {}
    missing: list[str] = []
    twice: list[str] = []
    for file, split in lists.items():
        for name, path in matches[file]:
            if path is None:
                missing.append(name)
            elif splits.setdefault(path, split) != split:
                twice.append(name)
    if twice:
        problems.append(
            f"{folder}: {counted(len(twice), 'photo')} in two of the lists "
            f"{', '.join(lists)}, such as {twice[0]}; the first of these lists is used"
        )
    if "train" not in lists.values():
        splits = {file: splits.get(file, "train") for file in files}
    return SplitLists(folder, splits, list(dict.fromkeys(missing)))


def _index(files: Sequence[Path], root: Path) -> dict[str, Path | None]:
    """Files by each end of their path below a folder, without suffix; None if there are several."""
    index: dict[str, Path | None] = {}
    for file in files:
        for end in _ends(file.relative_to(root).with_suffix("").as_posix()):
            index[end] = None if index.get(end, file) != file else file
    return index


def _matches(path: Path, index: Mapping[str, Path | None]) -> list[tuple[str, Path | None]]:
    """The names in a list with their files; a name may be a whole line with spaces."""
    matches: list[tuple[str, Path | None]] = []
    for line in _lines(path):
        for name in (_plain(line), _plain(line.split()[0])):
            file = next((index[end] for end in _ends(name) if end in index), None)
            if file is not None:
                break
        matches.append((name, file))
    return matches


def _ends(name: str) -> list[str]:
    """All ends of a path: `a/b/c`, `b/c` and `c`."""
    words = name.split("/")
    return ["/".join(words[start:]) for start in range(len(words))]


def _lines(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text("utf-8-sig", "replace").splitlines())
    return [line for line in lines if line]


def _plain(name: str) -> str:
    name = name.replace("\\", "/").removeprefix("./")
    suffix = Path(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in (".xml", *SUFFIXES) else name
