"""The wire form of text results: JSON, CSV and what a person reads are those of version 0.1."""

import json

import numpy as np
import pytest

from warmstart.core.results import Prediction
from warmstart.core.wire import wire_of
from warmstart.text.results import (
    Answer,
    Embedding,
    Entities,
    Entity,
    FilledMask,
    Generation,
    TextScore,
)

PARIS = Entity("LOC", "Paris", 4, 9, 0.12345678)
CAT, DOG = Prediction(3, "##cat", "cat", 0.75), Prediction(4, "dog", "dog", 0.25)
RESULTS = {
    "embedding": (
        Embedding("a", "m", np.array([0.123456789, -1, 1e-9, 2, 3], np.float32)),
        {"input": "a", "model": "m", "vector": [0.1234568, -1.0, 0.0, 2.0, 3.0]},
        [("input", "vector"), ("a", "0.1234568 -1 1e-09 2 3")],
        "a\n  5 numbers: 0.1235, -1.0000, 0.0000, 2.0000, …\n",
    ),
    "entities": (
        Entities("to Paris", "m", (PARIS,)),
        {"input": "to Paris", "model": "m",
         "entities": [{"label": "LOC", "text": "Paris", "start": 4, "end": 9, "score": 0.123457}]},
        [("input", "label", "text", "start", "end", "score"), ("to Paris", "LOC", "Paris", "4", "9", "0.123457")],
        "to Paris\n  LOC       Paris  (12.3%, 4-9)\n",
    ),
    "no entities": (
        Entities("a", "m", ()),
        {"input": "a", "model": "m", "entities": []},
        [("input", "label", "text", "start", "end", "score")],
        "a\n  no entities\n",
    ),
    "answer": (
        Answer("q | c", "m", "Paris", 4, 9, 0.7, (Answer("q | c", "m", "", 0, 0, 0.1234567),)),
        {"input": "q | c", "model": "m", "text": "Paris", "start": 4, "end": 9, "score": 0.7,
         "others": [{"text": "", "start": 0, "end": 0, "score": 0.123457}]},
        [("input", "rank", "text", "start", "end", "score"), ("q | c", "1", "Paris", "4", "9", "0.700000"),
         ("q | c", "2", "", "0", "0", "0.123457")],
        "q | c\n  Paris (70.0%)\n  no answer (12.3%)\n",
    ),
    "masks": (
        FilledMask("[MASK]", "m", ((CAT, DOG), (DOG,)), "cat dog"),
        {"input": "[MASK]", "model": "m", "text": "cat dog",
         "masks": [[CAT.to_dict(), DOG.to_dict()], [DOG.to_dict()]]},
        [("input", "mask", "rank", "index", "token", "label", "score"),
         ("[MASK]", "1", "1", "3", "##cat", "cat", "0.750000"), ("[MASK]", "1", "2", "4", "dog", "dog", "0.250000"),
         ("[MASK]", "2", "1", "4", "dog", "dog", "0.250000")],
        None,
    ),
    "generation": (
        Generation("a", "m", " b", (1, 2), (-0.12345678, -1.0), "stop"),
        {"input": "a", "model": "m", "text": " b", "tokens": [1, 2], "logprobs": [-0.123457, -1.0], "finish": "stop"},
        [("input", "text", "tokens", "logprob", "finish"), ("a", " b", "2", "-1.123457", "stop")],
        "a b\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_wire_forms(name):
    result, wire, table, shown = RESULTS[name]
    assert list(result.to_dict().items()) == list(wire.items())  # in this order
    assert json.loads(json.dumps(result.to_dict())) == wire
    assert [result.csv_columns(), *result.csv_rows()] == table
    if shown is not None:
        assert result.show() == shown


@pytest.mark.parametrize("name", RESULTS)
def test_schemas_name_what_the_results_hold(name):
    jsonschema = pytest.importorskip("jsonschema")
    result, wire, *_ = RESULTS[name]
    schema = wire_of(type(result)).schema()
    jsonschema.validate(wire, schema)
    assert schema["required"] == list(wire)


def test_results_are_true():
    assert all(result for result, *_ in RESULTS.values())
    assert Answer("q", "m", "", 0, 0, 0.0)  # there is no answer, but a result


def test_scores():
    score = TextScore("a", "m", (1, 2), (-1.0, -2.0), 6)
    assert score.to_dict() == {
        "input": "a", "model": "m", "perplexity": 4.481689, "nats_per_token": 1.5, "nats_per_character": 0.5,
        "tokens": 2,
    }  # fmt: skip
