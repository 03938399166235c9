"""The structure of an HDF5 file: superblock, object headers, groups, attributes.

A reader of its own, for what Keras writes (the "earliest" file format of h5py, and the compact form
of newer ones). Reading HDF5 with the C library would let a file open other files, load filter
plugins, and inflate a few bytes to any amount of memory; here every read is inside the file and
counted, every object is visited at most once, and only numbers and names are interpreted.

Source: "HDF5 File Format Specification Version 3.0", The HDF Group; section numbers refer to it.
"""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from warmstart.checkpoints import hdf5_dense, hdf5_text
from warmstart.checkpoints.base import ByteSource
from warmstart.errors import CheckpointError, CorruptCheckpointError, UnsafeCheckpointError

MAGIC = b"\x89HDF\r\n\x1a\n"
NOWHERE = 0xFFFFFFFFFFFFFFFF
MAX_METADATA = (
    128 << 20
)  # bytes of structure read or built from one file; EfficientNetB7 takes 3 MB
MAX_OBJECTS = 200_000
MAX_NAME = 4096
# message types (IV.A.2)
DATASPACE, LINK_INFO, DATATYPE, LINK, EXTERNAL_FILES, LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08
FILTERS, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 0x0B, 0x0C, 0x10, 0x11, 0x15


class Message(NamedTuple):
    """One message of an object header."""

    type: int
    shared: bool
    data: bytes


class Structure:
    """The tree of one HDF5 file; all addresses are offsets in the file."""

    def __init__(self, source: ByteSource):
        self.source = source
        self._left = MAX_METADATA
        self._objects = 0
        self._headers: dict[int, list[Message]] = {}
        self._attributes: dict[int, dict[str, list[bytes]]] = {}
        self.heap_objects: dict[int, dict[int, tuple[int, int]]] = {}
        self.root = self._superblock()

    def corrupt(self, reason: str) -> CheckpointError:
        """A CorruptCheckpointError naming the file."""
        return self.source.corrupt(reason)

    def unsafe(self, reason: str) -> UnsafeCheckpointError:
        """An UnsafeCheckpointError naming the file."""
        return UnsafeCheckpointError(f"{self.source.label} is refused: {reason}.")

    def unsupported(self, feature: str) -> CheckpointError:
        """A CorruptCheckpointError for valid HDF5 that Keras does not write."""
        return CorruptCheckpointError(
            f"{self.source.label} uses a feature of HDF5 that Keras does not write, and that is not "
            f"supported: {feature}."
        )

    def spend(self, count: int) -> None:
        """Count bytes that were read or built, so that no file can fill the memory or loop for
        ever.
        """
        self._left -= count
        if self._left < 0:
            raise self.unsafe(f"its structure takes more than {MAX_METADATA >> 20} MB")

    def at(self, address: int, count: int) -> bytes:
        """Bytes of structure."""
        self.spend(count + 16)
        return self.source.at(address, count)

    def unpack(self, form: str, data: bytes, offset: int = 0) -> tuple[Any, ...]:
        """struct.unpack_from, little endian; raises CorruptCheckpointError."""
        try:
            return struct.unpack_from("<" + form, data, offset)
        except struct.error as error:
            raise self.corrupt("a record is cut short") from error

    def text(self, data: bytes, longest: int = MAX_NAME) -> str:
        data = data.split(b"\0", 1)[0]
        if len(data) > longest:
            raise self.unsafe(f"a name of {len(data)} characters")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise self.corrupt("a name is not text") from error

    # superblock (II.A)

    def _superblock(self) -> int:
        head = self.at(0, min(self.source.size, 104))
        if head[:8] != MAGIC:
            raise self.corrupt("no HDF5 signature")
        if len(head) < 48:
            raise self.corrupt("the superblock is cut short")
        version = head[8]
        if version in (0, 1):
            sizes = self.unpack("BB", head, 13)
            base, _, end, driver, _, root = self.unpack("6Q", head, 24 + 4 * version)
        elif version in (2, 3):
            sizes = self.unpack("BB", head, 9)
            base, _, end, root = self.unpack("4Q", head, 12)
            driver = NOWHERE
        else:
            raise self.unsupported(f"superblock version {version}")
        if sizes != (8, 8) or base != 0 or driver != NOWHERE:
            raise self.unsupported("unusual addresses in the superblock")
        if end > self.source.size:
            raise self.corrupt(f"{self.source.size} bytes of {end}")
        return int(root)

    # object headers (IV.A.1)

    def messages(self, address: int) -> list[Message]:
        """All messages of the object at `address`."""
        if address not in self._headers:
            self._objects += 1
            if self._objects > MAX_OBJECTS:
                raise self.unsafe(f"it contains more than {MAX_OBJECTS} objects")
            version2 = self.at(address, 4) == b"OHDR"
            self._headers[address] = list(
                self._messages_v2(address) if version2 else self._messages_v1(address)
            )
        return self._headers[address]

    def _messages_v1(self, address: int) -> Iterator[Message]:
        version, _, _, _, size = self.unpack("BBHII", self.at(address, 12))
        if version != 1:
            raise self.corrupt(f"no object header at {address}")
        blocks, seen = [(address + 16, size)], {address + 16}
        for start, length in blocks:
            data, position = self.at(start, length), 0
            while position + 8 <= length:
                number, count, flags = self.unpack("HHB", data, position)
                body = data[position + 8 : position + 8 + count]
                yield self._message(number, flags, body, count, blocks, seen)
                position += 8 + count

    def _messages_v2(self, address: int) -> Iterator[Message]:
        version, flags = self.unpack("BB", self.at(address + 4, 2))
        if version != 2:
            raise self.corrupt(f"no object header at {address}")
        start = address + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
        width = 1 << (flags & 3)
        length = int.from_bytes(self.at(start, width), "little")
        head = 4 + 2 * bool(flags & 0x04)
        blocks, seen = [(start + width, length)], {start + width}
        for index, (begin, count) in enumerate(blocks):
            if index:  # a continuation block is signature, messages, checksum
                if self.at(begin, 4) != b"OCHK":
                    raise self.corrupt("a continuation block is missing")
                begin, count = begin + 4, count - 8
            data, position = self.at(begin, count), 0
            while position + head <= count:
                number, size, bits = self.unpack("BHB", data, position)
                body = data[position + head : position + head + size]
                yield self._message(number, bits, body, size, blocks, seen)
                position += head + size

    def _message(
        self,
        number: int,
        flags: int,
        body: bytes,
        size: int,
        blocks: list[tuple[int, int]],
        seen: set[int],
    ) -> Message:
        self.spend(128)
        if len(body) != size:
            raise self.corrupt("a header message is cut short")
        if number == CONTINUATION:
            start, length = self.unpack("QQ", body)
            if start in seen:
                raise self.corrupt("the blocks of an object header form a cycle")
            seen.add(start)
            blocks.append((start, length))
        return Message(number, bool(flags & 2), body)

    def message(self, address: int, number: int) -> bytes | None:
        """The data of the message of a type, or None."""
        for message in self.messages(address):
            if message.type == number:
                if message.shared:
                    raise self.unsafe("it uses named (shared) types")
                return message.data
        return None

    # groups (III.A, III.B, III.C; IV.A.2.g, m, r)

    def is_group(self, address: int) -> bool:
        """Whether the object is a group."""
        types = {message.type for message in self.messages(address)}
        return LAYOUT not in types and bool(types & {SYMBOL_TABLE, LINK_INFO, LINK})

    def links(self, address: int) -> dict[str, int]:
        """Names and addresses of a group's members, in the order of the file. Only hard links are
        allowed.
        """
        members: dict[str, int] = {}
        for number, _, data in self.messages(address):
            if number == SYMBOL_TABLE:
                pairs = self._symbols(*self.unpack("QQ", data))
            elif number == LINK:
                pairs = iter([self._link(data)])
            elif number == LINK_INFO:
                (flags,) = self.unpack("B", data, 1)
                heap, index = self.unpack("QQ", data, 2 + 8 * (flags & 1))
                if heap == NOWHERE:
                    continue
                dense = hdf5_dense.objects(self, heap, index, hdf5_dense.LINKS)
                pairs = (self._link(link) for link in dense)
            else:
                continue
            for name, target in pairs:
                if not name or name in (".", "..") or "/" in name or name in members:
                    raise self.corrupt(
                        f"a group has a member called {name[:80]!r}, or has it twice"
                    )
                members[name] = target
                if len(members) > MAX_OBJECTS:
                    raise self.unsafe(f"a group of more than {MAX_OBJECTS} members")
        return members

    def _link(self, data: bytes) -> tuple[str, int]:
        _, flags = self.unpack("BB", data)
        position, link_type = 2, 0
        if flags & 8:
            link_type, position = self.unpack("B", data, position)[0], position + 1
        position += 8 * bool(flags & 4) + bool(flags & 0x10)
        width = 1 << (flags & 3)
        length = int.from_bytes(data[position : position + width], "little")
        position += width
        name = self.text(data[position : position + length])
        if link_type != 0:
            what = {1: "a soft link", 64: "an external link"}.get(link_type, "a user-defined link")
            raise self.unsafe(f"{name!r} is {what}, and only plain members are read")
        return name, self.unpack("Q", data, position + length)[0]

    def _symbols(self, tree: int, heap: int) -> Iterator[tuple[str, int]]:
        signature, size, _, start = self.unpack("4s4xQQQ", self.at(heap, 32))
        if signature != b"HEAP":
            raise self.corrupt("a group has no heap of names")
        names = self.at(start, size)
        for _, node in self.tree(tree, 0, 8):
            signature, _, count = self.unpack("4sHH", self.at(node, 8))
            if signature != b"SNOD":
                raise self.corrupt("a group has no table of members")
            for entry in struct.iter_unpack("<QQI4x16s", self.at(node + 8, 40 * count)):
                offset, target, cache, _ = entry
                name = self.text(names[offset : offset + MAX_NAME + 1])
                if cache == 2:
                    raise self.unsafe(f"{name!r} is a soft link, and only plain members are read")
                yield name, target

    def tree(self, address: int, node_type: int, key_size: int) -> Iterator[tuple[bytes, int]]:
        """Leaves of a version 1 B-tree (III.A.1): (key before the child, address of the child)."""
        if address == NOWHERE:
            return
        pending, seen = [(address, -1)], {address}
        while pending:
            node, level = pending.pop()
            signature, actual_type, node_level, used = self.unpack("4sBBH", self.at(node, 8))
            if signature != b"TREE" or actual_type != node_type or level not in (-1, node_level):
                raise self.corrupt("an index is damaged")
            step = key_size + 8
            data = self.at(node + 24, used * step)
            entries = [
                (data[i : i + key_size], self.unpack("Q", data, i + key_size)[0])
                for i in range(0, len(data), step)
            ]
            if node_level == 0:
                yield from entries
                continue
            for _, child in reversed(entries):
                if child in seen or len(seen) > MAX_OBJECTS:
                    raise self.corrupt("the nodes of an index form a cycle")
                seen.add(child)
                pending.append((child, node_level - 1))

    # attributes (IV.A.2.m)

    def attribute(self, address: int, name: str, longest: int = MAX_NAME) -> list[str] | None:
        """A text attribute as a list of strings (a scalar gives one), each of at most `longest`
        bytes; None if it is missing.
        """
        if address not in self._attributes:
            self._attributes[address] = dict(self._attribute_parts(address))
        parts = self._attributes[address].get(name)
        return None if parts is None else hdf5_text.strings(self, *parts, longest=longest)

    def _attribute_parts(self, address: int) -> Iterator[tuple[str, list[bytes]]]:
        """Name, [datatype, dataspace, data] of every attribute."""
        for number, shared, data in self.messages(address):
            if number == ATTRIBUTE_INFO:
                (flags,) = self.unpack("B", data, 1)
                heap, index = self.unpack("QQ", data, 2 + 2 * (flags & 1))
                if heap != NOWHERE:
                    dense = hdf5_dense.objects(self, heap, index, hdf5_dense.ATTRIBUTES)
                    yield from (self._attribute_part(part, False) for part in dense)
            if number == ATTRIBUTE:
                yield self._attribute_part(data, shared)

    def _attribute_part(self, data: bytes, shared: bool) -> tuple[str, list[bytes]]:
        """Name, [datatype, dataspace, data] of an attribute message."""
        version, flags, *sizes = self.unpack("BBHHH", data)
        if version not in (1, 2, 3):
            raise self.corrupt(f"attribute version {version}")
        if shared or (version > 1 and flags & 3):
            raise self.unsafe("it uses named (shared) types")
        pieces, position = [], 9 if version == 3 else 8
        for size in sizes:
            pieces.append(data[position : position + size])
            position += (size + 7) // 8 * 8 if version == 1 else size
        return self.text(pieces[0]), [*pieces[1:], data[position:]]

    def attributes(self, address: int, name: str) -> list[str] | None:
        """An attribute, joined from `name0`, `name1`, ... if Keras split a long list."""
        strings = self.attribute(address, name)
        number = 0
        while (part := self.attribute(address, f"{name}{number}")) is not None:
            strings = [*(strings or []), *part]
            number += 1
        return strings

    def dataspace(self, data: bytes) -> tuple[int, ...]:
        """Shape of a dataspace message (IV.A.2.b)."""
        version, rank, _, space = self.unpack("BBBB", data)
        if version not in (1, 2) or rank > 32 or (version == 2 and space == 2):
            raise self.corrupt("an array without a shape")
        return self.unpack(f"{rank}Q", data, 8 if version == 1 else 4)
