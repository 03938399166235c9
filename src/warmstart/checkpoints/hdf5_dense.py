"""Links and attributes that HDF5 stores densely: in a fractal heap, indexed by a B-tree of
version 2.

Groups of more than eight members are stored so if a file was written with the newest format, or
keeps the order of its members.

Source: "HDF5 File Format Specification Version 3.0", The HDF Group, sections III.A.2 and III.G.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from warmstart.checkpoints.hdf5_format import Structure

HUGE, LINKS, ATTRIBUTES = 1, 5, 8
"""Types of B-trees: large objects by number, links by name, attributes by name."""
ID_OFFSETS = {LINKS: 4, ATTRIBUTES: 0}
"""The position of an object's identifier in a record."""
MAX_ROWS, MAX_DEPTH = 64, 16
CHECKSUM = 4


def objects(
    file: Structure, heap_address: int, index_address: int, index_type: int
) -> Iterator[bytes]:
    """The messages of all links or attributes of an object, in the order of the index.

    Raises:
        CorruptCheckpointError: part of them is missing or contradictory, or stored in a way that
            Keras does not write.
    """
    heap = _heap(file, heap_address)
    start = ID_OFFSETS[index_type]
    for record in _records(file, index_address, index_type):
        yield _object(file, heap, record[start : start + heap.id_length])


# the index (III.A.2)


def _records(file: Structure, address: int, index_type: int) -> Iterator[bytes]:
    head = file.at(address, 38)
    signature, actual, node_size, size, depth, root, count = file.unpack("4sxBIHHxxQH", head)
    if (
        signature != b"BTHD"
        or actual != index_type
        or size < 11
        or node_size < 16
        or depth > MAX_DEPTH
    ):
        raise file.corrupt("an index is damaged")
    pointers = _pointer_sizes(node_size, size, depth)
    seen: set[int] = set()
    pending = [(root, count, depth)] if count else []
    while pending:
        node, used, level = pending.pop()
        if node in seen:
            raise file.corrupt("the nodes of an index form a cycle")
        seen.add(node)
        data = file.at(node, node_size)
        signature, actual = file.unpack("4sxB", data)
        if signature != (b"BTIN" if level else b"BTLF") or actual != index_type:
            raise file.corrupt("an index is damaged")
        if 6 + used * size > node_size:
            raise file.corrupt("a node of an index is too full")
        for i in range(used):
            yield data[6 + i * size : 6 + (i + 1) * size]
        if not level:
            continue
        count_size, total_size = pointers[level]
        step = 8 + count_size + total_size
        first = 6 + used * size
        for i in range(used + 1):
            pointer = data[first + i * step : first + (i + 1) * step]
            (child,) = file.unpack("Q", pointer)
            pending.append(
                (child, int.from_bytes(pointer[8 : 8 + count_size], "little"), level - 1)
            )


def _pointer_sizes(node_size: int, size: int, depth: int) -> list[tuple[int, int]]:
    """For each level above the leaves, the bytes of the two counts after the address of a child: of
    its own records, and of those below it.
    """
    overhead = 6 + CHECKSUM
    most = max((node_size - overhead) // size, 1)
    count_size = _bytes_for(most)
    below, below_size = most, 0
    sizes = [(0, 0)]
    for _ in range(depth):
        sizes.append((count_size, below_size))
        pointer = 8 + count_size + below_size
        most = max((node_size - overhead - pointer) // (size + pointer), 1)
        below = (most + 1) * below + most
        below_size = _bytes_for(below)
    return sizes


def _bytes_for(largest: int) -> int:
    return (max(largest, 1).bit_length() + 7) // 8


# the heap (III.G)


class _Heap(NamedTuple):
    """The header of a fractal heap.

    Attributes:
        id_length: bytes of an object's identifier.
        width: blocks in a row.
        start, largest: bytes of the first blocks and of the largest that contains objects.
        offset_size, length_size: bytes of these in an identifier.
        root, rows: address of the outermost block, and how many rows it has; 0 if it contains
            objects itself.
        huge: address of the index of objects that are larger than blocks.
    """

    id_length: int
    width: int
    start: int
    largest: int
    offset_size: int
    length_size: int
    root: int
    rows: int
    huge: int


def _heap(file: Structure, address: int) -> _Heap:
    head = file.at(address, 142)
    signature, id_length, filters, _, most, huge = file.unpack("4sxHHBI8xQ", head)
    width, start, largest, bits, _, root, rows = file.unpack("HQQHHQH", head, 110)
    if signature != b"FRHP":
        raise file.corrupt("a heap of links or attributes is missing")
    if filters:
        raise file.unsupported("compressed links or attributes")
    powers = all(number > 0 and number & (number - 1) == 0 for number in (width, start, largest))
    if not powers or start > largest or not 0 < bits <= 64 or rows > MAX_ROWS:
        raise file.corrupt("a heap of links or attributes has impossible sizes")
    length_size = min((largest.bit_length() + 6) // 8, _bytes_for(most))
    return _Heap(id_length, width, start, largest, (bits + 7) // 8, length_size, root, rows, huge)


def _object(file: Structure, heap: _Heap, identifier: bytes) -> bytes:
    """The bytes of an object."""
    if len(identifier) < 1 + heap.offset_size + heap.length_size:
        raise file.corrupt("a link or attribute has a damaged identifier")
    if identifier[0] >> 4 & 3 == 1:
        return _huge_object(file, heap, identifier)
    if identifier[0] >> 4 & 3:
        raise file.unsupported("a link or attribute that is not in a block of its heap")
    offset = int.from_bytes(identifier[1 : 1 + heap.offset_size], "little")
    rest = identifier[1 + heap.offset_size :]
    length = int.from_bytes(rest[: heap.length_size], "little")
    block, block_offset, size = heap.root, 0, heap.start
    rows = heap.rows
    for _ in range(MAX_DEPTH):
        if not rows:
            if offset - block_offset + length > size:
                raise file.corrupt("a link or attribute ends beyond its block")
            if file.at(block, 4) != b"FHDB":
                raise file.corrupt("a block of links or attributes is missing")
            return file.at(block + offset - block_offset, length)
        block, block_offset, size, rows = _child(file, heap, block, block_offset, rows, offset)
    raise file.corrupt("a heap of links or attributes is nested too deep")


def _huge_object(file: Structure, heap: _Heap, identifier: bytes) -> bytes:
    """The bytes of an object that is larger than blocks: the index has its address by number."""
    number = int.from_bytes(identifier[1:9], "little")
    for record in _records(file, heap.huge, HUGE):
        address, length, own_number = file.unpack("QQQ", record)
        if own_number == number:
            return file.at(address, length)
    raise file.corrupt("a large attribute is missing")


def _child(
    file: Structure, heap: _Heap, block: int, block_offset: int, rows: int, offset: int
) -> tuple[int, int, int, int]:
    """The block with an offset, inside a block of blocks: its address, its own offset, its size,
    and its rows (0 if it contains objects).
    """
    if file.at(block, 4) != b"FHIB":
        raise file.corrupt("a block of links or attributes is missing")
    row_start = block_offset
    for row in range(rows):
        size = heap.start << max(row - 1, 0)
        if offset < row_start + heap.width * size:
            column = (offset - row_start) // size
            entry = block + 13 + heap.offset_size + 8 * (row * heap.width + column)
            (address,) = file.unpack("Q", file.at(entry, 8))
            inner = 0
            if size > heap.largest:
                inner = (size // (heap.start * heap.width)).bit_length()
            return address, row_start + column * size, size, inner
        row_start += heap.width * size
    raise file.corrupt("a link or attribute lies beyond its heap")
