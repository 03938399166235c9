"""`ws.sklearn`: scikit-learn's own checks of estimators, and the work that they are for."""

import pickle
from pathlib import Path

import numpy as np
import pytest

import warmstart as ws
from warmstart.errors import UsageError

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks as checks

PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "cat.jpg"
CHECKS = [
    checks.check_estimator_cloneable,
    checks.check_estimator_repr,
    checks.check_estimator_tags_renamed,
    checks.check_valid_tag_types,
    checks.check_no_attributes_set_in_init,
    checks.check_do_not_raise_errors_in_init_or_set_params,
    checks.check_parameters_default_constructible,
    checks.check_get_params_invariance,
    checks.check_set_params,
    checks.check_mixin_order,
]
"""Those that do not fit an estimator to tables of random numbers, which are no photos or texts."""
TEXTS = ["a wonderful film", "truly great", "warm and funny", "dull", "a waste of time", "awful"]
LABELS = np.array([1, 1, 1, 0, 0, 0])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["Features", "Classifier"])
def test_checks_of_scikit_learn(name, check):
    check(name, getattr(ws.sklearn, name)())


@pytest.mark.parametrize("name", ["Features", "Classifier"])
def test_check_estimator(name):
    with pytest.warns(SkipTestWarning, match="requires input"):
        checks.check_estimator(getattr(ws.sklearn, name)())


def test_features_in_a_pipeline():
    features = ws.sklearn.Features("sst2_bert_tiny")
    pipeline = make_pipeline(features, LogisticRegression())
    assert cross_val_score(pipeline, TEXTS, LABELS, cv=3).mean() > 0.5
    matrix = features.fit_transform(np.array(TEXTS))
    model = ws.load("sst2_bert_tiny")
    np.testing.assert_array_equal(matrix, model.features(TEXTS))
    assert len(features.get_feature_names_out()) == matrix.shape[1]
    shared = clone(ws.sklearn.Features(model))
    assert shared.model is model
    again = pickle.loads(pickle.dumps(shared))
    np.testing.assert_array_equal(again.transform(TEXTS[:2]), matrix[:2])


def test_features_of_photos_and_columns():
    import pandas as pd

    features = ws.sklearn.Features("efficientnet_lite0", batch_size=2)
    array = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), np.uint8)
    assert features.transform(array).shape == (2, features.fit(array)._model.feature_size)
    one = features.transform([str(PHOTO)])
    np.testing.assert_array_equal(features.transform(pd.DataFrame({"path": [str(PHOTO)]})), one)
    np.testing.assert_array_equal(features.transform(np.array([[str(PHOTO)]])), one)
    table = features.set_output(transform="pandas").transform(pd.Series([PHOTO]))
    assert table.columns[0] == "efficientnet_lite0_0"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("text", "put a single input into a list"),
        (3, "must be a list, array or column"),
        (np.array([["a", "b"]]), "2 columns"),
    ],
)
def test_inputs_that_are_unclear(inputs, message):
    with pytest.raises(UsageError, match=message):
        ws.sklearn.Features("sst2_bert_tiny").transform(inputs)


def test_a_frozen_classifier():
    labels = np.array(["positive", "negative", "positive", "negative"])
    texts = ["a wonderful film", "awful", "great fun", "a waste of time"]
    classifier = ws.sklearn.Classifier("sst2_bert_tiny", frozen=True).fit(texts, labels)
    assert classifier.score(texts, labels) == 1.0
    assert list(classifier.classes_) == ["negative", "positive"]
    probabilities = classifier.predict_proba(texts)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict(texts), labels)
    with pytest.raises(UsageError, match="does not know the label '0'"):
        ws.sklearn.Classifier("sst2_bert_tiny", frozen=True).fit(TEXTS, LABELS)
    with pytest.raises(UsageError, match="6 inputs and labels of the shape"):
        ws.sklearn.Classifier("sst2_bert_tiny", frozen=True).fit(TEXTS, LABELS[:3])


@pytest.mark.tensorflow
def test_a_fine_tuned_classifier(tmp_path):
    classifier = ws.sklearn.Classifier(
        "sst2_bert_tiny",
        epochs=2,
        random_state=1,
        options={"output": tmp_path / "own", "validation": None},
    )
    classifier.fit(TEXTS * 3, np.tile(LABELS, 3) * 10)
    assert classifier.predict(TEXTS).dtype == LABELS.dtype
    assert classifier.score(TEXTS, LABELS * 10) > 0.5
    assert ws.load(tmp_path / "own").labels
    with pytest.raises(UsageError, match="epochs is set twice"):
        ws.sklearn.Classifier(epochs=1, options={"epochs": 2}).fit(TEXTS, LABELS)
