"""Tables of series as the public ones are written, and what they are read as.

A row of `LAYOUTS` is the file with a few rows, the options, and for each series its length, the
frequency, the first timestamp (None: steps are counted) and the first value.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator

import pytest

from warmstart.errors import WarmstartError
from warmstart.series.layout import Layout
from warmstart.series.time_series import iter_series

pytest.importorskip("pandas")

ROWS = 24
MONTH_NAMES = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


def value(index: int) -> float:
    """A value without a pattern that counts rows."""
    return (index * 37 % 101) + 0.5


def days(form: str = "%Y-%m-%d", start: str = "2013-01-05") -> Iterator[str]:
    first = datetime.date.fromisoformat(start)
    return ((first + datetime.timedelta(days=n)).strftime(form) for n in range(ROWS))


def months(form: str = "{0}-{1:02d}", year: int = 1949) -> list[str]:
    return [form.format(year + n // 12, n % 12 + 1) for n in range(ROWS)]


def hours(form: str = "%Y-%m-%d %H:%M:%S", start: str = "2016-07-01") -> list[str]:
    first = datetime.datetime.fromisoformat(start)
    return [(first + datetime.timedelta(hours=n)).strftime(form) for n in range(ROWS)]


def table(header: str, times: object, row: Callable[[str, int], str]) -> str:
    lines = [row(time, n) for n, time in enumerate(times)]  # type: ignore[arg-type,var-annotated]
    return "\n".join([header, *lines]) + "\n"


def stores(header: str, row: Callable[[str, str, int], str]) -> str:
    """A table of two stores with two families each."""
    lines = [
        row(day, f"{store},{family}", n)
        for n, day in enumerate(days())
        for store in (1, 2)
        for family in ("AUTO", "BEAUTY")
    ]
    return "\n".join([header, *lines]) + "\n"


def wide(names: dict[str, str], steps: list[str], header: str, end: str = "") -> str:
    """A series in each row, behind other cells."""
    lines = [
        f"{cells},{','.join(str(value(n + 7 * k)) for n in range(len(steps)))}{end}"
        for k, cells in enumerate(names.values())
    ]
    return "\n".join([f"{header},{','.join(steps)}{end}", *lines]) + "\n"


def gluonts() -> str:
    series = [
        {"item_id": name, "start": "2013-01-05", "target": [value(n) for n in range(ROWS)]}
        for name in ("a", "b")
    ]
    return "\n".join(map(json.dumps, series)) + "\n"


KAGGLE = stores(
    "id,date,store_nbr,family,sales,onpromotion", lambda d, s, n: f"{n},{d},{s},{value(n)},{n % 3}"
)
TOURISM = "Quarter,Region,State,Purpose,Trips\n" + "".join(
    f"{1998 + n // 4} Q{n % 4 + 1},{region},{purpose},{value(n)}\n"
    for region in ("Adelaide,SA", "Perth,WA")
    for purpose in ("Business", "Holiday")
    for n in range(ROWS)
)
ROSSMANN = "Store,DayOfWeek,Date,Sales,Customers,Open\n" + "".join(
    f"{store},{n % 7 + 1},{day},{int(value(n)) * 10},{int(value(n))},1\n"
    for n, day in reversed([*enumerate(days())])
    for store in (1, 2)
)
M5_NAMES = {f"item {n}": f"FOODS_{n}_CA_1_validation,FOODS_{n},CA_1" for n in (1, 2)}
WORLD = {
    "Aruba": '"Aruba","ABW","GDP (current US$)","NY.GDP.MKTP.CD"',
    "Chad": '"Chad","TCD","GDP (current US$)","NY.GDP.MKTP.CD"',
}
FIRST = value(0)
LAYOUTS = {
    "airline passengers": (
        table("Month,#Passengers", months(), lambda m, n: f"{m},{value(n)}"),
        {},
        {"#Passengers": (ROWS, "MS", "1949-01-01", FIRST)},
    ),
    "sunspots, quoted": (
        table('"Month","Sunspots"', months(year=1749), lambda m, n: f'"{m}",{value(n)}'),
        {},
        {"Sunspots": (ROWS, "MS", "1749-01-01", FIRST)},
    ),
    "Prophet": (
        table('"ds","y"', days(), lambda d, n: f'"{d}",{value(n)}'),
        {},
        {"y": (ROWS, "D", "2013-01-05", FIRST)},
    ),
    "Nixtla": (
        "unique_id,ds,y\n"
        + "".join(f"{u},{d},{value(n)}\n" for u in ("H1", "H2") for n, d in enumerate(days())),
        {},
        {"H1": (ROWS, "D", "2013-01-05", FIRST), "H2": (ROWS, "D", "2013-01-05", FIRST)},
    ),
    "Nixtla's M4, steps as ds": (
        "unique_id,ds,y\n"
        + "".join(f"{u},{n + 1},{value(n)}\n" for u in ("H1", "H2") for n in range(ROWS)),
        {"freq": "h"},
        {"H1": (ROWS, "h", None, FIRST), "H2": (ROWS, "h", None, FIRST)},
    ),
    "GluonTS": (
        gluonts(),
        {"freq": "D"},
        {"a": (ROWS, "D", "2013-01-05", FIRST), "b": (ROWS, "D", "2013-01-05", FIRST)},
    ),
    "rows as JSON lines": (
        "\n".join(json.dumps({"ds": d, "y": value(n)}) for n, d in enumerate(days())),
        {},
        {"y": (ROWS, "D", "2013-01-05", FIRST)},
    ),
    "M4": (  # each row ends with its series
        '"V1","V2","V3","V4","V5","V6","V7","V8"\n"Y1","5.5","1","2","3","4","5",\n"Y2","7.5","1","2","3",,,\n',
        {"freq": "YS"},
        {"Y1": (6, "YS-JAN", None, 5.5), "Y2": (4, "YS-JAN", None, 7.5)},
    ),
    "M5": (
        wide(M5_NAMES, [f"d_{n}" for n in range(1, ROWS + 1)], "id,item_id,store_id"),
        {"freq": "D"},
        {
            "FOODS_1_CA_1_validation": (ROWS, "D", None, FIRST),
            "FOODS_2_CA_1_validation": (ROWS, "D", None, value(7)),
        },
    ),
    "M5 by item and store": (
        wide(M5_NAMES, [f"d_{n}" for n in range(1, ROWS + 1)], "id,item_id,store_id"),
        {"freq": "D", "item": ["item_id", "store_id"]},
        {"FOODS_1/CA_1": (ROWS, "D", None, FIRST), "FOODS_2/CA_1": (ROWS, "D", None, value(7))},
    ),
    "World Bank": (
        '"Data Source","World Development Indicators",\n\n"Last Updated Date","2024-06-28",\n\n'
        + wide(
            WORLD,
            [str(y) for y in range(1960, 1980)],
            "Country Name,Country Code,Indicator Name,Indicator Code",
            ",",
        ),
        {},
        {
            "Aruba": (20, "YS-JAN", "1960-01-01", FIRST),
            "Chad": (20, "YS-JAN", "1960-01-01", value(7)),
        },
    ),
    "COVID-19 of Johns Hopkins": (
        wide(
            {"a": ",Chad,15.4,18.7", "b": ",Peru,-9.2,-75"},
            [d.lstrip("0").replace("/0", "/") for d in days("%m/%d/%y", "2020-01-22")],
            "Province/State,Country/Region,Lat,Long",
        ),
        {},
        {"Chad": (ROWS, "D", "2020-01-22", FIRST), "Peru": (ROWS, "D", "2020-01-22", value(7))},
    ),
    "a year in each row, as R prints months": (
        "".join(
            f"{year},{','.join(str(value(12 * k + n)) for n in range(12))}\n"
            if year
            else '"","Jan","Feb","Mar","Apr","May","Jun","Jul","Aug","Sep","Oct","Nov","Dec"\n'
            for k, year in enumerate((0, 1949, 1950), -1)
        ),
        {},
        {"value": (24, "MS", "1949-01-01", FIRST)},
    ),
    "GISTEMP": (
        "Land-Ocean: Global Means\nYear,January,February,March,April,May,June,July,August,September,"
        "October,November,December,J-D\n"
        + "".join(
            f"{year},{','.join(str(value(12 * k + n)) for n in range(12))},9.5\n"
            for k, year in enumerate((1880, 1881))
        ),
        {},
        {"value": (24, "MS", "1880-01-01", FIRST)},
    ),
    "a month in each row": (
        wide({m: m for m in MONTH_NAMES}, ["1958", "1959", "1960"], "Month"),
        {},
        {"value": (36, "MS", "1958-01-01", FIRST)},
    ),
    "the number of a month in each row": (
        wide({m: str(n) for n, m in enumerate(MONTH_NAMES, 1)}, ["2019", "2020"], "month"),
        {},
        {"value": (24, "MS", "2019-01-01", FIRST)},
    ),
    "numbers of stores by year": (
        "store,2018,2019,2020\n7,0.5,2,3\n9,0.5,3,4\n",
        {"item": "store"},
        {"7": (3, "YS-JAN", "2018-01-01", FIRST), "9": (3, "YS-JAN", "2018-01-01", FIRST)},
    ),
    "quarters of a year in each row": (
        "Year,Q1,Q2,Q3,Q4\n2019,0.5,2,3,4\n2020,5,6,7,8\n2021,9,7,,\n",
        {},
        {"value": (10, "QS-JAN", "2019-01-01", FIRST)},
    ),
    "stores of numbers in each row": (
        "store,2024-01-01,2024-01-02,2024-01-03,2024-01-04\n17,0.5,6,7,8\n18,0.5,7,8,9\n",
        {},
        {"17": (4, "D", "2024-01-01", FIRST), "18": (4, "D", "2024-01-01", FIRST)},
    ),
    "ETTh1": (
        table("date,HUFL,OT", hours(), lambda h, n: f"{h},{value(n)},{value(n + 5)}"),
        {},
        {"HUFL": (ROWS, "h", "2016-07-01", FIRST), "OT": (ROWS, "h", "2016-07-01", value(5))},
    ),
    "electricity, as of UCI": (
        table(
            '"";"MT_001";"MT_002"',
            hours(),
            lambda h, n: f'"{h}";{value(n)};{value(n + 5)}'.replace(".", ","),
        ),
        {},
        {"MT_001": (ROWS, "h", "2016-07-01", FIRST), "MT_002": (ROWS, "h", "2016-07-01", value(5))},
    ),
    "electricity, numbered columns": (
        table("date,0,1,OT", hours(), lambda h, n: f"{h},{value(n)},{value(n + 5)},{value(n + 9)}"),
        {},
        {name: (ROWS, "h", "2016-07-01", value(k)) for name, k in (("0", 0), ("1", 5), ("OT", 9))},
    ),
    "exchange rates, without a header": (
        "".join(f"{value(n)},{value(n + 5)}\n" for n in range(ROWS)),
        {"freq": "D"},
        {"column 1": (ROWS, "D", None, FIRST), "column 2": (ROWS, "D", None, value(5))},
    ),
    "household power": (
        table(
            "Date;Time;Global_active_power",
            hours("%d/%m/%Y;%H:%M:%S", "2006-12-16"),
            lambda h, n: f"{h};{'?' if n == 3 else value(n)}",
        ),
        {},
        {"Global_active_power": (ROWS, "h", "2006-12-16", FIRST)},
    ),
    "air quality": (
        table(
            "Date;Time;CO(GT);PT08.S1(CO);;",
            hours("%d/%m/%Y;%H.%M.%S", "2004-03-30"),
            lambda h, n: f"{h};{value(n)};{n * 37 % 101};;".replace(".5", ",5"),
        )
        + ";;;;;\n;;;;;\n",
        {},
        {"CO(GT)": (ROWS, "h", "2004-03-30", FIRST), "PT08.S1(CO)": (ROWS, "h", "2004-03-30", 0)},
    ),
    "dots in times": (
        table(
            "Datum;Uhrzeit;Wert",
            hours("%d.%m.%Y;%H.%M", "2004-03-30"),
            lambda h, n: f"{h};{value(n)}".replace(".5", ",5"),
        ),
        {},
        {"Wert": (ROWS, "h", "2004-03-30", FIRST)},
    ),
    "dots in timestamps": (
        table(
            "when;y", hours("%d.%m.%Y %H.%M", "2004-03-30"), lambda h, n: f"{h};{int(value(n))},5"
        ),
        {},
        {"y": (ROWS, "h", "2004-03-30", FIRST)},
    ),
    "Yahoo Finance, one share": (
        table(
            "Price,Close,Volume\nTicker,AAPL,AAPL\nDate,,",
            days(),
            lambda d, n: f"{d},{value(n)},{value(n + 5)}",
        ),
        {},
        {"Close": (ROWS, "D", "2013-01-05", FIRST), "Volume": (ROWS, "D", "2013-01-05", value(5))},
    ),
    "Yahoo Finance, two shares": (
        table(
            "Price,Close,Close\nTicker,AAPL,MSFT\nDate,,",
            days(),
            lambda d, n: f"{d},{value(n)},{value(n + 5)}",
        ),
        {},
        {"AAPL": (ROWS, "D", "2013-01-05", FIRST), "MSFT": (ROWS, "D", "2013-01-05", value(5))},
    ),
    "bike sharing": (
        table("instant,dteday,cnt", days(), lambda d, n: f"{n + 1},{d},{value(n)}"),
        {},
        {"cnt": (ROWS, "D", "2013-01-05", FIRST)},
    ),
    "PJM energy, out of order": (
        table("Datetime,PJME_MW", hours()[::-1], lambda h, n: f"{h},{value(n)}"),
        {},
        {"PJME_MW": (ROWS, "h", "2016-07-01", value(ROWS - 1))},
    ),
    "FRED": (
        table(
            "observation_date,UNRATE",
            months("{0}-{1:02d}-01"),
            lambda m, n: f"{m},{'.' if n == 3 else value(n)}",
        ),
        {},
        {"UNRATE": (ROWS, "MS", "1949-01-01", FIRST)},
    ),
    "Mauna Loa": (
        table(
            "# NOAA\n#\nyear,month,average", months("{0},{1}", 1958), lambda m, n: f"{m},{value(n)}"
        ),
        {},
        {"average": (ROWS, "MS", "1958-01-01", FIRST)},
    ),
    "dates of Excel": (
        table("Date,Sales", range(45292, 45292 + ROWS), lambda d, n: f"{d},{value(n)}"),
        {},
        {"Sales": (ROWS, "D", "2024-01-01", FIRST)},
    ),
    "an empty column of Excel": (
        table("Date,Sales,Remarks", days(), lambda d, n: f"{d},{value(n)},"),
        {},
        {"Sales": (ROWS, "D", "2013-01-05", FIRST)},
    ),
    "Kaggle store sales": (
        KAGGLE,
        {"item": ["store_nbr", "family"], "target": "sales"},
        {
            f"{store}/{family}": (ROWS, "D", "2013-01-05", FIRST)
            for store in (1, 2)
            for family in ("AUTO", "BEAUTY")
        },
    ),
    "Rossmann": (
        ROSSMANN,
        {"item": "Store", "target": "Sales"},
        {str(n): (ROWS, "D", "2013-01-05", 0) for n in (1, 2)},
    ),
    "tourism": (
        TOURISM,
        {"item": ["Region", "Purpose"]},
        {
            f"{region}/{purpose}": (ROWS, "QS-JAN", "1998-01-01", FIRST)
            for region in ("Adelaide", "Perth")
            for purpose in ("Business", "Holiday")
        },
    ),
    "a region called NA": (
        "region,date,sales\n"
        + "".join(f"{r},{d},{value(n)}\n" for r in ("EU", "NA") for n, d in enumerate(days())),
        {"item": "region"},
        {"EU": (ROWS, "D", "2013-01-05", FIRST), "NA": (ROWS, "D", "2013-01-05", FIRST)},
    ),
    "a row called NA": (
        wide({"EU": "EU", "NA": "NA"}, [*days()], "region"),
        {"item": "region"},
        {"EU": (ROWS, "D", "2013-01-05", FIRST), "NA": (ROWS, "D", "2013-01-05", value(7))},
    ),
}


def read(tmp_path, text: str, options: dict[str, object]) -> dict[str, object]:
    path = tmp_path / ("series.jsonl" if text[0] == "{" else "series.csv")
    path.write_text(text)
    return dict(iter_series(path, Layout(**options)))


@pytest.mark.parametrize("name", LAYOUTS)
def test_public_tables(tmp_path, name):
    text, options, expected = LAYOUTS[name]
    found = read(tmp_path, text, options)
    for series in found.values():
        assert not isinstance(series, WarmstartError), series
    assert {
        key: (len(one), one.freq, f"{one.start:%Y-%m-%d}" if one.dated else None, one.target[0])
        for key, one in found.items()
    } == expected


REFUSED = {
    "Kaggle store sales": (KAGGLE, r"3 columns that may be the series .*; pass one as target="),
    "tourism": (TOURISM, r"as item=\['Region', 'State', 'Purpose'\]"),
    "Rossmann": (ROSSMANN, "the column 'Store' tells them apart: pass item='Store'"),
    "Walmart": (
        "Store,Dept,Date,Weekly_Sales\n"
        + "".join(
            f"{s},{d},{day},{value(n)}\n"
            for s in (1, 2)
            for d in (1, 2)
            for n, day in enumerate(days())
        ),
        r"the columns 'Store' and 'Dept' tell them apart: pass item=\['Store', 'Dept'\] for each of the 4 series",
    ),
    "a region called NA": (
        "region,date,sales\n" + "".join(f"{r},{d},1\n" for r in ("EU", "NA") for d in days()),
        r"24 rows have no name in the column 'region': .* or, where NA is the name of a series .* item='region'",
    ),
    "a row called NA": (
        wide({"EU": "EU", "NA": "NA"}, [*days()], "region"),
        "'region'.*item='region'",
    ),
    "days of the week by year": (
        "Day,2018,2019,2020\nMon,1,2,3\nTue,2,3,4\nWed,3,4,5\n",
        r"has no timestamps, and its column .Day. contains text|is not a timestamp",
    ),
    "numbers of stores by year": (
        "store,2018,2019,2020\n7,1.5,2,3\n9,2.5,3,4\n",
        ": each row may be a series over the years 2018, 2019, 2020, or each column may be one: pass item='store'",
    ),
    "measurements in numbered columns": (
        "name,weight,x1,x2,x3,x4,x5,x6\na,1,2,3,4,5,6,7\nb,1,2,3,4,5,6,7\n",
        "its column 'name' contains text",
    ),
    "a shampoo of years 1 to 3": (
        table('"Month","Sales"', months(year=1), lambda m, n: f'"{m}",{value(n)}'),
        r"'1-01' in row 1 of the column 'Month' is not a timestamp",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_with_the_way_out(tmp_path, name):
    text, words = REFUSED[name]
    with pytest.raises(WarmstartError, match=words):
        read(tmp_path, text, {})
