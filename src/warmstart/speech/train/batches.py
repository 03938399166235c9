"""Batches of recordings of similar lengths, augmented differently in every epoch.

Sources: Park et al., "SpecAugment" (2019), arXiv:1904.08779, section 2; Ko et al., "Audio
Augmentation for Speech Recognition" (2015), for changes of speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from warmstart.speech.spectrum import Features
from warmstart.speech.train.clips import Clip
from warmstart.training.sorted_batches import SortedBatches

SLOWEST = 0.9
"""The lowest speed of augmented recordings."""


class SpeechBatches(SortedBatches):
    """Batches of (frames (B, T, size), symbols (B, L) filled up with zeros).

    Recordings are filled up with silence on both sides, as recognition does it; so every frame
    counts in the loss.

    Args:
        clips: what to learn from.
        features: of the model.
        padding: seconds of silence before and after.
        batch_size, shuffle, seed: as for `SortedBatches`.
        augment: whether speed, level, noise and spectrum are augmented.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        features: Features,
        padding: float,
        *,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        augment: bool = False,
    ):
        super().__init__(
            [clip.samples for clip in clips], batch_size=batch_size, shuffle=shuffle, seed=seed
        )
        self.clips, self.features, self.augment = clips, features, augment
        self.padding = round(padding * features.sample_rate)
        self.log_mel = replace(features, kind="log_mel", mean=(), std=())

    def padded(self, epoch: int, index: int, more: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng((self.seed, epoch, index, 2))
        clips = [self.clips[row] for row in self.indices(epoch, index)]
        sounds = [clip.decoded(self.features.sample_rate) for clip in clips]
        if self.augment:
            sounds = [
                augmented(random, sound, self.features.sample_rate, self._fastest(clip))
                for sound, clip in zip(sounds, clips, strict=True)
            ]
        step = 32 * self.features.hop  # few lengths, so that few shapes are traced
        longest = max(map(len, sounds)) if len(self) > 1 else int(self.lengths.max() / SLOWEST) + 1
        length = (-(-(longest + 2 * self.padding) // step) + more) * step
        symbols = np.zeros(
            (len(clips), (max(len(clip.symbols) for clip in clips) // 2 + 1 + more) * 2), np.int32
        )
        frames = []
        for row, clip, sound in zip(symbols, clips, sounds, strict=True):
            row[: len(clip.symbols)] = clip.symbols
            whole = np.zeros(length, np.float32)
            whole[self.padding : self.padding + len(sound)] = sound
            if not self.augment or self.features.kind == "mu_law":
                frames.append(self.features(whole))
                continue
            frames.append(self.features.of_log_mel(masked(random, self.log_mel(whole))))
        return np.stack(frames), symbols

    def _fastest(self, clip: Clip) -> float:
        """The highest speed at which the text of a recording still fits into its frames."""
        return min(1.1, self.features.count(clip.samples) / max(frames_needed(clip.symbols), 1))


def frames_needed(symbols: np.ndarray) -> int:
    """Frames that CTC needs for a text: one a symbol, and a blank between equal neighbours."""
    return len(symbols) + int((symbols[1:] == symbols[:-1]).sum())


def augmented(
    random: np.random.Generator, samples: np.ndarray, rate: int, fastest: float = 1.1
) -> np.ndarray:
    """A recording with another speed (up to 10 %) and level (up to 8 dB), and in half of the cases
    with noise.
    """
    import soxr

    samples = soxr.resample(
        samples, rate * min(random.uniform(SLOWEST, 1.1), fastest), rate, quality="LQ"
    )
    samples = samples * np.float32(10 ** (random.uniform(-8, 8) / 20))
    if random.random() < 0.5:
        level = max(float(np.sqrt(np.mean(samples**2))), 1e-3) * 10 ** (
            -random.uniform(10, 40) / 20
        )
        samples = samples + np.float32(level) * noise(random, len(samples))
    return np.asarray(np.clip(samples, -1.0, 1.0))


def noise(random: np.random.Generator, count: int) -> np.ndarray:
    """Noise of standard deviation 1 whose spectrum falls by a random power of the frequency (white
    to red).
    """
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum[1:] *= np.arange(1, len(spectrum)) ** -random.uniform(0.0, 1.0)
    values = np.fft.irfft(spectrum, count)
    return np.asarray(values / max(values.std(), 1e-9), np.float32)


def masked(random: np.random.Generator, log_mel: np.ndarray) -> np.ndarray:
    """SpecAugment: up to two bands of at most a fifth of the filters and, per 80 frames, one
    stretch of up to 6 frames, at the mean of all."""
    frames, mels = log_mel.shape
    mean = log_mel.mean()
    for _ in range(random.integers(0, 3)):
        start, width = random.integers(0, mels), random.integers(0, mels // 5 + 1)
        log_mel[:, start : start + width] = mean
    for _ in range(random.integers(0, 1 + frames // 80)):
        start, width = random.integers(0, frames), random.integers(0, 7)
        log_mel[start : start + width] = mean
    return log_mel
