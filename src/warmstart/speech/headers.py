"""The length of a recording by its header, if libsndfile ignores it, to detect truncated files.

WAV (RIFF, RIFX, RF64, BW64), W64, AIFF, CAF and AU have the size of their samples, of which libsndfile
reads what the file has. MP3 has the number of its frames in a Xing or Info header; without one,
libsndfile estimates it. Ogg has no length, but its pages have one. Programs that write to a pipe, or
were interrupted, leave a placeholder for the size: then everything up to the end of the file is
samples.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

NEAR = 2**25
"""Sizes as near as this to 2 or 4 GiB are placeholders, such as 0x7F000000, 0x7FFFF000 and 0xFFFFFFFF."""
MOST_CHUNKS = 10_000
OGG_PAGE = 27
"""Bytes of the head of a page; the last one counts the segment lengths that follow."""
LONGEST_PAGE = OGG_PAGE + 255 + 255 * 255
XING = 48
"""Bytes of an MP3's first frame within which its Xing header begins (after 38 bytes at most)."""


class SampleBytes(NamedTuple):
    """The samples of a file by the size in its header.

    Attributes:
        announced: bytes of samples; 0: it has a placeholder.
        present: bytes that the file has.
        correction: offset and bytes of the size that stands for a placeholder; None: none is needed.
    """

    announced: int
    present: int
    correction: tuple[int, bytes] | None = None


class Header(NamedTuple):
    """The length of a recording according to its file.

    Attributes:
        samples: by their size; None: the file is of a format without, or has no samples.
        counts_frames: whether an MP3 announces the number of its frames; None: it is another format.
        ends_within_page: whether it is an Ogg file whose last page is incomplete.
    """

    samples: SampleBytes | None
    counts_frames: bool | None
    ends_within_page: bool


@dataclass(frozen=True)
class _Layout:
    """A format of chunks.

    Attributes:
        start: of the first chunk.
        size: format of the field with the size of a chunk, after its name.
        total: offset of the field with the size of the file; None: there is none.
        data: the name of the chunk with the samples, or its beginning.
        name: length of the names.
        alignment: chunks begin at multiples of it.
        counts_head: whether the size of a chunk includes its name and size.
    """

    start: int
    size: str
    total: int | None = 4
    data: bytes = b"data"
    name: int = 4
    alignment: int = 2
    counts_head: bool = False


class _Field(NamedTuple):
    """A size in a file.

    Attributes:
        offset: of the field.
        format: of the field.
        value: the size.
        head: what the size counts besides the samples.
    """

    offset: int
    format: str
    value: int
    head: int = 0


_LAYOUTS = {
    b"RIFF": _Layout(12, "<I"),
    b"RIFX": _Layout(12, ">I"),
    b"RF64": _Layout(12, "<I"),
    b"BW64": _Layout(12, "<I"),
    b"FORM": _Layout(12, ">I", data=b"SSND"),
    b"caff": _Layout(8, ">Q", total=None, alignment=1),
    b"riff": _Layout(40, "<Q", total=16, name=16, alignment=8, counts_head=True),
}
_AU = {b".snd": ">I", b"dns.": "<I"}


def read_header(file: BinaryIO) -> Header:
    """The header of a file.

    Args:
        file: at its start, where it is again afterwards.

    Raises:
        OSError: it cannot be read.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(24)
    samples, counts_frames, ends_within_page = None, None, False
    if head.startswith((b"ID3", b"\xff")):
        counts_frames = _counts_frames(file, head)
    elif head.startswith(b"OggS"):
        ends_within_page = _ends_within_page(file, end)
    elif len(head) == 24:
        samples = _sample_bytes(file, head, end)
    file.seek(0)
    return Header(samples, counts_frames, ends_within_page)


def _sample_bytes(file: BinaryIO, head: bytes, end: int) -> SampleBytes | None:
    total = 0
    if (layout := _LAYOUTS.get(head[:4])) is not None:
        chunk = _chunk_of_samples(file, layout, end)
        if chunk is None:
            return None
        start, field, total = chunk
    elif (size := _AU.get(head[:4])) is not None:
        start, value = struct.unpack(f"{size[0]}II", head[4:12])
        field = _Field(8, size, value)
    else:
        return None
    announced, present = field.value - field.head, max(end - start, 0)
    if announced > 0 and not _is_placeholder(announced):
        # Some programs count the header, too.
        return SampleBytes(announced if announced - present > start else present, present)
    if announced <= 0 and start < total and not _is_placeholder(total):
        return SampleBytes(present, present)  # what follows are other chunks
    try:
        correct = struct.pack(field.format, present + field.head)
    except struct.error:  # more than 4 GiB
        return SampleBytes(0, present)
    return SampleBytes(0, present, (field.offset, correct))


def _chunk_of_samples(file: BinaryIO, layout: _Layout, end: int) -> tuple[int, _Field, int] | None:
    """The offset and the size of the samples, and the size of the file, according to its header."""
    position, wide, total = layout.start, None, 0
    length = struct.calcsize(layout.size)
    if layout.total is not None:
        file.seek(layout.total)
        (total,) = struct.unpack(layout.size, file.read(length))
    for _ in range(MOST_CHUNKS):
        start = position + layout.name + length
        if start > end:
            break
        file.seek(position)
        name = file.read(layout.name)
        (value,) = struct.unpack(layout.size, file.read(length))
        if name == b"ds64" and start + 16 <= end:  # sizes for which 32 bits are not enough
            total, size = struct.unpack("<QQ", file.read(16))
            wide = _Field(start + 8, "<Q", size)
        elif name.startswith(layout.data):
            if wide is not None and value == 2**32 - 1:
                return start, wide, total
            head = layout.name + length if layout.counts_head else 0
            return start, _Field(position + layout.name, layout.size, value, head), total
        position = (position if layout.counts_head else start) + max(value, 1)
        position += -position % layout.alignment
    return None


def _is_placeholder(size: int) -> bool:
    return size >= 2**62 or any(abs(size - limit) <= NEAR for limit in (2**31, 2**32))


def _counts_frames(file: BinaryIO, head: bytes) -> bool | None:
    """Whether an MP3 has a Xing header with the number of its frames; None if this is no MP3."""
    start = 0
    if head.startswith(b"ID3") and len(head) >= 10:
        shifts = (21, 14, 7, 0)
        start = 10 + sum((byte & 0x7F) << n for byte, n in zip(head[6:10], shifts, strict=True))
    file.seek(start)
    frame = file.read(XING + 8)
    if len(frame) < 2 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return None
    index = max(frame.find(b"Xing"), frame.find(b"Info"))
    return 0 <= index <= len(frame) - 8 and bool(frame[index + 7] & 1)


def _ends_within_page(file: BinaryIO, end: int) -> bool:
    """Whether the last page of an Ogg file is incomplete (RFC 3533, section 6)."""
    file.seek(max(end - LONGEST_PAGE, 0))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < OGG_PAGE:
        return True
    lengths = page[OGG_PAGE : OGG_PAGE + page[OGG_PAGE - 1]]
    return len(page) < OGG_PAGE + page[OGG_PAGE - 1] + sum(lengths)
