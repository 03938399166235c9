"""Tables as people have them: read right, with a note where something was decided, or refused."""

import bz2
import contextlib
import gzip
import json
import lzma
import re
import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from warmstart.errors import InputError, UsageError, WarmstartError
from warmstart.series import table_files
from warmstart.series.layout import Layout
from warmstart.series.time_series import TimeSeries, iter_series

HOURS = pd.date_range("2024-01-01", periods=30, freq="h")
DAYS = pd.date_range("2024-01-01", periods=30, freq="D")
MONTHS = pd.date_range("2022-01-01", periods=30, freq="MS")
VALUES = np.arange(30.0) * 3 + 100.5


def read(data, **options):
    return dict(iter_series(data, Layout(**{"expected": "h", **options})))


def file(tmp_path, text, name="x.csv"):
    (tmp_path / name).write_text(text, "utf-8")
    return tmp_path / name


def csv(tmp_path, columns, **options):
    return file(tmp_path, pd.DataFrame(columns).to_csv(index=False, **options))


NUMBERED = {
    "id": (range(30), "ignored, because each row has another value: id"),
    "index": (range(1, 31), "ignored, because each row has another value: index"),
    "No": (range(500, 530), "ignored, because each row has another value: No"),
    "obs": (range(1, 31), "ignored, because each row has another value: obs"),
    "unique_id": (
        [f"u{n}" for n in range(30)],
        "ignored, because each row has another value: unique_id",
    ),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_a_column_that_numbers_the_rows_is_no_series_and_names_none(tmp_path, name):
    ids, note = NUMBERED[name]
    table = {name: list(ids), "timestamp": HOURS, "y": VALUES}
    for data in (pd.DataFrame(table), csv(tmp_path, table), pd.DataFrame(table).iloc[::-1]):
        found = read(data)
        assert list(found) == ["y"]
        np.testing.assert_array_equal(found["y"].target, VALUES)
        assert note in found["y"].notes
    assert len(read(pd.DataFrame(table), item=name)) == 30  # where it is asked for


def test_a_column_that_grows_is_still_a_series_by_itself():
    found = read(pd.DataFrame({"timestamp": HOURS, "total": np.arange(30)}))
    np.testing.assert_array_equal(found["total"].target, np.arange(30))


TIMES = {
    "24 h": ("%Y-%m-%d", [f"{h:02d}:00" for h in HOURS.hour], "2024-01-01T00"),
    "seconds": ("%d.%m.%Y", [f"{h:02d}:00:00" for h in HOURS.hour], "2024-01-01T00"),
    "am and pm": ("%m/%d/%Y", list(HOURS.strftime("%I:%M %p")), "2024-01-01T00"),
    "day 20240101": ("%Y%m%d", [f"{h:02d}:00" for h in HOURS.hour], "2024-01-01T00"),
    "until 24:00": ("%Y-%m-%d", [f"{h + 1:02d}:00" for h in HOURS.hour], "2024-01-01T01"),
    "hours": ("%Y-%m-%d", list(HOURS.hour), "2024-01-01T00"),
    "hours until 24": ("%Y-%m-%d", list(HOURS.hour + 1), "2024-01-01T01"),
}


@pytest.mark.parametrize("form", TIMES)
def test_days_and_times_in_columns_of_their_own(tmp_path, form):
    day, times, first = TIMES[form]
    name = "Hour" if form.startswith("hours") else "Time"
    found = read(csv(tmp_path, {"Date": HOURS.strftime(day), name: times, "y": VALUES}))
    assert list(found) == ["y"]
    assert found["y"].freq == "h"
    assert found["y"].start == pd.Timestamp(first)
    np.testing.assert_array_equal(found["y"].target, VALUES)
    note = " ".join(found["y"].notes)
    assert f"timestamps are those of 'Date' and '{name}'" in note
    assert ("24:00 is the end of the day" in note) == ("until" in form)


@pytest.mark.parametrize(
    ("first", "rows"),
    [
        ("2024-01-01 00:00", [f"{t:%Y-%m-%d %H:%M},{v}" for t, v in zip(HOURS, VALUES)]),  # noqa: B905
        ("values only", [str(value) for value in VALUES]),
    ],
)
def test_the_first_row_of_a_file_without_a_header_counts(tmp_path, first, rows):
    found = read(file(tmp_path, "\n".join(rows)))
    (series,) = found.values()
    np.testing.assert_array_equal(series.target, VALUES)
    assert "the first line has values: columns are numbered" in series.notes


def test_numbers_above_numbers_are_names_where_they_count_and_are_refused_where_they_may(tmp_path):
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(9, 3)))
    assert list(read(file(tmp_path, table.to_csv(index=False)))) == ["0", "1", "2"]
    with pytest.raises(
        InputError, match=r"x\.csv: its first line \('0'\) may be a value or the name"
    ):
        read(file(tmp_path, "0\n5\n7\n9\n"))


@pytest.mark.parametrize("name", ["t", "time", "epoch", "created_at"])
@pytest.mark.parametrize("unit", ["s", "ms"])
def test_times_since_1970_are_no_values(tmp_path, name, unit):
    table = {name: HOURS.as_unit(unit).asi8, "y": VALUES}
    found = read(csv(tmp_path, table))
    assert list(found) == ["y"]
    assert (found["y"].freq, found["y"].start) == ("h", HOURS[0])
    assert found["y"].notes == (f"dates in {name!r} are times since 1970 in {unit}",)


def test_numbers_that_count_steps_are_no_values(tmp_path):
    for name in ("t", "index", "step"):
        found = read(csv(tmp_path, {name: range(5, 35), "y": VALUES}))
        assert list(found) == ["y"]
        assert list(found["y"].index(30, 2)) == [35, 36]
    with pytest.raises(InputError, match="column 't' contains plain numbers, not timestamps"):
        read(csv(tmp_path, {"t": np.arange(30) / 2, "y": VALUES}))


def test_semicolons_decimal_commas_and_an_empty_last_cell(tmp_path):
    rows = [f"{day:%d.%m.%Y};{n},5" for n, day in enumerate(DAYS)]
    for text in (["Datum;Wert", *rows, "31.01.2024;"], ["Datum;Wert;", *[f"{r};" for r in rows]]):
        found = read(file(tmp_path, "\n".join(text)))
        assert list(found) == ["Wert"]
        np.testing.assert_array_equal(found["Wert"].target, np.arange(30) + 0.5)


@pytest.mark.parametrize(("fraction", "value"), [("0.5", 234.421), ("0,5", 234421.0)])
def test_the_decimal_sign_of_one_column_counts_for_the_others(tmp_path, fraction, value):
    """As in UCI's household power consumption, where `234.421` is below 1,000."""
    rows = [f"{day:%Y-%m-%d};{fraction};234.421" for day in DAYS]
    found = read(file(tmp_path, "\n".join(["Date;power;voltage", *rows])))
    assert found["power"].target[0] == 0.5
    assert found["voltage"].target[0] == value
    rows = [f"{day:%Y-%m-%d};234.421" for day in DAYS]
    (error,) = read(file(tmp_path, "\n".join(["Date;voltage", *rows]))).values()
    assert "'234.421' can be 234.421" in str(error)


@pytest.mark.parametrize("sign", ["-", "n/a", "?", "NA", "#DIV/0!", "…", " "])
def test_signs_for_missing_values(tmp_path, sign):
    cells = [str(value) for value in VALUES]
    cells[4] = sign
    (series,) = read(csv(tmp_path, {"timestamp": HOURS, "y": cells})).values()
    assert np.flatnonzero(np.isnan(series.target)).tolist() == [4]


@pytest.mark.parametrize(
    "cell", ["€1", "12%", "1.5 kg", "(5)", "0x10", "TRUE", "1.2.3", "1-2", "1,23,4"]
)
def test_a_cell_that_is_not_a_number_names_its_row(tmp_path, cell):
    cells = [str(value) for value in VALUES]
    cells[4] = cell
    long = {"item_id": ["a"] * 15 + ["b"] * 15, "timestamp": [*HOURS[:15]] * 2, "y": cells}
    found = read(csv(tmp_path, long))
    assert str(found["a"]).startswith(f"a: {cell!r} in row 5 is not a number; correct it")
    np.testing.assert_array_equal(found["b"].target, VALUES[15:])


def test_units_and_separators_of_thousands(tmp_path):
    days = DAYS.strftime("%Y-%m-%d")
    for form, note in (("€{:.2f}", "'€'"), ("{:.2f} €", "'€'"), ("{:.1f}%", "'%'")):
        cells = [form.format(value) for value in VALUES]
        (series,) = read(csv(tmp_path, {"date": days, "y": cells})).values()
        np.testing.assert_array_equal(series.target, VALUES)
        assert note in " ".join(series.notes)
    for cells in (
        [f"{1000 * value:,.1f}" for value in VALUES],
        ["1,234,567", *[f"{1000 * int(value):,}" for value in VALUES[1:]]],
    ):
        (series,) = read(csv(tmp_path, {"date": days, "y": cells})).values()
        assert series.target[1] == 1000 * VALUES[1] or series.target[1] == 103_000
    (error,) = read(csv(tmp_path, {"date": days, "y": ["1,234"] * 30})).values()
    assert "'1,234' can be 1.234 (decimal=',') or 1234 (decimal='.')" in str(error)


@pytest.mark.parametrize(
    ("name", "texts", "freq", "first"),
    [
        ("week", [f"2024-W{n:02d}" for n in range(1, 31)], "W-MON", "2024-01-01"),
        ("week", [f"2024W{n}" for n in range(1, 31)], "W-MON", "2024-01-01"),
        ("week", [f"W{n:02d}/2024" for n in range(1, 31)], "W-MON", "2024-01-01"),
        ("quarter", [f"{2010 + n // 4}Q{n % 4 + 1}" for n in range(30)], "QS-JAN", "2010-01-01"),
        ("quarter", [f"Q{n % 4 + 1}-{10 + n // 4}" for n in range(30)], "QS-JAN", "2010-01-01"),
        ("quarter", [f"{n % 4 + 1}Q{2010 + n // 4}" for n in range(30)], "QS-JAN", "2010-01-01"),
        ("month", list(MONTHS.strftime("%YM%m")), "MS", "2022-01-01"),
        ("month", list(MONTHS.strftime("%b-%y")), "MS", "2022-01-01"),
        ("month", list(MONTHS.strftime("%y-%b")), "MS", "2022-01-01"),
    ],
)
def test_weeks_quarters_and_months(tmp_path, name, texts, freq, first):
    for order in (slice(None), slice(None, None, -1)):
        found = read(csv(tmp_path, {name: texts[order], "y": VALUES[order]}))
        assert (found["y"].freq, found["y"].start) == (freq, pd.Timestamp(first))
        np.testing.assert_array_equal(found["y"].target, VALUES)


def test_a_week_and_a_year_in_columns_of_their_own():
    weeks = pd.DataFrame({"year": [2020] * 30, "week": range(24, 54), "y": VALUES})
    assert read(weeks)["y"].freq == "W-MON"


@pytest.mark.parametrize(
    "texts",
    [
        [f"Jan-{n}" for n in range(11, 31)],
        list(pd.date_range("2024-01-20", periods=30).strftime("%b-%d")),
        list(pd.date_range("2024-01-20", periods=30).strftime("%d-%b")),
        [f"22-{m:%b}" for m in MONTHS[:12]],
    ],
)
def test_a_day_without_a_year_is_refused_with_both_readings(texts):
    table = pd.DataFrame({"date": texts, "y": np.arange(float(len(texts)))})
    with pytest.raises(InputError, match=r"can be read in two ways: .* of an unknown year"):
        read(table)


def test_rows_of_one_time_name_the_column_that_tells_them_apart(tmp_path):
    stores = {"timestamp": [*HOURS[:15]] * 2, "store": [1] * 15 + [2] * 15, "sales": VALUES}
    with pytest.raises(UsageError, match=r"the column 'store' tells them apart: pass item='store'"):
        read(csv(tmp_path, stores))
    assert list(read(csv(tmp_path, stores), item="store")) == ["1", "2"]
    with pytest.raises(UsageError, match=r"2 columns that may be the series \(sales, price\)"):
        read(pd.DataFrame({"item_id": "a", "timestamp": HOURS, "sales": VALUES, "price": VALUES}))


def test_clocks_that_are_put_back():
    zoned = pd.date_range("2024-10-26", periods=60, freq="h", tz="Europe/Berlin")
    table = pd.DataFrame({"timestamp": zoned.tz_localize(None), "y": np.arange(60.0)})
    assert "end of daylight saving time" in str(read(table)["y"])
    series = read(table.assign(timestamp=[time.isoformat() for time in zoned]))["y"]
    assert len(series) == 60
    assert "times are in UTC" in series.notes[0]
    days = pd.date_range("2024-10-20", periods=20, freq="D", tz="Europe/Berlin")
    texts = pd.DataFrame({"timestamp": [day.isoformat() for day in days], "y": np.arange(20.0)})
    assert read(texts)["y"].freq == "D"
    assert "local times are used" in read(texts)["y"].notes[0]
    mixed = texts.assign(timestamp=["2024-10-20T00:00", *texts["timestamp"][1:]])
    with pytest.raises(InputError, match=r"with an offset from UTC .* and without"):
        read(mixed)


def test_other_files(tmp_path):
    rows = "\n".join(f"{day:%Y-%m-%d},{n}" for n, day in enumerate(DAYS))
    table = f"date,y\n{rows}\n"
    (tmp_path / "z.csv.gz").write_bytes(gzip.compress(table.encode()))
    (tmp_path / "utf16.csv").write_text(table, "utf-16")
    for path in (
        tmp_path / "z.csv.gz",
        tmp_path / "utf16.csv",
        file(tmp_path, f"# exported\n# by a tool\n{table}", "comments.csv"),
        file(tmp_path, f"Report of sales,\nmade in 2024\n\n{table}", "title.csv"),
        file(tmp_path, "sep=;\n" + table.replace(",", ";"), "excel.csv"),
        file(tmp_path, table.replace(",", "\t"), "tabs.csv"),
        file(tmp_path, table.replace(",", "|"), "bars.csv"),
        file(tmp_path, table + ",\n,\n", "tail.csv"),
        file(tmp_path, table.replace("\n2024", ",\n2024"), "commas.csv"),
    ):
        (series,) = read(path).values()
        np.testing.assert_array_equal(series.target, np.arange(30), err_msg=path.name)
    wide = file(tmp_path, "item,2024-01-01,2024-01-02,2024-01-03\na,1,2,3\nb,4,5,6\n", "wide.csv")
    found = read(wide)
    assert {name: one.target.tolist() for name, one in found.items()} == {
        "a": [1, 2, 3],
        "b": [4, 5, 6],
    }
    for text, words in {
        "": "it is empty",
        "date,y\n2024-01-01,1\n2024-01-02,2,3\n2024-01-03,3\n": "line 3 has 3 cells where there are 2",
        "date,y\n2024-01-01,1\nTotal,2\n": "'Total' in row 2 .* remove the row",
    }.items():
        with pytest.raises(InputError, match=words):
            read(file(tmp_path, text))


LINES = {
    'date,note,y\n2024-01-01,"a\nb",1\n2024-01-02,c,2,3\n2024-01-03,d,3\n': "line 4 has 4 cells",
    'date,"y\nz"\n2024-01-01,1,2\n2024-01-02,2\n2024-01-03,3\n': "line 3 has 3 cells",
    'date,note,y\n2024-01-01,"a\r\nb",1\r\n2024-01-02,"c,2\n2024-01-03,d,3\n': "row in line 4 has",
    '"A title\nof two lines"\n\nday,"y\nz",w\n2024-01-01,1,2,3\n2024-01-02,2,3,4\n2024-01-03,3,4,5\n': (
        "line 6 has 4 cells, and the header in line 4"
    ),
    "date,a,b,c\n\n2024-01-01,1,2\n2024-01-02,3,4\n2024-01-03,5,6\n": "line 1 has 4 cells",
}


@pytest.mark.parametrize(("text", "words"), LINES.items())
def test_messages_name_the_line_where_cells_have_several_lines(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        read(file(tmp_path, text))


def test_the_lines_above_a_table_are_counted_also_where_a_cell_has_several(tmp_path):
    text = '"A title\nof two lines"\n\ndate,y\n' + "".join(f"{day:%F},{day.day}\n" for day in DAYS)
    (series,) = read(file(tmp_path, text)).values()
    assert len(series) == 30
    assert "ignored, because above the table: 3 lines" in series.notes


DAMAGED = {"gz": gzip, "bz2": bz2, "xz": lzma}


@pytest.mark.parametrize("suffix", DAMAGED)
def test_a_damaged_compressed_file_is_an_error_of_ours(tmp_path, suffix):
    table = pd.DataFrame({"timestamp": HOURS, "y": VALUES}).to_csv(index=False)
    whole = DAMAGED[suffix].compress(table.encode())
    path = tmp_path / f"x.csv.{suffix}"
    for position in range(0, len(whole), 7):
        flipped = bytes([*whole[:position], whole[position] ^ 0xFF, *whole[position + 1 :]])
        for data in (whole[:position], flipped):
            path.write_bytes(data)
            with contextlib.suppress(InputError):
                read(path)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (['{"y": 1}', "{"], r"x\.jsonl:2: is not JSON"),
        (['{"target": [1], "target": [2]}'], r"x\.jsonl:1: .*'target' occurs twice"),
        (['{"y": 1}', "[1, 2]"], r"x\.jsonl: its lines are neither series"),
        ([""], r"x\.jsonl: it is empty"),
    ],
)
def test_lines_that_are_neither_series_nor_rows_are_refused(tmp_path, lines, words):
    with pytest.raises(InputError, match=words):
        read(file(tmp_path, "\n".join(lines), "x.jsonl"))


def test_rows_as_json_lines_in_utf_16(tmp_path):
    rows = [{"timestamp": str(hour), "y": value} for hour, value in zip(HOURS, VALUES, strict=True)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-16")
    np.testing.assert_array_equal(read(tmp_path / "x.jsonl")["y"].target, VALUES)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-32"])
def test_text_in_another_encoding_is_refused_with_the_way_out(tmp_path, encoding):
    (tmp_path / "x.csv").write_bytes("date,größe\n2024-01-01,1\n".encode(encoding))
    with pytest.raises(InputError, match=r"x\.csv.* save (it|the file) as UTF-8\.\n"):
        read(tmp_path / "x.csv")


def rows_of_days(header, row):
    """A CSV file with a row a day: `row` of its date and of a number that is not its index."""
    return "\n".join([header, *[row(f"{day:%Y-%m-%d}", 3 * n + 100) for n, day in enumerate(DAYS)]])


SPLIT_NUMBERS = {
    "decimal comma": (
        "date,y",
        lambda d, n: f"{d},{n},5",
        "line 2 has 3 cells.*'100,5' may be one",
    ),
    "thousands": ("date,y", lambda d, n: f"{d},$1,{n}.50", r"'\$1,100\.50' may be one cell"),
    "millions": ("date,y", lambda d, n: f"{d},1,000,{n}", "line 1 has 2 cells, .* has 4"),
    "two numbers": ("date,y,z", lambda d, n: f"{d},{n},5,20,1", "line 1 has 3 cells, .* has 5"),
    "number first": ("y,date", lambda d, n: f"{n},5,{d}", "'100,5' may be one cell"),
    "some": (
        "date,y",
        lambda d, n: f"{d},{n},5" if n > 106 else f"{d},{n}",
        "line 5 has 3 cells, and the header in line 1 has 2: '109,5' may be one cell",
    ),
    "first row": (
        "date,y",
        lambda d, n: f"{d},{n},5" if n == 100 else f"{d},{n}",
        "line 2 has 3 cells where there are 2 columns",
    ),
    "semicolons": ("date;y", lambda d, n: f"{d};{n};5", "'2024-01-01' is the name of the row"),
    "blank name": ("date,y,", lambda d, n: f"{d},{n},5", "row 1 has no column: '100,5' may be one"),
    "once": (
        "date,y,",
        lambda d, n: f"{d},{n}," + "5" * (n == 130),
        "row 11 has no column: '130,5'",
    ),
    "longer header": ("date,y,z", lambda d, n: f"{d},{n}", "line 1 has 3 cells, .* has 2"),
}


@pytest.mark.parametrize("case", SPLIT_NUMBERS)
def test_rows_that_a_comma_in_a_number_may_have_split_are_refused(tmp_path, case):
    header, row, message = SPLIT_NUMBERS[case]
    with pytest.raises(InputError, match=message):
        read(file(tmp_path, rows_of_days(header, row)))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("date,y", lambda d, n: f"{d},{n},"),
        ("date,y,", lambda d, n: f"{d},{n}"),
        ("date,y", lambda d, n: f"{d},{n}" + "," * (n > 106)),
        ("date,y", lambda d, n: f"{(n - 97) // 3},{d},{n}"),  # row numbers, as R writes them
        ("date,y", lambda d, n: f"row {n},{d},{n}"),
        ("date,y,z", lambda d, n: f"{d},{n}" if n == 103 else f"{d},{n},"),
    ],
)
def test_empty_last_cells_and_names_of_rows_move_no_column(tmp_path, header, row):
    series = read(file(tmp_path, rows_of_days(header, row)))["y"]
    np.testing.assert_array_equal(series.target, np.arange(30) * 3 + 100)
    assert series.start == DAYS[0]


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("column", ["store", "item_id"])
@pytest.mark.parametrize(
    "names", [("007",), ("07", "7"), ("1.1", "1.10"), ("10", "9"), ("1" * 25, "2")]
)
def test_names_of_series_stay_as_they_are_written(tmp_path, delimiter, column, names):
    rows = [f"{name},{d:%Y-%m-%d},{k}" for k, name in enumerate(names) for d in DAYS]
    text = "\n".join([f"{column},date,y", *rows]).replace(",", delimiter)
    layout = {"item": column} if column == "store" else {}
    series = read(file(tmp_path, text), **layout)
    assert tuple(series) == names
    assert [one.target.mean() for one in series.values()] == [*range(len(names))]


@pytest.mark.parametrize("cell", ["(100)", "100-", "100k"])
def test_a_column_without_any_number_names_its_first_cell(tmp_path, cell):
    cells = ["", "", *[cell] * 28]
    message = rf"{re.escape(repr(cell))} in row 3 of the column 'sales' is not a number"
    days = DAYS.strftime("%Y-%m-%d")
    with pytest.raises(InputError, match=message):
        read(csv(tmp_path, {"date": days, "sales": cells}))
    with pytest.raises(InputError, match=message):
        read(csv(tmp_path, {"store": ["a"] * 30, "date": days, "sales": cells}), item="store")
    priced = {"date": days, "target": cells, "price": VALUES}
    assert f"{cell!r} in row 3 is not a number" in str(read(csv(tmp_path, priced))["target"])


FREQS = {"h": "%Y-%m-%d %H:%M", "D": "%Y-%m-%d", "MS": "%Y-%m", "W-MON": "%Y-%m-%d"}
FORMS = {
    "D": ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%d %b %Y", "%Y%m%d", "%Y/%m/%d"),
    "h": ("%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M:%S", "%Y-%m-%dT%H:%MZ"),
    "MS": ("%b-%y", "%B %Y", "%m/%Y", "%Y/%m", "%d.%m.%Y", "%YM%m"),
    "W-MON": ("%G-W%V", "%d/%m/%Y", "%m/%d/%y"),
}


@st.composite
def written_tables(draw):
    """(text of a CSV file, timestamps, values) of one series, written as someone may write it."""
    freq = draw(st.sampled_from(sorted(FREQS)))
    count = draw(st.integers(6, 40))
    start = draw(st.datetimes(pd.Timestamp("1975-01-01"), pd.Timestamp("2040-01-01")))
    times = pd.date_range(pd.Timestamp(start).normalize(), periods=count, freq=freq)
    digits = draw(st.integers(0, 3))
    scale = draw(st.sampled_from([1.0, 1e3, 1e6]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = np.round(random.normal(3, 2, count) * scale, digits)
    decimal = draw(st.sampled_from(".,"))
    group = draw(st.sampled_from(["", " ", ",."[decimal == ","]]))
    delimiter = draw(st.sampled_from(";\t|" if "," in decimal + group else ",;\t|"))
    unit = draw(st.sampled_from(["{}", "{}", "€{}", "{} %"]))
    missing = draw(st.sampled_from(["", "-", "n/a", "…"]))

    def cell(value):
        text = f"{value:,.{digits}f}".replace(",", "g").replace(".", decimal).replace("g", group)
        return unit.format(text) if not text.startswith("-") else "-" + unit.format(text[1:])

    cells = [cell(value) for value in values]
    gone = draw(st.sets(st.integers(1, count - 2), max_size=count // 4))
    values[sorted(gone)] = np.nan
    cells = [missing if n in gone else text for n, text in enumerate(cells)]
    form = draw(st.sampled_from([FREQS[freq], *FORMS[freq]]))
    columns = {"when": list(times.strftime(form)), "amount": cells}
    if freq == "h" and draw(st.booleans()):
        columns = {"date": times.strftime("%d/%m/%Y"), "time": times.strftime("%H:%M"), **columns}
        del columns["when"]
    if draw(st.booleans()):
        columns = {"id": [str(n) for n in range(1, count + 1)], **columns}
    if draw(st.booleans()):
        columns = dict(reversed(columns.items()))
    rows = list(zip(*columns.values(), strict=True))
    if draw(st.booleans()):
        rows = [rows[n] for n in random.permutation(count)]
    header = [tuple(columns)] if draw(st.booleans()) else []
    lines = [delimiter.join(row) for row in header + rows]
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"])), times, values


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(written_tables())
def test_a_table_is_read_right_or_refused(written):
    text, times, values = written
    layout = Layout(expected="h")
    try:
        table = table_files.parse_csv(text.encode(), 10_000, 50)
        found = dict(iter_series(table, layout))
    except (InputError, UsageError):
        return
    assume(not any(isinstance(one, InputError) for one in found.values()))
    (series,) = found.values()
    observed = np.flatnonzero(np.isfinite(values))
    begin, size = series.index(0, 1)[0], len(series)
    assert pd.Timestamp(begin).tz_localize(None) == times[0]
    assert size == observed[-1] + 1
    np.testing.assert_array_equal(series.target, values[:size])


CHARACTERS = string.digits + ".,;-/: \t\n\"'€%abQW" + "\u00a0−"


@settings(max_examples=80)
@given(st.text(CHARACTERS, max_size=200) | st.binary(max_size=60))
@example("date,y\n2024-01-01,1\n")
@example("\n\n")
@example('"')
@example("0")
@example("sep=;\n")
@example("1;2\n3;4\n")
def test_anything_else_is_an_error_of_ours(text):
    data = text.encode() if isinstance(text, str) else text
    try:
        for _, value in iter_series(table_files.parse_csv(data, 10_000, 50), Layout(freq="D")):
            assert isinstance(value, TimeSeries | InputError)
    except WarmstartError:
        pass
