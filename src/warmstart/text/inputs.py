"""Texts as inputs: `TEXT`, `PAIR`, `QUESTION`, `PROMPT`, and the text of an item."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, TypeAlias

from warmstart.core import table_inputs
from warmstart.core.input_kind import Argument, InputKind, Limits, checked_text, decoded_text
from warmstart.core.inputs import Item, type_text
from warmstart.core.reading import Line, input_name, is_file_name, printable
from warmstart.core.records import columns
from warmstart.core.table_inputs import is_table
from warmstart.errors import InputError, UsageError, documented_in
from warmstart.text.files import lines, split_at_tab, unreadable

MAX_SHOWN = 200
"""Characters of a text that results repeat as their `input`."""
PARTS = ("first text", "second text")
STRING_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 200_000}


class Pair(NamedTuple):
    """Two texts that belong together: a premise and a hypothesis, a question and its context."""

    text: str
    pair: str


Text: TypeAlias = str | bytes
"""A text, or its UTF-8 bytes."""
PairInput: TypeAlias = Text | tuple[Text, Text] | Mapping[str, Text]
"""A text, or a pair of texts: a tuple, or a mapping with the keys "text" and "text_pair"."""
QuestionInput: TypeAlias = tuple[Text, Text] | Mapping[str, Text]
"""A question and its context: a tuple, or a mapping with the keys "question" and "context"."""


class TextKind(InputKind):
    """Texts.

    Attributes:
        forms: the forms of one input in Python, for messages.
    """

    name = "text"
    noun = "text"
    plural = "texts"
    default_name = "the text"
    media: ClassVar[tuple[str, ...]] = ("text/",)
    schema: ClassVar = STRING_SCHEMA
    tensors: ClassVar = {"text": ("BYTES", [-1])}
    field = columns.TEXT
    pairs = False
    forms: ClassVar[str] = "a string, or UTF-8 bytes"

    # Python

    @documented_in("inputs.md#one-several-a-stream")
    def single(self, value: Any) -> Item:
        if isinstance(value, Item):  # a line of a file
            return value
        if isinstance(value, InputError):
            return Item(value.item or self.default_name, value)
        if self.is_input(value):
            return Item(self.default_name, value)
        raise UsageError(self.refusal(value))

    def is_input(self, value: Any) -> bool:
        """Whether this has the form of one input; `read` checks its content."""
        return isinstance(value, str | bytes | bytearray | Mapping)

    def refusal(self, value: Any) -> str:
        """Why a value is not one such input, and what to do."""
        if isinstance(value, os.PathLike):
            name = printable(os.fsdecode(value))
            return (
                f"{name} is a file of {self.plural}, one per line; iterate over model.stream(path)."
            )
        if isinstance(value, tuple | set | frozenset):
            return (
                f"A call takes one {self.noun} ({self.forms}); several {self.plural} are a "
                "list: model(list(x))."
            )
        if is_table(value):
            return table_inputs.refusal(value, self)
        if value is not None and hasattr(value, "__iter__") and not isinstance(value, list):
            return (
                f"An iterator contains several {self.plural}; iterate over model.stream(x), or "
                "call model(list(x))."
            )
        return f"cannot take {self.plural} from {type_text(value)}; a {self.noun} is {self.forms}."

    @documented_in("inputs.md#one-several-a-stream")
    def stream(self, inputs: Any) -> Iterator[Item]:
        if isinstance(inputs, os.PathLike):
            return lines(os.fsdecode(inputs))
        if is_table(inputs):
            raise UsageError(self.refusal(inputs))
        if self.is_several(inputs):
            return self.elements(inputs)
        if isinstance(inputs, str) and is_file_name(inputs):
            raise UsageError(
                f"{inputs!r} may be a file of {self.plural} or a {self.noun}: stream "
                f"pathlib.Path({inputs!r}) for its lines, or a list for the {self.noun} itself."
            )
        if isinstance(inputs, Item) or self.is_input(inputs):
            return iter([self.single(inputs)])
        if inputs is None or not hasattr(inputs, "__iter__"):
            raise UsageError(self.refusal(inputs))
        return self.elements(inputs)

    def read(self, item: Item) -> str | Pair:
        """The text or pair of an item.

        Raises:
            InputError: it is empty, no text, not UTF-8 or too long; the message names the item.
        """
        text = text_of(item)
        if isinstance(text, Pair):
            reason = f"is a pair of texts; the model takes one {self.noun} at a time"
            raise InputError(f"{item.name}: {reason}", item.name)
        return text

    # Requests

    def from_bytes(self, data: bytes, limits: Limits) -> Any:
        return decoded_text(data, limits)

    def from_json(self, value: Any, limits: Limits) -> Any:
        return checked_text(value, limits)

    # The command line

    def from_arguments(self, arguments: Iterable[Argument]) -> Iterator[Any]:
        """Texts, and `Item`s for the lines of .txt files.

        An argument that looks like a file and cannot be read is an `InputError`, never a text.
        """
        for argument in arguments:
            if not isinstance(argument, str):
                name = input_name(argument) or self.default_name
                yield Item(name, InputError(f"{name}: is not UTF-8 text", name))
            elif isinstance(argument, Line) or not is_file_name(argument):
                yield self.from_line(argument)
            elif reason := unreadable(argument):
                name = printable(argument)
                yield Item(name, InputError(f"{name}: {reason}", name))
            else:
                yield from self._file_lines(argument)

    def _file_lines(self, path: str) -> Iterator[Item]:
        try:
            for item in lines(path):
                yield Item(item.name, self.from_line(item.value))
        except InputError as error:
            yield Item(error.item, error)

    def from_line(self, line: str | bytes) -> Any:
        """The input that an argument or a line of a file stands for."""
        return line


class PairKind(TextKind):
    """Texts, or pairs of texts."""

    schema: ClassVar = {
        "anyOf": [
            STRING_SCHEMA,
            {
                "type": "object",
                "required": ["text"],
                "additionalProperties": False,
                "properties": {"text": STRING_SCHEMA, "text_pair": STRING_SCHEMA},
            },
        ]
    }
    tensors: ClassVar = {"text": ("BYTES", [-1]), "text_pair": ("BYTES", [-1])}
    optional_tensors = frozenset({"text_pair"})
    pairs = True
    forms = "a string, UTF-8 bytes, a tuple of two texts, or a mapping with 'text' and 'text_pair'"

    def is_input(self, value: Any) -> bool:
        return super().is_input(value) or _is_pair(value)

    def read(self, item: Item) -> str | Pair:
        return text_of(item)

    def from_json(self, value: Any, limits: Limits) -> Any:
        if isinstance(value, str):
            return checked_text(value, limits)
        if isinstance(value, dict) and value.keys() == {"text"}:
            return checked_text(value["text"], limits)
        return _pair_from_json(value, "text", "text_pair", "a string, or an object", limits)

    def from_line(self, line: str | bytes) -> Any:
        return split_at_tab(line)


class QuestionKind(PairKind):
    """Questions, each with the context that holds its answer."""

    name = "question"
    noun = "question"
    plural = "questions"
    default_name = "the question"
    media = ()
    schema: ClassVar = {
        "type": "object",
        "required": ["question", "context"],
        "additionalProperties": False,
        "properties": {"question": STRING_SCHEMA, "context": STRING_SCHEMA},
    }
    tensors: ClassVar = {"question": ("BYTES", [-1]), "context": ("BYTES", [-1])}
    optional_tensors: ClassVar[frozenset[str]] = frozenset()
    forms = "a tuple (question, context), or a mapping with these keys"

    def read(self, item: Item) -> Pair:
        text = text_of(item, ("question", "context"))
        if not isinstance(text, Pair):
            reason = "must be a question and a context: (question, context), or --context"
            raise InputError(f"{item.name}: {reason}", item.name)
        return text

    def from_bytes(self, data: bytes, limits: Limits) -> Any:
        raise InputError('A question must be JSON: {"inputs": {"question": "…", "context": "…"}}.')

    def from_json(self, value: Any, limits: Limits) -> Any:
        return _pair_from_json(value, "question", "context", "an object", limits)


class PromptKind(TextKind):
    """Texts to continue; an empty one is a beginning, too."""

    noun = "prompt"
    plural = "prompts"
    default_name = "the prompt"

    def stream(self, inputs: Any) -> Iterator[Item]:
        if isinstance(inputs, str | bytes | bytearray):
            raise UsageError(
                "stream() takes many prompts and returns their results; stream_text(prompt) "
                "streams the text of one prompt."
            )
        return super().stream(inputs)

    def read(self, item: Item) -> str:
        """The prompt of an item.

        Raises:
            InputError: it is not a text, not UTF-8 or too long; the message names the item.
        """
        value = item.value
        if isinstance(value, Mapping):
            value = _from_mapping(value, item.name)
        if isinstance(value, tuple):
            reason = "is a pair of texts; the model continues one text at a time"
            raise InputError(f"{item.name}: {reason}", item.name)
        return _string(value, item.name)


TEXT = TextKind()
PAIR = PairKind()
QUESTION = QuestionKind()
PROMPT = PromptKind()


def text_of(item: Item, parts: tuple[str, str] = PARTS) -> str | Pair:
    """The text or pair of an item; `parts` are what messages call the two texts of a pair.

    Raises:
        InputError: it is empty, no text, not UTF-8 or too long; the message names the item.
    """
    value = item.value
    if isinstance(value, Mapping):
        value = _from_mapping(value, item.name)
    if isinstance(value, tuple | list) and len(value) == 2:
        first, second = (
            _non_empty(text, item.name, f"the {part} ")
            for text, part in zip(value, parts, strict=True)
        )
        return Pair(first, second)
    return _non_empty(value, item.name)


def display_text(text: str | Pair) -> str:
    """The `input` of a result: the text, shortened if it is long."""
    whole = " | ".join(text) if isinstance(text, Pair) else text
    return whole if len(whole) <= MAX_SHOWN else whole[: MAX_SHOWN - 1] + "…"


def _is_pair(value: Any) -> bool:
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    return all(isinstance(text, str | bytes | bytearray) for text in value)


def _from_mapping(value: Mapping[str, Any], name: str) -> Any:
    for first, second in (("text", "text_pair"), ("question", "context")):
        if first in value and value.keys() <= {first, second}:
            if several := [key for key in value if not _is_text(value[key])]:
                type_name = type(value[several[0]]).__name__
                reason = f"{several[0]!r} is not one text but {type_name}; several texts are a list"
                raise InputError(f"{name}: {reason}", name)
            return value[first] if value.get(second) is None else (value[first], value[second])
    unknown = [key for key in value if key not in ("text", "text_pair", "question", "context")]
    keys = ", ".join(map(repr, unknown or value)) or "none"
    raise InputError(
        f"{name}: a mapping has the keys 'text' and, for a pair, 'text_pair'; "
        f"or 'question' and 'context'; not {keys}",
        name,
    )


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str | bytes | bytearray)


def _non_empty(value: Any, name: str, part: str = "") -> str:
    text = _string(value, name)
    if not text.strip():
        raise InputError(f"{name}: {part}is empty", name)
    return text


def _string(value: Any, name: str) -> str:
    if isinstance(value, InputError):  # of a file that cannot be read
        raise value
    if isinstance(value, bytes | bytearray):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            reason = f"is not UTF-8 at byte {error.start}; save it as UTF-8"
            raise InputError(f"{name}: {reason}", name) from error
    if not isinstance(value, str):  # else the tokenizer checks it
        raise InputError(
            f"{name}: is not a text but an object of type {type(value).__name__}", name
        )
    return value


def _pair_from_json(
    value: Any, first: str, second: str, form: str, limits: Limits
) -> tuple[str, str]:
    if not isinstance(value, dict) or value.keys() != {first, second}:
        raise InputError(f"An input is {form} with {first!r} and {second!r}.")
    return checked_text(value[first], limits), checked_text(value[second], limits)
