"""Fine-tuning a recogniser: recordings with their texts -> frames -> WaveNet with CTC -> bundle.

The alphabet is the base's; characters that it lacks get new outputs, which start from random numbers. Sources of the
recipe: Graves et al. (2006) for CTC; Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2017),
arXiv:1711.05101, for the optimizer; `speech_batches` for the augmentation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Entry, Metric
from warmstart.core.compiling import build_keras
from warmstart.core.loading import load
from warmstart.core.model import Model
from warmstart.core.reading import given_name
from warmstart.errors import InputError, UsageError
from warmstart.models.speech.ctc import ctc_loss
from warmstart.models.speech.wavenet_asr import network as wavenet_asr
from warmstart.speech import audio
from warmstart.speech import data as speech_data
from warmstart.speech.ctc.decoder import greedy
from warmstart.speech.error_rates import ErrorRates, plain
from warmstart.speech.recognition import SpeechRecognizer
from warmstart.speech.spectrum import Features
from warmstart.speech.train.batches import LONGEST, Clip, SpeechBatches, frames_needed
from warmstart.training import open_base, text_report
from warmstart.training.adamw import warmed
from warmstart.training.fit import Fitted, fit, seeded
from warmstart.training.report import table, text
from warmstart.training.result import finish
from warmstart.training.run import Run, open_run
from warmstart.training.split import fingerprint, split

SLOWEST = 1.0
"""Seconds that a character may take (besides five of silence) before a text counts as shorter than its recording."""
SHOWN = 10
"""Recordings left out that are told on standard error; the report has all of them."""


def finetune(base: str | Path | Model, data: Any, *, validation: Any = 0.1, epochs: int = 20,
             freeze: str | int = "none", augment: bool = True, learning_rate: float = 1e-3, batch_size: int = 8,
             optimizer: Any = None, patience: int | None = None, seed: int = 0, output: str | Path | None = None,
             callbacks: Sequence[Any] = (), name: str | None = None, verbose: bool = True) -> Model:
    """Fine-tune a recogniser; see `warmstart.finetune` for what all tasks share.

    Args:
        base: a WaveNet recogniser, pretrained or fine-tuned before.
        data: recordings with their texts: a folder, a CSV or JSONL file, or pairs; see `speech.data`. Texts
            are compared without case and punctuation, and learned without them.
        validation: the same, or the share of `data` that is kept for it.
        epochs: how often all of the recordings are heard, at most; the best epoch is kept.
        freeze: `"none"`, `"backbone"` (the whole stack stays), or how many of its first layers stay.
        augment: whether speed, level, noise and spectrum of the recordings are varied.
        learning_rate: its highest, of AdamW with a linear rise and fall.
        batch_size: recordings a step.
        optimizer: in place of that.
        patience: stop after so many epochs without a better one.
        name: of the result; default: the base's and "_finetuned".
        verbose: whether counts, and what is left out, are told on standard error.

    Raises:
        UsageError: the data or an option cannot be used.
        TrainingError: training cannot go on.
    """
    model = open_base(base)
    if not isinstance(model, SpeechRecognizer) or model.entry.architecture != "wavenet_asr":
        raise UsageError(f"{model.name} is no WaveNet recogniser; only these are fine-tuned for speech-recognition.")
    for option, value in (("epochs", epochs), ("batch_size", batch_size)):
        if not isinstance(value, int) or value < 1:
            raise UsageError(f"{option} is a whole number of 1 or more, not {value!r}.")
    own_validation = not (validation is None or isinstance(validation, int | float))
    found = [(True, pair) for pair in speech_data.pairs(data)]
    found += [(False, pair) for pair in speech_data.pairs(validation)] if own_validation else []
    alphabet = widened(str(model.entry.processing["alphabet"]), (said for _, (_, said) in found))
    rules = Features.of(model.entry.processing["features"])
    padding = float(model.entry.processing.get("padding", 0.0))
    left_out: list[tuple[str, str]] = []
    first, others = (list(_clips((pair for mine, pair in found if mine is part), alphabet, rules, left_out))
                     for part in (True, False))
    if not first or (own_validation and not others):
        raise UsageError("No recording can be learned from: " + "; ".join(f"{a} {b}" for a, b in left_out[:3]) + ".")
    train, held = (first, others) if own_validation else split(first, validation, seed, list)
    settings = {"task": model.task, "base": model.name, "weights": model.weights.digest, "epochs": epochs,
                "freeze": freeze, "augment": augment, "learning_rate": learning_rate, "batch_size": batch_size,
                "optimizer": optimizer, "patience": patience, "seed": seed, "alphabet": alphabet,
                "train": fingerprint(train), "validation": fingerprint(held)}
    with open_run(output, settings) as run:
        if run.finished:
            return load(run.folder)
        _tell(verbose, train, held, left_out)
        entry = _entry(model.entry, alphabet, train, name)
        with seeded(seed):
            network = widened_network(model, entry)
        frozen(network, freeze)
        batches = SpeechBatches(train, rules, padding, batch_size=batch_size, seed=seed, augment=augment)
        judge = SpeechBatches(held, rules, padding, batch_size=batch_size, shuffle=False) if held else None
        if optimizer is None:
            optimizer = warmed(learning_rate, epochs * len(batches), weight_decay=1e-3)
        with seeded(seed):
            network.compile(optimizer, ctc_loss, jit_compile=False)
            fitted = fit(network, batches, epochs=epochs, monitor="val_wer", patience=patience, clip_norm=1.0,
                         measure=None if judge is None else lambda: measured(network, judge, alphabet)[0],
                         callbacks=callbacks, run=run)
        return _finished(run, model, network, entry, fitted, judge, len(train), left_out)


def widened(alphabet: str, texts: Iterator[str]) -> str:
    """The alphabet with the characters of the texts that it lacks at its end."""
    there = set(alphabet)
    return alphabet + "".join(sorted({c for said in texts for c in plain(said)} - there))


def _clips(some: Iterator[tuple[Any, str]], alphabet: str, rules: Features,
           left_out: list[tuple[str, str]]) -> Iterator[Clip]:
    """The recordings that can be learned from; names and reasons of the others go into `left_out`."""
    for place, (recording, said) in enumerate(some, 1):
        name = given_name(recording) or f"recording {place}"
        said = plain(said)
        symbols = np.array([1 + alphabet.index(c) for c in said], np.int32)
        try:
            samples = audio.decode(recording, name=name, sample_rate=rules.sample_rate, longest=LONGEST)
        except InputError as error:
            left_out.append((name, str(error).removeprefix(f"{name}: ").rstrip(".")))
            continue
        seconds, frames = len(samples) / rules.sample_rate, rules.count(len(samples))
        if not said:
            left_out.append((name, "has no text"))
        elif frames < frames_needed(symbols):
            left_out.append((name, f"is shorter than its text allows: {seconds:.2f} s for {len(said)} characters"))
        elif seconds > 5.0 + SLOWEST * len(said):
            left_out.append((name, f"is longer than its text allows: {seconds:.2f} s for {len(said)} characters"))
        else:
            digest = sha256(samples.tobytes()).hexdigest()[:16]
            yield Clip(recording, name, said, symbols, len(samples), digest)


def _tell(verbose: bool, train: Sequence[Clip], held: Sequence[Clip], left_out: Sequence[tuple[str, str]]) -> None:
    if not verbose:
        return
    lines = [f"{len(train):,} recordings to learn from, {len(held):,} to validate with, {len(left_out):,} left out"]
    lines += [f"  left out: {name} {reason}" for name, reason in left_out[:SHOWN]]
    if len(left_out) > SHOWN:
        lines.append(f"  … and {len(left_out) - SHOWN:,} more, which the report lists")
    print("\n".join(lines), file=sys.stderr)


def _entry(base: Entry, alphabet: str, train: Sequence[Clip], name: str | None) -> Entry:
    """The result's entry. Its vocabulary is the base's where that has all words of the texts, else theirs."""
    words = {word for clip in train for word in clip.text.split()}
    processing = {**base.processing, "alphabet": alphabet}
    if not words <= set(processing.get("vocabulary", ())):
        processing.pop("decoding", None)
        processing["vocabulary"] = sorted(words)
    return replace(base, name=name or f"{base.name.removesuffix('_finetuned')}_finetuned", weights={}, aliases=(),
                   title=f"{base.title.removesuffix(', fine-tuned')}, fine-tuned", metrics=(), processing=processing,
                   config={**base.config, "symbols": 1 + len(alphabet)})


def widened_network(model: Model, entry: Entry) -> keras.Model:
    """The base's network, with new outputs for the characters that it lacks."""
    source = build_keras(model.entry, model.weights)
    if entry.config == model.entry.config:
        return source
    network = wavenet_asr.build(entry.config)
    for layer in network.layers:
        if not layer.weights:
            continue
        values = source.get_layer(layer.name).get_weights()
        if layer.name == "symbols":
            fresh = [np.array(w) for w in layer.get_weights()]
            for mine, old in zip(fresh, values, strict=True):
                mine[..., : old.shape[-1]] = old
            values = fresh
        layer.set_weights(values)
    return network


def frozen(network: keras.Model, freeze: str | int) -> None:
    """Mark layers as not trainable; batch normalisation never is.

    Raises:
        UsageError: `freeze` is none of what it can be.
    """
    units = network.get_layer("stack").units
    whole = freeze == "backbone"
    count = len(units) if whole else 0 if freeze == "none" else freeze
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= len(units):
        raise UsageError(f"freeze is 'none', 'backbone' or a number of layers up to {len(units)}, not {freeze!r}.")
    for unit in units[:count]:
        unit.trainable = False
    if count:
        network.get_layer("front").trainable = False
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def measured(network: keras.Model, batches: SpeechBatches,
             alphabet: str) -> tuple[dict[str, float], list[tuple[Clip, str]]]:
    """Loss and error rates of the best path, and what was recognised in each recording."""
    rates, found, losses = ErrorRates(), [], []
    for index in range(len(batches)):
        frames, symbols = batches.batch(0, index)
        logits = np.asarray(network.predict_on_batch(frames))
        losses += np.asarray(ctc_loss(symbols, logits)).tolist()
        log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        for place, own in zip(batches.places(0, index), log_probs, strict=True):
            said = " ".join(piece.text for piece in greedy(own, alphabet))
            rates.add(batches.clips[place].text, said)
            found.append((batches.clips[place], said))
    return {"loss": float(np.mean(losses)), **rates.to_dict()}, found


def _finished(run: Run, model: Model, network: keras.Model, entry: Entry, fitted: Fitted, judge: SpeechBatches | None,
              count: int, left_out: Sequence[tuple[str, str]]) -> Model:
    sections: list[tuple[str, str]] = []
    counts: Mapping[str, int] = {"train": count, "validation": len(judge.clips) if judge else 0}
    if judge is not None:
        rates, found = measured(network, judge, str(entry.processing["alphabet"]))
        told = f"{counts['validation']:,} held-out recordings"
        entry = replace(entry, metrics=tuple(
            Metric(key, round(rates[key], 4), told, "this run, best path") for key in ("wer", "cer")))
        wrong = [(clip.name, clip.text, said) for clip, said in found if clip.text != said]
        sections.append(text_report.mistakes(("recording", "said", "recognised"), wrong[:text_report.MISTAKES],
                                             len(wrong), len(found)))
    if left_out:
        sections.append(("Left out", text("These were neither learned from nor measured on.")
                         + table(("recording", "why"), left_out)))
    entry = replace(entry, parameters=network.count_params())
    page = text_report.page(entry, fitted, run.settings, counts, sections, base=model.name, unit="recordings")
    return finish(run, network, entry, (), fits={"fit": fitted}, report=page,
                  told={"examples": counts, "left_out": left_out}, folder=model._folder)
