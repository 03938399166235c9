"""Log-mel spectrograms and MFCCs in numpy, frame by frame, so that a stream has the same features
as the whole recording.

Sources: the mel scales and filters of Slaney's Auditory Toolbox (1998) and of HTK (Young et al.,
The HTK Book), as librosa computes them (`librosa.feature.melspectrogram`, `librosa.feature.mfcc`
with `top_db=None`); MFCC after Davis and Mermelstein (1980): an orthonormal DCT-II of the log-mel
energies in decibels.

Frame t is centred at sample t * hop; outside the recording there are zeros, or its mirror image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from warmstart.errors import UsageError
from warmstart.json_values import check
from warmstart.speech import mu_law

FLOOR = 1e-10  # of power: 100 dB below a full-scale sine, so that digital silence has a logarithm
SCALES = ("slaney", "htk")
LOGS = ("db", "ln", "log10")
AT_ONCE = 4096  # frames per FFT call: bounds the memory of long recordings


def hz_to_mel(hz: Any, scale: str = "slaney") -> np.ndarray:
    """Frequencies in mel; "slaney": linear up to 1 kHz, logarithmic above; "htk": 2595 log10(1 + f
    / 700).
    """
    hz = np.asarray(hz, np.float64)
    mel: np.ndarray
    if scale == "htk":
        mel = 2595.0 * np.log10(1.0 + hz / 700.0)
    else:
        above = 15.0 + 27.0 * np.log(np.maximum(hz, 1e-9) / 1000.0) / np.log(6.4)
        mel = np.where(hz < 1000.0, hz * 3.0 / 200.0, above)
    return mel


def mel_to_hz(mel: Any, scale: str = "slaney") -> np.ndarray:
    """The inverse of `hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    hz: np.ndarray
    if scale == "htk":
        hz = 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    else:
        above = 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0)
        hz = np.where(mel < 15.0, mel * 200.0 / 3.0, above)
    return hz


@dataclass(frozen=True)
class Features:
    """How a recording becomes frames.

    Attributes:
        sample_rate: of the samples, in Hz.
        kind: "mfcc", "log_mel", or "mu_law": the samples themselves as levels 0 to 255, a frame
            holding `hop` of them.
        n_fft: window length in samples (a periodic Hann window); of "mu_law" as `hop`.
        hop: samples from one frame to the next.
        mels: number of mel filters.
        coefficients: number of MFCCs, the first (the level) included; unused by "log_mel".
        low, high: frequencies in Hz where the first filter begins and the last ends; `high` None:
            half the rate.
        scale: of the mels: "slaney" (its filters have equal area) or "htk" (its filters have equal
            height).
        log: of power: "db" (10 log10), "ln" or "log10".
        edge: "zero" or "reflect": what is outside the recording.
        mean, std: of each number of a frame over the training data: frames are standardised; both
            or neither.
    """

    sample_rate: int = 16000
    kind: str = "mfcc"
    n_fft: int = 512
    hop: int = 160
    mels: int = 40
    coefficients: int = 20
    low: float = 0.0
    high: float | None = None
    scale: str = "slaney"
    log: str = "db"
    edge: str = "zero"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for key, allowed in (
            ("kind", ("mfcc", "log_mel", "mu_law")),
            ("scale", SCALES),
            ("log", LOGS),
            ("edge", ("zero", "reflect")),
        ):
            if getattr(self, key) not in allowed:
                raise UsageError(
                    f"features: {key} must be one of {', '.join(allowed)}, not {getattr(self, key)!r}"
                )
        for key in ("sample_rate", "n_fft", "hop", "mels", "coefficients"):
            value = getattr(self, key)
            if not isinstance(value, int) or not 1 <= value <= 1_000_000:
                raise UsageError(
                    f"features: {key} must be a whole number of 1 or more, not {value!r}"
                )
        if not 0 <= self.low < self.top <= self.sample_rate / 2:
            raise UsageError(
                f"features: low and high must be within 0 and {self.sample_rate / 2:g} Hz"
            )
        if self.kind == "mu_law" and self.n_fft != self.hop:
            raise UsageError(
                "features: frames of samples neither overlap nor leave any out: n_fft must be hop"
            )
        if self.kind == "mfcc" and self.coefficients > self.mels:
            raise UsageError(
                f"features: there are no {self.coefficients} coefficients of {self.mels} mel filters"
            )
        if (
            (self.mean or self.std) and not len(self.mean) == len(self.std) == self.size
        ) or 0 in self.std:
            raise UsageError(
                f"features: mean and std must have {self.size} numbers each, std none of them 0"
            )

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Features:
        """From JSON values, such as `Entry.processing["features"]`.

        Raises:
            UsageError: a key is unknown, or a value not possible.
        """
        try:
            check(data, cls, "features")
        except ValueError as error:
            raise UsageError(str(error)) from None
        known: dict[str, Any] = {
            k: tuple(v) if k in ("mean", "std") else v for k, v in data.items()
        }
        return cls(**known)

    @property
    def top(self) -> float:
        return self.sample_rate / 2 if self.high is None else self.high

    @property
    def size(self) -> int:
        """Numbers per frame."""
        return {"mfcc": self.coefficients, "log_mel": self.mels, "mu_law": self.hop}[self.kind]

    @property
    def seconds(self) -> float:
        """From one frame to the next."""
        return self.hop / self.sample_rate

    def count(self, samples: int) -> int:
        """The number of frames of a recording with this number of samples; their centres are in it."""
        return 1 + samples // self.hop

    @cached_property
    def filters(self) -> np.ndarray:
        """The mel filters: float32 (1 + n_fft // 2, mels)."""
        bins = np.linspace(0.0, self.sample_rate / 2, 1 + self.n_fft // 2)
        low, high = (float(hz_to_mel(hz, self.scale)) for hz in (self.low, self.top))
        edges = mel_to_hz(np.linspace(low, high, self.mels + 2), self.scale)
        rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
        filters: np.ndarray = np.maximum(0.0, np.minimum(rising, falling))
        if self.scale == "slaney":
            filters *= 2.0 / (edges[2:] - edges[:-2])
        return filters.astype(np.float32)

    @cached_property
    def _window(self) -> np.ndarray:
        return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.n_fft) / self.n_fft)).astype(
            np.float32
        )

    @cached_property
    def _dct(self) -> np.ndarray:
        """Orthonormal DCT-II: float32 (mels, coefficients)."""
        n, k = np.arange(self.mels)[:, None], np.arange(self.coefficients)[None]
        basis: np.ndarray = np.sqrt(2.0 / self.mels) * np.cos(np.pi * (n + 0.5) * k / self.mels)
        basis[:, 0] /= np.sqrt(2.0)
        return basis.astype(np.float32)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """All frames of a recording.

        Args:
            samples: float32 (N,), -1..1.

        Returns:
            float32 (count(N), size).
        """
        before, after = self.n_fft // 2, self.n_fft - self.n_fft // 2
        if self.edge == "reflect" and len(samples) > before:
            padded = np.pad(samples, (before, after), mode="reflect")
        else:
            padded = np.pad(samples, (before, after))
        return self.of_padded(padded)[: self.count(len(samples))]

    def of_padded(self, padded: np.ndarray) -> np.ndarray:
        """Frames of samples whose edges are already there: frame t begins at t * hop; float32
        (frames, size).
        """
        padded = np.ascontiguousarray(padded, np.float32)
        if len(padded) < self.n_fft:
            return np.zeros((0, self.size), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)[:: self.hop]
        parts = [self._frames(frames[i : i + AT_ONCE]) for i in range(0, len(frames), AT_ONCE)]
        return np.concatenate(parts)

    def _frames(self, frames: np.ndarray) -> np.ndarray:
        if self.kind == "mu_law":
            return mu_law.encode(frames).astype(np.float32)
        spectrum = np.fft.rfft(frames * self._window, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        mel = np.maximum(power @ self.filters, np.float32(FLOOR))
        values = (
            np.log(mel) if self.log == "ln" else np.log10(mel) * (10.0 if self.log == "db" else 1.0)
        )
        return self.of_log_mel(values.astype(np.float32))

    def of_log_mel(self, values: np.ndarray) -> np.ndarray:
        """From log-mel energies (frames, mels) to the frames themselves: the DCT and the
        standardisation.
        """
        values = values @ self._dct if self.kind == "mfcc" else values
        if self.mean:
            values = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return values


class FeatureStream:
    """Frames of a recording that comes in pieces: together they equal `features(whole recording)`.

    Zeros are outside the recording ("reflect" needs its end, which a stream does not know).
    """

    def __init__(self, features: Features):
        if features.edge != "zero":
            raise UsageError("a stream of features needs edge='zero'")
        self.features = features
        self._samples = np.zeros(features.n_fft // 2, np.float32)
        self._total = self._yielded = 0

    def add(self, samples: np.ndarray) -> np.ndarray:
        """The frames that are complete with these samples; float32 (frames, size)."""
        self._total += len(samples)
        self._samples = np.concatenate([self._samples, samples])
        return self._take()

    def end(self) -> np.ndarray:
        """The last frames, whose windows reach over the end."""
        self._samples = np.concatenate([self._samples, np.zeros(self.features.n_fft, np.float32)])
        return self._take(self.features.count(self._total) - self._yielded)

    def _take(self, most: int | None = None) -> np.ndarray:
        frames = self.features.of_padded(self._samples)[:most]
        self._samples = self._samples[len(frames) * self.features.hop :]
        self._yielded += len(frames)
        return frames
