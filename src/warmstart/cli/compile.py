"""`warmstart compile`: compile models ahead of time."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from warmstart.cli.help import Argument, Command, Option, in_flags
from warmstart.cli.parameters import (
    COMPILED,
    agreement_option,
    calibration_option,
    column_option,
    engine_option,
    precision_option,
    weights_or_random_option,
)
from warmstart.counts import counted

if TYPE_CHECKING:
    from warmstart.core.model import Model


@click.command(
    "compile",
    cls=Command,
    examples=(
        "warmstart compile mobilenet_v2 efficientnet_b0",
        "warmstart compile mobilenet_v2 --precision auto --calibration photos/",
        "warmstart compile ./my-model --precision int8 --calibration photos/",
        "warmstart compile mobilenet_v2 --precision int8 --check photos/",
    ),
    params=[
        Argument(
            ["names"],
            nargs=-1,
            required=True,
            help="Names from `warmstart list`, or bundle folders.",
        ),
        precision_option(
            "int8: 8-bit integers; bfloat16: runs on OpenVINO; auto: the fastest on this "
            "machine that agrees with float32."
        ),
        calibration_option(),
        agreement_option(),
        weights_or_random_option(),
        engine_option(COMPILED),
        Option(
            ["--check"],
            metavar="INPUTS",
            help=(
                "Further inputs on which to compare with float32: a folder, pattern, table or file."
            ),
        ),
        column_option(),
    ],
)
def command(
    names: tuple[str, ...],
    precision: str,
    calibration: str | None,
    agreement: float | None,
    weights: str,
    engine: str,
    check: str | None,
    column: tuple[str, ...],
) -> None:
    """Compile models, so that predicting starts at once and without TensorFlow.

    For a precision other than float32 it also prints the agreement with float32 and the speed.
    """
    from warmstart.cli.models import open_model
    from warmstart.core.terminal import print_error, say
    from warmstart.engines.choose import check_options
    from warmstart.errors import (
        SourceError,
        UsageError,
        WarmstartError,
        documented_in,
        explained,
    )

    inputs = Inputs(calibration, agreement, check, column)
    check_options(engine, precision)
    _check_inputs(inputs, precision)
    errors: list[WarmstartError] = []
    for name in names:
        try:
            with documented_in("cli.md#compile"):
                float32 = open_model(
                    name, weights=None if weights == "random" else weights, engine=engine
                )
                model, reference = _in_precision(float32, precision, inputs)
                is_timed = precision == "auto"  # the times are printed already
                _compile(model, engine, calibration, is_timed)
                if reference is not None:
                    _compare(model, reference, inputs, is_timed)
        except WarmstartError as error:
            reason = in_flags(explained(error), click.get_current_context().command.params)
            print_error(f"{name}: {reason}")
            errors.append(error)
    if errors:
        untried = [error for error in errors if isinstance(error, UsageError | SourceError)]
        click.get_current_context().exit(2 if len(untried) == len(names) else 1)
    say(*_next_commands(names, precision, weights, engine))


class Inputs(NamedTuple):
    """Options of the command about real inputs."""

    calibration: str | None
    agreement: float | None
    check: str | None
    column: tuple[str, ...]


def _check_inputs(inputs: Inputs, precision: str) -> None:
    """Raise `UsageError` unless the options fit the precision and each other."""
    from warmstart.errors import UsageError

    for option in ("calibration", "agreement"):
        if getattr(inputs, option) is not None and precision not in ("int8", "auto"):
            raise UsageError(f"--{option} needs --precision int8 or auto.")
    if inputs.check is not None and precision == "float32":
        raise UsageError("--check compares with float32, so it needs another --precision.")
    if inputs.column and inputs.calibration is None and inputs.check is None:
        raise UsageError("--column needs --calibration or --check.")


def _next_commands(names: Sequence[str], precision: str, weights: str, engine: str) -> list[str]:
    """Commands that use the compiled models, with the same options."""
    from warmstart.cli.models import task_of_model
    from warmstart.core.task import task_of

    typed = (
        ("precision", precision, "float32"),
        ("weights", weights, "pretrained"),
        ("engine", engine, "auto"),
    )
    options = "".join(
        f" --{name} {shlex.quote(value)}" for name, value, default in typed if value != default
    )
    models = [shlex.quote(name) for name in names]
    commands = [f"warmstart serve {' '.join(models)}{options}"]
    if weights != "random":  # random weights predict nothing
        verb = task_of(task_of_model(names[0])).verb
        commands.insert(0, f"warmstart {verb} INPUT --model {models[0]}{options}")
    return [f"{' ' * 6 if number else 'next: '}{text}" for number, text in enumerate(commands)]


def _in_precision(
    reference: Model[Any, Any, Any], precision: str, inputs: Inputs
) -> tuple[Model[Any, Any, Any], Model[Any, Any, Any] | None]:
    """The model in the requested precision, and in float32 if the two are to be compared."""
    from warmstart.cli.models import calibration_request, compiling, open_engine
    from warmstart.core.precision import fastest
    from warmstart.errors import UsageError

    calibration, agreement = inputs.calibration, inputs.agreement
    if inputs.check is not None and reference.agreement_rule is None:
        raise UsageError(
            f"--check compares precisions by their agreement, which is not defined for {reference.task}; "
            "use `warmstart evaluate` with each --precision."
        )
    request = calibration_request(reference, calibration, agreement, inputs.column)
    if precision == "float32":
        return reference, None
    if request is not None:
        request.check(reference, precision)
    open_engine(reference)
    with compiling(reference, _activity(calibration)):
        if precision != "auto":
            return reference.in_precision(precision, request, agreement), reference
        model, choice = fastest(reference, request, agreement)
    first, *candidates = choice.lines
    print(f"{model.name}: {first}", *(f"  {line}" for line in candidates), sep="\n")
    return model, None if model.precision == "float32" else reference


def _activity(calibration: str | None) -> str:
    return "Compiling" if calibration is None else "Calibrating"


def _compile(
    model: Model[Any, Any, Any], engine: str, calibration: str | None, is_timed: bool
) -> None:
    """Compile a model, and print its size and engine.

    Args:
        model: in the precision to compile.
        engine: the option.
        calibration: the option.
        is_timed: whether the times of calibrated int8 are printed already.
    """
    from warmstart.cli.models import compiling
    from warmstart.engines.choose import measured_here

    with compiling(model, _activity(calibration)):
        artifact = model.artifact
        name = model.engine.name
    size = artifact.size_on(name) / 1e6
    choice = "fastest engine here" if engine == "auto" else "engine"
    print(f"{model.name}: {model.precision}, {size:.1f} MB, {choice}: {name}")
    if artifact.calibration is not None and not is_timed:
        print(f"  {artifact.calibration.in_words(name)}")
        if (record := measured_here(artifact)) is not None:
            times = record.milliseconds
            if times[name] > times["float32"]:
                _warn_slower(model)
    if model.precision == "float32":
        worst = max(artifact.record.get("differences", {}).values(), default=0.0)
        print(f"  largest difference from Keras on the probe: {worst:.1g}")


def _compare(
    model: Model[Any, Any, Any], reference: Model[Any, Any, Any], inputs: Inputs, is_timed: bool
) -> None:
    """Print the agreement with float32 and the speed; the latter only if it is not printed already."""
    from warmstart.core.precision_comparison import compare_precisions
    from warmstart.engines.agreement import Rule
    from warmstart.engines.choose import measured_here

    is_comparable = isinstance(model.agreement_rule, Rule)  # on synthetic inputs
    if inputs.check is None and (is_timed or model.artifact.calibration or not is_comparable):
        return
    figures = compare_precisions(
        model, reference, inputs.check, columns=inputs.column, column_option="--column"
    )
    input_kind = model.input_kind
    compared = counted(figures.count, input_kind.noun, input_kind.plural)
    if not figures.real:
        compared = f"{figures.count} synthetic inputs (use --check for your own)"
    differ = (
        "" if figures.difference is None else f"; outputs differ by up to {figures.difference:.2g}"
    )
    print(
        f"  agreement with float32: {figures.agreement:.1%} ({figures.measure}) on {compared}{differ}"
    )
    if is_timed or measured_here(model.artifact) is not None:
        return
    print(
        f"  {figures.milliseconds:.1f} ms per {figures.unit}, float32 "
        f"{figures.float32_milliseconds:.1f} ms: {figures.ratio:.2f} of the float32 time"
    )
    if figures.ratio > 1:
        _warn_slower(model)


def _warn_slower(model: Model[Any, Any, Any]) -> None:
    print(f"  {model.precision} is slower than float32 on this machine; use float32.")
