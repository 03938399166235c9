"""Chronos-Bolt gives what the reference implementation gives, for its published layout."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import warmstart as ws
from warmstart.core.model import drive
from warmstart.errors import UsageError
from warmstart.models import repository

pytestmark = pytest.mark.tensorflow
GOLDEN = Path(__file__).parents[2] / "golden"
FOLDER = GOLDEN / "chronos_bolt"


def check(model, golden):
    for key in golden.files:
        name, _, horizon = key.partition("_")
        if horizon:
            found = drive(model.method.quantiles(model.engine, golden[name], int(horizon)))
            assert found.shape == golden[key].shape
            scale = max(1.0, float(np.nanstd(golden[name])))
            np.testing.assert_allclose(found / scale, golden[key] / scale, atol=1e-4, err_msg=key)


@pytest.fixture(scope="module")
def model():
    return ws.load(FOLDER, engine="keras")


def test_quantiles_equal_the_references(model):
    with np.load(FOLDER / "golden.npz") as golden:
        check(model, golden)


@pytest.mark.shared
def test_quantiles_of_the_published_checkpoint_equal_the_references(shared_data):
    folder = shared_data / "weights" / "chronos-bolt-dummy"
    with np.load(GOLDEN / "chronos_bolt_dummy.npz") as golden:
        check(ws.load(folder, engine="keras"), golden)


def test_a_forecast_from_quantiles(model):
    series = pd.Series(np.arange(50.0), pd.date_range("2024-01-01", periods=50, freq="h"), name="x")
    forecast = model(series, horizon=10)
    assert forecast.samples is None
    np.testing.assert_allclose(forecast.mean, forecast.quantile(0.5))
    between = (forecast.quantile(0.2) + forecast.quantile(0.3)) / 2
    np.testing.assert_allclose(forecast.quantile(0.25), between, rtol=1e-6)
    np.testing.assert_array_equal(forecast.quantile(0.01), forecast.quantile_values[0.1])
    assert list(forecast.to_frame().columns)[3:] == ["0.1", "0.25", "0.5", "0.75", "0.9"]
    found = model.evaluate(series, horizon=5, windows=2)
    assert found["count"] == 2
    assert "CRPS" not in found
    assert model.features(series).shape == (8,)


def test_a_bundle_is_a_repository_in_the_public_layout_and_needs_no_tensorflow(model, tmp_path):
    from safetensors.numpy import load_file

    saved = ws.load(model.save(tmp_path / "saved"))
    values = np.linspace(0, 9, 40)
    np.testing.assert_allclose(saved(values).median, model(values).median, atol=1e-4)
    assert "litert" in repr(saved)
    before, after = (
        load_file(FOLDER / "model.safetensors"),
        load_file(tmp_path / "saved" / "model.safetensors"),
    )
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])
    assert json.loads((tmp_path / "saved" / "config.json").read_text()) == json.loads(
        (FOLDER / "config.json").read_text()
    )


def test_parameters_are_counted_without_building(model):
    assert model.entry.parameters == model.keras.count_params()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chronos_config": None}, "without a chronos_config"),
        ({"d_model": 10**7}, "d_model"),
        ({"is_gated_act": True}, "activation"),
        ({"decoder_start_token_id": 1}, "token 0"),
    ],
)
def test_configs_that_cannot_be_honoured_are_refused(tmp_path, change, words):
    config = json.loads((FOLDER / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(UsageError, match=words):
        repository.read(tmp_path)
