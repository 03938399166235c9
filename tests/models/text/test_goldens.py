"""Every tiny checkpoint of tests/golden/text gives the reference's numbers, padded and unpadded."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from warmstart.models import family, repository

pytestmark = pytest.mark.tensorflow
GOLDEN = Path(__file__).parents[2] / "golden" / "text"
FOLDERS = sorted(GOLDEN.iterdir())
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def built(folder: Path):
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.models import architecture

    entry, _ = repository.read(folder)
    module = architecture(entry.architecture)
    model = module.build(entry.config)
    with open_checkpoint(folder) as checkpoint:
        module.load(model, checkpoint, entry.config)
    return entry, module, model


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_equal_to_the_reference(folder):
    entry, module, model = built(folder)
    assert model.count_params() == entry.parameters
    with np.load(folder / "expected.npz") as expected:
        given = {name: expected[name] for name in INPUTS}
        kept = given["attention_mask"].astype(bool)
        padded = {name: np.asarray(value) for name, value in model(given).items()}
        alone = {
            name: np.asarray(value)
            for name, value in model({k: v[2:3, :3] for k, v in given.items()}).items()
        }
        names = {name.partition("/")[2] for name in expected.files if "/" in name}
        assert names - padded.keys() <= (
            {"pooler_output"} if "without_pooler" in folder.name else set()
        )
        for name, value in padded.items():
            want = expected[f"padded/{name}"]
            rows = (
                kept if value.shape[:2] == kept.shape else slice(None)
            )  # what stands at padding means nothing
            np.testing.assert_allclose(value[rows], want[rows], atol=1e-4, rtol=0)
            np.testing.assert_allclose(alone[name], expected[f"alone/{name}"], atol=1e-4, rtol=0)
    arrays = module.arrays(model, entry.config)
    assert sum({id(array): array.size for array in arrays.values()}.values()) == entry.parameters
    if (folder / "model.safetensors").exists() and not OTHERWISE.search(folder.name):
        saved_as_transformers_saves(folder, entry, arrays)


OTHERWISE = re.compile("old_names|float16|pooler")
"""Folders whose files are not as transformers writes them by itself."""
TIED = re.compile(r"decoder\.|vocab_projector\.weight|lm_head\.bias")


def saved_as_transformers_saves(folder: Path, entry, arrays) -> None:
    """Names, numbers and config of a bundle of this model are those of the folder, which
    transformers wrote.
    """
    from warmstart.checkpoints.formats import open_checkpoint

    with open_checkpoint(folder) as written:
        names = {
            name
            for name in written.names()
            if not name.endswith(("position_ids", "token_type_ids"))
        }
        assert all(TIED.search(name) for name in names ^ arrays.keys())
        unused = {"cls.predictions.bias"} if "cls.predictions.decoder.bias" in names else set()
        for name in names & arrays.keys() - unused:
            np.testing.assert_array_equal(arrays[name], written.read(name))
    config = json.loads((folder / "config.json").read_text())
    ours = family(entry.architecture).write(entry, repository.read(folder)[1])
    for key in ours.keys() & config.keys() - {"label2id", "problem_type"}:
        assert ours[key] == config[key] or config[key] is None, key


def test_optional_inputs_may_be_left_out():
    _, _, model = built(GOLDEN / "bert_base")
    ids = np.array([[2, 9, 8, 3]], np.int32)
    whole = model(
        {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
    )
    for given in (
        ids,
        {"input_ids": ids},
        {"input_ids": ids, "token_type_ids": np.zeros_like(ids)},
    ):
        np.testing.assert_array_equal(model(given)["pooler_output"], whole["pooler_output"])


@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta"])
def test_what_is_written_is_read_again(name, tmp_path):
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.checkpoints.safetensors import save_safetensors

    entry, module, model = built(GOLDEN / f"{name}_fill_mask")
    save_safetensors(tmp_path / "model.safetensors", module.arrays(model, entry.config))
    other = module.build(entry.config)
    with open_checkpoint(tmp_path) as checkpoint:
        module.load(other, checkpoint, entry.config)
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # from keras.saving itself
def test_the_keras_file_is_read_again(tmp_path):
    import keras

    _, _, model = built(GOLDEN / "bert_fill_mask")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    ids = np.array([[2, 9, 8, 3]], np.int32)
    np.testing.assert_array_equal(model(ids)["logits"], again(ids)["logits"])


def test_padding_changes_nothing():
    for name in ("bert_text_classification", "roberta_text_classification"):
        entry, _, model = built(GOLDEN / name)
        pad = entry.config["pad_token_id"]
        ids = np.array([[2, 9, 8, 30, 3]], np.int32)
        long = np.concatenate([ids, np.full((1, 20), pad, np.int32)], axis=1)
        padded = model(
            {"input_ids": long, "attention_mask": (np.arange(25) < 5).astype(np.int32)[None]}
        )["logits"]
        np.testing.assert_allclose(model(ids)["logits"], padded, atol=1e-5)
