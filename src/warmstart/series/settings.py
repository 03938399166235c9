"""What forecasting reads of an entry's config and processing; see also `features.Recipe`."""

from __future__ import annotations

from typing import TypedDict


class Config(TypedDict, total=False):
    """Keys of `Entry.config`."""

    distribution: str
    patch: int
    shortcut: int | bool


class Processing(TypedDict, total=False):
    """Keys of `Entry.processing`."""

    context: int
    freq: str
    horizon: int
    levels: list[float]
    patch: int
    quantiles: list[float]
    scaling: str | list[float]


class SeriesSettings(TypedDict):
    """The keys of both."""

    config: Config
    processing: Processing
