"""Windows of a universal network are what a forecast would see, and what came behind it."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

import warmstart as ws
from warmstart.catalog import get
from warmstart.errors import UsageError
from warmstart.series.features import Recipe
from warmstart.series.layout import Layout
from warmstart.series.time_series import TimeSeries
from warmstart.series.train.options import ForecastingOptions
from warmstart.series.train.prepared_windows import PreparedWindows, window
from warmstart.series.train.recipe import planned_recipe

RECIPE = Recipe.from_dict(get("deepar").processing)
MONTHS = np.arange(120)
SALES = (
    100 + MONTHS + 20 * np.sin(MONTHS / 12 * 2 * np.pi) + np.random.default_rng(0).normal(size=120)
)
SERIES = TimeSeries("sales", SALES, pd.Timestamp("2014-01-01"), "MS")


def test_the_past_of_a_window_does_not_know_its_future():
    changed = SALES.copy()
    changed[96:] += 1000
    other = TimeSeries("sales", changed, SERIES.start, "MS")
    ours, theirs = (window(one, 96, RECIPE, 12) for one in (SERIES, other))
    context = RECIPE.context
    np.testing.assert_array_equal(ours["lags"][: context + 1], theirs["lags"][: context + 1])
    np.testing.assert_array_equal(ours["features"], theirs["features"])
    assert (theirs["values"][context:] > ours["values"][context:] + 10).all()


def test_missing_steps_and_those_behind_the_end_do_not_count():
    values = SALES.copy()
    values[100] = np.nan
    made = window(TimeSeries("sales", values, SERIES.start, "MS"), 96, RECIPE, 48)
    scored = made["weights"][RECIPE.context :]
    assert np.flatnonzero(scored).tolist() == [n for n in range(24) if n != 4]


def test_batches_are_the_same_for_the_same_seed():
    ours, theirs = (PreparedWindows([SERIES], RECIPE, 12, batches=2, seed=3) for _ in "ab")
    np.testing.assert_array_equal(ours.batch(1, 0)[1], theirs.batch(1, 0)[1])
    assert not np.array_equal(ours.batch(1, 0)[1], ours.batch(1, 1)[1])
    last = PreparedWindows([SERIES], RECIPE, 12, windows=1)
    assert len(last) == 1
    assert last.batch(0, 0)[1][0, :, 1].sum() == 12


def test_what_a_universal_network_cannot_see_is_refused():
    with pytest.raises(UsageError, match="without holidays="):
        ws.finetune(ws.load("deepar"), pd.Series(SALES), horizon=12, holidays=["2024-12-25"])
    with pytest.raises(UsageError, match="without known_covariates="):
        ws.finetune(
            ws.load("deepar"),
            pd.DataFrame({"timestamp": SERIES.index(0, 60), "target": 1.0, "price": 2.0}),
            known_covariates=["price"],
        )


@pytest.mark.parametrize("day", ["25/12/2024", "25.12.2024", "Dec 25, 2024", "xx", "", None, 5.5])
def test_holidays_are_dates(day):
    series = pd.Series(SALES, pd.date_range("2024-01-01", periods=len(SALES)))
    with pytest.raises(UsageError, match="holidays must be dates such as 2024-12-25, not "):
        ws.finetune("deepar", series, horizon=12, holidays=["2024-12-24", day])


def test_holidays_may_be_texts_dates_and_timestamps():
    options = ForecastingOptions(
        horizon=12,
        holidays=(
            "2024-12-25",
            date(2024, 12, 25),
            pd.Timestamp("2024-12-25 10:00"),
            np.datetime64("2024-12-25"),
        ),
    )
    recipe = planned_recipe([SERIES], options, Layout(), None)
    assert recipe.holidays == ("2024-12-25",) * 4
