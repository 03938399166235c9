"""Forecasting from tables to results, with a tiny network of random weights, compiled once."""

import inspect
import json
import re
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import warmstart as ws
from warmstart.catalog import Entry
from warmstart.core import cancellation
from warmstart.core.output_files import CommandInputs
from warmstart.core.results import Failed
from warmstart.core.weights import Weights
from warmstart.core.wire import wire_of
from warmstart.errors import CancelledError, InputError, TooLargeError, UsageError
from warmstart.series.console import ForecastConsole, ForecastFlags
from warmstart.series.features import Recipe
from warmstart.series.forecasting import Forecaster
from warmstart.series.inputs import SERIES
from warmstart.series.layout import Layout
from warmstart.series.time_series import TimeSeries

pytestmark = pytest.mark.tensorflow
HOURS = pd.date_range("2024-01-01", periods=120, freq="h")


def tiny(distribution="student_t", **options):
    recipe = Recipe(
        "h", 6, 12, (1, 2, 24), categories={"item": ["a", "b"]}, item="item", calendar=False
    )
    config = {
        "lags": [1, 2, 24],
        "features": recipe.width,
        "cardinalities": [2],
        "distribution": distribution,
        "hidden": 4,
        "layers": 1,
    }
    entry = Entry(
        "deepar_tiny",
        "forecasting",
        "deepar",
        "tiny",
        "deepar",
        config,
        {},
        None,
        "",
        "Apache-2.0",
        1,
        None,
        0,
        (),
        "",
        processing=recipe.to_dict(),
    )
    return Forecaster(entry, Weights.random(), (), **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A bundle, so that every test has the compiled program."""
    return tiny(engine="keras").save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def model(folder):
    return ws.load(folder)


@pytest.fixture
def table():
    random = np.random.default_rng(0)
    wave = 10 + 3 * np.sin(np.arange(120) / 24 * 2 * np.pi)
    return pd.DataFrame(
        {name: wave * (n + 1) + random.normal(size=120) for n, name in enumerate("abc")}, HOURS
    )


def test_one_series_gives_one_forecast(model, table):
    forecast = model(table["a"], horizon=9, samples=40, quantiles=(0.1, 0.5, 0.9))
    assert isinstance(forecast, ws.Forecast)
    assert forecast.samples.shape == (40, 9)
    assert forecast.index[0] == HOURS[-1] + pd.Timedelta(hours=1)
    np.testing.assert_allclose(forecast.mean, forecast.samples.mean(0), rtol=1e-6)
    assert (forecast.quantile(0.1) <= forecast.median).all()
    assert (forecast.quantile(0.9) >= forecast.median).all()
    frame = forecast.to_frame()
    assert list(frame.columns) == ["item_id", "timestamp", "mean", "0.1", "0.5", "0.9"]
    assert len(frame) == 9
    told = forecast.to_dict()
    assert told["input"] == "a"
    assert len(told["quantiles"]["0.9"]) == 9


@pytest.mark.parametrize("level", [2, -0.1, float("nan"), [0.1, 0.9], "0.9", None])
def test_a_level_that_is_no_number_from_0_to_1_is_refused(model, table, level):
    forecast = model(table["a"], horizon=1, samples=5)
    with pytest.raises(UsageError, match="must be one number from 0 to 1, not "):
        forecast.quantile(level)


def test_one_step_is_singular(model, table):
    forecast = model(table["a"], horizon=1, samples=5)
    assert str(forecast).startswith("a: 1 step of h from ")
    assert forecast.show().splitlines()[0] == "a: 1 step of h"


def test_columns_of_the_same_name_are_refused(model, table):
    repeated = pd.concat([table, table[["a"]]], axis=1)
    for inputs, numbers in (
        (repeated, "1, 4"),
        ([repeated], "1, 4"),
        (repeated.reset_index(), "2, 5"),
    ):
        words = f"the columns {numbers} have the same name, 'a'; rename all but one"
        with pytest.raises(UsageError, match=words):
            model(inputs, horizon=2)


@pytest.mark.parametrize("decimal", [None, ".", ","])
def test_an_integer_beyond_the_range_of_floats_fails_its_series_only(model, table, decimal):
    options = {"horizon": 2, "samples": 5, "decimal": decimal}
    with pytest.raises(InputError, match=r"series 1: .* too large for float64"):
        model([1, 10**400, 3], **options)
    huge = table.assign(b=[-(10**400)] * len(table))
    good, bad, _ = model(huge, **options)
    assert good.input == "a"
    assert "b: it contains infinity, or a number too large" in str(bad.error)


def test_litert_and_keras_draw_the_same(model, table):
    other = tiny(engine="keras")
    ours, theirs = model(table, samples=20), other(table, samples=20)
    assert "litert" in repr(model)
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.samples, two.samples, rtol=1e-3, atol=1e-3)


def test_samples_do_not_depend_on_the_batch_and_do_on_the_seed(model, table):
    together = model(table, samples=30)
    for size in (1, 2):
        for one, two in zip(together, model(table, samples=30, batch_size=size), strict=True):
            np.testing.assert_allclose(one.samples, two.samples, rtol=1e-4, atol=1e-4)
    assert not np.allclose(together[0].samples, model(table, samples=30, seed=1)[0].samples)


def test_a_table_a_list_a_mapping_and_a_path_give_a_list(model, table, tmp_path):
    table.to_csv(tmp_path / "load.csv")
    several = [
        table,
        [table[name] for name in "abc"],
        dict(table.items()),
        tmp_path / "load.csv",
        str(tmp_path / "load.csv"),
        [table[["a", "b"]], table["c"]],
        [tmp_path / "load.csv"],
    ]
    for inputs in several:
        forecasts = model(inputs, samples=5)
        assert isinstance(forecasts, list)
        assert [forecast.input for forecast in forecasts] == ["a", "b", "c"]
    assert model([]) == []


def test_numbers_are_one_series(model, table):
    values = table["a"].to_numpy()
    expected = model(values, samples=5)
    assert expected.input == "series 1"
    for numbers in (values.tolist(), tuple(values), pd.Series(values)):
        np.testing.assert_array_equal(model(numbers, samples=5).samples, expected.samples)
    lists = model([values.tolist(), values[:50].tolist()], samples=5)
    assert [forecast.input for forecast in lists] == ["series 1", "series 2"]


def test_a_series_without_timestamps_has_numbers_of_steps_and_no_invented_dates(model):
    forecast = model([1.0, None, 3.0, 2.0], horizon=2, samples=5)
    assert list(forecast.index) == [4, 5]
    assert forecast.timestamps == ["4", "5"]
    assert forecast.history.timestamps == ["0", "1", "2", "3"]
    assert "no timestamps" in forecast.notes[0]
    assert "2000" not in f"{forecast} {forecast.show()} {forecast.to_dict(embed=True)}"
    assert list(forecast.to_frame()["timestamp"]) == [4, 5]
    forecast.plot()


def test_advice_and_notes_fit_the_series():
    recipe = Recipe("h", 6, 12, (1, 2, 24))
    series = TimeSeries("a", np.ones(50), HOURS[0], "h", dated=False)
    assert "uses the calendar" in recipe.notes(series)[0]
    assert not recipe.notes(TimeSeries("a", np.ones(50), HOURS[0], "h"))
    monthly = TimeSeries("m", np.ones(50), HOURS[0], "MS")
    with pytest.raises(InputError, match="trained on h; fine-tune"):  # months cannot become hours
        recipe.check(monthly, 6)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (np.ones((3, 60)), r"An array of 2 dimensions .* list\(x\)"),
        (iter([np.ones(60)]), r"model\.stream\(x\)"),
        ((np.ones(60), np.ones(60)), r"model\(list\(x\)\)"),
        ("folder", r"model\.stream\('.*folder'\)"),
        ("folder/*.csv", r"model\.stream\("),
        (None, "None"),
        (3, "int"),
        (b"a,b", "bytes"),
    ],
)
def test_a_call_refuses_what_stands_for_many_series(model, tmp_path, inputs, words):
    if isinstance(inputs, str):
        (tmp_path / "folder").mkdir()
        inputs = f"{tmp_path}/{inputs}"
    with pytest.raises(UsageError, match=words):
        model(inputs)
    if not isinstance(inputs, str):
        with pytest.raises(UsageError, match=words):
            model.features(inputs)


def test_iterators_and_folders_stream(model, table, tmp_path):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield table["a"]

    results = model.stream(endless(), batch_size=2)
    assert not isinstance(results, list)
    assert next(results).input == "a"
    assert len(taken) < 5
    for name in "ab":
        table[[name]].to_csv(tmp_path / f"{name}.csv")
    table.to_parquet(tmp_path / "c.parquet")
    files = sorted(tmp_path.iterdir())
    names = [f"{tmp_path}/{name}" for name in ("a.csv:a", "b.csv:b", "c.parquet:a", "c.parquet:b")]
    names.append(f"{tmp_path}/c.parquet:c")
    for inputs in (tmp_path, f"{tmp_path}/*", iter(files), files, [tmp_path]):
        assert [f.input for f in model.stream(inputs, samples=2)] == names
    assert [f.input for f in model(files, samples=2)] == names
    for inputs in (files[:1], f"{tmp_path}/a*.csv"):  # the only file
        assert [f.input for f in model.stream(inputs, samples=2)] == ["a"]
    assert [f.input for f in model.stream(table, samples=2)] == ["a", "b", "c"]
    assert [f.input for f in model.stream(table["a"], samples=2)] == ["a"]
    with pytest.raises(UsageError, match=r"list\(x\)"):
        model.stream(np.ones((3, 60)))


def test_random_numbers_depend_on_the_seed_and_the_index_of_a_series(model, table):
    first, second = model([table["a"], table["a"]], samples=20)
    assert not np.allclose(first.samples, second.samples)
    bad = table["a"] * np.nan
    failed, again = model([bad, table["a"]], samples=20)
    assert not failed
    np.testing.assert_allclose(again.samples, second.samples, rtol=1e-4, atol=1e-4)
    for index, forecast in enumerate(
        model.stream(iter([table["a"]] * 2), samples=20, batch_size=1)
    ):
        np.testing.assert_allclose(
            forecast.samples, (first, second)[index].samples, rtol=1e-4, atol=1e-4
        )


def test_missing_values_are_drawn_by_the_model(model, table):
    holes = table["a"].copy()
    holes.iloc[-4:-2] = np.nan
    holes.iloc[-90] = np.nan
    whole, forecast = model([table["a"], holes], samples=50)
    assert np.isfinite(forecast.samples).all()
    np.testing.assert_allclose(
        whole.samples, model(table["a"], samples=50).samples, rtol=1e-4, atol=1e-4
    )
    assert not np.allclose(forecast.samples[:, 0], whole.samples[:, 0])


def test_parameters_are_those_that_samples_were_drawn_with(model, table):
    forecast = model(table["b"], samples=2000, horizon=1, parameters=True)
    assert set(forecast.parameters) == {"loc", "scale", "df"}
    assert np.ptp(forecast.parameters["loc"]) < 1e-4  # the first step knows no sample yet
    loc, spread = forecast.parameters["loc"][0, 0], forecast.parameters["scale"][0, 0]
    assert abs(np.median(forecast.samples) - loc) < 0.15 * spread
    share = (np.abs(forecast.samples - loc) < spread).mean()
    assert 0.55 < share < 0.7  # of Student's t with more than two degrees of freedom


@pytest.mark.parametrize("distribution", ["gaussian", "negative_binomial"])
def test_other_distributions(distribution, table):
    forecast = tiny(distribution, engine="keras")(
        table["a"].round(), samples=400, horizon=1, parameters=True
    )
    if distribution == "negative_binomial":
        assert (forecast.samples >= 0).all()
        np.testing.assert_allclose(forecast.samples, np.rint(forecast.samples))
        mean, alpha = (forecast.parameters[name][0, 0] for name in ("mean", "alpha"))
        spread = np.sqrt(mean + alpha * mean**2)
    else:
        mean, spread = (forecast.parameters[name][0, 0] for name in ("loc", "scale"))
    assert abs(forecast.samples.mean() - mean) < 5 * spread / 20
    assert forecast.samples.std() == pytest.approx(spread, rel=0.25)


@pytest.mark.parametrize(
    "values", [[5.0], [0.0, 0.0, 0.0], [7.0] * 50, [1e12, 2e12, 1.5e12], [np.nan, 3.0, np.nan]]
)
def test_cold_constant_zero_and_huge_series(model, values):
    forecast = model(
        pd.Series(values, pd.date_range("2024-01-01", periods=len(values), freq="h")), samples=20
    )
    assert np.isfinite(forecast.samples).all()


def test_one_bad_series_does_not_stop_the_others(model, table):
    daily = pd.Series(
        np.arange(30.0), pd.date_range("2024-01-01", periods=30, freq="D"), name="daily"
    )
    good, bad, nothing, again = model([table["a"], daily, None, table["b"]])
    assert good
    assert again
    assert isinstance(bad, Failed)
    assert bad.input == "daily"
    assert isinstance(nothing, Failed)
    assert not hasattr(bad, "samples")
    with pytest.raises(
        InputError, match=r"daily: its frequency is D, but the model was trained on h"
    ):
        model(daily)


def test_a_table_that_cannot_be_read(model, table, tmp_path):
    missing = str(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="no such file"):
        model(missing)
    bad, good = model([missing, table["a"]])
    assert isinstance(bad, Failed)
    assert bad.input == missing
    assert good.input == "a"
    with pytest.raises(UsageError, match="no column 'sales'"):
        model([table], target="sales")


def test_an_unusable_table_among_several_is_one_failure(model, table, tmp_path):
    good, two, bad = (str(tmp_path / name) for name in ("good.csv", "two.csv", "bad.csv"))
    table[["a"]].to_csv(good)
    long = table[["a", "b"]].assign(item_id="x").reset_index(names="timestamp")
    long.to_csv(two, index=False)
    table[["a"]].assign(a="?1x").to_csv(bad)
    files = [two, bad, good]
    for results in (model(files, horizon=2), list(model.stream(iter(files), horizon=2))):
        unclear, unreadable, forecast = results
        assert re.search(r"two\.csv has 2 columns that may be the series", str(unclear))
        assert re.search(r"bad\.csv: '\?1x' in row 1 .* is not a number", str(unreadable))
        assert [bool(result) for result in results] == [False, False, True]
        assert forecast.input == f"{good}:a"
    assert not model([long, table], horizon=2)[0]
    with pytest.raises(UsageError, match=r"two\.csv has 2 columns"):
        model(two)


def test_the_name_of_an_unreadable_series_has_its_file(model, table, tmp_path):
    for name in "ab":
        values = table["a"].astype("object")
        values.iloc[3] = "oops" if name == "b" else 1
        values.to_csv(tmp_path / f"{name}.csv")
    good, bad = model([tmp_path / "a.csv", tmp_path / "b.csv"], horizon=2)
    assert good
    assert bad.input == f"{tmp_path}/b.csv:a"
    assert str(bad).startswith(f"{tmp_path}/b.csv:a: 'oops' in row 4 is not a number")


def test_a_series_without_timestamps_has_no_frequency(model, table):
    forecast = model([1.0, 2.0, 3.0, 5.0, 4.0, 6.0], horizon=2)
    assert forecast.freq is None
    assert forecast.to_dict()["freq"] is None
    assert forecast.show().startswith("series 1: 2 steps\n")
    assert str(forecast).startswith("series 1: 2 steps from 6 to 7;")
    dated = model(table["a"], horizon=2)
    assert dated.to_dict()["freq"] == dated.freq == "h"
    assert "2 steps of h" in str(dated)


@pytest.mark.parametrize(
    "values",
    [
        np.array(["2024-01-01", "2024-01-02"], "M8[D]"),
        pd.Series(pd.date_range("2024-01-01", periods=5, tz="Europe/Berlin")),
        np.arange(5).astype("m8[h]"),
        np.arange(5) * 1j,
    ],
)
def test_dates_durations_and_complex_numbers_are_not_values(model, values):
    with pytest.raises(InputError, match=r"are of the type .*, not real numbers"):
        model(values)


def test_a_series_with_few_values_for_its_frequency_has_a_note(model, table):
    days = pd.Series(np.arange(30.0), pd.date_range("2024-01-01", periods=30))
    assert not any("no value" in note for note in model(table["a"], horizon=2).notes)
    assert "667 of 697 steps have no value" in model(days, horizon=2, freq="h").notes


@pytest.mark.parametrize(
    ("start", "freq", "first"),
    [
        ("2024-01-01", "H", "2024-01-01T04:00:00"),
        ("2024-01-31", "M", "2024-05-31T00:00:00"),
        ("2024-01-31", "MS", "2024-05-01T00:00:00"),
        ("2024-01-03", "W", "2024-02-04T00:00:00"),
        ("31.01.2024", "D", "2024-02-04T00:00:00"),
    ],
)
def test_lines_have_starts_and_frequencies_as_those_of_gluonts(model, tmp_path, start, freq, first):
    line = {"item_id": None, "start": start, "freq": freq, "target": [1, 2, 3, 4]}
    (tmp_path / "x.jsonl").write_text(json.dumps(line))
    (series,) = (item.value for item in SERIES.elements(tmp_path / "x.jsonl", Layout()))
    assert series.name == f"{tmp_path}/x.jsonl:1"
    assert series.index(4, 1)[0].isoformat() == first


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": "xx"}, "'xx' in row 1 of the column 'start' is not a timestamp"),
        ({"start": "01/02/2024"}, "the column 'start' can be read in two ways"),
        ({"start": 5}, "'start' must be a timestamp"),
        ({"start": None}, "'start' must be a timestamp"),
        ({"freq": 5}, "'freq' a frequency such as"),
        ({"freq": "foo"}, "There is no frequency 'foo'"),
        ({"timestamp": ["2024-01-01"]}, "must be a list as long as 'target', of 4 timestamps"),
        ({"timestamp": 5}, "must be a list as long as 'target', of 4 timestamps"),
    ],
)
def test_wrong_lines_are_named(tmp_path, change, words):
    line = {"start": "2024-01-01", "freq": "D", "target": [1, 2, 3, 4], **change}
    (tmp_path / "x.jsonl").write_text(json.dumps(line))
    (item,) = SERIES.elements(tmp_path / "x.jsonl", Layout())
    assert isinstance(item.value, InputError)
    assert words in str(item.value)
    assert "x.jsonl:1: " in str(item.value)


def test_a_url_of_a_table_is_refused_with_the_way_out(model):
    for inputs in ("https://localhost/x.csv", ["https://localhost/x.csv"]):
        with pytest.raises(InputError, match=r"not read from URLs; .* pandas\.read_csv"):
            raise model(inputs)[0].error


def test_an_array_of_objects_is_a_series_of_their_numbers(model):
    values = [3.0, None, 4.0, 6.0, 5.0, 7.0]
    objects = model(np.array(values, object), horizon=2)
    np.testing.assert_array_equal(objects.samples, model(values, horizon=2).samples)
    with pytest.raises(InputError, match="'x' in row 3 is not a number"):
        model(np.array([1, 2, "x", 4], object))


def test_a_mapping_that_is_not_one_of_series(model, table):
    days = table["a"].iloc[:10]
    for inputs in (days.to_dict(), {str(day): value for day, value in days.items()}):
        with pytest.raises(UsageError, match=r"one series by its timestamps, pass pandas\.Series"):
            model(inputs)
    for times in (days.index, [str(day) for day in days.index], list(days.index)):
        with pytest.raises(UsageError, match=r"'timestamp' contains .* pass pandas\.DataFrame"):
            model({"timestamp": times, "target": days.tolist()})
    assert [f.input for f in model({"day": days, "week": days}, horizon=2)] == ["day", "week"]


def test_evaluate_tells_seasonal_naive_on_the_same_windows(model, table):
    seen = []
    found = model.evaluate(
        table, horizon=6, windows=3, stride=2, samples=30, progress=lambda *x: seen.append(x)
    )
    assert found["count"] == 9
    assert seen[-1] == ("deepar_tiny", 9, 9)
    truth = np.concatenate([table[n].to_numpy()[e : e + 6] for n in "abc" for e in (110, 112, 114)])
    naive = np.concatenate(
        [table[n].to_numpy()[e - 24 : e - 18] for n in "abc" for e in (110, 112, 114)]
    )
    assert found["seasonal_naive"]["ND"] == pytest.approx(
        np.abs(truth - naive).sum() / np.abs(truth).sum()
    )
    assert found["mean_wQL"] > 0
    assert 0 <= found["coverage_80"] <= 1
    with pytest.raises(UsageError, match="no window of 500 steps"):
        model.evaluate(table, horizon=500)


def test_features(model, table):
    assert model.features(table).shape == (3, 8)
    assert model.features([]).shape == (0, 8)
    assert model.features(table["a"]).shape == (8,)
    assert [row.shape for row in model.stream_features(iter([table["a"]]))] == [(8,)]
    np.testing.assert_array_equal(model.features(table)[1], model.features(table["b"]))
    with pytest.raises(InputError, match="no observed value"):
        model.features([table["a"], table["b"] * np.nan])
    with pytest.raises(UsageError, match="no option 'horizon'"):
        model.features(table["a"], horizon=3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"horizon": 0}, "horizon must be from 1 to 100000, not 0"),
        ({"horizon": 1.5}, "horizon must be an integer"),
        ({"seed": 0.5}, "seed must be an integer"),
        ({"decimal": ";"}, "decimal must be one of"),
        ({"samples": 0}, "samples"),
        ({"quantiles": [1.5]}, "every item of quantiles"),
        ({"quantiles": [0]}, "quantiles"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"batch_size": 0}, "batch_size"),
        ({"top_k": 3}, "'top_k'"),
        ({"duplicates": "any"}, "duplicates must be one of error, first, last, sum, mean"),
        ({"freq": "soon"}, "soon"),
        ({"parameters": 1}, "parameters"),
        ({"target": 3}, "target"),
    ],
)
def test_wrong_options(model, table, options, words):
    for inputs in (table["a"], table):
        with pytest.raises(UsageError, match=words):
            model(inputs, **options)
    with pytest.raises(UsageError, match=words):
        model.stream(iter([table["a"]]), **options)
    if "quantiles" not in options and "parameters" not in options:
        with pytest.raises(UsageError, match=words):
            model.evaluate(table, **options)


def test_the_signature_shows_every_option(model):
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(model.__call__).parameters.items()
    }
    assert defaults == {
        "series": inspect.Parameter.empty,
        "progress": None,
        "batch_size": None,
        "freq": None,
        "target": None,
        "item": None,
        "timestamp": None,
        "date_format": None,
        "decimal": None,
        "duplicates": "error",
        "horizon": None,
        "quantiles": (0.1, 0.25, 0.5, 0.75, 0.9),
        "samples": 100,
        "seed": 0,
        "parameters": False,
    }
    assert set(model.option_names) == defaults.keys() - {"series"}


@pytest.mark.parametrize("engine", ["litert", "keras"])
def test_sampling_stops_between_steps_when_it_is_cancelled(folder, table, engine):
    model = ws.load(folder, engine=engine)
    model(table["a"], samples=2)
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) > 2

    threads = threading.active_count()
    with cancellation.scope(cancelled), pytest.raises(CancelledError):
        model(
            table, horizon=5000, samples=800
        )  # many seconds of work, in two threads where there are two CPUs
    assert threading.active_count() == threads


def test_the_wire_form(model, table):
    series = table["a"].copy()
    series.iloc[-2] = np.nan
    forecast = model(series, horizon=2, samples=9, quantiles=(0.1, 0.5))
    median = forecast.median
    assert forecast.to_dict() == {
        "input": "a",
        "model": "deepar_tiny",
        "freq": "h",
        "timestamps": ["2024-01-06T00:00:00", "2024-01-06T01:00:00"],
        "mean": [float(f"{value:.7g}") for value in forecast.mean],
        "quantiles": {
            "0.1": [float(f"{value:.7g}") for value in forecast.quantile(0.1)],
            "0.5": [float(f"{value:.7g}") for value in median],
        },
        "notes": [],
        "validation": {},
    }
    history = forecast.to_dict(embed=True)["history"]
    assert history["timestamps"][-1] == "2024-01-05T23:00:00"
    assert history["values"][-2:] == [None, float(f"{series.iloc[-1]:.7g}")]
    assert len(history["values"]) == len(history["timestamps"]) == 8
    numbers = {"type": "array", "items": {"type": ["number", "null"]}}
    properties = wire_of(ws.Forecast, embed=True).schema()["properties"]
    assert properties["quantiles"] == {"type": "object", "additionalProperties": numbers}
    assert properties["mean"] == properties["history"]["properties"]["values"] == numbers
    assert forecast.csv_columns((0.1, 0.5)) == ("item_id", "timestamp", "mean", "0.1", "0.5")
    numbers = (forecast.mean[1], forecast.quantile(0.1)[1], median[1])
    expected = ("a", "2024-01-06T01:00:00", *(f"{number:.7g}" for number in numbers))
    assert list(forecast.csv_rows())[1] == expected
    assert forecast.show().splitlines()[0] == "a: 2 steps of h"


def test_series_from_requests():
    limits = SimpleNamespace(max_text=10_000, max_values=100, max_columns=50)
    np.testing.assert_array_equal(SERIES.from_json([1, None, 2.5], limits), [1, np.nan, 2.5])
    assert list(SERIES.from_json({"target": [1, 2], "item_id": ["a", "a"]}, limits).columns) == [
        "target",
        "item_id",
    ]
    assert not SERIES.is_several_json([1, 2])
    assert not SERIES.is_several_json({"target": [1]})
    assert SERIES.is_several_json([[1, 2], [3]])
    for value in (
        [],
        [True],
        ["1"],
        "x",
        {},
        {"a": 1},
        {"a": [1], "b": []},
        {"a": [[1]]},
        [10**400],
        None,
    ):
        with pytest.raises(InputError):
            SERIES.from_json(value, limits)
    for text in ("time;n\n2024-01-01;1\n", "time,n\n2024-01-01,1\n", "time\tn\n2024-01-01\t1\n"):
        assert list(SERIES.from_bytes(text.encode(), limits).columns) == ["time", "n"]
    for data in (b"", b"\xff\xfe"):
        with pytest.raises(InputError):
            SERIES.from_bytes(data, limits)
    with pytest.raises(TooLargeError, match="101 values; 100 at most"):
        SERIES.from_bytes(b"n\n" + b"1\n" * 101, limits)


def test_series_from_records():
    layout = Layout(expected="h")
    assert SERIES.from_record([1, 2], "x.jsonl:1", layout).freq == "h"
    dated = SERIES.from_record(
        {"item_id": "a", "start": "2024-01-01", "freq": "D", "target": [1, None, 2]}, "x", layout
    )
    assert (dated.name, dated.freq, len(dated)) == ("a", "D", 3)
    times = {"timestamp": ["2024-01-01", "2024-01-02"], "target": [1, 2]}
    assert SERIES.from_record(times, "x", layout).index(0, 1)[0] == pd.Timestamp("2024-01-01")
    for record in (
        {"target": 3},
        {},
        "text",
        {"target": ["x"]},
        {"target": [1], "timestamp": ["now and then"]},
    ):
        with pytest.raises(InputError, match=r"^x\.jsonl:7: "):
            SERIES.from_record(record, "x.jsonl:7", layout)


def test_plot(model, table, tmp_path):
    forecast = model(table["a"])
    for actual in ("x", [1.0] * 7, np.ones((6, 2)), []):
        with pytest.raises(UsageError, match=r"actual must be .*numbers"):
            forecast.plot(actual=actual)
    with pytest.raises(UsageError, match="history must be a number of steps"):
        forecast.plot(history=0)
    axes = forecast.plot(actual=np.full(6, 10.0))
    assert {"observed", "median", "actual"} <= {
        text.get_text() for text in axes.get_legend().get_texts()
    }
    axes.figure.savefig(tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5000


def test_the_command_line_writes_table_and_picture_without_tensorflow(folder, table, tmp_path):
    table.to_csv(tmp_path / "load.csv")
    code = (
        "import sys; from warmstart.cli import main; sys.argv[0] = 'warmstart'\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            "predict",
            "load.csv",
            "--model",
            str(folder),
            "--horizon",
            "8",
            "--plot",
            "x.png",
            "--output",
            "x.csv",
            "--quantiles",
            "0.1,0.9",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "a: 8 steps of h" in run.stdout
    written = pd.read_csv(tmp_path / "x.csv")
    assert list(written.columns) == ["item_id", "timestamp", "mean", "0.1", "0.9"]
    assert len(written) == 24
    assert (tmp_path / "x.png").stat().st_size > 5000


def test_the_console_writes_a_table_and_a_plot(model, table, tmp_path, capsys):
    table.to_csv(tmp_path / "load.csv")
    flags = ForecastFlags(plot=str(tmp_path / "x.svg"), output=str(tmp_path / "x.csv"))
    console = ForecastConsole(model, flags)
    options = {"horizon": 8, "quantiles": (0.1, 0.9)}
    shown = list(
        console.shown(iter([str(tmp_path / "load.csv"), str(tmp_path / "gone.csv")]), options)
    )
    assert [bool(one) for one in shown] == [True, True, True, False]
    printed = capsys.readouterr().out
    assert "a: 8 steps of h" in printed
    assert "10%" in printed.splitlines()[1]
    written = pd.read_csv(tmp_path / "x.csv")
    assert list(written.columns) == ["item_id", "timestamp", "mean", "0.1", "0.9"]
    assert len(written) == 24
    assert (tmp_path / "x.svg").stat().st_size > 5000
    assert console.columns() == tuple(written.columns)
    inputs = CommandInputs([], SERIES)
    with pytest.raises(UsageError, match="plots are written as"):
        ForecastConsole.check(ForecastFlags(plot=str(tmp_path / "x.nothing")), inputs)


def test_a_missing_pandas_is_one_sentence(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        ws.errors.EngineUnavailableError, match=r"pip install 'warmstart\[series\]'"
    ):
        model([1.0, 2.0])


def test_series_from_tensors():
    limits = SimpleNamespace(max_text=10_000, max_values=100, max_columns=50)
    one, two = SERIES.from_tensors({"series": np.array([[1, 2], [3, 4]])}, limits)
    assert (one.dtype, two.tolist()) == (np.float64, [3, 4])
    assert [row.tolist() for row in SERIES.from_tensors({"series": np.arange(3.0)}, limits)] == [
        [0, 1, 2]
    ]
    for array in (np.zeros((1, 2, 3)), np.array(["x"], object), np.zeros(0)):
        with pytest.raises(InputError, match="numbers of the shape"):
            SERIES.from_tensors({"series": array}, limits)
