"""Columns and tables in memory as inputs, and the results of many inputs."""

from __future__ import annotations

import numpy as np
import pytest

import warmstart as ws
from warmstart.core.results import Failed
from warmstart.errors import UsageError

pandas = pytest.importorskip("pandas")
pyarrow = pytest.importorskip("pyarrow")

TABLE = pandas.DataFrame(
    {"id": [1, 2, 3], "review": ["what a film", None, "a waste of time"]}, index=[10, 20, 30]
)
ARROW = pyarrow.table({"id": [1, 2, 3], "review": ["what a film", None, "a waste of time"]})


@pytest.fixture(scope="module")
def model():
    return ws.load("sst2_bert_tiny")


@pytest.fixture(scope="module")
def photos():
    return ws.load("efficientnet_lite0")


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        (TABLE["review"], {}),
        (TABLE, {"column": "review"}),
        (ARROW["review"], {}),
        (ARROW["review"].combine_chunks(), {}),
        (ARROW, {"column": "review"}),
    ],
)
def test_a_column_is_several_inputs(model, inputs, options):
    for results in (model(inputs, **options), list(model.stream(inputs, **options))):
        first, empty, last = results
        assert (first.label, last.label) == ("positive", "negative")
        assert isinstance(empty, Failed)
        assert str(empty) == "item 2: the cell is empty"


def test_labels_become_a_column_of_the_table_with_its_index(model):
    table = TABLE.copy()
    table["label"] = ws.to_frame(model(table["review"]))["label"]
    assert table["label"].fillna("").to_dict() == {10: "positive", 20: "", 30: "negative"}
    assert list(model(table, column="review").to_frame().index) == [10, 20, 30]


def test_results_keep_the_rows_they_belong_to(model):
    table = TABLE.dropna()
    streamed = ws.to_frame(model.stream(table["review"]))
    assert streamed["label"].to_dict() == {10: "positive", 30: "negative"}

    results = model(table, column="review")
    results.reverse()
    assert results.to_frame()["label"].to_dict() == {30: "negative", 10: "positive"}
    assert results[1:].to_frame()["label"].to_dict() == {10: "positive"}
    assert results.copy().to_frame().index.tolist() == [30, 10]

    stream = model.stream(table, column="review")
    next(stream)
    assert stream.to_frame()["label"].to_dict() == {30: "negative"}

    results.append(model("a result of no row"))
    with pytest.raises(UsageError, match="Result 3 is not one of the column's"):
        results.to_frame()


def test_a_stream_whose_results_were_taken_is_not_an_empty_table(model):
    stream = model.stream(["a film"])
    assert next(stream).label
    with pytest.raises(UsageError, match=r"All results of this stream \(1\) were consumed"):
        stream.to_frame()
    assert "were consumed" in stream._repr_html_()


def test_a_table_of_no_results_has_its_columns(model):
    assert "label" in ws.to_frame(model(pandas.Series([], dtype=object)))
    assert ws.to_frame(model(["", None]))["label"].isna().all()


def test_an_array_of_strings_is_several_inputs(model):
    for inputs in (TABLE.dropna()["review"].to_numpy(), np.array(["what a film", "so dull"])):
        assert [result.label for result in model(inputs)] == ["positive", "negative"]


def test_two_columns_are_pairs(model):
    table = pandas.DataFrame({"a": ["good", None], "b": ["film", "film"]})
    first, empty = model(table, column=["a", "b"])
    assert first.input == "good | film"
    assert isinstance(empty, Failed)


def test_columns_of_paths_are_photos(photos):
    paths = pandas.Series(["examples/photos/cat.jpg", "nowhere.jpg"])
    cat, failed = photos(paths, top_k=1)
    assert cat.label == "tiger cat"
    assert "there is no such file" in str(failed)
    assert photos.features(paths[:1]).shape == (1, 1280)
    assert photos.similarity(paths[:1], paths[:1]).shape == (1, 1)


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (TABLE, {}, r"several columns \(id, review\); name the one with the texts: .*'review'"),
        (TABLE, {"column": "text"}, "no column 'text'; it has id, review"),
        (ARROW, {"column": "text"}, "no column 'text'; it has id, review"),
        ("a", {"column": "text"}, "this is str; leave it out"),
        (TABLE, {"column": ["id", "review", "id"]}, "one or two columns of a table"),
    ],
)
def test_tables_need_their_column(model, inputs, options, message):
    with pytest.raises(UsageError, match=message):
        model(inputs, **options)


def test_a_list_in_a_list_is_not_a_photo(photos):
    cat = "examples/photos/cat.jpg"
    message = "A list is not one photo; pass each of its photos on its own."
    (failed,) = photos([[cat]])
    assert message in str(failed)
    with pytest.raises(UsageError, match=message):
        photos.preprocess([cat])


def test_a_series_stays_one_series():
    forecaster = ws.load("deepar_hourly")
    index = pandas.date_range("2024-01-01", periods=72, freq="h")
    series = pandas.Series(range(72), index=index, dtype=float)
    assert forecaster(series, horizon=2, samples=10).horizon == 2


def test_a_stream_of_a_folder_knows_its_length_and_shows_its_first_results(photos):
    results = photos.stream("examples/photos", top_k=1)
    assert len(results) == 3
    assert repr(results) == "<ResultStream: 3 results of examples/photos, 0 of them taken>"
    page = results._repr_html_()
    assert page.count("<tr>") == 4
    assert "3 results" in page
    assert [result.label for result in results] == ["tiger cat", "espresso", "missile"]
    assert "2 results" in photos(["examples/photos/cat.jpg"] * 2)._repr_html_()


def test_a_stream_of_an_iterator_has_no_length(model):
    results = model.stream(iter(["good"] * 12))
    assert results
    with pytest.raises(TypeError, match="known only at its end"):
        len(results)
    assert "The first 10 results" in results._repr_html_()
    assert len(results.to_frame()) == 12


def test_models_are_listed_as_a_table():
    entries = ws.list_models("mobilenet_v2_1.*")
    assert str(entries).splitlines()[0].split()[:3] == ["name", "task", "input"]
    assert len(str(entries).splitlines()) == len(entries) + 1
    assert entries._repr_html_().count("<tr>") == len(entries) + 1
    assert list(entries.to_frame()["name"]) == [entry.name for entry in entries]
