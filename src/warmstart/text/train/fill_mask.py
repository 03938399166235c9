"""Fine-tuning a masked language model on texts: texts -> tokens, some of them masked -> encoder ->
bundle.

Of the tokens of a text a share is predicted; of these 80 % are replaced by the mask, 10 % by a random
token, and 10 % stay (Devlin et al., "BERT" (2018), section 3.1). They are others in each epoch (Liu
et al., "RoBERTa" (2019), arXiv:1907.11692, section 4.1). The best epoch has the lowest loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from warmstart.core.probabilities import log_softmax
from warmstart.errors import UsageError
from warmstart.text import corpus
from warmstart.text.corpus import TextExample
from warmstart.text.fill_mask import FillMask
from warmstart.text.tokenizer import Encoded
from warmstart.text.train.batches import Pad, weighted_loss
from warmstart.text.train.encoder import VALIDATION_BATCH, EncoderTrainer
from warmstart.text.train.options import FillMaskOptions
from warmstart.training.sorted_batches import SortedBatches

REPLACED, RANDOM = 0.8, 0.1
"""Shares of the predicted tokens: replaced by the mask, and by a random token."""


class FillMaskTrainer(EncoderTrainer[FillMaskOptions, TextExample, FillMask]):
    """Masked tokens; a batch counts windows of texts."""

    task = "fill-mask"
    example = '"a text with a [MASK]"'
    keep_start = True

    def open(self) -> None:
        super().open()
        if self.model.entry.task != self.task:
            raise UsageError(
                f"{self.model.name} has no head for {self.task}; use a base that has one, "
                "such as bert_base_uncased."
            )

    def examples(self, data: Any) -> list[TextExample]:
        reading = self.options.reading()
        return corpus.texts(data, problems=self.problems, columns=self.columns, **reading)

    def text_batches(self, examples: Sequence[TextExample], shuffle: bool) -> MaskedBatches:
        limit, tokenizer = self.predictor.max_length, self.predictor.tokenizer
        windows = [
            window
            for example in examples
            for window in tokenizer.windows(
                example.texts[0], limit=limit, stride=0, name=example.name
            )
        ]
        options = self.options
        return MaskedBatches(
            windows,
            self.pad,
            mask=tokenizer.special_id("mask"),
            tokens=self.result_entry.config["vocab_size"],
            share=options.mlm_probability,
            batch_size=options.batch_size if shuffle else VALIDATION_BATCH,
            shuffle=shuffle,
            seed=options.seed,
        )

    def loss(self) -> dict[str, keras.losses.Loss]:
        return weighted_loss()

    def measure(self) -> dict[str, float]:
        """`loss` and `accuracy` of the masked tokens, and the perplexity."""
        total = correct = count = 0.0
        for index in range(len(self.validation_text_batches)):
            inputs, truth, weights = self.validation_text_batches.batch(0, index)
            logits = np.asarray(self.network.predict_on_batch(inputs)["logits"])
            chosen = weights["logits"] > 0
            scores, tokens = logits[chosen].astype(np.float64), truth["logits"][chosen]
            total -= float(log_softmax(scores)[np.arange(len(tokens)), tokens].sum())
            correct += float((scores.argmax(axis=1) == tokens).sum())
            count += len(tokens)
        loss = total / max(count, 1)
        return {
            "loss": loss,
            "perplexity": float(np.exp(loss)),
            "accuracy": correct / max(count, 1),
        }


class MaskedBatches(SortedBatches):
    """Texts with some tokens masked, others in each epoch.

    Args:
        encoded: the texts.
        pad: called with (texts, length); returns the model's inputs.
        mask: id of the mask.
        tokens: in the vocabulary.
        share: of the tokens that are predicted; at least one of each text.
        batch_size, shuffle, seed: as for `SortedBatches`.
    """

    def __init__(
        self,
        encoded: Sequence[Encoded],
        pad: Pad,
        *,
        mask: int | None,
        tokens: int,
        share: float,
        batch_size: int,
        shuffle: bool,
        seed: int,
    ):
        lengths = [len(sequence) for sequence in encoded]
        super().__init__(lengths, batch_size=batch_size, shuffle=shuffle, seed=seed)
        if mask is None:
            raise UsageError("The tokenizer of the base has no mask token.")
        self.encoded, self.pad = encoded, pad
        self.mask, self.tokens, self.share = mask, tokens, share

    def padded(self, epoch: int, index: int, more: int) -> tuple[Any, ...]:
        rows = self.indices(epoch, index)
        texts = [self.encoded[row] for row in rows]
        inputs = self.pad(texts, self.length(rows, more))
        ids = inputs["input_ids"].copy()
        weights = np.zeros(ids.shape, np.float32)
        random = np.random.default_rng((self.seed, epoch, index, 2))
        for row, text in enumerate(texts):
            inside = np.flatnonzero(text.sequences >= 0)  # without special tokens
            if len(inside):
                count = max(1, round(self.share * len(inside)))
                weights[row, random.choice(inside, count, replace=False)] = 1
        chosen = weights > 0
        draw = random.random(ids.shape)
        ids[chosen & (draw < REPLACED)] = self.mask
        replaced = chosen & (draw >= REPLACED) & (draw < REPLACED + RANDOM)
        ids[replaced] = random.integers(0, self.tokens, int(replaced.sum()))
        truth = {"logits": inputs["input_ids"]}
        return {**inputs, "input_ids": ids}, truth, {"logits": weights}
