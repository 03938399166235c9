"""Options, declared once as a frozen dataclass of annotated fields.

From the dataclass come the keyword parameters of a call (`takes`), the checks of types and ranges,
the JSON Schema of the server, and the flags of the command line.

    @dataclass(frozen=True, kw_only=True)
    class ClassifyOptions(BatchOptions):
        top_k: Annotated[int, Option("Classes in a result, best first.", ge=1)] = 5
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from dataclasses import fields as dataclass_fields
from functools import cache, wraps
from inspect import Parameter, Signature, signature
from typing import (
    Annotated,
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from warmstart.core.option import Field, Option, unknown_option
from warmstart.core.progress import progress_of
from warmstart.errors import UsageError
from warmstart.hub.progress import Progress

P = ParamSpec("P")
ModelT = TypeVar("ModelT")
InputT = TypeVar("InputT")
OptionsT = TypeVar("OptionsT")
ResultT = TypeVar("ResultT")

SECTION = "quickstart.md#from-python"
"""Section of the documentation on options; an options class may define its own `section`."""


@dataclass(frozen=True, kw_only=True)
class ProgressOptions:
    """Options of every call with several inputs and of every `evaluate`."""

    progress: Annotated[
        Progress | bool | None,
        Option(
            "True shows the progress on standard error if the work takes longer than a "
            "second; a function is called with the name of the model, the number of inputs "
            "done, and the total or None.",
            http=False,
            cli=False,
            read=progress_of,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ColumnOptions:
    """Options of every call with inputs from a table."""

    column: Annotated[
        str | Sequence[str] | None,
        Option(
            "Column of the inputs in a pandas, polars or pyarrow table; two columns for pairs.",
            http=False,
            cli=False,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class BatchOptions(ProgressOptions):
    """Options of every task whose inputs go through the engine in batches."""

    batch_size: Annotated[
        int | None,
        Option(
            "Inputs per call of the engine; does not affect results.", ge=1, http=False, rare=True
        ),
    ] = None


def fields_of(options: type) -> Mapping[str, Field]:
    """The options of an options class by name, in the order of declaration; those without `Option`
    are left out.
    """
    fields: Mapping[str, Field] = _fields(options)
    return fields


@cache
def _fields(options: Any) -> Mapping[str, Field]:
    hints = get_type_hints(options, include_extras=True)
    fields = {}
    for field in dataclass_fields(options):
        hint = hints[field.name]
        option = next((extra for extra in get_args(hint)[1:] if isinstance(extra, Option)), None)
        if option is None or get_origin(hint) is not Annotated:
            continue
        default = field.default if field.default_factory is MISSING else field.default_factory()
        fields[field.name] = field_of(field.name, get_args(hint)[0], default, option)
    return types.MappingProxyType(fields)


def field_of(name: str, hint: Any, default: Any, option: Option) -> Field:
    """The field of an annotated type."""
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else ()
    allows_single = any(map(_is_sequence, members)) and (
        float in members or int in members or str in members
    )
    names = [member for member in members if member is str or get_origin(member) is Literal]
    numbered = int in members and len(names) == 1 and not {*members} - {*names, int, type(None)}
    choices = get_args(names[0]) if numbered else ()
    shape = (str, False, type(None) in members, choices) if numbered else shape_of(hint)
    return Field(name, *shape, default, option, allows_single, numbered)


def shape_of(hint: Any) -> tuple[type, bool, bool, tuple[Any, ...]]:
    """(type, is_sequence, nullable, choices) of the annotation of a field."""
    nullable = False
    if get_origin(hint) in (Union, types.UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        nullable = len(members) < len(get_args(hint))
        items = {get_args(member)[0] if _is_sequence(member) else member for member in members}
        hint = next(filter(_is_sequence, members), members[0]) if len(items) == 1 else object
    is_sequence = _is_sequence(hint)
    if is_sequence:
        hint = get_args(hint)[0]
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return type(choices[0]), is_sequence, nullable, choices
    return (hint if isinstance(hint, type) else object), is_sequence, nullable, ()


def _is_sequence(hint: Any) -> bool:
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Sequence)


@cache
def _required(options: Any) -> frozenset[str]:
    return frozenset(name for name, field in fields_of(options).items() if field.default is MISSING)


@cache
def _defaults(options: Any) -> Any:
    return options()


def are_defaults(options: Any) -> bool:
    """Whether this is the object that `make` returns if no option is set."""
    cls: Any = type(options)
    return options is _defaults(cls)


def make(options: Callable[..., OptionsT], values: Mapping[str, Any], owner: str) -> OptionsT:
    """An options object, checked.

    Args:
        options: the options class.
        values: by name.
        owner: the class or name of the model, for messages.

    Raises:
        UsageError: an option is unknown, missing, of another type or out of range.
    """
    assert isinstance(options, type)
    known = fields_of(options)
    checked = {}
    for name, value in values.items():
        if name not in known:
            in_python_only = {
                key: not (field.option.http or field.option.cli) for key, field in known.items()
            }
            listed = sorted(known, key=in_python_only.__getitem__)
            message = unknown_option(owner, name, known, listed)
            raise UsageError(message, section=getattr(options, "section", SECTION))
        checked[name] = known[name].check(value)
    if missing := _required(options) - checked.keys():
        raise UsageError(f"{owner} needs the option {min(missing)!r}.")
    return cast("OptionsT", options(**checked) if checked else _defaults(options))


def schema(options: type, names: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """JSON Schemas of the options that a request may set, by name; `names` limits them."""
    return {
        name: field.schema()
        for name, field in fields_of(options).items()
        if field.option.http and (names is None or name in names)
    }


def takes(
    options: Callable[P, OptionsT],
) -> Callable[
    [Callable[[ModelT, InputT, OptionsT], ResultT]],
    Callable[Concatenate[ModelT, InputT, P], ResultT],
]:
    """Turn a method (model, inputs, options) into one that takes the fields of `options` as
    keywords.

    The options are checked before the method runs; `inspect.signature`, and so `help`, show each
    with its default.
    """

    def decorate(
        method: Callable[[ModelT, InputT, OptionsT], ResultT],
    ) -> Callable[Concatenate[ModelT, InputT, P], ResultT]:
        @wraps(method)
        def call(model: ModelT, inputs: InputT, /, *args: P.args, **values: P.kwargs) -> ResultT:
            if args:
                raise UsageError(f"{type(model).__name__} takes one input, and options by name.")
            return method(model, inputs, make(options, values, type(model).__name__))

        first = [
            parameter.replace(kind=Parameter.POSITIONAL_ONLY)
            for parameter in list(signature(method).parameters.values())[:2]
        ]
        call.__signature__ = Signature(  # type: ignore[attr-defined]
            [*first, *signature(options).parameters.values()],
            return_annotation=signature(method).return_annotation,
        )
        return call

    return decorate


__all__ = [
    "BatchOptions",
    "ColumnOptions",
    "Field",
    "Option",
    "ProgressOptions",
    "fields_of",
    "make",
    "schema",
    "takes",
    "unknown_option",
]
