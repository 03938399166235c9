"""What fine-tuning of all text tasks shares: a pretrained encoder with a new head, AdamW, warm-up and linear decay.

A task's file reads its data and says what a batch is, what the loss is and how the result is measured (`Lesson`);
`tune` does the rest.

Source of the recipe: Devlin et al., "BERT" (2018), section 4 and appendix A.3.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry, Label, Metric
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.core.task import task_class
from warmstart.errors import UsageError
from warmstart.models import architecture, family
from warmstart.models.text.encoder_config import is_body, is_head
from warmstart.text.encoder import TextModel
from warmstart.text.tokenizer import Encoded, padded
from warmstart.text.train import lora
from warmstart.text.train.adversarial import Adversarial
from warmstart.text.train.batches import TextBatches
from warmstart.training import text_report
from warmstart.training.adamw import warmed
from warmstart.training.fit import Fitted, fit, seeded
from warmstart.training.result import finish
from warmstart.training.run import Run, open_run
from warmstart.training.split import fingerprint

WIDTH, RATE, HIGHEST_RATE = 768, 5e-5, 3e-4
"""BERT's learning rate at its base width; narrower encoders take a higher one, in proportion."""


@dataclass(frozen=True)
class Settings:
    """The numbers of a fine-tuning.

    Attributes:
        epochs, batch_size, seed: as usual.
        learning_rate: its peak; None: 5e-5 for a width of 768, more for narrower encoders.
        freeze: 0: nothing; n: the embeddings and the first n layers; `"encoder"` (or `"backbone"`): all but the head.
        warmup: share of the steps in which the learning rate rises.
        weight_decay: of AdamW, on kernels and embeddings only.
        optimizer: in place of AdamW.
        lora: the rank of a low-rank adapter, which then is all that is trained besides the head; None: no adapter.
        adversarial: how far word vectors are moved where it hurts; 0: not at all. See `adversarial`.
    """

    epochs: int = 3
    batch_size: int = 16
    learning_rate: float | None = None
    freeze: int | str = 0
    warmup: float = 0.1
    weight_decay: float = 0.01
    optimizer: Any = None
    seed: int = 0
    lora: int | None = None
    adversarial: float = 0.0


@dataclass(frozen=True)
class Lesson:
    """What one task's training is made of.

    Attributes:
        batches: of the examples to learn from.
        loss: as `keras.Model.compile` takes it.
        measure: the metrics of the held-out examples; None where there are none.
        monitor: the metric that decides which epoch is best, `val_` before its name.
        sections: (title, HTML) of the report's pages on the held-out examples, made with the best weights.
    """

    batches: TextBatches
    loss: Any
    measure: Callable[[], Mapping[str, float]] | None
    monitor: str
    sections: Callable[[], Sequence[tuple[str, str]]]


def tune(base: str | Path | Model, task: str, prepare: Callable[[Any, keras.Model], Lesson], settings: Settings, *,
         train: Sequence[Any], held: Sequence[Any], unit: str, labels: Sequence[Label] = (),
         processing: Mapping[str, Any] | None = None, told: Mapping[str, Any] | None = None,
         patience: int | None = None, output: str | Path | None = None, callbacks: Sequence[Any] = (),
         name: str | None = None) -> Model:
    """Fine-tune an encoder for a task.

    Args:
        base: a BERT, DistilBERT or RoBERTa, whatever its head is for.
        task: what the result does.
        prepare: called with (a model of the task with the result's entry, the network); returns the lesson.
        settings: of the recipe.
        train, held: the examples; their fingerprints belong to the run's settings.
        unit: what they are, in the plural.
        labels, processing: of the result.
        told: more settings of the run.
        patience, output, callbacks, name: as the tasks' `finetune` has them.
    """
    model = open_encoder(base)
    if settings.lora is not None:
        lora.check(model, settings.lora, settings.freeze)
    known = {"task": task, "base": model.name, "weights": model.weights.digest, **asdict(settings), **(told or {}),
             "patience": patience, "labels": [label.name for label in labels], "train": fingerprint(train),
             "validation": fingerprint(held)}
    with open_run(output, known) as run:
        if run.finished:
            return load(run.folder)
        entry, network = headed(model, task, labels=labels, seed=settings.seed, processing=processing or {})
        entry = replace(entry, name=name or entry.name)
        if settings.lora is not None:
            lora.adapt(network, entry, settings.lora, settings.seed)
        judge = task_class(task)(entry, model.weights, tuple(labels), engine="keras", folder=model._folder)
        lesson = prepare(judge, network)
        fitted = fit_lesson(run, network, entry, lesson, settings, patience=patience, callbacks=callbacks)
        counts = {"train": len(train), "validation": len(held)}
        return _finished(run, network, entry, labels, fitted, model, lesson, counts, unit,
                         source=lora.source_of(base, model))


def open_encoder(base: str | Path | Model) -> TextModel:
    """The model whose encoder is trained further, whatever its head is for.

    Raises:
        UsageError: it is not a text encoder.
    """
    model = base if isinstance(base, Model) else load(base)
    if not isinstance(model, TextModel) or not hasattr(family(model.entry.architecture), "BLOCK"):
        raise UsageError(f"{model.name} is not a text encoder; take a BERT, DistilBERT or RoBERTa.")
    return model


def headed(base: TextModel, task: str, *, labels: Sequence[Label] = (), seed: int = 0,
           processing: Mapping[str, Any]) -> tuple[Entry, keras.Model]:
    """The entry and network for a task: the base's encoder, and its head where it has this very head; else a random
    one, which is announced."""
    same = base.entry.task == task and [label.id for label in labels] == [label.id for label in base.labels]
    config = {**base.entry.config, "head": task, "pooler": False}
    if labels:
        config["num_labels"] = len(labels)
    told = {"max_length": base.max_length, **processing}
    entry = replace(base.entry, name=f"{base.name}_finetuned", task=task, config=config, weights={}, labels="",
                    title=f"{base.entry.title}, fine-tuned", metrics=(), aliases=(), processing=told,
                    parameters=family(base.entry.architecture).parameters(config))
    with seeded(seed):
        network = architecture(entry.architecture).build(entry.config)
    if not (copied := _copy(base.keras, network, heads=same)):
        print(f"{base.name} has no head for these labels: a new one starts from random numbers.", file=sys.stderr)
    assert copied or not same
    return entry, network


def _copy(source: keras.Model, target: keras.Model, *, heads: bool) -> bool:
    """Copy layers by name; returns whether all of them were there. Pooler and encoder are never left out."""
    whole = True
    for layer in target.layers:
        if not layer.weights:
            continue
        found = next((other for other in source.layers if other.name == layer.name), None)
        fits = found is not None and [w.shape for w in found.weights] == [w.shape for w in layer.weights]
        if found is not None and fits and (heads or not is_head(layer.name)):
            layer.set_weights(found.get_weights())
        else:
            whole = False
    return whole


def padder(entry: Entry) -> Callable[[Sequence[Encoded], int], dict[str, np.ndarray]]:
    """Texts as the network takes them, at a given length."""
    kinds = max(entry.config["type_vocab_size"] - 1, 0)

    def pad(encoded: Sequence[Encoded], length: int) -> dict[str, np.ndarray]:
        arrays = padded(encoded, entry.config["pad_token_id"], to=length)
        return {**arrays, "token_type_ids": np.minimum(arrays["token_type_ids"], kinds)}

    return pad


def fit_lesson(run: Run, network: keras.Model, entry: Entry, lesson: Lesson, settings: Settings, *,
               patience: int | None = None, callbacks: Sequence[Any] = ()) -> Fitted:
    """Freeze, compile and fit; the network ends with the weights of its best epoch."""
    batches = lesson.batches
    if settings.lora is None:
        freeze(network, settings.freeze, entry)
    rate = settings.learning_rate or min(HIGHEST_RATE, RATE * WIDTH / entry.config["hidden_size"])
    optimizer = settings.optimizer
    if optimizer is None:
        optimizer = warmed(rate, max(1, len(batches) * settings.epochs), weight_decay=settings.weight_decay,
                           warmup=settings.warmup)
    learner = Adversarial(network, settings.adversarial) if settings.adversarial else network
    with seeded(settings.seed):  # XLA would compile every length anew
        learner.compile(optimizer=optimizer, loss=lesson.loss, jit_compile=False)
        return fit(learner, batches, epochs=settings.epochs, measure=lesson.measure, monitor=lesson.monitor,
                   patience=patience, clip_norm=1.0, callbacks=callbacks, run=run)


def freeze(network: keras.Model, how: int | str, entry: Entry) -> None:
    """Mark layers as not trainable; see `Settings.freeze`.

    Raises:
        UsageError: it is neither a number of layers nor "encoder".
    """
    how = "encoder" if how == "backbone" else how
    block, layers = family(entry.architecture).BLOCK, entry.config["num_hidden_layers"]
    if how not in (0, "none", "encoder") and not (isinstance(how, int) and 0 < how <= layers):
        raise UsageError(f"freeze is 'none', 'encoder', or the number of first layers that stay (up to {layers}), not "
                         f"{how!r}.")
    for layer in network.layers:
        if not layer.weights or not is_body(layer.name):
            continue
        index = re.match(block, layer.name)
        if how == "encoder":
            layer.trainable = False
        elif isinstance(how, int) and how:
            layer.trainable = index is not None and int(index[1]) >= how


def predict(network: keras.Model, batches: TextBatches) -> dict[str, list[np.ndarray]]:
    """The outputs of all texts by name: one row per text, in order."""
    rows: dict[str, list[np.ndarray]] = {}
    places: list[int] = []
    for index in range(len(batches)):
        given = batches.batch(0, index)[0]
        outputs = network.predict_on_batch(given)
        places += batches.places(0, index).tolist()
        for name, value in outputs.items():
            rows.setdefault(name, []).extend(np.asarray(value))
    order = np.argsort(places)
    return {name: [value[place] for place in order] for name, value in rows.items()}


def _finished(run: Run, network: keras.Model, entry: Entry, labels: Sequence[Label], fitted: Fitted, base: TextModel,
              lesson: Lesson, counts: Mapping[str, int], unit: str, source: str) -> Model:
    """Write report and bundle, and load the result."""
    dataset = f"{counts['validation']:,} held-out {unit}"
    metrics = tuple(Metric(name.removeprefix("val_"), float(value), dataset, "this run")
                    for name, value in fitted.metrics.items() if name.startswith("val_") and name != "val_loss")
    entry = replace(entry, metrics=metrics)
    sections = lesson.sections() if counts["validation"] else ()
    page = text_report.page(entry, fitted, run.settings, counts, sections, base=base.name, unit=unit)
    adapter = None
    if run.settings["lora"] is not None:
        adapter = lora.adapter(network, entry, base.weights.digest, source, run.settings["lora"])
        network = lora.merged(network, entry)
    return finish(run, network, entry, labels, fits={"fit": fitted}, report=page, told={"examples": counts},
                  folder=base._folder, adapter=adapter)


__all__ = ["Lesson", "Settings", "fit_lesson", "freeze", "headed", "open_encoder", "padder", "predict", "tune"]
