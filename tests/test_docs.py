"""The documentation against the code: what it shows parses, what it names exists, generated parts
are current.
"""

import ast
import importlib.util
import inspect
import re
import runpy
import shlex
import sys
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.cli import task_parameters
from warmstart.cli.app import app
from warmstart.cli.parameters import flags_of
from warmstart.core.task import TASKS, wrapper_class

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")]
PAGES += sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "docs" / "tutorials").glob("*.md"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FORBIDDEN = re.compile(r"/tmp/|/root\b|/home/|/work\b")  # paths of one machine
NOT_MODELS = {"mobilenet_v9"}  # an example of a mistake; names like "my-model" are folders


def blocks(page: Path, *languages: str) -> list[str]:
    return [
        code for language, code in FENCE.findall(page.read_text("utf-8")) if language in languages
    ]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def by_name(paths: list[Path]) -> Any:
    return pytest.mark.parametrize("page", paths, ids=[path.name for path in paths])


@by_name(PAGES)
def test_python_blocks_parse_and_call_what_exists(page):
    for code in blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if (
                not isinstance(node, ast.Attribute)
                or not isinstance(node.value, ast.Name)
                or node.value.id != "ws"
            ):
                continue
            assert node.attr in {*ws.__all__, "sklearn"}, f"ws.{node.attr}\n{code}"
        for call in (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            if name in ("ws.load", "ws.backbone", "ws.list_models"):
                parameters = inspect.signature(getattr(ws, name.removeprefix("ws."))).parameters
                assert {keyword.arg for keyword in call.keywords} <= parameters.keys(), ast.unparse(
                    call
                )
                if name != "ws.list_models" and isinstance(call.args[0], ast.Constant):
                    assert is_model(str(call.args[0].value)), ast.unparse(call)


def is_model(name: str) -> bool:
    return (
        "/" in name
        or ":" in name
        or name in NOT_MODELS
        or name.endswith("-model")
        or bool(ws.list_models(name))
    )


@by_name([page for page in PAGES if page.stem != "CHANGELOG"])  # which names what was
def test_models_in_prose_exist(page):
    outputs = {"default", *re.findall(r"--output (\S+)", page.read_text("utf-8"))}
    for name in re.findall(r'ws\.(?:load|backbone|finetune)\("([^"{]+)"', prose(page)):
        assert is_model(name) or name in outputs, name


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@by_name(PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), target
        if page.parent == ROOT / "docs":  # the site is built from this folder alone
            assert found.resolve().is_relative_to(ROOT / "docs"), target
        if anchor:
            assert anchor in {
                slug(h) for h in re.findall(r"^#+ (.+)$", found.read_text("utf-8"), re.MULTILINE)
            }, target


@cache
def commands() -> dict[str, set[str]]:
    """Command, such as "cache rm" -> its options."""
    found: dict[str, set[str]] = {}

    def visit(path: list[str], command: click.Command) -> None:
        context = click.Context(command)
        parameters = command.get_params(context)
        if path and path[0] == "predict":  # takes the options of all tasks
            parameters += task_parameters.parameters(list(TASKS.values()), any_task=True)
        if path and path[0] == "finetune":
            parameters += [
                one
                for task in TASKS.values()
                if task.trainer
                for one in flags_of(task.train_options_class(), "")
            ]
        if path and path[0] == "wrap":
            wrappers = [wrapper_class(task.name) for task in TASKS.values() if task.wrapper]
            parameters += [one for each in wrappers for one in flags_of(each.options_class, "")]
        if path and path[0] == "evaluate":
            parameters += [
                one
                for task in TASKS.values()
                for one in flags_of(task.model_class().evaluate_options, "")
            ]
        options = {
            option
            for parameter in parameters
            for option in (*parameter.opts, *parameter.secondary_opts)
            if option.startswith("-")
        }
        found[" ".join(path)] = options
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                visit([*path, name], command.get_command(context, name))

    visit([], app)
    return found


def lines(page: Path) -> list[str]:
    """Command lines of shell blocks, those that go on after a backslash joined, and inline code."""
    shell = [
        line.removeprefix("$ ")
        for code in blocks(page, "console", "shell", "bash")
        for line in re.sub(r"\\\n\s*", "", code).splitlines()
    ]
    return shell + re.findall(r"`([^`\n]+)`", prose(page))


@by_name(PAGES)
def test_commands_and_options_exist(page):
    known = commands()
    outputs = set(
        re.findall(r"--output (\S+)", "\n".join(lines(page)))
    )  # models that a command before has written
    for line in lines(page):
        for part in re.split(r"[|>]", line):
            if not re.match(r"\s*(python -m )?warmstart [a-z]", part):
                continue
            words = shlex.split(part, comments=True)
            words = words[words.index("warmstart") + 1 :]
            name = " ".join(words[:2]) if words[0] == "cache" and len(words) > 1 else words[0]
            assert name in known, line
            before = words[: words.index("--")] if "--" in words else words
            options = {word.partition("=")[0] for word in before if re.match(r"--?[a-z]", word)}
            assert options <= known[name], f"{line}: {options - known[name]}"
            if "--model" in words:
                model = words[words.index("--model") + 1]
                assert is_model(model) or model in outputs, line
            if name in ("info", "pull", "compile"):
                values = {after for before, after in pairwise(words) if before.startswith("-")}
                names = {word for word in words[1:] if re.fullmatch(r"[a-z][\w.]+", word)} - values
                assert all(map(is_model, names)), line


def arguments(program: Path) -> set[str]:
    """The options of a program that uses argparse, those of the files beside it that it imports
    among them.
    """
    text = program.read_text("utf-8")
    beside = [
        program.with_name(f"{name}.py")
        for name in re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)
    ]
    return set(re.findall(r'"(--[a-z][a-z0-9-]*)"', text)).union(
        *(arguments(path) for path in beside if path.is_file())
    )


@by_name(PAGES)
def test_options_in_prose_exist(page):
    known = set().union(*commands().values())
    if page.name == "benchmarks.md":
        known |= {
            option for path in (ROOT / "benchmarks").glob("*.py") for option in arguments(path)
        }
    for option in re.findall(r"`(--[a-z][a-z-]*)`", prose(page)):
        assert option in known, option


@by_name(PAGES)
def test_example_programs_take_the_options_that_are_shown(page):
    for line in lines(page):
        if match := re.match(r"python (\S+\.py)(.*)", line):
            program = ROOT / match[1]
            assert program.is_file(), line
            assert set(re.findall(r"--[a-z][a-z0-9-]*", match[2].partition("#")[0])) <= arguments(
                program
            ), line


@by_name([*PAGES, *EXAMPLES, ROOT / "docs" / "conf.py", *sorted((ROOT / "scripts").glob("*.py"))])
def test_no_place_of_one_machine(page):
    found = [match[0] for match in FORBIDDEN.finditer(page.read_text("utf-8"))]
    assert not found


def test_error_tree_is_complete():
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    (tree,) = blocks(ROOT / "docs" / "errors.md", "text")
    shown = re.findall(r"^(?:[│├└─ ]*)(\w+Error)\b", tree, re.MULTILINE)
    real = [
        name
        for name, value in vars(ws.errors).items()
        if inspect.isclass(value) and issubclass(value, ws.errors.WarmstartError)
    ]
    assert sorted(shown) == sorted(real)
    abstract = {"WarmstartError", "CheckpointError", "EngineError"}
    assert all(f"| `{name}` |" in page for name in real if name not in abstract)


@pytest.mark.parametrize(
    "folder", [ROOT / "docs", ROOT / "docs" / "tutorials"], ids=lambda p: p.name
)
def test_navigation_names_every_page(folder):
    index = (folder / "index.md").read_text("utf-8")
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```$", index, re.MULTILINE | re.DOTALL)
    named = [name for tree in trees for name in tree.split("\n") if name and name[0] != ":"]
    pages = [path.stem for path in folder.glob("*.md") if path.stem != "index"]
    pages += [f"{path.parent.name}/index" for path in folder.glob("*/index.md")]
    assert sorted(named) == sorted(pages)


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_generated_parts_are_current():
    make_docs = module(ROOT / "scripts" / "make_docs.py")
    names = set()
    for path in make_docs.documents():
        text = path.read_text("utf-8")
        for start, name, end in make_docs.MARKED.findall(text):
            names.add(name)
            current = start + make_docs.generate(name) + end
            assert current in text, f"{path.name}, {name}: run python scripts/make_docs.py"
    verbs = {
        task.verb for task in TASKS.values() if isinstance(task.model, str)
    }  # others are of tests
    others = commands().keys() - {task.verb for task in TASKS.values()} - {"", "cache"}
    expected = {f"verb {name}" for name in verbs} | {f"command {name}" for name in others}
    assert names >= {"tasks", "families", "models"} | expected


def test_readme_shows_the_demo():
    text = (ROOT / "README.md").read_text("utf-8")
    (block,) = re.findall(r"<!-- demo -->\n```console\n(.*?)\n```\n<!-- /demo -->", text, re.DOTALL)
    assert text.index("<!-- demo -->") < 600, "the first screen shows what it does"
    default = TASKS["image-classification"].default_model
    assert block.startswith(f"$ warmstart classify examples/photos --top-k 3\nModel: {default} ")
    assert (
        " ".join(module(ROOT / "scripts" / "update_readme.py").COMMAND)
        == "classify examples/photos --top-k 3"
    )
    for photo in sorted((ROOT / "examples" / "photos").glob("*.jpg")):
        assert f"examples/photos/{photo.name}\n" in block


def test_readme_shows_every_task():
    text = (ROOT / "README.md").read_text("utf-8")
    assert f"[{len(ws.list_models())} models" in text
    pictured = set()
    for name in {entry.task for entry in ws.list_models()}:
        assert f"**{name.replace('-', ' ')}**<br>`ws.load(" in text, name
        if f"docs/answers/{name}.webp" in text:
            pictured.add(name)
    assert pictured == set(module(ROOT / "scripts" / "make_answers.py").ANSWERS)


def test_readme_has_the_faults_of_the_last_run():
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    (total,) = re.findall(r"^([\d,]+ faults of \d+ types injected, [\d,]+ handled)\.$", page, re.M)
    assert total in (ROOT / "README.md").read_text("utf-8")


def test_pictures_of_answers_are_small():
    pictures = sorted((ROOT / "docs" / "answers").iterdir())
    assert pictures
    assert [path.name for path in pictures if path.stat().st_size > 40_000] == []


def test_the_chart_has_the_results_of_the_benchmarks():
    make_chart = module(ROOT / "scripts" / "make_chart.py")
    runs = list(make_chart.read_all())
    message = "run python scripts/make_chart.py"
    assert make_chart.CHART.read_text("utf-8") == make_chart.chart(runs), message
    (row,) = (bar.what for bar in make_chart.BARS if bar.job.startswith("D-FINE"))
    measured = [run for run in runs for figure in run.figures if figure.what.startswith(row)]
    run = max(measured, key=lambda run: run.day)
    (figure,) = (figure for figure in run.figures if figure.what.startswith(row))
    later = replace(run, day="2099-01-01", figures=(replace(figure, value=0.055),))
    drawn = make_chart.chart([*runs, later])
    assert ">0.06</text>" in drawn
    assert "2099-01-01" in drawn


@pytest.mark.parametrize("urls", [{}, {"Source": "https://example.org/warmstart/"}])
def test_the_description_of_the_package_has_no_relative_link(urls):
    for_index = module(ROOT / "scripts" / "readme_for_index.py").for_index
    text = (ROOT / "README.md").read_text("utf-8")
    described = for_index(text, urls, "1.2.3")
    targets = re.findall(r"\]\(([^)\s]+)\)", described)
    assert all(target.startswith("https://") for target in targets)
    source = "https://example.org/warmstart"
    assert (f"[security]({source}/blob/v1.2.3/docs/security.md)" in described) == bool(urls)
    assert (f"]({source}/raw/v1.2.3/docs/images/benchmarks.svg)" in described) == bool(urls)
    assert blocks(ROOT / "README.md", "python")[0] in described
    outside = "[a](https://example.com) `[b](c)` [d](#e)"
    assert for_index(outside, urls, "1") == outside


START = ROOT / "docs" / "index.md"
GUIDES = [page for page in PAGES if page.is_relative_to(ROOT / "docs") and page != START]


@by_name(GUIDES)
def test_pages_begin_with_what_the_reader_can_do_after_them(page):
    _, opening, *_ = page.read_text("utf-8").split("\n\n")
    assert opening.startswith("After this page you can ")


@pytest.fixture
def example(monkeypatch, capsys):
    """Runs a program of examples/ in this process; returns what it prints."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(ROOT / "examples")

    def run(program: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [program, *map(str, arguments)])
        runpy.run_path(program, run_name="__main__")
        return capsys.readouterr().out

    return run


def test_examples_on_real_photos(example, tmp_path):
    answers = tmp_path / "answers.csv"
    shown = example("examples/predict_folder.py", "examples/photos", "--output", answers)
    assert "3 results in" in shown
    assert len(answers.read_text("utf-8").splitlines()) == 4
    search = ("examples/features_search.py", "examples/photos/cat.jpg", "examples/photos")
    for _ in range(2):  # the second time from the index
        shown = example(*search, "--index", tmp_path / "index.npz")
        assert shown.splitlines()[0] == "1.000  examples/photos/cat.jpg"


@pytest.mark.tensorflow
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # Keras' own saving, numpy 2
def test_fine_tuning_example(example, tmp_path):
    from PIL import Image

    rows, columns = np.indices((40, 40))
    for name in ("rows", "columns"):  # red stripes that lie, blue ones that stand
        (tmp_path / name).mkdir()
        for i in range(10):
            lit = (rows if name == "rows" else columns) // (6 + i % 3) % 2 == i % 2
            picture = np.where(
                lit[..., None], (220, 40, 40) if name == "rows" else (40, 40, 220), 230
            )
            Image.fromarray(picture.astype(np.uint8)).save(tmp_path / name / f"{i}.png")
    saved = tmp_path / "out.keras"
    shown = example(
        "examples/fine_tune_keras.py",
        tmp_path,
        "--model",
        CIFAR,
        "--epochs",
        30,
        "--fine-epochs",
        1,
        "--unfreeze",
        8,
        "--batch-size",
        8,
        "--output",
        saved,
    )
    assert saved.is_file()
    assert "100.0%" in shown
