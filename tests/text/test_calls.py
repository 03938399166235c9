"""The one call of text models: what it takes, which options it has, and what it refuses; without
TensorFlow.
"""

import inspect
from pathlib import Path

import numpy as np
import pytest

import warmstart as ws
from warmstart.core import cancellation
from warmstart.core.results import Failed
from warmstart.errors import CancelledError, InputError, UsageError

OPTIONS = {
    ws.TextClassifier: {
        "batch_size": None, "top_k": 5, "candidate_labels": (), "hypothesis_template": "This example is {}.",
        "multi_label": False,
    },
    ws.TokenClassifier: {"batch_size": None, "aggregation": "auto"},
    ws.QuestionAnswerer: {
        "batch_size": None, "top_k": 1, "max_answer_tokens": 30, "no_answer": False, "align_to_words": True,
    },
    ws.FillMask: {"batch_size": None, "top_k": 5, "targets": ()},
    ws.TextEmbedder: {"batch_size": None, "prompt_name": None, "prompt": None},
    ws.TextGenerator: {
        "batch_size": None, "max_new_tokens": None, "temperature": None, "top_k": None, "top_p": None, "min_p": None,
        "repetition_penalty": None, "no_repeat_ngram_size": None, "num_beams": None, "length_penalty": None,
        "num_return_sequences": 1, "min_new_tokens": None, "bad_words": (), "logit_bias": None, "stop": (),
        "seed": None, "overflow": "error",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def classifier():
    return ws.load("sst2_bert_tiny")


@pytest.fixture(scope="module")
def generator():
    return ws.load("shakespeare_gpt2")


@pytest.mark.parametrize("model", OPTIONS, ids=lambda model: model.__name__)
def test_signatures_name_the_options(model):
    methods = [model.__call__, model.stream, getattr(model, "stream_text", None)]
    for method in filter(None, methods):
        _, inputs, *options = inspect.signature(method).parameters.values()
        assert inputs.kind is inspect.Parameter.POSITIONAL_ONLY
        assert {option.name: option.default for option in options} == {
            "column": None,
            "progress": None,
        } | OPTIONS[model]
        assert all(option.kind is inspect.Parameter.KEYWORD_ONLY for option in options)


@pytest.mark.parametrize("make", [
    lambda: iter(["a"]), lambda: {"a", "b"}, lambda: ("a", "b", "c"), lambda: Path("texts.txt"),
    lambda: None, lambda: 3,
], ids=["iterator", "set", "tuple", "path", "none", "number"])  # fmt: skip
def test_calls_refuse_what_stands_for_many(classifier, generator, make):
    for model in (classifier, generator):
        for method in (model, model.features):
            with pytest.raises(UsageError, match=r"stream|list\(x\)|cannot take"):
                method(make())


def test_a_list_keeps_failures_at_their_index(classifier):
    results = classifier(["a film", b"\xff", ("a", "b"), {"text": "a film"}, Path("x.txt"), ""])
    assert [bool(result) for result in results] == [True, False, True, True, False, False]
    assert results[1].input == "item 2"
    assert "stream" in str(results[4].error)
    assert results[0].score == pytest.approx(results[3].score, abs=1e-6)


def test_streams(classifier, tmp_path):
    texts = ["a film", "dull", "what a film"]
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    whole = [result.label for result in classifier(texts)]
    for many in (texts, iter(texts), np.array(texts), tmp_path / "texts.txt"):
        results = classifier.stream(many)
        assert not isinstance(results, list)
        assert [result.label for result in results] == whole
    with pytest.raises(InputError, match=r"nowhere\.txt"):
        list(classifier.stream(tmp_path / "nowhere.txt"))


def test_a_stream_reads_as_results_are_taken(classifier):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield "a film"

    results = classifier.stream(endless(), batch_size=2)
    assert next(results).label
    assert len(taken) <= 32


def test_the_old_stream_of_a_prompt_is_refused(generator):
    with pytest.raises(UsageError, match="stream_text"):
        generator.stream("ROMEO:")
    with pytest.raises(UsageError):
        generator.stream_text(["ROMEO:"])
    with pytest.raises(UsageError, match="beam search"):
        generator.stream_text("ROMEO:", num_beams=2)
    (result,) = generator.stream(["ROMEO:"], max_new_tokens=3)
    assert "".join(generator.stream_text("ROMEO:", max_new_tokens=3)) == result.text


def test_scores(generator):
    one, failed = generator.score(["To be, or not", b"\xff"])
    assert one == generator.score("To be, or not")
    assert isinstance(failed, Failed)
    assert list(generator.stream_scores(iter(["To be, or not"]))) == [one]
    for many in (iter(["a"]), Path("x.txt"), ("a", "b")):
        with pytest.raises(UsageError, match=r"stream|list\(x\)"):
            generator.score(many)


def test_features_of_a_generator(generator):
    many = generator.features(["ROMEO:", "My lord"])
    np.testing.assert_array_equal(many[0], generator.features("ROMEO:"))
    np.testing.assert_array_equal(
        np.stack(list(generator.stream_features(iter(["ROMEO:", "My lord"])))), many
    )
    assert generator.features([]).shape == (0, many.shape[1])
    with pytest.raises(InputError, match="item 2"):
        generator.features(["ROMEO:", b"\xff"])


@pytest.mark.parametrize("options", [{}, {"num_beams": 2}])
def test_generation_stops_between_tokens(generator, options):
    asked = []

    def after_three() -> bool:
        asked.append(1)
        return len(asked) > 3

    with cancellation.scope(after_three), pytest.raises(CancelledError):
        generator("ROMEO:", max_new_tokens=50, **options)
    assert len(asked) == 4


def test_classification_stops_between_batches(classifier):
    with cancellation.scope(lambda: True), pytest.raises(CancelledError):
        classifier(["a film"] * 5, batch_size=2)


@pytest.mark.parametrize(("options", "message"), [
    ({"top_k": 0}, "top_k must be 1 or more"), ({"top_k": 2.5}, "integer"), ({"top_k": True}, "integer"),
    ({"batch_size": 0}, "batch_size"), ({"topk": 1}, "no option .topk.; did you mean top_k"),
])  # fmt: skip
def test_wrong_options(classifier, options, message):
    for method in (classifier, classifier.stream):
        with pytest.raises(UsageError, match=message):
            method("a", **options)


@pytest.mark.parametrize("name", ["nosuch.txt", "reviews/a.csv", "./notes", "photo.JPG"])
def test_a_string_that_may_be_a_file_is_not_streamed(classifier, name):
    with pytest.raises(UsageError, match="may be a file of texts or a text"):
        classifier.stream(name)
    assert [result.input for result in classifier.stream([name])] == [name]
