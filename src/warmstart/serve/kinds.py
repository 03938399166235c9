"""What a task takes: from the bytes or the JSON of a request to an input of the model.

No path and no address of a request is ever opened here: a string in JSON is a text, or base64 of a file's bytes.
"""

from __future__ import annotations

import binascii
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from warmstart.errors import InputError
from warmstart.serve.errors import Refused, invalid, too_large
from warmstart.serve.settings import Settings

_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[\w=.+-]+)*;base64,", re.ASCII)
_URL = re.compile(r"https?://", re.IGNORECASE)
MOST_VALUES = 10_000_000  # numbers of one series


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    Attributes:
        name: also of V2's BYTES tensor.
        media: types that a raw body may have, besides application/octet-stream.
        of_bytes: a file's bytes, as a raw body or an upload, -> the model's input.
        of_json: a JSON value -> the model's input.
        schema: of that JSON value.
    """

    name: str
    media: tuple[str, ...]
    of_bytes: Callable[[bytes, Settings], Any]
    of_json: Callable[[Any, Settings], Any]
    schema: Mapping[str, Any]


def _file(data: bytes, settings: Settings) -> bytes:
    if not data:
        raise invalid("The file is empty.")
    return data


def _base64(value: Any, settings: Settings) -> Any:
    if isinstance(value, dict) and value.keys() == {"base64"}:
        value = value["base64"]
    if not isinstance(value, str):
        raise invalid("A file in JSON is a string: the base64 of its bytes.")
    if settings.allow_urls and _URL.match(value):
        return value
    if head := _DATA_URL.match(value[:200]):
        value = value[head.end():]
    try:
        return _file(binascii.a2b_base64(value, strict_mode=True), settings)
    except (binascii.Error, ValueError) as error:
        hint = " Paths and addresses are not opened by this server." if re.match(r"[./~\\]|[a-z]+:", value[:9]) else ""
        raise invalid(f"A file in JSON is the base64 of its bytes; this is not: {str(error)[:80]}.{hint}") from None


def _decoded(data: bytes, settings: Settings) -> str:
    try:
        return _text(data.decode("utf-8-sig"), settings)
    except UnicodeDecodeError as error:
        raise invalid(f"The text is not UTF-8 at byte {error.start}.") from None


def _text(value: Any, settings: Settings) -> str:
    if not isinstance(value, str):
        raise invalid("A text is a string.")
    if len(value) > settings.max_text:
        raise too_large(f"The text has {len(value):,} characters; {settings.max_text:,} at most.")
    if re.search("[\0\ud800-\udfff]", value):
        raise invalid("The text holds characters that are none (NUL or half of a surrogate pair).")
    return value


def _pair(first: str, second: str, *, needed: bool) -> Callable[[Any, Settings], Any]:
    def read(value: Any, settings: Settings) -> Any:
        if isinstance(value, str) and not needed:
            return _text(value, settings)
        if isinstance(value, dict) and first in value and value.keys() <= {first, second}:
            if second not in value and not needed:
                return _text(value[first], settings)
            if second in value:
                return _text(value[first], settings), _text(value[second], settings)
        either = "a string, or " if not needed else ""
        raise invalid(f"An input is {either}an object with {first!r} and {second!r}.")

    return read


def _question(data: bytes, settings: Settings) -> Any:
    raise Refused(415, "invalid", 'A question comes as JSON: {"inputs": {"question": "…", "context": "…"}}.')


def _table(data: bytes, settings: Settings) -> Any:
    """A CSV file as a DataFrame; told apart are commas, semicolons and tabs, as in `series.tables.read`."""
    import pandas as pd

    _decoded(data[:4096].rpartition(b"\n")[0] or data[:4096], settings)
    head = data.lstrip()[:4096].split(b"\n", 1)[0]
    separator = max((",", ";", "\t"), key=lambda mark: head.count(mark.encode()))
    try:
        table = pd.read_csv(io.BytesIO(data), sep=separator, skipinitialspace=True)
    except (ValueError, OverflowError) as error:  # pandas' own errors are ValueErrors, and so are those of encodings
        raise invalid(f"The table cannot be read as CSV: {str(error).splitlines()[0][:200]}") from None
    if table.size > MOST_VALUES:
        raise too_large(f"The table has {table.size:,} values; {MOST_VALUES:,} at most.")
    return table


def _number_or_null(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _series(value: Any, settings: Settings) -> Any:
    """Numbers -> an array; an object with columns -> a table."""
    import numpy as np

    if isinstance(value, list):
        if not value or not all(_number_or_null(one) for one in value):
            raise invalid("A series is an array of numbers, at least one; null is a missing one.")
        try:
            return np.array([np.nan if one is None else one for one in value], np.float64)
        except OverflowError:
            raise invalid("A number of the series is too large.") from None
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        import pandas as pd

        if len({len(column) for column in value.values()}) != 1 or not len(next(iter(value.values()))):
            raise invalid("The columns of a table have the same number of values, at least one.")
        if not all(one is None or isinstance(one, int | float | str) for column in value.values() for one in column):
            raise invalid("The values of a table are numbers, strings or null.")
        return pd.DataFrame(value)
    raise invalid("A series is an array of numbers, or a table: an object of columns, such as "
                  '{"timestamp": ["2024-01-01T00", …], "target": [1.5, …]}.')


_BASE64 = {"type": "string", "format": "byte", "minLength": 1}
_STRING = {"type": "string", "minLength": 1, "maxLength": 200_000}
_COLUMN = {"type": "array", "minItems": 1, "items": {"type": ["number", "string", "null"]}}


def _mapping(first: str, second: str, *, needed: bool) -> dict[str, Any]:
    return {"type": "object", "required": [first, second] if needed else [first], "additionalProperties": False,
            "properties": {first: _STRING, second: _STRING}}


IMAGE = Kind("image", ("image/",), _file, _base64, {**_BASE64, "format": "image-base64"})
AUDIO = Kind("audio", ("audio/", "video/webm"), _file, _base64, {**_BASE64, "format": "audio-base64"})
TEXT = Kind("text", ("text/",), _decoded, _text, _STRING)
PAIR = Kind("text", ("text/",), _decoded, _pair("text", "text_pair", needed=False),
            {"anyOf": [_STRING, _mapping("text", "text_pair", needed=False)]})
QUESTION = Kind("question", (), _question, _pair("question", "context", needed=True),
                _mapping("question", "context", needed=True))
SERIES = Kind("series", ("text/csv", "application/vnd.ms-excel", "text/plain"), _table, _series, {"anyOf": [
    {"type": "array", "minItems": 1, "items": {"type": ["number", "null"]}},
    {"type": "object", "minProperties": 1, "additionalProperties": _COLUMN}]})

KINDS = {
    "image-classification": IMAGE, "object-detection": IMAGE, "image-segmentation": IMAGE,
    "text-classification": PAIR, "token-classification": TEXT, "fill-mask": TEXT, "text-embedding": TEXT,
    "question-answering": QUESTION, "text-generation": TEXT, "speech-recognition": AUDIO, "audio-generation": TEXT,
    "forecasting": SERIES,
}


def kind_of(task: str, processing: Mapping[str, Any]) -> Kind:
    """What a model takes; a vocoder takes a recording, other makers of sound a text."""
    if task == "audio-generation" and processing.get("frames") == "features":
        return AUDIO
    return KINDS[task]


def check_size(kind: Kind, value: Any, settings: Settings) -> None:
    """Refuse a picture or recording that unpacks to too much; only its header is read. Runs in a worker thread.

    Raises:
        InputError: it is too large, or no such file.
    """
    if kind is IMAGE and isinstance(value, bytes):
        from warmstart.image import decoder

        decoder.size(value, name="the picture", max_pixels=settings.max_pixels)
    elif kind is AUDIO and isinstance(value, bytes):
        import soundfile

        try:
            told = soundfile.info(io.BytesIO(value))
        except (soundfile.LibsndfileError, TypeError, RuntimeError):
            raise InputError("the recording: is not one that can be read (WAV, FLAC, OGG, MP3, AIFF)",
                             "the recording") from None
        if told.samplerate and told.frames / told.samplerate > settings.max_audio:
            raise InputError(f"the recording: is longer than {settings.max_audio:g} s", "the recording")
