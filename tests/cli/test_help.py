"""`--help` of every command: short, with examples, and readable in a narrow terminal."""

import click
import pytest

from warmstart.cli.app import app
from warmstart.core.task import TASKS

VERBS = sorted({task.verb for task in TASKS.values() if isinstance(task.model, str)})  # ours
LONGER = {"serve", "transcribe", "generate", "forecast"}
"""Commands with more options than fit on 60 lines."""
OTHERS = [
    "predict",
    "finetune",
    "pick",
    "evaluate",
    "serve",
    "export",
    "compile",
    "list",
    "info",
    "pull",
]


@pytest.mark.parametrize("name", [*VERBS, *OTHERS])
def test_the_help_is_short_and_has_examples(run, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(name, "--help").out.splitlines()
    examples = lines[lines.index("Examples:") + 1 :]
    assert 3 <= len(examples) <= 5
    assert all(
        line.startswith(f"  warmstart {name} ") or line == "  warmstart list" for line in examples
    )
    assert len(lines) <= (80 if name in LONGER else 59)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", [*VERBS, *OTHERS])
def test_texts_stand_below_names_in_a_narrow_terminal(run, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "40")
    text = run(name, "--help").out.partition("\nExamples:")[0]
    assert all(len(line) <= 40 or " " not in line.strip() for line in text.splitlines())


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_examples_name_options_that_exist(task):
    command = app.get_command(click.Context(app), task.verb)
    flags = {
        flag for parameter in command.get_params(click.Context(command)) for flag in parameter.opts
    }
    for arguments in task.usage:
        assert {word for word in arguments.split() if word.startswith("-")} <= flags
