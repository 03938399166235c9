"""Token classification: text → tokens → engine → a label per token → `Entities`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from warmstart.core import records
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import Several
from warmstart.core.model import Prepared
from warmstart.core.options import BatchOptions, ColumnOptions, Option, takes
from warmstart.core.probabilities import softmax
from warmstart.core.records.options import EvaluateOptions, SplitTable, TokenTable
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.core.task import task_of
from warmstart.core.types import Data
from warmstart.engines.agreement import Rule
from warmstart.errors import UsageError, documented_in
from warmstart.text.encoder import TextModel
from warmstart.text.inputs import TEXT, Pair, Text
from warmstart.text.results import Entities, Entity
from warmstart.text.tags import OUTSIDE, Scheme, scheme_of
from warmstart.text.tokenizer import Encoded

if TYPE_CHECKING:
    from warmstart.text import conll

OVERLAP = 0.25
"""Share of a window's tokens that are also in the window before."""


@dataclass(frozen=True, kw_only=True)
class TagOptions(BatchOptions, ColumnOptions):
    """Options of token classification."""

    aggregation: Annotated[
        Literal["auto", "none", "simple", "first", "max"],
        Option(
            'How tokens become entities: "none": every labelled token; "simple": adjacent '
            'tokens with the same label, with their mean score; "first" and "max": whole '
            'words, with the label of their first or most confident token; "auto": "first" '
            'if the tokenizer marks the pieces of a word, else "simple".'
        ),
    ] = "auto"


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of a whole text, without special ones.

    Attributes:
        ids: int32 (T,).
        offsets: int64 (T, 2), where each begins and ends in the text, in characters.
        logits: float32 (T, L).
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    logits: NDArray[np.float32]


@dataclass(frozen=True)
class _Tagged:
    """A token or a word: its span, the scores of all labels, and whether it continues the word
    before.
    """

    start: int
    end: int
    scores: NDArray[np.float64]
    continues: bool

    @property
    def best(self) -> int:
        return int(self.scores.argmax())


@dataclass(frozen=True, kw_only=True)
class EvaluateTagsOptions(TokenTable, SplitTable, EvaluateOptions):
    """Options of evaluating on labelled sentences."""


class TokenClassifier(TextModel[Text, Entities, TagOptions]):
    """Finds entities in texts of any length: names of people, places and the like.

    Example:
        >>> model = ws.load("ner-model")  # such as "bert_base_ner"
        >>> entities = model("Ann lives in New York")
        >>> all(0 <= entity.score <= 1 for entity in entities)
        True
    """

    task = "token-classification"
    class_output = "logits"
    options = TagOptions
    evaluate_options = EvaluateTagsOptions
    result = Entities

    @property
    def agreement_rule(self) -> Rule:
        return Rule("classes", ("logits",), mask="attention_mask")

    @overload
    @takes(TagOptions)
    def __call__(self, text: Text, options: TagOptions) -> Entities: ...
    @overload
    @takes(TagOptions)
    def __call__(self, text: Several[Text], options: TagOptions) -> Results[Entities | Failed]: ...
    @takes(TagOptions)
    def __call__(self, text: Any, options: TagOptions) -> Any:
        """Find the entities of a text (str or UTF-8 bytes), or of a list of texts.

        Returns:
            One `Entities`; for a list a list, in which an unusable text is a `Failed` at its index.

        Raises:
            InputError: the one text is unusable.
            UsageError: an option is wrong, or `text` stands for many texts and is not a list.
        """
        return self.predict(text, options)

    @takes(TagOptions)
    def stream(
        self, texts: Iterable[Text] | os.PathLike[str], options: TagOptions
    ) -> ResultStream[Entities | Failed]:
        """The entities of an iterator, a column, or the `Path` of a file with one text per line, in
        constant memory.

        Returns:
            An iterator with an `Entities` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of texts.
        """
        return self.predict_stream(texts, options)

    @cached_property
    def scheme(self) -> Scheme:
        """How its labels mark entities."""
        return scheme_of(label.name for label in self.labels)

    def windows(self, text: str | Pair, name: str = "") -> Sequence[Encoded]:
        """A text that is too long becomes overlapping windows."""
        assert isinstance(text, str)
        limit = self.max_length
        return self.tokenizer.windows(text, limit=limit, stride=self.overlap, name=name)

    @property
    def overlap(self) -> int:
        """Tokens that a window shares with the one before."""
        return int(OVERLAP * self.max_length)

    def decode(self, prepared: Prepared, outputs: Any, options: TagOptions) -> Entities:
        text = prepared.context.text
        tokens = self._tokens_of(prepared, outputs)
        entities = self._entities(text, tokens, options.aggregation)
        return Entities(prepared.context.input, self.name, tuple(entities))

    @takes(EvaluateTagsOptions)
    @documented_in(task_of(task).guide)
    def evaluate(self, data: Data, options: EvaluateTagsOptions) -> Evaluation:
        """Precision, recall and F1 of whole entities, as CoNLL counts them: label and both ends
        must be right.

        Args:
            data: the path of a CoNLL file, or (words, tags) pairs; see `text.conll.sentences`. Its
                tags may have another scheme than the model's, see `text.tags`.
            options: how a table is read, and windows per call of the engine.

        Returns:
            `f1`, `precision`, `recall`, `accuracy` (of tags), each 0 to 1, and `count` of
            sentences, `errors`: what is wrong with the others.

        Raises:
            UsageError: there are no sentences, or the model lacks a type of entity.
        """
        from warmstart.text import conll  # predicting needs no reader of data

        errors: list[str] = []
        sentences = records.evaluation_split(
            conll.sentences(data, problems=errors, **options.reading())
        )
        self._check_types(sentences)
        predicted: list[list[str]] = []
        call = TagOptions(batch_size=options.batch_size)
        items = TEXT.stream(" ".join(sentence.words) for sentence in sentences)
        answers = self.run(items, call, (self.compute, self._tokens_of))
        for done, (sentence, answer) in enumerate(zip(sentences, answers, strict=True), 1):
            if isinstance(answer, Failed):
                predicted.append([OUTSIDE] * len(sentence.words))
            else:
                predicted.append(self.tags(sentence.words, answer))
            if callable(options.progress):
                options.progress(self.name, done, len(sentences))
        names = [label.name for label in self.labels]
        figures = conll.scores([sentence.tags for sentence in sentences], predicted, names)
        return Evaluation.of(self, {**figures, "count": len(sentences), "errors": errors})

    def _check_types(self, sentences: Sequence[conll.Sentence]) -> None:
        tags = {tag for sentence in sentences for tag in sentence.tags}
        types = set(map(scheme_of(tags).type_of, tags)) - {""}
        own = {self.scheme.type_of(label.name) for label in self.labels} - {""}
        if unknown := sorted(types - own):
            raise UsageError(
                f"{self.name} has no entities of type {unknown[0]!r}, which the data has; "
                f"its types are:  {', '.join(sorted(own))}."
            )

    def tags(self, words: Sequence[str], tokens: Tokens) -> list[str]:
        """A tag per word of a text that is the words joined by spaces: that of the word's first
        token; O where a word has none.
        """
        tags = [OUTSIDE] * len(words)
        indices, first = np.unique(word_indices(words, tokens.offsets), return_index=True)
        for word, token in zip(indices.tolist(), first.tolist(), strict=True):
            tags[word] = self.labels[int(tokens.logits[token].argmax())].name
        return self.scheme.word_tags(tags)

    def merged(self, windows: Sequence[Encoded], logits: Sequence[NDArray[Any]]) -> Tokens:
        """The tokens of a text from those of its windows.

        A token of two windows has the logits of the window where more tokens surround it.
        """
        parts = [window.sequences == 0 for window in windows]
        if len(windows) == 1:
            (inside,), (window,) = parts, windows
            return Tokens(window.ids[inside], window.offsets[inside], logits[0][inside])
        ids, offsets, scores = [], [], []
        for index, (window, inside, row) in enumerate(zip(windows, parts, logits, strict=True)):
            is_last = index == len(windows) - 1
            start = 0 if index == 0 else self.overlap // 2
            end = inside.sum() - (0 if is_last else self.overlap - self.overlap // 2)
            ids.append(window.ids[inside][start:end])
            offsets.append(window.offsets[inside][start:end])
            scores.append(row[inside][start:end])
        return Tokens(*map(np.concatenate, (ids, offsets, scores)))

    def _tokens_of(self, prepared: Prepared, outputs: Any, options: Any = None) -> Tokens:
        return self.merged(prepared.context.encoded, [row["logits"] for row in outputs])

    def _entities(self, text: str, tokens: Tokens, aggregation: str) -> Iterator[Entity]:
        if aggregation == "auto":
            # Byte-level tokens do not tell a word from the punctuation behind it.
            aggregation = "first" if self.tokenizer.continuing else "simple"
        parts = list(self._parts(text, tokens))
        if aggregation in ("first", "max"):
            parts = list(_words(parts, aggregation))
        names = [self.labels[part.best].name for part in parts]
        if aggregation == "none":
            groups = [(name, i, i + 1) for i, name in enumerate(names) if name != OUTSIDE]
        else:
            groups = self.scheme.entities(names)
        for label, first, behind in groups:
            start, end = parts[first].start, parts[behind - 1].end
            score = float(np.mean([part.scores.max() for part in parts[first:behind]]))
            yield Entity(label, text[start:end], start, end, score)

    def _parts(self, text: str, tokens: Tokens) -> Iterator[_Tagged]:
        wordpiece = self.tokenizer.continuing
        unknown = self.tokenizer.special_id("unk")
        rows = zip(tokens.ids, tokens.offsets, softmax(tokens.logits), strict=True)
        for token, (start, end), scores in rows:
            if wordpiece:
                spelling = self.tokenizer.token(token) or ""
                continues = spelling.startswith(wordpiece) and token != unknown
            else:  # byte-level tokens: a word begins after a space
                continues = start > 0 and " " not in text[start - 1 : start + 1]
            yield _Tagged(int(start), int(end), scores, continues)


def word_indices(words: Sequence[str], offsets: NDArray[np.int64]) -> NDArray[np.intp]:
    """(T,) the index of the word that each token belongs to, in the words joined by spaces."""
    ends = np.cumsum([len(word) + 1 for word in words])  # after each word and its space
    middle = offsets.sum(axis=1) // 2  # byte-level tokens may include the space
    indices: NDArray[np.intp] = np.searchsorted(ends, middle, side="right")
    return indices


def _words(parts: Sequence[_Tagged], aggregation: str) -> Iterator[_Tagged]:
    """Tokens as whole words: with the scores of the first, or of the one whose best score is
    highest.
    """
    word: list[_Tagged] = []
    for part in [*parts, None]:
        if word and (part is None or not part.continues):
            chosen = word[0]
            if aggregation == "max":
                chosen = max(word, key=lambda token: float(token.scores.max()))
            yield _Tagged(word[0].start, word[-1].end, chosen.scores, False)
            word = []
        if part is not None:
            word.append(part)
