"""Strings of an HDF5 file: of a fixed length, or of variable length in the global heap.

Source: as for `hdf5_format`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warmstart.checkpoints.hdf5_format import Structure


def strings(
    structure: Structure, datatype: bytes, space: bytes, data: bytes, *, longest: int
) -> list[str]:
    """The strings of an attribute, from its datatype, dataspace and data messages."""
    count = 1
    for side in structure.dataspace(space):
        count *= side
    if count == 0:  # an empty list has no type of its own
        return []
    head, bits, size = structure.unpack("BB2xI", datatype)
    if head & 15 == 3 and size:
        step = size
    elif head & 15 == 9 and bits & 15 == 1:
        step = 16
    else:
        raise structure.unsafe("a list of names is not text")
    if count * step > len(data):
        raise structure.corrupt("a list of names is cut short")
    items = [data[i * step : (i + 1) * step] for i in range(count)]
    return [
        structure.text(
            item if step == size and head & 15 == 3 else _from_heap(structure, item), longest
        )
        for item in items
    ]


def _from_heap(structure: Structure, reference: bytes) -> bytes:
    """Text of variable length, from the global heap (III.E)."""
    length, heap, index = structure.unpack("IQI", reference)
    if length == 0:
        return b""
    if heap not in structure.heap_objects:
        signature, size = structure.unpack("4s4xQ", structure.at(heap, 16))
        if signature != b"GCOL":
            raise structure.corrupt("a text of variable length is missing")
        objects, position = {}, 16
        while position + 16 <= size:
            number, count = structure.unpack("H6xQ", structure.at(heap + position, 16))
            if number == 0:
                break
            structure.spend(256)
            objects[number] = (heap + position + 16, count)
            position += 16 + (count + 7) // 8 * 8
        structure.heap_objects[heap] = objects
    start, count = structure.heap_objects[heap].get(index, (0, -1))
    if length > count:
        raise structure.corrupt("a text of variable length is missing")
    return structure.at(start, length)
