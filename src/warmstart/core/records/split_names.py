"""Names of the splits of data: to train on, to validate, to test. One rule for folders, files, keys
and the cells of a column.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from warmstart.errors import UsageError

_SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
_FILLERS = frozenset(
    ("data", "dataset", "set", "split", "part", "images", "image", "imgs", "img", "photos", "photo",
     "pictures", "files", "public", "private")
)  # fmt: skip
"""Words in names of folders that do not identify a split."""
_BREAK = re.compile(r"[\W\d_]+|(?<=[a-z])(?=[A-Z])")


def split_of_name(name: str) -> str | None:
    """The split that a name stands for: "train", "validation" or "test"; None for another name.

    Case, separators and numbers do not count, nor do words such as "set" and "images": `val`,
    `Training Set`, `train2017` and `test-images` are splits.
    """
    split, rest = split_and_rest(name)
    return split if not rest else None


def split_and_rest(name: str) -> tuple[str | None, tuple[str, ...]]:
    """The split that a name contains, and its other words in lower case; the split is None if it
    contains none, or two.
    """
    words = [word.casefold() for word in _BREAK.split(unicodedata.normalize("NFKC", name)) if word]
    words = [piece for word in words for piece in _pieces(word) if piece not in _FILLERS]
    splits = {_SPLITS[word] for word in words if word in _SPLITS}
    if len(splits) != 1:
        return None, tuple(words)
    return splits.pop(), tuple(word for word in words if word not in _SPLITS)


def splits_of_names(names: Sequence[str]) -> dict[str, str]:
    """The splits that names of one folder stand for, by name.

    Where no name is a split, names that share their other words are: `seg_train` and `seg_test`.
    Where none is to train on, `trainval` is.
    """
    if plain := {name: split for name in names if (split := split_of_name(name))}:
        if "train" not in plain.values():
            plain |= {name: "train" for name in names if name.casefold() == "trainval"}
        return plain
    split_and_words = {name: split_and_rest(name) for name in names}
    shared: dict[tuple[str, ...], dict[str, str]] = {}
    for name, (split, rest) in split_and_words.items():
        if split is not None:
            shared.setdefault(rest, {})[name] = split
    several = [some for some in shared.values() if len(set(some.values())) > 1]
    return several[0] if len(several) == 1 else {}


def require_single(splits: dict[str, str], where: str) -> None:
    """Refuse two names for the same split.

    Args:
        splits: by name.
        where: that these names are in, for messages.

    Raises:
        UsageError: there are such.
    """
    counts = Counter(splits.values())
    for split, count in counts.items():
        if count > 1:
            names = " and ".join(name for name, own in splits.items() if own == split)
            raise UsageError(
                f"{where} has {count} names for the {split} split: {names}. Keep one or merge "
                "them, and move the rest away."
            )


def _pieces(word: str) -> tuple[str, ...]:
    """`trainset` as `train` and `set`; other words as they are."""
    for split in _SPLITS:
        if word.startswith(split) and word.removeprefix(split) in _FILLERS:
            return split, word.removeprefix(split)
    return (word,)
