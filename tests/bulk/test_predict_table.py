"""A table goes in, and comes out with the results as columns."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"


def rows(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines(), delimiter=delimiter))


@pytest.fixture
def reviews(tmp_path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_text('id,review,stars\n007,"good, really",5\n2,,3\n3,a waste of time,1\n')
    return path


def test_rows_keep_their_cells_and_gain_a_label(reviews, run):
    code, output, messages = run("classify", str(reviews))
    first, empty, last = rows(output)
    assert code == 1  # a row has no text
    assert list(first) == ["id", "review", "stars", "label", "score", "error"]
    assert (first["id"], first["review"], first["label"]) == ("007", "good, really", "positive")
    assert (empty["label"], last["label"]) == ("", "negative")
    assert "reviews.csv:3" in empty["error"]
    assert "Input: review" in messages


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_file_has_the_form_of_its_suffix(reviews, tmp_path, run, suffix):
    target = tmp_path / f"out{suffix}"
    run("classify", str(reviews), "--column", "review", "-o", str(target))
    if suffix == ".parquet":
        table = pytest.importorskip("pyarrow.parquet").read_table(target).to_pydict()
        assert table["label"] == ["positive", None, "negative"]
    elif suffix == ".jsonl":
        read = [json.loads(line) for line in target.read_text().splitlines()]
        assert [row.get("label") for row in read] == ["positive", None, "negative"]
    else:
        read = rows(target.read_text(), "\t" if suffix == ".tsv" else ",")
        assert [row["label"] for row in read] == ["positive", "", "negative"]


def test_rows_without_values_keep_their_rows(tmp_path, run):
    path = tmp_path / "a.csv"
    path.write_text(",\nid,review\n1,good\n,\n3,bad\n,\n,\n")
    code, output, _ = run("classify", str(path), "--column", "review")
    assert code == 1
    assert [row["id"] for row in rows(output)] == ["1", "", "3"]
    assert "a.csv:4" in rows(output)[1]["error"]


def test_rows_of_another_width_keep_their_cells(tmp_path, run):
    path = tmp_path / "a.csv"
    path.write_text("review,x\ngood,1,2\nbad\nfine,3\n")
    _, output, _ = run("classify", str(path), "--column", "review")
    wide, narrow, right = rows(output)
    assert (wide["review"], wide["x"], wide["label"]) == ("good", "1,2", "")
    assert (narrow["review"], narrow["x"]) == ("bad", "")
    assert "a.csv:3: has 1 cell" in narrow["error"]
    assert right["label"] == "positive"


def test_values_of_several_types_are_texts_in_parquet(tmp_path, run):
    parquet = pytest.importorskip("pyarrow.parquet")
    path, target = tmp_path / "a.jsonl", tmp_path / "a.parquet"
    path.write_text('{"review": "good", "k": 1}\n{"review": 5, "k": {"a": "x"}}\n')
    code, _, messages = run("classify", str(path), "--column", "review", "-o", str(target))
    assert code == 1
    assert "Traceback" not in messages
    table = parquet.read_table(target).to_pydict()
    assert table["review"] == ["good", "5"]
    assert table["k"] == ["1", '{"a": "x"}']


def test_columns_of_the_file_are_not_overwritten(tmp_path, run):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na fine film,1\na poor film,0\n")
    _, output, _ = run("classify", str(path))
    assert [row["label"] for row in rows(output)] == ["1", "0"]
    assert [row["predicted_label"] for row in rows(output)] == ["positive", "negative"]


def test_a_result_can_be_classified_again(reviews, tmp_path, run):
    again = tmp_path / "again.csv"
    run("classify", str(reviews), "-o", str(again))
    code, output, messages = run("classify", str(again))
    header = output.splitlines()[0].split(",")
    assert len(header) == len(set(header))
    assert header[-3:] == ["predicted_label", "predicted_score", "predicted_error"]
    assert code == 1
    assert "1 of 3 rows failed" in messages


def test_both_texts_of_a_pair_are_read(tmp_path, run):
    path = tmp_path / "a.csv"
    path.write_text("text,text_pair\ngood film,awful mess terrible\nbad film,\n")
    _, output, messages = run("classify", str(path))
    assert "Input: text and text_pair" in messages
    assert [row["label"] for row in rows(output)] == ["negative", "negative"]


def test_one_column_is_the_input(tmp_path, run):
    path = tmp_path / "a.csv"
    path.write_text("text\ngood film\nbad film\n")
    code, output, _ = run("classify", str(path))
    assert code == 0
    assert [row["label"] for row in rows(output)] == ["positive", "negative"]
    path.write_text("good film\nbad film\n")  # a header, or a text?
    code, output, messages = run("classify", str(path))
    assert (code, output) == (2, "")
    assert "good film" in messages


def test_a_missing_table_is_named_where_the_output_exists(reviews, run):
    missing = str(reviews) + "x.csv"
    code, output, messages = run("classify", missing, "-o", str(reviews), "--overwrite")
    assert (code, output) == (2, "")
    assert "reviews.csvx.csv" in messages


def test_a_text_may_end_like_a_table_and_tables_are_read_one_at_a_time(reviews, run):
    code, output, _ = run("classify", "a fine film about reviews.csv")
    assert (code, "positive" in output) == (0, True)
    code, output, messages = run("classify", str(reviews), str(reviews))
    assert (code, output) == (2, "")
    assert "pass no other input, or use --on local" in messages


def test_paths_are_relative_to_the_table(tmp_path, run):
    shutil.copy(PHOTOS / "espresso.jpg", tmp_path / "a.jpg")
    path = tmp_path / "photos.csv"
    path.write_text("path,who\na.jpg,Ann\nmissing.jpg,Bob\n")
    _, output, _ = run("classify", str(path), "--model", "efficientnet_lite0")
    first, missing = rows(output)
    assert (first["who"], first["label"]) == ("Ann", "espresso")
    assert "missing.jpg" in missing["error"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--column", "nix"), "has no column 'nix'; it has: id, review, stars"),
        (("-o", "out.xlsx"), "a table is written as .csv, .tsv, .jsonl, .parquet"),
        (("-o", "reviews.csv"), "reviews.csv is an input"),
        (("-o", "out.csv", "--json"), "leave out --json"),
    ],
)
def test_wrong_calls_change_nothing(reviews, monkeypatch, run, arguments, message):
    monkeypatch.chdir(reviews.parent)
    before = reviews.read_text()
    code, output, messages = run("classify", "reviews.csv", *arguments)
    assert (code, output) == (2, "")
    assert message in messages
    assert reviews.read_text() == before
    assert [path.name for path in reviews.parent.iterdir()] == ["reviews.csv"]


@pytest.fixture
def photo_table(tmp_path) -> Path:
    names = []
    for index in range(6):
        names.append(f"cat {index}.jpg")
        shutil.copy(PHOTOS / "cat.jpg", tmp_path / names[-1])
    path = tmp_path / "photos.csv"
    path.write_text("number,Datei\n" + "".join(f"{i},{name}\n" for i, name in enumerate(names)))
    return path


@pytest.mark.parametrize("command", [
    ("classify",), ("classify", "--column", "Datei"), ("predict",), ("predict", "--column", "Datei"),
    ("classify", "--model", "efficientnet_lite0"),
])  # fmt: skip
def test_a_table_of_photos_is_recognised_by_its_cells(photo_table, run, command):
    verb, *options = command
    code, output, messages = run(verb, str(photo_table), *options)
    assert code == 0, messages
    assert "efficientnet_lite0" in messages
    assert "Input: Datei" in messages
    assert [row["label"] for row in rows(output)] == ["tiger cat"] * 6


def test_a_table_of_photos_and_texts_is_ambiguous(tmp_path, run):
    shutil.copy(PHOTOS / "cat.jpg", tmp_path / "cat.jpg")
    path = tmp_path / "both.csv"
    path.write_text("image,review\ncat.jpg,a fine film\n")
    code, _, messages = run("classify", str(path))
    assert code == 2
    assert "photos in the column 'image' and texts in the column 'review'" in messages
    assert "--column" in messages
    for column, label in (("image", "tiger cat"), ("review", "positive")):
        _, output, _ = run("classify", str(path), "--column", column)
        assert rows(output)[0]["label"] == label


@pytest.mark.parametrize("command", [("classify",), ("predict", "--column", "Kommentar")])
def test_a_column_of_texts_is_recognised_by_its_cells(tmp_path, run, command):
    path = tmp_path / "comments.csv"
    lines = [f"{i},this is a wonderful film {'very ' * i}indeed" for i in range(6)]
    path.write_text("\n".join(["number,Kommentar", *lines, ""]))
    verb, *options = command
    code, output, messages = run(verb, str(path), *options)
    assert code == 0, messages
    assert "Input: Kommentar" in messages
    assert [row["label"] for row in rows(output)] == ["positive"] * 6
