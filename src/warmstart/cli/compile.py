"""`warmstart compile`: compile models ahead of time."""

from __future__ import annotations

from typing import Any, cast

import click

from warmstart.cli.help import Argument, Command, Option
from warmstart.cli.parameters import COMPILED, PRECISIONS, engine_option


@click.command(
    "compile",
    cls=Command,
    examples=(
        "warmstart compile mobilenet_v2 efficientnet_b0",
        "warmstart compile mobilenet_v2 --precision int8 --check photos/",
        "warmstart compile ./my-model",
    ),
    params=[
        Argument(
            ["names"],
            nargs=-1,
            required=True,
            help="Names from `warmstart list`, or bundle folders.",
        ),
        Option(
            ["--precision"],
            default="float32",
            metavar=f"[{'|'.join(PRECISIONS)}]",
            help="int8: 8-bit weights, a quarter of the size; bfloat16: runs on OpenVINO.",
        ),
        Option(
            ["--weights"],
            default="pretrained",
            help="A checkpoint to use instead of the published weights; `random` for speed tests.",
        ),
        engine_option(COMPILED),
        Option(["--check"], help="Photos (a folder or pattern) to compare with float32 on."),
    ],
)
def command(
    names: tuple[str, ...], precision: str, weights: str, engine: str, check: str | None
) -> None:
    """Compile models, so that predicting starts at once and without TensorFlow.

    For a precision other than float32 it also prints the agreement with float32 and the speed.
    """
    from warmstart.cli.models import task_of_model
    from warmstart.core.task import task_of
    from warmstart.core.terminal import complain, say
    from warmstart.errors import WarmstartError, explained

    failed = 0
    for name in names:
        try:
            _compile(name, precision, None if weights == "random" else weights, engine, check)
        except WarmstartError as error:
            complain(f"{name}: {explained(error)}")
            failed += 1
    if names and not failed:
        precise = "" if precision == "float32" else f" --precision {precision}"
        verb = task_of(task_of_model(names[0])).verb
        say(
            f"next: warmstart {verb} INPUT --model {names[0]}{precise}",
            f"      warmstart serve {' '.join(names)}{precise}",
        )
    if failed:
        click.get_current_context().exit(1)


def _compile(
    name: str, precision: str, weights: str | None, engine: str, check: str | None
) -> None:
    from warmstart.cli.models import compiling, open_model

    model = open_model(name, precision=precision, weights=weights, engine=engine)
    with compiling(model):
        artifact = model.artifact
        name_of_engine = model.engine.name
    size = artifact.path.stat().st_size / 1e6
    worst = max(artifact.record["differences"].values())
    print(f"{model.name}: {precision}, {size:.1f} MB, {_chosen(engine)}: {name_of_engine}")
    if precision == "float32":
        print(f"  largest difference from Keras on the probe: {worst:.1g}")
        return
    exact = open_model(name, weights=weights)
    with compiling(exact):
        exact.engine  # noqa: B018 (compiles)
    _compare(model, exact, check, precision)


def _chosen(engine: str) -> str:
    return "fastest engine here" if engine == "auto" else "engine"


def _compare(model: Any, exact: Any, check: str | None, precision: str) -> None:
    """Print what a precision costs and brings."""
    from warmstart.image.classification import ImageClassifier
    from warmstart.image.precision import compare_precisions

    figures = compare_precisions(cast(ImageClassifier, model), cast(ImageClassifier, exact), check)
    inputs = "photos" if figures.photos else "synthetic images (use --check for your own photos)"
    print(
        f"  same best class as float32 on {figures.agreement:.1%} of {figures.count} {inputs}; "
        f"probabilities differ by up to {figures.difference:.2g}"
    )
    print(
        f"  {figures.milliseconds:.1f} ms a photo, float32 {figures.float32_milliseconds:.1f} ms: "
        f"{figures.ratio:.2f} of the float32 time"
    )
    if figures.ratio > 1:
        print(f"  {precision} is slower than float32 here; use float32.")
