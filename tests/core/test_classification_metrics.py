"""Figures of classifiers against a few lines of counting."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmstart.core.metrics.classification import (
    CONFUSIONS,
    MISTAKES,
    ClassificationFigures,
    DecisionFigures,
    calibration_error,
    interval,
    per_class,
)


@given(st.integers(2, 60), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_figures_are_what_counting_gives(classes, count, seed):
    random = np.random.default_rng(seed)
    names = [f"c{n}" for n in range(classes)]
    chances = random.dirichlet(np.ones(classes), count)
    truth = random.integers(0, classes, count)
    figures = ClassificationFigures(names)
    for n in range(count):
        figures.add(str(n), chances[n], int(truth[n]))
    told, said = figures.result(), chances.argmax(1)
    assert told["count"] == count
    assert told["top1"] == pytest.approx((said == truth).mean())
    order = np.argsort(-chances, axis=1, kind="stable")[:, :5]
    assert told["top5"] == pytest.approx((order == truth[:, None]).any(1).mean())
    assert told["loss"] == pytest.approx(-np.log(chances[np.arange(count), truth]).mean())
    assert told["top1_interval"][0] <= told["top1"] <= told["top1_interval"][1]
    for place, name in enumerate(names):
        hits, claims, there = (
            ((said == place) & (truth == place)).sum(),
            (said == place).sum(),
            (truth == place).sum(),
        )
        assert (name in told["per_class"]) == bool(claims + there)
        if there:
            assert told["per_class"][name]["recall"] == pytest.approx(hits / there)
            assert told["per_class"][name]["count"] == there
        if claims:
            assert told["per_class"][name]["precision"] == pytest.approx(hits / claims)
        elif there:
            assert math.isnan(told["per_class"][name]["precision"])
    assert ("confusion" in told) == (classes <= 40)
    pairs = told["confusions"]
    assert [p["count"] for p in pairs] == sorted((p["count"] for p in pairs), reverse=True)
    assert sum(p["count"] for p in pairs) == (said != truth).sum() or len(pairs) == CONFUSIONS
    wrong = sorted((chances[n].max() for n in range(count) if said[n] != truth[n]), reverse=True)[
        :MISTAKES
    ]
    assert [m["score"] for m in told["mistakes"]] == pytest.approx(wrong, abs=1e-6)


def test_ties_are_ordered_as_the_model_orders_them():
    figures = ClassificationFigures("abcdefg")
    figures.add("x", np.full(7, 1 / 7), 5)
    assert figures.result()["top5"] == 0
    figures.add("y", np.full(7, 1 / 7), 4)
    assert figures.result()["top5"] == 0.5


def test_several_labels():
    figures = DecisionFigures(["cat", "dog", "bird"])
    figures.add(np.array([0.9, 0.2, 0.1]), np.array([True, False, False]))
    figures.add(np.array([0.9, 0.6, 0.1]), np.array([True, False, False]))
    told = figures.result()
    assert told["accuracy"] == pytest.approx(5 / 6)
    assert told["exact"] == 0.5
    assert set(told["per_class"]) == {"cat", "dog"}
    assert told["per_class"]["dog"]["precision"] == 0
    assert told["macro_f1"] == 1
    confidence, right = [0.9, 0.8, 0.9, 0.9, 0.6, 0.9], [1, 1, 1, 1, 0, 1]
    assert told["calibration_error"] == pytest.approx(
        calibration_error(np.array(confidence), np.array(right))
    )


def test_nothing_answered():
    assert ClassificationFigures(["a", "b"]).result()["top1"] == 0
    assert DecisionFigures(["a", "b"]).result()["accuracy"] == 0


def test_interval():
    assert interval(0, 0) == (0.0, 1.0)
    low, high = interval(90, 100)
    assert (low, high) == pytest.approx((0.826, 0.945), abs=1e-3)  # tables of the Wilson interval
    assert interval(10, 10)[1] == 1


def test_per_class_leaves_out_classes_that_nobody_named():
    said = np.array([[True, False, False], [False, True, False]])
    true = np.array([[True, False, False], [True, False, False]])
    told = per_class(said, true, ["a", "b", "c"])
    assert list(told) == ["a", "b"]
    assert told["a"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "count": 2}
    assert math.isnan(told["b"]["recall"])
