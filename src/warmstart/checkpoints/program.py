"""A compiled program as a checkpoint.

A bundle whose compiled program contains the weights does not store them twice: the record of the
program, `artifact.json`, is then a checkpoint as well. Under `arrays` it names for each array of
the model the tensor that contains it:

    {"sha256": {"program.tflite": "…", "rest.safetensors": "…"},
     "arrays": {"conv/kernel": {"tensor": "model/conv/convolution", "shape": [3, 3, 16, 32], "axes": [3, 0, 1, 2]}}}

The numbers of the tensor are the array with its axes in the order of `axes`, as `numpy.transpose`
takes them. Where the program joins several arrays in one tensor, `start` is the index of the first
number of this one. What the program lacks, such as the statistics of normalisations that a converter folds,
is in `rest.safetensors`.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from warmstart.checkpoints.base import ByteSource, Checkpoint, abbreviated, squeezed
from warmstart.checkpoints.file_names import PROGRAM, REST
from warmstart.checkpoints.safetensors import SafetensorsCheckpoint, is_counts, save_safetensors
from warmstart.checkpoints.tflite import TFLiteCheckpoint
from warmstart.digests import sha256_of
from warmstart.errors import CorruptCheckpointError, UnsafeCheckpointError

MAX_RECORD = 25 << 20
SHARED_BYTES = 128
"""An array of fewer bytes goes to `rest.safetensors`: its line in the record would be as long."""
ROUNDING = 1e-6
"""The tolerance for a float32 array of a program compared with the model's, relative to its largest
number. Arrays of other types must be equal.
"""


class ArraySource(NamedTuple):
    """The source of an array of the model: a tensor of the program, the order of its axes, and the
    index of its first number if the tensor contains other arrays as well.
    """

    tensor: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    start: int | None = None

    def fits(self, size: int) -> bool:
        """Whether a tensor of so many numbers can contain the array."""
        own = math.prod(self.shape)
        return own == size if self.start is None else self.start + own <= size

    def read(self, stored: np.ndarray) -> np.ndarray:
        """The array, from the numbers of the tensor."""
        first = self.start or 0
        own = stored.reshape(-1)[first : first + math.prod(self.shape)]
        own = own.reshape([self.shape[axis] for axis in self.axes])
        return np.ascontiguousarray(own.transpose(np.argsort(self.axes))).reshape(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """The line of the record, as JSON values."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class ProgramCheckpoint(Checkpoint):
    """A model's arrays, most of them read from its compiled program; `path` is the record next to
    the program.

    Raises:
        CorruptCheckpointError: a file is missing or another one, or the record does not fit the
            program.
        UnsafeCheckpointError: the record is larger than any that is written here.
    """

    layout = "tflite"

    def __init__(self, record: Path):
        self.path = record
        sha256, self._sources = _read_record(record)
        for name, digest in sha256.items():
            if not (file := record.with_name(name)).is_file():
                raise CorruptCheckpointError(
                    f"{record} needs the file {name}, which is missing in its folder."
                )
            if sha256_of(file) != digest:
                raise CorruptCheckpointError(
                    f"{file} is not the file that {record.name} names (its sha256 differs); fetch both again."
                )
        rest = record.with_name(REST)
        self._program = TFLiteCheckpoint(record.with_name(PROGRAM))
        self._rest = SafetensorsCheckpoint(rest, ByteSource.open(rest)) if REST in sha256 else None
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        tensors = set(self._program.names())
        if missing := [
            source.tensor for source in self._sources.values() if source.tensor not in tensors
        ]:
            raise CorruptCheckpointError(
                f"{self.path} names tensors that the program lacks: {abbreviated(missing)}."
            )
        for name, source in self._sources.items():
            if not source.fits(math.prod(self._program.shape(source.tensor))):
                raise CorruptCheckpointError(
                    f"{self.path}: the array {name[:200]!r} has another size in the program."
                )
        if twice := self._sources.keys() & set(self._rest.names() if self._rest else ()):
            raise CorruptCheckpointError(
                f"{self.path} and {REST} both have the array {min(twice)[:200]!r}."
            )

    def names(self) -> list[str]:
        return [*(self._rest.names() if self._rest else ()), *self._sources]

    def shape(self, name: str) -> tuple[int, ...]:
        return self._sources[name].shape if name in self._sources else self._other(name).shape(name)

    def dtype(self, name: str) -> str:
        if name in self._sources:
            return self._program.dtype(self._sources[name].tensor)
        return self._other(name).dtype(name)

    def read(self, name: str) -> np.ndarray:
        if name not in self._sources:
            return self._other(name).read(name)
        source = self._sources[name]
        return source.read(self._program.read(source.tensor))

    def files(self) -> list[Path]:
        rest = [self._rest.path] if self._rest else []
        return [self.path, self._program.path, *rest]

    def close(self) -> None:
        self._program.close()
        if self._rest:
            self._rest.close()

    def _other(self, name: str) -> Checkpoint:
        if self._rest is None:
            raise KeyError(name)
        return self._rest


def share_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Find a model's arrays in the program of a folder, and write `rest.safetensors` with the
    others.

    Returns:
        The value of `arrays` for the record: name -> tensor, shape, axes and start.

    Raises:
        CheckpointError: the program cannot be read, or the folder not written.
    """
    shared: dict[str, Any] = {}
    rest: dict[str, np.ndarray] = {}
    with TFLiteCheckpoint(folder / PROGRAM) as program:
        constants = {name: program.read(name) for name in program.names()}
    for name, value in arrays.items():
        array = np.asarray(value)
        source = _find(array, constants) if array.nbytes >= SHARED_BYTES else None
        if source is None:
            rest[name] = array
            continue
        if source.start is None:
            del constants[source.tensor]  # no two arrays are the same numbers
        shared[name] = source.to_dict()
    if rest:
        save_safetensors(folder / REST, rest)
    return shared


def _find(array: np.ndarray, constants: Mapping[str, np.ndarray]) -> ArraySource | None:
    """The tensor that is an array, or else one that contains it."""
    usable = {
        tensor: stored
        for tensor, stored in constants.items()
        if stored.dtype.kind == array.dtype.kind and stored.itemsize >= array.itemsize
    }
    largest = float(np.abs(array).max())
    for tensor, stored in usable.items():
        if stored.size == array.size:
            for axes in itertools.permutations(range(array.ndim)):
                transposed = array.transpose(axes)
                is_same = squeezed(transposed.shape) == squeezed(stored.shape)
                if is_same and _close(stored.reshape(transposed.shape), transposed, largest).all():
                    return ArraySource(tensor, array.shape, axes)
    for tensor, stored in usable.items():
        if stored.size > array.size:
            for axes in itertools.permutations(range(array.ndim)):
                if (start := _start(array.transpose(axes), stored)) is not None:
                    return ArraySource(tensor, array.shape, axes, start)
    return None


def _start(array: np.ndarray, stored: np.ndarray) -> int | None:
    """The index of the first number of an array in a tensor that joins several along its first axis;
    None if the array is not there.
    """
    sides, own_sides = squeezed(stored.shape), squeezed(array.shape)
    if len(sides) != len(own_sides) or sides[1:] != own_sides[1:]:
        return None
    width, largest = math.prod(sides[1:]), float(np.abs(array).max())
    rows, own = stored.reshape(-1, width), array.reshape(-1, width)
    firsts = _close(rows[: len(rows) - len(own) + 1], own[0], largest).all(axis=1)
    for row in np.flatnonzero(firsts):
        if _close(rows[row : row + len(own)], own, largest).all():
            return int(row) * width
    return None


def _close(stored: np.ndarray, array: np.ndarray, largest: float) -> np.ndarray:
    """Where numbers of a program are those of an array, whose largest number is `largest`."""
    tolerance = ROUNDING * largest if stored.dtype == np.float32 else 0.0
    difference: np.ndarray = np.abs(array.astype(np.float64) - stored)
    return difference <= tolerance


def _read_record(path: Path) -> tuple[dict[str, str], dict[str, ArraySource]]:
    """The sha256 of the files, and the arrays by name."""
    source = ByteSource.open(path)
    try:
        if source.size > MAX_RECORD:
            raise UnsafeCheckpointError(f"{path} is refused: a record of {source.size:,} bytes.")
        record = json.loads(source.at(0, source.size))
        sha256 = {
            name: record["sha256"][name] for name in (PROGRAM, REST) if name in record["sha256"]
        }
        if PROGRAM not in sha256:
            raise ValueError(f"no sha256 of {PROGRAM}")
        return sha256, {name: _source(name, fields) for name, fields in record["arrays"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptCheckpointError(
            f"{path} is not a record of arrays ({str(error)[:400]}); fetch it again."
        ) from error
    finally:
        source.close()


def _source(name: str, fields: Any) -> ArraySource:
    if not isinstance(fields, dict) or {*fields, "start"} != set(ArraySource._fields):
        raise ValueError(f"array {name[:200]!r} needs tensor, shape and axes")
    shape, axes, start = fields["shape"], fields["axes"], fields.get("start")
    if (
        not isinstance(fields["tensor"], str)
        or not is_counts(shape)
        or not is_counts(axes)
        or len(shape) > 32
        or not (start is None or is_counts([start]))
    ):
        raise ValueError(f"array {name[:200]!r} has an impossible tensor, shape or start")
    if sorted(axes) != list(range(len(shape))):
        raise ValueError(f"array {name[:200]!r} has axes that are not those of its shape")
    return ArraySource(fields["tensor"], tuple(shape), tuple(axes), start)
