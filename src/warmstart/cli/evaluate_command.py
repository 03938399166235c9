"""`warmstart evaluate`: how good a model is on labelled data."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def evaluate(
    data: Annotated[str, typer.Argument(help="A folder of class folders, named by a class's id, name or index; for "
                                             "boxes and masks, what `warmstart finetune` takes.")],
    model: Annotated[str, typer.Option("--model", "-m", help="A name from `warmstart list`, or a bundle's folder.")],
    weights: Annotated[str, typer.Option(help="A checkpoint to use instead of the published weights.")] = "pretrained",
    engine: Annotated[str, typer.Option(help="auto, litert, openvino or keras.")] = "auto",
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or int8.")] = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure a model's accuracy on your own labelled photos."""
    from warmstart.cli.opening import compiling, open_model, say
    from warmstart.cli.progress import progress_bar

    opened, _ = open_model(model, weights=weights, engine=engine, precision=precision)
    with compiling(opened):
        opened.engine  # noqa: B018 (compile now, with its progress shown)
    with progress_bar(unit="photos") as progress:
        metrics = opened.evaluate(data, progress=progress)
    if as_json:
        print(json.dumps({"model": opened.name, **metrics}))
    elif "top1" not in metrics:
        told = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items() if isinstance(value, float))
        print(f"{opened.name}: {told} on {metrics['count']:,} photos")
    else:
        print(f"{opened.name}: top-1 {metrics['top1']:.1%}, top-5 {metrics['top5']:.1%} on {metrics['count']:,} photos")
    if metrics["errors"]:
        say(f"{len(metrics['errors']):,} could not be read:")
        for error in metrics["errors"]:
            say(f"  {error}")
        raise typer.Exit(1)
