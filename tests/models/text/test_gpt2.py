"""GPT-2 against transformers' numbers; the cached steps against the whole text at once."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from warmstart.errors import BundleError, MismatchError, UsageError
from warmstart.models import repository

GOLDEN = Path(__file__).parents[2] / "golden" / "gpt2"
pytestmark = pytest.mark.tensorflow


def built(folder: Path):
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.models.text.gpt2 import network as gpt2

    entry, _ = repository.read(folder)
    model = gpt2.build(entry.config)
    with open_checkpoint(folder) as checkpoint:
        gpt2.load(model, checkpoint, entry.config)
    return entry, model


@pytest.mark.parametrize("name", ["plain", "odd", "bare", "classifier"])
def test_logits_are_those_of_transformers(name):
    entry, model = built(GOLDEN / name)
    expected = np.load(GOLDEN / name / "expected.npz")
    mask = expected["mask"].astype(np.int32)
    got = np.asarray(
        model({"input_ids": expected["ids"].astype(np.int32), "attention_mask": mask})["logits"]
    )
    if name != "classifier":  # what stands at padding is nobody's business
        got, want = got[mask > 0], expected["logits"][mask > 0]
    else:
        want = expected["logits"]
        alone = model({"input_ids": expected["ids"][:1].astype(np.int32)})[
            "logits"
        ]  # no padding in this one
        np.testing.assert_allclose(alone, want[:1], atol=1e-4)
    assert np.abs(want).max() > 1
    np.testing.assert_allclose(got, want, atol=1e-4)
    assert entry.parameters == model.count_params()


@pytest.mark.parametrize("name", ["plain", "odd"])
def test_cached_steps_equal_the_whole_text(name):
    from warmstart.models.text.gpt2.network import HIDDEN

    _, model = built(GOLDEN / name)
    config = model.config
    ids = np.load(GOLDEN / name / "expected.npz")["ids"][0].astype(np.int32)
    whole = np.asarray(model({"input_ids": ids[None]})["logits"])[0]
    size, count = 30, len(ids)  # more room in the cache than is used
    cache = np.zeros(
        (2 * config.n_layer, config.n_head, size, config.n_embd // config.n_head), np.float32
    )
    seen = np.full((1, size), HIDDEN, np.float32)
    for begin, end in ((0, 7), (7, 8), (8, 9), (9, 15), (15, count)):
        new = end - begin
        among = np.where(np.tri(new, dtype=bool), 0, HIDDEN).astype(np.float32)
        answer = model.step(
            ids[begin:end],
            np.arange(begin, end, dtype=np.int32),
            np.repeat(seen, new, 0),
            among,
            np.arange(new, dtype=np.int32),
            *cache,
        )
        cache[:, :, begin:end] = np.asarray(answer["rows"])
        seen[:, begin:end] = 0
        np.testing.assert_allclose(np.asarray(answer["logits"]), whole[begin:end], atol=1e-4)


def test_arrays_are_named_as_they_came():
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.models.text.gpt2 import network as gpt2

    for name in ("plain", "odd", "classifier"):
        entry, model = built(GOLDEN / name)
        named = gpt2.arrays(model, entry.config)
        with open_checkpoint(GOLDEN / name) as checkpoint:
            assert set(named) == set(checkpoint.names())
            for key, array in named.items():
                np.testing.assert_array_equal(array, checkpoint.read(key))


def test_positions_can_be_given():
    _, model = built(GOLDEN / "plain")
    ids = np.array([[5, 6, 7]], np.int32)
    usual = model({"input_ids": ids})["logits"]
    same = model({"input_ids": ids, "position_ids": np.array([[0, 1, 2]], np.int32)})["logits"]
    moved = model({"input_ids": ids, "position_ids": np.array([[3, 4, 5]], np.int32)})["logits"]
    np.testing.assert_allclose(usual, same, atol=1e-6)
    assert np.abs(np.asarray(usual) - np.asarray(moved)).max() > 1e-2


def changed(tmp_path: Path, name: str = "plain", **keys) -> Path:
    """A copy of a golden repository with another config; a key that is `...` is left out."""
    folder = tmp_path / f"{name}-changed"
    shutil.copytree(GOLDEN / name, folder)
    config = json.loads((folder / "config.json").read_text()) | keys
    (folder / "config.json").write_text(
        json.dumps({k: v for k, v in config.items() if v is not ...})
    )
    return folder


@pytest.mark.parametrize(
    ("keys", "error", "words"),
    [
        ({"n_layer": ...}, BundleError, "lacks the key 'n_layer'"),
        ({"n_embd": 2**15, "n_layer": 1000}, BundleError, "but its weights have"),
        ({"n_embd": 10**9}, BundleError, "n_embd must be a whole number from 1 to"),
        ({"vocab_size": "many"}, BundleError, "vocab_size must be a whole number"),
        ({"n_head": 5}, BundleError, "must be divisible by n_head"),
        ({"n_layer": True}, BundleError, "n_layer must be a whole number"),
        ({"layer_norm_epsilon": -1.0}, BundleError, "layer_norm_epsilon"),
        ({"scale_attn_weights": "no"}, BundleError, "scale_attn_weights must be a bool"),
        ({"add_cross_attention": True}, UsageError, "add_cross_attention=True is not supported"),
        (
            {"architectures": ["GPT2ForTokenClassification"]},
            UsageError,
            "GPT2ForTokenClassification",
        ),
        ({"eos_token_id": -3}, BundleError, "eos_token_id"),
    ],
)
def test_configs_that_are_refused(tmp_path, keys, error, words):
    with pytest.raises(error, match=words):
        repository.read(changed(tmp_path, **keys))


def test_unknown_activation_is_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match="activation_function 'gelu_wild' is not supported"):
        built(changed(tmp_path, activation_function="gelu_wild"))


def test_heads_decide_the_task(tmp_path):
    entry, labels = repository.read(GOLDEN / "classifier")
    assert (entry.task, [label.name for label in labels]) == (
        "text-classification",
        ["no", "maybe", "yes"],
    )
    with pytest.raises(UsageError, match="no head for text-generation"):
        repository.read(GOLDEN / "classifier", "text-generation")
    with pytest.raises(UsageError, match="no head for text-classification"):
        repository.read(GOLDEN / "plain", "text-classification")


def test_weights_of_another_size(tmp_path):
    with pytest.raises(MismatchError, match="has shape"):
        built(changed(tmp_path, n_embd=16))
    with pytest.raises(MismatchError, match=r"lm_head"):
        built(changed(tmp_path / "two", tie_word_embeddings=False))
