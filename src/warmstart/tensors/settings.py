"""What array models read of an entry's config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from warmstart.engines.base import TensorSpec


class Config(TypedDict, total=False):
    """Keys of `Entry.config`."""

    batch: int | str
    inputs: list[TensorSpec]
    limits: Mapping[str, float]
    outputs: list[str]


class ArraySettings(TypedDict, total=False):
    """Settings of an array model."""

    config: Config
