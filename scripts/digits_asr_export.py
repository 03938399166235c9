"""From the trained recogniser of digits to its bundle and card: fold, compile, measure, write."""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

import warmstart as ws
from digits_audio import RATE, WORDS, Clip, sequences_of, split
from warmstart.catalog import Entry, Metric, WeightFile
from warmstart.checkpoints.naming import model_arrays
from warmstart.core import bundle
from warmstart.engines.compile import compile_program
from warmstart.engines.store import Artifact
from warmstart.models.speech.wavenet_asr import network as wavenet_asr
from warmstart.speech.recognition import SpeechRecognizer

NAME, SCRIPT = "digits_wavenet_asr", "scripts/train_embedded_digits_asr.py"
ALPHABET = " 'abcdefghijklmnopqrstuvwxyz"
CONFIG = {"features": 20, "symbols": 1 + len(ALPHABET), "channels": 32}
FOLDED = {**CONFIG, "batch_norm": False}
STEPS = 100  # per epoch

CARD = """---
license: cc-by-sa-4.0
library_name: warmstart
pipeline_tag: automatic-speech-recognition
---

# {title}

A small recogniser that ships with warmstart. It transcribes English digits, one or several, at any sampling rate
(resampled to 8 kHz). It transcribes any other word as digits: it is a demonstration and a base for fine-tuning, not a
general recogniser.

| | |
|---|---|
| architecture | WaveNet, 3 blocks of dilations 1, 2, 4, 8, 16, filter width 7, {channels} channels |
| parameters | {parameters:,} |
| input | {coefficients} MFCCs, one frame every 12.5 ms |
| output | 28 characters and a blank (CTC) |
| trained on | Free Spoken Digit Dataset, 2,700 training recordings of six speakers, joined to sequences of 1 to 7 |
| recipe | {steps:,} steps of 32 s of audio, AdamW, peak learning rate {peak} |
| augmentation | SpecAugment, speed, level, spectral tilt, noise |
| precision | stored as float16, batch normalisation folded into the convolutions |

| measured on, with the compiled program | word error rate | with `vocabulary=False` |
|---|---|---|
{rows}

By default the vocabulary is the ten words (prefix beam search); `vocabulary=False` returns the best path of
characters, whatever it spells. The test recordings were not used for training or for choosing settings, with one
exception: both columns were known when the first became the default.{left_out}

| digit | recognised |
|---|---|
{per_digit}

The recordings were collected by Zohar Jackson and others (github.com/Jakobovski/free-spoken-digit-dataset), and are
licensed CC BY-SA 4.0; so are these weights.

This card was written by `scripts/train_embedded_digits_asr.py`.
"""


def folded(model: keras.Model) -> keras.Model:
    """The same function without batch normalisations: they become part of the convolutions; all
    numbers as float16.
    """
    exact = wavenet_asr.build(FOLDED)

    def half(x):
        return np.asarray(x, np.float32).astype(np.float16).astype(np.float32)

    def absorbed(norm, kernel, bias=0.0):
        gamma, beta, mean, variance = (np.array(w) for w in norm.get_weights())
        factor = gamma / np.sqrt(variance + norm.epsilon)
        return half(np.array(kernel) * factor), half(beta + (bias - mean) * factor)

    for name in ("front", "head"):
        own = model.get_layer(name).get_weights()
        exact.get_layer(name).set_weights(absorbed(model.get_layer(f"{name}_norm"), *own))
    for old, new in zip(
        model.get_layer("stack").units, exact.get_layer("stack").units, strict=True
    ):
        kernel, bias = absorbed(
            old.gate_norm, np.concatenate([old.filter_kernel, old.gate_kernel], axis=-1)
        )
        (filters, gates), (filter_bias, gate_bias) = np.split(kernel, 2, axis=-1), np.split(bias, 2)
        residual, residual_bias = absorbed(old.out_norm, old.residual_kernel)
        for variable, value in (
            (new.filter_kernel, filters),
            (new.gate_kernel, gates),
            (new.filter_bias, filter_bias),
            (new.gate_bias, gate_bias),
            (new.residual_kernel, residual),
            (new.residual_bias, residual_bias),
        ):
            variable.assign(value)
    exact.get_layer("symbols").set_weights(
        [half(w) for w in model.get_layer("symbols").get_weights()]
    )
    return exact


def entry_of(parameters: int, rules: dict, metrics: tuple[Metric, ...]) -> Entry:
    return Entry(
        name=NAME,
        task="speech-recognition",
        family="wavenet",
        title="WaveNet recogniser of spoken digits",
        architecture="wavenet_asr",
        config=FOLDED,
        weights={"top": WeightFile(f"embedded:{NAME}/{bundle.IN_PROGRAM}", layout="tflite")},
        preprocessing=None,
        labels="",
        licence="CC-BY-SA-4.0",
        parameters=parameters,
        gflops=None,
        min_size=0,
        metrics=metrics,
        paper="van den Oord et al.: WaveNet: A Generative Model for Raw Audio, 2016, arXiv:1609.03499",
        processing={
            "features": rules,
            "alphabet": ALPHABET,
            "padding": 0.25,
            "language": "en",
            "vocabulary": list(WORDS),
            "decoding": "vocabulary",
        },
    )


def rates(recogniser: SpeechRecognizer, pairs: list) -> tuple[float, float]:
    """Word error rates: as the model decodes by default, and of the best path."""
    wer, free = (
        recogniser.evaluate(pairs, **options)["wer"] for options in ({}, {"vocabulary": False})
    )
    return wer, free


def left_out_runs(folders: Sequence[Path]) -> list[dict]:
    """What the work folders of runs with `--leave-out` tell: speaker, error rates, epochs."""
    return [json.loads((folder / "left_out.json").read_text()) for folder in folders]


def export(clips: list[Clip], options: argparse.Namespace) -> None:
    """Fold, compile, measure on the test part, and write the bundle with its card."""
    rules = json.loads((options.work / "features.json").read_text())
    trained = wavenet_asr.build(CONFIG)
    trained.load_weights(options.work / "trained.weights.h5")
    model = folded(trained)
    frames = np.random.default_rng(0).normal(size=(1, 99, CONFIG["features"])).astype(np.float32)
    print(
        f"folding and rounding changes logits by {np.abs(trained(frames) - model(frames)).max():.3g}"
    )
    stored = {name: array.astype(np.float16) for name, array in model_arrays(model).items()}
    entry = entry_of(model.count_params(), rules, ())
    program = SpeechRecognizer.program(entry, model)
    for name in ("unmeasured", "bundle"):
        shutil.rmtree(options.work / name, ignore_errors=True)
    probe = bundle.write(
        options.work / "unmeasured",
        entry,
        stored,
        (),
        lambda folder: compile_program(program, folder, "float16", print),
        precision="float16",
    )
    recogniser = ws.load(probe, engine="litert")
    _, test = split(clips)
    if options.leave_out:
        theirs = [
            ((clip.samples, RATE), WORDS[clip.digit])
            for clip in clips
            if clip.speaker == options.leave_out
        ]
        rate, free = rates(recogniser, theirs)
        print(
            f"{options.leave_out}, never heard in training: word error rate {rate:.4f}, best path {free:.4f}"
        )
        (options.work / "left_out.json").write_text(
            json.dumps(
                {
                    "speaker": options.leave_out,
                    "wer": rate,
                    "wer_best_path": free,
                    "epochs": options.epochs,
                }
            )
        )
        probe.rename(options.work / "bundle")
        return
    single = [((clip.samples, RATE), WORDS[clip.digit]) for clip in test]
    sequences = [((samples, RATE), text) for samples, text in sequences_of(test)]
    measured = {
        title: rates(recogniser, pairs)
        for title, pairs in (
            (f"{len(test)} single test recordings", single),
            (
                f"{len(sequences)} sequences of 5 test recordings, with pauses and changes of level",
                sequences,
            ),
        )
    }
    print(measured)
    metrics = tuple(
        Metric("wer", round(rate, 4), f"Free Spoken Digit Dataset, {title}", SCRIPT)
        for title, (rate, _) in measured.items()
    )
    told = left_out_runs(options.left_out)
    rows = "\n".join(
        f"| {one['speaker']} | {one['epochs'] * STEPS:,} | {one['wer']:.1%} | {one['wer_best_path']:.1%} |"
        for one in sorted(told, key=lambda one: one["wer"])
    )
    left_out = (
        ""
        if not told
        else (
            "\n\nUnseen voices are harder. After training without one of the six speakers, "
            "word error rates on "
            "all of that speaker's recordings:\n\n"
            f"| speaker | steps | with the ten words | `vocabulary=False` |\n|---|--:|---|---|\n{rows}"
        )
    )
    found = [
        (clip.digit, recogniser((clip.samples, RATE)).text == WORDS[clip.digit]) for clip in test
    ]
    card = CARD.format(
        title=entry.title,
        channels=CONFIG["channels"],
        parameters=entry.parameters,
        peak=options.peak,
        coefficients=CONFIG["features"],
        steps=options.epochs * STEPS,
        left_out=left_out,
        rows="\n".join(
            f"| {title} | **{a:.2%}** | {b:.2%} |" for title, (a, b) in measured.items()
        ),
        per_digit="\n".join(
            f"| {word} | {np.mean([right for digit, right in found if digit == i]):.1%} |"
            for i, word in enumerate(WORDS)
        ),
    )
    compiled = Artifact.load(probe / "artifacts" / "float32")
    bundle.write(
        options.work / "bundle",
        entry_of(model.count_params(), rules, metrics),
        stored,
        (),
        compiled.copy_to,
        precision="float16",
        card=card,
        weights=bundle.IN_PROGRAM,
    )
    shutil.rmtree(probe)
