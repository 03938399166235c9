"""`warmstart evaluate`: metrics of a model on labelled data."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import click

from warmstart.cli.completion import model_names
from warmstart.cli.help import Argument, Command, Option
from warmstart.cli.parameters import (
    device_option,
    engine_option,
    explicit_options,
    flags_of,
    json_option,
    precision_option,
    wants_help,
    weights_option,
)
from warmstart.cli.tasks import task_of_arguments
from warmstart.core.task import Task, task_of

DATA = "Data and evaluation"


EXAMPLES = (
    "warmstart evaluate flowers/val --model ./flowers-model",
    "warmstart evaluate reviews.csv --model sst2_bert_tiny --json",
    "warmstart evaluate sales.csv --task forecasting --model deepar",
)


class EvaluateCommand(Command):
    """`evaluate`; its data and options depend on the task, which `--task` or `--model` names."""

    def __init__(self) -> None:
        text = "Evaluate a model on your own labelled data."
        super().__init__(
            "evaluate", help=text, params=_parameters(None), callback=evaluate, examples=EXAMPLES
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        task = task_of_arguments(args)
        self.params = _parameters(task)
        if wants_help(args) and task is None:
            self.epilog = "With --task or --model, --help also lists the data and options it takes."
        self.owner = f"Evaluation of {task.name}" if task else ""
        return super().parse_args(ctx, args)


def data_help(task: Task) -> str:
    """The data that `evaluate` of a task's models takes, from its docstring; "" if it has none."""
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
            or (
                "A folder of class folders (named by class id, name or index), or a table of "
                "paths and labels; for other tasks, see `warmstart evaluate --task TASK --help`."
            ),
        ),
        Option(
            ["--model", "-m"],
            shell_complete=model_names,
            required=True,
            help="A name from `warmstart list`, a bundle's folder, or hf://org/name.",
        ),
        Option(["--task"], help="The task, for a model that has several."),
        weights_option(),
        engine_option(),
        precision_option(),
        device_option(),
        json_option("Print the metrics as a JSON object."),
        Option(["--csv", "as_csv"], is_flag=True, help="Print the table of classes as CSV."),
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
    device: str,
    as_json: bool,
    as_csv: bool,
    **options: Any,
) -> None:
    """Print the metrics of a model; the exit code is 1 if an example was unusable."""
    from warmstart.cli.models import open_engine, open_model
    from warmstart.cli.progress import counting
    from warmstart.core.evaluation import example_unit
    from warmstart.core.reading import check_exists
    from warmstart.core.terminal import print_error
    from warmstart.errors import documented_in

    opened = open_model(
        model, task=task, weights=weights, engine=engine, precision=precision, device=device
    )
    with documented_in(task_of(opened.task).guide):
        check_exists(data)
    open_engine(opened)
    chosen = explicit_options(type(opened).evaluate_options, options)
    with counting(example_unit(opened)) as progress:
        metrics = opened.evaluate(data, progress=progress, **chosen)
    if as_json:
        print(json.dumps(metrics.to_dict()))
    elif as_csv:
        print(metrics.to_csv(), end="")
    else:
        print(metrics)
    if metrics["errors"]:
        print_error(f"{len(metrics['errors']):,} could not be read:")
        for error in metrics["errors"]:
            print_error(f"  {error}")
        click.get_current_context().exit(1)
