"""`warmstart evaluate`: metrics of a model on labelled data."""

from __future__ import annotations

import csv
import inspect
import json
import math
import re
import sys
from collections.abc import Mapping
from typing import Any

import click

from warmstart.cli.help import Argument, Command, Option
from warmstart.cli.parameters import (
    engine_option,
    flags_of,
    json_option,
    precision_option,
    typed_options,
    unknown_option,
    weights_option,
)
from warmstart.cli.tasks import task_at_hand
from warmstart.core.task import Task, task_of
from warmstart.errors import UsageError

DATA = "Data and evaluation"
SHOWN = 20
"""Rows of the table of classes."""


EXAMPLES = (
    "warmstart evaluate flowers/val --model ./flowers-model",
    "warmstart evaluate reviews.csv --model sst2_bert_tiny --json",
    "warmstart evaluate sales.csv --task forecasting --model deepar",
)


class EvaluateCommand(Command):
    """`evaluate`; the task that `--task` or `--model` names decides about data and options."""

    def __init__(self) -> None:
        text = "Measure a model on your own labelled data, class by class."
        super().__init__(
            "evaluate", help=text, params=_parameters(None), callback=evaluate, examples=EXAMPLES
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        wants_help = any(arg in ctx.help_option_names for arg in args)
        task = task_at_hand(args)
        self.params = _parameters(task)
        if wants_help and task is None:
            self.epilog = "With --task or --model, --help also lists the data and options it takes."
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            owner = f"Evaluation of {task.name}" if task else ctx.command_path
            raise unknown_option(error.option_name, owner, self.params, self.params) from None


def data_help(task: Task) -> str:
    """What `evaluate` of a task's models takes, from its docstring; "" where it does not say."""
    text = inspect.getdoc(task.model_class().evaluate) or ""
    match = re.search(r"^ +data: (.*?)(?=^ +\w+: |\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    words = " ".join(match[1].split()) if match else ""
    return words[:1].upper() + words[1:]


def _parameters(task: Task | None) -> list[click.Parameter]:
    own = [] if task is None else flags_of(task.model_class().evaluate_options, DATA)
    parameters: list[click.Parameter] = [
        Argument(
            ["data"],
            help=(data_help(task) if task else "")
            or "A folder of class folders, named by a class's id, name or index, or a table of "
            "paths and labels; "
            "for other tasks, see `warmstart evaluate --task TASK --help`.",
        ),
        Option(
            ["--model", "-m"],
            required=True,
            help="A name from `warmstart list`, a bundle's folder, or hf://org/name.",
        ),
        Option(["--task"], help="What the model does, where it can do several things."),
        weights_option(),
        engine_option(),
        precision_option(),
        json_option("One JSON object."),
        Option(["--csv", "as_csv"], is_flag=True, help="The rows of the table as CSV."),
    ]
    names = {parameter.name for parameter in parameters}
    return parameters + [option for option in own if option.name not in names]


def evaluate(
    data: str,
    model: str,
    task: str | None,
    weights: str,
    engine: str,
    precision: str,
    as_json: bool,
    as_csv: bool,
    **options: Any,
) -> None:
    """Print the metrics of a model; the exit code is 1 where an example was unusable."""
    from warmstart.cli.models import compiling, open_model, say
    from warmstart.cli.progress import progress_bar

    opened = open_model(model, task=task, weights=weights, engine=engine, precision=precision)
    with compiling(opened):
        opened.engine  # noqa: B018 (compile now, with its progress shown)
    record = task_of(opened.task)
    chosen = typed_options(type(opened).evaluate_options, options)
    unit = record.examples or opened.input_kind.plural
    with progress_bar(unit=unit) as progress:
        metrics = opened.evaluate(data, progress=progress, **chosen)
    if as_json:
        print(json.dumps(_plain({"model": opened.name, **metrics})))
    elif as_csv:
        if not (classes := _classes(opened.name, metrics)):
            raise UsageError(f"{opened.name} has no figures per class; use --json.")
        _write_csv(_label(metrics), classes)
    else:
        _print(opened.name, metrics, unit)
    if metrics["errors"]:
        say(f"{len(metrics['errors']):,} could not be read:")
        for error in metrics["errors"]:
            say(f"  {error}")
        click.get_current_context().exit(1)


def _print(name: str, metrics: Mapping[str, Any], unit: str) -> None:
    """The overall figures in a line, then a table of classes, then the confusions."""
    if "top1" in metrics:
        low, high = metrics["top1_interval"]
        figures = (
            f"top-1 {metrics['top1']:.1%} (95 % interval {low:.1%} to {high:.1%}), top-5 "
            f"{metrics['top5']:.1%}, "
            f"macro F1 {metrics['macro_f1']:.3f}, calibration error "
            f"{metrics['calibration_error']:.3f}"
        )
    else:
        figures = ", ".join(
            f"{key} {value:.3f}" for key, value in metrics.items() if isinstance(value, float)
        )
    print(f"{name}: {figures} on {metrics['count']:,} {unit}")
    if classes := _classes(name, metrics):
        _print_table(_label(metrics), classes)
    for warning in metrics.get("warnings", ()):
        print(f"Warning: {warning}")
    if pairs := metrics.get("confusions"):
        confused = (f"{p['truth']} mistaken for {p['answer']} ({p['count']:,})" for p in pairs[:5])
        print(f"Most often confused: {', '.join(confused)}")
    for mistake in metrics.get("mistakes", ())[:5]:
        print(
            f"  {mistake['answer']} {mistake['score']:.0%}, but is {mistake['truth']}: "
            f"{mistake['input']}"
        )


def _label(metrics: Mapping[str, Any]) -> str:
    """What the rows of the table are."""
    return "forecast" if "baselines" in metrics else "class"


def _classes(name: str, metrics: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The figures per class, whatever the task, or of a model and its baselines; empty where there
    are none.
    """
    if "baselines" in metrics:
        shown = ("mean_wQL", "MASE", "coverage_80")
        rows = {name: metrics, **metrics["baselines"]}
        return {key: {figure: row[figure] for figure in shown} for key, row in rows.items()}
    if "per_class" in metrics:
        classes: Mapping[str, Mapping[str, Any]] = metrics["per_class"]
        return classes
    keys = [key for key, value in metrics.items() if isinstance(value, Mapping)]
    if not keys:
        return {}
    return {name: {key: metrics[key][name] for key in keys} for name in metrics[keys[0]]}


def _columns(classes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for figures in classes.values() for key in figures))


def _print_table(label: str, classes: Mapping[str, Mapping[str, Any]]) -> None:
    """A table of classes; the weakest first, where there are too many."""
    from rich.console import Console
    from rich.table import Table

    keys = _columns(classes)
    names = list(classes)
    if len(names) > SHOWN:
        weak = "f1" if "f1" in keys else keys[0]
        values = {name: classes[name][weak] for name in names}
        names = sorted(
            names, key=lambda name: math.inf if math.isnan(values[name]) else values[name]
        )[:SHOWN]
    table = Table(box=None, pad_edge=False)
    table.add_column(
        label if len(names) == len(classes) else f"weakest {SHOWN} of {len(classes)} classes"
    )
    for key in keys:
        table.add_column(key, justify="right")
    for name in names:
        table.add_row(name, *(_number(classes[name].get(key, math.nan)) for key in keys))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _write_csv(label: str, classes: Mapping[str, Mapping[str, Any]]) -> None:
    keys = _columns(classes)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([label, *keys])
    for name, figures in classes.items():
        cells = (figures.get(key, "") for key in keys)
        writer.writerow([name, *("" if cell != cell else cell for cell in cells)])


def _number(value: float | int) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if math.isnan(value) else f"{value:.3f}"


def _plain(value: Any) -> Any:
    """JSON has no NaN: null."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
