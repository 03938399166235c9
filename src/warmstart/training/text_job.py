"""What fine-tuning of all text tasks shares: a pretrained encoder with a new head, AdamW, warm-up and linear decay.

Source of the recipe: Devlin et al., "BERT" (2018), section 4 and appendix A.3.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry, Label, Metric
from warmstart.catalog.huggingface import bert
from warmstart.errors import UsageError
from warmstart.inputs.text import Encoded, padded
from warmstart.models import architecture
from warmstart.tasks.base import Model
from warmstart.tasks.load import load
from warmstart.tasks.text import TextTask
from warmstart.training import report
from warmstart.training.fit import Fitted, fit, seeded
from warmstart.training.result import finish
from warmstart.training.run import Run
from warmstart.training.schedules import warmup_linear
from warmstart.training.text_batches import TextBatches

ENCODERS = ("bert", "distilbert", "roberta")
WIDTH, RATE, HIGHEST_RATE = 768, 5e-5, 3e-4
"""BERT's learning rate at its base width; narrower encoders take a higher one, in proportion."""


@dataclass(frozen=True)
class Settings:
    """The numbers of a fine-tuning.

    Attributes:
        epochs, batch_size, seed: as usual.
        learning_rate: its peak; None: 5e-5 for a width of 768, more for narrower encoders.
        freeze: 0: nothing; n: the embeddings and the first n layers; `"encoder"`: all but the head.
        warmup: share of the steps in which the learning rate rises.
        weight_decay: of AdamW, on kernels and embeddings only.
        optimizer: in place of AdamW.
    """

    epochs: int = 3
    batch_size: int = 16
    learning_rate: float | None = None
    freeze: int | str = 0
    warmup: float = 0.1
    weight_decay: float = 0.01
    optimizer: Any = None
    seed: int = 0


def open_encoder(base: str | Path | Model) -> TextTask:
    """The model whose encoder is trained further, whatever its head is for.

    Raises:
        UsageError: it is no encoder of texts.
    """
    model = base if isinstance(base, Model) else load(base)
    if not isinstance(model, TextTask) or model.entry.architecture not in ENCODERS:
        raise UsageError(f"{model.name} is no encoder of texts; take a BERT, DistilBERT or RoBERTa.")
    return model


def headed(base: TextTask, task: str, *, labels: Sequence[Label] = (), seed: int = 0,
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
                    parameters=bert.count(config, base.entry.architecture))
    with seeded(seed):
        network = architecture(entry.architecture).build(entry.config)
    if not (copied := _copy(base.keras, network, heads=same)):
        print(f"{base.name} has no head for these labels: a new one starts from random numbers.", file=sys.stderr)
    assert copied or not same
    return entry, network


def _copy(source: keras.Model, target: keras.Model, *, heads: bool) -> bool:
    """Copy layers by name; returns whether all of them were there. Pooler and encoder are never left out."""
    module_heads = re.compile(r"(?!pooler\.)(classifier|pre_classifier|qa_outputs|cls|lm_head|vocab_)")
    whole = True
    for layer in target.layers:
        if not layer.weights:
            continue
        found = next((other for other in source.layers if other.name == layer.name), None)
        inside = not module_heads.match(layer.name)
        fits = found is not None and [w.shape for w in found.weights] == [w.shape for w in layer.weights]
        if found is not None and fits and (inside or heads):
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


def train(run: Run, network: keras.Model, entry: Entry, batches: TextBatches, settings: Settings, *, loss: Any,
          measure: Callable[[], Mapping[str, float]] | None, monitor: str, patience: int | None,
          callbacks: Sequence[Any]) -> Fitted:
    """Freeze, compile and fit; the network ends with the weights of its best epoch."""
    freeze(network, settings.freeze, entry.config["num_hidden_layers"])
    rate = settings.learning_rate or min(HIGHEST_RATE, RATE * WIDTH / entry.config["hidden_size"])
    optimizer = settings.optimizer
    if optimizer is None:
        schedule = warmup_linear(rate, max(1, len(batches) * settings.epochs), warmup=settings.warmup)
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    with seeded(settings.seed):  # XLA would compile every length anew
        network.compile(optimizer=optimizer, loss=loss, jit_compile=False)
        return fit(network, batches, epochs=settings.epochs, measure=measure, monitor=monitor, patience=patience,
                   clip_norm=1.0, callbacks=callbacks, run=run)


def freeze(network: keras.Model, how: int | str, layers: int) -> None:
    """Mark layers as not trainable; see `Settings.freeze`.

    Raises:
        UsageError: it is neither a number of layers nor "encoder".
    """
    if how not in (0, "none", "encoder") and not (isinstance(how, int) and 0 < how <= layers):
        raise UsageError(f"freeze is 'none', 'encoder', or the number of first layers that stay (up to {layers}), not "
                         f"{how!r}.")
    for layer in network.layers:
        place = re.match(r"(?:encoder|transformer)\.layer\.(\d+)\.", layer.name)
        inside = place is not None or layer.name.startswith("embeddings.")
        if how == "encoder":
            layer.trainable = not inside
        elif isinstance(how, int) and how and inside:
            layer.trainable = place is not None and int(place[1]) >= how


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


def finished(run: Run, network: keras.Model, entry: Entry, labels: Sequence[Label], fitted: Fitted, base: TextTask, *,
             told: Mapping[str, Any], dataset: str, card: str | None = None) -> Model:
    """Write report and bundle, and load the result."""
    metrics = tuple(Metric(name.removeprefix("val_"), float(value), dataset, "this run")
                    for name, value in fitted.metrics.items() if name.startswith("val_") and name != "val_loss")
    entry = replace(entry, metrics=metrics)
    page = report.Report(entry.title, f"{base.name}, fine-tuned for {entry.task} on {dataset}")
    page.section("Epochs", "The best epoch's weights were kept.", _curves(fitted))
    page.section("Settings", report.table(("setting", "value"), [(k, str(v)) for k, v in run.settings.items()]))
    return finish(run, network, entry, labels, fits={"fit": fitted}, report=page.render(report.command_line()),
                  told=told, card=card, folder=base._folder)


def _curves(fitted: Fitted) -> str:
    names = [name for name in fitted.history[0] if name not in ("epoch", "seconds", "learning_rate")]
    rows = [[f"{int(record['epoch'])}", *(f"{record.get(name, float('nan')):.4f}" for name in names)]
            for record in fitted.history]
    return report.table(("epoch", *names), rows)


__all__ = ["Settings", "finished", "freeze", "headed", "open_encoder", "padder", "predict", "train"]
