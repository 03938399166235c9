"""Whisper's front end: log-mel features of a recording, window by window, of files of any length in
constant memory.

Source: Radford et al. 2022, section 2.2, and the feature extractors of openai/whisper and
transformers: 25 ms Hann windows every 10 ms of 16 kHz sound, mirrored at both ends; log10 of mel
energies, nothing further than 8 below the recording's loudest value; (x + 4) / 4.

As in both references, a recording of at most one window is padded with silence before its features
are computed, and the last window of a longer one is padded with zeros afterwards. A longer recording
is read twice, first for its loudest value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from warmstart.errors import UsageError
from warmstart.speech.spectrum import FLOOR, Features

RATE = 16_000
HOP = 160
WINDOW = 400
RANGE = 8.0  # log10: what is quieter by more is cut off
AT_ONCE = 2**17  # samples whose frames are computed together

Blocks = Callable[[], Iterable[np.ndarray]]
"""Gives a recording from its beginning, in blocks of float32 (n,) at `RATE`; called once or twice.
"""


def log_mel(mels: int) -> Features:
    """The log-mel features of Whisper, before they are clipped relative to the loudest value."""
    return Features(
        sample_rate=RATE,
        kind="log_mel",
        n_fft=WINDOW,
        hop=HOP,
        mels=mels,
        log="log10",
        edge="reflect",
    )


class Windows:
    """The windows of one recording, in order.

    Args:
        blocks: the recording.
        mels: mel bins.
        frames: in a window; one takes 10 ms.

    Attributes:
        samples: in the recording.
        count: frames in it.
        silent: whether it has only zeros.
    """

    def __init__(self, blocks: Blocks, mels: int, frames: int = 3000):
        self._features, self._frames = log_mel(mels), frames
        first: list[np.ndarray] = []
        self.samples = 0
        for block in blocks():
            first.append(block)
            self.samples += len(block)
            if self.samples > frames * HOP:
                break
        self._start = 0
        self._rest: Iterator[np.ndarray] = iter(())
        if self.samples <= frames * HOP:
            sound = np.concatenate([*first, np.zeros(frames * HOP - self.samples, np.float32)])
            self._ready = self._features(sound)[:frames]
            self._peak = float(self._ready.max())
        else:
            self.samples, self._peak = 0, -np.inf
            for piece in self._pieces(self._counted(blocks())):
                self._peak = max(self._peak, float(piece.max()))
            self._ready = np.zeros((0, mels), np.float32)
            self._rest = self._pieces(blocks())
        self.count = self.samples // HOP
        self.silent = self._peak <= np.log10(FLOOR) + 1e-6

    @property
    def seconds(self) -> float:
        """The recording's length."""
        return self.samples / RATE

    def at(self, frame: int) -> np.ndarray:
        """The window that begins at this frame: float32 (mels, frames).

        Raises:
            UsageError: a later window was asked for before; its beginning is forgotten.
        """
        if frame < self._start:
            raise UsageError(
                f"frame {frame} of the recording is no longer in memory; read windows in order."
            )
        while (
            self._start + len(self._ready) < frame + self._frames
            and (piece := next(self._rest, None)) is not None
        ):
            skip = max(0, min(frame - self._start, len(self._ready)))
            self._ready, self._start = (
                np.concatenate([self._ready[skip:], piece]),
                self._start + skip,
            )
        self._ready, self._start = self._ready[frame - self._start :], frame
        raw = self._ready[: self._frames]
        loud = (np.maximum(raw, np.float32(self._peak - RANGE)) + np.float32(4.0)) / np.float32(4.0)
        window = np.zeros((raw.shape[1], self._frames), np.float32)
        window[:, : len(loud)] = loud.T
        return window

    def _counted(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for block in blocks:
            self.samples += len(block)
            yield block

    def _pieces(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The frames of the whole recording, some at a time: float32 (n, mels)."""
        half = WINDOW // 2
        waiting, waiting_samples = [], 0
        # Samples whose frames are still to come, from the beginning of the first one.
        rest = np.zeros(0, np.float32)
        total, yielded = 0, 0
        for block in blocks:
            waiting.append(block)
            waiting_samples += len(block)
            total += len(block)
            if waiting_samples < AT_ONCE:
                continue
            rest = np.concatenate([rest, *waiting])
            waiting, waiting_samples = [], 0
            if not yielded:
                rest = np.concatenate([rest[half:0:-1], rest])
            frames = self._features.of_padded(rest)
            rest, yielded = rest[len(frames) * HOP :], yielded + len(frames)
            yield frames
        rest = np.concatenate([rest, *waiting])
        if not yielded:
            rest = np.concatenate([rest[half:0:-1], rest])
        rest = np.concatenate([rest, rest[-2 : -half - 2 : -1]])
        last = self._features.of_padded(rest)[: total // HOP - yielded]
        if len(last):
            yield last
