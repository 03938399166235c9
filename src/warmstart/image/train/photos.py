"""The photos of a fine-tuning run in memory: each is read, hashed and decoded once, up to a limit."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from warmstart.core.reading import opened, printable
from warmstart.errors import InputError

T = TypeVar("T", Image.Image, np.ndarray)
LIMIT = 2**30


class Photos:
    """Contents of files and decoded pictures, up to a limit; threads may share it.

    Args:
        limit: bytes in memory.
    """

    def __init__(self, limit: int = LIMIT):
        self.bytes_left = limit
        self._contents: dict[str, tuple[str, bytes]] = {}
        self._decoded: dict[Hashable, Any] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> Any:
        return Photos, ()  # another process reads the photos itself

    def digest(self, path: str | os.PathLike[str]) -> str:
        """The sha256 of a file or URL, whose content is stored for decoding.

        Raises:
            InputError: it cannot be read.
        """
        name = printable(os.fspath(path))
        try:
            with opened(path, name) as file:
                data = file.read()
        except OSError as error:
            raise InputError(f"{name}: cannot be read ({error.strerror or error})", name) from error
        digest = sha256(data).hexdigest()
        with self._lock:
            if len(data) <= self.bytes_left:
                self.bytes_left -= len(data)
                self._contents[os.fspath(path)] = digest, data
        return digest

    def content(self, value: Any) -> tuple[str, bytes] | None:
        """The digest and content of a file that `digest` has read; None if it is not in memory."""
        return (
            self._contents.get(os.fspath(value)) if isinstance(value, str | os.PathLike) else None
        )

    def decoded(self, key: Hashable, value: Any, decode: Callable[[Any], T]) -> T:
        """The decoded photo (or its mask), cached under this key.

        Args:
            key: of the photo and its decoding.
            value: the photo.
            decode: called with the content of the file if it is in memory, else with `value`.
        """
        picture: T | None = self._decoded.get(key)
        if picture is not None:
            return picture
        content = self.content(value)
        picture = decode(value if content is None else content[1])
        size = (
            3 * picture.size[0] * picture.size[1]
            if isinstance(picture, Image.Image)
            else picture.nbytes
        )
        with self._lock:
            if content is not None and self._contents.pop(os.fspath(value), None) is not None:
                self.bytes_left += len(content[1])
            if size <= self.bytes_left and key not in self._decoded:
                self.bytes_left -= size
                self._decoded[key] = picture
        return picture
