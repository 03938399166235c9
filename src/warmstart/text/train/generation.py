"""Fine-tuning a language model on plain text: text -> tokens -> windows -> network -> bundle.

The recipe is that of Howard and Ruder, "Universal Language Model Fine-tuning" (2018), arXiv:1801.06146, for
transformers: all layers at once, AdamW, a linear rise and fall of a small learning rate. The rate is given for a width
of 768 and grows as the width falls (Yang et al., "Tensor Programs V" (2022), arXiv:2203.03466).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Metric
from warmstart.core.compiling import build_keras
from warmstart.core.inputs import Item
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.errors import InputError, UsageError
from warmstart.text.generation import TextGenerator
from warmstart.text.inputs import PROMPT
from warmstart.training import charts, open_base
from warmstart.training.adamw import AdamW
from warmstart.training.batches import parts
from warmstart.training.fit import Fitted, fit, seeded
from warmstart.training.report import Report, command_line, text
from warmstart.training.result import finish
from warmstart.training.run import Run, open_run
from warmstart.training.schedules import warmup_linear

RATE, WIDTH = 5e-5, 768
HELD_OUT = 0.1


def finetune(base: str | Path | Model, data: Any, *, validation: Any = HELD_OUT, epochs: int = 3,
             freeze: str | int = "none", optimizer: Any = None, learning_rate: float | None = None,
             batch_size: int = 8, context: int | None = None, seed: int = 0, output: str | Path | None = None,
             callbacks: Sequence[Any] = (), verbose: bool = True) -> Model:
    """Fine-tune a text generator; see `warmstart.finetune` for what all tasks share.

    Args:
        base: a text generator, pretrained or fine-tuned before.
        data: the path of a UTF-8 text file, or a list of texts, which are joined with the token that ends texts.
        validation: the same, or the share of `data`'s end that is kept for it, 0 to less than 1.
        epochs: how often all of the text is seen, at most; the best epoch is kept.
        freeze: `"none"`, or how many of the first blocks stay as they are, together with the embeddings.
        optimizer: as `keras.Model.compile` takes it; default: AdamW with a linear rise and fall.
        learning_rate: its highest; default: 5e-5 at a width of 768, more for narrower networks.
        batch_size: windows of text a step.
        context: tokens of a window; default: what the model reads, 512 at most.
        verbose: whether counts and results are told on standard error.

    Raises:
        UsageError: the data or an option cannot be used.
        TrainingError: training cannot go on.
    """
    model = open_base(base)
    if not isinstance(model, TextGenerator):
        raise UsageError(f"{model.name} does {model.entry.task}, not text-generation.")
    context = context or min(model.max_length, 512)
    for name, value, least, most in (("epochs", epochs, 1, None), ("batch_size", batch_size, 1, None),
                                     ("context", context, 2, model.max_length)):
        if not isinstance(value, int) or value < least or (most and value > most):
            raise UsageError(f"{name} must be {least} or more{f', up to {most}' if most else ''}, not {value!r}.")
    blocks = model.entry.config["n_layer"]
    if freeze != "none" and not (isinstance(freeze, int) and not isinstance(freeze, bool) and 0 <= freeze <= blocks):
        raise UsageError(f"freeze is 'none' or a number of blocks from 0 to {blocks}, not {freeze!r}.")
    if learning_rate is not None and optimizer is not None:
        raise UsageError("An optimizer has its own learning_rate; give one of the two.")
    rate = learning_rate or RATE * WIDTH / model.entry.config["n_embd"]
    train, held, characters = _tokens(model, data, validation, context)
    settings = {"task": model.task, "base": model.name, "weights": model.weights.digest, "train": _digest(train),
                "validation": _digest(held), "epochs": epochs, "freeze": freeze, "optimizer": optimizer, "rate": rate,
                "batch_size": batch_size, "context": context, "seed": seed}
    with open_run(output, settings) as run:
        if run.finished:
            _say(verbose, f"{run.folder} is finished; nothing was trained.")
            return load(run.folder)
        _say(verbose, f"{len(train):,} tokens to train on, {len(held):,} to validate")
        with seeded(seed):
            network = build_keras(model.entry, model.weights)
            ids = keras.Input((None,), dtype="int32", name="input_ids")
            trained = keras.Model(ids, network({"input_ids": ids})["logits"])
        if isinstance(freeze, int) and freeze:
            for layer in (network.wte, network.wpe, *network.h[:freeze]):
                layer.trainable = False
        windows = Windows(train, context, batch_size, seed)
        optimizer = optimizer or AdamW(warmup_linear(rate, epochs * len(windows)), weight_decay=0.01)
        trained.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        others = Windows(held, context, batch_size, None)
        fitted = fit(trained, windows, epochs=epochs, validation=others, clip_norm=1.0, keep_start=True,
                     callbacks=callbacks, run=run)
        return _finished(run, model, network, fitted, held, characters, verbose)


class Windows:
    """Batches of windows of the text, and what follows each token; each epoch cuts the text at other places.

    Args:
        tokens: int32 (N,).
        context: tokens of a window.
        batch_size: windows of a batch.
        seed: of the cuts; None: always the same ones, for validation.
    """

    def __init__(self, tokens: np.ndarray, context: int, batch_size: int, seed: int | None):
        self.tokens, self.context, self.seed = tokens, context, seed
        self.count = max((len(tokens) - 1) // context, 1)
        self.parts = parts(self.count, batch_size)

    def __len__(self) -> int:
        return len(self.parts)

    def batch(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids (B, T) and the ids after them (B, T)."""
        spare = len(self.tokens) - 1 - self.count * self.context
        starts = np.arange(self.count) * self.context
        if self.seed is not None:
            random = np.random.default_rng((self.seed, epoch))
            starts = random.permutation(starts + random.integers(0, max(spare, 0) + 1))
        rows = starts[self.parts[index], None] + np.arange(min(self.context, len(self.tokens) - 1))
        return self.tokens[rows], self.tokens[rows + 1]


def _finished(run: Run, model: TextGenerator, network: keras.Model, fitted: Fitted, held: np.ndarray,
              characters: int, verbose: bool) -> Model:
    before, after = (record["val_loss"] * (len(held) - 1) / characters
                     for record in (fitted.history[0], fitted.metrics))
    _say(verbose, f"{after:.4f} nats per character after epoch {fitted.best}, {before:.4f} before")
    name = model.name if model.name.endswith("_finetuned") else f"{model.name}_finetuned"
    metrics = (Metric("nats_per_character", round(after, 4), f"{characters:,} characters kept for validation",
                      "training.json"),)
    entry = replace(model.entry, name=name, title=f"{model.entry.title}, fine-tuned", weights={}, aliases=(),
                    metrics=metrics)
    page = Report(entry.title, f"{model.name}, trained further on your text")
    page.tiles([(f"{after:.4f}", "nats per character"), (f"{before:.4f}", "before"),
                (str(fitted.best), "best epoch"), (f"{np.exp(fitted.metrics['val_loss']):.2f}", "perplexity")])
    series = {key: [(epoch["epoch"], epoch[key]) for epoch in fitted.history if key in epoch]
              for key in ("loss", "val_loss")}
    page.section("Curves", text("Mean loss per token, in nats; val_loss is that of the text kept for validation."),
                 charts.lines(series, x="epoch", y="nats per token", mark=fitted.best))
    return finish(run, network, entry, (), fits={"fit": fitted}, report=page.render(command_line()),
                  folder=model._folder)


def _tokens(model: TextGenerator, data: Any, validation: Any, context: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Tokens to train on, tokens to validate with, and the characters of the latter but its first token."""
    train = _encoded(model, data)
    if isinstance(validation, int | float):
        if not 0 < validation < 1:
            raise UsageError(f"validation is a text, or a share above 0 and below 1, not {validation!r}.")
        cut = len(train) - max(round(validation * len(train)), 2)
        train, held = train[:max(cut, 0)], train[max(cut, 0):]
    else:
        held = _encoded(model, validation)
    for what, tokens, least in (("train on", train, context + 1), ("validate with", held, 2)):
        if len(tokens) < least:
            raise UsageError(f"There are {len(tokens):,} tokens to {what}; {least:,} are needed"
                             f"{' (or a smaller context)' if least > 2 else ''}.")
    return train, held, max(len(model.tokenizer.decode(held[1:], special=True)), 1)


def _encoded(model: TextGenerator, data: Any) -> np.ndarray:
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        try:
            texts: list[Any] = [path.read_bytes()]
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror or error}; give the path of a text file, or a "
                             "list of texts.") from error
    elif isinstance(data, Sequence):
        texts = list(data)
    else:
        raise UsageError(f"Give the path of a text file or a list of texts, not {type(data).__name__}.")
    end = sorted(model.ends)[:1]
    tokens: list[int] = []
    for place, one in enumerate(texts, 1):
        item = Item(str(data) if isinstance(data, str | Path) else f"item {place}", one)
        try:
            tokens.extend([*(end if tokens else []), *model.tokenizer.encode(PROMPT.read(item), name=item.name).ids])
        except InputError as error:
            raise UsageError(str(error)) from error
    return np.array(tokens, np.int32)


def _digest(tokens: np.ndarray) -> str:
    return sha256(tokens.tobytes()).hexdigest()[:20]


def _say(verbose: bool, line: str) -> None:
    if verbose:
        print(line, file=sys.stderr)
