"""Steps of a model run to their end, or are closed where the work is cancelled."""

from __future__ import annotations

import pytest

from warmstart.core import cancellation
from warmstart.core.cancellation import drive
from warmstart.errors import CancelledError


def steps(closed: list[bool]):
    try:
        yield
        yield
        return ["answer"]
    finally:
        closed.append(True)


def test_steps_give_their_answer():
    closed: list[bool] = []
    assert drive(steps(closed)) == ["answer"]
    assert closed == [True]


def test_cancelled_steps_free_what_they_hold_while_the_error_is_kept():
    closed: list[bool] = []
    cancelled = iter([False, True])  # before the first step, and before the second
    with cancellation.scope(lambda: next(cancelled)), pytest.raises(CancelledError) as caught:
        drive(steps(closed))
    assert caught.value.__traceback__ is not None
    assert closed == [True]
