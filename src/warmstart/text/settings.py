"""What the tasks on texts read of an entry's config and processing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from warmstart.json_values import JSON


class Config(TypedDict, total=False):
    """Keys of `Entry.config`."""

    batch: int | str
    hidden_size: int
    length: int | None
    n_embd: int
    names: list[str] | None
    pad_token_id: int | None
    type_vocab_size: int | None
    vocab_size: int


class _DenseFile(TypedDict):
    file: str


class Processing(TypedDict, total=False):
    """Keys of `Entry.processing`."""

    begin_suppress: list[int]
    dense: list[_DenseFile]
    end: list[int]
    generation: Mapping[str, JSON]
    longest: int
    lowercase: bool
    max_length: int
    normalize: bool
    pooling: str | None
    problem: str
    prompt_name: str | None
    prompts: Mapping[str, str]
    suppress: list[int]


class TextSettings(TypedDict):
    """The keys of both."""

    config: Config
    processing: Processing
