"""Text tasks on the command line: what each console takes, writes for programs and shows to people."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from warmstart.cli.consoles import console_of

import warmstart as ws
from warmstart.core.results import Failed

GOLDEN = Path(__file__).parents[1] / "golden" / "text"


def warmstart(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "warmstart", *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False, **options)


@pytest.fixture(scope="module")
def asked():
    """(model, console, results) of a task, asked with some arguments."""
    def ask(task, *inputs, **options):
        model = ws.load(GOLDEN / f"bert_{task.replace('-', '_')}", engine="keras")
        console = console_of(model.task)
        results = list(console.answers(model, iter(inputs), **options))
        assert set(options) <= console.options
        for result in results:
            if not isinstance(result, Failed):
                assert all(len(row) == len(console.columns) for row in console.rows(result))
                assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
        return model, console, results

    return ask


@pytest.mark.tensorflow
def test_classes(asked, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("the film is bad\nis it good ?\tthe film is good\n\n")
    model, console, results = asked("text-classification", "the film is good", "a\tb", str(file), top_k=2)
    assert [isinstance(result, Failed) for result in results[:4]] == [False] * 4
    assert [(p.id, p.score) for p in results[1]] == [(p.id, pytest.approx(p.score, abs=1e-5))
                                                     for p in model(("a", "b"), top_k=2)]
    assert results[3][0].score == pytest.approx(model(("is it good ?", "the film is good"))[0].score, abs=1e-6)
    shown = console.show(results[0]).splitlines()
    assert shown[0] == "the film is good"
    assert sum("%" in line for line in shown) == 2
    assert [row[1] for row in console.rows(results[0])] == [1, 2]


@pytest.mark.tensorflow
def test_entities(asked):
    text = "ann lives in paris . bob works in new york"
    _, console, (result,) = asked("token-classification", text, aggregation="none")
    rows = list(console.rows(result))
    assert [text[row[3]:row[4]] for row in rows] == [row[2] for row in rows] != []
    assert all(row[2] in console.show(result) for row in rows)


@pytest.mark.tensorflow
def test_answers(asked, tmp_path):
    context = tmp_path / "context.txt"
    context.write_text("bob works in paris . ann lives in new york .")
    model, console, (result, other) = asked("question-answering", "who works ?", "who lives ?", context=str(context),
                                            top_k=2)
    assert result.text == model(("who works ?", context.read_text())).text
    assert result.text in context.read_text()
    assert len(list(console.rows(other))) == 2
    assert result.text in console.show(result)
    _, _, (paired,) = asked("question-answering", f"who works ?\t{context.read_text()}")
    assert paired.text == result.text


@pytest.mark.tensorflow
def test_masks(asked):
    _, console, (result, failed) = asked("fill-mask", "the [MASK] is [MASK]", "no mask", top_k=3)
    assert [row[1:3] for row in console.rows(result)] == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
    assert console.show(result).count("%") == 6
    assert isinstance(failed, Failed)


@pytest.mark.tensorflow
def test_vectors(asked):
    _, console, (result,) = asked("base", "the film is good")
    ((_, vector, _),) = console.rows(result)
    assert [float(number) for number in vector.split()] == pytest.approx(result.vector.tolist(), rel=1e-6)
    assert len(console.show(result)) < 400


MODEL = ("--model", "sst2_bert_tiny")


def test_the_embedded_model_as_a_command():
    done = warmstart("predict", "a warm and moving film", "dull , lifeless and far too long", *MODEL, "--json")
    assert done.returncode == 0, done.stderr
    good, bad = map(json.loads, done.stdout.splitlines())
    assert good["predictions"][0]["label"] == "positive"
    assert bad["predictions"][0]["label"] == "negative"


def test_one_bad_text_is_a_row_with_an_error():
    done = warmstart("predict", "-", *MODEL, "--csv", "-k", 1, input="a fine film\n \n🙂 مرحبا\n")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [bool(row["error"]) for row in rows] in ([False, True, False], [False, False])
    assert done.returncode == (1 if len(rows) == 3 else 0)
    refused = warmstart("predict", "a fine film", *MODEL, "--aggregation", "max")
    assert refused.returncode == 2
    assert "aggregation" in refused.stderr
