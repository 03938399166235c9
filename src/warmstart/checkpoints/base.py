"""The interface of checkpoints, and bounded reading of bytes."""

import contextlib
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

import numpy as np

from warmstart.errors import CheckpointError, CorruptCheckpointError


class Checkpoint(ABC):
    """A file of named arrays, open for reading. A context manager; `close` releases the file.

    The whole table of contents is read and checked when the file is opened, so names, shapes and
    dtypes cost nothing afterwards and a damaged file fails at once. Code in a file is never run.
    NaN and infinity are returned unchanged.

    Attributes:
        path: the file, or for a checkpoint of several files the index or folder that was opened.
        layout: how arrays are named: `"keras-h5"` (legacy: layer name / weight name, also inside a
            full-model file), `"keras-weights-h5"` (Keras 3 `.weights.h5` and `.keras`:
            `layers/<class>/vars/<i>`), `"keras-hub"`, `"transformers-h5"`, `"safetensors"`,
            `"tensorflow"`, `"npz"` or `"tflite"`.
    """

    path: Path
    layout: str

    @abstractmethod
    def names(self) -> list[str]:
        """Names of the arrays, each once, in the order of the file."""

    @abstractmethod
    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one array; `()` for a scalar. KeyError if there is no such name."""

    @abstractmethod
    def dtype(self, name: str) -> str:
        """Dtype in the file, as numpy spells it (`"float32"`), or `"bfloat16"`."""

    @abstractmethod
    def read(self, name: str) -> np.ndarray:
        """A new array in native byte order; bfloat16 is returned as float32 with the same values.

        Raises:
            CorruptCheckpointError: its bytes cannot be read or decompressed.
        """

    def files(self) -> list[Path]:
        """Its files: the path, and the shards of a sharded checkpoint."""
        return [self.path]

    def layers(self) -> dict[str, list[str]]:
        """Array names by saved layer, in the saved model's order; empty if the layout has no such
        order.
        """
        return {}

    def config(self) -> Mapping[str, Any] | None:
        """The description of a whole Keras model in its file, as JSON values: `class_name`,
        `config`, and `compile_config` if it was compiled. None if the file has only weights.

        It is plain data; nothing is built from it here.

        Raises:
            CorruptCheckpointError: it is not JSON, or damaged.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Release the file; reading afterwards is an error. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.layout} checkpoint {self.path}, {len(self.names())} arrays>"


class ArrayInfo(Protocol):
    """An array in the table of contents of a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> str: ...


class IndexedCheckpoint(Checkpoint):
    """A checkpoint with a table of contents, `_arrays`."""

    _arrays: Mapping[str, ArrayInfo]

    def names(self) -> list[str]:
        return list(self._arrays)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._arrays[name].shape

    def dtype(self, name: str) -> str:
        return self._arrays[name].dtype


class JoinedCheckpoint(Checkpoint):
    """Arrays of other checkpoints, under the same names or others."""

    _sources: Mapping[str, tuple[Checkpoint, str]]

    def names(self) -> list[str]:
        return list(self._sources)

    def shape(self, name: str) -> tuple[int, ...]:
        checkpoint, source = self._sources[name]
        return checkpoint.shape(source)

    def dtype(self, name: str) -> str:
        checkpoint, source = self._sources[name]
        return checkpoint.dtype(source)

    def read(self, name: str) -> np.ndarray:
        checkpoint, source = self._sources[name]
        return checkpoint.read(source)


class ByteSource:
    """Random access to the bytes of one open file; never reads past its end, safe between threads."""

    def __init__(self, file: BinaryIO, label: str):
        self.label = label
        self._file = file
        self._lock = threading.Lock()
        self.size = file.seek(0, os.SEEK_END)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a local file. Raises CheckpointError."""
        try:
            return cls(path.open("rb"), str(path))
        except OSError as error:
            raise CheckpointError(f"{path} cannot be opened: {error.strerror or error}.") from error

    def corrupt(self, reason: str) -> CorruptCheckpointError:
        """The error for a damaged file."""
        return CorruptCheckpointError(
            f"{self.label} is damaged or incomplete ({reason}); fetch it again."
        )

    def at(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes from `offset`."""
        return self.array(offset, count).tobytes()

    def array(self, offset: int, count: int) -> np.ndarray:
        """Exactly `count` bytes from `offset`, as a new uint8 array."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise self.corrupt(f"{count} bytes at {offset} lie beyond its end at {self.size}")
        out = np.empty(count, np.uint8)
        done = 0
        with self._lock:
            try:
                self._file.seek(offset)
                while done < count:
                    count_read = self._file.readinto(out.data[done:])  # type: ignore[attr-defined]
                    if not count_read:
                        raise self.corrupt("it was truncated while it was read")
                    done += count_read
            except (OSError, ValueError) as error:
                raise CheckpointError(f"{self.label} cannot be read: {error}.") from error
        return out

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._file.close()


def widen_bfloat16(raw: np.ndarray) -> np.ndarray:
    """bfloat16 bit patterns (uint16) as float32: bfloat16 is the upper half of float32."""
    return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)


def itemsize(dtype: str) -> int:
    """Bytes of one element; numpy has no bfloat16."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def decoded(raw: np.ndarray, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array from its little-endian bytes (uint8); bfloat16 becomes float32."""
    if dtype == "bfloat16":
        return widen_bfloat16(raw.view("<u2")).reshape(shape)
    if dtype == "bool":
        return raw.astype(np.bool_).reshape(shape)
    return raw.view(np.dtype(dtype).newbyteorder("<")).reshape(shape).astype(dtype, copy=False)


def abbreviated(names: Sequence[str], limit: int = 5) -> str:
    """A list of names for an error message: the first ones, and the number of the others."""
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape without its axes of length 1."""
    return tuple(length for length in shape if length != 1)
