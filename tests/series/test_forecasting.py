"""Forecasting from tables to results, with a tiny network of random weights, compiled once."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import warmstart as ws
from warmstart.catalog import Entry
from warmstart.core.results import Failed
from warmstart.core.weights import Weights
from warmstart.errors import InputError, UsageError
from warmstart.series.features import Recipe
from warmstart.series.forecasting import Forecaster

pytestmark = pytest.mark.tensorflow
HOURS = pd.date_range("2024-01-01", periods=120, freq="h")


def tiny(distribution="student_t", **options):
    recipe = Recipe("h", 6, 12, (1, 2, 24), categories={"item": ["a", "b"]}, item="item")
    config = {"lags": [1, 2, 24], "features": recipe.width, "cardinalities": [2], "distribution": distribution,
              "hidden": 4, "layers": 1}
    entry = Entry("deepar_tiny", "forecasting", "deepar", "tiny", "deepar", config, {}, None, "", "Apache-2.0", 1, None,
                  0, (), "", processing=recipe.to_dict())
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
    return pd.DataFrame({name: wave * (n + 1) + random.normal(size=120) for n, name in enumerate("abc")}, HOURS)


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


def test_lists_and_iterators(model, table):
    assert [f.input for f in model(table)] == ["a", "b", "c"]
    assert model([]) == []
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield table["a"]

    results = model(endless(), batch_size=2)
    assert next(results).input == "a"
    assert len(taken) < 5


def test_missing_values_are_drawn_by_the_model(model, table):
    holes = table["a"].copy()
    holes.iloc[-4:-2] = np.nan
    holes.iloc[-90] = np.nan
    whole, forecast = model([table["a"], holes], samples=50)
    assert np.isfinite(forecast.samples).all()
    np.testing.assert_allclose(whole.samples, model(table["a"], samples=50).samples, rtol=1e-4, atol=1e-4)
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
    forecast = tiny(distribution, engine="keras")(table["a"].round(), samples=400, horizon=1, parameters=True)
    if distribution == "negative_binomial":
        assert (forecast.samples >= 0).all()
        np.testing.assert_allclose(forecast.samples, np.rint(forecast.samples))
        mean, alpha = (forecast.parameters[name][0, 0] for name in ("mean", "alpha"))
        spread = np.sqrt(mean + alpha * mean**2)
    else:
        mean, spread = (forecast.parameters[name][0, 0] for name in ("loc", "scale"))
    assert abs(forecast.samples.mean() - mean) < 5 * spread / 20
    assert forecast.samples.std() == pytest.approx(spread, rel=0.25)


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0, 0.0], [7.0] * 50, [1e12, 2e12, 1.5e12], [np.nan, 3.0, np.nan]])
def test_cold_constant_zero_and_huge_series(model, values):
    forecast = model(pd.Series(values, pd.date_range("2024-01-01", periods=len(values), freq="h")), samples=20)
    assert np.isfinite(forecast.samples).all()


def test_one_bad_series_does_not_stop_the_others(model, table):
    daily = pd.Series(np.arange(30.0), pd.date_range("2024-01-01", periods=30, freq="D"), name="daily")
    good, bad, again = model([table["a"], daily, table["b"]])
    assert good
    assert again
    assert isinstance(bad, Failed)
    with pytest.raises(InputError, match=r"daily: it has the frequency D, the model was trained on h"):
        model(daily)


def test_evaluate_tells_seasonal_naive_on_the_same_windows(model, table):
    seen = []
    found = model.evaluate(table, horizon=6, windows=3, stride=2, samples=30, progress=lambda *x: seen.append(x))
    assert found["count"] == 9
    assert seen[-1] == ("deepar_tiny", 9, None)
    truth = np.concatenate([table[n].to_numpy()[e:e + 6] for n in "abc" for e in (110, 112, 114)])
    naive = np.concatenate([table[n].to_numpy()[e - 24:e - 18] for n in "abc" for e in (110, 112, 114)])
    assert found["seasonal_naive"]["ND"] == pytest.approx(np.abs(truth - naive).sum() / np.abs(truth).sum())
    assert found["mean_wQL"] > 0
    assert 0 <= found["coverage_80"] <= 1
    with pytest.raises(UsageError, match="no window of 500 steps"):
        model.evaluate(table, horizon=500)


def test_features_and_wrong_options(model, table):
    assert model.features(table).shape == (3, 8)
    assert model.features(table["a"]).shape == (8,)
    for options, words in (({"horizon": 0}, "horizon"), ({"samples": 0}, "samples"), ({"quantiles": [1.5]}, "level"),
                           ({"top_k": 3}, "'top_k'"), ({"duplicates": "any"}, "duplicates")):
        with pytest.raises(UsageError, match=words):
            model(table["a"], **options)


def test_plot(model, table, tmp_path):
    axes = model(table["a"]).plot(actual=np.full(6, 10.0))
    assert {"observed", "median", "actual"} <= {text.get_text() for text in axes.get_legend().get_texts()}
    axes.figure.savefig(tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5000


def test_the_command_line_writes_table_and_picture_without_tensorflow(folder, table, tmp_path):
    table.to_csv(tmp_path / "load.csv")
    code = ("import sys; from warmstart.cli import main; sys.argv[0] = 'warmstart'\n"
            "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
            "assert not {'tensorflow', 'keras'} & set(sys.modules)")
    run = subprocess.run([sys.executable, "-c", code, "predict", "load.csv", "--model", str(folder), "--horizon", "8",
                          "--plot", "x.png", "--output", "x.csv", "--quantiles", "0.1,0.9"],
                         cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "a: 8 steps of h" in run.stdout
    written = pd.read_csv(tmp_path / "x.csv")
    assert list(written.columns) == ["item_id", "timestamp", "mean", "0.1", "0.9"]
    assert len(written) == 24
    assert (tmp_path / "x.png").stat().st_size > 5000
