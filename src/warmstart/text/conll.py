"""CoNLL files: a word and its tag a line, an empty line between sentences; and how tags are scored.

Source of the score: Tjong Kim Sang, De Meulder, "Introduction to the CoNLL-2003 Shared Task" (2003), section 2.3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from warmstart.errors import InputError, UsageError


class Sentence(NamedTuple):
    """Words and their tags, such as `B-person`, `I-person` and `O`."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def sentences(data: Any) -> list[Sentence]:
    """Tagged sentences.

    Args:
        data: the path of a file whose lines hold a word, spaces or a tab, and the tag last; or (words, tags) pairs.

    Raises:
        UsageError: the file cannot be opened, or holds no sentences.
        InputError: a line has no tag, or a pair is not of equal lengths.
    """
    if isinstance(data, str | Path):
        found = list(_read(Path(data)))
    else:
        found = [Sentence(tuple(words), tuple(tags)) for words, tags in data]
    for number, sentence in enumerate(found, 1):
        if len(sentence.words) != len(sentence.tags) or not sentence.words:
            raise InputError(f"sentence {number}: has {len(sentence.words)} words and {len(sentence.tags)} tags",
                             f"sentence {number}")
    if not found:
        raise UsageError(f"{data if isinstance(data, str | Path) else 'the data'} holds no tagged sentences.")
    return found


def _read(path: Path) -> Iterable[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 at byte {error.start}; save it as UTF-8", str(path)) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be opened: {error.strerror or error}.") from error
    for number, line in enumerate([*lines, ""], 1):
        parts = line.split("\t") if "\t" in line else line.split()
        if not any(part.strip() for part in parts) or parts[0] == "-DOCSTART-":
            if words:
                yield Sentence(tuple(words), tuple(tags))
            words, tags = [], []
        elif len(parts) < 2 or not parts[-1].strip():
            raise InputError(f"{path}:{number}: has no tag behind the word", f"{path}:{number}")
        else:
            words.append(parts[0].strip() or "\N{REPLACEMENT CHARACTER}")
            tags.append(parts[-1].strip())


def spans(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """(label, first word, word behind the last) of each entity in a sentence's tags; I- after O begins one, too."""
    found: set[tuple[str, int, int]] = set()
    label, start = "", 0
    for place, tag in enumerate([*tags, "O"]):
        begins, _, name = tag.partition("-")
        if label and (tag == "O" or begins == "B" or name != label):
            found.add((label, start, place))
            label = ""
        if tag != "O" and not label:
            label, start = name, place
    return found


def scores(truth: Sequence[Sequence[str]], said: Sequence[Sequence[str]]) -> dict[str, float]:
    """`f1`, `precision` and `recall` of whole entities, and `accuracy` of tags, each 0 to 1."""
    counts: dict[str, int] = defaultdict(int)
    for want, got in zip(truth, said, strict=True):
        real, found = spans(want), spans(got)
        counts["right"] += len(real & found)
        counts["real"] += len(real)
        counts["found"] += len(found)
        counts["same"] += sum(a == b for a, b in zip(want, got, strict=True))
        counts["tags"] += len(want)
    precision = counts["right"] / max(counts["found"], 1)
    recall = counts["right"] / max(counts["real"], 1)
    return {"f1": 2 * precision * recall / max(precision + recall, 1e-12), "precision": precision, "recall": recall,
            "accuracy": counts["same"] / max(counts["tags"], 1)}
