"""A cache of feature vectors on disk; see `features` for the keys.

The vectors are in one SQLite file, $WARMSTART_HOME/features.db, which several processes may read
and write. Above its limit ($WARMSTART_FEATURES_MB, default 2048), the least recently used vectors
are deleted. Each vector has a checksum; damaged vectors are ignored, and a damaged file is deleted.
Errors, such as a full disk, only cost time.
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
KEYS_PER_QUERY = 500  # SQLite allows 999 values per statement
TIMEOUT = 30.0  # seconds to wait for the transaction of another process


class FeatureCache:
    """Vectors by key, in a file of bounded size; several threads and processes may use it.

    Args:
        path: default: `features.db` in the cache folder.
        limit: in bytes; default: WARMSTART_FEATURES_MB million, or 2048 million; 0: stores nothing.

    Raises:
        UsageError: WARMSTART_FEATURES_MB is not a number of 0 or more.
    """

    def __init__(self, path: Path | None = None, limit: int | None = None):
        self.path = path or home() / "features.db"
        self.limit = _limit_from_environment() if limit is None else limit

    def get(self, keys: Sequence[bytes], width: int) -> dict[bytes, np.ndarray]:
        """The intact vectors of these keys, float32 (width,), by key."""
        vectors: dict[bytes, np.ndarray] = {}

        def read(file: sqlite3.Connection) -> None:
            damaged: list[tuple[bytes]] = []
            for chunk in _chunks(keys):
                requested = set(chunk)  # a damaged index may return other rows
                rows = file.execute(
                    f"SELECT key, vector, checksum FROM features WHERE key IN ({_placeholders(chunk)})",
                    chunk,
                )
                for key, vector, check in rows:
                    is_complete = isinstance(vector, bytes) and len(vector) == 4 * width
                    if key in requested and is_complete and zlib.crc32(key + vector) == check:
                        vectors[key] = np.frombuffer(vector, "<f4").astype(np.float32)
                    else:
                        damaged.append((key,))
            file.execute("BEGIN IMMEDIATE")  # raises for a read-only file
            for chunk in _chunks(list(vectors)):
                file.execute(
                    f"UPDATE features SET used = ? WHERE key IN ({_placeholders(chunk)})",
                    [time.time_ns(), *chunk],
                )
            file.executemany("DELETE FROM features WHERE key = ?", damaged)
            file.execute("COMMIT")

        if self.path.exists():
            self._with_file(read, None)
        return vectors

    def put(self, vectors: Mapping[bytes, np.ndarray]) -> None:
        """Store float32 vectors, and delete the least recently used ones above the limit."""
        rows = []
        for key, vector in vectors.items():
            data = np.ascontiguousarray(vector, "<f4").tobytes()
            rows.append((key, data, zlib.crc32(key + data), time.time_ns()))

        def write(file: sqlite3.Connection) -> None:
            file.execute("PRAGMA synchronous = OFF")  # the checksums reveal damage by power cuts
            file.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has no effect after the first table
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
            file.executescript("PRAGMA incremental_vacuum")  # `execute` would only free one page

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
            surplus = used - int(0.9 * self.limit)  # a tenth more, so that it is rarely needed
            file.execute(
                "DELETE FROM features WHERE key IN (SELECT key FROM features ORDER BY used LIMIT ?)",
                (max(1, count * surplus // used),),
            )

    def _with_file(self, action: Callable[[sqlite3.Connection], T], default: T) -> T:
        """The result of an action; `default` if the file cannot be used. An unfinished transaction
        is rolled back.
        """
        import sqlite3

        try:
            with contextlib.closing(
                sqlite3.connect(self.path, timeout=TIMEOUT, isolation_level=None)
            ) as file:
                return action(file)
        except sqlite3.OperationalError:
            return default  # no table yet, a full or read-only disk, or a timeout
        except sqlite3.DatabaseError:  # the file is damaged
            for suffix in ("", "-journal"):
                with contextlib.suppress(OSError):
                    os.unlink(f"{self.path}{suffix}")
            return default


def _count(file: sqlite3.Connection) -> int:
    return int(file.execute("SELECT count(*) FROM features").fetchone()[0])


def _bytes_used(file: sqlite3.Connection) -> int:
    pages, free, size = (
        file.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _chunks(keys: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (keys[start : start + KEYS_PER_QUERY] for start in range(0, len(keys), KEYS_PER_QUERY))


def _placeholders(chunk: Sequence[bytes]) -> str:
    return ",".join("?" * len(chunk))


def _limit_from_environment() -> int:
    text = os.environ.get("WARMSTART_FEATURES_MB", "").strip() or str(DEFAULT_MB)
    try:
        megabytes = float(text)
    except ValueError:
        megabytes = -1.0
    if not 0 <= megabytes < float("inf"):
        raise UsageError(f"WARMSTART_FEATURES_MB is a number of megabytes, not {text!r}.")
    return int(megabytes * 1e6)
