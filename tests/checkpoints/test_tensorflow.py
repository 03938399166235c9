"""Checkpoints that TensorFlow wrote: `tf_model.h5` of transformers 4, and the tables of `.ckpt`
(tests/golden/tensorflow).
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmstart.checkpoints.formats import open_checkpoint
from warmstart.errors import CheckpointError

GOLDEN = Path(__file__).parents[1] / "golden"
TENSORFLOW = GOLDEN / "tensorflow"
H5 = {
    "text_bert_text_classification": "text/bert_text_classification",
    "text_bert_fill_mask": "text/bert_fill_mask",
    "text_distilbert_question_answering": "text/distilbert_question_answering",
    "text_roberta_token_classification": "text/roberta_token_classification",
    "gpt2_classifier": "gpt2/classifier",
    "classifiers_vit": "classifiers/vit",
    "whisper": "whisper",
}


@pytest.mark.parametrize(("name", "golden"), H5.items())
def test_a_file_of_transformers_has_the_names_and_axes_of_pytorch(name, golden):
    with (
        open_checkpoint(TENSORFLOW / f"{name}.h5") as checkpoint,
        open_checkpoint(GOLDEN / golden) as reference,
    ):
        assert checkpoint.layout == "transformers-h5"
        expected = {one for one in reference.names() if "position_ids" not in one}
        names = set(checkpoint.names())
        assert expected <= names | {"lm_head.weight", "proj_out.weight"}, expected - names
        for one in expected & names:
            assert checkpoint.shape(one) == reference.shape(one), one
            np.testing.assert_array_equal(
                checkpoint.read(one), reference.read(one).astype(np.float32), err_msg=one
            )


def saved(name):
    with np.load(TENSORFLOW / f"{name}.ckpt.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_arrays_of_a_table(name):
    expected = saved(name)
    with open_checkpoint(TENSORFLOW / f"{name}.ckpt") as checkpoint:
        assert checkpoint.layout == "tensorflow"
        assert [path.name for path in checkpoint.files()] == [
            f"{name}.ckpt.index",
            f"{name}.ckpt.data-00000-of-00001",
        ]
        names = set(checkpoint.names())
        if name == "bert":
            weight = expected["bert/encoder/layer_1/intermediate/dense/kernel"].T
            key = "bert.encoder.layer.1.intermediate.dense.weight"
            assert {"cls.predictions.bias", "cls.seq_relationship.weight"} <= names
            assert {"bert.embeddings.LayerNorm.weight"} <= names
        else:
            weight = expected["model/h1/mlp/c_fc/w"][0]
            key = "transformer.h.1.mlp.c_fc.weight"
            assert {"transformer.wte.weight", "transformer.ln_f.bias"} <= names
        np.testing.assert_array_equal(checkpoint.read(key), weight)
        assert not any("adam" in one or "global_step" in one or one == "text" for one in names)
        for one in names:
            assert checkpoint.read(one).shape == checkpoint.shape(one)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_a_table_fills_the_network(name):
    from warmstart.models import architecture

    module = architecture(name)
    sizes = {
        "bert": {
            "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 12, "max_position_embeddings": 16, "head": "fill-mask",
        },
        "gpt2": {"vocab_size": 20, "n_positions": 16, "n_embd": 8, "n_layer": 2, "n_head": 2},
    }[name]  # fmt: skip
    model = module.build(sizes)
    with open_checkpoint(TENSORFLOW / f"{name}.ckpt") as checkpoint:
        module.load(model, checkpoint, sizes)
    arrays = module.arrays(model, sizes)
    expected = saved(name)
    words = next(value for key, value in arrays.items() if "word_embed" in key or "wte" in key)
    known = "bert/embeddings/word_embeddings" if name == "bert" else "model/wte"
    np.testing.assert_array_equal(words, expected[known])


def copied(folder, name="bert.ckpt"):
    for path in TENSORFLOW.glob(f"{name}.[id]*"):
        shutil.copy(path, folder)
    return folder / f"{name}.index", folder / f"{name}.data-00000-of-00001"


def test_a_folder_with_one_checkpoint(tmp_path):
    copied(tmp_path)
    with open_checkpoint(tmp_path) as checkpoint:
        assert len(checkpoint.names()) > 30
    copied(tmp_path, "gpt2.ckpt")
    with pytest.raises(CheckpointError, match=r"several checkpoints \(bert.ckpt.index, gpt2"):
        open_checkpoint(tmp_path)


def test_a_shard_that_is_missing_or_cut_off(tmp_path):
    index, shard = copied(tmp_path)
    shard.write_bytes(shard.read_bytes()[:900])
    with pytest.raises(CheckpointError, match="lies beyond its end"):
        open_checkpoint(index)
    shard.unlink()
    with pytest.raises(CheckpointError, match="data-00000-of-00001 cannot be opened"):
        open_checkpoint(index)


@settings(max_examples=150)
@given(st.data())
def test_damage_is_an_error_or_changes_nothing_that_is_read(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damage")
    index, _ = copied(folder, "gpt2.ckpt")
    content = bytearray(index.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    index.write_bytes(content[: data.draw(st.integers(len(content) - 60, len(content)))])
    try:
        with open_checkpoint(index) as checkpoint:
            for name in checkpoint.names():
                assert checkpoint.read(name).shape == checkpoint.shape(name)
    except CheckpointError:
        pass
