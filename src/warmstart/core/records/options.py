"""How files and tables of labelled data are read: options that fine-tuning and `evaluate` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from warmstart.core.options import BatchOptions, Option


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Options of any table."""

    encoding: Annotated[
        str | None,
        Option(
            "Encoding of a text file; default: UTF-8, or that of its byte order mark.", rare=True
        ),
    ] = None
    delimiter: Annotated[
        str | None,
        Option(
            "Delimiter of a CSV or TSV file; default: detected.",
            rare=True,
        ),
    ] = None

    def reading(self) -> dict[str, Any]:
        """The keywords of the reader: these options, without those of training and evaluation."""
        own = (base for base in type(self).__mro__ if base.__module__ == __name__)
        names = {
            field.name for base in own if issubclass(base, TableOptions) for field in fields(base)
        }
        return {name: getattr(self, name) for name in sorted(names)}


@dataclass(frozen=True, kw_only=True)
class LabelTable(TableOptions):
    """Options of a table with a column of labels."""

    label_column: Annotated[
        str | None,
        Option(
            "Column of labels in a table, if its name is not recognised; or several columns "
            "of 0 and 1, separated by commas."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class PhotoTable(LabelTable):
    """Options of photos with classes."""

    path_column: Annotated[
        str | None, Option("Column of paths in a table, if its name is not recognised.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class BoxTable(PhotoTable):
    """Options of photos with boxes."""

    box_format: Annotated[
        Literal["xyxy", "xywh", "cxcywh"] | None,
        Option(
            "Format of the boxes in a table, if its columns do not show it: two corners, or "
            "the top left corner or the centre with width and height.",
            rare=True,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TextTable(LabelTable):
    """Options of texts, or pairs of texts, with classes or numbers."""

    text_column: Annotated[
        str | None, Option("Column of texts in a table, if its name is not recognised.")
    ] = None
    pair_column: Annotated[
        str | None,
        Option("Column of the second texts of pairs, if its name is not recognised.", rare=True),
    ] = None


@dataclass(frozen=True, kw_only=True)
class CorpusTable(TableOptions):
    """Options of texts without labels."""

    text_column: Annotated[
        str | None, Option("Column of texts in a table, if its name is not recognised.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class PositiveTable(TableOptions):
    """Options of texts that belong together."""

    text_column: Annotated[
        str | None, Option("Column of anchors in a table, if its name is not recognised.")
    ] = None
    pair_column: Annotated[
        str | None,
        Option("Column of the texts that match the anchors, if its name is not recognised."),
    ] = None
    negative_column: Annotated[
        str | None, Option("Column of the texts that do not match, if its name is not recognised.")
    ] = None
    label_column: Annotated[
        str | None,
        Option(
            "Column of 1 and 0, or entailment and contradiction, if its name is not recognised."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TokenTable(LabelTable):
    """Options of sentences with a tag for each word."""

    text_column: Annotated[
        str | None, Option("Column of the words in a table, if its name is not recognised.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class QuestionTable(TableOptions):
    """Options of questions with contexts and answers."""

    text_column: Annotated[
        str | None, Option("Column of questions in a table, if its name is not recognised.")
    ] = None
    context_column: Annotated[
        str | None,
        Option("Column of contexts in a table, if its name is not recognised.", rare=True),
    ] = None
    answer_column: Annotated[
        str | None,
        Option("Column of answers in a table, if its name is not recognised.", rare=True),
    ] = None


@dataclass(frozen=True, kw_only=True)
class RecordingTable(TableOptions):
    """Options of recordings with their texts."""

    path_column: Annotated[
        str | None, Option("Column of recordings in a table, if its name is not recognised.")
    ] = None
    text_column: Annotated[
        str | None, Option("Column of transcripts in a table, if its name is not recognised.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class MaskTable(TableOptions):
    """Options of photos with masks."""

    path_column: Annotated[
        str | None, Option("Column of photos in a table, if its name is not recognised.", rare=True)
    ] = None
    mask_column: Annotated[
        str | None, Option("Column of masks in a table, if its name is not recognised.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class SplitTable(TableOptions):
    """Options of a table whose examples may be assigned to splits."""

    split_column: Annotated[
        str | None,
        Option(
            "Column with train, validation or test for each example, if its name is not "
            "recognised.",
            rare=True,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class GroupTable(SplitTable):
    """Options of a table that is split into training and validation examples."""

    group_column: Annotated[
        str | None,
        Option(
            "Column such as the patient or author: rows with equal cells stay in the same split.",
            rare=True,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class NamedClasses(TableOptions):
    """Options of data whose class names and order are fixed."""

    class_names: Annotated[
        Sequence[str] | None,
        Option(
            "Class names in order; an integer in the data is an index into them. Default: "
            "the labels of the data.",
            rare=True,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(BatchOptions):
    """Options of `evaluate` for models that process inputs in batches."""
