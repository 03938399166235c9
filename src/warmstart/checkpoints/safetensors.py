"""Safetensors: read and write one file; `sharded` reads several.

The header is parsed by a strict scanner: JSON of exactly this form, in which every byte of data
belongs to one array. A general JSON parser would build whatever the file declares.

Source: the format section of https://github.com/huggingface/safetensors.
"""

import json
import math
import re
from collections.abc import Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from warmstart.atomic import atomic_file
from warmstart.checkpoints.base import ByteSource, IndexedCheckpoint, decoded, itemsize
from warmstart.errors import CheckpointError, UnsafeCheckpointError, UsageError

MAX_HEADER = 25 << 20
MAX_ARRAYS = 200_000
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
CODES = {name: code for code, name in DTYPES.items()}
_SPACE = re.compile(r"[ \t\r\n]*")
_ENTRY = re.compile(r"\{[^{}]{0,2000}\}")


class TensorInfo(NamedTuple):
    """One line of the header; `begin` and `end` count from the first byte after it."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def parse_header(header: bytes, data_size: int) -> tuple[dict[str, TensorInfo], dict[str, str]]:
    """Parse and check a safetensors header.

    Args:
        header: the JSON text, without the eight bytes of its length.
        data_size: bytes that follow it in the file.

    Returns:
        The arrays in the order of the header, and the `__metadata__`.

    Raises:
        ValueError: the header is invalid.
    """
    text = header.decode()
    tensors: dict[str, TensorInfo] = {}
    metadata: dict[str, str] = {}
    has_metadata = False

    def after(position: int, character: str) -> int:
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]
        if text[position : position + 1] != character:
            raise ValueError(f"no {character!r} at character {position} of the header")
        return position + 1

    def expect(position: int, character: str) -> int:
        return _SPACE.match(text, after(position, character)).end()  # type: ignore[union-attr]

    def string(position: int) -> tuple[str, int]:
        value, end = scanstring(text, after(position, '"'), True)  # a name may begin with a space
        value.encode()  # refuses half a surrogate pair
        return value, end

    def comma_or_end(position: int) -> tuple[int, bool]:
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]
        if text[position : position + 1] == ",":
            return position + 1, True
        return expect(position, "}"), False

    position = expect(0, "{")
    more = text[position : position + 1] != "}"
    if not more:
        position = expect(position, "}")
    while more:
        name, position = string(position)
        position = expect(position, ":")
        if name == "__metadata__":
            if has_metadata:
                raise ValueError("two __metadata__")
            has_metadata = True
            position = expect(position, "{")
            inner = text[position : position + 1] != "}"
            if not inner:
                position = expect(position, "}")
            while inner:
                key, position = string(position)
                metadata[key], position = string(expect(position, ":"))
                position, inner = comma_or_end(position)
        else:
            if name in tensors:
                raise ValueError(f"two arrays called {name[:200]!r}")
            if len(tensors) >= MAX_ARRAYS:
                raise ValueError(f"more than {MAX_ARRAYS} arrays")
            match = _ENTRY.match(text, position)
            if not match:
                raise ValueError(f"array {name[:200]!r} is not described")
            tensors[name] = _tensor(name, match.group())
            position = match.end()
        position, more = comma_or_end(position)
    if position != len(text):
        raise ValueError("text after the header")
    last = 0
    for info in sorted(tensors.values(), key=lambda item: (item.begin, item.end)):
        if info.begin != last:
            raise ValueError("the arrays overlap, or leave gaps")
        last = info.end
    if last != data_size:
        raise ValueError(f"the arrays take {last} bytes, but {data_size} are there")
    return tensors, metadata


def _tensor(name: str, text: str) -> TensorInfo:
    short = repr(name[:200])
    pairs: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    entry = dict(pairs)
    if len(pairs) != 3 or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"array {short} needs dtype, shape and data_offsets")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not (is_counts(shape) and is_counts(offsets) and len(offsets) == 2 and len(shape) <= 32):
        raise ValueError(f"array {short} has an impossible shape or offset")
    dtype = known_dtype(entry["dtype"], short)
    begin, end = offsets
    if end - begin != math.prod(shape) * itemsize(dtype):
        raise ValueError(
            f"array {short}: {dtype} of shape {shape} does not take {end - begin} bytes"
        )
    return TensorInfo(dtype, tuple(shape), begin, end)


def known_dtype(code: object, short: str) -> str:
    """The dtype of a code in a header. Raises ValueError with the array's `short` name."""
    dtype = DTYPES.get(code) if isinstance(code, str) else None
    if dtype is None:
        raise ValueError(f"array {short} has the unknown dtype {str(code)[:40]}")
    return dtype


def is_counts(value: object) -> bool:
    """Whether it is a list of integers from 0 to 2^63."""
    return isinstance(value, list) and all(
        type(item) is int and 0 <= item < 1 << 63 for item in value
    )


class SafetensorsCheckpoint(IndexedCheckpoint):
    """One open `.safetensors` file. `metadata` contains its `__metadata__` strings."""

    layout = "safetensors"
    _arrays: dict[str, TensorInfo]

    def __init__(self, path: Path, source: ByteSource):
        self.path = path
        self._source = source
        try:
            length = int.from_bytes(source.at(0, 8), "little")
            if length > MAX_HEADER:
                raise UnsafeCheckpointError(
                    f"{source.label} is refused: it declares a header of {length} bytes; {MAX_HEADER} are allowed."
                )
            self._start = 8 + length
            try:
                self._arrays, self.metadata = parse_header(
                    source.at(8, length), source.size - self._start
                )
            except (ValueError, RecursionError) as error:
                raise source.corrupt(str(error)[:400]) from error
        except BaseException:
            source.close()
            raise

    def read(self, name: str) -> np.ndarray:
        info = self._arrays[name]
        return decoded(
            self._source.array(self._start + info.begin, info.end - info.begin),
            info.dtype,
            info.shape,
        )

    def close(self) -> None:
        self._source.close()


def save_safetensors(
    path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays to a `.safetensors` file, completely or not at all.

    The same arrays in the same order give the same bytes.

    Args:
        path: the file; its folder is created, and an old file is replaced at the end.
        arrays: names and numbers: any float, int or bool dtype that numpy has up to 64 bit, and
            ml_dtypes' bfloat16. The header keeps this order.
        metadata: strings for `__metadata__`.

    Raises:
        UsageError: a dtype or name that the format lacks.
        CheckpointError: it cannot be written.
    """
    checked: dict[str, np.ndarray] = {}
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.dtype.name not in CODES or name == "__metadata__":
            raise UsageError(
                f"safetensors cannot hold the array {name!r} of dtype {array.dtype.name}."
            )
        checked[name] = array
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    if any(not isinstance(text, str) for pair in (metadata or {}).items() for text in pair):
        raise UsageError("safetensors metadata must be strings.")
    # widest items first, as the reference writer does, so that every array is aligned
    order = sorted(checked, key=lambda name: -checked[name].itemsize)
    offsets, offset = {}, 0
    for name in order:
        offsets[name] = [offset, offset + checked[name].nbytes]
        offset += checked[name].nbytes
    for name, array in checked.items():
        header[name] = {
            "dtype": CODES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": offsets[name],
        }
    try:
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"safetensors cannot hold a name: {error}.") from error
    text += b" " * (-len(text) % 8)
    try:
        with atomic_file(path) as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in order:
                array = checked[name]
                if array.dtype.byteorder == ">" or (
                    array.dtype.byteorder == "=" and not np.little_endian
                ):
                    array = array.astype(array.dtype.newbyteorder("<"))
                # as bytes, because ml_dtypes have no buffer
                file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror or error}); free some space, or choose another path."
        ) from error
