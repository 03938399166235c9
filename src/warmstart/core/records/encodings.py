"""Lines of text files: UTF-8, UTF-16 with a byte order mark, or the encoding that is named."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from warmstart.errors import RecordError, UsageError

LONGEST_LINE = 16 * 2**20
"""Characters of one line, and of one cell of a table."""
CHUNK = 2**18  # bytes decoded at a time
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def detect_encoding(head: bytes, name: str) -> tuple[str, int]:
    """The encoding of a file and the length of its byte order mark.

    Args:
        head: the first four bytes of the file, or more.
        name: of the file, for messages.

    Returns:
        (`"utf-8"`, `"utf-16-le"` or `"utf-16-be"`, bytes of the mark). A file without a mark is
        UTF-8.

    Raises:
        UsageError: the mark is that of UTF-32.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            if encoding == "utf-32":
                raise UsageError(f"{name} is UTF-32; save it as UTF-8.")
            return encoding, len(mark)
    return "utf-8", 0


def decoded_lines(file: BinaryIO, name: str, encoding: str | None = None) -> Iterator[str]:
    """The lines of a text file with their line ends (`\\n`, `\\r\\n` or `\\r`), in bounded memory.

    Args:
        file: at its start; buffered.
        name: of the file, for messages.
        encoding: a codec's name; default: what the byte order mark says, else UTF-8.

    Raises:
        UsageError: the encoding is unknown, or the file is UTF-32.
        RecordError: the bytes are not of this encoding, a character is NUL, or a line is too
            long. The message names the line.
    """
    head = file.read(4)
    detected, mark = detect_encoding(head, name) if encoding is None else (encoding, 0)
    decoder = _decoder(detected, name)
    newlines = io.IncrementalNewlineDecoder(
        None, translate=False
    )  # keeps \r and \n of one line end together
    chunk, position, line, rest = head[mark:], mark, 1, ""
    while True:
        last = not chunk and not (chunk := file.read(CHUNK))
        try:
            text = decoder.decode(chunk, last)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(detected, "replace") + rest
            byte = position - (len(error.object) - len(chunk)) + error.start
            where = line + _line_ends(before)
            raise RecordError(
                f"{name}:{where}: is not {detected.upper()} at byte {byte:,} of the file; "
                "save the file as UTF-8, or name its encoding with encoding=",
                f"{name}:{where}",
            ) from error
        if "\0" in text:
            where = line + _line_ends(rest + text[: text.index("\0")])
            raise RecordError(
                f"{name}:{where}: has a NUL character, so this is not text in {detected.upper()}; save it as UTF-8",
                f"{name}:{where}",
            )
        if position == 0:
            text = text.removeprefix("\N{BOM}")
        position += len(chunk)
        chunk = b""
        lines = list(io.StringIO(newlines.decode(text, final=last), newline=""))
        if rest:  # a long line is not searched again for its end
            lines[:1] = [rest + (lines[0] if lines else "")]
        rest = "" if not lines or last or lines[-1].endswith(("\n", "\r")) else lines.pop()
        if max(map(len, [rest, *lines])) > LONGEST_LINE:
            where = line + next(
                (i for i, line in enumerate(lines) if len(line) > LONGEST_LINE), len(lines)
            )
            raise RecordError(
                f"{name}:{where}: has more than {LONGEST_LINE:,} characters", f"{name}:{where}"
            )
        yield from lines
        line += len(lines)
        if last:
            return


def file_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """The lines of a file, decoded as by `decoded_lines`.

    Raises:
        UsageError: it cannot be opened.
        RecordError: see `decoded_lines`.
    """
    try:
        with path.open("rb") as file:
            yield from decoded_lines(file, str(path), encoding)
    except OSError as error:
        raise UsageError(f"{path} cannot be opened: {error.strerror or error}.") from error
    except ValueError as error:  # a NUL in the path
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} cannot be opened: {error}.") from error


def _decoder(encoding: str, name: str) -> codecs.IncrementalDecoder:
    try:
        if not codecs.lookup(encoding)._is_text_encoding:
            raise LookupError
        return codecs.getincrementaldecoder(encoding)()
    except LookupError:
        raise UsageError(f"{name}: {encoding!r} is not an encoding of text.") from None


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")
