"""A disk that fails while a file is read, and one that gives a few bytes at a time.

The layer of files under every reader is replaced: `open` gives a file whose reads fail with EIO from
some byte on, or are short.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warmstart.errors import WarmstartError

from .test_damaged_files import FORMATS

OF_PATHS = [name for name in FORMATS if not name.endswith("of a request")]
PIECE = 7
"""Bytes of a short read, at most."""
pytestmark = pytest.mark.filterwarnings("ignore")  # of decoders, about what is damaged


class FaultyFile(io.FileIO):
    """A file whose reads fail or are short.

    Args:
        path: of the file.
        end: reads from this byte on fail; None: none do.
        piece: bytes of one read, at most; None: as many as were asked for.
    """

    def __init__(self, path: Any, end: int | None, piece: int | None):
        super().__init__(path)
        self._end, self._piece = end, piece

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")[: self._piece]
        if self._end is not None:
            if self.tell() >= self._end:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            view = view[: self._end - self.tell()]
        return super().readinto(view)

    read = io.RawIOBase.read
    readall = io.RawIOBase.readall


@pytest.fixture
def faulty(monkeypatch) -> Callable[..., list[Path]]:
    """Replace `open` for one path; returns the list of its openings."""

    def replace(path: Path, end: int | None = None, piece: int | None = None) -> list[Path]:
        real, opened = io.open, []

        def open_(
            file: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: str | None = None,
            errors: str | None = None,
            newline: str | None = None,
            *rest: Any,
        ) -> Any:
            if isinstance(file, int) or os.fspath(file) != str(path) or set(mode) & set("wax+"):
                return real(file, mode, buffering, encoding, errors, newline, *rest)
            opened.append(path)
            raw = FaultyFile(file, end, piece)
            if "b" in mode:
                return raw if buffering == 0 else io.BufferedReader(raw)
            return io.TextIOWrapper(io.BufferedReader(raw), encoding, errors, newline)

        for module in (io, builtins):
            monkeypatch.setattr(module, "open", open_)
        return opened

    return replace


def marked(what: str, expected: str) -> list[Any]:
    return [
        pytest.param(name, marks=pytest.mark.fault("files", f"{name}: {what}", expected), id=name)
        for name in OF_PATHS
    ]


@pytest.mark.parametrize("percent", [0, 30, 60])
@pytest.mark.parametrize("name", marked("a read fails (EIO)", "a typed error that names the cause"))
def test_eio(tmp_path, faulty, name, percent):
    format_ = FORMATS[name]
    path = format_.write(tmp_path)
    opened = faulty(path, end=path.stat().st_size * percent // 100)
    with pytest.raises(WarmstartError) as error:
        format_.read(path)
    assert opened
    assert "Traceback" not in str(error.value)
    assert os.strerror(errno.EIO) in str(error.value)


@pytest.mark.parametrize("name", marked("short reads", "the same result as without faults"))
def test_short_reads(tmp_path, faulty, name):
    format_ = FORMATS[name]
    path = format_.write(tmp_path)
    opened = faulty(path, piece=PIECE)
    format_.read(path)
    assert opened
