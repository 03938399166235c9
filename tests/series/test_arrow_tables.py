"""Series in tables and columns of polars and pyarrow are read like those of pandas."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pytest

import warmstart as ws
from warmstart.errors import UsageError

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
HOURS = pd.date_range("2024-03-25", periods=24 * 14, freq="h")
LOAD = 10 + 5 * np.sin(np.arange(len(HOURS)) * np.pi / 12)
MISSING = [None if index == 40 else float(value) for index, value in enumerate(LOAD)]
TABLES = {
    "dates": {"hour": HOURS, "load": LOAD},
    "zone": {"hour": HOURS.tz_localize("UTC").tz_convert("Europe/Berlin"), "load": LOAD},
    "days": {"day": [datetime.date(2024, 1, 1 + i) for i in range(28)], "sold": range(28)},
    "names": {"item_id": ["a"] * 336 + ["b"] * 336, "hour": [*HOURS] * 2, "load": [*LOAD] * 2},
    "missing": {"hour": HOURS, "load": MISSING},
    "steps": {"load": LOAD},
}


@pytest.fixture(scope="module")
def model():
    return ws.load("deepar")


@pytest.fixture(params=["polars", "pyarrow"])
def library(request):
    return pytest.importorskip(request.param)


def table_of(library, columns):
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    return table if library is pa else library.from_arrow(table)


def column_of(library, values):
    return pa.chunked_array([values]) if library is pa else library.Series("load", values)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_forecast_as_the_same_of_pandas(model, library, name):
    columns = {key: list(values) for key, values in TABLES[name].items()}
    expected = model(pd.DataFrame(TABLES[name]), horizon=3, seed=1)
    forecasts = model(table_of(library, columns), horizon=3, seed=1)
    assert [one.to_dict() for one in forecasts] == [one.to_dict() for one in expected]


def test_a_column_is_one_series(model, library):
    expected = model(np.array(MISSING, float), horizon=3)
    forecast = model(column_of(library, MISSING), horizon=3)
    assert forecast.median.tolist() == expected.median.tolist()
    assert forecast.input == ("series 1" if library is pa else "load")
    listed, mapped = (
        model([column_of(library, MISSING)], horizon=3),
        model({"load": column_of(library, MISSING)}, horizon=3),
    )
    assert listed[0].median.tolist() == mapped[0].median.tolist() == forecast.median.tolist()


def test_a_parquet_file_is_read_as_the_table_in_it(model, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    columns = {
        "day": [datetime.date(2024, 1, 1 + i) for i in range(28)],
        "sold": [Decimal(i % 5) / 4 for i in range(28)],
    }
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    pq.write_table(table, tmp_path / "x.parquet")
    indexed = table.to_pandas(date_as_object=False).astype({"sold": float}).set_index("day")
    indexed.to_parquet(tmp_path / "indexed.parquet")
    (expected,) = model(table, horizon=3, seed=1)
    for name in ("x", "indexed"):
        (forecast,) = model(tmp_path / f"{name}.parquet", horizon=3, seed=1)
        assert forecast.to_dict() == expected.to_dict()


def test_decimal_numbers_are_numbers(model, library):
    numbers = [Decimal(f"{value:.2f}") for value in LOAD]
    forecast = model(column_of(library, numbers), horizon=3)
    assert forecast.median.tolist() == model(np.round(LOAD, 2), horizon=3).median.tolist()


def test_a_column_of_words_is_refused(model, library):
    table = table_of(library, {"load": ["low", "high"]})
    with pytest.raises(UsageError, match="load"):
        model(table, horizon=3)


def test_results_become_a_table_of_polars():
    pl = pytest.importorskip("polars")
    reviews = pl.DataFrame({"id": [7, 8, 9], "review": ["a delight", None, "a waste of time"]})
    results = ws.load("sst2_bert_tiny")(reviews, column="review")
    labels = pl.DataFrame(ws.to_frame(results)).select("label")
    assert reviews.hstack(labels).rows() == [
        (7, "a delight", "positive"),
        (8, None, None),
        (9, "a waste of time", "negative"),
    ]


def test_a_query_of_polars_that_was_not_collected_names_the_way_out():
    pl = pytest.importorskip("polars")
    query = pl.LazyFrame({"review": ["a delight"]})
    with pytest.raises(UsageError, match=r"call its \.collect\(\) first"):
        ws.load("sst2_bert_tiny")(query, column="review")
    with pytest.raises(UsageError, match=r"result of .collect"):
        ws.load("sst2_bert_tiny").evaluate(query)
