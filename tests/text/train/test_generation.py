"""Fine-tuning a language model on plain text."""

from pathlib import Path

import numpy as np
import pytest

import warmstart as ws
from warmstart.errors import UsageError

GOLDEN = Path(__file__).parents[2] / "golden" / "gpt2" / "plain"
TEXT = "The cat sat on the mat. To be, or not to be: that is the question.\n" * 150
pytestmark = pytest.mark.tensorflow


def test_it_learns_a_text_and_says_so(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    options = {
        "epochs": 4,
        "context": 32,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "seed": 1,
        "verbose": False,
    }
    model = ws.finetune(GOLDEN, file, task="text-generation", output=tmp_path / "out", **options)
    losses = [epoch["val_loss"] for epoch in model.history]
    assert [epoch["epoch"] for epoch in model.history] == [0, 1, 2, 3, 4]
    assert losses[-1] < 0.2 * losses[0]
    assert "nats per character" in model.report().read_text()
    (metric,) = model.entry.metrics
    assert metric.name == "nats_per_character"
    score = model.score(TEXT[-400:])
    assert score.nats_per_character == pytest.approx(
        metric.value, abs=0.1
    )  # of the same kind of text
    assert model("The cat sat on", max_new_tokens=2).text.startswith(" t")
    again = ws.finetune(GOLDEN, file, task="text-generation", output=tmp_path / "out", **options)
    assert again("The cat", max_new_tokens=5).tokens == model("The cat", max_new_tokens=5).tokens
    with pytest.raises(UsageError, match="other settings"):
        ws.finetune(GOLDEN, file, output=tmp_path / "out", **{**options, "epochs": 5})


def test_windows_cover_the_text_and_repeat_with_the_epoch():
    from warmstart.text.train.generation import Windows

    tokens = np.arange(100, dtype=np.int32)
    windows = Windows(tokens, 8, 4, seed=0)
    whole = np.concatenate([windows.batch(1, index)[0] for index in range(len(windows))])
    assert len(set(whole.ravel())) == whole.size == 96
    x, y = windows.batch(1, 0)
    np.testing.assert_array_equal(x + 1, y)
    np.testing.assert_array_equal(windows.batch(1, 0)[0], x)
    assert not np.array_equal(windows.batch(2, 0)[0], x)
    assert [batch.shape for batch in Windows(tokens[:5], 8, 4, None).batch(0, 0)] == [
        (1, 4),
        (1, 4),
    ]


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        ("nowhere.txt", {}, "nowhere.txt does not exist"),
        (["short"], {}, "tokens to train on"),
        ([b"\xff" * 9], {}, "not UTF-8"),
        ([TEXT], {"freeze": 3}, "up to 2"),
        ([TEXT], {"freeze": "backbone"}, "freeze must be"),
        (7, {}, "not int"),
        ([TEXT], {"context": 65}, "from 2 to 64"),
        ([TEXT], {"epochs": 0}, "epochs"),
        ([TEXT], {"validation": 1.5}, "fraction"),
        ([TEXT], {"validation": 0}, "needs validation data"),
        ([TEXT], {"learning_rate": 1.0, "optimizer": "sgd"}, "one of the two"),
    ],
)
def test_what_cannot_be_used(data, options, words):
    with pytest.raises(UsageError, match=words):
        ws.finetune(GOLDEN, data, verbose=False, **options)
