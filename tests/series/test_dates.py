"""A column of timestamps is read in one way for all of its rows, or refused with both readings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmstart.errors import InputError, UsageError
from warmstart.series.layout import Layout
from warmstart.series.time_series import TimeSeries, iter_series

DAYS = pd.date_range("2024-01-01", periods=40, freq="D")
MONTHS = pd.date_range("2023-01-01", periods=14, freq="MS")


def read(table, **options):
    return dict(iter_series(table, Layout(**options)))


def only(table, **options):
    (value,) = read(table, **options).values()
    return value


def frame(values, name="date"):
    return pd.DataFrame({name: values, "y": np.arange(float(len(values)))})


def texts(form, times=DAYS):
    return frame(times.strftime(form))


@pytest.mark.parametrize(
    ("form", "times", "freq", "note"),
    [
        ("%d/%m/%Y", DAYS, "D", "day first"),
        ("%m/%d/%Y", DAYS, "D", "month first"),
        ("%d-%m-%y", DAYS, "D", "day first"),
        ("%d.%m.%Y", DAYS[:12], "D", "day first"),
        ("%d/%m/%Y", MONTHS, "MS", "day first"),
        ("%m/%d/%Y", MONTHS, "MS", "month first"),
        ("%d/%m/%Y %H:%M", pd.date_range("2024-01-12 20:00", periods=9, freq="h"), "h", "day"),
        ("%m/%d/%Y %I:%M %p", pd.date_range("2024-01-13", periods=30, freq="h"), "h", "month"),
        ("%d %B %Y", DAYS, "D", None),
        ("%B %d, %Y", DAYS, "D", None),
        ("%a, %d %b %Y", DAYS, "D", None),
        ("%b-%y", MONTHS, "MS", None),
        ("%Y/%m/%d", DAYS, "D", None),
        ("%Y%m%d", DAYS, "D", "20240131"),
        ("%Y%m", MONTHS, "MS", "202401"),
        ("%G-W%V", pd.date_range("2023-12-04", periods=9, freq="W-MON"), "W-MON", None),
    ],
)
def test_one_format_for_the_whole_column(form, times, freq, note):
    series = only(texts(form, times))
    assert series.freq == freq
    assert list(series.index(0, len(times))) == list(times)
    assert (note or "") in " ".join(series.notes)
    assert bool(series.notes) == bool(note)


@pytest.mark.parametrize(
    ("values", "freq", "first", "note"),
    [
        (["2024Q1", "2024Q2", "2024Q3"], "QS-JAN", "2024-01-01", None),
        (["Q1 2024", "Q2 2024", "Q3 2024"], "QS-JAN", "2024-01-01", None),
        (45292 + np.arange(9), "D", "2024-01-01", "Excel"),
        (45292 + np.arange(9) / 24, "h", "2024-01-01", "Excel"),
        (1704067200 + 3600 * np.arange(9), "h", "2024-01-01", "since 1970 in s"),
        ((1704067200 + 60 * np.arange(9)) * 1000, "min", "2024-01-01", "since 1970 in ms"),
        (2001 + np.arange(9), "YS-JAN", "2001-01-01", None),
        (MONTHS + pd.Timedelta(days=14), "MS", "2023-01-15", "day 15 of a month"),
    ],
)
def test_numbers_and_days_of_the_month(values, freq, first, note):
    series = only(frame(values))
    assert series.freq == freq
    assert series.index(0, 1)[0] == pd.Timestamp(first)
    assert (note or "") in " ".join(series.notes)


def test_what_can_be_read_in_two_ways_is_refused_with_both():
    table = texts("%d/%m/%Y", DAYS[:12])
    with pytest.raises(InputError) as caught:
        read(table)
    assert "'02/01/2024' is 2024-01-02 (day first, a series of D" in str(caught.value)
    assert "or 2024-02-01 (month first, a series of MS" in str(caught.value)
    for form, freq in (("%d/%m/%Y", "D"), ("%m/%d/%Y", "MS")):
        assert only(table, date_format=form).freq == freq
    with pytest.raises(InputError, match=r"45292 is 2024-01-01.* or step numbers"):
        read(frame(45292 + np.arange(9), "ds"))
    assert only(frame(45292 + np.arange(9), "ds"), date_format="excel").freq == "D"
    with pytest.raises(InputError, match=r"'13/01/2024' has the day first, '01/13/2024' the month"):
        read(frame(["13/01/2024", "01/13/2024", "02/02/2024"]))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["30/01/2024", "30/02/2024", "30/03/2024"], r"'30/02/2024' in row 2"),
        (["2024-01-01", "2024-13-01"], r"'2024-13-01' in row 2"),
        (["2024-01-31", "31/01/2024"], r"'31/01/2024' in row 2.*another form"),
        ([1, 2, 13], "plain numbers, not timestamps"),
        ([20240131, 20240132], "20240132 in row 2"),
    ],
)
def test_an_unreadable_date_names_its_row(values, words):
    name = "month" if values == [1, 2, 13] else "date"
    with pytest.raises(InputError, match=words):
        read(frame(values, name))


@settings(max_examples=60)
@given(
    start=st.datetimes(pd.Timestamp("1975-01-01"), pd.Timestamp("2040-01-01")),
    count=st.integers(40, 80),
    form=st.sampled_from(["%d/%m/%Y", "%m-%d-%Y", "%d.%m.%Y", "%d %b %Y", "%b %d, %Y", "%Y.%m.%d"]),
    shuffled=st.booleans(),
)
def test_forty_days_are_never_misread(start, count, form, shuffled):
    days = pd.date_range(pd.Timestamp(start).normalize(), periods=count, freq="D")
    table = texts(form, days)
    if shuffled:
        table = table.sample(frac=1, random_state=count)
    series = only(table)
    assert (series.freq, series.start) == ("D", days[0])
    np.testing.assert_array_equal(series.target, np.arange(float(count)))


def test_a_clock_that_is_seconds_off_is_on_even_steps():
    jitter = pd.to_timedelta(np.random.default_rng(0).integers(-4, 5, 40), "s")
    series = only(
        pd.Series(np.arange(40.0), DAYS[0] + pd.to_timedelta(np.arange(40), "h") + jitter)
    )
    assert (series.freq, series.start, len(series)) == ("h", DAYS[0], 40)
    assert "rounded" in series.notes[0]


def test_a_column_that_counts_steps_gives_no_dates():
    table = pd.DataFrame({"ds": [3, 1, 2, 6], "y": [3.0, 1, 2, 6]})
    series = only(table, expected="D")
    assert not series.dated
    np.testing.assert_array_equal(series.target, [1, 2, 3, np.nan, np.nan, 6])
    assert list(series.index(6, 2)) == [7, 8]
    with pytest.raises(UsageError, match=r"no timestamps, and its column 'when' contains text"):
        read(pd.DataFrame({"when": ["now", "then"], "y": [1, 2]}), expected="D")


def test_columns_that_repeat_the_calendar_are_not_series():
    table = texts("%Y-%m-%d").assign(year=DAYS.year, weekday=DAYS.day_of_week)
    assert list(read(table)) == ["y"]
    parts = pd.DataFrame({"year": MONTHS.year, "month": MONTHS.month, "y": 1.0})
    assert only(parts).freq == "MS"
    assert only(parts).start == MONTHS[0]


def test_names_of_series_in_indexes_and_in_several_columns():
    index = pd.MultiIndex.from_product([["a", "b"], DAYS])
    values = pd.Series(np.arange(80.0), index)
    for data in (values, values.to_frame("y"), values.rename("sold")):
        found = read(data)
        assert list(found) == ["a", "b"]
        assert found["b"].target[0] == 40
    stores = pd.DataFrame(
        [(s, d, t, 1.0) for s in "AB" for d in "xy" for t in DAYS],
        columns=["store", "dept", "date", "sales"],
    )
    with pytest.raises(UsageError, match=r"item=\['store', 'dept'\]"):
        read(stores)
    assert list(read(stores, item=("store", "dept"))) == ["A/x", "A/y", "B/x", "B/y"]
    one = stores[stores["dept"] == "x"].drop(columns="dept")
    assert list(read(one)) == ["A", "B"]


def test_decimals_as_people_write_them(tmp_path):
    path = tmp_path / "x.csv"
    days = DAYS.strftime("%d.%m.%Y")

    def rows(form):
        lines = [f"{day};{form.format(n)}" for n, day in enumerate(days)]
        path.write_text("Datum;Wert\n" + "\n".join(lines))
        return path

    for form in ("1.{:03d},5", "1 {:03d},5", "1{:03d},5"):
        assert only(rows(form)).target[7] == 1007.5
    assert only(rows("{},25")).target[7] == 7.25
    error = only(rows("1.{:03d}"))
    assert "'1.000' can be 1.000 (decimal='.') or 1000 (decimal=',')" in str(error)
    assert only(rows("1.{:03d}"), decimal=",").target[7] == 1007
    assert only(rows("1.{:03d}"), decimal=".").target[7] == 1.007
    assert "mixes decimal separators" in str(only(frame(DAYS).assign(y=["1,5", "1.5"] * 20)))


def test_empty_rows_at_the_end_are_the_future():
    values = np.where(np.arange(40) < 30, np.arange(40.0), np.nan)
    for data in (pd.Series(values, DAYS), frame(DAYS).assign(y=values)):
        series = only(data)
        assert isinstance(series, TimeSeries)
        assert len(series) == 30
        assert series.notes == ("10 empty steps at the end are the future",)


def test_remembered_columns_are_taken_where_a_table_has_them():
    table = texts("%Y-%m-%d").assign(other=1.0, shop="a")
    remembered = {"target": "y", "item": ["shop"], "timestamp": "date"}
    assert list(read(table, remembered=remembered)) == ["a"]
    assert list(read(table, remembered=remembered, target="other", item="shop")) == ["a"]
    assert list(read(texts("%Y-%m-%d"), remembered=remembered)) == ["y"]


def test_a_spreadsheet_names_the_way_out(tmp_path):
    (tmp_path / "x.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"x\.xlsx: spreadsheets are not read; save .* as CSV"):
        read(tmp_path / "x.xlsx")


def test_advice_fits_the_data():
    months = pd.DatetimeIndex(
        ["2024-01-01", "2024-02-03", "2024-03-01", "2024-04-09", "2024-05-20"]
    )
    assert "resample('MS')" in str(only(pd.Series(np.ones(5), months, name="x")))


@pytest.mark.parametrize(
    "values",
    [
        ["9999-12-31", "0001-01-01", "9998-01-01"],
        ["2262-04-11T23:00", "2262-04-12T00:00", "2262-04-12T01:00"],
        ["9990-01", "9991-01", "9992-01"],
        [2**63 - 2, 2**63 - 1, 2**63],
    ],
)
def test_times_beyond_the_range_of_nanoseconds_are_refused(values):
    try:
        error = only(frame(values))
    except InputError as raised:
        error = raised
    assert isinstance(error, InputError)
    assert "2261" in str(error)
