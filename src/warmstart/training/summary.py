"""What there is to learn from, as the terminal and the report show it."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warmstart.core.terminal import counted
from warmstart.training.report import table, text

_SEPARATORS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
USE = {"train": "to train on", "validation": "to validate", "test": "to test"}
CLASSES = 20
"""Classes on the terminal; the report has all of them."""
PROBLEMS = 10
"""Problems on the terminal."""
PROBLEMS_REPORTED = 200
_HUB_DATASET = re.compile(r"hf://datasets/([^@]+)@")


@dataclass(frozen=True)
class Summary:
    """The data of a fine-tuning.

    Attributes:
        name: of the folder or file.
        unit: what the examples are, in the plural.
        counts: examples by part: "train", "validation", "test".
        classes: by name, how often each occurs in each part; empty where there are none.
        baseline: what a trivial model scores, as a sentence; "" where it is measured instead.
        warnings: what the user should know of the data.
        problems: what is wrong with the data: examples that are left out, boxes that were cut.
        columns: how the data was read, such as "label: category" for a column of a table.
        figures: what the baseline scores, by metric.
    """

    name: str
    unit: str
    counts: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    baseline: str = ""
    warnings: Sequence[str] = ()
    problems: Sequence[str] = ()
    columns: Sequence[str] = ()
    figures: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        warnings = (*self.warnings, *_similar(self.classes))
        object.__setattr__(self, "warnings", tuple(dict.fromkeys(warnings)))

    def lines(self) -> Iterator[str]:
        """For the terminal: counts, classes, baseline, warnings, and what is left out."""
        uses = ", ".join(f"{count:,} {USE[part]}" for part, count in self.counts.items())
        what = counted(len(self.classes), "class", "classes") if self.classes else self.unit
        yield f"{self.name}: {what}; {uses}"
        if self.columns:
            yield f"  {', '.join(self.columns)}"
        order = sorted(self.classes, key=lambda name: -self.classes[name].get("train", 0))
        width = max(map(len, order), default=0)
        for name in order[:CLASSES]:
            counts = (f"{self.classes[name].get(part, 0):>6,} {part}" for part in self.counts)
            yield f"  {name:<{width}}  {'  '.join(counts)}"
        if len(order) > CLASSES:
            yield f"  … and {len(order) - CLASSES:,} more classes"
        if self.baseline:
            yield f"baseline: {self.baseline}"
        yield from (f"warning: {warning}" for warning in self.warnings)
        if self.problems:
            yield f"{self._problems_title}:"
            yield from (f"  {problem}" for problem in self.problems[:PROBLEMS])
        if len(self.problems) > PROBLEMS:
            yield f"  … and {len(self.problems) - PROBLEMS:,} more, listed in the report"

    @property
    def _problems_title(self) -> str:
        return (
            f"{counted(len(self.problems), 'problem')} with the data; unusable examples are left "
            "out"
        )

    def html(self) -> str:
        """For the report."""
        parts = [text(warning, warning=True) for warning in self.warnings]
        if self.columns:
            parts.append(text(f"Read as: {', '.join(self.columns)}."))
        if self.classes:
            rows = [
                [name, *(counts.get(part, 0) for part in self.counts)]
                for name, counts in self.classes.items()
            ]
            parts.append(table(("class", *self.counts), rows))
        else:
            parts.append(table(("part", self.unit), list(self.counts.items())))
        if self.baseline:
            parts.append(text(f"Baseline: {self.baseline}."))
        if self.problems:
            parts.append(text(f"{self._problems_title}:"))
            rows = [[problem] for problem in self.problems[:PROBLEMS_REPORTED]]
            parts.append(table(("problem",), rows))
        return "".join(parts)


def class_counts(
    names: Iterable[str], parts: Mapping[str, Iterable[Iterable[str]]]
) -> dict[str, dict[str, int]]:
    """By class and part, how many examples have the class; `parts` holds the labels of each."""
    counts_of = {
        part: Counter(one for some in labels for one in some) for part, labels in parts.items()
    }
    return {name: {part: counts[name] for part, counts in counts_of.items()} for name in names}


def data_name(data: Any) -> str:
    """What the data is called in titles: the name of its folder or file."""
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser().resolve()
        return path.name if path.is_dir() else path.stem
    return "your data"


def hub_dataset(data: Any) -> str | None:
    """The repository of a `datasets.Dataset`, or of a mapping of them, that came from the hub."""
    for part in data.values() if isinstance(data, Mapping) else (data,):
        addresses = getattr(getattr(part, "info", None), "download_checksums", None) or ()
        for address in addresses:
            if match := _HUB_DATASET.match(str(address)):
                return match[1]
    return None


def in_words(figures: Mapping[str, float]) -> str:
    """Figures as a sentence shows them."""
    shown = {k: "undefined" if math.isnan(v) else f"{v:.4g}" for k, v in figures.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items())


def _similar(names: Iterable[str]) -> Iterator[str]:
    """Warnings of classes whose names differ only in case, spaces, hyphens and underscores between
    letters, or in how Unicode composes them.
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        plain = unicodedata.normalize("NFKC", name).strip()
        alike.setdefault(_SEPARATORS.sub("", plain).casefold(), []).append(name)
    for some in alike.values():
        if len(some) > 1:
            composed = {unicodedata.normalize("NFC", name) for name in some}
            how = (
                "case, spaces or hyphens"
                if len(composed) > 1
                else "how Unicode writes them (NFC, NFD)"
            )
            yield f"the classes {' and '.join(map(repr, some))} differ only in {how}"
