"""The Free Spoken Digit Dataset as arrays, and the spoken sequences made of it, for the scripts
beside this one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from warmstart.speech.train.batches import noise

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
RATE = 8000
TEST = range(5)  # the official test part: recordings 0 to 4 of each digit and speaker


@dataclass(frozen=True)
class Clip:
    """One recording: float32 samples at 8 kHz, its digit, its speaker and its number."""

    samples: np.ndarray
    digit: int
    speaker: str
    index: int


def read_clips(folder: Path) -> list[Clip]:
    """All recordings `digit_speaker_index.wav`, sorted by name."""
    clips = []
    for path in sorted(folder.glob("*.wav")):
        digit, speaker, index = path.stem.split("_")
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        assert rate == RATE, path
        clips.append(Clip(samples.mean(1), int(digit), speaker, int(index)))
    return clips


def split(clips: Iterable[Clip]) -> tuple[list[Clip], list[Clip]]:
    """(train, test), as the data set's authors divide it."""
    clips = list(clips)
    return [c for c in clips if c.index not in TEST], [c for c in clips if c.index in TEST]


def text_of(clips: Sequence[Clip]) -> str:
    return " ".join(WORDS[clip.digit] for clip in clips)


def joined(
    random: np.random.Generator,
    clips: Sequence[Clip],
    pauses: tuple[float, float] = (0.1, 0.5),
    decibels: float = 6.0,
) -> np.ndarray:
    """Recordings one after the other, with pauses (seconds) of digital silence and changes of level
    (dB) between.
    """
    parts = [np.zeros(int(random.uniform(*pauses) * RATE), np.float32)]
    for clip in clips:
        parts.append(clip.samples * np.float32(10 ** (random.uniform(-decibels, decibels) / 20)))
        parts.append(np.zeros(int(random.uniform(*pauses) * RATE), np.float32))
    return np.clip(np.concatenate(parts), -1.0, 1.0)


def sequences_of(
    clips: Sequence[Clip], *, length: int = 5, count: int = 200, seed: int = 0
) -> list[tuple[np.ndarray, str]]:
    """(samples, text) of sequences of one speaker each, the same for every caller."""
    random = np.random.default_rng(seed)
    speakers = sorted({clip.speaker for clip in clips})
    made = []
    for n in range(count):
        own = [clip for clip in clips if clip.speaker == speakers[n % len(speakers)]]
        chosen = [own[i] for i in random.integers(0, len(own), length)]
        made.append((joined(random, chosen), text_of(chosen)))
    return made


def augmented(random: np.random.Generator, samples: np.ndarray) -> np.ndarray:
    """One recording at another speed (up to 15 %), with another tilt of its spectrum and another
    level.
    """
    if random.random() < 0.8:
        samples = soxr.resample(samples, RATE * random.uniform(0.85, 1.15), RATE, quality="LQ")
    if random.random() < 0.5:
        tilt = np.float32(random.uniform(-0.6, 0.6))
        samples = samples + tilt * np.concatenate([samples[:1] * 0, samples[:-1]])
    return samples * np.float32(10 ** (random.uniform(-8, 8) / 20))


Spans = list[tuple[int, int, str]]  # (first sample, sample after the last, word)


def spoken(
    random: np.random.Generator, by_speaker: dict[str, list[Clip]], seconds: float
) -> tuple[np.ndarray, Spans]:
    """A training example of exactly `seconds`: as many digits as fit in with random pauses, noise,
    level; its words.

    One in fifty holds no digit, so that the model learns to be silent.
    """
    total = int(seconds * RATE)
    samples = np.zeros(total, np.float32)
    spans: Spans = []
    speakers = list(by_speaker)
    speaker = speakers[random.integers(len(speakers))]
    place = int(random.uniform(0.0, 0.3) * RATE)
    for _ in range(0 if random.random() < 0.02 else random.integers(1, 8)):
        if random.random() < 0.1:
            speaker = speakers[random.integers(len(speakers))]
        clips = by_speaker[speaker]
        clip = clips[random.integers(len(clips))]
        piece = augmented(random, clip.samples)
        if place + len(piece) > total:
            if spans:
                break
            place = random.integers(0, max(total - len(piece), 0) + 1)
            piece = piece[: total - place]
        samples[place : place + len(piece)] += piece
        spans.append((place, place + len(piece), WORDS[clip.digit]))
        place += len(piece) + int(
            random.choice([random.uniform(0.02, 0.2), random.uniform(0.2, 0.7)]) * RATE
        )
    samples *= np.float32(10 ** (random.uniform(-20, 4) / 20))
    if random.random() < 0.5:
        level = max(rms(samples), np.float32(0.01)) * np.float32(
            10 ** (-random.uniform(12, 40) / 20)
        )
        samples += noise(random, total) * level
    return np.clip(samples, -1.0, 1.0), spans


def rms(samples: np.ndarray) -> np.float32:
    return np.sqrt(np.mean(samples**2))
