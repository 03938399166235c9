"""The small BERT inside the package: small, without TensorFlow, as good on the dev sentences as its
card says.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.optional import require_bfloat16

import warmstart as ws
from warmstart.core.precision_comparison import compare_precisions


def test_it_is_small_and_answers_without_tensorflow():
    folder = Path(ws.__file__).parent / "embedded" / "sst2_bert_tiny"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 10e6
    code = (
        "import sys, warmstart as ws\n"
        "model = ws.load('sst2_bert_tiny')\n"
        "labels = [result.label for result in model(['a warm and moving film', 'dull and far too long'])]\n"
        "assert labels == ['positive', 'negative'], labels\n"
        "assert not {'tensorflow', 'keras', 'pandas', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_evaluation_takes_the_part_to_test():
    rows = [
        {"text": "a warm and moving film", "label": "positive", "split": "test"},
        {"text": "a warm and moving film", "label": "negative", "split": "train"},
    ]
    figures = ws.load("sst2_bert_tiny").evaluate(rows)
    assert (figures["count"], figures["accuracy"]) == (1, 1.0)


def test_bfloat16_agrees_with_float32():
    require_bfloat16()
    exact = ws.load("sst2_bert_tiny")
    rough = ws.load("sst2_bert_tiny", precision="bfloat16")
    nouns = ("film", "plot", "cast", "score", "script")
    texts = [
        f"the {noun} is {word}"
        for noun in nouns
        for word in ("warm and moving", "dull and far too long", "a joy to watch", "a mess")
    ]
    compared = compare_precisions(rough, exact, texts)
    assert compared.count == 20
    assert compared.agreement >= 0.99
    assert 0 < compared.difference < 0.1  # the numbers are those of bfloat16


@pytest.mark.shared
def test_it_is_as_good_as_the_card_says(shared_data):
    model = ws.load("sst2_bert_tiny")
    said = {metric.name: metric.value for metric in model.entry.metrics}
    measured = model.evaluate(shared_data / "text" / "sst2" / "dev.tsv")
    assert measured["accuracy"] == pytest.approx(said["accuracy"], abs=0.003)


def test_evaluation_says_what_is_left_out():
    model = ws.load("sst2_bert_tiny")
    evaluation = model.evaluate([("good", None), ("bad", 0), ("fine", 1.0)])
    line = "1 could not be read and are left out; the first: row 1: has no label"
    assert line in str(evaluation)
    assert line in evaluation._repr_html_()
    for labels, words in (([], "no labels"), (["positive", "negative"], "2 labels")):
        with pytest.raises(
            ws.errors.UsageError, match=f"row 1 has {words}, but sst2_bert_tiny predicts one"
        ):
            model.evaluate([("good", labels), ("bad", ["negative"])])
