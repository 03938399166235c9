"""Whatever the caller gave, as single texts, lazily: a text, a pair, lists, generators, files of lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from warmstart.core.inputs import Item
from warmstart.core.reading import printable
from warmstart.errors import InputError, UsageError
from warmstart.text.tokenizer import check_text

SHOWN = 200
"""Characters of a text that results repeat as their `input`."""
LONGEST_LINE = 16 * 2**20
"""Bytes of one line of a file."""


class Pair(NamedTuple):
    """Two texts that are judged together: a premise and a hypothesis, a question and a sentence."""

    text: str
    pair: str


def is_single(inputs: Any) -> bool:
    """Whether the caller means one text or one pair, and wants one result and not a list.

    One is: a str, bytes, a tuple of two texts, a mapping with the key "text". A path object is a file of lines.
    """
    if isinstance(inputs, str | bytes | bytearray | Mapping):
        return True
    return isinstance(inputs, tuple) and len(inputs) == 2 and all(isinstance(t, str | bytes) for t in inputs)


def iter_texts(inputs: Any) -> Iterator[Item]:
    """The single texts of `inputs`, one at a time; `Item.value` is what `text_of` takes.

    Args:
        inputs: a text or pair (see `is_single`); a path object of a UTF-8 file with one text a line (empty lines are
            left out); a list, tuple, generator, array or column of texts and pairs.

    Raises:
        UsageError: it is nothing of this.
        InputError: the file cannot be read.
    """
    if is_single(inputs):
        return iter([Item("the text", inputs)])
    if isinstance(inputs, os.PathLike):
        return _lines(os.fsdecode(inputs))
    if inputs is None or not hasattr(inputs, "__iter__"):
        what = "None" if inputs is None else f"an object of type {type(inputs).__name__}"
        raise UsageError(f"cannot take texts from {what}; give a text, a pair of texts, a list of them, or the "
                         "path object of a file with one text a line")
    return (Item(f"item {place}", value) for place, value in enumerate(inputs, 1))


def text_of(item: Item) -> Pair | str:
    """The text or pair of an item.

    Raises:
        InputError: it is empty, no text, not UTF-8, or too long; the message names the item.
    """
    value = item.value
    if isinstance(value, InputError):
        raise value
    if isinstance(value, Mapping):
        value = _of_mapping(value, item.name)
    if isinstance(value, tuple | list) and len(value) == 2:
        return Pair(_text(value[0], item.name), _text(value[1], item.name))
    return _text(value, item.name)


def _of_mapping(value: Mapping[str, Any], name: str) -> Any:
    for first, second in (("text", "text_pair"), ("question", "context")):
        if first in value and value.keys() <= {first, second}:
            return value[first] if value.get(second) is None else (value[first], value[second])
    raise InputError(f"{name}: a mapping has the keys 'text' and, for a pair, 'text_pair'; or 'question' and "
                     f"'context'; not {', '.join(map(repr, value)) or 'none'}", name)


def shown(text: Pair | str) -> str:
    """How results name their input: the text, cut where it is long."""
    whole = " | ".join(text) if isinstance(text, Pair) else text
    return whole if len(whole) <= SHOWN else whole[:SHOWN - 1] + "…"


def _text(value: Any, name: str) -> str:
    if isinstance(value, bytes | bytearray):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{name}: is not UTF-8 at byte {error.start}; save it as UTF-8", name) from error
    check_text(value, name)
    if not value.strip():
        raise InputError(f"{name}: is empty; there is nothing to say about it", name)
    return value


def _lines(path: str) -> Iterator[Item]:
    name = printable(path)
    try:
        with open(path, "rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                if line.strip():
                    yield Item(f"{name}:{number}", line.rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf"))
    except OSError as error:
        raise InputError(f"{name}: cannot be opened ({error.strerror or error})", name) from error
    if number == 0:
        raise InputError(f"{name}: is empty", name)
