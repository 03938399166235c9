"""The photos of one fine-tuning in memory: each is read, hashed and decoded once, while there is
room.
"""

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
ROOM = 2**30


class Photos:
    """Contents of files and decoded pictures, up to a bound; threads may share it.

    Args:
        room: bytes.
    """

    def __init__(self, room: int = ROOM):
        self.room = room
        self._contents: dict[str, tuple[str, bytes]] = {}
        self._decoded: dict[Hashable, Any] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> Any:
        return Photos, ()  # another process reads its own

    def digest(self, path: str | os.PathLike[str]) -> str:
        """The sha256 of a file or URL; its content stays for whoever decodes it.

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
            if len(data) <= self.room:
                self.room -= len(data)
                self._contents[os.fspath(path)] = digest, data
        return digest

    def content(self, value: Any) -> tuple[str, bytes] | None:
        """Digest and content of a file that `digest` has read; None where it is not in memory."""
        return (
            self._contents.get(os.fspath(value)) if isinstance(value, str | os.PathLike) else None
        )

    def source(self, value: Any) -> Any:
        """What to decode: the content of the file where it is in memory, else `value` itself."""
        known = self.content(value)
        return value if known is None else known[1]

    def decoded(self, key: Hashable, value: Any, decode: Callable[[Any], T]) -> T:
        """What `decode` makes of the photo (or of its mask), cached under this key.

        Args:
            key: of this photo and this way of decoding.
            value: the photo.
            decode: called with `source(value)`.
        """
        picture: T | None = self._decoded.get(key)
        if picture is not None:
            return picture
        picture = decode(self.source(value))
        size = (
            3 * picture.size[0] * picture.size[1]
            if isinstance(picture, Image.Image)
            else picture.nbytes
        )
        with self._lock:
            known = (
                self._contents.pop(os.fspath(value), None)
                if isinstance(value, str | os.PathLike)
                else None
            )
            self.room += len(known[1]) if known else 0
            if size <= self.room and key not in self._decoded:
                self.room -= size
                self._decoded[key] = picture
        return picture
