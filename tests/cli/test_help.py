"""`--help` of every command: short, with examples, and readable in a narrow terminal."""

import re

import click
import pytest

from warmstart.cli.app import app
from warmstart.core.task import TASKS

VERBS = sorted({task.verb for task in TASKS.values() if isinstance(task.model, str)})  # ours
MOST_LINES = 59
OTHERS = [
    "predict",
    "search",
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
    assert len(lines) <= MOST_LINES
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


@pytest.mark.parametrize("name", OTHERS)
def test_examples_of_other_commands_name_options_that_exist(run, name):
    text, _, examples = run(name, "--help-all").out.partition("\nExamples:\n")
    if name == "finetune":
        text += run(name, "--task", "forecasting", "--help-all").out
    flags = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", text))
    words = {word for word in examples.split() if word.startswith("-")}
    assert words <= flags


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
@pytest.mark.parametrize("name", ["finetune", "evaluate"])
def test_the_help_of_a_task_is_short_too(run, monkeypatch, name, task):
    monkeypatch.setenv("COLUMNS", "80")
    assert len(run(name, "--task", task.name, "--help").out.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("name", ["ls", "rm", "verify"])
def test_commands_of_the_cache_have_examples(run, name):
    assert "\n  warmstart cache " in run("cache", name, "--help").out


def test_rare_options_are_in_the_long_help(run):
    short, long = run("transcribe", "--help").out, run("transcribe", "--help-all").out
    assert "more options." in short
    assert "--compression-ratio" not in short
    assert "--compression-ratio" in long
    assert "more option" not in long
    assert "--validation" in run("finetune", "--task", "forecasting", "--help-all").out
    assert "--static-covariates" in run("finetune", "--task", "forecasting", "--help-all").out
    assert "--keep-alive" in run("serve", "--help-all").out
