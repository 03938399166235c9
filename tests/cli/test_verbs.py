"""Each task has a verb: its help, its options, and the same results as from `predict`."""

import json
import re

import pytest
from tests.oracles.cases import CASES
from tests.photos import CIFAR

from warmstart.core.options import fields_of
from warmstart.core.task import TASKS

COMMON = {"-q", "-v", "--device",
    "-m", "--model", "--weights", "--engine", "--precision", "--offline", "--json", "--csv", "-o", "--output",
    "--overwrite", "--on", "--column",
}  # fmt: skip
BATCH = {
    "--encoding",
    "--delimiter",
    "--shards",
    "--shard-rows",
    "--workers",
    "--cpus",
    "--address",
}
"""Options of tables and batch runs that only the long help lists."""
VERBS = {
    task.verb: [each for each in TASKS.values() if each.verb == task.verb]
    for task in TASKS.values()
}


def listed(text: str) -> set[str]:
    """The options in the first column of a help."""
    heads = re.findall(r"^  (-.*?)(?:  |$)", text, re.MULTILINE)
    return {name for head in heads for name in re.findall(r"(?<!\w)--?[\w-]+", head)}


def flags(tasks) -> set[str]:
    """The flags of the options of tasks."""
    found = set()
    for task in tasks:
        for owner in (task.model_class().options, task.console_class().options):
            for name, field in fields_of(owner).items():
                if not field.option.cli:
                    continue
                long = "--" + (field.option.flag or name).replace("_", "-")
                found |= {long} | ({field.option.short} if field.option.short else set())
                if field.type is bool and field.default is not False:
                    found.add(f"--no-{long[2:]}")
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_lists_the_options_of_its_tasks(verb, run):
    done = run(verb, "--help-all")
    assert done.code == 0
    assert listed(done.out) == COMMON | BATCH | flags(VERBS[verb])
    for task in VERBS[verb]:
        assert task.summary in done.out
        assert task.default_model in done.out


@pytest.mark.parametrize("name", TASKS)
def test_predict_lists_the_options_of_a_task(name, run):
    done = run("predict", "--task", name, "--help-all")
    assert listed(done.out) == COMMON | BATCH | {"--task"} | flags([TASKS[name]])


def test_predict_lists_the_options_of_a_model(run):
    told = run("predict", "--model", "bccd_fcos", "--help").out
    assert "--threshold" in told
    assert "--top-k" not in told
    assert "--threshold" not in run("predict", "--help").out


def test_the_help_groups_all_commands(run):
    text = run("--help").out
    for title in ("Use a model", "Train", "Deploy", "Models and cache"):
        assert f"\n{title}:\n" in text
    for command in (*VERBS, "predict", "finetune", "evaluate", "pick", "export", "serve", "list", "info", "pull",
                    "compile", "cache"):  # fmt: skip
        assert re.search(rf"^  {command} ", text, re.MULTILINE), command
    assert run().code == 2


@pytest.mark.parametrize("name", CASES)
def test_a_verb_prints_what_predict_prints(name, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case = CASES[name]
    chosen = ("--model", case.model, "--engine", "litert", "--json")
    verb = run(TASKS[case.task].verb, *chosen, *case.arguments)
    for path in tmp_path.iterdir():  # of sounds: a second run would write under another name
        path.unlink()
    predict = run("predict", *chosen, "--task", case.task, *case.arguments)
    assert verb == predict
    assert [json.loads(line) for line in verb.out.splitlines()]


@pytest.mark.parametrize(("arguments", "expected"), [
    (("detect", "x.png", "--tresh", "1"), "has no option --tresh; did you mean --threshold?"),
    (("classify", "x.png", "--tresh", "1"), "warmstart classify has no option --tresh"),
    (("classify", "good", "--topk", "1"), "did you mean --top-k?"),
    (("predict", "x.png", "-x"), "no option -x"),
    (("classify", "-dash.png"), "no option -dash.png"),
    (("predict", "x.png", "--model", "bccd_fcos", "--top-k", "1"), "--threshold"),
    (("detect", "x.png", "--threshold", "2"), "--threshold must be from 0 to 1, not 2"),
    (("detect", "x.png", "--max-boxes", "many"), "--max-boxes must be an integer"),
    (("generate", "a", "--overflow", "burst"), "--overflow must be one of error, slide"),
    (("segment", "x.png", "--model", str(CIFAR)), "is a model for image-classification"),
    (("classify", "x.png", "--model", "bccd_fcos"), "use `warmstart detect`"),
    (("tag", "ann"), "needs a --model"),
    (("detect", "x.png", "--output", "out"), "--on"),
    (("detect", "x.png", "--workers", "2"), "--workers needs --on"),
    (("detect", "x.png", "--on", "local"), "--output"),
    (("detect", "x.png", "--on", "local", "--output", "out", "--model", "bccd_fcos", "--draw", "d"), "--draw"),
    (("predict", "x.png", "--task", "magic"), "no task 'magic'"),
    (("detekt", "x.png"), "Did you mean detect?"),
    (("detect",), "INPUTS"),
])  # fmt: skip
def test_a_wrong_command_ends_in_one_sentence(arguments, expected, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert done.err.startswith("warmstart: ")
    _, *sections = done.err.splitlines()
    assert [one[:9] for one in sections] in ([], ["See docs/"])
    assert not list(tmp_path.iterdir())


def test_help_imports_no_wing(run):
    import subprocess
    import sys

    code = (
        "import sys; from warmstart.cli import main\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'tensorflow', 'keras', 'warmstart.image', 'warmstart.text'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    for arguments, loaded in (
        (["--help"], []),
        (["list", "--help"], []),
        (["finetune", "--help"], []),
    ):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr.strip() == str(loaded), arguments


def test_predict_imports_the_wing_of_its_photo(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; from warmstart.cli import main\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        "wings = (f'warmstart.{wing}' for wing in ('image', 'text', 'speech', 'series'))\n"
        "print([wing for wing in wings if wing in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "predict", "missing.jpg", "--top-k", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == "['warmstart.image']"
