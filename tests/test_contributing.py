"""CONTRIBUTING.md is true: its table of places to touch against the files that name a task, family
or command.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from warmstart.cli.app import COMMANDS
from warmstart.core.task import TASKS, register
from warmstart.engines.choose import ENGINES
from warmstart.models import ARCHITECTURES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
OURS = [task.name for task in TASKS.values() if isinstance(task.model, str)]
"""The tasks of the package; a test may have registered one of its own."""
COMMAND_NAMES = ("finetune", "pick", "evaluate", "export", "compile", "pull")
"""Those whose name is not also a common word or key."""
NUMBERS = {
    "a task outside the package": 1,
    "a task in the package": 3,
    "a family": 3,
    "a command": 2,
    "an engine": 5,
}
"""How many places there are to touch. A larger number is a loss, a smaller one belongs here."""
EXCEPTIONS = {
    "a task in the package": {
        "src/warmstart/training/__init__.py",
        "src/warmstart/core/loading.py",  # the default model
        "src/warmstart/serve/openai.py",  # the four tasks of that protocol
        "src/warmstart/serve/openai_audio.py",
        "src/warmstart/serve/openapi_openai.py",
    },
    "a family": {
        "src/warmstart/training/__init__.py",
        "src/warmstart/speech/wavenet_sampler.py",
        "src/warmstart/text/vocabularies.py",
    },
    "a command": {"src/warmstart/api.py"},  # functions of these names
    "an engine": {
        # Engines are formats of `export`, and generated text and sound name those that they cannot
        # use.
        "src/warmstart/core/exporting.py",
        "src/warmstart/engines/export.py",
        "src/warmstart/text/autoregressive.py",
        "src/warmstart/speech/synthesis.py",
        "src/warmstart/cli/serve.py",
    },
}
"""Files that name one in code although the table does not list them. No new ones."""


def rows() -> dict[str, list[str]]:
    """To add -> the places of the table that are paths, with names in capitals as placeholders, or
    calls.
    """
    table = PAGE.partition("| to add |")[2].partition("\n\n")[0]
    cells = [line.strip("|").split("|") for line in table.splitlines()[2:]]
    return {first.strip(): re.findall(r"`([^`]+)`", second) for first, second in cells}


def pattern(place: str) -> re.Pattern[str]:
    names = re.escape(place).replace("WING", "(image|text|speech|series|tensors)")
    return re.compile(
        re.sub(r"[A-Z]{3,}", r"[a-z0-9_]+", names) + (".+" if place.endswith("/") else "")
    )


def files() -> list[str]:
    return [
        str(path.relative_to(ROOT))
        for path in (ROOT / "src" / "warmstart").rglob("*")
        if path.is_file()
    ]


@cache
def places() -> dict[str, set[str]]:
    """String constant -> the files whose code holds it; prose and docstrings hold more than one
    word.
    """
    found = defaultdict(set)
    for path in (ROOT / "src" / "warmstart").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found[node.value].add(str(path.relative_to(ROOT)))
    return found


def unlisted(name: str, what: str, *elsewhere: str) -> set[str]:
    """Files that name it and are neither in the table's row nor among the exceptions."""
    allowed = [pattern(place) for place in (*rows()[what], *elsewhere)]
    named = {file for file in places()[name] if not any(each.fullmatch(file) for each in allowed)}
    return named - EXCEPTIONS[what]


def file_of(module: str) -> str:
    return f"src/{module.partition(':')[0].replace('.', '/')}.py"


def test_the_table_lists_these_numbers_of_places():
    assert {what: len(found) for what, found in rows().items() if what in NUMBERS} == NUMBERS


@pytest.mark.parametrize("what", rows())
def test_every_place_exists(what):
    for place in rows()[what]:
        if match := re.fullmatch(r"python (\S+)", place):
            assert (ROOT / match[1]).is_file()
        elif place.startswith("register("):
            assert callable(register)
        else:
            assert any(map(pattern(place).fullmatch, files())) or (ROOT / place).exists(), place


@pytest.mark.parametrize("what", EXCEPTIONS)
def test_every_exception_is_needed(what):
    names = {
        "a task in the package": OURS,
        "a family": ARCHITECTURES,
        "a command": COMMAND_NAMES,
        "an engine": ENGINES,
    }
    used = {file for name in names[what] for file in places()[name]}
    assert used >= EXCEPTIONS[what], f"remove {EXCEPTIONS[what] - used}"


@pytest.mark.parametrize("name", OURS)
def test_a_task_is_named_where_the_table_says(name):
    task = TASKS[name]
    module, row, _ = rows()["a task in the package"]
    own = [file_of(str(task.model)), *([file_of(task.trainer)] if task.trainer else [])]
    for place, file in zip((module, *rows()["training for a task"]), own, strict=False):
        assert pattern(place).fullmatch(file)
    own_names = re.compile(
        r"src/warmstart/(models|\w+/train)/.+"
    )  # a family's heads; what trainers share
    elsewhere = {file for file in places()[name] if not own_names.fullmatch(file)}
    assert elsewhere <= {*own, row, "src/warmstart/api.py", *EXCEPTIONS["a task in the package"]}


def test_a_task_of_a_user_is_named_in_one_module():
    module = (ROOT / "tests" / "new_task.py").read_text("utf-8")
    assert module.count("register(") == 1
    for word in ("image-brightness", "BrightnessMeter", "BrightnessOptions"):
        assert word in module
        named = [
            file
            for file in files()
            if file.endswith((".py", ".js")) and word in (ROOT / file).read_text("utf-8")
        ]
        assert not named


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_a_family_is_named_where_the_table_says(family):
    trainers = re.compile(r"src/warmstart/\w+/train/.+")  # a trainer says what it builds
    named = {file for file in unlisted(family, "a family") if not trainers.fullmatch(file)}
    if family in {task.default_model for task in TASKS.values()}:
        named.discard("src/warmstart/core/task.py")  # a model with the name of its family
    assert not named


@pytest.mark.parametrize("command", COMMAND_NAMES)
def test_a_command_is_named_where_the_table_says(command):
    assert any(command in commands for commands in COMMANDS.values())
    assert not unlisted(command, "a command")


@pytest.mark.parametrize("engine", ["litert", "openvino", "onnxruntime"])
def test_an_engine_is_named_where_the_table_says(engine):
    assert engine in ENGINES
    assert not unlisted(engine, "an engine", "src/warmstart/api.py")


def test_the_floors_of_the_page_are_those_of_the_test():
    from tests.test_house import FLOORS

    (block,) = re.findall(r"```text\n(cli\n.*?)```", PAGE, re.DOTALL)
    shown = [tuple(line.split("#")[0].split(", ")) for line in block.splitlines()]
    shown = [tuple(sorted(part.strip() for part in floor)) for floor in shown]
    assert shown == [tuple(sorted(floor)) for floor in reversed(FLOORS)]


def test_every_target_of_the_page_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^make (\w+)", PAGE, re.MULTILINE))
    assert targets >= {"fast", "test", "lint", "format", "types", "docs"}
    assert targets <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    declared = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert declared is not None
    assert targets <= set(declared[1].split())
