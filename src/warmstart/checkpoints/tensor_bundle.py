"""TensorFlow's checkpoints (`model.ckpt.index`, `model.ckpt.data-00000-of-00001`), without
TensorFlow.

The index is a table of LevelDB: blocks of sorted keys and values, a block that lists them, and a
footer that says where that one is. A value is a protocol buffer: type, shape, shard, offset and
size of an array, whose bytes lie in the shard as they are. Sources: LevelDB's description of its
tables (doc/table_format.md), and `tensor_bundle.proto` of TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from warmstart.checkpoints.base import ByteSource, IndexedCheckpoint, decoded, itemsize
from warmstart.errors import UnsafeCheckpointError

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER = 48
LARGEST_BLOCK, MOST_DIMENSIONS, MOST_SHARDS = 64 << 20, 16, 10_000
DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64",
    10: "bool", 14: "bfloat16", 19: "float16",
}  # fmt: skip
"""TensorFlow's numbers of types; arrays of others (texts) are passed over."""


class BundleArray(NamedTuple):
    """The position of an array in the shards."""

    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int


def is_index(source: ByteSource) -> bool:
    """Whether a file ends like a LevelDB table."""
    return source.size >= FOOTER and source.at(source.size - 8, 8) == MAGIC


class TensorBundleCheckpoint(IndexedCheckpoint):
    """An open checkpoint of TensorFlow; made from its index; its shards are in the same folder."""

    layout = "tensorflow"

    def __init__(self, path: Path, source: ByteSource):
        self.path = path
        self._shards: dict[int, ByteSource] = {}
        self._arrays: dict[str, BundleArray] = {}
        try:
            self._count = 0
            for key, value in _table(source):
                self._entry(source, key, value)
            self._check_shards(source)
        except BaseException:
            self.close()
            raise
        finally:
            source.close()

    def _entry(self, source: ByteSource, key: bytes, value: bytes) -> None:
        fields = dict(_fields(source, value))
        if not key:
            self._count = _integer(fields.get(1, 0))
            if not 1 <= self._count <= MOST_SHARDS:
                raise source.corrupt(f"it names {self._count} shards")
            if fields.get(2, 0):
                raise source.corrupt("its numbers are big-endian, which is not supported")
            return
        dtype = DTYPES.get(_integer(fields.get(1, 0)))
        if dtype is None:
            return
        name = key.decode("utf-8", "replace")
        if 7 in fields:
            raise UnsafeCheckpointError(
                f"{source.label}: the array {name!r} is stored in slices, which is not supported."
            )
        shape = tuple(_shape(source, fields.get(2, b"")))
        array = BundleArray(dtype, shape, *(_integer(fields.get(n, 0)) for n in (3, 4, 5)))
        if array.size != math.prod(shape) * itemsize(dtype):
            raise source.corrupt(f"{name!r} of shape {shape} has {array.size} bytes")
        self._arrays[name] = array

    def _check_shards(self, source: ByteSource) -> None:
        """Open the shards, and check that every array lies inside its own."""
        for number in {array.shard for array in self._arrays.values()}:
            if number >= self._count:
                raise source.corrupt(f"an array lies in shard {number} of {self._count}")
            self._shards[number] = ByteSource.open(self._shard(number))
        for name, array in self._arrays.items():
            shard = self._shards[array.shard]
            if array.offset + array.size > shard.size:
                raise shard.corrupt(f"{name!r} lies beyond its end")

    def _shard(self, number: int) -> Path:
        stem = self.path.name.removesuffix(".index")
        return self.path.with_name(f"{stem}.data-{number:05d}-of-{self._count:05d}")

    def read(self, name: str) -> np.ndarray:
        array = self._arrays[name]
        raw = self._shards[array.shard].array(array.offset, array.size)
        return decoded(raw, array.dtype, array.shape)

    def files(self) -> list[Path]:
        return [self.path, *map(self._shard, sorted(self._shards))]

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()


def _table(source: ByteSource) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a table, in order."""
    footer = source.at(source.size - FOOTER, FOOTER)
    position = 0
    handles = []
    for _ in range(4):
        number, position = _varint(source, footer, position)
        handles.append(number)
    for _, handle in _block(source, *handles[2:]):
        offset, end = _varint(source, handle, 0)
        size, _ = _varint(source, handle, end)
        yield from _block(source, offset, size)


def _block(source: ByteSource, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block; a key states how much of the one before it begins with."""
    if size > LARGEST_BLOCK:
        raise source.corrupt(f"a block of its index has {size} bytes")
    data = source.at(offset, size + 1)  # a byte for the compression comes after it
    if data[-1]:
        raise source.corrupt("its index is compressed, which is not supported")
    restarts = int.from_bytes(data[size - 4 : size], "little") if size >= 4 else -1
    end = size - 4 - 4 * restarts
    if restarts < 0 or end < 0:
        raise source.corrupt("a block of its index has no end")
    position, key = 0, b""
    while position < end:
        shared, position = _varint(source, data, position)
        own, position = _varint(source, data, position)
        length, position = _varint(source, data, position)
        if shared > len(key) or position + own + length > end:
            raise source.corrupt("an entry of its index is longer than its block")
        key = key[:shared] + data[position : position + own]
        position += own
        yield key, data[position : position + length]
        position += length


def _varint(source: ByteSource, data: bytes, position: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first; and the position after it."""
    number = 0
    for index, byte in enumerate(data[position : position + 10]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, position + index + 1
    raise source.corrupt("a number of its index has no end")


def _fields(source: ByteSource, data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer: (number, a whole number or bytes)."""
    position = 0
    while position < len(data):
        tag, position = _varint(source, data, position)
        wire = tag & 7
        if wire == 0:
            value, position = _varint(source, data, position)
            yield tag >> 3, value
            continue
        if wire == 2:
            length, position = _varint(source, data, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise source.corrupt(f"a field of its index has the wire type {wire}")
        if position + length > len(data):
            raise source.corrupt("a field of its index is cut off")
        yield tag >> 3, data[position : position + length]
        position += length


def _integer(value: int | bytes) -> int:
    return value if isinstance(value, int) else -1


def _shape(source: ByteSource, data: int | bytes) -> Iterator[int]:
    """The sizes of a shape."""
    if isinstance(data, int):
        raise source.corrupt("a shape is not one")
    dimensions = [value for number, value in _fields(source, data) if number == 2]
    if len(dimensions) > MOST_DIMENSIONS:
        raise source.corrupt(f"an array has {len(dimensions)} dimensions")
    for dimension in dimensions:
        inner = dict(_fields(source, dimension)) if isinstance(dimension, bytes) else {}
        size = _integer(inner.get(1, 0))
        if not 0 <= size < 2**40:
            raise source.corrupt(f"an array has a dimension of {size}")
        yield size
