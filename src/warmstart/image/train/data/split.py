"""A validation part where none is given: the same share of every class, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from warmstart.errors import UsageError
from warmstart.image.train.data.examples import Examples


def split(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    """(training, validation), stratified.

    Of each class round(share * count) examples go to validation, but at least one of two or more, and never all.
    Examples with the same content stay together, in training. An example with several labels counts as one of its
    rarest.

    Args:
        examples: all of them.
        share: of the validation part, between 0 and 1.
        seed: of the choice.

    Raises:
        UsageError: the share is not possible, or validation would be empty.
    """
    if not 0 < share < 1:
        raise UsageError(f"The validation share must be between 0 and 1, not {share}.")
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    repeated = _repeated(examples.digests)
    strata = _strata(examples.targets)
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        free = [int(row) for row in random.permutation(rows) if int(row) not in repeated]
        wanted = max(round(share * len(rows)), 1 if len(rows) > 1 else 0)
        chosen += free[: min(wanted, len(rows) - 1)]
    if not chosen:
        raise UsageError("There are too few examples to keep some for validation: every class needs two or more.")
    kept = sorted(set(range(len(examples))) - set(chosen))
    return examples.subset(kept), examples.subset(sorted(chosen))


def _strata(targets: np.ndarray) -> np.ndarray:
    if targets.ndim == 1:
        return targets
    rarity = np.where(targets > 0, targets.sum(0), np.inf)  # (N, C): how often each of its labels occurs
    return np.where(targets.any(1), rarity.argmin(1), -1)


def _repeated(digests: Sequence[str]) -> set[int]:
    """The places of contents that occur more than once."""
    places: dict[str, list[int]] = {}
    for place, digest in enumerate(digests):
        places.setdefault(digest, []).append(place)
    return {place for group in places.values() if len(group) > 1 for place in group}
