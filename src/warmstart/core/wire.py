"""The wire form of results: which fields they have as JSON, and of which types.

A result is a frozen dataclass that derives from `Record`. Its annotations say all that is needed; from them come
`to_dict`, the JSON Schema of the server, the schema of Parquet files and the columns of CSV files.

    @dataclass(frozen=True)
    class Box(Record):
        label: str
        score: Score                      # a float that is rounded to 6 decimals
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from dataclasses import fields as dataclass_fields
from functools import cache
from inspect import get_annotations
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from warmstart.core.presentation import Presentation
from warmstart.json_values import JSON


@dataclass(frozen=True)
class Decimals:
    """Rounds a float to this number of decimals."""

    count: int


@dataclass(frozen=True)
class Digits:
    """Rounds a float to this number of significant digits."""

    count: int


@dataclass(frozen=True)
class Wire:
    """The wire type of a value of another type: `Annotated[NDArray, Wire(list[float])]`."""

    type: Any


class Omit:
    """Leaves a field out if its value is None, False or empty."""


Score: TypeAlias = Annotated[float, Decimals(6)]
"""A probability or score."""
Seconds: TypeAlias = Annotated[float, Decimals(3)]
"""A time or duration in seconds."""
Value: TypeAlias = Annotated[float, Digits(7)]
"""A float32 value."""


@dataclass(frozen=True)
class Scalar:
    """A bool, int, float or str; `choices` if the values are listed. NaN is null where that is
    allowed.
    """

    type: type
    nullable: bool = False
    rounding: Decimals | Digits | None = None
    choices: tuple[Any, ...] = ()

    def encode(self, value: Any) -> Any:
        if value is None:
            return None
        if self.type is not float:
            return self.type(value)
        number = float(value)
        if self.nullable and math.isnan(number):
            return None
        if isinstance(self.rounding, Decimals):
            return round(number, self.rounding.count)
        if isinstance(self.rounding, Digits):
            return float(f"{number:.{self.rounding.count}g}")
        return number

    def schema(self) -> dict[str, Any]:
        if self.choices:
            return {"enum": list(self.choices)}
        name = {bool: "boolean", int: "integer", float: "number", str: "string"}[self.type]
        return {"type": [name, "null"] if self.nullable else name}

    def cell(self, value: Any) -> str:
        """The value in a CSV file."""
        if value is None:
            return ""
        if self.type is float and isinstance(self.rounding, Decimals):
            return f"{value:.{self.rounding.count}f}"
        if self.type is float and isinstance(self.rounding, Digits):
            return f"{value:.{self.rounding.count}g}"
        return str(self.encode(value))


@dataclass(frozen=True)
class ListOf:
    """A sequence or array whose items have one type."""

    item: WireType

    def encode(self, values: Any) -> list[Any]:
        encode = self.item.encode
        return [encode(value) for value in values]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema()}

    def cell(self, values: Any) -> str:
        return " ".join(self.item.cell(value) for value in values)


@dataclass(frozen=True)
class MapOf:
    """A mapping from strings to values of one type."""

    item: WireType

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.item.encode(value) for name, value in values.items()}

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.item.schema()}

    def cell(self, values: Mapping[str, Any]) -> str:
        return " ".join(f"{name}:{self.item.cell(value)}" for name, value in values.items())


@dataclass(frozen=True)
class StructOf:
    """A record: the names of its fields, in order, with their types; those of `optional` may be
    absent.
    """

    fields: tuple[tuple[str, WireType], ...]
    optional: frozenset[str] = frozenset()

    def encode(self, record: Any) -> dict[str, Any]:
        encoded = {}
        for name, wire_type in self.fields:
            value = getattr(record, name)
            if name not in self.optional or (
                value is not None and value is not False and value != ()
            ):
                encoded[name] = wire_type.encode(value)
        return encoded

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "required": [name for name, _ in self.fields if name not in self.optional],
            "properties": {name: wire_type.schema() for name, wire_type in self.fields},
        }

    def cell(self, record: Any) -> str:
        return " ".join(wire_type.cell(getattr(record, name)) for name, wire_type in self.fields)


WireType: TypeAlias = Scalar | ListOf | MapOf | StructOf


class Record:
    """A result or a part of one: a frozen dataclass with a wire form.

    Class attributes:
        wire: the names on the wire, in order: fields or properties; default: all fields.
        embedded: names of properties that a client without access to files also needs, such as a
            sound as a WAV file in base64; the server sends them, `to_dict()` leaves them out.
    """

    wire: ClassVar[tuple[str, ...]] = ()
    embedded: ClassVar[tuple[str, ...]] = ()

    def to_dict(self, *, embed: bool = False) -> dict[str, JSON]:
        """The result as JSON values; `embed` adds what `embedded` names."""
        return wire_of(type(self), embed).encode(self)

    def encoded(self, name: str) -> Any:
        """A field or property as a JSON value."""
        return wire_type(annotation(type(self), name)).encode(getattr(self, name))


def wire_of(record: type[Record], embed: bool = False) -> StructOf:
    """The wire form of a class of results; `embed` adds what it names as `embedded`."""
    key: Any = record
    struct: StructOf = _struct(key, embed)
    return struct


@cache
def _struct(record: Any, embed: bool) -> StructOf:
    names = record.wire
    if not names:
        assert is_dataclass(record)
        names = tuple(field.name for field in dataclass_fields(record))
    names = (*names, *record.embedded) if embed else names
    fields, optional = [], set()
    for name in names:
        hint = annotation(record, name)
        fields.append((name, wire_type(hint)))
        if any(extra is Omit for extra in get_args(hint)[1:]):
            optional.add(name)
    return StructOf(tuple(fields), frozenset(optional))


def annotation(record: type, name: str) -> Any:
    """The annotation of a field, or of what a property returns.

    Those of other fields are not evaluated: they may name types that are imported for type checkers
    only.
    """
    for base in record.__mro__:
        annotations = get_annotations(base)
        if name in annotations:
            namespace = {
                "__annotations__": {name: annotations[name]},
                "__module__": base.__module__,
            }
            return get_type_hints(type(base.__name__, (), namespace), include_extras=True)[name]
    attribute = getattr(record, name)
    function: Callable[..., Any] = getattr(attribute, "fget", None) or attribute.func
    return get_type_hints(function, include_extras=True)["return"]


def wire_type(hint: Any, rounding: Decimals | Digits | None = None) -> WireType:
    """The wire type of an annotation.

    Raises:
        TypeError: it has none.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        for extra in arguments[1:]:
            if isinstance(extra, Wire):
                return wire_type(extra.type)
            if isinstance(extra, Decimals | Digits):
                rounding = extra
        return wire_type(arguments[0], rounding)
    if origin is Literal:
        return Scalar(type(arguments[0]), choices=arguments)
    if origin in (Union, types.UnionType):
        (member,) = (member for member in arguments if member is not type(None))
        scalar = wire_type(member, rounding)
        if not isinstance(scalar, Scalar):
            raise TypeError(f"only scalars may be None on the wire, not {hint}")
        return Scalar(scalar.type, True, scalar.rounding, scalar.choices)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return MapOf(wire_type(arguments[1], rounding))
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return ListOf(wire_type(arguments[0], rounding))
    if isinstance(hint, type) and issubclass(hint, Record):
        return wire_of(hint)
    if hint in (bool, int, float, str):
        return Scalar(hint, rounding=rounding)
    raise TypeError(f"{hint!r} has no wire type")


class Result(Presentation, Record):
    """The result of a model for one input. It is truthy, whereas `Failed` is falsy.

    Class attributes:
        rows: the wire field whose records are the rows of a CSV file; default: one row a result.
        ranked: whether these rows are numbered, best first.
        media: media type -> name of the method that writes the result as a file of that type.
        is_file: whether the result is itself a file, such as a sound, which no table can hold.
        tensors: names that the Open Inference Protocol also gives as tensors: scalars, or vectors
            of floats.
    """

    rows: ClassVar[str] = ""
    ranked: ClassVar[bool] = False
    media: ClassVar[Mapping[str, str]] = types.MappingProxyType({})
    is_file: ClassVar[bool] = False
    tensors: ClassVar[tuple[str, ...]] = ()

    input: str
    model: str

    def __bool__(self) -> Literal[True]:
        return True

    @classmethod
    def csv_columns(cls) -> tuple[str, ...]:
        """The header of a CSV file of results; a last column `error` is added for inputs that
        failed.
        """
        if not cls.rows:
            return cls._required_names()
        return ("input", *(("rank",) if cls.ranked else ()), *cls.record_columns())

    @classmethod
    def record_columns(cls) -> list[str]:
        """The names of the values of each record in `rows`."""
        records = dict(wire_of(cls).fields)[cls.rows]
        assert isinstance(records, ListOf)
        assert isinstance(records.item, StructOf)
        return [name for name, _ in records.item.fields]

    @classmethod
    def table_columns(cls) -> tuple[str, ...]:
        """The columns that every table of several results of this class has."""
        return ("input", *cls.summary) if cls.summary else cls._required_names()

    @classmethod
    def _required_names(cls) -> tuple[str, ...]:
        wire = wire_of(cls)
        return tuple(name for name, _ in wire.fields if name not in {"model", *wire.optional})

    def csv_rows(self) -> Iterator[tuple[str, ...]]:
        """The rows of the result, as wide as `csv_columns`."""
        wire = wire_of(type(self))
        struct = dict(wire.fields)
        if not self.rows:
            yield tuple(
                wire_type.cell(getattr(self, name))
                for name, wire_type in struct.items()
                if name not in {"model", *wire.optional}
            )
            return
        rows = struct[self.rows]
        assert isinstance(rows, ListOf)
        assert isinstance(rows.item, StructOf)
        for rank, record in enumerate(getattr(self, self.rows), 1):
            number = (str(rank),) if self.ranked else ()
            yield (
                self.input,
                *number,
                *(wire_type.cell(getattr(record, name)) for name, wire_type in rows.item.fields),
            )

    def show(self) -> str:
        """The result for a person at a terminal, in lines that end with an empty one."""
        return f"{self.input}\n  {self}\n"
