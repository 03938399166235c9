"""Numpy's `.npz`: a zip archive of arrays. Arrays of objects, which are pickles, are refused."""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from warmstart.checkpoints.base import IndexedCheckpoint
from warmstart.errors import CorruptCheckpointError, UnsafeCheckpointError

LARGEST_HEADER = 10_000


class Header(NamedTuple):
    """The header of an array."""

    shape: tuple[int, ...]
    dtype: str


class NpzCheckpoint(IndexedCheckpoint):
    """The arrays of an `.npz` file by their names; opened by `open_checkpoint`.

    Args:
        path: of the file.
        archive: the file, open; headers are read now, arrays on request.
        label: the file's name for messages.

    Raises:
        UnsafeCheckpointError: it has arrays of objects.
        CorruptCheckpointError: a header is damaged, or does not match the size of its member.
    """

    layout = "npz"

    def __init__(self, path: Path, archive: zipfile.ZipFile, label: str):
        self.path, self._label = path, label
        self._arrays: dict[str, Header] = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            with archive.open(info) as file:
                version = np.lib.format.read_magic(file)
                headers = np.lib.format
                read_header = (
                    headers.read_array_header_1_0
                    if version == (1, 0)
                    else headers.read_array_header_2_0
                )
                shape, _, dtype = read_header(file, max_header_size=LARGEST_HEADER)
                if dtype.kind not in "fiub":
                    raise UnsafeCheckpointError(
                        f"{label} is refused: {name} contains {dtype}, not numbers."
                    )
                size = file.tell() + int(np.prod(shape, dtype=np.float64)) * dtype.itemsize
            if size != info.file_size or name in self._arrays:
                raise CorruptCheckpointError(
                    f"{label} is damaged ({name}: wrong size); fetch it again."
                )
            self._arrays[name] = Header(tuple(shape), dtype.name)

    def read(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            raise KeyError(name)
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError) as error:
            raise CorruptCheckpointError(
                f"{self._label} is damaged ({name}: {error}); fetch it again."
            ) from error
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def close(self) -> None:
        """Does nothing: the file is open only while an array is read."""
