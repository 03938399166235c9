"""The base class of engines that open the file of a program."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from warmstart.engines import pages
from warmstart.engines.base import Engine, Session, Signature

LARGE = 2**26  # bytes of a file; below, the size of memory pages does not matter


class FileEngine(Engine):
    """Runs the program of a file.

    The memory of large weights moves into huge pages at the first session, since its steps read all
    of them; see `pages`.

    Args:
        path: the file.
        signatures: of its functions.
    """

    def __init__(self, path: Path, signatures: Mapping[str, Signature]):
        super().__init__(signatures)
        self._path = path
        self._weights: list[pages.Range] = []

    @property
    def size(self) -> int:
        files = [self._path]
        if self._path.suffix == ".xml":  # OpenVINO's format has the weights in another file
            files.append(self._path.with_suffix(".bin"))
        return sum(file.stat().st_size for file in files if file.is_file())

    @contextlib.contextmanager
    def _loading(self) -> Iterator[None]:
        """Note what memory a block allocates for weights."""
        before = pages.anonymous() if self.size >= LARGE else None
        yield
        self._weights = [] if before is None else pages.added(before, pages.anonymous())

    def _enlarge_pages(self) -> None:
        with self._lock:
            pages.enlarge(self._weights)
            self._weights = []

    def session(self, function: str, state: tuple[str, ...]) -> Session:
        self._enlarge_pages()
        return super().session(function, state)
