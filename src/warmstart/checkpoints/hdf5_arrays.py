"""Arrays of plain numbers in an HDF5 file: their types and their bytes.

Source: "HDF5 File Format Specification Version 3.0", The HDF Group, sections III.A.1 and IV.A.2.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from warmstart.checkpoints import hdf5_format as h5
from warmstart.checkpoints.base import widen_bfloat16

SMALL = 16 << 20  # bytes that may be inflated without a limit on the ratio
MAX_EXPANSION = 100  # beyond `SMALL`: inflated bytes per stored byte; deflate cannot exceed 1032
# (bit offset, precision, exponent position and size, mantissa position and size, exponent bias)
FLOATS = {
    (0, 16, 10, 5, 0, 10, 15): "f2",
    (0, 32, 23, 8, 0, 23, 127): "f4",
    (0, 64, 52, 11, 0, 52, 1023): "f8",
    (0, 16, 7, 8, 0, 7, 127): "bfloat16",
}


@dataclass(frozen=True)
class ArrayInfo:
    """One array: its shape and dtypes, and a loader of its stored bytes (decompressed, unaligned)."""

    shape: tuple[int, ...]
    dtype: str
    stored: np.dtype
    load: Callable[[], np.ndarray]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, in the stored dtype."""
        return math.prod(self.shape) * self.stored.itemsize

    def read(self) -> np.ndarray:
        """A new array in native byte order."""
        raw = self.load().view(self.stored).reshape(self.shape)
        if self.dtype == "bfloat16":
            return widen_bfloat16(raw)
        if self.dtype == "bool":
            return raw.astype(np.bool_)
        return raw.astype(self.stored.newbyteorder("="), copy=False)


def array_info(file: h5.Structure, address: int, name: str) -> ArrayInfo:
    """Describe the array at `address` after checking everything that reading it relies on.

    Raises:
        CorruptCheckpointError: part of it is missing or contradictory.
        UnsafeCheckpointError: it is not a plain array of numbers in this file, or declares more
            numbers than it stores.
    """
    if file.message(address, h5.EXTERNAL_FILES) is not None:
        raise file.unsafe(f"the numbers of {name!r} are in another file")
    space, datatype, layout = (
        file.message(address, number) for number in (h5.DATASPACE, h5.DATATYPE, h5.LAYOUT)
    )
    if space is None or datatype is None or layout is None:
        raise file.corrupt(f"{name!r} is neither a group nor an array")
    shape = file.dataspace(space)
    label, stored = _number_type(file, address, datatype, name)
    nbytes = math.prod(shape) * stored.itemsize
    filters = _filters(file, file.message(address, h5.FILTERS), name)
    version, storage = file.unpack("BB", layout)
    if storage == 3 and version >= 4:
        raise file.unsafe(f"{name!r} is a virtual dataset, made of parts of other files")
    if version not in (3, 4) or storage > 2 or (version == 4 and storage == 2):
        raise file.unsupported(f"storage layout {version}.{storage} of {name!r}")
    if nbytes == 0:
        return ArrayInfo(shape, label, stored, lambda: np.empty(0, np.uint8))
    if storage == 2:
        return ArrayInfo(shape, label, stored, _chunked(file, layout, shape, stored, filters, name))
    if filters:
        raise file.corrupt(f"{name!r} is compressed, but not stored in chunks")
    if storage == 0:
        (size,) = file.unpack("H", layout, 2)
        data = layout[4 : 4 + size]
        if len(data) != nbytes:
            raise _size_error(file, name, shape, nbytes, len(data))
        return ArrayInfo(shape, label, stored, lambda: np.frombuffer(data, np.uint8).copy())
    start, size = file.unpack("QQ", layout, 2)
    if start == h5.NOWHERE or size != nbytes:
        raise _size_error(file, name, shape, nbytes, 0 if start == h5.NOWHERE else size)
    if start + size > file.source.size:
        raise file.corrupt(f"{name!r} ends beyond the end of the file")
    return ArrayInfo(shape, label, stored, lambda: file.source.array(start, size))


def _size_error(
    file: h5.Structure, name: str, shape: tuple[int, ...], declared: int, stored: int
) -> Exception:
    return file.unsafe(
        f"{name!r} declares the shape {shape} ({declared} bytes), but {stored} bytes are stored"
    )


def _number_type(file: h5.Structure, address: int, data: bytes, name: str) -> tuple[str, np.dtype]:
    """(numpy's name or "bfloat16", the stored dtype with its byte order) of a datatype message."""
    head, bits, _, _, size = file.unpack("BBBBI", data)
    type_class, order = head & 15, ">" if bits & 1 else "<"
    code = ""
    if type_class == 0 and file.unpack("HH", data, 8) == (0, size * 8) and size in (1, 2, 4, 8):
        code = f"{'i' if bits & 8 else 'u'}{size}"
    elif type_class == 1 and not bits & 0x40:
        code = FLOATS.get(file.unpack("HHBBBBI", data, 8), "")
        code = code if size == (2 if code == "bfloat16" else int(code[1:] or 0)) else ""
    elif type_class == 5 and size == 2 and file.attribute(address, "dtype") == ["bfloat16"]:
        code, order = "bfloat16", "<"  # as Keras 3 stores it
    elif type_class == 8 and size == 1 and bits == 2 and b"FALSE\0" in data and b"TRUE\0" in data:
        return "bool", np.dtype("u1")  # as h5py stores it
    if not code:
        raise file.unsafe(
            f"{name!r} contains something other than plain numbers (type class {type_class}, {size} bytes)"
        )
    if code == "bfloat16":
        return code, np.dtype(order + "u2")
    return np.dtype(code).name, np.dtype(order + code)


def _filters(file: h5.Structure, data: bytes | None, name: str) -> list[int]:
    """Filter numbers in the order of writing; only shuffle (2) and deflate (1) are known."""
    if data is None:
        return []
    version, count = file.unpack("BB", data)
    position, filters = (8 if version == 1 else 2), []
    for _ in range(count):
        (number,) = file.unpack("H", data, position)
        if number not in (1, 2):
            raise file.unsafe(
                f"{name!r} is compressed with filter {number}; only gzip and shuffle are read"
            )
        if version == 1:
            text, _, values = file.unpack("HHH", data, position + 2)
            position += 8 + (text + 7) // 8 * 8 + 4 * (values + values % 2)
        else:
            _, values = file.unpack("HH", data, position + 2)
            position += 6 + 4 * values
        filters.append(number)
    if len(set(filters)) != len(filters):
        raise file.unsafe(f"{name!r} is compressed twice")
    return filters


def _chunked(
    file: h5.Structure,
    layout: bytes,
    shape: tuple[int, ...],
    stored: np.dtype,
    filters: list[int],
    name: str,
) -> Callable[[], np.ndarray]:
    """Check the index of a chunked array (every chunk once, inside the file); returns its loader."""
    rank, tree = file.unpack("BQ", layout, 2)
    *chunk, itemsize = file.unpack(f"{rank}I", layout, 11)
    if len(chunk) != len(shape) or itemsize != stored.itemsize or 0 in chunk:
        raise file.corrupt(f"the chunks of {name!r} do not fit its shape")
    nbytes = math.prod(shape) * itemsize
    chunk_bytes = math.prod(chunk) * itemsize
    expected = math.prod(-(-side // step) for side, step in zip(shape, chunk, strict=True))
    if chunk_bytes > max(SMALL, 2 * nbytes):
        raise file.unsafe(f"{name!r} is stored in chunks of {chunk_bytes} bytes")
    pieces: dict[tuple[int, ...], tuple[int, int, int]] = {}
    for key, start in file.tree(tree, 1, 8 + 8 * rank):
        file.spend(256)
        size, mask, *offset = file.unpack(f"II{rank}Q", key)
        origin = tuple(offset[:-1])
        inside = all(
            o % step == 0 and o < side for o, step, side in zip(origin, chunk, shape, strict=True)
        )
        if (
            not inside
            or origin in pieces
            or start + size > file.source.size
            or len(pieces) >= h5.MAX_OBJECTS
        ):
            raise file.corrupt(f"the chunks of {name!r} are out of place")
        if not filters and size != chunk_bytes:
            raise file.corrupt(f"a chunk of {name!r} has {size} bytes instead of {chunk_bytes}")
        pieces[origin] = (start, size, mask)
    total = sum(size for _, size, _ in pieces.values())
    limit = max(SMALL, MAX_EXPANSION * total) if filters else min(total, file.source.size)
    if len(pieces) != expected or nbytes > limit:
        raise _size_error(file, name, shape, nbytes, total)

    def load() -> np.ndarray:
        out = np.empty(shape, f"V{itemsize}")
        for origin, (start, size, mask) in pieces.items():
            raw = file.source.array(start, size)
            for number in reversed(range(len(filters))):
                if not mask >> number & 1:
                    raw = _undo(file, filters[number], raw, chunk_bytes, itemsize, name)
            if raw.size != chunk_bytes:
                raise file.corrupt(
                    f"a chunk of {name!r} has {raw.size} bytes instead of {chunk_bytes}"
                )
            area = tuple(
                slice(o, min(o + step, side))
                for o, step, side in zip(origin, chunk, shape, strict=True)
            )
            block = raw.view(out.dtype).reshape(chunk)
            out[area] = block[tuple(slice(0, s.stop - s.start) for s in area)]
        return out.reshape(-1).view(np.uint8)

    return load


def _undo(
    file: h5.Structure, number: int, raw: np.ndarray, size: int, itemsize: int, name: str
) -> np.ndarray:
    if number == 2:
        return raw.reshape(itemsize, -1).T.reshape(-1).copy() if raw.size % itemsize == 0 else raw
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(raw.tobytes(), size + 1)
    except zlib.error as error:
        raise file.corrupt(f"{name!r} cannot be decompressed") from error
    if len(data) != size or not inflate.eof:
        raise file.corrupt(f"a chunk of {name!r} does not decompress to {size} bytes")
    return np.frombuffer(data, np.uint8)
