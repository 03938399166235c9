"""Request bodies, read within limits of time and size, and their content."""

from __future__ import annotations

import asyncio
import io
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

import msgspec
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from warmstart.serve.errors import Refused, invalid, too_large
from warmstart.serve.settings import Settings
from warmstart.serve.struct_errors import explain

ResultT = TypeVar("ResultT")
ArgumentsT = TypeVarTuple("ArgumentsT")

INLINE = 2**18
"""Maximum number of bytes that are decompressed or parsed in the event loop. Larger ones are processed in
a thread, so that other requests are not delayed.
"""
ALWAYS = INLINE + 1
"""The size for work that `offload` runs in a thread in any case."""
UTF_8 = ("utf-8", "utf8", "us-ascii", "ascii")
MAX_DEPTH = 32
"""Maximum nesting of JSON; no request needs more than five levels."""
MAX_VALUES = 10_000_000
MAX_STRINGS = 2_000_000
MAX_CONTAINERS = 1_000_000
"""Limits of a JSON body, counted before it is parsed. A value takes about 30 bytes of memory, a string
60, an array or object 100.
"""


async def receive(request: Request, settings: Settings) -> bytes:
    """The body as it was sent, which may be compressed.

    Raises:
        Refused: it is too large, arrives too slowly, or is incomplete.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > settings.max_body:
        raise too_large(f"The body has {length[:20]} bytes; {settings.max_body} at most.")
    content = io.BytesIO()  # `getvalue` does not copy, unlike joining chunks
    try:
        async with asyncio.timeout(settings.body_timeout):
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise Refused(499, "disconnected", "The client disconnected.")
                content.write(message.get("body", b""))
                if content.tell() > settings.max_body:
                    raise too_large(f"The body has more than {settings.max_body} bytes.")
                if not message.get("more_body"):
                    break
    except TimeoutError:
        raise Refused(
            408, "slow", f"The body took longer than {settings.body_timeout:g} s."
        ) from None
    return content.getvalue()


def content_encoding(request: Request) -> str:
    """The Content-Encoding of the body; "" if it has none."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    return "" if encoding == "identity" else encoding


def decompressed(data: bytes, encoding: str, limit: int) -> bytes:
    """The content of a compressed body.

    Raises:
        Refused: it has more than `limit` bytes, is damaged, or the encoding is not supported.
    """
    windows = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}.get(encoding)
    if windows is None:
        raise Refused(
            415,
            "invalid",
            f"Content-Encoding {encoding[:40]!r} is not supported; use gzip or deflate.",
            {"Accept-Encoding": "gzip, deflate"},
        )
    for window in windows:  # some clients send deflate without zlib's header
        stream = zlib.decompressobj(window)
        try:
            content = stream.decompress(data, limit + 1)
        except zlib.error:
            continue
        if len(content) > limit:
            raise too_large(f"The body has more than {limit} bytes when it is decompressed.")
        if stream.eof and not stream.unused_data:
            return content
    raise invalid(f"The body is not complete {encoding} data.")


async def offload(
    size: int, work: Callable[[*ArgumentsT], ResultT], *arguments: *ArgumentsT
) -> ResultT:
    """Run work on `size` bytes: directly, or in a thread if there are more than `INLINE`."""
    if size <= INLINE:
        return work(*arguments)
    return await asyncio.get_running_loop().run_in_executor(None, work, *arguments)


def parse_json(data: bytes, struct: Any = Any) -> Any:
    """JSON values, or a `msgspec.Struct`.

    Raises:
        Refused: it is not JSON, not UTF-8, nested too deeply, or does not fit the struct.
    """
    if not data:
        raise invalid("The body is empty; JSON was expected.")
    containers = _check_counts(data)
    content = memoryview(data)[len(BOM_UTF8) :] if data.startswith(BOM_UTF8) else data
    try:
        value = msgspec.json.decode(content, type=struct)
    except msgspec.ValidationError as error:
        if struct is not Any:
            raise invalid(explain(error, struct)) from None
        raise invalid(f"The JSON is invalid: {error}") from None  # a number out of range
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(f"The JSON is invalid: {error}") from None
    except RecursionError:
        raise invalid("The JSON is nested too deeply.") from None
    if struct is Any and containers > MAX_DEPTH and _depth(value, MAX_DEPTH) < 0:
        raise invalid("The JSON is nested too deeply.")
    return value


def _check_counts(data: bytes) -> int:
    """Refuse JSON with too many values; returns the number of arrays and objects. Delimiters inside
    strings count, too.
    """
    containers = data.count(b"[") + data.count(b"{")
    for count, limit, what in (
        (data.count(b","), MAX_VALUES, "values"),
        (data.count(b'"'), 2 * MAX_STRINGS, "strings"),
        (containers, MAX_CONTAINERS, "arrays and objects"),
    ):
        if count > limit:
            raise too_large(f"The JSON has too many {what}.")
    return containers


def _depth(value: Any, left: int) -> int:
    """The remaining levels below a value; negative if it is nested too deeply."""
    if left < 0 or not isinstance(value, list | dict):
        return left
    inner = value.values() if isinstance(value, dict) else value
    containers = (item for item in inner if type(item) in (list, dict))
    return min((_depth(item, left - 1) for item in containers), default=left)


def require_json(request: Request, *others: str) -> None:
    """Check that the Content-Type is JSON: pages of other origins can send plain texts and forms
    without a preflight request.

    Args:
        request: the request.
        others: media types that are also accepted; "": a missing Content-Type.

    Raises:
        Refused: it is another type.
    """
    media = media_type(request)
    if not is_json(media) and media not in others:
        raise Refused(
            415, "invalid", f"Content-Type must be application/json, not {media[:80] or 'absent'}."
        )
    require_utf8(request.headers.get("content-type", ""))


def require_utf8(content_type: str) -> None:
    """Check that the Content-Type of a text or of JSON names no charset but UTF-8 and its subset.

    Raises:
        Refused: it names another.
    """
    media = content_type.partition(";")[0].strip().lower()
    if not (media.startswith("text/") or is_json(media)):
        return
    parameters = parse_options_header(content_type.encode("latin-1", "replace"))[1]
    charset = parameters.get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() not in UTF_8:
        message = f"The charset {charset[:80]!r} of Content-Type is not supported; send UTF-8."
        raise Refused(415, "invalid", message)


def is_json(media: str) -> bool:
    """Whether a media type is that of JSON."""
    return media == "application/json" or media.endswith("+json")


def media_type(request: Request) -> str:
    """The Content-Type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
