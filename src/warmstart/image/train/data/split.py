"""Sets aside validation examples of data without a validation split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from warmstart.image.train.data.examples import Examples
from warmstart.training.split import group_keys, split_rows


def split(examples: Examples, fraction: float, seed: int) -> tuple[Examples, Examples]:
    """(training, validation), stratified; see `training.split.split_rows`.

    Examples with the same content stay in training. The stratum of an example with several labels
    is its rarest.

    Raises:
        UsageError: the fraction is not possible, or validation would be empty.
    """
    strata, repeated = _strata(examples.targets), _repeated(examples.digests)
    groups = group_keys(examples.groups) if examples.groups else None
    train, validation = split_rows(
        len(examples), fraction, seed, strata=strata, groups=groups, fixed=repeated
    )
    return examples.subset(train), examples.subset(validation)


def _strata(targets: np.ndarray) -> np.ndarray:
    if targets.ndim == 1:
        return targets
    rarity = np.where(targets > 0, targets.sum(0), np.inf)  # (N, C), the counts of the labels
    return np.where(targets.any(1), rarity.argmin(1), -1)


def _repeated(digests: Sequence[str]) -> set[int]:
    """The rows of contents that occur more than once."""
    rows: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        rows.setdefault(digest, []).append(row)
    return {row for group in rows.values() if len(group) > 1 for row in group}
