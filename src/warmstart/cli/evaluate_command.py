"""`warmstart evaluate`: how good a model is on labelled data."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

UNITS = {"forecasting": "windows", "speech-recognition": "recordings", "text-embedding": "pairs",
         "question-answering": "questions", "image-classification": "photos", "object-detection": "photos",
         "image-segmentation": "photos"}  # else texts
SHOWN = 20  # classes of a table on a terminal


def evaluate(
    data: Annotated[str, typer.Argument(help="A folder of class folders, named by a class's id, name or index, or a "
                                             "table of paths and labels; for other tasks, what `warmstart finetune` "
                                             "takes.")],
    model: Annotated[str, typer.Option("--model", "-m", help="A name from `warmstart list`, or a bundle's folder.")],
    weights: Annotated[str, typer.Option(help="A checkpoint to use instead of the published weights.")] = "pretrained",
    engine: Annotated[str, typer.Option(help="auto, litert, openvino or keras.")] = "auto",
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or int8.")] = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="The figures per class as CSV.")] = False,
) -> None:
    """Measure how good a model is on your own labelled data, class by class."""
    from warmstart.cli.opening import compiling, open_model, say
    from warmstart.cli.progress import progress_bar
    from warmstart.errors import UsageError

    opened, _ = open_model(model, weights=weights, engine=engine, precision=precision)
    with compiling(opened):
        opened.engine  # noqa: B018 (compile now, with its progress shown)
    unit = UNITS.get(opened.entry.task, "texts")
    with progress_bar(unit=unit) as progress:
        metrics = opened.evaluate(data, progress=progress)
    if as_json:
        print(json.dumps(_plain({"model": opened.name, **metrics})))
    elif as_csv:
        if not (classes := _classes(metrics)):
            raise UsageError(f"{opened.name} has no figures per class; use --json.")
        _write_csv(classes)
    else:
        _tell(opened.name, metrics, unit)
    if metrics["errors"]:
        say(f"{len(metrics['errors']):,} could not be read:")
        for error in metrics["errors"]:
            say(f"  {error}")
        raise typer.Exit(1)


def _tell(name: str, metrics: Mapping[str, Any], unit: str) -> None:
    """The figures for a reader: the overall ones in a line, then a table of classes, then what is confused."""
    if "top1" in metrics:
        low, high = metrics["top1_interval"]
        told = (f"top-1 {metrics['top1']:.1%} (95 % interval {low:.1%} to {high:.1%}), top-5 {metrics['top5']:.1%}, "
                f"macro F1 {metrics['macro_f1']:.3f}, calibration error {metrics['calibration_error']:.3f}")
    else:
        told = ", ".join(f"{key} {value:.3f}" for key, value in metrics.items() if isinstance(value, float))
    print(f"{name}: {told} on {metrics['count']:,} {unit}")
    if classes := _classes(metrics):
        _table(classes)
    if pairs := metrics.get("confusions"):
        print("Most often confused: " + ", ".join(f"{p['truth']} taken for {p['answer']} ({p['count']:,})"
                                                  for p in pairs[:5]))
    for mistake in metrics.get("mistakes", ())[:5]:
        print(f"  {mistake['answer']} {mistake['score']:.0%}, but is {mistake['truth']}: {mistake['input']}")


def _classes(metrics: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The figures per class, whatever the task; empty where there are none."""
    if "per_class" in metrics:
        return metrics["per_class"]
    kinds = [key for key, value in metrics.items() if isinstance(value, Mapping)]  # one figure of all classes each
    return {name: {key: metrics[key][name] for key in kinds} for name in metrics[kinds[0]]} if kinds else {}


def _table(classes: Mapping[str, Mapping[str, Any]]) -> None:
    """The weakest classes first, where there are too many to show."""
    from rich.console import Console
    from rich.table import Table

    keys = list(dict.fromkeys(key for told in classes.values() for key in told))
    names = list(classes)
    if len(names) > SHOWN:
        weak = keys[keys.index("f1")] if "f1" in keys else keys[0]
        names = sorted(names, key=lambda n: math.inf if math.isnan(classes[n][weak]) else classes[n][weak])[:SHOWN]
    table = Table(box=None, pad_edge=False)
    table.add_column("class" if len(names) == len(classes) else f"weakest {SHOWN} of {len(classes)} classes")
    for key in keys:
        table.add_column(key, justify="right")
    for name in names:
        table.add_row(name, *(_number(classes[name].get(key, math.nan)) for key in keys))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _write_csv(classes: Mapping[str, Mapping[str, Any]]) -> None:
    keys = list(dict.fromkeys(key for told in classes.values() for key in told))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["class", *keys])
    for name, told in classes.items():
        writer.writerow([name, *("" if told.get(key) != told.get(key) else told.get(key, "") for key in keys)])


def _number(value: float | int) -> str:
    return f"{value:,}" if isinstance(value, int) else "–" if math.isnan(value) else f"{value:.3f}"


def _plain(value: Any) -> Any:
    """JSON has no NaN: null."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
