"""`warmstart wrap`: turn a Keras, ONNX or TensorFlow Lite model into a model of a task; the options depend
on the task.
"""

from __future__ import annotations

import json
from typing import Any

import click

from warmstart.cli.help import Argument, Command, Option
from warmstart.cli.parameters import explicit_options, flags_of, json_option, wants_help
from warmstart.cli.tasks import task_of_arguments
from warmstart.core.task import TASKS, Task, wrapper_class

WRAPPING = "The model"


class WrapCommand(Command):
    """`wrap`; its options depend on the task, which `--task` names."""

    def __init__(self) -> None:
        text = """Turn your own Keras, ONNX or TensorFlow Lite model into a model of a task.

        The model is compiled, verified against the original, and written to a folder without code.
        Use the folder like any other model: predict, evaluate, export, serve.
        """
        super().__init__(
            "wrap",
            help=text,
            short_help="Turn your own Keras, ONNX or TensorFlow Lite model into a model of a task.",
            examples=(
                "warmstart wrap my.keras --task image-classification --labels labels.txt "
                "--scaling 0..1 -o my-model",
                "warmstart wrap my.keras --task text-classification --tokenizer vocab/ -o my-model",
                "warmstart wrap exported/ --task tensors -o my-model",
            ),
            params=_parameters(None),
            callback=lambda **values: _run(click.get_current_context().obj, values),
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        task = task_of_arguments(args)
        if task is None and wants_help(args):
            names = ", ".join(name for name, each in TASKS.items() if each.wrapper)
            self.epilog = f"With --task, --help lists the options of that task. Tasks: {names}."
        self.params = _parameters(task)
        self.owner = f"Wrapping for {task.name}" if task else ""
        rest = super().parse_args(ctx, args)
        ctx.obj = task
        return rest


def _parameters(task: Task | None) -> list[click.Parameter]:
    parameters: list[click.Parameter] = [
        Argument(["model"], help="A .keras, .h5, .onnx or .tflite file, or a SavedModel folder."),
        Option(
            ["--task"], required=True, help="Task of the model; tensors: named arrays in and out."
        ),
        Option(["--output", "-o"], required=True, help="New folder for the model."),
        json_option("Print a JSON object that describes the model."),
    ]
    names = {parameter.name for parameter in parameters}
    own = [] if task is None else flags_of(wrapper_class(task.name).options_class, WRAPPING)
    return parameters + [option for option in own if option.name not in names]


def _run(task: Task, values: dict[str, Any]) -> None:
    """Wrap the model, and print its preprocessing, its classes and its folder."""
    from warmstart.catalog.words import preprocessing_in_words
    from warmstart.core.reading import exists
    from warmstart.core.records.suffixes import names_table
    from warmstart.core.terminal import say
    from warmstart.errors import UsageError
    from warmstart.training.wrap import wrap

    options = explicit_options(wrapper_class(task.name).options_class, values)
    if not exists(values["model"]):
        raise UsageError(f"The file or folder {values['model']} does not exist.")
    if names_table(values["model"]):
        raise UsageError(f"{values['model']} is a table, not a model.")
    say(f"Compiling {values['model']}: 10 to 60 seconds.")
    model = wrap(values["model"], task=task.name, **{**options, "output": values["output"]})
    entry = model.entry
    if values["as_json"]:
        facts = entry.to_dict()
        facts["config"].pop("network", None)
        print(json.dumps({**facts, "labels": [label.name for label in model.labels]}))
        return
    if entry.preprocessing:
        say(f"Photos: {preprocessing_in_words(entry.preprocessing)}")
    if model.labels:
        say(f"Classes: {', '.join(label.name for label in model.labels[:10])}")
    if reason := entry.config.get("reason"):
        say(f"The folder has no Keras model: {reason}.")
    print(values["output"])
