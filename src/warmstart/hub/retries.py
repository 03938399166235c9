"""When to retry a request, and how long to wait first."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from warmstart.counts import counted
from warmstart.errors import DownloadError

T = TypeVar("T")

_sleep = time.sleep


@dataclass(frozen=True)
class RetryPolicy:
    """How long to keep trying; times in seconds.

    Attributes:
        timeout: maximum time without a byte, also while connecting.
        minimum_rate: bytes per second, on average over `timeout`; a slower transfer is a failure.
        attempts: maximum number of consecutive attempts that bring less than `progress` bytes.
        first_attempts: the same, as long as no server has responded.
        total_attempts: maximum number of all attempts.
        progress: bytes of one attempt after which the count of `attempts` begins again.
        first_wait, max_wait: the wait doubles from one to the other, with a random factor of
            0.5 to 1.5.
        retry_after: maximum wait that a server may request; the download fails beyond it.
        deadline: maximum time of all attempts together.
        sync_every: bytes after which a partial file is synced to the disk.
    """

    timeout: float = 20.0
    minimum_rate: float = 100.0
    attempts: int = 6
    first_attempts: int = 2
    total_attempts: int = 100
    progress: int = 1 << 20
    first_wait: float = 0.5
    max_wait: float = 30.0
    retry_after: float = 120.0
    deadline: float = math.inf
    sync_every: int = 32 << 20


DEFAULT_POLICY = RetryPolicy()  # read at every use, so that tests can shorten the waits


class TemporaryError(Exception):
    """A failure after which the same request may succeed.

    Attributes:
        wait: seconds of the server's Retry-After, or None.
        connected: whether the server responded at all.
    """

    def __init__(self, message: str, *, wait: float | None = None, connected: bool = True):
        super().__init__(message)
        self.wait, self.connected = wait, connected


def retry(
    name: str,
    attempt: Callable[[], T],
    position: Callable[[], int] = lambda: 0,
    policy: RetryPolicy | None = None,
) -> T:
    """Call `attempt` until it does not raise TemporaryError, waiting longer each time.

    Args:
        name: of the file, for the error message.
        position: bytes on disk; an attempt that brings many starts the count of failures again.
        policy: default: `DEFAULT_POLICY`.

    Raises:
        DownloadError: it failed too often.
    """
    policy = policy or DEFAULT_POLICY
    failures, connected, start = 0, False, time.monotonic()
    for number in range(1, policy.total_attempts + 1):
        before = position()
        try:
            return attempt()
        except TemporaryError as error:
            connected = connected or error.connected
            failures = 1 if position() - before >= policy.progress else failures + 1
            requested_wait = error.wait or 0.0
            if requested_wait > policy.retry_after:
                raise DownloadError(
                    f"{name}: {error}; the server asks to wait {requested_wait:.0f} s"
                ) from error
            backoff = policy.first_wait * 2 ** (failures - 1) * random.uniform(0.5, 1.5)
            wait = max(min(backoff, policy.max_wait), requested_wait)
            allowed = policy.attempts if connected else policy.first_attempts
            late = time.monotonic() + wait > start + policy.deadline
            if failures >= allowed or number == policy.total_attempts or late:
                note = "the received bytes are kept, " if position() else ""
                attempts = counted(number, "attempt")
                raise DownloadError(
                    f"{name}: {error} ({attempts}); {note}try again later"
                ) from error
            _sleep(wait)
    raise AssertionError("unreachable")


def seconds_to_wait(value: str | None, date: str | None = None) -> float | None:
    """The seconds of a Retry-After header, which is a number of seconds or a date; the latter counts
    from the server's own `date`, since the clock here may be wrong.
    """
    if not value:
        return None
    from email.utils import parsedate_to_datetime

    try:
        if value.strip().isdigit():
            return float(value)
        now = parsedate_to_datetime(date).timestamp() if date else time.time()
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
