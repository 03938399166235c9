"""Tables in every layout become series; what is wrong names the series and the way out."""

import re
import sys

import numpy as np
import pandas as pd
import pytest

from warmstart.errors import InputError, MissingPackageError, UsageError
from warmstart.series.layout import Layout
from warmstart.series.time_series import TimeSeries, iter_series

DAYS = pd.date_range("2024-01-01", periods=10, freq="D")
TWO = pd.DatetimeIndex(["2024-01-01", "2024-01-02"])


def read(data, **options):
    return dict(iter_series(data, Layout(**options)))


def only(data, **options):
    (value,) = read(data, **options).values()
    return value


@pytest.fixture
def long():
    return pd.DataFrame(
        {
            "item_id": ["a"] * 10 + ["b"] * 10,
            "timestamp": [*DAYS, *DAYS],
            "target": np.arange(20.0),
            "price": 1.0,
            "shop": ["x"] * 10 + ["y"] * 10,
        }
    )


def test_long_wide_series_arrays_and_mappings_agree(long, tmp_path):
    wide = long.pivot(index="timestamp", columns="item_id", values="target")
    long.drop(columns=["price", "shop"]).to_csv(tmp_path / "long.csv", index=False)
    wide.to_csv(tmp_path / "wide.csv")
    wide.to_csv(tmp_path / "wide.tsv", sep="\t")
    wide.to_csv(tmp_path / "semicolons.csv", sep=";")
    shuffled = long.sample(frac=1, random_state=1).drop(columns=["price", "shop"])
    for data in (
        long.drop(columns=["price", "shop"]),
        wide,
        shuffled,
        wide.to_period("D"),
        {n: wide[n] for n in "ab"},
        [wide["a"], wide["b"]],
        tmp_path / "long.csv",
        str(tmp_path / "wide.csv"),
        tmp_path / "wide.tsv",
        tmp_path / "semicolons.csv",
    ):
        found = read(data)
        assert sorted(found) == ["a", "b"]
        for name, first in (("a", 0), ("b", 10)):
            assert found[name].freq == "D"
            assert found[name].start == DAYS[0]
            np.testing.assert_array_equal(found[name].target, np.arange(first, first + 10))
    plain = list(iter_series(np.arange(20.0).reshape(2, 10), Layout(freq="D")))
    assert [name for name, _ in plain] == ["series 1", "series 2"]
    assert not plain[0][1].dated


def test_gaps_become_missing_values_and_nan_stays():
    values = pd.Series(np.arange(10.0), DAYS, name="s")
    values.iloc[3] = np.nan
    found = only(values.drop(DAYS[[4, 5]]))
    assert np.flatnonzero(np.isnan(found.target)).tolist() == [3, 4, 5]


def test_duplicates_are_an_error_unless_told(long):
    twice = pd.concat([long[long.item_id == "a"], long[long.item_id == "a"].assign(target=100.0)])
    error = only(twice, target="target")
    assert isinstance(error, InputError)
    assert "a: it has 10 rows with a repeated timestamp" in str(error)
    assert "item=" in str(error)
    for rule, value in (("first", 4), ("last", 100), ("sum", 104), ("mean", 52)):
        assert only(twice, target="target", duplicates=rule).target[4] == value


def test_known_covariates_reach_into_the_future(long):
    long.loc[long.timestamp >= DAYS[7], "target"] = np.nan
    found = read(long, target="target", known=["price"], static=["shop"])
    assert len(found["a"]) == 7
    assert len(found["a"].known["price"]) == 10
    assert found["b"].static == {"shop": "y"}
    long.loc[2, "price"] = np.nan
    assert "covariate 'price' is missing at step 2" in str(
        read(long, target="target", known=["price"])["a"]
    )
    long.loc[12, "shop"] = "z"
    assert "'shop' has 2 values" in str(read(long, target="target", static=["shop"])["b"])


def test_time_zones_stay(long):
    index = pd.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Berlin")
    found = only(pd.Series(np.arange(60.0), index))
    assert (found.freq, str(found.start.tz), len(found)) == ("h", "Europe/Berlin", 60)
    assert found.index(60, 1)[0] == index[-1] + pd.Timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "freq"),
    [
        ("Month,n\n1949-01,1\n1949-02,2\n1949-03,3\n1949-04,4\n", "MS"),
        ("Week,n\n04/30/2021,1\n04/23/2021,2\n04/16/2021,3\n04/9/2021,4\n", "W-FRI"),
        ('"Y","date"\n284,1956-01-01\n213,1956-04-01\n227,1956-07-01\n308,1956-10-01\n', "QS-JAN"),
        ("year,n\n2001,1\n2002,2\n2003,3\n", "YS-JAN"),
        ("date,n\n2024-01-01 00:00:00,1\n2024-01-01 00:00:05,2\n2024-01-01 00:00:10,3\n", "5s"),
    ],
)
def test_files_as_people_write_them(tmp_path, text, freq):
    (tmp_path / "x.csv").write_text(text)
    found = only(tmp_path / "x.csv", timestamp="year" if text.startswith("year") else None)
    assert isinstance(found, TimeSeries)
    assert found.freq == freq
    assert np.isfinite(found.target).all()
    assert found.start.year in (1949, 1956, 2001, 2021, 2024)


def test_one_bad_series_does_not_stop_the_others():
    good = pd.Series(np.arange(10.0), DAYS, name="good")
    found = read(
        [
            good,
            good.rename("empty") * np.nan,
            good.rename("inf") + np.inf,
            np.ones((2, 2, 2)),
            good.rename("again"),
            pd.Series(["x"] * 10, DAYS, name="text"),
            pd.Series([1.0, 2.0], TWO, name="short"),
        ]
    )
    assert [isinstance(v, TimeSeries) for v in found.values()] == [
        True,
        False,
        False,
        False,
        True,
        False,
        False,
    ]
    for name, words in {
        "empty": "no observed value",
        "inf": "contains infinity",
        "text": "not a number",
        "short": "too few to infer its frequency; pass freq=",
    }.items():
        assert str(found[name]).startswith(f"{name}: ")
        assert words in str(found[name])
    assert only(pd.Series([1.0, 2.0], TWO), expected="D").freq == "D"


def test_irregular_series_are_told_to_be_resampled():
    times = DAYS[[0, 1, 3, 4, 8, 9]] + pd.to_timedelta([0, 1, 0, 5, 2, 9], "h")
    assert "resample" in str(only(pd.Series(np.ones(6), times, name="x")))
    days = pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-09", "2024-02-04", "2024-02-05"])
    assert "resample" in str(
        only(pd.Series(np.ones(5), days, name="x"), expected="h")
    )  # not hours with few of them


def test_errors_of_tables_name_the_way_out(long, tmp_path):
    with pytest.raises(UsageError, match=r"no column 'sales'; it has: item_id, timestamp"):
        read(long, target="sales")
    with pytest.raises(UsageError, match="pass one as target="):
        read(long.rename(columns={"target": "sales"}))
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "nowhere.csv")
    (tmp_path / "bad.csv").write_text("timestamp,n\n2024-01-01,1\nyesterday,2\n2024-01-03,3\n")
    with pytest.raises(InputError, match=r"'yesterday' in row 2 of the column 'timestamp'"):
        read(tmp_path / "bad.csv")
    with pytest.raises(UsageError, match="type int"):
        read(3)
    with pytest.raises(UsageError, match="duplicates must be one of"):
        Layout(duplicates="all")
    (tmp_path / "x.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match=r"x\.parquet"):
        read(tmp_path / "x.parquet")


def test_parquet_is_read_and_its_missing_reader_named(long, tmp_path, monkeypatch):
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(
            MissingPackageError, match=r"pyarrow is needed to read .*x\.parquet: pip install"
        ):
            read(tmp_path / "x.parquet")
    pytest.importorskip("pyarrow")
    long.drop(columns=["price", "shop"]).to_parquet(tmp_path / "y.parquet")
    found = read(tmp_path / "y.parquet")
    np.testing.assert_array_equal(found["b"].target, np.arange(10.0, 20))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pd.DataFrame({"date": ["2024-01-01"], "y": [1.0]}), "it has 1 timestamp, too few"),
        (
            pd.Series(np.ones(50), range(1970, 2020)),
            r"index \(1970 to 2019\) may be dates or row numbers",
        ),
        (pd.DataFrame({"y": np.ones(50)}, range(1970, 2020)), "may be dates or row numbers"),
        (
            pd.DataFrame({"date": 1960 + np.arange(24) / 12, "y": np.ones(24)}),
            "the column 'date' contains plain numbers",
        ),
        (
            pd.Series(
                np.ones(9),
                [*pd.date_range("2024", periods=8, freq="MS"), pd.Timestamp("2024-08-20")],
            ),
            "2024-07-01 00:00:00, 2024-08-01 00:00:00, 2024-08-20",
        ),
        (pd.Series(np.ones(3), [DAYS[0], pd.NaT, DAYS[1]]), "row 2 has no timestamp"),
    ],
)
def test_frequencies_are_not_guessed(data, words):
    """Of series without timestamps one is assumed; timestamps must show theirs."""
    try:
        error = only(data, undated="h")
    except InputError as problem:
        error = problem
    assert isinstance(error, InputError)
    assert re.search(words, str(error))


def test_indices_of_years_and_steps_of_years_and_months_are_read():
    years = pd.Series(np.ones(50), pd.Index(range(1970, 2020), name="year"))
    assert only(years, undated="h").freq == "YS-JAN"
    assert not only(pd.Series(np.ones(50), range(3, 53)), undated="h").dated
    for freq in ("5YS-JAN", "2MS", "6MS"):
        index = pd.date_range("1900-01-01", periods=12, freq=freq)
        assert only(pd.Series(np.ones(12), index)).freq == freq


def test_lines_with_a_start_need_a_frequency_and_numbers(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = ('{"start": "2024-01-01", "target": [1, 2]}', '{"target": [1, "x"]}')
    path.write_text("\n".join(lines))
    start, text = read(path, undated="h").values()
    assert re.search(r"a\.jsonl:1: .* no frequency; .*\"freq\": \"D\".* or pass freq=", str(start))
    assert re.search(r"a\.jsonl:2: 'x' in 'target' \(value 2\) is not a number", str(text))


def test_rows_set_aside_are_not_trained_on():
    table = pd.DataFrame({"date": DAYS, "y": np.arange(10.0)})
    parts = ["train"] * 7 + ["test"] * 3
    for name, cells in (("dataset", parts), ("is_test", [part == "test" for part in parts])):
        with pytest.raises(UsageError, match=rf"column '{name}' splits the data \(test\)"):
            read(table.assign(**{name: cells}), is_training=True)
    assert only(table.assign(split="train"), is_training=True).freq == "D"
    assert len(read(table.assign(name=parts), is_training=True, item="name")) == 2


def test_errors_of_covariates_name_them():
    table = pd.DataFrame({"date": DAYS, "y": np.arange(10.0), "promo": "no"})
    error = only(table, target="y", known=("promo",))
    assert "'no' in row 1 of the column 'promo' is not a number" in str(error)
    assert "known_covariates=" in str(error)
