"""Presets of KerasHub give KerasHub's numbers, with its tokens, saved again as bundles too."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import warmstart as ws
from warmstart.errors import BundleError, UsageError
from warmstart.models import repository
from warmstart.speech.whisper.tokens import WhisperTokens
from warmstart.text.tokenizer import Tokenizer

GOLDEN = Path(__file__).parents[1] / "golden" / "keras_hub"
NAMES = sorted(path.name for path in GOLDEN.iterdir())
TEXTS = ("The films was good.", "a film")
PHOTOS = ("efficientnet", "mobilenet", "resnet")
TASKS = {
    "gpt2": "text-generation",
    "segformer": "image-segmentation",
    "whisper": "speech-recognition",
    **dict.fromkeys(PHOTOS, "image-classification"),
}


def expected(name):
    with np.load(GOLDEN / name / "expected.npz") as arrays:
        return {key: arrays[key] for key in arrays.files}


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", NAMES)
def test_equal_to_keras_hub(name):
    from warmstart.checkpoints.formats import open_checkpoint
    from warmstart.models import architecture

    entry, labels = repository.read(GOLDEN / name)
    assert entry.task == TASKS.get(name.partition("_")[0], "text-classification")
    arrays = expected(name)
    module = architecture(entry.architecture)
    model = module.build(entry.config)
    with open_checkpoint(GOLDEN / name) as checkpoint:
        module.load(model, checkpoint, entry.config)
    if "maps" in arrays:
        maps = np.asarray(model(arrays["images"], training=False))
        np.testing.assert_allclose(maps, arrays["maps"], atol=1e-4, rtol=0)
        return
    assert model.count_params() == entry.parameters
    if name == "whisper":
        features = arrays["features"].transpose(0, 2, 1)
        tokens = arrays["tokens"].astype(np.int32)
        outputs = model({"input_features": features, "decoder_input_ids": tokens})
        encoded = np.asarray(outputs["encoder_last_hidden_state"])
        np.testing.assert_allclose(encoded, arrays["encoded"], atol=1e-4, rtol=0)
        np.testing.assert_allclose(outputs["logits"], arrays["logits"], atol=1e-4, rtol=0)
        return
    if "images" in arrays:
        from warmstart.models.image.outputs import classifier_outputs

        outputs = classifier_outputs(model)([arrays["images"]])
        shifted = np.exp(arrays["logits"] - arrays["logits"].max(-1, keepdims=True))
        scores = shifted / shifted.sum(-1, keepdims=True)
        np.testing.assert_allclose(outputs["probabilities"], scores, atol=1e-4, rtol=0)
        if not name.startswith("mobilenet"):  # its features are those that its head takes
            np.testing.assert_allclose(outputs["features"], arrays["features"], atol=1e-4, rtol=0)
        assert [label.name for label in labels] == ["LABEL_0", "LABEL_1", "LABEL_2"]
        return
    inputs = {"input_ids": arrays["token_ids"], "attention_mask": arrays["padding_mask"]}
    inputs = {key: np.asarray(value, np.int32) for key, value in inputs.items()}
    if name == "gpt2":
        actual = np.asarray(model(inputs)["logits"])
        mask = arrays["padding_mask"].astype(bool)
        np.testing.assert_allclose(actual[mask], arrays["logits"][mask], atol=1e-4, rtol=0)
        return
    if "segment_ids" in arrays:
        inputs["token_type_ids"] = np.asarray(arrays["segment_ids"], np.int32)
    actual = np.asarray(model(inputs)["logits"])
    np.testing.assert_allclose(actual, arrays["logits"], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if not name.startswith((*PHOTOS, "segformer", "whisper"))]
)
def test_tokens_are_those_of_keras_hub(name):
    tokenizer = Tokenizer.open(GOLDEN / name)
    arrays = expected(name)
    for text, ids, mask in zip(TEXTS, arrays["token_ids"], arrays["padding_mask"], strict=True):
        own = tokenizer.encode(text).ids.tolist()
        if name == "gpt2":  # a text for training ends with the token between texts, too
            own = [*own, 0]
        assert own == ids[mask.astype(bool)].tolist()


@pytest.mark.tensorflow
def test_a_preset_is_used_saved_and_used_again(tmp_path):
    model = ws.load(GOLDEN / "bert")
    first = model(list(TEXTS))
    arrays = expected("bert")
    shifted = np.exp(arrays["logits"] - arrays["logits"].max(-1, keepdims=True))
    for result, scores in zip(first, shifted / shifted.sum(-1, keepdims=True), strict=True):
        by_index = {one.index: one.score for one in result}
        assert [by_index[index] for index in range(3)] == pytest.approx(scores, abs=1e-4)
    again = ws.load(model.save(tmp_path / "own"))(list(TEXTS))
    assert [one.predictions for one in again] == [one.predictions for one in first]
    other = tmp_path / "other"
    shutil.copytree(GOLDEN / "bert", other)
    head = (GOLDEN / "distilbert" / "task.weights.h5").read_bytes()
    (other / "task.weights.h5").write_bytes(head)
    assert ws.load(other).weights.digest != model.weights.digest


def recording():
    time = np.arange(16_000) / 16_000
    return np.sin(2 * np.pi * (300 + 400 * time) * time).astype(np.float32)


@pytest.mark.tensorflow
def test_whisper_is_used_saved_and_used_again(tmp_path):
    model, arrays = ws.load(GOLDEN / "whisper"), expected("whisper")
    features = model.features(recording(), sample_rate=16_000)
    np.testing.assert_allclose(features, arrays["encoded"][0].mean(0), atol=1e-4, rtol=0)
    first = model(recording(), sample_rate=16_000, language="de")
    again = ws.load(model.save(tmp_path / "own"))
    assert again(recording(), sample_rate=16_000, language="de") == first
    config = json.loads((tmp_path / "own" / "config.json").read_text())
    assert (config["model_type"], config["max_source_positions"]) == ("whisper", 50)


def test_tokens_of_whisper():
    tokens = WhisperTokens.open(GOLDEN / "whisper", 91)
    config = json.loads((GOLDEN / "whisper" / "tokenizer.json").read_text())["config"]
    assert tokens.encode("a film.") == expected("whisper")["text"].tolist()
    assert tokens.languages == {
        name.strip("<|>"): n for name, n in config["language_tokens"].items()
    }
    assert tokens.no_timestamps == config["special_tokens"]["<|notimestamps|>"]
    assert tokens.previous == tokens.no_timestamps - 2
    assert tokens.tokenizer.id_to_token(tokens.first_time + 50) == "<|1.00|>"


def test_english_whisper(tmp_path):
    folder = tmp_path / "whisper"
    shutil.copytree(GOLDEN / "whisper", folder)
    path = folder / "tokenizer.json"
    config = json.loads(path.read_text())
    config["config"]["language_tokens"] = None
    path.write_text(json.dumps(config))
    assert repository.read(folder)[0].processing["multilingual"] is False
    own = WhisperTokens.open(folder, 91, multilingual=False)
    assert own.languages == {}
    assert own.special() == WhisperTokens.open(GOLDEN / "whisper", 91).special()


def test_gpt2_preprocessor(tmp_path):
    folder = tmp_path / "gpt2"
    shutil.copytree(GOLDEN / "gpt2", folder)
    path = folder / "preprocessor.json"
    assert repository.read(folder)[0].processing["generation"] == {"max_length": 24}
    config = json.loads(path.read_text())
    config["config"] |= {"add_start_token": False, "sequence_length": 32}
    path.write_text(json.dumps(config))
    assert "generation" not in repository.read(folder)[0].processing
    (start, *rest), own = (
        Tokenizer.open(one).encode("a film").ids.tolist() for one in (GOLDEN / "gpt2", folder)
    )
    assert (start, rest) == (0, own)
    path.unlink()
    assert Tokenizer.open(folder).encode("a film").ids.tolist() == [0, *own]


def test_photos_of_a_preset():
    rules = repository.read(GOLDEN / "resnet_basic")[0].preprocessing
    assert (rules.size, rules.scaling, rules.resize) == ((32, 32), "torch", "crop")
    rules = repository.read(GOLDEN / "efficientnet")[0].preprocessing
    assert (rules.size, rules.scaling, rules.interpolation) == ((32, 48), "tf", "bicubic")
    rules = repository.read(GOLDEN / "segformer")[0].preprocessing
    assert (rules.size, rules.resize, rules.std) == ((32, 32), "squash", (1.0, 1.0, 1.0))


def test_text_preprocessor():
    assert repository.read(GOLDEN / "bert")[0].processing["max_length"] == 12
    assert repository.read(GOLDEN / "roberta")[0].processing["max_length"] == 24


def test_tokenizer_options_that_are_not_supported(tmp_path):
    folder = tmp_path / "roberta"
    shutil.copytree(GOLDEN / "roberta", folder)
    path = folder / "tokenizer.json"
    config = json.loads(path.read_text())
    config["config"]["add_prefix_space"] = True
    path.write_text(json.dumps(config))
    with pytest.raises(UsageError, match="add_prefix_space=True"):
        Tokenizer.open(folder)


def test_image_converter_without_preprocessor(tmp_path):
    folder = tmp_path / "preset"
    shutil.copytree(GOLDEN / "efficientnet", folder)
    (folder / "preprocessor.json").unlink()
    own, whole = (repository.read(path)[0] for path in (folder, GOLDEN / "efficientnet"))
    assert own.preprocessing == whole.preprocessing


@pytest.mark.parametrize(
    ("name", "file", "change", "error", "message"),
    [
        (
            "bert",
            "config.json",
            {"registered_name": "keras_hub>T5Backbone"},
            UsageError,
            "T5Backbone",
        ),
        ("bert", "config.json", {"config": None}, BundleError, "no config for its backbone"),
        ("bert", "task.json", {"config": {"num_classes": 0}}, BundleError, "num_classes is 0"),
        (
            "bert",
            "preprocessor.json",
            {"config": {"truncate": "waterfall"}},
            UsageError,
            "waterfall",
        ),
        ("bert", "config.json", {"config": {"num_layers": -1}}, BundleError, "must be a size"),
        (
            "resnet_basic",
            "config.json",
            {"config": {"use_pre_activation": True}},
            UsageError,
            "use_pre",
        ),
        (
            "resnet_basic",
            "config.json",
            {"config": {"input_conv_kernel_sizes": [3]}},
            UsageError,
            "input_conv_kernel_sizes",
        ),
        ("resnet_basic", "task.json", {"config": {"pooling": "max"}}, UsageError, "pooling 'max'"),
        ("bert", "task.json", {"config": {"activation": "sigmoid"}}, UsageError, "activation"),
        (
            "efficientnet",
            "config.json",
            {"config": {"stackwise_block_types": ["v1", "fused", "v1"]}},
            UsageError,
            "block_types 'fused'",
        ),
        ("efficientnet", "config.json", {"config": {"activation": "relu6"}}, UsageError, "relu6"),
        (
            "efficientnet",
            "config.json",
            {"config": {"stackwise_strides": [1, 2]}},
            UsageError,
            "stackwise_strides must have one value per stage",
        ),
        (
            "mobilenet_small",
            "config.json",
            {"config": {"depthwise_residual": True}},
            UsageError,
            "depthwise_residual",
        ),
        (
            "mobilenet_small",
            "config.json",
            {"config": {"input_activation": "relu6"}},
            UsageError,
            "input_activation 'relu6'",
        ),
        (
            "segformer",
            "config.json",
            {"config": {"image_encoder": {"class_name": "ViTBackbone"}}},
            UsageError,
            "ViTBackbone",
        ),
        ("segformer", "task.json", {"class_name": "Other"}, UsageError, "no supported head"),
        (
            "whisper",
            "audio_converter.json",
            {"config": {"stride": 80}},
            UsageError,
            "stride 80",
        ),
        (
            "whisper",
            "audio_converter.json",
            {"config": {"max_audio_length": 30}},
            UsageError,
            "max_audio_length 30",
        ),
        (
            "whisper",
            "tokenizer.json",
            {"config": {"language_tokens": {"<|en|>": "1"}}},
            BundleError,
            "language_tokens must give a number",
        ),
        (
            "mobilenet_small",
            "preprocessor.json",
            {"config": {"image_converter": {"config": {"interpolation": "lanczos5"}}}},
            UsageError,
            "lanczos5",
        ),
        (
            "mobilenet_small",
            "preprocessor.json",
            {"config": {"image_converter": {"config": {"rotation": 90}}}},
            UsageError,
            "rotation",
        ),
    ],
)
def test_what_is_not_supported(tmp_path, name, file, change, error, message):
    folder = tmp_path / name
    shutil.copytree(GOLDEN / name, folder)
    config = json.loads((folder / file).read_text())
    for key, value in change.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    (folder / file).write_text(json.dumps(config))
    with pytest.raises(error, match=message):
        repository.read(folder)
