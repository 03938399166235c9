"""The parts of data that names them: to train on, to validate, to test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class _Photo(Protocol):
    @property
    def part(self) -> str | None: ...


PhotoT = TypeVar("PhotoT", bound=_Photo)


def of_part(photos: Sequence[PhotoT], part: str) -> tuple[PhotoT, ...]:
    """The photos of a part; those without one are "train"."""
    return tuple(photo for photo in photos if (photo.part or "train") == part)


def to_measure(photos: Sequence[PhotoT]) -> tuple[PhotoT, ...]:
    """The photos that a model is measured on: those to test, else those to validate, else all."""
    return of_part(photos, "test") or of_part(photos, "validation") or tuple(photos)
