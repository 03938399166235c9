"""Token classification: text → tokens → engine → a label per token → `Entities`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, overload

import numpy as np

from warmstart.core.input_kind import Several
from warmstart.core.model import Prepared
from warmstart.core.options import BatchOptions, Option, takes
from warmstart.core.results import Failed
from warmstart.text import conll
from warmstart.text.encoder import TextModel, softmax
from warmstart.text.inputs import TEXT, Text, shown
from warmstart.text.results import Entities, Entity
from warmstart.text.tokenizer import Encoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUTSIDE = "O"


@dataclass(frozen=True, kw_only=True)
class TagOptions(BatchOptions):
    """Options of token classification."""

    aggregation: Annotated[
        Literal["none", "simple", "first", "max"],
        Option(
            'How tokens become entities: "none": every labelled token is one; "simple": neighbours with the same label '
            'are one, scored by their mean; "first" and "max": words stay whole, labelled by their first or '
            "most confident token."
        ),
    ] = "simple"


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


class TokenClassifier(TextModel[Text, Entities, TagOptions]):
    """Finds entities in texts: names of people, places and the like.

    Example:
        >>> model = ws.load("hf://dslim/bert-base-NER")
        >>> model("Ann lives in New York")[1]
        Entity(label='LOC', text='New York', start=13, end=21, score=0.999)
    """

    task = "token-classification"
    class_output = "logits"
    options = TagOptions
    result = Entities

    @overload
    @takes(TagOptions)
    def __call__(self, text: Text, options: TagOptions) -> Entities: ...
    @overload
    @takes(TagOptions)
    def __call__(self, text: Several[Text], options: TagOptions) -> list[Entities | Failed]: ...
    @takes(TagOptions)
    def __call__(self, text: Any, options: TagOptions) -> Any:
        """Find the entities of a text (str or UTF-8 bytes), or of a list of texts.

        Returns:
            One `Entities`; for a list a list, in which an unusable text is a `Failed` at its index.

        Raises:
            InputError: the one text is unusable.
            UsageError: an option is wrong, or `text` stands for many texts and is no list.
        """
        return self.predict(text, options)

    @takes(TagOptions)
    def stream(
        self, texts: Iterable[Text] | os.PathLike[str], options: TagOptions
    ) -> Iterator[Entities | Failed]:
        """The entities of an iterator, a column, or the `Path` of a file with a text a line, in
        constant memory.
        """
        return self.predict_stream(texts, options)

    def decode(self, prepared: Prepared, outputs: Any, options: TagOptions) -> Entities:
        text = prepared.context.text
        scores = softmax(outputs[0]["logits"])
        entities = self._entities(text, prepared.context.encoded[0], scores, options.aggregation)
        return Entities(shown(text), self.name, tuple(entities))

    def evaluate(
        self, data: Any, *, batch_size: int | None = None, progress: Any = None
    ) -> dict[str, Any]:
        """Precision, recall and F1 of whole entities, as CoNLL counts them: label and both ends
        must be right.

        Args:
            data: the path of a CoNLL file, or (words, tags) pairs; see `text.conll.sentences`.
            batch_size: sentences per call of the engine; does not change results.
            progress: called with (name of the model, sentences so far, sentences in all).

        Returns:
            `f1`, `precision`, `recall`, `accuracy` (of tags), each 0 to 1, and `count` of
            sentences, `errors`.

        Raises:
            UsageError: there are no sentences.
        """
        sentences = conll.sentences(data)
        predicted: list[list[str]] = []

        def decode(
            prepared: Prepared, outputs: Any, options: Any
        ) -> tuple[Encoded, NDArray[np.float32]]:
            return prepared.context.encoded[0], outputs[0]["logits"]

        options = TagOptions(batch_size=batch_size)
        items = TEXT.stream(" ".join(sentence.words) for sentence in sentences)
        answers = self.run(items, options, (self.compute, decode))
        for done, (sentence, answer) in enumerate(zip(sentences, answers, strict=True), 1):
            if isinstance(answer, Failed):
                predicted.append([OUTSIDE] * len(sentence.words))
            else:
                predicted.append(self.tags(sentence.words, *answer))
            if progress:
                progress(self.name, done, len(sentences))
        figures = conll.scores([sentence.tags for sentence in sentences], predicted)
        return {**figures, "count": len(sentences), "errors": []}

    def tags(
        self, words: Sequence[str], encoded: Encoded, logits: NDArray[np.float32]
    ) -> list[str]:
        """A tag per word of a text that is the words joined by spaces: that of the word's first
        token.

        Words behind the end of what the model takes are O.
        """
        index_of: dict[int, int] = {}
        for index, (start, _) in enumerate(encoded.offsets):
            if encoded.sequences[index] == 0:
                index_of.setdefault(int(start), index)
        tags, start = [], 0
        for word in words:
            token = index_of.get(start)
            tags.append(OUTSIDE if token is None else self.labels[int(logits[token].argmax())].name)
            start += len(word) + 1
        return tags

    def _entities(
        self, text: str, encoded: Encoded, scores: NDArray[np.float64], aggregation: str
    ) -> Iterator[Entity]:
        parts = list(self._tokens(text, encoded, scores))
        if aggregation in ("first", "max"):
            parts = list(_words(parts, aggregation))
        is_grouped = aggregation != "none"
        groups = self._grouped(parts) if is_grouped else ([part] for part in parts)
        for group in groups:
            label = self.labels[group[0].best].name
            if label == OUTSIDE:
                continue
            start, end = group[0].start, group[-1].end
            score = float(np.mean([part.scores.max() for part in group]))
            label = _without_prefix(label) if is_grouped else label
            yield Entity(label, text[start:end], start, end, score)

    def _tokens(
        self, text: str, encoded: Encoded, scores: NDArray[np.float64]
    ) -> Iterator[_Tagged]:
        wordpiece = self.tokenizer.continuing
        unknown = self.tokenizer.special_id("unk")
        for index in np.flatnonzero(encoded.sequences >= 0):
            start, end = map(int, encoded.offsets[index])
            token = int(encoded.ids[index])
            if wordpiece:
                spelling = self.tokenizer.token(token) or ""
                continues = spelling.startswith(wordpiece) and token != unknown
            else:  # byte-level tokens: a word begins after a space
                continues = start > 0 and " " not in text[start - 1 : start + 1]
            yield _Tagged(start, end, scores[index], continues)

    def _grouped(self, parts: Sequence[_Tagged]) -> Iterator[list[_Tagged]]:
        """Neighbours of one label; a tag that begins with B- starts a new entity."""
        group: list[_Tagged] = []
        for part in parts:
            name = self.labels[part.best].name
            if group:
                previous = _without_prefix(self.labels[group[-1].best].name)
                if name.startswith("B-") or _without_prefix(name) != previous:
                    yield group
                    group = []
            group.append(part)
        if group:
            yield group


def _without_prefix(label: str) -> str:
    return label[2:] if label.startswith(("B-", "I-")) else label


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
