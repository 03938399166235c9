"""A compiled program as a checkpoint.

A bundle whose compiled program contains the weights does not store them twice: the record of the
program, `artifact.json`, is then a checkpoint as well. Under `arrays` it names for each array of
the model the tensor that contains it:

    {"sha256": {"program.tflite": "…", "rest.safetensors": "…"},
     "arrays": {"conv/kernel": {"tensor": "model/conv/convolution", "shape": [3, 3, 16, 32], "axes": [3, 0, 1, 2]}}}

The numbers of the tensor are the array with its axes in the order of `axes`, as `numpy.transpose`
takes them. What the program lacks, such as the statistics of normalisations that a converter folds,
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
    """The source of an array of the model: a tensor of the program, and the order of its axes."""

    tensor: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]


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
            if math.prod(source.shape) != math.prod(self._program.shape(source.tensor)):
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
        stored = self._program.read(source.tensor).reshape(
            [source.shape[axis] for axis in source.axes]
        )
        return np.ascontiguousarray(stored.transpose(np.argsort(source.axes))).reshape(source.shape)

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
        The value of `arrays` for the record: name -> tensor, shape and axes.

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
        else:
            del constants[source.tensor]  # no two arrays are the same numbers
            shared[name] = source._asdict()
    if rest:
        save_safetensors(folder / REST, rest)
    return shared


def _find(array: np.ndarray, constants: Mapping[str, np.ndarray]) -> ArraySource | None:
    largest = float(np.abs(array).max())
    for tensor, stored in constants.items():
        is_wide = stored.dtype.kind == array.dtype.kind and stored.itemsize >= array.itemsize
        if stored.size != array.size or not is_wide:
            continue
        for axes in itertools.permutations(range(array.ndim)):
            transposed = array.transpose(axes)
            if squeezed(transposed.shape) == squeezed(stored.shape):
                difference = np.abs(
                    transposed.reshape(stored.shape).astype(np.float64) - stored
                ).max()
                if difference <= (ROUNDING * largest if stored.dtype == np.float32 else 0.0):
                    return ArraySource(tensor, array.shape, axes)
    return None


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
    if not isinstance(fields, dict) or set(fields) != set(ArraySource._fields):
        raise ValueError(f"array {name[:200]!r} needs tensor, shape and axes")
    shape, axes = fields["shape"], fields["axes"]
    if (
        not isinstance(fields["tensor"], str)
        or not is_counts(shape)
        or not is_counts(axes)
        or len(shape) > 32
    ):
        raise ValueError(f"array {name[:200]!r} has an impossible tensor or shape")
    if sorted(axes) != list(range(len(shape))):
        raise ValueError(f"array {name[:200]!r} has axes that are not those of its shape")
    return ArraySource(fields["tensor"], tuple(shape), tuple(axes))
