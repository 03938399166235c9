"""Work in steps, between which it may be cancelled."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias

from warmstart.core import cancellation

Steps: TypeAlias = Generator[None, None, Sequence[Any]]
"""Computes the outputs of several inputs; yields between steps, where the caller may stop."""


def drive(steps: Steps) -> Sequence[Any]:
    """Run steps to their end; close them where they do not get there.

    Raises:
        CancelledError: nobody waits for the result any more; see `cancellation`.
    """
    try:
        while True:
            cancellation.check()
            next(steps)
    except StopIteration as stop:
        cancellation.check()
        outputs: Sequence[Any] = stop.value
        return outputs
    finally:
        steps.close()
