"""The parts of an example, the usual names of their columns, and how a column is chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from warmstart.errors import UsageError, documented_in


@dataclass(frozen=True)
class Field:
    """A part of an example.

    Attributes:
        name: for messages, and of the column if the records are tuples.
        option: the keyword that names its column; not compared.
        tiers: usual names of its column, in lower case. A name of a later tier counts if there
            is none of an earlier one: it often means something else.
        numeric: whether its cells are numbers.
    """

    name: str
    option: str = field(compare=False)
    tiers: tuple[tuple[str, ...], ...]
    numeric: bool = False

    @property
    def usual_names(self) -> frozenset[str]:
        """All usual names of its column."""
        return frozenset(name for tier in self.tiers for name in tier)


_FILES = ("path", "file", "file_name", "filename", "filepath", "file_path")
ADDRESSES = ("url", "source")
"""Columns of addresses, or of where the data comes from."""
_LABELS = (
    "label",
    "labels",
    "class",
    "classes",
    "category",
    "target",
    "sentiment",
    "gold_label",
    "is_duplicate",
)

PHOTO = Field(
    "photo",
    "path_column",
    (
        (*_FILES, "image", "image_path", "photo", "img"),
        ADDRESSES,
        ("image_name",),
    ),
)
PHOTO_ID = Field("photo", "path_column", (("image_id", "imageid", "img_id"), ("id",)))
"""Names of files without their suffix, if no column has paths."""
MASK = Field(
    "mask",
    "mask_column",
    (("mask", "mask_path", "segmentation", "segmentation_mask"), ("annotation", "label", "labels")),
)
RECORDING = Field(
    "recording",
    "path_column",
    (("audio", "recording", "wav", "audio_filepath", "audio_path"), _FILES, ADDRESSES),
)
TRANSCRIPT = Field(
    "text",
    "text_column",
    (("text", "transcription", "transcript", "sentence"), ("label",), ("normalized_text",)),
)
TEXT = Field(
    "text",
    "text_column",
    (
        ("text", "sentence", "sentence1", "text1", "premise", "question1", "review",
         "review text", "review_text", "reviewtext", "comment", "comment_text", "content", "document", "tweet",
         "utterance", "message", "body", "#1 string"),
        ("question", "prompt"),
        ("abstract", "description", "headline", "title"),
        ("source",),
    ),
)  # fmt: skip
PAIR = Field(
    "second text",
    "pair_column",
    (("text_pair", "sentence2", "text2", "hypothesis", "question2", "pair", "#2 string"),),
)
ANCHOR = Field(
    "anchor",
    "text_column",
    (
        ("anchor", "query", "question"),
        ("sentence1", "text1", "premise", "question1", "#1 string"),
        ("text", "sentence"),
    ),
)
POSITIVE = Field(
    "positive",
    "pair_column",
    (
        ("positive", "pos"),
        (
            "answer",
            "passage",
            "document",
            "sentence2",
            "text2",
            "hypothesis",
            "question2",
            "#2 string",
        ),
        ("text_pair", "context"),
    ),
)
NEGATIVE = Field("negative", "negative_column", (("negative", "neg", "hard_negative"),))
LABEL = Field(
    "label",
    "label_column",
    (_LABELS, ("tags",), ("score", "rating", "stars", "overall", "quality")),
)
BOX_LABEL = Field(
    "label", "label_column", (_LABELS, ("name",), ("label_name", "labelname", "class_name"))
)
SPLIT = Field(
    "split",
    "split_column",
    (
        ("split",),
        ("part",),
        ("subset",),
        ("set",),
        ("dataset", "data set", "data_set", "partition", "phase", "usage", "mode", "stage",
         "split_name", "train_or_test", "train_test"),
    ),
)  # fmt: skip
"""Only `split` counts whatever its cells are; see `split_columns.find_split_column`."""
GROUP = Field("group", "group_column", ())
COLA = (
    Field("source", "", ()),
    LABEL,
    Field("annotation", "", ()),
    TEXT,
)
"""The columns of CoLA's files, which have no header (Warstadt et al. 2018, arXiv:1805.12471)."""
QUESTION = Field("question", "text_column", (("question",), ("query",)))
CONTEXT = Field("context", "context_column", (("context",), ("passage", "paragraph")))
ANSWERS = Field("answers", "answer_column", (("answers",), ("answer", "answer_text")))
ANSWER_START = Field("answer_start", "answer_column", (("answer_start",),))
TOKENS = Field("tokens", "text_column", (("tokens", "words"), ("token", "word")))
TAGS = Field(
    "tags", "label_column", (("ner_tags", "tags"), ("labels", "label"), ("ner_tag", "tag"))
)
SENTENCE_ROW = Field(
    "sentence number",
    "",
    (
        (
            "sentence_id",
            "sentence #",
            "sentence_number",
            "sentence_idx",
            "sent_id",
            "sentence no",
            "sentence_no",
        ),
        ("sentence", "sentence_nr"),
    ),
)
"""The column with the number of the sentence that the row's word belongs to."""
SIDES = (
    Field("xmin", "", (("xmin", "x1", "left"),), True),
    Field("ymin", "", (("ymin", "y1", "top"),), True),
    Field("xmax", "", (("xmax", "x2", "right"),), True),
    Field("ymax", "", (("ymax", "y2", "bottom"),), True),
)

TEXT_PAIRS = (
    ("text", "text_pair"),
    ("text1", "text2"),
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("#1 string", "#2 string"),
    ("sentence_a", "sentence_b"),
    ("text_a", "text_b"),
    ("question", "sentence"),
    ("question", "context"),
)
"""Columns that are a pair of texts together."""
COMPANIONS = frozenset(
    ("reply", "response", "summary", *POSITIVE.usual_names, *CONTEXT.usual_names)
)
"""Usual names of columns of texts that belong to others."""
SEVERAL = ("labels", "classes", "tags")
"""Columns whose cells hold any number of labels."""
ROW_NAMES = ("id", "idx", "index", "guid")
"""Columns that number or name the records."""


@documented_in("fine-tuning.md#tables")
def choose_column(columns: Sequence[str], field: Field, named: str | None, name: str) -> str | None:
    """The column of a field: the named one, or the one with a usual name; None if there is none.

    Args:
        columns: of the table.
        field: what is searched.
        named: the column that the caller names.
        name: of the table, for messages.

    Raises:
        UsageError: the named column is not there, or two columns have usual names.
    """
    if named is not None:
        if named not in columns:
            raise UsageError(
                f"{name}: there is no column {named!r}; the columns are {listed(columns)}."
            )
        return named
    for tier in field.tiers:
        candidates = [column for column in columns if column.casefold() in tier]
        if len(candidates) > 1:
            way = f"name one with {field.option}" if field.option else "rename one"
            raise UsageError(
                f"{name}: the {field.name} may be in the column {' or '.join(map(repr, candidates))}; {way}."
            )
        if candidates:
            return candidates[0]
    return None


@documented_in("fine-tuning.md#tables")
def require_column(columns: Sequence[str], field: Field, named: str | None, name: str) -> str:
    """Like `choose_column`, but the column must exist.

    Raises:
        UsageError: there is no such column, or it is ambiguous.
    """
    column = choose_column(columns, field, named, name)
    if column is None:
        raise UsageError(
            f"{name} has no column of {plural(field.name)}; name it with {field.option} "
            f"(the columns are {listed(columns)})."
        )
    return column


@documented_in("fine-tuning.md#tables")
def choose_texts(
    columns: Sequence[str],
    text: str | None,
    pair: str | None,
    name: str,
    *,
    taken: Collection[str] = (),
    fields: tuple[Field, Field | None] = (TEXT, PAIR),
) -> tuple[str, str | None]:
    """The columns of the text and, if the texts are pairs, of the second one.

    Args:
        columns: of the table.
        text, pair: named by the caller.
        name: of the table, for messages.
        taken: columns that hold something else.
        fields: of the text and of the second one; None: the second one is recognised by the names
            of both only.

    Raises:
        UsageError: there is no column of texts, a named one is not there, or several could be
            meant.
    """
    first, second = fields
    options = first.option if second is None else f"{first.option} (and {second.option})"
    if text is not None or pair is not None:
        column = require_column(columns, first, text, name)
        return column, None if pair is None or second is None else choose_column(
            columns, second, pair, name
        )
    free = [column for column in columns if column not in taken]
    by_name = {column.casefold(): column for column in free}
    if len(by_name) < len(free):
        names = first.usual_names | (frozenset() if second is None else second.usual_names)
        other = next((c for c in free if c.casefold() in names and c not in by_name.values()), None)
        if other is not None:
            raise UsageError(
                f"{name}: the text may be in {other!r} or {by_name[other.casefold()]!r}; "
                f"name it with {options}."
            )
    pairs = [(by_name[a], by_name[b]) for a, b in TEXT_PAIRS if a in by_name and b in by_name]
    if pairs:
        usual = first.tiers[0] if second is None else (*first.tiers[0], *second.tiers[0])
        others = [
            column for key, column in by_name.items() if column not in pairs[0] and key in usual
        ]
        if len(pairs) > 1 or others:
            readings = [
                *(" and ".join(pair) for pair in pairs),
                *(others if len(pairs) == 1 else ()),
            ]
            raise UsageError(
                f"{name}: the text may be in {' or '.join(readings)}; name it with {options}."
            )
        return pairs[0]
    column = require_column(free, first, None, name)
    return column, None if second is None else choose_column(free, second, None, name)


def plural(name: str) -> str:
    """`name` for several of them."""
    return {"photo": "paths", "recording": "paths of recordings"}.get(
        name, name if name.endswith("s") else f"{name}s"
    )


def listed(names: Iterable[Any], limit: int = 20) -> str:
    """Names with commas, the first of many; "none" if there are none."""
    shown = [str(name) for name in names]
    more = f" and {len(shown) - limit:,} more" if len(shown) > limit else ""
    return (", ".join(shown[:limit]) or "none") + more


def unique_columns(names: Sequence[str], name: str) -> tuple[str, ...]:
    """The names of columns, stripped; a column without a name is called `column 3`.

    Raises:
        UsageError: two columns have the same name.
    """
    columns = [column.strip() or f"column {number}" for number, column in enumerate(names, 1)]
    check_unique(columns, name)
    return tuple(columns)


def check_unique(columns: Iterable[Any], name: str) -> None:
    """Refuse columns of the same name.

    Raises:
        UsageError: two columns have the same name.
    """
    columns = list(columns)
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        numbers = [str(number) for number, column in enumerate(columns, 1) if column == twice[0]]
        raise UsageError(
            f"{name}: the columns {listed(numbers)} have the same name, {twice[0]!r}; rename all but one."
        )
