"""A safetensors file that shares numbers with another file of its folder.

A compiled program holds a model's weights already. A bundle that must be small stores only what the program lacks, and
says in its `__metadata__`, under `warmstart.slices`, where the rest lies:

    {"file": "artifacts/float32/program.tflite", "sha256": "…",
     "arrays": {"conv/kernel": {"dtype": "F16", "shape": [3, 3, 16, 32], "axes": [3, 0, 1, 2], "offset": 4096}, …}}

The bytes at `offset` are the array with its axes in the order of `axes`, as `numpy.transpose` takes them.
"""

import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from warmstart.checkpoints.base import ByteSource, Checkpoint
from warmstart.checkpoints.safetensors import (
    CODES,
    SafetensorsCheckpoint,
    is_counts,
    itemsize,
    known_dtype,
    numbers,
    save_safetensors,
)
from warmstart.errors import CorruptCheckpointError, UnsafeCheckpointError, UsageError

KEY = "warmstart.slices"
LARGEST = 4 << 20  # characters of JSON
WORTH = 128  # bytes; the description of a slice takes as many
_INSIDE = re.compile(r"\w[\w.\-]{0,250}(/\w[\w.\-]{0,250}){0,8}")


class Slice(NamedTuple):
    """Where one array lies in the other file."""

    dtype: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        return math.prod(self.shape) * itemsize(self.dtype)


class SlicedCheckpoint(Checkpoint):
    """Arrays of a safetensors file, and those that it finds in another; `own` is closed with it."""

    layout = "safetensors"

    def __init__(self, own: SafetensorsCheckpoint):
        self.path = own.path
        self._own = own
        file, sha256, self._slices = _parse(own)
        other = self._other_path = own.path.parent / file
        if not other.is_file():
            raise CorruptCheckpointError(f"{own.path} shares arrays with the file {file}, which is missing beside it.")
        self._other = ByteSource.open(other)
        try:
            if _sha256(self._other) != sha256:
                raise CorruptCheckpointError(f"{other} is not the file that {own.path.name} shares arrays with (its "
                                             "sha256 differs); fetch both again.")
            end = 0
            for name, place in sorted(self._slices.items(), key=lambda item: item[1].offset):
                if place.offset < end or place.offset + place.size > self._other.size:
                    raise UnsafeCheckpointError(f"{own.path} is refused: the slice for {name[:200]!r} overlaps "
                                                f"another, or goes beyond the end of {file}.")
                end = place.offset + place.size
        except BaseException:
            self._other.close()
            raise

    def names(self) -> list[str]:
        return [*self._own.names(), *self._slices]

    def shape(self, name: str) -> tuple[int, ...]:
        return self._slices[name].shape if name in self._slices else self._own.shape(name)

    def dtype(self, name: str) -> str:
        return self._slices[name].dtype if name in self._slices else self._own.dtype(name)

    def read(self, name: str) -> np.ndarray:
        if name not in self._slices:
            return self._own.read(name)
        place = self._slices[name]
        stored = numbers(self._other.array(place.offset, place.size), place.dtype,
                         tuple(place.shape[axis] for axis in place.axes))
        return np.ascontiguousarray(stored.transpose(np.argsort(place.axes))).reshape(place.shape)

    def files(self) -> list[Path]:
        return [self.path, self._other_path]

    def close(self) -> None:
        self._own.close()
        self._other.close()


def save_sliced(path: Path, arrays: Mapping[str, np.ndarray], other: Path) -> None:
    """Write arrays to a `.safetensors` file, without those that lie in another file byte for byte.

    The other file is searched for each array with its axes in any order. What comes out must stay beside it.

    Args:
        path: the file to write.
        arrays: as `save_safetensors` takes them.
        other: a file in the folder of `path` or below, at most a few megabytes.

    Raises:
        UsageError: `other` lies elsewhere; a dtype or name that the format lacks.
        CheckpointError: the disk is full, the folder read-only.
    """
    try:
        file = other.relative_to(path.parent).as_posix()
    except ValueError:
        raise UsageError(f"{other} is not below {path.parent}: a file and what it shares stay in one folder.") from None
    content = other.read_bytes()
    taken: list[range] = []
    own: dict[str, np.ndarray] = {}
    found: dict[str, dict[str, object]] = {}
    for name, value in arrays.items():
        array = np.asarray(value)
        place = _find(content, array, taken) if array.nbytes >= WORTH else None
        if place is None:
            own[name] = array
        else:
            taken.append(range(place.offset, place.offset + place.size))
            found[name] = {"dtype": CODES[place.dtype], "shape": place.shape, "axes": place.axes,
                           "offset": place.offset}
    told = {"file": file, "sha256": hashlib.sha256(content).hexdigest(), "arrays": found}
    save_safetensors(path, own, {KEY: json.dumps(told, separators=(",", ":"))} if found else None)


def _find(content: bytes, array: np.ndarray, taken: list[range]) -> Slice | None:
    for axes in itertools.permutations(range(array.ndim)) if array.dtype.name in CODES else ():
        wanted = np.ascontiguousarray(array.transpose(axes)).astype(array.dtype.newbyteorder("<")).tobytes()
        offset = content.find(wanted)
        if offset >= 0 and not any(offset < r.stop and r.start < offset + len(wanted) for r in taken):
            return Slice(array.dtype.name, array.shape, axes, offset)
    return None


def _parse(own: SafetensorsCheckpoint) -> tuple[str, str, dict[str, Slice]]:
    """The other file's name and sha256, and the slices by name."""
    text = own.metadata[KEY]
    try:
        if len(text) > LARGEST:
            raise ValueError(f"{len(text)} characters")
        told = json.loads(text, object_pairs_hook=_once)
        if set(told) != {"file", "sha256", "arrays"}:
            raise ValueError("no file, no sha256 or no arrays")
        file, sha256 = told["file"], told["sha256"]
        slices = {name: _slice(name, description) for name, description in told["arrays"].items()}
        if not isinstance(file, str) or not isinstance(sha256, str):
            raise ValueError("no file or no sha256")
        if twice := set(slices) & {*own.names(), "__metadata__"}:
            raise ValueError(f"two arrays called {min(twice)[:200]!r}")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptCheckpointError(
            f"{own.path} does not say where its arrays lie ({str(error)[:400]}); fetch it again.") from error
    if not _INSIDE.fullmatch(file):
        raise UnsafeCheckpointError(f"{own.path} is refused: it points to {file[:200]!r} outside its folder.")
    return file, sha256, slices


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; one key twice is an error."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name that stands there twice")
    return found


def _slice(name: str, told: Any) -> Slice:
    short = repr(name[:200])
    name.encode()  # half a surrogate pair is no name
    if not isinstance(told, dict) or set(told) != {"dtype", "shape", "axes", "offset"}:
        raise ValueError(f"array {short} needs dtype, shape, axes and offset")
    shape, axes, offset = told["shape"], told["axes"], told["offset"]
    if not (is_counts(shape) and is_counts(axes) and is_counts([offset]) and len(shape) <= 32 and 0 not in shape):
        raise ValueError(f"array {short} has an impossible shape or place")
    if sorted(axes) != list(range(len(shape))):
        raise ValueError(f"array {short} has axes that are not those of its shape")
    return Slice(known_dtype(told["dtype"], short), tuple(shape), tuple(axes), offset)


def _sha256(source: ByteSource) -> str:
    digest = hashlib.sha256()
    for begin in range(0, source.size, 1 << 20):
        digest.update(source.at(begin, min(1 << 20, source.size - begin)))
    return digest.hexdigest()
