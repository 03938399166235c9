"""Few texts: after the training that is measured, the classifier learns from all of them."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import warmstart as ws
from warmstart.core.metrics import linear
from warmstart.errors import UsageError

ENCODER = Path(__file__).parents[2] / "golden" / "text" / "bert_base"
WORDS = ("ann", "bob", "film", "paris", "new")
REVIEWS = [
    (f"the {a} {b} is {label}", label) for a in WORDS for b in WORDS for label in ("good", "bad")
]
pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def sentences(tmp_path_factory) -> Path:
    """A base that embeds sentences by the mean of their tokens."""
    base = tmp_path_factory.mktemp("sentences") / "base"
    shutil.copytree(ENCODER, base)
    pooling = {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}
    (base / "modules.json").write_text(json.dumps([pooling]))
    (base / "1_Pooling").mkdir()
    (base / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return base


class Watch(keras.callbacks.Callback):
    """Keeps the heads after each fit; leaves in `copy` what a kill in the third fit would leave."""

    def __init__(self, run: Path, copy: Path):
        super().__init__()
        self.run, self.copy, self.heads = run, copy, []

    def on_epoch_begin(self, epoch, logs=None):
        if len(self.heads) == 2 and epoch == 1:
            shutil.copytree(self.run, self.copy)

    def on_train_end(self, logs=None):
        self.heads.append(self.model.get_layer("head.classifier").get_weights())


def test_few_texts_are_learned_again_and_a_stopped_run_goes_on(
    sentences, tmp_path, begun, monkeypatch
):
    monkeypatch.setattr("warmstart.text.train.refit.FEW_STEPS", 14)
    options = {"task": "text-classification", "batch_size": 8}
    watch = Watch(tmp_path / "whole", tmp_path / "run")
    whole = ws.finetune(sentences, REVIEWS, output=tmp_path / "whole", callbacks=[watch], **options)
    fits = [record["fit"] for record in whole.history]
    # 3 epochs of 5 batches of the 40 training texts after the probe, 2 of 7 batches of all 50.
    assert {name: fits.count(name) for name in fits} == {"fit": 4, "refit-1": 2, "refit-2": 2}
    _, first, second = watch.heads
    head = ws.load(tmp_path / "whole", engine="keras").keras.get_layer("head.classifier")
    for weights, a, b in zip(head.get_weights(), first, second, strict=True):
        np.testing.assert_allclose(weights, (a + b) / 2, atol=1e-7)
        assert not np.array_equal(a, b), "another order of the texts"
    training = json.loads((tmp_path / "whole" / "training.json").read_text())
    assert training["refit"] == 2
    measured = whole.history[training["best"]["fit"]["epoch"]]
    metrics = {metric.name: metric for metric in whole.entry.metrics}
    assert metrics["accuracy"].value == measured["val_accuracy"]
    assert metrics["accuracy"].dataset == "10 validation texts, before the refit"
    words = "The result is the mean of 2 further runs, on all 50 texts"
    assert words in whole.report().read_text()
    resumed = ws.finetune(sentences, REVIEWS, output=tmp_path / "run", callbacks=[begun], **options)
    assert begun.epochs == [1], "only the second refit goes on"
    assert resumed.weights.digest == whole.weights.digest
    assert resumed.history[-3]["seconds"] == whole.history[-3]["seconds"]


def test_where_the_probe_is_best_it_learns_all_texts(sentences, tmp_path, capfd):
    options = {"task": "text-classification", "epochs": 1, "refit": 1, "learning_rate": 10.0}
    model = ws.finetune(sentences, REVIEWS, output=tmp_path / "out", **options)
    assert {record["fit"] for record in model.history} == {"fit"}
    assert "the result is the linear probe of all 50 texts" in capfd.readouterr().err
    texts, names = [text for text, _ in REVIEWS], [label.name for label in model.labels]
    features = np.stack([model.features(text) for text in texts])
    targets = np.array([[label == name for name in names] for _, label in REVIEWS], np.float32)
    logits = linear.solve(features, targets).logits(features)
    for row, text in enumerate(texts):
        scores = {one.label: one.score for one in model(text, top_k=2)}
        margin = np.log(scores[names[0]] / scores[names[1]])
        assert margin == pytest.approx(logits[row, 0] - logits[row, 1], abs=1e-2)


def test_validation_texts_of_the_user_are_not_learned(sentences):
    options = {"task": "text-classification", "refit": 1}
    for validation in (REVIEWS[:4], 0):
        with pytest.raises(UsageError, match="must be a fraction of the training data"):
            ws.finetune(sentences, REVIEWS, validation=validation, **options)
