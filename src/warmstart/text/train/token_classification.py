"""Fine-tuning a token classifier: tagged sentences -> tokens with the tags of their words ->
encoder -> bundle.

The pieces of a word learn the word's tag; those after its first one, the tag that continues it
(`I-` after `B-`), in the scheme of the data (see `text.tags`). Sentences longer than the model are
cut into overlapping windows. The best epoch is the one with the highest F1 of whole entities.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Label
from warmstart.core.probabilities import softmax
from warmstart.errors import UsageError
from warmstart.text import conll
from warmstart.text.conll import Sentence
from warmstart.text.tags import OUTSIDE, Scheme, scheme_of
from warmstart.text.token_classification import TokenClassifier, word_indices
from warmstart.text.tokenizer import Encoded
from warmstart.text.train.batches import TextBatches, weighted_loss
from warmstart.text.train.encoder import EncoderTrainer
from warmstart.text.train.options import TokenClassificationOptions
from warmstart.training.page import MISTAKES, Section, mistakes
from warmstart.training.report import table


class TokenClassificationTrainer(
    EncoderTrainer[TokenClassificationOptions, Sentence, TokenClassifier]
):
    """Entities in sentences."""

    task = "token-classification"
    unit = "sentences"
    monitor = "val_f1"

    def examples(self, data: Any) -> list[Sentence]:
        reading = self.options.reading()
        return conll.sentences(data, problems=self.problems, columns=self.columns, **reading)

    def inspect(self, examples: Sequence[Sentence]) -> None:
        self.scheme = scheme_of(tag for example in examples for tag in example.tags)

    def content_of(self, example: Sentence) -> Hashable:
        return example.words

    def labels_of(self, example: Sentence) -> Sequence[str]:
        return sorted(set(map(self.scheme.type_of, example.tags)) - {""})

    def check(self) -> None:
        self.labels = tags_of(self.train_examples, self.scheme)
        self.number = {label.name: label.index for label in self.labels}
        validation = scheme_of(tag for example in self.validation_examples for tag in example.tags)
        has_entities = any(map(self.labels_of, self.validation_examples))
        if has_entities and validation.has_prefixes != self.scheme.has_prefixes:
            raise UsageError(
                f"The training data is tagged in {self.scheme.name}, but the validation data "
                f"in {validation.name}; use the same tagging scheme for both."
            )

    def windows(self, examples: Sequence[Sentence]) -> list[Sequence[Encoded]]:
        """The windows of each sentence; one that fits the model has one window."""
        return [
            self.predictor.windows(" ".join(sentence.words), f"sentence {number}")
            for number, sentence in enumerate(examples, 1)
        ]

    def text_batches(self, examples: Sequence[Sentence], shuffle: bool) -> TextBatches:
        cut = self.windows(examples)
        encoded = [window for windows in cut for window in windows]
        truth = [
            aligned(sentence, window, self.number, self.scheme)
            for sentence, windows in zip(examples, cut, strict=True)
            for window in windows
        ]
        if not shuffle:
            self.validation_windows, self.validation_truth = cut, truth

        def targets(rows: np.ndarray, length: int) -> tuple[Any, Any]:
            classes, weights = (
                np.stack(
                    [np.pad(truth[row][part], (0, length - len(encoded[row]))) for row in rows]
                )
                for part in (0, 1)
            )
            return {"logits": classes}, {"logits": weights}

        return self.batched(encoded, targets, shuffle)

    def loss(self) -> dict[str, keras.losses.Loss]:
        return weighted_loss()

    def predicted_tags(self, logits: Sequence[np.ndarray]) -> list[list[str]]:
        """The predicted tags of each validation sentence, from the logits of its windows."""
        rows = iter(logits)
        tags = []
        for sentence, windows in zip(
            self.validation_examples, self.validation_windows, strict=True
        ):
            parts = [next(rows)[: len(window)] for window in windows]
            tags.append(self.predictor.tags(sentence.words, self.predictor.merged(windows, parts)))
        return tags

    def measure(self) -> dict[str, float]:
        logits = self.predict()["logits"]
        truth = [sentence.tags for sentence in self.validation_examples]
        figures = conll.scores(truth, self.predicted_tags(logits), self.number)
        return {"loss": _loss(logits, self.validation_truth), **figures}

    def results(self) -> Iterable[str]:
        yield from super().results()
        figures = self.fits[self.fit_name].metrics
        if self.validation_examples and not figures["val_f1"]:
            yield (
                "warning: the model finds no entity of the validation data; train longer "
                "(epochs=), or on more sentences"
            )

    def sections(self) -> list[Section]:
        if not self.validation_examples:
            return []
        wrong: list[tuple[int, list[str]]] = []
        by_type: dict[str, list[tuple[Sequence[str], Sequence[str]]]] = {}
        predicted_tags = self.predicted_tags(self.predict()["logits"])
        for sentence, tags in zip(self.validation_examples, predicted_tags, strict=True):
            true, predicted = (
                set(self.scheme.entities(sequence)) for sequence in (sentence.tags, tags)
            )
            for entity, _, _ in true | predicted:
                by_type.setdefault(entity, []).append((sentence.tags, tags))
            if true != predicted:
                words = sentence.words
                row = [" ".join(words), _in_words(words, true), _in_words(words, predicted)]
                wrong.append((len(true ^ predicted), row))
        wrong.sort(key=lambda row: -row[0])
        rows = [_type_row(self.scheme, entity, by_type[entity]) for entity in sorted(by_type)]
        return [
            ("Per type", table(("entity", "validation", "precision", "recall", "F1"), rows)),
            mistakes(
                ("sentence", "entities", "predicted"),
                [row for _, row in wrong[:MISTAKES]],
                len(wrong),
                len(self.validation_examples),
            ),
        ]


def _loss(logits: Sequence[np.ndarray], truth: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The mean cross-entropy of tokens, in nats."""
    losses = []
    for row, (classes, weights) in zip(logits, truth, strict=True):
        shares = softmax(row[: len(classes)])
        right = shares[np.arange(len(classes)), classes]
        losses.append(-np.log(np.maximum(right, 1e-30))[weights > 0])
    return float(np.mean(np.concatenate(losses)))


def tags_of(sentences: Sequence[Sentence], scheme: Scheme) -> tuple[Label, ...]:
    """O, then the tags of each type of entity, with those that pieces of words need.

    Raises:
        UsageError: there is no entity.
    """
    tags = {tag for sentence in sentences for tag in sentence.tags}
    tags |= {piece for tag in tags for piece in scheme.piece_tags(tag)}
    if not tags - {OUTSIDE}:
        raise UsageError("All tags are O: there are no entities to learn.")
    order = sorted(tags - {OUTSIDE}, key=lambda tag: (scheme.type_of(tag), tag))
    return tuple(Label(index, tag, tag) for index, tag in enumerate([OUTSIDE, *order]))


def aligned(
    sentence: Sentence, window: Encoded, number: Mapping[str, int], scheme: Scheme
) -> tuple[np.ndarray, np.ndarray]:
    """The class of each token, int32 (T,), and 1 where the token is part of a word, float32 (T,).

    A tag that was not trained on counts as O.
    """
    classes = np.zeros(len(window), np.int32)
    weights = (window.sequences == 0).astype(np.float32)
    inside = np.flatnonzero(weights)
    offsets = window.offsets[inside]
    words = word_indices(sentence.words, offsets)
    starts = np.cumsum([0, *(len(word) + 1 for word in sentence.words)])
    is_new = np.diff(words, prepend=-1) > 0
    is_end = np.append(np.diff(words) > 0, True)
    if len(words):  # a window may begin and end inside a word
        is_new[0] = offsets[0, 0] <= starts[words[0]]
        is_end[-1] = offsets[-1, 1] >= starts[words[-1] + 1] - 1
    for token, word, first, last in zip(inside, words, is_new, is_end, strict=False):
        tag = scheme.piece_tag(sentence.tags[word], is_first=bool(first), is_last=bool(last))
        classes[token] = number.get(tag, 0)
    return classes, weights


def _type_row(
    scheme: Scheme, entity: str, pairs: Sequence[tuple[Sequence[str], Sequence[str]]]
) -> list[Any]:
    true, predicted = (
        [[tag if scheme.type_of(tag) == entity else OUTSIDE for tag in tags] for tags in part]
        for part in zip(*pairs, strict=True)
    )
    scores = conll.scores(true, predicted)
    count = sum(len(scheme.entities(tags)) for tags in true)
    return [entity, count, *(f"{scores[key]:.1%}" for key in ("precision", "recall", "f1"))]


def _in_words(words: Sequence[str], spans: set[tuple[str, int, int]]) -> str:
    ordered = sorted(spans, key=lambda span: span[1])
    return (
        "; ".join(f"{' '.join(words[start:end])} ({name})" for name, start, end in ordered)
        or "none"
    )
