"""The commands that use models: a verb for each task, and `predict` for any model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from click.core import ParameterSource

from warmstart.cli.arguments import STDIN, Arguments, check_texts, is_text, route
from warmstart.cli.help import Command, unknown_option
from warmstart.cli.parameters import explicit_options, options_with_values, wants_help
from warmstart.cli.task_parameters import option_names, own_parameters, parameters
from warmstart.core.reading import file_suffix
from warmstart.core.task import TASKS, Task, task_of
from warmstart.errors import UsageError

_ESCAPED = "\0"
"""Marks texts that begin with a dash while click parses the arguments; no argument contains it."""
_ARGUMENTS = "warmstart.cli.arguments"
PREDICT_EXAMPLES = (
    "warmstart predict photo.jpg",
    'warmstart predict "what a film" --task text-classification',
    "warmstart predict photos/ --model ./my-model --json",
    "warmstart predict reviews.csv --column review -o labelled.csv",
    "warmstart predict photos/ --model mobilenet_v2 --on ray -o results",
)


@dataclass(frozen=True)
class Request:
    """A parsed command.

    Attributes:
        command: its name, such as "warmstart classify".
        task: of the model.
        arguments: the inputs.
        options: the options of the call that the user has set.
        flags: the options of the task's console that the user has set.
        model: the name; None for the default.
        load: options of `ws.load`.
        as_json, as_csv: the format of the output.
        output: the folder of a batch, or the file for a table.
        overwrite: whether output files that exist are replaced.
        batch: the options of `ws.batch` that the user has set.
        reading: the encoding and delimiter of a table that the user has set.
    """

    command: str
    task: Task
    arguments: Arguments
    options: dict[str, Any]
    flags: dict[str, Any]
    model: str | None
    load: dict[str, Any]
    as_json: bool
    as_csv: bool
    output: str | None
    overwrite: bool = False
    batch: dict[str, Any] = field(default_factory=dict)
    reading: dict[str, str] = field(default_factory=dict)


class TaskCommand(Command):
    """A command that uses models. Its options are those of the task of the model.

    Args:
        name: of the command.
        tasks: of the command; None means all, and `--task` selects one.
    """

    def __init__(self, name: str, tasks: Sequence[Task] | None = None):
        self.any_task = tasks is None
        self.tasks = list(tasks or TASKS.values())
        if tasks is None:
            text = (
                "Predict with any model; its task determines the inputs and options.\n\n"
                "Unusable inputs do not stop the others: they are listed at the end, and the exit "
                "code is 1."
            )
            examples = list(PREDICT_EXAMPLES)
        else:
            text = " ".join(task.summary for task in tasks)
            usage = [arguments for task in tasks for arguments in task.usage]
            examples = [f"warmstart {name} {arguments}" for arguments in usage]
        short = text.partition("\n\n")[0]
        super().__init__(
            name, help=text, short_help=short, callback=lambda **_: self.run(), examples=examples
        )

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if not self.params:  # late, since it imports the tasks' modules
            self.params = parameters([] if self.any_task else self.tasks, self.any_task)
        return super().get_params(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        tasks = self._possible_tasks(args)
        is_help = wants_help(args)
        if is_help and self.any_task and len(tasks) > 1:
            self.epilog = "With --model or --task, --help also lists the options of that task."
            tasks = []
        self.params = parameters(tasks, self.any_task)
        args = _escaped(args, self.params)
        is_named = option_value(args, "--model", "-m", "--task") is not None
        if len(self.tasks) > 1 and not (is_named or is_help):
            tasks = [self._routed_task(ctx, args, tasks)]
            self.params = parameters(tasks, self.any_task)
        self.owner = f"warmstart {tasks[0].verb}" if tasks and self.any_task else ""
        self.listed = own_parameters(tasks) if tasks else None
        rest = super().parse_args(ctx, args)
        ctx.obj = self._request(ctx, tasks[0])
        return rest

    def run(self) -> None:
        """The body of the command."""
        from warmstart.cli import table

        request: Request = click.get_current_context().obj
        if table.is_table(request):
            table.run(request)
            return
        if request.reading:
            flags = " and ".join(f"--{name}" for name in request.reading)
            raise UsageError(f"Only a table as the single input, without --on, accepts {flags}.")
        if request.batch:
            from warmstart.cli.batch import run
        else:
            from warmstart.cli.predict import run
        run(request)

    # The task

    def _possible_tasks(self, args: Sequence[str]) -> list[Task]:
        """The tasks that `--model` and `--task` allow."""
        model, task = option_value(args, "--model", "-m"), option_value(args, "--task")
        if self.any_task and task is not None:
            return [task_of(task)]
        if model is None and self.any_task:
            return self._tasks_of_suffix(args)
        if model is None or len(self.tasks) == 1:
            return self.tasks
        from warmstart.cli.models import task_of_model

        name = task_of_model(model, offline=True if "--offline" in args else None)
        if name not in (task.name for task in self.tasks):
            verb = task_of(name).verb
            raise UsageError(f"{model} is a model for {name}: use `warmstart {verb}`.")
        return [task_of(name)]

    def _tasks_of_suffix(self, args: Sequence[str]) -> list[Task]:
        """The tasks that take files with the suffix of the first argument; all tasks if it is not the
        suffix of a photo or recording. The modules of other tasks are not imported, to save time.
        """
        suffix = file_suffix(args[0]) if args and not args[0].startswith("-") else ""
        for task in self.tasks if suffix else ():
            input_kind = task.input_kind()
            if task.default_model and suffix in input_kind.suffixes:
                same = [other for other in self.tasks if other.input == task.input]
                return same if input_kind.is_file else self.tasks
        return self.tasks

    def _routed_task(self, ctx: click.Context, args: Sequence[str], tasks: Sequence[Task]) -> Task:
        """The task of the inputs, among those with a default model and with all options that are set."""
        trial = click.Context(
            self,
            parent=ctx.parent,
            resilient_parsing=True,
            ignore_unknown_options=True,
            allow_extra_args=True,
        )
        super().parse_args(trial, list(args))
        inputs = trial.params.get("inputs") or ()
        if "--" not in args:
            for name in inputs:
                if name.startswith("-") and name != STDIN:
                    if not name.startswith("--"):  # click has removed the letters of known options
                        name = next((arg for arg in args if arg.startswith(name[:2])), name)
                    name = name.partition("=")[0]
                    raise unknown_option(name, ctx.command_path, self.params, own_parameters(tasks))
        explicit = {
            name
            for name in trial.params
            if trial.get_parameter_source(name) is ParameterSource.COMMANDLINE
        }
        common = {parameter.name for parameter in parameters([], self.any_task)}
        able = [task for task in tasks if task.default_model]
        if "column" in explicit and "on" not in explicit:  # each row is an input
            able = [task for task in able if not task.input_kind().table_suffixes]
        fitting = [task for task in able if explicit - common <= option_names(task)]
        arguments = Arguments(_unescaped(inputs))
        ctx.meta[_ARGUMENTS] = arguments
        if len(tasks) < len(self.tasks):  # by the first input only; see `_tasks_of_suffix`
            route(arguments, [task for task in self.tasks if task.default_model])
        reading = {name: trial.params[name] for name in ("encoding", "delimiter")}
        columns = trial.params.get("column") or ()
        return route(arguments, fitting or able or tasks, columns, reading)

    def _request(self, ctx: click.Context, task: Task) -> Request:
        values = ctx.params
        arguments = ctx.meta.get(_ARGUMENTS) or Arguments(_unescaped(values["inputs"]))
        arguments.input_kind = task.input_kind()
        command = f"warmstart {task.verb}" if self.any_task else ctx.command_path
        check_texts(arguments, task.input_kind(), command)
        flags = explicit_options(task.console_class().options, values)
        batch = {
            name: values[f"batch_{name}" if name == "format" else name]
            for name in ("on", "format", "column", "shard_rows", "workers", "cpus", "address")
        }
        return Request(
            command=ctx.command_path,
            task=task,
            arguments=arguments,
            options=explicit_options(task.model_class().options, values),
            flags=flags,
            model=values["model"],
            load={name: values[name] for name in ("weights", "engine", "precision", "device")}
            | {"offline": values["offline"] or None},
            as_json=values["as_json"],
            as_csv=values["as_csv"],
            output=values["output"],
            overwrite=values["overwrite"],
            batch={name: value for name, value in batch.items() if value not in (None, ())},
            reading={
                name: values[name] for name in ("encoding", "delimiter") if values[name] is not None
            },
        )


# Arguments


def option_value(args: Sequence[str], *names: str) -> str | None:
    """The value of an option in arguments that are not parsed yet; None if it is not set."""
    value = None
    for index, arg in enumerate(args):
        if arg == "--":
            break
        for name in names:
            if arg == name and index + 1 < len(args):
                value = args[index + 1]
            elif name.startswith("--") and arg.startswith(f"{name}="):
                value = arg[len(name) + 1 :]
            elif not name.startswith("--") and arg.startswith(name) and len(arg) > len(name):
                value = arg[len(name) :]
    return value


def task_of_arguments(args: Sequence[str], none: str = "") -> Task | None:
    """The task that `--task`, else `--model`, names in arguments that are not parsed yet.

    Args:
        args: of a command.
        none: a value of `--model` that names no model.
    """
    from warmstart.cli.models import task_of_model

    task, model = option_value(args, "--task"), option_value(args, "--model", "-m")
    if task is not None:
        return task_of(task)
    return None if model in (None, none) else task_of(task_of_model(str(model)))


def _escaped(args: Sequence[str], known: Iterable[click.Parameter]) -> list[str]:
    """The arguments, with a mark before each text that begins with a dash."""
    with_values = options_with_values(known)
    escaped: list[str] = []
    rest = iter(args)
    for arg in rest:
        if arg == "--":
            return [*escaped, arg, *rest]
        escaped.append(_ESCAPED + arg if is_text(arg) else arg)
        if arg in with_values:
            escaped += [value for value in [next(rest, None)] if value is not None]
    return escaped


def _unescaped(args: Iterable[str]) -> list[str]:
    return [arg.removeprefix(_ESCAPED) for arg in args]
