"""Types of input: photos, texts, recordings, series, … in Python, in requests and on the command line.

An input kind defines how many inputs a Python object contains, and reads one from a request or an
argument. No path or URL of a request is opened here: a string in JSON is a text, or base64.
"""

from __future__ import annotations

import binascii
import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypeVar

from warmstart.core import table_inputs
from warmstart.core.inputs import Item, is_single, iter_items, type_text
from warmstart.core.reading import input_name, printable
from warmstart.core.records.columns import Field
from warmstart.core.table_inputs import SINGLE, is_table
from warmstart.errors import InputError, TooLargeError, UsageError, documented_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[\w=.+-]+)*;base64,", re.ASCII)
_HTTP = re.compile(r"https?://", re.IGNORECASE)
_PATH_OR_URL = re.compile(r"[./~\\]|[a-z]+:")
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ListOf(Protocol[T_co]):
    """A list, covariantly: `list[str]` is `ListOf[str | Path]`; no str, tuple or array is one."""

    def __iter__(self) -> Iterator[T_co]: ...
    def __len__(self) -> int: ...
    def reverse(self) -> None: ...


class SeriesColumn(Protocol):
    """A column of pandas or polars."""

    def __len__(self) -> int: ...
    def to_frame(self) -> Any: ...


class ArrowColumn(Protocol):
    """A column of pyarrow."""

    def __len__(self) -> int: ...
    def to_pylist(self) -> Any: ...


Several: TypeAlias = ListOf[T] | SeriesColumn | ArrowColumn
"""Several inputs: a list, or a column of a table."""


class Readable(Protocol):
    """An open binary file."""

    def read(self, size: int = ..., /) -> bytes: ...


Argument: TypeAlias = str | Readable
"""An argument of the command line, or standard input if it holds a file."""


class Limits(Protocol):
    """What a server accepts; see `serve.settings.Settings`."""

    @property
    def max_text(self) -> int: ...
    @property
    def max_pixels(self) -> int: ...
    @property
    def max_audio(self) -> float: ...
    @property
    def max_values(self) -> int: ...
    @property
    def max_columns(self) -> int: ...
    @property
    def allow_urls(self) -> bool: ...


class InputKind(ABC):
    """A type of input.

    Attributes:
        name: "image": in messages, and the name of the tensor in the Open Inference Protocol.
        noun, plural: "photo", "photos", in messages.
        media: media types of a request body, besides application/octet-stream; "image/" stands for
            all of them.
        schema: JSON Schema of one input.
        tensors: name -> (datatype, shape) in the Open Inference Protocol.
        optional_tensors: those of `tensors` that a request may leave out.
        field: how its column is called in tables.
        pairs: whether an input may be a pair, in two columns.
        is_file: whether an input is a file, whose name identifies it.
        table_suffixes: those of files that hold several inputs each, such as tables of series.
        default_name: of the one input of a call, if it has no name of its own.
        is_parsed: whether `from_bytes` parses the bytes, which takes time, or only checks them.
        row_is_input: whether each row of a table is an input.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    plural: ClassVar[str]
    media: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[Mapping[str, Any]]
    tensors: ClassVar[Mapping[str, tuple[str, list[int]]]]
    optional_tensors: ClassVar[frozenset[str]] = frozenset()
    field: ClassVar[Field]
    pairs: ClassVar[bool] = False
    suffixes: ClassVar[frozenset[str]] = frozenset()
    is_file: ClassVar[bool] = False
    table_suffixes: ClassVar[tuple[str, ...]] = ()
    default_name: ClassVar[str] = "the input"
    is_parsed: ClassVar[bool] = False
    row_is_input: ClassVar[bool] = True

    # Python

    def is_several(self, inputs: Any) -> bool:
        """Whether a call returns a list: for a list, and for a column of a table."""
        return isinstance(inputs, list) or (type(inputs) not in SINGLE and self.is_column(inputs))

    def is_column(self, inputs: Any) -> bool:
        """Whether this is a column of a table whose cells are inputs."""
        return table_inputs.is_column(inputs)

    @abstractmethod
    def single(self, value: Any) -> Item:
        """The one input of a call.

        Raises:
            UsageError: it is none, or stands for many; the message names `stream`.
        """

    @abstractmethod
    def stream(self, inputs: Any) -> Iterator[Item]:
        """The inputs of an iterator, a folder, a pattern or a file of lines, one at a time.

        Raises:
            UsageError: it is nothing of these, or holds no input.
        """

    def elements(self, inputs: Iterable[Any]) -> Iterator[Item]:
        """The inputs of a list, column or iterator, in order; one that is unusable has an
        `InputError` as its value.
        """
        values = table_inputs.cells(inputs) if self.is_column(inputs) else inputs
        for index, value in enumerate(values):
            if isinstance(value, InputError):
                yield Item(value.item or f"item {index + 1}", value, index)
                continue
            try:
                item = self.single(value)
            except (UsageError, InputError) as error:
                name = input_name(value) or f"item {index + 1}"
                prefix = "" if str(error).startswith(name) else f"{name}: "
                yield Item(name, InputError(f"{prefix}{error}", name), index)
            else:
                name = f"item {index + 1}" if item.name in ("", self.default_name) else item.name
                yield Item(name, item.value, index)

    # Requests

    @abstractmethod
    def from_bytes(self, data: bytes, limits: Limits) -> Any:
        """An input from a request body or an uploaded file.

        Raises:
            InputError: it is none.
        """

    @abstractmethod
    def from_json(self, value: Any, limits: Limits) -> Any:
        """An input from a JSON value.

        Raises:
            InputError: it is none.
        """

    def is_several_json(self, value: Any) -> bool:
        """Whether a JSON value is several inputs."""
        return isinstance(value, list)

    def check_size(
        self, value: Any, limits: Limits, options: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether an input needs so much memory, by its header, that a server processes it separately.

        Raises:
            InputError: it is larger than the limits allow, with these options of the call.
        """
        return False

    def warmup_input(self) -> Any:
        """A small input to run a model once before use; None: none suits most models."""
        return None

    def from_tensors(self, arrays: Mapping[str, NDArray[Any]], limits: Limits) -> list[Any]:
        """The inputs of a request of the Open Inference Protocol, one for each row of its tensors.

        Raises:
            InputError: a tensor has another datatype or shape, or holds no input.
        """
        columns: dict[str, list[bytes]] = {}
        for name, array in arrays.items():
            if array.dtype != object or array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
                raise InputError(f"{name} must be BYTES of the shape [rows] or [rows, 1].")
            columns[name] = list(array.ravel())
        if len({len(column) for column in columns.values()}) != 1:
            raise InputError("All inputs must have the same number of rows.")
        values = []
        for number, row in enumerate(zip(*columns.values(), strict=True), 1):
            try:
                values.append(self._from_row(dict(zip(columns, row, strict=True)), limits))
            except InputError as error:
                error.args = (f"row {number}: {error}",)
                raise
        return values

    def _from_row(self, row: Mapping[str, bytes], limits: Limits) -> Any:
        """An input from a row of tensors: its bytes, or texts by name."""
        if len(row) == 1:
            return self.from_bytes(self.unpacked(*row.values()), limits)
        return self.from_json({n: decoded_text(data, limits) for n, data in row.items()}, limits)

    def unpacked(self, data: bytes) -> bytes:
        """The bytes of one element of a BYTES tensor."""
        return data

    # The command line

    def from_arguments(self, arguments: Iterable[Argument]) -> Any:
        """What `stream` takes, for the arguments of a command."""
        return iter(arguments)

    def is_content(self, line: str) -> bool:
        """Whether standard input that begins with this line is one file; else each line is an input."""
        return False


class FileKind(InputKind):
    """Inputs that are files: photos and recordings."""

    is_file = True
    default_name = "item 1"

    @documented_in("inputs.md#one-several-a-stream")
    def single(self, value: Any) -> Item:
        if self.is_input(value) and not is_table(value):
            return Item(input_name(value) or self.default_name, value)
        raise UsageError(self.refusal(value))

    def is_input(self, value: Any) -> bool:
        """Whether this is one input: a path or URL of a file, bytes, an open file, or what the kind
        adds.
        """
        return is_single(value)

    def refusal(self, value: Any) -> str:
        """Why a value is not one input, and what to do."""
        if isinstance(value, str) or hasattr(value, "__fspath__"):
            name = printable(str(value))
            return f"{name} may hold several {self.plural}; iterate over model.stream({name!r})."
        if is_table(value):
            return table_inputs.refusal(value, self)
        if hasattr(value, "ndim") and hasattr(value, "shape"):
            return f"An array of {value.ndim} dimensions is not one {self.noun}; pass list(x)."
        if isinstance(value, Mapping) or not hasattr(value, "__iter__"):
            what = type_text(value)
            return f"cannot take {self.plural} from {what}; pass a path, URL, bytes, file or array."
        if isinstance(value, tuple | set | frozenset):
            return f"Several {self.plural} are a list: model(list(x))."
        if isinstance(value, list):
            return f"A list is not one {self.noun}; pass each of its {self.plural} on its own."
        return f"An iterator contains several {self.plural}; use model.stream(x) or model(list(x))."

    @documented_in("inputs.md#one-several-a-stream")
    def stream(self, inputs: Any) -> Iterator[Item]:
        if self.is_column(inputs):
            return self.elements(inputs)
        if self.is_input(inputs) or is_table(inputs):
            return iter([self.single(inputs)])
        return iter_items(inputs, suffixes=self.suffixes, what=self.noun)

    def from_bytes(self, data: bytes, limits: Limits) -> bytes:
        if not data:
            raise InputError("The file is empty.")
        return data

    def unpacked(self, data: bytes) -> bytes:
        if len(data) % 4 == 0:  # JSON cannot hold a file's bytes, so they may come as base64
            with contextlib.suppress(binascii.Error):
                return binascii.a2b_base64(data, strict_mode=True)
        return data

    def from_json(self, value: Any, limits: Limits) -> bytes | str:
        if isinstance(value, dict) and value.keys() == {"base64"}:
            value = value["base64"]
        if not isinstance(value, str):
            raise InputError("A file in JSON is a string: the base64 of its bytes.")
        if limits.allow_urls and _HTTP.match(value):
            return value
        if head := _DATA_URL.match(value[:200]):
            value = value[head.end() :]
        try:
            return self.from_bytes(binascii.a2b_base64(value, strict_mode=True), limits)
        except (binascii.Error, ValueError) as error:
            hint = (
                " Paths and URLs are not opened by this server."
                if _PATH_OR_URL.match(value[:9])
                else ""
            )
            reason = str(error).removeprefix("Invalid base64-encoded string: ")
            raise InputError(
                f"A file in JSON is the base64 of its bytes; this is not: {reason}.{hint}"
            ) from None


def checked_text(value: Any, limits: Limits) -> str:
    """A text of a request.

    Raises:
        InputError: it is not a string, too long, or holds characters that no text has.
    """
    if not isinstance(value, str):
        raise InputError("A text is a string.")
    if len(value) > limits.max_text:
        raise TooLargeError(f"The text has {len(value):,} characters; {limits.max_text:,} at most.")
    if _NOT_TEXT.search(value):
        raise InputError("The text contains a NUL character or an unpaired surrogate.")
    return value


def decoded_text(data: bytes, limits: Limits) -> str:
    """The text of a request body or file: UTF-8, with or without a byte order mark.

    Raises:
        InputError: it is not UTF-8, or no text.
    """
    try:
        return checked_text(data.decode("utf-8-sig"), limits)
    except UnicodeDecodeError as error:
        raise InputError(f"The text is not UTF-8 at byte {error.start}.") from None
