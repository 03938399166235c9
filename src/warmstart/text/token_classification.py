"""Token classification: text -> tokens -> engine -> a label per token -> `Entities` with places in the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from warmstart.errors import UsageError
from warmstart.text import conll
from warmstart.text.encoder import Row, TextTask, softmax
from warmstart.text.inputs import Pair, shown
from warmstart.text.results import Entities, Entity
from warmstart.text.tokenizer import Encoded

AGGREGATIONS = ("none", "simple", "first", "max")
OUTSIDE = "O"


@dataclass(frozen=True)
class _Tagged:
    """A token or a word: its place, the scores of all labels, and whether it continues the word before."""

    start: int
    end: int
    scores: np.ndarray
    continues: bool

    @property
    def best(self) -> int:
        return int(self.scores.argmax())


class TokenClassifier(TextTask):
    """Finds names of people, places and the like in a text.

    Example:
        >>> model = ws.load("hf://dslim/bert-base-NER")
        >>> model("Ann lives in New York")[1]
        Entity(label='LOC', text='New York', start=13, end=21, score=0.999)
    """

    task = "token-classification"

    def __call__(self, inputs: Any, *, aggregation: str = "simple", batch_size: int | None = None,
                 **options: Any) -> Any:
        """Find entities.

        Args:
            inputs: a text (str or UTF-8 bytes); a list or generator of them; a path object of a file with one text a
                line.
            aggregation: `"none"`: every token with a label other than O is an entity; `"simple"`: neighbouring tokens
                with the same label are one (B- begins a new one), scored by their mean; `"first"` and `"max"`: words
                are never torn apart, a word has the label of its first token, or of its surest one.
            batch_size: texts per call of the engine where there are several; does not change results.

        Returns:
            One `Entities`; a list of them for a list; an iterator for a generator or file. In a list or iterator an
            unusable text is a `Failed` in its place.

        Raises:
            InputError: the one text is unusable.
            UsageError: an option is wrong.
        """
        if options:
            raise UsageError(f"TokenClassifier takes no option {next(iter(options))!r}.")
        if aggregation not in AGGREGATIONS:
            raise UsageError(f"aggregation is one of {', '.join(AGGREGATIONS)}, not {aggregation!r}.")

        def result(text: str | Pair, windows: Sequence[Encoded], rows: Sequence[Row]) -> Entities:
            assert isinstance(text, str)
            found = self._entities(text, windows[0], softmax(rows[0]["logits"]), aggregation)
            return Entities(shown(text), self.name, tuple(found))

        return self._results(inputs, batch_size, result)

    def evaluate(self, data: Any, *, batch_size: int | None = None, progress: Any = None) -> dict[str, Any]:
        """Precision, recall and F1 of whole entities, as CoNLL counts them: label and both ends must be right.

        Args:
            data: the path of a CoNLL file, or (words, tags) pairs; see `text.conll.sentences`.
            batch_size: sentences per call of the engine; does not change results.
            progress: called with (name of the model, sentences so far, sentences in all).

        Returns:
            `f1`, `precision`, `recall`, `accuracy` (of tags), each 0 to 1, and `count` of sentences, `errors`.

        Raises:
            UsageError: there are no sentences.
        """
        sentences = conll.sentences(data)
        texts = (" ".join(sentence.words) for sentence in sentences)
        said: list[list[str]] = []
        for done, (sentence, row) in enumerate(zip(sentences, self._answers(texts, batch_size), strict=True), 1):
            if isinstance(row, tuple):
                said.append(self.tags(sentence.words, row[1][0], row[2][0]["logits"]))
            else:
                said.append([OUTSIDE] * len(sentence.words))
            if progress:
                progress(self.name, done, len(sentences))
        return {**conll.scores([sentence.tags for sentence in sentences], said), "count": len(sentences), "errors": []}

    def tags(self, words: Sequence[str], encoded: Encoded, logits: np.ndarray) -> list[str]:
        """A tag per word of a text that is the words with spaces between: that of the word's first token; O for words
        behind the end of what the model takes."""
        starts = {int(start): place for place, (start, _) in reversed(list(enumerate(encoded.offsets)))
                  if encoded.sequences[place] == 0}
        found, position = [], 0
        for word in words:
            place = starts.get(position)
            found.append(OUTSIDE if place is None else self.labels[int(logits[place].argmax())].name)
            position += len(word) + 1
        return found

    def _entities(self, text: str, encoded: Encoded, scores: np.ndarray, aggregation: str) -> Iterator[Entity]:
        parts = list(self._tokens(text, encoded, scores))
        if aggregation in ("first", "max"):
            parts = list(_words(parts, aggregation))
        groups = [[part] for part in parts] if aggregation == "none" else list(self._groups(parts))
        for group in groups:
            label = self.labels[group[0].best].name
            if label == OUTSIDE:
                continue
            start, end = group[0].start, group[-1].end
            score = float(np.mean([part.scores.max() for part in group]))
            yield Entity(label if aggregation == "none" else _plain(label), text[start:end], start, end, score)

    def _tokens(self, text: str, encoded: Encoded, scores: np.ndarray) -> Iterator[_Tagged]:
        wordpiece = self.tokenizer.continuing
        unknown = self.tokenizer.special_id("unk")
        for place in np.flatnonzero(encoded.sequences >= 0):
            start, end = map(int, encoded.offsets[place])
            number = int(encoded.ids[place])
            if wordpiece:
                continues = (self.tokenizer.token(number) or "").startswith(wordpiece) and number != unknown
            else:  # byte-level tokens: a word begins after a space
                continues = start > 0 and " " not in text[start - 1:start + 1]
            yield _Tagged(start, end, scores[place], continues)

    def _groups(self, parts: Sequence[_Tagged]) -> Iterator[list[_Tagged]]:
        """Neighbours of one label; a tag that begins with B- starts a new entity."""
        group: list[_Tagged] = []
        for part in parts:
            name = self.labels[part.best].name
            if group and (name.startswith("B-") or _plain(name) != _plain(self.labels[group[-1].best].name)):
                yield group
                group = []
            group.append(part)
        if group:
            yield group


def _plain(label: str) -> str:
    return label[2:] if label.startswith(("B-", "I-")) else label


def _words(parts: Sequence[_Tagged], how: str) -> Iterator[_Tagged]:
    """Tokens as whole words: with the scores of the first, or of the one whose best score is highest."""
    word: list[_Tagged] = []
    for part in [*parts, None]:
        if word and (part is None or not part.continues):
            chosen = word[0] if how == "first" else max(word, key=lambda one: one.scores.max())
            yield _Tagged(word[0].start, word[-1].end, chosen.scores, False)
            word = []
        if part is not None:
            word.append(part)
