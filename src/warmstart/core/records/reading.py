"""How labelled data is read: the caller's options for a table, and the lists that collect notes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from warmstart.core.records.columns import Field


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Keywords of the readers of labelled data; each takes those that it needs.

    Attributes:
        path_column, text_column, pair_column, negative_column, context_column, answer_column,
            label_column, mask_column, split_column: of a table, if their names are not the
            usual ones.
        group_column: of a table, if examples are to stay together.
        box_format: "xyxy", "xywh" or "cxcywh", if names and numbers of boxes leave it open.
        multi_label: whether an example may have several labels; default: inferred from the data.
        class_names: all classes, in order; default: the labels of the data.
        model_classes: of the model that is evaluated: words for missing values among them are
            classes.
        encoding: of a text file; default: UTF-8, or what its byte order mark says.
        delimiter: of a CSV or TSV file; default: comma, semicolon, tab or vertical bar, as its
            lines show.
        problems: collects the faults of unusable records; default: the first one is raised.
        columns: collects how columns were recognised, such as "label: category".
    """

    path_column: str | None = None
    text_column: str | None = None
    pair_column: str | None = None
    negative_column: str | None = None
    context_column: str | None = None
    answer_column: str | None = None
    label_column: str | None = None
    mask_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    box_format: str | None = None
    multi_label: bool | None = None
    class_names: Sequence[str] | None = None
    model_classes: Collection[str] | None = None
    encoding: str | None = None
    delimiter: str | None = None
    problems: list[str] | None = None
    columns: list[str] | None = None

    def column(self, field: Field) -> str | None:
        """The name that the caller gives for the column of a field."""
        name: str | None = getattr(self, field.option) if field.option else None
        return name

    @property
    def named(self) -> dict[str, str]:
        """The columns that the caller names, by option."""
        options = (key for key in vars(self) if key.endswith("_column"))
        return {key: name for key in options if (name := getattr(self, key))}
