"""`Evaluation`: metrics as a dict that prints, shows itself and becomes a table or a file."""

from __future__ import annotations

import json
import pickle

import pytest

from warmstart.core.evaluation import Evaluation
from warmstart.errors import UsageError

NAN = float("nan")
FIGURES = {"precision": 0.5, "recall": 1.0, "f1": 0.667, "count": 3}
BY_CLASS = {"accuracy": 0.75, "count": 4, "per_class": {"cat": FIGURES}, "errors": []}
PLAIN = {"exact": 0.5, "f1": 0.75, "count": 2, "errors": ["b: is damaged"]}
FORECASTS = {
    "mean_wQL": 0.1,
    "MASE": 0.8,
    "coverage_80": 0.79,
    "baselines": {"drift": {"mean_wQL": 0.2, "MASE": 1.1, "coverage_80": 0.5, "ND": 1.0}},
    "warnings": ["drift is better"],
    "count": 12,
    "errors": [],
}


def test_it_is_the_dict_of_before():
    metrics = Evaluation("m", "texts", BY_CLASS)
    assert metrics == BY_CLASS
    assert {**metrics} == BY_CLASS
    assert json.loads(json.dumps(metrics)) == BY_CLASS
    again = pickle.loads(pickle.dumps(metrics))
    assert (again, str(again)) == (metrics, str(metrics))


@pytest.mark.parametrize(
    ("metrics", "line"),
    [
        (BY_CLASS, "m: accuracy 0.750 on 4 texts"),
        (PLAIN, "m: exact 0.500, f1 0.750 on 2 texts"),
        ({**PLAIN, "count": 1}, "m: exact 0.500, f1 0.750 on 1 text"),
        (FORECASTS, "m: mean_wQL 0.100, MASE 0.800, coverage_80 0.790 on 12 texts"),
    ],
)
def test_the_overall_metrics_are_the_first_line(metrics, line):
    evaluation = Evaluation("m", "texts", metrics)
    assert str(evaluation).splitlines()[0] == line
    assert repr(evaluation) == f"<Evaluation {line}>"
    assert line.removeprefix("m: ") in evaluation._repr_html_()


def test_only_the_weakest_of_many_classes_are_printed():
    classes = {f"c{index}": {**FIGURES, "f1": index / 100} for index in range(99, -1, -1)}
    classes["absent"] = {**FIGURES, "f1": NAN}
    lines = str(Evaluation("m", "texts", {**BY_CLASS, "per_class": classes})).splitlines()
    assert lines[1].split()[:5] == ["weakest", "20", "of", "101", "classes"]
    assert [line.split()[0] for line in lines[2:]] == [f"c{index}" for index in range(20)]


def test_confusions_and_warnings_follow_the_table():
    metrics = {
        **FORECASTS,
        "confusions": [{"truth": "cat", "answer": "dog", "count": 3}],
        "mistakes": [{"answer": "dog", "score": 0.9, "truth": "cat", "input": "a.jpg"}],
    }
    text = str(Evaluation("m", "windows", metrics))
    assert "drift" in text
    assert text.endswith(
        "Warning: drift is better\nMost often confused: cat mistaken for dog (3)\n"
        "  dog 90%, but is cat: a.jpg"
    )


def test_tables_and_files(tmp_path):
    pandas = pytest.importorskip("pandas")
    by_class = Evaluation("m", "texts", BY_CLASS)
    assert list(by_class.to_frame().columns) == ["class", "precision", "recall", "f1", "count"]
    assert list(Evaluation("m", "w", FORECASTS).to_frame()["forecast"]) == ["m", "drift"]
    assert list(Evaluation("m", "w", PLAIN).to_frame()["f1"]) == [0.75]
    assert len(pandas.read_csv(by_class.save(tmp_path / "a.csv"))) == 1
    saved = Evaluation("m", "w", {**PLAIN, "f1": NAN}).save(tmp_path / "new" / "a.json")
    assert json.loads(saved.read_text()) == {"model": "m", **PLAIN, "f1": None}
    with pytest.raises(UsageError, match="no metrics per class; take them all as JSON"):
        Evaluation("m", "w", PLAIN).save(tmp_path / "b.csv")
    with pytest.raises(UsageError, match=r"written as \.json or \.csv"):
        by_class.save(tmp_path / "b.txt")
    assert not (tmp_path / "b.csv").exists()
