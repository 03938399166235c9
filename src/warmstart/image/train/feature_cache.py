"""Vectors by key on disk, so that no photo goes through the same network twice; see `features` for
the keys.

They lie in one SQLite file, $WARMSTART_HOME/features.db, whose locks let several processes read and
write. Beyond its limit ($WARMSTART_FEATURES_MB, default 2048) the vectors that were not asked for
the longest go first. Each has a checksum; a damaged one is missing, a damaged file is removed. A
cache that cannot be written (full, read-only) costs time, never a result.
"""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from warmstart.errors import UsageError
from warmstart.hub import home

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")
DEFAULT_MB = 2048
KEYS_A_QUERY = 500  # SQLite takes 999 values a statement
SECONDS_TO_WAIT = 30.0  # for another process' transaction


class FeatureCache:
    """Vectors by key, in one file of bounded size; safe under several threads and processes.

    Args:
        path: default: `features.db` in the cache folder.
        limit: bytes; default: WARMSTART_FEATURES_MB million, or 2048 million; 0 keeps nothing.

    Raises:
        UsageError: WARMSTART_FEATURES_MB is not a number of 0 or more.
    """

    def __init__(self, path: Path | None = None, limit: int | None = None):
        self.path = path or home() / "features.db"
        self.limit = _limit_from_environment() if limit is None else limit

    def get(self, keys: Sequence[bytes], width: int) -> dict[bytes, np.ndarray]:
        """The vectors (width,) float32 that are there and intact, by key; the others are missing."""
        vectors: dict[bytes, np.ndarray] = {}

        def read(file: sqlite3.Connection) -> None:
            damaged: list[tuple[bytes]] = []
            for part in _parts(keys):
                asked = set(part)  # a damaged index leads to rows that nobody asked for
                rows = file.execute(
                    f"SELECT key, vector, checksum FROM features WHERE key IN ({_marks(part)})",
                    part,
                )
                for key, vector, check in rows:
                    whole = isinstance(vector, bytes) and len(vector) == 4 * width
                    if key in asked and whole and zlib.crc32(key + vector) == check:
                        vectors[key] = np.frombuffer(vector, "<f4").astype(np.float32)
                    else:
                        damaged.append((key,))
            file.execute("BEGIN IMMEDIATE")  # from here on a read-only file ends this quietly
            for part in _parts(list(vectors)):
                file.execute(
                    f"UPDATE features SET used = ? WHERE key IN ({_marks(part)})",
                    [time.time_ns(), *part],
                )
            file.executemany("DELETE FROM features WHERE key = ?", damaged)
            file.execute("COMMIT")

        if self.path.exists():
            self._with_file(read, None)
        return vectors

    def put(self, vectors: Mapping[bytes, np.ndarray]) -> None:
        """Keep float32 vectors; the ones that were used longest ago make room."""
        rows = []
        for key, vector in vectors.items():
            data = np.ascontiguousarray(vector, "<f4").tobytes()
            rows.append((key, data, zlib.crc32(key + data), time.time_ns()))

        def write(file: sqlite3.Connection) -> None:
            file.execute("PRAGMA synchronous = OFF")  # what a power cut damages, the checksums show
            file.execute(
                "PRAGMA auto_vacuum = INCREMENTAL"
            )  # before the first table; later it does nothing
            file.execute("BEGIN IMMEDIATE")
            file.execute(
                "CREATE TABLE IF NOT EXISTS features (key BLOB PRIMARY KEY, vector BLOB NOT NULL, "
                "checksum INTEGER NOT NULL, used INTEGER NOT NULL)"
            )
            file.execute("CREATE INDEX IF NOT EXISTS by_use ON features (used)")
            file.executemany(
                "INSERT OR REPLACE INTO features (key, vector, checksum, used) VALUES (?, ?, ?, ?)",
                rows,
            )
            self._evict(file)
            file.execute("COMMIT")
            file.executescript("PRAGMA incremental_vacuum")  # `execute` would free a single page

        if rows and self.limit:
            with contextlib.suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._with_file(write, None)

    def size(self) -> int:
        """Bytes in use."""
        return self._with_file(_bytes_used, 0) if self.path.exists() else 0

    def __len__(self) -> int:
        return self._with_file(_count, 0) if self.path.exists() else 0

    def _evict(self, file: sqlite3.Connection) -> None:
        while (used := _bytes_used(file)) > self.limit and (count := _count(file)):
            surplus = used - int(
                0.9 * self.limit
            )  # a tenth more, or each further vector would evict one
            some = max(1, count * surplus // used)
            file.execute(
                "DELETE FROM features WHERE key IN (SELECT key FROM features ORDER BY used LIMIT ?)",
                (some,),
            )

    def _with_file(self, action: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What the action gives; `otherwise` where the file cannot be used. An unfinished
        transaction is undone.
        """
        import sqlite3

        try:
            with contextlib.closing(
                sqlite3.connect(self.path, timeout=SECONDS_TO_WAIT, isolation_level=None)
            ) as file:
                return action(file)
        except sqlite3.OperationalError:
            return otherwise  # no table yet, the disk is full, read-only, or locked for too long
        except sqlite3.DatabaseError:  # it is no longer a database
            for suffix in ("", "-journal"):
                with contextlib.suppress(OSError):
                    os.unlink(f"{self.path}{suffix}")
            return otherwise


def _count(file: sqlite3.Connection) -> int:
    return int(file.execute("SELECT count(*) FROM features").fetchone()[0])


def _bytes_used(file: sqlite3.Connection) -> int:
    pages, free, size = (
        file.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _parts(keys: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (keys[start : start + KEYS_A_QUERY] for start in range(0, len(keys), KEYS_A_QUERY))


def _marks(part: Sequence[bytes]) -> str:
    return ",".join("?" * len(part))


def _limit_from_environment() -> int:
    text = os.environ.get("WARMSTART_FEATURES_MB", "").strip() or str(DEFAULT_MB)
    try:
        megabytes = float(text)
    except ValueError:
        megabytes = -1.0
    if not 0 <= megabytes < float("inf"):
        raise UsageError(f"WARMSTART_FEATURES_MB is a number of megabytes, not {text!r}.")
    return int(megabytes * 1e6)
