"""What the tasks on speech read of an entry's config and processing."""

from __future__ import annotations

from typing import Any, TypedDict

from warmstart.speech.spectrum import Features


class Config(TypedDict, total=False):
    """Keys of `Entry.config`."""

    audio_positions: int
    decoder_layers: int
    levels: int
    mels: int
    text_positions: int
    vocabulary: int
    width: int


class Processing(TypedDict, total=False):
    """Keys of `Entry.processing`."""

    alignment_heads: list[list[int]] | None
    alphabet: str
    begin_suppress: list[int]
    classes: list[list[str | int]]
    companding: str
    decoding: str
    features: Features
    frames: str | None
    harmonics: int
    hop: int
    language: str | None
    log_seconds: list[Any]
    max_initial_timestamp: int
    max_length: int
    max_new_tokens: int
    multilingual: bool
    padding: float
    sample_rate: int
    suppress: list[int]
    temperature: float
    vocabulary: list[str]


class SpeechSettings(TypedDict):
    """The keys of both."""

    config: Config
    processing: Processing
