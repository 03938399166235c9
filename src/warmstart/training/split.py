"""Examples to learn from and examples to validate on, and what identifies them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np

from warmstart.errors import UsageError

T = TypeVar("T")


def split(found: Sequence[T], validation: Any, seed: int, read: Callable[[Any], Sequence[T]],
          group: Callable[[T], Any] | None = None) -> tuple[list[T], list[T]]:
    """Examples to learn from, and examples kept for validation.

    Args:
        found: all of them.
        validation: None or 0 for none; a share of `found`; or data of its own.
        seed: of the choice.
        read: makes examples of data.
        group: examples with the same one of these are not torn apart.
    """
    if validation is None or validation == 0:
        return list(found), []
    if not isinstance(validation, int | float):
        return list(found), list(read(validation))
    if not 0 < validation < 1:
        raise UsageError(f"validation is data, or a share between 0 and 1, not {validation!r}.")
    keys = [group(one) if group else place for place, one in enumerate(found)]
    groups = list(dict.fromkeys(keys))
    count = min(max(1, round(validation * len(groups))), len(groups) - 1)
    if count < 1:
        raise UsageError("One example alone cannot be learned from and validated on; give validation=None.")
    order = np.random.default_rng(seed).permutation(len(groups))
    held = {groups[place] for place in order[:count]}
    return ([one for one, key in zip(found, keys, strict=True) if key not in held],
            [one for one, key in zip(found, keys, strict=True) if key in held])


def fingerprint(some: Sequence[Any]) -> str:
    """Changes when an example does."""
    return sha256("\0".join(map(repr, some)).encode("utf-8", "replace")).hexdigest()[:20]
