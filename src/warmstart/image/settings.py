"""What the tasks on images read of an entry's config and processing."""

from __future__ import annotations

from typing import TypedDict


class Config(TypedDict, total=False):
    """Keys of `Entry.config`."""

    batch: int | str


class Processing(TypedDict, total=False):
    """Keys of `Entry.processing`."""

    multi_label: bool
    threshold: float
    suppression: float | None


class PhotoSettings(TypedDict):
    """The keys of both."""

    config: Config
    processing: Processing
