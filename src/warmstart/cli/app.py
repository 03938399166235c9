"""`app`: all commands. Those that use models are derived from `TASKS` when they are called."""

from __future__ import annotations

from typing import Any

import click

from warmstart.cli import completion
from warmstart.cli.help import HELP_NAMES, Group
from warmstart.core.task import TASKS
from warmstart.core.task_record import resolve

USE, TRAIN, DEPLOY, MODELS = "Use a model", "Train", "Deploy", "Models and cache"

COMMANDS = {
    USE: {"search": "warmstart.cli.search:command"},
    TRAIN: {
        "finetune": "warmstart.cli.finetune:FinetuneCommand",
        "pick": "warmstart.cli.pick:command",
        "evaluate": "warmstart.cli.evaluate:EvaluateCommand",
    },
    DEPLOY: {
        "serve": "warmstart.cli.serve:command",
        "export": "warmstart.cli.export:command",
        "wrap": "warmstart.cli.wrap:WrapCommand",
        "compile": "warmstart.cli.compile:command",
        "push": "warmstart.cli.push:command",
    },
    MODELS: {
        "list": "warmstart.cli.catalog:list_command",
        "info": "warmstart.cli.catalog:info_command",
        "pull": "warmstart.cli.hub:pull_command",
        "cache": "warmstart.cli.hub:cache_group",
    },
}
"""Title -> the commands that are not verbs of tasks, as "module:name" of a command or its class."""


class App(Group):
    """`warmstart`: a verb for each task, `predict` for any model, and `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        verbs = dict.fromkeys(task.verb for task in TASKS.values())
        return [*verbs, "predict", *(name for commands in COMMANDS.values() for name in commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for commands in COMMANDS.values():
            if cmd_name in commands:
                target = resolve(commands[cmd_name])
                command: click.Command = target() if isinstance(target, type) else target
                return command
        tasks = [task for task in TASKS.values() if task.verb == cmd_name]
        if not tasks and cmd_name != "predict":
            return None
        from warmstart.cli.tasks import TaskCommand

        return TaskCommand(cmd_name, tasks or None)

    def panel_of(self, name: str) -> str:
        return next((title for title, commands in COMMANDS.items() if name in commands), USE)

    def section_of(self, name: str) -> str:
        """The section of the documentation on a built-in command; "" for any other."""
        if name == "cache":
            return "weights.md#cache"
        models = {task.verb: str(task.model) for task in TASKS.values()}
        is_builtin = name == "predict" or models.get(name, "").startswith("warmstart.")
        is_builtin |= any(name in commands for commands in COMMANDS.values())
        return f"cli.md#{name}" if is_builtin else ""


def _version(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        from warmstart.version import __version__

        print(f"warmstart {__version__}")
        context.exit()


app = App(
    "warmstart",
    help="Pretrained models for TensorFlow: use, fine-tune and deploy them.",
    context_settings={"help_option_names": list(HELP_NAMES)},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Show the version.",
        ),
        completion.option(),
    ],
)
