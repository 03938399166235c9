"""`warmstart search`: a corpus of texts or photos, and a saved index."""

import json

import pytest
from click.testing import CliRunner
from tests.oracles.cases import DATA

from warmstart.cli.app import app

TEXTS = "a warm film\na dull film\ntwo hours of nothing\n"


def run(*arguments):
    return CliRunner().invoke(app, ["search", *map(str, arguments)], catch_exceptions=True)


def test_texts_and_their_index(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text(TEXTS)
    for corpus in (tmp_path / "notes", tmp_path / "notes" / "a.txt"):
        done = run(corpus, "a warm film", "-m", "sst2_bert_tiny", "-k", 1, "--json")
        assert done.exit_code == 0, done.output
        (match,) = json.loads(done.stdout)["matches"]
        assert (match["index"], match["item"]) == (0, "a warm film")
    done = run(tmp_path / "notes", "dull", "-m", "sst2_bert_tiny", "-o", tmp_path / "index")
    assert "searching 3 texts" in done.stderr
    again = run(tmp_path / "index", "dull", "a warm film")
    assert again.exit_code == 0, again.output
    assert again.stdout.startswith(done.stdout)


def test_a_column_of_a_table(tmp_path):
    rows = "".join(f"{n},{text}\n" for n, text in enumerate(TEXTS.splitlines()))
    (tmp_path / "faq.csv").write_text("id,title,note\n" + rows.replace(",", ",x,"))
    model = ("-m", "sst2_bert_tiny", "-k", 1, "--json")
    done = run(tmp_path / "faq.csv", "a dull film", "--column", "note", *model)
    assert done.exit_code == 0, done.output
    (match,) = json.loads(done.stdout)["matches"]
    assert (match["index"], match["item"]) == (1, "a dull film")
    done = run(tmp_path / "faq.csv", "a dull film", "--column", "body", *model)
    assert "has no column 'body'" in str(done.exception)
    done = run(tmp_path, "a dull film", "--column", "note", *model)
    assert "is not a table" in str(done.exception)


def test_photos(tmp_path):
    for name in ("cat.jpg", "rocket.png"):
        (tmp_path / name).write_bytes((DATA / name).read_bytes())
    done = run(tmp_path, DATA / "cat.jpg", "-k", 1)
    assert done.exit_code == 0, done.output
    assert f"  1.000  {tmp_path / 'cat.jpg'}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.txt", "a"], "needs a --model"),
        (["nowhere", "a", "-m", "sst2_bert_tiny"], "nowhere does not exist"),
        ([str(DATA / "segmentation"), "a", "-m", "sst2_bert_tiny"], "contains no .txt file"),
        (["nowhere.txt", "a", "-m", "sst2_bert_tiny"], "nowhere.txt"),
    ],
)
def test_what_cannot_be_searched(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code != 0
    assert message in str(done.exception) + done.output


def test_a_folder_that_is_not_empty_is_refused_before_the_corpus_is_read(photos):
    done = run(photos, photos / "photo0.png", "--output", photos)
    assert "is not empty; choose a new folder" in str(done.exception)
    assert "searching" not in done.stderr
