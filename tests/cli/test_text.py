"""Text tasks on the command line: what is written for programs and shown to people."""

import csv
import io
import json
from pathlib import Path

import pytest

import warmstart as ws
from warmstart.core.task import TASKS

GOLDEN = Path(__file__).parents[1] / "golden" / "text"
EMBEDDED = ("--model", "sst2_bert_tiny")


@pytest.fixture
def printed(run):
    """(model, what is shown, rows of CSV as mappings) of a task's verb for some arguments."""

    def call(name, *arguments):
        model = ws.load(GOLDEN / name, engine="keras")
        command = (
            TASKS[model.task].verb,
            *arguments,
            "--model",
            GOLDEN / name,
            "--engine",
            "keras",
        )
        shown, table = run(*command), run(*command, "--csv")
        assert shown.code == table.code
        return model, shown, list(csv.DictReader(io.StringIO(table.out)))

    return call


@pytest.mark.tensorflow
def test_classes(printed, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("the film is bad\nis it good ?\tthe film is good\n\n")
    model, shown, rows = printed(
        "bert_text_classification", "the film is good", "a\tb", file, "-k", "2"
    )
    assert [row["rank"] for row in rows] == ["1", "2"] * 4
    assert not any(row["error"] for row in rows)
    pair = model(("a", "b"), top_k=2)
    assert [(row["id"], float(row["score"])) for row in rows[2:4]] == [
        (p.id, pytest.approx(p.score, abs=1e-5)) for p in pair
    ]
    of_file = model(("is it good ?", "the film is good"))[0]
    assert float(rows[6]["score"]) == pytest.approx(of_file.score, abs=1e-6)
    lines = shown.out.splitlines()
    assert lines[0] == "the film is good"
    assert sum("%" in line for line in lines) == 8


@pytest.mark.tensorflow
def test_entities(printed):
    text = "ann lives in paris . bob works in new york"
    _, shown, rows = printed("bert_token_classification", text, "--aggregation", "none")
    assert rows
    assert [text[int(row["start"]) : int(row["end"])] for row in rows] == [
        row["text"] for row in rows
    ]
    assert all(row["text"] in shown.out for row in rows)


@pytest.mark.tensorflow
def test_answers(printed, tmp_path):
    context = tmp_path / "context.txt"
    context.write_text("bob works in paris . ann lives in new york .")
    name = "bert_question_answering"
    model, shown, rows = printed(
        name, "who works ?", "who lives ?", "--context", context, "-k", "2"
    )
    assert len(rows) == 4
    assert rows[0]["text"] == model(("who works ?", context.read_text())).text
    assert rows[0]["text"] in context.read_text()
    assert rows[0]["text"] in shown.out
    _, _, paired = printed(name, f"who works ?\t{context.read_text()}")
    assert paired[0]["text"] == rows[0]["text"]


@pytest.mark.tensorflow
def test_masks(printed):
    _, shown, rows = printed("bert_fill_mask", "the [MASK] is [MASK]", "no mask", "-k", "3")
    assert [(row["mask"], row["rank"]) for row in rows[:6]] == [
        ("1", "1"), ("1", "2"), ("1", "3"), ("2", "1"), ("2", "2"), ("2", "3"),
    ]  # fmt: skip
    assert rows[6]["error"]
    assert shown.code == 1
    assert shown.out.count("%") == 6
    assert "1 of 2 inputs failed" in shown.err


@pytest.mark.tensorflow
def test_vectors(printed):
    model, shown, (row,) = printed("bert_base", "the film is good")
    expected = model("the film is good").vector.tolist()
    assert [float(number) for number in row["vector"].split()] == pytest.approx(expected, rel=1e-6)
    assert len(shown.out) < 400


def test_the_embedded_model(run):
    done = run(
        "classify",
        "a warm and moving film",
        "dull , lifeless and far too long",
        *EMBEDDED,
        "--json",
    )
    assert done.code == 0, done.err
    good, bad = map(json.loads, done.out.splitlines())
    assert good["predictions"][0]["label"] == "positive"
    assert bad["predictions"][0]["label"] == "negative"


def test_empty_lines_are_left_out_and_other_scripts_are_read(run):
    done = run("classify", "-", *EMBEDDED, "--csv", "-k", 1, stdin="a fine film\n \n🙂 مرحبا\n")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["input"] for row in rows] == ["a fine film", "🙂 مرحبا"]
    assert not any(row["error"] for row in rows)
    assert done.code == 0


def test_an_option_of_another_task(run):
    refused = run("predict", "a fine film", *EMBEDDED, "--aggregation", "max")
    assert refused.code == 2
    assert "--aggregation" in refused.err
