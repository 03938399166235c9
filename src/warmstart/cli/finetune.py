"""`warmstart finetune`: train a model on labelled data; the options depend on the task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from warmstart.cli.completion import model_names
from warmstart.cli.data_task import data_argument, task_of_data
from warmstart.cli.help import Argument, Command
from warmstart.cli.help import Option as ClickOption
from warmstart.cli.parameters import (
    explicit_options,
    flags_of,
    json_option,
    json_or_text,
    wants_help,
    weights_option,
)
from warmstart.cli.tasks import option_value, task_of_arguments
from warmstart.core.options import make
from warmstart.core.task import TASKS, Task, task_of
from warmstart.errors import UsageError

DEFAULT = "default"
TRAINING = "Training"


class FinetuneCommand(Command):
    """`finetune`; its options depend on the task, which `--task` or `--model` names."""

    def __init__(self) -> None:
        text = """Fine-tune a pretrained model on your own data.

        The output folder is a model like any other; its report.html shows metrics and mistakes. If
        training is interrupted, the same command resumes it.
        """
        super().__init__(
            "finetune",
            help=text,
            short_help="Fine-tune a pretrained model on your own data.",
            callback=lambda **values: _run(click.get_current_context().obj, values),
            examples=(
                "warmstart finetune flowers/ --model mobilenet_v2 -o flowers-model",
                "warmstart finetune reviews.csv --task text-classification -o reviews-model",
                "warmstart finetune sales.csv --model deepar --epochs 5 -o sales-model",
            ),
        )
        self.params = _parameters(None)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        task = _task_from_scratch(args) or task_of_arguments(args, none=DEFAULT)
        if task is None and wants_help(args):
            names = ", ".join(name for name, each in TASKS.items() if each.trainer)
            self.epilog = f"With --task or --model, --help also lists the options of that task. Tasks: {names}."
        elif task is None and args:
            trainable = [each for each in TASKS.values() if each.trainer]
            known = [parameter for task in trainable for parameter in _parameters(task)]
            data = data_argument(args, known)
            task = None if data is None else task_of_data(data)
        self.params = _parameters(task)
        self.owner = f"Fine-tuning for {task.name}" if task else ""
        rest = super().parse_args(ctx, args)
        ctx.obj = task
        return rest


def _parameters(task: Task | None) -> list[click.Parameter]:
    default = (
        f"{task.default_model}." if task and task.default_model else "the default model of --task."
    )
    parameters: list[click.Parameter] = [
        Argument(
            ["data"],
            help="A folder of class folders (or of train, val and test with these), or a CSV, TSV, "
            "JSONL or Parquet "
            "file of paths and labels; boxes as VOC, COCO, YOLO or CSV; masks as folders or "
            "COCO; texts and labels "
            "as TSV, CSV or JSONL, CoNLL, SQuAD JSON, or plain text; series; recordings and "
            "their texts as a folder, "
            "CSV or JSONL.",
        ),
        ClickOption(
            ["--model", "-m"],
            shell_complete=model_names,
            default=DEFAULT,
            show_default=default.removesuffix("."),
            help=(
                "Base model: a name from `warmstart list`, or a folder; deepar: a forecaster "
                "from scratch."
            ),
        ),
        ClickOption(
            ["--output", "-o"],
            metavar="FOLDER",
            show_default="runs/ with the name of the data",
            help=(
                "New folder for the model and its report, or the folder of an interrupted run, "
                "which is resumed."
            ),
        ),
        weights_option("A checkpoint to start from instead of the published weights.", rare=True),
        ClickOption(
            ["--task"],
            help=(
                "Task to train for, if the model has another one. Without --model and --task: "
                "the task that the data fits, if there is only one."
            ),
        ),
    ]
    if task is not None:
        own = [
            option
            for option in flags_of(task.train_options_class(), TRAINING)
            if option.name not in ("output", "seed")
        ]
        parameters += own
    parameters += [
        ClickOption(["--seed"], type=int, default=0, help="Random seed."),
        ClickOption(
            ["--set", "settings"],
            multiple=True,
            metavar="NAME=VALUE",
            help=(
                "Another training option, such as --set label_smoothing=0.2 or "
                "image_size=[320,416]; may be repeated."
            ),
            rare=True,
        ),
        json_option("Print the metrics as a JSON object."),
    ]
    unique: dict[str | None, click.Parameter] = {}
    for parameter in parameters:
        unique.setdefault(parameter.name, parameter)
    return list(unique.values())


def _task_from_scratch(args: list[str]) -> Task | None:
    """The task of an architecture that is trained from scratch, if `--model` names one."""
    from warmstart.training import SCRATCH

    model = option_value(args, "--model", "-m")
    return task_of(SCRATCH[model]) if model in SCRATCH else None


def _run(task: Task, values: dict[str, Any]) -> None:
    """Train, and print how to use the result."""
    from warmstart.cli.models import open_model
    from warmstart.core.reading import check_exists
    from warmstart.core.terminal import is_quiet
    from warmstart.training import SCRATCH, finetune

    model, data = values["model"], values["data"]
    if model == DEFAULT:
        if not task.default_model:
            raise UsageError(f"Fine-tuning for {task.name} needs a --model to start from.")
        model = task.default_model
    options = explicit_options(task.train_options_class(), values)
    options |= _settings(values["settings"])
    base: Any = model
    if model not in SCRATCH and (values["task"] is None or values["weights"] != "pretrained"):
        make(task.train_options_class(), options, f"Fine-tuning for {task.name}")
        check_exists(data)
        base = open_model(model, weights=values["weights"])
    output = values["output"] or _free_folder(data)
    options |= {"output": output, "seed": values["seed"]}
    if is_quiet():
        options["verbose"] = False
    result = finetune(base, data, task=task.name, **options)
    if values["as_json"]:
        metrics = {metric.name: metric.value for metric in result.entry.metrics}
        facts = {"model": result.name, "folder": output, "task": result.entry.task}
        print(json.dumps({**facts, "metrics": metrics}))
    else:
        print(output)


def _free_folder(data: str) -> str:
    """`runs/NAME`, where NAME is that of the data, with a number if the folder exists."""
    stem = Path(data).expanduser().resolve().stem or "model"
    name, number = stem, 1
    while Path("runs", name).exists():
        number += 1
        name = f"{stem}-{number}"
    return str(Path("runs", name))


def _settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """The options of `--set`, by name."""
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: options are set as NAME=VALUE.")
        values[name] = json_or_text(value)
    return values
