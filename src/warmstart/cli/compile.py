"""`warmstart compile`: compile models ahead of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from warmstart.cli.help import Argument, Command, Option, in_flags
from warmstart.cli.parameters import (
    COMPILED,
    agreement_option,
    calibration_option,
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
) -> None:
    """Compile models, so that predicting starts at once and without TensorFlow.

    For a precision other than float32 it also prints the agreement with float32 and the speed.
    """
    from warmstart.cli.models import open_model, task_of_model
    from warmstart.core.task import task_of
    from warmstart.core.terminal import complain, say
    from warmstart.engines.choose import check_options
    from warmstart.errors import (
        SourceError,
        UsageError,
        WarmstartError,
        documented_in,
        explained,
    )

    check_options(engine, precision)
    for option, value in (("calibration", calibration), ("agreement", agreement)):
        if value is not None and precision not in ("int8", "auto"):
            raise UsageError(f"--{option} needs --precision int8 or auto.")
    errors: list[WarmstartError] = []
    for name in names:
        try:
            with documented_in("cli.md#compile"):
                float32 = open_model(
                    name, weights=None if weights == "random" else weights, engine=engine
                )
                model, exact = _in_precision(float32, precision, calibration, agreement)
                is_timed = precision == "auto"  # the lines of the choice have the times
                _compile(model, engine, calibration, is_timed)
                if exact is not None:
                    _compare(model, exact, check, is_timed)
        except WarmstartError as error:
            reason = in_flags(explained(error), click.get_current_context().command.params)
            complain(f"{name}: {reason}")
            errors.append(error)
    if not errors:
        precise = "" if precision == "float32" else f" --precision {precision}"
        verb = task_of(task_of_model(names[0])).verb
        say(
            f"next: warmstart {verb} INPUT --model {names[0]}{precise}",
            f"      warmstart serve {' '.join(names)}{precise}",
        )
    if errors:
        untried = [error for error in errors if isinstance(error, UsageError | SourceError)]
        click.get_current_context().exit(2 if len(untried) == len(names) else 1)


def _in_precision(
    exact: Model[Any, Any, Any],
    precision: str,
    calibration: str | None,
    agreement: float | None,
) -> tuple[Model[Any, Any, Any], Model[Any, Any, Any] | None]:
    """The model in the requested precision, and in float32 if the two are to be compared."""
    from warmstart.cli.models import calibration_request, compiling, open_engine
    from warmstart.core.precision import fastest

    request = calibration_request(exact, calibration, agreement)
    if precision == "float32":
        return exact, None
    open_engine(exact)
    with compiling(exact, _verb(calibration)):
        if precision != "auto":
            return exact.in_precision(precision, request, agreement), exact
        model, choice = fastest(exact, request, agreement)
    first, *candidates = choice.lines
    print(f"{model.name}: {first}", *(f"  {line}" for line in candidates), sep="\n")
    return model, None if model.precision == "float32" else exact


def _verb(calibration: str | None) -> str:
    return "Compiling" if calibration is None else "Calibrating"


def _compile(
    model: Model[Any, Any, Any], engine: str, calibration: str | None, is_timed: bool
) -> None:
    """Compile, and print what was made; the times of calibrated int8 only if they are not printed
    already.
    """
    from warmstart.cli.models import compiling
    from warmstart.engines.choose import measured_here

    with compiling(model, _verb(calibration)):
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
                _say_slower(model)
    if model.precision == "float32":
        worst = max(artifact.record["differences"].values())
        print(f"  largest difference from Keras on the probe: {worst:.1g}")


def _compare(
    model: Model[Any, Any, Any], exact: Model[Any, Any, Any], check: str | None, is_timed: bool
) -> None:
    """Print what a precision costs and brings; its times only if they are not printed already."""
    from warmstart.cli.models import typed_inputs
    from warmstart.core.precision_comparison import compare_precisions
    from warmstart.engines.choose import measured_here

    is_comparable = model.agreement_rule is not None
    if check is None and (is_timed or model.artifact.calibration or not is_comparable):
        return
    figures = compare_precisions(model, exact, typed_inputs(model, check))
    input_kind = model.input_kind
    inputs = counted(figures.count, input_kind.noun, input_kind.plural)
    if not figures.real:
        inputs = f"{figures.count} synthetic inputs (use --check for your own)"
    print(
        f"  agreement with float32: {figures.agreement:.1%} ({figures.measure}) on "
        f"{inputs}; outputs differ by up to {figures.difference:.2g}"
    )
    if is_timed or measured_here(model.artifact) is not None:
        return
    print(
        f"  {figures.milliseconds:.1f} ms per {input_kind.noun}, float32 "
        f"{figures.float32_milliseconds:.1f} ms: {figures.ratio:.2f} of the float32 time"
    )
    if figures.ratio > 1:
        _say_slower(model)


def _say_slower(model: Model[Any, Any, Any]) -> None:
    print(f"  {model.precision} is slower than float32 on this machine; use float32.")
