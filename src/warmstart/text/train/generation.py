"""Fine-tuning a language model on plain text: text -> tokens -> windows -> network -> bundle.

The recipe is that of Howard and Ruder, "Universal Language Model Fine-tuning" (2018),
arXiv:1801.06146, for transformers: all layers at once, AdamW, a linear rise and fall of a small
learning rate. The rate is for a width of 768 and grows as the width falls (Yang et al., "Tensor
Programs V" (2022), arXiv:2203.03466). Validation data is the end of the text, as a text continues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry, Metric
from warmstart.core.compiling import build_keras
from warmstart.core.inputs import Item
from warmstart.counts import counted
from warmstart.errors import InputError, UsageError
from warmstart.text.generation import TextGenerator
from warmstart.text.inputs import PROMPT
from warmstart.text.train.options import GenerationOptions
from warmstart.training.adamw import AdamW
from warmstart.training.batches import batch_slices
from warmstart.training.freeze import Block, freeze
from warmstart.training.options import validation_fraction
from warmstart.training.schedules import warmup_linear
from warmstart.training.summary import Summary, data_name
from warmstart.training.trainer import SOURCE, Trainer

RATE, WIDTH = 5e-5, 768
LONGEST_CONTEXT = 512


class GenerationTrainer(Trainer[GenerationOptions]):
    """A language model on a text of your own; the best epoch is selected, the untrained one included."""

    task = "text-generation"
    unit = "tokens"
    example = '"the beginning of a text"'
    keep_start = True
    measures = False
    model: TextGenerator

    def open(self) -> None:
        super().open()
        if not isinstance(self.model, TextGenerator):
            raise UsageError(
                f"{self.model.name} is a model for {self.model.entry.task}, not {self.task}."
            )
        longest = self.model.max_length
        self.context = self.options.context or min(longest, LONGEST_CONTEXT)
        if self.context > longest:
            raise UsageError(f"context must be from 2 to {longest}, not {self.context}.")

    def read(self, data: Any) -> Summary:
        tokens = encoded(self.model, data)
        share = validation_fraction(self.options.validation)
        if share == 0:
            raise UsageError(
                "Fine-tuning a language model needs validation data, or a fraction above 0."
            )
        if share is None:
            self.tokens, self.validation_tokens = (
                tokens,
                encoded(self.model, self.options.validation),
            )
        else:
            cut = max(len(tokens) - max(round(share * len(tokens)), 2), 0)
            self.tokens, self.validation_tokens = tokens[:cut], tokens[cut:]
        counts = {"train": len(self.tokens), "validation": len(self.validation_tokens)}
        for what, count, least in (
            ("train on", counts["train"], self.context + 1),
            ("validate", counts["validation"], 2),
        ):
            if count < least:
                raise UsageError(
                    f"The data has {counted(count, 'token')} to {what}; {least:,} are needed"
                    f"{' (or a smaller context)' if least > 2 else ''}."
                )
        text = self.model.tokenizer.decode(self.validation_tokens[1:], special=True)
        self.characters = max(len(text), 1)
        return Summary(data_name(data), self.unit, counts, {})

    def identity(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "context": self.context,
            "train": _digest(self.tokens),
            "validation": _digest(self.validation_tokens),
        }

    @property
    def rate(self) -> float:
        """The highest learning rate."""
        return self.options.learning_rate or RATE * WIDTH / self.model.entry.config["n_embd"]

    def build(self) -> keras.Model:
        return build_keras(self.model.entry, self.model.weights)

    def blocks(self) -> list[Block]:
        network = self.network
        first, *others = network.h
        return [[network.wte, network.wpe, first], *([block] for block in others)]

    def freeze(self) -> None:
        # Without "backbone": the output layer is the table of embeddings, so nothing would be left.
        freeze(self.network, self.blocks(), self.options.freeze, words={"none": 0})

    def learner(self) -> keras.Model:
        ids = keras.Input((None,), dtype="int32", name="input_ids")
        return keras.Model(ids, self.network({"input_ids": ids})["logits"])

    def batches(self) -> Windows:
        options = self.options
        return Windows(self.tokens, self.context, options.batch_size, options.seed)

    def validation_batches(self) -> Windows:
        return Windows(self.validation_tokens, self.context, self.options.batch_size, None)

    def loss(self) -> keras.losses.Loss:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def default_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        return AdamW(warmup_linear(self.rate, steps), weight_decay=0.01)

    def describe(self) -> Entry:
        fitted = self.fits[self.fit_name]
        per_character = (len(self.validation_tokens) - 1) / self.characters
        self.nats_before = fitted.history[0]["val_loss"] * per_character
        self.nats = fitted.metrics["val_loss"] * per_character
        data = f"{self.characters:,} characters set aside for validation"
        entry = self.model.entry
        name = f"{entry.name.removesuffix('_finetuned')}_finetuned"
        return replace(
            entry,
            name=self.options.name or name,
            title=f"{entry.title.removesuffix(', fine-tuned')}, fine-tuned",
            weights={},
            aliases=(),
            metrics=(Metric("nats_per_character", round(self.nats, 4), data, SOURCE),),
        )

    def results(self) -> list[str]:
        return [
            f"result: {self.nats:.4f} nats per character, epoch "
            f"{self.fits[self.fit_name].best}; {self.nats_before:.4f} before training"
        ]

    def tiles(self) -> list[tuple[str, str]]:
        fitted = self.fits[self.fit_name]
        return [
            (f"{self.nats:.4f}", "nats per character"),
            (f"{self.nats_before:.4f}", "before training"),
            (str(fitted.best), "best epoch"),
            (f"{np.exp(fitted.metrics['val_loss']):.2f}", "perplexity"),
        ]


class Windows:
    """Batches of windows of the text, and what follows each token; each epoch cuts the text
    elsewhere.

    Args:
        tokens: int32 (N,).
        context: tokens of a window.
        batch_size: windows of a batch.
        seed: of the cuts; None: always the same ones, for validation.
    """

    def __init__(self, tokens: np.ndarray, context: int, batch_size: int, seed: int | None):
        self.tokens, self.context, self.seed = tokens, context, seed
        self.count = max((len(tokens) - 1) // context, 1)
        self.slices = batch_slices(self.count, batch_size)

    def __len__(self) -> int:
        return len(self.slices)

    def batch(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids (B, T) and the ids after them (B, T)."""
        spare = len(self.tokens) - 1 - self.count * self.context
        starts = np.arange(self.count) * self.context
        if self.seed is not None:
            random = np.random.default_rng((self.seed, epoch))
            starts = random.permutation(starts + random.integers(0, max(spare, 0) + 1))
        offsets = np.arange(min(self.context, len(self.tokens) - 1))
        rows = starts[self.slices[index], None] + offsets
        return self.tokens[rows], self.tokens[rows + 1]


def encoded(model: TextGenerator, data: Any) -> np.ndarray:
    """The tokens of a text file, or of texts joined with the token that ends texts; int32 (N,).

    Raises:
        UsageError: it is neither, or cannot be read.
    """
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        try:
            texts: list[Any] = [path.read_bytes()]
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {error.strerror or error}; pass the path of a text "
                "file, or a list of texts."
            ) from error
    elif isinstance(data, Sequence):
        texts = list(data)
    else:
        raise UsageError(
            f"Pass the path of a text file or a list of texts, not {type(data).__name__}."
        )
    end = sorted(model.ends)[:1]
    tokens: list[int] = []
    for number, text in enumerate(texts, 1):
        item = Item(str(data) if isinstance(data, str | Path) else f"item {number}", text)
        try:
            ids = model.tokenizer.encode(PROMPT.read(item), name=item.name).ids
        except InputError as error:
            raise UsageError(str(error)) from error
        tokens.extend([*(end if tokens else []), *ids])
    return np.array(tokens, np.int32)


def _digest(tokens: np.ndarray) -> str:
    return sha256(tokens.tobytes()).hexdigest()[:20]
