"""The summary of the training data on the terminal and in the report."""

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

from warmstart.counts import counted
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
    """The data of a fine-tuning run.

    Attributes:
        name: of the folder or file.
        unit: the plural of an example's name.
        counts: examples by split: "train", "validation", "test".
        classes: examples of each class by split; empty if there are no classes.
        baseline: the scores of a trivial model, as a sentence; "" if they are measured instead.
        warnings: about the data as a whole.
        problems: of single examples, such as those left out and boxes that were clipped.
        columns: how the data was read, such as "label: category" for a column of a table.
        figures: the metrics of the baseline, by name.
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
        uses = ", ".join(f"{count:,} {USE[split]}" for split, count in self.counts.items())
        what = counted(len(self.classes), "class", "classes") if self.classes else self.unit
        yield f"{self.name}: {what}; {uses}"
        if self.columns:
            yield f"  {', '.join(self.columns)}"
        order = sorted(self.classes, key=lambda name: -self.classes[name].get("train", 0))
        width = max(map(len, order), default=0)
        for name in order[:CLASSES]:
            counts = (f"{self.classes[name].get(split, 0):>6,} {split}" for split in self.counts)
            yield f"  {name:<{width}}  {'  '.join(counts)}"
        if len(order) > CLASSES:
            yield f"  … and {counted(len(order) - CLASSES, 'more class', 'more classes')}"
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
                [name, *(counts.get(split, 0) for split in self.counts)]
                for name, counts in self.classes.items()
            ]
            parts.append(table(("class", *self.counts), rows))
        else:
            parts.append(table(("split", self.unit), list(self.counts.items())))
        if self.baseline:
            parts.append(text(f"Baseline: {self.baseline}."))
        if self.problems:
            parts.append(text(f"{self._problems_title}:"))
            rows = [[problem] for problem in self.problems[:PROBLEMS_REPORTED]]
            parts.append(table(("problem",), rows))
        return "".join(parts)


def class_counts(
    names: Iterable[str], splits: Mapping[str, Iterable[Iterable[str]]]
) -> dict[str, dict[str, int]]:
    """The number of examples by class and split; `splits` has the classes of every example."""
    counts_of = {
        split: Counter(name for classes in labels for name in classes)
        for split, labels in splits.items()
    }
    return {name: {split: counts[name] for split, counts in counts_of.items()} for name in names}


def data_name(data: Any) -> str:
    """The name of the data in titles: that of its folder or file."""
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser().resolve()
        return path.name if path.is_dir() else path.stem
    return "your data"


def hub_dataset(data: Any) -> str | None:
    """The repository of a `datasets.Dataset`, or of a mapping of them, that came from the hub."""
    for split in data.values() if isinstance(data, Mapping) else (data,):
        addresses = getattr(getattr(split, "info", None), "download_checksums", None) or ()
        for address in addresses:
            if match := _HUB_DATASET.match(str(address)):
                return match[1]
    return None


def in_words(figures: Mapping[str, float]) -> str:
    """Metrics as part of a sentence: "accuracy 0.95, loss 0.2"."""
    shown = {k: "undefined" if math.isnan(v) else f"{v:.4g}" for k, v in figures.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items())


def _similar(names: Iterable[str]) -> Iterator[str]:
    """Warnings about classes whose names differ only in case, in spaces, hyphens and underscores
    between letters, or in their Unicode normal form.
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        plain = unicodedata.normalize("NFKC", name).strip()
        alike.setdefault(_SEPARATORS.sub("", plain).casefold(), []).append(name)
    for variants in alike.values():
        if len(variants) > 1:
            composed = {unicodedata.normalize("NFC", name) for name in variants}
            how = (
                "case, spaces or hyphens"
                if len(composed) > 1
                else "how Unicode writes them (NFC, NFD)"
            )
            yield f"the classes {' and '.join(map(repr, variants))} differ only in {how}"
