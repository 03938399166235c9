"""Results: iteration, dictionaries, and the failed input that cannot be mistaken for an answer."""

import copy
import gc
import io
import json
import pickle
import weakref

import pytest

import warmstart as ws
from warmstart.core.results import Classification, Failed, Prediction
from warmstart.errors import InputError

CATS = Classification(
    "cat.jpg",
    "m",
    (
        Prediction(281, "n02123045", "tabby", 0.75),
        Prediction(285, "n02124075", "Egyptian cat", 0.125),
    ),
)


def test_classification_reads_like_a_list_with_a_best_first():
    assert (CATS.label, CATS.score) == ("tabby", 0.75)
    assert [p.id for p in CATS] == ["n02123045", "n02124075"]
    assert len(CATS) == 2
    assert CATS[1].label == "Egyptian cat"
    assert str(CATS) == "tabby 75.0%, Egyptian cat 12.5%"


def test_values_of_a_regression_are_no_percentages():
    value = Classification("a text", "m", (Prediction(0, "0", "value", -0.549),))
    assert str(value) == "value -0.5490"


def test_to_dict_is_json():
    assert json.loads(json.dumps(CATS.to_dict())) == {
        "input": "cat.jpg",
        "model": "m",
        "predictions": [
            {"index": 281, "id": "n02123045", "label": "tabby", "score": 0.75},
            {"index": 285, "id": "n02124075", "label": "Egyptian cat", "score": 0.125},
        ],
    }


def test_results_are_frozen():
    with pytest.raises(AttributeError):
        CATS.input = "dog.jpg"


def test_failed_is_a_plain_false_value():
    failed = Failed("x.jpg", InputError("x.jpg is empty.", "x.jpg"))
    assert not failed
    assert CATS
    assert not hasattr(failed, "label")
    assert not hasattr(failed, "__iter__")
    assert str(failed) == "x.jpg is empty."
    assert failed.to_dict() == {"input": "x.jpg", "error": "x.jpg is empty."}
    assert copy.copy(failed).input == pickle.loads(pickle.dumps(failed)).input == "x.jpg"


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"no photo"])
def test_failed_does_not_keep_its_input(data):
    model = ws.load("leaf_deeplabv3", engine="litert")
    file = io.BytesIO(data)
    reference = weakref.ref(file)
    gc.disable()  # no cycle either
    try:
        (failed,) = model([file])
        del file
        assert reference() is None
    finally:
        gc.enable()
    assert isinstance(failed, Failed)
    with pytest.raises(InputError) as caught:
        raise failed.error
    assert caught.value is failed.error
