"""The open connections of a server: where there are too many, those that are idle make room."""

from __future__ import annotations

import time
from typing import Any
from typing import Protocol as Interface

RESERVE = 128
"""Connections beyond the limit that are still accepted: health probes get answers, other requests a
refusal. As many again may stay open until their clients have read the refusal."""
PATIENCE = 1.0
"""Seconds that a new connection has for its request before it counts as idle."""


class Connection(Interface):
    """What the pool needs of a connection."""

    def close(self) -> None:
        """Close it; no request was taken."""

    def turn_away(self) -> None:
        """Answer that there are too many, and close it once the client has read that."""

    def abort(self) -> None:
        """Close it at once."""


class Connections:
    """Counts connections: new, idle, closing, and all others, which are in use.

    Args:
        limit: open at once; more close the one that has been idle for longest.

    Attributes:
        count: open now.
    """

    def __init__(self, limit: int):
        self.limit, self.count = limit, 0
        self._new: dict[Connection, float] = {}  # when it was opened, the oldest first
        self._idle: dict[Connection, None] = {}  # longest idle first
        self._closing: dict[Connection, None] = {}  # until the client has gone

    @property
    def crowded(self) -> bool:
        """Whether too many are in use: only probes are answered."""
        return self._remaining() - len(self._new) - len(self._idle) > self.limit

    def add(self, connection: Connection) -> None:
        """One was opened."""
        self.count += 1
        self._new[connection] = time.monotonic()
        if self._remaining() <= self.limit:
            return
        if self._idle:
            self._take(self._idle).close()
        elif time.monotonic() - next(iter(self._new.values())) > PATIENCE:
            self._take(self._new).close()
        elif self._remaining() > self.limit + RESERVE:
            self._take(self._new).turn_away()
        if self.count > self.limit + 2 * RESERVE and self._closing:
            next(iter(self._closing)).abort()

    def use(self, connection: Connection) -> None:
        """A request has come."""
        self._new.pop(connection, None)
        self._idle.pop(connection, None)

    def release(self, connection: Connection) -> None:
        """Its request is answered, and no other has come yet."""
        self._idle[connection] = None

    def remove(self, connection: Connection) -> None:
        """It was closed."""
        self.count -= 1
        self.use(connection)
        self._closing.pop(connection, None)

    def _remaining(self) -> int:
        """How many are open and not about to be closed."""
        return self.count - len(self._closing)

    def _take(self, group: dict[Connection, Any]) -> Connection:
        """The oldest one of a group, which leaves it."""
        oldest = next(iter(group))
        del group[oldest]
        self._closing[oldest] = None
        return oldest
