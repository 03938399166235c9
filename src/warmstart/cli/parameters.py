"""Flags from the fields of an options class, and flags that several commands share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from warmstart.cli.help import HELP_NAMES, OPTIONS, Option
from warmstart.core.options import Field, fields_of

DEVICES = ("auto", "cpu", "gpu")
ENGINES = ("auto", "litert", "openvino", "onnxruntime", "keras")
COMPILED = ENGINES[:-1]
"""Engines that run compiled programs, and `auto`, which chooses among them."""
PRECISIONS = ("float32", "bfloat16", "int8", "auto")
_TYPE_NAMES: Mapping[type, str] = {int: "integer", float: "number", str: "text"}


def flag_of(field: Field) -> str:
    """The long flag of an option, such as "--top-k"."""
    return "--" + (field.option.flag or field.name).removeprefix("--").replace("_", "-")


class FieldType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in new clicks
    """Reads the value of an option from the command line, with the checks of its field."""

    def __init__(self, field: Field):
        self.field = replace(field, name=flag_of(field))
        self.name = _TYPE_NAMES.get(field.type, "value")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        field = self.field
        if field.type not in _TYPE_NAMES and not field.choices:
            return field.check(json_or_text(value))
        if field.is_sequence and field.type is str and not field.choices:
            return field.check((value,))  # a comma may be part of the text
        return field.parse(value)


def json_or_text(text: str) -> Any:
    """The JSON value of a text, such as a number; the text itself if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def flag(field: Field, panel: str) -> Option:
    """The option of the command line for a field; its value is None if it is not set."""
    help_text = field.option.help
    if bounds := field.option.range_text():
        help_text += f" {bounds.capitalize()}."
    long = flag_of(field)
    names = [field.name, long]
    short = field.option.short or ("-o" if field.name == "output" else None)
    if short:
        names.insert(1, short)
    if (field.type is bool or isinstance(field.default, bool)) and not field.is_sequence:
        if field.default is not False:
            names[-1] = f"{long}/--no-{long[2:]}"
        shown = long if field.default is True else None
        return Option(
            names,
            is_flag=True,
            default=None,
            help=_with_default(help_text, shown),
            panel=panel,
            rare=field.option.rare,
        )
    attributes: dict[str, Any] = {}
    if field.option.metavar:
        attributes["metavar"] = field.option.metavar
    elif field.choices:
        values = [*map(str, field.choices), *(["integer"] if field.numbered else [])]
        attributes["metavar"] = f"[{'|'.join(values)}]"
    if field.is_sequence:
        attributes["multiple"] = True
        help_text += (
            " May be repeated."
            if field.type is str and not field.choices
            else " Separated by commas."
        )
    return Option(
        names,
        type=FieldType(field),
        default=None,
        help=_with_default(help_text, _default_text(field)),
        panel=panel,
        rare=field.option.rare,
        **attributes,
    )


def _with_default(help_text: str, default: str | None) -> str:
    return help_text if default is None else f"{help_text} Default: {default.rstrip('.')}."


def _default_text(field: Field) -> str | None:
    """The default of a field as a value of the command line; None if it is not informative."""
    default = field.default
    if field.required or default is None or default == () or default == "":
        return None
    if isinstance(default, tuple | list):
        return ",".join(map(str, default))
    return str(default) if isinstance(default, bool | int | float | str) else None


def flags_of(declared: type, panel: str, names: Iterable[str] | None = None) -> list[Option]:
    """The flags of an options class; `names` limits them."""
    return [
        flag(field, panel)
        for name, field in fields_of(declared).items()
        if field.option.cli and (names is None or name in names)
    ]


def explicit_options(declared: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a class that the user has set, out of all parsed values."""
    chosen: dict[str, Any] = {}
    for name, field in fields_of(declared).items():
        value = values.get(name)
        if not field.option.cli or value is None or value == ():
            continue
        chosen[name] = (
            tuple(item for part in value for item in part) if field.is_sequence else value
        )
    return chosen


# Options that several commands share


def weights_option(
    help: str = "Checkpoint to use instead of the published weights.",
    panel: str = OPTIONS,
    rare: bool = False,
) -> Option:
    """`--weights`."""
    return Option(
        ["--weights"],
        default="pretrained",
        show_default="",
        metavar="FILE",
        help=help,
        panel=panel,
        rare=rare,
    )


def weights_or_random_option() -> Option:
    """`--weights`, whose value may be `random`."""
    text = "A checkpoint to use instead of the published weights; `random` for speed tests."
    return Option(["--weights"], default="pretrained", help=text)


def engine_option(names: Iterable[str] = ENGINES, panel: str = OPTIONS) -> Option:
    """`--engine`."""
    shown = f"[{'|'.join(names)}]"
    return Option(
        ["--engine"], default="auto", metavar=shown, help="Engine that runs the model.", panel=panel
    )


def precision_option(
    help: str = "Number format.",
    names: Iterable[str] = PRECISIONS,
    panel: str = OPTIONS,
) -> Option:
    """`--precision`."""
    shown = f"[{'|'.join(names)}]"
    return Option(["--precision"], default="float32", metavar=shown, help=help, panel=panel)


def calibration_option(panel: str = OPTIONS) -> Option:
    """`--calibration`."""
    return Option(
        ["--calibration"],
        metavar="INPUTS",
        help="About 100 to 300 real inputs, without labels, to calibrate int8 on: a folder, "
        "pattern, table, or file with one input per line.",
        panel=panel,
    )


def agreement_option(panel: str = OPTIONS) -> Option:
    """`--agreement`."""
    return Option(
        ["--agreement"],
        type=click.FloatRange(0, 1, min_open=True),
        metavar="SHARE",
        help="Minimum agreement with float32, on half of these inputs, which are not calibrated on; "
        "layers stay in float32 if needed to reach it. Default: 0.99.",
        panel=panel,
    )


def column_option(panel: str = OPTIONS) -> Option:
    """`--column` of calibration inputs."""
    return Option(
        ["--column"],
        metavar="NAME",
        multiple=True,
        help="Of a table of calibration inputs: the column with the input; twice for pairs of texts. "
        "Default: recognised by its name or content.",
        panel=panel,
        rare=True,
    )


def device_option(panel: str = OPTIONS) -> Option:
    """`--device`."""
    return Option(
        ["--device"],
        default="auto",
        metavar=f"[{'|'.join(DEVICES)}]",
        help=(
            "auto: compiled models run on the CPU; gpu: the keras engine on a GPU that "
            "TensorFlow finds, or onnxruntime on one that it supports."
        ),
        panel=panel,
        rare=True,
    )


def offline_option(panel: str = OPTIONS) -> Option:
    """`--offline`."""
    return Option(["--offline"], is_flag=True, help="Use only files on this machine.", panel=panel)


def json_option(help: str, panel: str = OPTIONS) -> Option:
    """`--json`, whose value is `as_json`."""
    return Option(["--json", "as_json"], is_flag=True, help=help, panel=panel)


def wants_help(args: Sequence[str]) -> bool:
    """Whether arguments that are not parsed yet request the help."""
    return any(arg in HELP_NAMES for arg in args)


def options_with_values(parameters: Iterable[click.Parameter]) -> set[str]:
    """The names of options that a value follows."""
    return {
        name
        for parameter in parameters
        if isinstance(parameter, click.Option) and not parameter.is_flag
        for name in parameter.opts
    }
