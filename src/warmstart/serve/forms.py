"""Bodies of type multipart/form-data, which browsers and `curl -F` send (RFC 7578).

The body is in memory already, within its limit; python-multipart parses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from warmstart.serve.body import require_utf8
from warmstart.serve.errors import invalid

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELDS = 100
MAX_HEADERS = 16
"""Maximum number of headers of a field."""
MAX_HEADER = 8192
"""Maximum bytes of a header."""


@dataclass(frozen=True)
class Field:
    """One field of a form: its name, the name of the file (None if it is not a file), its bytes."""

    name: str
    filename: str | None
    data: bytes


class _Collector:
    """Collects the fields from the callbacks of the parser."""

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.complete = False
        self._header, self._value, self._data = bytearray(), bytearray(), bytearray()
        self._disposition = b""

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_begin": self._begin_header,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": lambda data, start, end: self._data.extend(memoryview(data)[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        if len(self.fields) == MAX_FIELDS:
            raise invalid(f"The form has more than {MAX_FIELDS} fields.")
        self._disposition, self._data = b"", bytearray()

    def _begin_header(self) -> None:
        self._header, self._value = bytearray(), bytearray()

    def _end_header(self) -> None:
        header = self._header.lower()
        if header == b"content-disposition":
            self._disposition = bytes(self._value)
        elif header == b"content-type":
            require_utf8(self._value.decode("latin-1"))

    def _end_part(self) -> None:
        parameters = parse_options_header(self._disposition)[1]
        if b"name" not in parameters:
            raise invalid("A field of the form has no name in its Content-Disposition.")
        filename = None
        if b"filename" in parameters:
            filename = re.split(r"[/\\]", parameters[b"filename"].decode("utf-8", "replace"))[-1]
        name = parameters[b"name"].decode("utf-8", "replace")
        self.fields.append(Field(name, filename, bytes(self._data)))

    def _end(self) -> None:
        self.complete = True


def parse_form(body: bytes, content_type: str) -> list[Field]:
    """The fields of a multipart/form-data body.

    Raises:
        Refused: it is malformed or truncated, or beyond a limit.
    """
    boundary = parse_options_header(content_type.encode("latin-1", "replace"))[1].get(
        b"boundary", b""
    )
    if not 0 < len(boundary) <= 200:
        raise invalid("multipart/form-data needs a boundary in its Content-Type.")
    collector = _Collector()
    try:
        parser = MultipartParser(
            boundary,
            collector.callbacks(),
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER,
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise invalid(f"The form is malformed: {error}.") from None
    if not collector.complete:
        raise invalid("The form is truncated: its last boundary is missing.")
    return collector.fields
