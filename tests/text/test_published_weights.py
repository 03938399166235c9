"""Published text models: the labels and numbers of the reference, on real weights."""

import base64
import itertools
import json

import numpy as np
import pytest

import warmstart as ws

pytestmark = [pytest.mark.shared, pytest.mark.tensorflow]


@pytest.fixture(scope="module")
def tagger(shared_data):
    folder = shared_data / "weights" / "rampart_ner"
    return ws.load(folder, engine="keras"), json.loads((folder / "expected.json").read_text())


def test_tokens_labels_and_logits_of_a_tagger(tagger):
    model, expected = tagger
    for text in expected:
        encoded = model.tokenizer.encode(text["text"])
        assert list(encoded.ids) == text["ids"]
        ids = np.array([text["ids"]], np.int32)
        logits = np.asarray(model.keras({"input_ids": ids})["logits"])[0]
        assert [model.labels[index].name for index in logits.argmax(-1)] == text["labels"]
        np.testing.assert_allclose(logits[0, :8], text["logits_first_token"], atol=1e-4)


def test_numbers_stay_whole(tagger):
    model, _ = tagger
    phone = model("Please call me at +1 415-555-0132 or write to Jane.")
    assert [entity.text for entity in phone if entity.label == "PHONE"] == ["+1 415-555-0132"]
    card = "The invoice of 3 March 2021 was paid with card 4111 1111 1111 1111."
    assert [entity.text for entity in model(card)] == ["4111 1111 1111", "1111"]
    pieces = [entity.text for entity in model(card, aggregation="simple")]
    assert "411" in pieces  # of one word, whose pieces have labels that disagree


@pytest.fixture(scope="module")
def sorter(shared_data):
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.models import repository
    from warmstart.models.text.gpt2 import network

    folder = shared_data / "weights" / "gpt2_nano_sort"
    entry, _ = repository.read(folder, "text-generation")
    model = network.build(entry.config)
    with open_checkpoint(folder) as checkpoint:
        network.load(model, checkpoint, entry.config)
    return model, json.loads((folder / "gpt-nano-sort-t0-partials.json").read_text())


def decoded(record):
    data = np.frombuffer(base64.b64decode(record["data"]), np.float32)
    return data.reshape(record["shape"])


def test_activations_of_a_gpt(sorter):
    model, partials = sorter
    answer = model({"input_ids": decoded(partials["idx"]).astype(np.int32)})
    for ours, theirs in (("last_hidden_state", "ln_f"), ("logits", "lm_head")):
        np.testing.assert_allclose(np.asarray(answer[ours]), decoded(partials[theirs]), atol=1e-4)
    logits = np.asarray(answer["logits"])
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(probabilities, decoded(partials["probs"]), atol=1e-4)


def test_it_sorts(sorter):
    model, _ = sorter
    letters = np.array(list(itertools.product(range(3), repeat=6)), np.int32)
    ids = letters
    for _ in range(6):
        logits = np.asarray(model({"input_ids": ids})["logits"])
        ids = np.column_stack([ids, logits[:, -1].argmax(-1).astype(np.int32)])
    right = (ids[:, 6:] == np.sort(letters)).all(-1)
    assert right.mean() >= 0.99
