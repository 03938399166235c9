"""The parameters of the commands that use models: those of their tasks, and the common ones."""

from __future__ import annotations

from collections.abc import Sequence

import click

from warmstart.cli.completion import model_names
from warmstart.cli.help import OPTIONS, Argument, Option
from warmstart.cli.parameters import (
    device_option,
    engine_option,
    flags_of,
    json_option,
    offline_option,
    precision_option,
    weights_option,
)
from warmstart.core.options import fields_of
from warmstart.core.task import Task

BATCH = "Batch runs"
MODEL = "Model"
OUTPUT = "Output"


def parameters(tasks: Sequence[Task], any_task: bool = False) -> list[click.Parameter]:
    """The parameters of a command for several tasks. If two have the same name, the first one is used.

    Args:
        tasks: of the command; empty: only the common parameters.
        any_task: whether `--task` selects the task.
    """
    every: list[click.Parameter] = [_inputs(tasks), *_model_options(tasks, any_task)]
    for task in tasks:
        every += flags_of(task.model_class().options, OPTIONS)
    for task in tasks:
        every += flags_of(task.console_class().options, OUTPUT)
    every += _output_options()
    unique: dict[str | None, click.Parameter] = {}
    for parameter in every:
        unique.setdefault(parameter.name, parameter)
    return list(unique.values())


def own_parameters(tasks: Sequence[Task]) -> list[click.Parameter]:
    """The parameters of a command that come from its tasks; the common ones are left out."""
    common = {parameter.name for parameter in parameters([])} | {"task"}
    return [parameter for parameter in parameters(tasks) if parameter.name not in common]


def option_names(task: Task) -> set[str]:
    return {*fields_of(task.model_class().options), *fields_of(task.console_class().options)}


def _inputs(tasks: Sequence[Task]) -> Argument:
    accepted = [task.input_kind() for task in tasks]
    names = " or ".join(dict.fromkeys(input_kind.plural for input_kind in accepted))
    parts = [f"{names.capitalize()}."] if names else []
    files = [input_kind for input_kind in accepted if input_kind.is_file or input_kind.suffixes]
    if files or not accepted:
        has_urls = not accepted or any(input_kind.is_file for input_kind in accepted)
        parts.append(f"Files, folders{', patterns or URLs' if has_urls else ' or patterns'}.")
    if len(files) < len(accepted) or not accepted:
        parts.append("Texts, or .txt files with one per line.")
    parts.append("`-` reads standard input: one input per line, or one file.")
    return Argument(["inputs"], nargs=-1, required=True, help=" ".join(parts))


def _model_options(tasks: Sequence[Task], any_task: bool) -> list[click.Parameter]:
    help_text = "A name from `warmstart list`, a folder, or hf://org/name."
    defaults = [task.default_model for task in tasks if task.default_model]
    if any_task and len(tasks) != 1:
        help_text += " Default: depends on the type of the inputs."
    elif defaults:
        help_text += f" Default: {' or '.join(defaults)}."
    elif tasks:
        help_text += " Required."
    options = [
        Option(
            ["--model", "-m"],
            shell_complete=model_names,
            metavar="NAME",
            help=help_text,
            panel=MODEL,
        )
    ]
    if any_task:
        help_text = "The task, for a model that has several."
        options.append(Option(["--task"], metavar="NAME", help=help_text, panel=MODEL))
    return [
        *options,
        weights_option(panel=MODEL),
        engine_option(panel=MODEL),
        precision_option(panel=MODEL),
        device_option(panel=MODEL),
        offline_option(panel=MODEL),
    ]


def _output_options() -> list[click.Parameter]:
    return [
        json_option("Print one JSON object per line.", OUTPUT),
        Option(
            ["--csv", "as_csv"],
            is_flag=True,
            help="Print a table with one or more lines per input.",
            panel=OUTPUT,
        ),
        Option(
            ["--output", "-o"],
            metavar="PATH",
            help=(
                "For a table: the file for the table with the results as further columns (.csv, "
                ".tsv, .jsonl, .parquet). With --on: a folder."
            ),
            panel=OUTPUT,
        ),
        Option(
            ["--overwrite"],
            is_flag=True,
            help="Replace an output file that exists.",
            panel=OUTPUT,
        ),
        Option(
            ["--column"],
            metavar="NAME",
            multiple=True,
            help=(
                "For tables: the column with the input; twice for pairs of texts. Default: "
                "recognised by its name or content."
            ),
            panel=OUTPUT,
        ),
        Option(
            ["--encoding"],
            metavar="NAME",
            help="Encoding of a table. Default: UTF-8, or that of its byte order mark.",
            panel=OUTPUT,
            rare=True,
        ),
        Option(
            ["--delimiter"],
            metavar="TEXT",
            help="Delimiter of a table. Default: detected.",
            panel=OUTPUT,
            rare=True,
        ),
        Option(
            ["--on"],
            metavar="[local|ray]",
            help="Write results into the folder --output; the same command resumes. INPUTS may also "
            "be tables and URLs such as s3://….",
            panel=BATCH,
        ),
        Option(
            ["--shards", "batch_format"],
            metavar="[jsonl|parquet]",
            help="Format of the result files. Default: jsonl.",
            panel=BATCH,
            rare=True,
        ),
        Option(
            ["--shard-rows"],
            type=click.IntRange(min=1),
            help="Inputs per file; default: depends on the task.",
            panel=BATCH,
            rare=True,
        ),
        Option(
            ["--workers"],
            type=click.IntRange(min=1),
            help="Number of processes on Ray; default: one per processor.",
            panel=BATCH,
            rare=True,
        ),
        Option(
            ["--cpus"],
            type=click.FloatRange(min=0.1),
            help="Processors per process on Ray; default: 1.",
            panel=BATCH,
            rare=True,
        ),
        Option(
            ["--address"],
            help=(
                "Address of the Ray cluster; default: RAY_ADDRESS, or the cluster on this "
                "machine, or a new one."
            ),
            panel=BATCH,
            rare=True,
        ),
    ]
