"""Whisper as `SpeechRecognizer` uses it: recordings in, transcripts out."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.catalog import Entry
from warmstart.core.reading import opened, scheme
from warmstart.engines.base import Engine
from warmstart.errors import BundleError
from warmstart.speech import audio
from warmstart.speech.mel_windows import RATE, Blocks
from warmstart.speech.results.transcript import Transcript
from warmstart.speech.whisper.decoder import WhisperOptions, WhisperTranscriber
from warmstart.speech.whisper.program import whisper_program as program
from warmstart.speech.whisper.tokens import WhisperTokens, own_files

__all__ = ["Recognition", "files", "program"]


def files(folder: Path) -> Mapping[str, Path | bytes]:
    """What a bundle keeps besides the weights, so that transformers can read it too."""
    return own_files(folder)


class Recognition:
    """A Whisper model that listens.

    Args:
        engine: with its program.
        entry: of the model.
        folder: its bundle or repository, which holds the tokenizer.

    Raises:
        BundleError: there is no tokenizer, or not that of this model.
    """

    options = frozenset(field.name for field in fields(WhisperOptions))

    def __init__(self, engine: Engine, entry: Entry, folder: Path | None):
        if folder is None:
            raise BundleError(f"{entry.name} has no folder with its tokenizer; load it from a bundle or a repository.")
        tokens = WhisperTokens.open(folder, int(entry.config["vocabulary"]),
                                    bool(entry.processing.get("multilingual", True)))
        self._transcriber = WhisperTranscriber(engine, entry, tokens)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The codes of the languages that the model knows."""
        return tuple(self._transcriber.tokens.languages) or ("en",)

    def transcribe(self, name: str, value: Any, *, sample_rate: float | None = None, **options: Any) -> Transcript:
        """One recording; see `WhisperOptions` for the options.

        Raises:
            InputError: it is unusable.
            UsageError: an option asks for what the model cannot do.
        """
        return self._transcriber.transcribe(name, _blocks(value, name, sample_rate), WhisperOptions(**options))

    def check(self, **options: Any) -> None:
        """Raise UsageError where an option is wrong, before any recording is read."""
        self._transcriber.check(WhisperOptions(**options))

    def features(self, name: str, value: Any, *, sample_rate: float | None = None) -> np.ndarray:
        """The encoder's output averaged over a recording: float32 (width,)."""
        return self._transcriber.features(_blocks(value, name, sample_rate))


def _blocks(value: Any, name: str, given_rate: float | None) -> Blocks:
    """The recording's samples, again and again; what can be read only once is kept as it comes, not decoded."""
    if scheme(value) is not None or hasattr(value, "read") or _is_pipe(value):
        with opened(value, name) as file:
            value = file.read()
    return partial(audio.pieces, value, name=name, sample_rate=RATE, given_rate=given_rate)


def _is_pipe(value: Any) -> bool:
    try:
        return isinstance(value, str | os.PathLike) and stat.S_ISFIFO(os.stat(value).st_mode)
    except (OSError, ValueError):
        return False
