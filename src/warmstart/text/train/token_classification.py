"""Fine-tuning a token classifier: tagged sentences -> tokens with the tags of their words ->
encoder -> bundle.

The pieces of a word learn the word's tag; those after its first one, the tag that continues it
(`I-` after `B-`). The best epoch is the one with the highest F1 of whole entities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Label
from warmstart.errors import UsageError
from warmstart.text import conll
from warmstart.text.conll import Sentence
from warmstart.text.token_classification import OUTSIDE, TokenClassifier
from warmstart.text.tokenizer import Encoded
from warmstart.text.train.batches import TextBatches
from warmstart.text.train.encoder import EncoderTrainer
from warmstart.text.train.options import EncoderOptions
from warmstart.training.page import MISTAKES, Section, mistakes
from warmstart.training.report import table


class TokenClassificationTrainer(EncoderTrainer[EncoderOptions, Sentence, TokenClassifier]):
    """Entities in sentences."""

    task = "token-classification"
    unit = "sentences"
    monitor = "val_f1"

    def examples(self, data: Any) -> list[Sentence]:
        return list(conll.sentences(data))

    def labels_of(self, example: Sentence) -> Sequence[str]:
        return sorted({tag.partition("-")[2] or tag for tag in example.tags} - {OUTSIDE})

    def check(self) -> None:
        self.labels = tags_of(self.train_examples)
        self.number = {label.name: label.index for label in self.labels}

    def text_batches(self, examples: Sequence[Sentence], shuffle: bool) -> TextBatches:
        encoded = [
            self.predictor.encode(" ".join(sentence.words), f"sentence {number}")
            for number, sentence in enumerate(examples, 1)
        ]
        truth = [
            aligned(one, tokens, self.number) for one, tokens in zip(examples, encoded, strict=True)
        ]

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
        mean = "mean_with_sample_weight"
        return {
            "logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=mean)
        }

    def predicted_tags(self) -> list[list[str]]:
        """Of each validation sentence."""
        rows = zip(
            self.validation_examples,
            self.validation_text_batches.encoded,
            self.predict()["logits"],
            strict=True,
        )
        return [self.predictor.tags(sentence.words, tokens, row) for sentence, tokens, row in rows]

    def measure(self) -> dict[str, float]:
        truth = [sentence.tags for sentence in self.validation_examples]
        return conll.scores(truth, self.predicted_tags())

    def sections(self) -> list[Section]:
        if not self.validation_examples:
            return []
        wrong: list[tuple[int, list[str]]] = []
        by_type: dict[str, list[tuple[Sequence[str], Sequence[str]]]] = {}
        for sentence, tags in zip(self.validation_examples, self.predicted_tags(), strict=True):
            true, predicted = conll.spans(sentence.tags), conll.spans(tags)
            for entity, _, _ in true | predicted:
                by_type.setdefault(entity, []).append((sentence.tags, tags))
            if true != predicted:
                words = sentence.words
                row = [" ".join(words), _in_words(words, true), _in_words(words, predicted)]
                wrong.append((len(true ^ predicted), row))
        wrong.sort(key=lambda row: -row[0])
        rows = [_type_row(entity, by_type[entity]) for entity in sorted(by_type)]
        return [
            ("Per type", table(("entity", "validation", "precision", "recall", "F1"), rows)),
            mistakes(
                ("sentence", "entities", "predicted"),
                [row for _, row in wrong[:MISTAKES]],
                len(wrong),
                len(self.validation_examples),
            ),
        ]


def tags_of(sentences: Sequence[Sentence]) -> tuple[Label, ...]:
    """O, then the tags of each type of entity, with an `I-` for every `B-`.

    Raises:
        UsageError: there is no entity.
    """
    tags = {tag for sentence in sentences for tag in sentence.tags}
    tags |= {continued(tag) for tag in tags}
    if not tags - {OUTSIDE}:
        raise UsageError("All tags are O: there are no entities to learn.")
    order = sorted(tags - {OUTSIDE}, key=lambda tag: (tag.partition("-")[2] or tag, tag))
    return tuple(Label(index, tag, tag) for index, tag in enumerate([OUTSIDE, *order]))


def continued(tag: str) -> str:
    """The tag of what follows inside the same entity."""
    return f"I-{tag[2:]}" if tag.startswith("B-") else tag


def aligned(
    sentence: Sentence, encoded: Encoded, number: Mapping[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The class of each token, int32 (T,), and 1 where the token is part of a word, float32 (T,).

    A tag that was not trained on counts as O.
    """
    ends = np.cumsum([len(word) + 1 for word in sentence.words])  # after each word and its space
    classes = np.zeros(len(encoded), np.int32)
    weights = np.zeros(len(encoded), np.float32)
    before = -1
    for token in np.flatnonzero(encoded.sequences == 0):
        start, end = encoded.offsets[token]
        # byte-level tokens may include the space
        word = int(np.searchsorted(ends, (start + end) // 2, side="right"))
        tag = sentence.tags[word]
        classes[token] = number.get(continued(tag) if word == before else tag, 0)
        weights[token] = 1
        before = word
    return classes, weights


def _type_row(entity: str, pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[Any]:
    true, predicted = (
        [[tag if tag[2:] == entity else OUTSIDE for tag in tags] for tags in part]
        for part in zip(*pairs, strict=True)
    )
    scores = conll.scores(true, predicted)
    count = sum(len(conll.spans(tags)) for tags in true)
    return [entity, count, *(f"{scores[key]:.1%}" for key in ("precision", "recall", "f1"))]


def _in_words(words: Sequence[str], spans: set[tuple[str, int, int]]) -> str:
    ordered = sorted(spans, key=lambda span: span[1])
    return (
        "; ".join(f"{' '.join(words[start:end])} ({name})" for name, start, end in ordered)
        or "none"
    )
