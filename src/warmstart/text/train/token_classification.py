"""Fine-tuning a token classifier: tagged sentences -> tokens with the tags of their words -> encoder -> bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Label
from warmstart.core.model import Model
from warmstart.errors import UsageError
from warmstart.text import conll
from warmstart.text.conll import Sentence
from warmstart.text.token_classification import OUTSIDE, TokenClassifier
from warmstart.text.tokenizer import Encoded
from warmstart.text.train import encoder
from warmstart.text.train.batches import TextBatches
from warmstart.text.train.encoder import Lesson, Settings
from warmstart.training import text_report
from warmstart.training.report import table
from warmstart.training.split import split


def finetune(base: str | Path | Model, data: Any, *, validation: Any = 0.1, epochs: int = 3, batch_size: int = 16,
             learning_rate: float | None = None, freeze: int | str = 0, lora: int | None = None, warmup: float = 0.1,
             weight_decay: float = 0.01, optimizer: Any = None, patience: int | None = None, seed: int = 0,
             output: str | Path | None = None, callbacks: Sequence[Any] = (), name: str | None = None) -> Model:
    """Fine-tune a token classifier; see `warmstart.finetune` for what all tasks share.

    The pieces of a word learn the word's tag; those behind its first one, the tag that goes on (`I-` after `B-`).
    The best epoch is the one with the highest F1 of whole entities.

    Args:
        base: a BERT, DistilBERT or RoBERTa, whatever its head is for.
        data: a CoNLL file, or (words, tags) pairs; see `text.conll.sentences`.
        validation: data of the same kind, or the share of `data` that is kept for it.
        epochs, batch_size, learning_rate, freeze, lora, warmup, weight_decay, optimizer, seed: see
            `text_job.Settings`.
        patience: stop after so many epochs without a better one.
        output, callbacks: as for all tasks.
        name: of the result; default: the base's and "_finetuned".

    Raises:
        UsageError: the data or an option cannot be used.
        InputError: a line is unusable.
        TrainingError: training cannot go on.
    """
    train, held = split(conll.sentences(data), validation, seed, conll.sentences)
    labels = tags_of(train)
    settings = Settings(epochs, batch_size, learning_rate, freeze, warmup, weight_decay, optimizer, seed, lora)
    number = {label.name: label.index for label in labels}

    def prepare(judge: TokenClassifier, network: keras.Model) -> Lesson:
        parts = {what: _batches(judge, some, number, settings, what == "train")
                 for what, some in (("train", train), ("held", held)) if some}

        def said() -> list[list[str]]:
            rows = encoder.predict(network, parts["held"])["logits"]
            return [judge.tags(sentence.words, one, row)
                    for sentence, one, row in zip(held, parts["held"].encoded, rows, strict=True)]

        def measure() -> dict[str, float]:
            return conll.scores([sentence.tags for sentence in held], said())

        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
        return Lesson(parts["train"], {"logits": loss}, measure if held else None, "val_f1",
                      lambda: _sections(held, said()))

    return encoder.tune(base, "token-classification", prepare, settings, train=train, held=held, unit="sentences",
                         labels=labels, patience=patience, output=output, callbacks=callbacks, name=name)


def tags_of(sentences: Sequence[Sentence]) -> tuple[Label, ...]:
    """O, then the tags of each kind of entity, with an `I-` for every `B-`."""
    found = {tag for sentence in sentences for tag in sentence.tags}
    found |= {going_on(tag) for tag in found}
    if len(found - {OUTSIDE}) == 0:
        raise UsageError("All tags are O: there are no entities to learn.")
    order = sorted(found - {OUTSIDE}, key=lambda tag: (tag.partition("-")[2] or tag, tag))
    return tuple(Label(index, tag, tag) for index, tag in enumerate([OUTSIDE, *order]))


def going_on(tag: str) -> str:
    """The tag of what follows inside the same entity."""
    return f"I-{tag[2:]}" if tag.startswith("B-") else tag


def aligned(sentence: Sentence, encoded: Encoded, number: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """The class of each token, int32 (T,), and 1 where the token is part of a word, float32 (T,)."""
    ends = np.cumsum([len(word) + 1 for word in sentence.words])  # behind each word and its space
    classes = np.zeros(len(encoded), np.int32)
    weights = np.zeros(len(encoded), np.float32)
    before = -1
    for place in np.flatnonzero(encoded.sequences == 0):
        start, end = encoded.offsets[place]
        word = int(np.searchsorted(ends, (start + end) // 2, side="right"))  # byte-level tokens may hold the space
        tag = sentence.tags[word]
        classes[place], weights[place] = number[going_on(tag) if word == before else tag], 1
        before = word
    return classes, weights


def _batches(judge: TokenClassifier, some: Sequence[Sentence], number: dict[str, int], settings: Settings,
             shuffle: bool) -> TextBatches:
    encoded = [judge.encode(" ".join(sentence.words), f"sentence {place}") for place, sentence in enumerate(some, 1)]
    known = number if shuffle else {tag: number.get(tag, 0) for sentence in some for tag in
                                    (*sentence.tags, *map(going_on, sentence.tags))}
    wanted = [aligned(sentence, one, known) for sentence, one in zip(some, encoded, strict=True)]

    def targets(places: np.ndarray, length: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        rows = [[np.pad(wanted[place][part], (0, length - len(encoded[place]))) for place in places] for part in (0, 1)]
        return {"logits": np.stack(rows[0])}, {"logits": np.stack(rows[1])}

    return TextBatches(encoded, targets, encoder.padder(judge.entry), shuffle=shuffle, seed=settings.seed,
                       batch_size=settings.batch_size if shuffle else 32)


def _sections(held: Sequence[Sentence], said: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    rows: list[tuple[int, list[str]]] = []
    per_kind: dict[str, list[tuple[Sequence[str], Sequence[str]]]] = {}
    for sentence, got in zip(held, said, strict=True):
        want, found = conll.spans(sentence.tags), conll.spans(got)
        for kind, _, _ in want | found:
            per_kind.setdefault(kind, []).append((sentence.tags, got))
        if want != found:
            rows.append((len(want ^ found), [" ".join(sentence.words), _told(sentence.words, want),
                                             _told(sentence.words, found)]))
    rows.sort(key=lambda row: -row[0])
    kinds = []
    for kind in sorted(per_kind):
        parts = [[[tag if tag[2:] == kind else OUTSIDE for tag in tags] for tags in part]
                 for part in zip(*per_kind[kind], strict=True)]
        score = conll.scores(*parts)
        real = sum(len(conll.spans(tags)) for tags in parts[0])
        kinds.append([kind, real, *(f"{score[key]:.1%}" for key in ("precision", "recall", "f1"))])
    return [("Per kind", table(("entity", "held out", "precision", "recall", "F1"), kinds)),
            text_report.mistakes(("sentence", "entities", "found"), [row for _, row in rows[:text_report.MISTAKES]],
                                 len(rows), len(held))]


def _told(words: Sequence[str], spans: set[tuple[str, int, int]]) -> str:
    ordered = sorted(spans, key=lambda span: span[1])
    return "; ".join(f"{' '.join(words[start:end])} ({kind})" for kind, start, end in ordered) or "none"
