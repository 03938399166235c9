"""From the trained generator of digits to its bundle and card: compile, choose a temperature,
measure, write.
"""

import argparse
import shutil
from itertools import zip_longest

import numpy as np

import warmstart as ws
from digits_audio import RATE, SPEAKERS, WORDS, Clip
from warmstart.catalog import Entry, Metric, WeightFile
from warmstart.checkpoints.naming import model_arrays
from warmstart.core import bundle
from warmstart.engines.compile import compile_program
from warmstart.engines.store import Artifact
from warmstart.models.speech.wavenet import network as wavenet
from warmstart.speech.recognition import SpeechRecognizer
from warmstart.speech.synthesis import AudioGenerator

NAME, SCRIPT = "digits_wavenet", "scripts/train_embedded_digits_wavenet.py"
HOP, HARMONICS = 100, 6
CONFIG = {
    "output": "logistics",
    "levels": 256,
    "mixtures": 5,
    "dilations": (1, 2, 4, 8, 16, 32, 64),
    "skip": 48,
    "classes": (10, 6),
    "global_channels": 32,
    "frame_features": 2 * HARMONICS + 2,
    "frame_channels": 64,
    "upsampling": (5,),
    "hold": 20,
}
STEPS = 200  # per epoch
COUNT = 600  # digits that are measured, ten of each by every speaker
# Their seeds begin at 0, those of the choice of a temperature at 10,000.
TEMPERATURES = (0.6, 0.7, 0.8, 0.9, 1.0)

CARD = """---
license: cc-by-sa-4.0
library_name: warmstart
pipeline_tag: text-to-audio
---

# {title}

A small generator of raw audio that ships with warmstart: English digits, sample by sample at 8 kHz, in the voice of
one of six speakers. It is a demonstration: the quality is that of a bad telephone line.

| | |
|---|---|
| architecture | WaveNet, 2 stacks of dilations 1 to 64, filter width 2, 32 residual and 48 skip channels |
| receptive field | {field} samples ({milliseconds:.0f} ms) |
| parameters | {parameters:,} |
| output | mixture of {mixtures} logistics over 256 mu-law levels |
| conditioning | digit and speaker (global); place in the word and its length, 80 times a second (local) |
| trained on | Free Spoken Digit Dataset, 2,700 training recordings |
| recipe | {steps:,} steps of {batch:,} samples, Adam, peak learning rate {peak} |
| temperature | {temperature} by default |
| precision | stored as float16 |

{count} digits, {each} of each class by every speaker, were generated with the compiled program, and given to
`digits_wavenet_asr`, which was trained on real recordings only: **{rate:.1%}** are recognised as the digit that was
asked for; of the 300 real test recordings it recognises {real:.1%}. It can answer nothing but digits: one drawn at
random would be right in 10 %. With `vocabulary=False`, where it spells freely, {free:.1%} are spelt right.

| digit | recognised | speaker | recognised |
|---|---|---|---|
{table}

The temperature was chosen by the same recogniser on {tried} other digits each, with other seeds:
{choice}.

The recordings were collected by Zohar Jackson and others (github.com/Jakobovski/free-spoken-digit-dataset), and are
licensed CC BY-SA 4.0; so are these weights.

This card was written by `scripts/train_embedded_digits_wavenet.py`.
"""


def lengths(clips: list[Clip]) -> list:
    """Mean and standard deviation of the logarithm of the seconds, for each digit and speaker."""

    def of(digit: int, speaker: str) -> list[float]:
        logs = [
            np.log(len(c.samples) / RATE) for c in clips if (c.digit, c.speaker) == (digit, speaker)
        ]
        return [round(float(np.mean(logs)), 3), round(float(np.std(logs)), 3)]

    return [[of(digit, speaker) for speaker in SPEAKERS] for digit in range(len(WORDS))]


def entry_of(
    parameters: int, clips: list[Clip], temperature: float, metrics: tuple[Metric, ...]
) -> Entry:
    return Entry(
        name=NAME,
        task="audio-generation",
        family="wavenet",
        title="WaveNet generator of spoken digits",
        architecture="wavenet",
        config=CONFIG,
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
            "sample_rate": RATE,
            "classes": [list(WORDS), list(SPEAKERS)],
            "hop": HOP,
            "frames": "position",
            "harmonics": HARMONICS,
            "companding": "mu_law",
            "log_seconds": lengths(clips),
            "temperature": temperature,
        },
    )


def recognised(
    generator: AudioGenerator, recogniser: SpeechRecognizer, count: int, first_seed: int, **options
) -> list:
    """(digit, what is heard, what is spelt, speaker) of so many digits, all classes and speakers in
    turn.
    """
    found = []
    for n in range(count):
        speaker = SPEAKERS[n // 10 % len(SPEAKERS)]
        sound = generator(n % 10, seed=first_seed + n, speaker=speaker, **options)
        heard, spelt = (
            recogniser((sound.samples, RATE), **more).text for more in ({}, {"vocabulary": False})
        )
        found.append((n % 10, heard, spelt, speaker))
    return found


def share(found: list, place: int = 1) -> float:
    return float(np.mean([WORDS[row[0]] == row[place] for row in found]))


def validation_fraction(found: list, place: int, key: int | str) -> str:
    """As percents, of those rows that have the key at a place; empty if there are none."""
    own = [row for row in found if row[place] == key]
    return f"{share(own):.0%}" if own else ""


def export(training: list[Clip], test: list[Clip], options: argparse.Namespace) -> None:
    """Compile, choose the temperature, measure, and write the bundle with its card."""
    model = wavenet.build(CONFIG)
    model.load_weights(options.weights or options.work / "trained.weights.h5")
    stored = {name: array.astype(np.float16) for name, array in model_arrays(model).items()}
    for weight in model.weights:
        weight.assign(np.asarray(weight).astype(np.float16))
    for name in ("unmeasured", "bundle"):
        shutil.rmtree(options.work / name, ignore_errors=True)
    entry = entry_of(model.count_params(), training, 1.0, ())
    program = AudioGenerator.program(entry, model)
    probe = bundle.write(
        options.work / "unmeasured",
        entry,
        stored,
        (),
        lambda folder: compile_program(program, folder, "float16", print),
        precision="float16",
    )
    generator, recogniser = (
        ws.load(probe, engine="litert"),
        ws.load(options.recogniser, engine="litert"),
    )
    tried = {
        t: share(recognised(generator, recogniser, options.tried, 10_000, temperature=t))
        for t in TEMPERATURES
    }
    print("temperatures", tried)
    temperature = max(tried, key=lambda t: (tried[t], t))
    found = recognised(generator, recogniser, options.count, 0, temperature=temperature)
    real = np.mean([recogniser((clip.samples, RATE)).text == WORDS[clip.digit] for clip in test])
    print(
        f"temperature {temperature}: {share(found):.1%} recognised, {share(found, 2):.1%} spelt right"
    )
    heard = f"{options.count} generated digits, heard by {recogniser.name}"
    metrics = (Metric("recognised", round(share(found), 4), heard, SCRIPT),)
    card = CARD.format(
        title=entry.title,
        field=(c := wavenet.WaveNetConfig.of(CONFIG)).receptive_field,
        parameters=entry.parameters,
        milliseconds=1e3 * c.receptive_field / RATE,
        mixtures=c.mixtures,
        steps=options.epochs * STEPS,
        batch=options.batch_samples,
        peak=options.peak,
        temperature=temperature,
        count=options.count,
        each=options.count // 60,
        rate=share(found),
        free=share(found, 2),
        real=real,
        tried=options.tried,
        choice=", ".join(f"{t}: {rate:.0%}" for t, rate in tried.items()),
        table="\n".join(
            f"| {word} | {validation_fraction(found, 0, i)} | {speaker} | {validation_fraction(found, 3, speaker)} |"
            for i, (word, speaker) in enumerate(zip_longest(WORDS, SPEAKERS, fillvalue=""))
        ),
    )
    compiled = Artifact.load(probe / "artifacts" / "float32")
    bundle.write(
        options.work / "bundle",
        entry_of(model.count_params(), training, temperature, metrics),
        stored,
        (),
        compiled.copy_to,
        precision="float16",
        card=card,
        weights=bundle.IN_PROGRAM,
    )
    shutil.rmtree(probe)
