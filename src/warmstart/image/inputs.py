"""Photos one at a time, from whatever holds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from warmstart.core import inputs
from warmstart.image.decoder import SUFFIXES


def iter_photos(photos: Any) -> Iterator[inputs.Item]:
    """The single photos of a path, folder, pattern, list or generator; see `core.inputs.iter_items`."""
    return inputs.iter_items(photos, suffixes=SUFFIXES, what="picture")
