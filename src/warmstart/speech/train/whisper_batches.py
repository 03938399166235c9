"""Batches for Whisper: windows of sound, and texts as decoder tokens.

At random, a text is without timestamps or between two timestamps, as in Whisper's own training (Radford et al.
2022, section 2.3), so that transcription with and without timestamps improves. The timestamps
themselves are not learned, since the data has none: the loss ignores them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from warmstart.speech.mel_windows import HOP, RATE, Windows
from warmstart.speech.train.batches import SLOWEST, augmented, masked
from warmstart.speech.train.clips import Clip
from warmstart.speech.whisper.tokens import SECONDS, WhisperTokens
from warmstart.training.sorted_batches import SortedBatches

Sound = Callable[[Clip, "np.random.Generator | None"], np.ndarray]

IGNORED = -1
"""The target of a token that the loss ignores."""
STEP = 8
"""Lengths of texts are multiples of it, so that few shapes are traced."""


class WhisperBatches(SortedBatches):
    """Batches of ({"sound": (B, …), "decoder_input_ids": (B, T)}, tokens that follow (B, T)).

    Args:
        clips: what to learn from; their symbols are text tokens.
        tokens: of the model.
        language: code of the texts.
        sound: makes the network's input of a recording; the second argument is a random generator
            if speed, level, noise and spectrum are augmented, else None.
        batch_size, shuffle, seed: as for `SortedBatches`.
        augment: whether speed, level, noise and spectrum are augmented.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        tokens: WhisperTokens,
        language: str,
        sound: Sound,
        *,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        augment: bool = False,
    ):
        super().__init__(
            [len(clip.symbols) for clip in clips],
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
        )
        self.clips, self.tokens, self.language, self.augment = clips, tokens, language, augment
        self.sound = sound

    def padded(self, epoch: int, index: int, more: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        random = np.random.default_rng((self.seed, epoch, index, 2))
        clips = [self.clips[number] for number in self.indices(epoch, index)]
        augmentation = random if self.augment else None
        sound = np.stack([self.sound(clip, augmentation) for clip in clips])
        texts = [self._text(clip, self.shuffle and random.random() < 0.5) for clip in clips]
        longest = max(len(ids) for ids, _ in texts)
        if len(self) == 1:
            longest = int(self.lengths.max()) + len(self.prompt()) + 1
        shape = len(clips), (-(-longest // STEP) + more) * STEP
        inputs, targets = np.full(shape, self.tokens.end, np.int32), np.full(shape, IGNORED)
        for row, (ids, following) in enumerate(texts):
            inputs[row, : len(ids)] = ids
            targets[row, : len(following)] = following
        return {"sound": sound, "decoder_input_ids": inputs}, targets.astype(np.int32)

    def prompt(self, timed: bool = False) -> list[int]:
        """The tokens before a text."""
        t = self.tokens
        task = [t.languages[self.language], t.transcribe] if t.languages else []
        return [t.start, *task, t.first_time if timed else t.no_timestamps]

    def _text(self, clip: Clip, timed: bool) -> tuple[list[int], list[int]]:
        """(the decoder's input, what follows each token)."""
        prompt, text = self.prompt(timed), clip.symbols.tolist()
        ignored = [IGNORED] * (len(prompt) - 1)
        if not timed:
            return [*prompt, *text], [*ignored, *text, self.tokens.end]
        last = self.tokens.first_time + round(clip.samples / RATE / SECONDS)
        return [*prompt, *text, last], [*ignored, *text, IGNORED, self.tokens.end]


class WindowFeatures:
    """The features of recordings, float32 (mels, frames).

    Args:
        mels: mel bins.
        frames: of a window.
    """

    def __init__(self, mels: int, frames: int):
        self.mels, self.frames = mels, frames

    def __call__(self, clip: Clip, random: np.random.Generator | None) -> np.ndarray:
        samples = clip.decoded(RATE)
        is_augmented = random is not None and len(samples) < SLOWEST * self.frames * HOP
        if random is not None and is_augmented:
            samples = augmented(random, samples, RATE)
        window = Windows(lambda: [samples], self.mels, self.frames).at(0)
        if random is not None and is_augmented:
            count = len(samples) // HOP
            window[:, :count] = masked(random, window[:, :count].T).T
        return window


class Encoded:
    """The outputs of a frozen encoder for recordings, float32 (positions, width). Those of recordings
    that are not augmented are computed once and cached, up to `LARGEST` bytes.

    Args:
        encode: features (1, mels, frames) -> (1, positions, width).
        features: of a recording.
    """

    LARGEST = 2 * 2**30

    def __init__(self, encode: Callable[[np.ndarray], Any], features: Sound):
        self.encode, self.features = encode, features
        self._known: dict[str, np.ndarray] = {}
        self._bytes = 0

    def __call__(self, clip: Clip, random: np.random.Generator | None) -> np.ndarray:
        if random is None and clip.digest in self._known:
            return self._known[clip.digest]
        encoded: np.ndarray = np.asarray(self.encode(self.features(clip, random)[None]))[0]
        if random is None and self._bytes + encoded.nbytes <= self.LARGEST:
            self._known[clip.digest] = encoded
            self._bytes += encoded.nbytes
        return encoded
