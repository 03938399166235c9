"""What a network sees: scales, fillings, features, categories."""

import numpy as np
import pandas as pd
import pytest

from warmstart.errors import InputError
from warmstart.series.features import Past, Recipe, filled
from warmstart.series.scaling import scale_of
from warmstart.series.time_series import TimeSeries

START = pd.Timestamp("2024-01-01")
RECIPE = Recipe(
    "h",
    4,
    6,
    (1, 2, 5),
    known=("price",),
    categories={"shop": ["x", "y"]},
    holidays=("2024-01-02",),
)


def series(steps, **options):
    known = {"price": np.arange(steps + 10.0)}
    return TimeSeries("s", np.arange(1.0, steps + 1), START, "h", known, {"shop": "y"}, **options)


def test_missing_values_come_from_the_season_before():
    values, observed = filled(np.array([np.nan, 1, 2, 3, np.nan, np.nan, 5, np.nan]), 3)
    assert values.tolist() == [1, 1, 2, 3, 1, 2, 5, 1]
    assert observed.sum() == 4


def test_the_scale_is_never_zero():
    for target, want in (([1.0, -3.0], 2.0), ([0.0, 0.0], 1.0), ([4.0, 0.0], 4.0)):
        values = np.array(target)
        context = 1 if target == [4.0, 0.0] else 2
        found = scale_of(values, np.ones(2, bool), context)
        assert found == pytest.approx(2.0 if context == 1 else want)


def test_past_is_padded_and_scaled():
    past = Past.of([series(3), series(50)], RECIPE, 4)
    assert past.values.shape == (2, 11)
    assert past.observed.sum(1).tolist() == [3, 11]
    np.testing.assert_allclose(past.values[0, -3:] * past.scaling.scale[0], [1, 2, 3], rtol=1e-6)
    assert past.scaling.scale[1] == pytest.approx(np.mean(np.arange(45, 51)))
    assert past.static.tolist() == [[2], [2]]
    assert past.features.shape == (2, 10, RECIPE.width)
    assert (past.features[0, :3] == 0).all()  # before the series began


def test_features_hold_calendar_age_holidays_and_covariates():
    table = RECIPE.features(series(40), 20, 8)
    np.testing.assert_allclose(
        table[:, 0], [(hour % 24) / 23 - 0.5 for hour in range(20, 28)], atol=1e-6
    )
    np.testing.assert_allclose(table[:, 4], np.log10(2.0 + np.arange(20, 28)), atol=1e-6)
    assert table[:, 5].tolist() == [0] * 4 + [1] * 4
    assert table[:, 6].tolist() == list(range(20, 28))


def test_recipes_go_to_json_and_back():
    assert Recipe.from_dict(RECIPE.to_dict()) == RECIPE


def test_checks_name_series_and_way_out():
    with pytest.raises(
        InputError, match=r"s: its frequency is D, but the model was trained on h; fine-tune"
    ):
        RECIPE.check(TimeSeries("s", np.ones(3), START, "D"), 4)
    with pytest.raises(InputError, match=r"s: the model needs the covariate 'price'"):
        RECIPE.check(TimeSeries("s", np.ones(3), START, "h"), 4)
    with pytest.raises(InputError, match=r"'price' is not known for the last 2 steps"):
        RECIPE.check(series(8), 12)
