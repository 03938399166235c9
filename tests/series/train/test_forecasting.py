"""Training forecasters: windows, missing values, transfer, resume, the report."""

import keras
import numpy as np
import pandas as pd
import pytest

import warmstart as ws
from warmstart.catalog import Entry
from warmstart.core.weights import Weights
from warmstart.errors import UsageError
from warmstart.models.series.deepar import network as deepar
from warmstart.series.features import Past, Recipe
from warmstart.series.forecasting import Forecaster
from warmstart.series.time_series import TimeSeries
from warmstart.series.train.transfer import transfer
from warmstart.series.train.windows import ValidationWindows, WindowBatches, refill

pytestmark = pytest.mark.tensorflow
START = pd.Timestamp("2024-01-01")
RECIPE = Recipe("h", 4, 6, (1, 2, 24), categories={"item": ["a", "b"]}, item="item")


def series(name, values):
    return TimeSeries(name, np.asarray(values, float), START, "h")


def test_a_window_is_what_forecasting_sees():
    one = series("a", np.random.default_rng(0).normal(5, 1, 60))
    batches = WindowBatches([one, series("b", np.ones(3))], RECIPE, 4)
    x, y = batches.at(np.array([0]), np.array([40]))
    past = Past.of([one.head(40)], RECIPE, 4)
    np.testing.assert_allclose(x["features"][0], past.features[0], atol=1e-6)
    np.testing.assert_allclose(np.exp(x["log_scale"][0]), past.scaling.scale, rtol=1e-5)
    np.testing.assert_allclose(y[0, :, 0], one.target[34:44], rtol=1e-6)
    for t in range(7):  # the lags of the first forecast step end with the past
        np.testing.assert_allclose(
            x["lags"][0, t] * past.scaling.scale,
            one.target[34 + t - np.array(RECIPE.lags)],
            rtol=1e-5,
        )
    x, y = batches.at(np.array([1]), np.array([1]))
    assert y[0, :, 1].tolist() == [0] * 5 + [1, 1, 1, 0, 0]
    assert x["static"].tolist() == [[2]]


def test_batches_depend_on_seed_epoch_and_index_only_and_follow_the_scale():
    many = [series("a", np.ones(200)), series("b", np.full(200, 9.0))]
    batches = WindowBatches(many, RECIPE, 4, sampling="scale")
    np.testing.assert_array_equal(batches.batch(2, 3)[1], batches.batch(2, 3)[1])
    assert not np.array_equal(batches.batch(2, 3)[1], batches.batch(2, 4)[1])
    large = np.mean([(batches.batch(0, n)[1][:, 0, 2] == 9).mean() for n in range(40)])
    assert 0.86 < large < 0.94
    even = WindowBatches(many, RECIPE, 4)
    assert 0.44 < np.mean([(even.batch(0, n)[1][:, 0, 2] == 9).mean() for n in range(40)]) < 0.56
    between = WindowBatches(many, RECIPE, 4, sampling=0.5)
    assert 0.71 < np.mean([(between.batch(0, n)[1][:, 0, 2] == 9).mean() for n in range(40)]) < 0.79
    for wrong in ("none", 1.5):
        with pytest.raises(UsageError, match="sampling"):
            WindowBatches(many, RECIPE, 4, sampling=wrong)


def test_validation_windows_count_the_horizon_only():
    many = [series("a", np.arange(1.0, 31)), *[series("b", np.arange(1.0, 21))] * 2]
    _, y = ValidationWindows(many, RECIPE, 4).batch(0, 0)
    assert len(y) == 4  # even
    assert y[:3, :, 1].sum() == 12
    assert y[3, :, 1].sum() == 0
    assert y[0, -4:, 0].tolist() == [27, 28, 29, 30]


def test_holes_are_filled_with_the_models_own_samples():
    values = np.arange(1.0, 41)
    values[[10, 30]] = np.nan
    batches = WindowBatches([series("a", values)], RECIPE, 4)
    assert batches.has_holes
    before = batches.values.copy()
    fixed = lambda x: np.tile(np.array([2.0, 1e-6, 9.0], "f"), (2, 10, 1))  # noqa: E731
    assert refill(batches, fixed, "student_t", 0) == 2
    changed = np.flatnonzero(batches.values != before)
    assert changed.tolist() == [batches.starts[0] + 10, batches.starts[0] + 30]
    scales = batches.values[changed] / 2
    assert (scales > 1).all()
    assert refill(batches, fixed, "student_t", 0) == 2
    np.testing.assert_allclose(batches.values[changed] / 2, scales)


def test_transfer_keeps_what_is_known_and_adds_nothing_yet():
    old = deepar.DeepARConfig((1, 2, 24), RECIPE.width, (2,), hidden=4)
    recipe = Recipe(
        "h",
        4,
        6,
        (1, 2, 24),
        known=("price",),
        categories={"item": ["b", "new"], "shop": ["x", "y", "z"]},
        item="item",
    )
    new = deepar.DeepARConfig((1, 2, 24), recipe.width, (2, 3), hidden=4)
    keras.utils.set_random_seed(1)
    source, target = deepar.build(old), deepar.build(new)
    transfer(source, old, RECIPE, target, new, recipe)
    random = np.random.default_rng(0)
    x = {
        "lags": random.normal(size=(2, 5, 3)).astype("f"),
        "features": random.normal(size=(2, 5, 5)).astype("f"),
        "log_scale": np.ones((2, 1), "f"),
        "static": np.array([[2], [0]], "int32"),
    }
    more = x | {
        "features": np.concatenate([x["features"], random.normal(size=(2, 5, 1))], -1).astype("f"),
        "static": np.array([[1, 3], [2, 1]], "int32"),
    }
    np.testing.assert_allclose(
        source(x), target(more), atol=1e-6
    )  # "b", and "new" as one never seen


@pytest.fixture(scope="module")
def waves():
    random = np.random.default_rng(3)
    hours = np.arange(240)
    table = {
        name: level * (3 + np.sin(hours / 24 * 2 * np.pi + phase))
        + random.normal(0, 0.1 * level, 240)
        for name, level, phase in (("a", 1, 0), ("b", 10, 1), ("c", 100, 2))
    }
    return pd.DataFrame(table, pd.date_range("2024-01-01", periods=240, freq="h"))


def test_finetune_from_scratch_and_from_a_base(waves, tmp_path):
    options = {
        "horizon": 12,
        "epochs": 4,
        "batches_per_epoch": 30,
        "hidden": 16,
        "layers": 1,
        "output": tmp_path / "m",
    }
    model = ws.finetune("deepar", waves, **options)
    assert [record["epoch"] for record in model.history] == [1, 2, 3, 4]
    assert model.history[-1]["val_loss"] < model.history[0]["val_loss"]
    found = model.evaluate(waves, horizon=12, samples=50)
    assert found["mean_wQL"] < 0.2  # the mean alone would have 0.27
    page = model.report().read_text()
    assert "80 % interval" in page
    assert "data:image" in page
    again = ws.finetune("deepar", waves, **options)  # finished: nothing is done anew
    np.testing.assert_array_equal(
        again(waves, samples=5)[0].samples, model(waves, samples=5)[0].samples
    )
    with pytest.raises(UsageError, match="other settings"):
        ws.finetune("deepar", waves, **{**options, "epochs": 5})
    with pytest.raises(UsageError, match="The frequency of the series is D"):
        ws.finetune(model, waves.resample("D").sum())
    with pytest.raises(UsageError, match="has the distribution student_t"):
        ws.finetune(model, waves, distribution="gaussian")


def only_weights(monkeypatch):
    """Training ends with the weights and the epochs: nothing is compiled, nothing backtested."""

    def finish(run, network, entry, labels, *, fits, **others):
        epochs = [
            {key: value for key, value in record.items() if key != "seconds"}
            for record in fits["fit"].history
        ]
        return network, Recipe.from_dict(entry.processing), epochs

    monkeypatch.setattr("warmstart.training.result.finish", finish)
    monkeypatch.setattr("warmstart.series.train.report.backtest", lambda *_: None)


def waves_with_holes():
    random = np.random.default_rng(3)
    hours = np.arange(120)
    table = {
        name: level * (3 + np.sin(hours / 24 * 2 * np.pi)) + random.normal(0, 0.1 * level, 120)
        for name, level in (("a", 1.0), ("b", 10.0))
    }
    found = pd.DataFrame(table, pd.date_range("2024-01-01", periods=120, freq="h"))
    found.iloc[40:46, 0] = np.nan  # the model's own samples stand here, drawn anew each epoch
    return found


def test_a_stopped_run_ends_with_the_numbers_of_an_undisturbed_one(
    tmp_path, monkeypatch, as_killed, begun
):
    """From the folder as a kill in the middle of the second epoch leaves it; test_fit.py really
    kills the same loop.
    """

    def train(output, callback):
        return ws.finetune(
            "deepar",
            waves_with_holes(),
            horizon=6,
            context=12,
            epochs=4,
            batches_per_epoch=6,
            batch_size=8,
            hidden=6,
            layers=1,
            output=output,
            callbacks=[callback],
        )

    only_weights(monkeypatch)
    network, _, epochs = train(
        tmp_path / "whole", as_killed(tmp_path / "whole", tmp_path / "stopped")
    )
    resumed, _, others = train(tmp_path / "stopped", begun)
    assert begun.epochs == [1, 2, 3]
    assert epochs == others
    for ours, theirs in zip(resumed.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_finetuning_a_base_on_other_items_keeps_the_rest(waves, monkeypatch):
    """Items that the base does not know begin as ones never seen; its weights are where training
    begins.
    """
    keras.utils.set_random_seed(1)
    recipe = Recipe("h", 12, 24, (1, 2, 24), categories={"item": ["a", "z"]}, item="item")
    config = deepar.DeepARConfig(recipe.lags, recipe.width, (2,), hidden=6, layers=1, shortcut=24)
    base = deepar.build(config)
    entry = Entry(
        "base",
        "forecasting",
        "deepar",
        "base",
        "deepar",
        config.to_dict(),
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
    model = Forecaster(entry, Weights.random(), (), engine="keras")
    monkeypatch.setattr(Forecaster, "keras", base)
    only_weights(monkeypatch)
    network, new, _ = ws.finetune(
        model,
        waves[["a", "b"]],
        epochs=1,
        batches_per_epoch=1,
        learning_rate=1e-9,
        validation=False,
    )
    assert new.categories == {"item": ["a", "b"]}
    assert new.lags == (1, 2, 24)
    before, after = (
        {v.path: v.numpy() for v in one.trainable_variables} for one in (base, network)
    )
    assert before.keys() == after.keys()
    for name, value in before.items():
        if "embedding" in name:
            value = value[[0, 1, 0]]
        np.testing.assert_allclose(after[name], value, atol=1e-6, err_msg=name)


def test_useless_data_is_refused():
    with pytest.raises(UsageError, match=r"No series can be used.*x: it has no observed value"):
        ws.finetune(
            "deepar",
            pd.Series([np.nan] * 9, pd.date_range("2024-01-01", periods=9, freq="h"), name="x"),
        )


@pytest.mark.parametrize("validation", [0.2, "last week", [1.0, 2.0]])
def test_validation_is_the_last_horizon_or_nothing(validation):
    with pytest.raises(UsageError, match="validation must be 'auto'"):
        ws.finetune("deepar", pd.Series([1.0, 2.0]), validation=validation)


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        (
            np.arange(8.0),
            {"horizon": 12},
            "horizon of 12 steps is longer than the data: .* 8 steps",
        ),
        (
            np.arange(-5.0, 95.0),
            {"distribution": "negative_binomial"},
            "contains -5, but negative_binomial is for counts of 0 or more; pass distribution='student_t'",
        ),
    ],
)
def test_what_cannot_be_trained_says_the_way_out(values, options, words):
    series = pd.Series(values, pd.date_range("2024-01-01", periods=len(values), freq="D"))
    with pytest.raises(UsageError, match=words):
        ws.finetune("deepar", series, **options)


def test_two_years_of_months_are_forecast_by_the_last_season_and_say_so():
    months = pd.date_range("2022-01-01", periods=24, freq="MS")
    wave = 100 + 20 * np.sin(np.arange(36) / 12 * 2 * np.pi)
    noise = np.random.default_rng(0).normal(0, 3, 24)
    model = ws.finetune(
        "deepar", pd.Series(wave[:24] + noise, months), horizon=12, epochs=1, batches_per_epoch=1
    )
    forecast = model(pd.Series(wave[:24] + noise, months))
    assert np.abs(forecast.median / wave[24:] - 1).mean() < 0.1
    covered = (forecast.quantile(0.1) <= wave[24:]) & (wave[24:] <= forecast.quantile(0.9))
    assert covered.mean() > 0.5
    assert "seasonal naive of 12 steps" in forecast.notes[0]
    assert "too short to learn from" in forecast.notes[0]
    assert {"model", "drift"} <= set(forecast.to_dict()["validation"])
