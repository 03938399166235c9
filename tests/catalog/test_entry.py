"""Entries as data: to a dict and back, and what they refuse."""

import copy
import json
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warmstart.catalog import Entry, ImagePreprocessing, Metric, WeightFile
from warmstart.errors import UsageError

NAMES = st.from_regex(r"\A[a-z][a-z0-9]{0,5}(_[a-z0-9.]{1,5}){0,3}\Z")
TEXT = st.text(max_size=12)
FRACTIONS = st.floats(0, 1)
CONFIGS = st.dictionaries(TEXT, st.integers() | FRACTIONS | TEXT | st.booleans(), max_size=3)
FILES = st.builds(WeightFile, TEXT, st.none() | TEXT, st.none() | TEXT, TEXT)
THREE = st.tuples(FRACTIONS, FRACTIONS, FRACTIONS)
SIZES = st.tuples(st.integers(1, 999), st.integers(1, 999))
RULES = st.builds(
    ImagePreprocessing, SIZES, st.sampled_from(["tf", "caffe", "torch", "raw"]),
    resize=st.sampled_from(["crop", "squash", "pad"]), crop_ratio=st.floats(0.1, 1),
    interpolation=st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos", "area"]),
) | st.builds(ImagePreprocessing, SIZES, st.just("standard"), THREE, THREE)  # fmt: skip
ENTRIES = st.builds(
    Entry, name=NAMES, task=st.sampled_from(["image-classification", "forecasting"]), family=TEXT, title=TEXT,
    architecture=TEXT, config=CONFIGS, weights=st.dictionaries(st.sampled_from(["top", "notop"]), FILES),
    preprocessing=st.none() | RULES, labels=TEXT, licence=TEXT, parameters=st.integers(0), gflops=st.none() | FRACTIONS,
    min_size=st.integers(0), metrics=st.lists(st.builds(Metric, TEXT, FRACTIONS, TEXT, TEXT), max_size=2).map(tuple),
    paper=TEXT, aliases=st.lists(NAMES, max_size=2).map(tuple),
)  # fmt: skip


@pytest.fixture
def data():
    return {
        "name": "tiny", "task": "image-classification", "family": "tiny", "title": "Tiny", "architecture": "a",
        "config": {"sizes": [1, 2]}, "weights": {"top": {"source": "embedded:x"}},
        "preprocessing": {"size": [8, 9], "scaling": "tf"}, "labels": "", "licence": "MIT", "parameters": 1,
        "gflops": None, "min_size": 8, "metrics": [{"name": "top1", "value": 0.5, "dataset": "d", "source": "s"}],
        "paper": "",
    }  # fmt: skip


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
@given(ENTRIES)
def test_to_json_and_back(entry):
    again = Entry.from_dict(json.loads(json.dumps(entry.to_dict())))
    assert again == entry
    assert hash(again) == hash(entry)


def test_is_copied_and_pickled(data):
    entry = Entry.from_dict(data)
    assert copy.deepcopy(entry) == entry
    assert pickle.loads(pickle.dumps(entry)) == entry


def test_types(data):
    entry = Entry.from_dict(data)
    assert entry.preprocessing == ImagePreprocessing((8, 9), "tf")
    assert entry.weights == {"top": WeightFile("embedded:x")}
    assert entry.metrics == (Metric("top1", 0.5, "d", "s"),)
    assert entry.aliases == ()


def test_cannot_be_changed(data):
    entry = Entry.from_dict(data)
    with pytest.raises(TypeError):
        entry.config["sizes"] = 3
    with pytest.raises(TypeError):
        entry.weights["top"] = WeightFile("elsewhere")
    data["config"]["new"] = 1
    assert "new" not in entry.config


@pytest.mark.parametrize(
    "key", ["name", "task", "config", "weights", "preprocessing", "gflops", "metrics", "paper"]
)
def test_missing_key_is_named(data, key):
    del data[key]
    with pytest.raises(
        UsageError, match=f"{'no name' if key == 'name' else 'tiny'}.*'{key}' is missing"
    ):
        Entry.from_dict(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "'tiny'.*unknown key 'colour'"),
        (
            {"weights": {"top": {"source": "x", "sha1": "y"}}},
            "'tiny', weights.top: unknown key 'sha1'",
        ),
        ({"weights": {"top": "x"}}, "'tiny', weights.top must be an object"),
        (
            {"preprocessing": {"size": [1, 2], "scaling": "tf", "crop": 1}},
            "'tiny', preprocessing: unknown key 'crop'",
        ),
        (
            {"preprocessing": {"size": [1, 2]}},
            "'tiny', preprocessing: the key 'scaling' is missing",
        ),
        (
            {"preprocessing": {"size": [1, 2], "scaling": "grey"}},
            "'tiny'.*scaling must be one of tf, .*'grey'",
        ),
        ({"preprocessing": {"size": [1, 2], "scaling": "standard"}}, "'tiny'.*mean belongs"),
        (
            {"preprocessing": {"size": [1, 2], "scaling": "tf", "mean": [0, 0, 0]}},
            "'tiny'.*mean belongs",
        ),
        (
            {"preprocessing": {"size": [1, 2], "scaling": "tf", "crop_ratio": 0}},
            "'tiny'.*crop_ratio",
        ),
        ({"preprocessing": {"size": [0, 2], "scaling": "tf"}}, "'tiny'.*size"),
        (
            {"preprocessing": {"size": 5, "scaling": "tf"}},
            "'tiny', preprocessing.size must be a list",
        ),
        ({"metrics": [{"name": "top1"}]}, r"'tiny', metrics\[0\]: the key 'value' is missing"),
        ({"metrics": 3}, "'tiny', metrics must be a list, not 3"),
        ({"licence": {}}, "'tiny', licence must be a string, not an object"),
        ({"task": None}, "'tiny', task must be a string, not null"),
        (
            {"preprocessing": {"size": [1, 2], "scaling": "standard", "mean": [1], "std": [1]}},
            "'tiny'.*mean must have 3 numbers",
        ),
        ({"name": "Tiny-Net"}, "Tiny-Net.*snake case"),
        ({"aliases": ["a b"]}, "'tiny'.*'a b'.*snake case"),
    ],
)
def test_wrong_values_name_the_entry_and_the_key(data, change, message):
    with pytest.raises(UsageError, match=message):
        Entry.from_dict(data | change)


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_not_a_table(value):
    with pytest.raises(UsageError):
        Entry.from_dict(value)
