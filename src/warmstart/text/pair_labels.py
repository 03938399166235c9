"""Labels of pairs of texts: whether the two match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from warmstart.core.records.columns import Field, choose_column
from warmstart.core.records.record import Record
from warmstart.core.records.table import Table
from warmstart.core.records.values import class_name, is_missing
from warmstart.errors import UsageError

PAIR_LABEL = Field(
    "label",
    "label_column",
    (
        ("label", "labels", "gold_label", "is_duplicate", "is_relevant", "relevant", "relevance", "target",
         "quality", "score", "similarity", "similarity_score"),
    ),
)  # fmt: skip
MATCHING = frozenset(
    ("1", "true", "yes", "entailment", "equivalent", "duplicate", "similar", "relevant", "positive",
     "paraphrase", "match")
)  # fmt: skip
NOT_MATCHING = frozenset(
    ("0", "false", "no", "contradiction", "not_entailment", "not_equivalent", "not_duplicate", "dissimilar",
     "irrelevant", "not_relevant", "negative", "not_paraphrase", "no_match")
)  # fmt: skip
NEUTRAL = frozenset(("neutral",))
KNOWN = MATCHING | NOT_MATCHING | NEUTRAL
NUMBERS = frozenset(("0", "1"))
CLASSES = frozenset(("0", "1", "2"))
ENTAILMENT = ("premise", "hypothesis")
"""Columns of entailment, of which data sets count from 0: entailment."""


def pair_label(table: Table, texts: Sequence[str]) -> str | None:
    """The column that labels pairs as matching or not; None if there is none.

    Args:
        table: of pairs.
        texts: columns of the anchors, the other texts, and perhaps negatives.

    Raises:
        UsageError: it has scores or unknown labels, there are also negatives, or it is ambiguous.
    """
    if table.positional:
        table.check_names(PAIR_LABEL)
        if len(texts) > 2 and _are_labels(table, texts[2]):
            raise UsageError(
                f"{table.name}: the third column looks like labels of pairs, and not like texts; give it a header "
                "such as anchor,positive,label."
            )
        return None
    used = (*texts, *table.split_columns)
    free = [column for column in table.columns if column not in used]
    column = choose_column(free, PAIR_LABEL, table.reading.label_column, table.name)
    if column is None:
        likely = [column for column in free if _are_labels(table, column)]
        if likely:
            raise UsageError(
                f"{table.name}: the column {likely[0]!r} may say which pairs match; name it "
                f"with label_column={likely[0]!r}, or remove it."
            )
        return None
    words = _words(table, column)
    is_entailment = bool({*map(str.casefold, texts)} & {*ENTAILMENT})
    if words == CLASSES or (is_entailment and len(texts) == 2 and words & NUMBERS):
        raise UsageError(
            f"{table.name}: the column {column!r} has class indices "
            f"({', '.join(sorted(words))}). 0 may mean entailment, as in many datasets, or "
            "pairs that do not match; write entailment, neutral and contradiction instead."
        )
    if not _are_labels(table, column, one_is_enough=True):
        raise UsageError(
            f"{table.name}: the column {column!r} has {_first_unknown(table, column)!r:.40}, but "
            "training needs to know which pairs match: write 1 or 0 (or entailment, "
            "contradiction), or keep only the pairs that match and remove the column."
        )
    if len(texts) > 2:
        raise UsageError(
            f"{table.name} has negatives ({texts[2]!r}) and labels ({column!r}); remove one of the two columns."
        )
    return column


def is_match(table: Table, record: Record, column: str) -> bool | None:
    """Whether the pair of a record matches; None for a neutral label.

    Raises:
        RecordError: the label is missing or unknown.
    """
    value = table.cell(record, column, "label")
    try:
        word = _word(table, column, value)
    except ValueError as error:
        raise record.error(f"has a label that {error}") from None
    if word not in KNOWN:
        raise record.error(f"the label {value!r:.40} does not say whether the two texts match")
    return None if word in NEUTRAL else word in MATCHING


def _word(table: Table, column: str, value: Any) -> str:
    name = class_name(value, table.class_names.get(column))
    return name.lower().replace(" ", "_").replace("-", "_")


def _words(table: Table, column: str) -> set[str]:
    """The labels of the first records; those that are missing or unusable are left out."""
    words: set[str] = set()
    for value in table.cells()[column]:
        try:
            words |= (
                set() if is_missing(value) or value in ("-", -1) else {_word(table, column, value)}
            )
        except ValueError:
            words.add("")
    return words


def _are_labels(table: Table, column: str, one_is_enough: bool = False) -> bool:
    words = _words(table, column)
    return words <= KNOWN and len(words) > (0 if one_is_enough else 1)


def _first_unknown(table: Table, column: str) -> Any:
    """The first cell that is not a label of pairs."""
    for value in table.cells()[column]:
        try:
            if not is_missing(value) and _word(table, column, value) not in KNOWN:
                return value
        except ValueError:
            return value
    return None
