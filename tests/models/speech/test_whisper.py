"""Whisper computes what transformers computes, under the public names (goldens:
scripts/make_goldens_whisper.py).
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from warmstart.errors import BundleError, MismatchError, UsageError
from warmstart.models import repository
from warmstart.models.speech.whisper.family import WhisperConfig, parameters

GOLDEN = Path(__file__).parents[2] / "golden" / "whisper"


@pytest.fixture(scope="module")
def expected():
    with np.load(GOLDEN / "expected.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def model():
    from warmstart.core.compiling import build_keras
    from warmstart.core.weights import Weights

    return build_keras(repository.read(GOLDEN)[0], Weights.of(GOLDEN))


@pytest.mark.tensorflow
def test_logits_equal_the_reference(model, expected):
    out = model(
        {
            "input_features": expected["features"][None],
            "decoder_input_ids": expected["tokens"][None],
        }
    )
    np.testing.assert_allclose(out["encoder_last_hidden_state"][0], expected["encoded"], atol=1e-4)
    np.testing.assert_allclose(out["logits"][0], expected["logits"], atol=1e-4)
    assert np.ptp(expected["logits"]) > 1


@pytest.mark.tensorflow
def test_arrays_are_the_checkpoint_again(model):
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.models.speech.whisper import network as whisper

    named = whisper.arrays(model, {})
    with open_checkpoint(GOLDEN) as checkpoint:
        assert named.keys() == set(checkpoint.names())
        for name, array in named.items():
            np.testing.assert_array_equal(array, checkpoint.read(name))


@pytest.mark.tensorflow
def test_names_without_prefix_and_the_tied_output_are_taken(model, tmp_path):
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.checkpoints.safetensors import save_safetensors
    from warmstart.models.speech.whisper import network as whisper

    named = {
        name.removeprefix("model."): array for name, array in whisper.arrays(model, {}).items()
    }
    named["proj_out.weight"] = named["decoder.embed_tokens.weight"]
    save_safetensors(tmp_path / "model.safetensors", named)
    with open_checkpoint(tmp_path / "model.safetensors") as checkpoint:
        whisper.load(model, checkpoint, {})
    del named["encoder.conv1.bias"]
    save_safetensors(tmp_path / "less.safetensors", named)
    with open_checkpoint(tmp_path / "less.safetensors") as checkpoint:
        with pytest.raises(MismatchError, match=r"encoder\.conv1/bias"):
            whisper.load(model, checkpoint, {})


@pytest.mark.tensorflow
def test_positions_of_a_fresh_network_are_sinusoids():
    from warmstart.models.speech.whisper import network as whisper

    positions = np.array(whisper.sinusoids((1500, 384)))
    np.testing.assert_allclose(positions[0], [0.0] * 192 + [1.0] * 192)
    np.testing.assert_allclose(positions[7, [0, 191]], np.sin([7, 7 / 10_000]), atol=1e-6)


@pytest.mark.tensorflow
def test_config_of_another_network_is_refused():
    from warmstart.models.speech.whisper import network as whisper

    with pytest.raises(UsageError, match="unknown key 'depth'"):
        whisper.build({"depth": 3})
    with pytest.raises(UsageError, match="384 is not divisible by 5"):
        whisper.build({"width": 384, "encoder_heads": 5})


@pytest.mark.tensorflow
def test_table_of_sizes_is_right():
    from warmstart.models.speech.whisper import network as whisper

    rows = []
    for line in (whisper.__doc__ or "").splitlines():
        cells = [cell.strip().replace(",", "") for cell in line.strip("| ").split("|")]
        if len(cells) == 5 and cells[1].isdigit():
            rows.append(list(map(int, cells[1:])))
    assert len(rows) == 5
    for layers, width, heads, count in rows:
        halves = {"layers": layers, "heads": heads, "hidden": 4 * width}
        sizes = {f"{half}_{key}": n for key, n in halves.items() for half in ("encoder", "decoder")}
        assert parameters(vars(WhisperConfig(width=width, **sizes))) == count


def test_parameters_are_counted_without_building():
    entry, labels = repository.read(GOLDEN)
    assert entry.parameters == 77344  # torch's count of the golden network
    assert labels == ()
    assert entry.task == "speech-recognition"
    assert entry.processing["alignment_heads"] == [[0, 1], [1, 0], [1, 3]]


@pytest.mark.parametrize(
    ("file", "change", "error", "message"),
    [
        (
            "config.json",
            {"d_model": 10**9},
            BundleError,
            "d_model must be a whole number from 1 to",
        ),
        ("config.json", {"vocab_size": True}, BundleError, "vocab_size must be"),
        ("config.json", {"decoder_layers": None}, BundleError, "decoder_layers must be"),
        ("config.json", {"encoder_attention_heads": 5}, BundleError, "32 is not divisible by 5"),
        (
            "config.json",
            {"activation_function": "relu"},
            UsageError,
            "activation_function 'relu' is not supported",
        ),
        (
            "config.json",
            {"scale_embedding": True},
            UsageError,
            "scale_embedding True is not supported",
        ),
        (
            "preprocessor_config.json",
            {"hop_length": 100},
            UsageError,
            "hop_length 100 is not supported",
        ),
        (
            "preprocessor_config.json",
            {"feature_size": 128},
            UsageError,
            "feature_size 128 is not supported",
        ),
        (
            "generation_config.json",
            {"suppress_tokens": [531]},
            BundleError,
            "suppress_tokens must be",
        ),
        (
            "generation_config.json",
            {"alignment_heads": [[2, 0]]},
            BundleError,
            "heads that do not exist",
        ),
        ("generation_config.json", {"num_beams": 5}, UsageError, "num_beams 5 is not supported"),
        ("generation_config.json", {"do_sample": True}, UsageError, "do_sample True is not"),
        ("generation_config.json", {"no_repeat_ngram_size": 3}, UsageError, "ngram_size 3 is not"),
        ("generation_config.json", {"bad_words_ids": [[5]]}, UsageError, "bad_words_ids"),
        ("generation_config.json", {"forced_decoder_ids": [[1, 531]]}, BundleError, "below 531"),
        ("generation_config.json", {"max_length": "40"}, BundleError, "max_length must be"),
        ("generation_config.json", {"language": 3}, BundleError, "language must be a string"),
    ],
)
def test_a_config_that_cannot_be_honoured_is_refused_by_name(
    file, change, error, message, tmp_path
):
    folder = tmp_path / "whisper-tiny"
    shutil.copytree(GOLDEN, folder)
    config = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**config, **change}))
    with pytest.raises(error, match=message):
        repository.read(folder)


def test_another_task_is_refused():
    with pytest.raises(UsageError, match="is a model for speech-recognition, not text-generation"):
        repository.read(GOLDEN, "text-generation")


def test_what_generation_config_says_goes_before_config(tmp_path):
    folder = tmp_path / "whisper-tiny"
    shutil.copytree(GOLDEN, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "forced_decoder_ids": [[1, 370]], "num_beams": 4})
    )
    stated = json.loads((folder / "generation_config.json").read_text())
    lower = {**stated, "max_length": 40, "max_initial_timestamp_index": 0, "num_beams": 1}
    (folder / "generation_config.json").write_text(json.dumps({**lower, "suppress_tokens": None}))
    processing = repository.read(folder)[0].processing
    assert (processing["max_length"], processing["max_initial_timestamp"]) == (40, 0)
    assert processing["suppress"] == []
    assert "forced" not in processing
    (folder / "generation_config.json").unlink()
    with pytest.raises(UsageError, match=r"config\.json: num_beams 4 is not supported"):
        repository.read(folder)
