"""Bodies of type multipart/form-data, which browsers and `curl -F` send.

Source: RFC 7578, and RFC 2046, section 5.1. The body is in memory already, within its limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from warmstart.serve.errors import invalid

MOST_PARTS = 100
LARGEST_HEAD = 8192
_PARAMETER = re.compile(r';\s*([\w-]+\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')


@dataclass(frozen=True)
class Part:
    """One field: its name, the name of the file (None where it is no file), its type, its bytes."""

    name: str
    filename: str | None
    media: str
    data: bytes


def parameters(header: str) -> dict[str, str]:
    """What follows the first semicolon of a header: `form-data; name="file"` -> {"name": "file"}."""
    found = {}
    for name, quoted, bare in _PARAMETER.findall(header):
        value = re.sub(r"\\(.)", r"\1", quoted) or bare
        if name.endswith("*"):  # RFC 5987: filename*=UTF-8''na%C3%AFve.png
            name, value = name[:-1], unquote(value.rpartition("'")[2], "utf-8", "replace")
        found[name.lower()] = value
    return found


def parts(body: bytes, content_type: str) -> list[Part]:
    """The fields of a body.

    Raises:
        Refused: it is not well formed.
    """
    boundary = parameters(content_type).get("boundary", "")
    if not 0 < len(boundary) <= 200 or not boundary.isascii():
        raise invalid("multipart/form-data needs a boundary in its Content-Type.")
    mark = b"--" + boundary.encode()
    if not body.startswith(mark):
        raise invalid("The multipart body does not begin with its boundary.")
    found: list[Part] = []
    place = len(mark)
    while not body.startswith(b"--", place):
        if not body.startswith(b"\r\n", place):
            raise invalid("A boundary of the multipart body is not followed by a new line.")
        head, end = body.find(b"\r\n\r\n", place, place + LARGEST_HEAD), body.find(b"\r\n" + mark, place + 2)
        if not place <= head < end:
            raise invalid("A part of the multipart body is cut off, or its headers are too long.")
        found.append(_part(body[place + 2:head].decode("utf-8", "replace"), body[head + 4:end]))
        if len(found) > MOST_PARTS:
            raise invalid(f"The multipart body has more than {MOST_PARTS} parts.")
        place = end + 2 + len(mark)
    return found


def _part(head: str, data: bytes) -> Part:
    headers = {name.strip().lower(): value.strip() for name, _, value in
               (line.partition(":") for line in head.split("\r\n"))}
    told = parameters(headers.get("content-disposition", ""))
    if "name" not in told:
        raise invalid("A part of the multipart body has no name in its Content-Disposition.")
    name = re.split(r"[/\\]", told["filename"])[-1] if "filename" in told else None
    return Part(told["name"], name, headers.get("content-type", "").lower(), data)
