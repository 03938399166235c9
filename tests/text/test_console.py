"""Texts on the command line: a context for questions, and text that is written while it is
generated.
"""

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

import warmstart as ws
from warmstart.core.results import Failed
from warmstart.errors import InputError, UsageError
from warmstart.text.console import GenerationConsole, QuestionConsole, QuestionFlags
from warmstart.text.inputs import QUESTION, Pair


@pytest.fixture(scope="module")
def generator():
    return ws.load("shakespeare_gpt2")


def questions(arguments, context=None):
    """What a console asks its model."""
    model = SimpleNamespace(input_kind=QUESTION, stream=QUESTION.stream)
    items = QuestionConsole(model, QuestionFlags(context=context)).results(arguments, {})
    return [
        item.value if isinstance(item.value, InputError) else QUESTION.read(item) for item in items
    ]


def test_questions_about_one_context(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "context.txt").write_text("line one\nline two\n")
    (tmp_path / "asked.txt").write_text("who ?\nwhere ?\n")
    assert questions(["who ?"], "a text") == [Pair("who ?", "a text")]
    assert questions(["who ?"], "context.txt") == [Pair("who ?", "line one\nline two\n")]
    assert questions(["asked.txt"], "a text") == [
        Pair("who ?", "a text"),
        Pair("where ?", "a text"),
    ]
    assert questions(["who ?\ta text"]) == [Pair("who ?", "a text")]
    (missing,) = questions(["nowhere.txt"], "a text")
    assert "no such file" in str(missing)


@pytest.mark.parametrize("context", ["nowhere.txt", "picture.jpg", "."])
def test_a_context_that_cannot_be_read(context):
    with pytest.raises(UsageError, match=r"no such file|is a folder"):
        questions(["who ?"], context)


def test_texts_are_written_while_they_are_generated(generator, capsys):
    options = {"max_new_tokens": 5}
    whole = generator("ROMEO:", **options)
    shown = GenerationConsole(generator).shown(["ROMEO:", "nowhere.txt", "My lord"], options)
    assert next(shown) == whole
    assert capsys.readouterr().out == f"{whole}\n\n"
    failed, last = shown
    assert isinstance(failed, Failed)
    assert failed.input == "nowhere.txt"
    assert last.input == "My lord"


@pytest.mark.parametrize("options", [{"num_beams": 2}, {"batch_size": 2}])
def test_texts_of_a_search_are_written_whole(generator, options, capsys):
    console = GenerationConsole(generator)
    results = list(console.shown(["ROMEO:", "My lord"], {"max_new_tokens": 4, **options}))
    assert [bool(result) for result in results] == [True, True]
    assert capsys.readouterr().out == "".join(f"{result}\n\n" for result in results)
    assert replace(results[0], logprobs=()) == replace(
        generator("ROMEO:", max_new_tokens=4, **options), logprobs=()
    )


def test_a_text_that_is_cut_is_named_in_one_line(tmp_path):
    (tmp_path / "a.txt").write_text("fine\n" + "a film " * 300 + "\n")
    command = [sys.executable, "-m", "warmstart", "classify", "a.txt", "--model", "sst2_bert_tiny"]
    done = subprocess.run(
        [*command, "--json"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "warning: a.txt:2 has more than the 128 tokens" in done.stderr
    assert "site-packages" not in done.stderr
    short, long = (json.loads(line) for line in done.stdout.splitlines())
    assert "truncated" not in short
    assert long["truncated"] is True
